"""The figures of a report, as PNG bytes."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..datasets import Microstructure, Status
from .phase_colours import phase_colours
from .results import CampaignResults

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from ..pipeline.representative_volume import BoxSize

__all__ = [
    "composition_figure",
    "parity_figure",
    "representative_volume_figure",
    "slices_figure",
    "verification_figure",
]

# Okabe-Ito: told apart by colour-blind readers too.
PALETTE = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#F0E442", "#000000")
DPI = 130


def composition_figure(results: CampaignResults) -> bytes:
    """Draw the predicted σ_eff of every percolating candidate against its conducting volume fraction."""
    conducting = [name for name, sigma in results.config.transport.transport().conductivity.items() if sigma > 0]
    percolating = [p for p in results.ranked if p.status == Status.OK]

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
        axes.set(xlabel="conducting volume fraction", ylabel="σ_eff [S/m]")
        # Without a single value a logarithmic axis cannot be scaled.
        if percolating:
            axes.set_yscale("log")
        axes.legend(markerscale=1.6, fontsize=8)

    return _figure(draw, title=f"{len(percolating)} percolating candidates, as predicted")


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

    return _figure(draw, title="Held-out structures, 90 % intervals")


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
        axes.set(xlabel="σ_eff, solver [S/m]", ylabel="σ_eff, surrogate [S/m]")
        axes.legend(fontsize=8)

    return _figure(draw, title="Verified candidates, 90 % intervals")


def slices_figure(structures: Sequence[tuple[str, Microstructure]], axis: int, columns: int = 6) -> bytes:
    """Draw the middle slice of each titled structure, the current flowing from left to right."""
    from matplotlib.colors import ListedColormap
    from matplotlib.patches import Patch

    names = sorted({name for _, structure in structures for name in structure.phase_names})
    colours = phase_colours(names)
    columns = min(columns, len(structures))
    rows = -(-len(structures) // columns)
    height = 2.1 * rows + 0.35
    figure = _new_figure(1.9 * max(columns, 2), height)
    for place, (title, structure) in enumerate(structures, start=1):
        axes = figure.add_subplot(rows, columns, place)
        along = np.moveaxis(structure.phases, axis, 0)
        colour_map = ListedColormap([colours[name] for name in structure.phase_names])
        axes.imshow(
            along[:, :, along.shape[2] // 2].T,
            cmap=colour_map,
            vmin=-0.5,
            vmax=len(structure.phase_names) - 0.5,
            interpolation="nearest",
            origin="lower",
        )
        axes.set_title(title, fontsize=8)
        axes.set_axis_off()
    handles = [Patch(facecolor=colours[name], edgecolor="grey", label=name.replace("_", " ")) for name in names]
    figure.legend(handles=handles, loc="lower center", ncols=len(names), fontsize=8, frameon=False)
    figure.subplots_adjust(left=0.01, right=0.99, top=1 - 0.29 / height, bottom=0.32 / height, wspace=0.06, hspace=0.14)
    return _png(figure)


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
    figure = _new_figure(7.6, 3.4)
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
    return _png(figure)


def _family_colours(predictions: Sequence[Any]) -> list[tuple[str, str]]:
    return list(zip(sorted({p.family for p in predictions}), PALETTE, strict=False))


def _diagonal(axes: Axes, values: Any) -> None:
    """Make both axes logarithmic and draw y = x, if there are values to scale by."""
    if values.size:
        ends = [values.min() / 1.1, values.max() * 1.1]
        axes.plot(ends, ends, c="grey", lw=0.8, zorder=0)
        axes.set(xscale="log", yscale="log")


def _figure(draw: Callable[[Axes], None], title: str) -> bytes:
    figure = _new_figure(5.4, 4.2)
    axes = figure.add_subplot()
    draw(axes)
    axes.set_title(title, fontsize=10)
    axes.grid(alpha=0.25)
    figure.set_layout_engine("tight")
    return _png(figure)


def _new_figure(width: float, height: float) -> Figure:
    # Not pyplot: its global state and its choice of a display do not belong in a library.
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), dpi=DPI)
    FigureCanvasAgg(figure)
    return figure


def _png(figure: Figure) -> bytes:
    file = io.BytesIO()
    figure.savefig(file, format="png")
    return file.getvalue()
