"""Labelled structures in memory.

Shape suffixes: n structures; x, y, z voxels.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ..datasets import InvalidInput

__all__ = ["LabelledStructures", "check_structures"]

# The three field cells that the coarsest useful description needs.
SMALLEST_AXIS = 8


@dataclass(frozen=True, eq=False)
class LabelledStructures:
    """Structures of one shape with their true relative conductivity.

    Parameters
    ----------
    x_nxyz
        Conductivity relative to the largest, of what percolates along x, 0 elsewhere: bool or uint8 holding 0 and 1
        only, or floats in [0, 1]. float16 or uint8 save memory.
    y_n
        M = σ_eff/σ_max, above 0.
    ids
        One text per structure, all different.

    Raises
    ------
    InvalidInput
        If the arrays do not fit together or hold something else.
    """

    x_nxyz: npt.NDArray[Any]
    y_n: npt.NDArray[np.float64]
    ids: tuple[str, ...]

    def __post_init__(self) -> None:
        check_structures(self.x_nxyz)
        object.__setattr__(self, "ids", tuple(self.ids))
        object.__setattr__(self, "y_n", np.asarray(self.y_n, np.float64))
        n = len(self.x_nxyz)
        if self.y_n.shape != (n,) or len(self.ids) != n:
            raise InvalidInput(f"{n} structures need as many values and ids, not {self.y_n.shape} and {len(self.ids)}.")
        if len(set(self.ids)) != n:
            raise InvalidInput("The ids of the structures must all be different.")
        if not bool(np.all(np.isfinite(self.y_n) & (self.y_n > 0))):
            raise InvalidInput("The true M of every structure must be above 0; leave out what does not percolate.")

    def __len__(self) -> int:
        return len(self.x_nxyz)

    def digest(self) -> str:
        """Return a BLAKE2b of everything in here, 32 hexadecimal digits."""
        hasher = hashlib.blake2b(repr((self.x_nxyz.shape, str(self.x_nxyz.dtype), self.ids)).encode(), digest_size=16)
        hasher.update(self.x_nxyz.tobytes())
        hasher.update(self.y_n.tobytes())
        return hasher.hexdigest()


def check_structures(x_nxyz: npt.NDArray[Any]) -> None:
    """Refuse an array that does not hold relative conductivities of structures.

    Raises
    ------
    InvalidInput
        With the property at fault.
    """
    if not isinstance(x_nxyz, np.ndarray) or x_nxyz.ndim != 4 or min(x_nxyz.shape[1:]) < SMALLEST_AXIS:
        shape = getattr(x_nxyz, "shape", None)
        raise InvalidInput(
            f"Structures must be an array of shape (n, nx, ny, nz), {SMALLEST_AXIS} voxels or more along each axis, "
            f"not {shape}."
        )
    if x_nxyz.dtype.kind not in "buf":
        raise InvalidInput(f"Structures must be bool, unsigned integers 0 and 1, or floats, not {x_nxyz.dtype}.")
    if x_nxyz.size and not (x_nxyz.min() >= 0 and x_nxyz.max() <= 1):
        raise InvalidInput("Relative conductivities must lie in [0, 1]: divide by the largest conductivity.")
