"""Solve the real tomographies and compare with their reference values.

Run: python benchmarks/real_images.py [folder of the images]
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

import numpy as np

from ionscreen.pipeline import effective_conductivity
from ionscreen.pipeline.image import read_image

SOFC = "sofc_cathode_fibsem/example_electrolyte_and_cathode.tif"
NMC = "nmc_cathode_nrel/nmc-1-cal_generatedCBD_bridge.tif"
# M = sigma_eff/sigma along axes 0, 1, 2: an assembled system solved by algebraic multigrid to 1e-10.
REFERENCE = {
    (SOFC, (0,)): (0.40144519, 0.41538703, 0.0),
    (SOFC, (2,)): (0.01359666, 0.02430794, 0.0),
    (NMC, (0, 2)): (0.26948483, 0.324341, 0.32746244),
    (NMC, (0,)): (0.13566015, 0.15434309, 0.15859816),
    (NMC, (1,)): (0.13870523, 0.1971889, 0.19748093),
}


def main() -> None:
    """Print one row of a Markdown table for each image, conducting phases and axis."""
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else os.environ.get("IONSCREEN_DATA", "../shared/data"))
    effective_conductivity(np.ones((8, 8, 8), np.uint8), {1: 1.0})  # compile before timing
    print("| image, conducting | axis | M | reference | difference | estimate | iterations | seconds |")
    print("|---|---|---|---|---|---|---|---|")
    for (name, conducting), references in REFERENCE.items():
        phases = read_image(str(folder / name))
        table = {int(p): float(p in conducting) for p in np.unique(phases)}
        for axis, reference in enumerate(references):
            began = time.perf_counter()
            result = effective_conductivity(phases, table, axis=axis)
            seconds = time.perf_counter() - began
            difference = f"{result.relative / reference - 1:.1e}" if reference else "exact"
            what = f"{name.split('_')[0].upper()} {conducting}"
            numbers = f"{result.relative:.8f} | {reference:.8f} | {difference} | {result.error_estimate:.0e}"
            print(f"| {what} | {axis} | {numbers} | {result.iterations} | {seconds:.2f} |")


if __name__ == "__main__":
    main()
