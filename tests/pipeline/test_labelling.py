"""A label takes contacts, grain boundaries and potentials along."""

import numpy as np
import pytest

from ionscreen.datasets import Dataset, Microstructure, Recipe, Sample, Transport, write_shard
from ionscreen.pipeline.labelling import LabelSettings, label

VOXEL = 1e-7  # m
SETTINGS = LabelSettings(axes=(0, 1, 2), rtol=1e-8)


def slabs() -> Microstructure:
    """Return one conductor in two grains, each half of the box along x."""
    grains = np.ones((8, 4, 6), np.uint32)
    grains[4:] = 2
    return Microstructure(np.zeros((8, 4, 6), np.uint8), ("electrolyte",), (VOXEL,) * 3, grains)


def test_a_grain_boundary_stands_in_series_with_its_grains() -> None:
    """R = L/σ + R_gb per area along x; along y and z no current crosses the boundary."""
    resistance = 3e-6  # Ω m²
    found = label(slabs(), Transport("ionic", {"electrolyte": 0.2}, {}, {"electrolyte": resistance}), SETTINGS)
    length = 8 * VOXEL
    assert found.sigma == pytest.approx([length / (length / 0.2 + resistance), 0.2, 0.2], rel=1e-8)


def test_a_contact_stands_in_series_with_its_phases() -> None:
    phases = np.zeros((8, 4, 6), np.uint8)
    phases[4:] = 1
    structure = Microstructure(phases, ("electrolyte", "coating"), (VOXEL,) * 3)
    transport = Transport("ionic", {"electrolyte": 0.2, "coating": 0.1}, {("coating", "electrolyte"): 2e-6})
    half = 4 * VOXEL
    found = label(structure, transport, SETTINGS)
    assert found.sigma[0] == pytest.approx(2 * half / (half / 0.2 + half / 0.1 + 2e-6), rel=1e-8)
    assert found.sigma[1] == pytest.approx(0.15, rel=1e-8)


def test_resistances_of_phases_and_grains_that_are_not_there_do_nothing() -> None:
    plain = Microstructure(slabs().phases, ("electrolyte",), (VOXEL,) * 3)
    transport = Transport("ionic", {"electrolyte": 0.2}, {("a", "b"): 1.0}, {"electrolyte": 1.0, "c": 1.0})
    assert label(plain, transport, SETTINGS).sigma == pytest.approx([0.2] * 3, rel=1e-8)


def test_the_potential_is_stored_and_read_back(tmp_path) -> None:
    """In one conductor it falls along a straight line, from half a voxel below 1 to half a voxel above 0."""
    structure = slabs()
    settings = LabelSettings(axes=(0,), rtol=1e-8, potential=True)
    found = label(structure, Transport("ionic", {"electrolyte": 0.2}), settings)
    recipe = Recipe("image", {}, structure.shape, structure.voxel_size, 0)
    write_shard(tmp_path, [Sample(recipe, structure, {"ionic": found})])
    potential = Dataset(tmp_path).sample(recipe.id).labels["ionic"].potential
    assert potential.dtype == np.float32
    line = (np.arange(8) + 0.5) / 8
    along = potential[0, :, 2, 3]
    assert along == pytest.approx(line if along[0] < along[-1] else 1 - line, abs=1e-6)
    assert np.isnan(potential[1:]).all()
