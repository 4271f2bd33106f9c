"""The Dask cluster of a campaign, set up so that it is correct, private and does not hang."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from ..datasets import CampaignError
from .batch_cluster import batch_cluster
from .cluster_config import ClusterConfig
from .connection import Cluster

__all__ = ["WORKER_ENVIRONMENT", "local_cluster", "open_cluster", "worker_count"]

LOOPBACK = "127.0.0.1"
CONNECT_SECONDS = 30

# One thread for every library that would start its own: the workers are the parallelism. The nanny sets the first
# three itself, but not numba's.
WORKER_ENVIRONMENT = dict.fromkeys(
    ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS"), "1"
)

# What is set before a worker starts stays in this process, too, until the cluster closes. Numba would then refuse to
# compile here, where the descriptors of the training structures are computed: its own is set in the worker.
_BEFORE = {name: value for name, value in WORKER_ENVIRONMENT.items() if name != "NUMBA_NUM_THREADS"}

SETTINGS = {
    "distributed.nanny.pre-spawn-environ": _BEFORE,
    "distributed.nanny.environ": WORKER_ENVIRONMENT,
    # Whether and how to try again after a lost worker is decided for each sample, in batches.py.
    "distributed.scheduler.allowed-failures": 0,
    "distributed.scheduler.no-workers-timeout": "120s",
    "distributed.worker.daemon": False,
    "distributed.worker.preload": ["ionscreen.workflows.worker_signals"],
    "distributed.logging.distributed": "error",
    "logging.distributed": "error",
}


def worker_count(config: ClusterConfig) -> int:
    """Return the number of workers: as configured, else one for each core this process may use; 1 if unknown."""
    return config.workers or (len(os.sched_getaffinity(0)) if config.scheduler == "local" else 1)


@contextmanager
def _environment_restored() -> Iterator[None]:
    """Give this process its own thread settings back: the nannies leave the workers' in its environment."""
    before = {name: os.environ.get(name) for name in WORKER_ENVIRONMENT}
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name, None)
            if value is not None:
                os.environ[name] = value


@contextmanager
def local_cluster(config: ClusterConfig) -> Iterator[Cluster]:
    """Yield a new cluster on the loopback interface; the cluster ends with the context.

    One thread per worker: PoreSpy seeds a process-wide random state, so two samples in one process would not be
    reproducible. The size is held by ``adapt``, which replaces lost workers and, unlike a cluster of fixed size, does
    not hang after repeated losses.
    """
    import dask
    from distributed import Client, LocalCluster

    workers = worker_count(config)
    with (
        _environment_restored(),
        dask.config.set(SETTINGS),
        LocalCluster(
            n_workers=0,
            threads_per_worker=1,
            processes=True,
            host=LOOPBACK,
            dashboard_address=f"{LOOPBACK}:0",
            memory_limit=f"{config.memory_limit_GB}GB",
            silence_logs=50,
        ) as cluster,
        Client(cluster) as client,
    ):
        fewest = workers if config.min_workers is None else config.min_workers
        cluster.adapt(minimum=fewest, maximum=workers)
        yield Cluster(client, workers)


@contextmanager
def open_cluster(
    config: ClusterConfig, folder: Path, name: str, performance_report: Path | None = None
) -> Iterator[Cluster]:
    """Yield the cluster that the configuration asks for.

    Parameters
    ----------
    config
        Which one.
    folder
        The run directory.
    name
        Of batch jobs.
    performance_report
        Dask's report of what the cluster did is written to this HTML file.

    Raises
    ------
    CampaignError
        If there is no such cluster.
    """
    import dask
    from distributed import performance_report as reported

    with dask.config.set(SETTINGS), ExitStack() as stack:
        if config.scheduler == "local":
            cluster = stack.enter_context(local_cluster(config))
        elif config.scheduler == "address":
            cluster = stack.enter_context(_running_cluster(config))
        else:
            cluster = stack.enter_context(batch_cluster(config, folder, WORKER_ENVIRONMENT, name))
        if performance_report:
            stack.enter_context(reported(filename=str(performance_report)))
        yield cluster


@contextmanager
def _running_cluster(config: ClusterConfig) -> Iterator[Cluster]:
    """Yield a cluster that somebody else started and ends."""
    from distributed import Client, Security

    security = None
    if config.tls_ca_file:
        security = Security(
            tls_ca_file=config.tls_ca_file,
            tls_client_cert=config.tls_cert_file,
            tls_client_key=config.tls_key_file,
            require_encryption=True,
        )
    try:
        client = Client(config.address, security=security, timeout=CONNECT_SECONDS)
    except (OSError, TimeoutError, RuntimeError) as error:
        raise CampaignError(
            f"No Dask scheduler answers at {config.address} ({type(error).__name__}); start it, or correct "
            "cluster.address and its tls files."
        ) from error
    with client:
        yield Cluster(client, config.workers, _check_threads)


def _check_threads(workers: dict[str, Any]) -> None:
    for address, worker in workers.items():
        if worker.get("nthreads", 1) != 1:
            raise CampaignError(
                f"The worker {address} has {worker['nthreads']} threads, in which PoreSpy's structures are not "
                "reproducible; start the workers with --nthreads 1, several for each node."
            )
