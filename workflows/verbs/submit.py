"""``ionscreen submit``: hand a campaign to a batch system."""

from __future__ import annotations

from typing import Annotated

import typer

from .options import PLACE, SET

__all__ = ["submit"]


def submit(
    campaign: PLACE,
    scheduler: Annotated[
        str | None,
        typer.Option("--scheduler", "-s", help="slurm, pbs, lsf, sge or oar; the campaign's if left out."),
    ] = None,
    array: Annotated[
        bool,
        typer.Option("--array", help="An array of equal shares instead of a driver that asks for workers."),
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print what would be submitted, and submit nothing.")] = (
        False
    ),
    settings: SET = None,
) -> None:
    """Submit a campaign as batch jobs."""
    from ..campaign import opened
    from ..resolution import load_campaign
    from ..submission import array_submission, driver_submission
    from ..submission import submit as submit_scripts

    overrides = [*([f"cluster.scheduler={scheduler}"] if scheduler else []), *(settings or [])]
    config, directory = load_campaign(campaign, overrides)
    submission = (array_submission if array else driver_submission)(config, directory)
    if dry_run:
        typer.echo(submission.text())
        return
    # Whatever is wrong with the campaign shows here and not in a queue; and the jobs find it in the run directory.
    with opened(config):
        pass
    ids = submit_scripts(submission)
    typer.echo(f"Submitted {', '.join(ids)}. Watch it with: ionscreen status {directory.path}")
    if len(ids) < len(submission.scripts):
        typer.echo(f"When the first has ended, submit the rest: {submission.commands()[-1].split('   #')[0]}")
