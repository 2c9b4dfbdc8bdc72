"""What `ermlab results DIR...` does: load, choose, show."""

from collections.abc import Sequence
from pathlib import Path

from ermlab.errors import ConfigError
from ermlab.results.fold import describe_folder, describe_same, fold_columns, shorten_run_dirs
from ermlab.results.load import load_runs
from ermlab.results.select import select_runs
from ermlab.results.table import check_format, escape_controls, print_text, write_table

_SUFFIXES = {".csv": "csv", ".json": "json", ".md": "markdown", ".parquet": "parquet"}


def results_command(
    dirs: Sequence[Path],
    *,
    sort: str | None = None,
    top: int | None = None,
    columns: Sequence[str] | None = None,
    where: str | None = None,
    format: str | None = None,
    output: Path | None = None,
) -> None:
    """Show one row per run of the given folders.

    Args:
        dirs: run directories, sweep directories, or folders above them; also files of studies.
        sort: as for `select_runs`.
        top: as for `select_runs`.
        columns: names, also several joined by commas. None shows, as table or Markdown, the
            columns in which the runs differ, and names beneath what they have in common; the
            other formats then give every column.
        where: as for `select_runs`.
        format: one of FORMATS; None takes it from the output's suffix, or is a table.
        output: file to write, told in one line; None for standard output.

    Raises:
        ConfigError: an option is wrong.
        RunDirError: a folder does not exist or has no run, or the output cannot be written.
    """
    format = choose_format(format, output)
    frame = load_runs(*dirs)
    names = [name.strip() for each in columns or () for name in each.split(",") if name.strip()]
    asked = [*names, "run_dir"] if names else None
    shown = select_runs(frame, where=where, sort=sort, top=top, columns=asked)
    run_dirs = shown["run_dir"].tolist()
    shown = shown[list(dict.fromkeys(names))] if names else shown
    if names or format not in ("table", "markdown"):
        write_table(shown, format, output=output, run_dirs=run_dirs)
    elif shown.empty:
        write_table(shown[["run_dir"]], format, output=output, notes=["no run meets the condition"])
    else:
        # Not from the rows shown: what the best three agree on may well differ in the others.
        fold = fold_columns(select_runs(frame, where=where))
        view = shorten_run_dirs(shown[["run_dir", *fold.swept, *fold.results]])
        notes = [*describe_folder(shown), *describe_same(fold)]
        write_table(view, format, output=output, notes=notes, run_dirs=run_dirs)
    if output is not None:
        rows = "1 row" if len(shown) == 1 else f"{len(shown)} rows"
        print_text(f"wrote {rows} as {format} to {escape_controls(str(output))}\n")


def choose_format(format: str | None, output: Path | None) -> str:
    """Take the format of a table from the option or the output's suffix.

    Raises:
        ConfigError: there is no such format, or it cannot be printed.
    """
    if format is None:
        format = _SUFFIXES.get(output.suffix.lower(), "table") if output else "table"
    check_format(format)
    if format == "parquet" and output is None:
        raise ConfigError(
            "parquet is not text and cannot be printed",
            where="--format",
            fix="add --output runs.parquet",
        )
    return format
