"""Point streams: the parameters of a family's recipes, one after another without end, by the kind of its design."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator

import numpy as np
import numpy.typing as npt

from .family_range import FamilyRange

__all__ = ["HYPERCUBE", "point_stream"]

HYPERCUBE = 64  # points of one Latin hypercube, and of a block of Sobol points

Units = npt.NDArray[np.float64]


def point_stream(choice: FamilyRange, skipped: int, number: Callable[[str], int]) -> Iterator[dict[str, float | str]]:
    """Yield the parameters of a family's recipes after the first `skipped`, without end.

    Parameters
    ----------
    choice
        The family, its ranges and its design.
    skipped
        How many to leave out; the rest is the same whatever this is.
    number
        Purpose -> seed.
    """
    if choice.design == "list":
        points = choice.examples()
        yield from (points[i % len(points)] for i in itertools.count(skipped))
    elif choice.design == "grid":
        grid = choice.grid()
        grid = grid[choice.allowed(grid)]
        yield from (choice.at(grid[i % len(grid)]) for i in itertools.count(skipped))
    elif choice.dimensions == 0:
        yield from itertools.repeat(choice.at(np.empty(0)))
    else:
        yield from map(choice.at, _units(choice, skipped, number))


def _units(choice: FamilyRange, skipped: int, number: Callable[[str], int]) -> Iterator[Units]:
    """Yield the points of the unit cube, (d,), that meet the constraints, after the first `skipped` of them."""
    blocks = _hypercubes if choice.design == "latin_hypercube" else _sobol
    if choice.sums():
        # How many of the first points meet the constraints is known only by looking at them.
        for block in blocks(choice.dimensions, 0, number):
            met = block[choice.allowed(block)]
            yield from met[skipped:]
            skipped = max(0, skipped - len(met))
    else:
        first, inside = divmod(skipped, HYPERCUBE)
        every = itertools.chain.from_iterable(blocks(choice.dimensions, first, number))
        yield from itertools.islice(every, inside, None)


def _sobol(dimensions: int, first: int, number: Callable[[str], int]) -> Iterator[Units]:
    """Yield blocks of scrambled Sobol points, (64, d), from block `first` on."""
    from scipy.stats import qmc

    sobol = qmc.Sobol(dimensions, scramble=True, rng=np.random.default_rng(number("sobol")))
    if first:
        sobol.fast_forward(first * HYPERCUBE)
    while True:
        yield sobol.random(HYPERCUBE)


def _hypercubes(dimensions: int, first: int, number: Callable[[str], int]) -> Iterator[Units]:
    """Yield Latin hypercubes, (64, d), from number `first` on."""
    from scipy.stats import qmc

    for block in itertools.count(first):
        rng = np.random.default_rng(number(f"latin hypercube {block}"))
        yield qmc.LatinHypercube(dimensions, rng=rng).random(HYPERCUBE)
