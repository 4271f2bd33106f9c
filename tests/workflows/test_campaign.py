"""A campaign runs end to end, gives the same again, and survives being killed."""

import csv
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from ionscreen.datasets import CampaignError, Dataset, InvalidInput, Recipe, Status
from ionscreen.pipeline import effective_conductivity
from ionscreen.pipeline.generation import generate
from ionscreen.workflows.campaign import run_campaign
from ionscreen.workflows.config import load_config
from ionscreen.workflows.results import CampaignResults
from ionscreen.workflows.run_directory import RunDirectory

from .conftest import write_small_campaign


def contents(folder: Path) -> dict[str, tuple[bytes, bytes]]:
    """Return sample id -> bytes of phases and of labels, without times."""
    found = {}
    for sample in Dataset(folder):
        label = sample.labels["ionic"]
        assert sample.microstructure is not None
        numbers = (label.sigma, label.upper_bound, label.error_estimate, label.status, label.iterations)
        found[sample.id] = (sample.microstructure.phases.tobytes(), b"".join(n.tobytes() for n in numbers))
    return found


def test_everything_is_there(small_run: CampaignResults) -> None:
    d = small_run.directory
    for path in (d.config, d.surrogate / "model.safetensors", d.ranking, d.verified, d.report, d.timings):
        assert path.stat().st_size > 0, path
    assert d.path.stat().st_mode & 0o077 == 0
    assert len([line for line in small_run.text().splitlines() if "WARNING" not in line]) == 11
    assert sum(small_run.statuses().values()) == 96


def test_labels_are_what_the_solver_says(small_run: CampaignResults) -> None:
    sample = next(s for s in small_run.dataset if s.labels["ionic"].status[0] == Status.OK)
    assert sample.microstructure is not None
    names = sample.microstructure.phase_names
    table = {i: 0.18 if name == "electrolyte" else 0.0 for i, name in enumerate(names)}
    exact = effective_conductivity(sample.microstructure.phases, table, voxel_size=4e-7, rtol=1e-8)
    assert sample.labels["ionic"].sigma[0] == pytest.approx(exact.sigma, rel=1e-4)


def test_the_process_keeps_its_thread_settings(small_run: CampaignResults) -> None:
    import numba

    assert os.environ.get("NUMBA_NUM_THREADS") is None
    assert len(os.sched_getaffinity(0)) == numba.config.NUMBA_NUM_THREADS


def test_the_ranking_is_ordered_and_complete(small_run: CampaignResults) -> None:
    rows = list(csv.DictReader(small_run.directory.ranking.read_text(encoding="utf-8").splitlines()))
    sigma = [float(r["sigma_S_per_m"]) for r in rows if r["status"] == "ok"]
    assert sigma == sorted(sigma, reverse=True)
    assert len({r["id"] for r in rows}) == 150
    assert all(float(r["sigma_S_per_m"]) == 0 for r in rows if r["status"] == "non_percolating")


def test_verification_agrees_with_prediction(small_run: CampaignResults) -> None:
    verification = small_run.verification
    assert len(verification.entries) == 16
    assert verification.median_error("top") < 0.03
    # The structures the surrogate chose conduct better than those chance chose.
    assert verification.median_sigma("top") > 1.3 * verification.median_sigma("random")
    for entry in verification.entries:
        # Whether a path exists is decided, not predicted.
        assert (entry.prediction.status == Status.NON_PERCOLATING) == (entry.status == Status.NON_PERCOLATING)


def test_held_out_structures_were_not_trained_on(small_run: CampaignResults) -> None:
    from ionscreen.datasets import split

    labels = small_run.dataset.labels("ionic")
    usable = [str(i) for i in labels["id"][labels["status"][:, 0] == Status.OK]]
    parts = split(usable, seed=small_run.config.seed or 0)
    assert set(small_run.evaluation["table"]["id"]) == set(parts["test"])
    assert not set(parts["test"]) & (set(parts["train"]) | set(parts["validation"]))


def test_running_again_computes_nothing(small_run: CampaignResults, monkeypatch: pytest.MonkeyPatch) -> None:
    def forbidden(*_: object) -> None:
        raise AssertionError("a cluster was started although nothing was left to do")

    monkeypatch.setattr("ionscreen.workflows.campaign.open_cluster", forbidden)
    monkeypatch.setattr("ionscreen.surrogate.regression.train_regressor", forbidden)
    again = run_campaign(load_config(small_run.directory.config), small_run.directory.path)
    assert list(again.ranked) == list(small_run.ranked)
    assert [e.sigma for e in again.verification.entries] == [e.sigma for e in small_run.verification.entries]


def test_another_campaign_is_refused_in_the_same_directory(small_run: CampaignResults) -> None:
    config = small_run.config.model_copy(update={"seed": 5})
    with pytest.raises(CampaignError, match="holds another campaign"):
        run_campaign(config, small_run.directory.path)


def test_a_second_driver_is_refused_by_name(tmp_path: Path) -> None:
    directory = RunDirectory(tmp_path / "run")
    directory.create()
    with (
        directory.locked(),
        pytest.raises(CampaignError, match=f"process {os.getpid()}"),
        RunDirectory(tmp_path / "run").locked(),
    ):
        pass


def test_user_strings_are_escaped_in_the_report(small_run: CampaignResults) -> None:
    from ionscreen.workflows.report import write_report

    html_name = small_run.config.model_copy(update={"name": "<script>alert(1)</script>"})
    directory = small_run.directory
    results = replace(small_run, config=html_name)
    before = directory.report.read_bytes()
    write_report(results)
    text = directory.report.read_text(encoding="utf-8")
    directory.report.write_bytes(before)
    assert "<script>alert" not in text
    assert "&lt;script&gt;" in text


def test_too_few_percolating_structures_end_with_a_sentence(tmp_path: Path) -> None:
    closed = [{"family": "blobs", "parameters": {"void_fraction": 0.95}}]
    path = write_small_campaign(tmp_path, families=closed, label={"samples": 20}, cluster={"workers": 1})
    with pytest.raises(CampaignError, match="percolate"):
        run_campaign(load_config(path), tmp_path)


def test_a_missing_image_is_found_before_anything_is_computed(tmp_path: Path) -> None:
    image = {"path": "nowhere.tif", "voxel_size_um": 0.4, "phases": {0: "void"}}
    path = write_small_campaign(tmp_path, candidates={"samples": 0, "images": [image]})
    with pytest.raises(InvalidInput, match=r"nowhere\.tif"):
        run_campaign(load_config(path), tmp_path)
    assert not (tmp_path / "run" / "dataset").exists()


def test_windows_of_an_image_are_candidates(tmp_path: Path, small_run: CampaignResults) -> None:
    rng = np.random.default_rng(314)
    np.save(tmp_path / "image.npy", (rng.random((48, 24, 24)) < 0.7).astype(np.uint8))
    image = {"path": "image.npy", "voxel_size_um": 0.4, "phases": {0: "void", 1: "electrolyte"}}
    candidates = {"samples": 0, "images": [image]}
    path = write_small_campaign(
        tmp_path, candidates=candidates, run_directory=str(small_run.directory.path.parent / "images")
    )
    results = run_campaign(load_config(path), tmp_path)
    assert [p.family for p in results.ranked] == ["image", "image"]
    assert {path.suffix for path in results.directory.maps.iterdir()} == {".npz", ".vtr"}
    assert all(e.status == Status.OK for e in results.verification.entries)


def test_structures_of_a_dataset_are_candidates(tmp_path: Path, small_run: CampaignResults) -> None:
    """Their voxels are read, not generated again; the solver finds what stands in their labels."""
    place = small_run.directory.path.parent / "stored"
    candidates = {"samples": 0, "datasets": [str(small_run.directory.dataset)]}
    path = write_small_campaign(tmp_path, candidates=candidates, run_directory=str(place))
    results = run_campaign(load_config(path), tmp_path)
    labels = small_run.dataset.labels("ionic")
    known = dict(zip(labels["id"].tolist(), labels["sigma"][:, 0].tolist(), strict=True))
    assert {p.parameters["sample"] for p in results.ranked} == set(known)
    assert {p.parameters["own_family"] for p in results.ranked} == {s.recipe.family for s in small_run.dataset}
    assert len(results.verification.entries) > 10
    for entry in results.verification.entries:
        assert entry.sigma == known[str(entry.prediction.parameters["sample"])]
    assert "own_family" in results.directory.ranking.read_text(encoding="utf-8").splitlines()[0]
    # Of another shape, a phase without conductivity, and one that has changed.
    with pytest.raises(InvalidInput, match=r"candidates\.datasets: .*voxels, structure\.shape is \(28, 24, 24\)"):
        run_campaign(load_config(path, ["structure.shape=[28, 24, 24]", f"run_directory={tmp_path}/b"]), tmp_path)
    with pytest.raises(InvalidInput, match="is not among the campaign's"):
        generate(Recipe("dataset", {"dataset": "0", "sample": "1"}, (24, 24, 24), (1.0,) * 3, 0), {})


def test_candidates_of_which_none_percolates_still_get_a_report(tmp_path: Path, small_run: CampaignResults) -> None:
    np.save(tmp_path / "closed.npy", np.zeros((24, 24, 24), dtype=np.uint8))
    image = {"path": "closed.npy", "voxel_size_um": 0.4, "phases": {0: "void"}}
    # In the other campaign's labels and surrogate, so that only the candidates are new.
    shutil.copytree(small_run.directory.path, tmp_path / "run", ignore=shutil.ignore_patterns(".lock", "verification"))
    path = write_small_campaign(tmp_path, candidates={"samples": 0, "images": [image]})
    results = run_campaign(load_config(path), tmp_path)
    assert [p.status for p in results.ranked] == [Status.NON_PERCOLATING]
    assert results.summary()["best_id"] is None
    assert "none: no verified candidate percolates" in results.text()


def test_the_network_takes_the_regressors_place(network_run: CampaignResults) -> None:
    """On the same labels: another surrogate, which sees voxels, screens on the workers."""
    from ionscreen.surrogate import load_checkpoint

    assert load_checkpoint(network_run.directory.surrogate).metrics["epochs"] == 3
    assert all(p.score is None for p in network_run.ranked)
    assert network_run.verification.median_error("random") < 0.3


@pytest.mark.slow
def test_two_runs_are_identical(small_run: CampaignResults, tmp_path: Path) -> None:
    path = write_small_campaign(tmp_path, cluster={"workers": 1, "samples_per_shard": 10})
    again = run_campaign(load_config(path), tmp_path)
    assert contents(again.directory.dataset) == contents(small_run.directory.dataset)


@pytest.mark.slow
def test_a_killed_driver_resumes_and_ends_like_an_undisturbed_one(small_run: CampaignResults, tmp_path: Path) -> None:
    path = write_small_campaign(tmp_path)
    delays = np.random.default_rng(577215).uniform(3.5, 9.0, size=3)
    for delay in delays:
        process = subprocess.Popen(
            [sys.executable, "-m", "ionscreen.workflows", "run", str(path)],
            stderr=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            start_new_session=True,
        )
        time.sleep(float(delay))
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    results = run_campaign(load_config(path), tmp_path)
    assert contents(results.directory.dataset) == contents(small_run.directory.dataset), delays
    assert [p.id for p in results.ranked] == [p.id for p in small_run.ranked], delays
