"""Laws of the generators: fractions are met, recipes are reproducible, the process is left as it was."""

import logging
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ionscreen.datasets import InvalidInput, Recipe
from ionscreen.pipeline.design import DesignOfExperiments, FamilyRange
from ionscreen.pipeline.families import FAMILIES
from ionscreen.pipeline.families.family import threshold_to_fraction
from ionscreen.pipeline.generation import family_of, generate

SEED = 61803
SHAPE = (24, 28, 32)
VOXEL = (4e-7, 4e-7, 4e-7)
TOLERANCE = {"blobs": 1e-4, "sintered": 0.0051, "composite_cathode": 1e-4}


def recipe(family: str, seed: int = SEED, **parameters: float) -> Recipe:
    return Recipe(family, parameters, SHAPE, VOXEL, seed)


@pytest.mark.parametrize("family", sorted(FAMILIES))
def test_same_recipe_same_bytes(family: str) -> None:
    first, again, other = generate(recipe(family)), generate(recipe(family)), generate(recipe(family, seed=7))
    assert first.phases.tobytes() == again.phases.tobytes()
    assert first.phases.tobytes() != other.phases.tobytes()
    assert first.shape == SHAPE
    assert first.voxel_size == VOXEL


def test_another_process_in_another_order_gives_the_same_bytes() -> None:
    program = f"""
import hashlib
from ionscreen.datasets import Recipe
from ionscreen.pipeline.generation import generate
for family in {sorted(FAMILIES, reverse=True)}:
    phases = generate(Recipe(family, {{}}, {SHAPE}, {VOXEL}, {SEED})).phases
    print(family, hashlib.blake2b(phases.tobytes()).hexdigest())
"""
    import hashlib

    output = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    there = dict(line.split() for line in output.splitlines())
    here = {name: hashlib.blake2b(generate(recipe(name)).phases.tobytes()).hexdigest() for name in FAMILIES}
    assert there == here


@pytest.mark.parametrize("family", sorted(FAMILIES))
@pytest.mark.parametrize("void", [0.03, 0.2, 0.45])
def test_target_fractions_are_met(family: str, void: float) -> None:
    fractions = generate(recipe(family, void_fraction=void)).fractions()
    assert fractions["void"] == pytest.approx(void, abs=TOLERANCE[family])


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


def test_every_default_is_possible() -> None:
    for name in FAMILIES:
        family_of(name, {}).check((48, 48, 48), VOXEL)
