"""A surrogate on a device: compiled once, predicting any number of structures.

Shape suffixes: n structures; x, y, z voxels.
"""

from __future__ import annotations

from types import TracebackType
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from .data import check_structures
from .devices import Device
from .network import Screener
from .surrogate import Prediction, Surrogate

__all__ = ["DeployedSurrogate", "wire"]


class DeployedSurrogate:
    """Predictions as :meth:`Surrogate.predict` makes them, by a device.

    >>> with DeployedSurrogate(surrogate, device) as deployed:      # doctest: +SKIP
    ...     prediction = deployed.predict(x_nxyz)

    Parameters
    ----------
    surrogate
        In precision fp16 its weights are rounded in place.
    device
        Opened; closed by :meth:`close`.
    """

    def __init__(self, surrogate: Surrogate, device: Device) -> None:
        self._surrogate = surrogate
        self._device = device
        device.compile(Screener(surrogate.network))

    def predict(self, x_nxyz: npt.NDArray[Any]) -> Prediction:
        """Return M with its 90 % interval.

        Parameters
        ----------
        x_nxyz
            Conductivity relative to the largest, in [0, 1], of what percolates along x; 0 elsewhere.

        Raises
        ------
        InvalidInput
            If the array has another shape, dtype or range.
        DeviceError
            If the device cannot run it, or was compiled for another shape.
        """
        check_structures(x_nxyz)
        if not len(x_nxyz):
            return Prediction(*np.zeros((3, 0)))
        return Prediction(*self._surrogate.interval(*self._device.predict((wire(x_nxyz),))))

    def close(self) -> None:
        """Give the device back."""
        self._device.close()

    def __enter__(self) -> DeployedSurrogate:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()


def wire(x_nxyz: npt.NDArray[Any]) -> torch.Tensor:
    """Return the fields in the smallest type that holds them exactly: uint8, float16, else float32.

    Two-phase voxels are 0 and 1, a quarter of float32's bytes to send; the device casts them.
    """
    for dtype in (np.uint8, np.float16):
        small = x_nxyz.astype(dtype)
        if np.array_equal(small.astype(np.float32), x_nxyz.astype(np.float32)):
            return torch.from_numpy(np.ascontiguousarray(small))
    return torch.from_numpy(np.ascontiguousarray(x_nxyz, dtype=np.float32))
