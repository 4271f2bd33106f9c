"""Where the network runs: cpu, cuda or ipu, one file each behind one interface."""

from __future__ import annotations

from typing import Any

from ...datasets import InvalidInput
from .batching import Batching
from .device import Device, Feed, OptimizerSettings
from .ipu_settings import IpuInference, IpuSettings

__all__ = [
    "DEVICES",
    "PRECISIONS",
    "Batching",
    "Device",
    "Feed",
    "IpuInference",
    "IpuSettings",
    "OptimizerSettings",
    "check_device",
    "open_device",
]

DEVICES = ("cpu", "cuda", "ipu")
PRECISIONS = ("fp32", "bf16", "fp16")


def open_device(name: str, batching: Batching, precision: str = "fp32", ipu: IpuSettings | None = None) -> Device:
    """Return a device by name.

    Raises
    ------
    InvalidInput
        If there is none of the name, or it cannot compute in that precision.
    DeviceError
        If it is absent.
    """
    if name == "cpu":
        from .cpu import open_cpu

        return open_cpu(batching, precision)
    if name == "cuda":
        from .cuda import open_cuda

        return open_cuda(batching, precision)
    if name == "ipu":
        from .ipu import open_ipu

        return open_ipu(batching, precision, ipu or IpuSettings())
    raise InvalidInput(f"There is no device {name!r}; choose {', '.join(DEVICES)}.")


def check_device(name: Any, precision: Any) -> None:
    """Refuse a name of neither a device nor a precision.

    Raises
    ------
    InvalidInput
        Naming the field.
    """
    if name not in DEVICES:
        raise InvalidInput(f"device must be {', '.join(DEVICES)}, not {name!r}.")
    if precision not in PRECISIONS:
        raise InvalidInput(f"precision must be {', '.join(PRECISIONS)}, not {precision!r}.")
