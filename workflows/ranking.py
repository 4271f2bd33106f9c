"""The ranking: predictions in order of merit, as tables that any program reads."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from ..datasets import CampaignError, Status
from ..datasets.durable_file import write_durably
from .screening import Prediction

__all__ = ["rank", "write_ranking"]

Objective = Literal["maximise", "minimise"]

# Phase -> smallest and largest volume fraction.
Constraints = Mapping[str, tuple[float, float]]

LISTED = 1000  # candidates in the JSON file
COLUMNS = ("rank", "id", "family", "sigma_S_per_m", "low_S_per_m", "high_S_per_m", "status")


def rank(
    predictions: Sequence[Prediction], objective: Objective, constraints: Constraints | None = None
) -> list[Prediction]:
    """Return the predictions that meet the constraints, best first.

    What does not percolate comes behind what does, invalid structures last: their composition is unknown.

    Parameters
    ----------
    predictions
        Any order.
    objective
        ``"maximise"`` or ``"minimise"`` σ_eff.
    constraints
        On the volume fractions that were achieved; a phase that a structure lacks has 0.

    Raises
    ------
    CampaignError
        If none meets the constraints.
    """
    sign = -1.0 if objective == "maximise" else 1.0

    def merit(prediction: Prediction) -> tuple[int, float, str]:
        classes = (Status.OK, Status.NON_PERCOLATING, Status.INVALID_STRUCTURE, Status.WORKER_LOST)
        sigma = math.inf if prediction.sigma is None else sign * prediction.sigma
        return classes.index(prediction.status), sigma, prediction.id

    found = sorted((p for p in predictions if p.sigma is None or _meets(p, constraints or {})), key=merit)
    if predictions and not found:
        raise CampaignError(
            f"None of {len(predictions)} candidates meets screen.constraints; widen these, or the families' ranges."
        )
    return found


def _meets(prediction: Prediction, constraints: Constraints) -> bool:
    return all(low <= prediction.fractions.get(phase, 0.0) <= high for phase, (low, high) in constraints.items())


def write_ranking(ranked: Sequence[Prediction], path: Path) -> None:
    """Write the same table as ``.csv`` and ``.parquet``, and the best 1000 with their recipes as ``.json``.

    Columns: rank, id, prediction with interval, then the recipes' parameters and achieved fractions.
    """
    parameters = sorted({name for p in ranked for name in p.parameters})
    phases = sorted({name for p in ranked for name in p.fractions})
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow([*COLUMNS, *parameters, *(f"achieved_{phase}_fraction" for phase in phases)])
    for place, p in enumerate(ranked, start=1):
        row = [place, p.id, p.family, *(_number(v) for v in (p.sigma, p.low, p.high)), p.status.name.lower()]
        row += [p.parameters.get(name, "") for name in parameters]
        row += [_number(p.fractions.get(phase)) for phase in phases]
        table.writerow(row)
    write_durably(path, text.getvalue().encode())
    write_durably(path.with_suffix(".parquet"), _parquet(ranked, parameters, phases))
    best = [_record(place, p) for place, p in enumerate(ranked[:LISTED], start=1)]
    write_durably(path.with_suffix(".json"), json.dumps(best, indent=1, allow_nan=False).encode())


def _parquet(ranked: Sequence[Prediction], parameters: Sequence[str], phases: Sequence[str]) -> bytes:
    import pyarrow
    import pyarrow.parquet

    columns: dict[str, list[Any]] = {
        "rank": list(range(1, len(ranked) + 1)),
        "id": [p.id for p in ranked],
        "family": [p.family for p in ranked],
        "sigma_S_per_m": [p.sigma for p in ranked],
        "low_S_per_m": [p.low for p in ranked],
        "high_S_per_m": [p.high for p in ranked],
        "status": [p.status.name.lower() for p in ranked],
        **{name: _one_type([p.parameters.get(name) for p in ranked]) for name in parameters},
        **{f"achieved_{phase}_fraction": [p.fractions.get(phase) for p in ranked] for phase in phases},
    }
    file = io.BytesIO()
    pyarrow.parquet.write_table(pyarrow.table(columns), file)
    return file.getvalue()


def _one_type(values: list[Any]) -> list[Any]:
    """Return numbers as numbers and everything else as text: a parameter may be either in different families."""
    known = [value for value in values if value is not None]
    if all(isinstance(value, bool) for value in known) or all(type(value) in (int, float) for value in known):
        return [float(v) if v is not None and not isinstance(v, bool) else v for v in values]
    return [None if value is None else str(value) for value in values]


def _record(place: int, p: Prediction) -> dict[str, Any]:
    return {
        "rank": place,
        "id": p.id,
        "sigma_S_per_m": p.sigma,
        "interval_S_per_m": [p.low, p.high],
        "status": p.status.name.lower(),
        "recipe": {"family": p.family, "parameters": dict(p.parameters)},
        "fractions": dict(p.fractions),
    }


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.6g}"
