"""Microstructure -> the field that the network reads."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from ..datasets import InvalidInput, Microstructure, Transport

__all__ = ["encode", "field_shape", "sent_dtype"]


def encode(
    microstructure: Microstructure, transport: Transport, connected: npt.NDArray[np.bool_], axis: int
) -> npt.NDArray[np.float16]:
    """Return the relative conductivity of the percolating structure, the transport axis first.

    Parameters
    ----------
    microstructure
        Cubic voxels: the network knows no other.
    transport
        Conductivity of each phase by name.
    connected
        (nx, ny, nz), the voxels that conduct and are joined to both faces of `axis`. Local networks cannot see a
        spanning cluster, so connectivity is decided exactly beforehand.
    axis
        0, 1 or 2.

    Returns
    -------
    numpy.ndarray
        float16, σ(voxel)/σ_max in [0, 1]; (nx, ny, nz) with `axis` moved to the front.

    Raises
    ------
    InvalidInput
        If the voxels are not cubes, or the transport lacks a phase.
    """
    if not np.allclose(microstructure.voxel_size, microstructure.voxel_size[0], rtol=1e-6):
        raise InvalidInput(
            f"The surrogate needs cubic voxels, but these are {microstructure.voxel_size} m; resample the image."
        )
    relative = (transport.table(microstructure.phase_names) / transport.sigma_max).astype(np.float16)
    field = np.where(connected, relative[microstructure.phases], np.float16(0))
    return np.ascontiguousarray(np.moveaxis(field, axis, 0))


def field_shape(shape: tuple[int, int, int], axis: int) -> tuple[int, int, int]:
    """Return the shape of what `encode` makes of a structure of this one."""
    second, third = (n for i, n in enumerate(shape) if i != axis)
    return shape[axis], second, third


def sent_dtype(transport: Transport) -> np.dtype[Any]:
    """Return the smallest type that holds every field of a transport: uint8 if its phases conduct fully or not at all.

    It depends on the transport alone: a compiled program takes one type, whatever is in the structures sent together.
    """
    two = set(transport.conductivity.values()) <= {0.0, transport.sigma_max}
    return np.dtype(np.uint8 if two else np.float16)
