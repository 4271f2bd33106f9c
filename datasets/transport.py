"""The transport: which property of a microstructure is computed."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any, Mapping, Sequence

import numpy as np
import numpy.typing as npt

from .errors import InvalidInput

__all__ = ["Transport"]


@dataclass(frozen=True)
class Transport:
    """Conductivity of each phase, by name.

    Parameters
    ----------
    name
        For instance ``"ionic"`` or ``"electronic"``.
    conductivity
        Phase name -> σ, S/m; finite and not negative. Phases a microstructure has beyond these are an error,
        names a microstructure lacks are not: one transport serves several families.

    interface_resistance
        Pair of different phase names -> resistance of the contact between them, Ω m².
    grain_boundary_resistance
        Phase name -> resistance of a boundary between two of its grains, Ω m²; without effect on a microstructure that
        has no grains.

    Raises
    ------
    InvalidInput
        If a conductivity is negative, not finite, or none is positive, or a resistance is negative or not finite.
    """

    name: str
    conductivity: Mapping[str, float]
    interface_resistance: Mapping[tuple[str, str], float] = field(default_factory=dict)
    grain_boundary_resistance: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        # A contact has no direction: both orders of its phases are the same key, also when read back.
        contacts = {(min(pair), max(pair)): value for pair, value in self.interface_resistance.items()}
        object.__setattr__(self, "interface_resistance", contacts)
        for phase, sigma in self.conductivity.items():
            if not math.isfinite(sigma) or sigma < 0:
                raise InvalidInput(
                    f"Transport {self.name!r}: the conductivity of {phase!r} is {sigma} S/m; "
                    "give a finite number, 0 or more."
                )
        if not any(sigma > 0 for sigma in self.conductivity.values()):
            raise InvalidInput(
                f"Transport {self.name!r}: no phase conducts; give at least one a conductivity above 0 S/m."
            )

        for where, resistance in [*self.interface_resistance.items(), *self.grain_boundary_resistance.items()]:
            if not math.isfinite(resistance) or resistance < 0:
                raise InvalidInput(
                    f"Transport {self.name!r}: the resistance of {where!r} is {resistance} Ω m²; "
                    "give a finite number, 0 or more."
                )

    @property
    def has_resistances(self) -> bool:
        """Whether contacts or grain boundaries resist, so that phases in series are no lower bound."""
        return any([*self.interface_resistance.values(), *self.grain_boundary_resistance.values()])

    @property
    def sigma_max(self) -> float:
        """Largest phase conductivity, S/m: the σ_bulk of M = σ_eff/σ_bulk."""
        return max(self.conductivity.values())

    def table(self, phase_names: Sequence[str]) -> npt.NDArray[np.float64]:
        """Return σ of each phase in S/m, (p,), in the order of `phase_names`.

        Raises
        ------
        InvalidInput
            If a phase has no conductivity here.
        """
        missing = [phase for phase in phase_names if phase not in self.conductivity]
        if missing:
            raise InvalidInput(
                f"Transport {self.name!r} has no conductivity for phase {missing[0]!r}; "
                f"it knows {', '.join(sorted(self.conductivity))}. Add it, 0 if it insulates."
            )
        return np.array([self.conductivity[phase] for phase in phase_names], dtype=np.float64)

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON types."""
        described: dict[str, Any] = {"name": self.name, "conductivity_S_per_m": dict(self.conductivity)}
        if self.interface_resistance:
            contacts = sorted([a, b, value] for (a, b), value in self.interface_resistance.items())
            described["interface_resistance_Ohm_m2"] = contacts
        if self.grain_boundary_resistance:
            described["grain_boundary_resistance_Ohm_m2"] = dict(self.grain_boundary_resistance)
        return described

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Transport:
        """Return the transport that :meth:`to_dict` described."""
        return cls(
            str(data["name"]),
            {str(k): float(v) for k, v in data["conductivity_S_per_m"].items()},
            {(str(a), str(b)): float(v) for a, b, v in data.get("interface_resistance_Ohm_m2", [])},
            {str(k): float(v) for k, v in data.get("grain_boundary_resistance_Ohm_m2", {}).items()},
        )
