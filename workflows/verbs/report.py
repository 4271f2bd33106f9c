"""``ionscreen report``: write a run's report again."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ...datasets import InvalidInput

__all__ = ["report"]


def report(run_directory: Annotated[Path, typer.Argument(help="The run directory of a finished campaign.")]) -> None:
    """Write report.html of a finished campaign again, from what lies in its run directory."""
    from ..campaign import opened
    from ..resolution import load_campaign
    from ..run_directory import RunDirectory

    if not RunDirectory(run_directory).verified.exists():
        raise InvalidInput(f"{run_directory} holds no finished campaign; finish it with 'ionscreen run'.")
    # Every step finds its work done, so that only the report is written.
    with opened(load_campaign(run_directory)[0]) as steps:
        typer.echo(f"Wrote {steps.finish().directory.report}")
