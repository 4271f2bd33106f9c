"""The command line: quick to answer, one sentence for bad input, never a traceback."""

import contextlib
import json
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ionscreen.datasets import InvalidInput
from ionscreen.workflows.application import run
from ionscreen.workflows.quantities import parse_conductivities, parse_names, parse_shape, parse_voxel_size

from .conftest import write_small_campaign

EXECUTABLE = Path(sys.executable).with_name("ionscreen")


@pytest.fixture
def image(tmp_path: Path) -> Path:
    """Two layers: 4 voxels of phase 0, 4 of phase 1."""
    layers = np.zeros((8, 5, 6), dtype=np.uint8)
    layers[4:] = 1
    np.save(tmp_path / "layers.npy", layers)
    return tmp_path / "layers.npy"


def test_help_answers_in_half_a_second() -> None:
    times = []
    for _ in range(5):
        began = time.perf_counter()
        subprocess.run([EXECUTABLE, "--help"], check=True, capture_output=True)
        times.append(time.perf_counter() - began)
    assert min(times) < 0.5, times


@pytest.mark.parametrize("command", [[str(EXECUTABLE)], [sys.executable, "-m", "ionscreen.workflows"]])
def test_both_ways_in_are_twins(command: list[str]) -> None:
    output = subprocess.run([*command, "--version"], capture_output=True, text=True, check=True).stdout
    assert output.startswith("ionscreen ")


def test_init_writes_a_campaign_that_is_valid_and_is_not_overwritten(tmp_path: Path) -> None:
    from ionscreen.workflows.config import CampaignConfig, load_config

    assert run(["init", str(tmp_path / "new")]) == 0
    config = load_config(tmp_path / "new" / "campaign.yaml")
    # The template spells out the defaults, so that what it shows is what leaving it out would do.
    for block in ("structure", "label", "train", "candidates", "screen"):
        assert getattr(config, block) == CampaignConfig.model_fields[block].default, block
    assert run(["init", str(tmp_path / "new")]) == 2


def test_a_narrow_terminal_cuts_no_exponent_off(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    np.save(tmp_path / "a.npy", (np.random.default_rng(0).random((12, 12, 12)) > 0.75).astype(np.uint8))
    monkeypatch.setenv("COLUMNS", "80")
    assert run(["solve", str(tmp_path / "a.npy"), "-c", "0=1e-9", "-c", "1=0.1", "--voxel-size", "0.4um"]) == 0
    said = capsys.readouterr().out
    assert "…" not in said
    assert "-09" in said or "-10" in said


def test_solve_prints_the_exact_answer_for_layers(image: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["solve", str(image), "-c", "0=1", "-c", "1=3", "--rtol", "1e-8", "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    sigma = [axis["sigma_S_per_m"] for axis in answer["axes"]]
    assert sigma == pytest.approx([1.5, 2.0, 2.0], rel=1e-8)


def test_solve_takes_contacts_grains_and_periodic_boxes(
    image: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    np.save(tmp_path / "grains.npy", np.arange(240).reshape(8, 5, 6) // 60 * 1000)  # a boundary every two layers
    contacts = ["--interface-resistance", "a:b=3e-6", "--grains", str(tmp_path / "grains.npy")]
    contacts += ["--grain-boundary-resistance", "a=1e-6", "--grain-boundary-resistance", "1=2e-6", "--threads", "1"]
    phases = ["-c", "a=1", "-c", "b=3", "--name", "0=a", "--name", "1=b", "--rtol", "1e-8"]
    assert run(["solve", str(image), *phases, *contacts, "--axis", "0", "--refine", "2", "--json"]) == 0
    (row,) = json.loads(capsys.readouterr().out)["axes"]
    sigma = 8e-6 / (4e-6 / 1 + 4e-6 / 3 + 3e-6 + 1e-6 + 2e-6)
    assert row["sigma_S_per_m"] == pytest.approx(sigma, rel=1e-7)
    assert row["lower_bound_S_per_m"] == pytest.approx(sigma, rel=1e-6)
    assert row["discretisation_error"] == pytest.approx(0, abs=1e-6)
    assert row["memory_bytes"] > 0
    assert run(["solve", str(image), *phases, "--boundary", "periodic", "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    np.testing.assert_allclose(answer["tensor_S_per_m"], np.diag([1.5, 2, 2]), atol=1e-6)
    assert [row["iterations"] for row in answer["axes"]]
    assert run(["solve", str(image), *phases, "--boundary", "periodic", "--refine", "2"]) == 0
    assert "proven" in capsys.readouterr().out
    assert run(["solve", str(image), *phases, "--no-lower-bound"]) == 0
    assert "proven" not in capsys.readouterr().out


def test_solve_shows_how_far_the_error_has_come_down(image: Path) -> None:
    import os
    import pty

    leader, follower = pty.openpty()
    command = [str(EXECUTABLE), "solve", str(image), "-c", "0=1", "-c", "1=3", "--axis", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=follower, text=True) as solving:
        os.close(follower)
        shown = b""
        with contextlib.suppress(OSError):  # Linux's way to say that nobody writes any more
            while chunk := os.read(leader, 4096):
                shown += chunk
        os.close(leader)
        answer, _ = solving.communicate()
    assert b"axis 0" in shown
    assert b"iteration" in shown
    assert "iteration" not in answer
    assert solving.returncode == 0


def test_solve_shows_a_sealed_axis_as_exactly_zero(image: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["solve", str(image), "--name", "1=electrolyte", "-c", "electrolyte=2", "--voxel-size", "0.4um"]) == 0
    out = capsys.readouterr().out
    assert "electrolyte" in out
    assert "No conducting path joins the two faces" in out
    assert run(["solve", str(image), "-c", "1=2", "--axis", "0", "--json"]) == 0
    row = json.loads(capsys.readouterr().out)["axes"][0]
    assert row["sigma_S_per_m"] == 0
    assert row["outcome"] == "non_percolating"


BAD = [
    (["solve", "missing.tif", "-c", "0=1"], "missing.tif"),
    (["solve", "IMAGE", "-c", "7=1"], "no phase 7"),
    (["solve", "IMAGE", "-c", "1=-2"], "1=-2"),
    (["solve", "IMAGE", "-c", "1=nan"], "1=nan"),
    (["solve", "IMAGE", "-c", "quartz=1"], "quartz"),
    (["solve", "IMAGE", "-c", "1=1", "--voxel-size", "0"], "--voxel-size"),
    (["solve", "IMAGE", "-c", "1=1", "--axis", "3"], "--axis"),
    (["solve", "IMAGE", "-c", "1=1", "--rtol", "0"], "rtol"),
    (["solve", "IMAGE", "-c", "1=1", "--boundary", "open"], "boundary"),
    (["solve", "IMAGE", "-c", "1=1", "--refine", "3"], "refine"),
    (["solve", "IMAGE", "-c", "1=1", "--threads", "0"], "threads"),
    (["solve", "IMAGE", "-c", "1=1", "--device", "tpu"], "device"),
    (["solve", "IMAGE", "-c", "1=1", "--device", "cuda", "--lower-bound"], "lower_bound"),
    (["solve", "IMAGE", "-c", "1=1", "--interface-resistance", "0=1"], "PHASE:PHASE"),
    (["solve", "IMAGE", "-c", "1=1", "--interface-resistance", "0:tin=1"], "tin"),
    (["solve", "IMAGE", "-c", "1=1", "--interface-resistance", "0:1=much"], "0:1=much"),
    (["solve", "IMAGE", "-c", "1=1", "--grain-boundary-resistance", "1"], "--grains"),
    (["solve", "IMAGE", "-c", "1=1", "--grains", "TEXT", "--grain-boundary-resistance", "1"], "notes.tif"),
    (["solve", "TEXT", "-c", "1=1"], "notes.tif"),
    (["solve", "FOLDER", "-c", "1=1"], ""),
    (["solve", "IMAGE"], ""),
    (["run", "missing.yaml"], "missing.yaml"),
    (["run", "TEXT"], "notes.tif"),
    (["report", "FOLDER"], "no finished campaign"),
    (["frobnicate"], "frobnicate"),
]


@pytest.mark.parametrize(("arguments", "named"), BAD)
def test_bad_input_gets_one_sentence(
    arguments: list[str], named: str, image: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    text = tmp_path / "notes.tif"
    text.write_text("not an image")
    places = {"IMAGE": str(image), "TEXT": str(text), "FOLDER": str(tmp_path)}
    assert run([places.get(a, a) for a in arguments]) == 2
    error = " ".join(capfd.readouterr().err.split())
    assert named in error
    assert "Traceback" not in error


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"colour": 1}, "colour"),
        ({"label": {"samples": -3}}, "label.samples"),
        ({"label": {"samples": "many"}}, "label.samples"),
        ({"structure": {"shape": [10**9, 10**9, 10**9]}}, "structure.shape"),
        ({"transport": {"conductivity_S_per_m": {"electrolyte": -1.0}}}, "electrolyte"),
        ({"transport": {"conductivity_S_per_m": {"electrolyte": 1.0}}}, "void"),
        ({"families": [{"family": "marble"}]}, "marble"),
        ({"families": [{"family": "blobs", "parameters": {"void_fraction": 2.0}}]}, "void_fraction"),
        ({"families": []}, "families"),
        ({"candidates": {"samples": 0}}, "candidates"),
        ({"seed": float("nan")}, "seed"),
        ({"name": "../../etc"}, "name"),
    ],
)
def test_bad_campaigns_are_refused_by_field(
    changes: dict[str, object], named: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    path = write_small_campaign(tmp_path, **changes)
    assert run(["run", str(path)]) == 2
    assert named in " ".join(capfd.readouterr().err.split())
    assert not (tmp_path / "run" / "dataset").exists()


@given(text=st.text(max_size=60))
@settings(max_examples=150, deadline=None)
def test_no_text_makes_the_parsers_fail_otherwise(text: str) -> None:
    for parse in (
        parse_voxel_size,
        parse_shape,
        lambda t: parse_names([t]),
        lambda t: parse_conductivities([t], {0: "void"}),
    ):
        with contextlib.suppress(InvalidInput):
            parse(text)


@pytest.mark.parametrize(
    ("text", "metres"),
    [
        ("0.4um", (4e-7,) * 3),
        ("20nm", (2e-8,) * 3),
        ("4e-7", (4e-7,) * 3),
        ("20,20.5,16.16nm", (2e-8, 2.05e-8, 1.616e-8)),
    ],
)
def test_lengths_are_read_with_their_unit(text: str, metres: tuple[float, ...]) -> None:
    assert parse_voxel_size(text) == metres


REFERENCE = {
    ("sofc_cathode_fibsem/example_electrolyte_and_cathode.tif", (0,)): (0.40144519, 0.41538703, 0),
    ("sofc_cathode_fibsem/example_electrolyte_and_cathode.tif", (2,)): (0.01359666, 0.02430794, 0),
    ("nmc_cathode_nrel/nmc-1-cal_generatedCBD_bridge.tif", (0, 2)): (0.26948483, 0.324341, 0.32746244),
    ("nmc_cathode_nrel/nmc-1-cal_generatedCBD_bridge.tif", (0,)): (0.13566015, 0.15434309, 0.15859816),
    ("nmc_cathode_nrel/nmc-1-cal_generatedCBD_bridge.tif", (1,)): (0.13870523, 0.1971889, 0.19748093),
}


@pytest.mark.slow
@pytest.mark.parametrize(("file", "conducting"), REFERENCE)
def test_solve_reproduces_the_real_images(
    file: str, conducting: tuple[int, ...], real_data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    phases = [f"--conductivity={phase}=1" for phase in conducting]
    assert run(["solve", str(real_data / file), *phases, "--json"]) == 0
    axes = json.loads(capsys.readouterr().out)["axes"]
    for found, reference in zip(axes, REFERENCE[file, conducting], strict=True):
        if reference == 0:
            assert found["relative"] == 0
            assert found["outcome"] == "non_percolating"
        else:
            assert found["relative"] == pytest.approx(reference, rel=1e-4)
