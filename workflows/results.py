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
from .config import CampaignConfig
from .descriptions import screening_seconds
from .objective import Objective
from .properties import Property, leading_property, objective_of
from .ranking import Ranking
from .rounds import Rounds
from .run_directory import RunDirectory
from .screen_config import ImageConfig
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
        All candidates, best first.
    verification
        The best and some random candidates, solved.
    """

    config: CampaignConfig
    directory: RunDirectory
    dataset: Dataset
    evaluation: Mapping[str, Any]
    ranked: Ranking
    verification: Verification

    @functools.cached_property
    def objective(self) -> Objective:
        """What is looked for."""
        return objective_of(self.config)

    @functools.cached_property
    def leading(self) -> Property:
        """The property whose current is drawn."""
        return leading_property(self.config)

    def statuses(self, wanted: Property | None = None) -> Counter[Status]:
        """Return how many labelled structures have each status, for the leading property if not told which."""
        wanted = wanted or self.leading
        labels = self.dataset.labels(wanted.transport.name)
        return Counter(Status(int(s)) for s in labels["status"][:, wanted.axis])

    @functools.cached_property
    def statistics(self) -> ScreeningStatistics:
        """What the verification says of the whole screening."""
        count = int(self.evaluation["count"])
        return screening_statistics(
            self.ranked,
            self.verification,
            self.objective.sense,
            labelled=len(self.dataset),
            held_out=(round(float(self.evaluation["coverage"]) * count), count),
            seed=self.config.seed or 0,
        )

    @functools.cached_property
    def images(self) -> dict[str, ImageConfig]:
        """Digest -> image, of those whose windows are candidates."""
        from ..pipeline.image import file_digest

        return {file_digest(image.path): image for image in self.config.candidates.images}

    def export_winners(self) -> None:
        """Write the best solved structures as VTI files whose names begin with their place."""
        from ..datasets.export_images import export_vti

        wanted = self.verification.ranking(self.objective.sense)[: self.config.screen.export_top]
        solved = Dataset(self.directory.verification)
        self.directory.winners.mkdir(exist_ok=True, mode=0o700)
        for old in self.directory.winners.glob("*.vti"):
            old.unlink()
        for place, entry in enumerate(wanted, start=1):
            export_vti(solved.subset([entry.prediction.id]), self.directory.winners)
            written = self.directory.winners / f"{entry.prediction.id}.vti"
            written.rename(self.directory.winners / f"{place:03d}-{entry.prediction.id[:12]}.vti")

    def summary(self) -> dict[str, Any]:
        """Return the summary as JSON types; unknown numbers are None."""
        statuses, verification = self.statuses(), self.verification
        best = verification.best(self.objective.sense)
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
            "best_sigma_S_per_m" if self.objective.unit == "S/m" else "best_objective": best.sigma if best else None,
            "best_properties_S_per_m": dict(best.properties) if best else {},
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
        lines = [
            ("Report", str(self.directory.report)),
            ("Ranking", f"{self.directory.ranking} ({s['candidates']} candidates)"),
            ("Dataset", f"{self.directory.dataset} ({labelled})"),
            ("Surrogate", f"{self.directory.surrogate}"),
            (
                "Error, held out",
                f"median {e['median']:.2%}, mean {e['mape']:.2%} on {e['count']:.0f} structures never trained on",
            ),
            ("Winner", self._winner()),
            (
                "Prediction error",
                f"median {_percent(s['median_error_top'])} on the verified best, "
                f"{_percent(s['median_error_random'])} on random ones; "
                f"{s['inside_interval']} of {s['verified']} inside their 90 % interval",
            ),
            ("Best against random", f"the verified best are {ratio} the random ones (medians)"),
            ("Recall", recall_sentence(self.statistics)),
            ("Time", f"{seconds}{self._bottleneck()}"),
            ("Next", self._advice(s)),
        ]
        if self.config.mode == "adaptive":
            lines.insert(5, ("Rounds", self._rounds()))
        warnings = [("WARNING", sentence) for sentence in self.statistics.failures]
        return "\n".join(f"{name:>20}  {value}" for name, value in [*warnings, *lines])

    @functools.cached_property
    def rounds(self) -> Rounds:
        """What active learning proposed; nothing in mode one_shot."""
        return Rounds.load(self.directory.rounds) if self.config.mode == "adaptive" else Rounds("")

    def _rounds(self) -> str:
        found = self.rounds
        ended = "unknown" if found.remaining is None else f"{found.remaining:.2g}"
        return (
            f"{len(found.entries)}, {len(found.predicted)} candidates solved in them, {len(found.new)} recipes added; "
            f"something better remains with a probability of {ended}"
        )

    def _bottleneck(self) -> str:
        """Return which part of the screening took the workers longest, and its share."""
        generating, describing = screening_seconds(self.directory.screening)
        if not generating + describing:
            return ""
        slower, share = max(("generation", generating), ("the surrogate", describing), key=lambda each: each[1])
        return f"; {slower} limits the screening ({share / (generating + describing):.0%} of the workers' time)"

    def _winner(self) -> str:
        best = self.verification.best(self.objective.sense)
        if best is None:
            return "none: no verified candidate percolates"
        p, properties = best.prediction, ", ".join(f"{n} {v:.4g} S/m" for n, v in best.properties.items())
        value = f"σ_eff = {best.sigma:.4g} S/m"
        if self.objective.unit != "S/m" or len(best.properties) > 1:
            value = f"{self.objective.label.removesuffix(' [S/m]')} = {best.sigma:.4g} ({properties})"
        return f"{p.family} {p.id[:12]}, {value}, solved"

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
    return "unknown" if value is None else f"{value:.2%}"


def _plain(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
