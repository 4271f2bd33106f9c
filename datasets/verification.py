"""Verification of a dataset: every hash, every layout, and whether the numbers can be true."""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Iterator

import numpy as np

from .errors import DatasetError, InvalidInput
from .label import Label, Status
from .manifest import ManifestEntry, read_manifest
from .microstructure import Microstructure
from .sample import Sample
from .shard_reader import check_hash, open_shard, read_sample

__all__ = ["Finding", "verify"]

_ROUNDING = 1e-9  # relative
_SOLVED = (Status.OK, Status.NON_PERCOLATING, Status.NOT_CONVERGED)


@dataclass(frozen=True)
class Finding:
    """Something that is wrong.

    Parameters
    ----------
    kind
        ``"file"`` (missing, damaged, foreign), ``"duplicate"`` or ``"physics"``.
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


def verify(folder: str | os.PathLike[str]) -> list[Finding]:
    """Return all that is wrong with a dataset, in the order of the shards; nothing if it is sound.

    Every file is read and hashed anew, every sample decompressed.

    Raises
    ------
    DatasetError
        If the folder is no dataset, or its manifest cannot be read.
    """
    root = Path(folder)
    entries = read_manifest(root)
    findings = [finding for entry in entries for finding in _shard_findings(root, entry)]
    return [*findings, *_duplicates(entries)]


def _duplicates(entries: list[ManifestEntry]) -> Iterator[Finding]:
    counts = Counter(sample for entry in entries for sample in entry.ids)
    for entry in entries:
        for sample in entry.ids:
            if counts[sample] > 1:
                sentence = f"Sample {sample} stands in {counts[sample]} shards; that of the first name counts."
                yield Finding("duplicate", entry.shard, sample, sentence)


def _shard_findings(folder: Path, entry: ManifestEntry) -> Iterator[Finding]:
    try:
        check_hash(folder, entry)
        for row in range(len(entry.ids)):
            with open_shard(folder, entry) as file:
                sample = read_sample(file, row)
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
    series = 0.0 if np.any(conductivities == 0) else float(1 / np.sum(fractions / conductivities))
    return series, float(fractions @ conductivities)
