"""The report as a file: its numbers are those of the raw files, and its text can do no harm."""

import base64
import hashlib
import json
import math
import re
import urllib.parse
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

import ermlab
from ermlab.errors import ConfigError, RunDirError
from ermlab.results.report.command import report_command

MakeSweep = Callable[..., Path]
Raw = Callable[[Path], list[dict[str, Any]]]
HOSTILE = (
    "<script>window.hacked=1</script>",
    "</script><script>window.hacked=1</script>",
    "<img src=x onerror=window.hacked=1>",
    '" onmouseover="window.hacked=1" x=\'',
    "a\u2028b\u2029c\x1b[31m\u202e",
    "{{ 7 * 7 }}{% raw %}",
    "<!-- --> ]]> &lt; &amp;",
)


class Page(HTMLParser):
    """The tags, the table of all runs and the data of a report."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.cells: list[list[dict[str, Any]]] = []
        self.texts: dict[str, str] = {}
        self._inside = ""  # the innermost tag that is open, if it is of use here
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self._inside = tag
        if tag == "tr" and "data-status" in dict(attrs):
            self.cells.append([])
        if tag == "td" and self.cells:
            self.cells[-1].append({"value": dict(attrs).get("data-value"), "text": ""})

    def handle_endtag(self, tag: str) -> None:
        self._inside = ""

    def handle_data(self, data: str) -> None:
        if self._inside in ("script", "style"):
            self.texts[self.tags[-1][1].get("id") or self._inside] = data
        elif self._inside in ("td", "a") and self.cells and self.cells[-1]:
            self.cells[-1][-1]["text"] += data.strip()

    @property
    def columns(self) -> list[str]:
        return [attrs["data-name"] for tag, attrs in self.tags if "data-name" in attrs]

    @property
    def pictures(self) -> dict[str, Any]:
        return json.loads(self.texts["data"])


def read(sweep: Path) -> Page:
    return Page(ermlab.report(sweep))


def test_every_number_of_the_table_is_that_of_the_files(make_sweep: MakeSweep, raw: Raw) -> None:
    sweep = make_sweep()
    page = read(sweep)
    runs = {run["name"]: run for run in raw(sweep)}
    assert len(page.cells) == len(runs) == 18
    for cells in page.cells:
        row = dict(zip(page.columns, cells, strict=True))
        run = runs[row.pop("run_dir")["text"]]
        assert {"optimizer.lr", "loop.batch_size", "seed", "valid_loss", "test_loss"} <= set(row)
        for name, cell in row.items():
            if name == "status":
                assert cell["text"] == run["status"]
            elif run[name] is None:
                assert (cell["text"], cell["value"]) == ("-", None)
            else:
                assert float(cell["value"]) == run[name]
                assert math.isclose(float(cell["text"]), run[name], rel_tol=1e-3)


def test_the_best_run_is_first_and_what_has_no_result_last(make_sweep: MakeSweep) -> None:
    page = read(make_sweep())
    place = page.columns.index("valid_loss")
    values = [cells[place]["value"] for cells in page.cells]
    finite = [float(value) for value in values if value is not None]
    assert finite == sorted(finite)
    assert values[: len(finite)] == [value for value in values if value is not None]


def test_the_pictures_hold_the_numbers_of_the_files(make_sweep: MakeSweep, raw: Raw) -> None:
    sweep = make_sweep(n_seeds=1)
    pictures = read(sweep).pictures
    assert set(pictures) == {"curves", "importance", "heatmap", "slice", "timeline"}
    panel = pictures["curves"]["panels"][0]
    lines = {mark["name"]: mark for mark in panel["marks"] if mark["type"] == "line"}
    good = [run for run in raw(sweep) if run["status"] == "completed"]
    for run in good:
        line = lines[f"lr={run['optimizer.lr']:g}, batch_size={run['loop.batch_size']}"]
        assert line["y"] == [row["valid_loss"] for row in run["history"]]
        assert panel["steps"][line["steps"]] == [row["epoch"] for row in run["history"]]
    points = pictures["slice"]["panels"][0]["marks"][0]
    assert points["x"] == [run["optimizer.lr"] for run in good]
    assert points["y"] == [run["valid_loss"] for run in good]
    cells = pictures["heatmap"]["panels"][0]["marks"][0]
    by_cell = {
        (run["loop.batch_size"], run["optimizer.lr"]): run["valid_loss"] for run in raw(sweep)
    }
    wanted = [[by_cell[rows, lr] for lr in (0.01, 0.1, 1.0)] for rows in (10, 40)]
    assert cells["values"] == wanted


def test_what_was_asked_and_what_repeats_it_is_told(make_sweep: MakeSweep) -> None:
    text = ermlab.report(make_sweep()).read_text(encoding="utf-8")
    assert "tag(log, interval(0.001, 10))" in text
    assert "ermlab -m hydra/sweeper=study loop.epochs=3" in text
    assert "hydra.mode" not in text
    assert re.search(r"seed of the sampler</dt><dd>7<", text)
    assert "2.13.0" in text
    assert "18 runs:" in text
    assert "6 of 18 runs diverged" in text
    assert "are optimistic" in text


@pytest.mark.parametrize("hostile", HOSTILE)
def test_text_of_a_run_directory_is_never_markup(make_sweep: MakeSweep, hostile: str) -> None:
    calm = {tag for tag, _ in read(make_sweep("calm")).tags}
    make_sweep("both/a", lrs=(0.1,), **{"model": hostile, f"model.{hostile}": hostile})
    sweep = make_sweep("both/b", lrs=(0.1,), model="x", error=hostile).parent
    asked = {
        "overrides": {"task": [f"x={hostile}", hostile]},
        "sweeper": {"params": {hostile: hostile}},
        "runtime": {"choices": {"hydra/sweeper": hostile}},
    }
    (sweep / "a" / "multirun.yaml").write_text(json.dumps({"hydra": asked}))
    page = read(sweep)
    assert {tag for tag, _ in page.tags} <= calm | {"h3"}
    assert sum(tag == "script" for tag, _ in page.tags) == 2
    assert not [name for _, attrs in page.tags for name in attrs if name.startswith("on")]
    assert page.pictures  # whole JSON
    assert "\x1b" not in (sweep / "report.html").read_text(encoding="utf-8")


def test_a_link_leads_to_the_run_directory_and_nowhere_else(
    make_sweep: MakeSweep, tmp_path: Path
) -> None:
    sweep = make_sweep("javascript:alert(1)/a?b#c%20 'd", n_seeds=1)
    output = tmp_path / "javascript:alert(1)" / "page.html"
    page = Page(ermlab.report(sweep, output=output))
    links = [attrs["href"] for tag, attrs in page.tags if tag == "a" and "#" not in attrs["href"]]
    assert len(links) == 6
    for link in links:
        assert link.startswith("./")
        assert (output.parent / urllib.parse.unquote(link)).is_dir()


def test_the_policy_allows_the_script_and_the_style_of_the_page_and_nothing_else(
    make_sweep: MakeSweep,
) -> None:
    page = read(make_sweep())
    (policy,) = [
        a["content"] for _, a in page.tags if a.get("http-equiv") == "Content-Security-Policy"
    ]
    rules = dict(rule.split(" ", 1) for rule in policy.split("; "))
    assert rules.pop("default-src") == rules.pop("base-uri") == rules.pop("form-action") == "'none'"
    assert rules.pop("img-src") == "data:"
    for kind in ("script", "style"):
        digest = hashlib.sha256(page.texts[kind].encode()).digest()
        assert rules.pop(f"{kind}-src") == f"'sha256-{base64.b64encode(digest).decode()}'"
    assert rules == {}


def test_a_single_run_has_a_report(make_sweep: MakeSweep) -> None:
    sweep = make_sweep(lrs=(0.1,), batches=(10,), n_seeds=1)
    page = Page(ermlab.report(sweep / "0"))
    assert set(page.pictures) == {"curves", "timeline"}
    assert "nothing varies" in (sweep / "0" / "report.html").read_text(encoding="utf-8")


def test_a_sweep_without_any_result_has_a_report(make_sweep: MakeSweep) -> None:
    text = ermlab.report(make_sweep(lrs=(1.0, 2.0))).read_text(encoding="utf-8")
    assert "No run has a result" in text


def test_a_sweep_that_was_killed_before_its_first_step_has_a_report(tmp_path: Path) -> None:
    (tmp_path / "0" / ".hydra").mkdir(parents=True)
    (tmp_path / "0" / ".hydra" / "config.yaml").write_text("optimizer: {lr: 0.1}\n")
    assert Page(ermlab.report(tmp_path)).pictures == {}


@pytest.mark.parametrize(
    ("output", "error", "said"),
    [
        ("a.pdf", ConfigError, "does not end in .html"),
        ("none/a.html", RunDirError, "does not exist"),
    ],
)
def test_a_wrong_output_is_told_in_words(
    make_sweep: MakeSweep, tmp_path: Path, output: str, error: type[Exception], said: str
) -> None:
    with pytest.raises(error, match=said):
        ermlab.report(make_sweep(), output=tmp_path / output)


def test_the_command_prints_where_the_report_is(
    make_sweep: MakeSweep, capsys: pytest.CaptureFixture[str]
) -> None:
    sweep = make_sweep()
    report_command([sweep], output=None)
    assert capsys.readouterr().out == f"wrote the report to {sweep / 'report.html'}\n"
    report_command([sweep], output=None)  # a report in the folder is no run
