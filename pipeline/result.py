"""The result of a solution: the effective conductivity, how far to trust it, and how it was found."""

from __future__ import annotations

import enum
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

__all__ = ["ConductivityResult", "Outcome", "stacked"]

LISTS = ("outcome", "potential", "current_density")


class Outcome(enum.Enum):
    """How a solution ended; the value is the sentence that explains it."""

    CONVERGED = "The estimated relative error of the effective conductivity is below the requested tolerance."
    NON_PERCOLATING = "No conducting path joins the two faces; the effective conductivity is exactly 0."
    NOT_CONVERGED = "The iteration limit was reached before the requested tolerance; see error_estimate."

    @property
    def sentence(self) -> str:
        """The explanation."""
        return str(self.value)


@dataclass(frozen=True, eq=False)
class ConductivityResult:
    """Effective conductivity along one axis, or, with ``axis="all"``, of each axis: every number is then an array (3,).

    Parameters
    ----------
    sigma
        σ_eff, S/m: the Dirichlet energy of the potential that was found.
    relative
        M = σ_eff / largest phase conductivity.
    tortuosity
        τ = ε/M with ε the volume fraction of *all* voxels that conduct, joined to the faces or not (the convention of
        TauFactor and PuMA); infinite if nothing percolates. The fraction that is joined is `connected_fraction`: for
        the tortuosity of the connected phase alone, take connected_fraction/relative.
    upper_bound
        S/m; the true σ_eff is never above it: the energy of any potential bounds it (Dirichlet's principle).
    error_estimate
        Estimated relative error of sigma, from above.
    connected_fraction
        Volume fraction of the voxels that conduct and are joined to both faces.
    flux_in, flux_out
        σ_eff computed from the current through either plate, S/m; they agree with sigma to about the square root of
        the error. NaN for a periodic box, which has no plates.
    outcome
        How it ended (a list of three with ``axis="all"``).
    iterations
        Of conjugate gradients.
    seconds
        Wall time.
    tensor
        (3, 3), S/m, symmetric; None unless the boundary is periodic.
    potential
        (nx, ny, nz), V for 1 V across the box, NaN where nothing flows; None unless fields were asked for; with
        ``axis="all"`` a list of three.
    current_density
        (3, nx, ny, nz), A/m² for 1 V across the box: through the face between each voxel and its successor along
        x, y, z (along the current's axis, the last layer's is that into the plate); None as `potential`.
    lower_bound
        S/m; the true σ_eff is never below it (Thomson's principle); None unless it was asked for.
    memory
        Bytes that the solution needed besides the image, estimated from above before it began.
    discretisation_error
        Estimated relative difference of sigma from the limit of ever finer voxels; None unless refined.
    sigma_extrapolated
        That limit as Richardson's extrapolation estimates it, S/m; None unless refined.
    """

    sigma: Any
    relative: Any
    tortuosity: Any
    upper_bound: Any
    error_estimate: Any
    connected_fraction: Any
    flux_in: Any
    flux_out: Any
    outcome: Any
    iterations: Any
    seconds: Any
    tensor: Any = None
    potential: Any = None
    current_density: Any = None
    lower_bound: Any = None
    memory: Any = 0
    discretisation_error: Any = None
    sigma_extrapolated: Any = None

    def along(self, axis: int) -> ConductivityResult:
        """Return the result along one axis, of one with ``axis="all"``; the tensor stays."""
        values = {name: getattr(self, name) for name in self.__dataclass_fields__}
        kept = {name: value for name, value in values.items() if value is None or name == "tensor"}
        return ConductivityResult(**{n: _plain(v[axis]) for n, v in values.items() if n not in kept}, **kept)


def _plain(value: Any) -> Any:
    """Return a number of numpy's as Python's."""
    return value.item() if isinstance(value, np.generic) else value


def stacked(results: Sequence[ConductivityResult], tensor: Any = None) -> ConductivityResult:
    """Return one result whose numbers are arrays, their first axis as long as `results`.

    The tensor is that of the first, unless it is given.
    """
    columns: dict[str, Any] = {}
    for name in ConductivityResult.__dataclass_fields__:
        values = [getattr(result, name) for result in results]
        absent = values[0] is None
        columns[name] = None if absent else values if name in LISTS else np.array(values)
    columns["tensor"] = results[0].tensor if tensor is None else tensor
    return ConductivityResult(**columns)
