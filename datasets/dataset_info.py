"""Info: what a dataset holds, from its manifest and the sizes of its files alone."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .durable_file import disk_errors
from .manifest import SHARD_FOLDER, read_manifest
from .summary import Summary

__all__ = ["DatasetInfo", "info"]


@dataclass(frozen=True)
class DatasetInfo:
    """What a dataset holds.

    Parameters
    ----------
    samples
        Different ones.
    repeated
        Places where a sample stands again.
    shards
        Files that the manifest names.
    missing_shards
        How many of them are not there.
    file_bytes
        Size of those that are.
    leftover_bytes
        Size of files that the manifest does not name: left by writers that were killed, or replaced. They may be
        deleted while nothing writes.
    counts
        Shapes, families and how the labels came out; a sample that stands twice counts twice.
    """

    samples: int
    repeated: int
    shards: int
    missing_shards: int
    file_bytes: int
    leftover_bytes: int
    counts: Summary

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON types."""
        return {**vars(self), "counts": self.counts.to_dict()}


def info(folder: str | os.PathLike[str]) -> DatasetInfo:
    """Return what a dataset holds; no shard is opened.

    Raises
    ------
    DatasetError
        If the folder is no dataset, or its manifest is damaged or of a newer format.
    """
    root = Path(folder)
    entries = read_manifest(root)
    sizes = _sizes(root / SHARD_FOLDER)
    named = [sizes.pop(entry.path(root).name, None) for entry in entries]
    ids = {sample for entry in entries for sample in entry.ids}
    return DatasetInfo(
        samples=len(ids),
        repeated=sum(len(entry.ids) for entry in entries) - len(ids),
        shards=len(entries),
        missing_shards=named.count(None),
        file_bytes=sum(size or 0 for size in named),
        leftover_bytes=sum(sizes.values()),
        counts=Summary.total(entry.summary for entry in entries),
    )


def _sizes(folder: Path) -> dict[str, int]:
    with disk_errors(folder), os.scandir(folder) as found:
        return {item.name: item.stat().st_size for item in found}
