"""Fractions: which parameter of a family is the volume fraction of which phase."""

from __future__ import annotations

from .family import Family

__all__ = ["fraction_fields", "rest_phase", "target_fractions"]


def fraction_fields(family: type[Family] | Family) -> dict[str, str]:
    """Return phase -> name of the parameter that is its volume fraction, of the phases that have one."""
    fields = [name for name in family.__dataclass_fields__ if name.endswith("_fraction")]  # type: ignore[union-attr]
    own = {name: name.removesuffix("_fraction") for name in fields}
    # The grain boundaries' parameter is boundary_fraction.
    return {p: name for p in family.phase_names for name, stem in own.items() if p.endswith(stem)}


def rest_phase(family: type[Family] | Family) -> str | None:
    """Return the phase that takes what the others leave, None if that is not one phase."""
    known = fraction_fields(family)
    left = [phase for phase in family.phase_names if phase not in known]
    return left[0] if known and len(left) == 1 else None


def target_fractions(family: Family) -> dict[str, float]:
    """Return phase -> volume fraction asked for; nothing of layered structures, whose fractions change along x."""
    targets = {phase: float(getattr(family, name)) for phase, name in fraction_fields(family).items()}
    rest = rest_phase(family)
    return {**targets, rest: 1 - sum(targets.values())} if rest else targets
