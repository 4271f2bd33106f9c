"""Statistics of a screening against pools whose truth is known."""

import json
import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from ionscreen.datasets import Status
from ionscreen.workflows.ranking import Ranking, rank
from ionscreen.workflows.screening import Prediction
from ionscreen.workflows.screening_statistics import ScreeningStatistics, screening_statistics, share_interval
from ionscreen.workflows.verification import Verification, Verified, choose

SIZE, TOP, LABELLED = 1000, 20, 150


@dataclass(frozen=True)
class Pool:
    """Predictions, their verification and the truth, S/m."""

    truth: Any
    ranked: Ranking
    verification: Verification

    def statistics(self, objective: str = "maximise", seed: int = 0) -> ScreeningStatistics:
        return screening_statistics(self.ranked, self.verification, objective, LABELLED, seed=seed)

    def recall(self, k: int, sign: float = 1.0) -> float:
        """Return the share of the true best k that was solved."""
        solved = {e.prediction.index for e in self.verification.entries}
        return len(solved & set(np.argsort(-sign * self.truth)[:k].tolist())) / k


def pool(seed: int, noise: float = 0.05, width: float = 1.0, random: int = 30, sign: float = 1.0) -> Pool:
    """Return a pool of lognormal truths; errors of `noise`, not alike for all, intervals right at width 1."""
    rng = np.random.default_rng([31415, seed])
    truth = np.exp(rng.normal(-2, 0.6, SIZE))
    spread = noise * rng.uniform(0.5, 1.5, SIZE)
    sigma = truth * np.exp(spread * rng.normal(size=SIZE))
    half = np.exp(1.645 * width * spread)  # 90 % of a normal distribution
    predictions = [
        Prediction(i, f"{i:032x}", "blobs", {}, {}, Status.OK, float(s), float(s / h), float(s * h))
        for i, (s, h) in enumerate(zip(sigma, half, strict=True))
    ]
    ranked = rank(predictions, "maximise" if sign > 0 else "minimise")
    groups = choose(ranked, TOP, random, seed)
    entries = [Verified(p, groups[p.index], float(truth[p.index]), Status.OK) for p in ranked if p.index in groups]
    return Pool(truth, ranked, Verification(tuple(entries)))


@pytest.mark.parametrize(("noise", "sign", "objective"), [(0.05, 1.0, "maximise"), (0.3, -1.0, "minimise")])
def test_intervals_hold_the_truth(noise: float, sign: float, objective: str) -> None:
    """95 % intervals: of 12 pools, 9 or more, which chance alone misses twice in 1000 times."""
    held = {"recall": 0, "regret": 0, "enrichment": 0}
    for seed in range(12):
        found = pool(seed, noise, sign=sign)
        s = found.statistics(objective, seed)
        assert s.regret is not None
        assert s.enrichment is not None
        solved = {e.prediction.index for e in found.verification.entries}
        merit = sign * np.log(found.truth)
        regret = -math.expm1(max(merit[list(solved)]) - merit.max())
        held["regret"] += s.regret.low - 1e-9 <= regret <= s.regret.high + 1e-9
        held["recall"] += s.recall[TOP].low - 1e-9 <= found.recall(TOP, sign) <= s.recall[TOP].high + 1e-9
        best = set(np.argsort(-merit)[: SIZE // 100].tolist())
        top = {e.prediction.index for e in found.verification.group("top")}
        enrichment = len(top & best) / len(best) * SIZE / TOP
        held["enrichment"] += s.enrichment.low - 1e-9 <= enrichment <= s.enrichment.high + 1e-9
    assert min(held.values()) > 8, held


def test_a_perfect_surrogate_finds_all_and_saves_what_arithmetic_says() -> None:
    s = pool(0, noise=1e-9).statistics()
    assert [e.value for e in s.recall.values()] == [1.0] * 4
    assert list(s.recall) == [1, 5, 10, 20]
    assert s.regret is not None
    assert f"{s.regret.high:.1%}" == "0.0%"  # and not -0.0 %
    assert s.saved is not None
    assert s.saved.value == pytest.approx(SIZE / (LABELLED + TOP + 30))
    assert s.enrichment is not None
    assert s.enrichment.value == pytest.approx(SIZE / TOP)  # all of the best 10 among 20
    assert s.beaten is not None
    assert s.beaten[:2] == (0, 30)


def test_a_useless_surrogate_is_seen_to_be_useless() -> None:
    s = pool(1, noise=3.0).statistics()
    assert s.recall[TOP].value < 0.2
    assert s.regret is not None
    assert s.regret.value > 0.1


def test_narrow_intervals_are_said_loudly_and_right_ones_are_not() -> None:
    assert any("too narrow" in sentence for sentence in pool(2, width=0.3).statistics().failures)
    assert sum(bool(pool(seed, width=1.0).statistics().failures) for seed in range(3)) <= 1


def test_nothing_is_claimed_on_too_few_random_candidates() -> None:
    s = pool(3, random=5).statistics()
    assert s.recall == {}
    assert s.saved is None
    assert s.residuals == 5
    json.dumps(s.to_dict(), allow_nan=False)


def test_shares_have_the_intervals_of_clopper_and_pearson() -> None:
    assert share_interval(0, 10) == pytest.approx((0, 0.3085), abs=1e-4)
    assert share_interval(10, 10) == pytest.approx((0.6915, 1), abs=1e-4)
    assert share_interval(3, 10) == pytest.approx((0.0667, 0.6525), abs=1e-4)
