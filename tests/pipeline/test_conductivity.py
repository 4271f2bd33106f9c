"""The laws every solution obeys, and agreement with a direct solver of independently assembled equations."""

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse.linalg import spsolve

from ionscreen.datasets import InvalidInput
from ionscreen.pipeline import Outcome, effective_conductivity, effective_conductivity_batch, wiener_bounds

SEED = 582731  # drawn once

PLATES, MIXED, PERIODIC = "plates", "mixed", "periodic"


def direct(phases, sigma, size, axis, boundary, interfaces=None, grains=None, grain_resistance=0.0):
    """Return σ_eff along the axis, or the tensor of a periodic box, by spsolve; insulators are left out.

    Every face is written down from PHYSICS: two half voxels and the contact in series.
    """
    shape = phases.shape
    number = np.arange(phases.size).reshape(shape)
    rows, g, drops = [], [], []
    half = 1 / (2 * np.array([sigma.get(p, 0.0) for p in range(int(phases.max()) + 1)], dtype=float).clip(1e-300))
    around = [boundary == PERIODIC or (boundary == MIXED and a != axis) for a in range(3)]
    for a in range(3):
        for here in np.ndindex(shape):
            beyond = list(here)
            beyond[a] += 1
            wrapped = beyond[a] == shape[a]
            if wrapped and not around[a]:
                continue
            beyond[a] %= shape[a]
            p, q = phases[here], phases[tuple(beyond)]
            if sigma[p] == 0 or sigma[q] == 0:
                continue
            resistance = size[a] * (half[p] + half[q])
            if interfaces:
                resistance += interfaces.get((min(p, q), max(p, q)), 0.0)
            if grains is not None and p == q and grains[here] != grains[tuple(beyond)]:
                resistance += grain_resistance
            rows.append((number[here], number[tuple(beyond)]))
            g.append(np.prod(size) / size[a] / resistance)
            drops.append([float(wrapped and a == b) for b in range(3)])
    plates = []
    if boundary != PERIODIC:
        for end, potential in ((0, 1.0), (-1, 0.0)):
            for cell, p in zip(number.take(end, axis).ravel(), phases.take(end, axis).ravel(), strict=True):
                if sigma[p] > 0:
                    plates.append((cell, np.prod(size) / size[axis] / (size[axis] * half[p]), potential))
    n, m = phases.size, len(rows)
    ij = np.array(rows, dtype=int).reshape(m, 2)
    ones = np.ones(m)
    incidence = sp.csr_matrix((np.r_[ones, -ones], (np.r_[0:m, 0:m], np.r_[ij[:, 0], ij[:, 1]])), (m, n))
    weight = sp.diags(np.array(g)) if m else sp.csr_matrix((0, 0))
    matrix = (incidence.T @ weight @ incidence).tolil()
    lengths = np.array(shape) * size
    if boundary != PERIODIC:
        b = np.zeros(n)
        for cell, conductance, potential in plates:
            matrix[cell, cell] += conductance
            b[cell] += conductance * potential
        x = solved(matrix.tocsr(), b)
        energy = np.sum(np.array(g) * (incidence @ x) ** 2)
        energy += sum(c * (x[cell] - v) ** 2 for cell, c, v in plates)
        return energy * lengths[axis] ** 2 / np.prod(lengths)
    drops = np.array(drops).reshape(m, 3)
    jumps = []
    for a in range(3):
        x = solved(matrix.tocsr(), incidence.T @ (weight @ drops[:, a]))
        jumps.append(incidence @ x - drops[:, a])
    tensor = np.array([[np.sum(np.array(g) * u * v) for v in jumps] for u in jumps])
    return tensor * np.outer(lengths, lengths) / np.prod(lengths)


def solved(matrix, b):
    """Return x with matrix x = b, each floating cluster held at one cell."""
    count, cluster = sp.csgraph.connected_components(matrix, directed=False)
    matrix = matrix.tolil()
    row_sums = np.abs(np.asarray(matrix.sum(axis=1)).ravel())
    for c in range(count):
        cells = np.flatnonzero(cluster == c)
        if row_sums[cells].max() <= 1e-9 * max(matrix[cells[0], cells[0]], 1e-300):
            matrix[cells[0], cells[0]] = 2 * matrix[cells[0], cells[0]] + 1
    return spsolve(matrix.tocsc(), b)


def noise(shape, phases, seed):
    """Return voxels of random phases."""
    return np.random.default_rng(seed).integers(0, phases, shape).astype(np.uint8)


def blobs(shape, fraction, seed):
    """Return a smooth random structure whose phase 1 has the given fraction."""
    from scipy.ndimage import gaussian_filter

    field = gaussian_filter(np.random.default_rng(seed).random(shape), 1.2, mode="wrap")
    return (field >= np.quantile(field, 1 - fraction)).astype(np.uint8)


CASES = {
    "binary": (blobs((11, 9, 10), 0.6, SEED), {0: 0.0, 1: 0.18}, 1e-6),
    "three phases": (noise((9, 8, 7), 3, SEED), {0: 1.0, 1: 1e-2, 2: 0.3}, 1e-6),
    "six decades": (noise((8, 9, 10), 4, SEED + 1), {0: 1.0, 1: 1e-6, 2: 1e-3, 3: 0.0}, 1e-6),
    "flat voxels": (blobs((8, 10, 12), 0.7, SEED + 2), {0: 1e-2, 1: 1.0}, (1e-6, 2e-6, 0.5e-6)),
    "isolated conductors": (blobs((10, 10, 10), 0.1, SEED + 3), {0: 1e-4, 1: 1.0}, 1e-6),
    "one layer": (noise((7, 6, 1), 2, SEED + 4), {0: 1.0, 1: 0.1}, 1e-6),
    "odd sizes": (noise((1, 5, 7), 2, SEED + 5), {0: 1.0, 1: 0.5}, 1e-6),
    "one voxel": (np.ones((1, 1, 1), bool), {1: 0.7}, 1e-6),
}


@pytest.fixture(params=CASES, ids=lambda name: name.replace(" ", "-"))
def case(request):
    phases, conductivity, size = CASES[request.param]
    return phases, conductivity, size


@pytest.mark.parametrize("boundary", [PLATES, MIXED])
@pytest.mark.parametrize("axis", [0, 1, 2])
def test_agrees_with_a_direct_solver(case, boundary, axis):
    phases, conductivity, size = case
    arguments = {"voxel_size": size, "axis": axis, "boundary": boundary, "lower_bound": True}
    result = effective_conductivity(phases, conductivity, rtol=1e-8, **arguments)
    expected = direct(phases.astype(int), conductivity, np.ones(3) * size, axis, boundary)
    if result.outcome is Outcome.NON_PERCOLATING:
        assert result.sigma == 0
        assert abs(expected) < 1e-12
    else:
        assert result.sigma == pytest.approx(expected, rel=2e-7)
        rough = effective_conductivity(phases, conductivity, rtol=1e-2, **arguments)
        for bounded in (result, rough):
            assert bounded.lower_bound * (1 - 1e-9) <= expected <= bounded.upper_bound * (1 + 1e-9)
        assert result.lower_bound == pytest.approx(expected, rel=1e-5)


def test_periodic_tensor_agrees_with_a_direct_solver(case):
    phases, conductivity, size = case
    result = effective_conductivity(
        phases, conductivity, voxel_size=size, axis="all", boundary=PERIODIC, rtol=1e-8, lower_bound=True
    )
    expected = direct(phases.astype(int), conductivity, np.ones(3) * size, 0, PERIODIC)
    np.testing.assert_allclose(result.tensor, expected, atol=3e-7 * np.abs(expected).max())
    np.testing.assert_array_equal(result.tensor, result.tensor.T)
    np.testing.assert_array_equal(result.sigma, np.diag(result.tensor))
    assert (result.lower_bound <= np.diag(expected) * (1 + 1e-9)).all()
    np.testing.assert_allclose(result.lower_bound, np.diag(expected), rtol=1e-5)


@pytest.mark.parametrize("boundary", [PLATES, MIXED, PERIODIC])
def test_resistances_agree_with_a_direct_solver(boundary):
    phases = noise((8, 7, 6), 3, SEED + 6)
    grains = noise((8, 7, 6), 4, SEED + 7).astype(np.int64)
    conductivity, size = {0: 0.1, 1: 0.02, 2: 0.0}, np.array([1e-6, 2e-6, 1.5e-6])
    interfaces, between_grains = {(0, 1): 40e-6}, 3e-5
    result = effective_conductivity(
        phases,
        conductivity,
        voxel_size=tuple(size),
        boundary=boundary,
        rtol=1e-8,
        interface_resistance=interfaces,
        grains=grains,
        grain_boundary_resistance=between_grains,
        lower_bound=True,
    )
    expected = direct(phases.astype(int), conductivity, size, 0, boundary, interfaces, grains, between_grains)
    truth = expected if boundary != PERIODIC else expected[0, 0]
    assert result.sigma == pytest.approx(truth, rel=1e-6)
    assert truth * (1 - 1e-5) <= result.lower_bound <= truth * (1 + 1e-9)


def test_energy_equals_the_flux_through_either_plate(case):
    phases, conductivity, size = case
    result = effective_conductivity(phases, conductivity, voxel_size=size, rtol=1e-9)
    assert result.flux_in == pytest.approx(result.sigma, rel=1e-3)
    assert result.flux_out == pytest.approx(result.sigma, rel=1e-3)


def test_scales_with_conductivity(case):
    phases, conductivity, size = case
    one = effective_conductivity(phases, conductivity, voxel_size=size)
    scaled = effective_conductivity(phases, {p: 4.0 * s for p, s in conductivity.items()}, voxel_size=size)
    assert scaled.sigma == pytest.approx(4 * one.sigma, rel=1e-12)


def test_turns_with_the_image(case):
    phases, conductivity, size = case
    sizes = tuple(np.ones(3) * size)
    along_y = effective_conductivity(phases, conductivity, voxel_size=sizes, axis=1, rtol=1e-8)
    turned = effective_conductivity(
        phases.transpose(1, 2, 0), conductivity, voxel_size=(sizes[1], sizes[2], sizes[0]), rtol=1e-8
    )
    mirrored = effective_conductivity(phases[:, ::-1, ::-1], conductivity, voxel_size=sizes, axis=1, rtol=1e-8)
    assert turned.sigma == pytest.approx(along_y.sigma, rel=1e-7)
    assert mirrored.sigma == pytest.approx(along_y.sigma, rel=1e-7)


def test_lies_within_the_wiener_bounds(case):
    phases, conductivity, size = case
    lower, upper = wiener_bounds(phases, conductivity)
    result = effective_conductivity(phases, conductivity, voxel_size=size, axis="all")
    assert (result.sigma >= lower * (1 - 1e-4)).all()
    assert (result.sigma <= upper * (1 + 1e-4)).all()


def test_does_not_depend_on_the_number_of_threads(case):
    phases, conductivity, size = case
    big = np.tile(phases, (4, 4, 4))
    once, again = (effective_conductivity(big, conductivity, voxel_size=size, threads=n) for n in (1, None))
    assert once.sigma == again.sigma
    assert once.iterations == again.iterations


@given(st.integers(0, 2**32 - 1), st.floats(0.2, 0.8), st.sampled_from([0, 1, 2]))
@settings(max_examples=25, deadline=None, derandomize=True)
def test_more_conductor_never_conducts_less(seed, fraction, axis):
    less = blobs((9, 10, 8), fraction, seed)
    more = less.copy()
    more[np.random.default_rng(seed).random(more.shape) < 0.1] = 1
    sigma = {0: 0.0, 1: 1.0}
    one, other = (effective_conductivity(p, sigma, axis=axis, rtol=1e-7) for p in (less, more))
    assert other.sigma >= one.sigma * (1 - 2e-7)


def test_homogeneous_box_layers_and_columns():
    box = np.zeros((5, 6, 7), np.uint8)
    assert effective_conductivity(box, {0: 0.3}).sigma == pytest.approx(0.3, rel=1e-6)
    layers = box.copy()
    layers[2:] = 1
    sigma = {0: 2.0, 1: 0.5}
    series, parallel = 1 / (0.4 / 2 + 0.6 / 0.5), 0.4 * 2 + 0.6 * 0.5
    assert effective_conductivity(layers, sigma, axis=0, rtol=1e-9).sigma == pytest.approx(series, rel=1e-9)
    assert effective_conductivity(layers, sigma, axis=1, rtol=1e-9).sigma == pytest.approx(parallel, rel=1e-9)


def test_layers_with_interface_resistance():
    layers = np.zeros((6, 3, 4), np.uint8)
    layers[2:] = 1
    h, contact = 0.5e-6, 4e-6
    result = effective_conductivity(
        layers, {0: 0.2, 1: 0.1}, voxel_size=h, interface_resistance={(1, 0): contact}, rtol=1e-9
    )
    assert result.sigma == pytest.approx(6 * h / (2 * h / 0.2 + 4 * h / 0.1 + contact), rel=1e-9)


@pytest.mark.parametrize("contrast", [0.0, 10.0])
def test_dilute_spheres_follow_maxwell(contrast):
    n, radius = 41, 8.2
    r2 = sum((x - n / 2 + 0.5) ** 2 for x in np.indices((n, n, n)))
    ball = (r2 <= radius**2).astype(np.uint8)
    f, beta = ball.mean(), (contrast - 1) / (contrast + 2)
    result = effective_conductivity(ball, {0: 1.0, 1: contrast}, boundary=PERIODIC, rtol=1e-6)
    assert result.sigma == pytest.approx(1 + 3 * beta * f / (1 - beta * f), abs=0.15 * f)


def test_two_dimensional_smooth_media_converge_with_order_2_to_the_exact_value():
    # σ and 1/σ are one medium shifted by half a period, x and y are alike: σ_eff = 1 (Keller 1964, Dykhne 1970).
    errors = []
    for n in (8, 16, 32):
        wave = np.sin(2 * np.pi * (np.arange(n) + 0.5) / n)
        local = np.round(np.exp(1.5 * np.outer(wave, wave))[:, :, None], 12)
        values, phases = np.unique(local, return_inverse=True)
        table = dict(enumerate(values.tolist()))
        phases = phases.reshape(local.shape).astype(np.uint8)
        errors.append(abs(effective_conductivity(phases, table, boundary=PERIODIC, rtol=1e-9).sigma - 1))
    orders = np.log2(np.array(errors[:-1]) / errors[1:])
    np.testing.assert_allclose(orders, 2, atol=0.15)


def test_checkerboards_approach_the_geometric_mean():
    board, contrast = np.indices((2, 2)).sum(axis=0)[:, :, None] % 2, 4.0
    errors = []
    for n in (1, 2, 4, 8, 16):
        phases = board.repeat(n, 0).repeat(n, 1).astype(np.uint8)
        result = effective_conductivity(phases, {0: 1.0, 1: contrast}, boundary=PERIODIC, rtol=1e-9)
        errors.append(result.sigma / np.sqrt(contrast) - 1)
    # Slowly: where four squares meet, the potential goes as r to this power, its energy's error as h to twice that.
    power = 4 / np.pi * np.arctan(contrast**-0.5)
    assert np.log2(errors[-2] / errors[-1]) == pytest.approx(2 * power, abs=0.04)


def test_refining_tells_the_error_of_the_voxels():
    phases = blobs((10, 9, 8), 0.6, SEED + 8)
    sigma = {0: 0.0, 1: 1.0}
    result = effective_conductivity(phases, sigma, refine=2, rtol=1e-7, return_fields=True)
    fine, finest = phases, None
    for _ in range(2):
        fine = fine.repeat(2, 0).repeat(2, 1).repeat(2, 2)
        finest = effective_conductivity(fine, sigma, rtol=1e-7).sigma
        if fine.shape[0] == 20:
            assert result.sigma == finest
    assert result.potential.shape == (20, 18, 16)
    # Twice as fine halves the error, roughly.
    left = abs(finest / result.sigma_extrapolated - 1)
    assert left < 0.6 * result.discretisation_error
    plates = effective_conductivity(phases, {0: 1.0, 1: 1.0}, refine=2, axis="all")
    np.testing.assert_allclose(plates.sigma_extrapolated, 1, rtol=1e-6)
    assert (plates.discretisation_error < 1e-6).all()


def test_refining_leaves_the_contacts_where_they_are():
    layers = np.zeros((4, 2, 2), np.uint8)
    layers[2:] = 1
    grains = np.arange(4)[:, None, None] // 3 * np.ones((1, 2, 2), int)
    arguments = {
        "interface_resistance": {(0, 1): 3e-6},
        "grains": grains,
        "grain_boundary_resistance": 1e-6,
        "voxel_size": 1e-6,
    }
    result = effective_conductivity(layers, {0: 1.0, 1: 0.5}, refine=2, rtol=1e-9, **arguments)
    assert result.sigma == pytest.approx(4e-6 / (2e-6 / 1 + 2e-6 / 0.5 + 3e-6 + 1e-6), rel=1e-9)


def test_a_batch_is_its_images_one_by_one():
    images = np.stack([blobs((9, 8, 7), fraction, SEED) for fraction in (0.3, 0.5, 0.9)])
    images[0, 4] = 0
    told = []
    batch = effective_conductivity_batch(
        images,
        {0: 0.0, 1: 0.2},
        axis="all",
        boundary=PERIODIC,
        lower_bound=True,
        progress=lambda *step: told.append(step),
    )
    assert batch.sigma.shape == (3, 3)
    for number, image in enumerate(images):
        one = effective_conductivity(image, {0: 0.0, 1: 0.2}, axis="all", boundary=PERIODIC)
        np.testing.assert_array_equal(batch.sigma[number], one.sigma)
        np.testing.assert_array_equal(batch.tensor[number], one.tensor)
        assert batch.outcome[number] == one.outcome
    assert [done for done, _ in told] == [1, 2, 3]
    grains = np.random.default_rng(SEED).integers(0, 3, images.shape)
    contacts = {"grain_boundary_resistance": 0.5, "rtol": 1e-6}
    along = effective_conductivity_batch(list(images), {0: 0.0, 1: 0.2}, grains=grains, **contacts)
    alone = effective_conductivity(images[2], {0: 0.0, 1: 0.2}, grains=grains[2], **contacts)
    assert along.sigma[2] == alone.sigma
    assert along.outcome[0] is Outcome.NON_PERCOLATING
    assert along.tensor is None


@pytest.mark.parametrize(
    ("images", "keywords", "says"),
    [
        (np.zeros((2, 3, 3), np.uint8), {}, "shape"),
        (np.zeros((0, 3, 3, 3), np.uint8), {}, "shape"),
        (7, {}, "one shape"),
        ([np.zeros((2, 3, 3)), np.zeros((3, 3, 3))], {}, "one shape"),
        (np.array([[[[0]]], [[[1]]]], np.uint8), {}, "image 1 of phases_bxyz.*phase 1"),
        (np.zeros((2, 3, 3, 3), np.uint8), {"grains": np.zeros((2, 3, 3, 4), int)}, "agree"),
        (np.zeros((2, 3, 3, 3), np.uint8), {"rtol": 2}, "rtol"),
    ],
)
def test_bad_batches_are_refused(images, keywords, says):
    with pytest.raises(InvalidInput, match=says):
        effective_conductivity_batch(images, {0: 1.0}, **keywords)


def test_sealed_structures_are_exactly_zero():
    sealed = np.ones((8, 8, 8), np.uint8)
    sealed[4] = 0
    for boundary in (PLATES, MIXED, PERIODIC):
        result = effective_conductivity(sealed, {0: 0.0, 1: 1.0}, boundary=boundary)
        assert result.sigma == 0
        assert result.outcome is Outcome.NON_PERCOLATING
        assert np.isinf(result.tortuosity)
    across = effective_conductivity(sealed, {0: 0.0, 1: 1.0}, axis=1)
    assert across.sigma == pytest.approx(7 / 8, rel=1e-6)
    nothing = effective_conductivity(sealed, {0: 0.0, 1: 0.0}, axis="all")
    assert (nothing.sigma == 0).all()


def test_a_diagonal_path_around_the_box_conducts_only_diagonally():
    n = 6
    staircase = np.zeros((n, n, 1), bool)
    for i in range(n):
        staircase[i, i] = staircase[i, (i + 1) % n] = True
    result = effective_conductivity(staircase, {0: 0.0, 1: 1.0}, boundary=PERIODIC, rtol=1e-9)
    assert result.tensor[2, 2] == pytest.approx(2 / n)
    assert result.tensor[0, 1] == pytest.approx(result.tensor[0, 0])
    assert effective_conductivity(staircase, {0: 0.0, 1: 1.0}, boundary=PERIODIC, axis=0).sigma > 0


def test_fields_conserve_current(case):
    phases, conductivity, size = case
    result = effective_conductivity(phases, conductivity, voxel_size=size, axis=0, rtol=1e-10, return_fields=True)
    if result.outcome is Outcome.NON_PERCOLATING:
        assert np.isnan(result.potential).all()
        return
    assert np.nanmax(result.potential) <= 1 + 1e-6
    length = phases.shape[0] * (np.ones(3) * size)[0]
    through_layers = result.current_density[0].mean(axis=(1, 2)) * length
    np.testing.assert_allclose(through_layers, result.sigma, rtol=1e-3)


def test_progress_is_told_of_every_iteration():
    told = []
    result = effective_conductivity(
        blobs((16, 16, 16), 0.6, SEED), {0: 0, 1: 1}, progress=lambda *step: told.append(step)
    )
    assert [number for number, _ in told] == list(range(1, result.iterations + 1))
    assert told[-1][1] == result.error_estimate


BOX = np.zeros((3, 3, 3), np.uint8)


@pytest.mark.parametrize(
    ("phases", "conductivity", "keywords", "says"),
    [
        (BOX, {0: float("nan")}, {}, r"conductivity\[0\]"),
        (BOX, {0: -1.0}, {}, r"conductivity\[0\]"),
        (BOX, {1: 1.0}, {}, "phase 0"),
        (BOX, {}, {}, "conductivity"),
        (BOX, {"0": 1.0}, {}, "key"),
        (BOX.tolist(), {0: 1.0}, {}, "numpy array"),
        (BOX.astype(float), {0: 1.0}, {}, "dtype"),
        (BOX.astype(int), {0: 1.0}, {}, "unsigned"),
        (BOX[0], {0: 1.0}, {}, "shape"),
        (BOX[:0], {0: 1.0}, {}, "shape"),
        (BOX, {0: 1.0}, {"voxel_size": 0.0}, "voxel_size"),
        (BOX, {0: 1.0}, {"voxel_size": (1.0, 2.0)}, "voxel_size"),
        (BOX, {0: 1.0}, {"axis": 3}, "axis"),
        (BOX, {0: 1.0}, {"axis": True}, "axis"),
        (BOX, {0: 1.0}, {"boundary": "dirichlet"}, "boundary"),
        (BOX, {0: 1.0}, {"rtol": 0.0}, "rtol"),
        (BOX, {0: 1.0}, {"refine": 3}, "refine"),
        (BOX, {0: 1.0}, {"threads": 0}, "threads"),
        (BOX, {0: 1.0}, {"interface_resistance": {(0, 0): 1.0}}, "grain_boundary_resistance"),
        (BOX, {0: 1.0}, {"interface_resistance": {(0, 1): -1.0}}, "interface_resistance"),
        (BOX, {0: 1.0}, {"grains": BOX}, "go together"),
        (BOX, {0: 1.0}, {"grains": BOX[0], "grain_boundary_resistance": 1.0}, "shape"),
        (np.array([[[0, 1]]], np.uint8), {0: 1.0, 1: 1e-16}, {}, "decades"),
    ],
)
def test_bad_input_is_refused_in_one_sentence(phases, conductivity, keywords, says):
    with pytest.raises(InvalidInput, match=says):
        effective_conductivity(phases, conductivity, **keywords)


IMAGES = {
    "sofc": "sofc_cathode_fibsem/example_electrolyte_and_cathode.tif",
    "nmc": "nmc_cathode_nrel/nmc-1-cal_generatedCBD_bridge.tif",
}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("image", "conducting", "expected"),
    [
        ("sofc", {0}, (0.40144519, 0.41538703, 0)),
        ("sofc", {2}, (0.01359666, 0.02430794, 0)),
        ("nmc", {0, 2}, (0.26948483, 0.324341, 0.32746244)),
        ("nmc", {0}, (0.13566015, 0.15434309, 0.15859816)),
        ("nmc", {1}, (0.13870523, 0.1971889, 0.19748093)),
    ],
)
def test_real_tomographies(real_data, image, conducting, expected):
    import tifffile

    phases = tifffile.imread(real_data / IMAGES[image])
    result = effective_conductivity(phases, {p: float(p in conducting) for p in range(3)}, axis="all")
    np.testing.assert_allclose(result.relative, expected, rtol=1e-4)
    assert [s == 0 for s in result.sigma] == [e == 0 for e in expected]
