"""``ionscreen train``: train a campaign's surrogate, here or, by an exported configuration, elsewhere."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .options import PLACE, SET

__all__ = ["train"]


def train(
    campaign: PLACE,
    export_config: Annotated[
        Path | None,
        typer.Option(
            "--export-config",
            help="Train nothing; write the training as JSON for 'python -m ionscreen.surrogate train --config FILE'.",
            show_default=False,
        ),
    ] = None,
    settings: SET = None,
) -> None:
    """Train the surrogate on the structures that the campaign has labelled."""
    from rich.console import Console

    from ..progress import TerminalProgress
    from ..resolution import load_campaign
    from ..training_step import export_training, train_only

    config, directory = load_campaign(campaign, settings or [])
    folder = directory.path.parent
    if export_config is not None:
        run = export_training(config, folder, export_config)
        typer.echo(f"Wrote {export_config}: {run.dataset} -> {run.output}, device {run.training.device}.")
        return
    evaluation = train_only(config, folder, TerminalProgress(Console(stderr=True)))
    typer.echo(
        f"Trained on {evaluation['trained_on']} structures; on {evaluation['count']} held-out ones the mean error is "
        f"{evaluation['mape']:.2%}, 95 % are below {evaluation['p95']:.2%}."
    )
