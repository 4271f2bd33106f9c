"""What a module computes, seen where PopTorch sees it: at torch's dispatcher, operator by operator, on real tensors."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass
from typing import Any, Sequence

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

__all__ = ["Operation", "Segment", "Trace", "trace"]


@dataclass(frozen=True, eq=False)
class Operation:
    """One operator: its aten name, the layer it runs in, its arguments, how many results of which type."""

    name: str
    layer: str
    arguments: tuple[Any, ...]
    outputs: tuple[Tensor, ...]

    @property
    def tensors(self) -> list[Tensor]:
        """Tensor arguments, those in lists included."""
        flat = [a for a in self.arguments if isinstance(a, Tensor)]
        return flat + [
            a for group in self.arguments if isinstance(group, (list, tuple)) for a in group if _is_tensor(a)
        ]

    @property
    def signature(self) -> tuple[str, str, tuple[torch.Size, ...]]:
        """What must not depend on the data: name, layer, shapes of the results."""
        return self.name, self.layer, tuple(tensor.shape for tensor in self.outputs)

    @property
    def flops(self) -> int:
        """Floating-point operations of a convolution or product, a multiplication and an addition counting as two."""
        if self.name == "convolution":
            weight = self.arguments[1]
            per_output = int(weight.numel()) // int(weight.shape[1 if self.arguments[6] else 0])
            return 2 * self.outputs[0].numel() * per_output
        if self.name in ("mm", "addmm", "bmm", "baddbmm"):
            left = self.tensors[-2]
            return 2 * self.outputs[0].numel() * int(left.shape[-1])
        return 0

    @property
    def is_view(self) -> bool:
        """Whether it computes nothing."""
        given = set(map(_storage, self.tensors))
        return any(_storage(out) in given for out in self.outputs)

    @property
    def moved(self) -> int:
        """Elements read and written; none by views, and those of products are part of their cost."""
        if self.is_view or self.flops:
            return 0
        if self.name == "embedding":
            # The rows that are looked up, not the table.
            return 2 * self.outputs[0].numel()
        return sum(tensor.numel() for tensor in [*self.tensors, *self.outputs])

    @property
    def temporary(self) -> int:
        """Elements of a convolution's unfolded input."""
        if self.name != "convolution":
            return 0
        weight, out = self.arguments[1], self.outputs[0]
        return out.numel() // out.shape[1] * (int(weight.numel()) // int(weight.shape[0]))


@dataclass(frozen=True)
class Segment:
    """The operators from the entry of one layer to the next entry: what a pipeline cannot cut further.

    Numbers are of one structure, except `parameters`.

    Parameters
    ----------
    name
        Of the layer; empty for what comes before the first.
    operations
        Operators that compute something.
    flops
        Of convolutions and products.
    moved
        Elements read and written by what is neither convolution nor product.
    parameters
        Elements of weights first used here.
    saved
        Elements kept for the backward pass.
    entering
        Elements made before, or given, that are used here or later: what crosses to the next IPU.
    temporary
        Elements of the largest unfolded input of a convolution.
    """

    name: str
    operations: int
    flops: int
    moved: int
    parameters: int
    saved: int
    entering: int
    temporary: int


@dataclass(frozen=True, eq=False)
class Trace:
    """One pass of a module: its operators and outputs, bytes of one structure's inputs, and what backward computes."""

    operations: tuple[Operation, ...]
    outputs: tuple[Tensor, ...]
    input_bytes: int
    segments: tuple[Segment, ...] = ()
    backward_flops: int = 0


class _Recorder(TorchDispatchMode):
    """Notes every operator, in which layer it runs, and what autograd keeps."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.operations: list[Operation] = []
        self.stack: list[str] = []
        self.entries: list[tuple[int, str]] = []
        self.saved: list[tuple[int, Tensor]] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        outputs = tuple(filter(_is_tensor, result if isinstance(result, (tuple, list)) else (result,)))
        layer = self.stack[-1] if self.stack else ""
        self.operations.append(Operation(func.overloadpacket.__name__, layer, tuple(args), outputs))
        return result

    def enter(self, name: str) -> Any:
        def hook(*_: Any) -> None:
            self.entries.append((len(self.operations), name))
            self.stack.append(name)

        return hook

    def leave(self, *_: Any) -> None:
        self.stack.pop()

    def keep(self, tensor: Tensor) -> Tensor:
        self.saved.append((len(self.operations), tensor.detach()))
        return tensor


def trace(module: nn.Module, inputs: Sequence[Tensor], backward: bool = False) -> Trace:
    """Return what one pass computes, on the CPU.

    Parameters
    ----------
    module
        Left as it is.
    inputs
        Batch first; the numbers of the segments are divided by the batch.
    backward
        Whether the last output is a loss whose backward pass runs too.
    """
    recorder = _Recorder()
    hooks = []
    for name, layer in module.named_modules():
        if name:
            hooks.append(layer.register_forward_pre_hook(recorder.enter(name)))
            hooks.append(layer.register_forward_hook(recorder.leave))
    try:
        with recorder, torch.set_grad_enabled(backward):
            with torch.autograd.graph.saved_tensors_hooks(recorder.keep, lambda tensor: tensor):
                result = module(*inputs)
            count = len(recorder.operations)
            outputs = tuple(result) if isinstance(result, (tuple, list)) else (result,)
            if backward and outputs[-1].requires_grad and outputs[-1].dim() == 0:
                weights = [p for p in module.parameters() if p.requires_grad]
                torch.autograd.grad(outputs[-1], weights, allow_unused=True)
    finally:
        for hook in hooks:
            hook.remove()
    forward, rest = recorder.operations[:count], recorder.operations[count:]
    return Trace(
        tuple(forward),
        outputs,
        math.ceil(sum(tensor.numel() * tensor.element_size() for tensor in inputs) / max(1, len(inputs[0]))),
        _segments(module, inputs, forward, recorder),
        sum(map(_backward_flops, rest)),
    )


def _backward_flops(operation: Operation) -> int:
    if operation.name != "convolution_backward":
        return operation.flops
    gradient, _, weight = operation.arguments[:3]
    wanted = sum(bool(flag) for flag in operation.arguments[-1][:2])
    return wanted * 2 * int(gradient.numel()) * int(weight.numel() // weight.shape[0])


def _segments(
    module: nn.Module, inputs: Sequence[Tensor], forward: Sequence[Operation], recorder: _Recorder
) -> tuple[Segment, ...]:
    calls = Counter(name for _, name in recorder.entries)
    starts: dict[int, str] = {}
    for place, name in recorder.entries:
        # Of layers that begin at one operator the outermost stands for all; one called twice is no place to cut.
        if calls[name] == 1 and place < len(forward):
            starts.setdefault(place, name)
    if 0 not in starts:
        starts[0] = ""
    places = sorted(starts)
    ends = [*places[1:], len(forward)]
    weights = {_storage(tensor): tensor.numel() for tensor in [*module.parameters(), *module.buffers()]}
    last_use = {_storage(tensor): place for place, op in enumerate(forward) for tensor in op.tensors}
    made: dict[int, tuple[int, int]] = {_storage(tensor): (-1, tensor.numel()) for tensor in inputs}
    for place, op in enumerate(forward):
        for tensor in op.outputs:
            made.setdefault(_storage(tensor), (place, tensor.numel()))
    batch = max(1, len(inputs[0]))
    unseen, kept = dict(weights), set(weights)
    segments = []
    for start, end in zip(places, ends):
        part = forward[start:end]
        used = {_storage(tensor) for op in part for tensor in op.tensors}
        saved = 0
        for place, tensor in recorder.saved:
            here = start <= place < end or (end == len(forward) and place >= end)
            if here and _storage(tensor) not in kept:
                kept.add(_storage(tensor))
                saved += tensor.numel()
        crossing = sum(
            size for key, (place, size) in made.items() if key not in weights and place < start <= last_use.get(key, -1)
        )
        segments.append(
            Segment(
                name=starts[start],
                operations=sum(not op.is_view for op in part),
                flops=math.ceil(sum(op.flops for op in part) / batch),
                moved=math.ceil(sum(op.moved for op in part) / batch),
                parameters=sum(unseen.pop(key, 0) for key in used),
                saved=math.ceil(saved / batch),
                entering=math.ceil(crossing / batch),
                temporary=math.ceil(max([op.temporary for op in part], default=0) / batch),
            )
        )
    return tuple(segments)


def _storage(tensor: Tensor) -> int:
    return int(tensor.untyped_storage()._cdata)


def _is_tensor(value: Any) -> bool:
    return isinstance(value, Tensor)
