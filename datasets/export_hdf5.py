"""Export to one HDF5 file: the form to attach to a paper, readable by HDFView, MATLAB, Julia, h5py."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Mapping

import h5py
import numpy as np

from .dataset import Dataset
from .fields import (
    AXIS_ORDER,
    DESCRIPTOR_FIELDS,
    GRAIN_FIELDS,
    LABEL_FIELDS,
    MASK_FIELDS,
    POTENTIAL_FIELDS,
    SAMPLE_FIELDS,
    TEXT,
    TRANSPORTS,
    VOXEL_FIELDS,
    Field,
)
from .safe_file import new_hdf5

__all__ = ["export_hdf5"]

ENCODING_TYPE = "ionscreen-consolidated"
ENCODING_VERSION = 2
# Every field of a shard by its path; of a transport, a name is put in between.
_ROOT_FIELDS: Mapping[str, Field] = {**SAMPLE_FIELDS, **VOXEL_FIELDS, **GRAIN_FIELDS, **DESCRIPTOR_FIELDS}
_TRANSPORT_FIELDS: Mapping[str, Field] = {**LABEL_FIELDS, **MASK_FIELDS, **POTENTIAL_FIELDS}


def export_hdf5(dataset: Dataset, path: str | os.PathLike[str]) -> None:
    """Write all samples into one file: a group for each shape, in it the fields of a shard.

    Voxels are copied as they are stored, without decompressing them; memory holds one shard.

    Raises
    ------
    DatasetError
        If a shard is damaged, the disk is full or the folder cannot be written.
    """
    with new_hdf5(Path(path)) as (file, sink):
        file.attrs["encoding-type"] = np.bytes_(ENCODING_TYPE)
        file.attrs["encoding-version"] = np.int64(ENCODING_VERSION)
        file.attrs["axis_order"] = np.bytes_(AXIS_ORDER)
        plan = _Plan()
        for _ in dataset.each_shard(plan.add):
            pass
        for _ in dataset.each_shard(_Copier(file, plan).copy):
            sink.check()


def _shape_name(shard: h5py.File) -> str:
    return "x".join(str(n) for n in shard["phases"].shape[1:])


class _Plan:
    """What each group will hold: how many samples, which fields, how wide their texts are."""

    def __init__(self) -> None:
        self.counts: dict[str, int] = {}
        self.members: dict[str, dict[str, np.dtype[Any]]] = {}

    def add(self, shard: h5py.File, rows: list[int]) -> None:
        """Take a shard into account."""
        name = _shape_name(shard)
        self.counts[name] = self.counts.get(name, 0) + len(rows)
        known = self.members.setdefault(name, {})
        for member, field in _members(shard).items():
            dtype = shard[member].dtype if field.dtype == TEXT else np.dtype(field.dtype)
            known[member] = max(known.get(member, dtype), dtype, key=lambda d: d.itemsize)

    def create(self, file: h5py.File, name: str) -> h5py.Group:
        """Make the group of one shape, with every field in its final size, zero throughout."""
        group = file.create_group(name)
        shape = tuple(int(n) for n in name.split("x"))
        for member, dtype in self.members[name].items():
            field = _field(member)
            tail = ((3,) if "axis" in field.shape else ()) + (shape if "nx" in field.shape else ())
            made = group.create_dataset(
                member,
                (self.counts[name], *tail),
                dtype,
                chunks=(1, *tail) if "nx" in field.shape else (min(self.counts[name], 1024), *tail),
                compression="gzip",
                compression_opts=4,
                shuffle=True,
                fletcher32=True,
                fillvalue=np.nan if dtype.kind == "f" else None,
            )
            made.attrs["units"] = np.bytes_(field.units)
            made.attrs["long_name"] = np.bytes_(field.long_name)
        return group


class _Copier:
    """Adds shards to the groups of a file, one after another."""

    def __init__(self, file: h5py.File, plan: _Plan) -> None:
        self._file = file
        self._plan = plan
        self._ends: dict[str, int] = {}

    def copy(self, shard: h5py.File, rows: list[int]) -> None:
        """Add one shard."""
        name = _shape_name(shard)
        group = self._file[name] if name in self._file else self._plan.create(self._file, name)
        start = self._ends.get(name, 0)
        for member in self._plan.members[name]:
            if member in shard:
                _copy(shard[member], group[member], rows, start)
        self._ends[name] = start + len(rows)


def _members(shard: h5py.File) -> dict[str, Field]:
    """Return the fields that a shard has, by their paths."""
    groups = [f"{TRANSPORTS}/{name}" for name in shard[TRANSPORTS]]
    labels = {f"{group}/{name}": field for group in groups for name, field in _TRANSPORT_FIELDS.items()}
    return {path: field for path, field in {**_ROOT_FIELDS, **labels}.items() if path in shard}


def _field(member: str) -> Field:
    group, _, name = member.rpartition("/")
    return _TRANSPORT_FIELDS[name] if group else _ROOT_FIELDS[name]


def _copy(source: h5py.Dataset, target: h5py.Dataset, rows: list[int], start: int) -> None:
    if source.ndim < 4:
        target[start : start + len(rows)] = source[:][rows]
        return
    for place, row in enumerate(rows, start):
        # The filters are the same, so the stored bytes are.
        rest = (0,) * (source.ndim - 1)
        mask, chunk = source.id.read_direct_chunk((row, *rest))
        target.id.write_direct_chunk((place, *rest), chunk, mask)
