"""Export to NPZ: plain arrays for numpy, and for everything that reads numpy's files."""

from __future__ import annotations

import os
import zipfile
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from .dataset import Dataset
from .durable_file import new_file

__all__ = ["export_npz"]


def export_npz(dataset: Dataset, path: str | os.PathLike[str]) -> None:
    """Write ``id`` (n,), ``phases`` (n, nx, ny, nz) uint8 and, of each transport, :meth:`Dataset.labels`.

    The latter are named ``<transport>_sigma`` and so on; ``<transport>_id`` says which samples they are.
    Samples without microstructure have phase 0 throughout. Memory holds one shard.

    Raises
    ------
    InvalidInput
        If the samples have several shapes.
    DatasetError
        If a shard is damaged, the disk is full or the folder cannot be written.
    """
    shape = dataset.shape()
    with new_file(Path(path)) as file, zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        ids = [sample for shard in dataset.shards() for sample in shard]
        _add(archive, "id", np.array(ids))
        with archive.open("phases.npy", "w", force_zip64=True) as member:
            _write_phases(member, dataset, (len(ids), *shape))
        for transport in dataset.transports:
            for name, array in dataset.labels(transport).items():
                _add(archive, f"{transport}_{name}", array)


def _add(archive: zipfile.ZipFile, name: str, array: npt.NDArray[Any]) -> None:
    with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
        np.lib.format.write_array(member, array, allow_pickle=False)


def _write_phases(member: IO[bytes], dataset: Dataset, shape: tuple[int, ...]) -> None:
    header = {"descr": "|u1", "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(member, header)
    # Read and written apart, so that an error names the file that it concerns.
    for voxels in dataset.each_shard(lambda shard, rows: [shard["phases"][row] for row in rows]):
        for volume in voxels:
            member.write(volume.tobytes())
