"""The campaign: recipes -> labels -> surrogate -> screening -> verification, each step resumed where it stopped."""

from __future__ import annotations

import functools
import hashlib
import json
import secrets
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..datasets import CampaignError, Dataset, Recipe
from ..pipeline.design import DesignOfExperiments
from ..pipeline.families import FAMILIES
from ..pipeline.labelling import LabelSettings
from .candidates import Candidates
from .cluster import local_cluster, worker_count
from .config import CampaignConfig, expand_path, load_config, save_config
from .designs import design_of
from .execution import Engine
from .images import find_images, open_images
from .progress import Progress, SilentProgress
from .ranking import rank, write_ranking
from .results import CampaignResults
from .run_directory import RunDirectory
from .screening import Prediction, Screening, screen
from .shards import ShardPlan, label_recipes
from .training_set import train_surrogate
from .verification import Verification, choose, compare, write_verified

if TYPE_CHECKING:
    from distributed import Client

__all__ = ["run_campaign"]


def run_campaign(config: CampaignConfig, folder: Path, progress: Progress | None = None) -> CampaignResults:
    """Run a campaign, or what is left of it, and write its report.

    Parameters
    ----------
    config
        The configuration.
    folder
        What relative paths in it refer to: the folder of the YAML file.
    progress
        Shows bars; silent if not given.

    Raises
    ------
    InvalidInput
        If the configuration asks for something impossible; nothing has been computed then.
    CampaignError
        If the run directory is in use or holds another campaign, or the workers cannot go on.
    """
    from .report import write_report

    progress = progress or SilentProgress()
    config = _with_absolute_paths(config, folder)
    directory = RunDirectory(Path(config.run_directory or ""))
    directory.create()
    with directory.locked(), ExitStack() as resources:
        config = _settle(config, directory)
        steps = _Steps(config, directory, progress, resources)
        dataset = steps.label()
        evaluation = steps.train(dataset)
        ranked = steps.screen()
        verification = steps.verify(ranked)
        results = CampaignResults(config, directory, dataset, evaluation, tuple(ranked), verification)
        with steps.timed("report"), progress.bar("Writing the report", 1) as bar:
            write_report(results)
            bar.advance()
    return results


def _with_absolute_paths(config: CampaignConfig, folder: Path) -> CampaignConfig:
    images = find_images(config.candidates.images, folder)
    run_directory = expand_path(config.run_directory or f"runs/{config.name}", folder)
    candidates = config.candidates.model_copy(update={"images": images})
    return config.model_copy(update={"candidates": candidates, "run_directory": str(run_directory)})


def _settle(config: CampaignConfig, directory: RunDirectory) -> CampaignConfig:
    """Return the configuration with its seed, and store it; a seed drawn at the first start is kept.

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
    save_config(config, directory.config)
    return config


def _identity(config: CampaignConfig) -> str:
    """Return what the labels depend on; everything else may change between starts."""
    data = config.model_dump(mode="json", include={"seed", "structure", "families", "transport", "label"})
    data["label"].pop("samples")  # more samples of the same stream are welcome
    return json.dumps(data, sort_keys=True)


class _Steps:
    """The steps of one campaign; what they share is prepared, and so checked, before the first one runs."""

    def __init__(
        self, config: CampaignConfig, directory: RunDirectory, progress: Progress, resources: ExitStack
    ) -> None:
        self.config, self.directory, self.progress, self.resources = config, directory, progress, resources
        self.seed = config.seed or 0
        self.transport = config.transport.transport()
        self.settings = LabelSettings(axes=(config.label.axis,), rtol=config.label.rtol)
        self.training_design = self._design("training")
        for family in config.families:
            self.transport.table(FAMILIES[family.family].phase_names)
        for image in config.candidates.images:
            self.transport.table(list(image.phases.values()))
        crops, files = open_images(config.candidates.images, config.structure.shape)
        self.candidates = Candidates(
            design=self._design("candidates"), samples=config.candidates.samples, crops=crops, files=files
        )
        # Two tasks for each worker, running and next, keep all of them busy.
        self.engine = Engine(
            functools.cache(self._start_cluster), 2 * worker_count(config.cluster), 60 * config.cluster.stall_minutes
        )

    def label(self) -> Dataset:
        """Solve the training structures."""
        recipes = list(self.training_design.recipes(0, self.config.label.samples))
        with self.timed("label"):
            return self._label("Solving structures", recipes, self.directory.dataset)

    def train(self, dataset: Dataset) -> dict[str, Any]:
        """Train the surrogate and return its errors on held-out structures."""
        with self.timed("train"):
            return train_surrogate(dataset, self.config, self.directory, self.progress)

    def screen(self) -> list[Prediction]:
        """Predict every candidate and rank them."""
        screening = Screening(
            candidates=self.candidates,
            transport=self.transport,
            axis=self.config.label.axis,
            checkpoint=self.directory.surrogate,
            key=self._screening_key(),
        )
        with self.timed("screen"), self.progress.bar("Screening candidates", len(self.candidates)) as bar:
            predictions = screen(self.engine, screening, self.directory.screening, bar)
            ranked = rank(predictions, self.config.screen.objective, self.config.screen.constraints)
            write_ranking(ranked, self.directory.ranking)
        return ranked

    def verify(self, ranked: Sequence[Prediction]) -> Verification:
        """Solve the best candidates and some random ones."""
        groups = choose(ranked, self.config.screen.verify_top, self.config.screen.verify_random, self.seed)
        recipes = [self.candidates.recipes(i, i + 1)[0] for i in sorted(groups)]
        with self.timed("verify"):
            dataset = self._label("Verifying winners", recipes, self.directory.verification)
        verification = compare(ranked, groups, dataset, self.transport.name, self.config.label.axis)
        write_verified(verification, self.directory.verified)
        return verification

    @contextmanager
    def timed(self, stage: str) -> Iterator[None]:
        """Add the time spent in the context to the run's timings, also when it is interrupted."""
        began = time.perf_counter()
        try:
            yield
        finally:
            self.directory.add_seconds(stage, time.perf_counter() - began)

    def _start_cluster(self) -> Client:
        return self.resources.enter_context(local_cluster(self.config.cluster))

    def _design(self, stream: str) -> DesignOfExperiments:
        return design_of(self.config, self.seed, stream)

    def _label(self, title: str, recipes: Sequence[Recipe], folder: Path) -> Dataset:
        plan = ShardPlan(
            folder=folder,
            transports=(self.transport,),
            settings=self.settings,
            files=self.candidates.files,
            samples_per_shard=self.config.cluster.samples_per_shard,
        )
        with self.progress.bar(title, len(recipes)) as bar:
            return label_recipes(self.engine, recipes, plan, bar)

    def _screening_key(self) -> str:
        """Return a digest of what predictions depend on: the surrogate's bytes and everything that names candidates."""
        surrogate = (self.directory.surrogate / "model.json").read_bytes()
        config = self.config.model_dump(mode="json", include={"seed", "structure", "families", "candidates"})
        text = json.dumps([config, sorted(self.candidates.files)], sort_keys=True).encode()
        return hashlib.blake2b(surrogate + text, digest_size=16).hexdigest()
