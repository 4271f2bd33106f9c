"""The figures of a report, as PNG bytes."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..datasets import Status
from .results import CampaignResults
from .screening_statistics import NAMES, NOMINAL

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from ..pipeline.representative_volume import BoxSize

__all__ = [
    "PALETTE",
    "composition_figure",
    "count_of",
    "coverage_figure",
    "figure_of",
    "learning_figure",
    "new_figure",
    "parameter_figure",
    "parity_figure",
    "png",
    "representative_volume_figure",
    "verification_figure",
]

# Okabe-Ito: told apart by colour-blind readers too.
PALETTE = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#F0E442", "#000000")
DPI = 130
MAPS = 6  # families in one figure
DRAWN = 5000  # candidates in one figure


def composition_figure(results: CampaignResults) -> bytes:
    """Draw the predicted σ_eff of every percolating candidate against its conducting volume fraction."""
    conducting = [name for name, sigma in results.leading.transport.conductivity.items() if sigma > 0]
    count = len(results.ranked.conducting())
    percolating = results.ranked.at(results.ranked.conducting(DRAWN))

    def fraction(fractions: Any) -> float:
        return float(sum(fractions.get(name, 0.0) for name in conducting))

    def draw(axes: Axes) -> None:
        for family, colour in _family_colours(percolating):
            members = [p for p in percolating if p.family == family]
            x = [fraction(p.fractions) for p in members]
            axes.scatter(
                x,
                np.array([p.sigma for p in members], dtype=float),
                s=7,
                c=colour,
                alpha=0.45,
                linewidths=0,
                label=family,
            )
        top = results.verification.group("top")
        x = [fraction(e.prediction.fractions) for e in top]
        axes.scatter(x, [e.sigma for e in top], s=34, facecolors="none", edgecolors="black", label="verified best")
        axes.set(xlabel="conducting volume fraction", ylabel=results.objective.label)
        # Without a single value a logarithmic axis cannot be scaled.
        if percolating:
            axes.set_yscale("log")
        axes.legend(markerscale=1.6, fontsize=8)

    return figure_of(draw, transparent=True, title=f"{count_of(count, len(percolating))} that percolate, as predicted")


def count_of(count: int, drawn: int) -> str:
    """Return how many candidates there are, and how many of them a figure shows."""
    return f"{count} candidates" if drawn == count else f"{drawn} of {count} candidates"


def parity_figure(results: CampaignResults) -> bytes:
    """Draw predicted against exact M of the held-out structures, with intervals."""
    table: Any = results.evaluation["table"]
    exact, predicted = np.array(table["exact"]), np.array(table["predicted"])
    low, high = np.array(table["low"]), np.array(table["high"])
    families = np.array(table["family"])

    def draw(axes: Axes) -> None:
        for family, colour in zip(sorted(set(families)), PALETTE, strict=False):
            m = families == family
            bars = [np.maximum(predicted[m] - low[m], 0), np.maximum(high[m] - predicted[m], 0)]
            axes.errorbar(exact[m], predicted[m], yerr=bars, fmt="o", ms=4, lw=0.8, c=colour, label=family)
        _diagonal(axes, exact)
        axes.set(xlabel="M, solver", ylabel="M, surrogate")
        axes.legend(fontsize=8)

    return figure_of(draw, transparent=True, title="Held-out structures, 90 % intervals")


def verification_figure(results: CampaignResults) -> bytes:
    """Draw predicted against solved σ_eff of the verified candidates."""

    def draw(axes: Axes) -> None:
        for group, colour in (("top", PALETTE[5]), ("random", PALETTE[0])):
            entries = results.verification.group(group)
            exact = np.array([e.sigma for e in entries])
            predicted = np.array([e.prediction.sigma for e in entries], dtype=float)
            low = np.array([e.prediction.low for e in entries], dtype=float)
            high = np.array([e.prediction.high for e in entries], dtype=float)
            bars = [np.maximum(predicted - low, 0), np.maximum(high - predicted, 0)]
            axes.errorbar(exact, predicted, yerr=bars, fmt="o", ms=4, lw=0.8, c=colour, label=f"{group} candidates")
        everything = [*results.verification.group("top"), *results.verification.group("random")]
        _diagonal(axes, np.array([e.sigma for e in everything]))
        axes.set(xlabel=f"{results.objective.label}, solver", ylabel=f"{results.objective.label}, surrogate")
        axes.legend(fontsize=8)

    return figure_of(draw, transparent=True, title="Verified candidates, 90 % intervals")


def coverage_figure(results: CampaignResults) -> bytes:
    """Draw the share of solved values inside their 90 % interval, by group, with the 95 % interval of that share."""
    groups = results.statistics.coverage

    def draw(axes: Axes) -> None:
        for place, group in enumerate(groups):
            share, colour = group.inside / group.count, PALETTE[5] if group.fails else PALETTE[2]
            bars = [[share - group.low], [group.high - share]]
            axes.errorbar(share, place, xerr=bars, fmt="o", ms=7, lw=2, capsize=4, c=colour)
        axes.axvline(NOMINAL, c="black", lw=1, ls="--", label=f"promised: {NOMINAL:.0%}")
        axes.set_yticks(range(len(groups)), [f"{NAMES[g.group]}\n{g.inside} of {g.count}" for g in groups])
        axes.set(xlim=(0, 1.02), ylim=(-0.6, len(groups) - 0.4), xlabel="share inside the predicted interval")
        axes.legend(fontsize=8, loc="lower left")

    return figure_of(draw, transparent=True, title="Do the 90 % intervals hold?")


def learning_figure(results: CampaignResults) -> bytes:
    """Draw the validation error after each epoch of training."""
    errors = [100 * float(error) for error in results.evaluation.get("validation_errors", [])]

    def draw(axes: Axes) -> None:
        axes.plot(range(1, len(errors) + 1), errors, marker=".", c=PALETTE[0])
        axes.set(xlabel="epoch", ylabel="error on validation structures [%]")
        if errors:
            axes.set_yscale("log")

    return figure_of(draw, transparent=True, title=f"Training on {results.evaluation.get('trained_on', 0)} structures")


def parameter_figure(results: CampaignResults) -> bytes:
    """Draw, for each family, the predicted σ_eff over the two parameters that it depends on most."""
    best = {e.prediction.index for e in results.verification.group("top")}
    places = np.union1d(results.ranked.conducting(DRAWN), results.ranked.places(best))
    percolating = [p for p in results.ranked.at(places) if p.status == Status.OK and p.sigma]
    families = sorted({p.family for p in percolating if p.parameters and p.family != "image"})[:MAPS]
    ends = [f((p.sigma or 1.0 for p in percolating), default=1.0) for f in (min, max)]
    columns = max(1, min(3, len(families)))
    figure = new_figure(3.6 * columns, 3.1 * max(1, -(-len(families) // columns)))
    for place, family in enumerate(families, start=1):
        axes = figure.add_subplot(-(-len(families) // columns), columns, place)
        _parameter_map(axes, [p for p in percolating if p.family == family], best, ends, results.objective.label)
        axes.set_title(family.replace("_", " "), fontsize=10)
    figure.set_layout_engine("tight")
    return png(figure, transparent=True)


def _parameter_map(axes: Axes, members: Sequence[Any], best: set[int], ends: Sequence[float], label: str) -> None:
    """Draw one family; a family of one parameter shows σ_eff over it."""
    from matplotlib.colors import LogNorm

    sigma = np.array([p.sigma for p in members], dtype=float)
    common = set.intersection(*(set(p.parameters) for p in members))
    values = {name: np.array([p.parameters[name] for p in members]) for name in sorted(common)}
    values = {n: v.astype(float) for n, v in values.items() if v.dtype.kind in "iuf" and np.ptp(v) > 0}

    def influence(name: str) -> float:
        return abs(float(np.corrcoef(values[name], np.log(sigma))[0, 1])) if len(members) > 2 else 0.0

    names = [*sorted(values, key=influence, reverse=True), "", ""]
    x, y = values.get(names[0], sigma), values.get(names[1], sigma)
    norm = LogNorm(ends[0], ends[1]) if ends[0] < ends[1] else None
    points = axes.scatter(x, y, c=sigma, s=9, cmap="viridis", norm=norm)
    marked = np.array([p.index in best for p in members], dtype=bool)
    axes.scatter(x[marked], y[marked], s=38, facecolors="none", edgecolors="black", linewidths=1.1)
    for setter, name in ((axes.set_xlabel, names[0]), (axes.set_ylabel, names[1])):
        setter(name.replace("_", " ") or label, fontsize=8)
    axes.tick_params(labelsize=7)
    axes.figure.colorbar(points, ax=axes).ax.tick_params(labelsize=7)


def representative_volume_figure(sizes: Sequence[BoxSize], edge_um: float, title: str) -> bytes:
    """Draw σ_eff and fraction of boxes against their edge, each box a dot, with mean and standard deviation.

    Parameters
    ----------
    sizes
        The boxes, by size.
    edge_um
        Of a voxel.
    title
        Above the figure.
    """
    figure = new_figure(7.6, 3.4)
    edges = np.array([size.edge for size in sizes]) * edge_um
    for place, (name, values) in enumerate(
        (("σ_eff / σ", [s.relative for s in sizes]), ("conducting fraction", [s.fraction for s in sizes])), start=1
    ):
        axes = figure.add_subplot(1, 2, place)
        for edge, boxes in zip(edges, values, strict=True):
            axes.plot(np.full(len(boxes), edge), boxes, ".", c=PALETTE[0], alpha=0.4)
        means = [boxes.mean() for boxes in values]
        axes.errorbar(edges, means, yerr=[b.std(ddof=1) for b in values], c=PALETTE[5], capsize=3)
        axes.set(xlabel="edge of the box [µm]", ylabel=name)
        axes.set_ylim(bottom=0)
        axes.grid(alpha=0.25)
    figure.suptitle(title, fontsize=10)
    figure.set_layout_engine("tight")
    return png(figure)


def _family_colours(predictions: Sequence[Any]) -> list[tuple[str, str]]:
    return list(zip(sorted({p.family for p in predictions}), PALETTE, strict=False))


def _diagonal(axes: Axes, values: Any) -> None:
    """Make both axes logarithmic and draw y = x, if there are values to scale by."""
    if values.size:
        ends = [values.min() / 1.1, values.max() * 1.1]
        axes.plot(ends, ends, c="grey", lw=0.8, zorder=0)
        axes.set(xscale="log", yscale="log")


def figure_of(draw: Callable[[Axes], None], title: str, transparent: bool = False) -> bytes:
    figure = new_figure(5.4, 4.2)
    axes = figure.add_subplot()
    draw(axes)
    axes.set_title(title, fontsize=10)
    axes.grid(alpha=0.25)
    figure.set_layout_engine("tight")
    return png(figure, transparent)


def new_figure(width: float, height: float) -> Figure:
    # Not pyplot: its global state and its choice of a display do not belong in a library.
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), dpi=DPI)
    FigureCanvasAgg(figure)
    return figure


def png(figure: Figure, transparent: bool = False) -> bytes:
    """Return a figure as PNG; transparent for a page that is light or dark."""
    file = io.BytesIO()
    figure.savefig(file, format="png", transparent=transparent)
    return file.getvalue()
