"""A study that follows the journal of a sweep: the same trials, also while it grows."""

import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution
from optuna.trial import TrialState

from ermlab import rundir
from ermlab.errors import RunDirError
from ermlab.sweep.followed import FollowedStudy
from ermlab.sweep.journal import Asked, Journal, Told
from ermlab.sweep.question import Question, describe_space

SPACE = {
    "optimizer.lr": FloatDistribution(0.001, 0.1, log=True),
    "model": CategoricalDistribution(["linear", "mlp"]),
}
QUESTION = Question(space=describe_space(SPACE), fixed=[], directions=["minimize"], replicates=1)


class Sweep:
    """Writes a journal as a sweep does, with points of its own."""

    def __init__(self, path):
        self.journal = Journal(path)
        self.journal.begin(QUESTION, {})
        self.n_asked = 0

    def ask(self, **others):
        params = {"optimizer.lr": 0.001 * (self.n_asked + 1), "model": "mlp", **others}
        self.journal.asked(Asked(trial=self.n_asked, params=params))
        self.n_asked += 1
        return self.n_asked - 1, params

    def tell(self, trial, values):
        state = "PRUNED" if values is None else "COMPLETE"
        failed = values is None
        self.journal.told(Told(trial=trial, state=state, values=values, failed=failed))


@pytest.fixture
def study(tmp_path):
    """The journal of a sweep."""
    sweep = Sweep(tmp_path / rundir.STUDY)
    yield sweep
    sweep.journal.close()


def trials(followed):
    followed.refresh()
    return followed.storage.get_all_trials(0)


def test_it_has_the_trials_that_the_sweep_has(study, tmp_path):
    asked = [study.ask() for _ in range(4)]
    study.tell(0, [0.5])
    study.tell(2, [0.25])
    study.tell(3, None)
    found = trials(FollowedStudy(tmp_path))
    assert [(t.number, t.params) for t in found] == asked
    assert [t.state for t in found] == [
        TrialState.COMPLETE, TrialState.RUNNING, TrialState.COMPLETE, TrialState.FAIL,
    ]  # fmt: skip
    assert [t.values for t in found] == [[0.5], None, [0.25], None]
    assert found[0].distributions == SPACE


def test_it_grows_with_the_journal(study, tmp_path):
    study.ask()
    followed = FollowedStudy(tmp_path)
    assert [t.state for t in trials(followed)] == [TrialState.RUNNING]
    study.tell(0, [0.5])
    study.ask()
    assert [t.values for t in trials(followed)] == [[0.5], None]
    assert followed.storage.get_best_trial(0).number == 0
    study.tell(1, [float("inf")])
    assert [t.values for t in trials(followed)] == [[0.5], [float("inf")]]
    assert len(trials(followed)) == 2


def test_losses_appear_step_by_step_while_a_run_trains(study, tmp_path):
    study.ask()
    run_dir = tmp_path / "0"
    run_dir.mkdir()
    followed = FollowedStudy(tmp_path)
    with rundir.HistoryWriter(run_dir) as history:
        history.append({"step": 4, "train_loss": 9.0, "valid_loss": 2.0})
        assert trials(followed)[0].intermediate_values == {4: 2.0}
        history.append({"step": 9, "train_loss": 8.0, "valid_loss": 1.0})
        with (run_dir / rundir.HISTORY).open("a") as file:
            file.write("14,7")  # a line that is just being written
        assert trials(followed)[0].intermediate_values == {4: 2.0}
    (run_dir / rundir.HISTORY).write_text("step,train_loss,valid_loss\n4,9,2\n9,8,1\n")
    study.tell(0, [1.0])
    assert trials(followed)[0].intermediate_values == {4: 2.0, 9: 1.0}
    assert trials(FollowedStudy(tmp_path))[0].intermediate_values == {4: 2.0, 9: 1.0}


def test_a_key_that_is_not_in_the_space_is_an_attribute(study, tmp_path):
    study.ask(**{"model.hidden_units": 7})
    (found,) = trials(FollowedStudy(tmp_path))
    assert set(found.params) == set(SPACE)
    assert found.user_attrs["model.hidden_units"] == 7


def test_the_journal_is_only_read(study, tmp_path):
    study.ask()
    before = sorted((p.name, p.read_bytes()) for p in tmp_path.iterdir())
    trials(FollowedStudy(tmp_path))
    assert sorted((p.name, p.read_bytes()) for p in tmp_path.iterdir()) == before


def test_what_is_damaged_later_leaves_what_was_read(study, tmp_path, caplog):
    study.ask()
    followed = FollowedStudy(tmp_path)
    assert len(trials(followed)) == 1
    (tmp_path / rundir.STUDY).write_text("no study any more\n")
    assert len(trials(followed)) == 1
    assert "cannot be read any more" in caplog.text


def test_a_folder_without_a_journal_is_told(tmp_path):
    with pytest.raises(RunDirError, match="cannot read the study"):
        FollowedStudy(tmp_path)
