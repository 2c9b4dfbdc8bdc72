"""Chooses how a sweep is carried out, and starts its processes while the first jobs are asked for.

A new process imports torch, which takes seconds. Nothing heavy is imported here, so that this is
done before the sweep's own process has imported torch, and both do so at once.
"""

import importlib
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

import joblib
from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra.core.utils import JobReturn
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig

from ermlab.sweep.compose import SweepLoader

if TYPE_CHECKING:
    from ermlab.sweep.desk import Source


class Launches(Protocol):
    """What carries out the jobs of a sweep, one batch after the other."""

    # Carries out the runs of a sweep as they are given; None where that cannot be.
    stream: "Callable[[Source], None] | None"

    def launch(self, overrides: Sequence[Sequence[str]], first: int) -> Sequence[JobReturn]:
        """Carry out jobs and return one result for each, in order."""
        ...


def prepare_launches(
    context: HydraContext,
    task: TaskFunction,
    config: DictConfig,
    *,
    stack: Mapping[str, int],
    on_unstackable: str,
    n_jobs: int,
    backend: str,
) -> Launches:
    """Choose how a sweep is carried out: in stacks, if its task is ermlab's.

    Args:
        context: of the sweep, as Hydra hands it to a launcher, like the next two.
        task: what each job calls.
        config: of the sweep.
        stack: `max_trials` and `max_bytes` (see `StackOptions`), as are the others.
        on_unstackable: "single" or "error".
        n_jobs: processes at once.
        backend: joblib's name for the kind of process.
    """
    if type(context.config_loader) is ConfigLoaderImpl:
        context.config_loader = SweepLoader(context.config_loader, config)
    if getattr(task, "trials", None) is None or config.hydra.job.chdir:
        return _Lazy(lambda: _make_plain(context, task, config))
    wait = start_processes(n_jobs, backend)

    def make() -> Any:
        from ermlab.sweep import launch, processes

        options = launch.StackOptions(
            **stack,
            on_unstackable=on_unstackable,
            processes=processes.Processes(n_jobs=n_jobs, backend=backend, wait=wait),
        )
        return launch.StackedLaunches(launch.Sweep(context, task, config), options)

    return _Lazy(make, streams=True, wait=wait)


class _Lazy:
    """Makes what launches when there are jobs.

    Args:
        make: makes it.
        streams: whether what is made can take the runs of a sweep one by one.
        wait: called at the end, also at that of an error: processes that are still starting then
            would be left behind.
    """

    def __init__(
        self,
        make: Callable[[], Any],
        *,
        streams: bool = False,
        wait: Callable[[], None] = lambda: None,
    ) -> None:
        self._make, self._wait = make, wait
        self._made: Any = None
        self.stream: Callable[[Source], None] | None = self._stream if streams else None

    def launch(self, overrides: Sequence[Sequence[str]], first: int) -> Sequence[JobReturn]:
        """Carry out jobs and return one result for each, in order."""
        try:
            returns: Sequence[JobReturn] = self._find().launch(overrides, first)
        finally:
            self._wait()
        return returns

    def _stream(self, source: "Source") -> None:
        try:
            self._find().stream(source)
        finally:
            self._wait()

    def _find(self) -> Any:
        if self._made is None:
            self._made = self._make()
        return self._made


def _make_plain(context: HydraContext, task: TaskFunction, config: DictConfig) -> Any:
    from ermlab.sweep.plain import PlainLaunches

    return PlainLaunches(context, task, config)


def start_processes(n_jobs: int, backend: str) -> Callable[[], None]:
    """Start joblib's processes in the background; they are used by what asks for as many later.

    Args:
        n_jobs: as joblib takes it.
        backend: "loky"; others are started when they are used.

    Returns:
        A function that waits until the processes are there, or could not be started: then whoever
        uses them says why.
    """
    if backend != "loky" or n_jobs in (0, 1):
        return lambda: None
    thread = threading.Thread(target=_start, args=(n_jobs,), daemon=True)
    thread.start()
    return thread.join


def _start(n_jobs: int) -> None:
    try:
        with joblib.parallel_config("loky"):
            n_processes = joblib.effective_n_jobs(n_jobs)
            calls = [joblib.delayed(_import)() for _ in range(n_processes)]
            joblib.Parallel(n_jobs=max(2, n_processes), pre_dispatch="all", batch_size=1)(calls)
    except Exception:  # noqa: BLE001  # tried again, and told, where the processes are used
        return


def _import() -> None:
    importlib.import_module("ermlab.sweep.worker")
