"""Checks STYLE section 2: which part of ermlab may import which, and what from outside.

The table below is that section's table as data. A folder or file of ermlab without a row fails: it
gets its row here and in the guide in the commit that adds it. The checker has its own tests below.
"""

import ast
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

SRC = Path(__file__).parents[2] / "src" / "ermlab"
LAYER_0 = frozenset({"errors", "foreign", "lock", "rundir", "seeds"})
LAYER_1 = frozenset({"config", "data", "model", "optimizer", "objective"})
SHELL = LAYER_0 | {"config", "trial", "sweep", "results"}
HEAVY = frozenset({"torch", "pandas", "optuna", "matplotlib"})  # each costs 0.5 to 2 s to import
VAGUE = frozenset({"utils", "util", "helpers", "helper", "common", "misc"})


@dataclass(frozen=True)
class Row:
    """What one part may import: parts of ermlab, packages outside, and packages in functions only.

    The part's own folder and the standard library are always allowed.
    """

    ermlab: frozenset[str]
    outside: frozenset[str]
    lazy: frozenset[str] = frozenset()


def row(ermlab: frozenset[str], outside: str, lazy: str = "") -> Row:
    """Make a row from the names as one writes them in the guide."""
    return Row(ermlab, frozenset(outside.split()), frozenset(lazy.split()))


# The part of the root package's own `__init__.py` is called "". No row holds `plugins` or "": so
# nothing imports a plugin, and nothing imports the root.
TABLE = {
    "errors": row(LAYER_0, "numpy"),
    "foreign": row(LAYER_0, ""),
    "lock": row(LAYER_0, ""),
    "seeds": row(LAYER_0, "numpy"),
    "rundir": row(LAYER_0, "numpy yaml"),  # yaml: what Hydra wrote beside our files
    "config": row(LAYER_0, "omegaconf hydra.core.config_store"),
    # scipy: the largest eigenvalue of a large graph.
    "data": row(LAYER_0, "torch numpy", lazy="sklearn pandas scipy"),
    "model": row(LAYER_0, "torch numpy"),
    "optimizer": row(LAYER_0, "torch numpy"),
    "objective": row(LAYER_0, "torch numpy"),
    "tracker": row(LAYER_0, "numpy", lazy="torch tensorboard PIL mlflow wandb"),
    "native": row(LAYER_0, ""),
    "loop": row(LAYER_0 | {"data", "optimizer", "objective", "native"}, "torch numpy"),
    # safetensors: a trial becomes a run directory here, its weights included.
    "trial": row(
        LAYER_0 | LAYER_1 | {"loop", "native", "tracker"},
        "hydra.utils hydra.errors omegaconf torch numpy safetensors",
    ),
    # Samplers that suggest what Optuna's do; what is between the sampler and our C is numpy.
    "sampler": row(LAYER_0 | {"native"}, "numpy optuna"),
    # loop: the sweep's bar is told of each check of a stack. yaml: Hydra's files, in Hydra's way.
    "sweep": row(
        LAYER_0 | {"config", "trial", "loop", "sampler"},
        # hydra_plugins: the study sweeper reads overrides as the one of hydra-optuna-sweeper.
        "optuna sqlalchemy hydra hydra_plugins omegaconf rich joblib yaml",
        lazy="ray",
    ),
    "results": row(
        LAYER_0,
        # omegaconf and yaml read .hydra/config.yaml; the others are tables, plots and statistics.
        "numpy pandas pyarrow omegaconf yaml matplotlib rich plotly scipy statsmodels",
        # Studies of other programs, importance, Pareto fronts; the page of a report.
        lazy="optuna sqlalchemy jinja2",
    ),
    # loop: the progress bar is told of each of its checks. data: predict reads and writes files.
    "cli": row(
        SHELL | {"loop", "data"},
        "hydra typer omegaconf yaml rich",
        lazy="pandas torch optuna_dashboard",
    ),
    "__main__": row(SHELL | {"cli"}, "hydra typer omegaconf rich"),
    # hydra_plugins: the study sweeper extends the one of hydra-optuna-sweeper.
    "plugins": row(SHELL, "hydra omegaconf hydra_plugins", lazy=" ".join(HEAVY)),
    "": row(frozenset(), ""),
}
# `ermlab.run` and others, by `__getattr__`; the folder `sweep` is called as the function.
ROOT_LAZY = frozenset({"cli", "trial", "results", "sweep"})


@dataclass(frozen=True)
class Import:
    """One imported name: its full dotted path, its line, and whether it waits for a call."""

    path: str
    line: int
    is_lazy: bool


def read_imports(tree: ast.AST, package: str, *, is_lazy: bool = False) -> Iterator[Import]:
    """List each import below a node; one in a function or for type checkers only is lazy."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield Import(alias.name, node.lineno, is_lazy)
        elif isinstance(node, ast.ImportFrom):
            parents = package.split(".")[: len(package.split(".")) + 1 - node.level]
            start = [".".join(parents)] if node.level else []
            base = ".".join([*start, *([node.module] if node.module else [])])
            for alias in node.names:
                yield Import(f"{base}.{alias.name}", node.lineno, is_lazy)
        elif name := imported_by_call(node):
            yield Import(name, node.lineno, is_lazy)  # type: ignore[attr-defined]  # a Call has it
        waits = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
        waits = waits or (isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test))
        yield from read_imports(node, package, is_lazy=is_lazy or waits)


def imported_by_call(node: ast.AST) -> str | None:
    """Name the module that `import_module("x")` or `__import__("x")` imports, if it is one."""
    if not (isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant)):
        return None
    called = ast.unparse(node.func).rpartition(".")[2]
    name = node.args[0].value
    return name if called in ("import_module", "__import__") and isinstance(name, str) else None


def find_violations(src: Path) -> list[str]:
    """List what a package folder imports against the table, one line each with file and line."""
    found = []
    for file in sorted(src.rglob("*.py")):
        parts = list(file.relative_to(src).with_suffix("").parts)
        found += [f"{file.name}: name a module by the noun it owns" for p in parts if p in VAGUE]
        part = "" if parts == ["__init__"] else parts[0]
        if part not in TABLE:
            found.append(f"{file.relative_to(src)}: `{part}` has no row in the table of imports")
            continue
        package = ".".join(["ermlab", *parts[:-1]])
        for one in read_imports(ast.parse(file.read_text(encoding="utf-8")), package):
            if reason := refuse(part, one, src):
                found.append(f"{file.relative_to(src)}:{one.line}: {reason}")
    return found


def refuse(part: str, one: Import, src: Path) -> str | None:
    """Say why a part may not import something, or None when it may."""
    names = one.path.split(".")
    allowed = TABLE[part]
    if names[0] == "ermlab":
        known = len(names) > 1 and ((src / names[1]).is_dir() or names[1] in TABLE)
        known = known or (len(names) > 1 and (src / f"{names[1]}.py").is_file())
        target = names[1] if known else ""
        if target in allowed.ermlab or (target == part and part):
            return None
        if part == "" and target in ROOT_LAZY:
            return None if one.is_lazy else f"the root may import `{target}` only in a function"
        return f"`{part or 'ermlab'}` may not import `{target or 'ermlab'}` (it imports {one.path})"
    if names[0] in sys.stdlib_module_names or _is_in(one.path, allowed.outside):
        return None
    if _is_in(one.path, allowed.lazy):
        return None if one.is_lazy else f"`{part}` may import {names[0]} only in a function"
    return f"`{part or 'ermlab'}` may not import {one.path} from outside"


def _is_in(path: str, packages: frozenset[str]) -> bool:
    return any(path == package or path.startswith(f"{package}.") for package in packages)


def test_no_import_is_against_the_table_of_layers() -> None:
    assert not (found := find_violations(SRC)), "\n" + "\n".join(found)


def test_an_init_file_below_the_root_holds_only_a_docstring() -> None:
    files = [file for file in SRC.rglob("__init__.py") if file.parent != SRC]
    coded = [file for file in files if len(ast.parse(file.read_text(encoding="utf-8")).body) != 1]
    assert not coded, f"these hold code, or no docstring: {coded}"


@pytest.mark.parametrize(
    "file", [pytest.param(file, id=file.stem) for file in sorted(SRC.glob("plugins/*.py"))]
)
def test_importing_a_plugin_loads_nothing_heavy(file: Path) -> None:
    module = f"ermlab.plugins.{file.stem}".removesuffix(".__init__")
    # What Hydra itself loads to find plugins is not the plugin's: it is imported before.
    code = (
        "import sys, hydra.core.plugins; before = set(sys.modules); "
        f"import {module}; print(*(set(sys.modules) - before))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert not HEAVY & set(done.stdout.split()), f"{module} loads it at every start of Hydra"


@pytest.mark.parametrize(
    ("file", "source", "reason"),
    [
        ("errors.py", "import ermlab.trial.run", "`errors` may not import `trial`"),
        ("seeds.py", "import torch", "may not import torch"),
        ("config/check.py", "from ermlab.data import split", "`config` may not import `data`"),
        ("config/check.py", "from hydra.utils import instantiate", "may not import hydra.utils"),
        ("data/lab1.py", "def f():\n    import sklearn.svm\nimport pandas", "only in a function"),
        ("model/mlp.py", "def f():\n    from ..data import lab1", "`model` may not import `data`"),
        ("model/mlp.py", "class A:\n    from ermlab import loop", "`model` may not import `loop`"),
        ("loop/loop.py", "from ermlab.model.mlp import MLP", "`loop` may not import `model`"),
        ("loop/loop.py", "import optuna", "may not import optuna"),
        ("trial/run.py", "import hydra", "may not import hydra"),
        ("trial/run.py", "import ermlab.sweep.study", "`trial` may not import `sweep`"),
        ("sweep/study.py", "from ermlab.plugins import x", "`sweep` may not import `plugins`"),
        ("sweep/study.py", "import ermlab", "`sweep` may not import `ermlab`"),
        ("results/table.py", "def f():\n    import torch", "may not import torch"),
        ("results/table.py", "__import__('torch')", "may not import torch"),
        ("results/table.py", "from ermlab.config.schema import A", "may not import `config`"),
        ("cli.py", "from ermlab.model import mlp", "`cli` may not import `model`"),
        ("plugins/a.py", "import torch.nn", "only in a function"),
        ("__init__.py", "from ermlab.trial import api", "only in a function"),
        ("__init__.py", "def f():\n    import ermlab.loop", "may not import `loop`"),
        ("errors.py", "if True:\n    import importlib as i\n    i.import_module('yaml')", "yaml"),
        ("tools/new.py", "", "`tools` has no row"),
        ("data/utils.py", "", "name a module by the noun it owns"),
    ],
)
def test_the_checker_finds(tmp_path: Path, file: str, source: str, reason: str) -> None:
    (tmp_path / file).parent.mkdir(exist_ok=True)
    (tmp_path / file).write_text(source, encoding="utf-8")
    found = find_violations(tmp_path)
    assert len(found) == 1, found
    assert reason in found[0]


@pytest.mark.parametrize(
    ("file", "source"),
    [
        ("__init__.py", "def __getattr__(name):\n    from ermlab.trial import api"),
        ("config/store.py", "from hydra.core.config_store import ConfigStore\nimport omegaconf"),
        ("data/table.py", "import torch\ndef f():\n    import pandas, sklearn.datasets"),
        ("loop/loop.py", "from ermlab.loop.stopping import keep\nfrom . import stopping"),
        ("trial/build.py", "from ermlab import objective\nfrom hydra.utils import instantiate"),
        ("plugins/a.py", "from hydra import types\ndef f():\n    import ermlab.sweep.launch"),
        ("__main__.py", "from ermlab.cli import main"),
    ],
)
def test_the_checker_passes(tmp_path: Path, file: str, source: str) -> None:
    (tmp_path / file).parent.mkdir(exist_ok=True)
    (tmp_path / file).write_text(source, encoding="utf-8")
    assert find_violations(tmp_path) == []
