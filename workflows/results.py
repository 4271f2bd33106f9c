"""The results of a campaign, and their summary in eleven lines."""

from __future__ import annotations

import functools
import json
import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..datasets import Dataset, Status
from .config import CampaignConfig, ImageConfig
from .run_directory import RunDirectory
from .screening import Prediction
from .screening_statistics import Estimate, ScreeningStatistics, screening_statistics
from .verification import Verification

__all__ = ["CampaignResults", "in_percent", "recall_sentence"]


@dataclass(frozen=True)
class CampaignResults:
    """Everything a finished campaign has found.

    Parameters
    ----------
    config
        As run, with its seed.
    directory
        Where everything lies.
    dataset
        The labelled structures.
    evaluation
        The surrogate's errors on held-out structures.
    ranked
        Predictions of all candidates, best first.
    verification
        The best and some random candidates, solved.
    """

    config: CampaignConfig
    directory: RunDirectory
    dataset: Dataset
    evaluation: Mapping[str, Any]
    ranked: tuple[Prediction, ...]
    verification: Verification

    def statuses(self) -> Counter[Status]:
        """Return how many labelled structures have each status."""
        labels = self.dataset.labels(self.config.transport.name)
        return Counter(Status(int(s)) for s in labels["status"][:, self.config.label.axis])

    @functools.cached_property
    def statistics(self) -> ScreeningStatistics:
        """What the verification says of the whole screening."""
        count = int(self.evaluation["count"])
        return screening_statistics(
            self.ranked,
            self.verification,
            self.config.screen.objective,
            labelled=len(self.dataset),
            held_out=(round(float(self.evaluation["coverage"]) * count), count),
            seed=self.config.seed or 0,
        )

    @functools.cached_property
    def images(self) -> dict[str, ImageConfig]:
        """Digest -> image, of those whose windows are candidates."""
        from ..pipeline.image import file_digest

        return {file_digest(image.path): image for image in self.config.candidates.images}

    def summary(self) -> dict[str, Any]:
        """Return the summary as JSON types; unknown numbers are None."""
        statuses, verification = self.statuses(), self.verification
        best = verification.best(self.config.screen.objective)
        inside, solved = verification.coverage()
        timings = self.directory.read_timings()
        values = {
            "run_directory": str(self.directory.path),
            "seed": self.config.seed,
            "labelled": {status.name.lower(): count for status, count in sorted(statuses.items())},
            "held_out": {name: self.evaluation[name] for name in ("count", "median", "mape", "p95", "coverage")},
            "candidates": len(self.ranked),
            "best_id": best.prediction.id if best else None,
            "best_family": best.prediction.family if best else None,
            "best_sigma_S_per_m": best.sigma if best else None,
            "median_error_top": verification.median_error("top"),
            "median_error_random": verification.median_error("random"),
            "median_sigma_top_S_per_m": verification.median_sigma("top"),
            "median_sigma_random_S_per_m": verification.median_sigma("random"),
            "inside_interval": inside,
            "verified": solved,
            "statistics": self.statistics.to_dict(),
            "seconds": {stage: round(seconds, 1) for stage, seconds in timings.items()},
        }
        return {name: _plain(value) for name, value in values.items()}

    def to_json(self) -> str:
        """Return the summary as JSON text."""
        return json.dumps(self.summary(), indent=1, allow_nan=False)

    def text(self) -> str:
        """Return the summary in eleven lines for a person."""
        s, e = self.summary(), self.evaluation
        top, random = s["median_sigma_top_S_per_m"], s["median_sigma_random_S_per_m"]
        ratio = f"{top / random:.2f} times" if top and random else "not comparable to"
        labelled = ", ".join(f"{count} {name.replace('_', '-')}" for name, count in s["labelled"].items())
        seconds = ", ".join(f"{stage} {value:.0f} s" for stage, value in s["seconds"].items())
        winner = (
            f"{s['best_family']} {s['best_id'][:12]}, σ_eff = {s['best_sigma_S_per_m']:.4g} S/m, solved"
            if s["best_id"]
            else "none: no verified candidate percolates"
        )
        lines = [
            ("Report", str(self.directory.report)),
            ("Ranking", f"{self.directory.ranking} ({s['candidates']} candidates)"),
            ("Dataset", f"{self.directory.dataset} ({labelled})"),
            ("Surrogate", f"{self.directory.surrogate}"),
            (
                "Error, held out",
                f"median {e['median']:.1%}, mean {e['mape']:.1%} on {e['count']:.0f} structures never trained on",
            ),
            ("Winner", winner),
            (
                "Prediction error",
                f"median {_percent(s['median_error_top'])} on the verified best, "
                f"{_percent(s['median_error_random'])} on random ones; "
                f"{s['inside_interval']} of {s['verified']} inside their 90 % interval",
            ),
            ("Best against random", f"the verified best conduct {ratio} the random ones (medians)"),
            ("Recall", recall_sentence(self.statistics)),
            ("Time", seconds),
            ("Next", self._advice(s)),
        ]
        warnings = [("WARNING", sentence) for sentence in self.statistics.failures]
        return "\n".join(f"{name:>20}  {value}" for name, value in [*warnings, *lines])

    def _advice(self, summary: Mapping[str, Any]) -> str:
        if self.evaluation["median"] > 0.05:
            return "raise label.samples and run again: the surrogate's error is what limits the ranking"
        if summary["verified"] and summary["inside_interval"] < 0.75 * summary["verified"]:
            return "trust the solver, not the intervals: candidates differ from the training structures; widen families"
        return "open the report; then narrow the families' ranges around the winners, or raise candidates.samples"


def recall_sentence(statistics: ScreeningStatistics) -> str:
    """Return what was found of the true best, with what confidence, at which saving."""
    if not statistics.recall or not statistics.saved or not statistics.regret:
        return f"unknown: {statistics.residuals} random candidates were solved; raise screen.verify_random"
    k, recall = list(statistics.recall.items())[-1]
    return (
        f"{in_percent(recall)} of the true best {k} were solved; the winner falls short of the best candidate by "
        f"{statistics.regret.high:.1%} at most; {statistics.saved.value:.1f} times fewer solver calls than at random"
    )


def in_percent(estimate: Estimate, digits: int = 0) -> str:
    """Return an estimate and its interval as text."""
    value, low, high = (f"{100 * v:.{digits}f}" for v in (estimate.value, estimate.low, estimate.high))
    return f"{value} % ({low}–{high} %)"


def _percent(value: float | None) -> str:
    return "unknown" if value is None else f"{value:.1%}"


def _plain(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
