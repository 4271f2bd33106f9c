"""Reading a shard: nothing of a file is believed before its hash, version and layout are checked."""

from __future__ import annotations

import hashlib
import json
import mmap
from collections import OrderedDict
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Callable, Iterable, Iterator, Mapping, Sequence
from urllib.parse import unquote

import h5py
import numpy as np
import numpy.typing as npt

from .durable_file import disk_errors
from .errors import DatasetError
from .fields import TRANSPORTS
from .label import Label, relative_to
from .manifest import SHARD_FOLDER, ManifestEntry, shard_name
from .microstructure import Microstructure
from .recipe import Recipe
from .sample import Sample
from .shard import group_name
from .shard_schema import check_schema, read_ids, read_transport_groups
from .transport import Transport

__all__ = [
    "check_hash",
    "check_present",
    "open_shard",
    "read_labels",
    "read_one",
    "read_outlines",
    "read_samples",
    "recover_entry",
]

_NUMBERS = ("sigma", "upper_bound", "error_estimate", "status", "iterations", "seconds")
_HEAP = b"GCOL\x01"
_CHECKED: set[tuple[Path, str]] = set()  # (path, BLAKE2b) of the shards this process has checked


@contextmanager
def open_shard(folder: Path, entry: ManifestEntry) -> Iterator[h5py.File]:
    """Open a shard for reading; checked as a whole the first time this process does so.

    It is closed afterwards: a dataset may have more shards than a process may have open files, and processes may fork.

    Raises
    ------
    DatasetError
        If the file is missing, damaged, foreign, hostile or of a newer format.
    """
    path = entry.path(folder)
    key = (path.resolve(), entry.blake2b)
    if key not in _CHECKED:
        check_hash(folder, entry)
    with _hdf5_errors(path):
        if key not in _CHECKED:
            _refuse_global_heap(path)
    with _hdf5_errors(path), h5py.File(path, "r", locking=False) as file:
        if key not in _CHECKED:
            check_schema(file, entry.ids, entry.transports)
            _CHECKED.add(key)
        yield file


def check_hash(folder: Path, entry: ManifestEntry) -> None:
    """Raise DatasetError unless the file holds exactly the bytes that were written."""
    path = entry.path(folder)
    if not path.is_file():
        raise _missing(folder, entry)
    if _file_digest(path) != entry.blake2b:
        raise DatasetError(f"{path}: this shard is damaged (its BLAKE2b is not that of the manifest); {_cure(folder)}.")


def check_present(folder: Path, entries: Iterable[ManifestEntry]) -> None:
    """Raise DatasetError if the file of an entry is not there; the folder is listed once."""
    shards = folder / SHARD_FOLDER
    with disk_errors(shards):
        there = {path.name for path in shards.iterdir()}
    for entry in entries:
        if entry.path(folder).name not in there:
            raise _missing(folder, entry)


def _missing(folder: Path, entry: ManifestEntry) -> DatasetError:
    return DatasetError(f"{entry.path(folder)}: this shard is missing; {_cure(folder)}.")


def _cure(folder: Path) -> str:
    return f"'ionscreen dataset repair {folder}' moves it aside, and the campaign, run again, computes its samples"


def _refuse_global_heap(path: Path) -> None:
    """Raise if the file has what virtual datasets and variable-length data are kept in.

    HDF5 2.0 has been seen to loop forever in opening a virtual dataset whose list of sources is damaged, so this cannot
    be left to the check of the layout. A global heap begins with its signature, version 1 and, eight bytes on, a size
    of 4096 or more (HDF5 file format specification 3.0, section III.E). Compressed data does not hold that by chance.
    """
    size = path.stat().st_size
    if size == 0:
        return  # cannot be mapped
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        place = data.find(_HEAP)
        while place >= 0:
            if 4096 <= int.from_bytes(data[place + 8 : place + 16], "little") <= size:
                raise DatasetError("it has a global heap, which virtual and variable-length data need; shards do not.")
            place = data.find(_HEAP, place + 1)


def _file_digest(path: Path) -> str:
    digest = hashlib.blake2b(digest_size=32)
    with disk_errors(path), path.open("rb") as file:
        for block in iter(lambda: file.read(1 << 20), b""):
            digest.update(block)
    return digest.hexdigest()


def recover_entry(folder: Path, path: Path) -> ManifestEntry:
    """Return the manifest entry that a shard's file was written with.

    Raises
    ------
    DatasetError
        If the file is not what its name says, damaged, foreign, hostile or of a newer format.
    """
    digest = _file_digest(path)
    if path.stem.partition("-")[2] != digest[:16]:
        raise DatasetError(f"{path}: this shard is damaged (its BLAKE2b is not that of its name).")
    with _hdf5_errors(path):
        _refuse_global_heap(path)
    with _hdf5_errors(path), h5py.File(path, "r", locking=False) as file:
        ids = read_ids(file)
        if shard_name(ids) != path.stem.partition("-")[0]:
            raise DatasetError("the shard holds other samples than its name says.")
        names = [unquote(name) for name in read_transport_groups(file)]
        check_schema(file, ids, names)
        return ManifestEntry.of(digest, read_outlines(file, ids))


@contextmanager
def _hdf5_errors(path: Path) -> Iterator[None]:
    """Turn whatever h5py, JSON or the record types make of an unsound file into one sentence that names it."""
    try:
        yield
    except DatasetError as error:
        raise type(error)(f"{path}: {error}") from error
    except (OSError, ValueError, TypeError, LookupError, RuntimeError, AttributeError) as error:
        raise DatasetError(f"{path}: cannot be read as a shard ({error}).") from error


def read_samples(file: h5py.File, rows: Iterable[int]) -> Iterator[Sample]:
    """Yield samples; every field but the voxels is read once for all of them."""
    columns = _with_voxels(_columns(file), file)
    return (_read_sample(columns, row) for row in rows)


def read_outlines(file: h5py.File, ids: Sequence[str]) -> list[Sample]:
    """Return all samples as :meth:`Sample.outline` would; no voxels are read."""
    columns = _columns(file)
    return [_read_sample(columns, row) for row in range(len(ids))]


def read_one(folder: Path, entry: ManifestEntry, row: int) -> Sample:
    """Return one sample; of shards read lately, only its voxels are.

    Raises
    ------
    DatasetError
        If the shard is missing, damaged, foreign, hostile or of a newer format.
    """
    with open_shard(folder, entry) as file:
        return _read_sample(_with_voxels(_RECENT.columns(file, entry), file), row)


def _columns(group: h5py.Group) -> dict[str, Any]:
    """Return a group as a dictionary of its fields in memory, with None for those of voxels."""
    return {
        name: _columns(item) if isinstance(item, h5py.Group) else None if item.ndim >= 4 else item[:]
        for name, item in group.items()
    }


def _with_voxels(columns: Mapping[str, Any], file: h5py.File, path: str = "") -> dict[str, Any]:
    """Return the same dictionary with the fields of voxels as HDF5 datasets of an open file."""
    return {
        name: _with_voxels(value, file, f"{path}{name}/")
        if isinstance(value, dict)
        else file[path + name]
        if value is None
        else value
        for name, value in columns.items()
    }


class _Recent:
    """What was read of the shards used last, without voxels: a sample then costs its voxels and not 16 other fields."""

    def __init__(self, limit: int = 64 << 20) -> None:
        self._limit = limit  # bytes; of some 100,000 samples
        self._kept: OrderedDict[str, tuple[dict[str, Any], int]] = OrderedDict()  # BLAKE2b of the file -> and its size
        self._size = 0

    def columns(self, file: h5py.File, entry: ManifestEntry) -> dict[str, Any]:
        """Return the fields of a shard that has been checked."""
        if entry.blake2b not in self._kept:
            columns = _columns(file)
            self._kept[entry.blake2b] = columns, _nbytes(columns)
            self._size += _nbytes(columns)
            while self._size > self._limit and len(self._kept) > 1:
                self._size -= self._kept.popitem(last=False)[1][1]
        self._kept.move_to_end(entry.blake2b)
        return self._kept[entry.blake2b][0]


_RECENT = _Recent()


def _nbytes(columns: Mapping[str, Any]) -> int:
    sizes = (_nbytes(v) if isinstance(v, dict) else 0 if v is None else v.nbytes for v in columns.values())
    return sum(sizes)


def _read_sample(file: Mapping[str, Any], row: int) -> Sample:
    recipe = Recipe.from_dict(json.loads(file["recipe"][row]))
    if recipe.id != file["id"][row].decode():
        raise DatasetError(f"the recipe of sample {row} is not the one its id was made from.")
    groups = {unquote(name): group for name, group in file[TRANSPORTS].items()}
    labels = {name: _read_label(group, row) for name, group in groups.items() if group["labelled"][row]}
    provenance = json.loads(file["provenance"][row])
    descriptors = json.loads(file["descriptors"][row]) if "descriptors" in file else {}
    return Sample(recipe, _read_microstructure(file, row), labels, provenance, descriptors)


def _read_microstructure(file: Mapping[str, Any], row: int) -> Microstructure | None:
    if not file["generated"][row] or file["phases"] is None:
        return None
    hx, hy, hz = (float(h) for h in file["voxel_size"][row])
    names = tuple(json.loads(file["phase_names"][row]))
    grains = file["grains"][row] if "grains" in file else None
    return Microstructure(
        file["phases"][row], names, (hx, hy, hz), grains if grains is not None and grains.any() else None
    )


def _read_label(group: Mapping[str, Any], row: int) -> Label:
    connected, potential = group.get("connected"), group.get("potential")
    potential = None if potential is None else potential[row]
    return Label(
        transport=Transport.from_dict(json.loads(group["transport"][row])),
        sigma=group["sigma"][row],
        upper_bound=group["upper_bound"][row],
        error_estimate=group["error_estimate"][row],
        status=group["status"][row],
        iterations=group["iterations"][row],
        seconds=float(group["seconds"][row]),
        connected=connected[row] if connected is not None and group["masked"][row] else None,
        message=json.loads(group["message"][row]),
        potential=None if potential is None or np.isnan(potential).all() else potential,
    )


def read_labels(file: h5py.File, transport: str) -> dict[str, npt.NDArray[Any]]:
    """Return the labels of one transport as arrays over the samples that have one; no voxels are touched."""
    group = file[TRANSPORTS][group_name(transport)]
    rows = group["labelled"][:].astype(bool)
    largest = _per_text(group["transport"][:][rows], lambda text: Transport.from_dict(json.loads(text)).sigma_max)
    numbers = {name: group[name][:][rows] for name in _NUMBERS}
    return {
        "id": file["id"][:][rows].astype(str),
        "family": np.array([str(json.loads(text)["family"]) for text in file["recipe"][:][rows]], dtype=str),
        "relative": relative_to(largest[:, None], numbers["sigma"]),
        **numbers,
    }


def _per_text(texts: npt.NDArray[np.bytes_], function: Callable[[bytes], float]) -> npt.NDArray[np.float64]:
    """Return the function of each text, computed once for each distinct text: most samples share one transport."""
    values = {text: function(text) for text in set(texts.tolist())}
    return np.array([values[text] for text in texts.tolist()], dtype=np.float64)
