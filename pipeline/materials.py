"""Materials: a small library of conductivities with their sources, by phase and temperature.

The same material varies by factors between laboratories (Li₆PS₅Cl by three between eight, Ohno et al. 2020), so each
value says within which limits it is found, where they are known, and how far it has been checked.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ..datasets import InvalidInput
from .arrhenius import Arrhenius

__all__ = ["CARRIERS", "CHECKED", "MATERIALS", "Conduction", "Material", "conductivities"]

CARRIERS = ("ionic", "electronic")
# How far a value has been checked against its source.
CHECKED = {
    "abstract": "σ stands in the abstract or summary of the source, which was read",
    "range": "σ is chosen within the limits that the source's abstract, which was read, states",
    "typical": "σ is as it is commonly cited; the source was not at hand: read it before you cite it",
}
ROOM = 298.15


@dataclass(frozen=True, kw_only=True)
class Conduction:
    """What is known of the conduction of one carrier.

    Parameters
    ----------
    sigma
        S/m, at `temperature`.
    source
        Where the value is from.
    checked
        One of :data:`CHECKED`, for `sigma`.
    limits
        Between which σ is found, S/m: laboratories, dopants or charge; None if no source says.
    activation_energy
        eV, commonly cited unless the source says otherwise; None if no source was found: the conductivity is then known
        at `temperature` only.
    temperature
        K.
    """

    sigma: float
    source: str
    checked: str
    limits: tuple[float, float] | None = None
    activation_energy: float | None = None
    temperature: float = ROOM


@dataclass(frozen=True, kw_only=True)
class Material:
    """A material; a carrier that is None is taken not to be conducted at all."""

    name: str
    formula: str
    ionic: Conduction | None = None
    electronic: Conduction | None = None


_ALL = (
    Material(
        name="LPSCl",
        formula="Li6PS5Cl",
        ionic=Conduction(
            sigma=0.18,
            checked="typical",
            limits=(0.09, 0.27),
            activation_energy=0.35,
            source="σ: Ohno et al. 2020, doi 10.1021/acsenergylett.9b02764, cold-pressed, 1.8 ± 0.9 mS/cm in eight "
            "laboratories; E_a: the order of Kraft et al. 2017, doi 10.1021/jacs.7b06327; both not checked",
        ),
    ),
    Material(
        name="LGPS",
        formula="Li10GeP2S12",
        ionic=Conduction(
            sigma=1.0,
            checked="abstract",
            limits=(1.0, 1.2),
            activation_energy=0.22,
            source="Kuhn et al. 2013, doi 10.1039/c3ee41728j: about 10 mS/cm and 0.22 eV, both of the abstract; "
            "Kamaya et al. 2011, doi 10.1038/nmat3066: 12 mS/cm at 27 °C, not checked",
        ),
    ),
    Material(
        name="LLZO",
        formula="Li7La3Zr2O12, cubic",
        ionic=Conduction(
            sigma=0.03,
            checked="typical",
            limits=(0.01, 0.1),
            activation_energy=0.30,
            source="Murugan et al. 2007, doi 10.1002/anie.200701144: about 0.3 mS/cm and 0.3 eV at 25 °C, not checked; "
            "0.1 to 1 mS/cm with dopants",
        ),
    ),
    Material(
        name="PEO",
        formula="PEO with LiTFSI, above its melting point",
        ionic=Conduction(
            sigma=0.05,
            temperature=333.15,
            checked="typical",
            source="about 0.5 mS/cm at 60 °C: Lascaud et al. 1994, doi 10.1021/ma00103a034, not checked; of the "
            "Vogel-Tammann-Fulcher form, hence no E_a",
        ),
    ),
    Material(
        name="NMC",
        formula="Li1-xNi0.5Mn0.2Co0.3O2, partly charged",
        electronic=Conduction(
            sigma=0.1,
            checked="range",
            limits=(1e-5, 1.0),
            source="Amin & Chiang 2016, doi 10.1149/2.0131608jes: 1e-7 S/cm as made to 1e-2 S/cm at x = 0.75; "
            "1e-3 S/cm is taken between",
        ),
    ),
    Material(
        name="LCO",
        formula="Li1-xCoO2, partly charged",
        electronic=Conduction(
            sigma=10.0,
            checked="typical",
            source="the electrode's conductivity in models of cells: Marquis et al. 2019, doi 10.1149/2.0341915jes, as "
            "PyBaMM has it; semiconducting as made and metallic above x = 0.06 according to Milewska et al. 2014, doi "
            "10.1016/j.ssi.2014.05.011, not checked",
        ),
    ),
    Material(
        name="carbon-binder",
        formula="carbon black and PVDF",
        electronic=Conduction(
            sigma=375.0,
            checked="typical",
            source="Zielke et al. 2014, doi 10.1002/aenm.201301617: 375 S/m fitted to carbon-binder domains, not "
            "checked; depends on how much carbon there is, by orders of magnitude",
        ),
    ),
)
MATERIALS: dict[str, Material] = {material.name: material for material in _ALL}


def conductivities(carrier: str, materials: Mapping[str, str], temperature: float = ROOM) -> dict[str, float]:
    """Return phase -> σ of one carrier, S/m, for the table of a :class:`~ionscreen.datasets.Transport`.

    Parameters
    ----------
    carrier
        ``"ionic"`` or ``"electronic"``.
    materials
        Phase name -> name in :data:`MATERIALS`. The phase ``void`` is added, as an insulator.
    temperature
        K.

    Raises
    ------
    InvalidInput
        If a material or the carrier is unknown, or a conductivity is not known at the temperature.

    Examples
    --------
    >>> conductivities("electronic", {"electrolyte": "LPSCl", "active_material": "NMC"})
    {'void': 0.0, 'electrolyte': 0.0, 'active_material': 0.1}
    """
    if carrier not in CARRIERS:
        raise InvalidInput(f"There is no carrier {carrier!r}; choose {' or '.join(CARRIERS)}.")
    return {"void": 0.0, **{phase: _sigma(material, carrier, temperature) for phase, material in materials.items()}}


def _sigma(material: str, carrier: str, temperature: float) -> float:
    if material not in MATERIALS:
        raise InvalidInput(f"There is no material {material!r}; choose {', '.join(MATERIALS)} or give a conductivity.")
    known: Conduction | None = getattr(MATERIALS[material], carrier)
    if known is None:
        return 0.0
    if known.activation_energy is not None:
        return Arrhenius.through(known.sigma, known.temperature, known.activation_energy).at(temperature)
    if abs(temperature - known.temperature) > 5:
        raise InvalidInput(
            f"The {carrier} conductivity of {material} is known at {known.temperature - 273.15:g} °C only; take that "
            "temperature, or give its conductivity."
        )
    return known.sigma
