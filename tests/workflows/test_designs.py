"""What a campaign file says about designs is what the design does."""

from pathlib import Path

import pytest

from ionscreen.datasets import InvalidInput
from ionscreen.workflows.application import run
from ionscreen.workflows.config import load_config, save_config
from ionscreen.workflows.designs import design_of

from .conftest import SEED, write_small_campaign


def test_designs_constraints_and_lists_come_from_the_file(tmp_path: Path) -> None:
    families = [
        {
            "family": "composite_cathode",
            "weight": 2,
            "parameters": {
                "active_material_fraction": [0.2, 0.7],
                "void_fraction": {"values": [0.05, 0.1]},
                "electrolyte_fraction": [0.3, 0.5],
                "particle_diameter_um": 3.2,
            },
            "design": "latin_hypercube",
            "constraints": [{"sum": ["active_material_fraction"], "low": 0.42}],
        },
        {"family": "blobs", "design": "grid", "levels": 4, "parameters": {"void_fraction": [0.2, 0.5]}},
        {"family": "layered", "design": "list", "points": [{"layers": 2}, {"layers": 4}]},
    ]
    config = load_config(write_small_campaign(tmp_path, families=families))
    save_config(config, tmp_path / "resolved.yaml")
    assert load_config(tmp_path / "resolved.yaml") == config
    recipes = list(design_of(config, SEED, "training").recipes(0, 200))
    chosen = {name: [r.parameters for r in recipes if r.family == name] for name in ("composite_cathode", "blobs")}
    for parameters in chosen["composite_cathode"]:
        active, void = parameters["active_material_fraction"], parameters["void_fraction"]
        assert active >= 0.42 - 2e-6
        assert 0.3 - 2e-6 <= 1 - active - void <= 0.5 + 2e-6
        assert void in (0.05, 0.1)
    assert len(chosen["composite_cathode"]) == pytest.approx(100, abs=2)
    assert {p["void_fraction"] for p in chosen["blobs"]} == {0.2, 0.3, 0.4, 0.5}
    assert {r.parameters["layers"] for r in recipes if r.family == "layered"} == {2, 4}


@pytest.mark.parametrize(
    ("family", "named"),
    [
        ({"family": "blobs", "design": "dice"}, "design"),
        ({"family": "blobs", "design": "list"}, "points"),
        (
            {"family": "composite_cathode", "parameters": {"electrolyte_fraction": 0.9}},
            "electrolyte_fraction|constraints",
        ),
        ({"family": "sintered", "parameters": {"pore_diameter_um": 20}}, "pore_diameter_um"),
        ({"family": "composite_cathode", "parameters": {"active_material_fraction": 0.9}}, "active_material_fraction"),
    ],
)
def test_impossible_designs_are_refused_in_one_sentence(tmp_path: Path, family: dict[str, object], named: str) -> None:
    with pytest.raises(InvalidInput, match=named) as raised:
        design_of(load_config(write_small_campaign(tmp_path, families=[family])), SEED, "training")
    assert "\n" not in str(raised.value)


def test_a_voxel_of_no_size_is_refused(tmp_path: Path) -> None:
    path = write_small_campaign(tmp_path, structure={"shape": [24, 24, 24], "voxel_size_um": 0})
    with pytest.raises(InvalidInput, match="voxel_size_um"):
        load_config(path)


def test_run_warns_of_small_boxes_before_it_starts(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    images = [{"path": "missing.tif", "voxel_size_um": 0.4, "phases": {0: "void"}}]
    path = write_small_campaign(tmp_path, candidates={"images": images})
    assert run(["run", str(path)]) == 2
    said = capsys.readouterr().err
    assert "Warning: Family 'sintered': the box edge of 9.6 µm holds 2.4 times pore_diameter_um" in said
    assert "missing.tif" in said


def test_a_transport_is_given_by_materials_temperature_and_resistances(tmp_path: Path) -> None:
    given = {
        "materials": {"electrolyte": "LPSCl", "active_material": "NMC"},
        "temperature_C": 60,
        "conductivity_S_per_m": {"binder": {"sigma0_S_K_per_m": 29815.0, "activation_energy_eV": 0.0}},
        "interface_resistance": [{"between": ["electrolyte", "active_material"], "Ohm_m2": 1e-5}],
        "grain_boundary_resistance_Ohm_m2": {"electrolyte": 1e-6},
    }
    path = write_small_campaign(tmp_path, transport=given)
    transport = load_config(path).transport.transport()
    assert transport.conductivity["electrolyte"] > 0.3
    assert transport.conductivity["binder"] == pytest.approx(29815 / 333.15)
    assert transport.interface_resistance == {("active_material", "electrolyte"): 1e-5}
    assert transport.grain_boundary_resistance == {"electrolyte": 1e-6}
    save_config(load_config(path), tmp_path / "resolved.yaml")
    assert load_config(tmp_path / "resolved.yaml").transport.transport() == transport


@pytest.mark.parametrize(
    ("transport", "named"),
    [
        ({"materials": {"electrolyte": "kryptonite"}}, "transport: there is no material 'kryptonite'"),
        ({"materials": {"electrolyte": "LPSCl"}, "conductivity_S_per_m": {"electrolyte": 1.0}}, "electrolyte has a"),
        ({"materials": {"electrolyte": "LPSCl"}, "carrier": "electronic"}, "no phase conducts"),
        ({"materials": {"electrolyte": "LPSCl"}, "temperature_C": -300}, "temperature_C"),
    ],
)
def test_impossible_transports_are_refused_by_field(tmp_path: Path, transport: dict[str, object], named: str) -> None:
    with pytest.raises(InvalidInput, match=named):
        load_config(write_small_campaign(tmp_path, transport=transport))
