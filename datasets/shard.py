"""The shard: an immutable HDF5 file of some samples. Written here; read in ``shard_reader.py``."""

from __future__ import annotations

import hashlib
import io
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Iterable, Mapping, Sequence
from urllib.parse import quote

import h5py
import numpy as np
import numpy.typing as npt

from .durable_file import write_durably
from .errors import InvalidInput
from .fields import (
    AXIS_ORDER,
    DESCRIPTOR_FIELDS,
    ENCODING_TYPE,
    ENCODING_VERSION,
    GRAIN_FIELDS,
    LABEL_FIELDS,
    LABELS_TYPE,
    MASK_FIELDS,
    POTENTIAL_FIELDS,
    SAMPLE_FIELDS,
    TRANSPORTS,
    TRANSPORTS_TYPE,
    VOXEL_FIELDS,
    Field,
)
from .label import Label
from .manifest import ManifestEntry, create_folders
from .sample import Sample

__all__ = ["ShardReceipt", "group_name", "write_shard"]

# The newest format that HDF5 1.10 and later read; "latest" of HDF5 2.0 cannot be read by 1.14. Unlike the default, it
# keeps checksums of its own structures too.
FORMAT = (h5py.h5f.LIBVER_V110, h5py.h5f.LIBVER_V110)

Arrays = Mapping[str, "npt.NDArray[Any]"]


@dataclass(frozen=True)
class ShardReceipt:
    """What was written.

    Parameters
    ----------
    name
        Digest of the sample ids.
    blake2b
        BLAKE2b of the file, 64 hexadecimal digits.
    ids
        The samples in the order of the file: sorted.
    """

    name: str
    blake2b: str
    ids: tuple[str, ...]


def write_shard(folder: str | os.PathLike[str], samples: Iterable[Sample]) -> ShardReceipt:
    """Add samples to a dataset, all or none of them, whatever happens to this process.

    Any number of processes may write at once. Writing the same samples again replaces them.

    Parameters
    ----------
    folder
        The dataset; made if it does not exist.
    samples
        At least one, of equal shape, each once.

    Raises
    ------
    InvalidInput
        If there are no samples, their shapes differ, one stands there twice, or a descriptor is not finite.
    DatasetError
        If the disk is full or the folder cannot be written.
    """
    root = Path(folder)
    ordered = sorted(samples, key=lambda sample: sample.id)
    _check(ordered)
    image = _image(ordered)
    entry = ManifestEntry.of(hashlib.blake2b(image, digest_size=32).hexdigest(), ordered)
    create_folders(root)
    # The order matters: an entry only ever names a file that is already safe on disk.
    write_durably(entry.path(root), image)
    entry.write(root)
    return ShardReceipt(entry.shard, entry.blake2b, entry.ids)


def group_name(transport: str) -> str:
    """Return the name of a transport's group: HDF5 gives ``/`` and ``.`` a meaning of their own."""
    return quote(transport, safe="").replace(".", "%2E")


def _check(samples: Sequence[Sample]) -> None:
    if not samples:
        raise InvalidInput("A shard needs at least one sample.")
    if len({sample.id for sample in samples}) < len(samples):
        raise InvalidInput("A sample stands twice in the list for one shard; give each recipe once.")
    shapes = {tuple(sample.recipe.shape) for sample in samples}
    shapes |= {sample.microstructure.shape for sample in samples if sample.microstructure is not None}
    if len(shapes) > 1:
        raise InvalidInput(
            f"Samples of one shard must share a shape, these have {sorted(shapes)}; write one shard for each."
        )
    for name, value in (pair for sample in samples for pair in sample.descriptors.items()):
        if not np.isfinite(value):
            raise InvalidInput(f"The descriptor {name!r} is {value}; leave out what is not a finite number.")
    if "" in _transports(samples):
        raise InvalidInput("A label's transport needs a name.")
    for label in (label for sample in samples for label in sample.labels.values()):
        if label.potential is not None and label.potential.shape not in {(3, *shape) for shape in shapes}:
            raise InvalidInput(f"Label.potential has shape {label.potential.shape}, not (3, nx, ny, nz) of its recipe.")
        if label.connected is not None and label.connected.shape not in shapes:
            raise InvalidInput(f"Label.connected has shape {label.connected.shape}, its microstructure {shapes.pop()}.")


def _transports(samples: Sequence[Sample]) -> tuple[str, ...]:
    return tuple(sorted({name for sample in samples for name in sample.labels}))


def _image(samples: Sequence[Sample]) -> bytes:
    """Return the bytes of the file. They are made in memory: on a full disk libhdf5 would crash at exit."""
    # Not the core driver: the image it hands out has a wrong checksum in HDF5 1.14.2, the one of Python 3.8.
    buffer = io.BytesIO()
    with _create_file(buffer) as file:
        _encode(file, ENCODING_TYPE)
        file.attrs["axis_order"] = np.bytes_(AXIS_ORDER)
        _write(file, SAMPLE_FIELDS, _sample_arrays(samples))
        _write(file, VOXEL_FIELDS, {"phases": np.stack([_phases(sample) for sample in samples])})
        if any(_grains(sample) is not None for sample in samples):
            _write(file, GRAIN_FIELDS, {"grains": _stack(map(_grains, samples), samples[0].recipe.shape, np.uint32(0))})
        if any(sample.descriptors for sample in samples):
            _write(file, DESCRIPTOR_FIELDS, {"descriptors": _texts(dict(sample.descriptors) for sample in samples)})
        parent = _create_group(file, TRANSPORTS, TRANSPORTS_TYPE)
        for name in _transports(samples):
            labels = [sample.labels.get(name) for sample in samples]
            group = _create_group(parent, group_name(name), LABELS_TYPE)
            _write(group, LABEL_FIELDS, _label_arrays(labels))
            if any(label is not None and label.connected is not None for label in labels):
                _write(group, MASK_FIELDS, _mask_arrays(labels, samples[0].recipe.shape))
            potentials = [None if label is None else label.potential for label in labels]
            if any(potential is not None for potential in potentials):
                unknown = np.float32(np.nan)
                _write(
                    group, POTENTIAL_FIELDS, {"potential": _stack(potentials, (3, *samples[0].recipe.shape), unknown)}
                )
    return buffer.getvalue()


def _create_file(buffer: io.BytesIO) -> h5py.File:
    access = h5py.h5p.create(h5py.h5p.FILE_ACCESS)
    access.set_fclose_degree(h5py.h5f.CLOSE_STRONG)
    access.set_libver_bounds(*FORMAT)
    access.set_fileobj_driver(h5py.h5fd.fileobj_driver, buffer)
    name = repr(buffer).encode()
    return h5py.File(h5py.h5f.create(name, h5py.h5f.ACC_TRUNC, _without_times(h5py.h5p.FILE_CREATE), access))


def _create_group(parent: h5py.Group, name: str, encoding_type: str) -> h5py.Group:
    group = h5py.Group(h5py.h5g.create(parent.id, name.encode(), gcpl=_without_times(h5py.h5p.GROUP_CREATE)))
    _encode(group, encoding_type)
    return group


def _without_times(kind: Any) -> Any:
    """Return properties of a new object; before h5py 3.13, equal samples would otherwise give different bytes."""
    properties = h5py.h5p.create(kind)
    properties.set_obj_track_times(False)
    return properties


def _encode(group: h5py.Group, encoding_type: str) -> None:
    group.attrs["encoding-type"] = np.bytes_(encoding_type)
    group.attrs["encoding-version"] = np.int64(ENCODING_VERSION)


def _write(group: h5py.Group, fields: Mapping[str, Field], arrays: Arrays) -> None:
    for name, field in fields.items():
        array = np.ascontiguousarray(arrays[name], dtype=None if field.dtype == "S" else field.dtype)
        dataset = group.create_dataset(
            name,
            data=array,
            # A reader of one sample's voxels decompresses only these.
            chunks=(1, *array.shape[1:]) if "nx" in field.shape else array.shape,
            compression="gzip",
            compression_opts=4,
            shuffle=True,
            fletcher32=True,
        )
        dataset.attrs["units"] = np.bytes_(field.units)
        dataset.attrs["long_name"] = np.bytes_(field.long_name)


def _sample_arrays(samples: Sequence[Sample]) -> Arrays:
    structures = [sample.microstructure for sample in samples]
    return {
        "id": np.array([sample.id.encode() for sample in samples]),
        "recipe": np.array([sample.recipe.canonical_json().encode() for sample in samples]),
        "provenance": _texts(dict(sample.provenance) for sample in samples),
        "generated": np.array([s is not None for s in structures]),
        "phase_names": _texts(list(s.phase_names) if s is not None else [] for s in structures),
        "voxel_size": np.array(
            [s.recipe.voxel_size if m is None else m.voxel_size for s, m in zip(samples, structures)]
        ),
    }


def _phases(sample: Sample) -> npt.NDArray[np.uint8]:
    if sample.microstructure is None:
        return np.zeros(sample.recipe.shape, np.uint8)
    return sample.microstructure.phases


def _grains(sample: Sample) -> npt.NDArray[np.uint32] | None:
    return None if sample.microstructure is None else sample.microstructure.grains


def _stack(arrays: Iterable[npt.NDArray[Any] | None], shape: Sequence[int], lacking: np.generic) -> npt.NDArray[Any]:
    """Return arrays along a new first axis, with one value throughout for each that is missing."""
    return np.stack([np.full(shape, lacking) if array is None else array for array in arrays])


def _label_arrays(labels: Sequence[Label | None]) -> Arrays:
    known = [label for label in labels if label is not None]
    filled = [label if label is not None else Label(known[0].transport) for label in labels]
    return {
        "labelled": np.array([label is not None for label in labels]),
        "transport": _texts(label.transport.to_dict() if label else None for label in labels),
        "message": _texts(label.message for label in filled),
        **{name: np.stack([getattr(label, name) for label in filled]) for name in _NUMBERS},
    }


_NUMBERS = ("sigma", "upper_bound", "error_estimate", "status", "iterations", "seconds")


def _mask_arrays(labels: Sequence[Label | None], shape: Sequence[int]) -> Arrays:
    masks = [None if label is None else label.connected for label in labels]
    return {
        "masked": np.array([mask is not None for mask in masks]),
        "connected": _stack(masks, shape, np.uint8(0)),
    }


def _texts(values: Iterable[Any]) -> npt.NDArray[np.bytes_]:
    """Return JSON texts, (n,) of fixed width. JSON never ends in NUL, which numpy would cut off."""
    return np.array([json.dumps(v, sort_keys=True, separators=(",", ":"), allow_nan=False).encode() for v in values])
