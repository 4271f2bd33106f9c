"""Job scripts: how each batch system is told what ionscreen needs of it."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from .batch_cluster import clock
from .cluster_config import JobConfig

__all__ = ["SYSTEMS", "JobRequest", "System"]


@dataclass(frozen=True, kw_only=True)
class JobRequest:
    """What one job, or each task of an array, needs.

    Parameters
    ----------
    name
        Without spaces.
    log
        Its output goes to files that begin like this.
    job
        Queue, account, directives and prologue.
    minutes
        Its walltime.
    cores
        On one node.
    memory_GB
        Of all of them together.
    tasks
        Of an array; None for a single job.
    """

    name: str
    log: Path
    job: JobConfig
    minutes: float
    cores: int
    memory_GB: float  # noqa: N815
    tasks: int | None = None


@dataclass(frozen=True, kw_only=True)
class System:
    """One batch system.

    Parameters
    ----------
    prefix
        Of a directive.
    directives
        What a request becomes.
    submit
        The command before the script's path.
    stdin
        Whether the script is read from standard input.
    index
        Shell text for a task's place in its array, from 0.
    after
        Arguments of the command that hold a job until the array ``{id}`` has ended, however it ended; None if there
        is no such thing.
    """

    prefix: str
    directives: Callable[[JobRequest], list[str]]
    submit: tuple[str, ...]
    stdin: bool = False
    index: str
    after: tuple[str, ...] | None

    def script(self, request: JobRequest, body: str) -> str:
        """Return a job script that runs `body`."""
        lines = [*self.directives(request), *request.job.directives]
        head = "\n".join(f"{self.prefix} {line}" for line in lines)
        prologue = "".join(f"{line}\n" for line in request.job.prologue)
        return f"#!/usr/bin/env bash\n{head}\n\n{prologue}{body}"


def _some(*pairs: tuple[str, str | None]) -> list[str]:
    return [f"{flag}{value}" for flag, value in pairs if value is not None]


def _mebibytes(request: JobRequest, per_core: bool = False) -> int:
    return math.ceil(request.memory_GB * 1e9 / 2**20 / (request.cores if per_core else 1))


def _slurm(r: JobRequest) -> list[str]:
    array = [f"--array=0-{r.tasks - 1}"] if r.tasks else []
    return [
        f"--job-name={r.name}",
        f"--output={r.log}-{'%A-%a' if r.tasks else '%j'}.out",
        f"--time={clock(r.minutes)}",
        "--nodes=1",
        "--ntasks=1",
        f"--cpus-per-task={r.cores}",
        f"--mem={_mebibytes(r)}M",
        "--requeue",
        *_some(("--partition=", r.job.queue), ("--account=", r.job.account)),
        *array,
    ]


def _pbs(r: JobRequest) -> list[str]:
    return [
        f"-N {r.name[:15]}",
        "-j oe",
        f"-o {r.log.parent}/",
        f"-l walltime={clock(r.minutes)}",
        f"-l select=1:ncpus={r.cores}:mem={_mebibytes(r)}mb",
        "-r y",
        *_some(("-q ", r.job.queue), ("-A ", r.job.account)),
        *([f"-J 0-{r.tasks - 1}"] if r.tasks and r.tasks > 1 else []),
    ]


def _lsf(r: JobRequest) -> list[str]:
    return [
        f'-J "{r.name}[1-{r.tasks}]"' if r.tasks else f"-J {r.name}",
        f"-o {r.log}-{'%J-%I' if r.tasks else '%J'}.out",
        f"-W {clock(r.minutes, seconds=False)}",
        f"-n {r.cores}",
        '-R "span[hosts=1]"',
        f"-M {_mebibytes(r)}MB",
        "-r",
        *_some(("-q ", r.job.queue), ("-P ", r.job.account)),
    ]


def _sge(r: JobRequest) -> list[str]:
    # The name of the parallel environment is the site's own: more cores than one need it among the directives.
    return [
        f"-N {r.name}",
        "-j y",
        "-cwd",
        f"-o {r.log.parent}/",
        f"-l h_rt={clock(r.minutes)}",
        f"-l h_vmem={_mebibytes(r, per_core=True)}M",
        "-r y",
        *_some(("-q ", r.job.queue), ("-P ", r.job.account)),
        *([f"-t 1-{r.tasks}"] if r.tasks else []),
    ]


def _oar(r: JobRequest) -> list[str]:
    return [
        f"-n {r.name}",
        f"-O {r.log}-%jobid%.out",
        f"-E {r.log}-%jobid%.out",
        f"-l /nodes=1/core={r.cores},walltime={clock(r.minutes)}",
        "-t idempotent",
        *_some(("-q ", r.job.queue), ("--project ", r.job.account)),
        *([f"--array {r.tasks}"] if r.tasks else []),
    ]


SYSTEMS = {
    "slurm": System(
        prefix="#SBATCH",
        directives=_slurm,
        submit=("sbatch", "--parsable"),
        index="$SLURM_ARRAY_TASK_ID",
        after=("--dependency=afterany:{id}",),
    ),
    "pbs": System(
        prefix="#PBS",
        directives=_pbs,
        submit=("qsub",),
        index="${PBS_ARRAY_INDEX:-0}",
        after=("-W", "depend=afterany:{id}"),
    ),
    "lsf": System(
        prefix="#BSUB",
        directives=_lsf,
        submit=("bsub",),
        stdin=True,
        index="$((LSB_JOBINDEX - 1))",
        after=("-w", "ended({id})"),
    ),
    "sge": System(
        prefix="#$",
        directives=_sge,
        submit=("qsub", "-terse"),
        index="$((SGE_TASK_ID - 1))",
        after=("-hold_jid", "{id}"),
    ),
    "oar": System(
        prefix="#OAR",
        directives=_oar,
        submit=("oarsub", "-S"),
        index="$((OAR_ARRAY_INDEX - 1))",
        after=None,
    ),
}
