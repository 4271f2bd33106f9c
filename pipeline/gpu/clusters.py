"""The cluster correction on the device, see :mod:`~ionscreen.pipeline.clusters`."""

from __future__ import annotations

from typing import Any

import triton
import triton.language as tl

from .device import launch
from .smoothing import live
from .state import LIVE
from .stencil import face_after, identity, located, moved, plate

__all__ = ["ClusterCorrection"]


class ClusterCorrection:
    """z += Z diag(ZᵀAZ)⁻¹ Zᵀ r for all volumes.

    Parameters
    ----------
    labels
        (volumes, nx+2, ny+2, nz+2) int32, numbered through all volumes, 0 for none; filled along periodic axes.
    count
        The largest label.
    problem
        What the labels belong to.
    """

    def __init__(self, labels: Any, count: int, problem: Any) -> None:
        import torch

        self._labels, self._size = labels, problem.size
        self._cells, self._volumes = problem.cells, problem.volumes
        self._sums = torch.zeros(count + 1, dtype=torch.float64, device=labels.device)
        launch(
            surface, self._cells, self._volumes, problem.operator, labels, self._sums, self._size,
            MODE=problem.mode, PLATES=problem.between_plates,
        )  # fmt: skip
        surfaces = self._sums.clone()
        surfaces[0] = 0
        # The surface of a cluster without any is 0: it is all there is, or an island.
        self._inverse = torch.where(surfaces > 0, 1 / surfaces.where(surfaces > 0, surfaces.new_tensor(1.0)), 0.0)

    def add(self, state: Any, r: Any, z: Any) -> None:
        """Add the correction for the residual r to z."""
        self._sums.zero_()
        launch(gather, self._cells, self._volumes, state, self._labels, r, self._sums, self._size)
        launch(spread, self._cells, self._volumes, state, self._labels, self._sums, self._inverse, z, self._size)


@triton.jit
def added(values, labels, sums, ok):
    """Add each value to the sum of its label: the block's own label, mostly that of the largest cluster, in one go."""
    common = tl.max(tl.where(ok, labels, 0), axis=0)
    mine = ok & (labels == common)
    tl.atomic_add(sums + common, tl.sum(tl.where(mine, values, 0.0), axis=0))
    tl.atomic_add(sums + labels, values, mask=ok & (labels != common) & (labels > 0))


@triton.jit
def surface(op, labels, sums, size, MODE: tl.constexpr, PLATES: tl.constexpr, BLOCK: tl.constexpr):
    """Sum the conductances of the faces around each cluster."""
    volume = tl.program_id(1).to(tl.int64)
    nx, ny, nz = size
    sx, sy = (ny + 2) * (nz + 2), nz + 2
    begin = volume * ((nx + 2) * sx)
    mine = moved(op, begin, MODE)
    labels += begin
    i, j, k = located(tl.program_id(0) * BLOCK + tl.arange(0, BLOCK), ny, nz)
    ok = i <= nx
    c = i * sx + j * sy + k
    own = tl.load(labels + c, mask=ok, other=0)
    total = tl.zeros((BLOCK,), tl.float64)
    for down in tl.static_range(2):
        total += outward(mine, labels, own, 0, c - down * sx, sx, down, ok, MODE)
        total += outward(mine, labels, own, 1, c - down * sy, sy, down, ok, MODE)
        total += outward(mine, labels, own, 2, c - down, 1, down, ok, MODE)
    if PLATES:
        here, _grain = identity(mine, c, ok, MODE)
        g = plate(mine, here, ok, MODE)
        total += tl.where(i == 1, g, 0.0) + tl.where(i == nx, g, 0.0)
    added(total, own, sums, ok)


@triton.jit
def outward(op, labels, own, AXIS: tl.constexpr, at, step, down, ok, MODE: tl.constexpr):
    """Return the conductance of the face stored with cell `at` if it leads to another cluster."""
    beyond = tl.load(labels + at + (1 - down) * step, mask=ok, other=0)
    return tl.where(beyond != own, face_after(op, AXIS, at, step, ok, MODE), 0.0).to(tl.float64)


@triton.jit
def gather(state, labels, r, sums, size, BLOCK: tl.constexpr):
    """Sum r over each cluster."""
    volume = tl.program_id(1).to(tl.int64)
    nx, ny, nz = size
    i, j, k = located(tl.program_id(0) * BLOCK + tl.arange(0, BLOCK), ny, nz)
    ok = i <= nx * live(state, volume, LIVE)
    c = volume * ((nx + 2) * (ny + 2) * (nz + 2)) + (i * ((ny + 2) * (nz + 2)) + j * (nz + 2) + k)
    added(tl.load(r + c, mask=ok, other=0.0).to(tl.float64), tl.load(labels + c, mask=ok, other=0), sums, ok)


@triton.jit
def spread(state, labels, sums, inverse, z, size, BLOCK: tl.constexpr):
    """Add to z each cluster's sum over its surface."""
    volume = tl.program_id(1).to(tl.int64)
    nx, ny, nz = size
    i, j, k = located(tl.program_id(0) * BLOCK + tl.arange(0, BLOCK), ny, nz)
    ok = i <= nx * live(state, volume, LIVE)
    c = volume * ((nx + 2) * (ny + 2) * (nz + 2)) + (i * ((ny + 2) * (nz + 2)) + j * (nz + 2) + k)
    label = tl.load(labels + c, mask=ok, other=0)
    ok = ok & (label > 0)
    before = tl.load(z + c, mask=ok, other=0.0)
    raised = tl.load(sums + label, mask=ok, other=0.0) * tl.load(inverse + label, mask=ok, other=0.0)
    tl.store(z + c, before + raised.to(before.dtype), mask=ok)
