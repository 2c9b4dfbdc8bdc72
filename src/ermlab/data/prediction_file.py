"""Writes what a model predicts to a CSV, Parquet or NPZ file, in the order of the rows."""

import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ermlab.data.arrays import Array
from ermlab.errors import ConfigError, name_known
from ermlab.rundir import replaced

SUFFIXES = (".csv", ".parquet", ".npz")


def check_output(output: Path, source: Path, *, overwrite: bool) -> None:
    """Refuse a file that cannot be written, or should not be, before any work.

    Args:
        output: the file.
        source: the file that is read, which is never replaced.
        overwrite: whether another file that is there may be replaced.

    Raises:
        ConfigError: see above.
    """
    if output.suffix.lower() not in SUFFIXES:
        raise ConfigError(
            f"a file that ends in {output.suffix or 'nothing'!r} cannot be written",
            where="--output",
            fix=f"give a name that ends in one of: {name_known(SUFFIXES)}",
        )
    if not output.absolute().parent.is_dir():
        raise ConfigError(
            f"there is no folder {output.parent}",
            where="--output",
            fix="make the folder first, or name another file",
        )
    is_same = output.exists() and source.exists() and output.samefile(source)
    if output.is_dir() or is_same or (output.exists() and not overwrite):
        told = "is the input itself" if is_same else "is there already"
        raise ConfigError(
            f"{output} {told}",
            where="--output",
            fix="name another file" + ("" if is_same else ", or add --overwrite to replace it"),
        )


def write_predictions(
    output: Path, columns: Mapping[str, Array], *, names: Mapping[str, Sequence[Any]]
) -> None:
    """Write columns to a file: whole, or not at all.

    Args:
        output: the file; its suffix says the kind.
        columns: (Q,) or (Q, ...) each. NPZ holds the arrays as they are; the others get one column
            for each number of a row, called NAME_0, NAME_1, ..., unless there is only one.
        names: what to write after NAME_ in place of numbers, for the columns that have such.

    Raises:
        RunDirError: the file cannot be written.
    """
    with replaced(output.absolute()) as temporary:
        if output.suffix.lower() == ".npz":
            _write_npz(temporary, columns)
            return
        import pandas as pd

        frame = pd.DataFrame(spread_columns(columns, names=names))
        if output.suffix.lower() == ".csv":
            frame.to_csv(temporary, index=False)
        else:
            frame.to_parquet(temporary, index=False)


def spread_columns(
    columns: Mapping[str, Array], *, names: Mapping[str, Sequence[Any]]
) -> dict[str, Array]:
    """Make one column (Q,) of each number of a row (see `write_predictions`)."""
    spread: dict[str, Array] = {}
    for name, values in columns.items():
        flat = values.reshape(len(values), -1)  # (Q, ...) -> (Q, m)
        suffixes = [f"_{each}" for each in names.get(name, range(flat.shape[1]))]
        if flat.shape[1] == 1 and name not in names:
            suffixes = [""]
        spread |= {f"{name}{suffix}": flat[:, i] for i, suffix in enumerate(suffixes)}
    return spread


def _write_npz(path: Path, columns: Mapping[str, Array]) -> None:
    # Not numpy.savez, which takes no array with the name `file`.
    with zipfile.ZipFile(path, "w") as archive:
        for name, values in columns.items():
            with archive.open(f"{name}.npy", "w", force_zip64=True) as file:
                np.lib.format.write_array(file, np.ascontiguousarray(values), allow_pickle=False)
