"""Packed volumes: voxel arrays with as few bits per voxel as their values need, read at several gigabytes a second.

A cache, not an exchange format: made from a dataset in a minute, thrown away at will. On disk it is a folder of
``voxels.bin``, all volumes one after another, and ``index.bin``, where each of them starts.
"""

from __future__ import annotations

import os
import shutil
import uuid
import zlib
from pathlib import Path
from typing import Any, BinaryIO, Callable, Iterable

import numpy as np
import numpy.typing as npt

from .durable_file import disk_errors
from .errors import DatasetError

__all__ = ["PackedVolumes"]

Volume = npt.NDArray[np.uint8]
_INDEX = np.dtype([("offset", "<i8"), ("size", "<i8"), ("shape", "<i4", 3), ("bits", "u1"), ("crc32", "<u4")])


def _unpacking_table(bits: int) -> npt.NDArray[Any]:
    """Return the voxels in each of the 256 bytes, as one number each: (256,), 8/bits bytes wide."""
    shifts = np.arange(0, 8, bits, dtype=np.uint8)
    voxels = (np.arange(256, dtype=np.uint8)[:, None] >> shifts) & np.uint8((1 << bits) - 1)
    return np.ascontiguousarray(voxels).view(f"u{8 // bits}")[:, 0]


_TABLES = {2: _unpacking_table(2), 4: _unpacking_table(4)}


class PackedVolumes:
    """A sequence of (nx, ny, nz) uint8 arrays, of any shapes. Made by :meth:`in_memory` or :meth:`on_disk`.

    Every volume is checked when it is read: a CRC-32 takes half as long as unpacking.
    """

    def __init__(self, data: Volume, index: npt.NDArray[Any], folder: Path | None = None) -> None:
        self._data = data
        self._index = index
        self._folder = folder

    @classmethod
    def in_memory(cls, volumes: Iterable[Volume]) -> PackedVolumes:
        """Pack volumes into memory."""
        parts: list[bytes] = []
        index = _pack_all(volumes, parts.append)
        return cls(np.frombuffer(b"".join(parts), np.uint8), index)

    @classmethod
    def on_disk(cls, folder: str | os.PathLike[str], make_volumes: Callable[[], Iterable[Volume]]) -> PackedVolumes:
        """Return the volumes of a folder; if it does not exist, pack them there, in bounded memory.

        Processes may do so at once: each writes a folder of its own, and the first one that is complete stays.

        Raises
        ------
        DatasetError
            If the folder cannot be written or read, or is damaged.
        """
        path = Path(folder)
        if not path.exists():
            _write(path, make_volumes())
        return _open(path)

    def __len__(self) -> int:
        return len(self._index)

    def __getitem__(self, number: int) -> Volume:
        """Return one volume.

        Raises
        ------
        DatasetError
            If its bytes are not those that were packed.
        """
        entry = self._index[number]
        packed = self._data[entry["offset"] : entry["offset"] + entry["size"]]
        if _checksum(packed, entry) != entry["crc32"]:
            raise DatasetError(f"{self._folder or 'memory'}: volume {number} is damaged; remove this cache.")
        return _unpack(packed, int(entry["bits"]), entry["shape"])

    def __reduce__(self) -> tuple[Any, ...]:
        # A worker that is spawned maps the file itself; pickling the array would copy it.
        if self._folder is not None:
            return _open, (self._folder,)
        return PackedVolumes, (self._data, self._index)

    @property
    def nbytes(self) -> int:
        """Size of the packed voxels."""
        return int(self._data.nbytes)


def _pack_all(volumes: Iterable[Volume], write: Callable[[bytes], Any]) -> npt.NDArray[Any]:
    rows, offset = [np.empty(0, _INDEX)], 0
    for volume in volumes:
        bits = _bits_of(volume)
        packed = _pack(volume, bits)
        row = np.array([(offset, len(packed), volume.shape, bits, 0)], _INDEX)
        row["crc32"] = _checksum(packed, row[0])
        rows.append(row)
        offset += len(packed)
        write(packed)
    return np.concatenate(rows)


def _checksum(packed: Any, row: Any) -> int:
    """Return the CRC-32 of a volume and of where and what the index says it is."""
    return zlib.crc32(packed, zlib.crc32(row.tobytes()[: -_INDEX["crc32"].itemsize]))


def _bits_of(volume: Volume) -> int:
    """Return 1, 2, 4 or 8: enough for the largest value, and a divisor of a byte."""
    largest = int(volume.max())
    return next(bits for bits in (1, 2, 4, 8) if largest < 1 << bits)


def _pack(volume: Volume, bits: int) -> bytes:
    """Return the voxels, last axis fastest, the first in the lowest bits."""
    flat = volume.ravel()
    if bits == 1:
        return np.packbits(flat, bitorder="little").tobytes()
    per_byte = 8 // bits
    padded = np.zeros(-(-flat.size // per_byte) * per_byte, np.uint8)
    padded[: flat.size] = flat
    shifted = padded.reshape(-1, per_byte) << np.arange(0, 8, bits, dtype=np.uint8)
    packed: bytes = np.bitwise_or.reduce(shifted, axis=1).tobytes()
    return packed


def _unpack(packed: Volume, bits: int, shape: npt.NDArray[np.int32]) -> Volume:
    count = int(np.prod(shape, dtype=np.int64))
    if bits == 1:
        return np.unpackbits(packed, count=count, bitorder="little").reshape(shape)
    if bits == 8:
        return packed.reshape(shape).copy()
    voxels: Volume = _TABLES[bits].take(packed).view(np.uint8)[:count].reshape(shape)
    return voxels


def _write(path: Path, volumes: Iterable[Volume]) -> None:
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex}.tmp")
    with disk_errors(path):
        temporary.mkdir(mode=0o700, parents=True)
        try:
            with (temporary / "voxels.bin").open("xb") as file:
                index = _pack_all(volumes, file.write)
                _sync(file)
            with (temporary / "index.bin").open("xb") as file:
                file.write(index.tobytes())
                _sync(file)
            try:
                temporary.rename(path)
            except OSError:
                # Another process was first: its folder is as good.
                if not path.is_dir():
                    raise
        finally:
            shutil.rmtree(temporary, ignore_errors=True)


def _sync(file: BinaryIO) -> None:
    file.flush()
    os.fsync(file.fileno())


def _open(path: Path) -> PackedVolumes:
    try:
        index = np.frombuffer((path / "index.bin").read_bytes(), _INDEX)
        size = (path / "voxels.bin").stat().st_size
    except (OSError, ValueError) as error:
        raise DatasetError(f"{path} is no cache of voxels ({error}); remove it.") from error
    if size != (index["offset"][-1] + index["size"][-1] if len(index) else 0):
        raise DatasetError(f"{path}: this cache of voxels is damaged; remove it.")
    # An empty file cannot be mapped.
    data = np.memmap(path / "voxels.bin", np.uint8, "r") if size else np.empty(0, np.uint8)
    return PackedVolumes(np.asarray(data), index, path)
