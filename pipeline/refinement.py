"""Voxels split in 8, and what two sizes of them tell about the limit of ever finer ones."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from .result import ConductivityResult

__all__ = ["extrapolated", "split"]

# The error of σ_eff falls as this power of the voxel size: at a reentrant edge of an insulator the potential goes as
# r^(2/3) (Grisvard 1985), and its energy converges with twice that exponent. Other edges have other exponents, see
# docs/decisions.md.
ORDER = 4 / 3


def split(task: Any) -> Any:
    """Return the task with every voxel split in 8."""
    grains = None if task.grains is None else _doubled(task.grains)
    return replace(task, phases=_doubled(task.phases), grains=grains, size=task.size / 2)


def _doubled(image: npt.NDArray[Any]) -> npt.NDArray[Any]:
    return np.ascontiguousarray(image.repeat(2, 0).repeat(2, 1).repeat(2, 2))


def extrapolated(coarse: ConductivityResult, fine: ConductivityResult) -> ConductivityResult:
    """Return the fine result with what is still missing to the limit, by Richardson's extrapolation.

    Parameters
    ----------
    coarse, fine
        Of the same image with voxels as given, and half as large.
    """
    step = np.asarray(fine.sigma) - coarse.sigma
    limit = fine.sigma + step / (2**ORDER - 1)
    error = np.divide(
        np.abs(limit - fine.sigma), fine.sigma, out=np.zeros_like(limit), where=np.asarray(fine.sigma) > 0
    )
    plain = limit.item() if limit.ndim == 0 else limit
    return replace(
        fine,
        seconds=coarse.seconds + fine.seconds,
        sigma_extrapolated=plain,
        discretisation_error=error.item() if limit.ndim == 0 else error,
    )
