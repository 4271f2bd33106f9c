"""From a dataset on disk to structures that are learned from: what is usable, how it is split, what is read."""

from __future__ import annotations

from typing import NamedTuple, Sequence

import numpy as np

from ..datasets import Dataset, InvalidInput, Status
from .data import LabelledStructures
from .encoding import encode

__all__ = ["Labelled", "read_labelled", "usable_ids"]


class Labelled(NamedTuple):
    """Structures with their true M, and the family of each."""

    structures: LabelledStructures
    families: tuple[str, ...]


def usable_ids(dataset: Dataset, transport: str, axis: int) -> list[str]:
    """Return the samples that percolate and whose label can be trusted; only the manifest is read.

    Raises
    ------
    InvalidInput
        If no sample is labelled for the transport.
    """
    labels = dataset.labels(transport)
    return [str(i) for i in labels["id"][labels["status"][:, axis] == Status.OK]]


def read_labelled(dataset: Dataset, ids: Sequence[str], transport: str, axis: int) -> Labelled:
    """Return structures with their labels, in the order of `ids`.

    Raises
    ------
    InvalidInput
        If a sample has no voxels, or its voxels are no cubes.
    DatasetError
        If a shard is damaged.
    """
    fields, targets, families = [], [], []
    for sample in map(dataset.sample, ids):
        label = sample.labels[transport]
        if sample.microstructure is None or label.connected is None:
            raise InvalidInput(f"Sample {sample.id} has no voxels to train on; verify the dataset.")
        connected = (label.connected >> axis & 1).astype(bool)
        fields.append(encode(sample.microstructure, label.transport, connected, axis))
        targets.append(label.relative[axis])
        families.append(sample.recipe.family)
    return Labelled(LabelledStructures(np.stack(fields), np.array(targets), tuple(ids)), tuple(families))
