"""Each tracker with its real library: what was written is read back with the library's own reader.

No network is used: folders of this machine, and files that nobody sends.
"""

import json
import math
import random
import struct
from pathlib import Path

import numpy as np
import pytest
import rich.style  # noqa: F401  # draws a number when it is first imported

import ermlab
from ermlab.errors import ConfigError
from ermlab.rundir import read_history, read_summary

SHORT = ["loop.epochs=3", "device=cpu", "data.n_train=100"]
LOCAL = {
    "tensorboard": [],
    "mlflow": ["tracker.uri=tracked", "tracker.experiment=mine"],
    "wandb": ["tracker.mode=offline"],
}


@pytest.fixture(scope="module", params=LOCAL)
def tracked(request, tmp_path_factory):
    """A run alone and a sweep of two in a stack with one of the trackers; its name and the runs."""
    folder = tmp_path_factory.mktemp(request.param)
    words = [f"tracker={request.param}", *LOCAL[request.param], *SHORT]
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        state = random.getstate()
        alone = ermlab.run([*words, "hydra.run.dir=alone"])
        # A model that draws from Python's generator would otherwise get other numbers.
        assert random.getstate() == state
        stack = ermlab.sweep([*words, "hydra/launcher=stacked", "hydra.sweep.dir=stack",
                              "optimizer.lr=0.001,1.0e+30", "plot=false"])  # fmt: skip
    return request.param, folder, [Path(p) for p in [*alone["run_dir"], *stack["run_dir"]]]


def read_tensorboard(folder, run_dir):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    from tensorboard.plugins.hparams import plugin_data_pb2

    events = EventAccumulator(str(run_dir / "tensorboard"))
    events.Reload()
    scalars = {name: [(e.step, e.value) for e in events.Scalars(name)]
               for name in events.Tags()["scalars"]}  # fmt: skip
    content = events.PluginTagToContent("hparams")["_hparams_/session_start_info"]
    info = plugin_data_pb2.HParamsPluginData.FromString(content).session_start_info.hparams
    values = {key: getattr(v, v.WhichOneof("kind")) for key, v in info.items()}
    return values, scalars, events.Tags()["images"]


def read_mlflow(folder, run_dir):
    from mlflow.tracking import MlflowClient

    client = MlflowClient(tracking_uri=(folder / "tracked").as_uri())
    experiment = client.get_experiment_by_name("mine").experiment_id
    runs = client.search_runs([experiment])
    (run,) = [run for run in runs if run.data.tags["run_dir"] == str(run_dir)]
    scalars = {name: [(m.step, m.value) for m in client.get_metric_history(run.info.run_id, name)]
               for name in run.data.metrics}  # fmt: skip
    files = [file.path for file in client.list_artifacts(run.info.run_id)]
    return {**run.data.params, "status": run.info.status}, scalars, files


def read_wandb(folder, run_dir):
    from wandb.proto.wandb_internal_pb2 import Record

    (file,) = run_dir.glob("wandb/offline-run-*/run-*.wandb")
    config, scalars, summary, files = {}, {}, {}, []
    for record in map(Record.FromString, read_records(file.read_bytes())):
        config |= {item.key: json.loads(item.value_json) for item in record.run.config.update}
        row = {key_of(item): json.loads(item.value_json) for item in record.history.item}
        for name, value in row.items():
            scalars.setdefault(name, []).append((row["_step"], value))
        summary |= {key_of(item): json.loads(item.value_json) for item in record.summary.update}
        files += [each.path for each in record.artifact.manifest.contents]
    return {**config, "summary": summary}, scalars, files


def key_of(item):
    return item.key or item.nested_key[0]


def read_records(content):
    """Read the records of a .wandb file: a header of 7 bytes, then the format of LevelDB's log."""
    assert content[:4] == b":W&B"
    at, parts = 7, []
    while at + 7 <= len(content):
        if 32768 - at % 32768 < 7:  # no header fits into the rest of a block
            at += 32768 - at % 32768
            continue
        _, length, kind = struct.unpack_from("<IHB", content, at)
        parts.append(content[at + 7 : at + 7 + length])
        at += 7 + length
        if kind in (1, 4):  # whole, or the last part
            yield b"".join(parts)
            parts = []


READERS = {"tensorboard": read_tensorboard, "mlflow": read_mlflow, "wandb": read_wandb}


def test_each_validation_is_there_with_its_step(tracked):
    name, folder, run_dirs = tracked
    for run_dir in run_dirs[:2]:
        history = read_history(run_dir)
        _, scalars, _ = READERS[name](folder, run_dir)
        for loss in ("train_loss", "valid_loss"):
            steps, values = zip(*scalars[loss], strict=True)
            assert list(steps) == history["step"]
            np.testing.assert_allclose(values, history[loss], rtol=1e-6)  # float32 in TensorBoard


def test_the_configuration_and_the_summary_are_there(tracked):
    name, folder, (alone, *_) = tracked
    config, scalars, _ = READERS[name](folder, alone)
    assert float(config["optimizer.lr"]) == 1e-3
    assert config["model"] == "two_layer"
    stored = read_summary(alone)
    if name == "wandb":
        assert config["summary"]["test_loss"] == stored["test_loss"]
        assert config["summary"]["valid_loss"] == stored["valid_loss"]
        assert config["summary"]["status"] == "completed"
    else:
        for loss in ("test_loss", "valid_loss"):
            assert scalars[f"summary/{loss}"][-1][1] == pytest.approx(stored[loss], rel=1e-6)


def test_weights_history_and_picture_are_there(tracked):
    name, folder, (alone, *_) = tracked
    _, _, files = READERS[name](folder, alone)
    if name == "tensorboard":  # the others lie beside its file
        assert files == ["learning_curve"]
    else:
        assert {"best.safetensors", "history.csv", "learning_curve.png"} <= set(files)


def test_a_run_that_diverged_is_there_too(tracked):
    name, folder, (*_, diverged) = tracked
    assert read_summary(diverged)["status"] == "diverged"
    _, scalars, _ = READERS[name](folder, diverged)
    value = scalars["train_loss"][-1][1]
    assert not math.isfinite(float(value)) or name == "wandb"


def test_it_changes_no_number(tracked, tmp_path, monkeypatch):
    _, _, (alone, *_) = tracked
    monkeypatch.chdir(tmp_path)
    ermlab.run([*SHORT, "hydra.run.dir=without"])
    with_one, without = read_history(alone), read_history(tmp_path / "without")
    assert {k: v for k, v in with_one.items() if k != "wall_s"} == {
        k: v for k, v in without.items() if k != "wall_s"
    }
    weights = [path / "best.safetensors" for path in (alone, tmp_path / "without")]
    assert weights[0].read_bytes() == weights[1].read_bytes()


@pytest.mark.parametrize("name", ["tensorboard", "mlflow"])
def test_the_test_loss_of_a_sweeps_winner_reaches_its_run(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    words = [f"tracker={name}", *LOCAL[name], *SHORT, "hydra/sweeper=study", "plot=false",
             "hydra.sweeper.n_trials=2", "hydra.sweep.dir=sweep",
             "optimizer.lr=interval(0.001,0.01)"]  # fmt: skip
    table = ermlab.sweep(words)
    tested = table["test_loss"].notna()
    assert tested.sum() == 1
    for run_dir, is_winner in zip(table["run_dir"], tested, strict=True):
        _, scalars, _ = READERS[name](tmp_path, Path(run_dir))
        assert ("summary/test_loss" in scalars) == is_winner
        if is_winner:
            ((step, value),) = scalars["summary/test_loss"]
            assert step == read_history(Path(run_dir))["step"][-1]
            assert value == pytest.approx(read_summary(Path(run_dir))["test_loss"], rel=1e-6)
            assert len(scalars["summary/valid_loss"]) == 1


def test_a_run_of_wandb_is_opened_again_by_its_id_only_online(tmp_path, monkeypatch):
    import wandb

    from ermlab.tracker.wandb import WandB

    # A stand-in for wandb.init and login: to open a run again takes its server, which is not here.
    opened = []

    class Opened:
        def __init__(self):
            self.summary = {}

        def finish(self):
            opened.append(dict(self.summary))

    monkeypatch.setattr(wandb, "login", lambda **_: True)
    monkeypatch.setattr(wandb, "init", lambda **options: opened.append(options) or Opened())
    for name in ("run-20260101_120000-first", "run-20260102_120000-the-last"):
        (tmp_path / "wandb" / name).mkdir(parents=True)
    for mode in ("offline", "online"):
        tracker = WandB(project="mine", entity=None, mode=mode, wait_s=1)
        tracker.amend({"test_loss": 0.5}, tmp_path)
    options, summary = opened
    assert (options["id"], options["resume"], options["mode"]) == ("the-last", "must", "online")
    assert summary == {"test_loss": 0.5}


def test_wandb_never_asks_for_a_key_in_a_run(tmp_path, monkeypatch):
    from ermlab.tracker.wandb import WandB

    monkeypatch.delenv("WANDB_API_KEY", raising=False)
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    with pytest.raises(ConfigError, match="nobody is logged in") as raised:
        WandB(project="mine", entity=None, mode="online", wait_s=1)
    assert "tracker.mode=offline" in raised.value.fix
