"""``ionscreen report``: write a run's report again."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

__all__ = ["report"]


def report(run_directory: Annotated[Path, typer.Argument(help="The run directory of a finished campaign.")]) -> None:
    """Write report.html of a finished campaign again, from what lies in its run directory; nothing is computed."""
    from ...datasets import InvalidInput
    from ..report import write_report
    from ..report_step import finished_results
    from ..resolution import load_campaign
    from ..run_directory import RunDirectory

    if not RunDirectory(run_directory).config.exists():
        raise InvalidInput(f"{run_directory} holds no finished campaign; finish it with 'ionscreen run'.")
    config, directory = load_campaign(run_directory)
    with directory.locked():
        write_report(finished_results(config, directory))
    typer.echo(f"Wrote {directory.report}")
