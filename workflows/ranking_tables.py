"""The ranking as tables that any program reads: CSV, Parquet, and the best with their recipes as JSON."""

from __future__ import annotations

import csv
import io
import itertools
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ..datasets.durable_file import new_file, write_durably
from .objective import Objective
from .ranking import Ranking
from .screening import Prediction

__all__ = ["write_ranking"]

LISTED = 1000  # candidates in the JSON file
ROWS = 10_000  # of the tables, in memory at a time


def write_ranking(ranked: Ranking, path: Path, objective: Objective | None = None) -> None:
    """Write the same table as ``.csv`` and ``.parquet``, and the best 1000 with their recipes as ``.json``.

    Columns: rank, id, the objective with its interval (``sigma_S_per_m``, or ``objective`` where it is a ratio), the
    distance to the training structures (1 is the edge of the ordinary; beyond it the structure is unusual), where there
    are several properties each with its interval and the probability that bounds are met, then the recipes' parameters
    and achieved fractions. No more than some thousand rows are in memory at a time.
    """
    import pyarrow
    import pyarrow.parquet

    names = _value_names(objective)
    schema = pyarrow.schema(_types(ranked, names))
    with (
        new_file(path) as text,
        new_file(path.with_suffix(".parquet")) as binary,
        pyarrow.parquet.ParquetWriter(binary, schema) as table,
    ):
        text.write(_lines([schema.names]))
        numbered = enumerate(ranked, start=1)
        while rows := [_row(place, p, ranked, names) for place, p in itertools.islice(numbered, ROWS)]:
            text.write(_lines([_text(value) for value in row.values()] for row in rows))
            table.write_table(pyarrow.Table.from_pylist(rows, schema))
    best = [_record(place, p, names) for place, p in enumerate(ranked[:LISTED], start=1)]
    write_durably(path.with_suffix(".json"), json.dumps(best, indent=1, allow_nan=False).encode())


def _value_names(objective: Objective | None) -> tuple[str, str, str]:
    if objective is None or objective.unit == "S/m":
        return "sigma_S_per_m", "low_S_per_m", "high_S_per_m"
    return "objective", "objective_low", "objective_high"


def _types(ranked: Ranking, names: Sequence[str]) -> dict[str, Any]:
    """Return the columns of the table and their types."""
    import pyarrow

    number, text, truth = pyarrow.float64(), pyarrow.string(), pyarrow.bool_()
    kinds = {"number": number, "text": text, "truth": truth}
    return {
        "rank": pyarrow.int64(),
        "id": text,
        "family": text,
        **dict.fromkeys(names, number),
        "status": text,
        "distance": number,
        "unusual": truth,
        **dict.fromkeys(_property_names(ranked), number),
        **{name: kinds[kind] for name, kind in ranked.kinds.items()},
        **{f"achieved_{phase}_fraction": number for phase in ranked.phases},
    }


def _property_names(ranked: Ranking) -> list[str]:
    """Return the columns of each property, and of feasibility, where there are several properties."""
    if len(ranked.property_n3) < 2:
        return []
    values = [f"{name}{suffix}_S_per_m" for name in ranked.property_n3 for suffix in ("", "_low", "_high")]
    return [*values, "feasible_probability"]


def _row(place: int, p: Prediction, ranked: Ranking, names: Sequence[str]) -> dict[str, Any]:
    unknown = (None, None, None)
    properties = [value for name in ranked.property_n3 for value in p.properties.get(name, unknown)]
    feasible = p.feasible if p.properties else None
    return {
        "rank": place,
        "id": p.id,
        "family": p.family,
        **dict(zip(names, (p.sigma, p.low, p.high), strict=True)),
        "status": p.status.name.lower(),
        "distance": p.score,
        "unusual": p.unusual if p.score is not None else None,
        **dict(zip(_property_names(ranked), [*properties, feasible], strict=False)),
        **{name: _typed(p.parameters.get(name), kind) for name, kind in ranked.kinds.items()},
        **{f"achieved_{phase}_fraction": p.fractions.get(phase) for phase in ranked.phases},
    }


def _typed(value: Any, kind: str) -> Any:
    """Return a parameter as what it is in all families: a number in one may be text in another."""
    if value is None or kind == "truth":
        return value
    return float(value) if kind == "number" else str(value)


def _record(place: int, p: Prediction, names: Sequence[str]) -> Mapping[str, Any]:
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


def _lines(rows: Any) -> bytes:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue().encode()


def _text(value: Any) -> Any:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return f"{value:.6g}"
    return "" if value is None else value
