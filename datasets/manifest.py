"""The manifest: which shards a dataset has, one small file for each."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Iterable, Mapping, Sequence

from .durable_file import disk_errors, write_durably
from .errors import DatasetError, NewerFormat
from .label_table import LabelTable
from .sample import Sample
from .summary import Summary

__all__ = [
    "ManifestEntry",
    "create_folders",
    "entry_paths",
    "read_entry",
    "read_manifest",
    "sealed",
    "shard_name",
]

ENCODING_TYPE = "ionscreen-manifest-entry"
ENCODING_VERSION = 2
TABLE_SINCE = 2  # the version from which an entry holds the numbers of the labels
MANIFEST_FOLDER = "manifest"
SHARD_FOLDER = "shards"
_HEX32 = re.compile(r"[0-9a-f]{32}\Z")
_HEX64 = re.compile(r"[0-9a-f]{64}\Z")


def shard_name(ids: Iterable[str]) -> str:
    """Return the name of the shard that holds these samples: 32 hexadecimal digits, whatever their order."""
    return hashlib.blake2b("\n".join(sorted(ids)).encode(), digest_size=16).hexdigest()


@dataclass(frozen=True)
class ManifestEntry:
    """One shard.

    Parameters
    ----------
    shard
        Digest of the sample ids.
    blake2b
        BLAKE2b of the shard's file, 64 hexadecimal digits.
    ids
        The samples in the order of the file.
    summary
        What they are, in counts.
    table
        Their families and labels; None if the entry is of version 1, which left them to the shard.
    """

    shard: str
    blake2b: str
    ids: tuple[str, ...]
    summary: Summary
    table: LabelTable | None

    @classmethod
    def of(cls, blake2b: str, samples: Sequence[Sample]) -> ManifestEntry:
        """Return the entry of a file with this digest and these samples; of those, :meth:`Sample.outline` is enough."""
        ids = tuple(sample.id for sample in samples)
        return cls(shard_name(ids), blake2b, ids, Summary.of(samples), LabelTable.of(samples))

    def agrees(self, true: ManifestEntry) -> bool:
        """Return whether this entry says of its samples what another one, made from the shard, says."""
        return self.summary == true.summary and self.table in (None, true.table)

    @property
    def transports(self) -> tuple[str, ...]:
        """Names of the transports that at least one of the samples is labelled for."""
        return tuple(sorted(self.summary.status))

    def path(self, folder: Path) -> Path:
        """Return the shard's file. Its name holds the content's digest, so an entry never names another's bytes."""
        return folder / SHARD_FOLDER / f"{self.shard}-{self.blake2b[:16]}.h5"

    def manifest_path(self, folder: Path) -> Path:
        """Return the file of this entry."""
        return folder / MANIFEST_FOLDER / f"{self.shard}.json"

    def write(self, folder: Path) -> None:
        """Publish the shard: from here on it belongs to the dataset."""
        content = {
            "encoding-type": ENCODING_TYPE,
            "encoding-version": ENCODING_VERSION if self.table else TABLE_SINCE - 1,
            "shard": self.shard,
            "blake2b": self.blake2b,
            "ids": self.ids,
            "summary": self.summary.to_dict(),
            **(self.table.to_dict() if self.table else {}),
        }
        write_durably(self.manifest_path(folder), sealed(content))


def sealed(content: Mapping[str, Any]) -> bytes:
    """Return one line of JSON that holds its own digest: damage to any byte is found without opening the shard."""
    return (json.dumps({**content, "digest": _digest(content)}, sort_keys=True) + "\n").encode()


def _digest(content: Mapping[str, Any]) -> str:
    """Return 32 hexadecimal digits: BLAKE2b of the JSON with sorted keys and no spaces."""
    text = json.dumps(content, sort_keys=True, separators=(",", ":"))
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def create_folders(folder: Path) -> None:
    """Make the folders of a dataset, readable by their owner only, or leave them as they are."""
    with disk_errors(folder):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        for name in (SHARD_FOLDER, MANIFEST_FOLDER):
            (folder / name).mkdir(mode=0o700, exist_ok=True)


def read_manifest(folder: Path) -> list[ManifestEntry]:
    """Return all entries in the order of their names.

    Raises
    ------
    DatasetError
        If the folder is no dataset, or an entry is damaged, foreign or of a newer format.
    """
    return [read_entry(path) for path in entry_paths(folder)]


def entry_paths(folder: Path) -> list[Path]:
    """Return the files of all entries, sorted.

    Raises
    ------
    DatasetError
        If the folder is no dataset.
    """
    manifest = folder / MANIFEST_FOLDER
    if not manifest.is_dir():
        raise DatasetError(f"{folder}: there is no dataset here (no folder {MANIFEST_FOLDER}/); check the path.")
    with disk_errors(manifest):
        # Names that begin with a dot are files under way, or left by a writer that was killed.
        return sorted(path for path in manifest.glob("*.json") if not path.name.startswith("."))


def read_entry(path: Path) -> ManifestEntry:
    """Return an entry.

    Raises
    ------
    DatasetError
        If it is damaged, foreign or of a newer format.
    """
    with disk_errors(path):
        data = path.read_bytes()
    try:
        return _parse(json.loads(data), path)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise DatasetError(
            f"{path}: this manifest entry is damaged; repair the dataset (it can restore the entry from its shard)."
        ) from error


def _parse(content: Mapping[str, Any], path: Path) -> ManifestEntry:
    """Return the entry; ValueError, KeyError or TypeError if it is none."""
    if content["digest"] != _digest({key: value for key, value in content.items() if key != "digest"}):
        raise ValueError("damaged")
    if content["encoding-type"] == ENCODING_TYPE and int(content["encoding-version"]) > ENCODING_VERSION:
        raise NewerFormat(
            f"{path}: written in format {content['encoding-version']} by a newer ionscreen, this one reads format "
            f"{ENCODING_VERSION}; update ionscreen."
        )
    ids, version = tuple(content["ids"]), content["encoding-version"]
    table = LabelTable.from_dict(content, len(ids)) if version >= TABLE_SINCE else None
    entry = ManifestEntry(content["shard"], content["blake2b"], ids, Summary.from_dict(content["summary"]), table)
    sound = (
        content["encoding-type"] == ENCODING_TYPE
        and version in range(1, ENCODING_VERSION + 1)
        and (table is None or table.records.keys() == entry.summary.status.keys())
        and all(_HEX32.match(sample) for sample in ids)
        and len(set(ids)) == len(ids) > 0
        and _HEX64.match(entry.blake2b)
        and entry.shard == shard_name(ids) == path.stem
    )
    if not sound:
        raise ValueError("not a manifest entry")
    return entry
