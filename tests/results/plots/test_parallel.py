import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.collections import LineCollection

from ermlab.errors import ConfigError
from ermlab.results.plots.draw import draw_picture
from ermlab.results.plots.parallel import describe_parallel
from ermlab.results.plots.picture import Threads
from ermlab.results.plots.subject import load_subject

MakeSweep = Callable[..., Path]
Raw = Callable[[Path], list[dict[str, Any]]]


def test_each_thread_is_a_run_of_the_files(make_sweep: MakeSweep, raw: Raw) -> None:
    sweep = make_sweep()
    (threads,) = describe_parallel(load_subject([sweep])).panels[0].marks
    assert isinstance(threads, Threads)
    runs = raw(sweep)
    assert list(threads.heights[0]) == [run["optimizer.lr"] for run in runs]
    assert list(threads.heights[1]) == [run["loop.batch_size"] for run in runs]
    for run, height in zip(runs, threads.heights[2], strict=True):
        if run["valid_loss"] is None:
            assert height > max(each["valid_loss"] or 0 for each in runs)
        else:
            assert height == run["valid_loss"]


def test_the_best_run_is_darkest(make_sweep: MakeSweep, raw: Raw) -> None:
    sweep = make_sweep()
    (threads,) = describe_parallel(load_subject([sweep])).panels[0].marks
    results = [run["valid_loss"] for run in raw(sweep)]
    finite = [result for result in results if result is not None]
    assert threads.shades[results.index(min(finite))] == 0
    assert threads.shades[results.index(max(finite))] == 1
    assert [math.isnan(shade) for shade in threads.shades] == [r is None for r in results]


def test_matplotlib_draws_each_run_once(make_sweep: MakeSweep) -> None:
    figure = draw_picture(describe_parallel(load_subject([make_sweep()])))
    collections = [c for c in figure.axes[0].collections if isinstance(c, LineCollection)]
    solid, dashed = (collection.get_segments() for collection in collections)
    assert (len(solid), len(dashed)) == (12, 6)
    every = np.array([*solid, *dashed])[:, :, 1]
    assert every.min() >= 0
    assert every.max() <= 1


def test_one_key_is_not_enough(make_sweep: MakeSweep) -> None:
    sweep = make_sweep(batches=(10,))
    with pytest.raises(ConfigError, match=r"differ in optimizer\.lr"):
        describe_parallel(load_subject([sweep]))
