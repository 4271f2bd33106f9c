"""Closed formulas: M = σ_eff/σ_bulk from descriptors, what a surrogate has to beat.

ε volume fraction, β constrictivity, τ geodesic tortuosity: of the part of the phase that percolates.
"""

from __future__ import annotations

from collections.abc import Mapping

__all__ = ["bruggeman", "closed_formulas", "gaiselmann", "hosseinhashemi", "neumann", "stenzel"]


def bruggeman(fraction: float) -> float:
    """Return ε^1.5 (Bruggeman 1935)."""
    return float(fraction**1.5)


def gaiselmann(fraction: float, constrictivity: float, tortuosity: float) -> float:
    """Return 2.03 ε^1.57 β^0.72 / τ², at most 1 (Gaiselmann et al. 2014)."""
    return float(min(1.0, 2.03 * fraction**1.57 * constrictivity**0.72 / tortuosity**2))


def stenzel(fraction: float, constrictivity: float, tortuosity: float) -> float:
    """Return ε^1.15 β^0.37 / τ^4.39 (Stenzel et al. 2016)."""
    return float(fraction**1.15 * constrictivity**0.37 / tortuosity**4.39)


def neumann(fraction: float, constrictivity: float, tortuosity: float) -> float:
    """Return ε^(1.67 − 0.48 β) / τ^5.18 (Neumann et al. 2020)."""
    return float(fraction ** (1.67 - 0.48 * constrictivity) / tortuosity**5.18)


def hosseinhashemi(fraction: float, tortuosity: float) -> float:
    """Return ε / τ^8.483 (Hosseinhashemi et al. 2025, arXiv 2503.21560)."""
    return float(fraction / tortuosity**8.483)


def closed_formulas(descriptors: Mapping[str, float], axis: int) -> dict[str, float]:
    """Return formula -> M along an axis, from what :func:`~ionscreen.pipeline.descriptors.describe` returned.

    0 throughout if the phase does not percolate along the axis. Formulas of the constrictivity are left out where it is
    unknown: of voxels that are no cubes, or a phase that fills the box.
    """
    letter = "xyz"[axis]
    fraction = descriptors[f"connected_fraction_{letter}"]
    beta = descriptors.get(f"constrictivity_{letter}")
    found = {"bruggeman": bruggeman(fraction)}
    if fraction == 0:
        return {**found, **dict.fromkeys(("hosseinhashemi", "gaiselmann", "stenzel", "neumann"), 0.0)}
    tau = descriptors[f"geodesic_tortuosity_{letter}"]
    found["hosseinhashemi"] = hosseinhashemi(fraction, tau)
    if beta is not None:
        found |= {f.__name__: f(fraction, beta, tau) for f in (gaiselmann, stenzel, neumann)}
    return found
