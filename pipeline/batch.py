"""Many images of one size under one transport: the public call."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from inspect import signature
from typing import Any

import numpy as np
import numpy.typing as npt

from ..datasets import InvalidInput
from .assembly import count_each
from .conductivity import checked_task, effective_conductivity
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

    On the CPU they are solved one after the other with all threads on each: a small image stays in the cache. With
    ``device="cuda"`` as many as fit its memory are solved at once.

    Parameters
    ----------
    phases_bxyz
        (batch, nx, ny, nz), unsigned integers or booleans; a list of images of one shape and type does, too.
    conductivity
        Phase -> σ, S/m, of every phase that occurs in any of them.
    grains
        (batch, nx, ny, nz) whole numbers, see :func:`~ionscreen.pipeline.effective_conductivity`.
    progress
        Called after each image with how many are done and the largest error estimate so far; on a GPU after all.
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
    each = [settings] * len(images) if labels is None else [{**settings, "grains": grain} for grain in labels]
    # Refined volumes are large: one at a time fills a GPU.
    at_once = settings.get("device") == "cuda" and settings.get("refine", 1) == 1
    results = (_on_gpu if at_once else _one_by_one)(images, conductivity, each, progress)
    tensors = [result.tensor for result in results]
    return stacked(results, np.array(tensors) if tensors[0] is not None else None)


def _one_by_one(
    images: npt.NDArray[Any],
    conductivity: Mapping[int, float],
    settings: Sequence[dict[str, Any]],
    progress: Callable[[int, float], None] | None,
) -> list[ConductivityResult]:
    results: list[ConductivityResult] = []
    worst = 0.0
    for number, (image, given) in enumerate(zip(images, settings, strict=True)):
        with _naming(number):
            results.append(effective_conductivity(image, conductivity, **given))
        worst = max(worst, float(np.max(results[-1].error_estimate)))
        if progress is not None:
            progress(len(results), worst)
    return results


def _on_gpu(
    images: npt.NDArray[Any],
    conductivity: Mapping[int, float],
    settings: Sequence[dict[str, Any]],
    progress: Callable[[int, float], None] | None,
) -> list[ConductivityResult]:
    from .gpu import solve_on_gpu

    call = _call(images[0], conductivity, settings[0])
    tasks = _checked_at_once(images, call) if call["grains"] is None else None
    if tasks is None:
        tasks = []
        for number, (image, given) in enumerate(zip(images, settings, strict=True)):
            with _naming(number):
                tasks.append(checked_task(**_call(image, conductivity, given)))
    axis = call["axis"]
    found = solve_on_gpu(tasks, range(3) if axis == "all" else [int(axis)])
    results = [stacked(by_axis) if axis == "all" else by_axis[0] for by_axis in found]
    if progress is not None:
        progress(len(results), max(float(np.max(result.error_estimate)) for result in results))
    return results


def _call(image: Any, conductivity: Any, given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arguments of :func:`checked_task`."""
    call = signature(effective_conductivity).bind(image, conductivity, **given)
    call.apply_defaults()
    return {name: value for name, value in call.arguments.items() if name != "threads"}


def _checked_at_once(images: npt.NDArray[Any], call: Mapping[str, Any]) -> list[Any] | None:
    """Return the tasks of images that have no grains; None if one may be at fault, which is to be named.

    One by one the checks take as long as the GPU does.
    """
    _, _, ny, nz = images.shape
    try:
        whole = checked_task(**{**call, "phases": images.reshape(-1, ny, nz)})
    except InvalidInput:
        return None
    checked = whole.phases.reshape(images.shape)
    occurs = count_each(checked, whole.table.size)[:, :-1] > 0
    tables = np.where(occurs, whole.table, 0.0)
    return [replace(whole, phases=image, table=table) for image, table in zip(checked, tables, strict=True)]


@contextmanager
def _naming(number: int) -> Iterator[None]:
    """Say which image an error is about."""
    try:
        yield
    except InvalidInput as error:
        raise InvalidInput(f"image {number} of phases_bxyz: {error}") from None


def _checked(images: Any, name: str) -> npt.NDArray[Any]:
    """Return images as one array."""
    try:
        array = images if isinstance(images, np.ndarray) else np.stack(list(images))
    except (TypeError, ValueError):
        raise InvalidInput(f"{name} must be an array (batch, nx, ny, nz) or images of one shape: {CALL}.") from None
    if array.ndim != 4 or array.shape[0] == 0:
        raise InvalidInput(f"{name} has shape {array.shape}; it must be (batch, nx, ny, nz), each 1 or more: {CALL}.")
    return array
