"""The trade-off: two conductivities of every candidate against each other, and the front that none beats."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from .figures import DRAWN, PALETTE, count_of, figure_of
from .properties import Property, properties_of
from .results import CampaignResults

if TYPE_CHECKING:
    from matplotlib.axes import Axes

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
    ranked = results.ranked
    ends = np.stack([ranked.property_n3[name] for name in (x, y)], axis=1)  # candidate, property, (value, low, high)
    both = np.flatnonzero((ends[:, :, 1] > 0).all(axis=1))
    ends, families = ends[both], ranked.family_n[both]
    values, front = ends[:, :, 0], ends[pareto_front(ends[:, :, 0])]
    drawn = np.linspace(0, max(len(both) - 1, 0), min(len(both), DRAWN)).astype(int)
    solved = [e for e in results.verification.entries if min(e.properties.get(x, 0), e.properties.get(y, 0)) > 0]

    def draw(axes: Axes) -> None:
        for family, colour in zip(sorted(set(families)), PALETTE, strict=False):
            members = drawn[families[drawn] == family]
            axes.scatter(
                values[members, 0],
                values[members, 1],
                s=7,
                c=colour,
                alpha=0.4,
                linewidths=0,
                label=family.replace("_", " "),
            )
        if len(front):
            _draw_front(axes, front)
        across, up = ([e.properties[name] for e in solved] for name in (x, y))
        axes.scatter(across, up, s=30, facecolors="none", edgecolors="black", label="solved")
        # Intervals of what the surrogate does not know would set the scale: they run out of the picture.
        limit = 1.08 * values.max(axis=0) if len(values) else np.ones(2)
        axes.set(xlabel=f"{x} σ_eff [S/m]", ylabel=f"{y} σ_eff [S/m]", xlim=(0, limit[0]), ylim=(0, limit[1]))
        axes.legend(fontsize=8, markerscale=1.6)

    return figure_of(draw, transparent=True, title=f"{count_of(len(both), len(drawn))} that conduct both")


def _two(results: CampaignResults) -> Sequence[Property]:
    found = properties_of(results.config)
    transports = {wanted.transport.name: wanted for wanted in reversed(found)}
    return list(transports.values())[::-1][:2] if len(transports) > 1 else found[:2]


def _draw_front(axes: Axes, front: npt.NDArray[np.float64]) -> None:
    ends = front.transpose(1, 0, 2)  # property, place, (value, low, high)
    below, above = ends[:, :, 0] - ends[:, :, 1], ends[:, :, 2] - ends[:, :, 0]
    across, up = (np.stack([below[p], above[p]]) for p in (0, 1))
    axes.errorbar(
        ends[0, :, 0], ends[1, :, 0], xerr=across, yerr=up, c=PALETTE[5], lw=1, elinewidth=0.8, label="Pareto front"
    )
