"""Merge: the samples of several datasets in one."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Iterable

from .dataset import Dataset
from .durable_file import disk_errors, write_durably
from .manifest import ManifestEntry, create_folders, read_manifest
from .shard import write_shard
from .shard_reader import check_hash, open_shard, read_samples

__all__ = ["merge"]


def merge(destination: str | os.PathLike[str], sources: Iterable[str | os.PathLike[str]]) -> int:
    """Add the samples of other datasets to one, and return how many were new to it.

    A sample that is there already stays as it is. Shards are copied byte for byte, those that share samples with the
    destination are written anew without them. Interrupted and called again, a merge goes on where it stopped.

    Parameters
    ----------
    destination
        Made if it does not exist.
    sources
        Left as they are.

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
    return len(known) - before


def _add(target: Path, source: Path, entry: ManifestEntry, known: set[str]) -> None:
    new = [row for row, sample in enumerate(entry.ids) if sample not in known]
    if len(new) == len(entry.ids):
        check_hash(source, entry)
        with disk_errors(entry.path(source)):
            data = entry.path(source).read_bytes()
        write_durably(entry.path(target), data)
        entry.write(target)
    elif new:
        with open_shard(source, entry) as file:
            write_shard(target, read_samples(file, new))
