"""The cache of what other programs left behind; see `test_cache.py` for runs of ours."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import pandas as pd
import pytest

from ermlab import rundir
from ermlab.results.load import load_runs

CountReads = Callable[[Path], AbstractContextManager[list[str]]]

pytestmark = pytest.mark.usefixtures("eager_cache")


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


@pytest.fixture
def foreign(tmp_path: Path) -> Path:
    """Give what Hydra and Lightning leave behind: two runs of both, one of Lightning alone."""
    for number in range(2):
        write(tmp_path / f"f/{number}/.hydra/config.yaml", f"lr: 0.{number + 1}\nseed: 0\n")
        write(tmp_path / f"f/{number}/.hydra/overrides.yaml", f"[lr=0.{number + 1}]")
        write(tmp_path / f"f/{number}/logs/version_0/metrics.csv", "step,val_loss\n0,1.5\n1,1.25\n")
    write(tmp_path / "f/x/version_3/metrics.csv", "step,val_loss\n0,2.5\n")
    write(tmp_path / "f/x/version_3/hparams.yaml", "lr: 0.5\n")
    write(tmp_path / "f/optimization_results.yaml", "best_params: {lr: 0.1}\nbest_value: 1.25\n")
    return tmp_path / "f"


FOREIGN_CHANGES = {
    "a further step": ("0/logs/version_0/metrics.csv", "step,val_loss\n0,1.5\n1,1.0\n2,1.125\n"),
    "a further version": ("0/logs/version_1/metrics.csv", "step,val_loss\n0,0.5\n"),
    "a logger beside": ("0/z/version_0/metrics.csv", "step,val_loss\n0,7.5\n"),
    "another best": ("optimization_results.yaml", "best_params: {lr: 0.2}\nbest_value: 1.5\n"),
    "other words": ("0/.hydra/overrides.yaml", "[lr=0.9]"),
    "other hyperparameters": ("x/version_3/hparams.yaml", "lr: 0.75\n"),
    "a summary": ("0/summary.json", '{"format": 1, "status": "completed"}'),
    "no metrics": ("0/logs/version_0/metrics.csv", None),
    "no hyperparameters": ("x/version_3/hparams.yaml", None),
    "no best": ("optimization_results.yaml", None),
}


@pytest.mark.parametrize("name", FOREIGN_CHANGES)
def test_a_change_of_what_others_left_is_never_missed(foreign: Path, name: str) -> None:
    before = load_runs(foreign)
    path, text = FOREIGN_CHANGES[name]
    if text is None:
        (foreign / path).unlink()
    else:
        write(foreign / path, text)
    after = load_runs(foreign)
    assert not after.equals(before)
    pd.testing.assert_frame_equal(after, read_afresh(foreign), check_exact=True)


def test_what_others_left_is_read_once(count_reads: CountReads, foreign: Path) -> None:
    first = load_runs(foreign)
    with count_reads(foreign) as reads:
        second = load_runs(foreign)
    assert reads == []
    pd.testing.assert_frame_equal(second, first, check_exact=True)
    assert second.attrs == first.attrs == {"settings": ["lr", "seed"]}


def read_afresh(root: Path) -> pd.DataFrame:
    (root / rundir.CACHE).unlink(missing_ok=True)
    frame = load_runs(root)
    (root / rundir.CACHE).unlink(missing_ok=True)
    return frame
