"""The candidates of a campaign: generated structures, windows of images and samples of datasets, as one sequence."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ..datasets import Recipe
from ..pipeline.design import DesignOfExperiments

__all__ = ["Candidates"]


@dataclass(frozen=True, kw_only=True)
class Candidates:
    """A finite sequence of recipes that is cheap to send to a worker.

    Parameters
    ----------
    design
        The stream that the first `samples` candidates come from.
    samples
        How many of them.
    crops
        Other recipes, after these: windows of images, samples of datasets, and what active learning adds.
    files
        Digest -> path of the images and datasets.
    """

    design: DesignOfExperiments
    samples: int
    crops: tuple[Recipe, ...]
    files: Mapping[str, Path]

    def __len__(self) -> int:
        return self.samples + len(self.crops)

    def recipes(self, start: int, stop: int) -> list[Recipe]:
        """Return the recipes start .. stop - 1."""
        generated = self.design.recipes(min(start, self.samples), min(stop, self.samples))
        crops = self.crops[max(0, start - self.samples) : max(0, stop - self.samples)]
        return [*generated, *crops]

    def blocks(self, size: int) -> list[tuple[int, int]]:
        """Return (start, stop) of consecutive blocks of at most `size` candidates."""
        return [(start, min(start + size, len(self))) for start in range(0, len(self), size)]
