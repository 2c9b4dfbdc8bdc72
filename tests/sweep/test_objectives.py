"""Sweeps of several objectives, and of spaces with conditions, under each kind of launcher."""

import math
import os
import subprocess
import sys

import pytest
import yaml

from ermlab.results.load import load_runs

SHORT = ["loop.epochs=2", "plot=false", "device=cpu", "dtype=float64", "data.n_train=200"]
STUDY = ["hydra/sweeper=study", "hydra.sweeper.n_jobs=3", "hydra.sweeper.sampler.seed=1"]
SEVERAL = ["objective=[valid_loss,n_parameters]", "hydra.sweeper.direction=[minimize,minimize]"]
LR = "optimizer.lr=tag(log,interval(0.001,0.1))"
WIDTHS = "model.hidden_units=range(4,30)"
LAUNCHERS = pytest.mark.parametrize("launcher", ["basic", "stacked"])


def sweep(folder, *words, launcher="stacked", n_trials=9, **environment):
    options = [f"hydra/launcher={launcher}", f"hydra.sweeper.n_trials={n_trials}"]
    return subprocess.run(
        [sys.executable, "-m", "ermlab", "-m", "hydra.sweep.dir=out", *STUDY, *options, *SHORT,
         *words],
        cwd=folder, capture_output=True, text=True, timeout=300, check=False,
        env={**os.environ, **environment},
    )  # fmt: skip


def solutions(folder):
    told = yaml.safe_load((folder / "out" / "optimization_results.yaml").read_text())
    return {each["trial"]: each["values"] for each in told["solutions"]}


def surpassed(pairs, number):
    one = pairs[number]
    return any(all(a <= b for a, b in zip(other, one, strict=True)) and other != one
               for other in pairs.values())  # fmt: skip


@LAUNCHERS
@pytest.mark.parametrize("storage", [[], ["hydra.sweeper.storage=sqlite:///study.db"]])
def test_the_solutions_are_the_trials_that_no_other_surpasses(launcher, storage, tmp_path):
    done = sweep(tmp_path, *SEVERAL, LR, WIDTHS, *storage, launcher=launcher)
    assert done.returncode == 0, done.stderr
    table = load_runs(tmp_path / "out")
    columns = table[["valid_loss", "n_parameters"]].itertuples(index=False)
    pairs = dict(zip(table["trial"], map(tuple, columns), strict=True))
    assert len(pairs) == 9
    found = {n: tuple(values) for n, values in solutions(tmp_path).items()}
    assert found == {n: pair for n, pair in pairs.items() if not surpassed(pairs, n)}
    assert len(found) > 1
    assert "test_loss" not in table or table["test_loss"].isna().all()  # there is no one winner


def test_a_diverged_trial_is_no_solution_however_small_its_model(tmp_path):
    words = ["optimizer=sgd", "optimizer.lr=choice(0.01,1e6)", "model.hidden_units=choice(4,20)"]
    done = sweep(tmp_path, *SEVERAL, *words)
    assert done.returncode == 0, done.stderr
    table = load_runs(tmp_path / "out").set_index("trial")
    assert "diverged" in set(table["status"])
    for number, values in solutions(tmp_path).items():
        assert table.loc[number, "status"] != "diverged"
        assert all(map(math.isfinite, values))


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (SEVERAL[:1], "objective names 2 (valid_loss, n_parameters), but direction 1 (minimize)"),
        (SEVERAL[1:], "objective names 1 (valid_loss), but direction 2"),
        (["objective=[]"], "objective names 0"),
        (["objective=[valid_loss,test_loss]", SEVERAL[1]], "must be one of valid_loss"),
        (["objective=[valid_loss,valid_loss]", SEVERAL[1]], "must be one of valid_loss"),
        (["objective=test_loss"], "objective is test_loss, but must be one of"),
        (["objective=null"], "objective is None, but must be one of"),
        ([*SEVERAL, "hydra/sweeper/pruner=median"], "a pruner compares one objective"),
    ],
)  # fmt: skip
def test_objectives_that_do_not_fit_are_told(words, told, tmp_path):
    done = sweep(tmp_path, LR, *words, n_trials=3)
    assert done.returncode == 1
    assert told in done.stderr, done.stderr
    assert "Traceback" not in done.stderr


CONDITION = """
def extend(config, trial):
    if trial.params["optimizer"] == "momentum":
        trial.suggest_float("optimizer.momentum", 0.1, 0.9)
"""


@LAUNCHERS
@pytest.mark.parametrize("storage", [[], ["hydra.sweeper.storage=sqlite:///study.db"]])
def test_a_function_of_the_users_adds_what_depends_on_a_choice(launcher, storage, tmp_path):
    (tmp_path / "space.py").write_text(CONDITION)
    words = [LR, "optimizer=choice(sgd,momentum)", *storage]
    words.append("hydra.sweeper.custom_search_space=space.extend")
    done = sweep(tmp_path, *words, launcher=launcher, ERMLAB_ALLOW="space.*")
    assert done.returncode == 0, done.stderr
    table = load_runs(tmp_path / "out")
    assert set(table["optimizer"]) == {"sgd", "momentum"}
    has_momentum = table["optimizer"] == "momentum"
    assert table.loc[has_momentum, "optimizer.momentum"].between(0.1, 0.9).all()
    assert table.loc[has_momentum, "optimizer.momentum"].is_unique
    assert table.loc[~has_momentum, "optimizer.momentum"].isna().all()


@pytest.mark.parametrize("name", ["space.extend", "math.pi", "math.nothing"])
def test_a_function_that_is_not_there_is_told(name, tmp_path):
    words = [LR, f"hydra.sweeper.custom_search_space={name}"]
    done = sweep(tmp_path, *words, ERMLAB_ALLOW="space.*,math.*")
    assert done.returncode == 1
    assert f"custom_search_space is '{name}', which cannot be called" in done.stderr, done.stderr
    assert "Traceback" not in done.stderr
