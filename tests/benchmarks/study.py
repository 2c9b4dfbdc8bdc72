"""What the sweeper `study` gains by refilling stacks, and what its sampler and its memory cost.

(1) Trials per second and regret at equal wall-clock: places refilled, fixed batches of 16, and one
trial after the other, each with TPE and several seeds. (2) Trials that TPE suggests, and the same
ones without it. (3) Seconds of a suggestion and of the journal, with few and many trials.

    python tests/benchmarks/study.py [--quick] [--only=2,3]
"""

import json
import statistics
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path

import optuna
from optuna.samplers import BaseSampler
from optuna.samplers._tpe import _truncnorm
from report import judge, print_machine, print_table
from study_parts.replayed import read_points

from ermlab.sampler.quicken import quicken
from ermlab.sweep.question import Question, describe_space
from ermlab.sweep.study import Study

QUICK = "--quick" in sys.argv
ONLY = next(
    (word[7:].split(",") for word in sys.argv if word.startswith("--only=")), ["3", "1", "2"]
)
N_TRIALS = 24 if QUICK else 96
SEEDS = range(1) if QUICK else range(5)
COUNTS = (50,) if QUICK else (100, 1000, 5000)  # those of the last take half an hour
BY_OPTUNA = _truncnorm._log_ndtr
REPLAYED = Path(__file__).parent / "study_parts" / "replayed.py"
SIZES = (100, 300) if QUICK else (100, 1000, 5000)
STACKED = ["hydra/launcher=stacked", "hydra.sweeper.n_jobs=16"]
LIAR = "hydra.sweeper.sampler.constant_liar=true"  # batches need it, see Optuna
WAYS = {
    "refilled places, 16 at once": [*STACKED, LIAR],
    "batches of 16": [*STACKED, LIAR, "hydra.sweeper.refill=false"],
    "one after the other": ["hydra/launcher=stacked", "hydra.sweeper.n_jobs=1"],
}
SPACE = {
    "model.hidden_units": optuna.distributions.IntDistribution(8, 256, log=True),
    "optimizer.lr": optuna.distributions.FloatDistribution(1e-4, 1e-1, log=True),
    "loop.batch_size": optuna.distributions.IntDistribution(10, 200),
}


def sweep_command(
    folder: Path, n_trials: int, seed: int, words: Sequence[str], program: Sequence[str]
) -> list[str]:
    """The command line of one sweep of `hidden_step_batch`."""
    return [
        sys.executable, *program, "-m", "sweeps=hidden_step_batch", "hydra/sweeper=study",
        f"hydra.sweep.dir={folder}", f"hydra.sweeper.n_trials={n_trials}", "device=cpu",
        f"hydra.sweeper.sampler.seed={seed}", "hydra.sweeper.sweep_test=none",
        "hydra.job_logging.root.level=WARNING", *words,
    ]  # fmt: skip


def run_sweep(
    n_trials: int,
    seed: int,
    words: Sequence[str],
    folder: Path,
    program: Sequence[str] = ("-m", "ermlab"),
) -> tuple[float, float]:
    """Run a sweep; return the seconds of the command and of training with all that belongs to it.

    The latter are counted from the first line of the journal to its last.
    """
    began = time.perf_counter()
    subprocess.run(
        sweep_command(folder, n_trials, seed, words, program),
        check=True,
        capture_output=True,
        cwd=folder.parent,
    )
    whole_s = time.perf_counter() - began
    stat = (folder / "study.jsonl").stat()
    first = min(path.stat().st_mtime for path in folder.glob("*/.hydra"))
    return whole_s, stat.st_mtime - first


def losses_over_time(folder: Path) -> list[tuple[float, float]]:
    """When each trial had ended, in seconds since the first began, and its validation loss."""
    first = min(path.stat().st_mtime for path in folder.glob("*/.hydra"))
    rows = []
    for path in folder.glob("*/last.safetensors"):
        summary = json.loads((path.parent / "summary.json").read_text())
        if summary["valid_loss"] is not None:
            rows.append((path.stat().st_mtime - first, summary["valid_loss"]))
    return sorted(rows)


def best_until(rows: Sequence[tuple[float, float]], seconds: float) -> float:
    """The lowest validation loss of the trials that had ended by then."""
    return min((loss for end_s, loss in rows if end_s <= seconds), default=float("inf"))


def compare_ways() -> None:
    """(1) Refilled places, batches, and one after the other, interleaved."""
    seconds: dict[str, list[float]] = {name: [] for name in WAYS}
    curves: dict[tuple[str, int], list[tuple[float, float]]] = {}
    for seed in SEEDS:
        for name, words in WAYS.items():
            with tempfile.TemporaryDirectory() as folder:
                seconds[name].append(run_sweep(N_TRIALS, seed, words, Path(folder, "s"))[1])
                curves[name, seed] = losses_over_time(Path(folder, "s"))
    lowest = min(loss for rows in curves.values() for _, loss in rows)
    quickest = min(statistics.median(each) for each in seconds.values())
    rows = []
    for name, each in seconds.items():
        row = [name, f"{N_TRIALS / statistics.median(each):.1f}"]
        for share in (0.25, 0.5, 1.0):
            regrets = [best_until(curves[name, seed], share * quickest) - lowest for seed in SEEDS]
            row.append(f"{statistics.mean(regrets):.4f}")
        regrets = [best_until(curves[name, seed], float("inf")) - lowest for seed in SEEDS]
        rows.append([*row, f"{statistics.mean(regrets):.4f}"])
    header = ["", "trials/s", *(f"regret at {s * quickest:.1f} s" for s in (0.25, 0.5, 1.0)), "end"]
    print_table(
        f"(1) {N_TRIALS} trials of hidden_step_batch, TPE, one process, {len(SEEDS)} seeds; regret "
        f"is to the lowest validation loss of all, {lowest:.4f}",
        header,
        rows,
    )


def compare_samplers() -> None:
    """(2) TPE against the same points without it, in the sweep's process and beside the lanes."""
    rows = []
    for count in COUNTS:
        for n_jobs in (1, 2):
            words = [*STACKED, f"hydra.launcher.n_jobs={n_jobs}"]
            with tempfile.TemporaryDirectory() as folder:
                tpe, same = Path(folder, "tpe"), Path(folder, "same")
                tpe_s = run_sweep(count, 0, [*words, "hydra/sweeper/sampler=tpe"], tpe)[1]
                program = [str(REPLAYED), str(tpe / "study.jsonl")]
                random = [*words, "hydra/sweeper/sampler=random"]
                same_s = run_sweep(count, 0, random, same, program)[1]
                assert read_points(tpe / "study.jsonl") == read_points(same / "study.jsonl")
            times = [f"{each / count * 1e3:.1f}" for each in (same_s, tpe_s)]
            rows.append([str(count), str(n_jobs), *times, *judge(tpe_s / same_s, 1.1, 2)])
            print(f"timed {', '.join(rows[-1])}", flush=True)
    header = ["trials", "processes", "its points alone [ms/trial]", "TPE [ms/trial]", "ratio"]
    print_table("(2) TPE, and the same points without it", [*header, "goal", ""], rows)


def measure_memory() -> None:
    """(3) A suggestion, and what the journal adds to it, with so many trials before it."""
    rows = []
    for size in SIZES:
        with tempfile.TemporaryDirectory() as folder:
            _truncnorm._log_ndtr = BY_OPTUNA  # as it was before our sampler came
            optunas_ms, _ = time_study(Path(folder, "optunas.jsonl"), size, lambda made: made)
            ours_ms, journal_ms = time_study(Path(folder, "ours.jsonl"), size, quicken)
        times = [f"{each:.1f}" for each in (optunas_ms, ours_ms, optunas_ms / ours_ms)]
        rows.append([str(size), *times, f"{journal_ms:.2f}"])
    print_table(
        "(3) milliseconds of a suggestion of TPE, and of the journal for a trial with 20 reports",
        ["trials before", "by Optuna's sampler", "by ours", "ratio", "journal"],
        rows,
    )


def time_study(
    path: Path, size: int, change: Callable[[BaseSampler], BaseSampler]
) -> tuple[float, float]:
    """Fill a study with random trials, then time ten of TPE, and their lines of the journal."""
    asked = Question(space=describe_space(SPACE), fixed=[], directions=["minimize"], replicates=1)
    sampler = change(optuna.samplers.TPESampler(seed=0, n_startup_trials=size))
    study = Study(
        path, make_sampler=lambda: sampler, make_pruner=None, space=SPACE, question=asked,
        extend=None, go_on_changed=False,
    )  # fmt: skip
    journal_s = _timed(study._journal, ("asked", "started", "judged", "told"))
    for number in range(size + 10):
        if number == size:
            began, journal_s[0] = time.perf_counter(), 0.0
        study.ask()
        study.start(number, number)
        for index in range(20):
            study.judge(number, index, 1 / (1 + index))
        study.tell(number, [float(number % 17)])
    whole_s = time.perf_counter() - began
    study.close()
    return (whole_s - journal_s[0]) / 10 * 1e3, journal_s[0] / 10 * 1e3


def _timed(target: object, names: Sequence[str]) -> list[float]:
    """Add up the seconds that methods of an object take."""
    total = [0.0]

    def wrap(method: Callable[..., None]) -> Callable[..., None]:
        def timed(*arguments: object) -> None:
            began = time.perf_counter()
            method(*arguments)
            total[0] += time.perf_counter() - began

        return timed

    for name in names:
        setattr(target, name, wrap(getattr(target, name)))
    return total


if __name__ == "__main__":
    warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    print_machine()
    for part in ONLY:
        {"1": compare_ways, "2": compare_samplers, "3": measure_memory}[part]()
