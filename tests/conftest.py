"""What every test gets: one thread, plain text, a clean Hydra, and the installed command.

The environment is set here at import, before any test file imports torch, so that subprocesses and
fixtures of every scope inherit it. Checks of one area live beside its tests, not here.
"""

import os

_ENVIRONMENT = {
    "OMP_NUM_THREADS": "1",  # one process per core: threads would fight over small models
    "MKL_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "OMP_WAIT_POLICY": "PASSIVE",  # a waiting thread does not spin on another test's core
    "MPLBACKEND": "Agg",  # pictures go to files; no test opens a window
    "NO_COLOR": "1",
    "COLUMNS": "120",  # rich wraps tables at the width of the terminal, which is none here
}
os.environ.update(_ENVIRONMENT)
for _name in ("HYDRA_FULL_ERROR", "FORCE_COLOR", "ERMLAB_ALLOW"):
    os.environ.pop(_name, None)  # a developer's shell must not change what a test sees

# The imports come after the environment: what they load reads it once.
import subprocess  # noqa: E402
import sysconfig  # noqa: E402
from collections.abc import Callable, Iterator, Mapping  # noqa: E402
from pathlib import Path  # noqa: E402

import hypothesis  # noqa: E402
import pytest  # noqa: E402
from hydra.core.global_hydra import GlobalHydra  # noqa: E402

# Machines differ in speed, so no deadline. CI draws the same examples each time: a red build is a
# change of ours; new examples are drawn at a developer's desk.
hypothesis.settings.register_profile("ermlab", deadline=None)
hypothesis.settings.register_profile("ermlab_ci", deadline=None, derandomize=True, database=None)
hypothesis.settings.load_profile("ermlab_ci" if os.environ.get("CI") else "ermlab")

ErmlabCli = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(autouse=True)
def clean_hydra() -> Iterator[None]:
    """Give each test a Hydra that no other test has initialized."""
    GlobalHydra.instance().clear()
    yield
    GlobalHydra.instance().clear()


@pytest.fixture
def ermlab_cli(tmp_path: Path) -> ErmlabCli:
    """Give a function that runs the installed `ermlab` in a process of its own.

    `ermlab_cli("results", "outputs", cwd=folder, env={"KEY": "value"})` runs in `tmp_path` unless
    told otherwise, adds `env` to the environment, and returns the finished process with its text
    in `stdout` and `stderr`. It does not check the exit code.
    """
    script = Path(sysconfig.get_path("scripts")) / "ermlab"
    if not script.is_file():
        pytest.fail(f"no console script {script}; install the project: pip install -e '.[dev]'")

    def run(
        *args: str,
        cwd: Path | None = None,
        env: Mapping[str, str] | None = None,
        timeout_s: float = 300,
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [str(script), *args],
            cwd=cwd or tmp_path,
            env={**os.environ, **(env or {})},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=timeout_s,
            check=False,
        )

    return run
