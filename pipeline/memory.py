"""How much memory a solution needs, and whether it is there: asked before anything is allocated."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from ..datasets import InvalidInput

__all__ = ["available_bytes", "check_memory", "needed_bytes"]

# Below this nobody needs to ask.
SMALL = 64 * 2**20
CONTROL_GROUPS, OWN_GROUP = Path("/sys/fs/cgroup"), Path("/proc/self/cgroup")


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
    # finest one with three conductances, 1/diagonal, checkerboard, potential and right-hand side.
    held = (5 + 7 / 7) * real
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
    """Return the memory that can still be had: of the machine, and of the control groups this process is in."""
    import psutil

    return max(min([int(psutil.virtual_memory().available), *_left_to_groups()]), 0)


def _left_to_groups() -> Iterator[int]:
    """Yield what this process's control group and those around it may still take: of a batch job, a container."""
    try:
        # "0::/slurm/job": version 2.
        inside = next(line[3:] for line in OWN_GROUP.read_text().splitlines() if line.startswith("0::"))
    except (OSError, StopIteration):
        return
    folder = CONTROL_GROUPS / inside.strip("/")
    for group in (folder, *folder.parents):
        try:
            most, taken = (int((group / name).read_text()) for name in ("memory.max", "memory.current"))
            lines = (line.split() for line in (group / "memory.stat").read_text().splitlines())
        except (OSError, ValueError):  # no such file, or "max"
            continue
        # Cached files count as taken, but give way.
        yield most - taken + sum(int(value) for name, value in lines if name in ("active_file", "inactive_file"))


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
