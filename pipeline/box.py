"""Box: whether it is large enough to stand for the material."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from .families import Family

__all__ = ["DIAMETERS", "BoxWarning", "box_warning"]

DIAMETERS = 8  # of the largest particles along an edge: below, σ_eff scatters with what happens to be in the box


@dataclass(frozen=True)
class BoxWarning:
    """A box with fewer than 8 of the largest lengths along its shortest edge.

    Parameters
    ----------
    sentence
        Says so and what to do.
    shortfall
        How many diameters are missing.
    """

    sentence: str
    shortfall: float


def box_warning(
    family: Family, shape: tuple[int, int, int], voxel_size: tuple[float, float, float]
) -> BoxWarning | None:
    """Return what is wrong with a box for structures of a family, None if its edges hold 8 diameters.

    Parameters
    ----------
    family
        Its parameters that end in ``_um`` are the lengths, but for the cells of minimal surfaces.
    shape, voxel_size
        Voxels; metres.
    """
    fields: dict[str, Any] = vars(family)
    # A periodic surface is the same in every cell.
    lengths = {n: float(v) for n, v in fields.items() if n.endswith("_um") and n != "cell_size_um"}
    if not lengths:
        return None
    name = max(lengths, key=lambda n: lengths[n])
    edge_um = 1e6 * min(n * h for n, h in zip(shape, voxel_size, strict=True))
    diameters = edge_um / lengths[name]
    if diameters >= DIAMETERS * (1 - 1e-9):
        return None
    return BoxWarning(
        f"Family {family.name!r}: the box edge of {edge_um:g} µm holds {diameters:.1f} times {name} "
        f"{lengths[name]:g} µm; below {DIAMETERS} its conductivity scatters from box to box: take more voxels.",
        DIAMETERS - diameters,
    )
