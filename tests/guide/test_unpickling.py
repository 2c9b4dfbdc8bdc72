"""Checks that nothing that is read back can call code: no pickle, no eval, no unsafe loader.

A run directory may be a stranger's. The checker has its own tests below.
"""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

SRC = Path(__file__).parents[2] / "src" / "ermlab"

# Modules whose loaders call what a file names.
PICKLERS = frozenset({"pickle", "_pickle", "cPickle", "cloudpickle", "dill", "marshal", "shelve"})
CALLS = frozenset({"eval", "exec", "compile", "__import__"})
# (file, module): what is unpickled was never on disk, and made by a process of the same sweep.
ALLOWED = {
    ("sweep/job.py", "pickle"): "a job's configuration, kept small in memory",
    ("sweep/jobs.py", "pickle"): "the same",
    ("sweep/fast_jobs.py", "pickle"): "the same",
    ("sweep/post.py", "pickle"): "sent between processes of one sweep, which share a key",
}
SAFE = {
    "torch.load": "weights_only=True",
    "np.load": "allow_pickle=False",
    "numpy.load": "allow_pickle=False",
}
YAML_LOADERS = ("_LOADER", "yaml.SafeLoader", "yaml.CSafeLoader")


def find_violations(src: Path) -> list[str]:
    """List what may call code that a file names, one line each."""
    found = []
    for file in sorted(src.rglob("*.py")):
        name = str(file.relative_to(src))
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            for reason in refuse(node):
                if (name, reason.split()[0]) not in ALLOWED:
                    found.append(f"{name}:{node.lineno}: {reason}")
    return found


def refuse(node: ast.AST) -> Iterator[str]:
    """Say what is wrong with one node; nothing when all is well."""
    if isinstance(node, ast.Import):
        yield from (f"{a.name} is imported" for a in node.names if a.name in PICKLERS)
    if isinstance(node, ast.ImportFrom) and node.module in PICKLERS:
        yield f"{node.module} is imported"
    if not isinstance(node, ast.Call):
        return
    called = ast.unparse(node.func)
    given = {keyword.arg: ast.unparse(keyword.value) for keyword in node.keywords}
    if called in CALLS:
        yield f"{called} calls what a text says"
    if called in SAFE:
        option, _, value = SAFE[called].partition("=")
        if given.get(option) != value:
            yield f"{called} needs {SAFE[called]}"
    if called in ("joblib.load", "pd.read_pickle", "pandas.read_pickle", "os.system"):
        yield f"{called} calls what a file says"
    if (
        called.startswith("yaml.")
        and "load" in called
        and "safe_" not in called.replace("unsafe", "")
    ):
        loaders = [given.get("Loader"), *map(ast.unparse, node.args[1:2]), "none"]
        loader = next(each for each in loaders if each is not None)
        if loader not in YAML_LOADERS:
            yield f"{called} has the loader {loader}"
    if given.get("shell") == "True":
        yield f"{called} starts a shell"


def test_nothing_that_is_read_back_can_call_code() -> None:
    assert not (found := find_violations(SRC)), "\n" + "\n".join(found)


def test_every_exception_is_still_needed() -> None:
    for file, module in ALLOWED:
        assert f"import {module}" in (SRC / file).read_text(encoding="utf-8"), f"drop {file}"


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("import pickle", "pickle is imported"),
        ("from dill import loads", "dill is imported"),
        ("def f():\n    import marshal", "marshal is imported"),
        ("torch.load(path)", "torch.load needs weights_only=True"),
        ("torch.load(path, weights_only=False)", "torch.load needs weights_only=True"),
        ("np.load(path, allow_pickle=True)", "np.load needs allow_pickle=False"),
        ("joblib.load(path)", "joblib.load calls"),
        ("yaml.load(text, Loader=yaml.Loader)", "has the loader yaml.Loader"),
        ("yaml.load(text, yaml.UnsafeLoader)", "has the loader yaml.UnsafeLoader"),
        ("yaml.unsafe_load_all(text)", "has the loader none"),
        ("eval(text)", "eval calls"),
        ("exec(text)", "exec calls"),
        ("subprocess.run(text, shell=True)", "starts a shell"),
    ],
)
def test_the_checker_finds(tmp_path: Path, source: str, reason: str) -> None:
    (tmp_path / "a.py").write_text(source, encoding="utf-8")
    found = find_violations(tmp_path)
    assert len(found) == 1, found
    assert reason in found[0]


@pytest.mark.parametrize(
    "source",
    [
        "torch.load(path, weights_only=True)",
        "np.load(path, allow_pickle=False)",
        "yaml.load(text, Loader=_LOADER)",
        "yaml.safe_load(text)",
        "json.loads(text)",
        "module.eval()",
        "re.compile(text)",
    ],
)
def test_the_checker_passes(tmp_path: Path, source: str) -> None:
    (tmp_path / "a.py").write_text(source, encoding="utf-8")
    assert find_violations(tmp_path) == []
