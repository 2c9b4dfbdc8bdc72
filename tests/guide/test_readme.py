"""Runs README.md and GUIDE.md, each in an empty folder: commands work and files are right.

A command is a line after `$ ` in a console block, or a line of a bash block; one that ends in
`# not run: reason` is skipped with that reason. A block of another kind is a file when the line
before it ends in the file's name, as in "`conf/model/mine.yaml`:". Installing is tested by `make`.
"""

import os
import re
import shlex
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TIMEOUT_S = 300  # only ends what hangs; a command in the README takes seconds
SHELL_BLOCKS = ("console", "bash", "sh")
RUN = ("ermlab", "python", "cat", "ls", "head", "mkdir", "cp")
NOT_RUN = ("pip", "git", "cd", "source", ".")  # they set up the place where the others run


@dataclass(frozen=True)
class Step:
    """What the README asks for at a line: a command to run, or a file to write with this text."""

    line: int
    command: str = ""
    file: str = ""
    text: str = ""


@dataclass
class Walk:
    """The steps done so far, in order, in one folder; a command's end is kept by its line."""

    folder: Path
    steps: list[Step]
    ended: dict[int, tuple[int, str]] = field(default_factory=dict)

    def run_up_to(self, line: int) -> tuple[int, str]:
        """Do each step up to a line that is not done yet; return its exit code and its output."""
        for step in self.steps:
            if step.line <= line and step.line not in self.ended:
                self.ended[step.line] = self._write(step) if step.file else self._run(step)
        return self.ended[line]

    def _write(self, step: Step) -> tuple[int, str]:
        path = (self.folder / step.file).resolve()
        assert path.is_relative_to(self.folder.resolve()), (
            f"README.md:{step.line} leaves the folder"
        )
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(step.text, encoding="utf-8")
        return 0, ""

    def _run(self, step: Step) -> tuple[int, str]:
        if not is_run(step.command):
            return 0, ""
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        done = subprocess.run(
            ["bash", "-o", "pipefail", "-c", step.command.replace(".venv/bin/", "")],
            cwd=self.folder,
            env={**os.environ, "PATH": path},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=TIMEOUT_S,
            check=False,
        )
        return done.returncode, done.stdout


def read_steps(markdown: str) -> list[Step]:
    """List the commands and files of a Markdown text in their order, with line numbers from 1."""
    lines = markdown.splitlines()
    steps: list[Step] = []
    at = 0
    while at < len(lines):
        fence = re.fullmatch(r"\s*```(\w+).*", lines[at])
        if not fence and not lines[at].strip().startswith("```"):
            at += 1
            continue
        ends = (i for i in range(at + 1, len(lines)) if lines[i].strip() == "```")
        end = next(ends, len(lines))
        kind = fence.group(1) if fence else ""
        if kind in SHELL_BLOCKS:
            steps += _commands(lines, at + 1, end, kind)
        elif name := _file_name(lines[:at]):
            steps.append(Step(at + 1, file=name, text="\n".join(lines[at + 1 : end]) + "\n"))
        at = end + 1
    return steps


def _commands(lines: list[str], start: int, end: int, kind: str) -> list[Step]:
    steps = []
    whole = ""  # the command so far, while its lines end in a backslash
    for at in range(start, end):
        line = lines[at].strip()
        if not whole:
            first = at + 1
            if kind == "console" and not line.startswith("$ "):
                continue  # output
            line = line.removeprefix("$ ")
        line = line.removeprefix("> ") if kind == "console" else line
        whole = f"{whole} {line.lstrip()}".lstrip()
        if whole.endswith("\\"):
            whole = whole[:-1].rstrip()
            continue
        if whole and not whole.startswith("#"):
            steps.append(Step(first, command=whole))
        whole = ""
    return steps


def _file_name(before: list[str]) -> str:
    said = next((line for line in reversed(before) if line.strip()), "")
    named = re.search(r"`([^`\s]+)`:\s*$", said)
    return named.group(1) if named else ""


def first_word(command: str) -> str:
    """Name the program of a command, less settings such as `KEY=value` and the folder of .venv."""
    words = shlex.split(command, comments=True)
    word = next((word for word in words if not re.match(r"\w+=", word)), "")
    return word.removeprefix(".venv/bin/").removeprefix("python -m ")


def not_run_reason(command: str) -> str | None:
    """Give the reason after `# not run:`, which may be empty; None for a command without it."""
    _, mark, reason = command.partition("# not run:")
    return reason.strip() if mark else None


def is_run(command: str) -> bool:
    """Whether the walk carries a command out."""
    return not_run_reason(command) is None and first_word(command) in RUN


def make_targets() -> set[str]:
    """List the targets of the Makefile."""
    text = (ROOT / "Makefile").read_text(encoding="utf-8")
    return set(re.findall(r"^([a-z]+):(?!=)", text, flags=re.MULTILINE))


STEPS = {
    page: read_steps((ROOT / page).read_text(encoding="utf-8"))
    for page in ("README.md", "GUIDE.md")
}
COMMANDS = [(page, step) for page, steps in STEPS.items() for step in steps if step.command]


@pytest.fixture(scope="module")
def walks(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Walk]:
    """Give the folder of each page, through which its commands walk."""
    return {page: Walk(tmp_path_factory.mktemp(page), steps) for page, steps in STEPS.items()}


@pytest.mark.parametrize(
    ("page", "step"),
    [pytest.param(page, s, id=f"{page} {s.line}: {s.command[:60]}") for page, s in COMMANDS],
)
def test_the_command_works(page: str, step: Step, walks: dict[str, Walk]) -> None:
    place = f"{page}:{step.line}: {step.command}"
    reason = not_run_reason(step.command)
    if reason is not None:
        assert reason, f"{place}\nsay why after `# not run:`"
        pytest.skip(reason)
    word = first_word(step.command)
    if word == "make":
        unknown = set(re.findall(r"\bmake ([a-z]+)", step.command)) - make_targets()
        assert not unknown, f"{place}\nthe Makefile has no such target"
    elif word not in NOT_RUN:
        assert word in RUN, f"{place}\nend the line in `# not run: reason`, or add the word to RUN"
        code, output = walks[page].run_up_to(step.line)
        assert code == 0, f"{place}\nexit code {code}, with this output:\n{output}"


@pytest.mark.parametrize("command", ["make demo", "make test"])
def test_the_two_commands_stand_at_the_top(command: str) -> None:
    top = [step.command for step in STEPS["README.md"] if step.command and step.line <= 40]
    assert any(one.startswith(command) for one in top), f"no `{command}` block in lines 1 to 40"


def test_the_readme_shows_a_command_that_runs() -> None:
    shown = [step.command for page, step in COMMANDS if page == "README.md"]
    assert any(map(is_run, shown)), "README.md shows no `$ ermlab ...`"


SAMPLE = """\
```console
$ echo one \\
>   two
output
$ KEY=a.* ermlab x=1  # not run: no time
```
Write `a/b.yaml`:

```yaml
k: 1
```
```bash
# a comment
ermlab -m \\
  y=2
```
```text
$ ermlab nothing
```
"""


def test_the_reader_finds_commands_and_files_in_order() -> None:
    assert read_steps(SAMPLE) == [
        Step(2, command="echo one two"),
        Step(5, command="KEY=a.* ermlab x=1  # not run: no time"),
        Step(9, file="a/b.yaml", text="k: 1\n"),
        Step(14, command="ermlab -m y=2"),
    ]


def test_the_reader_sees_what_is_not_run() -> None:
    found = [is_run(step.command) for step in read_steps(SAMPLE) if step.command]
    assert found == [False, False, True]


def test_a_walk_writes_files_before_it_runs_what_reads_them(tmp_path: Path) -> None:
    steps = [Step(1, file="a/b.yaml", text="k: 1\n"), Step(2, command="cat a/b.yaml a/none")]
    code, output = Walk(tmp_path, steps).run_up_to(2)
    assert code == 1, "a command that fails must be seen to fail"
    assert output.startswith("k: 1\n")
