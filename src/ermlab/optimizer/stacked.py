"""SGD, momentum, Adam and AdamW for K models at once, each with hyperparameters of its own.

The parameters of a model are a part of one vector (P,), its state the same part of like vectors.
On the CPU each part is updated by torch's fused kernel, as the rules of a single trial do it;
elsewhere a block of models is a matrix, updated by the same formulas with hyperparameters (K_b, 1).
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
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
        like: the parameters of all models, one behind the other, (P,).

    Source:
        As `ermlab.optimizer.rules`.
    """

    def __init__(self, specs: Sequence[RuleSpec], like: Tensor) -> None:
        self.kind = specs[0].kind
        self._numbers = [dict(spec.numbers) for spec in specs]
        n_states = 1 if self.kind == "sgd" else 2
        self.states = [torch.zeros_like(like) for _ in range(n_states)]
        self._n_steps = torch.zeros((), device=like.device)  # one number: all began together
        self._is_first = True
        self._blocks: list[list[Tensor]] = []  # parameters, gradients, states, (K_b, P_b) each
        self._rows: list[list[list[Tensor]]] = []  # what the kernels take of each model
        self.updates_rows = like.device.type == "cpu"

    def select(self, rows: Sequence[int], states: Sequence[Tensor]) -> None:
        """Keep some of the models, in this order, with their states laid out anew, (P',) each."""
        self._numbers = [self._numbers[row] for row in rows]
        self.states = list(states)

    def bind(
        self, params: Tensor, grads: Tensor, matrices: Callable[[Tensor], Sequence[Tensor]]
    ) -> None:
        """Take what `step` updates, and what it updates it by.

        Args:
            params: of all models, (P,), changed in place.
            grads: likewise, (P,).
            matrices: views a vector (P,) as matrices (K_b, P_b), which have a row for each model.
        """
        vectors = [params, grads, *self.states]
        self._blocks = [list(parts) for parts in zip(*map(matrices, vectors), strict=True)]
        rows = (zip(*map(torch.unbind, parts), strict=True) for parts in self._blocks)
        each = (row for block in rows for row in block)
        self._rows = [
            self._operands(row, numbers) for row, numbers in zip(each, self._numbers, strict=True)
        ]

    def step(self) -> None:
        """Update the parameters in place from their gradients."""
        self._n_steps.add_(1)
        if self.updates_rows:
            kernel, options = self._kernel()
            for row, numbers in zip(self._rows, self._numbers, strict=True):
                kernel(*row, **numbers, **options)
        else:
            update = self._step_sgd if self.kind == "sgd" else self._step_adam
            rest = iter(self._numbers)
            for block in self._blocks:
                update(_Columns(islice(rest, len(block[0])), like=block[0]), *block)
        self._is_first = False

    def _kernel(self) -> tuple[Callable[..., Any], dict[str, Any]]:
        if self.kind == "sgd":
            options = {"dampening": 0.0, "maximize": False, "is_first_step": self._is_first}
            return torch._fused_sgd_, options
        kernel = torch._fused_adam_ if self.kind == "adam" else torch._fused_adamw_
        return kernel, {"amsgrad": False, "maximize": False}

    def _operands(self, row: Sequence[Tensor], numbers: Mapping[str, Number]) -> list[list[Tensor]]:
        """What a kernel takes of one model: lists of tensors, here of one each."""
        params, grads, *states = row
        if self.kind == "sgd":
            return [[params], [grads], states if numbers["momentum"] else []]
        return [[params], [grads], *([state] for state in states), [], [self._n_steps]]

    def _step_sgd(self, columns: "_Columns", params: Tensor, grads: Tensor, held: Tensor) -> None:
        momentum = columns["momentum"]
        grads = grads + columns["weight_decay"] * params
        held.mul_(momentum).add_(grads)
        ahead = torch.where(columns["nesterov"] != 0, grads + momentum * held, held)
        params.sub_(columns["lr"] * ahead)

    def _step_adam(
        self, columns: "_Columns", params: Tensor, grads: Tensor, mean: Tensor, square: Tensor
    ) -> None:
        beta1, beta2, lr = columns["beta1"], columns["beta2"], columns["lr"]
        n_steps = self._n_steps.to(params.dtype)
        if self.kind == "adamw":
            params.mul_(1 - lr * columns["weight_decay"])
        else:
            grads = grads + columns["weight_decay"] * params
        mean.mul_(beta1).add_((1 - beta1) * grads)
        square.mul_(beta2).add_((1 - beta2) * grads.square())
        root = (square / (1 - beta2**n_steps)).sqrt_().add_(columns["eps"])
        params.sub_(lr / (1 - beta1**n_steps) * mean / root)


class _Columns(dict[str, Tensor]):
    """Each hyperparameter of the models of a block, (K_b, 1)."""

    def __init__(self, specs: Iterable[Mapping[str, Number]], *, like: Tensor) -> None:
        chosen = list(specs)
        super().__init__(
            {
                name: like.new_tensor([[float(numbers[name])] for numbers in chosen])
                for name in chosen[0]
            }
        )
