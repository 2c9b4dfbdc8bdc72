"""The compiled learner against the reference: every activation, loss and rule, on every vector."""

from dataclasses import replace
from itertools import product

import numpy as np
import pytest
import torch
from hydra import compose, initialize_config_dir

from ermlab.config.store import find_conf_dir, register_schemas
from ermlab.errors import StackError
from ermlab.loop import compiled as compiled_learner
from ermlab.loop.compiled import CompiledLearner
from ermlab.loop.loop import train
from ermlab.loop.plan import RandomBatchLoop
from ermlab.loop.single import SingleLearner
from ermlab.loop.stacked import StackedLearner
from ermlab.model.two_layer import TwoLayer
from ermlab.native.compile import list_levels
from ermlab.native.library import find_library
from ermlab.objective import SquaredError
from ermlab.trial import compiled
from ermlab.trial.build import build_trial
from ermlab.trial.stack import stack_trials
from ermlab.trial.targets import DEFAULT_ALLOW

RTOL = {"float64": 1e-9, "float32": 1e-3}
# Odd sizes: no row is a whole number of vectors, and 17 does not divide 61.
SIZES = ["data.n_train=61", "data.n_valid=13", "data.n_test=13", "loop.batch_size=17"]

pytestmark = pytest.mark.skipif(
    find_library(torch.backends.cpu.get_cpu_capability()) is None,
    reason="the library is not compiled here: this machine has no C compiler",
)


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def build(*words, dtype="float64"):
    register_schemas()
    keys = [f"dtype={dtype}", "loop.epochs=3", *SIZES, *words]
    with initialize_config_dir(str(find_conf_dir())):
        return build_trial(compose("config", overrides=keys), allow=DEFAULT_ALLOW)


def run(learner, plan):
    checks, outcomes = [], {}
    train(
        learner, [plan] * learner.n_trials, record=checks.append, finish=outcomes.__setitem__,
        store=lambda name, place, learner: None,
    )  # fmt: skip
    values = [[v[0] for v in check.values.values()] for check in checks]
    return outcomes[0], np.array(values, dtype=float)


def assert_trained_alike(*words, dtype="float64", kind=CompiledLearner):
    alone, stacked = build(*words, dtype=dtype), build(*words, dtype=dtype)
    learner = stack_trials([stacked.parts])
    assert type(learner) is kind
    expected, expected_losses = run(SingleLearner(alone.parts), alone.plan)
    found, losses = run(learner, stacked.plan)
    np.testing.assert_allclose(losses, expected_losses, rtol=RTOL[dtype])
    assert found.status == expected.status
    assert found.best_step == expected.best_step
    for name, value in expected.values.items():
        np.testing.assert_allclose(found.values[name], value, rtol=RTOL[dtype], err_msg=name)


@pytest.mark.parametrize("level", list_levels())
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("activation", ["relu", "tanh", "sigmoid", "leaky_relu", "identity"])
def test_every_activation_is_the_reference_s_on_every_kind_of_vector(
    level, dtype, activation, monkeypatch
):
    levels = list_levels()
    present = torch.backends.cpu.get_cpu_capability()
    if present in levels and levels.index(level) < levels.index(present):
        pytest.skip(f"this processor has no {level}")
    monkeypatch.setattr(compiled, "find_library", lambda _: find_library(level))
    model = ["model=mlp", "model.n_layers=3", "model.hidden_units=37", "model.bias=true"]
    assert_trained_alike(*model, f"model.activation={activation}", dtype=dtype)


RULES = {
    "sgd": ["optimizer=sgd", "optimizer.weight_decay=0.1"],
    "momentum": ["optimizer=momentum", "optimizer.nesterov=false", "optimizer.weight_decay=0.1"],
    "nesterov": ["optimizer=momentum", "optimizer.nesterov=true"],
    "adam": ["optimizer=adam", "optimizer.weight_decay=0.1", "optimizer.beta1=0.7"],
    "adamw": ["optimizer=adamw", "optimizer.weight_decay=0.1", "optimizer.beta2=0.9"],
}


@pytest.mark.parametrize(("rule", "dtype"), list(product(RULES, RTOL)))
def test_every_rule_updates_as_the_reference(rule, dtype):
    assert_trained_alike("model=two_layer", "model.bias=true", *RULES[rule], dtype=dtype)


@pytest.mark.parametrize("loss", ["squared_error", "sum", "cross_entropy", "smoothed"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_every_loss_and_its_metrics_are_the_reference_s(loss, dtype):
    words = {
        "squared_error": ["data.n_outputs=3"],
        "sum": ["loss.outputs=sum", "data.n_outputs=19"],
        "cross_entropy": ["data=digits", "loss=cross_entropy"],
        "smoothed": ["data=digits", "loss=cross_entropy", "loss.label_smoothing=0.2"],
    }[loss]
    assert_trained_alike(*words, "model.hidden_units=21", dtype=dtype)


@pytest.mark.parametrize("hidden_units", [1, 7, 8, 16, 64, 65, 129, 256, 300])
def test_every_width_is_trained_as_alone(hidden_units):
    assert_trained_alike("model=two_layer", f"model.hidden_units={hidden_units}")


@pytest.mark.parametrize("batch_size", [1, 2, 11, 13, 61])
def test_every_batch_size_is_trained_as_alone(batch_size):
    assert_trained_alike("model=two_layer", f"loop.batch_size={batch_size}")


@pytest.mark.parametrize(("n_inputs", "n_outputs"), [(1, 1), (1, 40), (40, 1), (3, 17)])
def test_every_number_of_inputs_and_outputs_is_trained_as_alone(n_inputs, n_outputs):
    assert_trained_alike(f"data.n_inputs={n_inputs}", f"data.n_outputs={n_outputs}")


def test_an_activation_without_compiled_form_is_left_to_torch():
    assert_trained_alike("model.activation=gelu", kind=StackedLearner)


def test_a_loss_of_another_class_is_left_to_torch():
    class Twice(SquaredError):  # noqa: N818  # no exception
        def __call__(self, prediction, target):
            return 2 * super().__call__(prediction, target)

        def differentiate(self, prediction, target, share, out):
            return 2 * super().differentiate(prediction, target, 2 * share, out)

    parts = replace(build().parts, loss=Twice(outputs="mean"))
    assert type(stack_trials([parts])) is StackedLearner


class Reversed(TwoLayer):
    """A user's own chain, whose parameters stand in another order than its maps."""

    def __init__(self, hidden_units=5):
        super().__init__(n_inputs=100, n_outputs=100, hidden_units=hidden_units, bias=False,
                         init="fan_in", activation="relu")  # fmt: skip
        self._modules = dict(reversed(self._modules.items()))

    def forward(self, x):
        return super().forward(x)

    def chain(self):
        return super().chain()


def test_parameters_in_another_order_than_the_chain_are_left_to_torch():
    assert compiled.describe(replace(build().parts, module=Reversed())) is None


@pytest.mark.parametrize("rows", [[-1], [61], [0.0]])
def test_row_numbers_outside_of_the_split_are_refused(rows):
    parts = replace(build().parts, batches=iter([np.array([rows])]))
    with pytest.raises(StackError, match="not row numbers from 0 to 60"):
        stack_trials([parts]).advance(1)


def test_a_trial_of_another_program_does_not_enter():
    learner = stack_trials([build().parts, build().parts])
    learner.leave(torch.tensor([False, True]))
    with pytest.raises(StackError, match="the same program"):
        learner.enter(1, build("model.bias=true").parts)
    learner.enter(1, build().parts)
    assert learner.advance(2).isfinite().all()


def test_data_in_another_order_of_memory_are_read_right():
    parts, other = build().parts, build().parts
    split = replace(parts.data.train, x=parts.data.train.x.T.contiguous().T)
    data = replace(parts.data, train=split, valid=split)
    assert not split.x.is_contiguous()
    learner = stack_trials([replace(parts, data=data)])
    assert type(learner) is CompiledLearner
    assert torch.equal(learner.advance(9), stack_trials([other]).advance(9))


def test_a_long_call_is_cut_where_models_are_wide(monkeypatch):
    monkeypatch.setattr(compiled_learner, "MOST_PRODUCTS", 1)
    cut = stack_trials([build().parts])
    calls = []
    train_all = cut._train
    cut._train = lambda *args: calls.append(args[2]) or train_all(*args)
    losses = cut.advance(5)
    monkeypatch.undo()
    assert calls == [1] * 5
    assert losses == pytest.approx(stack_trials([build().parts]).advance(5), rel=1e-12)


def test_a_sum_of_squares_beyond_float32_diverges_as_the_reference_s():
    # Each row's square has a number in float32, their sum has none.
    words = ["optimizer=sgd", "optimizer.lr=1e-30", "data.n_outputs=1", "model=linear"]
    losses = []
    for make in (SingleLearner, lambda parts: stack_trials([parts])):
        trial = build(*words, dtype="float32")
        with torch.no_grad():
            for parameter in trial.parts.module.parameters():
                parameter.fill_(3e18)
        losses.append(make(trial.parts).evaluate("train", torch.tensor([True]))["loss"])
    assert losses[0].isinf().all()
    assert torch.equal(*losses)


@pytest.mark.parametrize("rule", ["sgd", "momentum", "adam"])
def test_without_weight_decay_an_infinite_bias_of_a_dead_unit_stays_harmless(rule):
    trials = (
        build(f"optimizer={rule}", "model.bias=true"),
        build(f"optimizer={rule}", "model.bias=true"),
    )
    for trial in trials:
        with torch.no_grad():
            trial.parts.module.hidden.bias[0] = -float("inf")
    alone, stacked = SingleLearner(trials[0].parts), stack_trials([trials[1].parts])
    np.testing.assert_allclose(stacked.advance(5), alone.advance(5), rtol=1e-9)


def test_labels_without_a_class_are_left_to_torch():
    trial = build("data=digits", "loss=cross_entropy")
    assert type(stack_trials([trial.parts])) is CompiledLearner
    for label in (-1, 10):
        with torch.no_grad():
            trial.parts.data.valid.y[0] = label
        assert type(stack_trials([trial.parts])) is StackedLearner


def test_without_the_library_torch_trains_and_it_is_told_once(monkeypatch, caplog):
    monkeypatch.setattr(compiled, "find_library", lambda level: None)
    compiled._tell_once.cache_clear()
    with caplog.at_level("INFO", logger="ermlab"):
        for _ in range(2):
            assert type(stack_trials([build().parts])) is StackedLearner
    assert caplog.text.count("their C library is not compiled") == 1


def test_several_threads_are_left_to_torch():
    trial = build()
    torch.set_num_threads(2)
    assert type(stack_trials([trial.parts])) is StackedLearner


class Exact(RandomBatchLoop):
    """Batches that grow, and end with the last step."""

    def batches(self, n_rows, rng):
        for step in range(self.steps):
            yield rng.permutation(n_rows)[None, : 3 + step]


def test_batches_that_grow_and_end_with_the_last_step_are_trained_as_alone():
    plan = Exact(batch_size=3, steps=40, validate_every=3, patience=None, partition="in_order",
                 test=True)  # fmt: skip
    results = []
    for make in (SingleLearner, lambda parts: stack_trials([parts])):
        batches = plan.batches(61, np.random.default_rng(0))
        results.append(run(make(replace(build().parts, batches=batches)), plan))
    (expected, expected_losses), (found, losses) = results
    np.testing.assert_allclose(losses, expected_losses, rtol=1e-9)
    assert found.values.keys() == expected.values.keys()


def test_the_weights_of_a_trial_are_copies_in_the_shapes_of_its_module():
    trial = build("model.hidden_units=5", "model.bias=true")
    learner = stack_trials([trial.parts])
    before = learner.weights(0)
    learner.advance(3)
    after = learner.weights(0)
    assert {k: v.shape for k, v in after.items()} == {
        k: v.shape for k, v in trial.parts.module.state_dict().items()
    }
    assert not any(torch.equal(before[name], after[name]) for name in after)
    assert all(value.is_contiguous() for value in after.values())


def test_a_long_advance_is_cut_and_has_the_mean_of_all_its_steps():
    whole, parts = (stack_trials([build("loop.epochs=400").parts]) for _ in range(2))
    means = [float(parts.advance(1)) for _ in range(600)]
    np.testing.assert_allclose(float(whole.advance(600)), np.mean(means), rtol=1e-12)
