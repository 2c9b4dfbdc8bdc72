"""ermlab: compare training choices by empirical risk minimization, with Hydra configurations.

The names below are found on first use, so that `import ermlab` stays cheap: `main` (the command
line, for a script that allows targets of its own), `run` (one configuration from Python), and
`load_runs`, `load_history` (results as DataFrames), `plot` and `report` (results to look at).
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ermlab.cli.main import main as main
    from ermlab.cli.python import run as run
    from ermlab.results.load import load_history as load_history
    from ermlab.results.load import load_runs as load_runs
    from ermlab.results.plots.command import plot as plot
    from ermlab.results.report.command import report as report

_HOMES = {
    "main": "ermlab.cli.main",
    "run": "ermlab.cli.python",
    "load_runs": "ermlab.results.load",
    "load_history": "ermlab.results.load",
    "plot": "ermlab.results.plots.command",
    "report": "ermlab.results.report.command",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'ermlab' has no attribute {name!r}")
    from importlib import import_module

    found = getattr(import_module(_HOMES[name]), name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return [*globals(), *_HOMES]
