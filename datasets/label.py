"""The label: the effective conductivity of a microstructure under one transport, with how far to trust it."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from typing import Any, Mapping

import numpy as np
import numpy.typing as npt

from .transport import Transport

__all__ = ["Label", "Status", "relative_to"]


class Status(enum.IntEnum):
    """How a label came out; the number is what is stored, :attr:`sentence` is what a person reads."""

    OK = 0
    NON_PERCOLATING = 1
    NOT_CONVERGED = 2
    INVALID_STRUCTURE = 3
    WORKER_LOST = 4
    NOT_REQUESTED = 5

    @property
    def sentence(self) -> str:
        """One sentence that explains the status."""
        return _SENTENCES[self]


_SENTENCES = {
    Status.OK: "The effective conductivity is known to the requested tolerance.",
    Status.NON_PERCOLATING: "No conducting path joins the two faces; the effective conductivity is exactly 0.",
    Status.NOT_CONVERGED: "The solver reached its iteration limit before the requested tolerance.",
    Status.INVALID_STRUCTURE: "The microstructure could not be generated or labelled.",
    Status.WORKER_LOST: "The worker that computed this sample died every time it was tried.",
    Status.NOT_REQUESTED: "This axis was not asked for.",
}


def _nan3() -> npt.NDArray[np.float64]:
    return np.full(3, np.nan)


def _not_requested() -> npt.NDArray[np.uint8]:
    return np.full(3, Status.NOT_REQUESTED, dtype=np.uint8)


@dataclass(frozen=True, eq=False)
class Label:
    """Effective conductivity along x, y, z. NaN where the status is not OK, NON_PERCOLATING or NOT_CONVERGED.

    Parameters
    ----------
    transport
        What was computed.
    sigma
        (3,) float64, S/m.
    upper_bound
        (3,) float64, S/m: Dirichlet energy of the final potential, never below the true value.
    error_estimate
        (3,) float64: estimated relative error of sigma.
    status
        (3,) uint8, values of :class:`Status`.
    iterations
        (3,) int32.
    seconds
        Wall time of labelling; not part of what must be reproducible.
    connected
        (nx, ny, nz) uint8 or None: bit a (1 << a) is set where the voxel conducts and is joined to both faces of
        axis a.
    message
        A sentence on what went wrong, empty if nothing did.
    potential
        (3, nx, ny, nz) float32 or None: for each axis the potential over the applied one; NaN where it is unknown.
    """

    transport: Transport
    sigma: npt.NDArray[np.float64] = field(default_factory=_nan3)
    upper_bound: npt.NDArray[np.float64] = field(default_factory=_nan3)
    error_estimate: npt.NDArray[np.float64] = field(default_factory=_nan3)
    status: npt.NDArray[np.uint8] = field(default_factory=_not_requested)
    iterations: npt.NDArray[np.int32] = field(default_factory=lambda: np.zeros(3, np.int32))
    seconds: float = 0.0
    connected: npt.NDArray[np.uint8] | None = None
    message: str = ""
    potential: npt.NDArray[np.float32] | None = None

    @property
    def relative(self) -> npt.NDArray[np.float64]:
        """(3,): M = σ_eff / largest phase conductivity."""
        return relative_to(self.transport.sigma_max, self.sigma)

    def counts(self) -> Mapping[Status, int]:
        """Return how many of the three axes have each status."""
        found: dict[Status, int] = {}
        for value in self.status:
            found[Status(int(value))] = found.get(Status(int(value)), 0) + 1
        return found

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON types, without the connectivity mask; unknown numbers are None."""
        return {
            "transport": self.transport.name,
            "sigma_S_per_m": [None if np.isnan(s) else float(s) for s in self.sigma],
            "status": [Status(int(s)).name.lower() for s in self.status],
            "message": self.message,
        }


def relative_to(largest: npt.NDArray[np.float64] | float, sigma: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return M = σ_eff / largest phase conductivity.

    A file may hold any σ, even one that no such conductor can have: `verify` says so, reading does not fail.
    """
    with np.errstate(over="ignore"):
        return np.asarray(sigma / largest)
