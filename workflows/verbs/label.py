"""``ionscreen label``: solve a campaign's training structures."""

from __future__ import annotations

from typing import Annotated

import typer

from .options import PLACE, SET

__all__ = ["label"]


def label(
    campaign: PLACE,
    share: Annotated[
        str,
        typer.Option(help="Which of several equal shares to solve, such as 2/8; the index is from 0.", metavar="I/N"),
    ] = "0/1",
    settings: SET = None,
) -> None:
    """Generate and solve a campaign's training structures, or those that are missing."""
    from rich.console import Console

    from ..campaign import opened
    from ..progress import TerminalProgress
    from ..resolution import load_campaign
    from ..shards import Share

    part = Share.parse(share)
    config, directory = load_campaign(campaign, settings or [])
    with opened(config, TerminalProgress(Console(stderr=True)), share=part) as steps:
        dataset = steps.label()
    typer.echo(f"{directory.dataset} holds {len(dataset)} of {config.label.samples} samples.")
