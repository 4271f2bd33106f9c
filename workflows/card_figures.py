"""The figures of a model card, as PNG bytes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from .figures import PALETTE, figure_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["curves_figure", "parity_figure", "residual_figure"]

MARKERS = "osD^vP*Xd<>"


def parity_figure(m: npt.NDArray[np.float64], found: Any, families: npt.NDArray[np.str_]) -> bytes:
    """Draw predicted against exact M."""

    def draw(axes: Axes) -> None:
        for place, family in enumerate(np.unique(families)):
            chosen = families == family
            axes.plot(m[chosen], found.m[chosen], **_style(place), label=str(family).replace("_", " "))
        ends = [m.min() / 1.1, m.max() * 1.1]
        axes.plot(ends, ends, c="grey", lw=0.8, zorder=0)
        axes.set(xscale="log", yscale="log", xlabel="M, solver", ylabel="M, surrogate")
        axes.legend(fontsize=7)

    return figure_of(draw, "Held-out structures")


def residual_figure(m: npt.NDArray[np.float64], found: Any, families: npt.NDArray[np.str_]) -> bytes:
    """Draw the relative error against exact M; those outside their interval are ringed."""

    def draw(axes: Axes) -> None:
        error = 100 * (found.m / m - 1)
        for place, family in enumerate(np.unique(families)):
            chosen = families == family
            axes.plot(m[chosen], error[chosen], **_style(place))
        outside = (m < found.low) | (m > found.high)
        axes.plot(m[outside], error[outside], "o", ms=7, mfc="none", mec="black", mew=0.4, label="outside its interval")
        axes.axhline(0, c="grey", lw=0.8)
        axes.set_yscale("symlog", linthresh=0.1)
        axes.set(xscale="log", xlabel="M, solver", ylabel="error of the surrogate [%]")
        axes.legend(fontsize=7)

    return figure_of(draw, "Residuals (linear within ±0.1 %)")


def curves_figure(metrics: Mapping[str, Any]) -> bytes:
    """Draw the error on left-out structures after each epoch."""

    def draw(axes: Axes) -> None:
        errors = 100 * np.array(metrics.get("validation_errors", []))
        axes.plot(np.arange(1, errors.size + 1), errors, c=PALETTE[0])
        axes.set(xlabel="epoch", ylabel="mean error on left-out structures [%]")
        if errors.size:
            axes.set_yscale("log")

    return figure_of(draw, "Training")


def _style(place: int) -> dict[str, Any]:
    return {
        "ls": "",
        "marker": MARKERS[place % len(MARKERS)],
        "ms": 3.2,
        "mew": 0,
        "alpha": 0.6,
        "c": PALETTE[place % len(PALETTE)],
    }
