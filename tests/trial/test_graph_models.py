"""How the graph of the data reaches the model, and what a stack makes of it."""

import warnings
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
import torch
from hydra import compose, initialize_config_dir

from ermlab.config.store import find_conf_dir, register_schemas
from ermlab.errors import ConfigError, StackError
from ermlab.loop.filters import FilterEngine
from ermlab.loop.loop import train
from ermlab.loop.single import SingleLearner
from ermlab.loop.vmapped import VmapEngine
from ermlab.model.gnn import Gnn
from ermlab.trial.build import build_trial
from ermlab.trial.checkpoint import late_facts
from ermlab.trial.run import Resume, run_trial
from ermlab.trial.stack import make_engine, stack_trials
from ermlab.trial.targets import DEFAULT_ALLOW

SMALL = [
    "data=source_localization", "data.n_nodes=12", "data.n_communities=3", "data.n_sources=3",
    "data.n_train=60", "loop.batch_size=20", "dtype=float64", "device=cpu", "loop.epochs=3",
]  # fmt: skip
RTOL = 1e-9  # the same arithmetic in another order, in float64, after some dozen steps of training
TINY_GNN = ["model=gnn", "model.taps=3", "model.features=4"]
SIX = ["loop.batch_size=5", "dtype=float64"]
RING = {"_target_": "my_graphs.ring", "n_nodes": 6, "seed": 1, "n_inputs": None, "n_outputs": None}


def compose_config(*overrides):
    register_schemas()
    with initialize_config_dir(str(find_conf_dir())):
        return compose("config", overrides=list(overrides))


def build(*overrides, **groups):
    config = compose_config(*overrides)
    for group, content in groups.items():
        config[group] = content
    return build_trial(config, allow=[*DEFAULT_ALLOW, "my_graphs.*", "torch_geometric.nn.*"])


def run(learner, plans):
    """Train, and return for each trial how it ended and the losses of each of its checks."""
    checks, outcomes = [], {}
    train(
        learner, plans, record=checks.append, store=lambda name, place, learner: None,
        finish=outcomes.__setitem__,
    )  # fmt: skip
    return [
        (outcomes[k], [[float(v[k]) for v in c.values.values()] for c in checks if c.due[k]])
        for k in range(len(plans))
    ]


def run_alone(words):
    trial = build(*words)
    return run(SingleLearner(trial.parts), [trial.plan])[0]


def assert_equal(found, expected):
    np.testing.assert_allclose(found[1], expected[1], rtol=RTOL, atol=0)
    assert (found[0].status, found[0].steps) == (expected[0].status, expected[0].steps)
    for name, value in expected[0].values.items():
        np.testing.assert_allclose(found[0].values[name], value, rtol=RTOL, atol=0, err_msg=name)


@pytest.fixture(autouse=True)
def users_module(monkeypatch):
    monkeypatch.syspath_prepend(Path(__file__).parent)


def test_the_model_computes_with_the_graph_of_its_data():
    parts = build(*SMALL, *TINY_GNN, "seed=3").parts
    assert isinstance(parts.module, Gnn)
    assert torch.equal(parts.module.shift.dense, parts.data.graph.to_dense())
    assert parts.data.graph.shape == (12, 12)


def test_float32_and_its_device_reach_the_graph():
    parts = build(*SMALL, *TINY_GNN, "dtype=float32").parts
    assert parts.module.shift.dense.dtype == torch.float32


@pytest.mark.parametrize("model", ["linear", "two_layer"])
def test_a_model_that_asks_for_no_graph_trains_on_the_same_data(model):
    parts = build(*SMALL, f"model={model}").parts
    assert not list(parts.module.buffers())
    assert torch.equal(parts.data.train.x, build(*SMALL, *TINY_GNN).parts.data.train.x)


def test_data_without_a_graph_are_refused_in_plain_words():
    with pytest.raises(ConfigError, match="the data have no graph"):
        build("model=gnn")


@pytest.mark.parametrize(
    ("model", "scale"),
    [
        pytest.param({"_target_": "my_graphs.OneTap"}, 1, id="a class"),
        pytest.param({"_target_": "my_graphs.make_one_tap", "scale": 2}, 2, id="a function"),
    ],
)
def test_any_function_may_return_a_graph_and_any_module_ask_for_it(model, scale):
    parts = build(*SIX, data=RING, model=model).parts
    assert torch.equal(parts.module.shift, scale * parts.data.graph.to_dense())
    assert torch.equal(parts.module.shift != 0, torch.eye(6).roll(1, 0) != 0)


def test_a_key_of_the_users_that_is_called_graph_is_left_alone():
    model = {"_target_": "my_graphs.Named", "graph": "mine"}
    assert build(*SIX, data=RING, model=model).parts.module.graph == "mine"


def test_the_graph_is_not_copied_on_its_way_to_a_model_of_the_users(monkeypatch):
    given = []
    monkeypatch.setattr("my_graphs.note", given.append)
    parts = build(*SIX, data=RING, model={"_target_": "my_graphs.OneTap"}).parts
    assert given[0] is parts.data.graph


def test_another_graph_is_another_data_set_for_a_checkpoint():
    first, second = (
        build(*SMALL, *TINY_GNN, f"data.p_inside={p}", "data.n_diffusions=0") for p in (0.5, 0.9)
    )
    assert torch.equal(first.parts.data.train.x, second.parts.data.train.x)
    assert late_facts(first)["data"] != late_facts(second)["data"]


@pytest.mark.parametrize("sparse", ["true", "false"])
def test_dense_and_sparse_graphs_train_to_the_same_numbers(sparse):
    words = [*SMALL, *TINY_GNN, "seed=2", f"model.sparse={sparse}"]
    assert_equal(run_alone(words), run_alone([*SMALL, *TINY_GNN, "seed=2"]))


def random_words(rng, model, optimizer):
    """Draw a trial: of its own seed, graph, taps, features, batches and length."""
    words = [*SMALL, f"model={model}", f"optimizer={optimizer}", f"seed={rng.integers(100)}"]
    words += [f"model.taps={rng.integers(1, 6)}", f"model.features={rng.integers(1, 9)}"]
    words += [f"model.readout_taps={rng.integers(1, 4)}", f"loop.batch_size={rng.integers(5, 61)}"]
    words += [f"optimizer.lr={10 ** rng.uniform(-3, -1.5)}", f"loop.epochs={rng.integers(1, 5)}"]
    return words


SHARED = {
    "graph_filter": [],
    "deep": ["model=gnn", "model.n_layers=3", "model.activation=sigmoid"],
    "gelu": ["model=gnn", "model.activation=gelu", "model.bias=false", "loss.outputs=sum"],
    "relu": ["model=gnn", "model.readout_activation=leaky_relu", "model.n_layers=3"],
}


@pytest.mark.parametrize("one_block", [False, True])  # unlike models are padded, as on a GPU
@pytest.mark.parametrize(
    ("name", "optimizer"), list(zip(SHARED, ["sgd", "momentum", "adamw", "adam"], strict=True))
)
def test_random_trials_train_in_a_stack_as_they_do_alone(name, optimizer, one_block):
    rng = np.random.default_rng(sorted(SHARED).index(name))
    drawn = [random_words(rng, "graph_filter", optimizer) for _ in range(4)]
    overrides = [[*words, *SHARED[name]] for words in (*drawn, [*drawn[0], "seed=7"])]
    trials = [build(*words) for words in overrides]
    learner = stack_trials([trial.parts for trial in trials], one_block=one_block)
    stack = run(learner, [trial.plan for trial in trials])
    for stacked, words in zip(stack, overrides, strict=True):
        assert_equal(stacked, run_alone(words))


@pytest.mark.parametrize("one_block", [False, True])
def test_a_trial_that_diverges_leaves_the_others_as_they_are_alone(one_block):
    keys = [*SMALL, "model=graph_filter", "optimizer=sgd"]  # no relu that could die instead
    wild, calm = [*keys, "optimizer.lr=1e9"], [*keys, "optimizer.lr=0.01", "model.features=5"]
    trials = [build(*words) for words in (wild, calm)]
    learner = stack_trials([trial.parts for trial in trials], one_block=one_block)
    stack = run(learner, [trial.plan for trial in trials])
    assert [outcome.status for outcome, _ in stack] == ["diverged", "completed"]
    assert_equal(stack[1], run_alone(calm))


def test_padding_stays_exactly_zero_where_sigma_of_zero_is_not():
    keys = [*SMALL, "model=gnn", "model.activation=sigmoid", "optimizer=adam"]
    narrow, wide = (
        build(*keys, f"model.features={f}", f"model.taps={k}") for f, k in ((2, 5), (6, 3))
    )
    learner = stack_trials([narrow.parts, wide.parts], one_block=True)
    learner.advance(10)
    (matrix,) = learner._packing.matrices(learner._vectors[0])
    n_real = [trial.n_parameters for trial in (narrow, wide)]
    assert [int(torch.count_nonzero(row)) for row in matrix] == n_real


def test_several_features_of_a_node_train_in_a_stack_as_alone():
    data = {**RING, "_target_": "my_graphs.pairs"}
    words = ["model=gnn", "model.features=3", *SIX, "loop.epochs=2"]

    def trials():
        return [build(*words, f"model.taps={taps}", data=data) for taps in (2, 3)]

    stack = run(stack_trials([t.parts for t in trials()]), [t.plan for t in trials()])
    for stacked, trial in zip(stack, trials(), strict=True):
        assert trial.parts.module(trial.parts.data.test.x).shape[1:] == (6, 2)
        assert_equal(stacked, run(SingleLearner(trial.parts), [trial.plan])[0])


def test_our_graph_models_take_the_written_out_program():
    parts = [build(*SMALL, *TINY_GNN, f"seed={seed}").parts for seed in (0, 1)]
    assert isinstance(make_engine(parts), FilterEngine)


def test_with_a_loss_of_which_nothing_is_known_the_stack_is_torch_funcs():
    words = [[*SMALL, *TINY_GNN, f"seed={seed}"] for seed in (0, 1)]
    loss = {"_target_": "torch.nn.HuberLoss"}
    trials = [build(*each, loss=loss) for each in words]
    parts = [trial.parts for trial in trials]
    assert isinstance(make_engine(parts), VmapEngine)
    stack = run(stack_trials(parts), [trial.plan for trial in trials])
    for stacked, each in zip(stack, words, strict=True):
        trial = build(*each, loss=loss)
        assert_equal(stacked, run(SingleLearner(trial.parts), [trial.plan])[0])


def test_a_trial_that_takes_a_place_brings_its_own_graph():
    words = [*SMALL, "model=gnn", "optimizer=sgd", "optimizer.lr=0.01"]
    first, other, entrant = (
        build(*words, f"seed={seed}", f"model.taps={taps}")
        for seed, taps in ((0, 2), (1, 3), (2, 4))
    )
    learner = stack_trials([first.parts, other.parts])
    learner.advance(2)
    learner.leave(torch.tensor([False, True]))
    learner.enter(1, entrant.parts)
    learner.advance(3)
    alone = SingleLearner(build(*words, "seed=2", "model.taps=4").parts)
    alone.advance(3)
    for name, value in alone.weights(0).items():
        torch.testing.assert_close(learner.weights(1)[name], value, rtol=RTOL, atol=1e-14)
    every = torch.ones(2, dtype=torch.bool)
    found = learner.evaluate("test", every)["loss"][1]
    torch.testing.assert_close(
        found, alone.evaluate("test", every[:1])["loss"][0], rtol=RTOL, atol=0
    )


@pytest.mark.parametrize("change", ["model.sparse=true", "data.n_nodes=15"])
def test_a_trial_whose_graph_does_not_fit_takes_no_place(change):
    engine = make_engine([build(*SMALL, *TINY_GNN).parts])
    with pytest.raises(StackError, match="cannot be stacked with others"):
        engine.replace(0, build(*SMALL, *TINY_GNN, change).parts.module)


@pytest.mark.parametrize("seed", [0, 1])
def test_sparse_graphs_are_refused_with_the_reason(seed):
    words = [*SMALL, *TINY_GNN, "model.sparse=true"]
    parts = [build(*words, f"data.seed={data_seed}").parts for data_seed in (0, seed)]
    with pytest.raises(StackError, match="its graph is kept sparse"):
        stack_trials(parts)


def test_graphs_of_unlike_sizes_are_refused_with_the_reason():
    parts = [build(*SMALL, *TINY_GNN, f"data.n_nodes={n}").parts for n in (12, 15)]
    with pytest.raises(StackError, match="buffers differ in shape"):
        stack_trials(parts)


TAG = {"_target_": "torch_geometric.nn.TAGConv", "K": 2, "normalize": False}
LAYERS = [
    {**TAG, "in_channels": 1, "out_channels": 4},
    {"_target_": "torch.nn.ReLU"},
    {**TAG, "in_channels": 4, "out_channels": 1},
]


def test_layers_of_pytorch_geometric_train_by_their_target():
    model = {"_target_": "ermlab.model.geometric.OnGraph", "n_inputs": 12, "layers": LAYERS}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it compiles itself by torch.jit, which torch calls old
        trial = build(*SMALL, "optimizer.lr=0.05", "loop.epochs=20", model=model)
    ((outcome, _),) = run(SingleLearner(trial.parts), [trial.plan])
    zero = float(trial.parts.data.test.y.square().mean())
    assert trial.n_parameters == 2 * (3 * 4) + 4 + 1
    assert outcome.values["test_loss"] < 0.95 * zero


@pytest.mark.parametrize("sparse", ["true", "false"])
def test_an_interrupted_run_goes_on_to_the_numbers_of_an_undisturbed_one(
    tmp_path, crash_at, sparse
):
    words = [*SMALL, *TINY_GNN, f"model.sparse={sparse}", "loop.checkpoint_every=0"]
    ends = []
    for name, attempts in {"whole": [None], "torn": [crash_at(2), None]}.items():
        (tmp_path / name).mkdir()
        for on_check in attempts:
            options = {} if name == "whole" else {"resume": Resume(force=False)}
            with suppress(KeyboardInterrupt):
                summary = run_trial(
                    compose_config(*words), run_dir=tmp_path / name, choices={},
                    allow=DEFAULT_ALLOW, on_check=on_check, **options,
                )  # fmt: skip
        ends.append([summary[key] for key in ("train_loss", "valid_loss", "test_loss", "steps")])
    assert ends[0] == ends[1]
