"""The devices of plain torch: cpu and cuda share everything but where the tensors live."""

from __future__ import annotations

from typing import Iterator, Sequence

import torch
from torch import Tensor, nn
from torch.nn.utils import clip_grad_norm_

from ...datasets import DeviceError
from .batching import Batching
from .device import Device, OptimizerSettings, State, Tensors
from .state import flatten, unflatten

__all__ = ["TorchDevice"]

# Structures of 64³ voxels predicted together: bounds the memory. A GPU needs many to be busy.
PREDICTED_TOGETHER = {"cpu": 16, "cuda": 128}
VOXELS = 64**3


class TorchDevice(Device):
    """A torch device.

    Parameters
    ----------
    name
        Of the device in configurations.
    place
        Of its tensors.
    batching
        Of training; micro-batches run one after another and their gradients add up, as replicas' would.
    autocast
        The dtype of convolutions and products where it is not float32; None computes everything in float32.
    """

    full_calls_only = False

    def __init__(self, name: str, place: torch.device, batching: Batching, autocast: torch.dtype | None = None) -> None:
        self.name = name
        self.batching = batching
        self._place = place
        self._autocast = autocast
        self._module: nn.Module | None = None
        self._optimizer: torch.optim.Optimizer | None = None
        self._largest_gradient = 0.0

    def compile(
        self, module: nn.Module, optimizer: OptimizerSettings | None = None, state: State | None = None
    ) -> None:
        """Move the module to the device and make its optimizer."""
        self._module = module.to(self._place)
        if optimizer is None:
            return
        self._largest_gradient = optimizer.largest_gradient
        self._optimizer = torch.optim.AdamW(module.parameters(), weight_decay=optimizer.weight_decay)
        if state:
            self._optimizer.load_state_dict({**self._optimizer.state_dict(), "state": unflatten(state)})

    def step(self, inputs: Sequence[Tensor], learning_rate: float) -> float:
        """Update the weights once for each `batch_size` structures, from accumulated micro-batches."""
        for group in self._compiled_optimizer().param_groups:
            group["lr"] = learning_rate
        updates = list(_split(inputs, self.batching.batch_size))
        losses = [self._update(update) * len(update[0]) for update in updates]
        return sum(losses) / len(inputs[0])

    def predict(self, inputs: Sequence[Tensor]) -> Tensors:
        """Return the outputs, a few structures at a time."""
        module = self._compiled_module().eval()
        together = PREDICTED_TOGETHER[self._place.type]
        # Larger structures than 64³ take as much memory.
        size = max(1, min(together, together * VOXELS // max(inputs[0][:1].numel(), 1)))
        parts: list[Tensors] = []
        with torch.inference_mode(), self._casting():
            for part in _split(inputs, size):
                outputs = module(*self._moved(part))
                outputs = outputs if isinstance(outputs, tuple) else (outputs,)
                parts.append(tuple(output.cpu() for output in outputs))
        return tuple(torch.cat(tensors) for tensors in zip(*parts))

    def optimizer_state(self) -> State:
        """Return AdamW's moments by parameter number and name."""
        return flatten(self._compiled_optimizer().state_dict()["state"])

    def close(self) -> None:
        """Bring the module back to the host."""
        if self._module is not None:
            self._module.to("cpu")
        self._module = self._optimizer = None

    def _update(self, inputs: Tensors) -> float:
        module, optimizer = self._compiled_module().train(), self._compiled_optimizer()
        optimizer.zero_grad()
        loss_sum = 0.0
        for part in _split(inputs, self.batching.micro_batch):
            with self._casting():
                loss = module(*self._moved(part))[-1]
            # Of the last, smaller batch the micro-batches differ in size: each counts by its structures.
            share = loss * (len(part[0]) / len(inputs[0]))
            share.backward()
            loss_sum += share.item()
        clip_grad_norm_(module.parameters(), self._largest_gradient)
        optimizer.step()
        return loss_sum

    def _compiled_module(self) -> nn.Module:
        if self._module is None:
            raise DeviceError(f"Nothing is compiled for the device {self.name}; call compile first.")
        return self._module

    def _compiled_optimizer(self) -> torch.optim.Optimizer:
        if self._optimizer is None:
            raise DeviceError(f"The device {self.name} was not compiled for training; give compile an optimizer.")
        return self._optimizer

    def _moved(self, inputs: Tensors) -> Tensors:
        return tuple(tensor.to(self._place, non_blocking=True) for tensor in inputs)

    def _casting(self) -> torch.autocast:
        dtype = self._autocast or torch.bfloat16
        return torch.autocast(self._place.type, dtype=dtype, enabled=self._autocast is not None)


def _split(inputs: Sequence[Tensor], size: int) -> Iterator[Tensors]:
    for start in range(0, len(inputs[0]), size):
        yield tuple(tensor[start : start + size] for tensor in inputs)
