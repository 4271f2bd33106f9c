"""σ_eff of an image by ionscreen and by its peers, each called as its documentation says.

A solver takes ``(phases, sigma, tolerance)`` and returns σ_eff along axis 0 relative to σ = 1, and how
many iterations it took if it tells.
"""

from __future__ import annotations

import contextlib
import io
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["PEERS", "Peer", "reference"]

Phases = npt.NDArray[np.uint8]
Sigma = dict[int, float]
Answer = tuple[float, int | None]


@dataclass(frozen=True)
class Peer:
    """A solver to compare with.

    Parameters
    ----------
    solve
        The call.
    tolerances
        Settings to try, in the tool's own measure; None is its default.
    ends
        Where it fixes the potential: on the outer ``"faces"`` of the first and last layer, in these ``"layers"``, or
        ``"beyond"``, in a further layer before the first and after the last.
    module
        What has to be importable.
    binary
        Whether it knows one conducting phase only.
    threaded
        Whether it uses more than one thread.
    """

    solve: Callable[[Phases, Sigma, float | None], Answer]
    tolerances: tuple[float | None, ...]
    module: str
    ends: str = "faces"
    binary: bool = False
    threaded: bool = False

    def ends_of(self, two_phases: bool) -> str:
        """Return where it fixes the potential; TauFactor's solver of several phases does so elsewhere."""
        return "beyond" if self.module == "taufactor" and not two_phases else self.ends


def by_ionscreen(phases: Phases, sigma: Sigma, tolerance: float | None) -> Answer:
    """Tolerance: estimated relative error of σ_eff."""
    from ionscreen.pipeline import effective_conductivity

    result = effective_conductivity(phases, sigma, rtol=tolerance or 1e-4)
    return float(result.sigma), int(result.iterations)


def by_taufactor(phases: Phases, sigma: Sigma, tolerance: float | None) -> Answer:
    """Tolerance: spread of the flux over the layers."""
    import taufactor

    criterion = {} if tolerance is None else {"conv_crit": tolerance}
    with contextlib.redirect_stdout(io.StringIO()):
        if set(sigma.values()) == {0.0, 1.0}:
            conducts = np.isin(phases, [p for p, s in sigma.items() if s > 0]).astype(np.uint8)
            solver = taufactor.Solver(conducts, device="cpu")
        else:
            # Its phase 0 is the insulator.
            number = np.array([p + 1 if sigma[p] > 0 else 0 for p in range(max(sigma) + 1)], np.uint8)
            conductors = {p + 1: s for p, s in sigma.items() if s > 0}
            solver = taufactor.MultiPhaseSolver(number[phases], conductors, device="cpu")
        solver.solve(iter_limit=200_000, verbose=False, **criterion)
    return float(np.ravel(_plain(solver.D_eff))[0]), int(np.ravel(_plain(solver.iter))[0])


def by_porespy(phases: Phases, sigma: Sigma, tolerance: float | None) -> Answer:
    """Tolerance: mismatch of the flux in and out."""
    import porespy

    conducts = np.isin(phases, [p for p, s in sigma.items() if s > 0])
    criterion = {} if tolerance is None else {"ftol": tolerance}
    return 1 / float(porespy.simulations.tortuosity_fd(conducts, axis=0, **criterion).formation_factor), None


def by_pyamg(phases: Phases, sigma: Sigma, tolerance: float | None) -> Answer:
    """Smoothed aggregation and conjugate gradients; tolerance: relative residual."""
    import pyamg

    system = assembled(phases, sigma)
    residuals: list[float] = []
    hierarchy = pyamg.smoothed_aggregation_solver(system.matrix)
    x = hierarchy.solve(system.b, tol=tolerance or 1e-5, accel="cg", maxiter=1000, residuals=residuals)
    return system.conductivity(x), len(residuals) - 1


def by_pyamgcl(phases: Phases, sigma: Sigma, tolerance: float | None) -> Answer:
    """Smoothed aggregation and conjugate gradients, C++; tolerance: relative residual."""
    import pyamgcl

    system = assembled(phases, sigma)
    hierarchy = pyamgcl.amg(system.matrix, {"coarsening.type": "smoothed_aggregation", "relax.type": "spai0"})
    solver = pyamgcl.solver(hierarchy, {"type": "cg", "tol": tolerance or 1e-5, "maxiter": 1000})
    return system.conductivity(solver(system.b)), int(solver.iters)


def by_scipy(phases: Phases, sigma: Sigma, tolerance: float | None) -> Answer:
    """Jacobi-preconditioned conjugate gradients; tolerance: relative residual."""
    import scipy.sparse
    from scipy.sparse.linalg import cg

    system = assembled(phases, sigma)
    steps: list[int] = []
    jacobi = scipy.sparse.diags_array(1 / system.matrix.diagonal())
    x, _ = cg(
        system.matrix, system.b, rtol=tolerance or 1e-5, maxiter=20_000, M=jacobi, callback=lambda _: steps.append(1)
    )
    return system.conductivity(x), len(steps)


def reference(phases: Phases, sigma: Sigma, ends: str) -> float:
    """Return σ_eff with the potential fixed at the given ends, from an assembled system solved far below 1e-10.

    The energy's error is the square of the potential's: a relative residual of 1e-10 leaves it at rounding.
    """
    import pyamg

    system = assembled(phases, sigma, ends)
    hierarchy = pyamg.smoothed_aggregation_solver(system.matrix)
    return system.conductivity(hierarchy.solve(system.b, tol=1e-10, accel="cg", maxiter=5000))


@dataclass(frozen=True, eq=False)
class System:
    """A x = b for the potential of the voxels that are joined to both ends, and how to get σ_eff from x."""

    matrix: Any
    b: npt.NDArray[np.float64]
    constant: float
    length: float
    area: int

    def conductivity(self, x: npt.NDArray[np.float64]) -> float:
        """Return σ_eff from the energy of x, which is the most accurate that x can give."""
        energy = self.constant - 2 * float(self.b @ x) + float(x @ (self.matrix @ x))
        return energy * self.length / self.area


def assembled(phases: Phases, sigma: Sigma, ends: str = "faces") -> System:
    """Return the equations of an image whose potential falls from 1 to 0 along axis 0."""
    import scipy.sparse as sp
    from scipy.ndimage import label

    table = np.array([sigma[p] for p in range(max(sigma) + 1)])
    clusters = label(table[phases] > 0)[0]
    through = np.intersect1d(clusters[0], clusters[-1])
    carries = np.isin(clusters, through[through > 0])
    local = np.where(carries, table[phases], 0.0)
    inner = carries.copy()
    if ends == "layers":
        inner[[0, -1]] = False
    cell = np.cumsum(inner.ravel(), dtype=np.int32).reshape(phases.shape) - 1
    n = int(inner.sum())
    diagonal, b, constant = np.zeros(n), np.zeros(n), 0.0
    rows, columns, values = [], [], []
    for axis in range(3):
        here, beyond = (slice(None),) * axis + (slice(None, -1),), (slice(None),) * axis + (slice(1, None),)
        joined = inner[here] & inner[beyond]
        i, j = cell[here][joined], cell[beyond][joined]
        g = 2 / (1 / local[here][joined] + 1 / local[beyond][joined])
        rows += [i, j]
        columns += [j, i]
        values += [-g, -g]
        diagonal += np.bincount(i, g, n) + np.bincount(j, g, n)
    for end, next_to_it, potential in ((0, 1, 1.0), (-1, -2, 0.0)):
        if ends in ("faces", "beyond"):
            at, g = inner[end], (2 if ends == "faces" else 1) * local[end]
            i = cell[end][at]
        else:
            at = carries[end] & inner[next_to_it]
            g = np.divide(2.0, 1 / local[end] + 1 / local[next_to_it], where=at, out=np.zeros(at.shape))
            i = cell[next_to_it][at]
        diagonal += np.bincount(i, g[at], n)
        b += np.bincount(i, g[at] * potential, n)
        constant += float(g[at].sum()) * potential
    rows.append(np.arange(n, dtype=np.int32))
    matrix = sp.csr_array(
        (np.concatenate([*values, diagonal]), (np.concatenate(rows), np.concatenate([*columns, rows[-1]]))), (n, n)
    )
    length = phases.shape[0] + {"faces": 0, "layers": -1, "beyond": 1}[ends]
    return System(matrix, b, constant, length, phases[0].size)


def _plain(value: Any) -> npt.NDArray[Any]:
    return np.asarray(value.cpu() if hasattr(value, "cpu") else value)


PEERS = {
    "ionscreen": Peer(by_ionscreen, (1e-4,), "ionscreen", threaded=True),
    "taufactor": Peer(by_taufactor, (None, 1e-3, 1e-4), "taufactor", threaded=True),
    "porespy": Peer(by_porespy, (None, 1e-4), "openpnm", ends="layers", binary=True),
    "pyamg": Peer(by_pyamg, (1e-3, 1e-4, 1e-5), "pyamg"),
    "pyamgcl": Peer(by_pyamgcl, (1e-3, 1e-4), "pyamgcl", threaded=True),
    "scipy": Peer(by_scipy, (1e-4, 1e-5), "scipy"),
}
