"""Volume fractions achieved against those asked for: 200 recipes of each family in its usual ranges.

Run as ``python benchmarks/volume_fractions.py``; prints the table of docs/validation.md. Takes a few minutes.
"""

from __future__ import annotations

import argparse

import numpy as np

from ionscreen.pipeline.design import DesignOfExperiments, FamilyRange
from ionscreen.pipeline.families import FAMILIES
from ionscreen.pipeline.families.fractions import target_fractions
from ionscreen.pipeline.families.usual_ranges import usual_ranges
from ionscreen.pipeline.generation import family_of, generate

SEED = 66743
VOXEL = (4e-7, 4e-7, 4e-7)


def misses(family: str, edge: int, count: int) -> dict[str, np.ndarray]:
    """Return phase -> achieved less asked-for volume fraction of each recipe."""
    shape = (edge, edge, edge)
    spec = FamilyRange(family=family, parameters=dict(usual_ranges(FAMILIES[family], shape, VOXEL)))
    design = DesignOfExperiments(families=[spec], shape=shape, voxel_size=VOXEL, seed=SEED, stream="fractions")
    rows = []
    for recipe in design.recipes(0, count):
        achieved = generate(recipe).fractions()
        asked = target_fractions(family_of(family, recipe.parameters))
        if family == "layered":  # equal steps from the first to the last: their mean, if layers are equally thick
            ends = [float(recipe.parameters[f"{end}_void_fraction"]) for end in ("first", "last")]
            asked = {"void": float(np.mean(ends))}
        rows.append({phase: achieved[phase] - fraction for phase, fraction in asked.items()})
    return {phase: np.array([row[phase] for row in rows]) for phase in rows[0]}


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--edge", type=int, default=48, help="voxels along an edge")
    parser.add_argument("--count", type=int, default=200, help="recipes of each family")
    options = parser.parse_args()
    print(f"{options.count} recipes of each family, {options.edge}³ voxels of 0.4 µm, seed {SEED}\n")
    print("| family | phase | median miss | largest miss | beyond 0.01 |\n|---|---|---|---|---|")
    for family in FAMILIES:
        for phase, miss in misses(family, options.edge, options.count).items():
            sizes = np.abs(miss)
            numbers = f"{np.median(sizes):.1e} | {sizes.max():.1e} | {np.count_nonzero(sizes > 0.01)}"
            print(f"| {family} | {phase} | {numbers} |", flush=True)


if __name__ == "__main__":
    main()
