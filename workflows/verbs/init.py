"""``ionscreen init``: write a campaign that runs as it is."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path
from typing import Annotated

import typer

from ...datasets import InvalidInput

__all__ = ["init"]


def init(
    directory: Annotated[Path, typer.Argument(help="Folder for the campaign; made if it is not there.")] = Path(),
) -> None:
    """Write a commented campaign.yaml that runs as it is."""
    target = directory / "campaign.yaml"
    if target.exists():
        raise InvalidInput(f"{target} exists already; remove it or choose another folder.")
    template = files("ionscreen.workflows").joinpath("templates/campaign.yaml").read_text(encoding="utf-8")
    try:
        directory.mkdir(parents=True, exist_ok=True)
        target.write_text(template, encoding="utf-8")
    except OSError as error:
        raise InvalidInput(f"{target}: cannot be written ({error.strerror}); choose another folder.") from error
    typer.echo(f"Wrote {target}. Next: ionscreen run {target}")
