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
        noise = np.random.default_rng(0).integers(0, 2, (8, 8, 8), np.uint8)
    channel = np.zeros_like(noise)
    channel[:, 2:5, 2:5] = 1
    # One conductor, two, and one that fills so little of the box that it is solved on a list of its cells.
    for phases, poor in ((noise, 0.0), (noise, 0.1), (channel, 0.0)):
        effective_conductivity(phases, {0: poor, 1: 1.0})
