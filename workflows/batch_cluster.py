"""Workers in the jobs of a batch system, through dask-jobqueue: encrypted, gone before their walltime, replaced."""

from __future__ import annotations

import importlib
import re
import shlex
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ..datasets import CampaignError, InvalidInput
from .cluster_config import ClusterConfig
from .connection import Cluster

__all__ = ["batch_cluster", "clock", "job_name", "job_options", "worker_script"]

CLASSES = {
    "slurm": "SLURM",
    "pbs": "PBS",
    "lsf": "LSF",
    "sge": "SGE",
    "oar": "OAR",
    "htcondor": "HTCondor",
}
# What dask-jobqueue calls the account of each.
ACCOUNT = {"slurm": "account", "pbs": "account", "lsf": "project", "sge": "project", "oar": "project"}

# Of its walltime, a job's workers stop between 80 and 90 %: at different times, so that never all are gone.
LIFETIME, STAGGER = 0.85, 0.05
ADAPT_SECONDS = 5
# A worker that is not back by then is asked for again; so a job that always fails asks at most this often.
LOST_SECONDS = 30


def clock(minutes: float, seconds: bool = True) -> str:
    """Return a walltime as HH:MM:SS, or HH:MM rounded up."""
    total = round(minutes * 60)
    if not seconds:
        total += 59
    text = f"{total // 3600:02d}:{total // 60 % 60:02d}"
    return f"{text}:{total % 60:02d}" if seconds else text


def job_name(campaign: str) -> str:
    """Return a name that every batch system takes."""
    return "ionscreen-" + re.sub(r"[^A-Za-z0-9]+", "-", campaign).strip("-")[:40]


def job_options(config: ClusterConfig, folder: Path, environment: dict[str, str], name: str) -> dict[str, Any]:
    """Return the arguments of dask-jobqueue's class for the batch system.

    Parameters
    ----------
    config
        The cluster; of a batch system.
    folder
        The run directory: job logs go there.
    environment
        Variables that a worker needs.
    name
        Of the jobs.

    Raises
    ------
    InvalidInput
        If the batch system has no such setting.
    """
    job, system = config.job, config.scheduler
    lifetime, stagger = (round(share * job.walltime_minutes * 60) for share in (LIFETIME, STAGGER))
    options: dict[str, Any] = {
        "cores": job.workers_per_job,
        "processes": job.workers_per_job,
        "memory": f"{config.memory_limit_GB * job.workers_per_job:g}GB",
        "job_name": name,
        "interface": job.interface,
        "log_directory": str(folder / "jobs"),
        "local_directory": str(folder / "jobs"),
        "death_timeout": 300,
        "job_script_prologue": [*_exports(environment), *job.prologue],
        "worker_extra_args": ["--lifetime", f"{lifetime}s", "--lifetime-stagger", f"{stagger}s"],
    }
    if system == "htcondor":
        if job.directives or job.queue or job.account:
            raise InvalidInput(
                "cluster.job: HTCondor has no queue, account or directives here; remove them, and set what your pool "
                "needs in ~/.config/dask/jobqueue.yaml."
            )
        return {**options, "disk": "2GB"}
    options["walltime"] = clock(job.walltime_minutes, seconds=system != "lsf")
    options["queue"] = job.queue
    options[ACCOUNT[system]] = job.account
    options["job_extra_directives"] = list(job.directives)
    return options


def _exports(environment: dict[str, str]) -> list[str]:
    return [f"export {key}={shlex.quote(value)}" for key, value in environment.items()]


def worker_script(config: ClusterConfig, options: dict[str, Any]) -> str:
    """Return the script of a job with workers, as dask-jobqueue will submit it."""
    job = _class(config.scheduler).job_cls
    protocol = "tls" if config.tls else "tcp"
    extra = [*options["worker_extra_args"], *(["--protocol", "tls://"] if config.tls else [])]
    if config.tls:
        extra += ["--tls-ca-file", "KEYS/ca", "--tls-cert", "KEYS/cert", "--tls-key", "KEYS/key"]
    # dask-jobqueue makes the log folder, even of a job that is never started.
    options = {**options, "worker_extra_args": extra, "log_directory": None}
    return str(job(f"{protocol}://DRIVER:PORT", name="WORKER", **options).job_script())


def _class(system: str) -> Any:
    before = signal.getsignal(signal.SIGINT)
    module = importlib.import_module("dask_jobqueue")
    if signal.getsignal(signal.SIGINT) is not before:
        # The import makes Ctrl-C end this process at once, with exit code 0.
        signal.signal(signal.SIGINT, before)
    return getattr(module, f"{CLASSES[system]}Cluster")


@contextmanager
def batch_cluster(config: ClusterConfig, folder: Path, environment: dict[str, str], name: str) -> Iterator[Cluster]:
    """Yield a new cluster; its jobs end with the context.

    Parameters
    ----------
    config
        The cluster; of a batch system.
    folder
        The run directory, on a file system that the nodes share; keys and job logs go there, for its owner only.
    environment
        Variables that a worker needs.
    name
        The campaign's.

    Raises
    ------
    CampaignError
        If the batch system is not there.
    """
    import dask
    from distributed import Client, Security

    keys, security = folder / "keys", Security.temporary() if config.tls else None
    for path in (keys, folder / "jobs"):
        path.mkdir(mode=0o700, exist_ok=True)
    for left in keys.iterdir():  # by a driver that was killed; the lock of the run directory says that it is gone
        left.unlink()
    options = job_options(config, folder, environment, job_name(name))
    settings = {"distributed.deploy.lost-worker-timeout": f"{LOST_SECONDS}s"}
    # Tasks take about half a minute; with Dask's guess of half a second too few jobs would be asked for at first.
    settings["distributed.scheduler.unknown-task-duration"] = "30s"
    with dask.config.set(settings):
        try:
            cluster = _class(config.scheduler)(
                security=security,
                protocol="tls://" if config.tls else "tcp://",
                shared_temp_directory=str(keys),
                scheduler_options={"dashboard_address": "127.0.0.1:0"},
                silence_logs=50,
                **options,
            )
        except (OSError, RuntimeError, ValueError) as error:
            raise CampaignError(
                f"The driver cannot start a Dask scheduler for {config.scheduler} jobs ({error}); "
                "check cluster.job.interface and the account's limits."
            ) from error
        with cluster, Client(cluster) as client:
            most = config.workers or 1
            cluster.adapt(minimum=config.min_workers or 0, maximum=most, interval=f"{ADAPT_SECONDS}s")
            yield Cluster(client, most)
