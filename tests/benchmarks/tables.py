"""Time and memory of `ermlab results DIR`, for 1,000 and 10,000 run directories.

One real run is the template: the others have its files, with a seed, a step size and losses of
their own in `summary.json` and `history.csv`. Cold means without the cache that the command leaves
in the folder, warm with it; the files are in the memory of the system in both.
"""

import contextlib
import io
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from report import judge, print_machine, print_table, show_spread

from ermlab import rundir
from ermlab.results.stamp import COARSEST_S

REPEATS = 5
COUNTS = (1_000, 10_000)  # run directories
N_VALIDATIONS = 50  # rows of each history
COLD_S, WARM_S, MEMORY_MB = 5.0, 1.0, 1_000  # goals for the command, with the most run directories
ERMLAB = [sys.executable, "-m", "ermlab"]


def main() -> None:
    """Write the run directories, then measure the command and its parts."""
    print_machine()
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        words = ["loop.epochs=1", f"hydra.run.dir={root / 'template'}"]
        subprocess.run([*ERMLAB, *words], cwd=root, capture_output=True, check=True)
        for count in COUNTS:
            write_runs(root / "template", root / str(count), count)
        time.sleep(COARSEST_S + 1)  # the cache does not trust what changed a moment ago
        summary = rundir.read_summary(root / "template") or {}
        print(f"\n{len(summary)} columns in a summary, {N_VALIDATIONS} rows in a history")
        print_command_times(root)
        print_part_times(root)


def write_runs(template: Path, sweep_dir: Path, count: int) -> None:
    """Write a sweep's folder: 0, 1, 2, ... with the files of a real run in each."""
    summary = rundir.read_summary(template) or {}
    rng = random.Random(0)
    for number in range(count):
        run_dir = sweep_dir / str(number)
        run_dir.mkdir(parents=True)
        for file in sorted(path for path in template.rglob("*") if path.is_file()):
            copy = run_dir / file.relative_to(template)
            copy.parent.mkdir(exist_ok=True)
            if file.name not in (rundir.SUMMARY, rundir.HISTORY):
                os.link(file, copy)  # only its name is looked at, so it needs no room of its own
        with rundir.HistoryWriter(run_dir) as history:
            for row in range(N_VALIDATIONS):
                history.append(draw_row(row, rng))
        rundir.write_summary(run_dir, {**summary, **draw_columns(number, rng)})


def draw_row(row: int, rng: random.Random) -> Mapping[str, float]:
    losses = {"train_loss": rng.random(), "valid_loss": rng.random()}
    return {"step": 20 * row + 19, "epoch": row + 1.0, **losses, "wall_s": 0.01 * row}


def draw_columns(number: int, rng: random.Random) -> Mapping[str, Any]:
    losses = {f"{split}_loss": rng.random() for split in ("train", "valid", "test")}
    settings = {"seed": number % 10, "optimizer.lr": 10 ** -(1 + number // 10 % 10 / 3)}
    return {**losses, "wall_s": rng.random(), **settings}


def print_command_times(root: Path) -> None:
    """Print the time and the memory of the whole command, the sizes taking turns."""
    cases = {
        f"{count} runs, {state}{form}": (root / str(count), state, words)
        for count in COUNTS
        for state in ("cold", "warm")
        for form, words in {"": [], ", --format csv": ["--format", "csv"]}.items()
    }
    cases["ermlab results --help"] = (root, "warm", ["--help"])
    taken: dict[str, list[tuple[float, float, float]]] = {name: [] for name in cases}
    for _ in range(REPEATS):
        for name, (folder, state, words) in cases.items():
            if state == "cold":
                (folder / rundir.CACHE).unlink(missing_ok=True)
            taken[name].append(run([*ERMLAB, "results", str(folder), *words]))
    rows = []
    for name, pairs in taken.items():
        seconds, busy, sizes = zip(*pairs, strict=True)
        median, quartiles = show_spread(seconds, 2)
        time_goal = memory_goal = ("", "")
        if name.startswith(f"{COUNTS[-1]} runs"):
            goal = WARM_S if "warm" in name else COLD_S
            time_goal = judge(float(median), goal, 2)[1:]
            memory_goal = judge(max(sizes), MEMORY_MB, 0)[1:]
        cpu = show_spread(busy, 2)[0]
        rows.append([name, median, quartiles, *time_goal, cpu, f"{max(sizes):.0f}", *memory_goal])
    header = ["whole command", "median [s]", "quartiles", "goal", "", "busy [s]"]
    header += ["memory [MB]", "goal", ""]
    print_table(f"ermlab results, {REPEATS} turns", header, rows)


def run(command: Sequence[str]) -> tuple[float, float, float]:
    """Run a command; return its seconds, those that it had a core, and its largest memory [MB].

    On a machine that does other things at once the second number says more than the first. The
    memory is at least that of this process, from which the command is forked: a small one.
    """
    began = time.perf_counter()
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as child:
        _, status, usage = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
    seconds = time.perf_counter() - began
    if child.returncode:
        raise subprocess.CalledProcessError(child.returncode, command)
    unit = 1 if sys.platform == "darwin" else 1024  # bytes in ru_maxrss: macOS tells them itself
    return seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * unit / 1e6


def print_part_times(root: Path) -> None:
    """Print the time of the parts within one process, which has imported everything."""
    # Here, for Linux counts the memory of this process as its children's own (see `run`).
    from ermlab.results.load import load_history, load_runs

    rows = []
    for count in COUNTS:
        sweep_dir = root / str(count)
        parts: dict[str, Callable[[], object]] = {
            "load_runs, cold": lambda sweep_dir=sweep_dir: load_cold(sweep_dir),
            "load_runs, warm": lambda sweep_dir=sweep_dir: load_runs(sweep_dir),
            "load_history": lambda sweep_dir=sweep_dir: load_history(sweep_dir),
            "results_command": lambda sweep_dir=sweep_dir: show_silently(sweep_dir),
        }
        for name, part in parts.items():
            part()
            seconds = []
            for _ in range(REPEATS):
                began = time.perf_counter()
                part()
                seconds.append(time.perf_counter() - began)
            rows.append([f"{name}, {count} runs", *show_spread(seconds, 3)])
    print_table("in one process", ["part", "median [s]", "quartiles"], rows)


def load_cold(sweep_dir: Path) -> None:
    from ermlab.results.load import load_runs

    (sweep_dir / rundir.CACHE).unlink(missing_ok=True)
    load_runs(sweep_dir)


def show_silently(sweep_dir: Path) -> None:
    from ermlab.results.command import results_command

    with contextlib.redirect_stdout(io.StringIO()):
        results_command([sweep_dir])


if __name__ == "__main__":
    main()
