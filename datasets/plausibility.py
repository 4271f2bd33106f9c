"""Plausibility: whether the numbers of a sample can be true of its voxels."""

from __future__ import annotations

from typing import Iterator

import numpy as np

from .errors import InvalidInput
from .label import Label, Status
from .microstructure import Microstructure
from .sample import Sample

__all__ = ["problems"]

_ROUNDING = 1e-9  # relative
_OVERSHOOT = 0.1  # of a potential whose solver stopped early
_SOLVED = (Status.OK, Status.NON_PERCOLATING, Status.NOT_CONVERGED)
_FRACTION = "fraction_"  # descriptor of a phase


def problems(sample: Sample) -> Iterator[str]:
    """Yield a sentence on each thing that cannot be true of a sample."""
    yield from _structure_problems(sample)
    for name, label in sample.labels.items():
        if sample.microstructure is None and any(int(s) in _SOLVED for s in label.status):
            yield f"{name}: solved, but there is no microstructure."
            continue
        yield from (f"{name}: {problem}" for problem in _label_problems(sample.microstructure, name, label))
        for axis in range(3):
            problem = _axis_problem(sample.microstructure, label, axis)
            if problem:
                yield f"{name}, axis {axis}: {problem}"


def _structure_problems(sample: Sample) -> Iterator[str]:
    for name, value in sample.descriptors.items():
        if not np.isfinite(value):
            yield f"the descriptor {name!r} is {value}."
    if sample.microstructure is None:
        return
    for phase, fraction in sample.microstructure.fractions().items():
        told = sample.descriptors.get(_FRACTION + phase, fraction)
        if abs(told - fraction) > _ROUNDING:
            yield f"the descriptor {_FRACTION + phase!r} is {told}, the voxels have {fraction}."


def _label_problems(microstructure: Microstructure | None, name: str, label: Label) -> Iterator[str]:
    if label.transport.name != name:
        yield f"the label is of the transport {label.transport.name!r}."
    if not label.seconds >= 0 or np.any(label.iterations < 0):
        yield f"{label.seconds} s and {label.iterations.tolist()} iterations cannot have been spent."
    potential = label.potential
    if potential is not None and np.any((potential < -_OVERSHOOT) | (potential > 1 + _OVERSHOOT)):
        yield "the potential leaves the range from 0 to 1."
    if microstructure is not None and label.connected is not None:
        try:
            conducts = label.transport.table(microstructure.phase_names)[microstructure.phases] > 0
        except InvalidInput:
            return  # said of each axis
        if np.any((label.connected > 0) & ~conducts):
            yield "voxels are connected that do not conduct."
        if np.any(label.connected > 7):
            yield "voxels are connected along axes that there are not."


def _axis_problem(microstructure: Microstructure | None, label: Label, axis: int) -> str:
    """Return a sentence on what cannot be true of one number, empty if it can."""
    status, sigma = int(label.status[axis]), float(label.sigma[axis])
    if status not in list(Status):
        return f"there is no status {status}."
    if microstructure is None or status not in _SOLVED:
        return "" if np.isnan(sigma) else f"status {Status(status).name.lower()}, but σ_eff = {sigma} S/m."
    if status == Status.NON_PERCOLATING:
        if label.connected is not None and np.any(label.connected >> axis & 1):
            return "does not percolate, but voxels are connected to both faces."
        return "" if sigma == 0 else f"does not percolate, but σ_eff = {sigma} S/m."
    if not np.isfinite(sigma):
        return "σ_eff is not a finite number."
    if status == Status.NOT_CONVERGED:
        return ""
    return _mask_problem(label, axis) or _bounds_problem(microstructure, label, axis)


def _mask_problem(label: Label, axis: int) -> str:
    if label.connected is None:
        return ""
    joined = np.moveaxis(label.connected >> axis & 1, axis, 0)
    if not joined.any():
        return "σ_eff is known, but no voxel is connected to both faces."
    return "" if joined[0].any() and joined[-1].any() else "the connected voxels do not reach both faces."


def _bounds_problem(microstructure: Microstructure, label: Label, axis: int) -> str:
    try:
        low, high = _wiener_bounds(microstructure, label)
    except InvalidInput as error:
        return str(error)
    sigma, error_estimate = float(label.sigma[axis]), float(label.error_estimate[axis])
    if not (np.isnan(error_estimate) or 0 <= error_estimate <= 1):
        return f"σ_eff is known, but its relative error is estimated at {error_estimate}."
    tolerance = float(np.nan_to_num(error_estimate)) + _ROUNDING
    if not low * (1 - tolerance) <= sigma <= high * (1 + tolerance):
        return f"σ_eff = {sigma} S/m lies outside the Wiener bounds {low} to {high} S/m."
    if label.upper_bound[axis] < sigma * (1 - tolerance):
        return f"σ_eff = {sigma} S/m exceeds its own upper bound {label.upper_bound[axis]} S/m."
    return ""


def _wiener_bounds(microstructure: Microstructure, label: Label) -> tuple[float, float]:
    """Return the conductivities of the phases in series and in parallel, S/m; Wiener 1912."""
    fractions = np.array(list(microstructure.fractions().values()))
    conductivities = label.transport.table(microstructure.phase_names)
    fractions, conductivities = fractions[fractions > 0], conductivities[fractions > 0]
    is_bounded = np.all(conductivities > 0) and not label.transport.has_resistances
    series = float(1 / np.sum(fractions / conductivities)) if is_bounded else 0.0
    return series, float(fractions @ conductivities)
