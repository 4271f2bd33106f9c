"""Recipe -> microstructure -> label: PoreSpy generation, the conductivity solver, reading of images."""

from __future__ import annotations

from .batch import effective_conductivity_batch
from .bounds import hashin_shtrikman_bounds, wiener_bounds
from .conductivity import ConductivityResult, Outcome, effective_conductivity
from .percolation import percolating

__all__ = [
    "ConductivityResult",
    "Outcome",
    "effective_conductivity",
    "effective_conductivity_batch",
    "hashin_shtrikman_bounds",
    "percolating",
    "wiener_bounds",
]
