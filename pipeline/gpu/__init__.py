"""The conductivity solver on a GPU: the CPU's algorithm in Triton kernels, for one image or a batch of equal size."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..result import ConductivityResult
from .device import find_device

__all__ = ["solve_on_gpu"]


def solve_on_gpu(tasks: Sequence[Any], axes: Sequence[int]) -> list[list[ConductivityResult]]:
    """Return the results of tasks that differ in phases and grains only, by task and by axis of `axes`.

    As many volumes at once as fit the device's memory.

    Raises
    ------
    InvalidInput
        There is no Triton, no GPU, or not one volume fits it.
    """
    device = find_device()
    # Only now: the kernels cannot be imported without Triton.
    from .conductivity import solve

    return solve(tasks, axes, device)
