"""Conductor -> features, by the compiled kernels where numba is installed, else by tensors."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch

from .cascade_settings import CascadeSettings
from .conductor import Conductor
from .galerkin import Faces

__all__ = ["Features", "features_by_tensors", "features_of", "tensors_of"]


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
        return features_by_tensors(conductor, settings)
    table, plates = conductor.resistances()
    grains = np.zeros((0, 0, 0), np.int64) if conductor.grains is None else np.pad(conductor.grains, 1)
    padded = np.pad(conductor.materials, 1)
    own = conductor.boundaries.astype(np.float32)
    found = features(padded, conductor.sigma, table, plates, grains, own, settings)  # type: ignore[no-untyped-call]
    return Features(*found)


def features_by_tensors(conductor: Conductor, settings: CascadeSettings) -> Features:
    """Return the features as the network computes them on a device."""
    from .cascade import cascade_features

    field_bxyz, resistance = tensors_of(conductor)
    with torch.no_grad():
        found = cascade_features(field_bxyz, settings, resistance)
    return Features(found.feature_bk[0].double().numpy(), float(found.lower_b), float(found.upper_b))


def tensors_of(conductor: Conductor) -> tuple[torch.Tensor, Faces | None]:
    """Return what :class:`.cascade.CascadeNetwork` takes: a batch of one, and its contacts if any resist."""
    materials = conductor.materials
    field_bxyz = torch.from_numpy(conductor.sigma[materials].astype(np.float32))[None]
    if not conductor.contacts.any() and conductor.grains is None:
        return field_bxyz, None
    faces = []
    for axis in range(3):
        a, b = _neighbours(materials, axis)
        resistance = conductor.contacts[a, b]
        if conductor.grains is not None:
            one, other = _neighbours(conductor.grains, axis)
            resistance = resistance + np.where((a == b) & (one != other), conductor.boundaries[a], 0)
        faces.append(np.pad(resistance, ((1, 1), (0, 0), (0, 0))) if axis == 0 else resistance)
    return field_bxyz, Faces(*(torch.from_numpy(r.astype(np.float32))[None] for r in faces))


def _neighbours(image: npt.NDArray[np.integer], axis: int) -> tuple[npt.NDArray[np.integer], npt.NDArray[np.integer]]:
    n = image.shape[axis]
    return image.take(range(n - 1), axis), image.take(range(1, n), axis)
