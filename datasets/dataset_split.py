"""The split: which samples train, validate and test."""

from __future__ import annotations

import hashlib
from typing import Iterable, Sequence

from .errors import InvalidInput

__all__ = ["split"]

_NAMES = ("train", "validation", "test")


def split(ids: Iterable[str], seed: int, fractions: Sequence[float] = (0.8, 0.1, 0.1)) -> dict[str, list[str]]:
    """Return the ids of ``"train"``, ``"validation"`` and ``"test"``, each in the order given.

    Where an id goes depends on it and the seed alone: a dataset that grows never moves a sample from test to training.
    The sizes therefore meet the fractions only on average.

    Parameters
    ----------
    ids
        Sample ids.
    seed
        Another seed gives another split.
    fractions
        Of training, validation and test; they sum to 1.

    Raises
    ------
    InvalidInput
        If the fractions are not three numbers of 0 or more that sum to 1.
    """
    if len(fractions) != len(_NAMES) or min(fractions) < 0 or not abs(sum(fractions) - 1) <= 1e-9:
        raise InvalidInput(f"fractions is {tuple(fractions)!r}; give three numbers of 0 or more that sum to 1.")
    parts: dict[str, list[str]] = {name: [] for name in _NAMES}
    for sample in ids:
        parts[_part(sample, seed, fractions)].append(sample)
    return parts


def _part(sample: str, seed: int, fractions: Sequence[float]) -> str:
    digest = hashlib.blake2b(f"{seed}/{sample}".encode(), digest_size=8).digest()
    place = (int.from_bytes(digest, "big") >> 11) / 2.0**53  # exact in float64, in [0, 1)
    if place < fractions[0]:
        return "train"
    return "validation" if place < fractions[0] + fractions[1] else "test"
