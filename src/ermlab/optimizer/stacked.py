"""SGD, momentum, Adam and AdamW for K models at once, each with hyperparameters of its own.

The parameters of a model are a part of one vector (P,), its state the same part of like vectors.
On the CPU each part is updated by torch's fused kernel, as the rules of a single trial do it;
elsewhere a block of models is a matrix, updated by the same formulas with hyperparameters (K_b, 1).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from ermlab.errors import StackError
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


def find_specs(optimizers: Sequence[object]) -> list[RuleSpec]:
    """Read the updates of trials that are to share a stack.

    Raises:
        StackError: one of them cannot be stacked, or they are not of one kind.
    """
    specs = []
    for optimizer in optimizers:
        spec = read_rule(optimizer)
        if isinstance(spec, str):
            raise StackError(
                f"a trial cannot be stacked: {spec}",
                where="optimizer",
                fix="set hydra.launcher.on_unstackable=single, or choose sgd, momentum, adam or "
                "adamw",
            )
        specs.append(spec)
    kinds = sorted({spec.kind for spec in specs})
    if len(kinds) > 1:
        raise StackError(
            f"the trials cannot train in one stack: their optimizers are {' and '.join(kinds)}",
            where="optimizer",
            fix="give each optimizer a stack of its own",
        )
    return specs


class StackedRule:
    """The update of K models.

    Args:
        kind: of the update (see `RuleSpec`).

    Source:
        As `ermlab.optimizer.rules`.
    """

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self.n_states = 1 if kind == "sgd" else 2  # numbers that each parameter carries along
        self.n_steps = torch.zeros(0)  # made by each model, (K,)
        self._numbers: list[Mapping[str, Number]] = []
        self._blocks: list[list[Tensor]] = []  # parameters, gradients, states, (K_b, P_b) each
        self._rows: list[list[list[Tensor]]] = []  # what the kernels take of each model
        self.updates_rows = True

    def bind(
        self,
        numbers: Sequence[Mapping[str, Number]],
        n_steps: Sequence[float],
        vectors: Sequence[Tensor],
        matrices: Callable[[Tensor], Sequence[Tensor]],
    ) -> None:
        """Take what `step` updates, and what it updates it by.

        Args:
            numbers: of each model's rule (see `RuleSpec`).
            n_steps: updates that each model has made, K of them.
            vectors: parameters and states of all models, changed in place, and between them the
                gradients, (P,) each. The states of a model that has made no update are zero.
            matrices: views a vector (P,) as matrices (K_b, P_b), which have a row for each model.
        """
        self._numbers = list(numbers)
        self.n_steps = torch.tensor(n_steps, dtype=torch.float32, device=vectors[0].device)
        self.updates_rows = vectors[0].device.type == "cpu"
        self._blocks = [list(parts) for parts in zip(*map(matrices, vectors), strict=True)]
        rows = (zip(*map(torch.unbind, parts), strict=True) for parts in self._blocks)
        each = (row for block in rows for row in block)
        self._rows = [
            self._operands(row, mine, count)
            for row, mine, count in zip(each, self._numbers, self.n_steps, strict=True)
        ]

    def step(self) -> None:
        """Update the parameters in place from their gradients."""
        self.n_steps.add_(1)
        if self.updates_rows:
            kernel, options = self._kernel()
            for row, numbers in zip(self._rows, self._numbers, strict=True):
                kernel(*row, **numbers, **options)
        else:
            update = self._step_sgd if self.kind == "sgd" else self._step_adam
            first = 0
            for block in self._blocks:
                models = slice(first, first := first + len(block[0]))
                columns = _Columns(self._numbers[models], self.n_steps[models], like=block[0])
                update(columns, *block)

    def _kernel(self) -> tuple[Callable[..., Any], dict[str, Any]]:
        if self.kind == "sgd":
            # With a sum of zero the first step is like any other: b <- momentum 0 + g.
            options = {"dampening": 0.0, "maximize": False, "is_first_step": False}
            return torch._fused_sgd_, options
        kernel = torch._fused_adam_ if self.kind == "adam" else torch._fused_adamw_
        return kernel, {"amsgrad": False, "maximize": False}

    def _operands(
        self, row: Sequence[Tensor], numbers: Mapping[str, Number], n_steps: Tensor
    ) -> list[list[Tensor]]:
        """What a kernel takes of one model: lists of tensors, here of one each."""
        params, grads, *states = row
        if self.kind == "sgd":
            return [[params], [grads], states if numbers["momentum"] else []]
        return [[params], [grads], *([state] for state in states), [], [n_steps]]

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
        n_steps = columns["n_steps"]
        if self.kind == "adamw":
            params.mul_(1 - lr * columns["weight_decay"])
        else:
            grads = grads + columns["weight_decay"] * params
        mean.mul_(beta1).add_((1 - beta1) * grads)
        square.mul_(beta2).add_((1 - beta2) * grads.square())
        root = (square / (1 - beta2**n_steps)).sqrt_().add_(columns["eps"])
        params.sub_(lr / (1 - beta1**n_steps) * mean / root)


class _Columns(dict[str, Tensor]):
    """The steps made and each hyperparameter of the models of a block, (K_b, 1) each."""

    def __init__(
        self, numbers: Sequence[Mapping[str, Number]], n_steps: Tensor, *, like: Tensor
    ) -> None:
        super().__init__(
            {
                name: like.new_tensor([[float(mine[name])] for mine in numbers])
                for name in numbers[0]
            }
        )
        self["n_steps"] = n_steps.to(like.dtype)[:, None]
