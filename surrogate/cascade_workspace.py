"""The workspace of one level of the compiled cascade, and what its kernels share.

A workspace is (ARRAYS, nx+2, ny+2, nz+2) in single precision. Vectors have a border of one cell that never conducts, so
no loop asks where it is. ``gx[i]`` is the face between cells i and i+1; ``gx[0]`` and ``gx[nx]`` are the plates.
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np

__all__ = [
    "ARRAYS",
    "GX",
    "GY",
    "GZ",
    "HALF",
    "INVERSE",
    "ONE",
    "RX",
    "RY",
    "RZ",
    "TINY",
    "TWO",
    "ZERO",
    "P",
    "Q",
    "R",
    "U",
    "serial",
    "unlocked",
]

# Without "nnan" and "ninf": a face that does not conduct has an infinite resistance.
options = {"cache": True, "error_model": "numpy", "fastmath": {"reassoc", "contract", "nsz"}}
serial = numba.njit(**options)
unlocked = numba.njit(nogil=True, **options)

# Of single precision, so that no loop is widened to double.
ONE: Any = np.float32(1)
TWO: Any = np.float32(2)
HALF: Any = np.float32(0.5)
ZERO: Any = np.float32(0)
TINY = 1e-30
# Conductances, potential, direction, and what conjugate gradients need.
GX, GY, GZ, U, P, Q, R, INVERSE = range(8)
ARRAYS = 8
# The resistances of the faces lie where conjugate gradients work later: what fits the cache is faster. These never
# touch the borders there, where the resistances stay infinite (but the plate's, in plane 0 of RX).
RX, RY, RZ = R, INVERSE, Q
