"""The cascade obeys physics, is the same in tensors and in compiled kernels, and has the symmetries of the problem."""

import numpy as np
import pytest
import torch

from ionscreen.datasets import DeviceError, InvalidInput
from ionscreen.surrogate.cascade import cascade_features
from ionscreen.surrogate.cascade_settings import GLOBAL_FEATURES, LEVEL_FEATURES, RULES, CascadeSettings
from ionscreen.surrogate.conductor import Conductor
from ionscreen.surrogate.features import features_by_tensors, features_of

from .structures import conductor, exact, mixed

SETTINGS = CascadeSettings(coarse=(6, 8), fine=2, rules=RULES)


@pytest.mark.parametrize("shape", [(16, 16, 16), (17, 13, 10), (12, 9, 15), (8, 11, 8)])
@pytest.mark.parametrize(
    "settings",
    [
        CascadeSettings((4, 5), 0, RULES),
        CascadeSettings((4, 5), 2, RULES),
        CascadeSettings((4,), 1, RULES[1:2]),
        CascadeSettings((), 0),
    ],
    ids=["coarse", "fine", "one rule", "voxels"],
)
def test_tensors_and_kernels_agree(shape, settings):
    field = mixed(shape, 4711)
    compiled = features_of(conductor(field), settings)
    tensors = cascade_features(torch.from_numpy(field.astype(np.float32))[None], settings)
    assert compiled.values.shape == (settings.count,)
    np.testing.assert_allclose(tensors.feature_bk[0].numpy(), compiled.values, atol=5e-3)
    np.testing.assert_allclose(float(tensors.upper_b), compiled.upper, rtol=1e-4)
    np.testing.assert_allclose(float(tensors.lower_b), compiled.lower, rtol=1e-4)


@pytest.mark.parametrize("shape", [(8, 8, 8), (8, 9, 10), (9, 8, 33)])
def test_levels_of_one_cell_agree(shape):
    """Four levels of a box of 8 end in one cell, and that in one again."""
    field = mixed(shape, 4712)
    compiled = features_of(conductor(field), CascadeSettings())
    tensors = cascade_features(torch.from_numpy(field.astype(np.float32))[None], CascadeSettings())
    # How far a level of a few cells has converged is rounding.
    np.testing.assert_allclose(tensors.feature_bk[0].numpy(), compiled.values, atol=3e-2)
    estimates = list(range(GLOBAL_FEATURES, CascadeSettings().count, LEVEL_FEATURES))[:5]
    np.testing.assert_allclose(tensors.feature_bk[0].numpy()[estimates], compiled.values[estimates], atol=1e-3)
    np.testing.assert_allclose(float(tensors.upper_b), compiled.upper, rtol=1e-4)


def test_resistances_between_phases_and_grains_agree():
    random = np.random.default_rng(8128)
    shape, sigma = (12, 12, 12), np.array([0.0, 1.0, 0.1])
    materials = random.integers(1, 3, shape).astype(np.uint8)
    grains = random.integers(1, 4, shape).astype(np.uint32)
    contacts, boundaries = np.zeros((3, 3)), np.array([0.0, 0.7, 4.0])
    contacts[1, 2] = contacts[2, 1] = 2.5
    resistive = Conductor(materials, sigma, contacts, grains, boundaries)
    smooth = Conductor(materials, sigma, np.zeros((3, 3)), None, np.zeros(3))
    # Of three batches: what resists and what does not go together, another shape goes alone.
    mixture = [resistive, smooth, conductor(mixed((10, 9, 8), 3)), resistive]
    compiled = [features_of(each, SETTINGS) for each in mixture]
    assert compiled[0].upper < 0.8 * compiled[1].upper
    for found, expected in zip(features_by_tensors(mixture, SETTINGS, together=2), compiled):
        np.testing.assert_allclose(found.values, expected.values, atol=5e-3)
        np.testing.assert_allclose(found[1:], expected[1:], rtol=1e-4)


def test_a_gpu_that_is_not_there_is_one_sentence(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(DeviceError, match="finds no NVIDIA GPU"):
        features_by_tensors([conductor(np.ones((8, 8, 8)))], SETTINGS, "cuda")


def test_a_homogeneous_conductor_is_exact_on_every_level():
    values, lower, upper = features_of(conductor(np.ones((16, 16, 16))), SETTINGS)
    levels = len(SETTINGS.coarse)
    estimates = values[GLOBAL_FEATURES : GLOBAL_FEATURES + len(RULES) * levels * LEVEL_FEATURES : LEVEL_FEATURES]
    np.testing.assert_allclose(estimates, 0, atol=1e-5)
    assert lower == pytest.approx(1)
    assert upper == pytest.approx(1)


@pytest.mark.parametrize("seed", [1, 2, 3, 4])
def test_the_truth_lies_between_the_bounds(seed):
    field = mixed((12, 12, 12), seed)
    _, lower, upper = features_of(conductor(field), SETTINGS)
    assert lower <= exact(field) <= upper * (1 + 1e-6)


def test_settings_that_cannot_be_are_refused():
    for arguments in ({"coarse": (0,)}, {"fine": -1}, {"coarse": (), "fine": 1}, {"rules": ()}, {"rules": ((0, 1),)}):
        with pytest.raises(InvalidInput, match="must be"):
            CascadeSettings(**arguments)
    settings = CascadeSettings((3,), 1, ((2, 2),))
    assert CascadeSettings(**settings.to_dict()) == settings


def test_layers_meet_the_bounds():
    series = np.ones((8, 8, 8))
    series[4:] = 0.2
    assert features_of(conductor(series), SETTINGS).lower == pytest.approx(exact(series), rel=1e-5)
    parallel = np.moveaxis(series, 0, 1)
    assert features_of(conductor(parallel), SETTINGS).upper == pytest.approx(exact(parallel), rel=1e-5)


def test_more_iterations_approach_the_truth_from_above():
    field = mixed((16, 16, 16), 99)
    energies = [
        np.exp(features_of(conductor(field), s).values[s.base])
        for s in (CascadeSettings((6, 8), 1), CascadeSettings((6, 8), 3), CascadeSettings((6, 8), 60))
    ]
    assert energies[0] > energies[1] > energies[2]
    assert energies[2] == pytest.approx(exact(field), rel=2e-3)


def test_the_sixteen_symmetries_that_keep_the_axis_change_nothing():
    field = mixed((16, 16, 16), 7)
    expected = features_of(conductor(field), SETTINGS).values
    for mirrored in ((0,), (1,), (2,), (0, 1, 2)):
        found = features_of(conductor(np.flip(field, mirrored)), SETTINGS).values
        np.testing.assert_allclose(found, expected, atol=5e-3)
    found = features_of(conductor(np.swapaxes(field, 1, 2)), SETTINGS).values
    np.testing.assert_allclose(found, expected, atol=5e-3)


def test_an_empty_box_has_finite_features():
    assert torch.isfinite(cascade_features(torch.zeros(1, 8, 8, 8), SETTINGS).feature_bk).all()
