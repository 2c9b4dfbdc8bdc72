"""What every benchmark prints: the machine, the versions, and a table of figures against goals.

Run alone it prints the machine. The measurements are in the files beside it.
"""

import os
import platform
import statistics
import sys
import time
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

PACKAGES = ("ermlab", "torch", "numpy", "hydra-core", "optuna", "pandas", "matplotlib")


def print_machine(packages: Sequence[str] = PACKAGES) -> None:
    """Print what a figure is worth nothing without: hardware, versions, date, command."""
    cores = f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f} at the start"
    versions = [f"{name} {_version(name)}" for name in packages]
    print(f"hardware  {_cpu_model()}, {cores}")
    print(f"versions  Python {platform.python_version()}, {', '.join(versions)}")
    print(f"date      {time.strftime('%Y-%m-%d %H:%M %z')}")
    print(f"command   {' '.join([Path(sys.executable).name, *sys.argv])}", flush=True)


def print_table(title: str, header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a table of text: the first column to the left, the others to the right."""
    sizes = [max(map(len, column)) for column in zip(header, *rows, strict=True)]
    print(f"\n{title}")
    for row in (header, ["-" * size for size in sizes], *rows):
        cells = [row[0].ljust(sizes[0])]
        cells += [cell.rjust(size) for cell, size in zip(row[1:], sizes[1:], strict=True)]
        print("  ".join(cells).rstrip(), flush=True)


def show_spread(values: Sequence[float], digits: int) -> tuple[str, str]:
    """Show a sample, of two values or more, as its median and as "lower to upper quartile"."""
    lower, median, upper = statistics.quantiles(values, n=4, method="inclusive")
    return f"{median:.{digits}f}", f"{lower:.{digits}f} to {upper:.{digits}f}"


def judge(value: float, goal: float, digits: int) -> tuple[str, str, str]:
    """Show a figure, the most that it should be, and whether it is met."""
    shown = f"{value:.{digits}f}", f"<= {goal:g}"
    return *shown, "met" if value <= goal else "NOT MET"


def judge_least(value: float, goal: float, digits: int) -> tuple[str, str, str]:
    """Show a figure, the least that it should be, and whether it is met."""
    shown = f"{value:.{digits}f}", f">= {goal:g}"
    return *shown, "met" if value >= goal else "NOT MET"


def _cpu_model() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:  # not Linux
        return platform.processor() or platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "absent"


if __name__ == "__main__":
    print_machine()
