"""The sampler's memory of a sweep: asks for trials, is told how they ended, and can go on.

It is an Optuna study in memory, with a journal on disk. To go on, the journal is played to a new
sampler: one with a seed makes the same suggestions again and ends in the same state. One without
is given the recorded trials instead, and goes on from these.
"""

import logging
from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import optuna
from optuna.distributions import BaseDistribution
from optuna.pruners import BasePruner
from optuna.samplers import BaseSampler
from optuna.study import StudyDirection
from optuna.trial import TrialState

from ermlab.sweep.journal import (
    Asked,
    Event,
    Journal,
    Judged,
    Started,
    Told,
    read_journal,
)
from ermlab.sweep.question import Question, refuse_changes
from ermlab.sweep.recorded_trials import check_events
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
        make_pruner: makes the pruner, if trials are to be pruned.
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
        make_pruner: Callable[[], BasePruner] | None,
        space: Space,
        question: Question,
        extend: Extend | None,
        go_on_changed: bool,
    ) -> None:
        self._make_sampler, self._make_pruner = make_sampler, make_pruner
        self._space, self._extend = space, extend
        self.directions = list(question.directions)
        self._journal = Journal(path)
        self._open: dict[int, optuna.Trial] = {}
        # Of the open trials, by validation: what was decided there.
        self._decided: dict[int, dict[int, bool]] = defaultdict(dict)
        self._failed: set[int] = set()
        # Of the runs before a stop, by number of the job, in the order in which they last began.
        self.starts: dict[int, int] = {}
        self.clock = 0  # of the stack, when the last trial that was told ended
        self._study = self._new_study()
        self.was_stopped = path.exists()
        if self.was_stopped:
            self._go_on(path, question, go_on_changed)
        else:
            self._journal.begin(question, find_versions())

    @property
    def n_asked(self) -> int:
        """Trials asked for so far, in this process and before."""
        return len(self._study.get_trials(deepcopy=False))

    @property
    def open_trials(self) -> dict[int, dict[str, Any]]:
        """The values of the trials that have not been told, by number."""
        return {number: dict(trial.params) for number, trial in self._open.items()}

    @property
    def n_told(self) -> int:
        """Trials that have ended."""
        return self.n_asked - len(self._open)

    @property
    def n_failed(self) -> int:
        """Trials that were told to have failed."""
        return len(self._failed)

    @property
    def pruned_before(self) -> Collection[int]:
        """The open trials of which it was decided that they are pruned."""
        return {number for number, each in self._decided.items() if any(each.values())}

    @property
    def last_begun(self) -> int | None:
        """The job that was the last one to begin before a stop."""
        return max(reversed(self.starts), key=self.starts.__getitem__, default=None)

    def params(self, number: int) -> dict[str, Any]:
        """The values of a trial."""
        return dict(self._study.get_trials(deepcopy=False)[number].params)

    def may_have_run(self, number: int) -> bool:
        """Whether a trial may have a finished run that was not told before the sweep stopped."""
        return self.was_stopped

    def reserve(self, n: int) -> None:
        """Say how many trials are asked for next (see `SharedStudy`)."""

    def ask(self) -> tuple[int, dict[str, Any]]:
        """Return the number and the values of the next trial."""
        trial = self._suggest()
        self._journal.asked(Asked(trial=trial.number, params=dict(trial.params)))
        self._open[trial.number] = trial
        return trial.number, dict(trial.params)

    def start(self, job: int, clock: int) -> None:
        """Take in that a run began when a stack's clock showed so many steps."""
        self._journal.started(Started(job=job, clock=clock))

    def judge(self, number: int, index: int, value: float) -> bool:
        """Take in what a trial has measured at a validation; return whether it is pruned.

        What was decided before a stop is not decided again.

        Args:
            number: of the trial.
            index: of the validation, from 0.
            value: of the objective.
        """
        decided = self._decided[number]
        if index not in decided:
            trial = self._open[number]
            trial.report(value, index)
            decided[index] = bool(trial.should_prune())
            told = Judged(trial=number, index=index, value=value, is_pruned=decided[index])
            self._journal.judged(told)
        return decided[index]

    def tell(
        self, number: int, values: Sequence[float] | None, *, clock: int | None = None
    ) -> None:
        """Take in how a trial ended.

        Args:
            number: of the trial.
            values: of its objectives; None for a trial that failed. A sampler learns to avoid the
                region of a failure when it is told of a trial pruned without a report, and not
                when it is told of one that failed (measured with TPE). One with reports would
                count as its last, so it is told the worst value.
            clock: what the stack's clock shows, if there is one.
        """
        failed = values is None
        if values is None and self._decided[number]:
            values = [worst_value(each) for each in self.directions]
        state = "PRUNED" if values is None else "COMPLETE"
        self._end(number, state, values, failed=failed, clock=clock)

    def tell_pruned(self, number: int, *, clock: int | None = None) -> None:
        """Take in that a trial was pruned; its last report counts."""
        self._end(number, "PRUNED", None, failed=False, clock=clock)

    def _end(
        self,
        number: int,
        state: str,
        values: Sequence[float] | None,
        *,
        failed: bool,
        clock: int | None,
    ) -> None:
        told = Told(
            trial=number,
            state=state,
            values=values,
            failed=failed,
            clock=clock,
        )
        self._take(told)
        self._journal.told(told)

    def wait(self, timeout_s: float | None) -> bool:
        """Whether other processes have left a trial (see `SharedStudy`): there are none."""
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
        complete = self._study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
        if all(trial.number in self._failed for trial in complete):
            return []
        return [self._study.best_trial] if len(self.directions) == 1 else self._study.best_trials

    def close(self) -> None:
        """Close the journal."""
        self._journal.close()

    def _new_study(self) -> optuna.Study:
        directions = [StudyDirection[each.upper()] for each in self.directions]
        pruner = optuna.pruners.NopPruner() if self._make_pruner is None else self._make_pruner()
        # The name is always the same: HyperbandPruner draws from it and the trial's number.
        return optuna.create_study(
            study_name="ermlab", sampler=self._make_sampler(), pruner=pruner, directions=directions
        )

    def _suggest(self) -> optuna.Trial:
        trial = self._study.ask()
        for key, distribution in self._space.items():
            trial._suggest(key, distribution)
        if self._extend is not None:
            self._extend(trial)
        return trial

    def _take(self, told: Told) -> None:
        trial = self._open.pop(told.trial)
        self._decided.pop(told.trial, None)
        if told.failed:
            self._failed.add(told.trial)
        self.clock = max(self.clock, told.clock or 0)
        values = None if told.state != "COMPLETE" else list(told.values or [])
        try:
            self._study.tell(trial, values=values, state=TrialState[told.state])
        except RuntimeError as error:
            if "Study.stop" not in str(error):  # which a grid's sampler calls after its last point
                raise

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
        if not go_on_changed:
            n, is_extended = len(self.directions), self._extend is not None
            check_events(path, events, space=self._space, n_values=n, is_extended=is_extended)
        if not self._replay(events):
            log.info("the sampler has no seed: it goes on from the recorded trials")
            self._study, self._open, self._failed = self._new_study(), {}, set()
            self._decided.clear()
            self._restore(events)
        for each in events:
            if isinstance(each, Started):
                self.starts.pop(each.job, None)
                self.starts[each.job] = each.clock

    def _replay(self, events: Sequence[Event]) -> bool:
        """Play the events to the sampler; return whether it suggested what is recorded."""
        for event in events:
            if not isinstance(event, Asked):
                self._repeat(event)
                continue
            trial = self._suggest()
            if trial.params != dict(event.params):
                return False
            self._open[trial.number] = trial
        return True

    def _restore(self, events: Sequence[Event]) -> None:
        """Put the recorded trials into the study."""
        for event in events:
            if not isinstance(event, Asked):
                self._repeat(event)
                continue
            self._study.enqueue_trial(dict(event.params))
            trial = self._suggest()
            self._open[trial.number] = trial

    def _repeat(self, event: Started | Judged | Told) -> None:
        """Let what happened after a suggestion happen again."""
        if isinstance(event, Told):
            self._take(event)
        elif isinstance(event, Judged) and event.trial in self._open:
            trial = self._open[event.trial]
            trial.report(event.value, event.index)
            if self._make_pruner is not None:
                trial.should_prune()  # a pruner may note down what it has seen
            self._decided[event.trial][event.index] = event.is_pruned


def worst_value(direction: str) -> float:
    """What a run is told to have reached that reached nothing."""
    return float("inf") if direction == "minimize" else float("-inf")
