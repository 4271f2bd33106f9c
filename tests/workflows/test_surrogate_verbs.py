"""fit, evaluate and screen: from labelled structures to a model card, and from an image to an interval."""

import json
from pathlib import Path

import numpy as np
import pytest

from ionscreen.datasets import Dataset, Status
from ionscreen.pipeline import effective_conductivity
from ionscreen.pipeline.families import FAMILIES
from ionscreen.pipeline.labelling import LabelSettings, compute_sample
from ionscreen.surrogate.cascade_checkpoint import PRETRAINED, load_cascade, save_cascade
from ionscreen.surrogate.cascade_settings import CascadeSettings
from ionscreen.surrogate.cascade_surrogate import CascadeSurrogate
from ionscreen.surrogate.conductor import conductor_of
from ionscreen.surrogate.regressor import Regressor, RegressorArchitecture
from ionscreen.workflows.application import run
from ionscreen.workflows.labelled_streams import LabelledStreams, StreamsConfig, StreamSpec

RECIPE = {
    "seed": 60221,
    "voxel_size_um": 0.4,
    "streams": {"training": {"edge": 16, "structures": 52}, "test": {"edge": 16, "structures": 8}},
    "families": [
        {
            "family": "blobs",
            "parameters": {"void_fraction": [0.1, 0.5], "blob_size_um": [1.2, 2.4]},
            "transports": {
                "only": {"conductivity": {"electrolyte": 1.0, "void": 0.0}},
                "both": {"conductivity": {"electrolyte": 1.0, "void": [0.01, 0.5]}},
            },
        }
    ],
}


@pytest.fixture(scope="module")
def streams(tmp_path_factory: pytest.TempPathFactory) -> LabelledStreams:
    """Return two small labelled streams."""
    made = LabelledStreams(StreamsConfig.model_validate(RECIPE), tmp_path_factory.mktemp("streams"))
    for stream in RECIPE["streams"]:
        made.compute(stream)
    return made


def test_streams_share_nothing_and_are_made_once(streams: LabelledStreams) -> None:
    training, test = streams.dataset("training"), streams.dataset("test")
    assert len(training) == 52
    assert not set(training.ids) & set(test.ids)
    before = {path: path.stat().st_mtime_ns for path in training.folder.rglob("*.h5")}
    streams.compute("training")
    assert {path: path.stat().st_mtime_ns for path in training.folder.rglob("*.h5")} == before
    sigmas = {float(s.labels["both"].transport.conductivity["void"]) for s in training}
    assert len(sigmas) == 52
    assert min(sigmas) >= 0.01


@pytest.fixture(scope="module")
def folder(streams: LabelledStreams, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the checkpoint of a surrogate of these streams."""
    folder = tmp_path_factory.mktemp("surrogate")
    training, test = str(streams.dataset("training").folder), str(streams.dataset("test").folder)
    assert run(["fit", training, str(folder), "--epochs", "3", "--learning-curve", test]) == 0
    return folder


def test_evaluate_writes_a_card(streams: LabelledStreams, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    test = str(streams.dataset("test").folder)
    assert run(["evaluate", test, "--checkpoint", str(folder), "--json"]) == 0
    card = json.loads(capsys.readouterr().out)
    assert card == json.loads((folder / "card.json").read_text())
    assert card["all"]["count"] == sum(s["count"] for s in card["by"]["transport"].values())
    assert set(card["by"]) == {"family", "transport", "decade of M", "edge in voxels"}
    assert card["all"]["mape"] < card["without_learning"]["mape"] + 0.05
    page = (folder / "card.html").read_text(encoding="utf-8")
    assert page.count("data:image/png;base64,") == 3


def test_evaluate_refuses_what_cannot_be_scored(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Dataset.create(tmp_path / "empty")
    assert run(["evaluate", str(tmp_path / "empty"), "--checkpoint", str(folder)]) == 2
    assert "no labelled structure" in capsys.readouterr().err


@pytest.fixture
def image(tmp_path: Path) -> Path:
    random = np.random.default_rng(1729)
    phases = (random.random((24, 24, 24)) < 0.7).astype(np.uint8)
    np.save(tmp_path / "image.npy", phases)
    return tmp_path / "image.npy"


def test_the_interval_of_screen_holds_the_truth(image: Path, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["screen", str(image), "--checkpoint", str(folder), "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    truth = effective_conductivity(np.load(image), {0: 0.0, 1: 1.0}, axis="all").sigma
    assert [row["axis"] for row in rows] == [0, 1, 2]
    for row, sigma in zip(rows, truth, strict=True):
        assert row["sigma_S_per_m"] == pytest.approx(sigma, rel=0.2)
        assert row["low_S_per_m"] <= sigma <= row["high_S_per_m"] * 1.001


def test_the_surrogate_that_comes_with_ionscreen_answers(image: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["screen", str(image), "--axis", "1", "--json"]) == 0
    (row,) = json.loads(capsys.readouterr().out)
    truth = effective_conductivity(np.load(image), {0: 0.0, 1: 1.0}, axis=1).sigma
    assert row["sigma_S_per_m"] == pytest.approx(truth, rel=0.1)
    assert row["low_S_per_m"] <= truth <= row["high_S_per_m"] * 1.001


def test_the_surrogate_that_comes_with_ionscreen_is_small_and_has_its_papers() -> None:
    assert sum(path.stat().st_size for path in PRETRAINED.iterdir()) < 5e6
    surrogate = load_cascade()
    card = json.loads((PRETRAINED / "card.json").read_text(encoding="utf-8"))
    assert card["surrogate"]["data_digest"] == surrogate.data_digest
    config = StreamsConfig.load(PRETRAINED / "recipe.yaml")
    assert {f.family for f in config.families} == set(FAMILIES) == set(surrogate.metrics["families"])
    assert surrogate.metrics["training_structures"] + surrogate.metrics["calibration_structures"] <= (
        config.streams["training"].structures
    )
    assert (PRETRAINED / "dataset.md").read_text(encoding="utf-8").startswith("# Training of ionscreen's surrogate")
    json.loads((PRETRAINED / "dataset.croissant.json").read_text(encoding="utf-8"))


@pytest.mark.slow
def test_the_surrogate_that_comes_with_ionscreen_is_as_good_as_its_card_says() -> None:
    """Held against structures of a seed that neither its training nor its card has seen."""
    config = StreamsConfig.load(PRETRAINED / "recipe.yaml")
    card = json.loads((PRETRAINED / "card.json").read_text(encoding="utf-8"))
    fresh = config.model_copy(update={"seed": 271, "streams": {"fresh": StreamSpec(edge=64, structures=24)}})
    surrogate, errors, inside = load_cascade(), [], []
    settings = LabelSettings(axes=(0,), rtol=1e-4)
    for recipe, family in LabelledStreams(fresh, Path("nowhere")).recipes("fresh"):
        transports = [ranges.at(name, recipe) for name, ranges in family.transports.items()]
        sample = compute_sample(recipe, transports, settings)
        for label in sample.labels.values():
            if label.status[0] != Status.OK or label.relative[0] < 1e-3:
                continue
            conductor = conductor_of(sample.microstructure, label.transport, (label.connected & 1).astype(bool), 0)
            found, m = surrogate.predict([conductor]), label.relative[0] / conductor.scale
            errors.append(abs(found.m[0] / m - 1))
            inside.append(found.low[0] * (1 - 1e-4) <= m <= found.high[0] * (1 + 1e-4))
    assert len(errors) > 20
    assert np.median(errors) < 3 * card["all"]["median"]
    # Not the mean: a single structure at the percolation threshold would decide it.
    assert np.quantile(errors, 0.9) < card["all"]["p95"]
    assert np.mean(inside) > 0.75


def test_onnx_writes_what_onnxruntime_reads(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("onnxruntime")
    small = RegressorArchitecture(CascadeSettings((2,), 1, ((3.0, 3.0),)), members=2, hidden=8, components=4)
    save_cascade(CascadeSurrogate(Regressor(small)), tmp_path / "small")
    file = tmp_path / "surrogate.onnx"
    assert run(["onnx", str(file), "--checkpoint", str(tmp_path / "small"), "--edge", "12"]) == 0
    assert "agree" in capsys.readouterr().out
    assert file.stat().st_size > 1000


def test_screen_is_exact_where_nothing_percolates(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    phases = np.ones((10, 10, 10), np.uint8)
    phases[5] = 0
    np.save(tmp_path / "cut.npy", phases)
    command = ["screen", str(tmp_path / "cut.npy"), "--checkpoint", str(folder)]
    assert run([*command, "--axis", "0", "--json"]) == 0
    row = json.loads(capsys.readouterr().out)[0]
    assert row["verdict"] == "does not percolate"
    assert row["high_S_per_m"] == 0
    assert run(command) == 0
    assert "no conducting path" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--voxel-size", "1,1,2um"], "cubic voxels"),
        (["-c", "7=1"], "has no phase 7"),
        (["-c", "0=1e-9", "-c", "1=1"], "trained on"),
        (["--axis", "5"], "is no axis"),
        (["--device", "abacus"], "choose cpu or cuda"),
        (["--checkpoint", "nowhere"], "cannot be read"),
    ],
)
def test_bad_input_is_one_sentence(
    image: Path, folder: Path, arguments: list[str], sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["screen", str(image), "--checkpoint", str(folder), *arguments]) in (1, 2)
    error = capsys.readouterr().err
    assert sentence in error
    assert "Traceback" not in error


def test_three_phases_need_conductivities(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    np.save(tmp_path / "three.npy", np.arange(1000, dtype=np.uint8).reshape(10, 10, 10) % 3)
    assert run(["screen", str(tmp_path / "three.npy"), "--checkpoint", str(folder)]) == 2
    assert "say which conduct" in capsys.readouterr().err
    np.save(tmp_path / "tiny.npy", np.ones((4, 9, 9), np.uint8))
    assert run(["screen", str(tmp_path / "tiny.npy"), "-c", "1=1", "--checkpoint", str(folder)]) == 2
    assert "8 voxels" in capsys.readouterr().err
