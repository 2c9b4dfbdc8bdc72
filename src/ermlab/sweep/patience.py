"""Tries again for a while when a database cannot be reached: its server may be restarting."""

import logging
import time
from collections.abc import Callable
from typing import TypeVar

import sqlalchemy as sa
from optuna.exceptions import StorageInternalError

from ermlab.sweep.storage_failure import explain_failure

log = logging.getLogger(__name__)

T = TypeVar("T")

PATIENCE_S = 120.0  # own; a database server is restarted in less
PAUSE_S = 1.0  # own; between two tries


def patiently(call: Callable[[], T], url: str) -> T:
    """Call something, and again while the database cannot be reached.

    Args:
        call: what is done; done twice, it is as if done once.
        url: of the database, for the message.

    Raises:
        StorageError: the database cannot be reached for PATIENCE_S.
    """
    began = time.monotonic()
    is_told = False
    while True:
        try:
            return call()
        except (StorageInternalError, sa.exc.OperationalError, sa.exc.InterfaceError) as error:
            failure = explain_failure(error, url)
            if time.monotonic() - began > PATIENCE_S:
                raise failure from error
            if not is_told:
                log.warning("%s; trying again for %.0f s", failure.what, PATIENCE_S)
                is_told = True
            time.sleep(PAUSE_S)
