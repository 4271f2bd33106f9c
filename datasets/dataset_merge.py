"""Merge: the samples of several datasets in one."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Callable, Iterable

from .dataset import Dataset
from .durable_file import disk_errors, write_durably
from .fields import ENCODING_VERSION
from .manifest import ManifestEntry, create_folders, read_manifest
from .shard import write_shard
from .shard_reader import check_hash, open_shard, read_samples

__all__ = ["merge"]


def merge(
    destination: str | os.PathLike[str],
    sources: Iterable[str | os.PathLike[str]],
    on_shard: Callable[[], None] | None = None,
) -> int:
    """Add the samples of other datasets to one, and return how many were new to it.

    A sample that is there already stays as it is. Shards are copied byte for byte; those that share samples with the
    destination are written anew without them, those of an earlier format in the newest one. Interrupted and called
    again, a merge goes on where it stopped.

    Parameters
    ----------
    destination
        Made if it does not exist.
    sources
        Left as they are.
    on_shard
        Called after each shard.

    Raises
    ------
    DatasetError
        If a source is no dataset or damaged, or the destination cannot be written.
    """
    target = Path(destination)
    create_folders(target)
    known = set(Dataset(target).ids)
    before = len(known)
    for source in map(Path, sources):
        for entry in read_manifest(source):
            _add(target, source, entry, known)
            known.update(entry.ids)
            if on_shard:
                on_shard()
    return len(known) - before


def _add(target: Path, source: Path, entry: ManifestEntry, known: set[str]) -> None:
    new = [row for row, sample in enumerate(entry.ids) if sample not in known]
    with open_shard(source, entry) as file:
        is_newest = file.attrs["encoding-version"] == ENCODING_VERSION and entry.table is not None
    if len(new) == len(entry.ids) and is_newest:
        check_hash(source, entry)
        with disk_errors(entry.path(source)):
            data = entry.path(source).read_bytes()
        write_durably(entry.path(target), data)
        entry.write(target)
    elif new:
        with open_shard(source, entry) as file:
            write_shard(target, read_samples(file, new))
