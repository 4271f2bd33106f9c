"""Export to image files, one for each sample: VTI and XDMF for ParaView, TIFF stacks for image programs."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Iterator
from xml.sax.saxutils import quoteattr

import numpy as np

from .dataset import Dataset
from .durable_file import new_file
from .microstructure import Microstructure
from .safe_file import new_hdf5

__all__ = ["export_tiff", "export_vti", "export_xdmf"]


def _structures(dataset: Dataset) -> Iterator[tuple[str, Microstructure]]:
    """Yield id and microstructure of the samples that have one."""
    for sample in dataset.stream():
        if sample.microstructure is not None:
            yield sample.id, sample.microstructure


def export_vti(dataset: Dataset, folder: str | os.PathLike[str]) -> int:
    """Write ``<id>.vti``: phases as cells, lengths in metres; return how many.

    Raises
    ------
    DatasetError
        If a shard is damaged, the disk is full or the folder cannot be written.
    """
    count = 0
    for sample_id, structure in _structures(dataset):
        count += 1
        with new_file(Path(folder) / f"{sample_id}.vti") as file:
            file.write(_vti(structure))
    return count


def _vti(structure: Microstructure) -> bytes:
    """Return a VTK XML image with raw appended data: its length as UInt64, then x fastest."""
    extent = " ".join(f"0 {n}" for n in structure.shape)
    spacing = " ".join(repr(h) for h in structure.voxel_size)
    voxels = structure.phases.tobytes(order="F")
    return b"".join(
        [
            b'<?xml version="1.0"?>\n<VTKFile type="ImageData" version="1.0" byte_order="LittleEndian" ',
            b'header_type="UInt64">\n',
            f'<ImageData WholeExtent="{extent}" Origin="0 0 0" Spacing="{spacing}">\n'.encode(),
            f'<Piece Extent="{extent}"><CellData Scalars="phases">\n'.encode(),
            b'<DataArray type="UInt8" Name="phases" format="appended" offset="0"/>\n',
            b'</CellData></Piece></ImageData>\n<AppendedData encoding="raw">\n_',
            np.array([len(voxels)], "<u8").tobytes() + voxels,
            b"\n</AppendedData>\n</VTKFile>\n",
        ]
    )


def export_tiff(dataset: Dataset, folder: str | os.PathLike[str]) -> int:
    """Write ``<id>.tif``: a page for each x, rows along y, columns along z, so that it is read as (nx, ny, nz).

    Returns how many. Needs tifffile.

    Raises
    ------
    DatasetError
        If a shard is damaged, the disk is full or the folder cannot be written.
    """
    import tifffile

    count = 0
    for sample_id, structure in _structures(dataset):
        count += 1
        with new_file(Path(folder) / f"{sample_id}.tif") as file:
            tifffile.imwrite(
                file,
                structure.phases,
                compression="zlib",
                photometric="minisblack",
                metadata={"axes": "ZYX", "phases": ",".join(structure.phase_names)},
            )
    return count


def export_xdmf(dataset: Dataset, path: str | os.PathLike[str]) -> int:
    """Write all samples as one ``.xdmf`` for ParaView, a step for each, with the voxels in an ``.h5`` beside it.

    XDMF's last axis is x; the voxels are therefore stored as (nz, ny, nx). Returns how many.

    Raises
    ------
    InvalidInput
        If the samples have several shapes: ParaView takes the first one's for all steps.
    DatasetError
        If a shard is damaged, the disk is full or the folder cannot be written.
    """
    dataset.shape()
    index = Path(path)
    heavy = index.with_suffix(".h5")
    count = 0
    # The voxels are finished first, so that no index is left of voxels that could not be written.
    with new_file(index) as text, new_hdf5(heavy) as (file, sink):
        text.write(_XDMF_HEAD)
        for sample_id, structure in _structures(dataset):
            voxels = np.ascontiguousarray(structure.phases.T)
            file.create_dataset(
                sample_id, data=voxels, chunks=voxels.shape, compression="gzip", shuffle=True, fletcher32=True
            )
            text.write(_grid(count, sample_id, structure, heavy.name).encode())
            count += 1
            sink.check()
        text.write(_XDMF_TAIL)
    return count


_XDMF_HEAD = b"""<?xml version="1.0"?>
<Xdmf Version="2.0"><Domain><Grid Name="samples" GridType="Collection" CollectionType="Temporal">
"""
_XDMF_TAIL = b"</Grid></Domain></Xdmf>\n"


def _grid(step: int, sample_id: str, structure: Microstructure, heavy: str) -> str:
    points = " ".join(str(n + 1) for n in reversed(structure.shape))
    cells = " ".join(str(n) for n in reversed(structure.shape))
    spacing = " ".join(repr(h) for h in reversed(structure.voxel_size))
    where = quoteattr(f"{heavy}:/{sample_id}")[1:-1]
    return f"""<Grid Name="{sample_id}"><Time Value="{step}"/>
<Topology TopologyType="3DCoRectMesh" Dimensions="{points}"/>
<Geometry GeometryType="ORIGIN_DXDYDZ"><DataItem Dimensions="3" Format="XML">0 0 0</DataItem>
<DataItem Dimensions="3" Format="XML">{spacing}</DataItem></Geometry>
<Attribute Name="phases" Center="Cell"><DataItem Dimensions="{cells}" NumberType="UChar" Precision="1" Format="HDF">
{where}</DataItem></Attribute></Grid>
"""
