"""Three-dimensional pictures of voxels: a ray for each pixel; needs no graphics card, display or system library."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

__all__ = ["relief"]

Rgba = npt.NDArray[np.float64]

# Looking down on the corner of the box that the current leaves through: current from left to right, z upwards.
TOWARDS = np.array([-0.42, 0.74, -0.52])
LIGHT = (0.80, 0.62, 1.0)  # of faces across x, y and z


def relief(colours: Rgba, pixels: int = 360) -> Rgba:
    """Return a parallel projection of coloured voxels.

    Parameters
    ----------
    colours
        (nx, ny, nz, 4), red, green, blue and opacity from 0 to 1; voxels of opacity below 0.5 are not there.
    pixels
        Edge of the picture.

    Returns
    -------
    rgba
        (pixels, pixels, 4), the first row at the top; transparent where no voxel is.
    """
    shape = np.array(colours.shape[:3])
    origin, right, up = _camera(shape)
    half = np.linalg.norm(shape) / 2
    across = (np.arange(pixels) + 0.5) / pixels * 2 - 1
    starts = origin + half * (across[None, :, None] * right - across[:, None, None] * up)
    return _cast(colours, starts.reshape(-1, 3)).reshape(pixels, pixels, 4)


def _camera(shape: npt.NDArray[np.int_]) -> tuple[Rgba, Rgba, Rgba]:
    """Return the centre of the picture, outside the box, and its directions to the right and upwards."""
    right = np.cross(TOWARDS, (0.0, 0.0, 1.0))
    up = np.cross(right, TOWARDS)
    return (
        shape / 2 - TOWARDS / np.linalg.norm(TOWARDS) * np.linalg.norm(shape),
        right / np.linalg.norm(right),
        up / np.linalg.norm(up),
    )


def _cast(colours: Rgba, place: Rgba) -> Rgba:
    """Follow rays from voxel to voxel (Amanatides and Woo, Eurographics 1987) to the first that is there."""
    direction, shape = TOWARDS / np.linalg.norm(TOWARDS), np.array(colours.shape[:3])
    solid = colours[..., 3] >= 0.5
    entry, axis = _entry(place, direction, shape)
    picture = np.zeros((len(place), 4))
    alive = np.flatnonzero(np.isfinite(entry))
    point = place[alive] + entry[alive, None] * direction
    voxel = np.clip(np.floor(point), 0, shape - 1).astype(int)
    face, step = axis[alive], np.sign(direction).astype(int)
    ahead = (voxel + (step > 0) - point) / direction  # to the next plane across each axis
    for _ in range(int(shape.sum())):
        hit = solid[tuple(voxel.T)]
        picture[alive[hit]] = _shaded(colours[tuple(voxel[hit].T)], face[hit])
        alive, voxel, ahead = alive[~hit], voxel[~hit], ahead[~hit]
        face = np.argmin(ahead, axis=1)
        rows = np.arange(len(alive))
        voxel[rows, face] += step[face]
        ahead[rows, face] += 1 / np.abs(direction[face])
        inside = ((voxel >= 0) & (voxel < shape)).all(axis=1)
        alive, voxel, ahead, face = alive[inside], voxel[inside], ahead[inside], face[inside]
        if not alive.size:
            break
    return picture


def _entry(place: Rgba, direction: Rgba, shape: npt.NDArray[np.int_]) -> tuple[Rgba, npt.NDArray[np.intp]]:
    """Return how far each ray is from the box, infinite if it misses, and the axis of the face it enters by."""
    first, second = -place / direction, (shape - place) / direction
    near, far = np.minimum(first, second), np.maximum(first, second).min(axis=1)
    return np.where(near.max(axis=1) < far, near.max(axis=1), np.inf), near.argmax(axis=1)


def _shaded(colours: Rgba, face: npt.NDArray[np.intp]) -> Rgba:
    shaded = colours.copy()
    shaded[:, :3] *= np.array(LIGHT)[face][:, None]
    shaded[:, 3] = 1
    return shaded
