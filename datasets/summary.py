"""The summary: what a shard holds, in counts, so that nobody opens ten thousand files to count."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any, Iterable, Mapping, Sequence

from .label import Status
from .sample import Sample

__all__ = ["Summary"]


@dataclass(frozen=True)
class Summary:
    """Counts over some samples.

    Parameters
    ----------
    shapes
        ``"64x64x64"`` -> samples of this shape, voxels.
    families
        Generator family -> samples.
    status
        Transport -> name of a :class:`Status` in lower case -> labelled axes.
    """

    shapes: Mapping[str, int]
    families: Mapping[str, int]
    status: Mapping[str, Mapping[str, int]]

    @classmethod
    def of(cls, samples: Sequence[Sample]) -> Summary:
        """Return the summary of samples."""
        status: dict[str, Counter[str]] = {}
        for name, label in (pair for sample in samples for pair in sample.labels.items()):
            status.setdefault(name, Counter()).update(_status_name(int(value)) for value in label.status)
        return cls(
            dict(Counter("x".join(map(str, sample.recipe.shape)) for sample in samples)),
            dict(Counter(sample.recipe.family for sample in samples)),
            {name: dict(counts) for name, counts in status.items()},
        )

    @classmethod
    def total(cls, parts: Iterable[Summary]) -> Summary:
        """Return the sum of summaries."""
        shapes: Counter[str] = Counter()
        families: Counter[str] = Counter()
        status: dict[str, Counter[str]] = {}
        for part in parts:
            shapes.update(part.shapes)
            families.update(part.families)
            for name, counts in part.status.items():
                status.setdefault(name, Counter()).update(counts)
        return cls(dict(shapes), dict(families), {name: dict(counts) for name, counts in status.items()})

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON types."""
        return {"shapes": self.shapes, "families": self.families, "status": self.status}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Summary:
        """Return the summary that :meth:`to_dict` described; ValueError, KeyError or TypeError if it is none."""
        status = {name: _counts(counts) for name, counts in dict(data["status"]).items()}
        return cls(_counts(data["shapes"]), _counts(data["families"]), status)


def _status_name(value: int) -> str:
    return Status(value).name.lower() if value in list(Status) else str(value)


def _counts(data: Any) -> dict[str, int]:
    counts = dict(data)
    if not all(isinstance(count, int) and count >= 0 for count in counts.values()):
        raise ValueError("not counts")
    return counts
