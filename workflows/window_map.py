"""Maps of the local σ_eff of an image: one number for each window that was cut from it.

Shape legend: a, b and c windows along x, y and z.
"""

from __future__ import annotations

import io
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ..datasets.durable_file import new_file, write_durably
from .screening import Prediction

__all__ = ["WindowMap", "window_maps", "write_window_map"]

CORNER = ("corner_x", "corner_y", "corner_z")
Map = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class WindowMap:
    """The prediction for each window of one image.

    Parameters
    ----------
    image
        Digest of the file.
    corners
        First voxels of the windows along x, y and z.
    window
        (nx, ny, nz), voxels of a window.
    voxel_size
        Edge of a voxel, m.
    sigma_abc, low_abc, high_abc
        Predicted σ_eff and its 90 % interval, S/m; NaN where a window is not among the predictions.
    """

    image: str
    corners: tuple[list[int], list[int], list[int]]
    window: tuple[int, int, int]
    voxel_size: float
    sigma_abc: Map
    low_abc: Map
    high_abc: Map

    @property
    def centres(self) -> list[Map]:
        """Centres of the windows along x, y and z, m."""
        return [
            (np.array(corner) + n / 2) * self.voxel_size for corner, n in zip(self.corners, self.window, strict=True)
        ]


def window_maps(
    predictions: Sequence[Prediction], window: tuple[int, int, int], voxel_sizes: Mapping[str, float]
) -> list[WindowMap]:
    """Return a map for each image that windows were cut from, in the order of the images' digests.

    Parameters
    ----------
    predictions
        Of windows and others, in any order.
    window
        (nx, ny, nz), voxels.
    voxel_sizes
        Digest of the image -> edge of its voxels, m.
    """
    by_image: dict[str, list[Prediction]] = defaultdict(list)
    for prediction in predictions:
        if all(name in prediction.parameters for name in ("image", *CORNER)):
            by_image[str(prediction.parameters["image"])].append(prediction)
    return [_map(image, by_image[image], window, voxel_sizes[image]) for image in sorted(by_image)]


def _map(image: str, members: Sequence[Prediction], window: tuple[int, int, int], voxel_size: float) -> WindowMap:
    places = [[int(p.parameters[name]) for name in CORNER] for p in members]
    corners = [sorted(set(along)) for along in zip(*places, strict=True)]
    found = np.full((3, *map(len, corners)), np.nan)
    for prediction, place in zip(members, places, strict=True):
        a, b, c = (corner.index(at) for corner, at in zip(corners, place, strict=True))
        values = (prediction.sigma, prediction.low, prediction.high)
        found[:, a, b, c] = [np.nan if value is None else value for value in values]
    x, y, z = corners
    return WindowMap(image, (x, y, z), window, voxel_size, *found)


def write_window_map(found: WindowMap, folder: Path) -> None:
    """Write ``<first 12 digits of the digest>`` as ``.npz``, and as ``.vtr`` for ParaView.

    Both hold `sigma`, `low` and `high` in S/m, and the centres of the windows in m.
    """
    values: dict[str, Any] = {"sigma": found.sigma_abc, "low": found.low_abc, "high": found.high_abc}
    x, y, z = found.centres
    file = io.BytesIO()
    np.savez_compressed(file, x=x, y=y, z=z, window=found.window, voxel_size=found.voxel_size, **values)
    stem = folder / found.image[:12]
    write_durably(stem.with_suffix(".npz"), file.getvalue())
    with new_file(stem.with_suffix(".vtr")) as target:
        target.write(_rectilinear((x, y, z), values).encode())


def _rectilinear(centres: tuple[Map, Map, Map], values: dict[str, Map]) -> str:
    """Return a rectilinear grid (VTK XML file formats, 4.2.3): points at the centres of windows, x fastest."""

    def numbers(name: str, array: Map) -> str:
        text = " ".join(f"{value:.9g}" for value in array.ravel(order="F"))
        return f'<DataArray type="Float64" Name="{name}" format="ascii">{text}</DataArray>'

    extent = " ".join(f"0 {len(along) - 1}" for along in centres)
    points = "".join(numbers(f"{name}_S_per_m", array) for name, array in values.items())
    axes = "".join(map(numbers, "xyz", centres))
    return (
        f'<VTKFile type="RectilinearGrid" version="0.1"><RectilinearGrid WholeExtent="{extent}">'
        f'<Piece Extent="{extent}"><PointData>{points}</PointData><Coordinates>{axes}</Coordinates>'
        "</Piece></RectilinearGrid></VTKFile>\n"
    )
