"""The figure of a plan: what it reaches on how many IPUs, and how the plans fill their memory."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ..datasets import InvalidInput
from ..surrogate.accelerator import Plan
from .figures import PALETTE

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["write_plan_figure"]

PARTS = ("weights", "optimizer", "activations", "temporaries")


def write_plan_figure(plans: Sequence[Plan], path: Path) -> None:
    """Write it; the suffix of the file says as what.

    Raises
    ------
    InvalidInput
        If the file cannot be written.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 4.2), layout="constrained")
    FigureCanvasAgg(figure)
    rates, memory = figure.subplots(1, 2, width_ratios=(1.25, 1))
    _rates(rates, plans)
    _memory(memory, [p for p in plans if p.machine == plans[0].machine])
    figure.suptitle("Modelled, not measured", fontsize=10, x=0.005, ha="left", color="#666666")
    try:
        figure.savefig(path, dpi=130)
    except (OSError, ValueError) as error:
        raise InvalidInput(
            f"{path}: the figure cannot be written ({error}); give a .png, .pdf or .svg file."
        ) from error


def _rates(axes: Axes, plans: Sequence[Plan]) -> None:
    """Draw structures per second against IPUs: a colour for each machine, a marker for each number of stages."""
    markers = "osD^v"
    depths = sorted({len(p.stages) for p in plans})
    for colour, title in zip(PALETTE, dict.fromkeys(p.machine.title for p in sorted(plans, key=_clock)), strict=False):
        for marker, depth in zip(markers, depths, strict=False):
            part = sorted(
                (p for p in plans if p.machine.title == title and len(p.stages) == depth), key=lambda p: p.ipus
            )
            axes.plot(
                [p.ipus for p in part], [p.structures_per_second for p in part],
                color=colour, marker=marker, lw=1, label=f"{title}, {depth} stage{'s' * (depth > 1)}",
            )  # fmt: skip
    best = plans[0]
    axes.plot(best.ipus, best.structures_per_second, "o", ms=16, mfc="none", mec="black", label="recommended")
    axes.set_xscale("log", base=2)
    ticks = sorted({p.ipus for p in plans})
    axes.set_xticks(ticks, [str(n) for n in ticks])
    axes.set(
        xlabel="IPUs",
        ylabel="structures per second in " + ("training" if best.layout.training else "prediction"),
        title="Rate",
        ylim=(0, None),
    )
    axes.legend(fontsize=8)


def _memory(axes: Axes, plans: Sequence[Plan]) -> None:
    """Draw the memory of each IPU in its parts, for the fastest plan of each number of stages."""
    depths = sorted({len(p.stages) for p in plans})
    chosen = [max((p for p in plans if len(p.stages) == s), key=lambda p: p.structures_per_second) for s in depths]
    stages = [
        (f"{number + 1} of {len(plan.stages)}", stage) for plan in chosen for number, stage in enumerate(plan.stages)
    ]
    names = [name for name, _ in stages]
    bottom = [0.0] * len(names)
    for colour, part in zip(PALETTE, PARTS, strict=False):
        sizes = [getattr(stage, part) / 1e6 for _, stage in stages]
        axes.bar(names, sizes, bottom=bottom, color=colour, label=part, width=0.7)
        bottom = [a + b for a, b in zip(bottom, sizes, strict=True)]
    machine = plans[0].machine
    usable = machine.memory * (1 - plans[0].headroom) / 1e6
    axes.set(
        xlabel="stage", ylabel="MB", title=f"Memory by IPU (usable: {usable:.0f} of {machine.memory / 1e6:.0f} MB)"
    )
    if max(bottom) > usable / 3:
        axes.axhline(usable, color="black", lw=1, ls="--")
    axes.legend(fontsize=8)


def _clock(plan: Plan) -> float:
    return plan.machine.clock
