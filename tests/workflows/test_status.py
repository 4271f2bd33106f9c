"""What is said of a campaign: while it runs, when it has stopped, and before it begins."""

import json
import os
import shutil
from pathlib import Path

import pytest

from ionscreen.workflows.application import run
from ionscreen.workflows.monitor import Monitor
from ionscreen.workflows.results import CampaignResults
from ionscreen.workflows.run_directory import RunDirectory
from ionscreen.workflows.status import read_status

from .conftest import write_small_campaign


def test_a_finished_campaign_says_so(small_run: CampaignResults, capsys: pytest.CaptureFixture[str]) -> None:
    place = small_run.directory.path
    assert run(["status", str(place), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["finished"]
    assert not found["running"]
    assert found["labelled"] == found["wanted"] == 96
    assert sum(found["counts"].values()) == 96
    assert run(["status", str(place)]) == 0
    text = capsys.readouterr().out
    assert "finished" in text
    assert "96 of 96" in text


def test_the_log_is_json_and_complete(small_run: CampaignResults) -> None:
    events = [json.loads(line) for line in small_run.directory.log.read_text().splitlines()]
    assert all({"time", "event"} <= set(event) for event in events)
    names = [event["event"] for event in events]
    assert names.count("step_finished") >= 5
    step, computed = None, {"label": 0, "screen": 0}
    for event in events:
        step = event["step"] if event["event"] == "step_started" else step
        if event["event"] == "task_finished" and step in computed:
            computed[step] += event["samples"]
    assert computed["label"] == 96
    assert computed["screen"] >= 150  # other tests may have screened more in this directory
    assert next(event for event in events if event["event"] == "cluster_started")["dashboard"].startswith(
        "http://127.0.0.1:"
    )


def test_a_running_campaign_shows_rate_failures_and_workers(
    small_run: CampaignResults, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    place = tmp_path / "run"
    shutil.copytree(
        small_run.directory.path, place, ignore=shutil.ignore_patterns("report.html", "*.lock", "log.jsonl")
    )
    directory = RunDirectory(place)
    with directory.locked():
        monitor = Monitor(directory.log, directory.status_of())
        monitor.begin("label", 200)
        monitor.cluster("http://127.0.0.1:1234/status")
        monitor.present(40)
        for _ in range(3):
            monitor.finished(20, seconds=36.0)
        for sample in ("a", "b"):
            monitor.lost(sample, "MemoryError: too large")
        monitor.workers({"tcp://1": {"name": "w0", "host": "h", "memory_limit": 4e9, "metrics": {"memory": 1.5e9}}})
        found = read_status(place)
        assert run(["status", str(place)]) == 0
    assert found.running
    assert not found.finished
    assert (found.done, found.total, found.step) == (102, 200, "label")
    assert found.cpu_hours == pytest.approx(108 / 3600)
    assert found.cpu_hours_left == pytest.approx(98 * 108 / 60 / 3600)
    assert (2, "lost", "MemoryError: too large") in found.failures
    assert found.samples_per_second is not None
    assert found.seconds_left == pytest.approx(98 / found.samples_per_second)
    text = capsys.readouterr().out
    for part in (f"process {os.getpid()}", "102 of 200", "127.0.0.1:1234", "1.50 GB each of 4.00 GB", "too large"):
        assert part in text
    # The driver is gone; what it left behind does not look alive.
    assert not read_status(place).running


def test_shares_are_counted_together(small_run: CampaignResults, tmp_path: Path) -> None:
    place = tmp_path / "run"
    shutil.copytree(small_run.directory.path, place, ignore=shutil.ignore_patterns("report.html", "status*", ".lock*"))
    directory = RunDirectory(place)
    for share, samples in (("0-of-2", 10), ("1-of-2", 30)):
        monitor = Monitor(directory.log, directory.status_of(share), share)
        monitor.begin("label", 96)
        monitor.finished(samples, 1.0)
        monitor.present(0)
        monitor.cluster(None)
    found = read_status(place)
    assert (found.done, found.total) == (40, 96)
    assert len(found.drivers) == 2


def test_what_is_no_run_is_one_sentence(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert run(["status", str(tmp_path)]) == 1
    assert "no run directory" in " ".join(capfd.readouterr().err.split())


@pytest.mark.slow
def test_a_plan_says_what_the_campaign_will_cost(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = write_small_campaign(tmp_path, label={"samples": 9600})
    assert run(["run", str(path), "--plan", "--json"]) == 0
    plan = json.loads(capsys.readouterr().out)
    assert plan["workers"] == 2
    sample = plan["sample_seconds"][0]
    assert 0 < plan["generate_seconds"][0] < sample
    assert plan["wall_seconds"]["label"] == pytest.approx(9600 * sample / 2)
    assert plan["cpu_hours"] * 3600 >= 9600 * sample
    assert 9600 * 1e-6 < plan["disk_GB"] < 9600 * 24**3 / 1e9
    assert not (tmp_path / "run").exists()
