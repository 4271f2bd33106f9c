"""The layout a shard must have. Checked on names, types and sizes alone, before any data is read."""

from __future__ import annotations

import json
from typing import Any, Mapping, Sequence

import h5py
import numpy as np

from .errors import DatasetError, NewerFormat
from .fields import (
    DESCRIPTOR_FIELDS,
    ENCODING_TYPE,
    ENCODING_VERSION,
    GRAIN_FIELDS,
    LABEL_FIELDS,
    LABELS_TYPE,
    MASK_FIELDS,
    OPTIONAL_SINCE,
    POTENTIAL_FIELDS,
    SAMPLE_FIELDS,
    TEXT,
    TRANSPORTS,
    TRANSPORTS_TYPE,
    VOXEL_FIELDS,
    Field,
)
from .recipe import Recipe
from .shard import group_name

__all__ = ["check_schema", "read_ids", "read_transport_groups"]

# The filters every HDF5 library has and that have no known memory errors.
_FILTERS = {h5py.h5z.FILTER_DEFLATE, h5py.h5z.FILTER_SHUFFLE, h5py.h5z.FILTER_FLETCHER32}
# Deflate packs at most 1032:1. A file that declares more has chunks it does not store, to exhaust the reader's memory.
_MOST_PACKED = 1100
_MOST_TEXT = 1 << 20  # bytes
_MOST_ATTRIBUTE = 256  # bytes


def check_schema(file: h5py.File, ids: Sequence[str], names: Sequence[str]) -> None:
    """Raise unless the file is a shard of this format with these samples, labelled for transports of these names.

    Raises
    ------
    DatasetError
        With a sentence, without the file's name.
    """
    lengths = {"n": len(ids), "axis": 3}
    if read_ids(file) != tuple(ids):
        raise DatasetError("the shard holds other samples than its manifest entry lists.")
    _check_fields(file, SAMPLE_FIELDS, lengths)
    lengths.update(zip(("nx", "ny", "nz"), _shape(file)))
    _check_fields(file, VOXEL_FIELDS, lengths)
    version = _check_version(file, ENCODING_TYPE)
    _check_fields(file, _present(file, version, GRAIN_FIELDS, DESCRIPTOR_FIELDS), lengths)
    transports = _group(file, TRANSPORTS)
    _check_version(transports, TRANSPORTS_TYPE)
    _check_members(transports, {group_name(name) for name in names})
    for name in names:
        _check_label_group(_group(transports, group_name(name)), lengths)


def read_ids(file: h5py.File) -> tuple[str, ...]:
    """Return the ids of a shard's samples; the version and this one field are checked before."""
    version = _check_version(file, ENCODING_TYPE)
    optional = _present(file, version, GRAIN_FIELDS, DESCRIPTOR_FIELDS)
    _check_members(file, {*SAMPLE_FIELDS, *VOXEL_FIELDS, *optional, TRANSPORTS})
    ids = file["id"] if file.get("id", getclass=True) is h5py.Dataset else None
    if ids is None or len(ids.shape) != 1:
        raise DatasetError("id is not a list of sample ids.")
    _check_field(ids, SAMPLE_FIELDS["id"], ids.shape)
    return tuple(text.decode() for text in ids[:])


def read_transport_groups(file: h5py.File) -> list[str]:
    """Return the names of the groups of the transports."""
    return list(_group(file, TRANSPORTS))


def _check_version(group: h5py.Group, encoding_type: str) -> int:
    """Return the version of a group, if it is of this type and can be read."""
    if _attribute(group, "encoding-type", "S") != encoding_type.encode():
        raise DatasetError(f"{group.name} is not of type {encoding_type}: this HDF5 file is not a shard of ionscreen.")
    version: int = _attribute(group, "encoding-version", "i")
    if version > ENCODING_VERSION:
        raise NewerFormat(
            f"written in format {version} by a newer ionscreen, this one reads format {ENCODING_VERSION}; "
            "update ionscreen."
        )
    if version < 1:
        raise DatasetError(f"there is no format {version}; this ionscreen reads formats 1 to {ENCODING_VERSION}.")
    return version


def _attribute(file: h5py.File, name: str, kind: str) -> Any:
    """Return an attribute that is one small value of this kind."""
    found = file.attrs.get_id(name) if name in file.attrs else None
    if found is None or found.shape != () or found.dtype.kind != kind or found.dtype.itemsize > _MOST_ATTRIBUTE:
        raise DatasetError(f"this HDF5 file is not a shard of ionscreen: it has no attribute {name!r} of this format.")
    return file.attrs[name]


def _shape(file: h5py.File) -> tuple[int, int, int]:
    """Return the one shape of the recipes."""
    shapes = {Recipe.from_dict(json.loads(text)).shape for text in file["recipe"][:]}
    if len(shapes) != 1:
        raise DatasetError(f"the samples of the shard have several shapes: {sorted(shapes)}.")
    return shapes.pop()


def _check_label_group(group: h5py.Group, lengths: Mapping[str, int]) -> None:
    version = _check_version(group, LABELS_TYPE)
    masked = any(_has(group, name) for name in MASK_FIELDS)
    fields = {**LABEL_FIELDS, **(MASK_FIELDS if masked else {}), **_present(group, version, POTENTIAL_FIELDS)}
    _check_members(group, set(fields))
    _check_fields(group, fields, lengths)


def _present(group: h5py.Group, version: int, *optional: Mapping[str, Field]) -> dict[str, Field]:
    """Return those of the optional fields that a group of this version may have and has."""
    known = {name: field for fields in optional for name, field in fields.items()} if version >= OPTIONAL_SINCE else {}
    return {name: field for name, field in known.items() if _has(group, name)}


def _has(group: h5py.Group, name: str) -> bool:
    """Return whether a link of this name is there, without following it: ``in`` would open another file."""
    return bool(group.id.links.exists(name.encode()))


def _check_members(group: h5py.Group, expected: set[str]) -> None:
    # Asked for by name: in HDF5 1.14.2 listing the members of a damaged group ends the process.
    absent = [name for name in sorted(expected) if not _has(group, name)]
    if absent or len(group) != len(expected):
        raise DatasetError(
            f"the group {group.name} has {len(group)} members, the format wants {len(expected)}"
            f"{': ' + absent[0] + ' is missing' if absent else ''}."
        )
    for name in expected:
        # Soft and external links could lead to any file of this machine.
        if not isinstance(group.get(name, getlink=True), h5py.HardLink):
            raise DatasetError(f"{group.name}/{name} is a link; shards hold none.")


def _group(parent: h5py.Group, name: str) -> h5py.Group:
    if parent.get(name, getclass=True) is not h5py.Group:
        raise DatasetError(f"{name} is not a group.")
    return parent[name]


def _check_fields(group: h5py.Group, fields: Mapping[str, Field], lengths: Mapping[str, int]) -> None:
    for name, field in fields.items():
        if group.get(name, getclass=True) is not h5py.Dataset:
            raise DatasetError(f"{name} is not an HDF5 dataset.")
        _check_field(group[name], field, tuple(lengths[symbol] for symbol in field.shape))


def _check_field(dataset: h5py.Dataset, field: Field, shape: tuple[int, ...]) -> None:
    if not _same_type(dataset, field) or dataset.shape != shape or dataset.maxshape != shape:
        raise DatasetError(
            f"{dataset.name} is {dataset.dtype} of shape {dataset.shape}, the format wants {field.dtype} of {shape}."
        )
    properties = dataset.id.get_create_plist()
    # External storage and virtual datasets read other files.
    if properties.get_layout() != h5py.h5d.CHUNKED or properties.get_external_count():
        raise DatasetError(f"{dataset.name} is not stored in chunks of this file.")
    if any(properties.get_filter(i)[0] not in _FILTERS for i in range(properties.get_nfilters())):
        raise DatasetError(f"{dataset.name} uses a filter other than deflate, shuffle and fletcher32.")
    expected = (1, *shape[1:]) if "nx" in field.shape else shape
    if dataset.chunks != expected:
        raise DatasetError(f"{dataset.name} has chunks of {dataset.chunks}, the format wants {expected}.")
    if dataset.nbytes > _MOST_PACKED * dataset.id.get_storage_size():
        raise DatasetError(f"{dataset.name} declares {dataset.nbytes} bytes, far more than the file stores.")


def _same_type(dataset: h5py.Dataset, field: Field) -> bool:
    stored = dataset.id.get_type()
    if field.dtype == TEXT:
        is_text = isinstance(stored, h5py.h5t.TypeStringID) and not stored.is_variable_str()
        return is_text and 0 < stored.get_size() <= _MOST_TEXT
    return bool(dataset.dtype == np.dtype(field.dtype))
