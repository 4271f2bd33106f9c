"""The configuration's ``cluster`` block: which workers compute, and how they are asked for."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import Field, model_validator

from .config_block import Block, Line, PathText, Positive, Word

__all__ = ["BatchScheduler", "ClusterConfig", "JobConfig"]

BatchScheduler = Literal["slurm", "pbs", "lsf", "sge", "oar", "htcondor"]

_LOOPBACK = re.compile(r"//(localhost|127\.[0-9.]+|\[::1\])(:|$)")


class JobConfig(Block):
    """One job of the batch system.

    Parameters
    ----------
    workers_per_job
        Workers in one job, a core each.
    walltime_minutes
        Of a job with workers. They stop in order before it ends, and others take their place.
    driver_walltime_minutes
        Of the job that ``ionscreen submit`` starts the campaign in.
    queue, account
        Queue or partition, account or project; the site's default if left out.
    interface
        Network interface that joins the nodes, such as ``ib0``.
    directives
        More directives for the batch system, without their ``#SBATCH``; HTCondor has none, and refuses them.
    prologue
        Shell lines before a job starts, such as ``module load``.
    queue_minutes
        How long to wait in the queue while there is no worker at all.
    """

    workers_per_job: Annotated[int, Field(ge=1, le=256)] = 1
    walltime_minutes: Annotated[float, Field(ge=1, le=100_000)] = 60.0
    driver_walltime_minutes: Annotated[float, Field(ge=1, le=100_000)] = 1440.0
    queue: Word | None = None
    account: Word | None = None
    interface: Word | None = None
    directives: tuple[Line, ...] = ()
    prologue: tuple[Line, ...] = ()
    queue_minutes: Positive = 1440.0


class ClusterConfig(Block):
    """The workers.

    Parameters
    ----------
    scheduler
        ``local``: on this machine; ``address``: of a Dask scheduler that runs; otherwise in jobs of this batch system.
    workers
        How many at most; one for each core of this machine if left out, which only ``local`` may.
    min_workers
        How many to keep while there is nothing to do; all of them on this machine, none in a batch system.
    memory_limit_GB
        Of one worker; one that exceeds it is ended, and its sample recorded.
    samples_per_shard
        Samples in one task and one file; chosen from their size if left out.
    stall_minutes
        How long no task may finish before the cluster is built anew.
    address
        ``tls://host:port`` or ``tcp://host:port`` of the running scheduler.
    tls
        Whether whatever leaves this machine is encrypted, and both ends show a certificate.
    tls_ca_file, tls_cert_file, tls_key_file
        Of the running scheduler; in jobs, keys are made for each start and need no file.
    job
        The batch system's jobs.
    """

    scheduler: Literal["local", "address"] | BatchScheduler = "local"
    workers: Annotated[int, Field(ge=1, le=10_000)] | None = None
    min_workers: Annotated[int, Field(ge=0, le=10_000)] | None = None
    memory_limit_GB: Positive = 4.0  # noqa: N815
    samples_per_shard: Annotated[int, Field(ge=1, le=64)] | None = None
    stall_minutes: Positive = 10.0
    address: str | None = None
    tls: bool = True
    tls_ca_file: PathText | None = None
    tls_cert_file: PathText | None = None
    tls_key_file: PathText | None = None
    job: JobConfig = JobConfig()

    @model_validator(mode="after")
    def _complete(self) -> ClusterConfig:
        if (self.address is not None) != (self.scheduler == "address"):
            raise ValueError("scheduler: address and an address go together; give both or neither")
        if self.address is not None:
            self._check_address(self.address)
        if self.batch and self.workers is None:
            raise ValueError(f"say with workers how many {self.scheduler} may run at most")
        if self.workers is not None and (self.min_workers or 0) > self.workers:
            raise ValueError(f"min_workers is {self.min_workers}, which is more than workers, {self.workers}")
        return self

    @property
    def batch(self) -> bool:
        """Whether the workers are in jobs of a batch system."""
        return self.scheduler not in ("local", "address")

    def _check_address(self, address: str) -> None:
        if not re.match(r"(tls|tcp)://[^\s/]+:[0-9]+$", address):
            raise ValueError(f"the address {address!r} is not like tls://host:8786")
        if address.startswith("tls:"):
            if not (self.tls_ca_file and self.tls_cert_file and self.tls_key_file):
                raise ValueError("a tls:// address needs tls_ca_file, tls_cert_file and tls_key_file")
        elif self.tls and not _LOOPBACK.search(address):
            raise ValueError(
                f"whoever reaches {address} runs programs as you; use tls://, or set tls: false in a network you trust"
            )
