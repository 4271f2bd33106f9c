"""Crops: windows of an image as recipes, so that a real tomogram is screened like generated structures."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from itertools import product
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ..datasets import InvalidInput, Microstructure, Recipe
from ..datasets.microstructure import MAX_PHASES
from .image import file_digest, read_image

__all__ = ["crop_recipes", "generate_crop"]

FAMILY = "image"
_CORNER = ("corner_x", "corner_y", "corner_z")

Shape = tuple[int, int, int]


def crop_recipes(
    digest: str,
    image_shape: Shape,
    window: Shape,
    stride: Shape | None,
    voxel_size: tuple[float, float, float],
    phases: Mapping[int, str],
) -> list[Recipe]:
    """Return the recipes of all windows of an image that lie on a regular grid.

    Parameters
    ----------
    digest
        Of the image file: :func:`file_digest`.
    image_shape, window
        Voxels.
    stride
        From one window to the next, voxels; None for the window's own lengths: windows that touch.
    voxel_size
        (hx, hy, hz), metres.
    phases
        Number in the image -> name.

    Raises
    ------
    InvalidInput
        If the window does not fit into the image, or a length, a number or a name is impossible.
    """
    step = stride or window
    if min(*window, *step) < 1 or any(w > n for w, n in zip(window, image_shape, strict=True)):
        raise InvalidInput(f"Windows of {window} at a stride of {step} voxels do not fit an image of {image_shape}.")
    corners = [range(0, n - w + 1, s) for n, w, s in zip(image_shape, window, step, strict=True)]
    shared = {"image": digest, "phases": _phase_text(phases)}
    return [
        Recipe(FAMILY, {**shared, **dict(zip(_CORNER, corner, strict=True))}, window, voxel_size, 0)
        for corner in product(*corners)
    ]


def generate_crop(recipe: Recipe, files: Mapping[str, Path]) -> Microstructure:
    """Return the microstructure of a crop; phases are numbered anew from 0, in the order of their numbers in the image.

    Parameters
    ----------
    recipe
        Of :func:`crop_recipes`.
    files
        Digest -> path of the images.

    Raises
    ------
    InvalidInput
        If the image is not among the files or has changed, or the crop leaves it or holds a phase without a name.
    """
    digest, corner = recipe.parameters["image"], [int(recipe.parameters[key]) for key in _CORNER]
    if digest not in files:
        raise InvalidInput(f"The image with digest {digest} is not among the campaign's images; add its file.")
    path = str(files[digest])
    image = _image(path, digest)
    if any(not 0 <= c <= n - w for c, n, w in zip(corner, image.shape, recipe.shape, strict=True)):
        raise InvalidInput(
            f"{path}: a window of {recipe.shape} voxels at {tuple(corner)} leaves the image {image.shape}."
        )
    crop = image[tuple(slice(c, c + w) for c, w in zip(corner, recipe.shape, strict=True))]
    names = _parse_phases(str(recipe.parameters["phases"]))
    return Microstructure(_renumbered(crop, list(names), path), tuple(names.values()), recipe.voxel_size)


@lru_cache(maxsize=4)
def _image(path: str, digest: str) -> npt.NDArray[np.uint8]:
    """Return an image, read and checked once per process: a campaign cuts thousands of crops from it."""
    if file_digest(path) != digest:
        raise InvalidInput(f"{path} has changed since its crops were listed; restore it, or start a new campaign.")
    return read_image(path)


def _renumbered(crop: npt.NDArray[np.uint8], numbers: list[int], path: str) -> npt.NDArray[np.uint8]:
    present = set(np.flatnonzero(np.bincount(crop.ravel())).tolist())
    if unnamed := sorted(present - set(numbers)):
        raise InvalidInput(f"{path} holds phase {unnamed[0]}, which has no name; name it under phases.")
    table = np.zeros(MAX_PHASES, np.uint8)
    table[numbers] = np.arange(len(numbers), dtype=np.uint8)
    return table[crop]


def _phase_text(phases: Mapping[int, str]) -> str:
    """Return ``"0=void,1=electrolyte"``: one text for one meaning, so that equal crops have equal ids."""
    names = list(phases.values())
    if not phases or min(phases) < 0 or max(phases) >= MAX_PHASES or len(set(names)) < len(names):
        raise InvalidInput(
            f"phases is {dict(phases)!r}; give numbers from 0 to {MAX_PHASES - 1}, each a name of its own."
        )
    for name in names:
        if not name or set(name) & set(",="):
            raise InvalidInput(f"A phase cannot be named {name!r}; use letters, digits, - and _.")
    return ",".join(f"{number}={phases[number]}" for number in sorted(phases))


def _parse_phases(text: str) -> dict[int, str]:
    pairs = (part.split("=") for part in text.split(","))
    return {int(number): name for number, name in pairs}
