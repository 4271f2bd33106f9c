"""What users may pass to the solver, checked at the edge: each error shows the call to write instead."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from ..datasets import InvalidInput
from . import assembly
from .percolation import conductivity_table

__all__ = [
    "checked_grains",
    "checked_interfaces",
    "checked_phases",
    "checked_rtol",
    "checked_table",
    "checked_threads",
    "checked_voxel_size",
]

CALL = "effective_conductivity(phases, {0: 0.0, 1: 0.18}, voxel_size=0.4e-6, axis=0)"
MAX_PHASES = 65536
MAX_CONTRAST = 1e15  # double precision has no more


def checked_phases(phases: Any) -> npt.NDArray[Any]:
    """Return the image, booleans as bytes."""
    if not isinstance(phases, np.ndarray):
        raise InvalidInput(f"phases is a {type(phases).__name__}, not a numpy array; write {CALL}.")
    if phases.dtype.kind not in "ub":
        raise InvalidInput(
            f"phases has dtype {phases.dtype}; phase numbers are unsigned: write phases.astype(numpy.uint8) if they "
            "are whole numbers, or segment the image."
        )
    if phases.ndim != 3 or phases.size == 0:
        raise InvalidInput(f"phases has shape {phases.shape}; it must be (nx, ny, nz), each 1 or more: {CALL}.")
    # One memory layout and byte order: kernels are compiled once for each.
    plain = np.ascontiguousarray(phases, dtype=phases.dtype.newbyteorder("="))
    return plain.view(np.uint8) if plain.dtype == bool else plain


def checked_table(phases: npt.NDArray[Any], conductivity: Any) -> npt.NDArray[np.float64]:
    """Return σ by phase number, S/m; 0 for numbers that do not occur."""
    if not isinstance(conductivity, Mapping) or not conductivity:
        raise InvalidInput(f"conductivity is {conductivity!r}; give σ of each phase in S/m: {CALL}.")
    for phase, sigma in conductivity.items():
        if isinstance(phase, bool | np.bool_) or not isinstance(phase, int | np.integer) or not 0 <= phase < MAX_PHASES:
            raise InvalidInput(f"conductivity has the key {phase!r}; keys are phase numbers: {CALL}.")
        if not _is_number(sigma) or sigma < 0:
            raise InvalidInput(f"conductivity[{phase}] is {sigma!r}; give a finite number of S/m, 0 or more: {CALL}.")
    largest = int(phases.max())
    if largest >= MAX_PHASES:
        raise InvalidInput(f"phases holds the number {largest}; number them from 0 (numpy.unique does).")
    table = conductivity_table(phases, conductivity)
    there = np.flatnonzero(assembly.count(phases, table.size)[: table.size])
    missing = there[np.isnan(table[there])]
    if missing.size:
        raise InvalidInput(
            f"phases holds phase {missing[0]}, but conductivity has no entry for it; add {missing[0]}: σ in S/m, "
            "0 if it insulates."
        )
    present = np.zeros_like(table)
    present[there] = table[there]
    conducting = present[present > 0]
    if conducting.size and conducting.max() / conducting.min() > MAX_CONTRAST:
        raise InvalidInput("conductivity spans more than 15 decades; set the smallest to 0, they carry nothing.")
    return present


def _is_number(value: Any) -> bool:
    plain = isinstance(value, int | float | np.integer | np.floating) and not isinstance(value, bool)
    return plain and math.isfinite(value)


def checked_voxel_size(voxel_size: Any) -> npt.NDArray[np.float64]:
    """Return (hx, hy, hz), metres."""
    try:
        given = np.asarray(voxel_size, dtype=float)
    except (TypeError, ValueError):
        given = np.empty(0)
    sizes = np.repeat(given, 3) if given.ndim == 0 else given
    if sizes.shape != (3,) or not (np.isfinite(sizes) & (sizes > 0)).all():
        raise InvalidInput(f"voxel_size is {voxel_size!r}; give one or three positive lengths in metres: {CALL}.")
    return sizes


def checked_rtol(rtol: Any) -> float:
    """Return the tolerance."""
    if not _is_number(rtol) or not 1e-10 <= rtol <= 0.1:
        raise InvalidInput(f"rtol is {rtol!r}; give a relative error from 1e-10 to 0.1.")
    return float(rtol)


def checked_threads(threads: Any) -> int:
    """Return how many threads to use; None means as many as numba has."""
    import numba

    most = int(numba.config.NUMBA_NUM_THREADS)
    if threads is None:
        return most
    if isinstance(threads, bool) or not isinstance(threads, int) or not 1 <= threads <= most:
        raise InvalidInput(f"threads is {threads!r}; give 1 to {most} (the environment's NUMBA_NUM_THREADS), or None.")
    return threads


def checked_interfaces(interfaces: Any, table: npt.NDArray[np.float64]) -> dict[tuple[int, int], float]:
    """Return the resistance, Ω m², by pair of phases, the smaller number first."""
    example = "interface_resistance={(0, 1): 40e-4} in Ω m²"
    if not isinstance(interfaces, Mapping):
        raise InvalidInput(f"interface_resistance is {interfaces!r}; write {example}.")
    checked = {}
    for pair, resistance in interfaces.items():
        numbers = isinstance(pair, tuple) and len(pair) == 2 and all(isinstance(p, int | np.integer) for p in pair)
        if not numbers or pair[0] == pair[1]:
            raise InvalidInput(
                f"interface_resistance has the key {pair!r}; keys are pairs of different phases: {example}; between "
                "grains of one phase it is grains= and grain_boundary_resistance=."
            )
        if not _is_number(resistance) or resistance < 0:
            raise InvalidInput(f"interface_resistance[{pair}] is {resistance!r}; give 0 or more: {example}.")
        if not all(0 <= p < table.size for p in pair):
            raise InvalidInput(f"interface_resistance has the key {pair!r}, but phases end at {table.size - 1}.")
        checked[min(pair), max(pair)] = float(resistance)
    return checked


def checked_grains(
    grains: Any, resistance: Any, phases: npt.NDArray[Any], table: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    """Return the resistance between grains by phase, Ω m²."""
    example = "grains=labels, grain_boundary_resistance=1e-4 (Ω m², or {phase: Ω m²})"
    if (grains is None) != (resistance is None):
        raise InvalidInput(f"grains and grain_boundary_resistance go together: {example}.")
    if grains is None:
        return np.zeros(table.size)
    if not isinstance(grains, np.ndarray) or grains.dtype.kind not in "iu" or grains.shape != phases.shape:
        raise InvalidInput(f"grains must be whole numbers in an array of shape {phases.shape} like phases: {example}.")
    given = resistance if isinstance(resistance, Mapping) else dict.fromkeys(range(table.size), resistance)
    by_phase = np.zeros(table.size)
    for phase, value in given.items():
        if phase not in range(table.size) or not _is_number(value) or value < 0:
            raise InvalidInput(f"grain_boundary_resistance is {resistance!r}; write {example}.")
        by_phase[phase] = value
    return by_phase
