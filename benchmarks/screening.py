"""What screening finds of a pool whose truth is known: recall of the true best, and solves that active learning saves.

Run: python benchmarks/screening.py FOLDER recall|adaptive [--seeds 10]. FOLDER holds the pool's features, as
``python benchmarks/screening_pool.py FOLDER`` leaves them; the truth is ``screening_pool.npz``.

recall: the regressor is trained on some random structures, all are predicted, the best predicted are solved.
adaptive: rounds of expected improvement against one training and against random choice. Random choice needs
(N + 1)/(K + 1) solves on average for the first of the best K of N, and its median is known too; both are exact.
"""

from __future__ import annotations

import argparse
import dataclasses
import math
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from screening_pool import DESIGN, FILE, SIZE, TRANSPORTS

from ionscreen.surrogate.feature_table import FeatureTable
from ionscreen.surrogate.regression import RegressionConfig, train_regressor
from ionscreen.workflows.acquisition import NINETY, diverse_batch, expected_improvement, probability_better

TOP = 100  # of the pool, for recall
PERCENT = SIZE // 100
ROUND = 16
# Until so many structures are solved, nothing is learned: the cascade's own estimate is taken, with this error of ln M.
FEWEST = 48
PRIOR_SCALE = 0.06

Vector = npt.NDArray[np.float64]


@dataclasses.dataclass(frozen=True, eq=False)
class Pool:
    """The candidates n that conduct.

    Parameters
    ----------
    table
        Features and true M.
    sigma_n
        True σ_eff, S/m.
    scale_n
        σ_eff over M, S/m.
    place_nd
        Parameters over their ranges, families one unit apart.
    """

    table: FeatureTable
    sigma_n: Vector
    scale_n: Vector
    place_nd: Vector

    @classmethod
    def load(cls, folder: Path, transport: int = 0) -> Pool:
        """Read features and truth; refuse features of other structures."""
        parts = [dict(np.load(path)) for path in sorted(folder.glob("[0-9]*.npz")) if ".part" not in path.name]
        truth = np.load(FILE)
        ids = np.concatenate([part["id"] for part in parts])
        if not np.array_equal(truth["id"], np.array([int(i[:16], 16) for i in ids], np.uint64)):
            raise SystemExit(f"{folder} holds other structures than {FILE.name}; remove it and run screening_pool.py.")
        feature, bound = (np.concatenate([part[name] for part in parts])[:, transport] for name in ("feature", "bound"))
        sigma = truth["sigma"][:, transport].astype(float)
        n = np.flatnonzero(sigma > 0)
        recipes = list(DESIGN.recipes(0, SIZE))
        family = np.array([recipe.family for recipe in recipes])
        scale = np.full(n.size, TRANSPORTS[transport].sigma_max)
        m = np.clip(sigma[n] / scale, bound[n, 0], bound[n, 1])
        text = np.array([str(i) for i in ids])
        zero = np.zeros(n.size, np.int64)
        contrast = feature[n, 0].astype(float)
        names = np.full(n.size, TRANSPORTS[transport].name)
        columns = (feature[n, 3:], bound[n, 0], bound[n, 1], m, contrast, text[n], family[n], names, zero, zero + 32)
        return cls(FeatureTable(*columns), sigma[n], scale, _places(recipes)[n])

    def predict(self, solved: list[int], seed: int, epochs: int) -> tuple[Vector, Vector]:
        """Return ln σ_eff as predicted and the scale of its error; learned from what is solved, if it is enough."""
        base = self.table.feature_nk[:, RegressionConfig().architecture.cascade.base].astype(float)
        if len(solved) < FEWEST:
            return base + np.log(self.scale_n), np.full(len(base), PRIOR_SCALE)
        config = dataclasses.replace(RegressionConfig(), seed=seed, epochs=epochs, patience=epochs)
        found = train_regressor(self.table.where(np.array(solved)), config).from_table(self.table)
        with np.errstate(divide="ignore"):
            half = np.maximum(np.log(found.high / found.m), np.log(found.m / found.low))
        return np.log(found.m * self.scale_n), np.where(np.isfinite(half), half, 1.0) / NINETY


def _places(recipes: list[Any]) -> Vector:
    names = sorted({name for recipe in recipes for name in recipe.parameters})
    families = sorted({recipe.family for recipe in recipes})
    values = np.array([[float(r.parameters.get(name, 0.0)) for name in names] for r in recipes])
    family = np.array([families.index(r.family) for r in recipes])
    for k in range(len(families)):
        own = values[family == k]
        values[family == k] = (own - own.min(0)) / np.maximum(np.ptp(own, axis=0), 1e-12)
    return np.column_stack([values, 10.0 * family])


def recall(pool: Pool, seeds: int) -> None:
    """Print the share of the true best 100 that is solved, within 2 % of the pool."""
    best = set(np.argsort(-pool.sigma_n)[:TOP].tolist())
    budget = SIZE // 50
    print(f"{len(pool.sigma_n)} of {SIZE} conduct; {budget} solves, 2 % of the pool, training included\n")
    print("| trained on | then solved | recall of the true best 100: median | worst of the seeds |\n|---|---|---|---|")
    for training in (100, 200, 300):
        shares = []
        for seed in range(seeds):
            random = np.random.default_rng([seed, 1])
            solved = random.choice(len(pool.sigma_n), training, replace=False).tolist()
            merit, _ = pool.predict(solved, seed, 150)
            merit[solved] = -np.inf
            solved += np.argsort(-merit)[: budget - training].tolist()
            shares.append(len(best & set(solved)) / TOP)
        print(f"| {training} | {budget - training} | {np.median(shares):.0%} | {min(shares):.0%} |", flush=True)


def propose(pool: Pool, solved: list[int], seed: int) -> tuple[list[int], float]:
    """Return the next round by expected improvement, and the probability that something better remains."""
    merit, scale = pool.predict(solved, seed, 60)
    best = float(np.log(pool.sigma_n[solved]).max()) if solved else -math.inf
    left = np.setdiff1d(np.arange(len(merit)), solved)
    worth = expected_improvement(merit[left], scale[left], max(best, float(merit[left].max()) - 10))
    chosen = diverse_batch(worth, pool.place_nd[left], ROUND)
    return left[chosen].tolist(), probability_better(merit[left], scale[left], best) if solved else 1.0


def adaptive(pool: Pool, seed: int, most: int) -> Iterator[tuple[list[int], float]]:
    """Yield what is solved after each round, and the probability that something better remained before it."""
    solved: list[int] = []
    while len(solved) < most:
        proposed, probability = propose(pool, solved, seed)
        if len(solved) < FEWEST:
            # A part at random: the regressor must not learn from the best alone.
            left = np.setdiff1d(np.arange(len(pool.sigma_n)), [*solved, *proposed])
            random = np.random.default_rng([seed, len(solved)]).choice(left, ROUND // 2, replace=False)
            proposed = [*proposed[: ROUND // 2], *random.tolist()]
        solved += proposed
        yield solved, probability


def one_shot(pool: Pool, seed: int, most: int) -> Iterator[tuple[list[int], float]]:
    """Yield the same for a training on 200 random structures and the best predicted after it."""
    solved = np.random.default_rng([seed, 2]).choice(len(pool.sigma_n), min(200, most), replace=False).tolist()
    for start in range(ROUND, len(solved) + 1, ROUND):
        yield solved[:start], 1.0
    merit, _ = pool.predict(solved, seed, 150)
    merit[solved] = -np.inf
    order = np.argsort(-merit).tolist()
    for stop in range(ROUND, most - len(solved) + 1, ROUND):
        yield solved + order[:stop], 1.0


def solves(
    pool: Pool, method: Callable[..., Iterator[tuple[list[int], float]]], seed: int, most: int
) -> tuple[dict[str, float], list[float]]:
    """Return how many solves each goal took, infinite if none of `most` reached it, and when a rule would stop.

    Solves are counted one by one, in the order in which a round proposes them.
    """
    order = np.argsort(-pool.sigma_n)
    percent = set(order[:PERCENT].tolist())
    goals = {"first of the best 1 %": 1 / PERCENT, "half of the best 1 %": 0.5, "nine tenths of it": 0.9}
    reached = dict.fromkeys([*goals, "the very best"], math.inf)
    stops: list[float] = []
    for solved, probability in method(pool, seed, most):
        hits = np.flatnonzero([index in percent for index in solved]) + 1
        for name, goal in goals.items():
            needed = math.ceil(goal * PERCENT)
            if len(hits) >= needed:
                reached[name] = int(hits[needed - 1])
        if order[0] in solved:
            reached["the very best"] = solved.index(order[0]) + 1
        if probability < 0.05 and not stops:
            before = solved[:-ROUND]
            stops = [len(before), float(order[0] in before), 1 - pool.sigma_n[before].max() / pool.sigma_n[order[0]]]
    return reached, stops


def random_median(goal: int) -> float:
    """Return the median of solves until `goal` of the best 1 % are found at random, from 4000 draws."""
    random = np.random.default_rng(1)
    places = np.sort(random.random((4000, PERCENT)), axis=1)[:, goal - 1]
    return float(np.median(places) * SIZE)


def compare(pool: Pool, seeds: int) -> None:
    """Print solves for each goal by each method, the median of the seeds with the range, and the stop rule."""
    most = 640
    found, stops = {}, []
    for name, method in (("adaptive", adaptive), ("one shot", one_shot)):
        rows = []
        for seed in range(seeds):
            began = time.monotonic()
            reached, stop = solves(pool, method, seed, most)
            rows.append(reached)
            stops += [stop] if name == "adaptive" else []
            print(f"# {name} seed {seed}: {reached} {stop} {time.monotonic() - began:.0f} s", flush=True)
        found[name] = rows
    goals = {"first of the best 1 %": 1, "half of the best 1 %": round(0.5 * PERCENT), "nine tenths of it": 184}
    print("\n| goal | random | one shot | adaptive | random over adaptive |\n|---|---|---|---|---|")
    for goal in [*goals, "the very best"]:
        chance = random_median(goals[goal]) if goal in goals else SIZE / 2
        cells = []
        for name in ("one shot", "adaptive"):
            values = np.array([row[goal] for row in found[name]])
            cells.append(f"{np.median(values):.0f} ({values.min():.0f}–{values.max():.0f})")
        factor = chance / float(np.median([row[goal] for row in found["adaptive"]]))
        print(f"| {goal} | {chance:.0f} | {cells[0]} | {cells[1]} | {factor:.1f} |")
    ended = [stop for stop in stops if stop]
    if ended:
        count, hit, regret = np.array(ended).T
        print(
            f"\nThe rule 'something better remains with less than 5 %' stopped {len(ended)} of {seeds} runs, after "
            f"{np.median(count):.0f} solves (median); {hit.sum():.0f} of these had the very best, regret at most "
            f"{regret.max():.2%}."
        )


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description="Recall and active learning on a pool of known truth.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("what", choices=("recall", "adaptive"))
    parser.add_argument("--seeds", type=int, default=10)
    chosen = parser.parse_args()
    pool = Pool.load(chosen.folder)
    (recall if chosen.what == "recall" else compare)(pool, chosen.seeds)


if __name__ == "__main__":
    main()
