"""Checks STYLE section 6: what is wrong, where it was set and how to mend it, in every error.

Also that nothing is raised that the user cannot read, caught without a type, or printed. The
constructor asks for the three parts when it is called; here each call is read, called or not.
"""

import ast
import builtins
from collections.abc import Iterator
from pathlib import Path

import pytest

SRC = Path(__file__).parents[2] / "src" / "ermlab"

# The built-in errors that may be raised anywhere: Python's own protocols ask for them.
PROTOCOL = frozenset(
    {"AttributeError", "NotImplementedError", "StopIteration", "SystemExit", "KeyboardInterrupt"}
)
# Built-in errors raised for another reason: (file, error) -> the reason.
ALLOWED = {
    ("data/standardize.py", "ValueError"): "the caller, from_dict, makes a DataError of it",
    ("foreign.py", "OSError"): "the callers tell it with what the file is for",
    ("foreign.py", "ValueError"): "the same",
    ("rundir.py", "ValueError"): "the callers of check_yaml tell it with the file's name",
}


def own_errors(src: Path) -> frozenset[str]:
    """Name the error classes that errors.py defines."""
    tree = ast.parse((src / "errors.py").read_text(encoding="utf-8"))
    return frozenset(node.name for node in tree.body if isinstance(node, ast.ClassDef))


def find_violations(src: Path) -> list[str]:
    """List what the files of a package do against the guide, one line each with file and line."""
    own = own_errors(src)
    found = []
    for file in sorted(src.rglob("*.py")):
        name = str(file.relative_to(src))
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            found += [
                f"{name}:{getattr(node, 'lineno', 0)}: {reason}"
                for reason in refuse(node, own)
                if (name, reason.split()[0]) not in ALLOWED
            ]
    return found


def refuse(node: ast.AST, own: frozenset[str]) -> Iterator[str]:
    """Say what is wrong with one node; nothing when all is well."""
    if isinstance(node, ast.Call):
        called = ast.unparse(node.func).rpartition(".")[2]
        if called in own:
            yield from (f"{called} {reason}" for reason in missing_parts(node))
        if isinstance(node.func, ast.Name) and called == "print":
            yield "print is for nobody's screen; use logging, or rich in the command line"
    if isinstance(node, ast.Raise) and node.exc is not None:
        is_call = isinstance(node.exc, ast.Call)
        name = ast.unparse(node.exc.func if isinstance(node.exc, ast.Call) else node.exc)
        name = name.rpartition(".")[2]
        if name in own and not is_call:
            yield f"{name} is raised without its three parts"
        if is_builtin_error(name) and name not in PROTOCOL:
            yield f"{name} does not say where and how to mend it; raise one of {sorted(own)}"
    if isinstance(node, ast.ExceptHandler) and node.type is None:
        yield "except without a type also catches Ctrl-C and typing errors"


def missing_parts(call: ast.Call) -> Iterator[str]:
    """Say which of the three parts a call lacks, or leaves empty."""
    given = {keyword.arg: keyword.value for keyword in call.keywords}
    parts = {"what": call.args[0] if call.args else given.get("what")}
    parts |= {name: given.get(name) for name in ("where", "fix")}
    for name, value in parts.items():
        if value is None:
            yield f"lacks `{name}`"
        elif _is_empty(value):
            yield f"has an empty `{name}`"


def _is_empty(value: ast.expr) -> bool:
    if isinstance(value, ast.JoinedStr):
        return not value.values
    return isinstance(value, ast.Constant) and not str(value.value or "").strip()


def is_builtin_error(name: str) -> bool:
    """Whether a name is one of Python's own exception classes."""
    kind = getattr(builtins, name, None)
    return isinstance(kind, type) and issubclass(kind, BaseException)


def test_every_error_can_be_read_and_mended() -> None:
    assert not (found := find_violations(SRC)), "\n" + "\n".join(found)


def test_errors_py_defines_errors() -> None:
    assert len(own_errors(SRC)) > 1


def test_every_exception_from_the_rule_has_a_reason_and_is_still_needed() -> None:
    for (file, error), reason in ALLOWED.items():
        assert reason, f"({file}, {error}) has no reason"
        assert f"raise {error}" in (SRC / file).read_text(encoding="utf-8"), (
            f"drop ({file}, {error})"
        )


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("raise OwnError('a', fix='c')", "lacks `where`"),
        ("raise errors.OwnError('a', where='b')", "lacks `fix`"),
        ("raise OwnError(where='b', fix='c')", "lacks `what`"),
        ("raise OwnError('', where='b', fix='c')", "empty `what`"),
        ("raise OwnError(f'', where='b', fix='c')", "empty `what`"),
        ("raise OwnError('a', where='b', fix=' ')", "empty `fix`"),
        ("raise OwnError", "without its three parts"),
        ("def f():\n    return OwnError('a', where='b')", "lacks `fix`"),
        ("raise Exception('a')", "Exception does not say"),
        ("raise ValueError", "ValueError does not say"),
        ("def f():\n    raise RuntimeError('a') from None", "RuntimeError does not say"),
        ("try:\n    f()\nexcept:\n    g()", "except without a type"),
        ("print('a')", "print is for nobody's screen"),
    ],
)
def test_the_checker_finds(tmp_path: Path, source: str, reason: str) -> None:
    found = _check(tmp_path, source)
    assert len(found) == 1, found
    assert reason in found[0]


@pytest.mark.parametrize(
    "source",
    [
        "raise OwnError(f'{x} is bad', where='b', fix='c') from error",
        "raise OwnError(what='a', where=place, fix='c')",
        "try:\n    f()\nexcept OSError as error:\n    raise",
        "def __getattr__(name):\n    raise AttributeError(name)",
        "console.print('a')",
    ],
)
def test_the_checker_passes(tmp_path: Path, source: str) -> None:
    assert _check(tmp_path, source) == []


def _check(folder: Path, source: str) -> list[str]:
    (folder / "errors.py").write_text("class OwnError(Exception): ...", encoding="utf-8")
    (folder / "a.py").write_text(source, encoding="utf-8")
    return find_violations(folder)
