"""How the solver scales: iterations, time and bytes per voxel with the size; iterations with the structure; throughput.

Run as ``python benchmarks/solver_scaling.py [sizes] [structures] [throughput]``; prints tables for docs/benchmarks.md.
Sizes to 384³ need 2.5 GB and some minutes. Needs Linux, which can reset the peak of a process.
"""

from __future__ import annotations

import argparse
import ctypes
import gc
import os
import statistics
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from solver_images import BINARY, composite, isolated_spheres, levels
from solver_vs_peers import status

from ionscreen.pipeline import effective_conductivity

REPEATS = 3
FRACTIONS = (0.6, 0.4, 0.3, 0.25, 0.2, 0.18)
LIBGOMP_SPINS = "300000"  # its default
CONTRASTS = (1e-1, 1e-2, 1e-3, 1e-4, 1e-6, 1e-9)


def conductor(edge: int, fraction: float) -> npt.NDArray[np.uint8]:
    """Return level sets of smoothed noise, one scale at every size: a larger box is more of the same."""
    return levels(edge, (1 - fraction, fraction))


def solved(phases: npt.NDArray[np.uint8], sigma: dict[int, float], threads: int = 1) -> tuple[Any, float, float]:
    """Return the result, the median seconds, and the bytes beyond the image at the peak."""
    effective_conductivity(phases, sigma, threads=threads)
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)
    Path("/proc/self/clear_refs").write_text("5")
    held, seconds = status("VmRSS"), []
    for _ in range(REPEATS if phases.size < 10**7 else 1):
        began = time.perf_counter()
        result = effective_conductivity(phases, sigma, threads=threads)
        seconds.append(time.perf_counter() - began)
    return result, statistics.median(seconds), status("VmHWM") - held


def sizes(edges: list[int]) -> None:
    """Print iterations, nanoseconds and bytes per voxel for each size and number of threads."""
    import numba

    several = sorted({1, min(2, int(numba.config.NUMBA_NUM_THREADS))})
    heads = " | ".join(f"ns a voxel, {n} thread{'s' * (n > 1)}" for n in several)
    print(f"| image | edge | iterations | {heads} | bytes a voxel | estimated before |")
    print("|" + "---|" * (5 + len(several)))
    for name, make, sigma in (
        ("half conducts", lambda edge: conductor(edge, 0.5), BINARY),
        ("composite {1, 1e-3, 0}", composite, {0: 0.0, 1: 1e-3, 2: 1.0}),
    ):
        for edge in edges:
            phases = make(edge)
            runs = [solved(phases, sigma, threads) for threads in several]
            result, _, peak = runs[0]
            times = " | ".join(f"{1e9 * seconds / edge**3:.0f}" for _, seconds, _ in runs)
            print(
                f"| {name} | {edge} | {result.iterations} | {times} | {peak / edge**3:.1f} "
                f"| {result.memory / edge**3:.1f} |",
                flush=True,
            )


def structures(edge: int) -> None:
    """Print iterations against the distance to the threshold, and against the contrast; and what is proven."""
    print(f"| {edge}³ | σ | iterations | estimated error | lower bound below by | seconds, of it for the bound |")
    print("|" + "---|" * 6)
    cases = [(f"{fraction:.0%} conducts", conductor(edge, fraction), BINARY) for fraction in FRACTIONS]
    percolating, isolated, films = composite(edge), isolated_spheres(edge, False), isolated_spheres(edge, True)
    for contrast in CONTRASTS:
        cases.append(("good conductor percolates", percolating, {0: 0.0, 1: contrast, 2: 1.0}))
        cases.append(("good conductors isolated", isolated, {0: contrast, 1: 1.0}))
        cases.append(("the same behind films", films, {0: contrast, 1: 1.0, 2: 0.0}))
    for name, phases, sigma in cases:
        began = time.perf_counter()
        effective_conductivity(phases, sigma)
        without = time.perf_counter()
        result = effective_conductivity(phases, sigma, lower_bound=True)
        ended = time.perf_counter()
        print(
            f"| {name} | {list(sigma.values())} | {result.iterations} | {result.error_estimate:.0e} | "
            f"{1 - result.lower_bound / result.sigma if result.sigma else 0:.0e} | {ended - without:.2f}, "
            f"{(ended - without) - (without - began):.2f} |",
            flush=True,
        )


def throughput(edge: int, share: float, count: int, workers: int) -> None:
    """Print solves per second: processes of one thread each, one with all threads, and several with all threads.

    The last is what happens to who does not know of threads. It is shown with libgomp's own waiting time, too.
    """
    phases = conductor(edge, share)
    kinds: tuple[tuple[int, int | None, str], ...] = (
        (workers, 1, ""),
        (1, None, ""),
        (workers, None, ""),
        (workers, None, LIBGOMP_SPINS),
    )
    for processes, threads, spins in kinds:
        before = os.environ.pop("GOMP_SPINCOUNT", None)
        if spins:
            os.environ["GOMP_SPINCOUNT"] = spins
        with ProcessPoolExecutor(processes, get_context("spawn")) as pool:
            list(pool.map(_solve, [(phases, threads, 2)] * processes))  # compile
            began = time.perf_counter()
            list(pool.map(_solve, [(phases, threads, count // processes)] * processes))
            rate = count / (time.perf_counter() - began)
        if before:
            os.environ["GOMP_SPINCOUNT"] = before
        named = f"{processes} × {'one thread' if threads else 'all threads'}"
        named += ", libgomp waiting as it does" if spins else ""
        print(f"| {edge}³, {share:.0%} conducts | {named} | {rate:.1f} |", flush=True)


def _solve(task: tuple[npt.NDArray[np.uint8], int | None, int]) -> None:
    phases, threads, count = task
    for _ in range(count):
        effective_conductivity(phases, BINARY, threads=threads)


def main() -> None:
    """Print the tables that are asked for, or all."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", choices=["sizes", "structures", "throughput", []], default=[])
    parser.add_argument("--edges", type=int, nargs="+", default=[32, 64, 96, 128, 192, 256, 384], help="for sizes")
    parser.add_argument("--edge", type=int, default=128, help="for structures")
    parser.add_argument("--count", type=int, default=40, help="solves to time, for throughput")
    options = parser.parse_args()
    parts = options.parts or ["sizes", "structures", "throughput"]
    if "sizes" in parts:
        sizes(options.edges)
    if "structures" in parts:
        structures(options.edge)
    if "throughput" in parts:
        print("| image | processes × threads | solves/s |\n|---|---|---|")
        for edge in (32, 64):
            for share in (0.5, 0.2):
                throughput(edge, share, options.count, min(2, os.cpu_count() or 1))


if __name__ == "__main__":
    main()
