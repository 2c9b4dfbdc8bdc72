"""Time of a training step in a stack and alone, measured and as `ermlab.sweep.cost` predicts it.

It prints the constants of that file as fitted to this machine, then for each case the measured and
the predicted time of a step of one model. The models of a stack have unlike widths, from h upwards,
which is the harder case: equal ones share their products. All repeat in turns, and the fastest turn
counts, so that what else the machine does stays out.
"""

import argparse
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
import torch
from report import print_machine, print_table
from torch import Tensor

from ermlab.data.dataset import DataSet, make_dataset
from ermlab.loop.batches import epoch_batches
from ermlab.loop.learner import Learner, Parts
from ermlab.loop.single import SingleLearner
from ermlab.model.linear import Linear
from ermlab.model.mlp import Mlp
from ermlab.objective import SquaredError
from ermlab.optimizer.rules import Adam
from ermlab.sweep import cost
from ermlab.sweep.cost import Work, cost_alone, cost_of_stack
from ermlab.trial.stack import stack_trials

WIDTHS, BATCHES, COUNTS = (8, 32, 128, 512), (10, 50, 200), (1, 2, 4, 8, 16, 32)
LAYERS = (1, 2, 3)  # linear, two-layer, mlp
DTYPES = (torch.float32, torch.float64)
N_ROWS = 1000
N_INPUTS = 100  # and outputs, as in the source text's first lab
LARGEST_BYTES = 40_000_000  # of a stack: more is known to be slow
TURN_S = 0.02  # of one case
SEED = 0


@dataclass(frozen=True, kw_only=True)
class Case:
    """K models (0: one model alone, with the reference learner)."""

    dtype: torch.dtype
    n_layers: int
    width: int
    batch_size: int
    n_models: int

    def works(self) -> list[Work]:
        """The work of a step of each model."""
        return [
            Work(
                n_params=self._n_params(self.width + i),
                n_layers=self.n_layers,
                n_values=3 * N_INPUTS + 2 * (self.n_layers - 1) * (self.width + i),
                batch_size=self.batch_size,
                n_steps=1,
                item_bytes=self.dtype.itemsize,
            )
            for i in range(max(1, self.n_models))
        ]

    def _n_params(self, h: int) -> int:
        if self.n_layers == 1:
            return N_INPUTS**2
        return 2 * N_INPUTS * h + (self.n_layers - 2) * h**2

    def predict(self) -> float:
        """Seconds of a step of one model."""
        works = self.works()
        return cost_of_stack(works) / len(works) if self.n_models else cost_alone(works[0])


def main() -> None:
    """Measure, fit and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--turns", type=int, default=3, help="turns; the fastest counts")
    parser.add_argument("--part", type=int, default=1, help="measure each N-th case only")
    options = parser.parse_args()
    print_machine()
    torch.set_num_threads(1)
    cases = find_cases()[:: options.part]
    measured = measure(cases, options.turns)
    print_fit(cases, measured)
    for dtype in DTYPES:
        chosen = [i for i, case in enumerate(cases) if case.dtype == dtype]
        print_cases([cases[i] for i in chosen], [measured[i] for i in chosen])
    print_decisions(dict(zip(cases, measured, strict=True)))


def find_cases() -> list[Case]:
    """All cases that are not too large, those of one model alone included."""
    cases = []
    for dtype, n_layers, width, batch_size in product(DTYPES, LAYERS, WIDTHS, BATCHES):
        if n_layers == 1 and width != WIDTHS[0]:  # has no hidden units
            continue
        for n_models in (0, *COUNTS):
            case = Case(
                dtype=dtype,
                n_layers=n_layers,
                width=width,
                batch_size=batch_size,
                n_models=n_models,
            )
            if n_models < 2 or sum(work.n_bytes for work in case.works()) <= LARGEST_BYTES:
                cases.append(case)
    return cases


def measure(cases: Sequence[Case], turns: int) -> list[float]:
    """Seconds of a step of one model, the fastest turn of each case."""
    data = {dtype: make_data(dtype) for dtype in DTYPES}
    best = [float("inf")] * len(cases)
    for _ in range(turns):
        for i, case in enumerate(cases):
            best[i] = min(best[i], time_step(case, data[case.dtype]) / max(1, case.n_models))
    return best


def make_data(dtype: torch.dtype) -> DataSet:
    rng = np.random.default_rng(SEED)
    x, y = rng.normal(size=(2, N_ROWS + 2, N_INPUTS))
    sizes = {"train": N_ROWS, "valid": 1, "test": 1}
    return make_dataset(
        x,
        y,
        sizes=sizes,
        partition="in_order",
        standardize="none",
        seed=SEED,
        dtype=dtype,
        device="cpu",
        where="benchmark",
        n_inputs=None,
        n_outputs=None,
    )


def time_step(case: Case, data: DataSet) -> float:
    """Seconds of a step of all models of a case."""
    parts = [make_parts(case, case.width + i, data) for i in range(max(1, case.n_models))]
    learner: Learner = stack_trials(parts) if case.n_models else SingleLearner(parts[0])
    advance: Callable[[int], Tensor] = learner.advance
    advance(2)  # makes the buffers
    n_steps, taken = 2, 0.0
    while taken < TURN_S / 4:
        n_steps *= 2
        began = time.perf_counter()
        advance(n_steps)
        taken = time.perf_counter() - began
    best = taken / n_steps
    for _ in range(3):
        began = time.perf_counter()
        advance(n_steps)
        best = min(best, (time.perf_counter() - began) / n_steps)
    return best


def make_parts(case: Case, width: int, data: DataSet) -> Parts:
    torch.set_default_dtype(case.dtype)
    sizes = {"n_inputs": N_INPUTS, "n_outputs": N_INPUTS, "bias": False, "init": "fan_in"}
    module = (
        Linear(**sizes)
        if case.n_layers == 1
        else Mlp(**sizes, hidden_units=width, n_layers=case.n_layers, activation="relu")
    )
    torch.set_default_dtype(torch.float32)
    rng = np.random.default_rng(SEED)
    return Parts(
        module=module,
        optimizer=Adam(
            module.parameters(), lr=1e-3, beta1=0.9, beta2=0.999, eps=1e-8, weight_decay=0.0
        ),
        loss=SquaredError(outputs="mean"),
        metrics={},
        data=data,
        batches=epoch_batches(N_ROWS, case.batch_size, rng),
    )


CONSTANTS = (
    "ALONE_S",
    "ALONE_LAYER_S",
    "STEP_S",
    "STEP_LAYER_S",
    "LAYER_S",
    "FLOP_S",
    "BYTE_S",
)


def print_fit(cases: Sequence[Case], measured: Sequence[float]) -> None:
    """Fit the constants by least squares of relative errors, none below zero."""
    values = np.array(measured)
    matrix = np.array([features(case) for case in cases]) / values[:, None]
    fitted = fit_nonnegative(matrix, np.ones(len(values)))
    rows = [
        (name, f"{getattr(cost, name):.2e}", f"{value:.2e}")
        for name, value in zip(CONSTANTS, fitted, strict=True)
    ]
    print_table("constants of ermlab.sweep.cost [s]", ("name", "there", "fitted here"), rows)


def features(case: Case) -> list[float]:
    """How often each constant counts in a step of one model."""
    found: list[float] = []
    saved = {name: getattr(cost, name) for name in CONSTANTS}
    try:
        for name in CONSTANTS:
            for other in CONSTANTS:
                setattr(cost, other, float(other == name))
            found.append(case.predict())
    finally:
        for name, value in saved.items():
            setattr(cost, name, value)
    return found


def fit_nonnegative(matrix: np.ndarray, goal: np.ndarray) -> np.ndarray:
    """Least squares with every factor >= 0: factors below are left out, the worst first."""
    used = list(range(matrix.shape[1]))
    while True:
        factors = np.linalg.lstsq(matrix[:, used], goal, rcond=None)[0]
        if (factors >= 0).all():
            result = np.zeros(matrix.shape[1])
            result[used] = factors
            return result
        del used[int(np.argmin(factors * np.linalg.norm(matrix[:, used], axis=0)))]


def print_cases(cases: Sequence[Case], measured: Sequence[float]) -> None:
    rows = [
        (
            f"L={case.n_layers} h={case.width} B={case.batch_size} K={case.n_models or 'alone'}",
            f"{1e6 * value:.1f}",
            f"{1e6 * case.predict():.1f}",
            f"{case.predict() / value:.2f}",
        )
        for case, value in zip(cases, measured, strict=True)
    ]
    header = (f"{cases[0].dtype}", "us", "predicted", "ratio")
    print_table("a step of one model", header, rows)


def print_decisions(measured: dict[Case, float]) -> None:
    """For each model and batch which K is fastest, and what the predicted best costs instead."""
    rows = []
    groups: dict[tuple[object, ...], list[Case]] = {}
    for case in measured:
        key = (case.dtype, case.n_layers, case.width, case.batch_size)
        groups.setdefault(key, []).append(case)
    for (dtype, n_layers, width, batch_size), cases in groups.items():
        best = min(cases, key=lambda case: measured[case])
        chosen = min(cases, key=lambda case: case.predict())
        alone = [measured[case] for case in cases if not case.n_models]
        gain = f"{alone[0] / measured[chosen]:.2f}" if alone else "-"
        rows.append(
            (
                f"{dtype} L={n_layers} h={width} B={batch_size}".removeprefix("torch."),
                str(best.n_models or "alone"),
                str(chosen.n_models or "alone"),
                f"{measured[chosen] / measured[best]:.2f}",
                gain,
            )
        )
    header = ("models", "fastest K", "predicted K", "its time / fastest", "speed-up over alone")
    print_table("decisions", header, rows)


if __name__ == "__main__":
    main()
