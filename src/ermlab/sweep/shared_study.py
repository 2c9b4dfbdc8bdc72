"""The memory of a sweep in a database, so that several processes can share the sweep.

It has the interface of `study.Study`. Which process has which trial is in `leases.py`; how trials
are created and written together is in `shared_storage.py`.
"""

import contextlib
import logging
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

import optuna
import sqlalchemy as sa
from optuna.exceptions import UpdateFinishedTrialError
from optuna.pruners import BasePruner, NopPruner
from optuna.samplers import BaseSampler
from optuna.trial import FrozenTrial, TrialState

from ermlab.sweep.leases import Heartbeat, Lease, Leases, name_process
from ermlab.sweep.numbered_sampler import NumberedSampler
from ermlab.sweep.once import once
from ermlab.sweep.patience import patiently
from ermlab.sweep.question import Question
from ermlab.sweep.shared_cache import SharedCache
from ermlab.sweep.shared_storage import TotalReachedError
from ermlab.sweep.storage_open import open_storage, open_study
from ermlab.sweep.study import Extend, Space

log = logging.getLogger(__name__)
T = TypeVar("T")

MAX_TAKEN = 3  # own; a trial that ends process after process must not end them all
PRUNE_S = 1.0  # own; a pruner sees what others reported up to then; a look costs some 10 ms
LOOK_S = 1.0  # own; between two looks at the others, while this process has nothing to do


class SharedStudy:
    """Asks and tells, as other processes do at the same time.

    Args:
        url: of the database; *** in the place of a password is filled in.
        name: of the study.
        make_sampler: makes the sampler of the trial with a number.
        make_pruner: makes what decides which trials are pruned; None: nothing does.
        space: the distribution of each key.
        question: what the sweep asks; must be what the study has.
        extend: adds conditional suggestions, if there are any.
        n_trials: in all processes together, >= 1.
        heartbeat_s: between two signs of life [s], >= 1.
        go_on_changed: whether to go on although the question has changed.

    Raises:
        RunDirError: the study asks something else.
        StorageError: the database cannot be used.
    """

    def __init__(
        self,
        url: str,
        name: str,
        *,
        make_sampler: Callable[[int], BaseSampler],
        make_pruner: Callable[[], BasePruner] | None,
        space: Space,
        question: Question,
        extend: Extend | None,
        n_trials: int,
        heartbeat_s: float,
        go_on_changed: bool,
    ) -> None:
        self._space, self._extend, self._n_trials = space, extend, n_trials
        self.directions = list(question.directions)
        owner = name_process()
        self._storage = open_storage(url, n_trials=n_trials, owner=owner)
        with self._disconnecting_if_refused():
            self._cache = SharedCache(self._storage)
            self._study = open_study(
                self._cache,
                self._storage,
                name,
                sampler=NumberedSampler(make_sampler),
                pruner=make_pruner() if make_pruner is not None else NopPruner(),
                question=question,
                go_on_changed=go_on_changed,
            )
        self._leases = Leases(self._storage.engine, self._study._study_id, owner, heartbeat_s)
        self._look_s = heartbeat_s  # between two searches for trials of dead processes
        self._open: dict[int, optuna.Trial] = {}
        self._reserved: list[int] = []
        self._taken: set[int] = set()
        self.starts: dict[int, int] = {}  # as of `Study`: nothing is begun anew at its moment
        self.clock, self.last_begun, self.pruned_before = 0, None, frozenset[int]()
        self._stale: list[Lease] = []
        self._n_known = self._n_waiting = 0
        self._looked_s = 0.0
        self._look()
        self.was_stopped = self._n_known > 0
        self._heartbeat = Heartbeat(self._leases, heartbeat_s)

    @property
    def n_asked(self) -> int:
        """Trials that need not be asked for, as far as is known: any process has or had them."""
        n_left = self._n_waiting + len(self._stale) + len(self._reserved)
        return self._n_known - n_left

    @property
    def open_trials(self) -> dict[int, dict[str, Any]]:
        """The values of the trials that this process has not told, by number."""
        return {number: dict(trial.params) for number, trial in self._open.items()}

    @property
    def n_told(self) -> int:
        """Trials that ended, in all processes."""
        return sum(trial.state.is_finished() for trial in self._trials())

    @property
    def n_failed(self) -> int:
        """Trials that were told to have failed, in all processes."""
        return sum(
            trial.state == TrialState.PRUNED and not trial.intermediate_values
            for trial in self._trials()
        )

    def may_have_run(self, number: int) -> bool:
        """Whether another process had a trial before, which may have left a finished run."""
        return number in self._taken

    def ask(self) -> tuple[int, dict[str, Any]] | None:
        """Return the number and the values of the next trial; None when there is none.

        It is one that a dead process has left, or a new one.
        """
        if time.monotonic() - self._looked_s > self._look_s:
            self._look()
        trial = self._take_stale() or self._ask_new()
        if trial is None:
            self._look()
            return None
        for key, distribution in self._space.items():
            trial._suggest(key, distribution)
        if self._extend is not None:
            self._extend(trial)
        self._patiently(self._storage.write_params)
        self._open[trial.number] = trial
        return trial.number, dict(trial.params)

    def reserve(self, n: int) -> None:
        """Create the next trials of this process together, so that their numbers are in a row."""
        n -= len(self._stale) + self._n_waiting + len(self._reserved)
        if n <= 0:
            return
        study_id = self._study._study_id
        self._reserved += self._patiently(lambda: self._storage.create_trials(study_id, n))
        for number in self._reserved:
            self._heartbeat.add(number)
        self._look()

    def start(self, job: int, clock: int) -> None:
        """The moment at which a run begins is not kept: several processes have no common clock."""

    def judge(self, number: int, index: int, value: float) -> bool:
        """Take in what a trial has measured at a validation; return whether it is pruned."""
        self._open[number].report(value, index)  # written with others
        return self.should_prune(number)

    def should_prune(self, number: int) -> bool:
        """Whether the pruner would end a trial now, judged by what all trials have reported."""
        with self._cache.reading_at_most_every(PRUNE_S) as is_due:
            if is_due:
                self._patiently(self._storage.write_reports)
            return self._patiently(self._open[number].should_prune)

    def tell(
        self, number: int, values: Sequence[float] | None, *, clock: int | None = None
    ) -> None:
        """Take in how a trial ended.

        Args:
            number: of the trial.
            values: of its objectives; None for a trial that failed, which is told as pruned without
                a report (see `Study.tell`).
            clock: not kept.
        """
        self._close(self._open[number], values, failed=values is None)

    def tell_pruned(self, number: int, *, clock: int | None = None) -> None:
        """Take in that a trial was pruned; its last report counts."""
        self._close(self._open[number], None, failed=False)

    def wait(self, timeout_s: float | None) -> bool:
        """Wait for the trials that other processes have.

        Args:
            timeout_s: the longest to wait [s]; None: until they end.

        Returns:
            Whether there is a trial to ask for, which a dead process left; False when there is
            nothing more to do, or no time.
        """
        began, is_told = time.monotonic(), False
        while True:
            others = self._look()
            if self._stale or self._n_waiting:
                return True
            if not others or (timeout_s is not None and time.monotonic() - began > timeout_s):
                return False
            if not is_told:
                numbers = ", ".join(str(number) for number in others[:10])
                log.info("waiting for %d trials of other processes: %s", len(others), numbers)
                log.info("one that is silent for %.0f s counts as dead", self._leases.grace_s)
                is_told = True
            time.sleep(LOOK_S)

    def is_done(self) -> bool:
        """Whether no process has a trial that has not ended."""
        return not (self._look() or self._stale or self._open or self._reserved)

    def testing(self, number: int) -> contextlib.AbstractContextManager[bool]:
        """Let one process do in the block what is done once for a trial (see `once`)."""
        return once(self._leases, self._heartbeat, -1 - number)

    def best(self) -> list[FrozenTrial]:
        """The best trial, or those that no other surpasses in all objectives; empty if none."""
        if not any(trial.state == TrialState.COMPLETE for trial in self._trials()):
            return []
        return [self._study.best_trial] if len(self.directions) == 1 else self._study.best_trials

    def close(self) -> None:
        """Let others have the trials that this process will not finish, and disconnect."""
        self._heartbeat.stop()
        with contextlib.suppress(sa.exc.SQLAlchemyError):  # they are stale a little later instead
            self._leases.give_back([*self._open, *self._reserved])
        self._disconnect()

    @contextlib.contextmanager
    def _disconnecting_if_refused(self) -> Iterator[None]:
        try:
            yield
        except BaseException:
            self._disconnect()
            raise

    def _disconnect(self) -> None:
        self._storage.remove_session()
        self._storage.engine.dispose()

    def _trials(self) -> list[FrozenTrial]:
        trials: list[FrozenTrial] = self._patiently(lambda: self._study.get_trials(deepcopy=False))
        return trials[: self._n_trials]

    def _look(self) -> list[int]:
        """See what there is; return the numbers of the trials that other processes have."""
        trials = self._trials()
        mine = {*self._open, *self._reserved}
        others = [
            trial.number
            for trial in trials
            if trial.state == TrialState.RUNNING and trial.number not in mine
        ]
        self._n_known = len(trials)
        self._n_waiting = sum(trial.state == TrialState.WAITING for trial in trials)
        self._stale = self._patiently(lambda: self._leases.find_stale(others))
        self._looked_s = time.monotonic()
        return others

    def _ask_new(self) -> optuna.Trial | None:
        if self._n_waiting:
            return self._ask_queued()
        if not self._reserved:
            self.reserve(1)
        if not self._reserved:
            return None
        return self._trial(self._reserved.pop(0))

    def _ask_queued(self) -> optuna.Trial | None:
        """A trial that somebody has queued with Optuna's `enqueue_trial`."""
        self._n_waiting -= 1
        try:
            trial = self._patiently(self._study.ask)
        except TotalReachedError:
            return None
        number = trial.number
        if number >= self._n_trials:
            self._storage.set_trial_state_values(trial._trial_id, TrialState.WAITING)
            return None
        if not self._leases.has(number) and not self._leases.claim(number):
            return None
        self._heartbeat.add(number)
        return trial

    def _take_stale(self) -> optuna.Trial | None:
        """Take a trial that a dead process has left, to begin it anew."""
        while self._stale:
            lease = self._stale.pop()
            number = lease.number
            if not self._patiently(lambda lease=lease: self._leases.take(lease)):  # type: ignore[misc]
                continue
            self._heartbeat.add(number)
            trial = self._patiently(lambda number=number: self._reopen(number))  # type: ignore[misc]
            if trial is not None and lease.n_taken < MAX_TAKEN:
                log.info("taking up trial %d, which %s left", number, lease.owner or "a process")
                self._taken.add(number)
                return trial
            if trial is not None:
                log.warning("\ttrial %d has ended %d processes: it failed", number, MAX_TAKEN + 1)
                self._patiently(lambda trial=trial: self._end(trial, None))  # type: ignore[misc]
            self._heartbeat.remove(number)
        return None

    def _reopen(self, number: int) -> optuna.Trial | None:
        """The trial with a number, as it was when it was asked for; None if it has ended."""
        trial = self._trials()[number]
        if trial.state != TrialState.RUNNING:
            return None
        self._storage.remove_reports(trial._trial_id)
        return self._trial(number)

    def _trial(self, number: int) -> optuna.Trial:
        """What suggests the parameters of a trial that this process has."""
        storage, study_id = self._study._storage, self._study._study_id
        self._study._thread_local.cached_all_trials = None  # as `Study.ask` has it
        trial_id = storage.get_trial_id_from_study_id_trial_number(study_id, number)
        trial = self._patiently(lambda: optuna.Trial(self._study, trial_id))
        self._cache.held.add(trial_id)
        return trial

    def _close(self, trial: optuna.Trial, values: Sequence[float] | None, *, failed: bool) -> None:
        if self._patiently(lambda: self._leases.has(trial.number)):
            if failed:
                self._patiently(lambda: self._storage.remove_reports(trial._trial_id))
            self._patiently(self._storage.write_reports)
            self._patiently(lambda: self._end(trial, values))
        else:
            self._storage.drop_reports(trial._trial_id)
            log.warning("\ttrial %d was taken up by another process meanwhile", trial.number)
        self._heartbeat.remove(trial.number)
        self._cache.held.discard(trial._trial_id)
        self._cache.forget_age()
        del self._open[trial.number]

    def _end(self, trial: optuna.Trial, values: Sequence[float] | None) -> None:
        state = TrialState.PRUNED if values is None else TrialState.COMPLETE
        if values is None:
            self._cache.held.discard(trial._trial_id)  # its last report is read from the database
        with contextlib.suppress(UpdateFinishedTrialError):  # told, but the answer was lost
            self._study.tell(trial, values=values, state=state, skip_if_finished=True)

    def _patiently(self, call: Callable[[], T]) -> T:
        return patiently(call, self._storage.url)
