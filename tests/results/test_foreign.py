"""Directories that a real Hydra application, a real Lightning and a real Optuna left behind."""

import json
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import numpy as np
import optuna
import pandas as pd
import pytest
import yaml

from ermlab.errors import RunDirError
from ermlab.results.command import results_command
from ermlab.results.foreign import own_name
from ermlab.results.load import load_history, load_runs

APP = Path(__file__).with_name("foreign_app.py")
N_EPOCHS = 3


def run_app(folder: Path, *words: str) -> None:
    command = [sys.executable, "-W", "ignore", str(APP), "-m", "hydra.sweep.dir=sweep", *words]
    subprocess.run(command, cwd=folder, check=True, capture_output=True)


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("plain")
    run_app(folder, "model=small,large", "optimizer=adam", "seed=0,1", "+note=x")
    return folder / "sweep"


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("trained")
    run_app(folder, "seed=0,1", f"epochs={N_EPOCHS}")
    return folder / "sweep"


@pytest.fixture(scope="module")
def searched(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("searched")
    search = ["optimizer.lr=tag(log,interval(0.01,1))", "width=choice(1,2)"]
    storage = ["hydra.sweeper.storage=sqlite:///study.db", "hydra.sweeper.study_name=mine"]
    run_app(folder, "hydra/sweeper=optuna", "hydra.sweeper.n_trials=5", *storage, *search)
    return folder


def truth(run_dir: str) -> dict[str, list[float]]:
    found: dict[str, list[float]] = json.loads((Path(run_dir) / "truth.json").read_text())
    return found


def test_a_sweep_of_another_application_has_its_choices_and_keys(plain: Path) -> None:
    frame = load_runs(plain)
    assert [Path(each).name for each in frame["run_dir"]] == ["0", "1", "2", "3"]
    assert frame["model"].tolist() == ["small", "small", "large", "large"]
    assert frame["model.units"].tolist() == [2, 2, 8, 8]
    assert frame["optimizer"].tolist() == ["adam"] * 4
    assert frame["seed"].tolist() == [0, 1, 0, 1]
    assert frame["note"].tolist() == ["x"] * 4


def test_how_its_runs_ended_is_unknown(plain: Path) -> None:
    assert set(load_runs(plain)["status"]) == {"unknown"}


def test_its_keys_without_a_dot_stand_before_the_results(
    searched: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    results_command([searched / "sweep"])
    header = capsys.readouterr().out.split("\n")[0].split()
    assert header.index("width") < header.index("status")


def test_the_best_of_an_optuna_sweep_has_its_value(searched: Path) -> None:
    told = yaml.safe_load((searched / "sweep" / "optimization_results.yaml").read_text())
    frame = load_runs(searched / "sweep").dropna(subset="value")
    (row,) = frame.to_dict("records")
    assert row["value"] == told["best_value"]
    assert row["optimizer.lr"] == told["best_params"]["optimizer.lr"]
    assert row["width"] == told["best_params"]["width"]


def test_metrics_of_lightning_become_columns(trained: Path) -> None:
    frame = load_runs(trained)
    assert len(frame) == 2
    for row in frame.to_dict("records"):
        measured = truth(row["run_dir"])
        losses = np.float32(measured["valid"])
        assert row["valid_loss"] == pytest.approx(min(losses), rel=1e-6)
        assert row["valid_loss_last"] == pytest.approx(losses[-1], rel=1e-6)
        assert row["valid_loss"] < row["valid_loss_last"]
        assert row["val_acc_best"] == pytest.approx(1 / (1 + min(losses)), rel=1e-6)
        assert row["val_acc"] == pytest.approx(1 / (1 + losses[-1]), rel=1e-6)
        assert row["train_loss"] == pytest.approx(measured["train"][-1], rel=1e-6)
        assert row["test_loss"] == pytest.approx(measured["test"][0], rel=1e-6)
        assert row["best_step"] == int(np.argmin(losses))
        assert (row["model"], row["optimizer.lr"]) == ("small", 0.1)


def test_metrics_of_lightning_become_a_history_with_a_row_per_step(trained: Path) -> None:
    for run_dir, rows in load_history(trained).groupby("run_dir"):
        measured = truth(str(run_dir))
        trained_rows = rows[rows["epoch"] < N_EPOCHS]
        assert trained_rows["step"].tolist() == [0, 1, 2]
        np.testing.assert_allclose(trained_rows["valid_loss"], measured["valid"], rtol=1e-6)
        np.testing.assert_allclose(trained_rows["train_loss"], measured["train"], rtol=1e-6)


def test_a_logger_without_hydra_is_a_run(trained: Path, tmp_path: Path) -> None:
    logs = tmp_path / "lightning_logs" / "version_0"
    shutil.copytree(trained / "0" / "lightning_logs" / "version_0", logs)
    (row,) = load_runs(tmp_path).to_dict("records")
    assert (row["run_dir"], row["lr"]) == (str(logs), 0.1)
    assert row["test_loss"] == pytest.approx(truth(str(trained / "0"))["test"][0], rel=1e-6)
    assert load_history(tmp_path)["run_dir"].unique().tolist() == [str(logs)]


def test_the_last_version_of_a_run_counts(trained: Path, tmp_path: Path) -> None:
    shutil.copytree(trained / "0", tmp_path / "0")
    logs = tmp_path / "0" / "lightning_logs"
    shutil.copytree(trained / "1" / "lightning_logs" / "version_0", logs / "version_10")
    shutil.copytree(logs / "version_0", logs / "version_9")
    (row,) = load_runs(tmp_path).to_dict("records")
    assert row["test_loss"] == pytest.approx(truth(str(trained / "1"))["test"][0], rel=1e-6)


def test_a_run_whose_last_loss_is_not_finite_diverged(trained: Path, tmp_path: Path) -> None:
    shutil.copytree(trained / "0", tmp_path / "0")
    path = tmp_path / "0" / "lightning_logs" / "version_0" / "metrics.csv"
    header = path.read_text().split("\n")[0].strip().split(",")
    cells = {"epoch": "3", "step": "3", "val_loss": "nan"}
    with path.open("a") as file:
        file.write(",".join(cells.get(name, "") for name in header) + "\n")
    (row,) = load_runs(tmp_path).to_dict("records")
    assert row["status"] == "diverged"
    assert row["valid_loss"] == pytest.approx(min(truth(str(trained / "0"))["valid"]), rel=1e-6)


def test_some_metrics_csv_is_no_run(tmp_path: Path) -> None:
    (tmp_path / "metrics.csv").write_text("a,b\n1,2\n")
    with pytest.raises(RunDirError, match="no run directory"):
        load_runs(tmp_path)


@pytest.mark.parametrize(
    ("metric", "name"),
    [
        ("val_loss", "valid_loss"), ("validation/loss", "valid_loss"), ("valid.loss", "valid_loss"),
        ("train_loss_epoch", "train_loss"), ("training_loss", "train_loss"),
        ("test/loss", "test_loss"), ("val_loss_smooth", "val_loss_smooth"), ("loss", "loss"),
        ("train_loss_step", "train_loss_step"),
    ],
)  # fmt: skip
def test_a_loss_has_our_name(metric: str, name: str) -> None:
    assert own_name(metric) == name


def test_hyperparameters_that_are_objects_become_text(trained: Path, tmp_path: Path) -> None:
    logs = tmp_path / "version_0"
    shutil.copytree(trained / "0" / "lightning_logs" / "version_0", logs)
    (logs / "hparams.yaml").write_text(
        "lr: 0.1\nwhere: !!python/object/apply:os.system [exit]\nkind: !!python/name:os.system ''\n"
    )
    (row,) = load_runs(tmp_path).to_dict("records")
    assert (row["lr"], row["where"], row["kind"]) == (0.1, "os.system", "os.system")


def objective(trial: optuna.Trial) -> float:
    x = trial.suggest_float("x", 0.1, 1, log=True)
    trial.suggest_categorical("model.kind", ["a", "b"])
    for step in range(3):
        trial.report(x + step, step)
    trial.set_user_attr("seed", trial.number % 2)
    if trial.number == 1:
        raise optuna.TrialPruned
    if trial.number == 2:
        raise ValueError("no")
    return float("inf") if trial.number == 3 else x


def make_study(storage: optuna.storages.BaseStorage | str, **options: object) -> optuna.Study:
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    sampler = optuna.samplers.RandomSampler(seed=0)
    study = optuna.create_study(storage=storage, study_name="s", sampler=sampler, **options)
    study.optimize(objective, n_trials=5, catch=ValueError)
    study.ask()
    return study


@pytest.fixture(params=["sqlite", "journal"])
def study(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Path, optuna.Study]:
    path = tmp_path / f"study.{request.param}"
    if request.param == "sqlite":
        return path, make_study(f"sqlite:///{path}")
    backend = optuna.storages.journal.JournalFileBackend(str(path))
    return path, make_study(optuna.storages.JournalStorage(backend))


def test_a_study_gives_a_row_for_each_trial(study: tuple[Path, optuna.Study]) -> None:
    path, made = study
    frame = load_runs(path)
    told = made.trials_dataframe()
    assert frame["trial"].tolist() == told["number"].tolist()
    statuses = ["completed", "pruned", "failed", "diverged", "completed", "unfinished"]
    assert frame["status"].tolist() == statuses
    done = frame[frame["status"] == "completed"]
    assert done["value"].tolist() == told["value"][done.index].tolist()
    assert frame["x"].tolist()[:5] == told["params_x"].tolist()[:5]
    assert frame["model.kind"].tolist()[:5] == told["params_model.kind"].tolist()[:5]
    assert frame["user_attrs_seed"].tolist()[:5] == [0, 1, 0, 1, 0]
    assert frame["run_dir"].tolist() == [f"{path}/s/{number}" for number in range(6)]
    seconds = told["duration"].dt.total_seconds()
    pd.testing.assert_series_equal(frame["wall_s"], seconds, check_names=False)


def test_intermediate_values_are_its_history(study: tuple[Path, optuna.Study]) -> None:
    path, made = study
    history = load_history(path)
    expected = [
        (f"{path}/s/{trial.number}", step, value)
        for trial in made.trials
        for step, value in trial.intermediate_values.items()
    ]
    assert list(history.itertuples(index=False, name=None)) == expected


def test_a_database_is_not_written_to(tmp_path: Path) -> None:
    path = tmp_path / "study.db"
    make_study(f"sqlite:///{path}")
    before = path.read_bytes(), path.stat().st_mtime_ns
    load_runs(path)
    assert (path.read_bytes(), path.stat().st_mtime_ns) == before
    assert [each.name for each in tmp_path.iterdir()] == ["study.db"]


def test_a_database_of_an_older_optuna_is_read(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "study.db"
    make_study(f"sqlite:///{path}")
    expected = load_runs(path)
    with closing(sqlite3.connect(path)) as database, database:  # as Optuna 3.0 and 3.1 had it
        database.execute("DROP INDEX ix_trials_study_id")
        database.execute("UPDATE alembic_version SET version_num = 'v3.0.0.d'")
    before = path.read_bytes()
    capfd.readouterr()
    pd.testing.assert_frame_equal(load_runs(path), expected)
    assert path.read_bytes() == before
    assert capfd.readouterr() == ("", "")


def test_what_a_study_maximizes_is_sorted_from_the_top(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    make_study(f"sqlite:///{tmp_path / 'study.db'}", direction="maximize")
    results_command([tmp_path / "study.db"], columns=["value"], format="csv", top=2)
    values = [float(line) for line in capsys.readouterr().out.split()[1:]]
    assert values == sorted(values, reverse=True)
    assert values[0] > values[1]


def test_several_objectives_have_a_column_each(tmp_path: Path) -> None:
    study = optuna.create_study(
        storage=f"sqlite:///{tmp_path / 'study.db'}", directions=["minimize", "maximize"]
    )
    study.optimize(lambda trial: (trial.suggest_float("x", 0, 1), 2.0), n_trials=2)
    frame = load_runs(tmp_path / "study.db")
    assert frame[["value_0", "value_1"]].to_numpy().tolist() == [t.values for t in study.trials]


def test_the_study_of_a_hydra_sweep_has_the_points_of_its_runs(searched: Path) -> None:
    trials, runs = load_runs(searched / "study.db"), load_runs(searched / "sweep")
    for key in ("optimizer.lr", "width"):
        assert trials[key].tolist() == runs[key].tolist()


def empty_file(path: Path) -> None:
    path.write_text("")


def other_database(path: Path) -> None:
    with closing(sqlite3.connect(path)) as database:
        database.execute("CREATE TABLE a (b)")


def torn_database(path: Path) -> None:
    make_study(f"sqlite:///{path}")
    path.write_bytes(path.read_bytes()[:9000])


def torn_journal(path: Path) -> None:
    path.write_text('{"op_code": 0, "x"\n{"op_code": 1}\n')


def study_without_trials(path: Path) -> None:
    optuna.create_study(storage=f"sqlite:///{path}")


@pytest.mark.parametrize(
    "make", [empty_file, other_database, torn_database, torn_journal, study_without_trials]
)
def test_a_file_that_is_no_study_is_an_error_that_names_it(
    tmp_path: Path, make: Callable[[Path], None]
) -> None:
    make(tmp_path / "file")
    with pytest.raises(RunDirError) as caught:
        load_runs(tmp_path / "file")
    assert caught.value.where == str(tmp_path / "file")
