"""The training step by itself: on a run directory's dataset, here or, as an exported configuration, on another host."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..datasets import CampaignError, Dataset, InvalidInput
from .config import CampaignConfig, expand_path, load_config
from .progress import Progress
from .properties import properties_of
from .run_directory import RunDirectory
from .training_set import network_settings, train_surrogate

if TYPE_CHECKING:
    from ..surrogate.run_config import RunConfig

__all__ = ["export_training", "train_only"]


def train_only(config: CampaignConfig, folder: Path, progress: Progress) -> dict[str, Any]:
    """Train on what the campaign has labelled so far, store the surrogate, and return its evaluation.

    Parameters
    ----------
    config
        The campaign.
    folder
        Of its YAML file.
    progress
        Shows one bar.

    Raises
    ------
    CampaignError
        If nothing is labelled yet, or the run directory is in use.
    """
    config, directory = _settled(config, folder)
    with directory.locked():
        return train_surrogate(Dataset(directory.dataset), config, directory, progress)


def export_training(config: CampaignConfig, folder: Path, path: Path) -> RunConfig:
    """Write the training for a host that has datasets/ and surrogate/ only.

    The dataset's place is written relative to the file where it lies beside or below it, so that both can be copied.

    Raises
    ------
    CampaignError
        If nothing is labelled yet.
    InvalidInput
        If the campaign trains a regressor: it takes seconds, and no other host is needed for it.
    """
    from ..surrogate.run_config import RunConfig

    if config.train.model != "network":
        raise InvalidInput(
            "train.model is regressor, which trains here in seconds; only the network is trained elsewhere: add "
            "--set train.model=network."
        )
    config, directory = _settled(config, folder)
    beside = path.resolve().parent
    dataset = directory.dataset
    run = RunConfig(
        dataset=dataset.relative_to(beside) if dataset.is_relative_to(beside) else dataset,
        output=Path(f"{config.name}-trained"),
        transport=properties_of(config)[0].transport,
        axis=properties_of(config)[0].axis,
        split_seed=config.seed or 0,
        training=network_settings(config),
    )
    run.save(path)
    return run


def _settled(config: CampaignConfig, folder: Path) -> tuple[CampaignConfig, RunDirectory]:
    """Return the campaign with the seed that its run directory has, and the directory."""
    directory = RunDirectory(expand_path(config.run_directory or f"runs/{config.name}", folder))
    if not (directory.config.exists() and directory.dataset.exists()):
        raise CampaignError(f"{directory.path}: nothing is labelled here yet; start with 'ionscreen run'.")
    if config.seed is None:
        config = config.model_copy(update={"seed": load_config(directory.config).seed})
    return config, directory
