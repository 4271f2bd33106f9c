"""The configuration in full: every field with its default, and the JSON schema that editors check it with."""

from __future__ import annotations

import json

import yaml

from .config import CampaignConfig

__all__ = ["full_text", "schema_text"]

HEAD = """\
# An ionscreen campaign with every field there is; what you leave out has the value shown here. A null is chosen when
# the campaign starts: seed at random, run_directory as runs/NAME, workers as the cores of this machine.
"""


def full_text(template: str) -> str:
    """Return a campaign as YAML, every default spelled out.

    Parameters
    ----------
    template
        A campaign.
    """
    config = CampaignConfig.model_validate(yaml.safe_load(template))
    data = config.model_dump(mode="json")
    # An empty line before each block.
    blocks = [yaml.safe_dump({key: value}, sort_keys=False, allow_unicode=True) for key, value in data.items()]
    return HEAD + "".join(
        f"\n{block}" if isinstance(data[key], dict | list) else block for key, block in zip(data, blocks, strict=True)
    )


def schema_text() -> str:
    """Return the JSON schema of a campaign."""
    schema = CampaignConfig.model_json_schema()
    return json.dumps({"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}, indent=1) + "\n"
