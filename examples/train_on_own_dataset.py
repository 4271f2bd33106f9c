"""Train a surrogate on one's own structures: solve them, store them as a dataset, train, and see how good it is.

Run as ``python examples/train_on_own_dataset.py [FOLDER]``. Replace `own_structures` by your arrays.
"""

import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from scipy.ndimage import gaussian_filter

from ionscreen.datasets import Dataset, Microstructure, Recipe, Sample, Transport, split, write_shard
from ionscreen.pipeline.labelling import LabelSettings, label
from ionscreen.surrogate import Prediction, evaluate
from ionscreen.surrogate.cascade_checkpoint import save_cascade
from ionscreen.surrogate.cascade_settings import CascadeSettings
from ionscreen.surrogate.feature_table import feature_table
from ionscreen.surrogate.regression import train_regressor

SHAPE, VOXEL = (24, 24, 24), 0.4e-6  # voxels, m
TRANSPORT = Transport("ionic", {"void": 0.0, "electrolyte": 0.18})  # S/m


def own_structures(count: int = 96) -> Iterator[Microstructure]:
    """Yield arrays of phase numbers with the names of the phases; here smoothed noise cut at some fraction."""
    rng = np.random.default_rng(1123)
    for _ in range(count):
        field = gaussian_filter(rng.normal(size=SHAPE), rng.uniform(1.5, 3), mode="wrap")
        phases = (field > np.quantile(field, rng.uniform(0.2, 0.6))).astype(np.uint8)
        yield Microstructure(phases, ("void", "electrolyte"), (VOXEL,) * 3)


def store(folder: Path) -> Dataset:
    """Solve the structures and write them, 32 to a file. The recipe names a structure; here by its number."""
    samples = []
    for number, structure in enumerate(own_structures()):
        recipe = Recipe("own", {"number": number}, SHAPE, (VOXEL,) * 3, 0)
        samples.append(Sample(recipe, structure, {"ionic": label(structure, TRANSPORT, LabelSettings())}, {}))
    for start in range(0, len(samples), 32):
        write_shard(folder, samples[start : start + 32])
    return Dataset(folder)


def main(folder: Path) -> None:
    """Store, train, evaluate, save. What does not percolate is left out by itself."""
    dataset = store(folder / "dataset")
    table = feature_table(dataset, CascadeSettings())
    held_out = np.isin(table.structure_n, split(dataset.ids, seed=0)["test"])
    surrogate = train_regressor(table.where(~held_out))
    save_cascade(surrogate, folder / "surrogate")
    test = table.where(held_out)
    found = surrogate.from_table(test)
    scores = evaluate(test.m_n, Prediction(found.m, found.low, found.high), test.family_n.tolist())["all"]
    print(
        f"{scores.count} structures never trained on: median error {scores.median:.2%}; saved in {folder / 'surrogate'}"
    )


if __name__ == "__main__":
    if len(sys.argv) > 1:
        main(Path(sys.argv[1]))
    else:
        with tempfile.TemporaryDirectory() as temporary:
            main(Path(temporary))
