"""Resolution: a configuration as written becomes one with absolute paths and a seed, stored in its run directory."""

from __future__ import annotations

import json
import secrets
from pathlib import Path

from ..datasets import CampaignError
from .config import CampaignConfig, expand_path, load_config, save_config
from .images import find_images
from .run_directory import RunDirectory

__all__ = ["load_campaign", "resolve", "settle"]


def load_campaign(place: Path, overrides: tuple[str, ...] | list[str] = ()) -> tuple[CampaignConfig, RunDirectory]:
    """Return the campaign of a YAML file or of a run directory, its paths absolute, and its run directory.

    Parameters
    ----------
    place
        Either.
    overrides
        ``field.field=value``, as by ``--set``.

    Raises
    ------
    InvalidInput
        With one sentence that names the file and the field.
    """
    if (place / "campaign.yaml").is_file():
        config = load_config(place / "campaign.yaml", overrides)
        config = config.model_copy(update={"run_directory": str(place.resolve())})
    else:
        config = load_config(place, overrides)
    config = resolve(config, place.resolve().parent)
    return config, RunDirectory(Path(config.run_directory or ""))


def resolve(config: CampaignConfig, folder: Path) -> CampaignConfig:
    """Return the configuration with absolute paths; relative ones are below `folder`."""
    images = find_images(config.candidates.images, folder)
    datasets = [str(expand_path(path, folder)) for path in config.candidates.datasets]
    files = ("tls_ca_file", "tls_cert_file", "tls_key_file")
    keys = {name: str(expand_path(path, folder)) for name in files if (path := getattr(config.cluster, name))}
    run_directory = expand_path(config.run_directory or f"runs/{config.name}", folder)
    return config.model_copy(
        update={
            "candidates": config.candidates.model_copy(update={"images": images, "datasets": datasets}),
            "cluster": config.cluster.model_copy(update=keys),
            "run_directory": str(run_directory),
        }
    )


def settle(config: CampaignConfig, directory: RunDirectory, store: bool = True) -> CampaignConfig:
    """Return the configuration with its seed, and store it unless told not to; a seed drawn at first is kept.

    Raises
    ------
    CampaignError
        If the run directory holds a campaign whose structures or labels differ.
    """
    stored = load_config(directory.config) if directory.config.exists() else None
    if config.seed is None:
        config = config.model_copy(update={"seed": stored.seed if stored else secrets.randbits(48)})
    if stored and _identity(stored) != _identity(config):
        raise CampaignError(
            f"{directory.path} holds another campaign (its structures, seed or conductivities differ); "
            "choose another run_directory, or remove this one."
        )
    if store and config != stored:
        save_config(config, directory.config)
    return config


def _identity(config: CampaignConfig) -> str:
    """Return what the labels depend on; everything else may change between starts."""
    data = config.model_dump(mode="json", include={"seed", "structure", "families", "transport", "transports", "label"})
    data["label"].pop("samples")  # more samples of the same stream are welcome
    return json.dumps(data, sort_keys=True)
