"""Export to tables: one row for each sample, with its recipe, phase fractions and labels."""

from __future__ import annotations

import csv
import importlib
import io
import os
from pathlib import Path
from typing import Any, Dict, List

import numpy as np

from .dataset import Dataset
from .durable_file import new_file
from .errors import InvalidInput
from .label import Label, Status
from .sample import Sample

__all__ = ["export_table", "table"]

Columns = Dict[str, List[Any]]
_AXES = "xyz"


def table(dataset: Dataset) -> Columns:
    """Return a column for each property, None where a sample has none; ``pandas.DataFrame(table(dataset))`` takes it.

    Units stand in the names. ``parameter_*`` is the recipe's, ``fraction_*`` the achieved volume fraction of a phase,
    ``<transport>_*`` the label.

    Raises
    ------
    DatasetError
        If a shard is damaged.
    """
    columns: Columns = {}
    for row, sample in enumerate(dataset.stream()):
        for name, value in _row(sample).items():
            columns.setdefault(name, [None] * len(dataset))[row] = value
    return columns


def _row(sample: Sample) -> dict[str, Any]:
    recipe, structure = sample.recipe, sample.microstructure
    row: dict[str, Any] = {"id": sample.id, "family": recipe.family, "seed": recipe.seed}
    row.update({f"n{axis}": n for axis, n in zip(_AXES, recipe.shape)})
    row.update({f"voxel_size_{axis}_m": h for axis, h in zip(_AXES, recipe.voxel_size)})
    row.update({f"parameter_{name}": value for name, value in recipe.parameters.items()})
    if structure is not None:
        row.update({f"fraction_{name}": value for name, value in structure.fractions().items()})
    for name, label in sample.labels.items():
        row.update({f"{name}_{key}": value for key, value in _label(label).items()})
    return row


def _label(label: Label) -> dict[str, Any]:
    row: dict[str, Any] = {"seconds": label.seconds, "message": label.message}
    for a, axis in enumerate(_AXES):
        known = set(Status)
        value = int(label.status[a])
        row[f"status_{axis}"] = Status(value).name.lower() if value in known else str(value)
        row[f"sigma_{axis}_S_per_m"] = _number(label.sigma[a])
        row[f"relative_{axis}"] = _number(label.relative[a])
        row[f"error_estimate_{axis}"] = _number(label.error_estimate[a])
        row[f"iterations_{axis}"] = int(label.iterations[a])
    return row


def _number(value: np.float64) -> float | None:
    return None if np.isnan(value) else float(value)


def export_table(dataset: Dataset, path: str | os.PathLike[str]) -> None:
    """Write :func:`table` as ``.csv`` or, with pyarrow, ``.parquet``.

    Raises
    ------
    InvalidInput
        If the suffix is another one, or pyarrow is not installed.
    DatasetError
        If a shard is damaged, the disk is full or the folder cannot be written.
    """
    target = Path(path)
    writers = {".csv": _csv, ".parquet": _parquet}
    if target.suffix not in writers:
        raise InvalidInput(f"{target}: a table is written as .csv or .parquet.")
    data = writers[target.suffix](table(dataset))
    with new_file(target) as file:
        file.write(data)


def _csv(columns: Columns) -> bytes:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(zip(*columns.values()))
    return text.getvalue().encode()


def _parquet(columns: Columns) -> bytes:
    try:
        pyarrow = importlib.import_module("pyarrow")
        parquet = importlib.import_module("pyarrow.parquet")
    except ImportError as error:
        raise InvalidInput("Parquet needs pyarrow: pip install pyarrow, or write .csv.") from error
    # A parameter may be a number in one family and a text in another; a column has one type.
    texts = {name for name, values in columns.items() if len({isinstance(v, str) for v in values if v is not None}) > 1}
    one_type = {n: [None if v is None else str(v) for v in vs] if n in texts else vs for n, vs in columns.items()}
    sink = pyarrow.BufferOutputStream()
    parquet.write_table(pyarrow.table(one_type), sink)
    data: bytes = sink.getvalue().to_pybytes()
    return data
