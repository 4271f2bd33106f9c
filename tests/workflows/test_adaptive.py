"""Active learning: its acquisition against sampling, its proposals, and a campaign that goes on where it stopped."""

import json
import math
from pathlib import Path

import numpy as np
import pytest

from ionscreen.datasets import Dataset, InvalidInput, Status
from ionscreen.pipeline.design import DesignOfExperiments, FamilyRange
from ionscreen.pipeline.family_range import SumBetween
from ionscreen.workflows.acquisition import (
    NINETY,
    diverse_batch,
    expected_improvement,
    probability_better,
    upper_confidence_bound,
)
from ionscreen.workflows.campaign import run_campaign
from ionscreen.workflows.config import load_config
from ionscreen.workflows.neighbours import neighbours
from ionscreen.workflows.results import CampaignResults
from ionscreen.workflows.rounds import Rounds
from ionscreen.workflows.screening import Prediction

from .conftest import write_small_campaign

MERIT, SCALE = np.array([-1.0, 0.2, 0.9, 1.5]), np.array([0.5, 0.3, 0.05, 1.0])


def draws(count: int = 400_000) -> np.ndarray:
    """Return Laplace-distributed truths, (draws, 4)."""
    return MERIT + np.random.default_rng(8128).laplace(scale=SCALE, size=(count, 4))


def test_expected_improvement_is_the_mean_of_improvements() -> None:
    sampled = np.maximum(draws() - 1.0, 0).mean(axis=0)
    assert expected_improvement(MERIT, SCALE, 1.0) == pytest.approx(sampled, rel=0.02, abs=2e-4)


def test_the_probability_is_how_often_something_is_better() -> None:
    sampled = (draws() > 1.0).any(axis=1).mean()
    assert probability_better(MERIT, SCALE, 1.0) == pytest.approx(sampled, abs=3e-3)
    assert probability_better(MERIT, SCALE, 1.0, np.zeros(4)) == 0
    assert probability_better(MERIT, np.zeros(4), 2.0) == pytest.approx(0, abs=1e-12)


def test_the_bound_holds_its_share() -> None:
    bound = upper_confidence_bound(MERIT, SCALE, 0.9)
    assert (draws() < bound).mean(axis=0) == pytest.approx(0.95, abs=3e-3)  # both sides of 90 % miss alike
    half = SCALE * NINETY
    assert (np.abs(draws() - MERIT) < half).mean(axis=0) == pytest.approx(0.9, abs=3e-3)


def test_a_batch_is_spread_where_worth_is_alike() -> None:
    places = np.array([[0.0], [0.01], [0.02], [0.9]])
    assert diverse_batch(np.array([1.0, 0.99, 0.98, 0.7]), places, 2) == [0, 3]
    assert diverse_batch(np.array([1.0, 0.99, 0.98, 1e-6]), places, 2) == [0, 2]  # but not at any price
    assert sorted(diverse_batch(np.ones(4), places, 9)) == [0, 1, 2, 3]


def test_neighbours_stay_in_their_ranges_and_near() -> None:
    ranges = {"active_material_fraction": (0.3, 0.6), "void_fraction": (0.05, 0.2), "particle_diameter_um": 3.2}
    most = SumBetween(parameters=("active_material_fraction", "void_fraction"), high=0.6)
    design = DesignOfExperiments(
        families=[FamilyRange(family="composite_cathode", parameters=ranges, constraints=[most])],
        shape=(32, 32, 32),
        voxel_size=(4e-7,) * 3,
        seed=5,
        stream="candidates",
    )
    parameters = {"active_material_fraction": 0.5, "void_fraction": 0.06, "particle_diameter_um": 3.2}
    parent = Prediction(0, "0", "composite_cathode", parameters, {}, Status.OK, 1.0, 0.9, 1.1)
    window = Prediction(1, "1", "image", {"image": "x"}, {}, Status.OK, 1.0, 0.9, 1.1)
    found = neighbours([window, parent], design, 200, "a")
    assert found == neighbours([window, parent], design, 200, "a")
    assert len({recipe.id for recipe in found}) == 200
    active, void = (np.array([float(r.parameters[n]) for r in found]) for n in list(ranges)[:2])
    assert (active + void).max() <= 0.6 + 1e-6
    assert void.min() >= 0.05
    assert active.std() == pytest.approx(0.1 * 0.3, rel=0.5)
    assert {recipe.parameters["particle_diameter_um"] for recipe in found} == {3.2}
    assert neighbours([window], design, 3, "a") == ()


@pytest.fixture(scope="module")
def adaptive(small_run: CampaignResults, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, CampaignResults]:
    """Run the small campaign in two rounds, on the labels and descriptions that are there."""
    import shutil

    folder = tmp_path_factory.mktemp("adaptive")
    for part in ("dataset", "screening"):
        shutil.copytree(getattr(small_run.directory, part), folder / "run" / part)
    path = write_small_campaign(
        folder,
        mode="adaptive",
        adaptive={"batch": 4, "rounds": 2, "new_recipes": 6, "stop_probability": 1e-9},
        cluster={"workers": 1},
    )
    return path, run_campaign(load_config(path), folder)


def test_rounds_solve_what_they_propose(adaptive: tuple[Path, CampaignResults]) -> None:
    _, results = adaptive
    rounds = Rounds.load(results.directory.rounds)
    assert [len(entry.predicted) for entry in rounds.entries] == [4, 4]
    assert len(rounds.predicted) == 8  # none twice
    assert rounds.remaining is not None
    entries = {e.prediction.index: e for e in results.verification.entries}
    assert set(rounds.predicted) <= set(entries)
    for index, interval in rounds.predicted.items():
        assert entries[index].group == "top"
        assert entries[index].prediction.sigma == interval.value  # as said before it was solved
    first = rounds.entries[0].predicted
    assert rounds.entries[1].best == max(entries[index].sigma for index in first)
    # Twelve recipes near the best have joined the 150 candidates.
    assert sorted(p.index for p in results.ranked) == list(range(162))
    assert [r.id for r in rounds.new] == [p.id for p in sorted(results.ranked, key=lambda p: p.index)[150:]]
    assert len(Dataset(results.directory.verification)) == len(entries)


def test_the_report_tells_of_the_rounds(adaptive: tuple[Path, CampaignResults]) -> None:
    _, results = adaptive
    page = results.directory.report.read_text(encoding="utf-8")
    assert '<h2 id="rounds">' in page
    assert "2, 8 candidates solved in them, 12 recipes added" in results.text()
    assert [path.name[:4] for path in sorted(results.directory.winners.iterdir())] == ["001-", "002-", "003-"]


def test_proposals_are_better_than_chance(adaptive: tuple[Path, CampaignResults]) -> None:
    verification = adaptive[1].verification
    assert verification.median_sigma("top") > 1.3 * verification.median_sigma("random")


def test_a_second_run_computes_nothing(adaptive: tuple[Path, CampaignResults], monkeypatch: pytest.MonkeyPatch) -> None:
    def forbidden(*_: object) -> None:
        raise AssertionError("something was computed although nothing was left to do")

    path, results = adaptive
    before = json.loads(results.directory.rounds.read_text())
    monkeypatch.setattr("ionscreen.workflows.campaign.open_cluster", forbidden)
    monkeypatch.setattr("ionscreen.surrogate.regression.train_regressor", forbidden)
    again = run_campaign(load_config(path), path.parent)
    assert json.loads(results.directory.rounds.read_text()) == before
    assert [e.sigma for e in again.verification.entries] == [e.sigma for e in results.verification.entries]


def test_a_certain_best_ends_the_search(adaptive: tuple[Path, CampaignResults]) -> None:
    path, results = adaptive
    config = load_config(path, ["adaptive.stop_probability=0.999999", "adaptive.rounds=9"])
    again = run_campaign(config, path.parent)
    rounds = Rounds.load(again.directory.rounds)
    assert rounds.remaining is not None
    assert rounds.remaining < 0.999999 or len(rounds.entries) == 9
    assert math.isfinite(results.verification.best("maximise").sigma)  # type: ignore[union-attr]


def test_the_network_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="takes the regressor"):
        load_config(write_small_campaign(tmp_path, mode="adaptive", train={"model": "network"}))
