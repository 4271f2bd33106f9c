"""Export to tables: one row for each sample, with its recipe, phase fractions and labels."""

from __future__ import annotations

import codecs
import csv
import importlib
import itertools
import os
from pathlib import Path
from typing import Any, BinaryIO, Dict, Iterator, List, Set

import numpy as np

from .dataset import Dataset
from .durable_file import new_file
from .errors import InvalidInput
from .label import Label, Status
from .sample import Sample

__all__ = ["export_table", "table"]

Columns = Dict[str, List[Any]]
Kinds = Dict[str, Set[type]]
Row = Dict[str, Any]
_AXES = "xyz"
_BATCH = 1024  # rows of a Parquet row group, which is in memory as a whole


def table(dataset: Dataset) -> Columns:
    """Return a column for each property, None where a sample has none; ``pandas.DataFrame(table(dataset))`` takes it.

    Units stand in the names. ``parameter_*`` is the recipe's, ``fraction_*`` the achieved volume fraction of a phase,
    ``descriptor_*`` a descriptor, ``<transport>_*`` the label.

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


def _row(sample: Sample) -> Row:
    recipe, structure = sample.recipe, sample.microstructure
    row: Row = {"id": sample.id, "family": recipe.family, "seed": recipe.seed}
    row.update({f"n{axis}": n for axis, n in zip(_AXES, recipe.shape)})
    row.update({f"voxel_size_{axis}_m": h for axis, h in zip(_AXES, recipe.voxel_size)})
    row.update({f"parameter_{name}": value for name, value in recipe.parameters.items()})
    if structure is not None:
        row.update({f"fraction_{name}": value for name, value in structure.fractions().items()})
    row.update({f"descriptor_{name}": value for name, value in sample.descriptors.items()})
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
    """Write :func:`table` as ``.csv`` or, with pyarrow, ``.parquet``; memory holds a thousand rows at most.

    Raises
    ------
    InvalidInput
        If the suffix is another one, or pyarrow is not installed.
    DatasetError
        If a shard is damaged, the disk is full or the folder cannot be written.
    """
    target = Path(path)
    writers = {".csv": _write_csv, ".parquet": _write_parquet}
    if target.suffix not in writers:
        raise InvalidInput(f"{target}: a table is written as .csv or .parquet.")
    kinds = _kinds(dataset)
    with new_file(target) as file:
        writers[target.suffix](file, kinds, map(_row, dataset.stream()))


def _kinds(dataset: Dataset) -> Kinds:
    """Return the columns in their order, each with the types of its values."""
    kinds: Kinds = {}
    for sample in dataset.stream():
        for name, value in _row(sample).items():
            kinds.setdefault(name, set()).update([] if value is None else [type(value)])
    return kinds


def _write_csv(file: BinaryIO, kinds: Kinds, rows: Iterator[Row]) -> None:
    writer = csv.DictWriter(codecs.getwriter("utf-8")(file), list(kinds), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)


def _write_parquet(file: BinaryIO, kinds: Kinds, rows: Iterator[Row]) -> None:
    try:
        pyarrow = importlib.import_module("pyarrow")
        parquet = importlib.import_module("pyarrow.parquet")
    except ImportError as error:
        raise InvalidInput("Parquet needs pyarrow: pip install pyarrow, or write .csv.") from error
    types = {name: _arrow_type(found) for name, found in kinds.items()}
    texts = {name for name, kind in types.items() if kind == "string"}
    schema = pyarrow.schema([(name, getattr(pyarrow, kind)()) for name, kind in types.items()])
    with parquet.ParquetWriter(file, schema) as writer:
        while batch := [_plain(row, texts) for row in itertools.islice(rows, _BATCH)]:
            writer.write_table(pyarrow.Table.from_pylist(batch, schema))
            del batch  # or it would be held while the next one is made


def _plain(row: Row, texts: set[str]) -> Row:
    return {name: str(v) if name in texts and v is not None else v for name, v in row.items()}


def _arrow_type(kinds: set[type]) -> str:
    """Return the one type of a column: a parameter may be a number in one family and a text in another."""
    if not kinds:
        return "null"
    if kinds == {bool}:
        return "bool_"
    if kinds == {int}:
        return "int64"
    return "float64" if kinds <= {int, float} else "string"
