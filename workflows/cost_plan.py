"""What a campaign will cost, from a pilot of a few samples on this machine."""

from __future__ import annotations

import dataclasses
import json
import math
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from ..datasets import CampaignError, InvalidInput, Recipe, Sample, Status, write_shard
from ..datasets.manifest import create_folders
from ..pipeline.generation import generate
from ..pipeline.labelling import LabelSettings, compute_sample
from .cluster import worker_count
from .config import CampaignConfig
from .descriptor import CascadeDescriptor, Conduction
from .designs import design_of
from .progress import Progress
from .properties import properties_of

__all__ = ["CostPlan", "plan_campaign"]

# Sobol points are spread over all families and ranges already when they are few.
PILOT = 12
TRAINED_SHARE = 0.8  # of the labelled structures that conduct
TIMED_ROWS = 256
PREDICTION_BYTES = 700


@dataclass(frozen=True, kw_only=True)
class CostPlan:
    """A prediction of what a campaign needs.

    Parameters
    ----------
    pilot
        How many samples were timed.
    workers
        How many it is planned for; the pilot ran on one of this machine's cores.
    generate_seconds, sample_seconds
        Of one structure, and with solving and writing; the mean, and of it the standard error.
    wall_seconds
        Step -> seconds.
    cpu_hours, disk_GB
        Of the whole campaign.
    """

    pilot: int
    workers: int
    generate_seconds: tuple[float, float]
    sample_seconds: tuple[float, float]
    wall_seconds: dict[str, float]
    cpu_hours: float
    disk_GB: float  # noqa: N815

    def to_json(self) -> str:
        """Return it as JSON."""
        return json.dumps(asdict(self), indent=1)

    def text(self) -> str:
        """Return it for a person."""
        lines = [
            f"Timed {self.pilot} samples here: {_figure(self.sample_seconds)} each, of which generating takes "
            f"{_figure(self.generate_seconds)}.",
            f"With {self.workers} workers of this speed:",
            *(f"  {step:<10} {_time(seconds)}" for step, seconds in self.wall_seconds.items()),
            f"  in all     {_time(sum(self.wall_seconds.values()))}, {self.cpu_hours:.2g} CPU hours, "
            f"{self.disk_GB:.2g} GB on disk",
        ]
        return "\n".join(lines)


def plan_campaign(config: CampaignConfig, progress: Progress) -> CostPlan:
    """Return what a campaign will cost; nothing is kept of the pilot.

    Parameters
    ----------
    config
        The campaign.
    progress
        Shows a bar.

    Raises
    ------
    CampaignError
        If none of the pilot's structures can be generated.
    """
    recipes = list(design_of(config, config.seed or 0, "training").recipes(0, PILOT))
    transports = [given.transport() for given in config.every_transport]
    with progress.bar("Timing a pilot", PILOT + 1) as bar, tempfile.TemporaryDirectory() as folder:
        settings = LabelSettings(axes=config.label.axes, rtol=config.label.rtol)
        # The first of each family imports and compiles what the others find in place.
        for recipe in {recipe.family: recipe for recipe in recipes}.values():
            compute_sample(recipe, transports, settings)
        bar.advance()
        generating, labelling, samples = [], [], []
        for recipe in recipes:
            generating.append(_generate_seconds(recipe))
            began = time.perf_counter()
            samples.append(compute_sample(recipe, transports, settings))
            labelling.append(time.perf_counter() - began)
            bar.advance()
        began = time.perf_counter()
        create_folders(Path(folder))
        write_shard(Path(folder), samples)
        writing = (time.perf_counter() - began) / len(samples)
        size = sum(path.stat().st_size for path in Path(folder).rglob("*") if path.is_file()) / len(samples)
    training, predict = _surrogate_seconds(samples, config)
    return _plan(config, generating, [seconds + writing for seconds in labelling], size, training, predict)


def _generate_seconds(recipe: Recipe) -> float:
    began = time.perf_counter()
    with suppress(InvalidInput):
        generate(recipe)
    return time.perf_counter() - began


def _surrogate_seconds(samples: Sequence[Sample], config: CampaignConfig) -> tuple[float, float]:
    """Return the seconds that one structure takes in a training, all epochs together, and in a prediction."""
    conductions = []
    for sample in samples:
        for _, transport, axis in properties_of(config):
            label = sample.labels[transport.name]
            if sample.microstructure is not None and label.connected is not None and label.status[axis] == Status.OK:
                connected = (label.connected >> axis & 1).astype(bool)
                conductions.append(Conduction(sample.microstructure, transport, connected, axis))
    if len(conductions) < 2:
        raise CampaignError("Of the pilot's structures fewer than two conduct; choose families that do.")
    timed = _network_seconds if config.train.model == "network" else _regressor_seconds
    times = timed(conductions, config)
    return times[0] * len(properties_of(config)), times[1] * len(properties_of(config))


def _regressor_seconds(conductions: Sequence[Conduction], config: CampaignConfig) -> tuple[float, float]:
    from ..surrogate.feature_table import FeatureTable
    from ..surrogate.regression import train_regressor

    descriptor = CascadeDescriptor(config.train.regressor(0).architecture.cascade)
    descriptor.describe(conductions[:1])  # compiles
    began = time.perf_counter()
    described = descriptor.describe(conductions)
    features = (time.perf_counter() - began) / len(conductions)
    # Time, not accuracy, is wanted: the pilot again and again, as if it were many structures.
    place = np.arange(TIMED_ROWS) % len(described)
    exact, values = (np.array([each[part] for each in described])[place] for part in (0, 1))
    name, zero = np.array([str(n) for n in range(TIMED_ROWS)]), np.zeros(TIMED_ROWS, np.int64)
    m = np.exp(values[:, descriptor.settings.base]) * (1 + 0.01 * np.cos(np.arange(TIMED_ROWS)))
    table = FeatureTable(values.astype(np.float32), exact[:, 1], exact[:, 2], m, m, name, name, name, zero, zero)
    times = []
    for epochs in (1, 5):
        settings = dataclasses.replace(config.train.regressor(0), epochs=epochs, patience=epochs)
        began = time.perf_counter()
        train_regressor(table, settings)
        times.append(time.perf_counter() - began)
    epoch = max(times[1] - times[0], 0.0) / 4 / TIMED_ROWS
    return config.train.regressor(0).epochs * epoch + features, features


def _network_seconds(conductions: Sequence[Conduction], config: CampaignConfig) -> tuple[float, float]:
    from ..surrogate import LabelledStructures, train
    from ..surrogate.encoding import encode
    from .training_set import network_settings

    ids = [str(n) for n in range(len(conductions))]
    pilot = LabelledStructures(np.stack([encode(*c) for c in conductions]), np.full(len(ids), 0.5), tuple(ids))
    # Time, not accuracy, is wanted of validation: the same structures, under names that training does not know.
    again = LabelledStructures(pilot.x_nxyz, pilot.y_n, tuple(f"{name} again" for name in ids))
    times = []
    for epochs in (1, 3):
        settings = dataclasses.replace(network_settings(config), epochs=epochs, patience=epochs)
        began = time.perf_counter()
        surrogate = train(pilot, again, settings)
        times.append(time.perf_counter() - began)
    began = time.perf_counter()
    surrogate.predict(pilot.x_nxyz)
    predict = (time.perf_counter() - began) / len(ids)
    # An epoch trains on all and validates on all; the validation part is an eighth of the training part later on.
    return network_settings(config).epochs * max(times[1] - times[0], 0.0) / 2 / len(ids), predict


def _plan(
    config: CampaignConfig,
    generating: list[float],
    labelling: list[float],
    size: float,
    training: float,
    predict: float,
) -> CostPlan:
    workers = worker_count(config.cluster)
    verified = config.screen.verify_top + config.screen.verify_random
    sample, structure = float(np.mean(labelling)), float(np.mean(generating))
    work = {
        "label": config.label.samples * sample,
        "train": config.label.samples * TRAINED_SHARE * training,
        "screen": config.candidates.samples * (structure + predict),
        "verify": verified * sample,
    }
    wall = {step: seconds / (1 if step == "train" else workers) for step, seconds in work.items()}
    disk = size * (config.label.samples + verified) + PREDICTION_BYTES * config.candidates.samples
    return CostPlan(
        pilot=len(labelling),
        workers=workers,
        generate_seconds=(structure, _error(generating)),
        sample_seconds=(sample, _error(labelling)),
        wall_seconds=wall,
        cpu_hours=sum(work.values()) / 3600,
        disk_GB=disk / 1e9,
    )


def _error(values: Sequence[float]) -> float:
    return float(np.std(values, ddof=1)) / math.sqrt(len(values))


def _figure(value: tuple[float, float]) -> str:
    return f"{value[0]:.3g} ± {value[1]:.1g} s"


def _time(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"
