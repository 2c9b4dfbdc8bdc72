"""The compiled library: where it comes from, and when it is not used."""

import logging
import subprocess

import pytest

from ermlab.native import compile as build
from ermlab.native import library


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A copy of the sources, in which nothing is compiled."""
    for path in [*build.HERE.glob("*.c"), *build.HERE.glob("*.h")]:
        (tmp_path / path.name).write_bytes(path.read_bytes())
    monkeypatch.setattr(build, "HERE", tmp_path)
    return tmp_path


@pytest.fixture
def compiler():
    if build.find_compiler() is None:
        pytest.skip("this machine has no C compiler")


def find(level):
    return library.find_library.__wrapped__(level)


def test_every_level_is_compiled_without_a_warning(folder, compiler, monkeypatch):
    for flags in ("FLAGS", "PARZEN_FLAGS"):
        strict = (*getattr(build, flags), "-Wall", "-Wextra", "-Werror")
        monkeypatch.setattr(build, flags, strict)
    paths = build.compile_all()
    levels = [build.library_path(level).name for level in build.list_levels()]
    assert [path.name for path in paths] == [*levels, build.parzen_path().name]
    assert all(path.parent == folder for path in paths)
    assert find("DEFAULT") is not None


def test_the_best_library_that_the_processor_can_run_is_taken(folder, compiler):
    best, *_ = build.list_levels()
    build.compile_all()
    assert find(best)._name == str(build.library_path(best))
    build.library_path(best).unlink()
    others = build.list_levels()[1:]
    found = find(best)
    assert (found._name if found else None) == (
        str(build.library_path(others[0])) if others else None
    )
    assert find("of another kind")._name == str(build.library_path("DEFAULT"))


def test_a_library_of_other_sources_is_not_used_and_says_so(folder, compiler, caplog):
    build.compile_all()
    (folder / "model.h").write_text((folder / "model.h").read_text() + "\n")
    with caplog.at_level(logging.WARNING):
        assert find("DEFAULT") is None
    assert "of another version" in caplog.text


def test_a_damaged_library_is_not_used_and_says_so(folder, caplog):
    build.library_path("DEFAULT").write_bytes(b"no library")
    with caplog.at_level(logging.WARNING):
        assert find("DEFAULT") is None
    assert "cannot be loaded" in caplog.text


def test_without_a_compiler_nothing_is_compiled_and_it_says_so(folder, monkeypatch, capsys):
    monkeypatch.setenv("PATH", str(folder))
    assert build.compile_all() == []
    assert "no C compiler found" in capsys.readouterr().err
    assert find("DEFAULT") is None


def test_a_level_that_the_compiler_does_not_know_is_left_out(folder, compiler, monkeypatch, capsys):
    levels = {"FUTURE": ("-march=nonsense",), "DEFAULT": ()}
    monkeypatch.setattr(build, "X86_LEVELS", levels)
    monkeypatch.setattr(build, "list_levels", lambda: list(levels))
    made = [path.name for path in build.compile_all()]
    assert made == ["chain_default.so", "parzen_estimator.so"]
    assert "no chain_future.so" in capsys.readouterr().err
    assert not [path for path in folder.iterdir() if path.suffix not in (".c", ".h", ".so")]


def test_the_structures_of_both_languages_agree_in_every_field(folder, compiler, tmp_path):
    fields = [name for name, _ in library.Model._fields_]
    lines = "".join(f'printf("%zu ", offsetof(Model, {name}));' for name in fields)
    program = tmp_path / "places.c"
    program.write_text(
        "#include <stddef.h>\n#include <stdint.h>\n#include <stdio.h>\n"
        f'#include "model.h"\nint main(void) {{ {lines} printf("%zu", sizeof(Model)); }}\n'
    )
    command = [*build.find_compiler(), str(program), "-o", str(tmp_path / "places")]
    subprocess.run(command, check=True)
    told = subprocess.run([str(tmp_path / "places")], check=True, capture_output=True, text=True)
    places = [getattr(library.Model, name).offset for name in fields]
    assert [int(word) for word in told.stdout.split()] == [
        *places,
        library.ctypes.sizeof(library.Model),
    ]
