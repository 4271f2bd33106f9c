"""Conductors -> features: by the compiled kernels where numba is installed, else, or on a GPU, by tensors.

Shape suffixes: b batch; x, y, z voxels; p materials.
"""

from __future__ import annotations

from typing import NamedTuple, Sequence

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from ..datasets import DeviceError
from .cascade_settings import CascadeSettings
from .conductor import Conductor
from .galerkin import Faces

__all__ = ["Features", "features_by_tensors", "features_of", "tensors_of"]

# Structures of 64³ voxels whose cascades run together: bounds the memory. A GPU needs many to be busy.
TOGETHER = {"cpu": 32, "cuda": 256}
VOXELS = 64**3


class Features(NamedTuple):
    """Features (k,) and the bounds of M."""

    values: npt.NDArray[np.float64]
    lower: float
    upper: float


def features_of(conductor: Conductor, settings: CascadeSettings) -> Features:
    """Return the features of a conductor."""
    try:
        from .cascade_kernels import features
    except ImportError:
        # An IPU host has no numba.
        return features_by_tensors([conductor], settings)[0]
    grains = np.zeros((0, 0, 0), np.uint32) if conductor.grains is None else conductor.grains
    contacts = conductor.contacts.astype(np.float32) if conductor.contacts.any() else np.zeros((0, 0), np.float32)
    own = conductor.boundaries.astype(np.float32)
    half = conductor.half_resistances().astype(np.float32)
    known = (conductor.materials, conductor.sigma, half, contacts, grains, own)
    return Features(*features(*known, settings))  # type: ignore[no-untyped-call]


def features_by_tensors(
    conductors: Sequence[Conductor], settings: CascadeSettings, device: str = "cpu", together: int | None = None
) -> list[Features]:
    """Return the features of many conductors, those of one shape in batches, as the network computes them on a device.

    Parameters
    ----------
    conductors
        Of any shapes.
    settings
        Of the cascade.
    device
        ``"cpu"`` or ``"cuda"``, where the next batch is sent while the last one is computed.
    together
        At most so many in a batch; None for as many as have the voxels of 32 structures of 64³, on a GPU of 256.

    Raises
    ------
    DeviceError
        If torch finds no GPU.
    """
    from .cascade import cascade_features

    if device == "cuda" and not torch.cuda.is_available():
        raise DeviceError(f"torch {torch.__version__} finds no NVIDIA GPU here; leave the device out.")
    by_shape: dict[tuple[int, ...], list[int]] = {}
    for place, conductor in enumerate(conductors):
        by_shape.setdefault(conductor.materials.shape, []).append(place)
    found: dict[int, Features] = {}
    waiting = []
    with torch.no_grad():
        for shape, places in by_shape.items():
            size = together or max(1, TOGETHER[device] * VOXELS // int(np.prod(shape)))
            for start in range(0, len(places), size):
                batch = places[start : start + size]
                field_bxyz, resistance = tensors_of([conductors[place] for place in batch], device)
                # Nothing is read back before all batches are on their way.
                waiting.append((batch, cascade_features(field_bxyz, settings, resistance)))
    for batch, computed in waiting:
        values, lower, upper = (t.double().cpu().numpy() for t in computed)
        found.update({place: Features(values[n], lower[n], upper[n]) for n, place in enumerate(batch)})
    return [found[place] for place in range(len(conductors))]


def tensors_of(conductors: Sequence[Conductor], device: str = "cpu") -> tuple[Tensor, Faces | None]:
    """Return what :class:`.cascade.CascadeNetwork` takes: the field, and the contacts if any resist.

    A byte for each voxel travels to the device; conductivities and contacts are looked up there.
    """
    count = max(conductor.sigma.size for conductor in conductors)
    materials_bxyz = _stacked([conductor.materials for conductor in conductors], device).long()
    sigma_bp = _stacked([_padded(conductor.sigma, count) for conductor in conductors], device).float()
    field_bxyz = _look_up(sigma_bp, materials_bxyz)
    if not any(conductor.contacts.any() or conductor.grains is not None for conductor in conductors):
        return field_bxyz, None
    contacts_bpp = _stacked([_padded(conductor.contacts, count) for conductor in conductors], device).float()
    own_bp = _stacked([_padded(conductor.boundaries, count) for conductor in conductors], device).float()
    grains_bxyz = _stacked(
        [(np.zeros_like(c.materials) if c.grains is None else c.grains).astype(np.int64) for c in conductors], device
    )
    faces = []
    for axis in (1, 2, 3):
        (a, b), (one, other) = (_neighbours(t, axis) for t in (materials_bxyz, grains_bxyz))
        resistance = _look_up(contacts_bpp.flatten(1), a * count + b)
        faces.append(resistance + _look_up(own_bp, a) * ((a == b) & (one != other)))
    faces[0] = torch.nn.functional.pad(faces[0], (0, 0, 0, 0, 1, 1))
    return field_bxyz, Faces(*faces)


def _stacked(arrays: Sequence[npt.NDArray[np.generic]], device: str) -> Tensor:
    tensor = torch.from_numpy(np.stack(arrays))
    return tensor.pin_memory().to(device, non_blocking=True) if device == "cuda" else tensor


def _padded(table: npt.NDArray[np.float64], count: int) -> npt.NDArray[np.float64]:
    return np.pad(table, [(0, count - n) for n in table.shape])


def _look_up(table_bp: Tensor, number_bxyz: Tensor) -> Tensor:
    return table_bp.gather(1, number_bxyz.flatten(1)).reshape(number_bxyz.shape)


def _neighbours(t: Tensor, axis: int) -> tuple[Tensor, Tensor]:
    n = t.shape[axis] - 1
    return t.narrow(axis, 0, n), t.narrow(axis, 1, n)
