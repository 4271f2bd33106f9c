"""Do devices agree: the same weights and inputs on each, and an epoch of training with the same seed."""

from __future__ import annotations

import copy
from dataclasses import dataclass, replace
from typing import Any, Sequence

import numpy as np
import numpy.typing as npt

from ...datasets import DeviceError
from ..data import LabelledStructures
from ..deployment import DeployedSurrogate
from ..devices import open_device
from ..surrogate import Surrogate
from ..training import TrainingConfig, train

__all__ = ["TOLERANCE", "DeviceParity", "compare_devices"]

# Largest |ln M - ln M_cpu| that a precision explains: float32 rounds to 6e-8, bfloat16 to 4e-3, float16 to 5e-4 of a
# value, over some hundred operations.
TOLERANCE = {"fp32": 1e-4, "bf16": 5e-2, "fp16": 1e-2}
PRECISIONS = {"cpu": ("fp32",), "cuda": ("fp32", "bf16"), "ipu": ("fp32", "fp16")}


@dataclass(frozen=True)
class DeviceParity:
    """One device in one precision against the CPU.

    Parameters
    ----------
    device, precision
        Which.
    absent
        Why it could not be asked; None if it was.
    largest, mean
        Of |ln M - ln M_cpu| over the structures.
    losses, reference_losses
        Mean loss of each epoch, there and on the CPU; empty if nothing was trained.
    """

    device: str
    precision: str
    absent: str | None = None
    largest: float = 0.0
    mean: float = 0.0
    losses: tuple[float, ...] = ()
    reference_losses: tuple[float, ...] = ()

    @property
    def agrees(self) -> bool:
        """Whether predictions differ by no more than the precision explains."""
        return self.absent is None and self.largest <= TOLERANCE[self.precision]

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON types."""
        return {**vars(self), "agrees": self.agrees, "tolerance": TOLERANCE[self.precision]}


def compare_devices(
    surrogate: Surrogate,
    x_nxyz: npt.NDArray[Any],
    devices: Sequence[str],
    config: TrainingConfig,
    data: tuple[LabelledStructures, LabelledStructures] | None = None,
) -> list[DeviceParity]:
    """Return each device in each of its precisions; those that are absent say so.

    Parameters
    ----------
    surrogate
        Left as it is.
    x_nxyz
        Structures to predict.
    devices
        Of cpu, cuda, ipu.
    config
        Of the training, and the layout on IPUs.
    data
        To train on and to validate on, for one epoch; None trains nothing.
    """
    reference = surrogate.predict(x_nxyz).m
    # A program compiled elsewhere is one shape's and one checkpoint's; here each device compiles its own.
    one_epoch = replace(config, epochs=1, ipu=replace(config.ipu, executable=None))
    # The CPU with the same micro-batches as the IPUs: what differs then is the device alone.
    losses = _losses(replace(one_epoch, device="cpu", precision="fp32"), data)

    def one(device: str, precision: str) -> DeviceParity:
        asked = replace(one_epoch, device=device, precision=precision)
        try:
            opened = open_device(device, asked.batching, precision, asked.ipu)
            with DeployedSurrogate(copy.deepcopy(surrogate), opened) as deployed:
                m = deployed.predict(x_nxyz).m
            trained = losses if (device, precision) == ("cpu", "fp32") else _losses(asked, data)
        except DeviceError as error:
            return DeviceParity(device, precision, absent=str(error))
        difference = np.abs(np.log(m) - np.log(reference))
        return DeviceParity(device, precision, None, float(difference.max()), float(difference.mean()), trained, losses)

    return [one(device, precision) for device in devices for precision in PRECISIONS[device]]


def _losses(config: TrainingConfig, data: tuple[LabelledStructures, LabelledStructures] | None) -> tuple[float, ...]:
    return () if data is None else tuple(train(*data, config).metrics["losses"])
