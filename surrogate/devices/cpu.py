"""The processor of the host."""

from __future__ import annotations

import torch

from ...datasets import InvalidInput
from .batching import Batching
from .device import Device
from .torch_device import TorchDevice

__all__ = ["open_cpu"]


def open_cpu(batching: Batching, precision: str = "fp32") -> Device:
    """Return the CPU.

    Raises
    ------
    InvalidInput
        If the precision is not fp32: the reference that other devices are compared with.
    """
    if precision != "fp32":
        raise InvalidInput(
            f"precision is {precision!r}, but the CPU computes in fp32; set it so, or choose a GPU or IPU."
        )
    return TorchDevice("cpu", torch.device("cpu"), batching)
