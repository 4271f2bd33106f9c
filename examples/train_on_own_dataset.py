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
from ionscreen.surrogate import LabelledStructures, TrainingConfig, evaluate, save_checkpoint, train
from ionscreen.surrogate.encoding import encode

SHAPE, VOXEL = (24, 24, 24), 0.4e-6  # voxels, m
TRANSPORT = Transport("ionic", {"void": 0.0, "electrolyte": 0.18})  # S/m
AXIS = 0


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


def as_training_data(dataset: Dataset) -> LabelledStructures:
    """Return what the surrogate learns from: the structures that percolate, and their M = σ_eff/σ."""
    fields, targets = [], []
    for sample in dataset:
        found = sample.labels["ionic"]
        fields.append(encode(sample.microstructure, TRANSPORT, (found.connected >> AXIS & 1).astype(bool), AXIS))
        targets.append(found.relative[AXIS])
    return LabelledStructures(np.stack(fields), np.array(targets), dataset.ids)


def main(folder: Path) -> None:
    """Store, train, evaluate, save."""
    dataset = store(folder / "dataset").where("ionic", AXIS)  # those that percolate
    parts = {name: as_training_data(dataset.subset(ids)) for name, ids in split(dataset.ids, seed=0).items()}
    surrogate = train(parts["train"], parts["validation"], TrainingConfig(epochs=4))
    save_checkpoint(surrogate, folder / "surrogate")
    test = parts["test"]
    scores = evaluate(test.y_n, surrogate.predict(test.x_nxyz), ["own"] * len(test.y_n))["all"]
    print(
        f"{scores.count} structures never trained on: median error {scores.median:.1%}; saved in {folder / 'surrogate'}"
    )


if __name__ == "__main__":
    if len(sys.argv) > 1:
        main(Path(sys.argv[1]))
    else:
        with tempfile.TemporaryDirectory() as temporary:
            main(Path(temporary))
