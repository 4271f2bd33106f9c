"""The trade-off: two conductivities of every candidate against each other, and the front that none beats."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from .figures import PALETTE, figure_of
from .properties import Property, properties_of
from .results import CampaignResults

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from .screening import Prediction

__all__ = ["pareto_front", "tradeoff_figure"]


def pareto_front(values_n2: npt.NDArray[np.float64]) -> npt.NDArray[np.int64]:
    """Return the rows of which no other one is at least as large in both columns and larger in one, by the first.

    Of equal rows the first is kept.
    """
    order = np.lexsort((-values_n2[:, 1], -values_n2[:, 0]))
    best = np.maximum.accumulate(values_n2[order, 1])
    new = np.concatenate([[True], values_n2[order[1:], 1] > best[:-1]]) if len(order) else np.zeros(0, bool)
    return np.asarray(order[new][::-1])


def tradeoff_figure(results: CampaignResults) -> bytes:
    """Draw the first two properties of all candidates in which both conduct, and the solved ones as circles."""
    x, y = (wanted.name for wanted in _two(results))
    shown = [p for p in results.ranked if all(name in p.properties and p.properties[name].low > 0 for name in (x, y))]
    values = np.array([[p.properties[name].value for name in (x, y)] for p in shown]).reshape(-1, 2)
    front = [shown[place] for place in pareto_front(values)]
    solved = [e for e in results.verification.entries if min(e.properties.get(x, 0), e.properties.get(y, 0)) > 0]

    def draw(axes: Axes) -> None:
        for family, colour in zip(sorted({p.family for p in shown}), PALETTE, strict=False):
            members = np.array([p.family == family for p in shown])
            axes.scatter(
                values[members, 0],
                values[members, 1],
                s=7,
                c=colour,
                alpha=0.4,
                linewidths=0,
                label=family.replace("_", " "),
            )
        if front:
            _draw_front(axes, front, x, y)
        across, up = ([e.properties[name] for e in solved] for name in (x, y))
        axes.scatter(across, up, s=30, facecolors="none", edgecolors="black", label="solved")
        # Intervals of what the surrogate does not know would set the scale: they run out of the picture.
        ends = 1.08 * values.max(axis=0) if len(values) else np.ones(2)
        axes.set(xlabel=f"{x} σ_eff [S/m]", ylabel=f"{y} σ_eff [S/m]", xlim=(0, ends[0]), ylim=(0, ends[1]))
        axes.legend(fontsize=8, markerscale=1.6)

    return figure_of(draw, transparent=True, title=f"{len(shown)} candidates that conduct both")


def _two(results: CampaignResults) -> Sequence[Property]:
    found = properties_of(results.config)
    transports = {wanted.transport.name: wanted for wanted in reversed(found)}
    return list(transports.values())[::-1][:2] if len(transports) > 1 else found[:2]


def _draw_front(axes: Axes, front: Sequence[Prediction], x: str, y: str) -> None:
    ends = np.array([[p.properties[name] for p in front] for name in (x, y)])  # property, place, (value, low, high)
    below, above = ends[:, :, 0] - ends[:, :, 1], ends[:, :, 2] - ends[:, :, 0]
    across, up = (np.stack([below[p], above[p]]) for p in (0, 1))
    axes.errorbar(
        ends[0, :, 0], ends[1, :, 0], xerr=across, yerr=up, c=PALETTE[5], lw=1, elinewidth=0.8, label="Pareto front"
    )
