"""Clusters: one that somebody else started, and Dask's report of what a cluster did."""

import subprocess
import sys
from pathlib import Path

import pytest

from ionscreen.datasets import CampaignError
from ionscreen.workflows.application import run
from ionscreen.workflows.cluster import open_cluster
from ionscreen.workflows.cluster_config import ClusterConfig
from ionscreen.workflows.connection import Connection
from ionscreen.workflows.execution import Engine

from .conftest import write_small_campaign


@pytest.mark.parametrize("threads", [1, 2])
def test_a_running_cluster_is_used_if_its_workers_have_one_thread_each(tmp_path: Path, threads: int) -> None:
    from distributed import LocalCluster

    report = tmp_path / "report.html"
    with LocalCluster(
        n_workers=1,
        threads_per_worker=threads,
        processes=False,
        protocol="tcp",
        host="127.0.0.1",
        dashboard_address="127.0.0.1:0",
        silence_logs=50,
    ) as theirs:
        config = ClusterConfig(scheduler="address", address=theirs.scheduler_address)
        connection = Connection(lambda: open_cluster(config, tmp_path, "x", report))
        try:
            if threads == 1:
                ends = list(Engine(connection).run(abs, [-1, -2, -3]))
                assert sorted(end.result for end in ends) == [1, 2, 3]
            else:
                with pytest.raises(CampaignError, match="--nthreads 1"):
                    list(Engine(connection).run(abs, [-1]))
        finally:
            connection.close()
        # It is theirs: it goes on.
        assert len(theirs.scheduler.workers) == 1
    if threads == 1:
        page = report.read_text(encoding="utf-8")
        assert "bokeh" in page.lower()
        assert "abs" in page


def test_a_performance_report_without_a_folder_is_refused_at_once(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    campaign = str(write_small_campaign(tmp_path))
    assert run(["run", campaign, "--performance-report", str(tmp_path / "nowhere" / "report.html")]) == 2
    assert "nowhere" in capfd.readouterr().err
    assert not (tmp_path / "run").exists()


def test_ctrl_c_stays_ours() -> None:
    """dask-jobqueue takes it when it is imported, and would end a driver without a word and with exit code 0."""
    program = """
import signal
signal.signal(signal.SIGINT, signal.default_int_handler)  # in the background it may be ignored
from ionscreen.workflows.batch_cluster import job_options, worker_script
from ionscreen.workflows.cluster_config import ClusterConfig
from pathlib import Path

config = ClusterConfig(scheduler="slurm", workers=1)
worker_script(config, job_options(config, Path("."), {}, "x"))
import dask_jobqueue
assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
"""
    subprocess.run([sys.executable, "-c", program], check=True)


def test_a_scheduler_that_is_not_there_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ionscreen.workflows.cluster.CONNECT_SECONDS", 1)
    config = ClusterConfig(scheduler="address", address="tcp://127.0.0.1:9")
    with (
        pytest.raises(CampaignError, match=r"No Dask scheduler answers at tcp://127\.0\.0\.1:9"),
        open_cluster(config, tmp_path, "x"),
    ):
        pass
