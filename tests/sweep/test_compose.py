"""What JobComposer composes is, node for node, what Hydra composes, and costs less.

Hydra's own `load_sweep_config` is the reference of every test here.
"""

import contextlib
import copy
import random
import re
import textwrap
from itertools import chain

import pytest
from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra._internal.utils import create_config_search_path
from hydra.core.hydra_config import HydraConfig
from hydra.core.utils import JobRuntime, setup_globals
from hydra.errors import HydraException
from hydra.types import RunMode
from hypothesis import given, settings
from hypothesis import strategies as st
from omegaconf import DictConfig, ListConfig, OmegaConf, UnionNode, open_dict
from omegaconf.errors import OmegaConfBaseException

from ermlab.config.store import find_conf_dir, register_schemas
from ermlab.sweep.compose import JobComposer

# What users keep in a folder of their own: models without a schema, and a group of their own.
USER_FILES = {
    "model/mine.yaml": """
        _target_: my.Model
        n_inputs: ${data.n_inputs}
        units: 3
        name: one
        nothing: null
        layers: [1, 2, {size: 3}]
        width: {a: 1, b: "${seed}", deep: {c: x}}
        again: ${model.width}
        when: ${now:%H-%M-%S}
        "odd.key": 1
        missing: ???
    """,
    "model/linked.yaml": """
        _target_: my.Model
        units: 3
        config: ${hydra.job.config_name}
        experiment: ${hydra.runtime.choices.experiment}
        folder: ${hydra:runtime.cwd}/x
        inner: {choices: "${hydra.runtime.choices}", size: 1}
        task: ${hydra.overrides.task}
    """,
    "extra/one.yaml": "x: 1\nlr: ${optimizer.lr}\n",
    "extra/two.yaml": "x: 2\n",
    "extra/flat.yaml": "plot: false\n",
    "plot/on.yaml": "# @package _global_\nplot: true\n",  # a group with the name of a value
}


def forms(text):
    """Read jobs: `;` separates them, two spaces their overrides, M stands for model=mine."""
    jobs = [job.strip() for line in text.splitlines() for job in re.split(r" +; +", line)]
    return {job: re.split("  +", re.sub("^M ", "model=mine ", job)) for job in jobs if job}


# Set in a copy of a template, without Hydra's composition.
FAST = forms(r"""
    optimizer.lr=1e-3 ; optimizer.lr=0.001 ; optimizer.lr=.001 ; optimizer.lr=1 ; optimizer.lr=inf
    optimizer.lr=nan ; model.hidden_units=12 ; model.hidden_units='12' ; model.hidden_units=1_000
    model.bias=true ; model.bias=yes ; seed=7 ; loop.patience=null ; model.hidden_units=???
    M  model.nothing=null  model.units=null ; seed=1  seed=2 ; model[hidden_units]=3
    data.n_inputs=7  seed=3 ; model.n_inputs=7  data.seed=1 ; data.n_outputs=${data.n_inputs}
    M  model.units=${.name}  +model.up=${..seed} ; M  model.name=x_${seed} ; seed=${nowhere}
    M  model.name=${now:%H-%M-%S}${oc.env:HOME,x} ; M  model.name='one, two'  model.again="x=\"y\""
    M  model.name='f(1)' ; M  model.name=one two ; M  model.name='größe' ; M  model.name=a\,b\ c
    optimizer.lr=float(1)  seed=int(2) ; M  model.name= ; M  model.name=' one '
    M  model.layers=[3,[4,x],{a:1}] ; M  model.layers=[] ; M  model.layers.0=9 ; M  model.units=[1]
    M  model.layers[2].size=1 ; M  model.width={a:5} ; M  model.units={a:1} ; M  model.width=1
    model={hidden_units:9} ; M  model.again.a=5 ; M  +model.new=1  +model.other.deep=2
    M  +model.width={new:1} ; +model.new=1 ; M  +model.nothing=1 ; +loop.model=1
    M  ++model.units=1 ; M  model.odd\.key=2 ; M  ++model.new.deep=[1]  ++optimizer.new=1
    M  ~model.units  ~model.width.a ; M  ~model.units=3
    M  ~model.width={a:1,b:0,deep:{c:x}} ; M  ~model.units  +model.units=4 ; M  ~model.again.a
    model=linked  model.units=1  model.inner.size=2
""")
# Choices: composed in full once, then copied.
CHOICES = forms("""
    model=linear ; optimizer=sgd  model=mlp  loop=validation ; model=mlp  model=linear
    seed=1  model=mlp  model.n_layers=4  optimizer=adamw ; experiment=main_epochs  model=mlp
    experiment=main_epochs_nn  optimizer.lr=0.5 ; M  +extra@model.more=one  model.more.x=4
    M  +extra@model.more=[one,two]  optimizer.lr=2 ; +extra@_global_=flat  seed=3
    ~experiment  seed=4 ; ~loss=squared_error ; +plot=on  seed=2 ; hydra/job_logging=none  seed=5
""")
# Composed in full each time, for it could not be told apart from a mistake or a special case.
FULL = forms("""
    hydra.verbose=true ; hydra={verbose:true} ; hydra.job[name]=x ; ~hydra.verbose ; +hydra.new=1
    hydra.searchpath=[] ; hydra.job.env_copy=[PATH] ; +hydra_new=1 ; model=str(linear)
    M  model.name=${oc.select:hydra.job.name} ; M  model.name=${hydra.job.name}
    M  model.name=${model.${model.name}} ; model=linked  ~model.config=config
    model=linked  ~model.experiment ; model=linked  +model.experiment=1
    model=linked  model.config.x=1 ; model=linked  model.inner={choices:{x:1}}
    model=linked  model.inner.choices.x=1 ; model=linked  ~model.units
""")
WRONG = forms("""
    optimizer.nonsense=1 ; nonsense=1 ; model=nonsense ; optimizer@other=sgd ; nonsense@other=1
    model.hidden_units=many ; model.hidden_units=1.5 ; seed=null ; seed={a:1} ; +optimizer.lr=1
    ~optimizer.nonsense ; ~optimizer.lr ; M  ~model.units=4 ; ~loss=nonsense ; M  model.layers.x=1
    M  model.layers.9=1 ; M  model.width=[1] ; M  model.width={new:1} ; M  model.units.deep=1
    seed=1,2 ; seed=range(1,3) ; model=linear,mlp ; seed ; M  model.layers=[1, ; seed=größe
    hydra/launcher=joblib ; sweeps=batch_size ; experiment=null ; model=3 ; seed=1  seed=x
    model=linear  model.hidden_units=3 ; +extra=one ; +model=mlp
""")
FORMS = FAST | CHOICES | FULL | WRONG


class CountingLoader(ConfigLoaderImpl):
    n_calls = 0

    def load_sweep_config(self, *args, **kwargs):
        self.n_calls += 1
        return super().load_sweep_config(*args, **kwargs)


class Bench:
    """A sweep over the project's configuration and a user's, and Hydra's answers, kept."""

    def __init__(self, user_dir, *overrides):
        register_schemas()
        setup_globals()
        JobRuntime.instance().set("name", "app")
        self.loader = CountingLoader(create_config_search_path(str(find_conf_dir())))
        lines = [f"hydra.searchpath=[file://{user_dir}]", *overrides]
        self.master = self.loader.load_configuration("config", lines, RunMode.MULTIRUN)
        _ = self.master.hydra.sweep.dir  # a launcher reads it first: the clock then stands still
        self.expected = {}

    def composer(self):
        return JobComposer(self.loader, self.master)

    def reference(self, job):
        if tuple(job) not in self.expected:
            compose = super(CountingLoader, self.loader).load_sweep_config
            self.expected[tuple(job)] = outcome(lambda: compose(self.master, list(job)))
        return self.expected[tuple(job)]


@pytest.fixture(scope="module")
def user_dir(tmp_path_factory):
    folder = tmp_path_factory.mktemp("user")
    for name, text in USER_FILES.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(textwrap.dedent(text))
    return folder


@pytest.fixture(scope="module")
def bench(user_dir):
    return Bench(user_dir)


@pytest.fixture(scope="module")
def composer(bench):
    return bench.composer()


def outcome(compose):
    """Tell all of a configuration, or of why there is none."""
    try:
        config = compose()
    except (HydraException, OmegaConfBaseException, ValueError) as error:
        return type(error), str(error), type(error.__cause__), str(error.__cause__)
    return describe(config), resolve(config), config._metadata.resolver_cache


def describe(node):
    meta = {k: v for k, v in vars(node._metadata).items() if k != "resolver_cache"}
    value = node._value()
    if isinstance(value, dict | list):
        pairs = list(value.items() if isinstance(value, dict) else enumerate(value))
        assert all(child._get_parent() is node for _, child in pairs)
        value = [(key, describe(child)) for key, child in pairs]
    assert isinstance(node, DictConfig | ListConfig) or not isinstance(value, list)
    assert not isinstance(node, UnionNode)  # none in these schemas: see the test of its own
    return type(node), meta, type(value), repr(value) if isinstance(value, float) else value


def resolve(config):
    """Make of a configuration what a job sees after a launcher has numbered it, part by part."""
    config = copy.deepcopy(config)
    with open_dict(config):
        config.hydra.job.num, config.hydra.job.id = 3, "3"
        config.hydra.runtime.output_dir = "/out"
    before, HydraConfig.instance().cfg = HydraConfig.instance().cfg, config
    try:
        parts = [(config, key) for key in config if key != "hydra"]
        parts += [(config.hydra, key) for key in config.hydra]
        return [OmegaConf.to_yaml(config), *(resolve_part(*part) for part in parts)]
    finally:
        HydraConfig.instance().cfg = before


def resolve_part(parent, key):
    node = parent._get_node(key)
    is_container = isinstance(node, DictConfig | ListConfig)
    try:
        return key, str(OmegaConf.to_container(node, resolve=True) if is_container else parent[key])
    except (OmegaConfBaseException, ValueError) as error:
        return key, type(error), str(error)


@pytest.mark.parametrize("name", FORMS)
def test_a_job_is_composed_as_hydra_composes_it(name, bench, composer):
    job = FORMS[name]
    for _ in range(2):  # from a new template, and from one that has served
        assert outcome(lambda: composer.compose(job)) == bench.reference(job)


@pytest.mark.parametrize("name", WRONG)
def test_a_mistake_is_an_error(name, bench):
    assert issubclass(bench.reference(WRONG[name])[0], Exception)


@pytest.mark.parametrize("name", [*FAST, *CHOICES])
def test_a_job_like_another_costs_no_composition(name, bench, composer):
    job = FORMS[name]
    composer.compose(job)
    before = bench.loader.n_calls
    composer.compose(job)
    assert bench.loader.n_calls == before


@pytest.mark.parametrize("name", FULL)
def test_what_is_not_surely_equal_is_left_to_hydra(name, bench, composer):
    job = FULL[name]
    for _ in range(2):
        before = bench.loader.n_calls
        with contextlib.suppress(HydraException):
            composer.compose(job)
        assert bench.loader.n_calls > before


@given(
    jobs=st.lists(
        st.lists(st.sampled_from(list(FORMS.values())), max_size=3).map(lambda x: list(chain(*x))),
        min_size=1,
        max_size=3,
    )
)
@settings(max_examples=50, deadline=None)
def test_jobs_composed_in_any_order_are_as_hydra_composes_each(jobs, bench):
    composer = bench.composer()
    for job in [*jobs, jobs[0]]:
        assert outcome(lambda job=job: composer.compose(job)) == bench.reference(job)


def test_a_hundred_jobs_of_two_models_cost_two_compositions(bench):
    jobs = [
        f"optimizer.lr={0.9**n} model.hidden_units={n + 1} loop.batch_size={n + 10} seed={n} "
        f"model={'mlp' if n % 2 else 'two_layer'}".split()
        for n in range(100)
    ]
    composer = bench.composer()
    before = bench.loader.n_calls
    configs = [composer.compose(job) for job in jobs]
    assert bench.loader.n_calls - before == 2
    assert [config.model.hidden_units for config in configs] == list(range(1, 101))
    assert [list(config.hydra.overrides.task) for config in configs] == jobs


def spoil(node):
    """Change all that can be changed below a node."""
    OmegaConf.set_readonly(node, False)
    node._metadata.resolver_cache["now"]["x"] = "spoilt"
    for key in list(node.keys()) if isinstance(node, DictConfig) else range(len(node)):
        child = node._get_node(key)
        child._metadata.flags["spoilt"] = True
        child._metadata.optional = not child._metadata.optional
        if isinstance(child, DictConfig | ListConfig) and isinstance(child._value(), dict | list):
            spoil(child)
        else:
            child.__dict__["_val"] = "spoilt"
    node.__dict__["_content"].clear()


def test_changing_a_job_changes_no_other(bench):
    composer = bench.composer()
    job = ["model=mine", "model.layers=[1,{a:2}]", "+extra@model.more=one"]
    kept = composer.compose(job)
    spoil(composer.compose(job))
    again = composer.compose(job)
    assert outcome(lambda: kept) == outcome(lambda: again) == bench.reference(job)


def test_the_clock_stands_still_in_a_sweep(bench):
    composer = bench.composer()
    days = {str(composer.compose(job).hydra.sweep.dir) for job in ([], ["seed=1"], ["model=mlp"])}
    assert days == {str(bench.master.hydra.sweep.dir)}
    bench.master._metadata.resolver_cache["now"]["x"] = "later"  # what the sweep resolves meanwhile
    assert composer.compose([])._metadata.resolver_cache["now"]["x"] == "later"
    del bench.master._metadata.resolver_cache["now"]["x"]


def test_a_job_has_the_folder_that_the_process_is_in(bench, composer, tmp_path, monkeypatch):
    composer.compose(["seed=1"])
    monkeypatch.chdir(tmp_path)
    assert composer.compose(["seed=1"]).hydra.runtime.cwd == str(tmp_path)


@pytest.mark.parametrize(
    "override",
    [
        "hydra.job.env_copy=[ERMLAB_TEST]",  # copied anew into each job
        "+hydra.names=[ERMLAB_TEST] hydra.job.env_copy=${hydra.names}",
        "hydra.launcher=${loop}",  # which a job must not change
        "hydra.job.name=${model.activation}",
        "hydra/job_logging=none",
        "hydra.sweep.subdir=${hydra.job.num}_${seed}",
        "sweeps=batch_size",
    ],
)
def test_jobs_of_a_sweep_with_overrides_of_hydra(override, user_dir, monkeypatch):
    monkeypatch.setenv("ERMLAB_TEST", "0")
    bench = Bench(user_dir, *override.split())
    composer = bench.composer()
    of_all = [override] if override.startswith("sweeps") else []
    for job in ([], ["seed=1"], ["loop.epochs=3", "model=mlp"], ["~model.activation"], ["a=1"]):
        job = [*of_all, *job]
        monkeypatch.setenv("ERMLAB_TEST", str(len(job)))
        assert outcome(lambda job=job: composer.compose(job)) == bench.reference(job)


def test_a_draw_is_made_for_each_job(bench, composer):
    random.seed(1)
    orders = {
        str(composer.compose(["model=mine", "model.layers=shuffle([1,2,3,4])"]).model.layers)
        for _ in range(20)
    }
    assert len(orders) > 1


def test_another_loader_composes_every_job(bench):
    class Other:
        def load_sweep_config(self, master_config, sweep_overrides):
            return sweep_overrides

    assert JobComposer(Other(), bench.master).compose(("seed=1",)) == ["seed=1"]
