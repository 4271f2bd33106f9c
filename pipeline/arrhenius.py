"""Arrhenius: how a conductivity depends on temperature."""

from __future__ import annotations

import math
from dataclasses import dataclass

from ..datasets import InvalidInput

__all__ = ["BOLTZMANN_EV_PER_K", "Arrhenius"]

BOLTZMANN_EV_PER_K = 8.617333262e-5  # CODATA 2018


@dataclass(frozen=True)
class Arrhenius:
    """σ(T) = σ₀/T exp(−E_a/(k_B T)), the form for ions that hop.

    Parameters
    ----------
    sigma0
        σ₀, S K/m.
    activation_energy
        E_a, eV.

    Raises
    ------
    InvalidInput
        If one of them is negative or not finite.
    """

    sigma0: float
    activation_energy: float

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if not (math.isfinite(value) and value >= 0):
                raise InvalidInput(f"The {name} of an Arrhenius law is {value!r}; give a finite number, 0 or more.")

    @classmethod
    def through(cls, sigma: float, temperature: float, activation_energy: float) -> Arrhenius:
        """Return the law that gives `sigma`, S/m, at `temperature`, K."""
        boltzmann_factor = math.exp(activation_energy / (BOLTZMANN_EV_PER_K * temperature))
        return cls(sigma * temperature * boltzmann_factor, activation_energy)

    def at(self, temperature: float) -> float:
        """Return σ, S/m, at a temperature, K.

        Raises
        ------
        InvalidInput
            If the temperature is not above 0 K.
        """
        if not (math.isfinite(temperature) and temperature > 0):
            raise InvalidInput(f"The temperature is {temperature!r} K; give a finite number above 0.")
        return self.sigma0 / temperature * math.exp(-self.activation_energy / (BOLTZMANN_EV_PER_K * temperature))
