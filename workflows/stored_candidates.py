"""The datasets of a campaign whose structures are candidates."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ..datasets import Dataset, InvalidInput, Recipe, Transport
from ..pipeline.stored_structure import dataset_digest, stored_recipes

__all__ = ["open_datasets"]


def open_datasets(
    folders: Sequence[str], shape: tuple[int, int, int], transports: Sequence[Transport]
) -> tuple[tuple[Recipe, ...], dict[str, Path]]:
    """Return a recipe for each structure of each dataset, and digest -> folder of the datasets.

    Parameters
    ----------
    folders
        From the configuration, absolute.
    shape
        (nx, ny, nz), voxels: the box of the generated structures, since the surrogate learns from these.
    transports
        All of which must know the datasets' phases.

    Raises
    ------
    InvalidInput
        If structures have another shape or a phase whose conductivity is not given.
    DatasetError
        If a folder is no dataset, or a shard is damaged.
    """
    recipes: list[Recipe] = []
    files: dict[str, Path] = {}
    for folder in folders:
        dataset = Dataset(folder)
        if dataset.shape() != shape:
            raise InvalidInput(
                f"candidates.datasets: {folder} has structures of {dataset.shape()} voxels, structure.shape is "
                f"{shape}; set that to the dataset's."
            )
        found, phases = stored_recipes(dataset)
        for transport in transports:
            transport.table(phases)
        recipes += found
        files[dataset_digest(dataset)] = Path(folder)
    return tuple(recipes), files
