"""How fast recipe candidates are screened, what the time goes into, and how memory grows with their number.

Run: python benchmarks/screening_speed.py [--edge 48] [--counts 1000 2000 4000] [--workers 2]
     python benchmarks/screening_speed.py --rank 10000 100000 1000000    ranking and tables alone, made-up numbers

The surrogate is trained on 128 labels; training and labelling are not timed. `workers` is the time that the workers are
busy, summed; `wall` what a clock shows for generation and features together, workers warm.
"""

from __future__ import annotations

import argparse
import resource
import tempfile
import time
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from multiprocessing import get_context
from multiprocessing.queues import Queue
from pathlib import Path

import numpy as np

from ionscreen.datasets import Status
from ionscreen.workflows.campaign import opened
from ionscreen.workflows.config import CampaignConfig, load_config
from ionscreen.workflows.descriptions import newest_key, screening_seconds
from ionscreen.workflows.descriptor import predictor_of
from ionscreen.workflows.ranking import rank, rank_candidates
from ionscreen.workflows.ranking_tables import write_ranking
from ionscreen.workflows.resolution import resolve
from ionscreen.workflows.screening import Prediction, Predictions

TEMPLATE = Path(__file__).resolve().parents[1] / "workflows" / "templates" / "campaign.yaml"


def settings(edge: int, count: int, workers: int, run: Path) -> CampaignConfig:
    """Return the campaign that ``ionscreen init`` writes, with another size."""
    changes = [
        f"structure.shape=[{edge}, {edge}, {edge}]",
        "label.samples=128",
        f"candidates.samples={count}",
        f"cluster.workers={workers}",
        f"run_directory={run}",
    ]
    return resolve(load_config(TEMPLATE, changes), Path.cwd())


def measure(edge: int, count: int, workers: int, run: Path) -> tuple[float, ...]:
    """Return seconds: generation and features on the workers, both on the clock, prediction, ranking; and peak MB."""
    with opened(settings(edge, count, workers, run)) as steps:
        steps.train(steps.label())
        before = screening_seconds(steps.directory.screening)
        began = time.perf_counter()
        steps.screen()
        wall = time.perf_counter() - began
        generating, describing = screening_seconds(steps.directory.screening)
        predictions = Predictions(
            folder=steps.directory.screening,
            key=newest_key(steps.directory.screening),
            properties=steps.properties,
            predictor=predictor_of(steps.directory.surrogate, "regressor"),
            objective=steps.objective,
        )
        began = time.perf_counter()
        found = rank_candidates(predictions)
        predicted = time.perf_counter()
        write_ranking(found, steps.directory.ranking)
        ranked = time.perf_counter()
    driver = predicted - began, ranked - predicted
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3
    return generating - before[0], describing - before[1], wall - sum(driver), *driver, peak


@dataclass(frozen=True)
class MadeUp:
    """Predictions without structures, the same each time they are gone through."""

    count: int

    def __iter__(self) -> Iterator[Prediction]:
        random = np.random.default_rng(self.count)
        for index, sigma in enumerate(random.lognormal(size=self.count).tolist()):
            parameters = {"void_fraction": sigma % 0.5, "blob_size_um": sigma % 3}
            fractions = {"void": sigma % 0.5, "electrolyte": 1 - sigma % 0.5}
            ends = 0.9 * sigma, 1.1 * sigma
            yield Prediction(index, f"{index:032x}", "blobs", parameters, fractions, Status.OK, sigma, *ends)

    def find(self, indices: Collection[int]) -> dict[int, Prediction]:
        """Return some of them."""
        wanted = set(indices)
        return {p.index: p for p in self if p.index in wanted}


def ranking(count: int, queue: Queue[tuple[float, float, float]]) -> None:
    """Put seconds and the growth of the process in MB, for made-up predictions."""
    rank(MadeUp(10), "maximise")
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    predictions = MadeUp(count)
    began = time.perf_counter()
    ranked = rank(predictions, "maximise", find=predictions.find)
    middle = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        write_ranking(ranked, Path(folder) / "ranking.csv")
    ended = time.perf_counter()
    queue.put((middle - began, ended - middle, (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1e3))


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description="Time screening.")
    parser.add_argument("--edge", type=int, default=48)
    parser.add_argument("--counts", type=int, nargs="+", default=[1000, 2000, 4000])
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--rank", type=int, nargs="+")
    chosen = parser.parse_args()
    if chosen.rank:
        print("| made-up candidates | ranking, s | tables, s | memory, MB |\n|---|---|---|---|", flush=True)
        for count in chosen.rank:
            queue: Queue[tuple[float, float, float]] = get_context("spawn").Queue()
            process = get_context("spawn").Process(target=ranking, args=(count, queue))
            process.start()
            print(f"| {count} | " + " | ".join(f"{value:.1f}" for value in queue.get()) + " |", flush=True)
            process.join()
        return
    print("| candidates | generation, workers [s] | features, workers | both, wall | prediction | ranking | peak MB |")
    print("|---|---|---|---|---|---|---|", flush=True)
    for count in chosen.counts:
        with tempfile.TemporaryDirectory() as folder:
            found = measure(chosen.edge, count, chosen.workers, Path(folder) / "run")
        print(f"| {count} | " + " | ".join(f"{value:.1f}" for value in found) + " |", flush=True)
    rest = 100_000 / chosen.counts[-1]
    print(f"\n100,000 at the last row's rate: {sum(found[2:5]) * rest / 60:.0f} min on {chosen.workers} workers")


if __name__ == "__main__":
    main()
