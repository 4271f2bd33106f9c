"""Laws of representative volumes: what repeats is representative at once, what is random only when large."""

import numpy as np
import pytest

from ionscreen.datasets import InvalidInput, Microstructure, Recipe
from ionscreen.pipeline.generation import generate
from ionscreen.pipeline.representative_volume import representative_volume

VOXEL = (4e-7, 4e-7, 4e-7)
SEED = 25829


def test_boxes_of_a_homogeneous_structure_agree_exactly() -> None:
    full = Microstructure(np.ones((20, 20, 20), np.uint8), ("void", "electrolyte"), VOXEL)
    for size in representative_volume(full, ["electrolyte"]):
        assert size.relative == pytest.approx(np.ones(8))
        assert size.scatter == pytest.approx(0, abs=1e-9)


def test_larger_boxes_of_a_random_structure_scatter_less_and_keep_the_fraction() -> None:
    made = generate(Recipe("blobs", {"void_fraction": 0.4, "blob_size_um": 1.2}, (64, 64, 64), VOXEL, SEED))
    sizes = representative_volume(made, ["electrolyte"], edges=[12, 32], boxes=8)
    assert sizes[1].scatter < 0.6 * sizes[0].scatter
    assert sizes[1].fraction.std() < sizes[0].fraction.std()
    # The eight boxes of half the edge are the whole structure.
    assert sizes[1].fraction.mean() == pytest.approx(0.6, abs=1e-4)


def test_a_structure_that_is_sealed_scatters_without_bound() -> None:
    sealed = np.ones((16, 16, 16), np.uint8)
    sealed[::4] = 0
    made = Microstructure(sealed, ("void", "electrolyte"), VOXEL)
    assert representative_volume(made, ["electrolyte"])[-1].scatter == float("inf")


@pytest.mark.parametrize(
    ("arguments", "named"),
    [(({"conducting": ["copper"]}), "copper"), ({"edges": [40]}, "edges"), ({"boxes": 1}, "2 boxes")],
)
def test_impossible_boxes_are_refused(arguments: dict[str, object], named: str) -> None:
    made = Microstructure(np.ones((16, 16, 16), np.uint8), ("void", "electrolyte"), VOXEL)
    with pytest.raises(InvalidInput, match=named):
        representative_volume(made, **{"conducting": ["electrolyte"], **arguments})  # type: ignore[arg-type]
    small = Microstructure(np.ones((8, 8, 8), np.uint8), ("void", "electrolyte"), VOXEL)
    with pytest.raises(InvalidInput, match="too small"):
        representative_volume(small, ["electrolyte"])
