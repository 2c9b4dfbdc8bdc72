"""Which graph filters share a stack, and which do not."""

import pytest
from hydra import compose, initialize_config_dir

from ermlab.config.store import find_conf_dir, register_schemas
from ermlab.sweep.groups import plan_groups
from ermlab.sweep.program import describe_work, make_outline, read_config

GNN = ["data=source_localization", "model=gnn", "model.features=8", "loop.batch_size=10"]


def compose_all(*jobs):
    register_schemas()
    with initialize_config_dir(str(find_conf_dir())):
        return [compose("config", overrides=list(job)) for job in jobs]


def plan(*jobs):
    return plan_groups(outline(compose_all(*jobs)), max_trials=16, max_bytes=8_000_000)


def outline(configs):
    return [make_outline(config, {}) for config in configs]


def members(groups):
    return sorted(sorted(group.members) for group in groups)


@pytest.mark.parametrize(
    "key",
    ["seed=1", "optimizer.lr=0.5", "loop.epochs=3", "loop.batch_size=11", "model.taps=4",
     "model.features=9", "model.readout_taps=2"],
)  # fmt: skip
def test_trials_that_differ_in_what_a_stack_holds_apart_share_one(key):
    assert members(plan(GNN, [*GNN, key])) == [[0, 1]]


@pytest.mark.parametrize(
    "key", ["model=graph_filter", "model.n_layers=3", "model.activation=tanh", "data.n_nodes=51"]
)
def test_trials_of_another_program_do_not(key):
    assert members(plan(GNN, [*GNN, key])) == [[0], [1]]


def test_a_stack_fits_the_cache():
    course = [*GNN, "model.features=32", "loop.batch_size=200", "dtype=float64"]
    assert members(plan(course, [*course, "seed=1"])) == [[0], [1]]


@pytest.mark.parametrize(
    "keys",
    [["model.sparse=true"], ["data.n_nodes=10000"], ["model=graph_filter", "model.sparse=true"]],
)
def test_a_sparse_graph_is_alone_with_the_reason(keys):
    groups = plan([*GNN, *keys], [*GNN, *keys])
    assert members(groups) == [[0], [1]]
    assert all("its graph is kept sparse" in group.reason for group in groups)


def test_a_large_graph_that_is_to_be_dense_has_no_such_reason():
    (group,) = plan([*GNN, "data.n_nodes=10000", "model.sparse=false"])
    assert group.reason is None


def test_layers_of_another_package_share_a_stack_only_with_equal_ones():
    model = {"_target_": "ermlab.model.geometric.OnGraph", "layers": []}
    first, second, third = compose_all(GNN, [*GNN, "seed=1"], [*GNN, "loop.batch_size=11"])
    for config in (first, second, third):
        config.model = model
    groups = plan_groups(outline([first, second, third]), max_trials=16, max_bytes=8_000_000)
    assert members(groups) == [[0, 1], [2]]


def test_the_work_of_a_graph_filter_counts_its_taps_features_and_shifts():
    (config,) = compose_all([*GNN, "model.taps=4", "dtype=float64"])
    work = describe_work(read_config(config))
    assert work.n_params == 4 * 8 + 8
    assert work.n_layers == 4 + 1
    # At each of 50 nodes: products with the coefficients, and 3 shifts of one feature.
    assert work.n_products + work.n_params == 50 * (40 + 3 * 50)
    # Shifted signals and features, each with its gradient.
    assert work.n_values == 50 * (2 * 4 + 2 * 8 + 2 * 8 + 2)
    assert (work.batch_size, work.n_steps, work.item_bytes) == (10, 198 * 20, 8)
