"""The card: a README, a Croissant description, the labels as CSV and a picture of each family, beside the data."""

from __future__ import annotations

import hashlib
import json
import struct
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Mapping

import numpy as np
import numpy.typing as npt

from .dataset import Dataset
from .dataset_info import info
from .dataset_split import split
from .durable_file import write_durably
from .export_table import Columns, export_table, table

__all__ = ["CardSettings", "write_card"]


@dataclass(frozen=True)
class CardSettings:
    """What a dataset cannot say about itself.

    Parameters
    ----------
    name, description
        For people.
    license
        SPDX name or address.
    seed
        Of the split; statistics are those of its training part.
    """

    name: str
    description: str = "Voxel microstructures with effective conductivities computed by a finite-difference solver."
    license: str = "CC-BY-4.0"
    seed: int = 0


def write_card(dataset: Dataset, settings: CardSettings) -> None:
    """Write ``README.md``, ``croissant.json``, ``labels.csv``, ``splits.json`` and pictures into the dataset's folder.

    Raises
    ------
    DatasetError
        If a shard is damaged, the disk is full or the folder cannot be written.
    """
    folder = dataset.folder
    export_table(dataset, folder / "labels.csv")
    columns, parts = table(dataset), split(dataset.ids, settings.seed)
    pictures = _write_pictures(dataset, columns, folder)
    stored = {"seed": settings.seed, **parts}
    write_durably(folder / "splits.json", (json.dumps(stored) + "\n").encode())
    write_durably(folder / "croissant.json", (json.dumps(_croissant(folder, columns, settings), indent=1)).encode())
    write_durably(folder / "README.md", _readme(folder, columns, parts, pictures, settings).encode())


def _readme(
    folder: Path, columns: Columns, parts: Mapping[str, list[str]], pictures: list[str], settings: CardSettings
) -> str:
    found = info(folder)
    counts = found.counts
    sizes = ", ".join(f"{name} {len(ids)}" for name, ids in parts.items())
    lines = [
        f"# {settings.name}\n\n{settings.description}\n",
        f"- {found.samples} samples in {found.shards} shards, {found.file_bytes / 1e6:.1f} MB; {settings.license}",
        *(
            f"- {title}: {_listed(values)}"
            for title, values in (("shapes", counts.shapes), ("families", counts.families))
        ),
        *(f"- labels `{name}`, axes: {_listed(values)}" for name, values in sorted(counts.status.items())),
        f"- split (`splits.json`, seed {settings.seed}): {sizes}\n",
        *(f"![{name}]({name})" for name in pictures),
        "\n## Statistics of the training split\n",
        "| column of labels.csv | known | mean | standard deviation | smallest | largest |",
        "|---|---|---|---|---|---|",
        *_statistics(columns, set(parts["train"])),
        "\n`docs/format.md` of ionscreen specifies the files; any HDF5 library reads `shards/*.h5`.\n",
    ]
    return "\n".join(lines)


def _listed(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {count}" for name, count in sorted(counts.items())) or "none"


def _statistics(columns: Columns, train: set[str]) -> list[str]:
    rows = [row for row, sample in enumerate(columns["id"]) if sample in train] if columns else []
    lines = []
    for name, values in columns.items():
        known = [values[row] for row in rows if isinstance(values[row], float)]
        if known and (name.startswith("fraction_") or "_sigma_" in name or "_relative_" in name):
            numbers = [np.mean(known), np.std(known), np.min(known), np.max(known)]
            lines.append(f"| {name} | {len(known)} | " + " | ".join(f"{float(n):.6g}" for n in numbers) + " |")
    return lines


def _write_pictures(dataset: Dataset, columns: Columns, folder: Path) -> list[str]:
    """Write the middle section of one structure of each family, and return the names."""
    names = []
    for number, family in enumerate(sorted(set(columns.get("family", [])))):
        members = (s for s, f in zip(columns["id"], columns["family"]) if f == family)
        structures = (dataset.sample(sample).microstructure for sample in members)
        structure = next((s for s in structures if s is not None), None)
        if structure is not None:
            # Not the family's own name: whoever wrote the recipe chose it.
            names.append(f"family{number}.png")
            section = structure.phases[structure.shape[0] // 2]
            grey = (section * (255 // max(1, len(structure.phase_names) - 1))).astype(np.uint8)
            write_durably(folder / names[-1], _png(np.kron(grey, np.ones((4, 4), np.uint8))))
    return names


def _png(grey: npt.NDArray[np.uint8]) -> bytes:
    """Return a picture as PNG (ISO/IEC 15948): 8-bit grey, each row preceded by filter 0."""
    height, width = grey.shape
    rows = np.insert(grey, 0, 0, axis=1).tobytes()
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(rows)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in chunks
    )


def _croissant(folder: Path, columns: Columns, settings: CardSettings) -> dict[str, Any]:
    """Return the Croissant 1.0 description (mlcommons.org/croissant)."""
    labels = (folder / "labels.csv").read_bytes()
    return {
        "@context": _CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": "http://mlcommons.org/croissant/1.0",
        "name": settings.name,
        "description": settings.description,
        "license": settings.license,
        "version": "1.0.0",
        "distribution": [
            {
                "@type": "cr:FileObject",
                "@id": "labels.csv",
                "name": "labels.csv",
                "contentUrl": "labels.csv",
                "encodingFormat": "text/csv",
                "sha256": hashlib.sha256(labels).hexdigest(),
            },
        ],
        "recordSet": [
            {
                "@type": "cr:RecordSet",
                "@id": "samples",
                "name": "samples",
                "key": {"@id": "samples/id"},
                "field": [_croissant_field(name, values) for name, values in columns.items()],
            }
        ],
    }


def _croissant_field(name: str, values: list[Any]) -> dict[str, Any]:
    kinds = {type(value) for value in values if value is not None}
    data_type = "sc:Integer" if kinds == {int} else "sc:Float" if kinds and kinds <= {int, float} else "sc:Text"
    return {
        "@type": "cr:Field",
        "@id": f"samples/{name}",
        "name": name,
        "dataType": data_type,
        "source": {"fileObject": {"@id": "labels.csv"}, "extract": {"column": name}},
    }


# The context that the Croissant 1.0 specification prescribes word for word.
_PLAIN_TERMS = (
    "citeAs column conformsTo extract field fileProperty fileObject fileSet format includes isLiveDataset jsonPath key "
    "md5 parentField path recordSet references regex repeated replace samplingRate separator source subField transform"
)
_CONTEXT = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    **{term: f"cr:{term}" for term in _PLAIN_TERMS.split()},
    "conformsTo": "dct:conformsTo",
    "cr": "http://mlcommons.org/croissant/",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "dct": "http://purl.org/dc/terms/",
    "equivalentProperty": "cr:equivalentProperty",
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "rai": "http://mlcommons.org/croissant/RAI/",
    "sc": "https://schema.org/",
}
