"""Geometric multigrid: the preconditioner of the conductivity problem."""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
import numpy.typing as npt

from . import coarsening, kernels, smoothing
from .clusters import ClusterCorrection
from .problem import Problem

__all__ = ["BOTTOM_CELLS", "UPPER_LEVELS", "Multigrid", "hierarchy"]

BOTTOM_CELLS = 64  # few enough for a dense inverse
# Two coarse visits on the upper levels: a W-cycle halves the iterations of thin structures and near the percolation
# threshold. Below, second visits cost time and gain nothing.
UPPER_LEVELS = 2
# Along an axis whose faces conduct this much less than the best axis, cells are not joined yet (flat voxels).
WEAK_AXIS = 0.3


class Multigrid:
    """One symmetric cycle with red-black Gauss–Seidel, in the precision of the problem.

    Cells are joined 2 × 2 × 2 with piecewise-constant transfer.

    Parameters
    ----------
    problem
        Operator and boundary conditions on the voxels.
    """

    def __init__(self, problem: Problem) -> None:
        self._operator, self._periodic = problem.operator, problem.periodic
        dtype = problem.dtype
        sizes, self._factors = hierarchy(np.array(problem.shape), problem.anisotropy)
        self._sizes = sizes[1:]
        cells = np.prod(self._sizes + 2, axis=1)
        self._offsets = np.concatenate([[0], np.cumsum(cells)[:-1]])
        self._g = np.zeros((3, int(cells.sum())), dtype=dtype)
        self._inverses, self._colours, self._x, self._b = (np.zeros(int(cells.sum()), dtype=dtype) for _ in range(4))
        self._visits = np.where(np.arange(len(self._sizes)) < UPPER_LEVELS - 1, 2, 1)
        self._first_visits: tuple[bool, ...] = (True, False)
        self._build(problem)
        self._corrections = [ClusterCorrection(labels, problem.operator, problem.plates) for labels in problem.clusters]

    def _build(self, problem: Problem) -> None:
        finer, plates = problem.operator, problem.plates
        for level, size in enumerate(self._sizes):
            here = self._level_operator(level)
            coarse_plates = np.zeros((2, size[1] + 2, size[2] + 2), dtype=problem.dtype)
            coarsening.galerkin(finer, plates, self._factors[level], here[:3], coarse_plates)
            kernels.checkerboard(size[1], size[2], here[5])
            coarsening.invert(here, coarse_plates, here[4])
            finer, plates = here, coarse_plates
        matrix = coarsening.dense(finer, self._periodic)
        # Between plates the matrix has an inverse; else each cluster's constant is free.
        inverse = np.linalg.pinv(matrix, 1e-7, hermitian=True) if self._periodic[0] else np.linalg.inv(matrix)
        self._bottom = inverse.astype(problem.dtype)

    @property
    def _levels(self) -> tuple[Any, ...]:
        """What :func:`~ionscreen.pipeline.coarsening.cycle` wants."""
        operators = self._g, self._inverses, self._colours, self._operator[3]
        vectors = self._x, self._b, self._bottom, self._periodic, self._visits, numba.get_num_threads()
        return self._offsets, self._sizes, self._factors[1:], *operators, *vectors

    def _level_operator(self, level: int) -> Any:
        weights = self._operator[3]
        return coarsening.operator_of(
            self._g, self._inverses, self._colours, weights, self._offsets, self._sizes, level
        )

    def retreat(self) -> bool:
        """Change to V-cycles; return whether that changed anything.

        A second visit of the coarse grid makes the cycle indefinite where over-correction more than doubles a coarse
        mode, which a few thin structures do. One visit is positive definite whatever the coarse grid is.
        """
        changed = len(self._first_visits) > 1
        self._first_visits = (True,)
        self._visits[:] = 1
        return changed

    def apply(self, r: npt.NDArray[Any], z: npt.NDArray[Any]) -> None:
        """Overwrite z, (nx+2, ny+2, nz+2), with one cycle's approximation of A⁻¹ r."""
        coarse_x, coarse_b = (coarsening.view(v, self._offsets, self._sizes, 0) for v in (self._x, self._b))
        factors, levels, threads = self._factors[0], self._levels, numba.get_num_threads()
        smoothing.smooth(self._operator, z, r, coarse_b, factors, self._periodic, smoothing.BEFORE_FRESH, threads)
        for fresh in self._first_visits:
            coarsening.cycle(0, fresh, levels)
        smoothing.smooth(self._operator, z, r, coarse_x, factors, self._periodic, smoothing.AFTER, threads)
        for correction in self._corrections:
            correction.add(r, z)


def hierarchy(
    size: npt.NDArray[np.int64], conductance: npt.NDArray[np.float64], bottom: int = BOTTOM_CELLS
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Return the boxes of all levels, (levels, 3), and how many cells are joined along each axis, (levels - 1, 3).

    `conductance` (3,) is that of a face normal to each axis in the homogeneous voxel.
    """
    sizes, factors = [size], []
    while len(sizes) == 1 or size.prod() > bottom:
        joinable = size > 1
        strong = conductance >= WEAK_AXIS * conductance[joinable].max(initial=0)
        factor = np.where(joinable & strong, 2, 1)
        # Joining along an axis doubles the distance there and doubles the faces normal to the others.
        conductance = conductance * factor.prod() / factor**2
        size = (size + factor - 1) // factor
        sizes.append(size)
        factors.append(factor)
    return np.array(sizes), np.array(factors)
