"""Bottlenecks: laws of the current by layers."""

import numpy as np
import pytest

from ionscreen.datasets import InvalidInput, Microstructure, Transport
from ionscreen.pipeline.bottlenecks import current_layers

TRANSPORT = Transport("ionic", {"void": 0.0, "electrolyte": 0.1})


def structure(phases: np.ndarray) -> Microstructure:
    return Microstructure(phases.astype(np.uint8), ("void", "electrolyte"), (1e-6, 1e-6, 1e-6))


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_a_box_of_one_material_has_no_bottleneck(axis: int) -> None:
    layers = current_layers(structure(np.ones((6, 5, 4))), TRANSPORT, axis)
    assert layers is not None
    assert layers.intensity_nbc == pytest.approx(1.0, abs=1e-3)
    assert layers.half_n == pytest.approx(0.5, abs=2e-3)
    assert layers.connected_n == pytest.approx(1.0)


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_a_neck_is_found_in_its_layer(axis: int) -> None:
    phases = np.ones((12, 10, 10))
    phases[7] = 0
    phases[7, 4:6, 3:8] = 1
    turned = np.transpose(phases, np.argsort([(axis + step) % 3 for step in range(3)]))
    layers = current_layers(structure(turned), TRANSPORT, axis)
    assert layers is not None
    # The current through a face belongs to the voxel before it: layer 6 passes its current on to the neck.
    assert layers.tightest in (6, 7)
    assert layers.connected_n[7] == pytest.approx(0.1)
    assert layers.half_n[7] <= 0.05
    assert layers.largest >= 10
    assert layers.intensity_nbc.shape == (12, 10, 10)


def test_half_of_the_current_is_carried_by_what_it_says() -> None:
    rng = np.random.default_rng(8128)
    layers = current_layers(structure(rng.random((16, 16, 16)) < 0.7), TRANSPORT, 0)
    assert layers is not None
    for layer, share in zip(layers.intensity_nbc.reshape(16, -1), layers.half_n, strict=True):
        ranked = np.sort(layer)[::-1]
        count = int(share * 256)
        assert ranked[:count].sum() <= 0.5 * layer.sum() <= ranked[: count + 1].sum()


def test_nothing_flows_where_nothing_conducts() -> None:
    assert current_layers(structure(np.zeros((4, 4, 4))), TRANSPORT, 0) is None


def test_a_fourth_axis_is_refused() -> None:
    with pytest.raises(InvalidInput, match="axis is 3"):
        current_layers(structure(np.ones((4, 4, 4))), TRANSPORT, 3)
