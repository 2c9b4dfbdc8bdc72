"""The checkpoint of a single run: everything that it needs to go on as if it had never stopped.

One safetensors file, written by rename: the tensors of the state, and as metadata the rest in JSON,
with a checksum over both. Nothing in it is executed when it is read. `tree.py` takes the state
apart; what belongs to the state is in `loop/`.
"""

import hashlib
import json
import logging
import stat
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from omegaconf import DictConfig
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from ermlab import rundir
from ermlab.config.plain import to_unresolved
from ermlab.errors import CheckpointError, ErmlabError
from ermlab.loop.learner import State
from ermlab.loop.progress import Progress
from ermlab.trial.build import Trial
from ermlab.trial.provenance import find_versions
from ermlab.trial.tree import join_tree, split_tree

log = logging.getLogger(__name__)

FORMAT = 1  # of the checkpoint; another one is refused
KEY = "ermlab_checkpoint"  # of the metadata
START_ANEW = f"delete {rundir.CHECKPOINT}; `ermlab resume` then starts the run anew"
# What the numbers depend on beside the state; a machine's kernels do too, and are not seen here.
FACTS = {
    "config": "configuration",
    "version_ermlab": "ermlab",
    "version_torch": "torch",
    "version_numpy": "numpy",
    "device": "device",
    "data": "data",
}
# What reading a state raises if its parts are not of the right kind.
MISFITS = (
    AttributeError, IndexError, KeyError, OverflowError, RuntimeError, TypeError, ValueError,
)  # fmt: skip


@dataclass(frozen=True, kw_only=True, eq=False)
class Checkpoint:
    """What a checkpoint holds.

    Args:
        path: its file.
        facts: what the numbers depend on (see `FACTS`).
        n_rows: rows of the history at that moment.
        state: of training.
    """

    path: Path
    facts: Mapping[str, Any]
    n_rows: int
    state: State


class CheckpointWriter:
    """Writes checkpoints while a run trains; called by `train`.

    A checkpoint that cannot be written does not end the run: the log tells it, and the one before
    stays.

    Args:
        path: the file.
        facts: what the numbers depend on, asked for at the first checkpoint.
        every_s: seconds between two checkpoints, >= 0; None: only at a pause.
        pause: whether training pauses.
        n_rows: rows of the history so far.
    """

    def __init__(
        self,
        path: Path,
        *,
        facts: Callable[[], Mapping[str, Any]],
        every_s: float | None,
        pause: Callable[[], bool],
        n_rows: Callable[[], int],
    ) -> None:
        self._path = path
        self._find_facts = facts
        self._facts: Mapping[str, Any] | None = None
        self._every_s = every_s
        self._pause = pause
        self._n_rows = n_rows
        self._last = time.monotonic()

    def __call__(self, state: Callable[[], State]) -> None:
        """Write a checkpoint, if it is time for one."""
        is_due = self._every_s is not None and time.monotonic() - self._last >= self._every_s
        if not (is_due or self._pause()):
            return
        try:
            if self._facts is None:
                self._facts = self._find_facts()
            write_checkpoint(self._path, state(), facts=self._facts, n_rows=self._n_rows())
        except CheckpointError as error:
            self._every_s = None  # the next one would fail alike
            log.warning("this run cannot be continued if it is interrupted: %s", error.what)
        except ErmlabError as error:
            log.warning("no checkpoint was written: %s", error)
        self._last = time.monotonic()


def write_checkpoint(path: Path, state: State, *, facts: Mapping[str, Any], n_rows: int) -> None:
    """Write a checkpoint: whole, or not at all.

    Raises:
        CheckpointError: the state holds what cannot be written.
        RunDirError: the disk is full or the folder cannot be written.
    """
    tensors: dict[str, Tensor] = {}
    described = split_tree(state, tensors)
    content = {"format": FORMAT, "facts": dict(facts), "n_rows": n_rows, "state": described}
    text = json.dumps(content)
    metadata = {KEY: text, "sha256": _checksum(text, tensors)}
    try:
        written = save(tensors, metadata=metadata)
    except (SafetensorError, KeyError, ValueError) as error:  # such as a type that it does not have
        raise CheckpointError(
            f"the state cannot be written: {error}",
            where=str(path),
            fix="keep tensors of the usual types in modules and optimizers",
        ) from error
    rundir.write_bytes(path, written)


def read_checkpoint(run_dir: Path) -> Checkpoint | None:
    """Read a run's checkpoint.

    Returns:
        What it holds, or None where there is none.

    Raises:
        CheckpointError: it is damaged, of another format, or no checkpoint.
    """
    path = run_dir / rundir.CHECKPOINT
    try:
        if not stat.S_ISREG(path.lstat().st_mode):
            raise _damaged(path, "it is a link or a device, not a file")
        with safe_open(path, "pt") as file:
            metadata = file.metadata() or {}
            content = json.loads(metadata[KEY])
            if content["format"] != FORMAT:
                raise CheckpointError(
                    f"the checkpoint has format {content['format']}, this ermlab reads {FORMAT}",
                    where=str(path),
                    fix=f"use the version of ermlab that wrote it, or {START_ANEW}",
                )
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  # no dict
        if metadata["sha256"] != _checksum(metadata[KEY], tensors):
            raise _damaged(path, "its checksum is wrong")
        n_rows, facts = content["n_rows"], content["facts"]
        if type(n_rows) is not int or n_rows < 0 or not isinstance(facts, dict):
            raise _damaged(path, f"it tells of {n_rows!r} rows of the history")
        if n_rows > rundir.count_rows(run_dir):
            raise _damaged(path, f"{rundir.HISTORY} has fewer than its {n_rows} rows")
        state = join_tree(content["state"], tensors)
    except FileNotFoundError:
        return None
    except (OSError, SafetensorError, RecursionError, *MISFITS) as error:
        raise _damaged(path, f"{type(error).__name__}: {error}") from error
    return Checkpoint(path=path, facts=facts, n_rows=n_rows, state=state)


def check_facts(saved: Checkpoint, facts: Mapping[str, Any]) -> None:
    """Refuse a checkpoint that would not go on with the same numbers.

    Args:
        saved: what was read.
        facts: some of what the numbers depend on now.

    Raises:
        CheckpointError: the checkpoint was made with something else.
    """
    for name, now in facts.items():
        before = saved.facts.get(name)
        if before == now:
            continue
        is_digest = name in ("config", "data")
        what = "has changed since" if is_digest else f"was {before!r} and is {now!r}"
        raise CheckpointError(
            f"the {FACTS[name]} {what}, so the run would not go on with the same numbers",
            where=str(saved.path),
            fix=f"undo the change; or go on nevertheless, with --force; or {START_ANEW}",
        )


def restore(progress: Progress, saved: Checkpoint) -> None:
    """Let training go on from a checkpoint.

    Raises:
        CheckpointError: its state does not fit the trial.
    """
    try:
        progress.load_state(saved.state)
    except CheckpointError as error:
        raise CheckpointError(error.what, where=str(saved.path), fix=START_ANEW) from error
    except (StopIteration, *MISFITS) as error:
        reason = f"its state does not fit ({type(error).__name__}: {error})"
        raise _damaged(saved.path, reason) from error


def early_facts(config: DictConfig) -> dict[str, Any]:
    """Tell what the numbers of a run depend on, as far as it is known before it is built."""
    versions = find_versions()
    plain = json.dumps(_in_order(to_unresolved(config)), default=str)
    named = {name: versions[name] for name in FACTS if name.startswith("version_")}
    return {"config": hashlib.sha256(plain.encode()).hexdigest(), **named}


def late_facts(trial: Trial) -> dict[str, Any]:
    """Tell what the numbers of a run depend on, as far as its configuration does not say it."""
    digest = hashlib.sha256()
    for split in (trial.parts.data.train, trial.parts.data.valid, trial.parts.data.test):
        for values in (split.x, split.y):
            _add(digest, values)
    return {"device": trial.device.type, "data": digest.hexdigest()}


def _in_order(value: Any) -> Any:
    if isinstance(value, dict):
        return sorted([str(key), _in_order(inner)] for key, inner in value.items())
    return [_in_order(inner) for inner in value] if isinstance(value, list) else value


def _checksum(text: str, tensors: Mapping[str, Tensor]) -> str:
    digest = hashlib.sha256(text.encode())
    for name in sorted(tensors):
        digest.update(name.encode())
        _add(digest, tensors[name])
    return digest.hexdigest()


def _add(digest: Any, values: Tensor) -> None:
    digest.update(f"{tuple(values.shape)} {values.dtype}".encode())
    flat = values.detach().cpu().contiguous().reshape(-1)
    digest.update(flat.view(torch.uint8).numpy().data)


def _damaged(path: Path, reason: str) -> CheckpointError:
    return CheckpointError(
        f"the checkpoint cannot be used: {' '.join(reason.split())[:300]}",
        where=str(path),
        fix=START_ANEW,
    )
