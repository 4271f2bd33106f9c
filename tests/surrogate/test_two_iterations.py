"""Two iterations in one pass are what conjugate gradients would be in two."""

import numpy as np
import pytest
from hypothesis import event, given, settings, strategies

pytest.importorskip("numba", reason="an IPU host has tensors alone")

from ionscreen.surrogate.cascade_coarsening import refine
from ionscreen.surrogate.cascade_faces import write_faces
from ionscreen.surrogate.cascade_measures import measure
from ionscreen.surrogate.cascade_relaxation import relax
from ionscreen.surrogate.cascade_settings import RULES
from ionscreen.surrogate.cascade_two_iterations import steps, two_iterations
from ionscreen.surrogate.cascade_workspace import ARRAYS, U

from .structures import conductor, mixed


def network_of(field):
    """Return the workspaces of the voxels and of the cells of two, with some coarse potential."""
    known = conductor(field)
    spaces = [np.zeros((ARRAYS, *(n + 2 for n in shape)), np.float32) for shape in (field.shape, halved(field.shape))]
    half, contacts, grains = known.half_resistances().astype(np.float32), np.zeros((0, 0), np.float32), known.materials
    own, rules, counts = np.zeros(0, np.float32), np.array(RULES[1:2], np.float32), np.zeros(known.sigma.size)
    write_faces(known.materials, half, contacts, grains[:0], own, spaces[0], rules, spaces[1][None], counts)
    relax(spaces[1], np.zeros(3))
    return spaces


def halved(shape):
    return tuple((n + 1) // 2 for n in shape)


@settings(deadline=None)  # the first one compiles
@given(shape=strategies.tuples(*3 * [strategies.integers(2, 20)]), seed=strategies.integers(0, 1000))
def test_two_iterations_in_one_pass_are_two_conjugate_gradients(shape, seed):
    compare(mixed(shape, seed))


def compare(field):
    fine, coarse = network_of(field)
    found, expected = np.zeros(2), np.zeros(2)
    rz, currents, sums = two_iterations(fine, coarse[U], found)
    refine(coarse[U], fine[U])
    expected_rz = relax(fine, expected)
    expected_currents, expected_sums = measure(fine)
    energy = expected_sums[:2].sum()
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-4 * expected[0])
    np.testing.assert_allclose(sums, expected_sums, rtol=1e-4, atol=1e-5 * energy)
    np.testing.assert_allclose(currents, expected_currents, rtol=1e-4, atol=2e-5 * np.abs(expected_currents).max())
    assert rz == pytest.approx(expected_rz, rel=1e-2, abs=2e-5 * energy)


@settings(deadline=None)  # the first one compiles
@given(values=strategies.lists(strategies.floats(0.1, 2), min_size=2, max_size=2), share=strategies.floats(0.1, 0.9))
def test_two_iterations_solve_what_has_two_eigenvalues(values, share):
    """Conjugate gradients end after as many iterations as there are eigenvalues; where both are alike one is enough."""
    weights, values = np.array([share, 1 - share]), np.array(values)
    decrements = np.zeros(2)
    first, second, left, cancelled = steps(np.array([weights @ values**n for n in range(5)]), decrements)
    if values[0] == values[1]:
        assert cancelled
    if not cancelled:
        np.testing.assert_allclose(decrements.sum(), weights @ (1 / values), rtol=1e-9)
        np.testing.assert_allclose((first + second * values) * values, 1, rtol=1e-9)
        assert 0 <= left < 1e-12
    event(f"cancelled: {cancelled}")


def test_planes_that_are_all_alike_do_not_cancel():
    """Sums over many equal numbers round alike; the differences of the moments must not be made of that."""
    for layer, thickness in ((0.3, 33), (1e-3, 5), (0.9, 1)):
        field = np.ones((40, 256, 256), np.float32)
        field[thickness:] = layer
        compare(field)
