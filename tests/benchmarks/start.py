"""Time from the shell: one short run, the help, and where the time of a short run goes.

A run is compared with a script that imports what every Hydra and torch program imports and makes
one `torch.optim` optimizer; the rest is ours. The commands take turns, each in an empty folder.
"""

import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from report import judge, print_machine, print_table, show_spread

REPEATS = 5
GOAL_S = 1.2  # what a run may take beyond the baseline
N_PACKAGES = 16  # rows of the breakdown
ERMLAB = [sys.executable, "-m", "ermlab"]
ENTRY = Path(sys.executable).with_name("ermlab")
COMMAND = [str(ENTRY)] if ENTRY.exists() else ERMLAB
BASELINE = """\
import hydra
import torch

torch.optim.Adam([torch.nn.Parameter(torch.zeros(1))])
"""
HEAVY = ("torch", "numpy", "pandas", "matplotlib", "optuna", "rich", "scipy", "sklearn")
# "import time:   self [us] | cumulative [us] |   name", the name indented by two for each level
IMPORT_LINE = re.compile(r"import time:\s*(\d+) \|\s*(\d+) \| (\s*)(\S+)")

Imported = tuple[int, int, int, str]  # level, own time [us], time with what it imports [us], name


def main() -> None:
    """Measure the commands, then take one run of each apart."""
    print_machine()
    commands = {
        "torch, hydra, an optimizer": [sys.executable, "-c", BASELINE],
        "torch alone": [sys.executable, "-c", "import torch"],
        "ermlab loop.epochs=1": [*COMMAND, "loop.epochs=1"],
        "... plot=false": [*COMMAND, "loop.epochs=1", "plot=false"],
        "ermlab --help": [*COMMAND, "--help"],
    }
    seconds: dict[str, list[float]] = {name: [] for name in commands}
    for turn in range(REPEATS + 1):
        for name, words in commands.items():
            taken, _ = run(words)
            if turn:  # the first turn brings the files into the cache
                seconds[name].append(taken)
    print_times(seconds)
    print_help_imports()
    for words in (["loop.epochs=1"], ["loop.epochs=1", "plot=false"]):
        print_breakdown(words)


def run(words: Sequence[str]) -> tuple[float, str]:
    """Run a command in an empty folder; return its seconds and what it wrote to stderr."""
    with tempfile.TemporaryDirectory() as folder:
        began = time.perf_counter()
        done = subprocess.run(words, cwd=folder, capture_output=True, text=True, check=True)
        return time.perf_counter() - began, done.stderr


def print_times(seconds: dict[str, list[float]]) -> None:
    """Print each command's time, and what it takes beyond the first, turn by turn."""
    baseline = next(iter(seconds.values()))
    rows = []
    for name, taken in seconds.items():
        more = statistics.median(a - b for a, b in zip(taken, baseline, strict=True))
        has_goal = name.startswith(("ermlab loop", "..."))
        verdict = judge(more, GOAL_S, 2) if has_goal else (f"{more:.2f}", "", "")
        rows.append([name, *show_spread(taken, 2), *verdict])
    header = ["seconds", "median", "quartiles", "more than the first", "goal", ""]
    print_table(f"whole commands, {REPEATS} turns", header, rows)


def print_help_imports() -> None:
    """Say which of the heavy packages `ermlab --help` imports."""
    names = {name for *_, name in read_imports(["--help"])}
    found = [name for name in HEAVY if name in names]
    verdict = "NOT MET" if "torch" in names else "met"
    print(f"\nermlab --help imports of {', '.join(HEAVY)}: {', '.join(found) or 'none'}")
    print(f"goal: not torch: {verdict}")


def print_breakdown(words: Sequence[str]) -> None:
    """Print how long the imports of each package take, as Python's own -X importtime says."""
    began = time.perf_counter()
    imports = read_imports(words)
    wall_ms = (time.perf_counter() - began) * 1e3
    own: Counter[str] = Counter()
    whole: Counter[str] = Counter()
    count: Counter[str] = Counter()
    for own_us, whole_us, name, parents in with_parents(imports):
        package = name.partition(".")[0]
        own[package] += own_us
        count[package] += 1
        if package not in parents:
            whole[package] += whole_us
    rows = [
        [name, f"{us / 1e3:.0f}", f"{whole[name] / 1e3:.0f}", str(count[name])]
        for name, us in own.most_common(N_PACKAGES)
    ]
    total_ms = sum(own.values()) / 1e3
    header = ["ms", "own modules", "and theirs", "modules"]
    print_table(f"imports of ermlab {' '.join(words)}, one run", header, rows)
    print(f"imports {total_ms:.0f} ms of {wall_ms:.0f} ms; the rest is composing, training, files")


def read_imports(words: Sequence[str]) -> list[Imported]:
    """List what ermlab imports with these words, in the order in which the imports end."""
    _, told = run([sys.executable, "-X", "importtime", *ERMLAB[1:], *words])
    found = []
    for line in told.splitlines():
        if match := IMPORT_LINE.match(line):
            own, whole, indent, name = match.groups()
            found.append((len(indent) // 2, int(own), int(whole), name))
    return found


def with_parents(imports: Sequence[Imported]) -> Iterator[tuple[int, int, str, set[str]]]:
    """Add to each import the packages of the modules that wait for it: they end after it."""
    waiting: list[str] = []  # one package for each level above the present line
    for level, own, whole, name in reversed(imports):
        del waiting[level:]
        yield own, whole, name, set(waiting)
        waiting.append(name.partition(".")[0])


if __name__ == "__main__":
    main()
