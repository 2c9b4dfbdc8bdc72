"""The launcher `stacked`: Hydra's own suites, and the same tables as the basic launcher."""

import pandas as pd
import pytest
from hydra.core.plugins import Plugins
from hydra.plugins.launcher import Launcher
from hydra.test_utils.launcher_common_tests import (
    BatchedSweeperTestSuite,
    IntegrationTestSuite,
    LauncherTestSuite,
)
from hydra.test_utils.test_utils import chdir_plugin_root  # noqa: F401  # a fixture of the suites

from ermlab.plugins.stacked_launcher import StackedLauncher
from ermlab.results.load import load_history, load_runs

# Hydra's suites put its singletons back as they found them, so all plugins must be known before.
Plugins.instance()

SHORT = ["loop.epochs=3", "plot=false", "dtype=float64", "device=cpu"]
LOSSES = ["train_loss", "valid_loss", "test_loss", "test_loss_last"]


def test_hydra_finds_the_launcher_by_its_entry_point():
    assert StackedLauncher in Plugins.instance().discover(Launcher)


@pytest.mark.parametrize(("launcher_name", "overrides"), [("stacked", [])])
class TestStackedLauncher(LauncherTestSuite):
    """Hydra's suite: a task that is not ermlab's is launched as by the basic launcher."""


@pytest.mark.parametrize(
    ("launcher_name", "overrides"), [("stacked", ["hydra.sweeper.max_batch_size=2"])]
)
class TestStackedLauncherBatches(BatchedSweeperTestSuite):
    """Hydra's suite of a sweeper that launches several times."""


@pytest.mark.parametrize(
    ("task_launcher_cfg", "extra_flags"),
    [({}, ["-m", "hydra/launcher=stacked", "hydra.job.chdir=true"])],
)
class TestStackedLauncherIntegration(IntegrationTestSuite):
    """Hydra's suite of whole applications."""


def sweep(ermlab_cli, folder, launcher, *words):
    where = ["-m", f"hydra/launcher={launcher}", f"hydra.sweep.dir={launcher}"]
    done = ermlab_cli(*where, *SHORT, *words, cwd=folder)
    return done, load_runs(folder / launcher)


def assert_same_table(stacked, basic):
    keys = ["status", "best_step", "steps", "n_parameters", "optimizer.lr", "model.hidden_units"]
    pd.testing.assert_frame_equal(stacked[keys], basic[keys])
    pd.testing.assert_frame_equal(stacked[LOSSES], basic[LOSSES], rtol=1e-9, atol=0)


def test_a_grid_in_stacks_has_the_table_of_the_basic_launcher(ermlab_cli, tmp_path):
    words = ["optimizer.lr=0.001,0.01", "model.hidden_units=5,20", "loop.batch_size=30,64"]
    tables = []
    for launcher in ("stacked", "basic"):
        done, table = sweep(ermlab_cli, tmp_path, launcher, *words)
        assert done.returncode == 0, done.stderr
        tables.append(table)
    assert_same_table(*tables)
    assert tables[0]["stack_size"].max() > 1
    assert set(tables[1]["stack_size"]) == {1}
    histories = [load_history(tmp_path / name) for name in ("stacked", "basic")]
    columns = ["step", "epoch", "train_loss", "valid_loss"]
    pd.testing.assert_frame_equal(histories[0][columns], histories[1][columns], rtol=1e-9, atol=0)


def test_a_stacked_job_leaves_the_files_of_a_single_run(ermlab_cli, tmp_path):
    files = []
    for launcher in ("stacked", "basic"):
        sweep(ermlab_cli, tmp_path, launcher, "seed=0,1")
        job = tmp_path / launcher / "1"
        files.append({str(path.relative_to(job)) for path in job.rglob("*") if path.is_file()})
    assert files[0] == files[1]


def test_optuna_drives_the_stacked_launcher(ermlab_cli, tmp_path):
    words = ["hydra/sweeper=optuna", "hydra.sweeper.n_trials=6", "hydra.sweeper.n_jobs=3",
             "hydra.sweeper.sampler.seed=1", "optimizer.lr=tag(log,interval(0.001,0.1))",
             "model.hidden_units=range(4,30)"]  # fmt: skip
    tables = []
    for launcher in ("stacked", "basic"):
        done, table = sweep(ermlab_cli, tmp_path, launcher, *words)
        assert done.returncode == 0, done.stderr
        tables.append(table)
    assert_same_table(*tables)


def test_a_wrong_job_is_a_failed_row_and_the_others_train(ermlab_cli, tmp_path):
    done, table = sweep(ermlab_cli, tmp_path, "stacked", "optimizer.lr=0.1,-1,0.01")
    assert done.returncode == 1
    assert "optimizer.lr is -1.0, but must be > 0" in done.stderr
    assert "Traceback" not in done.stderr
    assert list(table["status"]) == ["completed", "failed", "completed"]


def test_trials_with_dropout_are_trained_one_by_one_and_the_log_says_why(ermlab_cli, tmp_path):
    model = tmp_path / "conf" / "model"
    model.mkdir(parents=True)
    (model / "mine.yaml").write_text(
        "_target_: torch.nn.Sequential\n_args_:\n"
        "  - {_target_: torch.nn.Dropout, p: 0.5}\n"
        "  - {_target_: torch.nn.Linear, in_features: 100, out_features: 100}\n"
    )
    words = ["--config-dir", "conf", "model=mine", "seed=0,1"]
    tables = []
    for launcher, more in (("stacked", ["hydra.launcher.stack.max_trials=1"]), ("basic", [])):
        done, table = sweep(ermlab_cli, tmp_path, launcher, *words, *more)
        assert done.returncode == 0, done.stderr
        tables.append((done, table))
    assert tables[0][0].stdout.count("draws random numbers in training") == 1
    pd.testing.assert_frame_equal(tables[0][1][LOSSES], tables[1][1][LOSSES], check_exact=True)


def test_dropout_fails_with_the_reason_when_asked_so(ermlab_cli, tmp_path):
    model = tmp_path / "conf" / "model"
    model.mkdir(parents=True)
    (model / "mine.yaml").write_text(
        "_target_: torch.nn.Sequential\n_args_:\n"
        "  - {_target_: torch.nn.Dropout, p: 0.5}\n"
        "  - {_target_: torch.nn.Linear, in_features: 100, out_features: 100}\n"
    )
    words = ["--config-dir", "conf", "model=mine", "seed=0,1"]
    done, table = sweep(ermlab_cli, tmp_path, "stacked", *words,
                        "hydra.launcher.on_unstackable=error")  # fmt: skip
    assert done.returncode == 1
    assert "StackError: Sequential cannot be stacked: it draws random numbers" in done.stderr
    assert set(table["status"]) == {"failed"}


@pytest.mark.parametrize(
    ("option", "told"),
    [
        ("stack.max_trials=0", "hydra.launcher.stack.max_trials is 0"),
        ("stack.max_bytes=0", "hydra.launcher.stack.max_bytes is 0"),
        ("on_unstackable=maybe", "hydra.launcher.on_unstackable is maybe"),
        ("n_jobs=0", "n_jobs"),
        ("backend=nonsense", "nonsense"),
        ("nonsense=1", "hydra.launcher.nonsense"),
    ],
)
def test_a_wrong_option_is_told_before_any_work(ermlab_cli, tmp_path, option, told):
    done = ermlab_cli("-m", "hydra/launcher=stacked", f"hydra.launcher.{option}", "seed=0,1")
    assert done.returncode == 1
    assert told in done.stderr
    assert "Traceback" not in done.stderr
    assert not list(tmp_path.glob("multirun/*/*/0"))


def test_what_cannot_be_stacked_is_refused_when_asked_so(ermlab_cli, tmp_path):
    optimizer = tmp_path / "conf" / "optimizer"
    optimizer.mkdir(parents=True)
    (optimizer / "mine.yaml").write_text("_target_: torch.optim.RMSprop\nlr: 0.01\n")
    done = ermlab_cli(
        "--config-dir", "conf", "-m", "hydra/launcher=stacked", "optimizer=mine", "seed=0,1",
        "hydra.launcher.on_unstackable=error", *SHORT, cwd=tmp_path,
    )  # fmt: skip
    assert done.returncode == 1
    assert "StackError: job 0 is not stacked: the optimizer torch.optim.RMSprop" in done.stderr
