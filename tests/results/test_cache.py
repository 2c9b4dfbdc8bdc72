"""The table of a folder with many runs: as quick as its cache, and never another one."""

import os
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from tempfile import TemporaryDirectory

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ermlab import rundir
from ermlab.results import cache, folder
from ermlab.results.cache import read_cache
from ermlab.results.load import load_runs

MakeRun = Callable[..., Path]
CountReads = Callable[[Path], AbstractContextManager[list[str]]]

N_RUNS = 5
pytestmark = pytest.mark.usefixtures("eager_cache")


@pytest.fixture
def sweep(tmp_path: Path, make_run: MakeRun) -> Path:
    """Give a sweep that ended long ago, as far as its stamps tell."""
    for number in range(N_RUNS):
        make_run(f"s/{number}", losses=[3.0, 2.0 + number], seed=number, **{"optimizer.lr": 0.1})
    return tmp_path / "s"


def read_afresh(root: Path) -> pd.DataFrame:
    (root / rundir.CACHE).unlink(missing_ok=True)
    frame = load_runs(root)
    (root / rundir.CACHE).unlink(missing_ok=True)
    return frame


def check_same(root: Path) -> None:
    """Compare the table of the cache that is there with one read afresh."""
    cached = load_runs(root)
    pd.testing.assert_frame_equal(cached, read_afresh(root), check_exact=True)


def test_an_unchanged_sweep_is_read_without_opening_a_run(
    count_reads: CountReads, sweep: Path
) -> None:
    first = load_runs(sweep)
    with count_reads(sweep) as reads:
        second = load_runs(sweep)
    assert reads == []
    pd.testing.assert_frame_equal(second, first, check_exact=True)


def test_only_what_changed_is_read_again(
    count_reads: CountReads, sweep: Path, make_run: MakeRun
) -> None:
    load_runs(sweep)
    rundir.write_summary(sweep / "3", {"status": "failed", "format": 1, "error": "E: x"})
    make_run("s/7", seed=7)
    with count_reads(sweep) as reads:
        load_runs(sweep)
    assert {path.split("/")[0] for path in reads} == {"3", "7"}


def replace_in_place(sweep: Path) -> None:
    """Write another summary of the same size, and give it the time of the old one."""
    path = sweep / "2" / rundir.SUMMARY
    before = path.stat()
    text = path.read_text()
    path.write_text(text.replace('"seed": 2', '"seed": 9'))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert (path.stat().st_size, path.stat().st_mtime_ns) == (before.st_size, before.st_mtime_ns)


def replace_by_rename(sweep: Path) -> None:
    path = sweep / "2" / rundir.SUMMARY
    before = path.stat()
    new = path.with_name("new")
    new.write_text(path.read_text().replace('"seed": 2', '"seed": 9'))
    os.utime(new, ns=(before.st_atime_ns, before.st_mtime_ns))
    new.replace(path)


def swap_two_runs(sweep: Path) -> None:
    (sweep / "1").rename(sweep / "x")
    (sweep / "2").rename(sweep / "1")
    (sweep / "x").rename(sweep / "2")


def remove_a_run(sweep: Path) -> None:
    for path in (sweep / "4").iterdir():
        path.unlink()
    (sweep / "4").rmdir()


def finish_a_run(sweep: Path) -> None:
    rundir.write_summary(sweep / "u", {"status": "completed", "seed": 3, "format": 1})


def start_a_run(sweep: Path) -> None:
    (sweep / "n" / ".hydra").mkdir(parents=True)
    (sweep / "n" / rundir.CONFIG).write_text("seed: 5\n")


def nest_a_run(sweep: Path) -> None:
    (sweep / "1" / "again" / "0").mkdir(parents=True)
    rundir.write_summary(sweep / "1" / "again" / "0", {"seed": 1, "format": 1})


CHANGES = [
    replace_in_place,
    replace_by_rename,
    swap_two_runs,
    remove_a_run,
    finish_a_run,
    start_a_run,
    nest_a_run,
    lambda sweep: (sweep / "2" / rundir.SUMMARY).unlink(),
    lambda sweep: (sweep / "2" / rundir.SUMMARY).write_text('{"format'),
    lambda sweep: (sweep / "2").rename(sweep / "20"),
    lambda sweep: (sweep / "u" / rundir.CONFIG).write_text("seed: 8\n"),
    lambda sweep: (sweep / "u" / rundir.OVERRIDES).write_text("- model=mlp\n"),
    lambda sweep: (sweep / "u" / rundir.CONFIG).unlink(),
]


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_is_never_missed(
    sweep: Path, make_run: MakeRun, change: Callable[[Path], object]
) -> None:
    run_dir = make_run("s/u", losses=[1.0], is_finished=False)
    (run_dir / ".hydra").mkdir()
    (run_dir / rundir.CONFIG).write_text("seed: 7\nmodel: {a: 1}\n")
    before = load_runs(sweep)
    change(sweep)
    after = load_runs(sweep)
    assert not after.equals(before)
    pd.testing.assert_frame_equal(after, read_afresh(sweep), check_exact=True)


VALUES = st.one_of(
    st.none(), st.booleans(), st.integers(-(10**20), 10**20), st.floats(), st.text(max_size=3)
)
COLUMNS = st.dictionaries(st.sampled_from(["a", "b.c", "error", "é"]), VALUES, max_size=4)


@given(summaries=st.lists(COLUMNS, min_size=1, max_size=4), changed=COLUMNS)
def test_columns_have_the_types_that_they_have_without_cache(
    summaries: list[dict[str, rundir.Value]], changed: dict[str, rundir.Value]
) -> None:
    with TemporaryDirectory() as name:
        root = Path(name)
        for number, summary in enumerate(summaries):
            (root / str(number)).mkdir()
            rundir.write_summary(root / str(number), {**summary, "format": rundir.FORMAT})
        load_runs(root)
        assert read_cache(root).entries
        check_same(root)
        load_runs(root)
        rundir.write_summary(root / "0", {**changed, "format": rundir.FORMAT})
        check_same(root)


def test_a_file_that_changed_just_before_it_was_read_is_read_again(
    count_reads: CountReads, sweep: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.undo()
    monkeypatch.setattr(folder, "MIN_RUNS", 1)
    load_runs(sweep)
    with count_reads(sweep) as reads:
        load_runs(sweep)
    assert f"0/{rundir.SUMMARY}" in reads


@pytest.mark.parametrize("at", [0, 5, 15, 40, 200, -10])
def test_a_damaged_cache_is_made_anew(sweep: Path, at: int) -> None:
    first = load_runs(sweep)
    path = sweep / rundir.CACHE
    content = bytearray(path.read_bytes())
    content[at] ^= 1
    path.write_bytes(content)
    assert not read_cache(sweep).entries
    pd.testing.assert_frame_equal(load_runs(sweep), first)
    assert read_cache(sweep).entries


@pytest.mark.parametrize("content", [b"", b"ermlab cache\n", b"\x80\x04", bytes(1000)])
def test_another_file_in_its_place_is_no_cache(sweep: Path, content: bytes) -> None:
    first = load_runs(sweep)
    (sweep / rundir.CACHE).write_bytes(content)
    pd.testing.assert_frame_equal(load_runs(sweep), first)


def test_a_folder_in_its_place_does_without_cache(sweep: Path) -> None:
    (sweep / rundir.CACHE).mkdir()
    assert len(load_runs(sweep)) == N_RUNS


def test_a_folder_that_cannot_be_written_does_without_cache(
    sweep: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written = Path.write_bytes

    def refuse(path: Path, content: bytes) -> int:
        if path.parent == sweep:  # permissions do not stop root, who runs tests in containers
            raise PermissionError(13, "Permission denied")
        return written(path, content)

    monkeypatch.setattr(Path, "write_bytes", refuse)
    assert len(load_runs(sweep)) == N_RUNS
    assert sorted(path.name for path in sweep.iterdir()) == [str(i) for i in range(N_RUNS)]


def test_a_disk_that_is_full_does_without_cache(
    sweep: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written = Path.write_bytes

    def fill(path: Path, content: bytes) -> int:
        if content and path.parent == sweep:  # an empty file still has room
            raise OSError(28, "No space left on device")
        return written(path, content)

    monkeypatch.setattr(Path, "write_bytes", fill)
    assert len(load_runs(sweep)) == N_RUNS
    assert not list(sweep.glob(".*"))


def test_few_runs_leave_their_folder_as_it_is(sweep: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(folder, "MIN_RUNS", N_RUNS + 1)
    load_runs(sweep)
    assert not list(sweep.glob(".*"))


def test_a_moved_sweep_keeps_its_cache(count_reads: CountReads, sweep: Path) -> None:
    load_runs(sweep)
    moved = sweep.rename(sweep.with_name("t"))
    with count_reads(moved) as reads:
        frame = load_runs(moved)
    assert reads == []
    assert frame["run_dir"].tolist() == [str(moved / str(i)) for i in range(N_RUNS)]


def test_a_folder_that_could_not_be_listed_is_tried_again(
    sweep: Path, make_run: MakeRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_run("s/above/locked/1")
    listed = os.scandir

    def refuse(path: str) -> object:
        if path.endswith("locked"):
            raise PermissionError(13, "Permission denied")
        return listed(path)

    with monkeypatch.context() as patch:
        patch.setattr(os, "scandir", refuse)
        assert len(load_runs(sweep)) == N_RUNS
    assert len(load_runs(sweep)) == N_RUNS + 1


def test_several_folders_are_read_from_their_caches(
    count_reads: CountReads, sweep: Path, make_run: MakeRun
) -> None:
    other = make_run("t/0", seed=1).parent
    first = load_runs(sweep, other)
    with count_reads(sweep.parent) as reads:
        second = load_runs(sweep, other)
    assert [path for path in reads if rundir.SUMMARY in path] == []
    pd.testing.assert_frame_equal(second, first, check_exact=True)


def test_two_processes_may_write_it_at_once(sweep: Path) -> None:
    import multiprocessing

    context = multiprocessing.get_context("spawn")
    with context.Pool(2) as pool:
        sizes = pool.map(_load_often, [str(sweep)] * 2)
    assert sizes == [[N_RUNS] * 20] * 2
    assert [path.name for path in sweep.glob(".*")] == [rundir.CACHE]


def _load_often(root: str) -> list[int]:
    cache.MIN_RUNS = folder.MIN_RUNS = 1
    return [len(load_runs(root)) for _ in range(20)]
