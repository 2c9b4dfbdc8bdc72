"""`ermlab verify` on sweeps made by the command line: what it accepts, finds, refuses and says."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from ermlab import rundir
from ermlab.config.store import register_schemas
from ermlab.errors import ErmlabError, TargetError
from ermlab.results.find import find_run_dirs
from ermlab.sweep.verify import choose_trials, verify_trial
from ermlab.trial.targets import DEFAULT_ALLOW

MY_PARTS = Path(__file__).parents[1] / "trial" / "my_parts.py"
SWEEP = ["-m", "hydra/launcher=stacked", "plot=false", "loop.epochs=3", "device=cpu"]
GRID = ["model.hidden_units=5,12", "optimizer.lr=0.003,0.01", "seed=0,1"]


def run_ermlab(folder, *words, env=None):
    # As a module: the working directory is on sys.path, for modules of the user's.
    return subprocess.run(
        [sys.executable, "-m", "ermlab", *map(str, words)], cwd=folder, check=False,
        env={**os.environ, **(env or {})}, capture_output=True, text=True, timeout=300,
    )  # fmt: skip


def make_sweep(folder, *words, env=None):
    done = run_ermlab(folder, *SWEEP, "hydra.sweep.dir=sweep", *words, env=env)
    assert done.returncode == 0, done.stderr
    return folder / "sweep"


@pytest.fixture(scope="module", params=["float64", "float32"])
def each_dtype(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp(request.param)
    return make_sweep(folder, f"dtype={request.param}", *GRID), request.param


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return make_sweep(tmp_path_factory.mktemp("made"), "dtype=float64", *GRID)


@pytest.fixture
def sweep(made, tmp_path):
    return shutil.copytree(made, tmp_path / "copy")


def verify_run(run_dir, allow=DEFAULT_ALLOW):
    register_schemas()
    return verify_trial(run_dir, allow=allow)


def change_summary(run_dir, column, value):
    path = run_dir / rundir.SUMMARY
    summary = json.loads(path.read_text())
    assert column in summary
    path.write_text(json.dumps(summary | {column: value}))


def change_history(run_dir, column, row, change):
    path = run_dir / rundir.HISTORY
    header, *rows = [line.split(",") for line in path.read_text().splitlines()]
    place = header.index(column)
    rows[row][place] = str(change(float(rows[row][place])))
    path.write_text("\n".join(",".join(cells) for cells in [header, *rows]) + "\n")


def change_config(run_dir, old, new):
    path = run_dir / rundir.CONFIG
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new))


def test_a_stacked_sweep_passes(each_dtype):
    folder, dtype = each_dtype
    done = run_ermlab(folder, "verify", ".", "--trials", 3)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count(" agrees\n") == 3
    assert "3 of 8 stacked trials trained again alone: 3 agree to rounding" in done.stdout
    assert dtype in done.stdout


def test_a_changed_loss_of_a_summary_is_found_and_named(sweep):
    change_summary(sweep / "0", "test_loss", 0.5)
    done = run_ermlab(sweep, "verify", "0")
    assert done.returncode == 1
    assert "differs" in done.stdout
    assert "1 differ by more than rounding (1e-09 in float64), most of all test_loss of 0" in (
        done.stdout
    )
    assert done.stderr == ""


def test_a_changed_loss_of_a_history_is_found_and_named(sweep):
    change_history(sweep / "3", "valid_loss", 1, lambda loss: loss * (1 + 1e-7))
    done = run_ermlab(sweep, "verify", ".", "--trials", 8)
    assert done.returncode == 1
    assert "1 differ" in done.stdout
    assert "most of all history.csv valid_loss of 3" in done.stdout


@pytest.mark.parametrize(
    ("column", "value"),
    [("best_step", 39), ("steps", 61), ("status", "stopped_early"), ("optimizer.lr", 0.5),
     ("valid_loss", None), ("generalization_gap", 0.4), ("n_parameters", 7)],
)  # fmt: skip
def test_whatever_column_is_changed_is_found(column, value, sweep):
    change_summary(sweep / "1", column, value)
    verified = verify_run(sweep / "1")
    assert verified.verdict == "differs"
    assert verified.column == column


def test_a_history_that_lost_a_row_is_found(sweep):
    path = sweep / "1" / rundir.HISTORY
    path.write_text("\n".join(path.read_text().splitlines()[:-1]) + "\n")
    assert verify_run(sweep / "1").column == "history.csv rows"


def test_another_configuration_is_found_by_its_numbers(sweep):
    change_config(sweep / "0", "hidden_units: 5", "hidden_units: 6")
    assert verify_run(sweep / "0").verdict == "differs"


def test_what_says_how_and_when_it_was_trained_is_not_compared(sweep):
    for column, value in (("wall_s", 99.0), ("git_sha", "abc"), ("version_torch", "0")):
        change_summary(sweep / "0", column, value)
    assert verify_run(sweep / "0").verdict == "agrees"


@pytest.mark.parametrize(
    "target",
    ["model.two_layer.TwoLayer", "optimizer.rules.Adam", "objective.SquaredError",
     "data.lab1.lab1", "loop.plan.EpochLoop"],
)  # fmt: skip
def test_a_target_that_is_not_allowed_is_refused_and_not_called(target, sweep):
    change_config(sweep / "0", f"_target_: ermlab.{target}", "_target_: os.mkdir\n  path: called")
    with pytest.raises(TargetError, match=r"os\.mkdir.* not allowed") as caught:
        verify_run(sweep / "0")
    assert str(sweep / "0" / rundir.CONFIG) in caught.value.where
    assert not Path("called").exists()


def test_a_hostile_target_ends_the_command_with_one_message(sweep):
    change_config(sweep / "0", "ermlab.model.two_layer.TwoLayer", "os.system")
    done = run_ermlab(sweep, "verify", "0")
    assert done.returncode == 1
    assert "TargetError: model._target_ is 'os.system'" in done.stderr
    assert "Traceback" not in done.stderr


def truncate(text):
    lines = text[: len(text) // 2].splitlines()
    return "\n".join(lines[:-1])  # the last one may be cut to what is no YAML


DAMAGES = {
    "config cut in the middle": (rundir.CONFIG, truncate, "it lacks"),
    "config empty": (rundir.CONFIG, lambda text: "", "it lacks data"),
    "config no YAML": (rundir.CONFIG, lambda text: text + "a: [", "cannot read"),
    "config a list": (rundir.CONFIG, lambda text: "- 1\n", "not a mapping"),
    "wrong type": (rundir.CONFIG, lambda text: text.replace("seed: 0", "seed: x"), "'x'"),
    "wrong group": (
        rundir.CONFIG,
        lambda text: re.sub(r"loss:\n(  .*\n)+", "loss: 3\n", text),
        "loss is not a mapping",
    ),
    "aliases": (rundir.CONFIG, lambda text: text + "a: &x [1]\nb: *x\n", "alias"),
    "nested deeply": (rundir.CONFIG, lambda text: text + "a: " + "[" * 5000, "nested more"),
    "unknown dtype": (rundir.CONFIG, lambda text: text.replace("float64", "int8"), "int8"),
    "hydra cut": (rundir.HYDRA_CONFIG, truncate, "it lacks hydra.runtime"),
    "hydra empty": (rundir.HYDRA_CONFIG, lambda text: "", "hydra is not a mapping"),
    "history cut": (Path(rundir.HISTORY), lambda text: text[:-30], "cannot read the history"),
    "history of words": (Path(rundir.HISTORY), lambda text: "a\nb\n", "cannot read the history"),
}


@pytest.mark.parametrize(("file", "damage", "told"), DAMAGES.values(), ids=DAMAGES.keys())
def test_a_damaged_file_is_told_with_its_path(file, damage, told, sweep):
    path = sweep / "0" / file
    path.write_text(damage(path.read_text()))
    with pytest.raises(ErmlabError, match=told) as caught:
        verify_run(sweep / "0")
    assert str(path) in caught.value.where
    assert caught.value.fix


def test_a_truncated_configuration_ends_the_command_with_one_message(sweep):
    path = sweep / "0" / rundir.CONFIG
    path.write_text(truncate(path.read_text()))
    done = run_ermlab(sweep, "verify", "0")
    assert done.returncode == 1
    assert "RunDirError: cannot read what the run was asked to do: it lacks" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_sweep_that_was_not_stacked_is_told(tmp_path):
    words = ["-m", "plot=false", "loop.epochs=1", "seed=0,1", "hydra.sweep.dir=sweep"]
    assert run_ermlab(tmp_path, *words).returncode == 0
    done = run_ermlab(tmp_path, "verify", "sweep")
    assert done.returncode == 1
    assert "none of 2 runs here is a finished trial of a stack" in done.stderr
    assert "hydra/launcher=stacked" in done.stderr


def test_a_missing_folder_is_told(tmp_path):
    done = run_ermlab(tmp_path, "verify", "nowhere")
    assert done.returncode == 1
    assert "where: nowhere" in done.stderr
    assert "Traceback" not in done.stderr


def test_only_finished_trials_of_a_stack_are_chosen(sweep):
    (sweep / "0" / rundir.SUMMARY).unlink()
    change_summary(sweep / "1", "stack_size", 1)
    change_summary(sweep / "2", "status", "pruned")
    (sweep / "3" / rundir.SUMMARY).write_text("{")
    chosen, n_candidates = choose_trials(find_run_dirs([sweep]), n_trials=99, seed=0)
    assert [run_dir.name for run_dir in chosen] == ["4", "5", "6", "7"]
    assert n_candidates == 4


def test_the_choice_of_trials_is_random_and_repeats_with_its_seed(made):
    run_dirs = find_run_dirs([made])
    drawn = [choose_trials(run_dirs, n_trials=3, seed=seed)[0] for seed in (0, 0, 1, 2, 3)]
    assert drawn[0] == drawn[1]
    assert len({tuple(each) for each in drawn}) > 1
    assert all(len(each) == 3 for each in drawn)


def test_a_diverged_trial_is_compared_as_well(tmp_path):
    sweep = make_sweep(tmp_path, "dtype=float64", "optimizer=sgd", "optimizer.lr=1e6,0.1")
    verified = verify_run(sweep / "0")
    assert rundir.read_summary(sweep / "0")["status"] == "diverged"
    assert verified.verdict in ("agrees", "chaotic")


def test_a_trial_that_rounding_carries_away_is_chaotic_and_no_failure(tmp_path):
    words = ["data=diabetes", "data.standardize=inputs_and_targets", "optimizer.lr=0.1"]
    sizes = ["model.hidden_units=16,48", "loop.batch_size=20,50", "loop.epochs=40"]
    sweep = make_sweep(tmp_path, *words, *sizes)
    done = run_ermlab(tmp_path, "verify", "sweep")
    assert done.returncode == 0, done.stdout
    verdicts = {verify_run(sweep / name).verdict for name in "0123"}
    assert "differs" not in verdicts
    if "chaotic" in verdicts:  # on which machine rounding does so is not ours to say
        assert "reference_moves" in done.stdout


def test_a_model_of_the_users_own_is_verified(tmp_path):
    shutil.copy(MY_PARTS, tmp_path)
    (tmp_path / "conf" / "model").mkdir(parents=True)
    (tmp_path / "conf" / "model" / "mine.yaml").write_text(
        "_target_: my_parts.Net\nn_inputs: ${data.n_inputs}\nn_outputs: ${data.n_outputs}\n"
        "width: 8\n"
    )
    allow = {"ERMLAB_ALLOW": "my_parts.*"}
    words = ["--config-dir", "conf", "model=mine", "dtype=float64", "optimizer.lr=0.003,0.01"]
    make_sweep(tmp_path, *words, env=allow)
    refused = run_ermlab(tmp_path, "verify", "sweep")
    assert refused.returncode == 1
    assert "ERMLAB_ALLOW='my_parts.*'" in refused.stderr
    shutil.rmtree(tmp_path / "conf")  # what the run was asked to do is in its own folder
    done = run_ermlab(tmp_path, "verify", "sweep", env=allow)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "2 agree" in done.stdout


def test_paths_and_hydras_values_are_those_of_the_run_wherever_verify_is_called(tmp_path):
    rows = "".join(f"{i / 7},{i % 3}\n" for i in range(60))
    (tmp_path / "here").mkdir()
    (tmp_path / "here" / "mine.csv").write_text(f"a,b\n{rows}")
    words = ["data=table", "data.path=mine.csv", "data.targets=b", "loop.batch_size=5,10"]
    own = ["hydra.sweeper.max_batch_size=7", "seed=${hydra:sweeper.max_batch_size}"]
    make_sweep(tmp_path / "here", "dtype=float64", *words, *own)
    done = run_ermlab(tmp_path, "verify", "here/sweep")
    assert done.returncode == 0, done.stdout + done.stderr
    assert rundir.read_summary(tmp_path / "here" / "sweep" / "0")["seed"] == 7
