"""What the engine costs: against a bare loop, and its memory over a million samples.

Run: python benchmarks/engine.py [--edge 64] [--samples 128]    labelled samples per second, 1 and 2 workers
     python benchmarks/engine.py --null 1000000                  a solver that does nothing: memory, tasks, rate
"""

from __future__ import annotations

import argparse
import functools
import os
import resource
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path

from ionscreen.datasets import Recipe, Transport, write_shard
from ionscreen.datasets.manifest import create_folders
from ionscreen.pipeline.design import DesignOfExperiments
from ionscreen.pipeline.family_range import FamilyRange
from ionscreen.pipeline.labelling import LabelSettings, compute_sample
from ionscreen.workflows.batches import BatchResult, Mark, run_batches
from ionscreen.workflows.cluster import WORKER_ENVIRONMENT, local_cluster
from ionscreen.workflows.cluster_config import ClusterConfig
from ionscreen.workflows.connection import Connection
from ionscreen.workflows.execution import Engine
from ionscreen.workflows.finished_ids import FinishedIds
from ionscreen.workflows.monitor import Monitor
from ionscreen.workflows.progress import SilentProgress
from ionscreen.workflows.shards import ShardPlan, label_recipes, missing_batches, shard_size

TRANSPORT = Transport("ionic", {"electrolyte": 0.18, "void": 0.0})
SETTINGS = LabelSettings(axes=(0,), rtol=1e-4)


def design(edge: int, stream: str) -> DesignOfExperiments:
    """Return a stream of structures."""
    ranges = {"void_fraction": (0.2, 0.6), "blob_size_um": (1.6, 3.2)}
    return DesignOfExperiments(
        families=[FamilyRange(family="blobs", parameters=ranges)],
        shape=(edge, edge, edge),
        voxel_size=(4e-7, 4e-7, 4e-7),
        seed=11235,
        stream=stream,
    )


def plan_in(folder: Path, samples_per_shard: int) -> ShardPlan:
    """Return what to label and where."""
    return ShardPlan(
        folder=folder / "dataset",
        marks=folder / "marks",
        transports=(TRANSPORT,),
        settings=SETTINGS,
        files={},
        samples_per_shard=samples_per_shard,
    )


def bare_loop(recipes: Sequence[Recipe], plan: ShardPlan) -> tuple[float, float]:
    """Return the seconds that one process needs to generate, solve and write, which is all it does."""
    create_folders(plan.folder)
    began = time.perf_counter()
    for start in range(0, len(recipes), plan.samples_per_shard):
        part = recipes[start : start + plan.samples_per_shard]
        write_shard(plan.folder, [compute_sample(recipe, plan.transports, plan.settings) for recipe in part])
    return time.perf_counter() - began, 1.0


class Work(Monitor):
    """Sums the time that workers spend in tasks: generating, solving and writing."""

    seconds = 0.0

    def finished(self, samples: int, seconds: float) -> None:
        """Add the time of a task."""
        self.seconds += seconds


def with_engine(engine: Engine, workers: int, recipes: Sequence[Recipe], plan: ShardPlan) -> tuple[float, float]:
    """Return the seconds that running workers need, and the share of their time that they spend in tasks."""
    work, began = Work(), time.perf_counter()
    with SilentProgress().bar("", len(recipes)) as bar:
        label_recipes(engine, recipes, plan, bar, work)
    spent = time.perf_counter() - began
    return spent, work.seconds / (workers * spent)


def efficiency(edge: int, samples: int, repeats: int) -> None:
    """Print the rates: medians of runs in turn, the workers and the compiled solver warm."""
    recipes = {n: list(design(edge, f"part {n}").recipes(0, samples)) for n in range(repeats + 1)}
    size = min(16, shard_size((edge, edge, edge), samples, 2))
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        runs: dict[str, Callable[[list[Recipe], ShardPlan], tuple[float, float]]] = {"bare loop": bare_loop}
        for workers in (1, 2):
            connection = Connection(lambda workers=workers: local_cluster(ClusterConfig(workers=workers)))
            stack.callback(connection.close)
            runs[f"{workers} workers"] = functools.partial(with_engine, Engine(connection), workers)
        found: dict[str, list[tuple[float, float]]] = {title: [] for title in runs}
        for n in range(repeats + 1):
            for title, function in runs.items():
                folder = Path(name) / f"{title} {n}"
                folder.mkdir()
                # The first repetition starts the workers and compiles the solver in them.
                spent = function(recipes[n] if n else recipes[n][: 4 * size], plan_in(folder, size))
                if n:
                    found[title].append(spent)
                    print(f"{title}: {samples / spent[0]:.2f} samples per second", file=sys.stderr, flush=True)
    print(f"{samples} samples of {edge}³, {size} in a shard, median of {repeats}\n")
    print("| | samples per second | median of the ratios to the bare loop | share of the workers' time in tasks |")
    print("|---|---|---|---|")
    for title, values in found.items():
        ratios = [bare / value for (bare, _), (value, _) in zip(found["bare loop"], values, strict=True)]
        rate, share = samples / statistics.median(v for v, _ in values), statistics.median(s for _, s in values)
        print(f"| {title} | {rate:.2f} | {statistics.median(ratios):.3f} | {share:.3f} |")


def _nothing(recipes: Sequence[Recipe], mark: Mark) -> BatchResult:
    """Run on a worker."""
    mark.begin(0)
    return BatchResult(0.0)


def null(samples: int) -> None:
    """Print the memory of the driver and scheduler, which are one process, as a campaign goes on."""
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        plan = plan_in(Path(name), 64)
        create_folders(plan.folder)
        connection = Connection(lambda: local_cluster(ClusterConfig(workers=2)))
        stack.callback(connection.close)
        tasks = 0
        recipes = design(64, "null").recipes(0, samples)
        batches = missing_batches(FinishedIds.of(plan.folder), recipes, plan, lambda _: None)
        done, began, shown = 0, time.perf_counter(), 0
        print("| samples | seconds | driver and scheduler, MB | tasks in the scheduler, at most |\n|---|---|---|---|")
        for end in run_batches(Engine(connection), _nothing, batches, plan.marks):
            done += len(end.items)
            tasks = max(tasks, len(connection.client().cluster.scheduler.tasks))
            if done >= shown + samples // 10:
                shown = done
                print(f"| {done} | {time.perf_counter() - began:.0f} | {_megabytes():.0f} | {tasks} |", flush=True)
    print(f"peak {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MB")


def _megabytes() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 1e6


def main() -> None:
    """Run one of the two."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--edge", type=int, default=64)
    parser.add_argument("--samples", type=int, default=128)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--null", type=int)
    arguments = parser.parse_args()
    if not os.environ.items() >= WORKER_ENVIRONMENT.items():
        # The bare loop has the workers' one thread for each library; libraries read that when they are imported.
        os.execve(sys.executable, [sys.executable, *sys.argv], {**os.environ, **WORKER_ENVIRONMENT})
    if arguments.null:
        null(arguments.null)
    else:
        efficiency(arguments.edge, arguments.samples, arguments.repeats)


if __name__ == "__main__":
    main()
