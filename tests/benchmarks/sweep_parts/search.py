"""The points of the sweeps: what is searched, how they are drawn, and how trials tell of them.

The alternatives draw for themselves; `draw_points` says what all of them must have drawn.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import optuna

NARROWEST, SMALLEST_LR, LARGEST_LR, SMALLEST_BATCH, LARGEST_BATCH = 8, 1e-4, 1e-1, 10, 200
RESULTS = Path("results.jsonl")  # in the folder that a command is started in
N_SEEDS = 100  # tried for a small sample that is like a large one


@dataclass(frozen=True, kw_only=True)
class Point:
    """What a trial differs in: h, step size, rows of a batch."""

    hidden_units: int
    lr: float
    batch_size: int


def suggest_point(trial: optuna.Trial, widest: int) -> Point:
    """Let Optuna suggest a point with at most `widest` hidden units."""
    return Point(
        hidden_units=trial.suggest_int("hidden_units", NARROWEST, widest, log=True),
        lr=trial.suggest_float("lr", SMALLEST_LR, LARGEST_LR, log=True),
        batch_size=trial.suggest_int("batch_size", SMALLEST_BATCH, LARGEST_BATCH),
    )


def search_space(widest: int, prefixes: tuple[str, str, str] = ("", "", "")) -> list[str]:
    """Write the same search for hydra-optuna-sweeper, in the same order.

    Args:
        widest: most hidden units.
        prefixes: what stands before the keys hidden_units, lr and batch_size.
    """
    model, optimizer, loop = prefixes
    return [
        f"{model}hidden_units=tag(log,int(interval({NARROWEST},{widest})))",
        f"{optimizer}lr=tag(log,interval({SMALLEST_LR},{LARGEST_LR}))",
        f"{loop}batch_size=range({SMALLEST_BATCH},{LARGEST_BATCH + 1})",
    ]


def draw_points(n_trials: int, *, widest: int, seed: int) -> list[Point]:
    """Draw what RandomSampler suggests first."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=seed))
    return [suggest_point(study.ask(), widest) for _ in range(n_trials)]


def find_seed(n_trials: int, like: Sequence[Point], *, widest: int) -> int:
    """Find a seed whose first points cost as much as others do on average.

    So that the cost of a trial in a sweep of few trials can be compared with that in a sweep of
    many: in steps, which rule the cost of the slow alternatives, and in arithmetic.
    """
    goal_steps, goal_work = _mean_work(like)

    def distance(seed: int) -> float:
        steps, work = _mean_work(draw_points(n_trials, widest=widest, seed=seed))
        return abs(steps / goal_steps - 1) + 0.2 * abs(work / goal_work - 1)

    return min(range(N_SEEDS), key=distance)


def _mean_work(points: Sequence[Point]) -> tuple[float, float]:
    steps = [1 / each.batch_size for each in points]
    work = [each.hidden_units for each in points]  # an epoch covers all rows, whatever the batch
    return sum(steps) / len(points), sum(work) / len(points)


def write_result(file: Path, point: Point, valid_loss: float) -> None:
    """Append a line; several processes may, for a short line is written whole."""
    line = json.dumps({**asdict(point), "valid_loss": valid_loss}) + "\n"
    with file.open("a", encoding="utf-8") as lines:
        lines.write(line)


def read_results(file: Path) -> list[tuple[Point, float]]:
    """Read what `write_result` wrote, as points and lowest validation losses."""
    rows = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
    losses = [row.pop("valid_loss") for row in rows]
    return [(Point(**row), loss) for row, loss in zip(rows, losses, strict=True)]
