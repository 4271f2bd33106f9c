"""Families of microstructures, one file each; :data:`FAMILIES` is the list a recipe's ``family`` chooses from."""

from __future__ import annotations

from .blobs import Blobs
from .composite_cathode import CompositeCathode
from .family import Family
from .sintered import Sintered

__all__ = ["FAMILIES", "Blobs", "CompositeCathode", "Family", "Sintered"]

FAMILIES: dict[str, type[Family]] = {family.name: family for family in (Blobs, Sintered, CompositeCathode)}
