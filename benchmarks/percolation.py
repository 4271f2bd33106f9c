"""What percolates: runs of 64 voxels at a time, against a library that labels all clusters (cc3d), in turns.

Run: python benchmarks/percolation.py. Processor time of one thread, best of five; both decide the same voxels.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import cc3d
import numpy as np

from ionscreen.pipeline.assembly import look_up
from ionscreen.pipeline.porespy_session import porespy_session
from ionscreen.pipeline.spanning import spanning_mask

REPEATS = 5


def labelled(conducts: Any) -> Any:
    """Return what is joined to both ends of the first axis, by cc3d and a compiled table look-up."""
    clusters = cc3d.connected_components(conducts, connectivity=6)
    ends = np.intersect1d(np.unique(clusters[0]), np.unique(clusters[-1]))
    table = np.zeros(int(clusters.max()) + 1, bool)
    table[ends[ends > 0]] = True
    return look_up(table, clusters)


def images(edge: int) -> dict[str, Any]:
    """Return name -> (edge, edge, edge) mask."""
    found = {}
    with porespy_session() as generators:
        for fraction in (0.2, 0.5, 0.8):
            blobs = generators.blobs([edge] * 3, porosity=fraction, blobiness=edge / 48, seed=7)
            found[f"blobs, {fraction:.0%} conduct"] = np.ascontiguousarray(blobs)
    found["noise near the threshold, 32%"] = np.random.default_rng(7).random((edge,) * 3) < 0.32
    return found


def milliseconds(methods: list[Callable[[Any], Any]], mask: Any) -> list[float]:
    """Return the best processor time of each method, which take turns."""
    best = [np.inf] * len(methods)
    for _ in range(REPEATS):
        for place, method in enumerate(methods):
            began = time.process_time()
            method(mask)
            best[place] = min(best[place], 1e3 * (time.process_time() - began))
    return best


def main() -> None:
    """Print the table."""
    print("| edge | image | cc3d | runs of 64 | times faster |\n|---|---|---|---|---|")
    for edge in (64, 128, 256):
        for name, mask in images(edge).items():
            if not np.array_equal(labelled(mask), spanning_mask(mask, 0)):
                raise AssertionError(name)
            theirs, ours = milliseconds([labelled, lambda m: spanning_mask(m, 0)], mask)
            print(f"| {edge} | {name} | {theirs:.2f} ms | {ours:.2f} ms | {theirs / ours:.1f} |", flush=True)


if __name__ == "__main__":
    main()
