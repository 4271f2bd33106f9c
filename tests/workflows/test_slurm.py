"""A real SLURM: three campaigns at once, disturbed, end with the dataset of an undisturbed run."""

import json
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ionscreen.datasets import Dataset
from ionscreen.workflows.application import run
from ionscreen.workflows.results import CampaignResults
from ionscreen.workflows.status import read_status

from .conftest import write_small_campaign
from .one_node_slurm import missing_programs, one_node_slurm
from .test_campaign import contents

pytestmark = pytest.mark.slow

PATIENCE_SECONDS = 240
SAMPLES = 96


@pytest.fixture(scope="module")
def slurm() -> Iterator[Path]:
    """Start SLURM and point everything in this process and its children to it."""
    if missing := missing_programs():
        # CI sets this, so that there it cannot be skipped unnoticed.
        assert not os.environ.get("IONSCREEN_REQUIRE_SLURM"), f"CI needs {missing}"
        pytest.skip(f"no SLURM: {', '.join(missing)} missing (apt-get install slurm-wlm munge)")
    folder = Path(tempfile.mkdtemp(prefix="slurm"))
    folder.chmod(0o755)
    with one_node_slurm(folder) as config, pytest.MonkeyPatch.context() as patch:
        patch.setenv("SLURM_CONF", str(config))
        yield config
    shutil.rmtree(folder)


def write_campaign(folder: Path, **job: object) -> Path:
    folder.mkdir()
    return write_small_campaign(
        folder,
        train={"epochs": 1},
        candidates={"samples": 16},
        screen={"verify_top": 2, "verify_random": 2},
        cluster={
            "scheduler": "slurm",
            "workers": 2,
            "samples_per_shard": 4,
            "memory_limit_GB": 2,
            "job": {"interface": "lo", **job},
        },
    )


def queue() -> dict[str, tuple[str, str]]:
    """Return job -> (name, state) of all jobs that SLURM knows."""
    command = ["squeue", "--noheader", "--states=all", "--format=%i|%j|%T"]
    lines = subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()
    return {job: (name, state) for job, name, state in (line.split("|") for line in lines)}


def wait_for(done: Callable[[], object], what: str, run_directory: Path) -> None:
    end = time.monotonic() + PATIENCE_SECONDS
    while not done():
        if time.monotonic() > end:
            logs = "".join(f"{p.name}: {p.read_text()[-1500:]}\n" for p in run_directory.glob("jobs/*.out"))
            raise AssertionError(f"{what}: not within {PATIENCE_SECONDS} s; {queue()}\n{logs}")
        time.sleep(0.2)


def labelled(run_directory: Path) -> int:
    return len(Dataset(run_directory / "dataset")) if (run_directory / "dataset" / "manifest").is_dir() else 0


@pytest.fixture(scope="module")
def runs(slurm: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Submit three campaigns at once, disturb two of them, and wait for all."""
    folder = tmp_path_factory.mktemp("slurm")
    files = {
        "cancelled": write_campaign(folder / "cancelled"),
        "walltime": write_campaign(folder / "walltime", driver_walltime_minutes=1),
        "array": write_campaign(folder / "array"),
    }
    places = {name: file.parent / "run" for name, file in files.items()}
    for name, file in files.items():
        change = ["--set", f"name={name}"]
        assert run(["submit", str(file), *change, *(["--array"] if name == "array" else [])]) == 0

    def workers(name: str) -> list[str]:
        return [job for job, (n, state) in queue().items() if n == f"ionscreen-{name}" and state == "RUNNING"]

    wait_for(lambda: labelled(places["cancelled"]) and workers("cancelled"), "first shard", places["cancelled"])
    victim = workers("cancelled")[0]
    assert labelled(places["cancelled"]) < SAMPLES
    subprocess.run(["scancel", victim], check=True)
    # SLURM gives notice of the walltime's end at once: it is closer than the two minutes asked for.
    driver = next(job for job, (name, _) in queue().items() if name == "ionscreen-walltime-driver")
    wait_for(lambda: requeued(driver), "requeue", places["walltime"])
    # It would wait two minutes.
    subprocess.run(["scontrol", "update", f"JobId={driver}", "TimeLimit=30", "StartTime=now"], check=True)
    for name, place in places.items():
        wait_for((place / "report.html").exists, name, place)
    wait_for(lambda: not any(state in ("RUNNING", "PENDING") for _, state in queue().values()), "end", folder)
    return places


def requeued(job: str) -> bool:
    said = subprocess.run(["scontrol", "show", "job", job], check=True, capture_output=True, text=True).stdout
    return "Restarts=1" in said and "JobState=PENDING" in said


@pytest.mark.parametrize("name", ["cancelled", "walltime", "array"])
def test_the_dataset_is_that_of_an_undisturbed_run(
    runs: dict[str, Path], small_run: CampaignResults, name: str
) -> None:
    assert contents(runs[name] / "dataset") == contents(small_run.directory.dataset)
    status = read_status(runs[name])
    assert status.finished
    assert status.labelled == SAMPLES
    assert "worker_lost" not in status.counts


def test_a_requeued_driver_computes_nothing_twice(runs: dict[str, Path]) -> None:
    events = [json.loads(line) for line in (runs["walltime"] / "log.jsonl").read_text().splitlines()]
    assert [e["event"] for e in events].count("step_started") >= 5  # label at both starts
    computed, step = 0, None
    for event in events:
        step = event["step"] if event["event"] == "step_started" else step
        computed += event["samples"] if event["event"] == "task_finished" and step == "label" else 0
    # What was under way when the driver stopped may have been finished without it.
    assert computed <= SAMPLES


def test_keys_are_for_the_owner_and_gone_at_the_end(runs: dict[str, Path]) -> None:
    keys = runs["cancelled"] / "keys"
    assert keys.stat().st_mode & 0o077 == 0
    assert list(keys.iterdir()) == []
    script = (runs["cancelled"] / "jobs" / "driver.sh").read_text()
    assert "--signal=B:USR1@120" in script


def test_no_job_is_left(runs: dict[str, Path]) -> None:
    assert not [job for job, (_, state) in queue().items() if state in ("RUNNING", "PENDING")]
