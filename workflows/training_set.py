"""The training step: a dataset's percolating samples -> fields and targets -> a surrogate and its held-out errors."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ..datasets import CampaignError, Dataset, split
from ..datasets.durable_file import write_durably
from .config import CampaignConfig
from .progress import Progress
from .run_directory import RunDirectory, read_json

if TYPE_CHECKING:
    from ..surrogate import TrainingConfig
    from ..surrogate.labelled_dataset import Labelled

__all__ = ["train_surrogate", "training_settings"]

FEWEST = 5  # structures in each of training, validation and test


def train_surrogate(
    dataset: Dataset, config: CampaignConfig, directory: RunDirectory, progress: Progress
) -> dict[str, Any]:
    """Train a surrogate on the dataset, store it, and return its evaluation on structures it has never seen.

    Nothing is computed if the run directory holds the surrogate of this dataset and these settings; an interrupted
    training goes on after its last epoch.

    Parameters
    ----------
    dataset
        Labelled along ``config.label.axis``; samples that do not percolate are left out.
    config
        The campaign.
    directory
        Where the checkpoint, the training's state and the evaluation go.
    progress
        Shows one bar.

    Raises
    ------
    CampaignError
        If too few structures percolate to train, validate and test on.
    """
    from ..surrogate import evaluate, save_checkpoint, train
    from ..surrogate.labelled_dataset import read_labelled, usable_ids

    ids = usable_ids(dataset, config.transport.name, config.label.axis)
    settings = training_settings(config)
    key = _key(ids, config, settings)
    evaluation: dict[str, Any] | None = read_json(directory.evaluation)
    if evaluation and evaluation.get("key") == key and (directory.surrogate / "model.json").exists():
        return evaluation
    members = _split(ids, config)
    settings.check(len(members["train"]))
    progress.say(settings.batching.describe(len(members["train"]), settings.device == "ipu"))
    parts = {
        name: read_labelled(dataset, part, config.transport.name, config.label.axis) for name, part in members.items()
    }
    with progress.bar("Training the surrogate", settings.epochs) as bar:
        surrogate = train(
            parts["train"].structures,
            parts["validation"].structures,
            settings,
            folder=directory.training,
            callback=lambda e: bar.advance(note=f"validation error {e.validation_error:.1%}"),
        )
    save_checkpoint(surrogate, directory.surrogate)
    test = parts["test"]
    prediction = surrogate.predict(test.structures.x_nxyz)
    scores = evaluate(test.structures.y_n, prediction, test.families)
    evaluation = {
        "key": key,
        **scores["all"].to_dict(),
        "by_family": {name: s.to_dict() for name, s in scores.items() if name != "all"},
        "trained_on": len(parts["train"].families),
        "epochs": surrogate.metrics["epochs"],
        "validation_errors": surrogate.metrics["validation_errors"],
        "table": _table(test, prediction),
    }
    write_durably(directory.evaluation, json.dumps(evaluation, indent=1).encode())
    return evaluation


def training_settings(config: CampaignConfig) -> TrainingConfig:
    """Return the campaign's train: block as the surrogate's configuration."""
    return config.train.settings(config.seed or 0)


def _key(ids: Sequence[str], config: CampaignConfig, settings: TrainingConfig) -> str:
    """Return a digest of what the surrogate depends on."""
    text = json.dumps([sorted(ids), config.transport.name, config.label.axis, settings.to_dict()], sort_keys=True)
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def _split(ids: Sequence[str], config: CampaignConfig) -> dict[str, list[str]]:
    parts = split(ids, seed=config.seed or 0)
    if min(len(members) for members in parts.values()) < FEWEST:
        raise CampaignError(
            f"Only {len(ids)} of {config.label.samples} labelled structures percolate: too few to train, validate and "
            "test a surrogate. Raise label.samples, or choose families that conduct."
        )
    return parts


def _table(test: Labelled, prediction: Any) -> dict[str, list[Any]]:
    return {
        "id": list(test.structures.ids),
        "family": list(test.families),
        "exact": test.structures.y_n.tolist(),
        "predicted": prediction.m.tolist(),
        "low": prediction.low.tolist(),
        "high": prediction.high.tolist(),
    }
