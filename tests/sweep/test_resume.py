"""The command that began a sweep is found again, and nothing else is taken for it."""

import pytest

from ermlab.errors import RunDirError
from ermlab.sweep.resume import find_command, find_folder

MULTIRUN = """
hydra:
  runtime:
    cwd: /
    config_sources:
      - {path: hydra.conf, schema: pkg, provider: hydra}
      - {path: /conf, schema: file, provider: command-line}
  overrides:
    hydra: [hydra/sweeper=study, hydra.mode=MULTIRUN, hydra.sweep.dir=elsewhere]
    task: ['optimizer.lr=interval(0.1,1)', seed=1]
"""


@pytest.fixture
def folder(tmp_path):
    path = tmp_path / "it's a sweep"
    path.mkdir()
    (path / "study.jsonl").write_text("")
    (path / "multirun.yaml").write_text(MULTIRUN)
    return path


def test_the_command_has_the_overrides_the_folder_and_the_users_configuration(folder):
    command = find_command(folder)
    assert command.words[:-1] == [
        "--multirun",
        "--config-dir",
        "/conf",
        "optimizer.lr=interval(0.1,1)",
        "seed=1",
        "hydra/sweeper=study",
    ]
    assert command.words[-1] == f"hydra.sweep.dir='{folder.parent}/it\\'s a sweep'"
    assert str(command.folder) == "/"


@pytest.mark.parametrize(
    "text",
    [
        "", "[]", "3", "hydra: 3", "hydra: {}", "{", "hydra: {overrides: 3, runtime: {}}",
        MULTIRUN.replace("seed=1", "[1]"), MULTIRUN.replace("task:", "other:"),
        MULTIRUN.replace("config_sources:", "others:"), "!!python/object/apply:os.getcwd []",
        "a: &a [*a]", "hydra: !!python/name:os.system ''", "\x00", "x: ${y}", "- " * 3000,
    ],
)  # fmt: skip
def test_a_damaged_file_is_told_in_three_parts(text, folder):
    (folder / "multirun.yaml").write_text(text)
    with pytest.raises(RunDirError, match="how the sweep was started"):
        find_command(folder)


@pytest.mark.parametrize("path", ["/nowhere", ".", "", "/proc/self/cwd", "/usr/../usr", "/\0", "3"])
def test_a_folder_that_hydra_did_not_write_is_not_entered(path):
    assert find_folder(path) is None


def test_a_folder_that_is_no_sweep_is_told(tmp_path):
    with pytest.raises(RunDirError, match="no sweep that can be gone on with"):
        find_command(tmp_path)
    (tmp_path / "study.jsonl").write_text("")
    with pytest.raises(RunDirError, match="how the sweep was started"):
        find_command(tmp_path)
