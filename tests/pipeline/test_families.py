"""Laws of the generators: fractions are met, recipes are reproducible, the process is left as it was."""

import hashlib
import json
import logging
import os
import subprocess
import sys
from pathlib import Path

import cc3d
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ionscreen.datasets import InvalidInput, Recipe
from ionscreen.pipeline import effective_conductivity
from ionscreen.pipeline.design import DesignOfExperiments, FamilyRange
from ionscreen.pipeline.families import FAMILIES
from ionscreen.pipeline.families.family import threshold_to_fraction
from ionscreen.pipeline.families.fractions import target_fractions
from ionscreen.pipeline.families.nearest_grains import nearest_grains
from ionscreen.pipeline.families.noise import filtered_noise, plain_noise
from ionscreen.pipeline.families.packing import distance_to_spheres, pack_spheres
from ionscreen.pipeline.families.usual_ranges import usual_ranges
from ionscreen.pipeline.generation import family_of, generate

SEED = 61803
SHAPE = (24, 28, 32)
VOXEL = (4e-7, 4e-7, 4e-7)
POROUS = sorted(name for name, family in FAMILIES.items() if "void_fraction" in family.__dataclass_fields__)  # type: ignore[attr-defined]


def recipe(family: str, seed: int = SEED, **parameters: float | str) -> Recipe:
    return Recipe(family, parameters, SHAPE, VOXEL, seed)


@pytest.mark.parametrize("family", sorted(FAMILIES))
def test_same_recipe_same_bytes(family: str) -> None:
    first, again, other = generate(recipe(family)), generate(recipe(family)), generate(recipe(family, seed=7))
    assert first.phases.tobytes() == again.phases.tobytes()
    assert first.phases.tobytes() != other.phases.tobytes()
    assert first.shape == SHAPE
    assert first.voxel_size == VOXEL


def digests(recipes: list[tuple[str, int]]) -> dict[str, str]:
    """Return family and seed -> digest of phases and grains."""
    found = {}
    for family, seed in recipes:
        made = generate(recipe(family, seed=seed))
        grains = b"" if made.grains is None else made.grains.tobytes()
        found[f"{family} {seed}"] = hashlib.blake2b(made.phases.tobytes() + grains).hexdigest()
    return found


@pytest.mark.slow
def test_four_processes_in_another_order_give_the_same_bytes() -> None:
    """8 seeds of every family: here one after another, there shuffled and with 1 to 4 threads."""
    wanted = [(family, seed) for family in sorted(FAMILIES) for seed in range(SEED, SEED + 8)]
    shuffled = [wanted[i] for i in np.random.default_rng(SEED).permutation(len(wanted))]
    programs = [
        f"import json, {__name__.rpartition('.')[2]} as laws; print(json.dumps(laws.digests({shuffled[k::4]})))"
        for k in range(4)
    ]
    folder = str(Path(__file__).parent)
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", program],
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": folder, "OMP_NUM_THREADS": str(k), "NUMBA_NUM_THREADS": str(k)},
        )
        for k, program in enumerate(programs, start=1)
    ]
    here = digests(wanted)
    there: dict[str, str] = {}
    for process in processes:
        there |= json.loads(process.communicate(timeout=300)[0])
    assert there == here
    assert len(set(here.values())) == len(wanted)


@pytest.mark.parametrize("family", POROUS)
@pytest.mark.parametrize("void", [0.03, 0.2, 0.45])
def test_target_fractions_are_met(family: str, void: float) -> None:
    fractions = generate(recipe(family, void_fraction=void)).fractions()
    assert fractions["void"] == pytest.approx(void, abs=1e-4)


@pytest.mark.parametrize("family", ["polymer_particles", "polymer_fibres"])
@pytest.mark.parametrize("ceramic", [0.02, 0.15, 0.3, 0.55])
def test_ceramic_fractions_are_met(family: str, ceramic: float) -> None:
    fractions = generate(recipe(family, ceramic_fraction=ceramic)).fractions()
    assert fractions["ceramic"] == pytest.approx(ceramic, abs=1e-4)


def test_fibres_lie_as_they_are_told_to() -> None:
    """A mat conducts along x and y and not across; on average over seeds, isotropic fibres conduct alike."""
    table = {0: 1e-3, 1: 1.0}
    means = []
    for tilt in (0.0, 90.0):
        sigma = []
        for seed in range(8):
            parameters = {"tilt_degrees": tilt, "ceramic_fraction": 0.2, "fibre_diameter_um": 1.2}
            made = generate(Recipe("polymer_fibres", parameters, (48, 48, 48), VOXEL, seed))
            sigma.append([effective_conductivity(made.phases, table, axis=a, rtol=1e-3).sigma for a in range(3)])
        means.append(np.mean(sigma, axis=0))
    mat, isotropic = means
    assert min(mat[:2]) > 5 * mat[2]
    assert isotropic == pytest.approx([isotropic.mean()] * 3, rel=0.35)


@pytest.mark.parametrize("boundary", [0.0, 0.1, 0.3])
def test_a_polycrystal_has_its_grains_boundaries_and_pores(boundary: float) -> None:
    made = generate(recipe("polycrystal", boundary_fraction=boundary, void_fraction=0.06, grain_diameter_um=4.0))
    fractions = made.fractions()
    assert fractions["grain_boundary"] == pytest.approx(boundary, abs=1e-4)
    assert fractions["void"] == pytest.approx(0.06, abs=1e-4)
    grains = made.grains
    assert grains is not None
    np.testing.assert_array_equal(grains == 0, made.phases == 0)
    volume = np.prod(SHAPE) * np.prod(VOXEL)
    wanted = volume / (np.pi / 6 * 4e-6**3)
    assert np.unique(grains[grains > 0]).size == pytest.approx(wanted, abs=1)


def test_every_grain_of_a_polycrystal_is_one_piece() -> None:
    """Voronoi cells are convex; with the box continued periodically, none falls apart."""
    grains = generate(recipe("polycrystal", void_fraction=0.0)).grains
    assert grains is not None
    threefold = cc3d.connected_components(np.tile(grains, (3, 3, 3)), connectivity=26)
    nx, ny, nz = SHAPE
    middle = threefold[nx : 2 * nx, ny : 2 * ny, nz : 2 * nz]
    for grain in np.unique(grains):
        pieces = np.unique(middle[grains == grain])
        sizes = [np.count_nonzero(threefold == piece) for piece in pieces]
        # A cell that the middle box cuts stands in it as several pieces, each part of a whole copy of the cell.
        assert max(sizes) == np.count_nonzero(grains == grain)


def test_boundary_voxels_lie_between_grains() -> None:
    made = generate(recipe("polycrystal", boundary_fraction=0.15, void_fraction=0.0))
    assert made.grains is not None
    touches = np.zeros(SHAPE, bool)
    for axis in range(3):
        for step in (1, -1):
            touches |= made.grains != np.roll(made.grains, step, axis)
    assert touches[made.phases == 2].mean() > 0.9
    assert touches[made.phases == 1].mean() < touches.mean()


@pytest.mark.parametrize("layers", [0, 1, 2, 4, 3.7])
def test_each_layer_has_its_porosity(layers: float) -> None:
    made = generate(recipe("layered", first_void_fraction=0.1, last_void_fraction=0.5, layers=layers))
    voids = (made.phases == 0).mean(axis=(1, 2))
    count = round(layers) if layers >= 2 else SHAPE[0]
    wanted = np.repeat(np.linspace(0.1, 0.5, count), SHAPE[0] // count)
    assert voids == pytest.approx(wanted, abs=1e-3)


@pytest.mark.parametrize("surface", ["gyroid", "diamond", "primitive"])
def test_minimal_surfaces_repeat_and_are_isotropic(surface: str) -> None:
    """12 voxels a cell: the box of 24 x 24 x 24 holds eight equal ones, and conducts alike along the axes."""
    given = Recipe("minimal_surface", {"surface": surface, "cell_size_um": 4.8}, (24, 24, 24), VOXEL, SEED)
    phases = generate(given).phases
    # Equal values are told apart at random, so that a voxel on the surface may fall to either side.
    assert np.mean(phases != np.roll(phases, 12, axis=1)) < 0.01
    sigma = [effective_conductivity(phases, {0: 0.0, 1: 1.0}, voxel_size=VOXEL, axis=axis).sigma for axis in range(3)]
    assert sigma == pytest.approx([np.mean(sigma)] * 3, rel=0.05)


@pytest.mark.parametrize("active", [0.1, 0.45, 0.7])
def test_active_material_fraction_is_met(active: float) -> None:
    fractions = generate(recipe("composite_cathode", active_material_fraction=active, void_fraction=0.1)).fractions()
    assert fractions["active_material"] == pytest.approx(active, abs=1e-4)
    assert sum(fractions.values()) == pytest.approx(1)


@pytest.mark.parametrize("family", sorted(FAMILIES))
def test_the_process_is_left_as_it_was(family: str) -> None:
    np.random.seed(SEED)  # noqa: NPY002 - the global state is what is tested
    before = (np.geterr(), np.random.get_state()[1].tolist(), list(logging.getLogger().handlers))  # noqa: NPY002
    generate(recipe(family))
    assert before == (np.geterr(), np.random.get_state()[1].tolist(), list(logging.getLogger().handlers))  # noqa: NPY002


@given(fraction=st.floats(0, 1), share=st.floats(0.1, 1), seed=st.integers(0, 2**31))
@settings(max_examples=60, deadline=None)
def test_threshold_takes_the_lowest_values(fraction: float, share: float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    field = rng.integers(0, 5, (6, 7, 8)).astype(float)  # many ties
    among = rng.random(field.shape) < share
    chosen = threshold_to_fraction(field, fraction, rng, among)
    assert chosen.sum() == min(round(fraction * field.size), among.sum())
    assert not (chosen & ~among).any()
    left = among & ~chosen
    if chosen.any() and left.any():
        assert field[chosen].max() <= field[left].min()


@given(fraction=st.floats(0, 1), seed=st.integers(0, 2**31))
@settings(max_examples=60, deadline=None)
def test_threshold_takes_what_a_sort_with_lots_takes(fraction: float, seed: int) -> None:
    field = np.random.default_rng(seed).integers(0, 5, (6, 7, 8)).astype(float)
    lot = np.random.default_rng(seed).random(field.size)
    first = np.lexsort((lot, field.ravel()))[: round(fraction * field.size)]
    chosen = threshold_to_fraction(field, fraction, np.random.default_rng(seed))
    assert np.flatnonzero(chosen).tolist() == sorted(first.tolist())


@given(
    count=st.integers(4, 60),
    shape=st.tuples(st.integers(1, 21), st.integers(1, 21), st.integers(1, 21)),
    stretch=st.floats(0.2, 5),
    seed=st.integers(0, 2**31),
)
@settings(max_examples=60, deadline=None)
def test_nearest_grains_are_those_of_a_tree(count: int, shape: tuple[int, int, int], stretch: float, seed: int) -> None:
    from scipy.spatial import KDTree

    voxel = (4e-7, 4e-7 * stretch, 3e-7)
    box = np.array(shape) * voxel
    centres = np.random.default_rng(seed).random((count, 3)) * box
    places = (np.moveaxis(np.indices(shape), 0, -1) + 0.5) * np.array(voxel)
    distance, number = KDTree(centres, boxsize=box).query(places, k=4)
    second, fourth, nearest = nearest_grains(centres, shape, voxel)
    np.testing.assert_allclose(second, distance[..., 1] - distance[..., 0], atol=1e-18)
    np.testing.assert_allclose(fourth, distance[..., 3] - distance[..., 0], atol=1e-18)
    clear = second > 1e-18
    np.testing.assert_array_equal(nearest[clear], number[..., 0][clear])


CATHODE = {"active_material_fraction": 0.45, "void_fraction": 0.12}


@pytest.mark.parametrize(
    "variant",
    [
        {"particle_spread": 1.5},
        {"aspect_ratio": 2.0},
        {"electrolyte_diameter_um": 1.6},
        {"particle_spread": 1.3, "aspect_ratio": 1.5, "electrolyte_diameter_um": 1.2},
    ],
)
@pytest.mark.parametrize("family", ["composite_cathode", "composite_cathode_binder"])
def test_cathode_variants_meet_their_fractions(family: str, variant: dict[str, float]) -> None:
    made = generate(recipe(family, particle_diameter_um=2.4, **CATHODE, **variant))
    fractions = made.fractions()
    assert fractions["active_material"] == pytest.approx(0.45, abs=1e-4)
    assert fractions["void"] == pytest.approx(0.12, abs=1e-4)
    assert fractions.get("binder", 0.03) == pytest.approx(0.03, abs=1e-4)
    assert made.phases.tobytes() != generate(recipe(family, particle_diameter_um=2.4, **CATHODE)).phases.tobytes()


def test_pores_have_their_diameter_and_continue_at_the_faces() -> None:
    """One chord in three crosses a sphere off its middle: the mean chord of spheres alone in space is 2/3 diameter."""
    made = generate(Recipe("sintered", {"void_fraction": 0.03, "pore_diameter_um": 3.6}, (64, 64, 64), VOXEL, SEED))
    void = made.phases == 0
    starts = np.count_nonzero(void & ~np.roll(void, 1, axis=0))
    assert np.count_nonzero(void) / starts * 0.4 == pytest.approx(2 / 3 * 3.6, rel=0.12)
    inner, across = (np.mean(void[i] != void[i - 1]) for i in (32, 0))
    assert across < 4 * max(inner, 0.005)


# What is periodic, and along which axes.
PERIODIC = {
    **dict.fromkeys(sorted(set(FAMILIES) - {"layered", "minimal_surface", "polymer_fibres"}), ({}, (0, 1, 2))),
    "composite_cathode flat": ({"aspect_ratio": 1.7, "particle_spread": 1.3}, (0, 1, 2)),
    "composite_cathode particles": ({"electrolyte_diameter_um": 1.6}, (0, 1, 2)),
    "layered": ({}, (1, 2)),
    "minimal_surface": ({"cell_size_um": 6.4}, (0, 1, 2)),
    "polymer_fibres short": ({"fibre_length_um": 8.0}, (0, 1, 2)),
}


def seam(name: str, parameters: dict[str, float], axes: tuple[int, ...]) -> float:
    """Return how often phases change across faces of the box, over how often they do inside it."""
    across, inside = [], []
    for seed in range(4):
        phases = family_of(name.split()[0], parameters).generate((32, 32, 32), VOXEL, SEED + seed).phases
        for axis in axes:
            changes = (phases != np.roll(phases, 1, axis)).mean(axis=tuple({0, 1, 2} - {axis}))
            across.append(changes[0])
            inside.append(changes[1:].mean())
    return float(np.mean(across) / np.mean(inside))


@pytest.mark.parametrize("name", sorted(PERIODIC))
def test_periodic_families_have_no_seam(name: str) -> None:
    assert seam(name, *PERIODIC[name]) == pytest.approx(1, abs=0.3)


def test_a_seam_would_be_seen() -> None:
    assert seam("polymer_fibres", {}, (0, 1, 2)) > 1.8
    assert seam("layered", {}, (0,)) > 1.8


def test_moved_spheres_are_the_moved_field_across_the_faces() -> None:
    """The packing knows no faces: moved by whole voxels it gives the same field, rolled; spheres keep apart."""
    shape, spacing = (20, 24, 28), (1.0, 0.5, 0.75)
    centres, radii = pack_spheres(shape, spacing, [3.0, 1.5], np.random.default_rng(SEED))
    moved = (centres + np.array([7, 11, 20]) * spacing) % (np.array(shape) * spacing)
    field = distance_to_spheres(centres, radii, shape, spacing)
    again = distance_to_spheres(moved, radii, shape, spacing)
    np.testing.assert_allclose(again, np.roll(field, (7, 11, 20), (0, 1, 2)), atol=1e-5)
    apart = np.abs(centres[:, None] - centres)
    apart = np.linalg.norm(np.minimum(apart, np.array(shape) * spacing - apart), axis=2)
    nearest = (apart / (radii[:, None] + radii) + np.eye(len(radii)) * 9).min()
    # A sixth less than touching, and the shift of a centre inside its cell.
    assert 5 / 6 - np.linalg.norm(spacing) / 3 < nearest < 1
    volumes = [np.sum(radii[radii == r] ** 3) for r in (3.0, 1.5)]
    assert volumes[0] == pytest.approx(volumes[1], rel=0.35)


@given(seed=st.integers(0, 2**31), count=st.integers(1, 9))
@settings(max_examples=25, deadline=None)
def test_the_distance_is_that_to_the_nearest_image_of_the_nearest_sphere(seed: int, count: int) -> None:
    rng = np.random.default_rng(seed)
    shape, spacing = (9, 12, 7), np.array([1.0, 0.7, 1.3])
    centres, radii = rng.random((count, 3)) * shape * spacing, rng.uniform(0.5, 2.5, count)
    places = (np.moveaxis(np.indices(shape), 0, -1) + 0.5) * spacing
    images = np.array(np.meshgrid(*[[-1, 0, 1]] * 3)).reshape(3, -1).T * (shape * spacing)
    all_of_them = (centres[:, None] + images).reshape(-1, 3)
    distance = np.linalg.norm(places[..., None, :] - all_of_them, axis=-1) - np.repeat(radii, 27)
    found = distance_to_spheres(centres, radii, shape, spacing)
    np.testing.assert_allclose(found, np.minimum(distance.min(axis=-1), radii.max()), atol=1e-5)


def test_electrolyte_particles_are_numbered_and_their_contacts_resist() -> None:
    parameters = {**CATHODE, "electrolyte_diameter_um": 2.4, "particle_diameter_um": 4.0}
    for family in ("composite_cathode", "composite_cathode_binder"):
        made = generate(Recipe(family, parameters, (32, 32, 32), VOXEL, SEED))
        assert made.grains is not None
        np.testing.assert_array_equal(made.grains > 0, made.phases == 1)
        # As many as the electrolyte's volume holds, more or less: gaps are void, and active material cuts some.
        assert 0.5 < np.unique(made.grains).size / (made.fractions()["electrolyte"] * 12.8**3 / 2.4**3 / 0.52) < 2
    sigma = [
        effective_conductivity(
            made.phases,
            {0: 0.0, 1: 0.18, 2: 0.0, 3: 0.0},
            voxel_size=VOXEL,
            axis=0,
            grains=made.grains,
            grain_boundary_resistance={1: resistance},
        ).sigma
        for resistance in (0.0, 2.4e-6 / 0.18)
    ]
    assert 0.2 < sigma[1] / sigma[0] < 0.8


def test_electrolyte_particles_too_large_for_the_gaps_still_leave_a_cathode() -> None:
    """Whether one fits depends on the packing, so it cannot be refused before."""
    parameters = {"active_material_fraction": 0.7, "void_fraction": 0.1, "electrolyte_diameter_um": 4.8}
    made = generate(recipe("composite_cathode", **parameters))
    assert made.fractions()["void"] == pytest.approx(0.1, abs=1e-4)
    assert made.grains is not None
    assert np.unique(made.grains[made.grains > 0]).size < 4


def test_short_fibres_meet_their_fraction_and_conduct_less_than_long_ones() -> None:
    sigma = []
    for length in (4.0, 0.0):
        parameters = {"fibre_length_um": length, "ceramic_fraction": 0.1, "fibre_diameter_um": 1.0}
        made = [generate(Recipe("polymer_fibres", parameters, (40, 40, 40), VOXEL, s)) for s in range(4)]
        assert made[0].fractions()["ceramic"] == pytest.approx(0.1, abs=1e-4)
        sigma.append(np.mean([effective_conductivity(m.phases, {0: 1e-3, 1: 1.0}, axis=0).sigma for m in made]))
    assert sigma[0] < 0.7 * sigma[1]


def test_plain_noise_is_spread_and_correlated_like_porespys() -> None:
    fields = [
        filtered_noise(2.0, (40, 40, 40), VOXEL, SEED),
        plain_noise(2.0, (40, 40, 40), VOXEL, np.random.default_rng(1)),
    ]
    for field in fields:
        assert np.quantile(field, [0.1, 0.5, 0.9]) == pytest.approx([0.1, 0.5, 0.9], abs=0.05)
    steps = [[np.mean((f - np.roll(f, s, 1)) ** 2) for s in (1, 2, 4)] for f in fields]
    np.testing.assert_allclose(steps[0], steps[1], rtol=0.15)


def test_flat_particles_are_flat_along_x() -> None:
    """Runs of active material along x are shorter than across, by about the aspect ratio; spheres' are alike."""
    ratios = []
    for aspect in (1.0, 2.5):
        parameters = {**CATHODE, "aspect_ratio": aspect, "particle_diameter_um": 4.8}
        active = generate(Recipe("composite_cathode", parameters, (48, 48, 48), VOXEL, SEED)).phases == 2
        crossings = [np.count_nonzero(np.diff(active, axis=axis)) for axis in range(3)]
        ratios.append(2 * crossings[0] / (crossings[1] + crossings[2]))
    assert ratios[0] == pytest.approx(1, abs=0.15)
    assert 1.6 < ratios[1] < 3


def test_voids_lie_between_electrolyte_particles_and_at_the_active_material() -> None:
    """Unlike noise, which does not know where particles are, most of the gaps touch active material or are corners."""
    share = []
    for diameter in (0.0, 2.4):
        parameters = {**CATHODE, "electrolyte_diameter_um": diameter, "particle_diameter_um": 4.8}
        phases = generate(Recipe("composite_cathode", parameters, (48, 48, 48), VOXEL, SEED)).phases
        touching = sum(
            np.count_nonzero((a == 0) & (b == 2)) + np.count_nonzero((a == 2) & (b == 0))
            for a, b in ((np.take(phases, range(1, 48), x), np.take(phases, range(47), x)) for x in range(3))
        )
        share.append(touching / np.count_nonzero(phases == 0))
    assert share[1] > 1.3 * share[0]


def test_binder_lies_on_active_material_and_replaces_electrolyte_only() -> None:
    import edt

    # The family's own generate: recipes of different families have different seeds.
    plain, film = (
        family_of(name, {**CATHODE, "particle_diameter_um": 4.8}).generate((48, 48, 48), VOXEL, SEED).phases
        for name in ("composite_cathode", "composite_cathode_binder")
    )
    assert set(plain[film != plain]) == {1}
    assert set(film[film != plain]) == {3}
    distance = edt.edt(plain != 2, parallel=1)
    assert distance[film == 3].mean() < 0.7 * distance[plain == 1].mean()


@pytest.mark.parametrize(
    ("family", "parameters", "named"),
    [
        ("marble", {}, "marble"),
        ("blobs", {"porosity": 0.3}, "porosity"),
        ("blobs", {"void_fraction": 1.2}, "void_fraction"),
        ("blobs", {"void_fraction": float("nan")}, "void_fraction"),
        ("sintered", {"pore_diameter_um": 50.0}, "pore_diameter_um"),
        ("sintered", {"pore_diameter_um": 0.1}, "pore_diameter_um"),
        ("composite_cathode", {"active_material_fraction": 0.74, "void_fraction": 0.3}, "electrolyte"),
        ("composite_cathode", {"particle_diameter_um": -1.0}, "particle_diameter_um"),
        ("composite_cathode", {"particle_spread": 0.5}, "particle_spread"),
        ("composite_cathode", {"particle_spread": 2.9}, "particle_spread"),
        ("composite_cathode", {"aspect_ratio": 0.5}, "aspect_ratio"),
        ("composite_cathode", {"aspect_ratio": 4.0, "particle_diameter_um": 1.2}, "aspect_ratio"),
        ("composite_cathode", {"electrolyte_diameter_um": 0.2}, "electrolyte_diameter_um"),
        ("composite_cathode_binder", {"binder_fraction": 0.29, "void_fraction": 0.25}, "binder_fraction"),
        ("polycrystal", {"boundary_fraction": 0.5, "void_fraction": 0.45}, "electrolyte"),
        ("polycrystal", {"grain_diameter_um": 20.0}, "grain_diameter_um"),
        ("polymer_particles", {"ceramic_fraction": 0.9}, "ceramic_fraction"),
        ("polymer_fibres", {"tilt_degrees": 120.0}, "tilt_degrees"),
        ("polymer_fibres", {"fibre_length_um": 1.0}, "fibre_length_um"),
        ("polymer_fibres", {"fibre_length_um": 30.0}, "fibre_length_um"),
        ("layered", {"layers": -1}, "layers"),
        ("layered", {"layers": 500}, "layers"),
        ("minimal_surface", {"surface": "lidinoid"}, "lidinoid"),
    ],
)
def test_impossible_recipes_are_refused_by_field(family: str, parameters: dict[str, float], named: str) -> None:
    with pytest.raises(InvalidInput, match=named):
        generate(recipe(family, **parameters))


def design(stream: str = "training", **changes: object) -> DesignOfExperiments:
    families = [
        FamilyRange(family="blobs", parameters={"void_fraction": (0.2, 0.6), "blob_size_um": 1.6}, weight=2.0),
        FamilyRange(family="sintered", parameters={"void_fraction": (0.1, 0.5), "pore_diameter_um": (2.0, 4.0)}),
        FamilyRange(family="composite_cathode"),
    ]
    given: dict[str, object] = {"families": families, "shape": SHAPE, "voxel_size": VOXEL, "seed": SEED}
    return DesignOfExperiments(**{**given, **changes}, stream=stream)  # type: ignore[arg-type]


@given(start=st.integers(0, 150), length=st.integers(0, 60))
@settings(max_examples=25, deadline=None)
def test_a_slice_of_the_stream_is_the_stream(start: int, length: int) -> None:
    assert list(design().recipes(start, start + length)) == list(design().recipes(0, 210))[start : start + length]


def test_the_stream_keeps_shares_and_ranges_and_never_repeats() -> None:
    recipes = list(design().recipes(0, 400))
    assert len({r.id for r in recipes}) == 400
    shares = [sum(r.family == name for r in recipes) / 400 for name in ("blobs", "sintered", "composite_cathode")]
    assert shares == pytest.approx([0.5, 0.25, 0.25], abs=0.01)
    voids = np.sort([r.parameters["void_fraction"] for r in recipes if r.family == "blobs"])
    # Low discrepancy: the largest gap of 200 random points would be about five times the mean gap.
    assert voids.min() >= 0.2
    assert voids.max() <= 0.6
    assert np.diff(voids).max() < 3 * 0.4 / 200


def test_every_point_between_possible_ends_is_possible() -> None:
    """Also of parameters that are counts, and with texts, which have no ends."""
    families = [
        FamilyRange(family="layered", parameters={"layers": (0, 8)}),
        FamilyRange(family="minimal_surface", parameters={"surface": "diamond", "void_fraction": (0.2, 0.6)}),
    ]
    recipes = list(design(families=families).recipes(0, 24))
    assert {r.parameters["surface"] for r in recipes if r.family == "minimal_surface"} == {"diamond"}
    for made in map(generate, recipes):
        assert made.shape == SHAPE
    with pytest.raises(InvalidInput, match="lidinoid"):
        FamilyRange(family="minimal_surface", parameters={"surface": "lidinoid"})
    with pytest.raises(InvalidInput, match="void_fraction"):
        FamilyRange(family="blobs", parameters={"void_fraction": "half"})


def test_streams_and_seeds_share_no_structure() -> None:
    ids = [{r.id for r in d.recipes(0, 100)} for d in (design(), design("candidates"), design(seed=SEED + 1))]
    assert len(set.union(*ids)) == 300


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"families": []}, "families"),
        ({"shape": (4, 4, 4)}, "blob_size_um|pore_diameter_um|particle_diameter_um"),
    ],
)
def test_impossible_designs_are_refused(changes: dict[str, object], named: str) -> None:
    with pytest.raises(InvalidInput, match=named):
        design(**changes)


@pytest.mark.parametrize("bad", [{"void_fraction": (0.5, 0.2)}, {"void_fraction": (0.2, 1.5)}, {"colour": 1.0}])
def test_impossible_ranges_are_refused(bad: dict[str, object]) -> None:
    with pytest.raises(InvalidInput):
        FamilyRange(family="blobs", parameters=bad)  # type: ignore[arg-type]


@pytest.mark.parametrize("family", sorted(FAMILIES))
def test_usual_ranges_are_possible_and_met(family: str) -> None:
    """Of every parameter that has one, in boxes down to 32³; each fraction within 1 %, by construction to the voxel."""
    shape = (32, 32, 32)
    spec = FamilyRange(family=family, parameters=dict(usual_ranges(FAMILIES[family], shape, VOXEL)))
    made = DesignOfExperiments(families=[spec], shape=shape, voxel_size=VOXEL, seed=SEED, stream="usual")
    for drawn in made.recipes(0, 6):
        achieved = generate(drawn).fractions()
        for phase, wanted in target_fractions(family_of(family, drawn.parameters)).items():
            assert achieved[phase] == pytest.approx(wanted, abs=1e-4), phase


def test_every_default_is_possible() -> None:
    for name in FAMILIES:
        family_of(name, {}).check((48, 48, 48), VOXEL)
