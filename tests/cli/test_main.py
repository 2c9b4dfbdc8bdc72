"""The command line as it is typed: what it prints, imports and returns."""

import os
import re
import subprocess
import sys

import pytest

from ermlab.cli.main import is_command
from ermlab.results.load import load_runs

HEAVY = ["torch", "pandas", "matplotlib", "optuna"]
SHORT = ["loop.epochs=1", "plot=false"]

MISTAKES = {
    "misspelt key": (["optimizer.lrr=1"], ["there is no key optimizer.lrr", "weight_decay"]),
    "wrong type": (["optimizer.lr=abc"], ["optimizer.lr", "'abc'"]),
    "out of range": (["optimizer.lr=-1"], ["optimizer.lr is -1.0, but must be > 0"]),
    "not a number": (["optimizer.lr=nan"], ["optimizer.lr is nan"]),
    "unknown by plus": (["+optimizer.foo=1"], ["optimizer.foo", "weight_decay"]),
    "unknown option": (["model=foo"], ["there is no model=foo", "two_layer"]),
    "unknown experiment": (["experiment=foo"], ["main_epochs_nn"]),
    "unknown top key": (["foo=1"], ["there is no key foo", "seed"]),
    "batch too large": (["loop.batch_size=5000"], ["5000", "1000"]),
    "splits that do not fit": (
        ["data=diabetes", "data.n_train=400", "data.n_test=100"],
        ["442 rows", "n_train=400"],
    ),
    "labels and squared error": (["data=digits"], ["loss=cross_entropy"]),
    "sweep without -m": (["sweeps=step_size"], ["ermlab -m sweeps=step_size"]),
    "values without -m": (
        ["optimizer.lr=0.1,0.01"],
        ["several values, 0.1,0.01", "add -m", "ermlab -m optimizer.lr=0.1,0.01"],
    ),
    "missing file": (["data=table", "data.path=no.csv", "data.targets=[y]"], ["no.csv"]),
    "target not allowed": (["model._target_=os.system"], ["ERMLAB_ALLOW='os.*'", "allow="]),
    "unknown command": (["resulst"], ["there is no command 'resulst'", "results"]),
    "folder without runs": (["results", "."], ["no run directory"]),
    "missing config folder": (["--config-dir", "nowhere"], ["nowhere"]),
    "unreadable override": (["optimizer=["], ["optimizer=["]),
    "too much memory": (["data.n_inputs=1000000", "data.n_outputs=1000000"], ["memory"]),
}


@pytest.mark.parametrize("words", MISTAKES.values(), ids=MISTAKES.keys())
def test_a_mistake_gets_one_message_with_what_where_and_fix(words, ermlab_cli, tmp_path):
    typed, told = words
    done = ermlab_cli(*typed, cwd=tmp_path)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert "Error executing job" not in done.stderr
    assert done.stderr.count("  where: ") == done.stderr.count("  fix:   ") == 1
    assert all(part in done.stderr for part in told), done.stderr
    assert "schema_" not in done.stderr


@pytest.mark.parametrize(
    "words", [["--help"], ["--cfg", "job"], ["results", "--help"], ["verify", "--help"]]
)
def test_help_imports_nothing_heavy(words, tmp_path):
    code = (
        "import sys; from ermlab.cli.main import main\n"
        f"sys.argv = ['ermlab', *{words!r}]\n"
        "try:\n    main()\nexcept SystemExit: pass\n"
        f"print([name for name in {HEAVY!r} if name in sys.modules], file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert done.stderr.strip().splitlines()[-1] == "[]"


def test_help_names_every_command(ermlab_cli, tmp_path):
    shown = ermlab_cli("--help", cwd=tmp_path).stdout
    unknown = ermlab_cli("nocommand", cwd=tmp_path).stderr
    names = re.search(r"use one of: (.*);", unknown)[1].split(", ")
    assert {"results", "verify"} <= set(names)
    assert all(f"ermlab {name} DIR" in shown for name in names)


def test_help_lists_the_options_of_each_group_and_no_schemas(ermlab_cli, tmp_path):
    (tmp_path / "conf" / "model").mkdir(parents=True)
    (tmp_path / "conf" / "model" / "mine.yaml").write_text("_target_: torch.nn.Identity\n")
    done = ermlab_cli("--config-dir", "conf", "--help", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "schema_" not in done.stdout
    assert "model: gnn, graph_filter, linear, mine, mlp, perceptron, two_layer\n" in done.stdout
    groups = ["data", "experiment", "loop", "loss", "model", "optimizer", "sweeps", "tracker"]
    assert re.findall(r"^(\w+): \w+, .*$", done.stdout, flags=re.MULTILINE) == groups
    assert "hidden_units: 100" in done.stdout


def test_a_run_imports_no_compiler_of_torch(tmp_path):
    code = (
        "import sys; from ermlab.cli.main import main\n"
        f"sys.argv = ['ermlab', *{SHORT!r}]; main()\n"
        "print('torch._dynamo' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip().splitlines()[-1] == "False"


@pytest.mark.parametrize("words", [SHORT, ["-m", "seed=0,1", *SHORT], ["loop.epochs=1"]])
def test_normal_use_prints_no_warning(words, ermlab_cli, tmp_path):
    done = ermlab_cli(*words, cwd=tmp_path)
    assert done.returncode == 0
    assert done.stderr == ""


def test_the_run_directory_is_where_it_was_asked_for(ermlab_cli, tmp_path):
    done = ermlab_cli("hydra.run.dir=here", *SHORT, cwd=tmp_path)
    assert "run directory: " in done.stdout
    assert list(load_runs(tmp_path / "here")["status"]) == ["completed"]


def test_hydra_full_error_shows_the_traceback_of_a_mistake(ermlab_cli, tmp_path):
    done = ermlab_cli("optimizer.lr=-1", cwd=tmp_path, env={"HYDRA_FULL_ERROR": "1"})
    assert done.returncode == 1
    assert "Traceback" in done.stderr


def test_a_wrong_configuration_leaves_a_failed_row(ermlab_cli, tmp_path):
    ermlab_cli("optimizer.lr=-1", "hydra.run.dir=here", cwd=tmp_path)
    row = load_runs(tmp_path).iloc[0]
    assert row["status"] == "failed"
    assert row["error"] == "ConfigError: optimizer.lr is -1.0, but must be > 0"


@pytest.mark.parametrize(
    ("word", "expected"),
    [("results", True), ("a=b", False), ("-m", False), ("~data", False), ("+a", False)],
)
def test_a_first_word_without_equals_sign_is_a_command(word, expected):
    assert is_command(word) is expected


def test_completion_knows_the_options_of_a_group(ermlab_cli, tmp_path):
    done = ermlab_cli(
        "-sc", "query=bash", cwd=tmp_path,
        env={"COMP_LINE": "ermlab model=", "COMP_POINT": "13", "COMP_CWORD": "1"},
    )  # fmt: skip
    assert "model=two_layer" in done.stdout.split()


def test_a_path_is_relative_to_the_folder_of_the_command_wherever_the_job_runs(
    ermlab_cli, tmp_path
):
    rows = "".join(f"{i},{i % 3}\n" for i in range(20))
    (tmp_path / "mine.csv").write_text(f"a,b\n{rows}")
    words = ["data=table", "data.path=mine.csv", "data.targets=b", "loop.batch_size=5"]
    done = ermlab_cli(*words, *SHORT, "hydra.job.chdir=true", "hydra.run.dir=here", cwd=tmp_path)
    assert done.returncode == 0, done.stderr


def test_a_pattern_of_the_shell_that_is_too_wide_is_told_with_its_variable(ermlab_cli, tmp_path):
    done = ermlab_cli(*SHORT, cwd=tmp_path, env={"ERMLAB_ALLOW": "*"})
    assert done.returncode == 1
    assert "where: ERMLAB_ALLOW" in done.stderr


@pytest.mark.parametrize(
    "target",
    [
        "{_target_: ermlab.trial.provenance._git, _args_: [., version]}",
        "{_target_: ermlab.trial.targets.make, _recursive_: false, node: {_target_: os.getcwd}}",
    ],
)
def test_what_is_ours_but_not_to_be_configured_is_not_called(target, ermlab_cli, tmp_path):
    done = ermlab_cli(f"+hydra.callbacks.x={target}", *SHORT, cwd=tmp_path)
    assert done.returncode == 1
    assert "ermlab.trial" in done.stderr
    assert not (tmp_path / "outputs").exists()


def test_a_file_of_the_users_that_is_not_yaml_is_told_with_its_line(ermlab_cli, tmp_path):
    (tmp_path / "conf" / "model").mkdir(parents=True)
    (tmp_path / "conf" / "model" / "mine.yaml").write_text("a: [1,\nb: {\n")
    done = ermlab_cli("--config-dir", "conf", "model=mine", cwd=tmp_path)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert "mine.yaml, line 3, column 1" in done.stderr


@pytest.mark.parametrize(("width", "kind"), [("4", "ValueError"), ("x", "TypeError")])
def test_a_value_that_the_users_model_refuses_is_told_with_the_value(
    width, kind, ermlab_cli, tmp_path
):
    (tmp_path / "my_refusing.py").write_text(
        "import torch\n\n\nclass Net(torch.nn.Linear):\n    def __init__(self, width):\n"
        "        if width > 3:\n            raise ValueError('width must be at most 3')\n"
    )
    (tmp_path / "conf" / "model").mkdir(parents=True)
    text = f"_target_: my_refusing.Net\nwidth: {width}\n"
    (tmp_path / "conf" / "model" / "mine.yaml").write_text(text)
    env = {
        "ERMLAB_ALLOW": "my_refusing.*",
        "PYTHONPATH": f"{tmp_path}:{os.environ.get('PYTHONPATH', '')}",
    }
    words = ["--config-dir", "conf", "model=mine", "hydra.run.dir=here", *SHORT]
    done = ermlab_cli(*words, cwd=tmp_path, env=env)
    shown = repr(width) if width == "x" else width
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert f"my_refusing.Net failed with width={shown}" in done.stderr
    assert kind in done.stderr
    assert "my_refusing.py:" in done.stderr
    assert "Traceback" in (tmp_path / "here" / "traceback.txt").read_text()
