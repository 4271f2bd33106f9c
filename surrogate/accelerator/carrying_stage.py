"""One stage of a cut module that also carries what later stages need and it does not.

torch's pipelines connect each stage to its neighbours only. Of this project's network base, bounds and target are made
in the first stage and used in the last, so every stage passes on one tensor that holds all that is still needed.
"""

from __future__ import annotations

import math
from typing import Any, Sequence, Tuple

import torch
from torch import Tensor, fx, nn
from torch.fx.node import map_arg

from ...datasets import InvalidInput

__all__ = ["CarryingStage", "packed", "unpacked"]

Kind = Tuple[torch.dtype, Tuple[int, ...]]


class CarryingStage(nn.Module):
    """Stage `number` of a module that torch has split: one tensor in, (b, n), one out.

    Parameters
    ----------
    split
        Calls its stages one after another, and picks their results.
    number
        Counted from 0.
    example_bn
        What the first stage is given.

    Raises
    ------
    InvalidInput
        If something is passed on that is not batch first.
    """

    def __init__(self, split: fx.GraphModule, number: int, example_bn: Tensor) -> None:
        super().__init__()
        stages = _stages(split)
        self._nodes = [node for node in split.graph.nodes if stages.get(node) == number and node.op != "placeholder"]
        self.part = split.get_submodule(str(self._nodes[0].target))
        kinds = _Kinds(split)
        with torch.no_grad():
            kinds.run(example_bn)
        batch = len(example_bn)
        last = number == max(stages.values())
        (result,) = [node for node in split.graph.nodes if node.op == "output"]
        self._result = map_arg(result.args[0], lambda node: node.name) if last else None
        self._entering = _crossing(stages, number, kinds.found, batch) if number else _given(split, kinds.found)
        self._leaving = {} if last else _crossing(stages, number + 1, kinds.found, batch)

    def forward(self, entering_bn: Tensor) -> Tensor:
        """Return what later stages need; of the last stage its result."""
        values: dict[str, Any] = dict(zip(self._entering, unpacked(entering_bn, list(self._entering.values()))))
        for node in self._nodes:
            arguments = map_arg(node.args, lambda name: values[name.name])
            values[node.name] = self.part(*arguments) if node.op == "call_module" else node.target(*arguments)
        if self._result is not None:
            out: Tensor = values[self._result if isinstance(self._result, str) else self._result[0]]
            return out
        return packed([values[name] for name in self._leaving])


def packed(tensors: Sequence[Tensor]) -> Tensor:
    """Return all tensors as one, (b, n), float32: whole numbers up to 2^24 and every shorter float stay exact."""
    return torch.cat([tensor.reshape(len(tensor), -1).float() for tensor in tensors], 1)


def unpacked(packed_bn: Tensor, kinds: Sequence[Kind]) -> list[Tensor]:
    """Return the tensors that were packed, each of its dtype and shape behind the batch."""
    parts = torch.split(packed_bn, [math.prod(shape) for _, shape in kinds], 1)
    # What is sent must be contiguous, which slices are not.
    whole = [part.clone(memory_format=torch.contiguous_format) for part in parts]
    return [part.reshape(-1, *shape).to(dtype) for part, (dtype, shape) in zip(whole, kinds)]


class _Kinds(fx.Interpreter):
    """Remembers dtype and shape of every value of the split module."""

    def __init__(self, split: fx.GraphModule) -> None:
        super().__init__(split)
        self.found: dict[str, tuple[torch.dtype, tuple[int, ...]]] = {}

    def run_node(self, n: fx.Node) -> Any:
        value = super().run_node(n)
        if isinstance(value, Tensor):
            self.found[n.name] = (value.dtype, tuple(value.shape))
        return value


def _stages(split: fx.GraphModule) -> dict[fx.Node, int]:
    """Return which stage makes each value: what it is given the first, what is picked from a result its own."""
    made: dict[fx.Node, int] = {}
    count = 0
    for node in split.graph.nodes:
        if node.op == "placeholder":
            made[node] = 0
        elif node.op == "call_module":
            made[node], count = count, count + 1
        elif node.op == "call_function":
            made[node] = max(made[source] for source in node.all_input_nodes)
    return made


def _crossing(stages: dict[fx.Node, int], number: int, found: dict[str, Kind], batch: int) -> dict[str, Kind]:
    """Return the values made before stage `number` that it or a later one uses."""
    needed = [
        node.name
        for node, made in stages.items()
        if made < number and any(stages.get(user, -1) >= number for user in node.users)
    ]
    for name in needed:
        if found[name][1][:1] != (batch,):
            raise InvalidInput(
                f"Stage {number} would be passed {found[name][1]}, of which the first is no batch of {batch}."
            )
    return {name: (found[name][0], found[name][1][1:]) for name in needed}


def _given(split: fx.GraphModule, found: dict[str, Kind]) -> dict[str, Kind]:
    names = [node.name for node in split.graph.nodes if node.op == "placeholder"]
    return {name: (found[name][0], found[name][1][1:]) for name in names}
