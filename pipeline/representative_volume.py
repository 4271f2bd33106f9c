"""Representative volume: how far σ_eff and fractions scatter between boxes of growing size, cut out of a structure."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ..datasets import InvalidInput, Microstructure
from .conductivity import effective_conductivity

__all__ = ["BoxSize", "representative_volume"]

HALVINGS = 4  # edges from a fifth to half of the structure, so that several boxes are apart from each other
LEAST = 8  # voxels


@dataclass(frozen=True)
class BoxSize:
    """What boxes of one size have in common.

    Parameters
    ----------
    edge
        Voxels.
    relative
        (n,): σ_eff over that of the conducting phase, of each box along the axis.
    fraction
        (n,): volume fraction of the conducting phases in each.
    """

    edge: int
    relative: npt.NDArray[np.float64]
    fraction: npt.NDArray[np.float64]

    @property
    def scatter(self) -> float:
        """Standard deviation of σ_eff over its mean; infinite if none conducts."""
        mean = self.relative.mean()
        return float(self.relative.std(ddof=1) / mean) if mean > 0 else float("inf")


def representative_volume(
    structure: Microstructure,
    conducting: Collection[str],
    axis: int = 0,
    *,
    edges: Sequence[int] | None = None,
    boxes: int = 8,
) -> list[BoxSize]:
    """Return σ_eff and fraction of boxes cut out of a structure, by their size, the smallest first.

    A box is representative of the material when boxes of its size agree as closely as is wanted: Kanit et al. 2003, doi
    10.1016/S0020-7683(03)00143-4. The scatter falls with the root of the volume once boxes are larger than the
    correlation length.

    Parameters
    ----------
    structure
        At least 16 voxels along each edge.
    conducting
        Names of the phases that conduct, all alike.
    axis
        Along which σ_eff is computed.
    edges
        Voxels along the edges of the boxes; five from a fifth to half of the shortest edge if not given.
    boxes
        Of each size: at corners of the structure, then between, as evenly apart as there is room.

    Raises
    ------
    InvalidInput
        If the structure is too small, a phase is unknown, or an edge does not fit.
    """
    unknown = sorted(set(conducting) - set(structure.phase_names))
    if unknown:
        raise InvalidInput(f"There is no phase {unknown[0]!r}; the structure has {', '.join(structure.phase_names)}.")
    shortest = min(structure.shape)
    if shortest < 2 * LEAST:
        raise InvalidInput(f"A structure of {shortest} voxels along an edge is too small to cut boxes from; take 16.")
    if edges is None:
        edges = sorted({max(LEAST, int(e)) for e in np.linspace(shortest / 5, shortest / 2, HALVINGS + 1)})
    if boxes < 2 or min(edges) < 2 or max(edges) > shortest:
        raise InvalidInput(f"Boxes need edges from 2 to {shortest} voxels, and 2 boxes or more of each size.")
    mask = np.isin(structure.phases, [n for n, name in enumerate(structure.phase_names) if name in conducting])
    return [_size(mask.astype(np.uint8), structure.voxel_size, axis, edge, boxes) for edge in edges]


def _size(
    phases: npt.NDArray[np.uint8], voxel_size: tuple[float, float, float], axis: int, edge: int, boxes: int
) -> BoxSize:
    relative, fraction = [], []
    for corner in _corners(phases.shape, edge, boxes):
        box = np.ascontiguousarray(phases[tuple(slice(c, c + edge) for c in corner)])
        fraction.append(float(box.mean()))
        found = effective_conductivity(box, {0: 0.0, 1: 1.0}, voxel_size=voxel_size, axis=axis, rtol=1e-3)
        relative.append(found.sigma)
    return BoxSize(edge, np.array(relative), np.array(fraction))


def _corners(shape: tuple[int, ...], edge: int, boxes: int) -> Iterator[tuple[int, ...]]:
    """Yield where boxes begin: a grid of places that has room for at least that many, thinned out evenly."""
    per_axis = int(np.ceil(boxes ** (1 / 3) - 1e-9))
    places = np.stack(
        np.meshgrid(*(np.linspace(0, n - edge, per_axis).round().astype(int) for n in shape), indexing="ij"), axis=-1
    ).reshape(-1, 3)
    for i in np.linspace(0, len(places) - 1, boxes).round().astype(int):
        yield tuple(int(c) for c in places[i])
