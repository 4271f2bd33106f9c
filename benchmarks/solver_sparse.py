"""How few voxels must carry current before a list of them is faster than the box?

Void between overlapping spheres, and level sets of smoothed noise, from just above the percolation threshold upwards;
list and box take turns on each structure. Processor time of one thread, the least of some runs.

Run: python benchmarks/solver_sparse.py [--edges 64 128] [--repeats 5]
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator

import numpy as np
from scipy.ndimage import gaussian_filter
from solver_images import overlapping_spheres

from ionscreen.pipeline import ConductivityResult, conductivity, effective_conductivity

SEED = 402_771
RTOL = 1e-4


def noise(edge: int, fraction: float) -> np.ndarray:
    """Return a level set of smoothed noise."""
    field = gaussian_filter(np.random.default_rng(SEED).random([edge] * 3), 2.0, mode="wrap")
    return (field > np.quantile(field, 1 - fraction)).astype(np.uint8)


def structures(edge: int) -> Iterator[tuple[str, np.ndarray]]:
    """Yield structures that percolate, the sparsest first."""
    for porosity in (0.15, 0.2, 0.25, 0.3, 0.35):
        yield f"spheres, {porosity:.0%} void", overlapping_spheres(porosity)(edge)
    for fraction in (0.2, 0.25, 0.3, 0.4):
        yield f"noise, {fraction:.0%}", noise(edge, fraction)


def solved(phases: np.ndarray, below: float) -> tuple[float, ConductivityResult]:
    """Solve, on the list if less than `below` carries current; return the seconds, too."""
    conductivity.COMPACT_BELOW = below
    began = time.process_time()
    result = effective_conductivity(phases, {0: 0.0, 1: 1.0}, rtol=RTOL, threads=1)
    return time.process_time() - began, result


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--edges", type=int, nargs="+", default=[64, 128])
    parser.add_argument("--repeats", type=int, default=5)
    arguments = parser.parse_args()
    solved(noise(16, 0.5), 0), solved(noise(16, 0.5), 2)  # compilation
    print("| structure | edge | carries | box: s | iterations | list: s | iterations | box / list | σ differs by |")
    print("|---|---|---|---|---|---|---|---|---|")
    for edge in arguments.edges:
        for name, phases in structures(edge):
            times: dict[float, list[float]] = {0: [], 2: []}
            results = {}
            for _ in range(arguments.repeats):
                for below, seconds in times.items():
                    taken, results[below] = solved(phases, below)
                    seconds.append(taken)
            box, listed = results[0], results[2]
            if box.sigma == 0:
                continue
            print(
                f"| {name} | {edge} | {box.connected_fraction:.1%} | {min(times[0]):.4f} | {box.iterations} "
                f"| {min(times[2]):.4f} | {listed.iterations} | {min(times[0]) / min(times[2]):.2f} "
                f"| {abs(listed.sigma / box.sigma - 1):.1e} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
