"""Jobs that are not ermlab's, one at a time: what Hydra's suites of launchers do not look at.

The suites themselves are in `tests/plugins/test_stacked_launcher.py`.
"""

import os
import subprocess
import sys
from pathlib import Path

APP = """
import logging, os, sys
import hydra

@hydra.main(config_path=None, config_name="config", execution_whitelist=["ermlab.*"])
def main(config):
    logging.getLogger("mine").info("job %s in %s", config.n, os.environ.get("MINE"))
    if config.n == 3:
        raise ValueError("no three")
    return config.n

from hydra.core.config_store import ConfigStore
ConfigStore.instance().store(name="config", node={"n": 0})
main()
"""


def run_app(folder, *words):
    (folder / "app.py").write_text(APP)
    return subprocess.run(
        [sys.executable, "app.py", "-m", "hydra/launcher=stacked", "hydra.sweep.dir=out", *words],
        cwd=folder, capture_output=True, text=True, env=dict(os.environ), timeout=120, check=False,
    )  # fmt: skip


def test_each_job_has_its_log_its_environment_and_its_files(tmp_path):
    done = run_app(tmp_path, "n=1,2", "+hydra.job.env_set.MINE=x${n}")
    assert done.returncode == 0, done.stderr
    for number, n in enumerate((1, 2)):
        job = tmp_path / "out" / str(number)
        assert f"job {n} in x{n}" in (job / "app.log").read_text()
        assert (job / "app.log").read_text().count("\n") == 1
        assert (job / ".hydra" / "config.yaml").read_text() == f"'n': {n}\n"
    assert "MINE" not in os.environ


def test_a_failed_job_has_its_traceback_in_its_log_and_ends_the_sweep_as_hydra_does(tmp_path):
    done = run_app(tmp_path, "n=3,4")
    assert done.returncode == 1
    assert "ValueError: no three" in done.stderr
    assert "no three" in (tmp_path / "out" / "0" / "app.log").read_text()
    assert Path(tmp_path / "out" / "1" / "app.log").exists()  # a launcher carries out all jobs
