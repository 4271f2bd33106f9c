"""``ionscreen generate`` writes what it says, again the same, and pictures that show something."""

import json
from pathlib import Path

import matplotlib.image
import numpy as np
import pytest
import tifffile

from ionscreen.datasets import Dataset, verify
from ionscreen.workflows.application import run

from .conftest import write_small_campaign

SEED = 14159


def phases(folder: Path) -> dict[str, bytes]:
    """Return sample id -> bytes."""
    return {s.id: s.microstructure.phases.tobytes() for s in Dataset(folder / "dataset") if s.microstructure}


def generate(folder: Path, *options: str) -> int:
    small = ["--shape", "20,20,20", "--seed", str(SEED), "--set", "pore_diameter_um=1.2..2.4", "--json"]
    return run(["generate", "sintered", str(folder), *small, *options])


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four sintered structures."""
    folder = tmp_path_factory.mktemp("made")
    assert generate(folder, "--samples", "4", "--tiff", "--vti", "--describe", "electrolyte", "--volume") == 0
    return folder


def test_the_dataset_is_sound_and_holds_descriptors(made: Path) -> None:
    assert verify(made / "dataset") == []
    for sample in Dataset(made / "dataset"):
        assert sample.descriptors["fraction_void"] == pytest.approx(0.15, abs=1e-4)
        assert sample.descriptors["geodesic_tortuosity_x"] > 1


def test_images_hold_the_same_voxels(made: Path) -> None:
    for sample_id, voxels in phases(made).items():
        assert tifffile.imread(made / "tiff" / f"{sample_id}.tif").tobytes() == voxels
        assert (made / "vti" / f"{sample_id}.vti").stat().st_size > 20**3


@pytest.mark.parametrize("name", ["sintered_slices.png", "sintered_picture.png", "sintered_volume.png"])
def test_pictures_show_the_electrolyte(made: Path, name: str) -> None:
    picture = matplotlib.image.imread(made / name)[..., :3]
    blue = (picture[..., 2] > 0.55) & (picture[..., 0] < 0.6)
    assert (0.0005 if "volume" in name else 0.1) < blue.mean() < 0.9
    assert np.all(picture[:2] == 1)


def test_more_of_the_same_seed_keeps_what_is_there(
    made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("ionscreen.workflows.generated.GeneratedFolder.draw", lambda *_: [])
    assert generate(tmp_path, "--samples", "2") == 0
    first = phases(tmp_path)
    answer = json.loads(capsys.readouterr().out)
    assert answer["seed"] == SEED
    assert {row["phase"]: row["mean_fraction"] for row in answer["fractions"]}["void"] == pytest.approx(0.15, abs=1e-4)
    monkeypatch.setattr(
        "ionscreen.workflows.generated.generate",
        lambda recipe: pytest.fail("generated again") if recipe.id in first else _generate(recipe),
    )
    assert generate(tmp_path, "--samples", "4") == 0
    assert phases(tmp_path) == phases(made)


def _generate(recipe: object) -> object:
    from ionscreen.pipeline.generation import generate

    return generate(recipe)  # type: ignore[arg-type]


def test_a_campaign_gives_the_structures_it_would_solve(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from ionscreen.workflows.config import load_config
    from ionscreen.workflows.designs import design_of

    monkeypatch.setattr("ionscreen.workflows.generated.GeneratedFolder.draw", lambda *_: [])
    path = write_small_campaign(tmp_path)
    assert run(["generate", str(path), str(tmp_path / "made"), "--samples", "5"]) == 0
    config = load_config(path)
    wanted = {r.id for r in design_of(config, config.seed or 0, "training").recipes(0, 5)}
    assert set(Dataset(tmp_path / "made" / "dataset").ids) == wanted


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["marble"], "marble"),
        (["sintered", "--set", "pore_diameter_um=50"], "pore_diameter_um"),
        (["sintered", "--set", "void_fraction=0.5..0.2"], "void_fraction"),
        (["sintered", "--set", "void_fraction=a..b"], "void_fraction=a..b"),
        (["sintered", "--set", "void_fraction"], "NAME=VALUE"),
        (["sintered", "--voxel-size", "0um"], "--voxel-size"),
        (["sintered", "--describe", "copper"], "copper"),
        (["sintered", "--volume"], "--describe"),
        (["composite_cathode", "--set", "active_material_fraction=0.7", "--set", "void_fraction=0.3"], "electrolyte"),
        (["missing.yaml"], "missing.yaml"),
        (["missing.yaml", "--set", "void_fraction=0.3"], "--set"),
    ],
)
def test_impossible_wishes_get_one_sentence_and_no_folder(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], named: str
) -> None:
    folder = tmp_path / "none"
    assert run(["generate", arguments[0], str(folder), *arguments[1:]]) == 2
    error = capsys.readouterr().err
    assert error.startswith("Error:")
    assert named in error
    assert error.count("\n") == 1
    assert not folder.exists()
