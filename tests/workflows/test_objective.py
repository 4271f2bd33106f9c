"""Objectives made of several conductivities: laws of their values, intervals and bounds; and a campaign with two."""

import csv
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from ionscreen.datasets import InvalidInput, Status
from ionscreen.workflows.campaign import run_campaign
from ionscreen.workflows.config import load_config
from ionscreen.workflows.designs import design_of
from ionscreen.workflows.objective import ANISOTROPY, SMALLEST, Interval, Objective
from ionscreen.workflows.properties import objective_of, properties_of
from ionscreen.workflows.ranking import rank
from ionscreen.workflows.results import CampaignResults
from ionscreen.workflows.screening import Prediction
from ionscreen.workflows.tradeoff_figure import pareto_front

from .conftest import write_small_campaign

PAIR = ("ionic", "electronic")
TRANSPORTS = [
    {"name": "ionic", "conductivity_S_per_m": {"electrolyte": 0.18, "active_material": 0.0, "void": 0.0}},
    {"name": "electronic", "conductivity_S_per_m": {"electrolyte": 0.0, "active_material": 2.0, "void": 0.0}},
]


@st.composite
def intervals(draw: st.DrawFn) -> dict[str, Interval]:
    """Return an interval for each property."""
    value, width = st.floats(1e-6, 10), st.floats(0, 0.5)
    found = {}
    for name in PAIR:
        middle, half = draw(value), draw(width)
        found[name] = Interval(middle, middle * math.exp(-half), middle * math.exp(half))
    return found


@pytest.mark.parametrize("quantity", [SMALLEST, ANISOTROPY, "ionic"])
@given(properties=intervals(), places=st.tuples(st.floats(0, 1), st.floats(0, 1)))
def test_the_interval_holds_what_the_properties_intervals_allow(
    quantity: str, properties: dict[str, Interval], places: tuple[float, float]
) -> None:
    names = ("ionic",) if quantity == "ionic" else PAIR
    objective = Objective(sense="maximise", quantity=quantity, names=names, scales={"ionic": 0.2, "electronic": 3.0})
    found = objective.of(properties)
    assert found.low <= found.value * (1 + 1e-12)
    assert found.value <= found.high * (1 + 1e-12)
    truth = {
        n: Interval.exact(p.low + place * (p.high - p.low))
        for (n, p), place in zip(properties.items(), places, strict=True)
    }
    exact = objective.of(truth).value
    assert found.low * (1 - 1e-9) <= exact <= found.high * (1 + 1e-9)


def test_smallest_and_anisotropy_are_what_they_say() -> None:
    properties = {"ionic": Interval.exact(0.1), "electronic": Interval.exact(0.3)}
    scales = {"ionic": 0.2, "electronic": 3.0}
    smallest = Objective(sense="maximise", quantity=SMALLEST, names=PAIR, scales=scales)
    assert smallest.of(properties).value == pytest.approx(0.1)
    anisotropy = Objective(sense="minimise", quantity=ANISOTROPY, names=PAIR)
    assert anisotropy.of(properties).value == pytest.approx(3)
    # What does not conduct one way has no anisotropy that could be ranked.
    assert anisotropy.of({**properties, "ionic": Interval.exact(0.0)}).value == 0


def test_the_probability_of_a_bound_is_that_of_its_interval() -> None:
    objective = Objective(sense="maximise", quantity="ionic", names=["ionic"], at_least={"electronic": 0.5})

    def probability(value: float, factor: float) -> float:
        return objective.feasibility({"electronic": Interval(value, value / factor, value * factor)})

    assert probability(0.5, 1.2) == pytest.approx(0.5)
    assert probability(0.6, 1.2) == pytest.approx(0.95, abs=1e-6)  # 5 % lie below a 90 % interval
    assert probability(0.5 / 1.2, 1.2) == pytest.approx(0.05, abs=1e-6)
    assert probability(0.5, 1.0) == 1  # solved, and just enough
    assert probability(0.499, 1.0) == 0


def test_what_misses_a_bound_is_ranked_behind() -> None:
    def prediction(index: int, sigma: float, feasible: float, status: Status = Status.OK) -> Prediction:
        return Prediction(
            index, str(index), "blobs", {}, {}, status, sigma, sigma / 2, 2 * sigma, {}, None, feasible=feasible
        )

    pool = [prediction(0, 3.0, 0.1), prediction(1, 1.0, 0.9), prediction(2, 2.0, 0.6), prediction(3, 0.0, 1.0)]
    pool[3] = prediction(3, 0.0, 1.0, Status.NON_PERCOLATING)
    assert [p.index for p in rank(pool, "maximise")] == [2, 1, 0, 3]


@given(values=arrays(float, st.tuples(st.integers(1, 40), st.just(2)), elements=st.integers(0, 9).map(float)))
def test_the_front_is_what_nothing_beats(values: np.ndarray) -> None:
    front = {tuple(row) for row in values[pareto_front(values)]}
    unbeaten = {
        tuple(row) for row in values if not any((other >= row).all() and (other > row).any() for other in values)
    }
    assert front == unbeaten
    assert len(pareto_front(values)) == len(front)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"screen": {"quantity": "thermal"}}, "choose ionic, electronic, smallest or anisotropy"),
        ({"screen": {"quantity": "anisotropy"}}, "label.axis: all"),
        ({"screen": {"at_least_S_per_m": {"thermal": 1}}}, "names 'thermal'"),
        ({"transports": [TRANSPORTS[0], {**TRANSPORTS[1], "name": "ionic"}]}, "rename one"),
        ({"transports": []}, "'transport' is missing"),
        ({"transport": {"conductivity_S_per_m": {"electrolyte": 1.0}}}, "both there"),
        ({"train": {"model": "network"}}, "take the regressor"),
    ],
)
def test_impossible_objectives_are_refused(changes: dict[str, object], sentence: str, tmp_path: Path) -> None:
    path = write_small_campaign(tmp_path, **{"transport": None, "transports": TRANSPORTS, **changes})
    with pytest.raises(InvalidInput, match=sentence):
        load_config(path)


def test_axes_make_properties(tmp_path: Path) -> None:
    config = load_config(write_small_campaign(tmp_path, label={"axis": "all"}, screen={"quantity": "anisotropy"}))
    assert [p.name for p in properties_of(config)] == ["ionic_x", "ionic_y", "ionic_z"]
    assert list(objective_of(config).names) == ["ionic_x", "ionic_y", "ionic_z"]


def test_the_example_weighs_ions_against_electrons() -> None:
    config = load_config(Path(__file__).resolve().parents[2] / "examples" / "composite_cathode.yaml")
    objective = objective_of(config)
    assert (objective.quantity, list(objective.names)) == (SMALLEST, ["ionic", "electronic"])
    assert objective.scales == {"ionic": 0.18, "electronic": 0.1}
    assert len(list(design_of(config, 1, "candidates").recipes(0, 3))) == 3


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> CampaignResults:
    """Run a campaign on cathodes with an ionic and an electronic transport."""
    folder = tmp_path_factory.mktemp("two")
    ranges = {"active_material_fraction": [0.3, 0.6], "void_fraction": [0.02, 0.1], "particle_diameter_um": [1.6, 2.4]}
    path = write_small_campaign(
        folder,
        structure={"shape": [16, 16, 16], "voxel_size_um": 0.4},
        families=[{"family": "composite_cathode", "parameters": {**ranges, "void_size_um": 0.8}}],
        transport=None,
        transports=TRANSPORTS,
        label={"samples": 64},
        candidates={"samples": 96},
        screen={"quantity": "smallest", "verify_top": 6, "verify_random": 12},
    )
    return run_campaign(load_config(path), folder)


def test_two_transports_are_labelled_learned_and_proven(two: CampaignResults) -> None:
    assert set(next(iter(two.dataset)).labels) == set(PAIR)
    for entry in two.verification.entries:
        solved = min(entry.properties["ionic"] / 0.18, entry.properties["electronic"] / 2.0)
        assert entry.sigma == pytest.approx(solved)
        for name, interval in entry.prediction.properties.items():
            assert interval.value == pytest.approx(entry.properties[name], rel=0.3, abs=1e-12)
    assert two.verification.median_sigma("top") > two.verification.median_sigma("random")


def test_the_ranking_and_the_report_show_both(two: CampaignResults) -> None:
    rows = list(csv.DictReader(two.directory.ranking.read_text(encoding="utf-8").splitlines()))
    values = [float(row["objective"]) for row in rows if row["status"] == "ok"]
    assert values == sorted(values, reverse=True)
    row = next(row for row in rows if row["status"] == "ok")
    smallest = min(float(row["ionic_S_per_m"]) / 0.18, float(row["electronic_S_per_m"]) / 2)
    assert float(row["objective"]) == pytest.approx(smallest, rel=1e-4)
    assert float(row["ionic_low_S_per_m"]) <= float(row["ionic_S_per_m"]) <= float(row["ionic_high_S_per_m"])
    page = two.directory.report.read_text(encoding="utf-8")
    assert "smaller of ionic/0.18 S/m and electronic/2 S/m" in page
    assert "Pareto front" in page


def test_a_bound_on_the_other_transport_screens_nothing_again(two: CampaignResults, tmp_path: Path) -> None:
    solved = sorted(e.properties["electronic"] for e in two.verification.entries)
    bound = solved[len(solved) // 2]
    screen = {**two.config.screen.model_dump(), "quantity": "ionic", "at_least_S_per_m": {"electronic": bound}}
    config = two.config.model_copy(update={"screen": type(two.config.screen)(**screen)})
    before = {path: path.stat().st_mtime_ns for path in two.directory.screening.iterdir()}
    results = run_campaign(config, two.directory.path)
    assert {path: path.stat().st_mtime_ns for path in two.directory.screening.iterdir()} == before
    best = results.verification.best("maximise")
    assert best is not None
    assert best.properties["electronic"] >= bound
    assert results.ranked[0].feasible >= 0.5
