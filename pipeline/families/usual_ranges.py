"""Usual ranges: what solid electrolytes and their cathodes are made like, for who names no ranges."""

from __future__ import annotations

from collections.abc import Mapping

from .family import Family

__all__ = ["USUAL_RANGES", "usual_ranges"]

# Lengths in µm. Composite cathodes: 25 to 75 % active material of 2 to 15 µm, electrolyte of 0.5 to 5 µm, 5 to 20 %
# void, up to 10 % carbon and binder; pellets: 87 ± 5 % dense when pressed (Ohno et al. 2020), denser when sintered.
_CATHODE = {
    "active_material_fraction": (0.25, 0.7),
    "void_fraction": (0.05, 0.2),
    "particle_diameter_um": (2.0, 15.0),
    "void_size_um": (0.8, 3.0),
    "particle_spread": (1.0, 1.6),
    "aspect_ratio": (1.0, 1.5),
}
USUAL_RANGES: dict[str, dict[str, tuple[float, float]]] = {
    "blobs": {"void_fraction": (0.1, 0.7), "blob_size_um": (0.8, 4.0)},
    "sintered": {"void_fraction": (0.02, 0.3), "pore_diameter_um": (1.0, 5.0)},
    "composite_cathode": {**_CATHODE, "electrolyte_diameter_um": (0.5, 5.0)},
    "composite_cathode_binder": {**_CATHODE, "active_material_fraction": (0.25, 0.6), "binder_fraction": (0.0, 0.1)},
    "polycrystal": {"grain_diameter_um": (2.0, 10.0), "boundary_fraction": (0.0, 0.15), "void_fraction": (0.01, 0.15)},
    "polymer_particles": {"ceramic_fraction": (0.05, 0.6), "particle_diameter_um": (1.0, 10.0)},
    "polymer_fibres": {"ceramic_fraction": (0.02, 0.3), "fibre_diameter_um": (0.8, 4.0), "tilt_degrees": (0.0, 90.0)},
    "layered": {
        "first_void_fraction": (0.05, 0.3),
        "last_void_fraction": (0.3, 0.7),
        "layers": (0, 8),
        "blob_size_um": (0.8, 4.0),
    },
    "minimal_surface": {"void_fraction": (0.3, 0.7), "cell_size_um": (4.0, 15.0)},
}


def usual_ranges(
    family: type[Family], shape: tuple[int, int, int], voxel_size: tuple[float, float, float]
) -> Mapping[str, tuple[float, float]]:
    """Return parameter -> (low, high), lengths cut to what fits a box.

    Parameters
    ----------
    family
        One of :data:`~ionscreen.pipeline.families.FAMILIES`.
    shape, voxel_size
        Voxels; metres. Lengths are at least two voxels and at most a quarter of the shortest edge, so that the largest
        of a distribution and the flattest of an aspect ratio fit too.
    """
    least = 2e6 * max(voxel_size)
    most = max(least, 2.5e5 * min(n * h for n, h in zip(shape, voxel_size, strict=True)))
    return {
        name: (min(max(low, least), most), min(max(high, least), most)) if name.endswith("_um") else (low, high)
        for name, (low, high) in USUAL_RANGES[family.name].items()
    }
