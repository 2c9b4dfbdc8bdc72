"""The sampler's memory of a sweep: asks for trials, is told how they ended, and can go on.

It is an Optuna study in memory, with a journal on disk. To go on, the journal is played to a new
sampler: one with a seed makes the same suggestions again and ends in the same state. One without
is given the recorded trials instead, and goes on from these.
"""

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import optuna
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler
from optuna.study import StudyDirection
from optuna.trial import TrialState

from ermlab.sweep.journal import Asked, Event, Journal, Told, read_journal
from ermlab.sweep.question import Question, refuse_changes
from ermlab.trial.provenance import find_versions

log = logging.getLogger(__name__)

Space = Mapping[str, BaseDistribution]
Extend = Callable[[optuna.Trial], None]  # adds suggestions of the user's own


class Study:
    """Asks and tells.

    `was_stopped` says whether it goes on with an earlier one.

    Args:
        path: of the journal; a file that is there is gone on with.
        make_sampler: makes a new sampler, in its first state.
        space: the distribution of each key.
        question: what the sweep asks; must be what the journal has.
        extend: adds conditional suggestions, if there are any.
        go_on_changed: whether to go on although the question has changed.

    Raises:
        RunDirError: the journal is damaged, or of another question.
    """

    def __init__(
        self,
        path: Path,
        *,
        make_sampler: Callable[[], BaseSampler],
        space: Space,
        question: Question,
        extend: Extend | None,
        go_on_changed: bool,
    ) -> None:
        self._make_sampler = make_sampler
        self._space, self._extend = space, extend
        self._directions = list(question.directions)
        self._journal = Journal(path)
        self._open: dict[int, optuna.Trial] = {}
        self._study = self._new_study()
        self.was_stopped = path.exists()
        if self.was_stopped:
            self._go_on(path, question, go_on_changed)
        else:
            self._journal.begin(question, find_versions())

    @property
    def n_asked(self) -> int:
        """Trials asked for so far, in this process and before."""
        return len(self._study.trials)

    @property
    def open_trials(self) -> dict[int, dict[str, Any]]:
        """The values of the trials that have not been told, by number."""
        return {number: dict(trial.params) for number, trial in self._open.items()}

    @property
    def n_told(self) -> int:
        """Trials that ended."""
        return sum(trial.state.is_finished() for trial in self._study.trials)

    @property
    def n_failed(self) -> int:
        """Trials that were told to have failed."""
        return sum(trial.state == TrialState.PRUNED for trial in self._study.trials)

    def reserve(self, n: int) -> None:
        """Say how many trials are asked for next (see `SharedStudy`)."""

    def ask(self) -> tuple[int, dict[str, Any]]:
        """Return the number and the values of the next trial."""
        trial = self._suggest()
        self._journal.asked(Asked(trial=trial.number, params=dict(trial.params)))
        self._open[trial.number] = trial
        return trial.number, dict(trial.params)

    def tell(self, number: int, values: Sequence[float] | None) -> None:
        """Take in how a trial ended.

        Args:
            number: of the trial.
            values: of its objectives; None for a trial that failed. A sampler learns to avoid the
                region of a failure when it is told of a trial pruned without a report, and not
                when it is told of one that failed (measured with TPE).
        """
        state = "PRUNED" if values is None else "COMPLETE"
        told = Told(trial=number, state=state, values=values)
        self._take(self._open.pop(number), told)
        self._journal.told(told)

    def may_have_run(self, number: int) -> bool:
        """Whether a trial may have a finished run that was not told before the sweep stopped."""
        return self.was_stopped

    def wait(self, timeout_s: float | None) -> bool:
        """Whether other processes may leave a trial (see `SharedStudy`): there are none."""
        return False

    def is_done(self) -> bool:
        """Whether each trial that was asked for has ended."""
        return not self._open

    @contextmanager
    def testing(self, number: int) -> Iterator[bool]:
        """Let one process do in the block what is done once for a trial: this one."""
        yield True

    def best(self) -> list[optuna.trial.FrozenTrial]:
        """The best trial, or those that no other surpasses in all objectives; empty if none."""
        if not any(t.state == TrialState.COMPLETE for t in self._study.trials):
            return []
        return [self._study.best_trial] if len(self._directions) == 1 else self._study.best_trials

    def close(self) -> None:
        """Close the journal."""
        self._journal.close()

    def _new_study(self) -> optuna.Study:
        directions = [StudyDirection[each.upper()] for each in self._directions]
        return optuna.create_study(sampler=self._make_sampler(), directions=directions)

    def _suggest(self) -> optuna.Trial:
        trial = self._study.ask()
        for key, distribution in self._space.items():
            trial._suggest(key, distribution)
        if self._extend is not None:
            self._extend(trial)
        return trial

    def _take(self, trial: optuna.Trial, told: Told) -> None:
        values = None if told.state != "COMPLETE" else list(told.values or [])
        self._study.tell(trial, values=values, state=TrialState[told.state])

    def _go_on(self, path: Path, question: Question, go_on_changed: bool) -> None:
        recorded, versions, events = read_journal(path)
        refuse_changes(
            recorded,
            question,
            versions,
            where=str(path),
            holder="this folder",
            go_on_changed=go_on_changed,
        )
        if not self._replay(events):
            log.info("the sampler has no seed: it goes on from the recorded trials")
            self._study, self._open = self._new_study(), {}
            self._restore(events)

    def _replay(self, events: Sequence[Event]) -> bool:
        """Play the events to the sampler; return whether it suggested what is recorded."""
        for event in events:
            if isinstance(event, Told):
                self._take(self._open.pop(event.trial), event)
                continue
            trial = self._suggest()
            if trial.params != dict(event.params):
                return False
            self._open[trial.number] = trial
        return True

    def _restore(self, events: Sequence[Event]) -> None:
        """Put the recorded trials into the study."""
        for event in events:
            if isinstance(event, Told):
                self._take(self._open.pop(event.trial), event)
                continue
            self._study.enqueue_trial(dict(event.params))
            trial = self._suggest()
            self._open[trial.number] = trial
