"""Generated structures: a folder with a dataset of them, images for other programs, and pictures to look at."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..datasets import Dataset, Microstructure, Recipe, Sample, write_shard
from ..datasets.durable_file import write_durably
from ..pipeline.families.fractions import target_fractions
from ..pipeline.generation import family_of, generate
from .progress import Bar

__all__ = ["GeneratedFolder", "fraction_rows"]

SHARD = 16
SHEET = 12  # structures on a contact sheet


@dataclass(frozen=True)
class GeneratedFolder:
    """Names of what is written.

    Parameters
    ----------
    path
        The folder; made if it is not there.
    """

    path: Path

    @property
    def dataset(self) -> Path:
        """The structures with their recipes and descriptors, in HDF5."""
        return self.path / "dataset"

    def write(self, recipes: Sequence[Recipe], conducting: Collection[str], bar: Bar) -> Dataset:
        """Generate what is not there yet and return the dataset.

        Parameters
        ----------
        recipes
            What to generate.
        conducting
            Phases that descriptors are computed of; none: the achieved fractions only.
        bar
            Is moved on by each structure.
        """
        there = set(Dataset(self.dataset).ids) if self.dataset.exists() else set()
        bar.advance(sum(recipe.id in there for recipe in recipes))
        missing = [recipe for recipe in recipes if recipe.id not in there]
        for start in range(0, len(missing), SHARD):
            samples = []
            for recipe in missing[start : start + SHARD]:
                samples.append(_sample(recipe, conducting))
                bar.advance(note=recipe.family)
            write_shard(self.dataset, samples)
        return Dataset(self.dataset)

    def draw(self, recipes: Sequence[Recipe], dataset: Dataset) -> list[Path]:
        """Write a contact sheet and a three-dimensional picture of each family; return their paths."""
        from .picture import picture
        from .structure_figures import slices_figure

        written = []
        for family in dict.fromkeys(recipe.family for recipe in recipes):
            members = [recipe for recipe in recipes if recipe.family == family][:SHEET]
            structures = [(_title(recipe), _structure(dataset, recipe)) for recipe in members]
            for kind, png in (
                ("slices", slices_figure(structures, axis=0)),
                ("picture", picture(structures[0][1])),
            ):
                written.append(self.path / f"{family}_{kind}.png")
                write_durably(written[-1], png)
        return written

    def check_volume(self, recipes: Sequence[Recipe], dataset: Dataset, conducting: Collection[str]) -> list[Any]:
        """Draw for each family how σ_eff scatters between boxes of its first structure; return rows for JSON."""
        from ..pipeline.representative_volume import representative_volume
        from .figures import representative_volume_figure

        rows = []
        for family in dict.fromkeys(recipe.family for recipe in recipes):
            structure = _structure(dataset, next(r for r in recipes if r.family == family))
            phases = [name for name in structure.phase_names if name in conducting]
            sizes = representative_volume(structure, phases)
            path = self.path / f"{family}_volume.png"
            title = f"{family}: boxes of one structure, current along x through {', '.join(phases)}"
            write_durably(path, representative_volume_figure(sizes, 1e6 * min(structure.voxel_size), title))
            for size in sizes:
                scatter = size.scatter if np.isfinite(size.scatter) else None
                rows.append(
                    {"family": family, "edge_voxels": size.edge, "relative_scatter": scatter, "plot": str(path)}
                )
        return rows


def _structure(dataset: Dataset, recipe: Recipe) -> Microstructure:
    structure = dataset.sample(recipe.id).microstructure
    assert structure is not None
    return structure


def _sample(recipe: Recipe, conducting: Collection[str]) -> Sample:
    from ..pipeline.descriptors import describe, fractions

    structure = generate(recipe)
    phases = [name for name in structure.phase_names if name in conducting]
    described = describe(structure, phases) if phases else fractions(structure)
    return Sample(recipe, structure, {}, {}, described)


def _title(recipe: Recipe) -> str:
    fractions = target_fractions(family_of(recipe.family, recipe.parameters))
    return ", ".join(f"{name.replace('_', ' ')[:8]} {value:.2f}" for name, value in list(fractions.items())[:2])


def fraction_rows(recipes: Sequence[Recipe], dataset: Dataset) -> Iterator[dict[str, Any]]:
    """Yield for each family and phase: how many structures, mean fraction, largest distance from the one asked for."""
    for family in dict.fromkeys(recipe.family for recipe in recipes):
        members = [recipe for recipe in recipes if recipe.family == family]
        achieved = [_structure(dataset, recipe).fractions() for recipe in members]
        targets = [target_fractions(family_of(recipe.family, recipe.parameters)) for recipe in members]
        for phase in achieved[0]:
            misses = [abs(a[phase] - t[phase]) for a, t in zip(achieved, targets, strict=True) if phase in t]
            yield {
                "family": family,
                "structures": len(members),
                "phase": phase,
                "mean_fraction": float(np.mean([a[phase] for a in achieved])),
                "largest_miss": max(misses) if misses else None,
            }
