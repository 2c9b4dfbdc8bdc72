import logging
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from ermlab.errors import RunDirError
from ermlab.results.find import find_run_dirs

MakeRun = Callable[..., Path]


def names(folder: Path, found: list[Path]) -> list[str]:
    return [path.relative_to(folder).as_posix() for path in found]


def test_runs_come_in_natural_order(tmp_path: Path, make_run: MakeRun) -> None:
    for name in ("s/10", "s/2", "s/0", "s/1"):
        make_run(name)
    assert names(tmp_path, find_run_dirs([tmp_path])) == ["s/0", "s/1", "s/2", "s/10"]


def test_a_run_directory_itself_is_found(make_run: MakeRun) -> None:
    run_dir = make_run("run")
    assert find_run_dirs([run_dir]) == [run_dir]


def test_overlapping_paths_give_a_run_once(tmp_path: Path, make_run: MakeRun) -> None:
    run_dir = make_run("s/0")
    assert len(find_run_dirs([tmp_path, tmp_path / "s", str(run_dir)])) == 1


def test_a_run_inside_a_run_directory_is_found(tmp_path: Path, make_run: MakeRun) -> None:
    make_run("run")  # such as hydra.run.dir=. above the usual folders
    make_run("run/outputs/0")
    assert names(tmp_path, find_run_dirs([tmp_path])) == ["run", "run/outputs/0"]


def test_hidden_folders_are_not_entered(tmp_path: Path, make_run: MakeRun) -> None:
    make_run("s/0")
    make_run(".trash/0")
    assert names(tmp_path, find_run_dirs([tmp_path])) == ["s/0"]


def test_a_loop_of_links_ends(tmp_path: Path, make_run: MakeRun) -> None:
    make_run("s/0")
    (tmp_path / "s" / "above").symlink_to(tmp_path)
    (tmp_path / "s" / "itself").symlink_to(tmp_path / "s" / "itself")
    assert names(tmp_path, find_run_dirs([tmp_path])) == ["s/0"]


def test_a_given_link_is_followed(tmp_path: Path, make_run: MakeRun) -> None:
    make_run("s/0")
    (tmp_path / "latest").symlink_to(tmp_path / "s")
    assert find_run_dirs([tmp_path / "latest"]) == [tmp_path / "latest" / "0"]


def test_paths_are_spelled_as_given(
    tmp_path: Path, make_run: MakeRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_run("s/0")
    monkeypatch.chdir(tmp_path)
    assert find_run_dirs([".", "s/"]) == [Path("s/0")]


@pytest.mark.parametrize("name", ["missing", "file.txt", "empty"])
def test_a_path_without_runs_is_an_error_that_names_it(tmp_path: Path, name: str) -> None:
    (tmp_path / "file.txt").write_text("")
    (tmp_path / "empty").mkdir()
    with pytest.raises(RunDirError) as caught:
        find_run_dirs([tmp_path / name])
    assert caught.value.where == str(tmp_path / name)


def test_no_path_at_all_is_an_error() -> None:
    with pytest.raises(RunDirError, match="no folder was given"):
        find_run_dirs([])


def test_a_folder_that_cannot_be_listed_is_left_out_with_a_warning(
    tmp_path: Path,
    make_run: MakeRun,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    make_run("s/0")
    make_run("s/locked/1")
    listed = os.scandir

    def refuse(folder: str) -> object:
        if folder.endswith("locked"):  # permissions do not stop root, who runs tests in containers
            raise PermissionError(13, "Permission denied")
        return listed(folder)

    monkeypatch.setattr(os, "scandir", refuse)
    with caplog.at_level(logging.WARNING):
        assert names(tmp_path, find_run_dirs([tmp_path])) == ["s/0"]
    assert "locked: Permission denied" in caplog.text
