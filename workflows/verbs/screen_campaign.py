"""``ionscreen screen CAMPAIGN``: the screening step by itself."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import typer

from ...datasets import CampaignError

__all__ = ["is_campaign", "screen_campaign"]

SHOWN = 10
CONDUCTIVITY = ("sigma_S_per_m", "interval_S_per_m")


def is_campaign(place: str) -> bool:
    """Return whether a command line means a campaign: its YAML file or its run directory."""
    return place.endswith((".yaml", ".yml")) or (Path(place) / "campaign.yaml").is_file()


def screen_campaign(campaign: Path, settings: Sequence[str], as_json: bool) -> None:
    """Predict and rank a campaign's candidates; those that are predicted already are not predicted again.

    Raises
    ------
    CampaignError
        If its surrogate is not trained yet.
    """
    from rich.console import Console

    from ..campaign import opened
    from ..progress import TerminalProgress
    from ..resolution import load_campaign

    config, directory = load_campaign(campaign, list(settings))
    if not (directory.surrogate / "model.json").exists():
        raise CampaignError(f"{directory.path} holds no surrogate yet; train it with 'ionscreen train {campaign}'.")
    with opened(config, TerminalProgress(Console(stderr=True))) as steps:
        steps.screen()
    best = json.loads(directory.ranking.with_suffix(".json").read_text(encoding="utf-8"))[:SHOWN]
    if as_json:
        typer.echo(json.dumps({"ranking": str(directory.ranking), "best": best}, indent=1))
        return
    for row in best:
        if row["status"] == "ok":
            # A ratio has no unit.
            unit, names = ("×", ("objective", "interval")) if "objective" in row else ("S/m", CONDUCTIVITY)
            value, (low, high) = (row[name] for name in names)
            typer.echo(
                f"{row['rank']:>4}  {row['recipe']['family']} {row['id'][:12]}  {value:.4g} {unit}, "
                f"90 % between {low:.4g} and {high:.4g}"
            )
    typer.echo(f"Ranked in {directory.ranking}, by prediction alone; 'ionscreen run' solves the best.")
