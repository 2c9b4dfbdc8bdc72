from pathlib import Path

import pytest

from ermlab.results.unfinished import read_config_columns

CONFIG = """\
model:
  _target_: ermlab.model.two_layer.TwoLayer
  hidden_units: 100
  n_inputs: ${data.n_inputs}
  widths: [8, 4]
optimizer:
  lr: 1.0e-05
seed: 3
device: auto
"""
HYDRA = """\
hydra:
  runtime:
    version: 1.4.0
    choices:
      model: two_layer
      optimizer: adam
      experiment: null
      hydra/launcher: basic
  verbose: false
"""


def write_hydra(run_dir: Path, **files: str) -> Path:
    (run_dir / ".hydra").mkdir()
    for name, text in files.items():
        (run_dir / ".hydra" / f"{name}.yaml").write_text(text, encoding="utf-8")
    return run_dir


def test_config_and_choices_become_the_columns_of_a_summary(tmp_path: Path) -> None:
    columns = read_config_columns(write_hydra(tmp_path, config=CONFIG, hydra=HYDRA))
    assert columns == {
        "model": "two_layer",
        "model.hidden_units": 100,
        "model.widths": "[8, 4]",
        "optimizer": "adam",
        "optimizer.lr": 1e-5,
        "seed": 3,
    }


def test_choices_come_from_the_overrides_where_nothing_else_tells(tmp_path: Path) -> None:
    overrides = "- model=two_layer\n- optimizer.lr=0.1\n- ~loop\n"
    columns = read_config_columns(write_hydra(tmp_path, config=CONFIG, overrides=overrides))
    assert columns["model"] == "two_layer"


def test_a_run_without_hydra_files_has_no_columns(tmp_path: Path) -> None:
    assert read_config_columns(tmp_path) == {}


@pytest.mark.parametrize(
    "config",
    [
        "model: [1, 2",
        "a: &a [1]\nb: *a\n",
        "a: " + "[" * 100_000,
        "a: !!python/object/apply:os.system [true]",
        "a: \x00",
    ],
    ids=["torn", "alias", "deep", "object", "control"],
)
def test_a_config_that_cannot_be_read_is_told_in_one_line(tmp_path: Path, config: str) -> None:
    error = read_config_columns(write_hydra(tmp_path, config=config))["error"]
    assert isinstance(error, str)
    assert error.startswith("cannot read .hydra: ")
    assert "\n" not in error


def test_a_config_in_another_encoding_is_told_too(tmp_path: Path) -> None:
    (tmp_path / ".hydra").mkdir()
    (tmp_path / ".hydra" / "config.yaml").write_bytes(b"name: \xff\xfe")
    assert "cannot read .hydra" in str(read_config_columns(tmp_path)["error"])


def test_a_config_that_is_no_mapping_gives_no_columns(tmp_path: Path) -> None:
    assert read_config_columns(write_hydra(tmp_path, config="- 1\n- 2\n")) == {}
