"""The images of a campaign: windows of files on disk as candidates."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ..datasets import InvalidInput, Recipe
from .config import expand_path
from .screen_config import ImageConfig

__all__ = ["find_images", "open_images"]

SUFFIXES = (".tif", ".tiff", ".npy", ".npz", ".vti")  # of images in a folder


def find_images(images: Sequence[ImageConfig], folder: Path) -> list[ImageConfig]:
    """Return each image with its absolute path; a folder or a pattern (``scans/*.tif``) becomes its files, sorted.

    Parameters
    ----------
    images
        From the configuration.
    folder
        What relative paths refer to.

    Raises
    ------
    InvalidInput
        If a folder or a pattern has no image.
    """
    found = []
    for image in images:
        path = expand_path(image.path, folder)
        files = [path]
        if path.is_dir():
            files = sorted(file for file in path.iterdir() if file.suffix.lower() in SUFFIXES)
        elif not path.exists() and set(path.name) & set("*?["):
            files = sorted(path.parent.glob(path.name))
        if not files:
            raise InvalidInput(f"{path}: there is no image here; candidates.images takes {', '.join(SUFFIXES)} files.")
        found += [image.model_copy(update={"path": str(file)}) for file in files]
    return found


def open_images(
    images: Sequence[ImageConfig], window: tuple[int, int, int]
) -> tuple[tuple[Recipe, ...], dict[str, Path]]:
    """Return a recipe for each window of each image, and digest -> path of the images.

    Parameters
    ----------
    images
        From the configuration, with absolute paths.
    window
        (nx, ny, nz), voxels: the box of the generated structures, since the surrogate learns from these.

    Raises
    ------
    InvalidInput
        If an image cannot be read, is smaller than the window, or holds a phase without name.
    """
    crops: list[Recipe] = []
    files: dict[str, Path] = {}
    for image in images:
        found, digest = _crops(image, window)
        crops += found
        files[digest] = Path(image.path)
    return tuple(crops), files


def _crops(image: ImageConfig, window: tuple[int, int, int]) -> tuple[list[Recipe], str]:
    from ..pipeline.image import file_digest, read_image
    from ..pipeline.image_crop import crop_recipes

    phases = read_image(image.path)
    unnamed = sorted(set(np.flatnonzero(np.bincount(phases.ravel())).tolist()) - set(image.phases))
    if unnamed:
        raise InvalidInput(f"{image.path} holds phase {unnamed[0]}; name it under candidates.images.phases.")
    if any(n < w for n, w in zip(phases.shape, window, strict=True)):
        raise InvalidInput(f"{image.path} has {phases.shape} voxels, fewer than structure.shape {window}; lower that.")
    digest = file_digest(image.path)
    h = float(f"{image.voxel_size_um * 1e-6:.12g}")
    stride = (image.stride,) * 3 if image.stride else window
    nx, ny, nz = phases.shape
    return crop_recipes(digest, (nx, ny, nz), window, stride, (h, h, h), image.phases), digest
