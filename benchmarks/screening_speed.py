"""How fast recipe candidates are screened, what the time goes into, and how memory grows with their number.

Run: python benchmarks/screening_speed.py [--edge 48] [--counts 1000 2000 4000] [--workers 2]

The surrogate is trained on 128 labels; training and labelling are not timed. `workers` is the time that the workers are
busy, summed; `wall` what a clock shows for generation and features together, workers warm.
"""

from __future__ import annotations

import argparse
import resource
import tempfile
import time
from pathlib import Path

from ionscreen.workflows.campaign import opened
from ionscreen.workflows.config import CampaignConfig, load_config
from ionscreen.workflows.descriptions import newest_key, screening_seconds
from ionscreen.workflows.descriptor import predictor_of
from ionscreen.workflows.ranking import rank_candidates
from ionscreen.workflows.ranking_tables import write_ranking
from ionscreen.workflows.resolution import resolve
from ionscreen.workflows.screening import Predictions

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


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description="Time screening.")
    parser.add_argument("--edge", type=int, default=48)
    parser.add_argument("--counts", type=int, nargs="+", default=[1000, 2000, 4000])
    parser.add_argument("--workers", type=int, default=2)
    chosen = parser.parse_args()
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
