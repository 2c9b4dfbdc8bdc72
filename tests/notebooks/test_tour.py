"""The notebook in the repository is executed, and is what its script makes."""

import importlib.util
from pathlib import Path

import nbformat
import pytest

HERE = Path(__file__).parent
LARGEST_BYTES = 60_000


@pytest.fixture(scope="module")
def script():
    spec = importlib.util.spec_from_file_location("make_tour", HERE / "make_tour.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def kept():
    return nbformat.read(HERE / "tour.ipynb", as_version=4)


def test_it_is_the_one_that_the_script_makes(script, kept):
    assert [cell.source for cell in kept.cells] == [c.source for c in script.make_tour().cells]


# The notebook's server, beside this process, is asked over ZeroMQ by code that is not ours.
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning")
def test_it_runs_and_shows_what_is_kept_in_it(kept, tmp_path, monkeypatch):
    from nbclient import NotebookClient

    monkeypatch.delenv("MPLBACKEND")  # the tests' own, which shows no picture
    fresh = nbformat.from_dict(kept)
    for cell in fresh.cells:
        cell.pop("outputs", None)
        if cell.cell_type == "code":
            cell.outputs = []
    NotebookClient(fresh, timeout=300, resources={"metadata": {"path": str(tmp_path)}}).execute()
    for before, now in zip(kept.cells, fresh.cells, strict=True):
        kinds = [output.output_type for output in before.get("outputs", [])]
        assert kinds == [output.output_type for output in now.get("outputs", [])]
    assert (tmp_path / "tour" / "results.csv").is_file()


def test_its_outputs_are_there_and_small(kept):
    shown = [output for cell in kept.cells for output in cell.get("outputs", [])]
    assert any("image/png" in output.get("data", {}) for output in shown)
    assert any("text/html" in output.get("data", {}) for output in shown)
    assert not [output for output in shown if output.output_type == "error"]
    assert (HERE / "tour.ipynb").stat().st_size < LARGEST_BYTES
