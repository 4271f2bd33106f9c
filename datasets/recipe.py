"""The recipe: everything that determines a microstructure, and its digest, the sample id."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import Any, Mapping

from .errors import InvalidInput

__all__ = ["Recipe"]

ID_BYTES = 16


@dataclass(frozen=True)
class Recipe:
    """Parameters and seed of one microstructure.

    Parameters
    ----------
    family
        Name of the generator family, for instance ``"blobs"``; ``"image"`` is a crop of a file.
    parameters
        The family's parameters: numbers, booleans, strings. Units stand in the names (``radius_um``).
    shape
        (nx, ny, nz), voxels.
    voxel_size
        (hx, hy, hz), metres.
    seed
        Distinguishes structures of equal parameters; the generator's random state derives from :attr:`id`.
    """

    family: str
    parameters: Mapping[str, Any]
    shape: tuple[int, int, int]
    voxel_size: tuple[float, float, float]
    seed: int

    def __post_init__(self) -> None:
        # 1 and 1.0 are the same length but not the same JSON: a recipe read back must keep its id.
        object.__setattr__(self, "shape", tuple(int(n) for n in self.shape))
        object.__setattr__(self, "voxel_size", tuple(float(h) for h in self.voxel_size))

    def canonical_json(self) -> str:
        """Return the one JSON text of this recipe: sorted keys, no spaces, ASCII, shortest round-trip floats."""
        return json.dumps(self.to_dict(), sort_keys=True, separators=(",", ":"), allow_nan=False)

    @property
    def id(self) -> str:
        """32 hexadecimal digits: BLAKE2b of the canonical JSON."""
        return hashlib.blake2b(self.canonical_json().encode(), digest_size=ID_BYTES).hexdigest()

    @property
    def random_seed(self) -> int:
        """Seed in [0, 2³²) for the generator, derived from :attr:`id`, so that no two recipes share a random stream."""
        return int(self.id[:8], 16)

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON types."""
        return {
            "family": self.family,
            "parameters": dict(self.parameters),
            "shape": list(self.shape),
            "voxel_size": list(self.voxel_size),
            "seed": self.seed,
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Recipe:
        """Return the recipe that :meth:`to_dict` described.

        Raises
        ------
        InvalidInput
            If a field is missing or has the wrong form.
        """
        try:
            nx, ny, nz = (int(n) for n in data["shape"])
            hx, hy, hz = (float(h) for h in data["voxel_size"])
            return cls(str(data["family"]), dict(data["parameters"]), (nx, ny, nz), (hx, hy, hz), int(data["seed"]))
        except (KeyError, TypeError, ValueError) as error:
            raise InvalidInput(f"This is not a recipe (field {error}): {dict(data)!r}") from error
