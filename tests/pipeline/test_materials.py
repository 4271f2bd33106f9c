"""Laws of conductivities: temperature raises them as Arrhenius says, and every value says where it is from."""

import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ionscreen.datasets import InvalidInput
from ionscreen.pipeline.arrhenius import BOLTZMANN_EV_PER_K, Arrhenius
from ionscreen.pipeline.materials import CHECKED, MATERIALS, conductivities


@given(sigma=st.floats(1e-9, 1e3), energy=st.floats(0.05, 1.2))
def test_ln_sigma_t_is_a_line_in_inverse_temperature(sigma: float, energy: float) -> None:
    law = Arrhenius.through(sigma, 298.15, energy)
    temperatures = np.linspace(250, 400, 7)
    logs = np.log([law.at(t) * t for t in temperatures])
    slope, intercept = np.polyfit(1 / (BOLTZMANN_EV_PER_K * temperatures), logs, 1)
    assert slope == pytest.approx(-energy, rel=1e-6)
    assert np.exp(intercept) == pytest.approx(law.sigma0, rel=1e-4)
    assert law.at(298.15) == pytest.approx(sigma)


def test_every_value_has_a_source_that_can_be_found() -> None:
    for material in MATERIALS.values():
        known = [c for c in (material.ionic, material.electronic) if c]
        assert known, material.name
        for conduction in known:
            assert conduction.sigma > 0
            assert conduction.checked in CHECKED
            # What was not read is said not to have been.
            assert ("not checked" in conduction.source) or conduction.checked != "typical"
            low, high = conduction.limits or (conduction.sigma, conduction.sigma)
            assert low <= conduction.sigma <= high
            assert re.search(r"doi 10\.\d{4,}/\S", conduction.source), material.name
            assert re.search(r"\b(19|20)\d\d\b", conduction.source), material.name


def test_warmth_helps_ions_and_each_carrier_has_its_own_way() -> None:
    phases = {"electrolyte": "LPSCl", "active_material": "NMC"}
    cold, warm = (conductivities("ionic", phases, t)["electrolyte"] for t in (298.15, 333.15))
    assert cold == pytest.approx(0.18)
    assert 2 < warm / cold < 8
    assert conductivities("ionic", phases)["active_material"] == 0
    assert conductivities("electronic", phases)["electrolyte"] == 0
    assert conductivities("electronic", phases)["void"] == 0


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (("ionic", {"electrolyte": "kryptonite"}), "kryptonite"),
        (("muonic", {"electrolyte": "LPSCl"}), "muonic"),
        (("ionic", {"polymer": "PEO"}, 298.15), "PEO"),
        (("ionic", {"electrolyte": "LPSCl"}, 0.0), "temperature"),
    ],
)
def test_what_is_not_known_is_refused(arguments: tuple[object, ...], named: str) -> None:
    with pytest.raises(InvalidInput, match=named):
        conductivities(*arguments)  # type: ignore[arg-type]


def test_arrhenius_refuses_nonsense() -> None:
    with pytest.raises(InvalidInput, match="sigma0"):
        Arrhenius(float("nan"), 0.3)
