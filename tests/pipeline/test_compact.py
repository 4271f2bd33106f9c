"""Sparse structures are solved on a list of their cells: the same results as on the box, and as by hand."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import gaussian_filter

from ionscreen.pipeline import Outcome, conductivity, effective_conductivity
from ionscreen.pipeline.compact_multigrid import CompactMultigrid
from ionscreen.pipeline.compact_problem import CompactProblem
from ionscreen.pipeline.percolation import percolating_mask


def solved(phases, below, monkeypatch, **options):
    """Solve on the list where less than `below` carries current."""
    monkeypatch.setattr(conductivity, "COMPACT_BELOW", below)
    return effective_conductivity(phases, {0: 0.0, 1: 2.5}, **options)


def noise(shape, fraction, width, seed):
    """Return level sets of smoothed noise."""
    field = gaussian_filter(np.random.default_rng(seed).random(shape), width, mode="wrap")
    return (field > np.quantile(field, 1 - fraction)).astype(np.uint8)


@settings(max_examples=20, deadline=None)
@given(
    shape=st.tuples(*[st.integers(1, 24)] * 3),
    fraction=st.floats(0.1, 1.0),
    width=st.floats(0.3, 2.0),
    axis=st.integers(0, 2),
    voxel_size=st.tuples(*[st.floats(0.2, 5.0)] * 3),
    seed=st.integers(0, 2**32 - 1),
)
def test_list_and_box_agree(shape, fraction, width, axis, voxel_size, seed):
    phases = noise(shape, fraction, width, seed)
    options = {"axis": axis, "voxel_size": voxel_size, "rtol": 1e-8, "return_fields": True, "lower_bound": True}
    with pytest.MonkeyPatch.context() as patch:
        box, listed = (solved(phases, below, patch, **options) for below in (0, 2))
    assert listed.outcome == box.outcome
    assert listed.sigma == pytest.approx(box.sigma, rel=2e-8)
    assert listed.flux_in == pytest.approx(box.flux_in, rel=1e-3, abs=1e-12)
    assert listed.lower_bound == pytest.approx(box.lower_bound, rel=1e-3, abs=1e-12)
    np.testing.assert_allclose(listed.potential, box.potential, atol=2e-3)
    if box.outcome is not Outcome.NON_PERCOLATING:
        assert listed.upper_bound >= box.sigma * (1 - 1e-9)


def test_a_winding_channel_is_a_row_of_resistors(monkeypatch):
    phases = np.zeros((9, 16, 7), np.uint8)
    phases[1:-1, 0:13:2, 3] = 1
    phases[-2, 1:12:4, 3] = phases[1, 3:12:4, 3] = 1  # from one end of a column to the next
    phases[0, 0, 3] = phases[-1, 12, 3] = 1
    cells = int(percolating_mask(phases > 0, 0).sum())
    result = solved(phases, 2, monkeypatch, rtol=1e-9)
    # One voxel after the other and half a one at either end: 1/cells, times length over area.
    assert result.sigma == pytest.approx(2.5 / cells * 9 / (16 * 7), rel=1e-8)


def test_straight_channels_do_not_meet_on_coarse_grids(monkeypatch):
    phases = np.zeros((21, 40, 40), np.uint8)
    phases[:, ::2, ::2] = 1
    result = solved(phases, 2, monkeypatch)
    assert result.sigma == pytest.approx(2.5 / 4, rel=1e-6)
    assert result.iterations <= 2


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_cycle_is_symmetric_and_positive(dtype):
    mask = percolating_mask(noise((33, 30, 27), 0.3, 1.2, 4) > 0, 0)
    assert mask.any()
    problem = CompactProblem(mask, np.ones(3), dtype)
    cycle, rng = CompactMultigrid(problem), np.random.default_rng(1)
    r, s, mr, ms = (np.zeros(mask.sum() + 1, dtype) for _ in range(4))
    r[:-1], s[:-1] = rng.standard_normal((2, r.size - 1))
    cycle.apply(r, mr)
    cycle.apply(s, ms)
    assert problem.dot(s, mr) == pytest.approx(problem.dot(r, ms), rel=1e-4 if dtype is np.float32 else 1e-12)
    assert problem.dot(r, mr) > 0


def test_threads_change_not_a_bit(monkeypatch):
    for seed in range(40):
        phases = noise((20, 19, 22) if seed else (96, 96, 96), 0.28, 1.2, seed)
        one, two = (solved(phases, 2, monkeypatch, threads=threads) for threads in (1, 2))
        for name in ("sigma", "error_estimate", "flux_in", "flux_out", "iterations"):
            assert getattr(one, name) == getattr(two, name)


def test_few_iterations_near_the_threshold(monkeypatch):
    for seed in range(3):
        phases = noise((64, 64, 64), 0.2, 2.0, seed)
        listed = solved(phases, 2, monkeypatch)
        if listed.outcome is not Outcome.NON_PERCOLATING:
            assert listed.iterations <= 9
            assert listed.iterations <= solved(phases, 0, monkeypatch).iterations
