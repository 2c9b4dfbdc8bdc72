"""A job is opened as Hydra's `run_job` opens it: the same folder, files and configurations."""

import logging
from pathlib import Path

import pytest
from hydra._internal.callbacks import Callbacks
from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra._internal.utils import create_config_search_path
from hydra.core.hydra_config import HydraConfig
from hydra.core.utils import JobRuntime, run_job, setup_globals
from hydra.experimental.callback import Callback
from hydra.types import HydraContext, RunMode
from omegaconf import OmegaConf, open_dict

from ermlab.config.store import find_conf_dir, register_schemas
from ermlab.errors import RunDirError
from ermlab.sweep.job_events import call_end, call_start, has_start_callback
from ermlab.sweep.job_log import logging_to
from ermlab.sweep.jobs import JobOpener, StackedJobReturn
from ermlab.sweep.trials import Trials
from ermlab.sweep.worker import Surroundings, make_task, train_elsewhere
from ermlab.trial.targets import DEFAULT_ALLOW

# `;` separates the jobs of one sweep, whose own overrides stand before the bar.
SWEEPS = """
    | seed=1 ; seed=2 optimizer.lr=0.5 model.hidden_units=7 ; model=mlp model.n_layers=4 seed=3
    hydra.sweep.subdir=${hydra.job.num}_${hydra.job.name}_${seed} | seed=4
    hydra.sweep.dir=out/${now:%Y}/${model.activation} | seed=4 ; model.activation=tanh
    +hydra.job.env_set.ERMLAB_SEED=${seed} | seed=5
    hydra.output_subdir=null | seed=6
    hydra.output_subdir=meta hydra.job.name=other | seed=6 ; ~experiment
    sweeps=hidden_step_batch | sweeps=hidden_step_batch seed=7 ; sweeps=hidden_step_batch seed=8
    | +name=${hydra:job.num}_${hydra:runtime.choices.model} seed=9 ; +name=[a,"${hydra:job.id}"]
    | +text="a rather long text that the YAML writer breaks into more than one line: yes: no #"
"""
CASES = [line.strip() for line in SWEEPS.strip().splitlines()]


class Bench:
    """A sweep in a folder, as Hydra hands it to a launcher."""

    def __init__(self, overrides):
        register_schemas()
        setup_globals()
        JobRuntime.instance().set("name", "app")
        self.loader = ConfigLoaderImpl(create_config_search_path(str(find_conf_dir())))
        overrides = [*overrides, "hydra.mode=MULTIRUN"]  # as hydra.main has it
        self.master = self.loader.load_configuration("config", overrides, RunMode.MULTIRUN)
        _ = self.master.hydra.sweep.dir  # a launcher reads it first: the clock then stands still
        self.context = HydraContext(config_loader=self.loader, callbacks=Callbacks())

    def run_by_hydra(self, number, overrides):
        config = self.loader.load_sweep_config(self.master, overrides)
        with open_dict(config):
            config.hydra.job.id, config.hydra.job.num = str(number), number
        return run_job(
            task_function=lambda task: (OmegaConf.to_container(task, resolve=True), log_file()),
            config=config,
            job_dir_key="hydra.sweep.dir",
            job_subdir_key="hydra.sweep.subdir",
            hydra_context=self.context,
        )


def plain(config):
    return OmegaConf.get_type(config, "hydra"), OmegaConf.to_container(config)


def log_file():
    files = [h for h in logging.getLogger().handlers if isinstance(h, logging.FileHandler)]
    return files[0].baseFilename if files else None


@pytest.fixture(autouse=True)
def _logging_as_before():
    root = logging.getLogger()
    before = list(root.handlers), root.level
    yield
    for handler in set(root.handlers) - set(before[0]):
        handler.close()
    root.handlers[:], _ = before[0], root.setLevel(before[1])


def read_all(folder):
    files = [path for path in folder.rglob("*.yaml") if path.is_file()]
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


@pytest.mark.parametrize("case", CASES)
def test_a_job_is_opened_as_hydra_opens_it(case, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    of_sweep, jobs = case.split("|")
    bench = Bench(of_sweep.split())
    opener = JobOpener(bench.context, bench.master)
    for number, words in enumerate(jobs.split(" ; ")):
        overrides = [words.strip()] if "text=" in words else words.split()
        reference = bench.run_by_hydra(number, overrides)
        resolved, log_path = reference.return_value
        run_dir = Path(reference.hydra_cfg.hydra.runtime.output_dir)
        written = read_all(run_dir)
        for _ in range(2):  # from a new template, and from one that has served
            job = opener.open(number, overrides)
            assert job.run_dir == run_dir
            for path in run_dir.rglob("*.yaml"):
                path.unlink()
            job.write_files()
            assert read_all(run_dir) == written
            assert list(job.overrides) == reference.overrides
            assert dict(job.choices) == dict(reference.hydra_cfg.hydra.runtime.choices)
            assert dict(job.environment) == dict(reference.hydra_cfg.hydra.job.env_set)
            assert (job.log and str(job.log.path)) == log_path
            # In another job's time, `${hydra:...}` must still mean this one's.
            HydraConfig.instance().cfg = None
            assert OmegaConf.to_container(job.task_config(), resolve=True) == resolved
            assert plain(opener.hydra_config(job)) == plain(reference.hydra_cfg)


def test_a_thousand_open_jobs_are_small(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    bench = Bench(["sweeps=hidden_step_batch"])
    job = JobOpener(bench.context, bench.master).open(0, ["sweeps=hidden_step_batch", "seed=1"])
    texts = sum(len(text) for text in job.files.values())
    assert job.hydra is None
    assert len(job.task) + texts < 20_000  # 115 kB as configurations alone


def test_a_job_elsewhere_is_begun_before_the_files_of_the_next(tmp_path, monkeypatch):
    # A process that is killed in between has begun the first: the sweep knows whom to train again.
    monkeypatch.chdir(tmp_path)
    bench = Bench([])
    opener = JobOpener(bench.context, bench.master)
    first, second, here = (opener.open(number, [f"seed={number}"]) for number in range(3))
    second.run_dir.parent.mkdir(parents=True, exist_ok=True)
    second.run_dir.write_text("a file in the place of its folder")
    trials = Trials(allow=DEFAULT_ALLOW, finish=lambda config, run_dir, row: 0.0)
    options = {"alone": False, "on_unstackable": "single", "sweep_dir": tmp_path}
    with pytest.raises(RunDirError):
        train_elsewhere([first, second], trials, Surroundings(), **options)
    assert first.has_begun(0)
    assert (first.run_dir / ".hydra" / "config.yaml").read_text().count("seed: 0")
    assert not second.has_begun(0)
    make_task(here)
    assert not here.has_begun(0)  # in the sweep's own process nobody looks for the sign


def test_a_return_has_the_configurations_of_its_job(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    bench = Bench([])
    opener = JobOpener(bench.context, bench.master)
    done = StackedJobReturn(opener.open(3, ["seed=8"]), opener)
    assert done.overrides == ["seed=8"]
    assert done.cfg.seed == 8
    assert "hydra" not in done.cfg
    assert done.hydra_cfg.hydra.job.num == 3
    assert done.working_dir == str(tmp_path)
    assert done.task_name == "app"


def test_callbacks_are_told_the_whole_configuration(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    told = []

    class Listening(Callback):
        def on_job_start(self, config, *, task_function, **kwargs):
            told.append(("start", config.seed, config.hydra.job.num))

        def on_job_end(self, config, job_return, **kwargs):
            told.append(("end", config.seed, job_return.return_value))

    bench = Bench([])
    opener = JobOpener(bench.context, bench.master)
    job = opener.open(3, ["seed=8"])
    done = StackedJobReturn(job, opener)
    done.status, done.return_value = done.status.COMPLETED, 0.5
    assert not has_start_callback(bench.context)
    bench.context.callbacks.callbacks.append(Listening())
    assert has_start_callback(bench.context)
    call_start(bench.context, opener, job, lambda config: None)
    call_end(bench.context, opener, job, done)
    assert told == [("start", 8, 3), ("end", 8, 0.5)]


def test_the_log_of_a_job_has_its_lines_and_no_others(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    bench = Bench([])
    opener = JobOpener(bench.context, bench.master)
    logger = logging.getLogger("ermlab.test")
    logger.setLevel("INFO")
    for number in (0, 1):
        job = opener.open(number, [])
        job.write_files()
        with logging_to(job.log):
            logger.info("line of %d", number)
        logger.info("line of none")
        text = (job.run_dir / "ermlab.log").read_text()
        assert text.endswith(f"[ermlab.test][INFO] - line of {number}\n")
        assert text.count("\n") == 1


def test_a_sweep_that_logs_to_no_file_has_no_log_of_a_job():
    bench = Bench(["hydra/job_logging=stdout"])
    assert JobOpener(bench.context, bench.master).open(0, []).log is None
