"""Optuna's TPE with the same suggestions, draw for draw, in a fraction of the time.

Optuna's sampler goes through all trials in Python at each suggestion, which takes longer than a
small trial trains. Here the trials stay in arrays (`trial_table.py`), and the normal distribution
is compiled (`native/parzen.c`); all else is Optuna's own code. `tests/sampler/test_quick_tpe.py`
holds each suggestion to Optuna's, to the last bit.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from optuna.distributions import BaseDistribution
from optuna.samplers import TPESampler
from optuna.samplers._tpe import _truncnorm, sampler
from optuna.storages import InMemoryStorage
from optuna.study import Study
from optuna.trial import FrozenTrial

from ermlab.native.parzen import find_parzen
from ermlab.sampler.choose import find_best
from ermlab.sampler.trial_table import TrialTable

LARGEST = 1e150  # whose square is finite


class QuickTPE(TPESampler):
    """Optuna's TPE for a study in memory; any other it samples as Optuna does.

    As with Optuna's, a sampler is for one study.
    """

    _table: TrialTable | None = None

    def infer_relative_search_space(
        self, study: Study, trial: FrozenTrial
    ) -> dict[str, BaseDistribution]:
        """What all finished trials have in common, if it is sampled at once."""
        table = self._read(study)
        if table is None or self._group:
            return super().infer_relative_search_space(study, trial)
        if not self._is_multivariate(study):
            return {}
        common = sorted((table.space or {}).items())
        return {name: each for name, each in common if not each.single()}

    def _sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        table = self._read(study)
        if table is None:
            return super()._sample_relative(study, trial, search_space)
        if not search_space or table.n_finished < self._n_startup_trials:
            return {}
        return self._sample(study, trial, search_space)

    def _sample(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        table = self._read(study)
        if table is None or not table.knows(search_space):
            return super()._sample(study, trial, search_space)
        if self._gamma is None:
            self._gamma = sampler.default_gamma
        n_below = self._gamma(table.n_finished)
        if n_below < 0:
            return super()._sample(study, trial, search_space)
        running: dict[int, dict[str, float]] = {}
        if self._constant_liar:
            for other in table.running:
                if other.number != trial.number:
                    running |= self._observe_running(other, search_space, study)
        parts = table.observe(list(search_space), table.find_below(n_below), running)
        below, above = (
            self._parzen_estimator_cls(part, search_space, self._parzen_estimator_parameters)
            for part in parts
        )
        candidates = below.sample(self._rng.rng, self._n_ei_candidates)
        best = find_best(candidates, below, above)
        if best is None:
            ratios = self._compute_acquisition_func(candidates, below, above)
            chosen = self._compare(candidates, ratios)
        else:
            chosen = {name: values[best].item() for name, values in candidates.items()}
        return {name: each.to_external_repr(chosen[name]) for name, each in search_space.items()}

    def _observe_running(
        self, trial: FrozenTrial, search_space: dict[str, BaseDistribution], study: Study
    ) -> dict[int, dict[str, float]]:
        values = self._get_internal_repr([trial], search_space, study)
        has_all = all(len(value) for value in values.values())
        return {trial.number: {k: float(v[0]) for k, v in values.items()}} if has_all else {}

    def _read(self, study: Study) -> TrialTable | None:
        """The table of a study as it is now; None where it has none."""
        if not isinstance(study._storage, InMemoryStorage) or study._is_multi_objective():
            return None
        if self._table is None or not self._table.is_of(study):
            self._table = TrialTable(study)
        try:
            self._table.update()
        except BaseException:  # half read, it would lack what comes after
            self._table = None
            raise
        return self._table


_by_optuna = _truncnorm._log_ndtr


def use_compiled() -> None:
    """Let Optuna compute the logarithm of the normal distribution by the compiled function.

    Not so where the two differ in any bit at some hundreds of points, as with an interpreter that
    has another mathematics library than the C compiler.
    """
    given = np.linspace(-60.1, 12.3, 997)
    if find_parzen() is not None and (_log_ndtr(given) == _by_optuna(given)).all():
        _truncnorm._log_ndtr = _log_ndtr


def _log_ndtr(a: NDArray[np.float64]) -> NDArray[np.float64]:
    library = find_parzen()
    if library is None or a.dtype != np.float64 or (a.size and np.abs(a).max() > LARGEST):
        return _by_optuna(a)
    given = np.ascontiguousarray(a)
    result = np.empty_like(given)
    library.ermlab_log_ndtr(given.ctypes.data, given.size, result.ctypes.data)
    return result
