"""Recipes -> labelled shards, computed on a cluster."""

from __future__ import annotations

import functools
import itertools
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..datasets import (
    CampaignError,
    Dataset,
    DatasetError,
    InvalidInput,
    Recipe,
    Sample,
    Status,
    Transport,
    write_shard,
)
from ..datasets.manifest import create_folders
from ..pipeline.labelling import LabelSettings, compute_sample, unlabelled
from ..pipeline.warm_up import warm_up
from .batches import NOBODY, Batch, BatchResult, Done, Lost, Mark, run_batches
from .execution import Engine
from .finished_ids import FinishedIds
from .monitor import Monitor
from .progress import Bar

__all__ = ["WHOLE", "ShardPlan", "Share", "label_recipes", "missing_batches", "shard_size"]

FEWEST, MOST = 8, 64
# A task should take about half a minute. Generating and solving costs 0.3 to 1 µs a voxel.
VOXELS_IN_TASK = 64 * 96**3
# So many samples that fail, and none that does not: not they are to blame, but what the workers run.
FUTILE = 16


@dataclass(frozen=True)
class Share:
    """One of several equal parts of the shards, for those who divide a campaign without a scheduler of tasks.

    Parameters
    ----------
    index, count
        Which part, from 0, of how many.
    """

    index: int = 0
    count: int = 1

    @property
    def name(self) -> str:
        """What distinguishes its files; empty for the whole."""
        return f"{self.index}-of-{self.count}" if self.count > 1 else ""

    @classmethod
    def parse(cls, text: str) -> Share:
        """Return the share written as ``index/count``.

        Raises
        ------
        InvalidInput
            If it is not.
        """
        index, _, count = text.partition("/")
        if not (index.isdecimal() and count.isdecimal() and int(index) < int(count)):
            raise InvalidInput(f"--share {text}: give index/count, the index from 0, such as 2/8.")
        return cls(int(index), int(count))


WHOLE = Share()


@dataclass(frozen=True, kw_only=True)
class ShardPlan:
    """What is computed for each recipe, and where it goes.

    Parameters
    ----------
    folder
        The dataset.
    marks
        Where workers say which sample they are at.
    transports, settings
        Which labels.
    files
        Digest -> path of the images that crops refer to.
    samples_per_shard
        Recipes in one task and one file.
    share
        Which part of the shards to compute.
    """

    folder: Path
    marks: Path
    transports: tuple[Transport, ...]
    settings: LabelSettings
    files: Mapping[str, Path]
    samples_per_shard: int
    share: Share = WHOLE


def shard_size(shape: tuple[int, int, int], samples: int, workers: int) -> int:
    """Return how many samples go into one task: about half a minute's work, but enough tasks for all workers.

    Parameters
    ----------
    shape
        Of a structure, voxels.
    samples
        How many there are in all.
    workers
        How many work at a time.
    """
    nx, ny, nz = shape
    by_time, by_count = VOXELS_IN_TASK // (nx * ny * nz), samples // (4 * workers)
    return max(FEWEST, min(by_time, by_count, MOST))


def label_recipes(
    engine: Engine, recipes: Iterable[Recipe], plan: ShardPlan, bar: Bar, monitor: Monitor | None = None
) -> Dataset:
    """Label the recipes that the dataset lacks, and return the dataset.

    Parameters
    ----------
    engine
        Where the samples are computed.
    recipes
        Of equal shape, each once; read only as fast as they are computed.
    plan
        What to compute and where to put it.
    bar
        Advanced by one for each sample.
    monitor
        Told of each task and each loss.

    Raises
    ------
    CampaignError
        If the first samples all fail: then something is wrong with the workers, and nothing is recorded.
    """
    monitor = monitor or Monitor()
    create_folders(plan.folder)

    def present(samples: int) -> None:
        monitor.present(samples)
        bar.advance(samples)

    batches = missing_batches(FinishedIds.of(plan.folder), recipes, plan, present)
    computed, lost = False, list[Lost[Recipe]]()
    for end in run_batches(engine, functools.partial(_compute_shard, plan), batches, plan.marks):
        if isinstance(end, Done):
            computed = True
            monitor.finished(len(end.items), end.receipt)
            bar.advance(len(end.items))
        else:
            lost.append(end)
            if not computed and len(lost) == FUTILE:
                raise CampaignError(_futile(end))
        if computed:
            _record_lost(plan, lost, bar, monitor)
    _record_lost(plan, lost, bar, monitor)
    return Dataset(plan.folder)


def missing_batches(
    finished: FinishedIds, recipes: Iterable[Recipe], plan: ShardPlan, present: Callable[[int], None]
) -> Iterator[Batch[Recipe]]:
    """Yield the shards that are not there, and count the samples that are."""
    recipes, number = iter(recipes), 0
    # Shards are cut before what is done is taken out, so that a resumed campaign writes the same files.
    while chunk := tuple(itertools.islice(recipes, plan.samples_per_shard)):
        if number % plan.share.count == plan.share.index:
            wanted = finished.missing(chunk)
            if len(wanted) < len(chunk):
                present(len(chunk) - len(wanted))
            if wanted:
                yield Batch(wanted)
        number += 1


def _compute_shard(plan: ShardPlan, recipes: Sequence[Recipe], mark: Mark) -> BatchResult:
    """Run on a worker; the receipt is the time it took."""
    warm_up()
    began = time.perf_counter()
    samples: list[Sample] = []
    failed: list[tuple[int, str]] = []
    for place, recipe in enumerate(recipes):
        mark.begin(place)
        try:
            samples.append(compute_sample(recipe, plan.transports, plan.settings, plan.files))
        except DatasetError:
            raise
        except Exception as error:
            # Whatever it is, the other samples are not to blame for it; it is tried again, then recorded.
            failed.append((place, f"{type(error).__name__}: {error}"))
    mark.begin(NOBODY)
    if samples:
        write_shard(plan.folder, samples)
    return BatchResult(time.perf_counter() - began, tuple(failed))


def _futile(lost: Lost[Recipe]) -> str:
    said = lost.sentence or Status.WORKER_LOST.sentence
    return (
        f"The first {FUTILE} samples failed on the workers, the last one with: {said.rstrip('.')}. None of them is "
        "recorded; look whether the workers have this ionscreen and memory enough, and run the same command again."
    )


def _record_lost(plan: ShardPlan, lost: list[Lost[Recipe]], bar: Bar, monitor: Monitor) -> None:
    """Store samples that say what became of them, and empty the list."""
    for end in lost:
        status = Status.INVALID_STRUCTURE if end.sentence else Status.WORKER_LOST
        sentence = f"Unexpected {end.sentence}" if end.sentence else status.sentence
        write_shard(plan.folder, [unlabelled(end.item, plan.transports, plan.settings, status, sentence)])
        monitor.lost(end.item.id, sentence)
        bar.advance()
    lost.clear()
