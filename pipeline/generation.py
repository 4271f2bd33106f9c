"""Recipe -> microstructure."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from ..datasets import InvalidInput, Microstructure, Recipe
from .families import FAMILIES, Family

__all__ = ["family_of", "generate"]


def family_of(name: str, parameters: Mapping[str, object]) -> Family:
    """Return the family with these parameters.

    Raises
    ------
    InvalidInput
        If the family or a parameter is unknown, or a value is impossible; the sentence names it.
    """
    if name not in FAMILIES:
        raise InvalidInput(f"There is no family {name!r}; choose one of {', '.join(sorted(FAMILIES))}.")
    family = FAMILIES[name]
    known = family.__dataclass_fields__  # type: ignore[attr-defined]
    unknown = sorted(set(parameters) - set(known))
    if unknown:
        raise InvalidInput(f"Family {name!r} has no parameter {unknown[0]!r}; it has {', '.join(known)}.")
    return family(**parameters)


def generate(recipe: Recipe, files: Mapping[str, Path] | None = None) -> Microstructure:
    """Return the microstructure of a recipe: same recipe, same bytes, in any process and any order.

    Parameters
    ----------
    recipe
        Family, parameters, shape, voxel size and seed. The family ``"image"`` is a crop of an image file,
        ``"dataset"`` a sample of a dataset.
    files
        Digest -> path of the images and datasets that recipes refer to. A recipe names them by their digest, not by
        where they lie, so that its id is the same on every machine.

    Raises
    ------
    InvalidInput
        If the recipe is impossible, or the image or dataset it names is not among `files` or has changed.
    """
    if recipe.family == "image":
        from .image_crop import generate_crop

        return generate_crop(recipe, files or {})
    if recipe.family == "dataset":
        from .stored_structure import generate_stored

        return generate_stored(recipe, files or {})
    family = family_of(recipe.family, recipe.parameters)
    family.check(recipe.shape, recipe.voxel_size)
    return family.generate(recipe.shape, recipe.voxel_size, recipe.random_seed)
