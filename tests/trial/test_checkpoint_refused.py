"""A checkpoint that is damaged, forged or of something else is refused, and nothing is changed."""

import json
import random

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from ermlab import rundir
from ermlab.errors import CheckpointError
from ermlab.trial import checkpoint
from ermlab.trial.run import Resume

EPOCHS = ["loop=epochs", "loop.epochs=9", "loop.checkpoint_every=0", "optimizer=adam"]


@pytest.fixture
def interrupted(trial, tmp_path, crash_at):
    """A run with a checkpoint, which ended in a check."""
    with pytest.raises(KeyboardInterrupt):
        trial("run", *EPOCHS, on_check=crash_at(4))
    return tmp_path / "run"


def refuse(trial, run_dir, *words):
    """Continue a run that must be refused; return the message. All files stay as they are."""
    before = {path: path.read_bytes() for path in run_dir.iterdir() if path.is_file()}
    with pytest.raises(CheckpointError) as caught:
        trial("run", *EPOCHS, *words, resume=Resume(force=False))
    assert {path: path.read_bytes() for path in run_dir.iterdir() if path.is_file()} == before
    assert rundir.CHECKPOINT in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("place", range(8))
def test_a_truncated_checkpoint_is_refused(place, trial, interrupted):
    path = interrupted / rundir.CHECKPOINT
    content = path.read_bytes()
    cuts = [0, 1, 7, 8, 100, len(content) - 1]
    cuts += random.Random(place).sample(range(len(content)), 2)
    path.write_bytes(content[: cuts[place]])
    assert "cannot be used" in refuse(trial, interrupted)


@pytest.mark.parametrize("seed", range(6))
def test_a_flipped_bit_is_refused(seed, trial, interrupted):
    path = interrupted / rundir.CHECKPOINT
    content = bytearray(path.read_bytes())
    content[random.Random(seed).randrange(len(content))] ^= 1 << seed
    path.write_bytes(content)
    refuse(trial, interrupted)


def change(path, edit):
    """Change what a checkpoint says, its checksum included."""
    with safe_open(path, "pt") as file:
        content = json.loads(file.metadata()[checkpoint.KEY])
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  # no dict
    edit(content, tensors)
    text = json.dumps(content)
    metadata = {checkpoint.KEY: text, "sha256": checkpoint._checksum(text, tensors)}
    save_file(tensors, path, metadata=metadata)


def put(*keys, value):
    """Change a value of the described state."""

    def edit(content, tensors):
        pairs = content["state"]
        for key in keys[:-1]:
            pairs = dict(pairs["dict"])[key]
        for pair in pairs["dict"]:
            if pair[0] == keys[-1]:
                pair[1] = value

    return edit


def put_tensor(name, tensor):
    def edit(content, tensors):
        assert name in tensors, sorted(tensors)
        tensors[name] = tensor

    return edit


NUMPY = ("learner", "generators", "numpy")
FORGED = {
    "the steps are a text": put("done", value="many"),
    "the steps are too many": put("done", value=10**18),
    "the steps are negative": put("done", value=-1),
    "the seconds are NaN": put("wall_s", value=float("nan")),
    "the seconds are a list": put("wall_s", value={"list": [1]}),
    "a step sum is huge": put("learner", "n_summed", value=10**30),
    "the status is a number": put("status", value={"list": [3]}),
    "there is no learner": put("learner", value=None),
    "a tensor is a number": put("best", value=3.0),
    "a name leads nowhere": put("best", value={"tensor": "nowhere"}),
    "a kind is unknown": put("best", value={"eval": ["1"]}),
    "the optimizer is empty": put("learner", "optimizer", value={"dict": []}),
    "a generator is beyond its state": put(*NUMPY, "position", value=10**6),
    "a generator is short": put_tensor("/learner/generators/torch", torch.zeros(3)),
    "a weight has another shape": put_tensor("/learner/module/hidden.weight", torch.zeros(7, 2)),
    "the best loss has two trials": put_tensor("/best", torch.zeros(2, dtype=torch.float64)),
    "a moment has another type": put_tensor("/learner/optimizer/means/0", torch.tensor([3])),
    "the rows are a text": lambda content, tensors: content.update(n_rows="3"),
    "the rows are too many": lambda content, tensors: content.update(n_rows=10**6),
    "the facts are none": lambda content, tensors: content.update(facts=None),
    "the state is deep": lambda content, tensors: content.update(state=nested(20)),
}


def nested(depth):
    return {"list": [nested(depth - 1)]} if depth else 1


@pytest.mark.parametrize("forged", FORGED)
def test_a_checkpoint_with_wrong_values_is_refused(forged, trial, interrupted):
    path = interrupted / rundir.CHECKPOINT
    before = path.read_bytes()
    change(path, FORGED[forged])
    assert path.read_bytes() != before
    refuse(trial, interrupted)


@pytest.mark.parametrize("kind", ["text", "weights", "link", "folder"])
def test_what_is_no_checkpoint_is_refused(kind, trial, interrupted, tmp_path):
    path = interrupted / rundir.CHECKPOINT
    if kind == "text":
        path.write_text("{}")
    elif kind == "weights":
        save_file({"a": torch.zeros(3)}, path)
    else:
        path.rename(tmp_path / "elsewhere")
        path.symlink_to(tmp_path / "elsewhere") if kind == "link" else path.mkdir()
    assert "cannot be used" in refuse(trial, interrupted)


def test_a_history_shorter_than_the_checkpoint_says_is_refused(trial, interrupted):
    path = interrupted / rundir.HISTORY
    path.write_text("".join(path.read_text().splitlines(keepends=True)[:2]))
    assert "fewer than its 4 rows" in refuse(trial, interrupted)


def test_another_format_is_refused_with_its_number(trial, interrupted):
    change(interrupted / rundir.CHECKPOINT, lambda content, tensors: content.update(format=99))
    assert "has format 99, this ermlab reads 1" in refuse(trial, interrupted)


@pytest.mark.parametrize("name", sorted(checkpoint.FACTS))
def test_what_the_numbers_depend_on_must_be_as_before_unless_forced(name, trial, interrupted):
    def edit(content, tensors):
        assert name in content["facts"]
        content["facts"][name] = "other"

    change(interrupted / rundir.CHECKPOINT, edit)
    assert f"the {checkpoint.FACTS[name]} " in refuse(trial, interrupted)
    run_dir = trial("run", *EPOCHS, resume=Resume(force=True))
    assert rundir.read_summary(run_dir)["status"] == "completed"


def test_a_changed_configuration_is_refused_unless_forced(trial, interrupted):
    assert "the configuration has changed" in refuse(trial, interrupted, "optimizer.lr=0.5")
    longer = trial("run", *EPOCHS, "loop.epochs=12", resume=Resume(force=True))
    assert rundir.read_summary(longer)["epochs"] == 12


def test_a_model_of_another_shape_is_refused_even_if_forced(trial, interrupted):
    words = [*EPOCHS, "model.hidden_units=7"]
    with pytest.raises(CheckpointError, match="does not fit"):
        trial("run", *words, resume=Resume(force=True))
    assert not (interrupted / rundir.SUMMARY).exists()
