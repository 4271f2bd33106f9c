"""Microstructure -> the field that the network reads."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ..datasets import InvalidInput, Microstructure, Transport

__all__ = ["encode"]


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
