"""Checks STYLE section 3: no file and no function grows beyond what one reads in one go."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MAX_FILE = 350  # lines
MAX_FUNCTION = 60  # lines, docstring included
MAX_PLUGIN = 60  # lines; STYLE section 2, rule 7


def find_long_files(files: list[Path], limit: int) -> list[str]:
    """List the files of more than `limit` lines."""
    sizes = {file: len(file.read_text(encoding="utf-8").splitlines()) for file in files}
    return [
        f"{file}: {size} lines, {limit} at most" for file, size in sizes.items() if size > limit
    ]


def find_long_functions(files: list[Path], limit: int) -> list[str]:
    """List the functions of more than `limit` lines, from `def` to the last line."""
    found = []
    for file in files:
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                size = (node.end_lineno or node.lineno) - node.lineno + 1
                if size > limit:
                    place = f"{file}:{node.lineno}: {node.name}"
                    found.append(f"{place} has {size} lines, {limit} at most")
    return found


def python_files(*folders: str) -> list[Path]:
    """List the Python files below folders of the repository; there is at least one."""
    files = [file for folder in folders for file in sorted((ROOT / folder).rglob("*.py"))]
    assert files, f"no Python file in {folders}"
    return files


def test_no_file_is_longer_than_the_guide_allows() -> None:
    found = find_long_files(python_files("src", "tests"), MAX_FILE)
    assert not found, "split by idea:\n" + "\n".join(found)


def test_no_function_is_longer_than_the_guide_allows() -> None:
    found = find_long_functions(python_files("src", "tests"), MAX_FUNCTION)
    assert not found, "split by idea:\n" + "\n".join(found)


def test_a_plugin_stays_an_adapter() -> None:
    found = find_long_files(python_files("src/ermlab/plugins"), MAX_PLUGIN)
    assert not found, "move logic to ermlab.sweep or ermlab.trial:\n" + "\n".join(found)


@pytest.mark.parametrize(("n_lines", "n_found"), [(60, 0), (61, 1)])
def test_the_checker_counts_the_lines_of_a_file(tmp_path: Path, n_lines: int, n_found: int) -> None:
    (tmp_path / "a.py").write_text("x = 1\n" * n_lines, encoding="utf-8")
    assert len(find_long_files([tmp_path / "a.py"], 60)) == n_found


@pytest.mark.parametrize(("n_lines", "n_found"), [(60, 0), (61, 1)])
def test_the_checker_counts_the_lines_of_a_method(
    tmp_path: Path, n_lines: int, n_found: int
) -> None:
    body = "        x = 1\n" * (n_lines - 1)
    (tmp_path / "a.py").write_text(f"class A:\n    def f(self):\n{body}", encoding="utf-8")
    assert len(find_long_functions([tmp_path / "a.py"], 60)) == n_found
