"""Recipes -> labelled shards, computed on a cluster."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..datasets import Dataset, Recipe, Status, Transport, write_shard
from ..pipeline.labelling import LabelSettings, compute_sample, unlabelled
from .execution import Engine
from .progress import Bar

__all__ = ["ShardPlan", "label_recipes"]


@dataclass(frozen=True, kw_only=True)
class ShardPlan:
    """What is computed for each recipe, and where it goes.

    Parameters
    ----------
    folder
        The dataset.
    transports, settings
        Which labels.
    files
        Digest -> path of the images that crops refer to.
    samples_per_shard
        Recipes in one task and one file.
    """

    folder: Path
    transports: tuple[Transport, ...]
    settings: LabelSettings
    files: Mapping[str, Path]
    samples_per_shard: int


@dataclass(frozen=True)
class _ShardTask:
    plan: ShardPlan
    recipes: tuple[Recipe, ...]


def label_recipes(engine: Engine, recipes: Sequence[Recipe], plan: ShardPlan, bar: Bar) -> Dataset:
    """Label the recipes that the dataset lacks, and return the dataset.

    Parameters
    ----------
    engine
        Where the samples are computed.
    recipes
        Of equal shape, each once.
    plan
        What to compute and where to put it.
    bar
        Advanced by one for each sample.
    """
    tasks = list(_missing_shards(Dataset.create(plan.folder), recipes, plan))
    bar.advance(len(recipes) - sum(len(task.recipes) for task in tasks))
    lost = _compute(engine, tasks, bar)
    # A shard whose worker died three times: one of its samples may be to blame. Alone, it costs only itself.
    alone = [_ShardTask(plan, (recipe,)) for task in lost for recipe in task.recipes]
    for task in _compute(engine, alone, bar):
        _record_lost(task)
        bar.advance()
    return Dataset(plan.folder)


def _missing_shards(dataset: Dataset, recipes: Sequence[Recipe], plan: ShardPlan) -> Iterator[_ShardTask]:
    missing = set(dataset.missing([recipe.id for recipe in recipes]))
    size = plan.samples_per_shard
    for start in range(0, len(recipes), size):
        # Shards are cut before what is done is taken out, so that a resumed campaign writes the same files.
        wanted = tuple(recipe for recipe in recipes[start : start + size] if recipe.id in missing)
        if wanted:
            yield _ShardTask(plan, wanted)


def _compute(engine: Engine, tasks: Sequence[_ShardTask], bar: Bar) -> list[_ShardTask]:
    """Compute the tasks; return those whose worker was lost every time."""
    from distributed.scheduler import KilledWorker

    lost = []
    for end in engine.run(_compute_shard, tasks):
        if isinstance(end.error, KilledWorker):
            lost.append(end.task)
        elif end.error is not None:
            raise end.error
        else:
            bar.advance(len(end.task.recipes))
    return lost


def _compute_shard(task: _ShardTask) -> None:
    """Run on a worker."""
    plan = task.plan
    write_shard(plan.folder, [compute_sample(r, plan.transports, plan.settings, plan.files) for r in task.recipes])


def _record_lost(task: _ShardTask) -> None:
    plan = task.plan
    sentence = Status.WORKER_LOST.sentence
    samples = [unlabelled(r, plan.transports, plan.settings, Status.WORKER_LOST, sentence) for r in task.recipes]
    write_shard(plan.folder, samples)
