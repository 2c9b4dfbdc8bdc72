"""TensorBoard: event files in the run directory, for `tensorboard --logdir multirun`."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ermlab import rundir
from ermlab.rundir import Value
from ermlab.tracker.tracker import last_step, load_package, pick_numbers

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter

SUMMARY = "summary/"  # before the names of a summary's numbers, which are those of the best model


class TensorBoard:
    """Writes scalars, the configuration as hyperparameters, and the picture.

    Args:
        folder: of the event files, below the run directory.
        wait_s: longest wait for it at the end of a run [s], > 0.

    Raises:
        ConfigError: the package is not installed.
    """

    def __init__(self, *, folder: str, wait_s: float) -> None:
        load_package("torch.utils.tensorboard", extra="tensorboard")
        self._folder = folder
        self.wait_s = wait_s
        self._config: dict[str, Any] = {}
        self._last_step = 0
        self._writer: SummaryWriter | None = None

    def start(self, config: Mapping[str, Value], run_dir: Path) -> None:
        """Open an event file; those of an earlier run in this folder are removed."""
        from torch.utils.tensorboard import SummaryWriter

        folder = run_dir / self._folder
        for earlier in folder.glob("events.out.tfevents.*"):
            earlier.unlink()
        self._config = {key: value for key, value in config.items() if value is not None}
        self._writer = SummaryWriter(str(folder), flush_secs=10)

    def log(self, step: int, values: Mapping[str, float]) -> None:
        """Write one scalar for each value."""
        self._last_step = step
        for name, value in values.items():
            self._add_scalar(name, value)

    def finish(self, summary: Mapping[str, Value], run_dir: Path) -> None:
        """Write the hyperparameters, the numbers of the summary and the picture."""
        from torch.utils.tensorboard.summary import hparams

        assert self._writer is not None, "started before"
        numbers = {f"{SUMMARY}{name}": value for name, value in pick_numbers(summary).items()}
        for part in hparams(self._config, numbers):  # type: ignore[no-untyped-call]
            self._writer._get_file_writer().add_summary(part)  # type: ignore[no-untyped-call]
        for name, value in numbers.items():
            self._add_scalar(name, value)
        if (run_dir / rundir.CURVE).is_file():
            self._add_picture(run_dir / rundir.CURVE)
        self._writer.close()

    def amend(self, added: Mapping[str, Value], run_dir: Path) -> None:
        """Write further numbers of the summary, in an event file beside the earlier one."""
        from torch.utils.tensorboard import SummaryWriter

        self._last_step = last_step(run_dir)
        self._writer = SummaryWriter(str(run_dir / self._folder))
        for name, value in pick_numbers(added).items():
            self._add_scalar(f"{SUMMARY}{name}", value)
        self._writer.close()

    def _add_scalar(self, name: str, value: float) -> None:
        assert self._writer is not None, "started before"
        self._writer.add_scalar(name, value, self._last_step)

    def _add_picture(self, path: Path) -> None:
        import numpy as np
        from PIL import Image

        assert self._writer is not None, "started before"
        with Image.open(path) as image:
            pixels = np.asarray(image.convert("RGB"))  # (height, width, 3)
        self._writer.add_image(path.stem, pixels, self._last_step, dataformats="HWC")
