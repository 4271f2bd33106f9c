"""``ionscreen evaluate``: how good a surrogate is on labelled structures, and its model card; or a campaign's."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from ...datasets import CampaignError, InvalidInput
from .screen_campaign import is_campaign

__all__ = ["evaluate"]


def evaluate(
    dataset: Annotated[
        Path,
        typer.Argument(
            help="Labelled structures it was not trained on; or a campaign's YAML file or run directory.",
            show_default=False,
        ),
    ],
    checkpoint: Annotated[
        Path | None, typer.Option(help="Folder of the surrogate; by default the one that comes with ionscreen.")
    ] = None,
    card: Annotated[
        Path | None, typer.Option(help="Folder for card.json and card.html; by default that of the checkpoint.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Score a surrogate by family, transport, decade of M and size, and write its model card.

    Every labelled axis that percolates counts. For instance:

    ionscreen evaluate study/runs/demo/dataset --card card

    Given a campaign, show its own surrogate's scores on the structures that it held out.
    """
    if is_campaign(str(dataset)):
        if checkpoint or card:
            raise InvalidInput(
                f"{dataset} is a campaign, which has its own surrogate; leave --checkpoint and --card out."
            )
        _evaluate_campaign(dataset, as_json)
        return
    from rich.console import Console

    from ...datasets import Dataset
    from ...surrogate.cascade_checkpoint import PRETRAINED, load_cascade
    from ..model_card import CARD_PAGE, evaluate_surrogate, write_card
    from ..progress import TerminalProgress

    surrogate = load_cascade(checkpoint or PRETRAINED)
    samples = Dataset(dataset)
    with TerminalProgress(Console(stderr=True)).bar("Predicting", len(samples)) as bar:
        evaluation = evaluate_surrogate(surrogate, samples, advance=bar.advance)
    # The folder of the program itself is nothing to write into.
    folder = card or checkpoint or Path("card")
    folder.mkdir(parents=True, exist_ok=True)
    write_card(evaluation, surrogate, folder)
    if as_json:
        typer.echo(json.dumps(evaluation.card, indent=1))
    else:
        _print(evaluation.card)
        typer.echo(f"Wrote {folder / CARD_PAGE}")


def _evaluate_campaign(campaign: Path, as_json: bool) -> None:
    """Show what training has found on held-out structures; nothing is computed."""
    from ..resolution import load_campaign
    from ..run_directory import read_json

    _, directory = load_campaign(campaign)
    evaluation = read_json(directory.evaluation)
    if not evaluation:
        raise CampaignError(f"{directory.path} holds no surrogate yet; train it with 'ionscreen train {campaign}'.")
    scores = {name: value for name, value in evaluation.items() if name not in ("key", "table")}
    if as_json:
        typer.echo(json.dumps(scores, indent=1))
    else:
        _print({"all": scores, "by": {"family": scores["by_family"], "decade of M": {}}})


def _print(card: dict[str, Any]) -> None:
    from rich.console import Console
    from rich.table import Table

    shown = Table(
        "group", "labels", "mean error [%]", "median [%]", "95th percentile [%]", "R² of ln M", "coverage [%]"
    )
    for name, scores in [("all", card["all"]), *card["by"]["family"].items(), *card["by"]["decade of M"].items()]:
        errors = [f"{100 * scores[key]:.3f}" for key in ("mape", "median", "p95")]
        fit = "–" if scores["r2_log"] is None else f"{scores['r2_log']:.5f}"
        shown.add_row(name.replace("_", " "), str(scores["count"]), *errors, fit, f"{100 * scores['coverage']:.1f}")
    Console().print(shown)
