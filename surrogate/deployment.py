"""A surrogate on a device: compiled once, predicting any number of structures.

Shape suffixes: n structures; x, y, z voxels.
"""

from __future__ import annotations

from types import TracebackType
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from ..datasets import InvalidInput
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
    dtype
        That voxels are sent in; None chooses for each call the smallest that is exact.
    shape
        (nx, ny, nz) that the device's program was compiled for elsewhere; None if it compiles its own.
    """

    def __init__(
        self,
        surrogate: Surrogate,
        device: Device,
        dtype: npt.DTypeLike | None = None,
        shape: tuple[int, int, int] | None = None,
    ) -> None:
        self._surrogate = surrogate
        self._device = device
        self._dtype = dtype
        self._shape = shape
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
        if self._shape is not None and x_nxyz.shape[1:] != self._shape:
            raise InvalidInput(
                f"The program was compiled for structures of {self._shape} voxels, but these have {x_nxyz.shape[1:]}; "
                "compile one for them."
            )
        return Prediction(*self._surrogate.interval(*self._device.predict((wire(x_nxyz, self._dtype),))))

    def close(self) -> None:
        """Give the device back."""
        self._device.close()

    def __enter__(self) -> DeployedSurrogate:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()


def wire(x_nxyz: npt.NDArray[Any], dtype: npt.DTypeLike | None = None) -> torch.Tensor:
    """Return the fields in the given type, or the smallest that holds them exactly: uint8, float16, else float32.

    Two-phase voxels are 0 and 1, a quarter of float32's bytes to send; the device casts them.
    """
    if dtype is not None:
        return torch.from_numpy(np.ascontiguousarray(x_nxyz, dtype=dtype))
    for candidate in (np.uint8, np.float16):
        small = x_nxyz.astype(candidate)
        if np.array_equal(small.astype(np.float32), x_nxyz.astype(np.float32)):
            return torch.from_numpy(np.ascontiguousarray(small))
    return torch.from_numpy(np.ascontiguousarray(x_nxyz, dtype=np.float32))
