"""ermlab: compare training choices by empirical risk minimization, with Hydra configurations.

The names below are found on first use, so that `import ermlab` stays cheap: `main` (the command
line, for a script that allows targets of its own), `run` and `sweep` (one configuration and many),
`load_runs`, `load_history` and `compare` (results as DataFrames), `plot` and `report` (results to
look at), and `load_model` (a trained model).
"""

import sys
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ermlab.cli.main import main as main
    from ermlab.cli.python import load_model as load_model
    from ermlab.cli.python import run as run
    from ermlab.cli.python import sweep as sweep
    from ermlab.results.compare import compare as compare
    from ermlab.results.load import load_history as load_history
    from ermlab.results.load import load_runs as load_runs
    from ermlab.results.plots.command import plot as plot
    from ermlab.results.report.command import report as report

_HOMES = {
    "main": "ermlab.cli.main",
    "run": "ermlab.cli.python",
    "load_model": "ermlab.cli.python",
    "compare": "ermlab.results.compare",
    "load_runs": "ermlab.results.load",
    "load_history": "ermlab.results.load",
    "plot": "ermlab.results.plots.command",
    "report": "ermlab.results.report.command",
}


def __getattr__(name: str) -> Any:
    if name == "sweep":
        return import_module("ermlab.sweep")  # found here from now on, and can be called
    if name not in _HOMES:
        raise AttributeError(f"module 'ermlab' has no attribute {name!r}")
    found = getattr(import_module(_HOMES[name]), name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return [*globals(), *_HOMES, "sweep"]


class _Sweep(ModuleType):
    """The folder `ermlab.sweep`, called as the function of the same name in `cli/python.py`."""

    def __call__(self, *args: Any, **options: Any) -> Any:
        from ermlab.cli.python import sweep

        return sweep(*args, **options)


class _Root(ModuleType):
    """This package. Importing a folder of it puts the folder where `ermlab.sweep` is looked for."""

    def __setattr__(self, name: str, value: Any) -> None:
        if name == "sweep" and isinstance(value, ModuleType):
            value.__class__ = _Sweep
        super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Root
