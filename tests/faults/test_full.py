"""A full disk and too little memory: a message or a row, and the sweep goes on afterwards."""

import subprocess
from pathlib import Path

import pytest

from ermlab.results.load import load_runs

SWEEP = ["-m", "hydra/sweeper=study", "hydra.sweeper.n_jobs=1",
         "optimizer.lr=tag(log,interval(0.001,0.1))"]  # fmt: skip


@pytest.fixture
def disk(tmp_path):
    """A disk of its own with 200 kB, and a function that makes it larger."""
    folder = tmp_path / "disk"
    folder.mkdir()

    def mount(options):
        words = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)]
        return subprocess.run(words, capture_output=True, text=True, check=False)

    try:
        done = mount("size=200k")
    except FileNotFoundError:
        pytest.skip("there is no mount command to make a small disk with")
    if done.returncode:
        pytest.skip(f"a small disk cannot be mounted here: {done.stderr.strip()}")
    yield folder, lambda: mount("remount,size=20m")
    subprocess.run(["umount", str(folder)], check=True)


@pytest.mark.parametrize("launcher", ["basic", "stacked"])
def test_a_sweep_that_filled_the_disk_goes_on_when_there_is_room(
    launcher, fleet, tiny, tmp_path, disk
):
    folder, enlarge = disk
    seed = "hydra.sweeper.sampler.seed=1"
    words = [*SWEEP, f"hydra/launcher={launcher}", "hydra.sweeper.n_trials=8", seed, *tiny]
    code, told = fleet.run(tmp_path, *words, f"hydra.sweep.dir={folder}/sweep")
    assert code == 1, told
    assert "No space left on device" in told
    assert "fix:   free some space" in told
    assert "Traceback" not in told
    assert enlarge().returncode == 0
    code, told = fleet.run(tmp_path, "resume", str(folder / "sweep"))
    assert code == 0, told
    code, told = fleet.run(tmp_path, *words, "hydra.sweep.dir=straight")
    assert code == 0, told
    found, straight = load_runs(folder / "sweep"), load_runs(tmp_path / "straight")
    assert list(found["optimizer.lr"]) == list(straight["optimizer.lr"])


GREEDY = """
import resource
from pathlib import Path

import torch

# From here on this process may have 2 GiB more than it has.
PAGES = int(Path("/proc/self/statm").read_text().split()[0])
LIMIT = PAGES * resource.getpagesize() + 2 * 2**30
resource.setrlimit(resource.RLIMIT_AS, (LIMIT, resource.RLIM_INFINITY))


class Greedy(torch.nn.Linear):
    def __init__(self, in_features, out_features, kind):
        super().__init__(in_features, out_features)
        self.kind = kind

    def forward(self, x):
        if self.training and self.kind == "torch":
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20 GiB")
        if self.training and self.kind == "python":
            raise MemoryError("there is no memory")
        if self.training and self.kind == "limit":
            return super().forward(x) + torch.zeros(2**29, dtype=torch.float64).sum()
        if self.training and self.kind == "array":
            return super().forward(x) + torch.zeros(2**50).sum()
        return super().forward(x)
"""


@pytest.mark.parametrize("launcher", ["basic", "stacked"])
def test_a_trial_without_memory_is_a_row_and_the_sweep_goes_on(launcher, fleet, tiny, tmp_path):
    model = tmp_path / "conf" / "model" / "greedy.yaml"
    model.parent.mkdir(parents=True)
    model.write_text(
        "_target_: my_greedy.Greedy\nin_features: ${data.n_inputs}\n"
        "out_features: ${data.n_outputs}\nkind: none\n"
    )
    (tmp_path / "my_greedy.py").write_text(GREEDY)
    words = [word for word in tiny if not word.startswith("model.")]
    start = ["--config-dir", "conf", *SWEEP, f"hydra/launcher={launcher}", "model=greedy"]
    options = ["model.kind=choice(limit,none,torch,python,array)", "hydra/sweeper/sampler=grid",
               "optimizer.lr=0.01", "hydra.sweep.dir=sweep", "hydra.sweeper.retries=0",
               "hydra.sweeper.max_failure_rate=1"]  # fmt: skip
    code, told = fleet.run(tmp_path, *start, *words, *options, allow="my_greedy.*")
    assert code == 0, told
    table = load_runs(tmp_path / "sweep").set_index("model.kind")
    assert table["status"].to_dict() == {
        "limit": "failed", "none": "completed", "torch": "failed", "python": "failed",
        "array": "failed",
    }  # fmt: skip
    assert table["error"].drop("none").str.contains("memory|allocate").all()
    assert "4294967296 bytes" in table["error"]["limit"]
    for run_dir in table["run_dir"].drop("none"):
        assert (Path(run_dir) / "traceback.txt").exists()
