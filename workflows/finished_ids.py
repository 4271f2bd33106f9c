"""Which samples a dataset has, in 32 bytes each: a million of them must not fill the driver's memory."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ..datasets import Recipe
from ..datasets.manifest import entry_paths, read_entry

__all__ = ["FinishedIds"]


class FinishedIds:
    """The ids of the samples that were there when this was made.

    Parameters
    ----------
    ids
        (n,) of 32 ASCII characters.
    """

    def __init__(self, ids: npt.NDArray[np.bytes_]) -> None:
        self._ids = np.sort(ids)

    @classmethod
    def of(cls, folder: Path) -> FinishedIds:
        """Return those of a dataset.

        Raises
        ------
        DatasetError
            If the folder is no dataset, or its manifest is damaged or of a newer format.
        """
        text = bytearray()
        for path in entry_paths(folder):
            text += "".join(read_entry(path).ids).encode()
        return cls(np.frombuffer(bytes(text), "S32"))

    def missing(self, recipes: Sequence[Recipe]) -> tuple[Recipe, ...]:
        """Return those of the recipes whose sample is not there."""
        if not self._ids.size:
            return tuple(recipes)
        ids = np.array([recipe.id.encode() for recipe in recipes], "S32")
        places = np.minimum(np.searchsorted(self._ids, ids), self._ids.size - 1)
        return tuple(recipe for recipe, there in zip(recipes, self._ids[places] == ids, strict=True) if not there)
