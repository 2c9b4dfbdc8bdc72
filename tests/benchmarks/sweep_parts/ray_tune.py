"""(e): Ray Tune on all cores: a real cluster of this machine, with the fastest plain training."""

import argparse
import os
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

# Ray reads these while it is imported. On Linux it turns a loopback address into the machine's own,
# and listens to all others, unless the first says that there are no clusters.
os.environ["RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"] = "0"
os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
os.environ["TUNE_DISABLE_AUTO_CALLBACK_LOGGERS"] = "1"  # fewer files: in favour of Ray

import ray
import torch
from plain_loop import train_fast
from ray import tune
from search import RESULTS, Point, draw_points, write_result

LOOPBACK = "127.0.0.1"


def main() -> None:
    """Start the cluster and carry out the points that RandomSampler draws."""
    parser = argparse.ArgumentParser()
    for name in ("--trials", "--epochs", "--widest", "--seed"):
        parser.add_argument(name, type=int, required=True)
    args = parser.parse_args()
    points = draw_points(args.trials, widest=args.widest, seed=args.seed)
    # Not below the results: Ray's sockets lie in it, and their paths may not be long.
    with tempfile.TemporaryDirectory(prefix="ray", dir="/tmp") as folder:
        ray.init(
            num_cpus=os.cpu_count(),
            _node_ip_address=LOOPBACK,
            _temp_dir=folder,
            include_dashboard=False,
            log_to_driver=False,
        )
        tune_points(points, args.epochs, RESULTS.resolve())
        ray.shutdown()


def tune_points(points: Sequence[Point], epochs: int, results_file: Path) -> None:
    """Let Ray Tune carry out a trial for each point."""
    space = {
        "point": tune.grid_search([asdict(point) for point in points]),
        "epochs": epochs,
        "results": str(results_file),
    }
    tuner = tune.Tuner(
        train,
        param_space=space,
        tune_config=tune.TuneConfig(metric="valid_loss", mode="min", reuse_actors=True),
        run_config=tune.RunConfig(storage_path=str(results_file.parent / "ray"), verbose=0),
    )
    results = tuner.fit()
    if results.num_errors:
        raise results.errors[0]


def train(config: Mapping[str, Any]) -> None:
    """Train one point in a worker and report its lowest validation loss."""
    torch.set_num_threads(1)
    valid_loss = train_fast(**config["point"], epochs=config["epochs"])
    write_result(Path(config["results"]), Point(**config["point"]), valid_loss)
    tune.report({"valid_loss": valid_loss})


if __name__ == "__main__":
    main()
