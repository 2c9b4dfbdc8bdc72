"""SGD, momentum, Adam and AdamW for K models at once, each with hyperparameters of its own.

The parameters of a model are a row of a matrix (K, P), its state the same row of like matrices.
On the CPU each row is updated by torch's fused kernel, as the rules of a single trial do it;
elsewhere the whole matrix is updated by the same formulas with hyperparameters (K, 1).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from ermlab.optimizer import rules

Number = Any  # float, or bool for nesterov; torch's kernels take both


@dataclass(frozen=True, kw_only=True)
class RuleSpec:
    """What kind of update one trial makes, and with which numbers.

    Args:
        kind: "sgd" (with or without momentum), "adam" or "adamw"; equal within a stack.
        numbers: lr, weight_decay, momentum and nesterov; or lr, weight_decay, beta1, beta2, eps.
    """

    kind: str
    numbers: Mapping[str, Number]


def read_rule(optimizer: object) -> RuleSpec | str:
    """Read the update that an optimizer makes.

    Returns:
        The specification, or in words why the optimizer cannot be stacked.
    """
    # The exact classes: one derived from them may update in another way.
    kinds = {rules.Sgd: "sgd", rules.Momentum: "sgd", rules.Adam: "adam", rules.AdamW: "adamw"}
    if type(optimizer) in kinds:
        assert isinstance(optimizer, rules.Momentum | rules.Adam), "the classes just named"
        return RuleSpec(kind=kinds[type(optimizer)], numbers=optimizer.numbers)
    if isinstance(optimizer, torch.optim.Optimizer):
        return _read_torch(optimizer)
    return f"the optimizer {type(optimizer).__name__} has no stacked form"


def _read_torch(optimizer: torch.optim.Optimizer) -> RuleSpec | str:
    kinds = {torch.optim.SGD: "sgd", torch.optim.Adam: "adam", torch.optim.AdamW: "adamw"}
    kind = kinds.get(type(optimizer))
    name = f"torch.optim.{type(optimizer).__name__}"
    if kind is None:
        return f"the optimizer {name} has no stacked form"
    if len(optimizer.param_groups) != 1:
        return f"{name} has several parameter groups"
    group = optimizer.param_groups[0]
    unusual = [
        key for key in ("amsgrad", "maximize", "dampening", "differentiable") if group.get(key)
    ]
    if unusual:
        return f"{name} with {unusual[0]} has no stacked form"
    if kind == "adam" and group.get("decoupled_weight_decay"):
        kind = "adamw"
    numbers = {key: group[key] for key in ("lr", "weight_decay")}
    if kind == "sgd":
        numbers |= {key: group[key] for key in ("momentum", "nesterov")}
    else:
        numbers |= {"beta1": group["betas"][0], "beta2": group["betas"][1], "eps": group["eps"]}
    return RuleSpec(kind=kind, numbers=numbers)


class StackedRule:
    """The update of K models.

    Args:
        specs: one for each model, of one kind.
        like: the matrix of parameters, (K, P).

    Source:
        As `ermlab.optimizer.rules`.
    """

    def __init__(self, specs: Sequence[RuleSpec], like: Tensor) -> None:
        self.kind = specs[0].kind
        self._numbers = [dict(spec.numbers) for spec in specs]
        n_states = 1 if self.kind == "sgd" else 2
        self.states = [torch.zeros_like(like) for _ in range(n_states)]
        self._steps = [torch.zeros((), device=like.device) for _ in specs]
        self._is_first = True
        self._rows: list[list[Tensor]] = []  # what the kernels take of each row
        self._bound: Tensor | None = None  # the parameters that these were taken from
        self.updates_rows = like.device.type == "cpu"

    def select(self, rows: Sequence[int], states: Sequence[Tensor]) -> None:
        """Keep some of the models, with their states laid out anew, (K', P) each."""
        self._numbers = [self._numbers[row] for row in rows]
        self._steps = [self._steps[row] for row in rows]
        self.states = list(states)
        self._bound = None

    def step(self, params: Tensor, grads: Tensor) -> None:
        """Update the parameters (K, P) in place from their gradients (K, P).

        Both are the same two matrices at each step, until `select`.
        """
        if self.updates_rows:
            self._bind_rows(params, grads)
            update = self._step_sgd_row if self.kind == "sgd" else self._step_adam_row
            for row in range(len(params)):
                update(row)
        elif self.kind == "sgd":
            self._step_sgd(params, grads)
        else:
            self._step_adam(params, grads)
        self._is_first = False

    def _bind_rows(self, params: Tensor, grads: Tensor) -> None:
        if self._bound is not params:
            matrices = [params, grads, *self.states]
            self._rows = [list(parts) for parts in zip(*map(torch.unbind, matrices), strict=True)]
            self._bound = params

    def _step_adam_row(self, row: int) -> None:
        kernel = torch._fused_adam_ if self.kind == "adam" else torch._fused_adamw_
        self._steps[row].add_(1)
        params, grads, mean, square = self._rows[row]
        kernel(
            [params],
            [grads],
            [mean],
            [square],
            [],
            [self._steps[row]],
            **self._numbers[row],
            amsgrad=False,
            maximize=False,
        )

    def _step_sgd_row(self, row: int) -> None:
        numbers = self._numbers[row]
        params, grads, held = self._rows[row]
        torch._fused_sgd_(
            [params],
            [grads],
            [held] if numbers["momentum"] else [],
            **numbers,
            dampening=0.0,
            maximize=False,
            is_first_step=self._is_first,
        )

    def _step_sgd(self, params: Tensor, grads: Tensor) -> None:
        momentum, lr = self._column("momentum", params), self._column("lr", params)
        grads = grads + self._column("weight_decay", params) * params
        held = self.states[0].mul_(momentum).add_(grads)
        ahead = self._column("nesterov", params)
        params.sub_(lr * torch.where(ahead != 0, grads + momentum * held, held))

    def _step_adam(self, params: Tensor, grads: Tensor) -> None:
        beta1, beta2 = self._column("beta1", params), self._column("beta2", params)
        lr, decay = self._column("lr", params), self._column("weight_decay", params)
        for steps in self._steps:
            steps.add_(1)
        n_steps = torch.stack(self._steps)[:, None].to(params.dtype)  # (K, 1)
        if self.kind == "adamw":
            params.mul_(1 - lr * decay)
        else:
            grads = grads + decay * params
        mean, square = self.states
        mean.mul_(beta1).add_((1 - beta1) * grads)
        square.mul_(beta2).add_((1 - beta2) * grads.square())
        root = (square / (1 - beta2**n_steps)).sqrt_().add_(self._column("eps", params))
        params.sub_(lr / (1 - beta1**n_steps) * mean / root)

    def _column(self, name: str, like: Tensor) -> Tensor:
        """One hyperparameter of all models, (K, 1)."""
        return like.new_tensor([[float(numbers[name])] for numbers in self._numbers])
