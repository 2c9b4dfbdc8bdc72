"""A process that has imported what ermlab needs, and forks for each command that it is told.

A command then starts in a moment rather than in seconds, so that it can be killed twenty times. It
is started by `conftest.py`, which writes one JSON line for each wish and reads one in return.
"""

import json
import os
import signal
import sys
from importlib import import_module

from ermlab.cli.main import main
from ermlab.trial import stack_run

for name in ("cli.job", "cli.resume", "results.sweep_table", "sweep.launch", "sweep.study_start"):
    import_module(f"ermlab.{name}")  # what commands import when they need it


def start(words, folder, log, allow, n_summaries):
    """Fork a process group that carries out a command; return its number.

    It kills itself when the runs of its stacks have written so many summaries, if that is not 0.
    """
    sys.stdout.flush()
    pid = os.fork()
    if pid:
        return pid
    os.setsid()
    os.chdir(folder)
    file = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    os.dup2(file, 1)
    os.dup2(file, 2)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    sys.argv = ["ermlab", *words]
    if allow:  # code of the test's own
        os.environ["ERMLAB_ALLOW"] = allow
        sys.path.insert(0, folder)
    if n_summaries:
        stack_run.write_outcome = dying(stack_run.write_outcome, n_summaries)
    code = 0
    try:
        main()
    except SystemExit as end:
        code = int(end.code or 0)
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def dying(call, n_calls):
    """Wrap a function that is the last thing of its process when it has been called so often."""
    n_left = n_calls

    def wrapper(*args, **options):
        nonlocal n_left
        returned = call(*args, **options)
        n_left -= 1
        if not n_left:
            os.kill(os.getpid(), signal.SIGKILL)
        return returned

    return wrapper


def poll(pid, *, wait):
    """Return how a process ended, below 0 for a signal; None if it has not."""
    found, status = os.waitpid(pid, 0 if wait else os.WNOHANG)
    return os.waitstatus_to_exitcode(status) if found else None


if __name__ == "__main__":
    for line in sys.stdin:
        wish = json.loads(line)
        answer = start(**wish) if "words" in wish else poll(**wish)
        print(json.dumps(answer), flush=True)
