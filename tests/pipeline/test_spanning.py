"""What spans a box is what a labelling library says, whatever the box's edges are in words of 64 voxels."""

import cc3d
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ionscreen.pipeline.percolation import conducting_mask, percolating_mask
from ionscreen.pipeline.spanning import spanning_mask
from ionscreen.surrogate.spanning import spanning as spanning_by_numpy


def labelled(conducts, axis):
    """Return the voxels of clusters that occur in both end planes, by cc3d."""
    clusters = cc3d.connected_components(np.ascontiguousarray(conducts), connectivity=6)
    ends = [set(np.unique(clusters.take(place, axis=axis))) for place in (0, -1)]
    return np.isin(clusters, list((ends[0] & ends[1]) - {0}))


@settings(deadline=None, max_examples=60)
@given(
    st.tuples(*[st.sampled_from([1, 2, 7])] * 2, st.sampled_from([1, 2, 63, 64, 65, 127, 128, 130])),
    st.sampled_from([0.25, 0.5, 0.7, 0.95]),
    st.integers(0, 2**32 - 1),
)
def test_random_boxes(shape, fraction, seed):
    conducts = np.random.default_rng(seed).random(shape) < fraction
    before = conducts.copy()
    for axis in range(3):
        np.testing.assert_array_equal(spanning_mask(conducts, axis), labelled(conducts, axis))
        np.testing.assert_array_equal(spanning_mask(conducts.T, axis), labelled(conducts.T, axis))
    np.testing.assert_array_equal(conducts, before)


@pytest.mark.parametrize("fraction", [0.31, 0.33, 0.4])
def test_near_the_threshold(fraction):
    """Clusters near site percolation's threshold, 0.3116, wind most."""
    conducts = np.random.default_rng(31).random((70, 66, 68)) < fraction
    for axis in range(3):
        expected = labelled(conducts, axis)
        np.testing.assert_array_equal(spanning_mask(conducts, axis), expected)
        np.testing.assert_array_equal(spanning_by_numpy(conducts, axis), expected)


def test_a_spiral_is_one_cluster():
    """Planes that are joined by turns at one end and the other of rows of 130 voxels."""
    conducts = np.zeros((21, 3, 130), bool)
    conducts[::2] = True
    for turn, plane in enumerate(range(1, 21, 2)):
        conducts[plane, 1, -1 if turn % 2 else 0] = True
    np.testing.assert_array_equal(spanning_mask(conducts, 0), conducts)
    conducts[9] = False
    assert not spanning_mask(conducts, 0).any()
    # Either half still joins the sides.
    np.testing.assert_array_equal(spanning_mask(conducts, 1), labelled(conducts, 1))


def test_what_touches_one_end_only_is_left_out():
    conducts = np.zeros((5, 4, 3), bool)
    conducts[:, 1, 1] = True
    conducts[0, 3, :] = True  # touches the first plane
    conducts[2:, 3, 2] = True  # touches the last plane
    expected = np.zeros_like(conducts)
    expected[:, 1, 1] = True
    np.testing.assert_array_equal(percolating_mask(conducts, 0), expected)


def test_axes_count_from_the_end_too_and_others_are_refused():
    conducts = np.zeros((4, 3, 2), bool)
    conducts[1, 1] = True
    np.testing.assert_array_equal(spanning_mask(conducts, -1), conducts)
    with pytest.raises(IndexError):
        spanning_mask(conducts, 3)


@pytest.mark.parametrize("conductors", [0, 1, 3, 4, 5, 9])
@pytest.mark.parametrize("dtype", [np.uint8, np.int64])
def test_what_conducts_is_what_the_table_says(conductors, dtype):
    table = np.full(301, np.nan)
    table[:12] = 0
    table[[*range(2, 2 + conductors), 300]] = 0.5  # no voxel is of phase 300
    phases = np.random.default_rng(12).integers(0, 12, (9, 8, 7)).astype(dtype)
    np.testing.assert_array_equal(conducting_mask(table, phases), table[phases] > 0)
