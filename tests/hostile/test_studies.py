"""Sweep directories from a stranger, given to `resume`: refused, with every file as it was."""

import json
import os

import pytest
import yaml

from ermlab import rundir
from ermlab.results.load import load_runs


def edit_overrides(name, *words):
    """Add overrides to those that a sweep was started with."""

    def edit(read, canary):
        own = [word.replace("CANARY", str(canary)) for word in words]
        read["hydra"]["overrides"][name] += own

    return edit


TASK = {
    "an option of Hydra's": ["--experimental-rerun=CANARY"],
    "another application's configuration": ["--config-path=CANARY"],
    "an open bracket": ["optimizer.lr=["],
    "an unknown key": ["nope=1"],
    "a package of Hydra's": ["+model@hydra.job_logging=mlp"],
    "a package of the top": ["+model@_global_=mlp"],
    "a folder for each trial": ["hydra.sweep.subdir=choice(CANARY,b)"],
    "a variable for each trial": ["+hydra.job.env_set.PATH=choice(CANARY,b)"],
}
HYDRA = {
    "a folder outside": ["hydra.sweep.subdir=../../${hydra.job.num}"],
    "a folder by name": ["hydra.sweep.subdir=CANARY"],
    "a folder from a value": ["hydra.sweep.subdir=${model.init}"],
    "one folder for all": ["hydra.sweep.subdir=same"],
    "a mapping of folders": ["hydra.sweep={dir: CANARY, subdir: CANARY}"],
    "files outside": ["hydra.output_subdir=../../x"],
    "files by name": ["hydra.output_subdir=CANARY"],
    "a name that is a path": ["hydra.job.name=../../../x"],
    "the folder of each job": ["hydra.job.chdir=true"],
    "a variable": ["+hydra.job.env_set.PATH=CANARY"],
    "a library to load": ["+hydra.job.env_set.LD_PRELOAD=CANARY"],
    "a log outside": ["hydra.job_logging.handlers.file.filename=CANARY"],
    "a log of the sweep": [
        "+hydra.hydra_logging.handlers.x={class: logging.FileHandler, filename: CANARY}",
        "hydra.hydra_logging.root.handlers=[x]",
    ],
    "a handler that runs programs": [
        "+hydra.job_logging.handlers.x={'()': os.system, command: 'touch CANARY'}",
        "hydra.job_logging.root.handlers=[x]",
    ],
    "a formatter of another module": [
        "hydra.job_logging.formatters.simple={'()': 'ext://os.system', command: 'touch CANARY'}"
    ],
    "a callback": ["+hydra.callbacks.x={_target_: os.system, command: 'touch CANARY'}"],
    "a callback of ours": ["+hydra.callbacks.x={_target_: ermlab.plugins.write_results.Path}"],
    "a launcher that runs programs": [
        "hydra.launcher={_target_: os.system, command: 'touch CANARY'}"
    ],
    "a launcher of a cluster": [
        "hydra.launcher={_target_: hydra_plugins.hydra_submitit_launcher.submitit_launcher."
        "SlurmLauncher, setup: ['touch CANARY']}"
    ],
    "another sweeper": ["hydra/sweeper=optuna"],
    "a sweeper that runs programs": ["hydra.sweeper={_target_: os.system}"],
    "a storage": ["hydra.sweeper.storage='sqlite:///CANARY'"],
    "a sampler that runs programs": ["hydra.sweeper.sampler={_target_: os.system}"],
    "a search space that runs": ["hydra.sweeper.custom_search_space=os.system"],
    "a hidden override": ["+hydra.sweeper.params={hydra.sweep.subdir: CANARY}"],
    "a hidden search": ["+hydra.sweeper.params={hydra.sweep.subdir: 'choice(CANARY,b)'}"],
    "options of a package": ["hydra.searchpath=['pkg://antigravity']"],
}
EDITS = {f"task: {name}": edit_overrides("task", *words) for name, words in TASK.items()}
EDITS |= {f"hydra: {name}": edit_overrides("hydra", *words) for name, words in HYDRA.items()}


@pytest.mark.parametrize("name", EDITS)
def test_a_command_that_could_do_harm_is_refused(name, refused, sweep, canary, contents):
    path = sweep / rundir.MULTIRUN
    read = yaml.safe_load(path.read_text())
    EDITS[name](read, canary)
    path.write_text(yaml.safe_dump(read))
    before = contents(sweep.parent)
    refused("resume", "sweep")
    assert contents(sweep.parent) == before


EVIL = """# @package _global_
hydra:
  job:
    env_set:
      PATH: CANARY
"""


@pytest.mark.parametrize("word", ["experiment=evil", "experiment=choice(evil,main_epochs)"])
def test_a_strangers_options_cannot_set_what_hydra_does(word, refused, sweep, canary, contents):
    options = sweep.parent / "conf" / "experiment" / "evil.yaml"
    options.parent.mkdir(parents=True)
    options.write_text(EVIL.replace("CANARY", str(canary)))
    path = sweep / rundir.MULTIRUN
    read = yaml.safe_load(path.read_text())
    source = {"path": str(sweep.parent / "conf"), "schema": "file", "provider": "command-line"}
    read["hydra"]["runtime"]["config_sources"].append(source)
    read["hydra"]["overrides"]["task"].append(word)
    path.write_text(yaml.safe_dump(read))
    before = contents(sweep.parent)
    assert "a stranger's folder could misuse" in refused("resume", "sweep")
    assert contents(sweep.parent) == before


ASKED = '{"ask": 2, "params": {"optimizer.lr": 0.01}}'
ASK, TELL = '{"ask": 2, "params": PARAMS}', '{"tell": 2, "state": "COMPLETE", "values": VALUES}'
LINES = {
    "a value out of range": [ASK.replace("PARAMS", '{"optimizer.lr": 1e9}')],
    "a value that is a text": [ASK.replace("PARAMS", '{"optimizer.lr": "0.01 hydra.x=1"}')],
    "a value that is a path": [ASK.replace("PARAMS", '{"optimizer.lr": "../../x"}')],
    "a value that is not a number": [ASK.replace("PARAMS", '{"optimizer.lr": NaN}')],
    "a value of many digits": [ASK.replace("PARAMS", '{"optimizer.lr": 1' + "0" * 400 + "}")],
    "a value that is a list": [ASK.replace("PARAMS", '{"optimizer.lr": [0.01]}')],
    "a key of Hydra's": [
        ASK.replace("PARAMS", '{"optimizer.lr": 0.01, "hydra.sweep.subdir": "../x"}')
    ],
    "no value": [ASK.replace("PARAMS", "{}")],
    "two results": [ASKED, TELL.replace("VALUES", "[1, 2]")],
    "no result": [ASKED, TELL.replace("VALUES", "[]")],
    "a result that is none": [
        ASKED, TELL.replace("VALUES", "[NaN]"),
    ],
    "a result that is a text": [
        ASKED, TELL.replace("VALUES", '["x"]'),
    ],
    "a result of many digits": [
        ASKED, TELL.replace("VALUES", "[1" + "0" * 400 + "]"),
    ],
    "a line of another program": ['{"op_code": 4, "worker_id": "x"}'],
    "no JSON": ["optimizer.lr=0.1"],
}  # fmt: skip


@pytest.mark.parametrize("name", LINES)
def test_a_forged_trial_is_refused(name, refused, sweep, contents):
    path = sweep / rundir.STUDY
    path.write_text(path.read_text() + "\n".join(LINES[name]) + "\n")
    before = contents(sweep)
    refused("resume", "sweep")
    assert contents(sweep) == before


@pytest.mark.parametrize("name", [rundir.STUDY, rundir.MULTIRUN, "0", "2"])
def test_nothing_is_written_through_a_link(name, refused, sweep, tmp_path_factory, contents):
    outside = tmp_path_factory.mktemp("outside") / "mine"
    if (sweep / name).exists():
        (sweep / name).rename(outside)
    else:
        outside.mkdir()
    (sweep / name).symlink_to(outside)
    before = contents(outside.parent)
    assert "a link leads out of this folder" in refused("resume", "sweep")
    assert contents(outside.parent) == before


@pytest.mark.parametrize("name", [rundir.STUDY, rundir.MULTIRUN, "0/summary.json", "2"])
def test_a_pipe_is_not_waited_for(name, refused, sweep):
    (sweep / name).unlink(missing_ok=True)
    os.mkfifo(sweep / name)
    refused("resume", "sweep")


@pytest.mark.parametrize("text", ["{", '{"format": 1, "status": "completed", "valid_loss": "x"}'])
def test_a_damaged_summary_of_an_open_trial_is_refused(text, refused, sweep):
    lines = (sweep / rundir.STUDY).read_text().splitlines(keepends=True)
    (sweep / rundir.STUDY).write_text("".join(line for line in lines if '"tell": 1' not in line))
    (sweep / "1" / rundir.SUMMARY).write_text(text)
    refused("resume", "sweep")
    assert (sweep / "1" / rundir.SUMMARY).read_text() == text


def test_the_sweep_that_was_tampered_with_goes_on_when_it_was_not(command, sweep, finished):
    done = command("resume", "sweep")
    assert done.code == 0, done.err
    columns = ["optimizer.lr", "valid_loss", "status", "trial"]
    straight = load_runs(finished / "sweep")[columns]
    assert load_runs(sweep)[columns].equals(straight)
    asked = [
        json.loads(line).get("ask") for line in (sweep / rundir.STUDY).read_text().splitlines()
    ]
    assert [number for number in asked if number is not None] == [0, 1, 2, 3]


def test_modules_in_a_recorded_folder_are_not_found(command, sweep, canary, monkeypatch):
    # A worker process would find a module of this name in its working directory.
    evil = sweep.parent / "evil"
    evil.mkdir()
    (evil / "joblib.py").write_text(f"open({str(canary)!r}, 'w')")
    (evil / "matplotlibrc").write_text("text.usetex: true\n")
    path = sweep / rundir.MULTIRUN
    read = yaml.safe_load(path.read_text())
    read["hydra"]["runtime"]["cwd"] = str(evil)
    read["hydra"]["overrides"]["hydra"].append("hydra.launcher.n_jobs=2")
    path.write_text(yaml.safe_dump(read))
    done = command("resume", "sweep")
    assert done.code == 0, done.err
    assert len(load_runs(sweep)) == 4
