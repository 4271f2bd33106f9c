"""The tables of a plan for IPUs."""

from __future__ import annotations

from collections.abc import Sequence

from rich.table import Table

from ..surrogate.accelerator import Plan, Trace

__all__ = ["layer_table", "plan_table", "stage_table"]


def layer_table(trace: Trace) -> Table:
    """Return what each piece that a pipeline cannot cut computes and keeps, of one structure; counted, not modelled."""
    table = Table(title="Layers, counted on the real module, for one structure", title_justify="left")
    table.add_column("from layer")
    for name in ("operators", "Mflop", "parameters", "kept for backward", "crossing a cut here"):
        table.add_column(name, justify="right")
    for s in trace.segments:
        numbers = (s.operations, f"{s.flops / 1e6:.3g}", f"{s.parameters:,}", f"{s.saved:,}", f"{s.entering:,}")
        table.add_row(s.name or "(start)", *map(str, numbers))
    return table


def plan_table(plans: Sequence[Plan]) -> Table:
    """Return the plans, the recommended first."""
    table = Table(title="Plans (modelled; the first is recommended)", title_justify="left")
    loop = "GA" if plans[0].layout.training else "D"
    for name in ("IPU", "IPUs", "S", "R", "B", loop, f"least {loop}", "recompute", "efficiency", "balance", "memory"):
        table.add_column(name, justify="left" if name == "IPU" else "right")
    table.add_column("structures/s", justify="right")
    for p in plans:
        s = len(p.stages)
        numbers = (p.ipus, s, p.replicas, p.layout.micro_batch, p.layout.accumulation, p.least)
        shares = (f"{p.efficiency:.0%}", f"{p.balance:.0%}", f"{p.memory_share:.0%}")
        recompute = "yes" if p.layout.recomputation else "no"
        table.add_row(p.machine.title, *map(str, numbers), recompute, *shares, f"{p.structures_per_second:,.0f}")
    return table


def stage_table(plan: Plan) -> Table:
    """Return the IPUs of one replica."""
    table = Table(title="The recommended plan, IPU by IPU (modelled)", title_justify="left")
    table.add_column("IPU", justify="right")
    table.add_column("from layer")
    for name in ("time [µs]", "Mflop", "weights", "optimizer", "activations", "temporaries", "of usable memory"):
        table.add_column(name, justify="right")
    usable = plan.machine.memory * (1 - plan.headroom)
    for number, s in enumerate(plan.stages):
        sizes = [_size(n) for n in (s.weights, s.optimizer, s.activations, s.temporaries)]
        table.add_row(
            str(number), s.first or "(start)", f"{s.seconds * 1e6:.3g}", f"{s.flops / 1e6:.3g}", *sizes,
            f"{s.bytes / usable:.1%}",
        )  # fmt: skip
    return table


def _size(count: int) -> str:
    return f"{count / 1e6:.2f} MB"
