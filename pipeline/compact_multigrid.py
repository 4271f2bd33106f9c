"""Multigrid on the cells of a sparse structure, with coarse cells that do not join what is apart."""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
import numpy.typing as npt

from . import compact_kernels as kernels
from .compact_problem import CompactProblem
from .multigrid import BOTTOM_CELLS, hierarchy

__all__ = ["CompactMultigrid"]


class CompactMultigrid:
    """One symmetric cycle with red-black Gauss–Seidel.

    Parameters
    ----------
    problem
        Cells and boundary conditions.
    """

    def __init__(self, problem: CompactProblem) -> None:
        operator, places, ground = problem.operator, problem.places, problem.plates.sum(axis=0)
        parents, operators = [], []
        for factor in hierarchy(np.array(problem.shape), problem.anisotropy, bottom=1)[1]:
            parents.append(np.empty(len(places), dtype=np.uint32))
            blocks = np.empty_like(places)
            count, reds = kernels.group(operator, places, factor, parents[-1], blocks)
            places = blocks[:count].copy()
            room = operator[1].size  # no more coarse faces than fine ones
            *graph, inverse, ground = kernels.coarsen(operator, ground, parents[-1], places, factor, room)
            operator = (*graph, problem.operator[3], inverse, reds)
            operators.append(operator)
            if count <= BOTTOM_CELLS:
                break
        self._operator = problem.operator
        self._levels = _joined(parents, operators)
        self._visits = np.full(len(operators), 2)

    def apply(self, r: npt.NDArray[Any], z: npt.NDArray[Any]) -> None:
        """Overwrite z, (n + 1,), with one cycle's approximation of A⁻¹ r."""
        kernels.cycle(self._operator, 0, z, r, True, (*self._levels, numba.get_num_threads()), self._visits)

    def retreat(self) -> bool:
        """Change to V-cycles, which are always positive definite; return whether that changed anything."""
        changed = bool((self._visits > 1).any())
        self._visits[:] = 1
        return changed


def _joined(parents: list[npt.NDArray[np.uint32]], operators: list[tuple[Any, ...]]) -> tuple[Any, ...]:
    """Return all levels one after the other, as :func:`~ionscreen.pipeline.compact_kernels.cycle` wants them."""
    firsts, index, g, weights, inverses, reds = zip(*operators, strict=True)
    offsets = np.concatenate([[0], np.cumsum([len(each) for each in inverses])])
    entries = np.concatenate([[0], np.cumsum([len(each) for each in index])])
    all_firsts = np.concatenate([first + before for first, before in zip(firsts, entries[:-1], strict=True)])
    xs, bs = (np.zeros(offsets[-1] + len(operators), dtype=g[0].dtype) for _ in range(2))
    coarse_parents = np.concatenate([*parents[1:], np.empty(0, np.uint32)])
    faces = np.concatenate(index), np.concatenate(g), weights[0], np.concatenate(inverses)
    return offsets, np.array(reds), all_firsts, *faces, coarse_parents, parents[0], xs, bs, _bottom(operators[-1])


def _bottom(operator: tuple[Any, ...]) -> npt.NDArray[Any]:
    """Return the inverse of the coarsest level, (n, n), or (0, 0) if its cells have no neighbours."""
    first, index, g, _, inverse, _ = operator
    if index.size == 0:
        return np.empty((0, 0), g.dtype)
    matrix = np.diag(1 / inverse.astype(np.float64))
    for cell in range(len(inverse)):
        entries = slice(first[cell], first[cell + 1])
        matrix[cell, index[entries]] -= g[entries]
    return np.asarray(np.linalg.inv(matrix), g.dtype)
