"""Lets one of several processes do what is done once, while the others wait until it is done."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from ermlab.sweep.leases import DONE, Heartbeat, Leases

PAUSE_S = 0.5  # own; between two looks at the process that does it


@contextmanager
def once(leases: Leases, heartbeat: Heartbeat, number: int) -> Iterator[bool]:
    """Let one process do what is in the block.

    When it fails or its process dies, another one does it.

    Args:
        leases: of the study.
        heartbeat: of this process.
        number: of the lease that stands for it.

    Yields:
        Whether this is the process that does it.
    """
    if not _claim(leases, number):
        yield False
        return
    try:
        with heartbeat.holding(number):
            yield True
    except BaseException:
        leases.give_back([number])
        raise
    leases.finish(number)


def _claim(leases: Leases, number: int) -> bool:
    while not leases.claim(number):
        if any(lease.owner == DONE for lease in leases.find([number])):
            return False
        if any(leases.take(lease) for lease in leases.find_stale([number])):
            break
        time.sleep(PAUSE_S)
    return True
