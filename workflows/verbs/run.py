"""``ionscreen run``: a whole campaign."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

__all__ = ["run"]


def run(
    campaign: Annotated[Path, typer.Argument(help="The campaign's YAML file; 'ionscreen init' writes one.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print the summary as JSON.")] = False,
) -> None:
    """Run a campaign into its run directory; run it again to resume."""
    from rich.console import Console

    from ..campaign import run_campaign
    from ..config import load_config
    from ..designs import design_of
    from ..progress import TerminalProgress

    # Bars go to standard error, so that standard output holds the answer alone.
    console = Console(stderr=True)
    config = load_config(campaign)
    for warning in design_of(config, 0, "candidates").warnings():
        console.print(f"Warning: {warning}", style="yellow", markup=False, soft_wrap=True, highlight=False)
    results = run_campaign(config, campaign.resolve().parent, TerminalProgress(console))
    typer.echo(results.to_json() if as_json else "\n" + results.text())
