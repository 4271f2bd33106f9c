"""``ionscreen evaluate``: how good a surrogate is on labelled structures, and its model card."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

__all__ = ["evaluate"]


def evaluate(
    dataset: Annotated[Path, typer.Argument(help="Labelled structures it was not trained on.", show_default=False)],
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
    """
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
