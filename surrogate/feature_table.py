"""Features and true values of the labelled axes of a dataset, kept in a file so that they are computed once.

Shape suffixes: n rows, one for each structure, transport and axis; k features.
"""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Callable, Iterator, Sequence

import numpy as np
import numpy.typing as npt

from ..datasets import Dataset, InvalidInput, Status
from ..datasets.durable_file import write_durably
from .cascade_settings import CascadeSettings
from .conductor import conductor_of
from .features import features_of

__all__ = ["FeatureTable", "feature_table"]

# Of a table's file: another definition of the features is another version.
VERSION = 1


@dataclass(frozen=True, eq=False)
class FeatureTable:
    """Rows of percolating structures.

    Parameters
    ----------
    feature_nk
        float32.
    lower_n, upper_n, m_n
        Bounds and true value of M.
    contrast_n
        The poorest conductivity that carries current over the best.
    structure_n, family_n, transport_n, axis_n
        What each row is of.
    edge_n
        Voxels along the transport axis.
    """

    feature_nk: npt.NDArray[np.float32]
    lower_n: npt.NDArray[np.float64]
    upper_n: npt.NDArray[np.float64]
    m_n: npt.NDArray[np.float64]
    contrast_n: npt.NDArray[np.float64]
    structure_n: npt.NDArray[np.str_]
    family_n: npt.NDArray[np.str_]
    transport_n: npt.NDArray[np.str_]
    axis_n: npt.NDArray[np.int64]
    edge_n: npt.NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.m_n)

    def where(self, chosen: npt.NDArray[Any]) -> FeatureTable:
        """Return some of the rows, by mask or number."""
        return FeatureTable(*(getattr(self, f.name)[chosen] for f in fields(self)))

    def digest(self) -> str:
        """Return a BLAKE2b of all rows, 32 hexadecimal digits."""
        hasher = hashlib.blake2b(digest_size=16)
        for f in fields(self):
            hasher.update(np.ascontiguousarray(getattr(self, f.name)).tobytes())
        return hasher.hexdigest()

    @classmethod
    def joined(cls, tables: Sequence[FeatureTable]) -> FeatureTable:
        """Return the rows of several tables."""
        return cls(*(np.concatenate([getattr(t, f.name) for t in tables]) for f in fields(cls)))

    def save(self, path: Path, key: str) -> None:
        """Write the rows to a NumPy archive."""
        buffer = io.BytesIO()
        np.savez(buffer, key=np.array(key), **{f.name: getattr(self, f.name) for f in fields(self)})
        write_durably(path, buffer.getvalue())

    @classmethod
    def load(cls, path: Path, key: str) -> FeatureTable | None:
        """Return the rows of a file if it is there, whole and of this key; nothing is unpickled."""
        try:
            with np.load(io.BytesIO(path.read_bytes())) as stored:
                if str(stored["key"]) != key:
                    return None
                return cls(*(stored[f.name] for f in fields(cls)))
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
            return None


def feature_table(
    dataset: Dataset,
    settings: CascadeSettings,
    transports: Sequence[str] | None = None,
    cache: Path | None = None,
    advance: Callable[[int], None] = lambda _: None,
) -> FeatureTable:
    """Return the features of every axis that percolates and whose label can be trusted.

    Parameters
    ----------
    dataset
        With microstructures.
    settings
        Of the cascade.
    transports
        Names of those to take; None for all.
    cache
        A file: read if it holds the rows of this dataset and these settings, else written.
    advance
        Called with 1 after each sample.

    Raises
    ------
    InvalidInput
        If there is no such row, or a sample has no voxels.
    DatasetError
        If a shard is damaged.
    """
    key = _key(dataset, settings, transports)
    found = None if cache is None else FeatureTable.load(cache, key)
    if found is not None:
        advance(len(dataset.ids))
        return found
    rows = list(_rows(dataset, settings, transports, advance))
    if not rows:
        raise InvalidInput(f"{dataset.folder} holds no labelled structure that percolates; nothing can be learned.")
    columns = list(zip(*rows))
    dtypes: list[Any] = [np.float32, *[np.float64] * 4, str, str, str, np.int64, np.int64]
    table = FeatureTable(*(np.array(column, dtype=dtype) for column, dtype in zip(columns, dtypes)))
    if cache is not None:
        table.save(cache, key)
    return table


def _rows(
    dataset: Dataset, settings: CascadeSettings, transports: Sequence[str] | None, advance: Callable[[int], None]
) -> Iterator[tuple[Any, ...]]:
    for sample in dataset.stream():
        for name, label in sample.labels.items():
            if transports is not None and name not in transports:
                continue
            for axis in np.flatnonzero(label.status == Status.OK):
                if sample.microstructure is None or label.connected is None:
                    raise InvalidInput(f"{dataset.folder}: sample {sample.id} has no voxels to learn from.")
                connected = (label.connected >> axis & 1).astype(bool)
                conductor = conductor_of(sample.microstructure, label.transport, connected, int(axis))
                values, lower, upper = features_of(conductor, settings)
                m = label.relative[axis] / conductor.scale
                what = (sample.id, sample.recipe.family, name, axis, sample.microstructure.phases.shape[axis])
                yield (values, lower, upper, m, conductor.contrast, *what)
        advance(1)


def _key(dataset: Dataset, settings: CascadeSettings, transports: Sequence[str] | None) -> str:
    """Return a digest of what the rows depend on."""
    parts = [VERSION, settings.to_dict(), transports, dataset.digests(), list(dataset.ids)]
    return hashlib.blake2b(json.dumps(parts, sort_keys=True).encode(), digest_size=16).hexdigest()
