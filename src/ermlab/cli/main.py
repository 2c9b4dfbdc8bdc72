"""The command line: a Hydra application, and commands beside it. No logic of its own.

A first word without `=` is a command (see `commands.py`); everything else goes to Hydra. Nothing
heavy is imported before a command needs it, so that help and completion are quick.
"""

import atexit
import gc
import logging
import os
import sys
import warnings
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext, redirect_stderr
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ermlab.cli.commands import run_command
from ermlab.cli.messages import OwnWords, end_interrupted, report
from ermlab.trial.pausing import end_gently

if TYPE_CHECKING:
    from omegaconf import DictConfig

log = logging.getLogger(__name__)

CONFIG_DIR = "--config-dir"

QUIET = (
    r".* is experimental \(supported from",  # Optuna, of samplers that it has had for years
    "Clip non-finite values",  # Optuna's GP, of the inf that we report for a diverged trial
)


def main(allow: Sequence[str] = (), config_dir: Path | None = None) -> None:
    """Run the command line of this process.

    Args:
        allow: patterns of further `_target_`s that configurations may call, such as "my_pkg.*".
        config_dir: folder with more options, as `--config-dir` names it; that one goes before.

    Raises:
        SystemExit: always at the end of a command, or with a code that is not 0 after an error.
    """
    end_gently()
    # Or the end of Python would search torch's modules for reference cycles, for half a second.
    atexit.register(gc.freeze)
    words = sys.argv[1:]
    if words and is_command(words[0]):
        guard(lambda: run_command(words, allow=allow))
        return
    if config_dir is not None and not any(word.startswith(CONFIG_DIR) for word in words):
        sys.argv[1:] = [*words, CONFIG_DIR, str(config_dir)]
    guard(lambda: run_hydra(allow))


def is_command(word: str) -> bool:
    """Whether a first word is a command rather than an override or an option."""
    return "=" not in word and not word.startswith(("-", "+", "~"))


def guard(call: Callable[[], None]) -> None:
    """Call something and turn an error into one message and an exit code.

    HYDRA_FULL_ERROR=1 shows the whole traceback of every error instead.

    Raises:
        SystemExit: code 1 after an error, 130 after Ctrl-C, 143 after SIGTERM.
    """
    wants_traceback = os.environ.get("HYDRA_FULL_ERROR") == "1"
    logging.raiseExceptions = wants_traceback  # of a line that a full disk does not take
    os.environ["HYDRA_FULL_ERROR"] = "1"  # Hydra then raises, and the message is ours to make
    try:
        with nullcontext() if wants_traceback else redirect_stderr(OwnWords(sys.stderr)):
            call()
    except KeyboardInterrupt as interrupt:
        end_interrupted(interrupt)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except Exception as error:
        if wants_traceback:
            raise
        report(error)
        sys.exit(1)
    finally:
        if not wants_traceback:
            os.environ.pop("HYDRA_FULL_ERROR", None)


def run_hydra(allow: Sequence[str]) -> None:
    """Run Hydra's application with the words of this process.

    Args:
        allow: patterns of further `_target_`s that configurations may call.
    """
    import hydra

    from ermlab.cli.help import register_help
    from ermlab.config.store import find_conf_dir, register_schemas
    from ermlab.trial.targets import allowed_targets

    ignore_known_warnings()
    allowed = allowed_targets(allow)
    register_schemas()
    register_help()
    hydra.main(
        config_path=str(find_conf_dir()), config_name="config", execution_whitelist=list(allowed)
    )(make_task(allowed))()


def ignore_known_warnings() -> None:
    """Keep back warnings of Optuna that tell a user nothing."""
    for message in QUIET:
        warnings.filterwarnings("ignore", message=message)


def make_task(allowed: Sequence[str]) -> "Callable[[DictConfig], Any]":
    """Make the function that Hydra calls with the configuration of each job.

    Args:
        allowed: patterns of all `_target_`s that may be called.
    """
    from ermlab.sweep.trials import Trials

    def task(config: "DictConfig") -> float | list[float] | None:
        from ermlab.cli.job import run_job  # torch is imported here, after composition

        return run_job(config, allow=allowed)

    def finish(
        config: "DictConfig", run_dir: Path, summary: Mapping[str, Any]
    ) -> float | list[float]:
        from ermlab.cli.job import finish_run

        return finish_run(config, run_dir, summary)

    task.trials = Trials(allow=allowed, finish=finish)  # type: ignore[attr-defined]  # launchers ask
    return task
