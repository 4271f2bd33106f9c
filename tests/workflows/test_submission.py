"""Submission: what is printed is what would be submitted; nothing is, by a dry run."""

import os
import subprocess
from pathlib import Path

import pytest

from ionscreen.datasets import InvalidInput
from ionscreen.workflows.application import run
from ionscreen.workflows.batch_script import SYSTEMS
from ionscreen.workflows.cluster_config import ClusterConfig
from ionscreen.workflows.shards import Share

from .conftest import write_small_campaign

JOB = {
    "queue": "fast",
    "account": "cells",
    "interface": "ib0",
    "prologue": ["module load python"],
    "walltime_minutes": 90,
}
PREFIX = {"slurm": "#SBATCH", "pbs": "#PBS", "lsf": "#BSUB", "sge": "#$", "oar": "#OAR"}
WALLTIME = {"slurm": "01:30:00", "pbs": "01:30:00", "lsf": "01:30", "sge": "01:30:00", "oar": "01:30:00"}


def campaign(folder: Path, **cluster: object) -> Path:
    return write_small_campaign(folder, cluster={"workers": 12, "job": {"workers_per_job": 4, **JOB}, **cluster})


@pytest.mark.parametrize("system", SYSTEMS)
@pytest.mark.filterwarnings("ignore:OAR Job memory")
def test_a_dry_run_shows_driver_and_workers(system: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["submit", str(campaign(tmp_path)), "--scheduler", system, "--dry-run"]) == 0
    driver, worker = capsys.readouterr().out.split("### each job with workers")
    for script in (driver, worker):
        directives = [line for line in script.splitlines() if line.startswith(f"{PREFIX[system]} ")]
        assert any("fast" in line for line in directives)
        assert any("cells" in line for line in directives)
        assert "module load python" in script
    assert f"ionscreen.workflows run {tmp_path}/run" in driver
    assert WALLTIME[system] in worker
    for part in ("tls://", "--tls-key", "--nworkers 4", "--nthreads 1", "--lifetime 4590s", "--interface ib0"):
        assert part in worker, part
    assert "NUMBA_NUM_THREADS=1" in worker
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("system", SYSTEMS)
def test_an_array_covers_every_share(system: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["submit", str(campaign(tmp_path)), "-s", system, "--array", "--dry-run"]) == 0
    array, rest = capsys.readouterr().out.split("rest.sh\n", 1)
    assert "--share" not in rest
    command = next(line for line in array.splitlines() if "--share" in line)
    first = {"slurm": 0, "pbs": 0}.get(system, 1)
    names = {
        "slurm": "SLURM_ARRAY_TASK_ID",
        "pbs": "PBS_ARRAY_INDEX",
        "lsf": "LSB_JOBINDEX",
        "sge": "SGE_TASK_ID",
        "oar": "OAR_ARRAY_INDEX",
    }
    shares = []
    for task in range(3):  # 12 workers, 4 in a job
        said = subprocess.run(
            ["bash", "-c", f"echo {command.split('--share')[1]}"],
            env={**os.environ, names[system]: str(first + task)},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        shares.append(Share.parse(said.strip()))
    assert shares == [Share(0, 3), Share(1, 3), Share(2, 3)]


@pytest.mark.parametrize(
    ("cluster", "named"),
    [
        ({"scheduler": "slurm", "workers": None}, "workers"),
        ({"scheduler": "address"}, "address"),
        ({"scheduler": "address", "address": "tcp://10.0.0.1:8786"}, "tls"),
        ({"scheduler": "address", "address": "tls://10.0.0.1:8786"}, "tls_ca_file"),
        ({"scheduler": "address", "address": "http://x"}, "address"),
        ({"min_workers": 3, "workers": 2}, "min_workers"),
        ({"job": {"queue": "fast\n#SBATCH --uid=0"}}, "queue"),
        ({"job": {"directives": ["--a\nrm -rf"]}}, "directives"),
        ({"job": {"walltime_minutes": 0}}, "walltime_minutes"),
    ],
)
def test_impossible_clusters_are_refused(
    cluster: dict[str, object], named: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert run(["run", str(write_small_campaign(tmp_path, cluster=cluster))]) == 2
    assert named in " ".join(capfd.readouterr().err.split())
    assert not (tmp_path / "run").exists()


def test_loopback_needs_no_certificate() -> None:
    assert ClusterConfig(scheduler="address", address="tcp://127.0.0.1:8786").address
    assert ClusterConfig(scheduler="address", address="tcp://10.0.0.1:8786", tls=False).address


def test_nothing_can_be_submitted_to_this_machine(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert run(["submit", str(write_small_campaign(tmp_path)), "--dry-run"]) == 2
    assert "cluster.scheduler" in capfd.readouterr().err


def test_a_missing_batch_system_is_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert run(["submit", str(campaign(tmp_path)), "-s", "slurm"]) == 1
    assert "sbatch cannot be run here" in " ".join(capfd.readouterr().err.split())
    assert (tmp_path / "run" / "jobs" / "driver.sh").stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("text", ["", "2", "2/2", "-1/3", "a/b", "1/0", "1/2/3"])
def test_shares_that_are_none_are_refused(text: str) -> None:
    with pytest.raises(InvalidInput, match="--share"):
        Share.parse(text)
