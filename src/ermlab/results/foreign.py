"""What other programs left behind: runs of Hydra applications, and metrics of Lightning.

Neither tells how a run ended, so its status is `unknown`, or `diverged` where its last loss is not
finite. The metrics as a history are in `history.py`.
"""

import csv
import io
import math
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from ermlab import rundir
from ermlab.foreign import read_bytes, read_text
from ermlab.results.find import HPARAMS, METRICS, Found
from ermlab.results.unfinished import parse_yaml
from ermlab.rundir import Value

OPTIMIZATION_RESULTS = "optimization_results.yaml"  # as hydra-optuna-sweeper names it

_SPLITS = {"training": "train", "val": "valid", "validation": "valid"}
_LOSS = re.compile(r"(train|training|val|valid|validation|test)[_/.]loss(_epoch)?", re.IGNORECASE)
# Which way is better, for the metrics whose name says it.
_LOW = re.compile(r"loss|error|mse|mae|nll|perplexity", re.IGNORECASE)
_HIGH = re.compile(r"acc|auc|auroc|f1|precision|recall|iou|dice|psnr|r2", re.IGNORECASE)
_COUNTS = ("step", "epoch")

Note = Callable[[Path | str], Path]


def read_foreign_columns(
    run: Found, note: Note, config: dict[str, Value]
) -> tuple[dict[str, Value], dict[str, Value]]:
    """Read the row of a run that ermlab did not write.

    Args:
        run: the run directory.
        note: is told of each file that is looked at, relative to the run directory, and says where
            that lies.
        config: columns of its Hydra configuration, if any.

    Returns:
        The settings, and the results: `status`, of each metric the last value and the best one
        (`NAME_best`, where its name tells which way is better), `best_step`, and our names of the
        losses: `valid_loss` is the lowest, `train_loss` and `test_loss` are the last. A run that
        the sweeper of Optuna found best has its `value`.
    """
    found: dict[str, Value] = {"status": "unknown"}
    if run.metrics is not None:
        inner = run.metrics[len(run.path) :].lstrip("/")
        path = note(Path(inner) / METRICS)
        if not config:
            config = _read_hparams(note(Path(inner) / HPARAMS))
        found |= _metric_columns(path)
    if config:
        found |= _best_values(note(Path("..") / OPTIMIZATION_RESULTS), note(rundir.OVERRIDES))
    return config, found


def own_name(metric: str) -> str:
    """Give our name of a metric: `val/loss` and `val_loss_epoch` are `valid_loss`."""
    match = _LOSS.fullmatch(metric)
    if match is None:
        return metric
    split = match[1].lower()
    return f"{_SPLITS.get(split, split)}_loss"


def _metric_columns(path: Path) -> dict[str, Value]:
    try:
        text = read_bytes(path).decode("utf-8", "replace")
        header, *rows = list(csv.reader(io.StringIO(text, newline=""))) or [[]]
    except (OSError, csv.Error) as error:
        return {"status": "failed", "error": f"cannot read {METRICS}: {error}"}
    columns: dict[str, Value] = {}
    places = {name: place for place, name in enumerate(header)}
    for name in (name for name in header if name not in _COUNTS):
        values = _numbers(rows, places[name])
        if not values:
            continue
        columns[name] = values[-1][1]
        better = _best(name, values)
        if better is not None:
            row, columns[f"{name}_best"] = better
        if own_name(name) == "valid_loss" and better is not None and "step" in places:
            columns["best_step"] = _whole(rows[row], places["step"])
    return {**columns, **_own_losses(columns)}


def _own_losses(columns: Mapping[str, Value]) -> dict[str, Value]:
    own: dict[str, Value] = {"status": "unknown"}
    for name, value in columns.items():
        loss = own_name(name)
        if not loss.endswith("_loss") or name.endswith("_best"):
            continue
        if isinstance(value, float) and not math.isfinite(value):
            own["status"] = "diverged"
        if loss == "valid_loss":
            own[f"{loss}_last"] = value
            own[loss] = columns.get(f"{name}_best", value)
        elif _LOSS.fullmatch(name) and (loss not in own or name.lower().endswith("_epoch")):
            own[loss] = value
    return own


def _numbers(rows: Sequence[Sequence[str]], place: int) -> list[tuple[int, float]]:
    """Give the values of a column with the numbers of their rows, without the empty cells."""
    values = []
    for number, row in enumerate(rows):
        if place < len(row) and row[place]:
            try:
                values.append((number, float(row[place])))
            except ValueError:
                continue
    return values


def _best(name: str, values: Sequence[tuple[int, float]]) -> tuple[int, float] | None:
    finite = [each for each in values if math.isfinite(each[1])]
    if not finite or not (_LOW.search(name) or _HIGH.search(name)):
        return None
    is_low = _LOW.search(name) is not None
    return min(finite, key=lambda each: each[1] if is_low else -each[1])


def _whole(row: Sequence[str], place: int) -> int | None:
    text = row[place] if place < len(row) else ""
    return int(text) if text.isdecimal() else None


def _read_hparams(path: Path) -> dict[str, Value]:
    try:
        parsed = _Hparams(read_text(path)).get_single_data()
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, RecursionError, yaml.YAMLError) as error:
        return {"error": f"cannot read {HPARAMS}: {' '.join(str(error).split())}"}
    return rundir.flat_columns(parsed) if isinstance(parsed, dict) else {}


class _Hparams(yaml.SafeLoader):
    """Reads what Lightning wrote; an object of Python becomes the text of its type."""

    def __init__(self, text: str) -> None:
        rundir.check_yaml(text)
        super().__init__(text)


def _name_object(_: yaml.SafeLoader, suffix: str, __: yaml.Node) -> str:
    return suffix.rpartition(":")[2]


_Hparams.add_multi_constructor("tag:yaml.org,2002:python/", _name_object)


def _best_values(results: Path, overrides: Path) -> dict[str, Value]:
    """Give what Optuna's sweeper noted of this run if it was (among) the best, else nothing."""
    try:
        told: Any = parse_yaml(read_text(results))
        words: Any = parse_yaml(read_text(overrides))
        if not isinstance(told, dict) or not isinstance(words, list):
            return {}
        typed = dict(str(word).lstrip("+").split("=", 1) for word in words if "=" in str(word))
        solutions = told.get("solutions") or [
            {"params": told.get("best_params"), "values": [told.get("best_value")]}
        ]
        for solution in solutions:
            params, values = solution["params"], solution["values"]
            if params and all(_is_same(typed.get(key), params[key]) for key in params):
                names = (
                    ["value"] if len(values) == 1 else [f"value_{i}" for i in range(len(values))]
                )
                return dict(zip(names, values, strict=True))
    except (OSError, ValueError, TypeError, LookupError, RecursionError, yaml.YAMLError):
        return {}  # of use to few; the row is whole without
    return {}


def _is_same(typed: str | None, value: object) -> bool:
    if typed is None:
        return False
    if isinstance(value, float) and not isinstance(value, bool):
        return float(typed) == value
    return typed == str(value) or parse_yaml(typed) == value
