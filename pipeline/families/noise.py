"""Noise: the filtered random field whose level sets are blobs."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from ..porespy_session import porespy_session

__all__ = ["filtered_noise", "plain_noise"]


def filtered_noise(
    size_um: float, shape: tuple[int, int, int], voxel_size: tuple[float, float, float], seed: int
) -> npt.NDArray[Any]:
    """Return PoreSpy's Gaussian-filtered noise, (nx, ny, nz), periodic in all directions.

    Parameters
    ----------
    size_um
        Standard deviation of the filter times 2√2, µm: the length over which the correlation falls to e⁻².
    shape, voxel_size
        Voxels; metres.
    seed
        Of the noise.
    """
    sigma_voxels = _sigma_voxels(size_um, voxel_size)
    # PoreSpy filters with sigma = mean(shape) / (40 blobiness).
    blobiness = list(np.mean(shape) / 40 / sigma_voxels)
    with porespy_session() as generators:
        noise: npt.NDArray[Any] = generators.blobs(list(shape), porosity=None, blobiness=blobiness, seed=seed)
    return noise


def plain_noise(
    size_um: float, shape: tuple[int, int, int], voxel_size: tuple[float, float, float], rng: np.random.Generator
) -> npt.NDArray[np.float32]:
    """Return noise like :func:`filtered_noise`, spread evenly from 0 to 1 by the normal law.

    PoreSpy ranks all voxels for that, twice, which takes three times as long as the filter.
    """
    from scipy.ndimage import gaussian_filter
    from scipy.special import ndtr

    white = rng.standard_normal(shape, dtype=np.float32)
    smooth: npt.NDArray[np.float32] = gaussian_filter(white, _sigma_voxels(size_um, voxel_size), mode="wrap")
    even: npt.NDArray[np.float32] = ndtr(smooth / smooth.std())
    return even


def _sigma_voxels(size_um: float, voxel_size: tuple[float, float, float]) -> npt.NDArray[np.float64]:
    sigma: npt.NDArray[np.float64] = size_um * 1e-6 / np.array(voxel_size) / np.sqrt(8)
    return sigma
