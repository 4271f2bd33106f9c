"""The training step: a dataset's percolating samples -> fields and targets -> a surrogate and its held-out errors."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ..datasets import CampaignError, Dataset, InvalidInput, Status, split
from ..datasets.durable_file import write_durably
from .config import CampaignConfig
from .progress import Progress
from .run_directory import RunDirectory, read_json

if TYPE_CHECKING:
    from ..surrogate import LabelledStructures, TrainingConfig

__all__ = ["train_surrogate"]

FEWEST = 5  # structures in each of training, validation and test


@dataclass(frozen=True)
class _Part:
    """One part of the split: what the network needs, and the families for the evaluation."""

    structures: LabelledStructures
    families: tuple[str, ...]


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

    ids = _usable(dataset, config)
    settings = _settings(config)
    key = _key(ids, config, settings)
    evaluation: dict[str, Any] | None = read_json(directory.evaluation)
    if evaluation and evaluation.get("key") == key and (directory.surrogate / "model.json").exists():
        return evaluation
    parts = {name: _load(dataset, members, config) for name, members in _split(ids, config).items()}
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


def _usable(dataset: Dataset, config: CampaignConfig) -> list[str]:
    """Return the ids of the samples that percolate and whose label can be trusted."""
    labels = dataset.labels(config.transport.name)
    good = labels["status"][:, config.label.axis] == Status.OK
    return [str(i) for i in labels["id"][good]]


def _settings(config: CampaignConfig) -> TrainingConfig:
    from ..surrogate import TrainingConfig

    return TrainingConfig(**config.train.model_dump(), seed=config.seed or 0)


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


def _load(dataset: Dataset, ids: Sequence[str], config: CampaignConfig) -> _Part:
    from ..surrogate import LabelledStructures
    from ..surrogate.encoding import encode

    axis, fields, targets, families = config.label.axis, [], [], []
    for sample in map(dataset.sample, ids):
        label = sample.labels[config.transport.name]
        if sample.microstructure is None or label.connected is None:
            raise InvalidInput(f"Sample {sample.id} has no voxels to train on; verify the dataset.")
        connected = (label.connected >> axis & 1).astype(bool)
        fields.append(encode(sample.microstructure, label.transport, connected, axis))
        targets.append(label.relative[axis])
        families.append(sample.recipe.family)
    return _Part(LabelledStructures(np.stack(fields), np.array(targets), tuple(ids)), tuple(families))


def _table(test: _Part, prediction: Any) -> dict[str, list[Any]]:
    return {
        "id": list(test.structures.ids),
        "family": list(test.families),
        "exact": test.structures.y_n.tolist(),
        "predicted": prediction.m.tolist(),
        "low": prediction.low.tolist(),
        "high": prediction.high.tolist(),
    }
