"""The ranking: predictions in order of merit, as a table that any program reads."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from ..datasets import Status
from ..datasets.durable_file import write_durably
from .screening import Prediction

__all__ = ["rank", "write_ranking"]

Objective = Literal["maximise", "minimise"]

COLUMNS = ("rank", "id", "family", "sigma_S_per_m", "low_S_per_m", "high_S_per_m", "status")


def rank(predictions: Sequence[Prediction], objective: Objective) -> list[Prediction]:
    """Return the predictions, best first; what does not percolate comes behind what does, invalid structures last.

    Parameters
    ----------
    predictions
        Any order.
    objective
        ``"maximise"`` or ``"minimise"`` σ_eff.
    """
    sign = -1.0 if objective == "maximise" else 1.0

    def merit(prediction: Prediction) -> tuple[int, float, str]:
        classes = (Status.OK, Status.NON_PERCOLATING, Status.INVALID_STRUCTURE)
        sigma = math.inf if prediction.sigma is None else sign * prediction.sigma
        return classes.index(prediction.status), sigma, prediction.id

    return sorted(predictions, key=merit)


def write_ranking(ranked: Sequence[Prediction], path: Path) -> None:
    """Write a CSV file: rank, id, prediction with interval, then the recipes' parameters and achieved fractions."""
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


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.6g}"
