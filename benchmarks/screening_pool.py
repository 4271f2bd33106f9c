"""The pool whose truth is known: 20,480 structures of 32³ voxels, each solved along x, in ``screening_pool.npz``.

Run: python benchmarks/screening_pool.py FOLDER [--seconds N] [--part 0/2] solves what is missing, in FOLDER, for about
so long; whoever finds that all is there writes the file. The structures are not stored: seed and ranges below give them
again, and eight bytes of each recipe's id say that they are the same.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ionscreen.datasets import Microstructure, Recipe, Status, Transport
from ionscreen.pipeline.design import DesignOfExperiments, FamilyRange
from ionscreen.pipeline.generation import generate
from ionscreen.pipeline.labelling import LabelSettings, label
from ionscreen.surrogate.cascade_settings import CascadeSettings
from ionscreen.surrogate.conductor import conductor_of
from ionscreen.surrogate.features import features_of

SIZE = 20_480
CHUNK = 256
FILE = Path(__file__).with_name("screening_pool.npz")
TRANSPORTS = (
    Transport("ionic", {"electrolyte": 0.18, "active_material": 0.0, "void": 0.0}),
    Transport("electronic", {"electrolyte": 0.0, "active_material": 1.0, "void": 0.0}),
)
DESIGN = DesignOfExperiments(
    families=[
        FamilyRange(family="blobs", parameters={"void_fraction": (0.2, 0.65), "blob_size_um": (1.2, 3.2)}),
        FamilyRange(family="sintered", parameters={"void_fraction": (0.05, 0.6), "pore_diameter_um": (1.6, 3.2)}),
        FamilyRange(
            family="composite_cathode",
            parameters={
                "active_material_fraction": (0.25, 0.65),
                "void_fraction": (0.03, 0.2),
                "particle_diameter_um": (1.6, 3.2),
                "void_size_um": (0.8, 1.6),
            },
        ),
    ],
    shape=(32, 32, 32),
    voxel_size=(4e-7, 4e-7, 4e-7),
    seed=20261126,
    stream="candidates",
)


@dataclass(frozen=True, eq=False)
class Pool:
    """Structures n, transports t.

    Parameters
    ----------
    sigma_nt
        Solved, S/m; 0 where nothing percolates.
    feature_ntk, lower_nt, upper_nt
        What the surrogate sees; NaN where nothing percolates.
    family_n
        Number of the family.
    seconds
        Of generation, features and solution, each summed over all structures.
    """

    sigma_nt: npt.NDArray[np.float64]
    feature_ntk: npt.NDArray[np.float32]
    lower_nt: npt.NDArray[np.float64]
    upper_nt: npt.NDArray[np.float64]
    family_n: npt.NDArray[np.int64]
    seconds: npt.NDArray[np.float64]


def row(structure: Microstructure, transport: Transport, settings: CascadeSettings) -> tuple[float, list[float], float]:
    """Return σ_eff, the features with the bounds of M before them, and the seconds the features took."""
    found = label(structure, transport, LabelSettings())
    if found.status[0] == Status.NON_PERCOLATING or found.connected is None:
        return 0.0, [np.nan] * (settings.count + 3), 0.0
    assert found.status[0] == Status.OK, found.message
    began = time.perf_counter()
    conductor = conductor_of(structure, transport, (found.connected & 1).astype(bool), 0)
    values, lower, upper = features_of(conductor, settings)
    return float(found.sigma[0]), [conductor.contrast, lower, upper, *values], time.perf_counter() - began


def solve(recipes: list[Recipe], path: Path) -> None:
    """Write σ_eff, features and times of some structures."""
    settings = CascadeSettings()
    began = time.perf_counter()
    structures = [generate(recipe, {}) for recipe in recipes]
    generated = time.perf_counter()
    rows = [[row(structure, transport, settings) for transport in TRANSPORTS] for structure in structures]
    featured = sum(entry[2] for entries in rows for entry in entries)
    np.savez(
        path.with_suffix(".part.npz"),
        id=np.array([recipe.id for recipe in recipes]),
        sigma=np.array([[entry[0] for entry in entries] for entries in rows]),
        feature=np.array([[entry[1] for entry in entries] for entries in rows]).astype(np.float32),
        bound=np.array([[entry[1][1:3] for entry in entries] for entries in rows]),
        seconds=np.array([generated - began, featured, time.perf_counter() - generated - featured]),
    )
    path.with_suffix(".part.npz").rename(path)


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description="Solve the pool.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seconds", type=float, default=1e9)
    parser.add_argument("--part", default="0/1", help="of several processes, which one this is")
    chosen = parser.parse_args()
    chosen.folder.mkdir(parents=True, exist_ok=True)
    stop = time.monotonic() + chosen.seconds
    part, parts = map(int, chosen.part.split("/"))
    for start in range(part * CHUNK, SIZE, parts * CHUNK):
        path = chosen.folder / f"{start:05d}.npz"
        if time.monotonic() > stop:
            raise SystemExit(3)  # not yet all
        if not path.exists():
            solve(list(DESIGN.recipes(start, start + CHUNK)), path)
    paths = [path for path in sorted(chosen.folder.glob("[0-9]*.npz")) if ".part" not in path.name]
    found = [dict(np.load(path)) for path in paths]
    if sum(len(each["id"]) for each in found) == SIZE:
        ids = np.array([int(i[:16], 16) for each in found for i in each["id"]], np.uint64)
        sigma = np.concatenate([each["sigma"] for each in found]).astype(np.float32)
        np.savez_compressed(FILE, id=ids, sigma=sigma)
        print("seconds for generation, features, solution:", sum(each["seconds"] for each in found))


if __name__ == "__main__":
    main()
