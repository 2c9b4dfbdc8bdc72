"""Run directories from a stranger, given to `resume`, `verify` and `results`.

They are refused, or shown as damaged beside the others; nothing is called, nothing is written
outside, and nothing that was there is lost.
"""

import json
import os
import re
import shutil

import pytest

from ermlab import rundir

SUMMARIES = {
    "empty": "",
    "torn": '{"format": 1, "status": "comp',
    "binary": "\x00\x01\x02",
    "a list": "[]",
    "a text": '"completed"',
    "no format": '{"status": "completed"}',
    "a format that is a text": '{"format": "1"}',
    "a format to come": '{"format": 99}',
    "nested": '{"format": 1, "status": {"a": 1}}',
    "deep": '{"format": 1, "a": ' + "[" * 100_000,
    "a status that is a number": '{"format": 1, "status": 3}',
    "a loss that is a text": '{"format": 1, "status": "completed", "valid_loss": "os.system"}',
    "a loss that is a bool": '{"format": 1, "status": "completed", "valid_loss": true}',
    "a stack that is a text": '{"format": 1, "status": "completed", "stack_size": "16"}',
    "a number of 5000 digits": '{"format": 1, "steps": ' + "9" * 5000 + "}",
    "larger than any": " " * (rundir.LARGEST_SUMMARY_BYTES + 1),
}
CONFIGS = {
    "empty": lambda text: "",
    "torn": lambda text: text[: len(text) // 2],
    "binary": lambda text: "\x00" * 100,
    "a list": lambda text: "- 1\n",
    "an object of Python's": lambda text: "!!python/object/apply:os.system ['touch CANARY']\n",
    "a module of Python's": lambda text: text + "x: !!python/module:antigravity\n",
    "aliases": lambda text: text + "a: &a [x, x]\nb: &b [*a, *a]\nc: [*b, *b]\n",
    "an alias of itself": lambda text: text + "a: &a [*a]\n",
    "deep": lambda text: text + "a: " + "[" * 20_000,
    "larger than any": lambda text: text + "#" * (4 * 2**20),
    "an interpolation of itself": lambda text: text.replace("seed: 0", "seed: ${seed}"),
    "a cycle": lambda text: text.replace("seed: 0", "seed: ${threads}").replace(
        "threads: 1", "threads: ${seed}"
    ),
    "an unknown resolver": lambda text: text.replace("seed: 0", "seed: ${os.system:id}"),
    "a key of none": lambda text: text + "seeed: 1\n",
    "a seed that is a text": lambda text: text.replace("seed: 0", "seed: os.system"),
    "threads beyond all": lambda text: text.replace("threads: 1", "threads: 99999"),
    "a model that runs programs": lambda text: text.replace(
        "ermlab.model.two_layer.TwoLayer", "os.system"
    ),
    "data that run programs": lambda text: text.replace("ermlab.data.lab1.lab1", "subprocess.run"),
    "a loop that runs programs": lambda text: text.replace(
        "ermlab.loop.plan.EpochLoop", "builtins.eval"
    ),
    "a model below a model": lambda text: text.replace(
        "  bias: false", "  bias:\n    _target_: os.system\n    command: touch CANARY"
    ),
}
HYDRAS = {
    "empty": lambda text: "",
    "torn": lambda text: text[: len(text) // 2],
    "a list": lambda text: "[]",
    "another mode": lambda text: text.replace("mode: RUN", "mode: os.system"),
    "choices that are a text": lambda text: text.replace("choices:\n", "choices: x\n    y:\n"),
    "a folder that is a list": lambda text: text.replace("    cwd: ", "    cwd: [1]\n    x: "),
    "a folder by a cycle": lambda text: text.replace(
        "    cwd: ", "    cwd: ${hydra.runtime.cwd}\n    x: "
    ),
}
# What of Hydra's node another program would act on: here it is only read.
IGNORED = {
    "another folder": ("dir: run", "dir: OUTSIDE"),
    "files elsewhere": ("output_subdir: .hydra", "output_subdir: ../OUTSIDE"),
    "a folder to change to": ("chdir: false", "chdir: true"),
    "a handler that runs programs": (
        "class: logging.FileHandler",
        "(): os.system\n        command: touch CANARY",
    ),
    "a log elsewhere": ("filename: ${hydra.runtime.output_dir}", "filename: OUTSIDE"),
    "a callback": ("callbacks:", "callbacks:\n    x: {_target_: os.system, command: touch CANARY}"),
    "a launcher": (
        "_target_: hydra._internal.core_plugins.basic_launcher.BasicLauncher",
        "_target_: os.system\n    command: touch CANARY",
    ),
    "variables": ("env_set: {}", "env_set: {PATH: OUTSIDE}"),
    "options of a stranger's": ("searchpath: []", "searchpath: ['file://OUTSIDE']"),
    "overrides": ("task:", "task:\n    - --experimental-rerun=OUTSIDE"),
}


@pytest.mark.parametrize("name", SUMMARIES)
def test_a_damaged_summary_is_a_row_beside_the_others(name, command, refused, run, finished):
    shutil.copytree(finished / "run", run.parent / "good")
    (run / rundir.SUMMARY).write_text(SUMMARIES[name])
    done = command("results", ".", "--format", "json")
    rows = {row["run_dir"]: row for row in json.loads(done.out)}
    assert done.code == 0, done.err
    assert rows["good"]["status"] == "completed"
    assert rows["run"]["status"] == "failed"
    assert rows["run"]["error"].startswith("RunDirError: ")
    refused("resume", "run")
    refused("verify", "run")
    assert (run / rundir.SUMMARY).read_text() == SUMMARIES[name]


def forge(path, edit, canary):
    before = path.read_text()
    after = edit(before).replace("CANARY", str(canary)).replace("OUTSIDE", str(canary))
    assert after != before
    path.write_text(after)


@pytest.mark.parametrize("name", CONFIGS)
def test_a_hostile_configuration_is_refused(name, refused, command, run, canary, contents):
    forge(run / rundir.CONFIG, CONFIGS[name], canary)
    before = contents(run)
    refused("resume", "run", "--force")
    assert contents(run) == before
    done = command("results", "run")
    assert (done.code, "Traceback" in done.err) == (0, False)


@pytest.mark.parametrize("name", HYDRAS)
def test_a_damaged_file_of_hydras_is_refused(name, refused, run, canary, contents):
    forge(run / rundir.HYDRA_CONFIG, HYDRAS[name], canary)
    before = contents(run)
    refused("resume", "run")
    assert contents(run) == before


@pytest.mark.parametrize("name", IGNORED)
def test_what_hydra_would_do_is_not_done(name, command, run, canary, tmp_path):
    forge(run / rundir.HYDRA_CONFIG, lambda text: text.replace(*IGNORED[name], 1), canary)
    done = command("resume", "run")
    assert done.code == 0, done.err
    assert rundir.read_summary(run)["status"] == "completed"
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


NAMES = [rundir.HISTORY, "ermlab.log", str(rundir.CONFIG), ".hydra", rundir.CURVE, "any/thing"]


@pytest.mark.parametrize("name", NAMES)
def test_nothing_is_written_through_a_link(name, refused, run, tmp_path_factory, contents):
    outside = tmp_path_factory.mktemp("outside") / "mine"
    (run / name).parent.mkdir(exist_ok=True)
    if name == ".hydra":
        (run / name).rename(outside)
    else:
        outside.write_text((run / name).read_text() if (run / name).exists() else "mine")
        (run / name).unlink(missing_ok=True)
    (run / name).symlink_to(outside)
    before = contents(outside.parent)
    assert "a link leads out of this folder" in refused("resume", "run")
    assert contents(outside.parent) == before


def test_a_link_that_stays_in_the_folder_does_no_harm(command, run):
    (run / "latest.csv").symlink_to(rundir.HISTORY)
    assert command("resume", "run").code == 0


PIPES = [rundir.HISTORY, rundir.SUMMARY, str(rundir.CONFIG), str(rundir.HYDRA_CONFIG),
         rundir.CHECKPOINT, "ermlab.log"]  # fmt: skip


@pytest.mark.parametrize("kind", ["pipe", "folder"])
@pytest.mark.parametrize("name", PIPES)
def test_a_pipe_or_a_folder_is_not_waited_for(name, kind, command, refused, run):
    if (run / name).exists():
        (run / name).unlink()
    os.mkfifo(run / name) if kind == "pipe" else (run / name).mkdir()
    if (name, kind) not in [("ermlab.log", "folder")]:  # which resume does not write
        refused("resume", "run")
    done = command("results", ".")
    assert "Traceback" not in done.err + done.out
    assert command("verify", ".").code == 1


def test_a_weights_file_is_not_unpickled(command, sweep, canary):
    # Pickled, it would be called by a reader of pickles.
    class Evil:
        def __reduce__(self):
            return open, (str(canary), "w")

    import pickle

    for name in (rundir.BEST, rundir.LAST, rundir.CHECKPOINT):
        (sweep / "0" / name).write_bytes(pickle.dumps(Evil()))
    assert command("results", "sweep").code == 0
    assert command("verify", "sweep").code == 0
    (sweep / "0" / rundir.SUMMARY).unlink()
    assert command("resume", "sweep/0").code == 1


GIT = """
[core]
    fsmonitor = touch CANARY
    hooksPath = hooks
[filter "evil"]
    clean = touch CANARY; cat
    process = touch CANARY
"""


def test_a_repository_of_a_strangers_starts_no_program(command, run, canary, git_repository):
    path, folder = run / rundir.HYDRA_CONFIG, run.parent
    path.write_text(re.sub("    cwd: .*", f"    cwd: {folder}", path.read_text()))
    git_repository(GIT.replace("CANARY", str(canary)), folder)
    (folder / "tracked").write_text("changed")
    assert command("resume", "run").code == 0
    assert rundir.read_summary(run)["git_sha"].endswith("+unchecked")


@pytest.fixture
def git_repository():
    """Give a function that makes a repository with a configuration of its own."""
    import subprocess

    def make(config, folder):
        def git(*words):
            options = ["-c", "user.name=a", "-c", "user.email=a@b"]
            subprocess.run(["git", *options, *words], cwd=folder, check=True, capture_output=True)

        git("init", "--quiet")
        (folder / "tracked").write_text("as it was")
        (folder / ".gitattributes").write_text("* filter=evil\n")
        git("add", "tracked", ".gitattributes")
        git("commit", "--quiet", "-m", "first")
        hook = folder / "hooks" / "post-index-change"
        hook.parent.mkdir()
        hook.write_text(config.splitlines()[2].partition("=")[2])
        hook.chmod(0o755)
        with (folder / ".git" / "config").open("a") as file:
            file.write(config)
        return folder

    return make
