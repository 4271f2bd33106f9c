"""What ``ionscreen status`` says of a run directory: what is done, at which rate, what failed, what it will cost."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from ..datasets import CampaignError, Dataset, Status
from .config import CampaignConfig, load_config
from .properties import leading_property
from .run_directory import RunDirectory, read_json

__all__ = ["RunStatus", "read_status"]

LOG_BYTES = 4_000_000


@dataclass(frozen=True, kw_only=True)
class RunStatus:
    """The state of a campaign.

    Parameters
    ----------
    run_directory, campaign
        Which one.
    running
        Whether a process works on it, as far as this machine can tell.
    step
        The step under way, or where the last driver stopped; None if none began, or all are done.
    finished
        Whether the report is written.
    done, total
        Samples of that step.
    labelled, wanted
        Training structures.
    counts
        Name of a status -> how many training structures have it.
    failures
        (how many, which status, its sentence), the most frequent first.
    samples_per_second
        Since the step began; None if nothing was computed.
    seconds_left, cpu_hours_left
        Of the step; None if unknown.
    cpu_hours
        Spent by workers in this step.
    workers
        Name, host, bytes of memory and their limit.
    dashboard
        Of Dask, on the driver's machine.
    drivers
        Process and host of those that work, or worked last.
    """

    run_directory: str
    campaign: str
    running: bool
    step: str | None
    finished: bool
    done: int
    total: int
    labelled: int
    wanted: int
    counts: dict[str, int]
    failures: tuple[tuple[int, str, str], ...]
    samples_per_second: float | None
    seconds_left: float | None
    cpu_hours_left: float | None
    cpu_hours: float
    workers: tuple[dict[str, Any], ...]
    dashboard: str | None
    drivers: tuple[str, ...]

    def to_json(self) -> str:
        """Return it as JSON."""
        return json.dumps(self.__dict__, indent=1)


def read_status(path: Path) -> RunStatus:
    """Return the state of the campaign in a run directory, without touching it.

    Raises
    ------
    CampaignError
        If the folder is no run directory.
    """
    directory = RunDirectory(path.resolve())
    if not directory.config.is_file():
        raise CampaignError(f"{path} is no run directory (it has no campaign.yaml); give the one that 'run' wrote to.")
    config = load_config(directory.config)
    states = [state for file in directory.statuses() if isinstance(state := read_json(file), dict)]
    states = _latest(states)
    counts = _counts(directory, config)
    running = _is_running(directory)
    done, total = (sum(int(state.get(key) or 0) for state in states) for key in ("done", "total"))
    if len(states) > 1:
        total = config.label.samples  # every share counts the whole
    rate = sum(filter(None, map(_rate, states))) or None if running else None
    computed, worker_seconds = (sum(state.get(key) or 0 for state in states) for key in ("computed", "worker_seconds"))
    left = max(total - done, 0)
    return RunStatus(
        run_directory=str(directory.path),
        campaign=config.name,
        running=running,
        step=next((state["step"] for state in states if state.get("step")), None),
        finished=directory.report.exists() and not running,
        done=done,
        total=total,
        labelled=sum(counts.values()),
        wanted=config.label.samples,
        counts=dict(counts),
        failures=_failures(directory, counts),
        samples_per_second=rate,
        seconds_left=left / rate if rate else None,
        cpu_hours_left=left * worker_seconds / computed / 3600 if computed else None,
        cpu_hours=worker_seconds / 3600,
        workers=tuple(worker for state in states if running for worker in state.get("workers", [])),
        dashboard=next((state["dashboard"] for state in states if running and state.get("dashboard")), None),
        drivers=tuple(f"{state.get('pid')} on {state.get('host')}" for state in states),
    )


def _latest(states: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the states of one kind: those of the shares are over once a driver goes on."""
    if not states:
        return []
    newest = max(states, key=lambda state: float(state.get("time") or 0))
    return [state for state in states if bool(state.get("share")) == bool(newest.get("share"))]


def _rate(state: dict[str, Any]) -> float | None:
    seconds = float(state.get("time") or 0) - float(state.get("began") or 0)
    return state["computed"] / seconds if state.get("computed") and seconds > 0 else None


def _counts(directory: RunDirectory, config: CampaignConfig) -> Counter[str]:
    if not (directory.dataset / "manifest").is_dir():
        return Counter()
    dataset = Dataset(directory.dataset)
    if not len(dataset):
        return Counter()
    wanted = leading_property(config)
    status = dataset.labels(wanted.transport.name)["status"][:, wanted.axis]
    return Counter(Status(int(s)).name.lower() for s in status)


def _failures(directory: RunDirectory, counts: Counter[str]) -> tuple[tuple[int, str, str], ...]:
    """Return what went wrong, the sentences of the log included."""
    groups = Counter({(name, Status[name.upper()].sentence): n for name, n in counts.items() if name != "ok"})
    for event in _events(directory.log):
        if event.get("event") == "sample_lost":
            groups["lost", str(event.get("reason"))] += 1
        elif event.get("event") == "cluster_rebuilt":
            groups["cluster rebuilt", str(event.get("reason"))] += 1
    return tuple((n, name, sentence) for (name, sentence), n in groups.most_common())


def _events(path: Path) -> list[dict[str, Any]]:
    """Return the log's last events."""
    try:
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - LOG_BYTES))
            lines = file.read().splitlines()
    except OSError:
        return []
    events = []
    for line in lines:
        try:
            event = json.loads(line)
        except ValueError:  # the first one may be cut
            continue
        if isinstance(event, dict):
            events.append(event)
    return events


def _is_running(directory: RunDirectory) -> bool:
    """Return whether a process holds one of the locks."""
    for path in directory.path.glob(".lock*"):
        lock = FileLock(path)
        try:
            lock.acquire(timeout=0)
        except Timeout:
            return True
        except OSError:
            continue
        lock.release()
    return False
