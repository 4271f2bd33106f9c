"""``ionscreen report``: write a run's report again."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ...datasets import InvalidInput

__all__ = ["report"]


def report(run_directory: Annotated[Path, typer.Argument(help="The run directory of a finished campaign.")]) -> None:
    """Write report.html of a finished campaign again, from what lies in its run directory."""
    from ..campaign import run_campaign
    from ..config import load_config
    from ..run_directory import RunDirectory

    directory = RunDirectory(run_directory.resolve())
    if not directory.verified.exists():
        raise InvalidInput(f"{run_directory} holds no finished campaign; finish it with 'ionscreen run'.")
    # Every step finds its work done, so that only the report is written.
    config = load_config(directory.config).model_copy(update={"run_directory": str(directory.path)})
    typer.echo(f"Wrote {run_campaign(config, directory.path).directory.report}")
