"""Runs that were recorded before a key was there can be read; files that were cut off cannot."""

import json
import logging

import pytest
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf, open_dict

from ermlab import rundir
from ermlab.config.store import find_conf_dir, register_schemas
from ermlab.errors import RunDirError
from ermlab.sweep.recorded import read_trial

LINE = "  checkpoint_every: 60.0\n"


@pytest.fixture
def run_dir(tmp_path):
    """A run directory as Hydra begins it."""
    register_schemas()
    with initialize_config_dir(str(find_conf_dir())):
        config = compose("config", return_hydra_config=True)
    with open_dict(config):
        hydra = config.pop("hydra")
        hydra.runtime.output_dir = str(tmp_path)
    (tmp_path / ".hydra").mkdir()
    (tmp_path / rundir.CONFIG).write_text(OmegaConf.to_yaml(config))
    (tmp_path / rundir.HYDRA_CONFIG).write_text(OmegaConf.to_yaml({"hydra": hydra}))
    return tmp_path


def drop(run_dir, *lines):
    path = run_dir / rundir.CONFIG
    for line in lines:
        assert line in path.read_text()
        path.write_text(path.read_text().replace(line, ""))


def test_a_key_that_was_not_there_has_its_default_and_one_line_says_so(run_dir, caplog):
    drop(run_dir, LINE, "plot: true\n")
    with caplog.at_level(logging.WARNING):
        config = read_trial(run_dir).config
    assert (config.loop.checkpoint_every, config.plot) == (60.0, True)
    (record,) = caplog.records
    assert "before these keys were there: " in record.message
    assert "loop.checkpoint_every=60" in record.message


def test_a_whole_file_needs_no_line(run_dir, caplog):
    read_trial(run_dir)
    assert not caplog.records


def test_a_key_that_the_summary_tells_was_there(run_dir):
    drop(run_dir, LINE)
    summary = {"format": 1, "loop.checkpoint_every": 5.0}
    (run_dir / rundir.SUMMARY).write_text(json.dumps(summary))
    with pytest.raises(RunDirError, match=r"it lacks loop\.checkpoint_every"):
        read_trial(run_dir)


@pytest.mark.parametrize("share", [0.2, 0.5, 0.8, 0.99])
def test_a_file_that_was_cut_off_is_refused(share, run_dir):
    path = run_dir / rundir.CONFIG
    path.write_text(path.read_text()[: int(len(path.read_text()) * share)])
    with pytest.raises(RunDirError, match="cannot read what the run was asked to do"):
        read_trial(run_dir)


def test_a_group_that_is_gone_is_not_filled_in(run_dir):
    text = (run_dir / rundir.CONFIG).read_text()
    start, end = text.index("loop:"), text.index("seed: 0")
    (run_dir / rundir.CONFIG).write_text(text[:start] + text[end:])
    with pytest.raises(RunDirError, match="it lacks loop"):
        read_trial(run_dir)
