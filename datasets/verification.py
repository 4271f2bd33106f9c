"""Verification of a dataset: every hash, every layout, and whether the numbers can be true."""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Callable, Iterator

import numpy as np

from .errors import DatasetError, InvalidInput
from .label import Label, Status
from .manifest import ManifestEntry, entry_paths, read_entry
from .microstructure import Microstructure
from .sample import Sample
from .shard_reader import check_hash, open_shard, read_samples

__all__ = ["Finding", "verify"]

_ROUNDING = 1e-9  # relative
_FEW = 10  # fewer samples may well be equal
_SOLVED = (Status.OK, Status.NON_PERCOLATING, Status.NOT_CONVERGED)


@dataclass(frozen=True)
class Finding:
    """Something that is wrong.

    Parameters
    ----------
    kind
        ``"entry"`` (the manifest entry is damaged or newer), ``"file"`` (the shard is damaged, newer, missing or
        foreign), ``"physics"`` (numbers that cannot be true), ``"duplicate"`` (a sample stands in two shards, or two
        samples have equal voxels) or ``"constant"`` (a label is the same for all samples).
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
        with open_shard(folder, entry) as file:
            for sample in read_samples(file, range(len(entry.ids))):
                seen.note(sample)
                if twin := seen.twin(sample):
                    yield Finding("duplicate", entry.shard, sample.id, f"Sample {sample.id} has the voxels of {twin}.")
                for sentence in _sample_findings(sample):
                    yield Finding("physics", entry.shard, sample.id, sentence)
    except DatasetError as error:
        yield Finding("file", entry.shard, "", str(error))


def _sample_findings(sample: Sample) -> Iterator[str]:
    for name, label in sample.labels.items():
        if sample.microstructure is None and any(int(s) in _SOLVED for s in label.status):
            yield f"{name}: solved, but there is no microstructure."
            continue
        for axis in range(3):
            problem = _axis_problem(sample.microstructure, label, axis)
            if problem:
                yield f"{name}, axis {axis}: {problem}"


def _axis_problem(microstructure: Microstructure | None, label: Label, axis: int) -> str:
    """Return a sentence on what cannot be true of one number, empty if it can."""
    status, sigma = int(label.status[axis]), float(label.sigma[axis])
    if status not in list(Status):
        return f"there is no status {status}."
    if microstructure is None or status not in _SOLVED:
        return "" if np.isnan(sigma) else f"status {Status(status).name.lower()}, but σ_eff = {sigma} S/m."
    if status == Status.NON_PERCOLATING:
        if label.connected is not None and np.any(label.connected >> axis & 1):
            return "does not percolate, but voxels are connected to both faces."
        return "" if sigma == 0 else f"does not percolate, but σ_eff = {sigma} S/m."
    if not np.isfinite(sigma):
        return "σ_eff is not a finite number."
    if status == Status.NOT_CONVERGED:
        return ""
    return _bounds_problem(microstructure, label, axis)


def _bounds_problem(microstructure: Microstructure, label: Label, axis: int) -> str:
    try:
        low, high = _wiener_bounds(microstructure, label)
    except InvalidInput as error:
        return str(error)
    sigma, tolerance = float(label.sigma[axis]), float(np.nan_to_num(label.error_estimate[axis])) + _ROUNDING
    if label.connected is not None and not np.any(label.connected >> axis & 1):
        return "σ_eff is known, but no voxel is connected to both faces."
    if not low * (1 - tolerance) <= sigma <= high * (1 + tolerance):
        return f"σ_eff = {sigma} S/m lies outside the Wiener bounds {low} to {high} S/m."
    if label.upper_bound[axis] < sigma * (1 - tolerance):
        return f"σ_eff = {sigma} S/m exceeds its own upper bound {label.upper_bound[axis]} S/m."
    return ""


def _wiener_bounds(microstructure: Microstructure, label: Label) -> tuple[float, float]:
    """Return the conductivities of the phases in series and in parallel, S/m; Wiener 1912."""
    fractions = np.array(list(microstructure.fractions().values()))
    conductivities = label.transport.table(microstructure.phase_names)
    fractions, conductivities = fractions[fractions > 0], conductivities[fractions > 0]
    is_bounded = np.all(conductivities > 0) and not label.transport.has_resistances
    series = float(1 / np.sum(fractions / conductivities)) if is_bounded else 0.0
    return series, float(fractions @ conductivities)
