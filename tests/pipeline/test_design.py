"""Laws of designs: what they promise about their points holds, and nothing impossible is ever chosen."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ionscreen.datasets import InvalidInput
from ionscreen.pipeline.box import box_warning
from ionscreen.pipeline.design import DesignOfExperiments
from ionscreen.pipeline.family_range import FamilyRange, SumBetween, Values
from ionscreen.pipeline.generation import family_of

SEED = 301030
SHAPE = (32, 32, 32)
VOXEL = (4e-7, 4e-7, 4e-7)
VOIDS = {"void_fraction": (0.1, 0.5), "pore_diameter_um": (1.2, 3.2)}
CATHODE = {"active_material_fraction": (0.05, 0.75), "void_fraction": (0.0, 0.5), "electrolyte_fraction": (0.25, 0.4)}


def design(*families: FamilyRange, stream: str = "training") -> DesignOfExperiments:
    return DesignOfExperiments(families=families, shape=SHAPE, voxel_size=VOXEL, seed=SEED, stream=stream)


def column(made: DesignOfExperiments, name: str, count: int) -> np.ndarray:
    return np.array([r.parameters[name] for r in made.recipes(0, count)])


def test_each_latin_hypercube_has_one_point_in_every_stratum() -> None:
    made = design(FamilyRange(family="sintered", parameters=VOIDS, design="latin_hypercube"))
    for name, (low, high) in VOIDS.items():
        strata = np.floor((column(made, name, 128) - low) / (high - low) * 64 - 1e-3).astype(int)
        assert sorted(strata[:64]) == sorted(strata[64:])
        assert len(set(strata[:64])) >= 63  # a point may be rounded over the edge of its stratum


def test_a_grid_has_every_combination_once_and_then_again() -> None:
    parameters = {**VOIDS, "surface": Values(("gyroid", "primitive"))}
    del parameters["pore_diameter_um"]
    made = design(FamilyRange(family="minimal_surface", parameters=parameters, design="grid", levels=5))
    points = [tuple(sorted(r.parameters.items())) for r in made.recipes(0, 20)]
    assert sorted(points[:10]) == sorted(points[10:])
    voids = {dict(p)["void_fraction"] for p in points}
    assert voids == {0.1, 0.2, 0.3, 0.4, 0.5}
    assert len(set(points)) == 10
    assert len({r.id for r in made.recipes(0, 20)}) == 20


def test_a_list_is_taken_as_it_stands() -> None:
    points = [{"void_fraction": 0.1}, {"void_fraction": 0.3, "pore_diameter_um": 1.6}]
    made = design(FamilyRange(family="sintered", parameters={"pore_diameter_um": 2.0}, design="list", points=points))
    wanted = [{"void_fraction": 0.1, "pore_diameter_um": 2.0}, {"void_fraction": 0.3, "pore_diameter_um": 1.6}]
    assert [r.parameters for r in made.recipes(0, 4)] == wanted * 2


@pytest.mark.parametrize("kind", ["sobol", "latin_hypercube", "grid"])
def test_fractions_sum_to_one_with_the_rest_in_its_range(kind: str) -> None:
    made = design(FamilyRange(family="composite_cathode", parameters=CATHODE, design=kind, levels=9))
    rest = 1 - column(made, "active_material_fraction", 200) - column(made, "void_fraction", 200)
    assert rest.min() >= 0.25 - 2e-6
    assert rest.max() <= 0.4 + 2e-6
    assert rest.max() - rest.min() > 0.1
    assert all("electrolyte_fraction" not in r.parameters for r in made.recipes(0, 10))


def test_sums_may_name_defaults_and_lists() -> None:
    constraint = SumBetween(parameters=("void_fraction", "active_material_fraction"), high=0.5)
    spec = FamilyRange(
        family="composite_cathode", parameters={"void_fraction": Values((0.02, 0.04, 0.2))}, constraints=[constraint]
    )
    assert set(column(design(spec), "void_fraction", 60)) == {0.02, 0.04}  # the active material's default is 0.45


@pytest.mark.parametrize("kind", ["sobol", "latin_hypercube", "grid", "list"])
@given(start=st.integers(0, 150), length=st.integers(0, 40), constrained=st.booleans())
@settings(max_examples=15, deadline=None)
def test_a_slice_of_any_stream_is_the_stream(kind: str, start: int, length: int, constrained: bool) -> None:
    parameters = CATHODE if constrained else {"void_fraction": (0.05, 0.2)}
    points = [{"void_fraction": v} for v in (0.1, 0.2, 0.3)] if kind == "list" else ()
    parameters = {} if kind == "list" else parameters
    made = design(
        FamilyRange(family="composite_cathode", parameters=parameters, design=kind, points=points, weight=3.0),
        FamilyRange(family="sintered", parameters=VOIDS),
    )
    whole = list(itertools.islice(made.recipes(0, 190), 190))
    assert list(made.recipes(start, start + length)) == whole[start : start + length]


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"design": "random"}, "random"),
        ({"design": "list"}, "points"),
        ({"points": [{"void_fraction": 0.1}]}, "points"),
        ({"design": "list", "points": [{"porosity": 0.1}]}, "porosity"),
        ({"design": "grid", "levels": 1}, "levels"),
        ({"design": "grid", "levels": 2000, "parameters": VOIDS}, "grid"),
        ({"weight": float("inf")}, "weight"),
        ({"parameters": {"void_fraction": Values(())}}, "void_fraction"),
        ({"constraints": [SumBetween(parameters=("void_fraction",), low=0.99)]}, "constraints"),
        ({"constraints": [SumBetween(parameters=("colour",), low=0.99)]}, "colour"),
        ({"parameters": {"electrolyte_fraction": "most"}}, "electrolyte_fraction"),
        ({"parameters": {"electrolyte_fraction": 0.7, "void_fraction": 0.2}}, "constraints"),
    ],
)
def test_impossible_designs_are_refused_by_name(changes: dict[str, object], named: str) -> None:
    with pytest.raises(InvalidInput, match=named):
        FamilyRange(**{"family": "sintered", "parameters": {}, **changes})  # type: ignore[arg-type]


def test_a_corner_of_the_ranges_that_is_impossible_is_refused() -> None:
    """Neither the lowest nor the highest of both: the flattest of the smallest particles are under a voxel."""
    flat = {"particle_diameter_um": (1.2, 4.8), "aspect_ratio": (1.0, 4.0)}
    with pytest.raises(InvalidInput, match="aspect_ratio"):
        design(FamilyRange(family="composite_cathode", parameters=flat))


def test_small_boxes_are_warned_about_with_the_worst_of_the_range() -> None:
    made = design(
        FamilyRange(family="sintered", parameters={"pore_diameter_um": (1.2, 3.2)}),
        FamilyRange(family="blobs", parameters={"blob_size_um": 1.6}),
        FamilyRange(family="minimal_surface"),
    )
    (warning,) = made.warnings()
    assert "holds 4.0 times pore_diameter_um 3.2" in warning
    assert box_warning(family_of("sintered", {"pore_diameter_um": 1.6}), SHAPE, VOXEL) is None
    assert box_warning(family_of("sintered", {"pore_diameter_um": 1.7}), SHAPE, VOXEL) is not None
