"""Laws of the coarse estimates: bounds, exact cases, monotony, symmetry, scaling."""

import itertools

import numpy as np
import pytest
import torch

from ionscreen.surrogate.description import describe
from ionscreen.surrogate.galerkin import face_conductances, ladder

from .structures import SEED, exact, random_fields

SHAPES = [(16, 16, 16), (13, 11, 9), (8, 15, 10), (24, 8, 12)]
CONVERGED = (200, 100, 100)


def estimates(x_bxyz, iterations=CONVERGED, dtype=torch.float64):
    """Return the uncorrected bound (b,), bounds and over-corrected estimates (levels, b), finest first."""
    uncorrected_b, levels = ladder(face_conductances(torch.tensor(np.array(x_bxyz), dtype=dtype)), iterations)
    return (
        uncorrected_b.numpy(),
        np.stack([level.bound_b.numpy() for level in levels]),
        np.stack([level.estimate_b.numpy() for level in levels]),
    )


@pytest.fixture(params=SHAPES, ids=str, scope="module")
def fields(request):
    """Return percolating two-phase fields, and as many with a poor second phase."""
    two_phase = random_fields(4, request.param, SEED + sum(request.param))
    contrast = np.random.default_rng(SEED).uniform(0.001, 0.5, (4, 1, 1, 1))
    return np.concatenate([two_phase, np.maximum(two_phase, contrast)])


@pytest.mark.parametrize("iterations", [CONVERGED, (3, 2, 1)])
def test_every_bound_is_above_the_truth_and_finer_ones_are_lower(fields, iterations):
    uncorrected_b, bounds_lb, _ = estimates(fields, iterations)
    truth_b = np.array([exact(field) for field in fields])
    ladder_lb = np.concatenate([[truth_b], bounds_lb, [uncorrected_b], [fields.mean((1, 2, 3))]])
    assert np.all(np.diff(ladder_lb, axis=0) >= -1e-12)


def test_the_over_corrected_estimate_is_closer_than_the_bound(fields):
    _, bounds_lb, estimates_lb = estimates(fields)
    truth_b = np.array([exact(field) for field in fields])
    errors = [np.mean(np.abs(np.log(values[0] / truth_b))) for values in (estimates_lb, bounds_lb)]
    assert errors[0] < 0.6 * errors[1]


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("sigma", [1.0, 0.03])
def test_a_homogeneous_box_is_exact_on_every_level(shape, sigma):
    _, bounds_lb, estimates_lb = estimates(np.full((1, *shape), sigma))
    np.testing.assert_allclose(bounds_lb, sigma, rtol=1e-12)
    np.testing.assert_allclose(estimates_lb, sigma, rtol=1e-12)


@pytest.mark.parametrize("axis", [1, 2])
def test_layers_in_parallel_are_exact_on_every_level(axis):
    sigma = np.random.default_rng(SEED).uniform(0, 1, 14) * (np.arange(14) % 3 > 0)
    x = np.moveaxis(np.broadcast_to(sigma, (11, 9, 14)), 2, axis)[None]
    _, bounds_lb, _ = estimates(x)
    np.testing.assert_allclose(bounds_lb, sigma.mean(), rtol=1e-12)


def test_layers_in_series_as_thick_as_the_cells_are_exact_where_the_correction_can_follow():
    """A correction constant on each voxel would be exact; on cells of two it is a bound between the Wiener bounds."""
    sigma = np.repeat(np.random.default_rng(SEED).uniform(0.1, 1, 8), 2)
    x = np.broadcast_to(sigma[:, None, None], (16, 8, 8))[None]
    _, bounds_lb, _ = estimates(x)
    assert 1 / np.mean(1 / sigma) < bounds_lb[0] < sigma.mean()


def test_all_quantities_scale_with_the_conductivity(fields):
    for scaled, plain in zip(estimates(0.25 * fields), estimates(fields)):
        np.testing.assert_allclose(scaled, 0.25 * plain, rtol=1e-9)


def symmetries(x_bxyz):
    """Yield the 16 images of fields with equal transverse sizes."""
    for mirrored in itertools.product([False, True], repeat=3):
        axes = [axis + 1 for axis, flip in enumerate(mirrored) if flip]
        image = np.flip(x_bxyz, axes)
        yield image
        yield image.swapaxes(2, 3)


@pytest.mark.parametrize("shape", [(16, 16, 16), (12, 24, 24)], ids=str)
def test_numbers_are_invariant_under_the_16_symmetries(shape):
    x_bxyz = random_fields(3, shape)
    plain = describe(torch.tensor(x_bxyz), (8, 8))
    images = [describe(torch.tensor(image.copy()), (8, 8)) for image in symmetries(x_bxyz)]
    assert len(images) == 16
    for image in images:
        for name in ("base_b", "lower_b", "upper_b"):
            torch.testing.assert_close(getattr(image, name), getattr(plain, name), rtol=1e-5, atol=1e-7)
        torch.testing.assert_close(image.feature_bk, plain.feature_bk, rtol=1e-3, atol=5e-3)


def test_fields_move_along_with_the_structure():
    x_bxyz = random_fields(2, (16, 16, 16))
    plain = describe(torch.tensor(x_bxyz), (8, 8))
    image = describe(torch.tensor(np.flip(x_bxyz, (1, 3)).swapaxes(2, 3).copy()), (8, 8))
    moved = plain.field_bcxyz.flip(2, 4).transpose(3, 4)
    torch.testing.assert_close(image.field_bcxyz, moved, rtol=1e-3, atol=1e-3)
    torch.testing.assert_close(image.weight_bxyz, plain.weight_bxyz.flip(1, 3).transpose(2, 3), rtol=1e-3, atol=1e-6)


def test_half_precision_input_is_computed_in_single():
    x_bxyz = torch.tensor(random_fields(2, (12, 12, 12)))
    for half, single in zip(describe(x_bxyz.half(), (8, 8)), describe(x_bxyz, (8, 8))):
        assert half.dtype == torch.float32
        assert torch.equal(half, single)


@pytest.mark.parametrize("value", [0.0, 1.0])
def test_empty_and_full_boxes_are_finite(value):
    described = describe(torch.full((2, 16, 9, 11), value), (8, 8))
    assert all(bool(torch.isfinite(tensor).all()) for tensor in described)
    torch.testing.assert_close(described.base_b, torch.full((2,), value), rtol=1e-6, atol=0)
