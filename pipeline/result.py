"""The result of a solution: the effective conductivity, how far to trust it, and how it was found."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import Any

__all__ = ["ConductivityResult", "Outcome"]


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
