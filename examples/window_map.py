"""A map of the local conductivity of a tomography: overlapping windows, each solved by itself.

Run as ``python examples/window_map.py [IMAGE [OUT]]``: IMAGE is a segmented TIFF, NPY, ... in which phase 0 conducts,
OUT a folder for the map as NPZ and, for ParaView, VTR. For thousands of windows let a surrogate predict them: list the
image under candidates.images of a campaign, with a stride (examples/tomography.yaml); the map lies in maps/ of its run.
"""

import itertools
import sys
from pathlib import Path

import numpy as np
from scipy.ndimage import gaussian_filter

from ionscreen.datasets import Status
from ionscreen.pipeline import effective_conductivity
from ionscreen.pipeline.image import file_digest, read_image
from ionscreen.workflows.screening import Prediction
from ionscreen.workflows.window_map import window_maps, write_window_map

WINDOW, STRIDE, VOXEL = 24, 12, 0.4e-6  # voxels, voxels, m
SIGMA = 0.1  # S/m, of phase 0


def graded_image() -> np.ndarray:
    """Return an electrode that is denser towards its end, 72 x 36 x 36 voxels: 0 pores, 1 particles."""
    field = gaussian_filter(np.random.default_rng(1618).normal(size=(72, 36, 36)), 2)
    return (field / field.std() + np.linspace(-0.8, 0.6, 72)[:, None, None] > 0).astype(np.uint8)


def solve_windows(image: np.ndarray, digest: str) -> list[Prediction]:
    """Return σ_eff of every window, its interval the solver's estimate of its error."""
    found = []
    corners = itertools.product(*(range(0, n - WINDOW + 1, STRIDE) for n in image.shape))
    for number, (x, y, z) in enumerate(corners):
        window = image[x : x + WINDOW, y : y + WINDOW, z : z + WINDOW]
        table = {int(phase): SIGMA if phase == 0 else 0.0 for phase in np.unique(window)}
        result = effective_conductivity(window, table, voxel_size=VOXEL) if any(table.values()) else None
        sigma, error = (result.sigma, result.error_estimate) if result else (0.0, 0.0)
        place = {"image": digest, "corner_x": x, "corner_y": y, "corner_z": z}
        ends = sigma * (1 - error), sigma * (1 + error)
        found.append(Prediction(number, f"{number:032x}", "image", place, {}, Status.OK, sigma, *ends))
    return found


def main(path: Path | None, out: Path | None) -> None:
    """Solve, print the mean by layers of windows, and write the map."""
    image, digest = (read_image(path), file_digest(path)) if path else (graded_image(), "graded image")
    (found,) = window_maps(solve_windows(image, digest), (WINDOW,) * 3, {digest: VOXEL})
    for centre, layer in zip(found.centres[0], found.sigma_abc, strict=True):
        print(f"x = {1e6 * centre:5.1f} µm: {layer.mean():.4f} S/m on average, {layer.min():.4f} to {layer.max():.4f}")
    if out:
        write_window_map(found, out)


if __name__ == "__main__":
    given = [Path(argument) for argument in sys.argv[1:3]] + [None, None]
    main(given[0], given[1])
