"""Phase colours: the same phase has the same colour in every picture."""

from __future__ import annotations

from collections.abc import Iterable

__all__ = ["phase_colours"]

# Okabe-Ito, told apart by colour-blind readers too; the polymer stands back.
KNOWN = {
    "void": "#1b1b1f",
    "electrolyte": "#56B4E9",
    "active_material": "#E69F00",
    "binder": "#D55E00",
    "grain_boundary": "#CC79A7",
    "polymer": "#F0E442",
    "ceramic": "#0072B2",
}
SPARE = ("#009E73", "#CC79A7", "#F0E442", "#D55E00", "#0072B2")


def phase_colours(names: Iterable[str]) -> dict[str, str]:
    """Return phase name -> colour, #rrggbb."""
    unknown = sorted(set(names) - set(KNOWN))
    return {**KNOWN, **{name: SPARE[i % len(SPARE)] for i, name in enumerate(unknown)}}
