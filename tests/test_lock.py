"""One writer to a folder at a time, whoever it is and however it ends."""

import subprocess
import sys

import pytest

from ermlab.errors import RunDirError
from ermlab.lock import locked

HOLD = """
import sys
from pathlib import Path
from ermlab.lock import locked
with locked(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_another_process_is_refused_until_the_first_is_killed(tmp_path):
    command = [sys.executable, "-c", HOLD, str(tmp_path)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout.readline() == "held\n"
        with pytest.raises(RunDirError, match="another process is writing"), locked(tmp_path):
            pass
        other.kill()
    with locked(tmp_path):
        assert not list(tmp_path.iterdir())


def test_a_folder_is_free_after_the_block_also_after_an_error(tmp_path):
    with pytest.raises(KeyError), locked(tmp_path):
        raise KeyError
    with locked(tmp_path):
        pass


def test_one_can_wait_for_another(tmp_path, monkeypatch):
    first = locked(tmp_path)
    first.__enter__()
    monkeypatch.setattr("ermlab.lock.time.sleep", lambda seconds: first.__exit__(None, None, None))
    with locked(tmp_path, wait_s=60):
        pass


def test_a_folder_that_is_not_there_is_not_guarded(tmp_path):
    with locked(tmp_path / "nowhere"):
        assert not (tmp_path / "nowhere").exists()
