"""Chooses the device and the number of threads."""

import torch

from ermlab.errors import DeviceError


def choose_device(name: str) -> torch.device:
    """Turn the configured device into one that is there.

    Args:
        name: "auto" (the GPU if there is one, else the CPU), "cpu", "cuda" or "mps".

    Raises:
        DeviceError: the device is not on this machine.
    """
    available = available_devices()
    if name == "auto":
        return torch.device(available[0])
    if name not in available:
        raise DeviceError(
            f"device is {name}, which torch {torch.__version__} does not find on this machine",
            where="device",
            fix=f"set device=auto, or one of: {', '.join(available)}",
        )
    return torch.device(name)


def available_devices() -> list[str]:
    """List the kinds of device on this machine, the fastest first; the CPU is always there."""
    found = []
    if torch.cuda.is_available():
        found.append("cuda")
    if torch.backends.mps.is_available():
        found.append("mps")
    return [*found, "cpu"]


def choose_dtype(name: str, device: torch.device) -> torch.dtype:
    """Turn the configured dtype into torch's.

    Raises:
        DeviceError: the device does not compute in it.
    """
    if name == "float64" and device.type == "mps":
        raise DeviceError(
            "dtype is float64, which mps does not compute in",
            where="dtype",
            fix="set dtype=float32 or device=cpu",
        )
    return {"float32": torch.float32, "float64": torch.float64}[name]
