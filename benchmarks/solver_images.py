"""Images that the solver benchmarks share: each a function of the edge in voxels, with σ of its phases, the best 1."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["IMAGES", "Image", "composite", "isolated_spheres"]

SEED = 314839  # drawn once
BINARY = {0: 0.0, 1: 1.0}
Phases = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Image:
    """A structure of any size.

    Parameters
    ----------
    make
        Edge, voxels -> phases.
    sigma
        Phase -> σ.
    edges
        Sizes to solve if none are asked for; 0 stands for an image that has its own.
    """

    make: Callable[[int], Phases]
    sigma: dict[int, float]
    edges: tuple[int, ...] = (128,)


def blobs(edge: int) -> Phases:
    """Return PoreSpy's blobs, half of them conducting."""
    from porespy.generators import blobs

    return np.asarray(blobs([edge] * 3, porosity=0.5, blobiness=1.5 * edge / 128, seed=SEED), np.uint8)


def overlapping_spheres(porosity: float) -> Callable[[int], Phases]:
    """Return a maker of what overlapping spheres leave free; the first seed that percolates."""

    def make(edge: int) -> Phases:
        from porespy.generators import overlapping_spheres

        for seed in range(SEED, SEED + 20):
            spheres = overlapping_spheres([edge] * 3, r=6, porosity=porosity, seed=seed)
            phases = np.asarray(spheres, np.uint8)
            if _percolates(phases):
                return phases
        raise SystemExit(f"none of 20 structures with {porosity} void percolates at {edge} voxels")

    return make


def polydisperse(edge: int) -> Phases:
    """Return the void between spheres of many sizes."""
    import scipy.stats
    from porespy.generators import polydisperse_spheres

    sizes = scipy.stats.norm(loc=7, scale=3)
    return np.asarray(polydisperse_spheres([edge] * 3, porosity=0.4, dist=sizes, nbins=5, r_min=3, seed=SEED), np.uint8)


def levels(edge: int, fractions: tuple[float, ...]) -> Phases:
    """Return phases 0, 1, ... of the given volume fractions, nested around each other."""
    from scipy.ndimage import gaussian_filter

    field = gaussian_filter(np.random.default_rng(SEED).standard_normal([edge] * 3).astype(np.float32), 3, mode="wrap")
    return np.digitize(field, np.quantile(field, np.cumsum(fractions)[:-1])).astype(np.uint8)


def composite(edge: int) -> Phases:
    """Return 0 insulator, 1 poor conductor, 2 good conductor that percolates."""
    return levels(edge, (0.2, 0.3, 0.5))


def isolated_spheres(edge: int, films: bool) -> Phases:
    """Return 0 matrix, 1 spheres of which few touch; with `films`, 2 is an insulator that covers about half of them."""
    from scipy.ndimage import binary_dilation, distance_transform_edt

    rng = np.random.default_rng(SEED)
    centres = np.zeros([edge] * 3, bool)
    radius = 5
    count = round(0.22 * edge**3 / (4 / 3 * np.pi * radius**3))
    centres[tuple(rng.integers(0, edge, (3, count)))] = True
    spheres = distance_transform_edt(~centres) <= radius
    phases = spheres.astype(np.uint8)
    if films:
        shell = binary_dilation(spheres) & ~spheres
        phases[shell & (levels(edge, (0.5, 0.5)) == 1)] = 2
    return phases


def nmc(_: int) -> Phases:
    """Return the real NMC cathode: 0 pore, 1 active material, 2 carbon and binder."""
    from ionscreen.pipeline.image import read_image

    folder = Path(os.environ.get("IONSCREEN_DATA", "../shared/data"))
    return read_image(str(folder / "nmc_cathode_nrel/nmc-1-cal_generatedCBD_bridge.tif"))


def _percolates(phases: npt.NDArray[Any]) -> bool:
    from scipy.ndimage import label

    clusters = label(phases)[0]
    return bool(np.intersect1d(clusters[0], clusters[-1]).any())


IMAGES = {
    "blobs": Image(blobs, BINARY, (64, 128, 256)),
    "spheres_035": Image(overlapping_spheres(0.35), BINARY),
    "spheres_015": Image(overlapping_spheres(0.15), BINARY),
    "polydisperse": Image(polydisperse, BINARY),
    "composite": Image(composite, {0: 0.0, 1: 1e-3, 2: 1.0}),
    "isolated_1e-3": Image(partial(isolated_spheres, films=False), {0: 1e-3, 1: 1.0}),
    "isolated_1e-6": Image(partial(isolated_spheres, films=False), {0: 1e-6, 1: 1.0}),
    "isolated_films": Image(partial(isolated_spheres, films=True), {0: 1e-3, 1: 1.0, 2: 0.0}),
    "nmc": Image(nmc, {0: 1.0, 1: 0.0, 2: 1.0}, (0,)),
}
