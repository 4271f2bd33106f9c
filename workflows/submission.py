"""Submission: a campaign as batch jobs, with a driver that asks for workers, or as an array of equal shares."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from ..datasets import CampaignError, InvalidInput
from ..datasets.durable_file import write_durably
from .batch_cluster import job_name, job_options, worker_script
from .batch_script import SYSTEMS, JobRequest, System
from .cluster import WORKER_ENVIRONMENT
from .config import CampaignConfig
from .run_directory import RunDirectory

__all__ = ["Submission", "array_submission", "driver_submission", "submit"]

SUBMIT_SECONDS = 120

# The driver hears of the end of its walltime two minutes before, stops in order and queues itself again. Everything
# finished is kept, and the next start goes on.
_SLURM_DRIVER = """\
again() {{
    kill -TERM "$driver" 2>/dev/null
    wait "$driver"
    scontrol requeue "$SLURM_JOB_ID"
}}
trap again USR1
{command} &
driver=$!
wait "$driver"
code=$?
while kill -0 "$driver" 2>/dev/null; do wait "$driver"; code=$?; done
exit $code
"""


@dataclass(frozen=True)
class Submission:
    """Scripts to submit.

    Parameters
    ----------
    system
        The batch system's name.
    scripts
        File -> content, in the order of submission; each but the first waits for the one before.
    worker
        Script of the jobs that a driver will ask for; None if it asks for none.
    """

    system: str
    scripts: dict[Path, str]
    worker: str | None = None

    def commands(self) -> list[str]:
        """Return the commands that submit the scripts, as a person would type them."""
        system, lines = SYSTEMS[self.system], []
        for place, path in enumerate(self.scripts):
            after = [part.format(id="FIRST") for part in system.after or ()] if place else []
            note = "" if not place or system.after else "   # when the first has ended"
            lines.append(_typed(system, after, path) + note)
        return lines

    def text(self) -> str:
        """Return everything that would be submitted, for a person."""
        parts = [f"### {path}\n{content}" for path, content in self.scripts.items()]
        if self.worker:
            parts.append(f"### each job with workers, which the driver asks for\n{self.worker}")
        return "\n".join([*parts, "### submitted by", *self.commands()])


def driver_submission(config: CampaignConfig, directory: RunDirectory) -> Submission:
    """Return one job that hosts the driver, which asks for workers.

    Parameters
    ----------
    config
        Its cluster is a batch system.
    directory
        The run directory.

    Raises
    ------
    InvalidInput
        If the batch system cannot do this.
    """
    system = _system(config.cluster.scheduler)
    command = _ionscreen("run", str(directory.path))
    requests = _request(config, directory, "driver", config.cluster.job.driver_walltime_minutes, cores=1)
    if config.cluster.scheduler == "slurm":
        job = requests.job
        with_signal = job.model_copy(update={"directives": ("--signal=B:USR1@120", *job.directives)})
        requests = JobRequest(**{**requests.__dict__, "job": with_signal})
        body = _SLURM_DRIVER.format(command=command)
    else:
        body = f"{command}\n"
    options = job_options(config.cluster, directory.path, WORKER_ENVIRONMENT, job_name(config.name))
    script = system.script(requests, body)
    return Submission(
        config.cluster.scheduler, {directory.jobs / "driver.sh": script}, worker_script(config.cluster, options)
    )


def array_submission(config: CampaignConfig, directory: RunDirectory) -> Submission:
    """Return an array of which every task labels its share, and a job that does the rest.

    No process needs to reach another one: for sites that forbid it.

    Parameters
    ----------
    config
        As many tasks as its cluster has workers, over those of one job.
    directory
        The run directory.

    Raises
    ------
    InvalidInput
        If the batch system cannot do this.
    """
    cluster, job = config.cluster, config.cluster.job
    system, cores = _system(cluster.scheduler), job.workers_per_job
    tasks = max(1, -(-(cluster.workers or 1) // cores))
    changes = ("scheduler=local", f"workers={cores}", "min_workers=null")
    local = [word for change in changes for word in ("--set", f"cluster.{change}")]
    share = f"{_ionscreen('label', str(directory.path), *local)} --share {system.index}/{tasks}\n"
    rest = _ionscreen("run", str(directory.path), *local) + "\n"
    array = _request(config, directory, "share", job.walltime_minutes, cores, tasks)
    last = _request(config, directory, "rest", job.driver_walltime_minutes, cores)
    return Submission(
        cluster.scheduler,
        {
            directory.jobs / "array.sh": system.script(array, share),
            directory.jobs / "rest.sh": system.script(last, rest),
        },
    )


def submit(submission: Submission) -> list[str]:
    """Write the scripts, submit them, and return the ids of the jobs.

    Raises
    ------
    CampaignError
        If the batch system refuses, or is not there.
    """
    system = SYSTEMS[submission.system]
    ids: list[str] = []
    for path, content in submission.scripts.items():
        path.parent.mkdir(mode=0o700, exist_ok=True)
        write_durably(path, content.encode())
        path.chmod(0o700)
        if ids and system.after is None:
            break
        after = [part.format(id=ids[0]) for part in system.after or ()] if ids else []
        ids.append(_submit(system, after, path))
    return ids


def _submit(system: System, after: list[str], path: Path) -> str:
    command = [*system.submit, *after, *([] if system.stdin else [str(path)])]
    try:
        done = subprocess.run(
            command,
            input=path.read_text(encoding="utf-8") if system.stdin else None,
            capture_output=True,
            text=True,
            timeout=SUBMIT_SECONDS,
            check=False,
        )
    except OSError as error:
        raise CampaignError(
            f"{command[0]} cannot be run here ({error.strerror}); submit where it can, or look with --dry-run."
        ) from error
    except subprocess.TimeoutExpired as error:
        raise CampaignError(f"{command[0]} does not answer; look whether {path} was submitted.") from error
    found = re.search(r"\d+(\[\])?(\.[\w.-]+)?", done.stdout)
    if done.returncode or not found:
        said = " ".join((done.stderr or done.stdout).split())
        raise CampaignError(f"{command[0]} refused {path}: {said}")
    return found.group().split(".")[0] if system.prefix == "#$" else found.group()


def _typed(system: System, after: list[str], path: Path) -> str:
    words = shlex.join([*system.submit, *after])
    return f"{words} {'< ' if system.stdin else ''}{shlex.quote(str(path))}"


def _system(name: str) -> System:
    if name not in SYSTEMS:
        raise InvalidInput(
            f"cluster.scheduler: {name!r} cannot be submitted to; the batch systems are {', '.join(SYSTEMS)}. On "
            "HTCondor, start 'ionscreen run' on the submit node."
        )
    return SYSTEMS[name]


def _request(
    config: CampaignConfig, directory: RunDirectory, role: str, minutes: float, cores: int, tasks: int | None = None
) -> JobRequest:
    return JobRequest(
        name=f"{job_name(config.name)}-{role}",
        log=directory.jobs / role,
        job=config.cluster.job,
        minutes=minutes,
        cores=cores,
        memory_GB=config.cluster.memory_limit_GB * cores,
        tasks=tasks,
    )


def _ionscreen(*arguments: str) -> str:
    return shlex.join([sys.executable, "-m", "ionscreen.workflows", *arguments])
