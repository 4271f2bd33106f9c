"""What each part of the solver takes for each voxel, beside a plain copy of as many bytes: what limits it?

A part that moves its bytes as fast as a copy is limited by the memory; one that is far slower, by arithmetic. Processor
time of one thread, the least of many runs, so that other work on the machine does little to it.

Run: python benchmarks/solver_kernels.py [--edges 64 128] [--repeats 15]
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator
from typing import Any

import numba
import numpy as np
from scipy.ndimage import gaussian_filter

from ionscreen.pipeline import coarsening, kernels, smoothing
from ionscreen.pipeline.multigrid import Multigrid
from ionscreen.pipeline.problem import Problem, assemble

SEED = 218_530_947
# Bytes a voxel of float32 vectors that a part must read and write at least, if all it works on came from memory once.
BYTES = {"copy": 8, "smooth before": 12, "smooth after": 16, "A p, p.A p": 12, "update": 24, "direction": 12, "dot": 8}


def blobs(edge: int) -> np.ndarray:
    """Return smoothed noise, as conducting as not."""
    field = gaussian_filter(np.random.default_rng(SEED).standard_normal((edge,) * 3), edge / 32, mode="wrap")
    return (field < np.median(field)).astype(np.uint8)


def problem_of(image: np.ndarray, sigma: tuple[float, ...]) -> Problem:
    return assemble(image, np.array(sigma), np.ones(3), (False,) * 3, np.float32)


def parts(image: np.ndarray, sigma: tuple[float, ...]) -> Iterator[tuple[str, Callable[[], Any]]]:
    """Yield the name of each part and a call of it."""
    problem = problem_of(image, sigma)
    grid, operator = Multigrid(problem), problem.operator
    x, r, p, z, b = (problem.start() for _ in range(5))
    coarse_b, coarse_x = (coarsening.view(v, grid._offsets, grid._sizes, 0) for v in (grid._b, grid._x))
    kernels.residual(operator, problem.plates, x, r)
    smooth = [operator, z, r, coarse_b, grid._factors[0], problem.periodic, smoothing.BEFORE_FRESH, 1]
    after = [operator, z, r, coarse_x, grid._factors[0], problem.periodic, smoothing.AFTER, 1]
    tiny = np.float32(1e-9)
    yield "copy", lambda: np.copyto(b, x)
    yield "smooth before", lambda: smoothing.smooth(*smooth)
    yield "smooth after", lambda: smoothing.smooth(*after)
    yield "one coarse cycle", lambda: coarsening.cycle(0, True, grid._levels)
    yield "whole preconditioner", lambda: grid.apply(r, z)
    yield "A p, p.A p", lambda: kernels.curvature(operator, p, z)
    yield "update", lambda: kernels.update(tiny, p, z, x, b)
    yield "direction", lambda: kernels.direction(tiny, z, p)
    yield "dot", lambda: kernels.dot(r, z)
    yield "residual", lambda: kernels.residual(operator, problem.plates, x, r)
    yield "energy", lambda: kernels.energy(operator, problem.plates, x, x)
    yield "coarse levels", lambda: Multigrid(problem)
    yield "assembly", lambda: problem_of(image, sigma)


def least(call: Callable[[], Any], repeats: int) -> float:
    """Return the least processor time of some calls, seconds; the first, which may compile, does not count."""
    call()
    times = []
    for _ in range(repeats):
        began = time.process_time()
        call()
        times.append(time.process_time() - began)
    return min(times)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--edges", type=int, nargs="+", default=[64, 128])
    parser.add_argument("--repeats", type=int, default=15)
    arguments = parser.parse_args()
    numba.set_num_threads(1)
    # Material 0 insulates: one conductor in it, or two of which neither is 0.
    for name, first, sigma in (("one conductor", 0, (0.0, 1.0)), ("two conductors", 1, (0.0, 0.02, 1.0))):
        for edge in arguments.edges:
            print(f"\n{name}, {edge}³, float32 | ns a voxel | GB/s")
            for part, call in parts(blobs(edge) + np.uint8(first), sigma):
                seconds = least(call, arguments.repeats)
                moved = f"{BYTES[part] * edge**3 / seconds / 1e9:.1f}" if part in BYTES else ""
                print(f"{part:22s} | {seconds / edge**3 * 1e9:7.2f} | {moved}")


if __name__ == "__main__":
    main()
