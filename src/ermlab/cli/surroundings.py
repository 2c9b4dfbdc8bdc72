"""Leaves a process as it was found, for scripts and notebooks that run and sweep in it."""

import logging
import os
import warnings
from collections.abc import Iterator
from contextlib import chdir, contextmanager

from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig


@contextmanager
def left_as_found() -> Iterator[None]:
    """Put back what Hydra and ermlab change in a process, when the block ends in any way.

    That is torch's number of threads, the working directory, the environment, what is logged and
    where, filters of warnings, and Hydra's own state, which another application may have set.
    """
    import torch

    threads, environment = torch.get_num_threads(), dict(os.environ)
    global_hydra, hydra_config = GlobalHydra.instance(), HydraConfig.instance()
    hydra, config = global_hydra.hydra, hydra_config.cfg
    global_hydra.clear()
    try:
        with chdir(os.curdir), warnings.catch_warnings(), _logging_left():
            yield
    finally:
        GlobalHydra.set_instance(global_hydra)  # Hydra puts another in its place
        global_hydra.hydra, hydra_config.cfg = hydra, config
        torch.set_num_threads(threads)
        if os.environ != environment:
            os.environ.clear()
            os.environ.update(environment)


@contextmanager
def _logging_left() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level, disabled = root.handlers[:], root.level, logging.root.manager.disable
    levels = {name: each.level for name, each in _loggers()}
    try:
        yield
    finally:
        for handler in set(root.handlers) - set(handlers):
            handler.close()
        root.handlers[:] = handlers
        root.setLevel(level)
        logging.disable(disabled)
        for name, each in _loggers():
            each.setLevel(levels.get(name, logging.NOTSET))
            each.disabled = False if name in levels else each.disabled


def _loggers() -> list[tuple[str, logging.Logger]]:
    known = logging.root.manager.loggerDict.items()
    return [(name, each) for name, each in known if isinstance(each, logging.Logger)]
