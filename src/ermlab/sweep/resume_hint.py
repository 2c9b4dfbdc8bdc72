"""Tells the command that goes on with a sweep: at its start, and last of all if it is unfinished.

Whether the command needs --trust is found out by what `ermlab resume` itself checks.
"""

import logging
import shlex
from pathlib import Path
from typing import Any

from hydra.experimental.callback import Callback
from omegaconf import DictConfig

from ermlab.errors import RunDirError
from ermlab.sweep.permitted import check_command
from ermlab.sweep.resume import find_command

log = logging.getLogger(__name__)


class ResumeHint(Callback):
    """Ends the output of an unfinished sweep, after the table of its results.

    Args:
        sweep_dir: of a sweep whose record and study are there.
    """

    def __init__(self, sweep_dir: Path) -> None:
        trust = "--trust " if _needs_trust(sweep_dir) else ""
        self._command = f"ermlab resume {trust}{shlex.quote(str(sweep_dir))}"
        self.is_finished = False
        log.info("a stopped sweep goes on with: %s", self._command)

    def on_multirun_end(self, config: DictConfig, **kwargs: Any) -> None:
        """Called by Hydra when the sweep has ended, however it has."""
        if not self.is_finished:
            log.info("the sweep is not finished; it goes on with: %s", self._command)


def _needs_trust(sweep_dir: Path) -> bool:
    try:
        check_command(find_command(sweep_dir))
    except RunDirError:
        return True
    return False
