"""Descriptors: numbers that say how a phase is shaped; closed formulas of σ_eff are made of them."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import cc3d
import edt
import numpy as np
import numpy.typing as npt

from ..datasets import InvalidInput, Microstructure
from .percolation import percolating_mask

__all__ = [
    "constrictivity",
    "contact_areas",
    "correlation_length",
    "describe",
    "fractions",
    "geodesic_tortuosity",
    "size_quantiles",
    "specific_surface",
]

Mask = npt.NDArray[np.bool_]
Lengths = tuple[float, float, float]
AXES = "xyz"
HALVINGS = 9  # of the interval that a radius is searched in: to a 500th of the largest


def describe(
    structure: Microstructure, conducting: Collection[str], axes: Sequence[int] = (0, 1, 2)
) -> dict[str, float]:
    """Return the descriptors of the conducting phases together.

    Parameters
    ----------
    structure
        With cubic voxels for the sizes and the constrictivity; they are left out otherwise.
    conducting
        Names of the phases that conduct.
    axes
        Along which connected fraction, constrictivity and geodesic tortuosity are computed.

    Returns
    -------
    dict
        ``fraction_<phase>``; ``contact_<a>_<b>_per_m`` for phases that touch; ``specific_surface_per_m``;
        ``correlation_length_m``; ``size_10_<phase>_m``, ``size_50_<phase>_m``, ``size_90_<phase>_m`` of every phase;
        for each axis ``connected_fraction_<axis>`` (of the box) and, of the connected part, ``constrictivity_<axis>``
        and ``geodesic_tortuosity_<axis>``.
        What does not exist is left out: a phase that does not percolate has no tortuosity.

    Raises
    ------
    InvalidInput
        If a name is none of the structure's phases.
    """
    unknown = sorted(set(conducting) - set(structure.phase_names))
    if unknown:
        raise InvalidInput(f"There is no phase {unknown[0]!r}; the structure has {', '.join(structure.phase_names)}.")
    numbers = [number for number, name in enumerate(structure.phase_names) if name in conducting]
    mask, size = np.isin(structure.phases, numbers), structure.voxel_size
    found = fractions(structure)
    found |= {f"contact_{a}_{b}_per_m": area for (a, b), area in contact_areas(structure).items()}
    found["specific_surface_per_m"] = specific_surface(mask, size)
    cubic = max(size) <= min(size) * (1 + 1e-9)
    if mask.any() and not mask.all():
        found["correlation_length_m"] = correlation_length(mask, size)
    for number, name in enumerate(structure.phase_names if cubic else ()):
        phase = structure.phases == number
        if phase.any() and not phase.all():
            sizes = size_quantiles(phase, size[0])
            found |= {f"size_{q}_{name}_m": float(d) for q, d in zip((10, 50, 90), sizes, strict=True)}
    for axis in axes:
        connected = percolating_mask(mask, axis)
        found[f"connected_fraction_{AXES[axis]}"] = float(connected.mean())
        if connected.any():
            found[f"geodesic_tortuosity_{AXES[axis]}"] = geodesic_tortuosity(connected, axis, size)
            if cubic and not connected.all():
                found[f"constrictivity_{AXES[axis]}"] = constrictivity(connected, axis)
    return found


def fractions(structure: Microstructure) -> dict[str, float]:
    """Return ``fraction_<phase>`` of every phase, as achieved."""
    return {f"fraction_{name}": fraction for name, fraction in structure.fractions().items()}


def specific_surface(mask: Mask, voxel_size: Lengths) -> float:
    """Return the surface of a mask, (nx, ny, nz), per volume of the box, 1/m; faces of the box do not count.

    Crofton's formula with three directions, S_V = 2 P_L: twice the mean number of crossings per length of line. Exact
    for a surface without preferred direction; 2/3 to 1.15 times the truth for planes.
    """
    return _crossings(lambda a, b: a != b, mask, voxel_size)


def contact_areas(structure: Microstructure) -> dict[tuple[str, str], float]:
    """Return the area of contact between each pair of phases that touch, per volume of the box, 1/m."""
    names = structure.phase_names
    areas = {}
    for a in range(len(names)):
        for b in range(a + 1, len(names)):

            def crosses(u: Any, v: Any, a: int = a, b: int = b) -> Any:
                return ((u == a) & (v == b)) | ((u == b) & (v == a))

            area = _crossings(crosses, structure.phases, structure.voxel_size)
            if area > 0:
                areas[names[a], names[b]] = area
    return areas


def _crossings(crosses: Any, image: npt.NDArray[Any], voxel_size: Lengths) -> float:
    per_length = 0.0
    for axis, h in enumerate(voxel_size):
        lines = np.moveaxis(image, axis, 0)
        if len(lines) > 1:
            per_length += np.count_nonzero(crosses(lines[1:], lines[:-1])) / (lines[1:].size * h)
    return 2 / 3 * per_length


def correlation_length(mask: Mask, voxel_size: Lengths) -> float:
    """Return the distance, m, at which the two-point correlation of a mask, (nx, ny, nz), has fallen to 1/e.

    (S₂(r) − φ²)/(φ − φ²) with S₂ from the Fourier transform, that is of the box continued periodically, averaged over
    shells as thick as the finest voxel; Torquato 2002, "Random Heterogeneous Materials", ch. 2. Half the shortest edge
    if it does not fall so far.

    Raises
    ------
    InvalidInput
        If the mask is empty or full: it has no correlation then.
    """
    if mask.all() or not mask.any():
        raise InvalidInput("A mask that is empty or full has no correlation length.")
    deviation = mask - mask.mean()
    covariance = np.fft.irfftn(np.abs(np.fft.rfftn(deviation)) ** 2, s=mask.shape, axes=(0, 1, 2))
    h = min(voxel_size)
    shifts = [np.fft.fftfreq(n, 1 / n) * size for n, size in zip(mask.shape, voxel_size, strict=True)]
    distance = np.sqrt(sum(s**2 for s in np.meshgrid(*shifts, indexing="ij")))
    shell = np.rint(distance / h).astype(np.intp).ravel()
    count = np.bincount(shell)
    radial = np.bincount(shell, covariance.ravel()) / np.maximum(count, 1) / covariance[0, 0, 0]
    radius = np.bincount(shell, distance.ravel()) / np.maximum(count, 1)
    reach = min(n * size for n, size in zip(mask.shape, voxel_size, strict=True)) / 2
    use = (count > 0) & (radius <= reach)
    radial, radius = radial[use], radius[use]
    low = np.flatnonzero(radial < np.exp(-1))
    if low.size == 0:
        return float(reach)
    i = int(low[0])
    share = (radial[i - 1] - np.exp(-1)) / (radial[i - 1] - radial[i])
    return float(radius[i - 1] + share * (radius[i] - radius[i - 1]))


def size_quantiles(
    mask: Mask, voxel_size: float, quantiles: Sequence[float] = (0.1, 0.5, 0.9)
) -> npt.NDArray[np.float64]:
    """Return the diameters, m, below which those shares of the volume of a mask, (nx, ny, nz), lie.

    The diameter at a voxel is that of the largest sphere inside the mask that covers it (local thickness, Hildebrand &
    Rüegsegger 1997). Cubic voxels; the mask neither empty nor full.
    """
    distance = edt.edt(mask, black_border=False, parallel=1)
    radii = [_covering_radius(mask, distance, 1 - quantile, None) for quantile in quantiles]
    return 2 * np.array(radii) * voxel_size


def constrictivity(mask: Mask, axis: int) -> float:
    """Return β = (r_min/r_max)² of a mask, (nx, ny, nz), with cubic voxels, along an axis; between 0 and 1.

    r_max: half of the volume is covered by inscribed spheres of at least this radius. r_min: the same for spheres that
    can come in from the face at the axis' start (simulated intrusion). Münch & Holzer 2008, doi
    10.1111/j.1551-2916.2008.02736.x; Stenzel et al. 2016.
    """
    distance = edt.edt(mask, black_border=False, parallel=1)
    narrowest, widest = (_covering_radius(mask, distance, 0.5, inlet) for inlet in (axis, None))
    return float(min(1.0, (narrowest / widest) ** 2))


def _covering_radius(mask: Mask, distance: npt.NDArray[Any], share: float, inlet: int | None) -> float:
    """Return the largest radius, voxels, of spheres in the mask that cover that share of it.

    With an inlet, only the spheres that can come in from the start of that axis count. PoreSpy's local thickness and
    porosimetry know whole radii only, too coarse for necks of a few voxels.
    """
    low, high = 1.0, float(distance.max()) * (1 + 1e-6)
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        centres = distance >= middle
        if inlet is not None:
            centres = _joined_to_face(centres, inlet)
        covered = edt.edt(~centres, parallel=1) < middle if centres.any() else centres
        if np.count_nonzero(covered & mask) >= share * np.count_nonzero(mask):
            low = middle
        else:
            high = middle
    # Distances are to the centre of the nearest voxel outside, half a voxel beyond the surface.
    return low - 0.5


def _joined_to_face(mask: Mask, axis: int) -> Mask:
    labels = cc3d.connected_components(mask, connectivity=26)
    entered = np.unique(np.moveaxis(labels, axis, 0)[0])
    return np.isin(labels, entered[entered > 0])


def geodesic_tortuosity(mask: Mask, axis: int, voxel_size: Lengths = (1.0, 1.0, 1.0)) -> float:
    """Return the mean shortest way through a mask, (nx, ny, nz), from face to face over their distance; 1 or more.

    From the centre of each voxel at the start to the nearest at the end, in steps to the 26 neighbours: a way in an
    oblique direction comes out up to 10 % too long.

    Raises
    ------
    InvalidInput
        If no path joins the faces, or there is one layer of voxels only.
    """
    from skimage.graph import MCP_Geometric

    layers = mask.shape[axis]
    if layers < 2:
        raise InvalidInput("A way through the structure needs at least two layers of voxels along the axis.")
    ends = np.argwhere(np.moveaxis(mask, axis, 0)[-1])
    starts = np.insert(ends, axis, layers - 1, axis=1)
    if len(starts) == 0:
        raise InvalidInput("No path joins the faces; there is no geodesic tortuosity.")
    finder = MCP_Geometric(np.where(mask, 1.0, -1.0), fully_connected=True, sampling=voxel_size)
    costs, _ = finder.find_costs(starts)
    first = np.moveaxis(costs, axis, 0)[0]
    ways = first[np.isfinite(first) & np.moveaxis(mask, axis, 0)[0]]
    if ways.size == 0:
        raise InvalidInput("No path joins the faces; there is no geodesic tortuosity.")
    return float(ways.mean() / ((layers - 1) * voxel_size[axis]))
