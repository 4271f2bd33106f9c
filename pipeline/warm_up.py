"""Warming up: what generating and solving load when they are first used, loaded at once."""

from __future__ import annotations

import functools

import numpy as np

from .conductivity import effective_conductivity
from .porespy_session import porespy_session

__all__ = ["warm_up"]


@functools.lru_cache(maxsize=1)
def warm_up() -> None:
    """Load PoreSpy and the compiled solver, which takes a process some seconds, and the next time nothing.

    A worker does this before it begins a sample: one that is lost while it loads tells nothing of the sample.
    """
    with porespy_session():
        phases = np.random.default_rng(0).integers(0, 2, (8, 8, 8), np.uint8)
    for insulating in (0.0, 0.1):
        effective_conductivity(phases, {0: insulating, 1: 1.0})
