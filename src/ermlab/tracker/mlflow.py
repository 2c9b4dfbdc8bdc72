"""MLflow: runs in a folder of this machine, or on a tracking server.

Only the client is used, so that `mlflow-skinny` is enough: the whole package holds pandas and
pyarrow to older versions, and brings a server that a run does not need.
"""

import os
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ermlab.rundir import Value
from ermlab.tracker.tracker import (
    find_artifacts,
    last_step,
    load_package,
    name_run,
    pick_numbers,
    unknown_run,
)

if TYPE_CHECKING:
    from mlflow.tracking import MlflowClient

MOST_PARAMS = 100  # of one request: MLflow's limit
LONGEST_PARAM = 6000  # characters: MLflow's limit
ENDED = {"failed": "FAILED", "unfinished": "KILLED"}  # MLflow's words; the others are FINISHED


class MLflow:
    """Logs parameters, metrics by step, the summary and files.

    Args:
        uri: a folder, or the address of a tracking server such as http://127.0.0.1:5000.
        experiment: name of MLflow's experiment, made if it is not there.
        wait_s: longest wait for it at the end of a run [s], > 0.

    Raises:
        ConfigError: the package is not installed.
    """

    def __init__(self, *, uri: str, experiment: str, wait_s: float) -> None:
        os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
        # A folder takes runs of several processes at once and 25 ms a run; a database of SQLite is
        # made in seconds and locked by each. MLflow wants to be told that the folder is meant.
        os.environ.setdefault("MLFLOW_ALLOW_FILE_STORE", "true")
        load_package("mlflow.tracking", extra="mlflow")
        self._uri = uri if "://" in uri else Path(uri).expanduser().absolute().as_uri()
        self._experiment = experiment
        self.wait_s = wait_s
        self._client: MlflowClient | None = None
        self._run_id = ""
        self._last_step = 0

    def start(self, config: Mapping[str, Value], run_dir: Path) -> None:
        """Make a run with its parameters."""
        from mlflow.entities import Param
        from mlflow.tracking import MlflowClient

        client = self._client = MlflowClient(tracking_uri=self._uri)
        run = client.create_run(
            _find_experiment(client, self._experiment),
            run_name=name_run(run_dir),  # or MLflow would draw one from Python's generator
            tags={"run_dir": str(run_dir), "sweep": run_dir.absolute().parent.name},
        )
        self._run_id = run.info.run_id
        params = [Param(key, str(value)[:LONGEST_PARAM]) for key, value in config.items()]
        for some in _divided(params, MOST_PARAMS):
            client.log_batch(self._run_id, params=some)

    def log(self, step: int, values: Mapping[str, float]) -> None:
        """Log one metric for each value."""
        self._last_step = step
        self._log(values)

    def finish(self, summary: Mapping[str, Value], run_dir: Path) -> None:
        """Log the numbers of the summary as metrics, its texts as tags, and the files."""
        from mlflow.entities import RunTag

        assert self._client is not None, "started before"
        self._log_numbers(summary)
        texts = [RunTag(k, v) for k, v in summary.items() if isinstance(v, str)]
        self._client.log_batch(self._run_id, tags=texts)
        for path in find_artifacts(run_dir):
            self._client.log_artifact(self._run_id, str(path))
        status = ENDED.get(str(summary.get("status")), "FINISHED")
        self._client.set_terminated(self._run_id, status)

    def amend(self, added: Mapping[str, Value], run_dir: Path) -> None:
        """Log further numbers of the summary to the run that this folder had last."""
        from mlflow.tracking import MlflowClient

        client = self._client = MlflowClient(tracking_uri=self._uri)
        quote = '"' if "'" in str(run_dir) else "'"
        found = client.search_runs(
            [_find_experiment(client, self._experiment)],
            filter_string=f"tags.run_dir = {quote}{run_dir}{quote}",
            order_by=["attributes.start_time DESC"],
            max_results=1,
        )
        if not found:
            raise unknown_run(run_dir)
        self._run_id, self._last_step = found[0].info.run_id, last_step(run_dir)
        self._log_numbers(added)

    def _log_numbers(self, summary: Mapping[str, Value]) -> None:
        self._log({f"summary/{name}": value for name, value in pick_numbers(summary).items()})

    def _log(self, values: Mapping[str, float]) -> None:
        from mlflow.entities import Metric

        assert self._client is not None, "started before"
        now_ms = int(time.time() * 1000)
        metrics = [Metric(name, value, now_ms, self._last_step) for name, value in values.items()]
        self._client.log_batch(self._run_id, metrics=metrics)


def _find_experiment(client: "MlflowClient", name: str) -> str:
    from mlflow.exceptions import MlflowException

    found = client.get_experiment_by_name(name)
    if found is None:
        try:
            return str(client.create_experiment(name))
        except MlflowException:  # another process made it meanwhile
            found = client.get_experiment_by_name(name)
            if found is None:
                raise
    return str(found.experiment_id)


def _divided(items: Sequence[Any], size: int) -> Iterator[Sequence[Any]]:
    for start in range(0, len(items), size):
        yield items[start : start + size]
