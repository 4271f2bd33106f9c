"""The Dask cluster on this machine, set up so that it is correct, private and does not hang."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from .config import ClusterConfig

if TYPE_CHECKING:
    from distributed import Client

__all__ = ["local_cluster", "worker_count"]

LOOPBACK = "127.0.0.1"

# One thread for every library that would start its own: the workers are the parallelism. The nanny sets the first
# three itself, but not numba's.
WORKER_ENVIRONMENT = dict.fromkeys(
    ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS"), "1"
)

SETTINGS = {
    "distributed.nanny.pre-spawn-environ": WORKER_ENVIRONMENT,
    # A task that killed its worker is tried three times in all.
    "distributed.scheduler.allowed-failures": 2,
    "distributed.scheduler.no-workers-timeout": "120s",
    "distributed.worker.daemon": False,
    "distributed.worker.preload": ["ionscreen.workflows.worker_signals"],
    "distributed.logging.distributed": "error",
    "logging.distributed": "error",
}


def worker_count(config: ClusterConfig) -> int:
    """Return the number of workers: as configured, else one for each core this process may use."""
    return config.workers or len(os.sched_getaffinity(0))


@contextmanager
def _environment_restored() -> Iterator[None]:
    """Give this process its own thread settings back: the nannies leave the workers' in its environment.

    Numba reads its setting when it is imported and again whenever it compiles, and refuses a change in between; so it
    is imported before the nannies start.
    """
    import numba  # noqa: F401

    before = {name: os.environ.get(name) for name in WORKER_ENVIRONMENT}
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name, None)
            if value is not None:
                os.environ[name] = value


@contextmanager
def local_cluster(config: ClusterConfig) -> Iterator[Client]:
    """Yield a client of a new cluster on the loopback interface; the cluster ends with the context.

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
        cluster.adapt(minimum=workers, maximum=workers)
        yield client
