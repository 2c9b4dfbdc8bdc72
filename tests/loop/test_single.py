"""The reference learner against the same lines written out."""

import copy

import numpy as np
import pytest
import torch
from torch import nn

from ermlab.data.dataset import DataSet, Split
from ermlab.loop import single
from ermlab.loop.learner import Parts, Paused
from ermlab.loop.single import SingleLearner
from ermlab.objective import CrossEntropy, SquaredError

FLOAT = torch.float64
ALL = torch.tensor([True])


def make_data(n_rows=40, labels=False):
    torch.manual_seed(3)
    x = torch.randn(n_rows, 4, dtype=FLOAT)
    y = torch.randint(0, 3, (n_rows,)) if labels else torch.randn(n_rows, 3, dtype=FLOAT)
    parts = [Split(x=x[a:b], y=y[a:b]) for a, b in ((0, 20), (20, 30), (30, n_rows))]
    return DataSet(
        train=parts[0], valid=parts[1], test=parts[2], n_inputs=4, n_outputs=3, standardizer=None
    )


def same_batches(block):
    while True:
        yield block


def make_learner(module, data, optimizer=None, loss=None, block=None):
    loss = loss or SquaredError(outputs="mean")
    return SingleLearner(
        Parts(
            module=module,
            optimizer=optimizer or torch.optim.SGD(module.parameters(), lr=0.1),
            loss=loss,
            metrics=getattr(loss, "metrics", {}),
            data=data,
            batches=same_batches(np.array([[0, 1, 2], [3, 4, 5]]) if block is None else block),
        )
    )


def test_an_update_is_a_gradient_step_on_the_rows_of_the_batch():
    data, module = make_data(), nn.Linear(4, 3, bias=False, dtype=FLOAT)
    start = module.weight.detach().clone()
    make_learner(module, data).advance(1)
    x, y = data.train.x[:3], data.train.y[:3]
    gradient = 2 / y.numel() * (x @ start.T - y).T @ x
    torch.testing.assert_close(module.weight.detach(), start - 0.1 * gradient)


def test_advance_returns_the_mean_loss_of_the_batches_before_their_updates():
    data, module = make_data(), nn.Linear(4, 3, dtype=FLOAT)
    learner = make_learner(module, data, torch.optim.SGD(module.parameters(), lr=0.0))
    x, y = data.train.x, data.train.y
    expected = sum(((module(x[r]) - y[r]) ** 2).mean() for r in (slice(0, 3), slice(3, 6))) / 2
    torch.testing.assert_close(learner.advance(2), expected.detach().reshape(1))


def test_a_split_measured_in_pieces_gives_the_loss_of_the_whole(monkeypatch):
    data, module = make_data(), nn.Linear(4, 3, dtype=FLOAT)
    learner = make_learner(module, data)
    whole = learner.evaluate("train", ALL)["loss"]
    monkeypatch.setattr(single, "EVALUATION_ROWS", 7)  # 20 rows in pieces of 7, 7 and 6
    torch.testing.assert_close(learner.evaluate("train", ALL)["loss"], whole, rtol=1e-12, atol=0)


def test_evaluation_changes_neither_parameters_nor_buffers():
    module = nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.Linear(8, 3)).to(FLOAT)
    learner = make_learner(module, make_data())
    before = copy.deepcopy(module.state_dict())
    learner.evaluate("valid", ALL)
    assert all(torch.equal(before[k], v) for k, v in module.state_dict().items())


def test_the_best_state_comes_back_bit_for_bit_with_its_buffers():
    module = nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.Linear(8, 3)).to(FLOAT)
    learner = make_learner(module, make_data())
    learner.advance(2)
    kept = learner.weights(0)
    learner.keep_best(torch.tensor([True]))
    learner.advance(2)
    learner.restore_best(torch.ones(1, dtype=torch.bool))
    assert all(torch.equal(kept[k], v) for k, v in learner.weights(0).items())


def test_the_best_state_is_replaced_by_a_better_one():
    module = nn.Linear(4, 3, dtype=FLOAT)
    learner = make_learner(module, make_data())
    learner.keep_best(torch.tensor([True]))
    learner.advance(1)
    better = learner.weights(0)
    learner.keep_best(torch.tensor([True]))
    learner.advance(1)
    learner.restore_best(torch.ones(1, dtype=torch.bool))
    assert torch.equal(learner.weights(0)["weight"], better["weight"])


def test_dropout_acts_in_training_and_not_in_evaluation():
    module = nn.Sequential(nn.Dropout(0.5), nn.Linear(4, 3)).to(FLOAT)
    learner = make_learner(module, make_data(), torch.optim.SGD(module.parameters(), lr=0.0))
    assert torch.equal(
        learner.evaluate("valid", ALL)["loss"], learner.evaluate("valid", ALL)["loss"]
    )
    assert not torch.equal(learner.advance(2), learner.advance(2))


def test_accuracy_is_the_share_of_rows_with_the_right_class():
    data, module = make_data(labels=True), nn.Linear(4, 3, dtype=FLOAT)
    learner = make_learner(module, data, loss=CrossEntropy(label_smoothing=0.0))
    hits = [
        int(module(x).argmax()) == int(y) for x, y in zip(data.test.x, data.test.y, strict=True)
    ]
    assert learner.evaluate("test", ALL)["accuracy"].item() == pytest.approx(np.mean(hits))


@pytest.mark.parametrize(
    "name", ["Adadelta", "Adagrad", "Adamax", "ASGD", "LBFGS", "NAdam", "RAdam", "RMSprop", "Rprop"]
)
def test_any_optimizer_of_torch_lowers_the_loss(name):
    module = nn.Linear(4, 3, dtype=FLOAT)
    block = np.arange(20)[None]
    optimizer = getattr(torch.optim, name)(module.parameters(), lr=0.05)
    learner = make_learner(module, make_data(), optimizer, block=block)
    before = learner.evaluate("train", ALL)["loss"]
    learner.advance(20)
    assert learner.evaluate("train", ALL)["loss"] < before


def blocks():
    rng = np.random.default_rng(5)
    while True:
        yield rng.integers(0, 20, (3, 4))


def resumable(pause=lambda: False):
    torch.manual_seed(0)
    module = nn.Linear(4, 3, dtype=FLOAT)
    parts = Parts(
        module=module,
        optimizer=torch.optim.SGD(module.parameters(), lr=0.1, momentum=0.9),
        loss=SquaredError(outputs="mean"),
        metrics={},
        data=make_data(),
        batches=blocks(),
    )
    return SingleLearner(parts, pause)


@pytest.mark.parametrize("n_made", range(8))
def test_a_learner_that_paused_anywhere_returns_the_same_loss(n_made):
    whole = resumable()
    expected = [whole.advance(3), whole.advance(5)]
    left = iter(range(n_made))
    learner = resumable(lambda: next(left, None) is None)
    found = [learner.advance(3)] if n_made >= 3 else []
    done = 3 * len(found)
    with pytest.raises(Paused):
        learner.advance(5 if done else 3)
    other = resumable()
    other.load_state(learner.state(), n_steps=done, n_next=5 if done else 3)
    found += [other.advance(n_steps) for n_steps in ([5] if done else [3, 5])]
    assert torch.cat(found).tolist() == torch.cat(expected).tolist()
    for name, value in whole.weights(0).items():
        assert torch.equal(value, other.weights(0)[name])
