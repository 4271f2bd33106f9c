"""Many images of one size under one transport: the public call."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from ..datasets import InvalidInput
from .conductivity import effective_conductivity
from .result import ConductivityResult, stacked

__all__ = ["effective_conductivity_batch"]

CALL = "effective_conductivity_batch(phases_bxyz, {0: 0.0, 1: 0.18}, voxel_size=0.4e-6, axis=0)"


def effective_conductivity_batch(
    phases_bxyz: npt.NDArray[Any],
    conductivity: Mapping[int, float],
    *,
    grains: npt.NDArray[Any] | None = None,
    progress: Callable[[int, float], None] | None = None,
    **settings: Any,
) -> ConductivityResult:
    """Return the effective conductivities of many images of one size.

    On the CPU they are solved one after the other with all threads on each: a small image stays in the cache.

    Parameters
    ----------
    phases_bxyz
        (batch, nx, ny, nz), unsigned integers or booleans; a list of images of one shape and type does, too.
    conductivity
        Phase -> σ, S/m, of every phase that occurs in any of them.
    grains
        (batch, nx, ny, nz) whole numbers, see :func:`~ionscreen.pipeline.effective_conductivity`.
    progress
        Called after each image with how many are done and the largest error estimate so far.
    settings
        Everything else that :func:`~ionscreen.pipeline.effective_conductivity` takes.

    Returns
    -------
    ConductivityResult
        Every number is an array (batch,), with ``axis="all"`` (batch, 3), the tensor (batch, 3, 3); outcomes,
        potentials and current densities are lists.

    Raises
    ------
    InvalidInput
        A ValueError that names the argument at fault, and the image if it is one.

    Examples
    --------
    >>> import numpy as np
    >>> from ionscreen.pipeline import effective_conductivity_batch
    >>> images = np.ones((3, 8, 8, 8), dtype=bool)
    >>> images[1, 4] = False
    >>> effective_conductivity_batch(images, {0: 0.0, 1: 0.5}).sigma.round(6).tolist()
    [0.5, 0.0, 0.5]
    """
    images = _checked(phases_bxyz, "phases_bxyz")
    labels = None if grains is None else _checked(grains, "grains")
    if labels is not None and labels.shape != images.shape:
        raise InvalidInput(f"grains has shape {labels.shape}, phases_bxyz {images.shape}; they must agree: {CALL}.")
    results: list[ConductivityResult] = []
    worst = 0.0
    for number, image in enumerate(images):
        given = settings if labels is None else {**settings, "grains": labels[number]}
        try:
            result = effective_conductivity(image, conductivity, **given)
        except InvalidInput as error:
            raise InvalidInput(f"image {number} of phases_bxyz: {error}") from None
        results.append(result)
        worst = max(worst, float(np.max(result.error_estimate)))
        if progress is not None:
            progress(len(results), worst)
    tensors = [result.tensor for result in results]
    return stacked(results, np.array(tensors) if tensors[0] is not None else None)


def _checked(images: Any, name: str) -> npt.NDArray[Any]:
    """Return images as one array."""
    try:
        array = images if isinstance(images, np.ndarray) else np.stack(list(images))
    except (TypeError, ValueError):
        raise InvalidInput(f"{name} must be an array (batch, nx, ny, nz) or images of one shape: {CALL}.") from None
    if array.ndim != 4 or array.shape[0] == 0:
        raise InvalidInput(f"{name} has shape {array.shape}; it must be (batch, nx, ny, nz), each 1 or more: {CALL}.")
    return array
