"""Repair: what cannot be trusted is moved aside, so that a resumed campaign computes it again."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Callable

from .durable_file import disk_errors, sync_folder
from .errors import DatasetError, NewerFormat
from .manifest import (
    SHARD_FOLDER,
    ManifestEntry,
    entry_paths,
    read_entry,
)
from .shard_reader import check_hash, open_shard, read_outlines, recover_entry

__all__ = ["Repair", "repair"]

QUARANTINE = "quarantine"


@dataclass(frozen=True)
class Repair:
    """What a repair did.

    Parameters
    ----------
    quarantined
        Files moved to the folder ``quarantine/`` of the dataset.
    restored
        Names of shards whose manifest entry was damaged, or said what the shard does not, and was made again from it.
    recompute
        Ids of the samples that are gone, sorted.
    unknown
        Names of shards that are gone without a trace of their ids; a resumed campaign knows them from its recipes.
    """

    quarantined: tuple[Path, ...]
    restored: tuple[str, ...]
    recompute: tuple[str, ...]
    unknown: tuple[str, ...]


def repair(folder: str | os.PathLike[str], on_shard: Callable[[], None] | None = None) -> Repair:
    """Leave a dataset in which every shard is sound, and say what must be computed again.

    Numbers that cannot be true (:func:`verify`) are not touched: computing them again would give the same. To be called
    while nothing writes. `on_shard` is called after each shard that was checked.

    Raises
    ------
    DatasetError
        If the folder is no dataset, of a newer format, or cannot be written.
    """
    root = Path(folder)
    restored, unknown, quarantined = [], [], []
    for path in [path for path in entry_paths(root) if not _is_sound(path)]:
        # The damaged entry is moved only when its successor is known: killed here, a second repair finds it again.
        entry = _recovered(root, path.stem)
        if entry is not None:
            entry.write(root)
            restored.append(path.stem)
        else:
            quarantined += _quarantine(root, [path, *_shard_files(root, path.stem)])
            unknown.append(path.stem)
    entries = [read_entry(path) for path in entry_paths(root)]
    damaged = []
    for entry in entries:
        true = _told_by_shard(root, entry)
        if true is None:
            damaged.append(entry)
        elif not entry.agrees(true):
            true.write(root)
            restored.append(entry.shard)
        if on_shard:
            on_shard()
    for entry in damaged:
        # The entry first: killed in between, the dataset is sound and the file an orphan.
        quarantined += _quarantine(root, [entry.manifest_path(root), entry.path(root)])
    kept = {sample for entry in entries if entry not in damaged for sample in entry.ids}
    gone = {sample for entry in damaged for sample in entry.ids} - kept
    return Repair(tuple(quarantined), tuple(restored), tuple(sorted(gone)), tuple(unknown))


def _is_sound(path: Path) -> bool:
    try:
        read_entry(path)
    except NewerFormat:
        raise
    except DatasetError:
        return False
    return True


def _told_by_shard(folder: Path, entry: ManifestEntry) -> ManifestEntry | None:
    """Return the entry that a sound shard deserves, None if the shard is not sound."""
    try:
        check_hash(folder, entry)
        with open_shard(folder, entry) as file:
            return ManifestEntry.of(entry.blake2b, read_outlines(file, entry.ids))
    except NewerFormat:
        raise
    except DatasetError:
        return None


def _shard_files(folder: Path, shard: str) -> list[Path]:
    return sorted((folder / SHARD_FOLDER).glob(f"{shard}-*.h5"))


def _recovered(folder: Path, shard: str) -> ManifestEntry | None:
    """Return the entry of the first sound file of a shard: its name holds its digests, so it vouches for itself."""
    for path in _shard_files(folder, shard):
        try:
            return recover_entry(folder, path)
        except NewerFormat:
            raise
        except DatasetError:
            continue
    return None


def _quarantine(folder: Path, paths: list[Path]) -> list[Path]:
    """Move files aside, one after another, and return where they went."""
    target = folder / QUARANTINE
    moved = []
    with disk_errors(target):
        target.mkdir(mode=0o700, exist_ok=True)
        for path in paths:
            if path.exists():
                moved.append(path.replace(target / path.name))
                sync_folder(path.parent)
        sync_folder(target)
    return moved
