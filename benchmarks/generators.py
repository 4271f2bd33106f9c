"""What a structure of each family costs, against solving it along one axis to the default accuracy.

Run as ``python benchmarks/generators.py``; prints the table of docs/benchmarks.md. Takes a few minutes.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable

from ionscreen.datasets import Recipe
from ionscreen.pipeline import effective_conductivity
from ionscreen.pipeline.families import FAMILIES
from ionscreen.pipeline.generation import generate

SEED = 57721
VOXEL = (4e-7, 4e-7, 4e-7)
# S/m; a polymer conducts less than its ceramic.
CONDUCTIVITY = {
    "void": 0.0,
    "electrolyte": 0.18,
    "active_material": 0.0,
    "binder": 0.0,
    "grain_boundary": 0.0018,
    "polymer": 0.001,
    "ceramic": 0.05,
}


def measure(family: str, edge: int, count: int, clock: Callable[[], float]) -> tuple[float, float]:
    """Return the median seconds to generate and to solve a structure with the family's defaults."""
    generating, solving = [], []
    for number in range(count + 1):
        recipe = Recipe(family, {}, (edge,) * 3, VOXEL, SEED + number)
        began = clock()
        structure = generate(recipe)
        generated = clock()
        table = {n: CONDUCTIVITY[phase] for n, phase in enumerate(structure.phase_names)}
        effective_conductivity(structure.phases, table, voxel_size=VOXEL, axis=0)
        solved = clock()
        if number:  # the first compiles
            generating.append(generated - began)
            solving.append(solved - generated)
    return statistics.median(generating), statistics.median(solving)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--edges", type=int, nargs="+", default=[64, 128], help="voxels along an edge")
    parser.add_argument("--count", type=int, default=5, help="structures of each family, the median counts")
    parser.add_argument("--families", nargs="+", default=list(FAMILIES), choices=list(FAMILIES))
    parser.add_argument(
        "--processor-time", action="store_true", help="of all threads, for a busy machine; else wall time"
    )
    options = parser.parse_args()
    clock = time.process_time if options.processor_time else time.perf_counter
    print(f"Defaults of each family, median of {options.count}, seed {SEED}\n")
    print("| family | edge, voxels | generate, s | solve, s | generate / solve |\n|---|---|---|---|---|")
    for edge in options.edges:
        for family in options.families:
            generating, solving = measure(family, edge, options.count, clock)
            print(f"| {family} | {edge} | {generating:.3f} | {solving:.3f} | {generating / solving:.1f} |", flush=True)


if __name__ == "__main__":
    main()
