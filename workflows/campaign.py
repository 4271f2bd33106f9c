"""The campaign: recipes -> labels -> surrogate -> screening -> verification, each step resumed where it stopped."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from ..datasets import Dataset, Recipe
from ..pipeline.design import DesignOfExperiments
from ..pipeline.families import FAMILIES
from ..pipeline.labelling import LabelSettings
from .candidates import Candidates
from .cluster import open_cluster, worker_count
from .config import CampaignConfig
from .connection import Connection
from .descriptions import Screening, describe_candidates
from .descriptor import CascadeDescriptor, Descriptor, NetworkDescriptor, predictor_of
from .designs import design_of
from .execution import Engine, Patience
from .images import open_images
from .monitor import Monitor
from .neighbours import neighbours
from .progress import Progress, SilentProgress
from .properties import objective_of, properties_of
from .ranking import Ranking, rank_candidates
from .ranking_tables import write_ranking
from .resolution import resolve, settle
from .results import CampaignResults
from .rounds import Rounds, propose, verified_groups
from .run_directory import RunDirectory
from .screening import Predictions
from .shards import WHOLE, ShardPlan, Share, label_recipes, shard_size
from .stored_candidates import open_datasets
from .training_set import train_surrogate
from .verification import Verification, compare, write_verified

__all__ = ["Campaign", "opened", "run_campaign"]

NO_WORKER_SECONDS = 120.0


def run_campaign(
    config: CampaignConfig, folder: Path, progress: Progress | None = None, performance_report: Path | None = None
) -> CampaignResults:
    """Run a campaign, or what is left of it, and write its report.

    Parameters
    ----------
    config
        The configuration.
    folder
        What relative paths in it refer to: the folder of the YAML file.
    progress
        Shows bars; silent if not given.
    performance_report
        Dask's report of what the cluster did is written to this HTML file.

    Raises
    ------
    InvalidInput
        If the configuration asks for something impossible; nothing has been computed then.
    CampaignError
        If the run directory is in use or holds another campaign, or the workers cannot go on.
    """
    with opened(resolve(config, folder), progress, performance_report) as campaign:
        return campaign.finish()


@contextmanager
def opened(
    config: CampaignConfig,
    progress: Progress | None = None,
    performance_report: Path | None = None,
    share: Share = WHOLE,
) -> Iterator[Campaign]:
    """Yield a campaign whose run directory is held for this process.

    Parameters
    ----------
    config
        With absolute paths.
    progress, performance_report
        As for :func:`run_campaign`.
    share
        The part of the shards that this process labels; other processes may hold the others at the same time.

    Raises
    ------
    InvalidInput, CampaignError
        As by :func:`run_campaign`.
    """
    directory = RunDirectory(Path(config.run_directory or ""))
    directory.create()
    with directory.locked(share.name), ExitStack() as resources:
        config = settle(config, directory, store=share == WHOLE)
        yield Campaign(config, directory, progress or SilentProgress(), resources, performance_report, share)


class Campaign:
    """The steps of one campaign; what they share is prepared, and so checked, before the first one runs."""

    def __init__(
        self,
        config: CampaignConfig,
        directory: RunDirectory,
        progress: Progress,
        resources: ExitStack,
        performance_report: Path | None = None,
        share: Share = WHOLE,
    ) -> None:
        self.share = share
        self.config, self.directory, self.progress = config, directory, progress
        self.monitor = Monitor(directory.log, directory.status_of(share.name), share.name)
        self.seed = config.seed or 0
        self.transports = tuple(given.transport() for given in config.every_transport)
        self.settings = LabelSettings(axes=config.label.axes, rtol=config.label.rtol)
        self.properties, self.objective = properties_of(config), objective_of(config)
        self.training_design = self._design("training")
        for transport in self.transports:
            for family in config.families:
                transport.table(FAMILIES[family.family].phase_names)
            for image in config.candidates.images:
                transport.table(list(image.phases.values()))
        crops, images = open_images(config.candidates.images, config.structure.shape)
        stored, datasets = open_datasets(config.candidates.datasets, config.structure.shape, self.transports)
        self.candidates = Candidates(
            design=self._design("candidates"),
            samples=config.candidates.samples,
            crops=(*crops, *stored),
            files={**images, **datasets},
        )
        if config.mode == "adaptive":
            self._add(Rounds.load(self.directory.rounds, self._screening_key(self._descriptor())).new)
        cluster = config.cluster
        connection = Connection(
            lambda: open_cluster(cluster, directory.path, config.name, performance_report), self.monitor
        )
        resources.callback(connection.close)
        no_worker = 60 * cluster.job.queue_minutes if cluster.batch else NO_WORKER_SECONDS
        self.engine = Engine(connection, Patience(60 * cluster.stall_minutes, no_worker))

    def finish(self) -> CampaignResults:
        """Take every step."""
        dataset = self.label()
        evaluation = self.explore(dataset) if self.config.mode == "adaptive" else self.train(dataset)
        ranked = self.screen()
        return self.report(dataset, evaluation, ranked, self.verify(ranked))

    def label(self) -> Dataset:
        """Solve the training structures."""
        samples = self.config.label.samples
        with self.timed("label", samples):
            recipes = self.training_design.recipes(0, samples)
            return self._label("Solving structures", recipes, samples, self.directory.dataset)

    def train(self, dataset: Dataset) -> dict[str, Any]:
        """Train the surrogate and return its errors on held-out structures."""
        with self.timed("train"):
            return train_surrogate(dataset, self.config, self.directory, self.progress)

    def explore(self, dataset: Dataset) -> dict[str, Any]:
        """Propose candidates, solve them and train again, until nothing better is likely to remain.

        Every round is stored before it is solved; a resumed campaign goes on with the last one.
        """
        key, settings = self._screening_key(self._descriptor()), self.config.adaptive
        rounds = Rounds.load(self.directory.rounds, key)
        rounds.save(self.directory.rounds)
        while True:
            solved = self._solve_proposed(rounds)
            evaluation = self.train(dataset)
            ranked = self.screen()
            groups = dict.fromkeys(rounds.predicted, "top")
            chosen = ranked.at(ranked.places(groups))
            entries = compare(chosen, groups, solved, self.properties, self.objective).entries
            found = {e.prediction.index: e for e in entries}
            proposed = propose(ranked, found, self.objective, settings)
            ended = proposed.probability < settings.stop_probability or not proposed.predicted
            if ended or len(rounds.entries) == settings.rounds:
                replace(rounds, remaining=proposed.probability).save(self.directory.rounds)
                return evaluation
            purpose = f"round {len(rounds.entries)}"
            new = neighbours(ranked[: settings.batch], self.candidates.design, settings.new_recipes, purpose)
            rounds = replace(rounds, entries=(*rounds.entries, replace(proposed, new=new)), remaining=None)
            self.progress.say(rounds.sentence(self.objective))
            rounds.save(self.directory.rounds)
            self._add(new)

    def _add(self, recipes: Sequence[Recipe]) -> None:
        """Let recipes join the candidates, after all others, so that these keep their numbers."""
        self.candidates = replace(self.candidates, crops=(*self.candidates.crops, *recipes))

    def _solve_proposed(self, rounds: Rounds) -> Dataset:
        recipes = [self.candidates.recipes(i, i + 1)[0] for i in sorted(rounds.predicted)]
        with self.timed("verify", len(recipes)):
            return self._label("Solving proposals", recipes, len(recipes), self.directory.verification)

    def screen(self) -> Ranking:
        """Predict every candidate and rank them."""
        descriptor = self._descriptor()
        key = self._screening_key(descriptor)
        predictor = predictor_of(self.directory.surrogate, self.config.train.model, descriptor)
        screening = Screening(candidates=self.candidates, properties=self.properties, descriptor=descriptor, key=key)
        total, folder = len(self.candidates), self.directory.screening
        with self.timed("screen", total), self.progress.bar("Screening candidates", total) as bar:
            describe_candidates(self.engine, screening, folder, self.directory.marks, bar, self.monitor)
            predictions = Predictions(
                folder=folder,
                key=key,
                properties=self.properties,
                predictor=predictor,
                objective=self.objective,
                count=total,
            )
            ranked = rank_candidates(predictions, self.config.screen.constraints)
            write_ranking(ranked, self.directory.ranking, self.objective)
        return ranked

    def verify(self, ranked: Ranking) -> Verification:
        """Solve the best candidates and some random ones; what was proposed is solved already."""
        rounds = Rounds.load(self.directory.rounds) if self.config.mode == "adaptive" else Rounds("")
        groups = verified_groups(ranked, self.config, rounds)
        recipes = [self.candidates.recipes(i, i + 1)[0] for i in sorted(groups)]
        with self.timed("verify", len(recipes)):
            dataset = self._label("Verifying winners", recipes, len(recipes), self.directory.verification)
        chosen = rounds.before(ranked.at(ranked.places(groups)))
        verification = compare(chosen, groups, dataset, self.properties, self.objective, self.config.label.rtol)
        write_verified(verification, self.directory.verified, self.objective.unit)
        return verification

    def report(
        self, dataset: Dataset, evaluation: dict[str, Any], ranked: Ranking, verification: Verification
    ) -> CampaignResults:
        """Write the report."""
        from .report import write_report

        results = CampaignResults(self.config, self.directory, dataset, evaluation, ranked, verification)
        with self.timed("report"), self.progress.bar("Writing the report", 1) as bar:
            results.export_winners()
            write_report(results)
            bar.advance()
        return results

    @contextmanager
    def timed(self, stage: str, total: int = 0) -> Iterator[None]:
        """Add the time spent in the context to the run's timings, also when it is interrupted."""
        began = time.perf_counter()
        self.monitor.begin(stage, total)
        try:
            yield
        finally:
            self.monitor.end(stage, time.perf_counter() - began)
            if self.share == WHOLE:
                self.directory.add_seconds(stage, time.perf_counter() - began)

    def _design(self, stream: str) -> DesignOfExperiments:
        return design_of(self.config, self.seed, stream)

    def _label(self, title: str, recipes: Iterable[Recipe], total: int, folder: Path) -> Dataset:
        cluster, shape = self.config.cluster, self.config.structure.shape
        plan = ShardPlan(
            folder=folder,
            marks=self.directory.marks,
            transports=self.transports,
            settings=self.settings,
            files=self.candidates.files,
            # The same in every share, whatever machine it is on.
            samples_per_shard=cluster.samples_per_shard
            or shard_size(shape, total, self.share.count if self.share.name else worker_count(cluster)),
            share=self.share,
        )
        with self.progress.bar(title, total) as bar:
            return label_recipes(self.engine, recipes, plan, bar, self.monitor)

    def _descriptor(self) -> Descriptor:
        """Return what is computed of a candidate by a worker."""
        if self.config.train.model == "network":
            digest = hashlib.blake2b((self.directory.surrogate / "model.json").read_bytes(), digest_size=16)
            return NetworkDescriptor(self.directory.surrogate, digest.hexdigest())
        return CascadeDescriptor(self.config.train.regressor(0).architecture.cascade)

    def _screening_key(self, descriptor: Descriptor) -> str:
        """Return a digest of what descriptions depend on; of the surrogate itself only what the descriptor names."""
        fields = {"seed", "structure", "families", "candidates", "transport", "transports"}
        config = self.config.model_dump(mode="json", include=fields)
        axes = [wanted.axis for wanted in self.properties]
        text = json.dumps([config, axes, sorted(self.candidates.files), repr(descriptor)], sort_keys=True)
        return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()
