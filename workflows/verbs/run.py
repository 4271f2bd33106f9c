"""``ionscreen run``: a whole campaign."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .options import JSON, PLACE, SET

__all__ = ["run"]


def run(
    campaign: PLACE,
    plan: Annotated[
        bool, typer.Option("--plan", help="Time a few samples, say what the campaign will cost, and stop.")
    ] = False,
    performance_report: Annotated[
        Path | None,
        typer.Option(help="Write Dask's report of what the workers did to this HTML file.", show_default=False),
    ] = None,
    settings: SET = None,
    as_json: JSON = False,
) -> None:
    """Run a campaign into its run directory; run it again to resume."""
    from rich.console import Console

    from ...datasets import InvalidInput
    from ..campaign import opened
    from ..designs import design_of
    from ..progress import TerminalProgress
    from ..resolution import load_campaign

    # Bars go to standard error, so that standard output holds the answer alone.
    console = Console(stderr=True)
    config, _ = load_campaign(campaign, settings or [])
    # Dask writes it at the end, when it would be a pity to fail.
    if performance_report and not performance_report.absolute().parent.is_dir():
        raise InvalidInput(f"--performance-report {performance_report}: its folder is not there; make it first.")
    for warning in design_of(config, 0, "candidates").warnings():
        console.print(f"Warning: {warning}", style="yellow", markup=False, soft_wrap=True, highlight=False)
    progress = TerminalProgress(console)
    if plan:
        from ..cost_plan import plan_campaign

        cost = plan_campaign(config, progress)
        typer.echo(cost.to_json() if as_json else cost.text())
        return
    with opened(config, progress, performance_report) as steps:
        results = steps.finish()
    typer.echo(results.to_json() if as_json else "\n" + results.text())
