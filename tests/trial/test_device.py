"""Devices: what is there is used, what is not is told."""

import pytest
import torch
from hydra import compose, initialize_config_dir

from ermlab.config.store import find_conf_dir, register_schemas
from ermlab.errors import DeviceError
from ermlab.trial.build import build_trial
from ermlab.trial.device import available_devices, choose_device, choose_dtype
from ermlab.trial.run import run_trial
from ermlab.trial.targets import DEFAULT_ALLOW


def compose_config(*overrides):
    register_schemas()
    with initialize_config_dir(str(find_conf_dir())):
        return compose("config", overrides=["loop.epochs=2", *overrides])


def test_auto_takes_the_first_that_is_there():
    assert choose_device("auto").type == available_devices()[0]


@pytest.mark.parametrize("name", ["cuda", "mps"])
def test_a_device_that_is_not_there_is_refused_with_those_that_are(name, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    with pytest.raises(DeviceError) as caught:
        choose_device(name)
    assert f"device is {name}" in caught.value.what
    assert caught.value.fix == "set device=auto, or one of: cpu"


def test_a_gpu_is_preferred_where_there_is_one(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert choose_device("auto").type == "cuda"


def test_float64_on_mps_is_refused():
    with pytest.raises(DeviceError, match="float64"):
        choose_dtype("float64", torch.device("mps"))


@pytest.mark.parametrize("name", ["float32", "float64"])
def test_data_and_parameters_have_the_configured_dtype(name):
    parts = build_trial(compose_config(f"dtype={name}", "device=cpu"), allow=DEFAULT_ALLOW).parts
    tensors = [*parts.module.parameters(), parts.data.train.x, parts.data.test.y]
    assert {tensor.dtype for tensor in tensors} == {getattr(torch, name)}


@pytest.mark.skipif(not torch.cuda.is_available(), reason="this machine has no CUDA GPU")
def test_everything_is_on_the_gpu_and_the_losses_are_those_of_the_cpu(tmp_path):
    losses = []
    for device in ("cpu", "cuda"):
        config = compose_config(f"device={device}", "dtype=float64")
        (tmp_path / device).mkdir()
        summary = run_trial(config, run_dir=tmp_path / device, choices={}, allow=DEFAULT_ALLOW)
        losses.append(summary["valid_loss"])
    parts = build_trial(compose_config("device=cuda"), allow=DEFAULT_ALLOW).parts
    tensors = [*parts.module.parameters(), parts.data.train.x, parts.data.valid.y]
    assert {tensor.device.type for tensor in tensors} == {"cuda"}
    assert losses[1] == pytest.approx(losses[0], rel=1e-9)
