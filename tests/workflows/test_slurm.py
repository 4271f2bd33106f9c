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

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]

PATIENCE_SECONDS = 400
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


# Preloaded by the workers: while the gate is there, labelling stops after the first shard, so that what is done to a
# campaign meets it at work, however fast or busy the machine.
GATE = """
import time
from pathlib import Path

from ionscreen.workflows import shards

folder = Path("FOLDER")
compute = getattr(shards.compute_sample, "compute", shards.compute_sample)  # Dask may load this twice


def compute_at_open_gate(*arguments):
    while (folder / "gate").exists() and list(folder.glob("run/dataset/manifest/*.json")):
        time.sleep(0.2)
    return compute(*arguments)


compute_at_open_gate.compute = compute
shards.compute_sample = compute_at_open_gate
"""


def write_campaign(folder: Path) -> Path:
    folder.mkdir()
    (folder / "gate.py").write_text(GATE.replace("FOLDER", str(folder)))
    (folder / "gate").touch()
    preload = f"""export DASK_DISTRIBUTED__WORKER__PRELOAD='["{folder}/gate.py"]'"""
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
            "job": {"interface": "lo", "prologue": [preload]},
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


def update(job: str, *changes: str) -> None:
    subprocess.run(["scontrol", "update", f"JobId={job}", *changes], check=True)


def jobs(name: str, state: str = "RUNNING") -> list[str]:
    """Return the jobs of this name in this state."""
    return [job for job, (n, found) in queue().items() if n == f"ionscreen-{name}" and found == state]


@pytest.fixture(scope="module")
def runs(slurm: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Submit three campaigns at once, disturb two of them, and wait for all."""
    folder = tmp_path_factory.mktemp("slurm")
    files = {
        "cancelled": write_campaign(folder / "cancelled"),
        "walltime": write_campaign(folder / "walltime"),
        "array": write_campaign(folder / "array"),
    }
    places = {name: file.parent / "run" for name, file in files.items()}

    def submit(name: str, *options: str) -> None:
        assert run(["submit", str(files[name]), "--set", f"name={name}", *options]) == 0

    def kept(name: str) -> None:
        """Check that there is something left to do, and let the campaign go on."""
        assert labelled(places[name]) < SAMPLES
        (files[name].parent / "gate").unlink()

    submit("cancelled")
    submit("walltime")
    submit("array", "--array")
    # The end of a driver's walltime comes closer than the two minutes before which it wants notice.
    driver = next(job for job, (name, _) in queue().items() if name == "ionscreen-walltime-driver")
    wait_for((places["walltime"] / "log.jsonl").exists, "start", places["walltime"])
    update(driver, "TimeLimit=2")

    # Of two jobs with workers one is cancelled, and one ended by SLURM at its walltime, which it looks at every 30 s.
    place = places["cancelled"]
    wait_for(lambda: labelled(place) and len(jobs("cancelled")) == 2, "first shard", place)
    victims = jobs("cancelled")
    subprocess.run(["scancel", victims[0]], check=True)
    update(victims[1], "TimeLimit=0")

    # The driver queues itself again, and the next time meets its walltime without notice; it is submitted again.
    place = places["walltime"]
    wait_for(lambda: requeued(driver), "requeue", place)
    update(driver, "TimeLimit=30", "StartTime=now")  # it would wait two minutes
    wait_for(lambda: labelled(place), "first shard", place)
    update(driver, "TimeLimit=0")

    place = places["cancelled"]
    wait_for(lambda: jobs("cancelled", "TIMEOUT") == victims[1:], "a worker's walltime", place)
    wait_for(lambda: set(jobs("cancelled")) - set(victims), "another job with workers", place)
    kept("cancelled")
    wait_for(lambda: jobs("walltime-driver", "TIMEOUT"), "the driver's walltime", places["walltime"])
    kept("walltime")
    submit("walltime")
    wait_for(lambda: labelled(place) == SAMPLES, "all labels", place)
    # The steps after the labels are those of the other campaigns; they may be done already.
    for job in jobs("cancelled-driver"):
        subprocess.run(["scancel", job], check=True)
    for name in ("walltime", "array"):
        wait_for((places[name] / "report.html").exists, name, places[name])
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
    assert status.finished or name == "cancelled"
    assert status.labelled == SAMPLES
    assert "worker_lost" not in status.counts


def test_a_requeued_and_a_resubmitted_driver_compute_nothing_twice(runs: dict[str, Path]) -> None:
    events = [json.loads(line) for line in (runs["walltime"] / "log.jsonl").read_text().splitlines()]
    assert [e.get("step") for e in events if e["event"] == "step_started"].count("label") >= 2
    computed, step = 0, None
    for event in events:
        step = event["step"] if event["event"] == "step_started" else step
        computed += event["samples"] if event["event"] == "task_finished" and step == "label" else 0
    # What was under way when the driver stopped may have been finished without it.
    assert computed <= SAMPLES


def test_keys_are_for_the_owner_and_gone_at_the_end(runs: dict[str, Path]) -> None:
    keys = runs["walltime"] / "keys"
    assert keys.stat().st_mode & 0o077 == 0
    assert list(keys.iterdir()) == []
    script = (runs["walltime"] / "jobs" / "driver.sh").read_text()
    assert "--signal=B:USR1@120" in script


def test_no_job_is_left(runs: dict[str, Path]) -> None:
    assert not [job for job, (_, state) in queue().items() if state in ("RUNNING", "PENDING")]
