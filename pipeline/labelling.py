"""Microstructure -> label, and recipe -> sample: the computing steps, without any engine around them."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from ..datasets import InvalidInput, Label, Microstructure, Recipe, Sample, Status, Transport
from .conductivity import ConductivityResult, Outcome, effective_conductivity
from .descriptors import fractions
from .generation import generate
from .percolation import percolating

__all__ = ["LabelSettings", "compute_sample", "label", "unlabelled"]

STATUS_OF_OUTCOME = {
    Outcome.CONVERGED: Status.OK,
    Outcome.NON_PERCOLATING: Status.NON_PERCOLATING,
    Outcome.NOT_CONVERGED: Status.NOT_CONVERGED,
}


@dataclass(frozen=True, kw_only=True)
class LabelSettings:
    """How labels are computed.

    Parameters
    ----------
    axes
        Axes along which σ_eff is computed: some of 0, 1, 2.
    rtol
        Relative error promised on σ_eff.
    potential
        Whether labels hold the potential too: 12 bytes a voxel before compression.
    """

    axes: tuple[int, ...] = (0,)
    rtol: float = 1e-4
    potential: bool = False

    def __post_init__(self) -> None:
        if not self.axes or set(self.axes) - {0, 1, 2} or len(set(self.axes)) != len(self.axes):
            raise InvalidInput(f"label.axes is {list(self.axes)!r}; list each of 0, 1, 2 at most once, at least one.")
        if not 1e-10 <= self.rtol <= 0.1:
            raise InvalidInput(f"label.rtol is {self.rtol!r}; give a relative error from 1e-10 to 0.1.")


def label(microstructure: Microstructure, transport: Transport, settings: LabelSettings) -> Label:
    """Return the effective conductivity of a microstructure under one transport.

    A structure that cannot be labelled is a result: its status and message say so.

    Parameters
    ----------
    microstructure
        Phases, their names, voxel size.
    transport
        Conductivity of each phase by name, S/m.
    settings
        Axes and tolerance.

    Raises
    ------
    InvalidInput
        If the transport has no conductivity for one of the phases.
    """
    began = time.perf_counter()
    table = dict(enumerate(transport.table(microstructure.phase_names).tolist()))
    connected = np.zeros(microstructure.shape, dtype=np.uint8)
    potential = np.full((3, *microstructure.shape), np.nan, np.float32) if settings.potential else None
    found = Label(transport, connected=connected, potential=potential)
    for axis in settings.axes:
        result = effective_conductivity(
            microstructure.phases,
            table,
            voxel_size=microstructure.voxel_size,
            axis=axis,
            rtol=settings.rtol,
            return_fields=settings.potential,
            **resistances(microstructure, transport),
        )
        _enter(found, axis, result)
        mask = percolating(microstructure.phases, table, axis)
        connected[mask] |= np.uint8(1 << axis)
    return replace(found, seconds=time.perf_counter() - began)


def resistances(microstructure: Microstructure, transport: Transport) -> dict[str, Any]:
    """Return the solver's arguments on contacts and grain boundaries: of phases and grains that are there."""
    number = {name: n for n, name in enumerate(microstructure.phase_names)}
    contacts = {
        (number[a], number[b]): resistance
        for (a, b), resistance in transport.interface_resistance.items()
        if a in number and b in number
    }
    boundaries = {number[p]: r for p, r in transport.grain_boundary_resistance.items() if p in number}
    arguments: dict[str, Any] = {"interface_resistance": contacts} if contacts else {}
    if boundaries and microstructure.grains is not None:
        arguments.update(grains=microstructure.grains, grain_boundary_resistance=boundaries)
    return arguments


def _enter(found: Label, axis: int, result: ConductivityResult) -> None:
    if found.potential is not None and result.potential is not None:
        found.potential[axis] = result.potential
    found.sigma[axis] = result.sigma
    found.upper_bound[axis] = result.upper_bound
    found.error_estimate[axis] = result.error_estimate
    found.status[axis] = STATUS_OF_OUTCOME[result.outcome]
    found.iterations[axis] = result.iterations


def compute_sample(
    recipe: Recipe,
    transports: Sequence[Transport],
    settings: LabelSettings,
    files: Mapping[str, Path] | None = None,
) -> Sample:
    """Return the sample of a recipe: generated, labelled, with its provenance.

    A recipe that cannot be generated gives a sample without microstructure whose labels say why.
    """
    try:
        microstructure = generate(recipe, files)
        labels = {t.name: label(microstructure, t, settings) for t in transports}
    except InvalidInput as error:
        return unlabelled(recipe, transports, settings, Status.INVALID_STRUCTURE, str(error))
    # What was asked for stands in the recipe.
    return Sample(recipe, microstructure, labels, provenance(settings), fractions(microstructure))


def unlabelled(
    recipe: Recipe, transports: Sequence[Transport], settings: LabelSettings, status: Status, message: str
) -> Sample:
    """Return the sample of a recipe that gave no label, with the status and a sentence on what happened."""
    statuses = np.full(3, Status.NOT_REQUESTED, dtype=np.uint8)
    statuses[list(settings.axes)] = status
    labels = {t.name: Label(t, status=statuses.copy(), message=message) for t in transports}
    return Sample(recipe, None, labels, provenance(settings))


def provenance(settings: LabelSettings) -> dict[str, Any]:
    """Return what a label depends on besides recipe and transport: versions and solver settings."""
    return {
        "versions": {name: version(name) for name in ("ionscreen", "numpy", "porespy", "scipy")},
        "solver": {"boundary": "plates", "axes": list(settings.axes), "rtol": settings.rtol},
    }
