"""Families of microstructures, one file each; :data:`FAMILIES` is the list a recipe's ``family`` chooses from."""

from __future__ import annotations

from .blobs import Blobs
from .composite_cathode import CompositeCathode
from .composite_cathode_binder import CompositeCathodeBinder
from .family import Family
from .layered import Layered
from .minimal_surface import MinimalSurface
from .polycrystal import Polycrystal
from .polymer_fibres import PolymerFibres
from .polymer_particles import PolymerParticles
from .sintered import Sintered

__all__ = [
    "FAMILIES",
    "Blobs",
    "CompositeCathode",
    "CompositeCathodeBinder",
    "Family",
    "Layered",
    "MinimalSurface",
    "Polycrystal",
    "PolymerFibres",
    "PolymerParticles",
    "Sintered",
]

_ALL: tuple[type[Family], ...] = (
    Blobs,
    Sintered,
    CompositeCathode,
    CompositeCathodeBinder,
    Polycrystal,
    PolymerParticles,
    PolymerFibres,
    Layered,
    MinimalSurface,
)
FAMILIES: dict[str, type[Family]] = {family.name: family for family in _ALL}
