"""Connected clusters on the device: what percolates, and which cluster a voxel belongs to."""

from __future__ import annotations

from typing import Any

import triton
import triton.language as tl

from .device import launch

__all__ = ["look_up", "numbered_clusters", "spanning"]


def look_up(table: Any, numbers: Any) -> Any:
    """Return table[numbers], uint8, for numbers (volumes, nx, ny, nz) uint8; a pass without 64-bit indices."""
    import torch

    found = torch.empty_like(numbers)
    cells = numbers[0].numel()
    launch(replace, cells, len(numbers), table.to(torch.uint8), numbers, found, cells)
    return found


def clusters(values: Any, periodic: tuple[bool, bool, bool], grains: Any = None) -> Any:
    """Return for each voxel the smallest index within its volume of a voxel of its cluster, int32.

    Neighbours of equal value belong together, also around periodic axes, and if there are `grains` only in one grain.
    Each round joins roots to smaller ones (Shiloach and Vishkin, J. Algorithms 3 (1982) 57) until none is left to join.

    Parameters
    ----------
    values
        (volumes, nx, ny, nz) uint8; 0 belongs nowhere.
    periodic
        By axis.
    grains
        Labels, int32, or None.
    """
    import torch

    volumes, size = len(values), tuple(values.shape[1:])
    cells = values[0].numel()
    labels = torch.arange(cells, dtype=torch.int32, device=values.device).repeat(volumes, 1)
    again = torch.ones(1, dtype=torch.int32, device=values.device)
    bits = sum(1 << axis for axis in range(3) if periodic[axis])
    while bool(again):
        again.zero_()
        launch(hook, cells, volumes, values, values if grains is None else grains, labels, again, size,
               PERIODIC=bits, GRAINS=grains is not None)  # fmt: skip
        launch(jump, cells, volumes, labels, cells)
    return labels


def spanning(conducts: Any, periodic_sides: bool) -> Any:
    """Return `conducts` (volumes, nx, ny, nz), uint8, without the clusters that do not join both faces of axis 0."""
    import torch

    labels = clusters(conducts, (False, periodic_sides, periodic_sides))
    layer = conducts[0, 0].numel()
    touches = torch.zeros((2, *labels.shape), dtype=torch.uint8, device=conducts.device)
    flat = conducts.view(labels.shape)
    for end, part in enumerate((slice(0, layer), slice(-layer, None))):
        touches[end].scatter_(1, labels[:, part].long() * flat[:, part], flat[:, part])
    # Index 0 also took what the insulator wrote: cluster 0 is there only if voxel 0 conducts.
    for end, part in enumerate((slice(0, layer), slice(-layer, None))):
        touches[end, :, 0] = ((labels[:, part] == 0) & (flat[:, part] > 0)).any(dim=1)
    kept = torch.empty_like(conducts)
    cells = flat.shape[1]
    launch(keep, cells, len(conducts), conducts, labels, touches[0] & touches[1], kept, cells)
    return kept


def numbered_clusters(values: Any, periodic: tuple[bool, bool, bool], grains: Any = None) -> tuple[Any, int]:
    """Return the number of each voxel's cluster, from 1 on through all volumes, int32, and how many there are."""
    import torch

    labels = clusters(values, periodic, grains)
    cells = labels.shape[1]
    roots = (labels == torch.arange(cells, dtype=torch.int32, device=labels.device)) & (values.view(labels.shape) > 0)
    numbers = torch.cumsum(roots.view(-1), 0, dtype=torch.int32)
    found = torch.empty_like(labels)
    launch(renumber, cells, len(values), values, labels, numbers, found, cells)
    return found.view(values.shape), int(numbers[-1])


@triton.jit
def replace(table, numbers, found, cells, BLOCK: tl.constexpr):
    """found = table[numbers]."""
    o = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    begin = tl.program_id(1).to(tl.int64) * cells
    number = tl.load(numbers + begin + o, mask=o < cells, other=0).to(tl.int32)
    tl.store(found + begin + o, tl.load(table + number), mask=o < cells)


@triton.jit
def hook(values, grains, labels, again, size, PERIODIC: tl.constexpr, GRAINS: tl.constexpr, BLOCK: tl.constexpr):
    """Give each root, and each voxel, the smallest label among its neighbours' if that is smaller."""
    nx, ny, nz = size
    begin = tl.program_id(1).to(tl.int64) * (nx * ny * nz)
    values += begin
    grains += begin
    labels += begin
    o = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    ok = o < nx * ny * nz
    i, j, k = o // (ny * nz), o // nz % ny, o % nz
    value = tl.load(values + o, mask=ok, other=0)
    ok = ok & (value > 0)
    grain = tl.load(grains + o, mask=ok, other=0)
    own = tl.load(labels + o, mask=ok, other=0)
    best = own
    for side in tl.static_range(2):
        best = tl.minimum(best, beyond(values, grains, labels, o, i, nx, ny * nz, side, value, grain, own, ok,
                                       PERIODIC & 1, GRAINS))  # fmt: skip
        best = tl.minimum(best, beyond(values, grains, labels, o, j, ny, nz, side, value, grain, own, ok,
                                       PERIODIC & 2, GRAINS))  # fmt: skip
        best = tl.minimum(best, beyond(values, grains, labels, o, k, nz, 1, side, value, grain, own, ok,
                                       PERIODIC & 4, GRAINS))  # fmt: skip
    lower = ok & (best < own)
    tl.atomic_min(labels + own, best, mask=lower)
    tl.atomic_min(labels + o, best, mask=lower)
    if tl.max(lower.to(tl.int32), axis=0) > 0:
        tl.store(again, 1)


@triton.jit
def beyond(
    values, grains, labels, o, place, n, step, side, value, grain, own, ok, AROUND: tl.constexpr, GRAINS: tl.constexpr
):
    """Return the label of the neighbour before (side 0) or after along an axis, `own` if it is of another cluster."""
    last = place == (n - 1) * side
    move = (2 * side - 1) * step
    other = tl.where(last, o - (n - 1) * move, o + move)
    there = ok if AROUND else ok & (last == 0)
    there = there & (tl.load(values + other, mask=there, other=0) == value)
    if GRAINS:
        there = there & (tl.load(grains + other, mask=there, other=0) == grain)
    return tl.where(there, tl.load(labels + other, mask=there, other=0), own)


@triton.jit
def jump(labels, cells, BLOCK: tl.constexpr):
    """Replace each label by the label of what it points to, a few times over."""
    labels += tl.program_id(1).to(tl.int64) * cells
    o = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    ok = o < cells
    label = tl.load(labels + o, mask=ok, other=0)
    for _ in tl.static_range(4):
        label = tl.load(labels + label, mask=ok, other=0)
    tl.store(labels + o, label, mask=ok)


@triton.jit
def keep(conducts, labels, wanted, kept, cells, BLOCK: tl.constexpr):
    """kept = conducts where the cluster is wanted, else 0."""
    begin = tl.program_id(1).to(tl.int64) * cells
    o = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    ok = o < cells
    value = tl.load(conducts + begin + o, mask=ok, other=0)
    label = tl.load(labels + begin + o, mask=ok, other=0)
    stays = tl.load(wanted + begin + label, mask=ok & (value > 0), other=0)
    tl.store(kept + begin + o, tl.where(stays > 0, value, 0), mask=ok)


@triton.jit
def renumber(values, labels, numbers, found, cells, BLOCK: tl.constexpr):
    """Replace each label by its cluster's number, 0 where there is no value."""
    begin = tl.program_id(1).to(tl.int64) * cells
    o = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    ok = o < cells
    holds = ok & (tl.load(values + begin + o, mask=ok, other=0) > 0)
    label = tl.load(labels + begin + o, mask=ok, other=0)
    tl.store(found + begin + o, tl.load(numbers + begin + label, mask=holds, other=0), mask=ok)
