"""``ionscreen dataset ...``: what each verb says, and that a damaged campaign becomes what it was."""

import json
import shutil
from pathlib import Path

import pytest

from ionscreen.datasets import Dataset, verify
from ionscreen.datasets.manifest import read_manifest
from ionscreen.workflows.application import run
from ionscreen.workflows.results import CampaignResults

from .conftest import write_small_campaign


@pytest.fixture
def dataset(small_run: CampaignResults, tmp_path: Path) -> Path:
    """Return a copy of the small campaign's dataset."""
    return Path(shutil.copytree(small_run.directory.dataset, tmp_path / "dataset"))


def damage(folder: Path) -> tuple[str, ...]:
    """Flip a byte of a shard and return the ids of its samples."""
    entry = read_manifest(folder)[0]
    content = bytearray(entry.path(folder).read_bytes())
    content[len(content) // 2] ^= 1
    entry.path(folder).write_bytes(content)
    return entry.ids


def answer(arguments: list[str], capsys: pytest.CaptureFixture[str], code: int = 0) -> dict[str, object]:
    """Run a verb with --json and return what it printed."""
    capsys.readouterr()
    assert run([*arguments, "--json"]) == code
    found: dict[str, object] = json.loads(capsys.readouterr().out)
    return found


def test_info_counts(dataset: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["dataset", "info", str(dataset)]) == 0
    text = capsys.readouterr().out
    assert "96 samples in" in text
    assert "families" in text
    assert "blobs" in text
    assert answer(["dataset", "info", str(dataset)], capsys)["samples"] == 96


def test_verify_says_sound_or_leaves_with_its_own_code(dataset: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["dataset", "verify", str(dataset)]) == 0
    assert "sound" in capsys.readouterr().out
    damage(dataset)
    assert run(["dataset", "verify", str(dataset)]) == 3
    text = capsys.readouterr().out
    assert "damaged" in text
    assert "ionscreen dataset repair" in text
    found = answer(["dataset", "verify", str(dataset)], capsys, code=3)
    assert found["sound"] is False


def test_repair_of_a_sound_dataset_changes_nothing(dataset: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = contents(dataset)
    assert run(["dataset", "repair", str(dataset)]) == 0
    assert "nothing was changed" in capsys.readouterr().out
    assert contents(dataset) == before


def contents(folder: Path) -> dict[str, bytes]:
    """Return every file that belongs to the dataset."""
    return {path.name: path.read_bytes() for name in ("shards", "manifest") for path in (folder / name).iterdir()}


@pytest.mark.slow
def test_repair_and_run_restore_the_dataset(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The same samples, voxels and numbers; the wall time of labelling is the one thing that may differ."""
    campaign = write_small_campaign(tmp_path)
    folder = tmp_path / "run" / "dataset"
    assert run(["run", str(campaign)]) == 0
    wanted = {sample.id: sample for sample in Dataset(folder)}
    lost = damage(folder)
    found = answer(["dataset", "repair", str(folder)], capsys)
    assert found["recompute"] == sorted(lost)
    assert Dataset(folder).missing(wanted) == sorted(lost)
    assert run(["run", str(campaign)]) == 0
    assert verify(folder) == []
    dataset = Dataset(folder)
    assert dataset.ids == tuple(sorted(wanted))
    for sample in dataset:
        assert_same(sample, wanted[sample.id])


def assert_same(a: object, b: object) -> None:
    """Assert that two samples are equal but for the wall time."""
    assert a.recipe == b.recipe
    assert a.provenance == b.provenance
    assert a.microstructure.phases.tobytes() == b.microstructure.phases.tobytes()
    for name, label in a.labels.items():
        for field in ("sigma", "upper_bound", "error_estimate", "status", "iterations", "connected"):
            assert getattr(label, field).tobytes() == getattr(b.labels[name], field).tobytes(), field


def test_merge_adds_what_is_new(dataset: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["dataset", "merge", str(tmp_path / "both"), str(dataset)]
    assert answer(command, capsys)["new_samples"] == 96
    assert answer(command, capsys)["new_samples"] == 0
    assert Dataset(tmp_path / "both").ids == Dataset(dataset).ids


def test_card_writes_its_files_and_takes_its_title(dataset: Path) -> None:
    assert run(["dataset", "card", str(dataset), "--name", "Small", "--license", "CC0-1.0", "--seed", "4"]) == 0
    assert (dataset / "README.md").read_text().startswith("# Small\n")
    assert "CC0-1.0" in (dataset / "croissant.json").read_text()
    assert json.loads((dataset / "splits.json").read_text())["seed"] == 4


@pytest.mark.parametrize(
    ("target", "options"),
    [
        ("one.h5", []),
        ("table.csv", []),
        ("table.parquet", []),
        ("one.npz", []),
        ("all.xdmf", []),
        ("images", ["--format", "vti"]),
        ("images", ["--format", "tiff"]),
        ("cells", ["--format", "bpx"]),
    ],
)
def test_export_writes_every_format_once(dataset: Path, tmp_path: Path, target: str, options: list[str]) -> None:
    command = ["dataset", "export", str(dataset), str(tmp_path / target), *options]
    assert run(command) == 0
    made = tmp_path / target
    assert made.stat().st_size > 0
    assert not made.is_dir() or len(list(made.iterdir())) > 60
    assert run(command) == 2


def test_export_keeps_what_meets_the_conditions(dataset: Path, tmp_path: Path) -> None:
    target = tmp_path / "some.csv"
    conditions = ["--family", "blobs", "--status", "ok", "--relative", "0.2,0.5"]
    assert run(["dataset", "export", str(dataset), str(target), *conditions]) == 0
    kept = {line.split(",")[0] for line in target.read_text().splitlines()[1:]}
    wanted = {
        sample.id
        for sample in Dataset(dataset)
        if sample.recipe.family == "blobs" and 0.2 <= sample.labels["ionic"].relative[0] <= 0.5
    }
    assert kept == wanted
    assert wanted


BAD = [
    (["info", "NOTHING"], 1, "there is no dataset here"),
    (["verify", "NOTHING"], 1, "there is no dataset here"),
    (["merge", "NEW", "NOTHING"], 1, "there is no dataset here"),
    (["export", "DATASET", "NEW.docx"], 2, "--format"),
    (["export", "DATASET", "NEW", "--format", "docx"], 2, "docx"),
    (["export", "DATASET", "NEW.csv", "--format", "hdf5"], 2, ".h5"),
    (["export", "DATASET", "NEW.csv", "--status", "fine"], 2, "fine"),
    (["export", "DATASET", "NEW.csv", "--relative", "low"], 2, "--relative"),
    (["export", "DATASET", "NEW.csv", "--relative", "0.5"], 2, "--relative"),
    (["export", "DATASET", "NEW.csv", "--relative", "0.5,0.1"], 2, "--relative"),
    (["export", "DATASET", "NEW.csv", "--relative", "nan,nan"], 2, "--relative"),
    (["export", "DATASET", "NEW.csv", "--family", "marble"], 2, "no sample meets the conditions"),
    (["export", "DATASET", "NEW.csv", "--status", "ok", "--transport", "thermal"], 2, "thermal"),
    (["export", "DATASET", "NEW.csv", "--axis", "3"], 2, "axis"),
]


@pytest.mark.parametrize(("arguments", "code", "named"), BAD)
def test_bad_input_gets_one_sentence(
    arguments: list[str], code: int, named: str, dataset: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    places = {"DATASET": str(dataset), "NOTHING": str(tmp_path / "nothing")}
    given = [places.get(a, a.replace("NEW", str(tmp_path / "new"))) for a in arguments]
    assert run(["dataset", *given]) == code
    error = " ".join(capfd.readouterr().err.split())
    assert named in error
    assert "Traceback" not in error
