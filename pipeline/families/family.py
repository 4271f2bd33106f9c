"""What every family of microstructures provides, and the checks they share."""

from __future__ import annotations

from typing import Any, ClassVar, Protocol

import edt
import numpy as np
import numpy.typing as npt

from ...datasets import InvalidInput, Microstructure

__all__ = ["Family", "periodic_distance", "require_between", "require_fits", "threshold_to_fraction"]


class Family(Protocol):
    """A family: a frozen dataclass of physical parameters that generates microstructures.

    The fields are the parameters of the recipe; ``__post_init__`` refuses impossible values. ``generate`` is a pure
    function of its arguments.
    """

    name: ClassVar[str]
    phase_names: ClassVar[tuple[str, ...]]

    def check(self, shape: tuple[int, int, int], voxel_size: tuple[float, float, float]) -> None:
        """Raise InvalidInput, naming the field, if these parameters do not fit the box."""

    def generate(
        self, shape: tuple[int, int, int], voxel_size: tuple[float, float, float], seed: int
    ) -> Microstructure:
        """Return the microstructure of this seed."""


def require_between(family: Family, field: str, low: float, high: float) -> None:
    """Raise InvalidInput unless ``low <= family.field <= high``."""
    value = getattr(family, field)
    if not isinstance(value, int | float) or isinstance(value, bool) or not low <= value <= high:
        raise InvalidInput(f"Family {family.name!r}: {field} is {value!r}; give a number from {low:g} to {high:g}.")


def require_fits(
    family: Family, field: str, shape: tuple[int, int, int], voxel_size: tuple[float, float, float]
) -> None:
    """Raise InvalidInput if the length `field` (µm) is under one voxel or over half the shortest edge of the box."""
    length = getattr(family, field)
    voxel_um = 1e6 * max(voxel_size)
    edge_um = 1e6 * min(n * h for n, h in zip(shape, voxel_size, strict=True))
    # The slack is for lengths that are equal on paper: 16 voxels of 0.4 µm are a rounding error short of 6.4 µm.
    if length < voxel_um * (1 - 1e-9):
        raise InvalidInput(
            f"Family {family.name!r}: {field} is {length:g} µm, less than a voxel ({voxel_um:g} µm); "
            "raise it or take smaller voxels."
        )
    if length > edge_um / 2 * (1 + 1e-9):
        raise InvalidInput(
            f"Family {family.name!r}: {field} is {length:g} µm, more than half the box edge ({edge_um:g} µm); "
            "lower it or take a larger box."
        )


def threshold_to_fraction(
    field: npt.NDArray[Any], fraction: float, rng: np.random.Generator, among: npt.NDArray[np.bool_] | None = None
) -> npt.NDArray[np.bool_]:
    """Return the mask of the ``fraction`` of all voxels that have the lowest `field`, met to the voxel.

    Parameters
    ----------
    field
        (nx, ny, nz), any scalar field; equal values are told apart at random.
    fraction
        Of all voxels of the box, not only of those in `among`.
    rng
        Breaks ties.
    among
        (nx, ny, nz): only these voxels are chosen.
    """
    chosen = np.zeros(field.size, dtype=bool)
    places = np.arange(field.size) if among is None else np.flatnonzero(among)
    count = min(round(fraction * field.size), places.size)
    lot = rng.random(places.size)
    if count > 0:
        values = field.ravel()[places]
        # A partition instead of a sort: only the voxels that equal the last value taken need their lots compared.
        last = np.partition(values, count - 1)[count - 1]
        below, equal = values < last, np.flatnonzero(values == last)
        wanted = count - np.count_nonzero(below)
        chosen[places[below]] = True
        chosen[places[equal[np.argsort(lot[equal], kind="stable")[:wanted]]]] = True
    return chosen.reshape(field.shape)


def periodic_distance(
    mask: npt.NDArray[np.bool_], voxel_size: tuple[float, float, float], reach: float
) -> npt.NDArray[np.float32]:
    """Return the distance, µm, to the nearest voxel of `mask`, (nx, ny, nz), in the box continued periodically.

    Beyond `reach`, metres, it is at least that.
    """
    margins = [int(np.ceil(reach / h)) for h in voxel_size]
    wide = np.pad(mask, [(m, m) for m in margins], mode="wrap")
    distance: npt.NDArray[np.float32] = edt.edt(~wide, anisotropy=tuple(h * 1e6 for h in voxel_size), parallel=1)
    return distance[tuple(slice(m, m + n) for m, n in zip(margins, mask.shape, strict=True))]
