"""Reading a shard: nothing of a file is believed before its hash, version and layout are checked."""

from __future__ import annotations

import hashlib
import json
import mmap
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, Callable, Iterable, Iterator, Mapping
from urllib.parse import unquote

import h5py
import numpy as np
import numpy.typing as npt

from .durable_file import disk_errors
from .errors import DatasetError
from .fields import TRANSPORTS
from .label import Label
from .manifest import ManifestEntry, shard_name
from .microstructure import Microstructure
from .recipe import Recipe
from .sample import Sample
from .shard import group_name
from .shard_schema import check_schema, read_ids, read_transport_groups
from .summary import Summary
from .transport import Transport

__all__ = ["check_hash", "open_shard", "read_labels", "read_sample", "read_samples", "recover_entry"]

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
            check_schema(file, entry)
            _CHECKED.add(key)
        yield file


def check_hash(folder: Path, entry: ManifestEntry) -> None:
    """Raise DatasetError unless the file holds exactly the bytes that were written."""
    path = entry.path(folder)
    cure = f"'ionscreen dataset repair {folder}' moves it aside, and the campaign, run again, computes its samples"
    if not path.is_file():
        raise DatasetError(f"{path}: this shard is missing; {cure}.")
    if _file_digest(path) != entry.blake2b:
        raise DatasetError(f"{path}: this shard is damaged (its BLAKE2b is not that of the manifest); {cure}.")


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
        blank = ManifestEntry(shard_name(ids), digest, ids, Summary({}, {}, {name: {} for name in names}))
        check_schema(file, blank)
        return replace(blank, summary=Summary.of(list(read_samples(file, range(len(ids))))))


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
    """Yield samples, some four times as fast as one by one: every field but the voxels is read once."""
    columns = _columns(file)
    return (read_sample(columns, row) for row in rows)


def _columns(group: h5py.Group) -> dict[str, Any]:
    """Return a group as a dictionary; fields of voxels stay in the file, the others are in memory."""
    return {
        name: _columns(item) if isinstance(item, h5py.Group) else item if item.ndim >= 4 else item[:]
        for name, item in group.items()
    }


def read_sample(file: h5py.File | Mapping[str, Any], row: int) -> Sample:
    """Return one sample; only its voxels are decompressed."""
    recipe = Recipe.from_dict(json.loads(file["recipe"][row]))
    if recipe.id != file["id"][row].decode():
        raise DatasetError(f"the recipe of sample {row} is not the one its id was made from.")
    groups = {unquote(name): group for name, group in file[TRANSPORTS].items()}
    labels = {name: _read_label(group, row) for name, group in groups.items() if group["labelled"][row]}
    provenance = json.loads(file["provenance"][row])
    descriptors = json.loads(file["descriptors"][row]) if "descriptors" in file else {}
    return Sample(recipe, _read_microstructure(file, row), labels, provenance, descriptors)


def _read_microstructure(file: h5py.File | Mapping[str, Any], row: int) -> Microstructure | None:
    if not file["generated"][row]:
        return None
    hx, hy, hz = (float(h) for h in file["voxel_size"][row])
    names = tuple(json.loads(file["phase_names"][row]))
    grains = file["grains"][row] if "grains" in file else None
    return Microstructure(
        file["phases"][row], names, (hx, hy, hz), grains if grains is not None and grains.any() else None
    )


def _read_label(group: h5py.Group | Mapping[str, Any], row: int) -> Label:
    potential = group["potential"][row] if "potential" in group else None
    return Label(
        transport=Transport.from_dict(json.loads(group["transport"][row])),
        sigma=group["sigma"][row],
        upper_bound=group["upper_bound"][row],
        error_estimate=group["error_estimate"][row],
        status=group["status"][row],
        iterations=group["iterations"][row],
        seconds=float(group["seconds"][row]),
        connected=group["connected"][row] if "connected" in group and group["masked"][row] else None,
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
        "relative": numbers["sigma"] / largest[:, None],
        **numbers,
    }


def _per_text(texts: npt.NDArray[np.bytes_], function: Callable[[bytes], float]) -> npt.NDArray[np.float64]:
    """Return the function of each text, computed once for each distinct text: most samples share one transport."""
    values = {text: function(text) for text in set(texts.tolist())}
    return np.array([values[text] for text in texts.tolist()], dtype=np.float64)
