"""What every device can do: compile a module, take a training step, predict, close."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Dict, Iterator, Sequence, Tuple

from torch import Tensor, nn
from torch.utils.data import Dataset

from .batching import Batching

__all__ = ["Device", "Feed", "OptimizerSettings", "State", "Tensors"]

State = Dict[str, Tensor]
Tensors = Tuple[Tensor, ...]


@dataclass(frozen=True)
class OptimizerSettings:
    """AdamW: weight decay, and the norm that gradients are scaled down to."""

    weight_decay: float
    largest_gradient: float


class Feed(Dataset):  # type: ignore[type-arg]
    """Training data in order, epoch after epoch: number -> the tensors of one structure, without a batch dimension."""

    calls: int
    """Calls in one epoch; the last may be smaller, except where a device takes full ones only."""

    def __len__(self) -> int:
        """Return the structures of all epochs together."""
        raise NotImplementedError

    def batch(self, epoch: int, call: int) -> Tensors:
        """Return the tensors of one call, batch first."""
        raise NotImplementedError


class Device(ABC):
    """Where a module runs. It must have static shapes and compute its loss inside ``forward``.

    ``module(*inputs)`` returns a tensor or a tuple of tensors, batch first. To be trained, ``module(*inputs, target)``
    must return ``(..., loss)`` with a loss that is a mean over the batch.

    After :meth:`predict` and :meth:`close` the module on the host holds the current weights.
    """

    name: str
    """Its name in configurations: cpu, cuda, ipu."""

    full_calls_only: bool
    """Whether a training step takes exactly ``batching.samples_per_call`` structures, or also fewer."""

    batching: Batching
    """Of training."""

    @abstractmethod
    def compile(
        self, module: nn.Module, optimizer: OptimizerSettings | None = None, state: State | None = None
    ) -> None:
        """Prepare to predict and, with an optimizer, to train; `state` is an earlier :meth:`optimizer_state`.

        Raises
        ------
        InvalidInput
            If the module cannot run as configured.
        """

    @abstractmethod
    def step(self, inputs: Sequence[Tensor], learning_rate: float) -> float:
        """Return the mean loss over `inputs`, the last of which is the target, after updating the weights.

        Raises
        ------
        DeviceError
            If the device cannot run it.
        """

    @abstractmethod
    def predict(self, inputs: Sequence[Tensor]) -> Tensors:
        """Return the module's outputs of any number of structures, on the host.

        Raises
        ------
        DeviceError
            If the device cannot run it.
        """

    @abstractmethod
    def optimizer_state(self) -> State:
        """Return what :meth:`compile` needs to go on: tensors by name."""

    @abstractmethod
    def close(self) -> None:
        """Give the device back; nothing happens the second time."""

    def batches(self, feed: Feed, epoch: int) -> Iterator[Tensors]:
        """Yield the inputs of the steps of one epoch."""
        for call in range(feed.calls):
            yield feed.batch(epoch, call)
