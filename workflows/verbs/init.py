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
    full: Annotated[
        bool, typer.Option("--full", help="Write every field with its default, also those one seldom needs.")
    ] = False,
    schema: Annotated[
        bool,
        typer.Option("--schema", help="Write campaign.schema.json beside it, with which editors complete and check."),
    ] = False,
) -> None:
    """Write a commented campaign.yaml that runs as it is."""
    target, described = directory / "campaign.yaml", directory / "campaign.schema.json"
    if target.exists():
        raise InvalidInput(f"{target} exists already; remove it or choose another folder.")
    text = files("ionscreen.workflows").joinpath("templates/campaign.yaml").read_text(encoding="utf-8")
    if full:
        from ..full_config import full_text

        text = full_text(text)
    try:
        directory.mkdir(parents=True, exist_ok=True)
        if schema:
            from ..full_config import schema_text

            described.write_text(schema_text(), encoding="utf-8")
            text = f"# yaml-language-server: $schema={described.name}\n{text}"
        target.write_text(text, encoding="utf-8")
    except OSError as error:
        raise InvalidInput(f"{target}: cannot be written ({error.strerror}); choose another folder.") from error
    typer.echo(f"Wrote {target}. Next: ionscreen run {target}")
