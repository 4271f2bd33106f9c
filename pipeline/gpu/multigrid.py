"""The cycle of :class:`ionscreen.pipeline.multigrid.Multigrid` on the device, over all volumes at once."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..multigrid import UPPER_LEVELS, hierarchy
from . import coarsening, device, smoothing
from .clusters import ClusterCorrection
from .device import launch
from .problem import Problem
from .state import LIVE, WIDE
from .stencil import FACES

__all__ = ["Multigrid"]

# From here on one block per volume does the whole rest of the cycle: launching costs more than it computes.
SINGLE_BLOCK_CELLS = 4096


class Multigrid:
    """One symmetric cycle; `apply` only enqueues kernels on buffers that stay, so that a CUDA graph can hold it.

    Parameters
    ----------
    problem
        Operator and boundary conditions on the voxels.
    """

    def __init__(self, problem: Problem) -> None:
        import torch

        self._problem = problem
        sizes, factors = hierarchy(np.array(problem.size), problem.anisotropy)
        self._factors = [tuple(f) for f in factors.tolist()]
        self._sizes = [tuple(s) for s in sizes[1:].tolist()]
        cells = np.prod(sizes[1:] + 2, axis=1)
        self._offsets = np.concatenate([[0], np.cumsum(cells)]).tolist()
        self._last = len(self._sizes) - 1
        small = [
            n for n, size in enumerate(self._sizes) if np.prod(size) <= SINGLE_BLOCK_CELLS and n >= UPPER_LEVELS - 1
        ]
        self._single = min([*small, self._last])
        total = problem.volumes * self._offsets[-1]
        on = {"dtype": problem.dtype, "device": problem.materials.device}
        self._g = torch.zeros((3, total), **on)
        self._inverses, self._x, self._b = (torch.zeros(total, **on) for _ in range(3))
        self._periodic = sum(1 << axis for axis in range(3) if problem.periodic[axis])
        rows = [
            (*size, *(self._factors[n + 1] if n < self._last else (1, 1, 1)), self._offsets[n])
            for n, size in enumerate(self._sizes)
        ]
        self._levels = torch.tensor(rows, dtype=torch.int32, device=on["device"])
        self._build()
        self._corrections = [ClusterCorrection(labels, count, problem) for labels, count in problem.clusters]

    def _build(self) -> None:
        problem = self._problem
        op, mode, size, plates = problem.operator, problem.mode, problem.size, problem.plates
        stride = self._g.shape[1]
        for level, coarse in enumerate(self._sizes):
            cells, factors = int(np.prod(np.add(coarse, 1))), self._factors[level]
            here = self._operator(level)
            launch(coarsening.galerkin, cells, problem.volumes, op, here[0], stride, factors, size, MODE=mode)
            plates = joined(plates, factors)
            launch(coarsening.invert, int(np.prod(coarse)), problem.volumes, here, here[1], plates, coarse)
            op, mode, size = here, FACES.value, coarse
        matrix = dense(op, size, problem.volumes, self._problem.periodic)
        self._bottom = inverted(matrix, problem.periodic[0]).to(problem.dtype).contiguous()
        self._bottom_lanes = 1 << max(int(np.prod(size)) - 1, 0).bit_length()

    def _slice(self, flat: Any, level: int) -> Any:
        volumes = self._problem.volumes
        return flat[..., volumes * self._offsets[level] : volumes * self._offsets[level + 1]]

    def _operator(self, level: int) -> tuple[Any, ...]:
        g = self._slice(self._g, level)[0]
        return g, self._slice(self._inverses, level), g, self._g.shape[1]

    def apply(self, state: Any, r: Any, z: Any) -> None:
        """Turn z, which holds half a sweep from zeros, into the cycle's approximation of A⁻¹ r."""
        problem = self._problem
        finest = (problem.operator, problem.mode, problem.size, z, r, problem.between_plates)
        self._down(state, finest, 0, LIVE, True)
        self._visit(state, 0, LIVE, True)
        self._visit(state, 0, WIDE, False)
        self._up(state, finest, 0, LIVE)
        for correction in self._corrections:
            correction.add(state, r, z)

    def _visit(self, state: Any, level: int, who: Any, fresh: bool) -> None:
        """Improve x of a coarse level, in the volumes that `who` selects."""
        if level >= self._single:
            problem = self._problem
            device.start(
                coarsening.bottom_cycle, (problem.volumes,), state, self._g, self._inverses, self._x, self._b,
                self._bottom, self._levels, self._g.shape[1], problem.volumes, level, self._last, who.value,
                int(fresh), PERIODIC=self._periodic, CELLS=self._bottom_lanes, BLOCK=1024, num_warps=16,
            )  # fmt: skip
            return
        here = (
            self._operator(level), FACES.value, self._sizes[level],
            self._slice(self._x, level), self._slice(self._b, level), False,
        )  # fmt: skip
        self._down(state, here, level + 1, who, fresh)
        self._visit(state, level + 1, who, True)
        if level < UPPER_LEVELS - 1:
            self._visit(state, level + 1, WIDE, False)
        self._up(state, here, level + 1, who)

    def _down(self, state: Any, here: tuple[Any, ...], below: int, who: Any, fresh: bool) -> None:
        """Colours 0 1 0 1, the first of them done already if `fresh`, and the right-hand side of the level below."""
        op, mode, size, x, b, plates = here
        self._wrap(state, x, size, who) if fresh else self._relax(state, here, 0, who)
        for colour in (1, 0, 1):
            self._relax(state, here, colour, who)
        launch(
            smoothing.restrict, int(np.prod(self._sizes[below])), self._problem.volumes, state, op, x, b,
            self._slice(self._inverses, below), self._slice(self._b, below), self._slice(self._x, below),
            self._factors[below], size, who.value, MODE=mode, PLATES=plates,
        )  # fmt: skip

    def _up(self, state: Any, here: tuple[Any, ...], below: int, who: Any) -> None:
        """Add the correction of the level below, and colours 1 0 1 0."""
        op, mode, size, x, _, _ = here
        coarse, factors = self._slice(self._x, below), self._factors[below]
        if self._periodic:
            cells = int(np.prod(size))
            launch(smoothing.prolong, cells, self._problem.volumes, state, op, x, coarse, factors, size,
                   who.value, MODE=mode)  # fmt: skip
            self._wrap(state, x, size, who)
            self._relax(state, here, 1, who)
        else:
            self._relax(state, here, 1, who, coarse, factors)
        for colour in (0, 1, 0):
            self._relax(state, here, colour, who)

    def _relax(
        self, state: Any, here: tuple[Any, ...], colour: int, who: Any, coarse: Any = None, factors: Any = (1, 1, 1)
    ) -> None:
        op, mode, (nx, ny, nz), x, b, plates = here
        launch(
            smoothing.relax, nx * ny * ((nz + 1) // 2), self._problem.volumes, state, op, x, b,
            x if coarse is None else coarse, factors, (nx, ny, nz), colour, who.value,
            MODE=mode, PLATES=plates, PROLONG=coarse is not None,
        )  # fmt: skip
        self._wrap(state, x, (nx, ny, nz), who)

    def _wrap(self, state: Any, x: Any, size: tuple[int, int, int], who: Any) -> None:
        if self._periodic:
            nx, ny, nz = size
            launch(smoothing.wrap, max(ny * nz, nx * nz, nx * ny), self._problem.volumes, state, x, size, who.value,
                   PERIODIC=self._periodic)  # fmt: skip

    def wrap(self, state: Any, x: Any) -> None:
        """Fill the border of a vector on the voxels along periodic axes."""
        self._wrap(state, x, self._problem.size, LIVE)


def joined(plates: Any, factors: tuple[int, int, int]) -> Any:
    """Return the plate conductances (volumes, 2, ny+2, nz+2) of the next coarser level."""
    import torch

    fx, fy, fz = factors
    volumes, _, ny, nz = plates.shape[0], 2, plates.shape[2] - 2, plates.shape[3] - 2
    inner = torch.nn.functional.pad(plates[:, :, 1:-1, 1:-1], (0, -nz % fz, 0, -ny % fy))
    parts = inner.reshape(volumes, 2, -(-ny // fy), fy, -(-nz // fz), fz)
    return torch.nn.functional.pad(parts.sum((3, 5)) / fx, (1, 1, 1, 1)).contiguous()


def dense(op: tuple[Any, ...], size: tuple[int, int, int], volumes: int, periodic: tuple[bool, ...]) -> Any:
    """Return the matrices of a small level, (volumes, cells, cells) in double, 1 on the diagonal of what insulates."""
    import torch

    g, inverse, _, stride = op
    nx, ny, nz = size
    padded = (volumes, nx + 2, ny + 2, nz + 2)
    cells = nx * ny * nz
    own = inverse.view(padded)[:, 1:-1, 1:-1, 1:-1].reshape(volumes, cells).double()
    matrix = torch.diag_embed(torch.where(own > 0, 1 / own.where(own > 0, own.new_tensor(1.0)), 1.0))
    number = torch.arange(cells, device=g.device).view(size)
    count = int(np.prod(padded))
    for axis in range(3):
        faces = torch.as_strided(g, (count,), (1,), g.storage_offset() + axis * stride).view(padded)
        here, there = number.flatten(), number.roll(-1, axis).flatten()
        between = faces[:, 1:-1, 1:-1, 1:-1].reshape(volumes, cells).double()
        if not periodic[axis]:
            last = number.select(axis, size[axis] - 1).flatten()
            between[:, last] = 0
        for row, column in ((here, there), (there, here)):
            matrix[:, row, column] -= between
    return matrix


def inverted(matrix: Any, singular: bool) -> Any:
    """Return the inverses; of a periodic box, where each cluster's constant is free, the pseudo-inverses."""
    import torch

    return torch.linalg.pinv(matrix, rtol=1e-7, hermitian=True) if singular else torch.linalg.inv(matrix)
