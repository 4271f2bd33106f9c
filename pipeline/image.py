"""Images on disk: a segmented tomogram as phase numbers, exactly as stored."""

from __future__ import annotations

import hashlib
import math
import re
import struct
import zipfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ..datasets import InvalidInput
from ..datasets.microstructure import MAX_PHASES

__all__ = ["MAX_VOXELS", "file_digest", "read_grains", "read_image"]

MAX_VOXELS = 2048**3  # more fits no machine this is meant for; a damaged header easily claims it

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class _Source:
    """What to read: a file, the dataset inside it (HDF5), the form of its bytes (RAW)."""

    path: Path
    inside: str = ""
    shape: tuple[int, ...] | None = None
    dtype: str | None = None


def read_image(
    source: str | Path, shape: Sequence[int] | None = None, dtype: str | None = None
) -> npt.NDArray[np.uint8]:
    """Return the phase numbers of a segmented image, axes in the order of the file. Nothing is scaled or cleaned.

    Parameters
    ----------
    source
        A TIFF, NPY, NPZ, VTI or RAW file, or ``file.h5:/path/of/dataset``. VTI: axes x, y, z.
    shape, dtype
        Of a RAW file, which says neither: (nx, ny, nz) with the last axis fastest, and for instance ``"uint8"``.

    Returns
    -------
    ndarray
        (nx, ny, nz) uint8, C-contiguous.

    Raises
    ------
    InvalidInput
        If there is no such file, it is no image of three axes, or its values are not whole numbers from 0 to 255.
    """
    return _read(source, _as_phases, shape, dtype)


def read_grains(source: str | Path, shape: Sequence[int] | None = None, dtype: str | None = None) -> npt.NDArray[Any]:
    """Return the grain labels of an image: as :func:`read_image`, but any whole numbers will do.

    Raises
    ------
    InvalidInput
        If there is no such file, it is no image of three axes, or its values are not whole numbers.
    """
    return _read(source, _as_grains, shape, dtype)


def _read(
    source: str | Path, convert: Callable[[Array, Path], Array], shape: Sequence[int] | None, dtype: str | None
) -> Array:
    path, inside = _split_source(str(source))
    reader = _READERS.get(path.suffix.lower())
    if path.is_dir():
        raise InvalidInput(f"{path} is a folder; give one file, for instance a multi-page TIFF.")
    if reader is None:
        raise InvalidInput(f"{path} has no suffix ionscreen reads; it reads {', '.join(_READERS)}.")
    if not path.is_file():
        raise InvalidInput(f"{path}: there is no such file; check the path.")
    try:
        return convert(reader(_Source(path, inside, tuple(shape) if shape else None, dtype)), path)
    except InvalidInput:
        raise
    except Exception as error:
        # A library meeting a damaged file may raise anything; whatever it is, the file is at fault.
        reason = str(error).strip().partition("\n")[0] or type(error).__name__
        raise InvalidInput(f"{path} cannot be read as {path.suffix[1:].upper()} ({reason}).") from error


def file_digest(source: str | Path) -> str:
    """Return 32 hexadecimal digits: BLAKE2b of the file's bytes, and of the path inside it if the source has one.

    Raises
    ------
    InvalidInput
        If the file cannot be read.
    """
    path, inside = _split_source(str(source))
    digest = hashlib.blake2b(digest_size=16)
    try:
        with path.open("rb") as file:
            for block in iter(lambda: file.read(1 << 20), b""):
                digest.update(block)
    except OSError as error:
        raise InvalidInput(f"{path} cannot be read ({error.strerror}).") from error
    digest.update(inside.encode())
    return digest.hexdigest()


def _split_source(source: str) -> tuple[Path, str]:
    """Return the file and the path inside it: ``file.h5:/path``."""
    match = re.fullmatch(r"(.+\.(?:h5|hdf5)):(/.*)", source, re.IGNORECASE | re.DOTALL)
    return (Path(match[1]), match[2]) if match else (Path(source), "")


def _check_shape(shape: Sequence[int], path: Path) -> None:
    """Refuse a shape before memory is taken for it."""
    if len(shape) != 3:
        raise InvalidInput(
            f"{path} has {len(shape)} axes, {tuple(shape)}; ionscreen needs three: one number per voxel."
        )
    if 0 in shape:
        raise InvalidInput(f"{path} is empty, {tuple(shape)}.")
    if math.prod(shape) > MAX_VOXELS:
        raise InvalidInput(f"{path} has {tuple(shape)} voxels, more than {MAX_VOXELS}; crop it.")


def _read_tiff(source: _Source) -> Array:
    import tifffile

    with tifffile.TiffFile(source.path) as file:
        if len(file.series) != 1:
            shapes = ", ".join(str(series.shape) for series in file.series[:4])
            raise InvalidInput(f"{source.path} holds {len(file.series)} images ({shapes}); give a file with one.")
        series = file.series[0]
        if "S" in series.axes:
            raise InvalidInput(f"{source.path} is a colour image; save one number per voxel: the phase.")
        _check_shape(series.shape, source.path)
        # tifffile drops pages that are not there and fills parts of pages with zeros; a cut file must not gain pores.
        if not _has_all_pages(file) or any(end > file.filehandle.size for end in _tiff_ends(series)):
            raise InvalidInput(f"{source.path} is incomplete: some of its voxels are not in the file; copy it again.")
        return np.asarray(series.asarray())


def _tiff_ends(series: Any) -> Iterator[float]:
    """Yield where each part of the voxels ends in the file; infinity where there is none."""
    if series.dataoffset is not None:
        yield series.dataoffset + series.nbytes
        return
    for page in series.pages:
        parts = zip(page.dataoffsets, page.databytecounts, strict=True) if page is not None else [(0, 0)]
        for offset, count in parts:
            yield offset + count if offset > 0 and count > 0 else math.inf


def _has_all_pages(file: Any) -> bool:
    """Return whether the chain of page directories ends as TIFF 6.0, section 2, says: with offset 0."""
    tiff, handle = file.tiff, file.filehandle

    def read(place: int, form: str, size: int) -> int:
        handle.seek(place)
        data = handle.read(size)
        return int(struct.unpack(form, data)[0]) if len(data) == size else -1

    offset, seen = read(tiff.offsetsize, tiff.offsetformat, tiff.offsetsize), set()
    while offset > 0 and offset not in seen:
        seen.add(offset)
        entries = read(offset, tiff.tagnoformat, tiff.tagnosize)
        end = offset + tiff.tagnosize + entries * tiff.tagsize
        offset = read(end, tiff.offsetformat, tiff.offsetsize) if entries >= 0 else -1
    return offset == 0


def _read_npy(source: _Source) -> Array:
    # Mapped, not read: a header that claims more than the file holds then fails before memory is taken.
    array: Array = np.load(source.path, mmap_mode="r", allow_pickle=False)
    return array


def _read_npz(source: _Source) -> Array:
    with zipfile.ZipFile(source.path) as file:
        if sum(member.file_size for member in file.infolist()) > 8 * MAX_VOXELS:
            raise InvalidInput(f"{source.path} unpacks to more than {MAX_VOXELS} voxels; crop it.")
    with np.load(source.path, allow_pickle=False) as arrays:
        if len(arrays.files) != 1:
            raise InvalidInput(f"{source.path} holds {len(arrays.files)} arrays ({arrays.files}); save one.")
        return np.asarray(arrays[arrays.files[0]])


def _read_hdf5(source: _Source) -> Array:
    import h5py

    with h5py.File(source.path, "r", locking=False) as file:
        found = file.get(source.inside) if source.inside else None
        if not isinstance(found, h5py.Dataset):
            names = list(_dataset_names(file))
            known = f"write {source.path}:{names[0]}" if names else "it holds no array of three axes"
            raise InvalidInput(f"{source.path} has no array {source.inside or '(none was named)'}; {known}.")
        if found.is_virtual or found.external or found.file.id != file.id:
            raise InvalidInput(f"{source.path}:{source.inside} lies in another file; give that file.")
        _check_shape(found.shape, source.path)
        return np.asarray(found[:])


def _dataset_names(file: Any) -> Iterator[str]:
    names: list[str] = []
    file.visititems(lambda name, item: names.append(f"/{name}") if getattr(item, "ndim", 0) == 3 else None)
    yield from names


def _read_raw(source: _Source) -> Array:
    if source.shape is None or source.dtype is None:
        raise InvalidInput(f"{source.path}: a RAW file does not say its shape and type; give --shape and --dtype.")
    _check_shape(source.shape, source.path)
    try:
        dtype = np.dtype(source.dtype)
    except TypeError as error:
        raise InvalidInput(f"{source.dtype!r} is no number type; write for instance uint8 or uint16.") from error
    expected, size = math.prod(source.shape) * dtype.itemsize, source.path.stat().st_size
    if expected != size:
        raise InvalidInput(f"{source.path} has {size} bytes; {source.shape} of {dtype} would be {expected}.")
    return np.fromfile(source.path, dtype=dtype).reshape(source.shape)


def _read_vti(source: _Source) -> Array:
    _check_vti_header(source.path)
    import pyvista

    grid = pyvista.read(source.path)
    in_cells = len(grid.cell_data) > 0
    data = grid.cell_data if in_cells else grid.point_data
    if len(data) == 0:
        raise InvalidInput(f"{source.path} holds no cell and no point array.")
    shape = [n - in_cells for n in grid.dimensions]
    values = np.asarray(data[data.keys()[0]])
    return values.reshape((*shape, *values.shape[1:]), order="F")


def _check_vti_header(path: Path) -> None:
    """Refuse what VTK would answer with messages of its own, or by ending the process."""
    with path.open("rb") as file:
        head = file.read(1 << 16)
        file.seek(max(0, file.seek(0, 2) - 100))
        if not file.read().rstrip().endswith(b"</VTKFile>"):
            raise InvalidInput(f"{path} is incomplete: it does not end in </VTKFile>.")
    match = re.search(rb"<ImageData[^>]*WholeExtent=[\"']([-\d\s]+)[\"']", head)
    numbers = [int(n) for n in match[1].split()] if match else []
    if len(numbers) != 6:
        raise InvalidInput(f"{path} is no VTI image: it has no WholeExtent.")
    _check_shape([high - low + 1 for low, high in zip(numbers[::2], numbers[1::2], strict=True)], path)


_READERS: dict[str, Callable[[_Source], Array]] = {
    ".tif": _read_tiff,
    ".tiff": _read_tiff,
    ".npy": _read_npy,
    ".npz": _read_npz,
    ".h5": _read_hdf5,
    ".hdf5": _read_hdf5,
    ".raw": _read_raw,
    ".vti": _read_vti,
}


def _as_grains(image: Array, path: Path) -> Array:
    _check_shape(image.shape, path)
    if image.dtype.kind not in "bui":
        raise InvalidInput(f"{path} holds {image.dtype}; grain labels are whole numbers.")
    return np.ascontiguousarray(image, dtype=np.int64 if image.dtype.kind == "b" else None)


def _as_phases(image: Array, path: Path) -> npt.NDArray[np.uint8]:
    """Return the values as uint8 if that changes none of them."""
    _check_shape(image.shape, path)
    if image.dtype.kind not in "buif":
        raise InvalidInput(f"{path} holds {image.dtype}, not numbers.")
    if image.dtype == np.uint8:
        return np.ascontiguousarray(image)
    phases = np.empty(image.shape, np.uint8)
    for plane, slab in zip(phases, image, strict=True):  # plane by plane: a float image may fill half the memory
        plane[...] = _plane_as_phases(slab, path)
    return phases


def _plane_as_phases(plane: Array, path: Path) -> npt.NDArray[np.uint8]:
    if plane.dtype.kind == "f" and not (np.isfinite(plane).all() and np.array_equal(plane, np.rint(plane))):
        raise InvalidInput(f"{path} holds values that are no whole numbers; segment it first: one number per phase.")
    if plane.min() < 0:
        raise InvalidInput(f"{path} holds the value {plane.min():g}; number the phases from 0.")
    if plane.max() >= MAX_PHASES:
        raise InvalidInput(
            f"{path} holds the value {plane.max():g}; phases are numbered 0 to {MAX_PHASES - 1}. Segment it first."
        )
    return plane.astype(np.uint8)
