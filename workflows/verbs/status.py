"""``ionscreen status``: how far a campaign is."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .options import JSON

if TYPE_CHECKING:
    from ..status import RunStatus

__all__ = ["status"]


def status(
    run_directory: Annotated[Path, typer.Argument(help="The run directory of a campaign.", show_default=False)],
    as_json: JSON = False,
) -> None:
    """Say what is done, at which rate, what failed and why, and what it will still cost."""
    from ..status import read_status

    found = read_status(run_directory)
    typer.echo(found.to_json() if as_json else "\n".join(_lines(found)))


def _lines(s: RunStatus) -> list[str]:
    state = "finished" if s.finished else "running" if s.running else "not running"
    lines = [f"{s.campaign}: {state}" + (f", step {s.step}" if s.step else "")]
    if s.running and s.drivers:
        lines.append(f"driver          process {', '.join(s.drivers)}")
    if s.step and s.total:
        lines.append(f"this step       {s.done:,} of {s.total:,} samples" + _pace(s))
    lines.append(f"labelled        {s.labelled:,} of {s.wanted:,} structures" + _listed(s.counts))
    if s.cpu_hours:
        lines.append(f"CPU hours       {s.cpu_hours:.2f} in this step" + _still(s))
    if s.workers:
        lines.append(f"workers         {len(s.workers)}, {_memory(s)}")
    if s.dashboard:
        lines.append(f"dashboard       {s.dashboard} (on the driver's machine)")
    for count, name, sentence in s.failures:
        lines.append(f"{count:>8,} x      {name}: {sentence}")
    if not s.running and not s.finished:
        lines.append(f"Go on with: ionscreen run {s.run_directory}")
    return lines


def _pace(s: RunStatus) -> str:
    if not s.samples_per_second:
        return ""
    left = f", {_duration(s.seconds_left)} left" if s.seconds_left is not None else ""
    return f", {s.samples_per_second:.3g} a second{left}"


def _still(s: RunStatus) -> str:
    return f", {s.cpu_hours_left:.2f} to come" if s.cpu_hours_left is not None else ""


def _listed(counts: dict[str, int]) -> str:
    parts = [f"{n:,} {name.replace('_', ' ')}" for name, n in sorted(counts.items(), key=lambda pair: -pair[1])]
    return f" ({', '.join(parts)})" if parts else ""


def _memory(s: RunStatus) -> str:
    used = [worker["memory_bytes"] for worker in s.workers if worker.get("memory_bytes")]
    limits = [worker["memory_limit_bytes"] for worker in s.workers if worker.get("memory_limit_bytes")]
    most = f"at most {max(used) / 1e9:.2f} GB each" if used else "memory unknown"
    return most + (f" of {min(limits) / 1e9:.2f} GB" if limits else "")


def _duration(seconds: float | None) -> str:
    if seconds is None:
        return "unknown"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02d} min" if hours else f"{minutes} min {rest:02d} s"
