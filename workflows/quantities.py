"""Quantities as people type them: lengths with a unit, PHASE=VALUE pairs."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable

from ..datasets import InvalidInput

__all__ = [
    "parse_conductivities",
    "parse_grain_resistances",
    "parse_names",
    "parse_parameters",
    "parse_resistances",
    "parse_shape",
    "parse_voxel_size",
]

METRES = {"m": 1.0, "mm": 1e-3, "um": 1e-6, "µm": 1e-6, "μm": 1e-6, "nm": 1e-9, "": 1.0}


def parse_voxel_size(text: str) -> tuple[float, float, float]:
    """Return (hx, hy, hz) in metres of ``0.4um``, ``4e-7`` or ``20,20.5,16.16nm``.

    Raises
    ------
    InvalidInput
        If the text is not one or three positive lengths.
    """
    match = re.fullmatch(r"\s*([-+0-9.eE,\s]+?)\s*([a-zµμ]*)\s*", text)
    try:
        if not match or match.group(2) not in METRES:
            raise ValueError
        # Through decimal text, so that 0.4um is 4e-07 and not 4.0000000000000003e-07.
        lengths = [float(f"{float(part) * METRES[match.group(2)]:.12g}") for part in match.group(1).split(",")]
        if len(lengths) not in (1, 3) or not all(math.isfinite(h) and h > 0 for h in lengths):
            raise ValueError
    except ValueError:
        raise InvalidInput(
            f"--voxel-size {text!r} is not a length; write 0.4um, 20nm, 4e-7 (metres), or three as 20,20.5,16nm."
        ) from None
    return (lengths[0], lengths[0], lengths[0]) if len(lengths) == 1 else (lengths[0], lengths[1], lengths[2])


def parse_resistances(pairs: Iterable[str], names: dict[int, str]) -> dict[tuple[int, int], float]:
    """Return (phase, phase) -> Ω m² of ``0:2=4e-3`` or ``cathode:electrolyte=4e-3`` pairs.

    Raises
    ------
    InvalidInput
        If a pair has another form, a name is unknown, or the resistance is negative or not finite.
    """
    found = {}
    for text in pairs:
        phases, _, value = text.rpartition("=")
        one, separator, other = phases.partition(":")
        if not separator:
            raise InvalidInput(f"--interface-resistance {text!r} is not PHASE:PHASE=Ω·m², for instance 0:2=4e-3.")
        a, b = (_phase(part.strip(), names, f"--interface-resistance {text!r}") for part in (one, other))
        found[a, b] = _resistance(value, f"--interface-resistance {text!r}")
    return found


def parse_grain_resistances(pairs: Iterable[str], names: dict[int, str]) -> float | dict[int, float]:
    """Return Ω m² of ``1e-4``, or phase -> Ω m² of ``0=1e-4`` or ``electrolyte=1e-4`` pairs.

    Raises
    ------
    InvalidInput
        If a pair has another form, a name is unknown, or the resistance is negative or not finite.
    """
    found = {}
    for text in pairs:
        phase, separator, value = text.rpartition("=")
        option = f"--grain-boundary-resistance {text!r}"
        if not separator:
            return _resistance(value, option)
        found[_phase(phase.strip(), names, option)] = _resistance(value, option)
    return found


def _phase(text: str, names: dict[int, str], option: str) -> int:
    """Return the number of a phase given by number or name."""
    numbers = {name: number for number, name in names.items()}
    if not text.isdigit() and text not in numbers:
        raise InvalidInput(f"{option}: no phase is called {text!r}; name it with --name VALUE={text}.")
    return int(text) if text.isdigit() else numbers[text]


def _resistance(text: str, option: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value) or value < 0:
        raise InvalidInput(f"{option}: give a finite resistance in Ω·m², 0 or more (40 Ω cm² is 40e-4).")
    return value


def parse_shape(text: str) -> tuple[int, int, int]:
    """Return (nx, ny, nz) of ``100,100,80``.

    Raises
    ------
    InvalidInput
        If the text is not three positive whole numbers.
    """
    try:
        nx, ny, nz = (int(part) for part in text.replace("x", ",").split(","))
        if min(nx, ny, nz) < 1:
            raise ValueError
    except ValueError:
        raise InvalidInput(f"--shape {text!r} is not a shape; write nx,ny,nz, for instance 100,100,80.") from None
    return nx, ny, nz


def parse_names(pairs: Iterable[str]) -> dict[int, str]:
    """Return phase number -> name of ``0=void`` pairs.

    Raises
    ------
    InvalidInput
        If a pair has another form, or two phases share a name.
    """
    names: dict[int, str] = {}
    for pair in pairs:
        number, _, name = pair.partition("=")
        if not number.strip().isdigit() or not name.strip():
            raise InvalidInput(f"--name {pair!r} is not VALUE=NAME, for instance 0=void.")
        if name.strip() in names.values():
            raise InvalidInput(f"--name {pair!r}: another phase has this name; give each its own.")
        names[int(number)] = name.strip()
    return names


def parse_parameters(pairs: Iterable[str]) -> dict[str, float | str | tuple[float, float]]:
    """Return parameter -> value of ``void_fraction=0.3``, range of ``void_fraction=0.1..0.5`` or text.

    Raises
    ------
    InvalidInput
        If a pair has another form.
    """
    found: dict[str, float | str | tuple[float, float]] = {}
    for pair in pairs:
        name, _, value = (part.strip() for part in pair.partition("="))
        if not name or not value:
            raise InvalidInput(f"--set {pair!r} is not NAME=VALUE or NAME=LOW..HIGH, for instance void_fraction=0.3.")
        low, dots, high = value.partition("..")
        try:
            found[name] = (float(low), float(high)) if dots else float(value)
        except ValueError:
            if dots:
                raise InvalidInput(f"--set {pair!r}: LOW..HIGH are two numbers, for instance 0.1..0.5.") from None
            found[name] = value
    return found


def parse_conductivities(pairs: Iterable[str], names: dict[int, str]) -> dict[int, float]:
    """Return phase number -> σ in S/m of ``0=0.2`` or ``electrolyte=0.2`` pairs.

    Raises
    ------
    InvalidInput
        If a pair has another form, a name is unknown, or σ is negative or not finite.
    """
    found: dict[int, float] = {}
    for pair in pairs:
        phase, _, value = (part.strip() for part in pair.rpartition("="))
        try:
            sigma = float(value)
        except ValueError:
            raise InvalidInput(f"--conductivity {pair!r} is not PHASE=S/m, for instance 0=0.2.") from None
        if not math.isfinite(sigma) or sigma < 0:
            raise InvalidInput(f"--conductivity {pair!r}: σ must be a finite number of S/m, 0 or more.")
        found[_phase(phase, names, f"--conductivity {pair!r}")] = sigma
    return found
