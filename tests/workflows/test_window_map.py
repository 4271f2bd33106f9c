"""Maps of images hold each prediction at its window's place."""

from pathlib import Path

import numpy as np
import pytest
import pyvista

from ionscreen.datasets import Status
from ionscreen.workflows.screening import Prediction
from ionscreen.workflows.structure_figures import window_map_figure
from ionscreen.workflows.window_map import window_maps, write_window_map

WINDOW, EDGE = (8, 6, 4), 0.5e-6


def window(index: int, image: str, corner: tuple[int, int, int], sigma: float | None) -> Prediction:
    status = Status.OK if sigma else Status.INVALID_STRUCTURE
    ends = (None, None) if sigma is None else (0.5 * sigma, 2 * sigma)
    parameters = {"image": image, **dict(zip(("corner_x", "corner_y", "corner_z"), corner, strict=True))}
    return Prediction(index, f"{index:032x}", "image", parameters, {}, status, sigma, *ends)


def predictions() -> list[Prediction]:
    """Two images; windows overlap by half along x; one window of the first has no number."""
    corners = [(x, y, z) for x in (0, 4, 8) for y in (0, 6) for z in (0, 4, 8, 12)]
    first = [window(n, "f" * 64, c, None if n == 5 else 1.0 + n) for n, c in enumerate(corners)]
    return [*first[::-1], window(99, "0" * 64, (0, 0, 0), 7.0)]


def test_each_window_is_at_its_place() -> None:
    other, found = window_maps(predictions(), WINDOW, {"f" * 64: EDGE, "0" * 64: EDGE})
    assert other.sigma_abc.tolist() == [[[7.0]]]
    assert found.sigma_abc.shape == (3, 2, 4)
    expected = np.arange(1.0, 25).reshape(3, 2, 4)
    expected[0, 1, 1] = np.nan
    np.testing.assert_array_equal(found.sigma_abc, expected)
    np.testing.assert_array_equal(found.high_abc, 2 * expected)
    assert found.centres[0] == pytest.approx([2e-6, 4e-6, 6e-6])


def test_files_are_read_back_by_others(tmp_path: Path) -> None:
    found = window_maps(predictions(), WINDOW, {"f" * 64: EDGE, "0" * 64: EDGE})[1]
    write_window_map(found, tmp_path / "maps")
    with np.load(tmp_path / "maps" / "ffffffffffff.npz") as stored:
        np.testing.assert_array_equal(stored["sigma"], found.sigma_abc)
        np.testing.assert_array_equal(stored["z"], found.centres[2])
    grid = pyvista.read(tmp_path / "maps" / "ffffffffffff.vtr")
    assert grid.dimensions == (3, 2, 4)
    np.testing.assert_allclose(grid["sigma_S_per_m"].reshape(3, 2, 4, order="F"), found.sigma_abc)
    assert grid.bounds[1] == pytest.approx(6e-6)


def test_a_picture_comes_of_a_single_window_too() -> None:
    for found in window_maps(predictions(), WINDOW, {"f" * 64: EDGE, "0" * 64: EDGE}):
        assert window_map_figure(found).startswith(b"\x89PNG")


def test_recipes_make_no_map() -> None:
    assert window_maps([Prediction(0, "0" * 32, "blobs", {}, {}, Status.OK, 1.0, 0.9, 1.1)], WINDOW, {}) == []
