"""The training step: a dataset's percolating samples -> a surrogate, and its errors on held-out structures."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from ..datasets import CampaignError, Dataset, InvalidInput, split
from ..datasets.durable_file import write_durably
from .config import CampaignConfig
from .progress import Progress
from .properties import properties_of
from .rounds import Rounds, solved_table
from .run_directory import RunDirectory, read_json

if TYPE_CHECKING:
    from ..surrogate import TrainingConfig

__all__ = ["network_settings", "train_surrogate"]

FEWEST = 5  # structures in each of training, validation and test

Parts = Mapping[str, Sequence[str]]


class HeldOut(NamedTuple):
    """Structures that were not trained on, with truth and prediction of M, and what the training reports."""

    ids: Sequence[str]
    families: Sequence[str]
    exact: npt.NDArray[np.float64]
    predicted: Any
    trained_on: int
    metrics: Mapping[str, Any]


def train_surrogate(
    dataset: Dataset, config: CampaignConfig, directory: RunDirectory, progress: Progress
) -> dict[str, Any]:
    """Train a surrogate on the dataset, store it, and return its evaluation on structures it has never seen.

    Nothing is computed if the run directory holds the surrogate of this dataset and these settings; an interrupted
    training goes on after its last epoch.

    Parameters
    ----------
    dataset
        Labelled for all properties; what does not percolate is left out.
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
    from ..surrogate import evaluate

    ids = _usable(dataset, config)
    rounds = Rounds.load(directory.rounds) if config.mode == "adaptive" else Rounds("")
    key = _key(ids, config, sorted(rounds.predicted))
    evaluation: dict[str, Any] | None = read_json(directory.evaluation)
    if evaluation and evaluation.get("key") == key and (directory.surrogate / "model.json").exists():
        return evaluation
    parts = _split(ids, config)
    trained = _train_network if config.train.model == "network" else _train_regressor
    found = trained(dataset, parts, config, directory, progress, rounds)
    scores = evaluate(found.exact, found.predicted, found.families)
    evaluation = {
        "key": key,
        **scores["all"].to_dict(),
        "by_family": {name: s.to_dict() for name, s in scores.items() if name != "all"},
        "trained_on": found.trained_on,
        "epochs": found.metrics["epochs"],
        "validation_errors": found.metrics["validation_errors"],
        "table": _table(found),
    }
    write_durably(directory.evaluation, json.dumps(evaluation, indent=1).encode())
    return evaluation


def network_settings(config: CampaignConfig) -> TrainingConfig:
    """Return the campaign's train: block as the network's configuration."""
    return config.train.network(config.seed or 0)


def _train_network(
    dataset: Dataset, parts: Parts, config: CampaignConfig, directory: RunDirectory, progress: Progress, _: Rounds
) -> HeldOut:
    from ..surrogate import save_checkpoint, train
    from ..surrogate.labelled_dataset import read_labelled

    settings = network_settings(config)
    settings.check(len(parts["train"]))
    progress.say(settings.batching.describe(len(parts["train"]), settings.device == "ipu"))
    (wanted,) = properties_of(config)
    name = wanted.transport.name
    labelled = {part: read_labelled(dataset, members, name, wanted.axis) for part, members in parts.items()}
    with progress.bar("Training the surrogate", settings.epochs) as bar:
        surrogate = train(
            labelled["train"].structures,
            labelled["validation"].structures,
            settings,
            folder=directory.training,
            callback=lambda e: bar.advance(note=f"validation error {e.validation_error:.1%}"),
        )
    save_checkpoint(surrogate, directory.surrogate)
    test, families = labelled["test"]
    predicted = surrogate.predict(test.x_nxyz)
    return HeldOut(test.ids, families, test.y_n, predicted, len(parts["train"]), surrogate.metrics)


def _train_regressor(
    dataset: Dataset, parts: Parts, config: CampaignConfig, directory: RunDirectory, progress: Progress, rounds: Rounds
) -> HeldOut:
    """Train on all but the test part, and on what was proposed: the regressor splits what it learns from by itself."""
    from ..surrogate import Prediction
    from ..surrogate.cascade_checkpoint import save_cascade
    from ..surrogate.feature_table import FeatureTable, feature_table
    from ..surrogate.regression import train_regressor

    settings = config.train.regressor(config.seed or 0)
    directory.training.mkdir(exist_ok=True, mode=0o700)
    with progress.bar("Features of the solved structures", len(dataset)) as bar:
        cache, cascade = directory.training / "features.npz", settings.architecture.cascade
        names = [given.name for given in config.every_transport]
        table = feature_table(dataset, cascade, names, cache, bar.advance)
    test = table.where(np.isin(table.structure_n, parts["test"]))
    training = table.where(~np.isin(table.structure_n, parts["test"]))
    if rounds.entries:
        more = solved_table(directory.screening, rounds, Dataset(directory.verification), properties_of(config))
        training = training if more is None else FeatureTable.joined([training, more])
    try:
        with progress.bar("Training the surrogate", settings.epochs) as bar:
            surrogate = train_regressor(
                training,
                settings,
                folder=directory.training,
                callback=lambda e: bar.advance(note=f"error on left-out structures {e.validation_error:.2%}"),
            )
    except InvalidInput as error:
        raise _too_few(sum(map(len, parts.values())), config) from error
    save_cascade(surrogate, directory.surrogate)
    found = surrogate.from_table(test)
    # The solver knows the truth to its tolerance only.
    predicted = Prediction(found.m, found.low * (1 - config.label.rtol), found.high * (1 + config.label.rtol))
    trained_on = sum(surrogate.metrics[f"{part}_structures"] for part in ("training", "calibration"))
    return HeldOut(
        test.structure_n.tolist(), test.family_n.tolist(), test.m_n, predicted, trained_on, surrogate.metrics
    )


def _usable(dataset: Dataset, config: CampaignConfig) -> list[str]:
    """Return the structures of which any property can be learned."""
    from ..surrogate.labelled_dataset import usable_ids

    return sorted({i for p in properties_of(config) for i in usable_ids(dataset, p.transport.name, p.axis)})


def _key(ids: Sequence[str], config: CampaignConfig, proposed: Sequence[int]) -> str:
    """Return a digest of what the surrogate depends on: its whole settings, as another release has other defaults."""
    settings = network_settings(config) if config.train.model == "network" else config.train.regressor(config.seed or 0)
    names = [wanted.name for wanted in properties_of(config)]
    parts = [sorted(ids), names, config.label.axes, config.seed, settings.to_dict(), proposed]
    text = json.dumps(parts, sort_keys=True)
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def _split(ids: Sequence[str], config: CampaignConfig) -> dict[str, list[str]]:
    parts = split(ids, seed=config.seed or 0)
    if min(len(members) for members in parts.values()) < FEWEST:
        raise _too_few(len(ids), config)
    return parts


def _too_few(count: int, config: CampaignConfig) -> CampaignError:
    return CampaignError(
        f"{count} of {config.label.samples} labelled structures percolate, too few to train, validate and test a "
        "surrogate. Raise label.samples, or choose families that conduct."
    )


def _table(found: HeldOut) -> dict[str, list[Any]]:
    return {
        "id": list(found.ids),
        "family": list(found.families),
        "exact": found.exact.tolist(),
        "predicted": found.predicted.m.tolist(),
        "low": found.predicted.low.tolist(),
        "high": found.predicted.high.tolist(),
    }
