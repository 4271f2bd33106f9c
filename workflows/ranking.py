"""The ranking: predictions in order of merit, as tables that any program reads."""

from __future__ import annotations

import csv
import io
import json
import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from ..datasets import CampaignError, Status
from ..datasets.durable_file import write_durably
from .objective import Objective
from .screening import Prediction

__all__ = ["rank", "write_ranking"]

Sense = Literal["maximise", "minimise"]

# Phase -> smallest and largest volume fraction.
Constraints = Mapping[str, tuple[float, float]]

LISTED = 1000  # candidates in the JSON file
LIKELY = 0.5  # probability from which a bound counts as met


def rank(predictions: Sequence[Prediction], sense: Sense, constraints: Constraints | None = None) -> list[Prediction]:
    """Return the predictions that meet the constraints, best first.

    What probably misses a bound on another property comes behind what meets it, then what does not percolate, and
    invalid structures last: their composition is unknown.

    Parameters
    ----------
    predictions
        Any order.
    sense
        ``"maximise"`` or ``"minimise"``.
    constraints
        On the volume fractions that were achieved; a phase that a structure lacks has 0.

    Raises
    ------
    CampaignError
        If none meets the constraints.
    """
    sign = -1.0 if sense == "maximise" else 1.0

    def merit(prediction: Prediction) -> tuple[int, bool, float, str]:
        classes = (Status.OK, Status.NON_PERCOLATING, Status.INVALID_STRUCTURE, Status.WORKER_LOST)
        sigma = math.inf if prediction.sigma is None else sign * prediction.sigma
        return classes.index(prediction.status), prediction.feasible < LIKELY, sigma, prediction.id

    found = sorted((p for p in predictions if p.sigma is None or _meets(p, constraints or {})), key=merit)
    if predictions and not found:
        raise CampaignError(
            f"None of {len(predictions)} candidates meets screen.constraints; widen these, or the families' ranges."
        )
    return found


def _meets(prediction: Prediction, constraints: Constraints) -> bool:
    return all(low <= prediction.fractions.get(phase, 0.0) <= high for phase, (low, high) in constraints.items())


def write_ranking(ranked: Sequence[Prediction], path: Path, objective: Objective | None = None) -> None:
    """Write the same table as ``.csv`` and ``.parquet``, and the best 1000 with their recipes as ``.json``.

    Columns: rank, id, the objective with its interval (``sigma_S_per_m``, or ``objective`` where it is a ratio), the
    distance to the training structures (1 is the edge of the ordinary; beyond it the structure is unusual), where there
    are several properties each with its interval and the probability that bounds are met, then the recipes' parameters
    and achieved fractions.
    """
    names = _value_names(objective)
    columns = {name: [values[name] for values in map(_values, ranked)] for name in _value_keys(ranked)}
    parameters = sorted({name for p in ranked for name in p.parameters})
    phases = sorted({name for p in ranked for name in p.fractions})
    table: dict[str, list[Any]] = {
        "rank": list(range(1, len(ranked) + 1)),
        "id": [p.id for p in ranked],
        "family": [p.family for p in ranked],
        names[0]: [p.sigma for p in ranked],
        names[1]: [p.low for p in ranked],
        names[2]: [p.high for p in ranked],
        "status": [p.status.name.lower() for p in ranked],
        "distance": [p.score for p in ranked],
        "unusual": [p.unusual if p.score is not None else None for p in ranked],
        **columns,
        **{name: _one_type([p.parameters.get(name) for p in ranked]) for name in parameters},
        **{f"achieved_{phase}_fraction": [p.fractions.get(phase) for p in ranked] for phase in phases},
    }
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(table)
    rows.writerows([_text(value) for value in row] for row in zip(*table.values(), strict=True))
    write_durably(path, text.getvalue().encode())
    write_durably(path.with_suffix(".parquet"), _parquet(table))
    best = [_record(place, p, names) for place, p in enumerate(ranked[:LISTED], start=1)]
    write_durably(path.with_suffix(".json"), json.dumps(best, indent=1, allow_nan=False).encode())


def _value_names(objective: Objective | None) -> tuple[str, str, str]:
    if objective is None or objective.unit == "S/m":
        return "sigma_S_per_m", "low_S_per_m", "high_S_per_m"
    return "objective", "objective_low", "objective_high"


def _value_keys(ranked: Sequence[Prediction]) -> list[str]:
    return list(next((_values(p) for p in ranked if len(p.properties) > 1), {}))


def _values(p: Prediction) -> Mapping[str, float | None]:
    """Return each property's columns and the probability of feasibility; None where nothing is known."""
    found: dict[str, float | None] = defaultdict(lambda: None)
    for name, interval in p.properties.items():
        for suffix, value in zip(("", "_low", "_high"), interval, strict=True):
            found[f"{name}{suffix}_S_per_m"] = value
    if p.properties:
        found["feasible_probability"] = p.feasible
    return found


def _parquet(table: Mapping[str, list[Any]]) -> bytes:
    import pyarrow
    import pyarrow.parquet

    types = {"distance": pyarrow.float64(), "unusual": pyarrow.bool_()}
    columns = {name: pyarrow.array(values, types.get(name)) for name, values in table.items()}
    file = io.BytesIO()
    pyarrow.parquet.write_table(pyarrow.table(columns), file)
    return file.getvalue()


def _one_type(values: list[Any]) -> list[Any]:
    """Return numbers as numbers and everything else as text: a parameter may be either in different families."""
    known = [value for value in values if value is not None]
    if all(isinstance(value, bool) for value in known) or all(type(value) in (int, float) for value in known):
        return [float(v) if v is not None and not isinstance(v, bool) else v for v in values]
    return [None if value is None else str(value) for value in values]


def _record(place: int, p: Prediction, names: tuple[str, str, str]) -> dict[str, Any]:
    interval = "interval_S_per_m" if names[0].endswith("S_per_m") else "interval"
    return {
        "rank": place,
        "id": p.id,
        names[0]: p.sigma,
        interval: [p.low, p.high],
        "status": p.status.name.lower(),
        "distance": p.score,
        "unusual": p.unusual if p.score is not None else None,
        "properties_S_per_m": {name: list(each) for name, each in p.properties.items()},
        "recipe": {"family": p.family, "parameters": dict(p.parameters)},
        "fractions": dict(p.fractions),
    }


def _text(value: Any) -> Any:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return f"{value:.6g}"
    return "" if value is None else value
