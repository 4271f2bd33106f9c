"""Stored structures: samples of a dataset as recipes, so that they are screened, whatever computed them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from ..datasets import Dataset, InvalidInput, Microstructure, Recipe

__all__ = ["dataset_digest", "generate_stored", "stored_recipes"]

FAMILY = "dataset"


def dataset_digest(dataset: Dataset) -> str:
    """Return the digest of everything that a dataset holds."""
    return hashlib.blake2b(json.dumps(dataset.digests(), sort_keys=True).encode(), digest_size=16).hexdigest()


def stored_recipes(dataset: Dataset) -> tuple[list[Recipe], list[str]]:
    """Return a recipe for each structure of a dataset, shard by shard, and the names of all phases.

    Its parameters are those of the structure's own recipe, with ``own_family``, ``dataset`` and ``sample`` added.

    Raises
    ------
    InvalidInput
        If the structures have several shapes, or there are none.
    DatasetError
        If a shard is missing, damaged, foreign or of a newer format.
    """
    shape, digest, recipes, phases = dataset.shape(), dataset_digest(dataset), list[Recipe](), set[str]()

    def add(file: Any, rows: list[int]) -> None:
        columns = [file[name][:] for name in ("recipe", "voxel_size", "phase_names", "generated")]
        for row in rows:
            text, lengths, names, generated = (column[row] for column in columns)
            if generated:
                own = Recipe.from_dict(json.loads(text))
                hx, hy, hz = (float(length) for length in lengths)
                place = {"own_family": own.family, "dataset": digest, "sample": own.id}
                recipes.append(Recipe(FAMILY, {**own.parameters, **place}, shape, (hx, hy, hz), 0))
                phases.update(json.loads(names))

    for _ in dataset.each_shard(add):
        pass
    return recipes, sorted(phases)


def generate_stored(recipe: Recipe, files: Mapping[str, Path]) -> Microstructure:
    """Return the microstructure that a recipe of :func:`stored_recipes` names.

    Parameters
    ----------
    recipe
        Which one.
    files
        Digest -> folder of the datasets.

    Raises
    ------
    InvalidInput
        If the dataset is not among the folders or has changed.
    DatasetError
        If the shard is missing or damaged.
    """
    digest = str(recipe.parameters["dataset"])
    if digest not in files:
        raise InvalidInput(f"The dataset with digest {digest} is not among the campaign's; add its folder.")
    structure = _dataset(str(files[digest]), digest).sample(str(recipe.parameters["sample"])).microstructure
    if structure is None:
        raise InvalidInput(f"{files[digest]}: sample {recipe.parameters['sample']} has no microstructure.")
    return structure


@lru_cache(maxsize=4)
def _dataset(folder: str, digest: str) -> Dataset:
    """Return a dataset, opened and checked once per process."""
    dataset = Dataset(folder)
    if dataset_digest(dataset) != digest:
        raise InvalidInput(f"{folder} has changed since its samples were listed; restore it, or start a new campaign.")
    return dataset
