"""ermlab, with a random sampler that takes the points of an earlier sweep instead of drawing.

    python replayed.py STUDY_JSONL -m ... hydra/sweeper/sampler=random

trains what that sweep trained, without what its sampler cost.
"""

import json
import sys
from pathlib import Path
from typing import Any

import optuna

from ermlab.cli.main import main


def read_points(path: Path) -> dict[int, dict[str, Any]]:
    """Read the value of each key of each trial from the journal of a sweep."""
    lines = (json.loads(line) for line in path.read_text(encoding="utf-8").splitlines())
    return {line["ask"]: line["params"] for line in lines if "ask" in line}


if __name__ == "__main__":
    points = read_points(Path(sys.argv.pop(1)))
    optuna.samplers.RandomSampler.sample_independent = (
        lambda self, study, trial, name, distribution: points[trial.number][name]
    )
    main()
