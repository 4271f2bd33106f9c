"""The ranking meets the constraints, is ordered, and is the same in every file."""

import csv
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow.parquet
import pytest

from ionscreen.datasets import CampaignError, InvalidInput, Status
from ionscreen.workflows import ranking
from ionscreen.workflows.config import load_config
from ionscreen.workflows.ranking import rank
from ionscreen.workflows.ranking_tables import write_ranking
from ionscreen.workflows.screening import Prediction

from .conftest import write_small_campaign


def prediction(index: int, sigma: float | None, void: float, **parameters: object) -> Prediction:
    status = Status.INVALID_STRUCTURE if sigma is None else Status.OK if sigma else Status.NON_PERCOLATING
    ends = (None, None) if sigma is None else (0.9 * sigma, 1.1 * sigma)
    fractions = {} if sigma is None else {"void": void, "electrolyte": 1 - void}
    return Prediction(index, f"{index:032x}", "blobs", parameters, fractions, status, sigma, *ends)


POOL = [
    prediction(0, 0.10, 0.1, shape="round", size=1),
    prediction(1, 0.05, 0.3, size=2.5),
    prediction(2, 0.0, 0.9),
    prediction(3, None, 0.0),
    prediction(4, 0.07, 0.31),
]


@pytest.mark.parametrize(
    ("objective", "constraints", "expected"),
    [
        ("maximise", {}, [0, 4, 1, 2, 3]),
        ("minimise", {}, [1, 4, 0, 2, 3]),
        ("maximise", {"void": (0.2, 0.3)}, [1, 3]),
        ("maximise", {"void": (0.2, 1.0), "electrolyte": (0.5, 1.0)}, [4, 1, 3]),
        ("maximise", {"active_material": (0.0, 0.0)}, [0, 4, 1, 2, 3]),
    ],
)
def test_order_and_constraints(
    objective: str, constraints: dict[str, tuple[float, float]], expected: list[int]
) -> None:
    assert [p.index for p in rank(POOL, objective, constraints)] == expected  # type: ignore[arg-type]


def test_constraints_that_nothing_meets_are_said() -> None:
    with pytest.raises(CampaignError, match="None of 2 candidates"):
        rank(POOL[:2], "maximise", {"void": (0.8, 0.9)})


def test_all_files_say_the_same(tmp_path: Path) -> None:
    ranked = rank(POOL, "maximise")
    write_ranking(ranked, tmp_path / "ranking.csv")
    rows = list(csv.DictReader((tmp_path / "ranking.csv").read_text(encoding="utf-8").splitlines()))
    table = pyarrow.parquet.read_table(tmp_path / "ranking.parquet").to_pylist()
    records = json.loads((tmp_path / "ranking.json").read_text(encoding="utf-8"))
    for row, columns, record, p in zip(rows, table, records, ranked, strict=True):
        assert row["id"] == columns["id"] == record["id"] == p.id
        assert columns["sigma_S_per_m"] == record["sigma_S_per_m"] == p.sigma
        assert record["interval_S_per_m"] == [columns["low_S_per_m"], columns["high_S_per_m"]] == [p.low, p.high]
        assert row["status"] == columns["status"] == record["status"]
        assert record["recipe"] == {"family": "blobs", "parameters": dict(p.parameters)}
        assert columns["achieved_void_fraction"] == p.fractions.get("void")
    assert (table[0]["size"], table[0]["shape"], table[2]["shape"]) == (1.0, "round", None)


def test_phases_given_by_their_material_may_be_limited(tmp_path: Path) -> None:
    transport = {"materials": {"electrolyte": "LPSCl"}, "conductivity_S_per_m": {"void": 0.0, "active_material": 0.0}}
    constraints = {"electrolyte": [0.2, 0.5]}
    config = load_config(write_small_campaign(tmp_path, transport=transport, screen={"constraints": constraints}))
    assert config.screen.constraints == {"electrolyte": (0.2, 0.5)}


@pytest.mark.parametrize(
    ("constraints", "sentence"),
    [
        ({"vacuum": [0, 0.2]}, "vacuum"),
        ({"void": [0.3, 0.2]}, "smaller fraction first"),
        ({"void": [0.3, 1.2]}, "screen.constraints.void.1"),
    ],
)
def test_impossible_constraints_are_refused(tmp_path: Path, constraints: object, sentence: str) -> None:
    path = write_small_campaign(tmp_path, screen={"constraints": constraints})
    with pytest.raises(InvalidInput, match=sentence):
        load_config(path)


def test_a_long_ranking_is_gone_through_in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sorted in a file, or in memory: the same candidates, those that come twice or miss the constraints included."""
    rng = np.random.default_rng(5)
    pool = [
        prediction(int(i), float(s), float(v)) for i, s, v in zip(*rng.permuted([range(90)] * 3, axis=1), strict=True)
    ]
    pool = [replace(p, sigma=p.sigma / 100, fractions={"void": p.fractions["void"] / 100}) for p in pool if p.sigma]
    pool += [replace(p, sigma=p.sigma / 2) for p in pool[:7] if p.sigma]
    constraints = {"void": (0.1, 0.8)}
    known = list(rank(pool, "maximise", constraints))
    assert [p.sigma for p in known] == sorted((p.sigma for p in known if p.sigma), reverse=True)
    monkeypatch.setattr(ranking, "CHUNK", 16)
    found = rank(pool, "maximise", constraints)
    assert list(found) == known
    assert found[3:40:2] == known[3:40:2]
    assert found[-1] == known[-1]
    assert [p.index for p in found.at(found.places([known[5].index, known[2].index]))] == [
        known[2].index,
        known[5].index,
    ]
