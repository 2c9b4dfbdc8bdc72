"""`ermlab predict`: numbers equal those of the model called by hand, and mistakes in words."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.torch import load_file

import ermlab
from ermlab import rundir
from ermlab.cli import predict as predict_module
from ermlab.cli.predict import predict_command
from ermlab.errors import ConfigError, DataError, ErmlabError, RunDirError, ShapeError

SHORT = ["loop.epochs=3", "loop.batch_size=10", "plot=false", "device=cpu", "dtype=float64"]
OPTIONS = {"model": "best", "device": "cpu", "overwrite": False, "allow": ()}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Two files of real rows, and a run trained on each: prices, and kinds of houses."""
    folder = tmp_path_factory.mktemp("houses")
    rng = np.random.default_rng(0)
    age, size = rng.normal(40, 10, 120), rng.normal(200, 50, 120)
    price = 5000 * size - 300 * age + rng.normal(0, 1000, 120)
    kind = np.where(size > 220, "villa", np.where(age > 40, "old house", "house"))
    frame = pd.DataFrame({"age": age, "size": size, "price": price, "kind": kind})
    frame.to_csv(folder / "houses.csv", index=False)
    frame.to_parquet(folder / "houses.parquet", index=False)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        table = ["data=table", "data.inputs=[size,age]", "hydra.job.chdir=false", *SHORT]
        ermlab.run([*table, "data.path=houses.csv", "data.targets=[price]", "seed=3",
                    "data.standardize=inputs_and_targets", "hydra.run.dir=prices"])  # fmt: skip
        ermlab.run([*table, "data.path=houses.parquet", "data.targets=[kind]", "data.labels=true",
                    "data.standardize=inputs", "loss=cross_entropy", "model=linear",
                    "hydra.run.dir=kinds"])  # fmt: skip
        ermlab.run(["data=digits", "loss=cross_entropy", "model=linear", *SHORT,
                    "hydra.run.dir=digits"])  # fmt: skip
    return folder


def predict(run_dir, source, output, **options):
    predict_command(run_dir, Path(source), output=Path(output), **{**OPTIONS, **options})
    return output


def test_predictions_are_those_of_the_formula_by_hand(folder, tmp_path):
    frame = pd.read_csv(folder / "houses.csv")
    written = pd.read_csv(predict(folder / "prices", folder / "houses.csv", tmp_path / "out.csv"))
    kept = json.loads((folder / "prices" / rundir.STANDARDIZATION).read_text())
    x = (frame[["size", "age"]].to_numpy() - kept["inputs"]["mean"]) / kept["inputs"]["scale"]
    w = {key: value.numpy() for key, value in load_file(folder / "prices" / rundir.BEST).items()}
    y = np.maximum(x @ w["hidden.weight"], 0) @ w["output.weight"]  # (Q, 1)
    y = y * kept["targets"]["scale"] + kept["targets"]["mean"]
    assert list(written) == ["price"]
    np.testing.assert_allclose(written["price"], y[:, 0], rtol=1e-12)
    # In the unit of the file, and learnt: within the spread of the prices.
    assert abs(written["price"] - frame["price"]).mean() < frame["price"].std()


def test_the_standardization_is_that_of_the_train_rows_alone(folder):
    kept = json.loads((folder / "prices" / rundir.STANDARDIZATION).read_text())["inputs"]
    whole = pd.read_csv(folder / "houses.csv")[["size", "age"]]
    assert not np.allclose(kept["mean"], whole.mean(), rtol=1e-6)
    np.testing.assert_allclose(kept["mean"], whole.mean(), rtol=0.1)


def test_classes_have_their_names_and_probabilities(folder, tmp_path):
    out = predict(folder / "kinds", folder / "houses.parquet", tmp_path / "out.parquet")
    written = pd.read_parquet(out)
    names = ["house", "old house", "villa"]
    assert list(written) == ["kind", *(f"probability_{name}" for name in names)]
    probability = written.iloc[:, 1:].to_numpy()
    np.testing.assert_allclose(probability.sum(axis=1), 1)
    assert written["kind"].tolist() == [names[i] for i in probability.argmax(axis=1)]
    model = ermlab.load_model(folder / "kinds")
    kept = json.loads((folder / "kinds" / rundir.STANDARDIZATION).read_text())["inputs"]
    x = pd.read_parquet(folder / "houses.parquet")[["size", "age"]].to_numpy()
    scaled = torch.from_numpy((x - kept["mean"]) / kept["scale"])
    by_hand = torch.softmax(model(scaled), dim=1).detach().numpy()
    np.testing.assert_allclose(probability, by_hand, rtol=1e-12)


def test_other_columns_and_their_order_change_nothing(folder, tmp_path):
    frame = pd.read_csv(folder / "houses.csv")
    frame[["age", "kind", "size"]].iloc[::-1].to_csv(tmp_path / "turned.csv", index=False)
    turned = pd.read_csv(predict(folder / "prices", tmp_path / "turned.csv", tmp_path / "b.csv"))
    straight = pd.read_csv(predict(folder / "prices", folder / "houses.csv", tmp_path / "a.csv"))
    np.testing.assert_array_equal(turned["price"][::-1], straight["price"])


@pytest.mark.parametrize("suffix", ["csv", "parquet", "npz"])
def test_each_kind_of_output_holds_the_same_numbers(folder, tmp_path, suffix):
    out = predict(folder / "prices", folder / "houses.csv", tmp_path / f"out.{suffix}")
    read = {"csv": pd.read_csv, "parquet": pd.read_parquet, "npz": np.load}[suffix](out)
    other = predict(folder / "prices", folder / "houses.parquet", tmp_path / "other.parquet")
    np.testing.assert_array_equal(read["price"], pd.read_parquet(other)["price"])


def test_rows_without_names_come_as_one_array(folder, tmp_path):
    from sklearn.datasets import load_digits

    x = load_digits().data[:50] / 16
    np.savez(tmp_path / "digits.npz", x=x)
    np.savetxt(tmp_path / "digits.csv", x, delimiter=",", comments="",
               header=",".join(f"pixel{i}" for i in range(64)))  # fmt: skip
    out = np.load(predict(folder / "digits", tmp_path / "digits.npz", tmp_path / "out.npz"))
    assert (out["label"].shape, out["probability"].shape) == ((50,), (50, 10))
    table = pd.read_csv(predict(folder / "digits", tmp_path / "digits.csv", tmp_path / "out.csv"))
    assert list(table) == ["label", *(f"probability_{i}" for i in range(10))]
    np.testing.assert_array_equal(table["label"], out["label"])


def test_chunks_give_the_rows_of_the_whole(folder, tmp_path, monkeypatch, capsys):
    whole = pd.read_csv(predict(folder / "prices", folder / "houses.csv", tmp_path / "a.csv"))
    monkeypatch.setattr(predict_module, "CHUNK_ROWS", 7)
    parts = pd.read_csv(predict(folder / "prices", folder / "houses.csv", tmp_path / "b.csv"))
    # Another shape of a product may round otherwise.
    np.testing.assert_allclose(parts["price"], whole["price"], rtol=1e-12)
    assert "predicting 120 rows" in capsys.readouterr().err


def test_the_last_model_can_be_asked_for(folder, tmp_path):
    weights = {name: load_file(folder / "prices" / file) for name, file in
               (("best", rundir.BEST), ("last", rundir.LAST))}  # fmt: skip
    loaded = ermlab.load_model(folder / "prices", model="last").state_dict()
    assert all(torch.equal(loaded[key], weights["last"][key]) for key in loaded)


def test_a_run_of_before_is_read_from_its_data(folder, tmp_path):
    with_file = predict(folder / "prices", folder / "houses.csv", tmp_path / "a.csv").read_text()
    (folder / "prices" / rundir.COLUMNS).rename(tmp_path / "kept.json")
    try:
        without = predict(folder / "prices", folder / "houses.csv", tmp_path / "b.csv").read_text()
    finally:
        (tmp_path / "kept.json").rename(folder / "prices" / rundir.COLUMNS)
    assert without == with_file


@pytest.mark.parametrize(
    ("name", "content", "kind", "told"),
    [
        ("rows.csv", "age,price\n1,2\n", DataError, "lacks 1 of the 2 columns .* 'size'"),
        ("rows.csv", "size,age\n1,2\n3,\n", DataError, "missing.* row 2 .* 'age'"),
        ("rows.csv", "size,age\n1,old\n", DataError, "no numbers.*'old', in row 1"),
        ("rows.csv", "", DataError, "cannot be read as a table"),
        ("rows.parquet", "size", DataError, "cannot be read as a table"),
        ("rows.npz", "size", DataError, "is no .npz file"),
        ("rows.txt", "1 2", DataError, "ends in '.txt' cannot be read"),
        (None, "", DataError, "there is no such file"),
    ],
)
def test_rows_that_do_not_fit_are_refused(folder, tmp_path, name, content, kind, told):
    source = tmp_path / (name or "none.csv")
    if name is not None:
        source.write_text(content)
    with pytest.raises(kind, match=told):
        predict(folder / "prices", source, tmp_path / "out.csv")
    assert not (tmp_path / "out.csv").exists()


@pytest.mark.parametrize(
    ("arrays", "kind", "told"),
    [
        ({"x": np.ones((3, 63))}, ShapeError, r"\(3, 63\), but the model takes \(Q, 64\)"),
        ({"x": np.full((3, 64), np.nan)}, DataError, "NaN"),
        ({"a": np.ones(3), "b": np.ones(3)}, DataError, "lacks 1 of the 1 columns"),
        ({"x": np.array([{}], dtype=object)}, DataError, "Object arrays cannot be loaded"),
    ],
)
def test_arrays_that_do_not_fit_are_refused(folder, tmp_path, arrays, kind, told):
    np.savez(tmp_path / "x.npz", **arrays)
    with pytest.raises(kind, match=told):
        predict(folder / "digits", tmp_path / "x.npz", tmp_path / "out.npz")


@pytest.mark.parametrize(
    ("output", "told"),
    [("out.xls", "'.xls' cannot be written"), ("no/out.csv", "there is no folder"),
     ("there.csv", "is there already")],
)  # fmt: skip
def test_an_output_that_cannot_be_is_refused_first(folder, tmp_path, output, told):
    (tmp_path / "there.csv").write_text("mine")
    with pytest.raises(ConfigError, match=told):
        predict(folder / "prices", "not even looked at", tmp_path / output)
    assert (tmp_path / "there.csv").read_text() == "mine"


def test_an_output_is_replaced_only_when_asked_and_never_the_input(folder, tmp_path):
    source = tmp_path / "rows.csv"
    source.write_text("size,age\n100,3\n")
    predict(folder / "prices", source, tmp_path / "out.csv")
    predict(folder / "prices", source, tmp_path / "out.csv", overwrite=True)
    with pytest.raises(ConfigError, match="is the input itself"):
        predict(folder / "prices", source, source, overwrite=True)


def test_a_run_without_a_model_is_told(folder, tmp_path):
    with pytest.raises(RunDirError, match="no run directory here"):
        predict(tmp_path, folder / "houses.csv", tmp_path / "out.csv")
    with pytest.raises(ConfigError, match="no model 'worst'"):
        predict(folder / "prices", folder / "houses.csv", tmp_path / "out.csv", model="worst")


@pytest.mark.parametrize("name", [rundir.COLUMNS, rundir.STANDARDIZATION, rundir.BEST])
def test_a_damaged_file_of_the_run_is_told_by_its_name(folder, tmp_path, name):
    path = folder / "prices" / name
    kept = path.read_bytes()
    path.write_bytes(b'{"format": 1}')
    try:
        with pytest.raises(ErmlabError, match=name):
            predict(folder / "prices", folder / "houses.csv", tmp_path / "out.csv")
    finally:
        path.write_bytes(kept)


def test_the_command_says_what_it_wrote(folder, ermlab_cli, tmp_path):
    done = ermlab_cli("predict", "prices", "houses.csv", "--output", f"{tmp_path}/o.csv",
                      cwd=folder)  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"wrote 120 rows to {tmp_path}/o.csv: price\n"
    again = ermlab_cli("predict", "prices", "houses.csv", "--output", f"{tmp_path}/o.csv",
                       cwd=folder)  # fmt: skip
    assert again.returncode == 1
    assert again.stderr.startswith("ConfigError: ")
    assert "Traceback" not in again.stderr


def test_of_a_sweep_the_best_run_is_named(folder, tmp_path):
    for place, loss in enumerate([0.5, 0.25, 1.0]):
        (tmp_path / "sweep" / str(place)).mkdir(parents=True)
        summary = {"status": "completed", "valid_loss": loss, "format": rundir.FORMAT}
        rundir.write_summary(tmp_path / "sweep" / str(place), summary)
    with pytest.raises(RunDirError, match="a folder of 3 runs") as raised:
        predict(tmp_path / "sweep", folder / "houses.csv", tmp_path / "out.csv")
    assert raised.value.fix.endswith(f"the best by valid_loss is {tmp_path / 'sweep' / '1'}")
