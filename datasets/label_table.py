"""The label table: the numbers of a shard's labels, in its manifest entry, so that nobody opens the shard for them."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import Any, Iterable, Mapping, Sequence

import numpy as np
import numpy.typing as npt

from .label import Label, relative_to
from .sample import Sample

__all__ = ["LabelTable"]

# One sample; without a label it is zero throughout. ``largest`` is the largest phase conductivity, S/m.
_RECORD = np.dtype(
    [
        ("labelled", "u1"),
        ("status", "u1", 3),
        ("iterations", "<i4", 3),
        ("seconds", "<f8"),
        ("largest", "<f8"),
        ("sigma", "<f8", 3),
        ("upper_bound", "<f8", 3),
        ("error_estimate", "<f8", 3),
    ]
)
_NUMBERS = ("sigma", "upper_bound", "error_estimate", "status", "iterations", "seconds")


@dataclass(frozen=True)
class LabelTable:
    """Family and labels of each sample of a shard, in its order.

    Parameters
    ----------
    families
        Of each sample.
    records
        Transport -> the bytes of one record for each sample; ``docs/format.md`` gives their layout.
    """

    families: tuple[str, ...]
    records: Mapping[str, bytes]

    @classmethod
    def of(cls, samples: Sequence[Sample]) -> LabelTable:
        """Return the table of samples; their voxels are not looked at."""
        names = sorted({name for sample in samples for name in sample.labels})
        records = {name: _records([sample.labels.get(name) for sample in samples]) for name in names}
        return cls(tuple(sample.recipe.family for sample in samples), records)

    def columns(self, ids: Sequence[str], transport: str) -> dict[str, npt.NDArray[Any]]:
        """Return the labels of one transport as arrays over the samples that have one."""
        records = np.frombuffer(self.records[transport], _RECORD)
        rows = np.flatnonzero(records["labelled"]).tolist()
        records = records[rows]
        numbers = {name: np.ascontiguousarray(records[name]) for name in _NUMBERS}
        return {
            "id": np.array([ids[row] for row in rows], dtype="U32"),
            "family": np.array([self.families[row] for row in rows], dtype=str),
            "relative": relative_to(records["largest"][:, None], numbers["sigma"]),
            **numbers,
        }

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON types."""
        labels = {name: base64.b64encode(data).decode() for name, data in self.records.items()}
        return {"families": list(self.families), "labels": labels}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any], samples: int) -> LabelTable:
        """Return the table that :meth:`to_dict` described; ValueError, KeyError or TypeError if it is none."""
        families = tuple(data["families"])
        records = {name: base64.b64decode(text, validate=True) for name, text in dict(data["labels"]).items()}
        is_sound = all(isinstance(family, str) for family in families) and len(families) == samples
        if not is_sound or any(len(record) != samples * _RECORD.itemsize for record in records.values()):
            raise ValueError("not a label table")
        return cls(families, records)


def _records(labels: Iterable[Label | None]) -> bytes:
    rows = list(labels)
    records = np.zeros(len(rows), _RECORD)
    for record, label in zip(records, rows):
        if label is not None:
            record["labelled"], record["largest"] = 1, label.transport.sigma_max
            for name in _NUMBERS:
                record[name] = getattr(label, name)
    return records.tobytes()
