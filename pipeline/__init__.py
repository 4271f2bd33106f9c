"""Recipe -> microstructure -> label: PoreSpy generation, the conductivity solver, reading of images."""

from __future__ import annotations

import os

# How often a thread of libgomp turns in a loop before it sleeps. By default that takes a millisecond, in which it keeps
# the core from another process's thread: two processes of two threads each, on two cores, solved half as fast or less.
# It counts if it is set before numba starts its threads.
os.environ.setdefault("GOMP_SPINCOUNT", "3000")

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
