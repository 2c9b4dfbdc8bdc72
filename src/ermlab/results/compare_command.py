"""What `ermlab compare DIR... --by KEYS` does: a table of groups, and what one may conclude."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from ermlab.results.command import choose_format
from ermlab.results.compare import (
    Comparison,
    compare_groups,
    comparison_frame,
    load_groups,
)
from ermlab.results.conclusions import conclude, conclude_pair, span
from ermlab.results.groups import Groups
from ermlab.results.pair import Pair, compare_pair, pair_frame
from ermlab.results.table import cell_text, escape_controls, loss_text, print_text, write_table


def compare_command(
    dirs: Sequence[Path],
    *,
    by: Sequence[str],
    column: str | None = None,
    where: str | None = None,
    pair: tuple[str, str] | None = None,
    format: str | None = None,
    output: Path | None = None,
) -> None:
    """Compare groups of runs over their seeds, and print what one may conclude.

    Args:
        dirs: run directories, sweep directories, folders above them, or files of studies.
        by: keys that make the groups, also several joined by commas.
        column: as for `compare`.
        where: as for `compare`.
        pair: as for `compare`.
        format: one of FORMATS; None takes it from the output's suffix, or is a table. Tables and
            Markdown come with sentences beneath, the other formats hold all numbers of `compare`.
        output: file to write, told in one line; None for standard output.

    Raises:
        ConfigError: an option is wrong, or no key varies.
        RunDirError: a folder does not exist or has no run, or the output cannot be written.
    """
    format = choose_format(format, output)
    keys = [key.strip() for each in by for key in each.split(",") if key.strip()]
    groups, lower = load_groups(dirs, by=keys, column=column, where=where)
    is_read = format in ("table", "markdown")
    if pair is None:
        comparison = compare_groups(groups, is_lower_better=lower)
        frame = comparison_frame(comparison)
        view = _view(comparison, frame) if is_read else frame
        notes = conclude(comparison)
    else:
        found = compare_pair(groups, pair)
        frame = pair_frame(found)
        view = _view_pair(groups, found, frame) if is_read else frame
        notes = conclude_pair(groups, found, is_lower_better=lower)
    write_table(view, format, output=output, notes=notes)
    if output is not None:
        rows = "1 row" if len(frame) == 1 else f"{len(frame)} rows"
        print_text(f"wrote {rows} as {format} to {escape_controls(str(output))}\n")


def _view(comparison: Comparison, frame: pd.DataFrame) -> pd.DataFrame:
    """Choose what a reader needs, the most important on the left: a narrow window drops others."""
    view = frame[[*comparison.made.by, "n"]].copy()
    view[f"{comparison.made.column}"] = frame["mean"]
    view["95 % by t"] = [span(*each) for each in zip(frame["low"], frame["high"], strict=True)]
    view["verdict"] = frame["verdict"]
    view["p (Holm)"] = [_short(value) for value in frame["p_value"]]
    if frame["n_left_out"].any():
        view["left out"] = frame["left_out"]
    view["difference"] = frame["difference"]
    view["sd"] = frame["sd"]
    bounds = zip(frame["low_bootstrap"], frame["high_bootstrap"], strict=True)
    view["95 % by bootstrap"] = [span(*each) for each in bounds]
    return view


def _view_pair(made: Groups, pair: Pair, frame: pd.DataFrame) -> pd.DataFrame:
    (row,) = frame.to_dict("records")
    first, second = map(made.label, pair.groups)
    paired = f"paired over {row['n_shared']} {made.replicate}s"
    test = paired if row["test"] == "paired" else "Welch"
    lines = {
        f"mean of {first}": f"{loss_text(row['mean_first'])} (n = {row['n_first']})",
        f"mean of {second}": f"{loss_text(row['mean_second'])} (n = {row['n_second']})",
        "difference": cell_text(row["difference"]),
        "95 % by t": span(row["low"], row["high"]),
        "95 % by bootstrap": span(row["low_bootstrap"], row["high_bootstrap"]),
        f"p ({test})": _short(row["p_value"]),
        f"effect size ({row['effect']})": cell_text(row["effect_size"]),
    }
    return pd.DataFrame({"quantity": list(lines), "value": list(lines.values())})


def _short(p_value: float) -> str:
    return "< 0.0001" if p_value < 1e-4 else cell_text(float(np.round(p_value, 4)))
