"""How much memory a solution needs, and whether it is there: asked before anything is allocated."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np

from ..datasets import InvalidInput

__all__ = ["available_bytes", "check_memory", "needed_bytes"]

# Below this nobody needs to ask.
SMALL = 64 * 2**20
CONTROL_GROUP = Path("/sys/fs/cgroup")
LIMITS = (("memory.max", "memory.current"), ("memory/memory.limit_in_bytes", "memory/memory.usage_in_bytes"))


def needed_bytes(task: Any, refine: int = 1) -> int:
    """Return an estimate from above of the bytes a solution takes at its peak, besides the image."""
    return math.ceil(bytes_per_voxel(task) * _cells(task.phases.shape, refine))


def _cells(shape: tuple[int, ...], refine: int) -> int:
    """Return the size of a vector: one more cell on either side."""
    return math.prod(refine * n + 2 for n in shape)


def bytes_per_voxel(task: Any) -> float:
    """Return what a solution holds at its peak for each cell; benchmarks/solver_scaling.py measures it."""
    from .conductivity import single_precision

    conducting = np.unique(task.table[task.table > 0])
    contacts = bool(task.interfaces) or task.grains is not None
    alike = conducting.size <= 1 and not contacts
    real = 4 if single_precision(task) else 8
    # Potential, residual, direction, preconditioned residual, 1/diagonal, and coarse levels: together a seventh of a
    # finest one with three conductances, 1/diagonal, potential and right-hand side.
    held = (5 + 6 / 7) * real
    held += 5  # bytes: what conducts, what percolates, materials in two orders
    periodic = task.boundary == "periodic"
    if not alike:
        held += 3 * real + 8  # conductances of faces; labels of clusters
    if contacts:
        held += 8 + (8 if task.boundary == "plates" else 24)
    if task.grains is not None:
        held += 24
    if periodic:
        held += 3 * real  # potentials of the other axes
    if task.fields:
        held += 4 * real * task.axes
    return held


def available_bytes() -> int:
    """Return the memory that can still be had: of the machine, and of the control group this process is in."""
    import psutil

    free = int(psutil.virtual_memory().available)
    for limit, used in LIMITS:
        try:
            most, taken = (int((CONTROL_GROUP / name).read_text()) for name in (limit, used))
        except (OSError, ValueError):  # no such group, or "max"
            continue
        free = min(free, most - taken)
    return max(free, 0)


def check_memory(task: Any, refine: int = 1) -> None:
    """Refuse what does not fit.

    Raises
    ------
    InvalidInput
        The sentence says what is needed, what is free and what would fit.
    """
    needed = needed_bytes(task, refine) + (refine > 1) * task.phases.size * refine**3
    if needed < SMALL:
        return
    free = available_bytes()
    if needed > free:
        nx, ny, nz = task.phases.shape
        edge = int((free / needed * math.prod((nx, ny, nz))) ** (1 / 3))
        cure = "leave out refine" if refine > 1 else "crop it (image[:n, :n, :n]), join voxels, or use a larger machine"
        raise InvalidInput(
            f"phases of {nx} x {ny} x {nz} voxels needs {needed / 1e9:.3g} GB, but {free / 1e9:.3g} GB are free; "
            f"a cube of {edge} voxels would fit: {cure}."
        )
