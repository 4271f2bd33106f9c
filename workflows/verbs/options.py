"""Arguments and options that several verbs share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

__all__ = ["JSON", "PLACE", "SET"]

PLACE = Annotated[
    Path,
    typer.Argument(help="The campaign's YAML file, or its run directory.", metavar="CAMPAIGN", show_default=False),
]
SET = Annotated[
    list[str] | None,
    typer.Option(
        "--set", help="Change a field of the campaign, such as train.epochs=5; may be repeated.", show_default=False
    ),
]
JSON = Annotated[bool, typer.Option("--json", help="Print the answer as JSON.")]
