"""An NVIDIA GPU."""

from __future__ import annotations

import torch

from ...datasets import DeviceError, InvalidInput
from .batching import Batching
from .device import Device
from .torch_device import TorchDevice

__all__ = ["open_cuda"]

AUTOCAST = {"fp32": None, "bf16": torch.bfloat16}


def open_cuda(batching: Batching, precision: str = "fp32") -> Device:
    """Return the GPU; bf16 is torch's automatic mixed precision.

    Raises
    ------
    InvalidInput
        If the precision is neither.
    DeviceError
        If there is no GPU that torch can use.
    """
    if precision not in AUTOCAST:
        raise InvalidInput(f"precision is {precision!r}, but a GPU trains in fp32 or bf16; choose one of them.")
    if not torch.cuda.is_available():
        raise DeviceError(
            f"torch {torch.__version__} finds no NVIDIA GPU here; set device to cpu, or install torch for CUDA."
        )
    return TorchDevice("cuda", torch.device("cuda"), batching, AUTOCAST[precision])
