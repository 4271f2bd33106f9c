"""Packing: spheres of one or several sizes put into a box one after another, the largest first."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from ..porespy_session import porespy_session

__all__ = ["SIZES", "diameters", "pack_spheres"]

# Sizes of equal volume that stand for a distribution, at the quantiles 0.1, 0.3, 0.5, 0.7, 0.9.
SIZES = 5
# Share of the box that is asked for; random addition jams well below it.
PACKED = 0.6


def diameters(median: float, spread: float) -> list[float]:
    """Return the sizes, largest first, that stand for a log-normal distribution of volume over diameter.

    Parameters
    ----------
    median
        Half of the volume lies in smaller particles; any unit of length.
    spread
        Geometric standard deviation, 1 or more; 1 gives the median alone.
    """
    from scipy.special import ndtri

    if spread == 1:
        return [median]
    quantiles = (np.arange(SIZES)[::-1] + 0.5) / SIZES
    return [float(d) for d in median * spread ** ndtri(quantiles)]


def pack_spheres(
    shape: tuple[int, int, int], radii: list[int], seed: int, taken: npt.NDArray[np.bool_] | None = None
) -> npt.NDArray[np.bool_]:
    """Return the mask of spheres that overlap by up to a third of their radius, each radius given an equal volume.

    Parameters
    ----------
    shape
        Voxels; spheres may reach beyond the box.
    radii
        Voxels, largest first; equal ones may stand there twice.
    seed
        Of the places.
    taken
        (nx, ny, nz): voxels that spheres do not get, beyond a third of their radius.
    """
    image: npt.NDArray[Any] | None = None if taken is None else taken.copy()
    free = 1.0 if taken is None else 1 - float(taken.mean())
    with porespy_session() as generators:
        for number, radius in enumerate(sorted(set(radii), reverse=True)):
            # PoreSpy counts the radius one larger, and fails if that makes no sphere at all.
            one = 4 / 3 * np.pi * (radius + 1) ** 3 / np.prod(shape)
            share = max(PACKED * free * radii.count(radius) / len(radii), float(one))
            place = {"shape": list(shape)} if image is None else {"im": image, "protrusion": radius // 3}
            image = generators.random_spheres(
                **place,
                r=radius,
                phi=min(share, 0.999),
                edges="extended",
                clearance=-(radius // 3),
                seed=(seed + number) % 2**32,
            ).astype(bool)
    assert image is not None
    return image if taken is None else image & ~taken
