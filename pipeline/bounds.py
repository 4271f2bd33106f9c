"""Bounds on the effective conductivity from volume fractions alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from .percolation import conductivity_table

__all__ = ["hashin_shtrikman_bounds", "wiener_bounds"]


def wiener_bounds(phases: npt.NDArray[Any], conductivity: Mapping[int, float]) -> tuple[float, float]:
    """Return the lower and upper Wiener bound, S/m: all phases in series, all in parallel.

    They hold for every microstructure and every axis (Wiener 1912).

    Parameters
    ----------
    phases
        (nx, ny, nz), unsigned integers or booleans.
    conductivity
        Phase -> σ, S/m; every phase that occurs.
    """
    fractions, sigma = _composition(phases, conductivity)
    lower = 0.0 if (sigma == 0).any() else float(1 / np.sum(fractions / sigma))
    return lower, float(np.sum(fractions * sigma))


def hashin_shtrikman_bounds(phases: npt.NDArray[Any], conductivity: Mapping[int, float]) -> tuple[float, float]:
    """Return the lower and upper Hashin–Shtrikman bound, S/m, for a statistically isotropic microstructure.

    One sample of finite size is never exactly isotropic: report these, do not enforce them. Source: Hashin and
    Shtrikman, J. Appl. Phys. 33 (1962) 3125, in the form of Torquato, Random Heterogeneous Materials (2002), ch. 21:
    the comparison material is the best, or the worst, conducting phase.
    """
    fractions, sigma = _composition(phases, conductivity)

    def bound(comparison: float) -> float:
        if comparison == 0:
            return 0.0
        return float(1 / np.sum(fractions / (sigma + 2 * comparison)) - 2 * comparison)

    return bound(float(sigma.min())), bound(float(sigma.max()))


def _composition(
    phases: npt.NDArray[Any], conductivity: Mapping[int, float]
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Return volume fraction and σ of the phases that occur."""
    counts = np.bincount(phases.ravel().astype(np.intp, copy=False))
    there = np.flatnonzero(counts)
    return counts[there] / phases.size, conductivity_table(phases, conductivity)[there]
