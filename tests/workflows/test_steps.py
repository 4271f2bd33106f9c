"""Each step of a campaign by itself, on its run directory: it does what is missing and nothing else."""

import json
import os
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from ionscreen.surrogate.cascade_settings import CascadeSettings
from ionscreen.surrogate.regression import RegressionConfig
from ionscreen.workflows.application import run
from ionscreen.workflows.config import TrainConfig
from ionscreen.workflows.results import CampaignResults
from ionscreen.workflows.run_directory import RunDirectory

STEPS = ("label", "train", "evaluate", "screen", "report")


@pytest.fixture
def copy(small_run: CampaignResults, tmp_path: Path) -> RunDirectory:
    """Return a run directory of its own."""
    ignored = shutil.ignore_patterns(".lock*", "status*")
    return RunDirectory(Path(shutil.copytree(small_run.directory.path, tmp_path / "run", ignore=ignored)))


def forbid_clusters(monkeypatch: pytest.MonkeyPatch) -> None:
    def forbidden(*_: object) -> None:
        raise AssertionError("a cluster was started although nothing was left to do")

    monkeypatch.setattr("ionscreen.workflows.campaign.open_cluster", forbidden)
    monkeypatch.setattr("ionscreen.surrogate.regression.train_regressor", forbidden)


def written(directory: RunDirectory) -> dict[Path, bytes]:
    """Return the files that hold results."""
    folders = (directory.dataset, directory.surrogate, directory.screening, directory.verification)
    files = [path for folder in folders for path in folder.rglob("*") if path.is_file()]
    return {path: path.read_bytes() for path in [*files, directory.ranking, directory.verified, directory.evaluation]}


def test_steps_of_a_finished_campaign_change_nothing(copy: RunDirectory, monkeypatch: pytest.MonkeyPatch) -> None:
    before = written(copy)
    forbid_clusters(monkeypatch)
    for step in STEPS:
        assert run([step, str(copy.path)]) == 0, step
    assert written(copy) == before


def test_screening_alone_predicts_what_is_missing(copy: RunDirectory, capsys: pytest.CaptureFixture[str]) -> None:
    before = written(copy)
    next(copy.screening.glob("*.npz")).unlink()
    copy.ranking.unlink()
    assert run(["screen", str(copy.path), "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert [row["rank"] for row in answer["best"]] == list(range(1, 11))
    after = written(copy)
    # A block that is predicted anew may be cut otherwise; what it says is the same.
    assert {p: b for p, b in after.items() if p.parent != copy.screening} == {
        p: b for p, b in before.items() if p.parent != copy.screening
    }


def test_a_surrogate_of_another_version_s_default_is_trained_anew(
    copy: RunDirectory, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    before = json.loads((copy.surrogate / "model.json").read_bytes())
    regressor = TrainConfig.regressor

    def of_another_version(self: TrainConfig, seed: int) -> RegressionConfig:
        settings = regressor(self, seed)
        architecture = replace(settings.architecture, cascade=CascadeSettings((4, 6), 1), components=8)
        return replace(settings, architecture=architecture, epochs=5)

    monkeypatch.setattr(TrainConfig, "regressor", of_another_version)
    assert run(["screen", str(copy.path)]) == 1
    assert f"train it anew: ionscreen train {copy.path}" in "".join(capfd.readouterr().err.split("\n"))
    assert run(["train", str(copy.path)]) == 0
    assert run(["screen", str(copy.path)]) == 0
    after = json.loads((copy.surrogate / "model.json").read_bytes())
    assert after["architecture"]["cascade"]["coarse"] == [4, 6] != before["architecture"]["cascade"]["coarse"]


def test_the_report_of_an_older_version_screens_nothing_again(
    copy: RunDirectory, monkeypatch: pytest.MonkeyPatch, small_run: CampaignResults
) -> None:
    # Another version may know the descriptions by another key.
    paths = sorted(copy.screening.glob("*.npz"))
    for path in paths:
        with np.load(path) as stored:
            np.savez(path, **{**stored, "key": np.array("older")})
    # Those of a screening before that one are there too.
    first = copy.screening / "00000000-00000000.npz"
    with np.load(paths[0]) as stored:
        np.savez(first, **{**stored, "key": np.array("oldest")})
    os.utime(first, ns=(0, 0))
    before = written(copy)
    copy.report.unlink()
    forbid_clusters(monkeypatch)
    assert run(["report", str(copy.path)]) == 0
    assert written(copy) == before
    assert small_run.ranked[0].id[:12] in copy.report.read_text(encoding="utf-8")


def test_what_is_missing_is_named(
    copy: RunDirectory, tmp_path: Path, capfd: pytest.CaptureFixture[str], small_run: CampaignResults
) -> None:
    def said(*arguments: str) -> str:
        capfd.readouterr()
        assert run(list(arguments)) == 1
        return " ".join(capfd.readouterr().err.split())

    shutil.rmtree(copy.verification / "manifest")
    (copy.verification / "manifest").mkdir()
    assert "finish the campaign with 'ionscreen run'" in said("report", str(copy.path))
    copy.verified.unlink()
    assert "no finished campaign" in said("report", str(copy.path))
    (copy.surrogate / "model.json").unlink()
    assert "ionscreen train" in said("screen", str(copy.path))
    copy.evaluation.unlink()
    assert "ionscreen train" in said("evaluate", str(copy.path))
    for command in (["screen", str(copy.path), "-c", "0=1"], ["screen", "x.tif", "--set", "seed=1"]):
        assert run(command) == 2
