"""What a process knows of a shared study without asking the database again."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from optuna.storages import _CachedStorage
from optuna.trial import FrozenTrial

from ermlab.sweep.shared_storage import SharedStorage


class SharedCache(_CachedStorage):
    """Optuna's cache of a storage, which reads less often where that is good enough.

    Args:
        storage: the database.
    """

    def __init__(self, storage: SharedStorage) -> None:
        super().__init__(storage)
        self.held: set[int] = set()  # Optuna's ids of trials that only this process changes
        self._read_s = float("-inf")
        self._here = threading.local()

    @contextmanager
    def reading_at_most_every(self, seconds: float) -> Iterator[bool]:
        """Be content in this block, and thread, with what was read a little while ago.

        Yields:
            Whether the block reads anew.
        """
        is_due = time.monotonic() - self._read_s > seconds
        self._here.is_content = not is_due
        try:
            yield is_due
        finally:
            self._here.is_content = False

    def forget_age(self) -> None:
        """Read anew the next time: this process has changed something."""
        self._read_s = float("-inf")

    def _read_trials_from_remote_storage(self, study_id: int) -> None:
        if getattr(self._here, "is_content", False):
            return
        super()._read_trials_from_remote_storage(study_id)
        self._read_s = time.monotonic()

    def _get_cached_trial(self, trial_id: int) -> FrozenTrial | None:
        if trial_id in self.held and trial_id in self._trial_id_to_study_id_and_number:
            study_id, number = self._trial_id_to_study_id_and_number[trial_id]
            return self._studies[study_id].trials[number]
        return super()._get_cached_trial(trial_id)
