"""Verification of a dataset: every hash, every layout, and whether the numbers can be true."""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Callable, Iterator

import numpy as np

from .errors import DatasetError
from .label import Status
from .manifest import ManifestEntry, entry_paths, read_entry
from .plausibility import problems
from .sample import Sample
from .shard_reader import check_hash, open_shard, read_samples

__all__ = ["Finding", "verify"]

_FEW = 10  # fewer samples may well be equal


@dataclass(frozen=True)
class Finding:
    """Something that is wrong.

    Parameters
    ----------
    kind
        ``"entry"`` (the manifest entry is damaged, newer, or says what its shard does not), ``"file"`` (the shard is
        damaged, newer, missing or foreign), ``"physics"`` (numbers that cannot be true), ``"duplicate"`` (a sample
        stands in two shards, or two samples have equal voxels) or ``"constant"`` (a label is the same for all samples).
    shard
        Name of the shard.
    sample
        Id of the sample, empty if the whole shard is meant.
    sentence
        What is wrong and, where there is one, the cure.
    """

    kind: str
    shard: str
    sample: str
    sentence: str


def verify(folder: str | os.PathLike[str], on_shard: Callable[[], None] | None = None) -> list[Finding]:
    """Return all that is wrong with a dataset, in the order of the shards; nothing if it is sound.

    Every file is read and hashed anew, every sample decompressed; `on_shard` is called after each.

    Raises
    ------
    DatasetError
        If the folder is no dataset.
    """
    root = Path(folder)
    findings: list[Finding] = []
    entries = []
    for path in entry_paths(root):
        try:
            entries.append(read_entry(path))
        except DatasetError as error:
            findings.append(Finding("entry", path.stem, "", str(error)))
    seen = _Seen({}, {})
    for entry in entries:
        findings += _shard_findings(root, entry, seen)
        if on_shard:
            on_shard()
    return [*findings, *_duplicates(entries), *_constants(seen)]


@dataclass(frozen=True)
class _Seen:
    """What earlier shards held: digest of the voxels -> sample; transport and axis -> count and extremes of σ_eff."""

    structures: dict[bytes, str]
    ranges: dict[tuple[str, int], tuple[int, float, float]]

    def twin(self, sample: Sample) -> str:
        """Return the id of an earlier sample with the same voxels, empty if there is none."""
        if sample.microstructure is None:
            return ""
        shape = repr(sample.microstructure.shape).encode()
        digest = hashlib.blake2b(sample.microstructure.phases.tobytes(), digest_size=16, key=shape).digest()
        first = self.structures.setdefault(digest, sample.id)
        return "" if first == sample.id else first

    def note(self, sample: Sample) -> None:
        """Take the labels that are OK into account."""
        for name, label in sample.labels.items():
            for axis in np.flatnonzero(label.status == Status.OK).tolist():
                sigma = float(label.sigma[axis])
                count, low, high = self.ranges.get((name, axis), (0, sigma, sigma))
                self.ranges[name, axis] = count + 1, min(low, sigma), max(high, sigma)


def _constants(seen: _Seen) -> Iterator[Finding]:
    for (name, axis), (count, low, high) in sorted(seen.ranges.items()):
        if count >= _FEW and low == high:
            yield Finding("constant", "", "", f"{name}, axis {axis}: σ_eff is {low} S/m for all {count} samples.")


def _duplicates(entries: list[ManifestEntry]) -> Iterator[Finding]:
    counts = Counter(sample for entry in entries for sample in entry.ids)
    for entry in entries:
        for sample in entry.ids:
            if counts[sample] > 1:
                sentence = f"Sample {sample} stands in {counts[sample]} shards; that of the first name counts."
                yield Finding("duplicate", entry.shard, sample, sentence)


def _shard_findings(folder: Path, entry: ManifestEntry, seen: _Seen) -> Iterator[Finding]:
    try:
        check_hash(folder, entry)
        outlines = []
        with open_shard(folder, entry) as file:
            for sample in read_samples(file, range(len(entry.ids))):
                outlines.append(sample.outline())
                seen.note(sample)
                if twin := seen.twin(sample):
                    yield Finding("duplicate", entry.shard, sample.id, f"Sample {sample.id} has the voxels of {twin}.")
                for sentence in problems(sample):
                    yield Finding("physics", entry.shard, sample.id, sentence)
        if not entry.agrees(ManifestEntry.of(entry.blake2b, outlines)):
            # Its digest agrees, so no disk did this but a program.
            sentence = "The manifest entry counts or labels samples otherwise than the shard; repair makes it again."
            yield Finding("entry", entry.shard, "", sentence)
    except DatasetError as error:
        yield Finding("file", entry.shard, "", str(error))
