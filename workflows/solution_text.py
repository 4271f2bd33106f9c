"""The answer of ``ionscreen solve`` as a person reads it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.table import Table

__all__ = ["print_solution"]


def print_solution(answer: dict[str, Any]) -> None:
    """Print the tables of an answer: phases, axes, tensor, and a sentence on whatever did not converge."""
    from rich.console import Console
    from rich.markup import escape

    console = Console()
    nx, ny, nz = answer["shape"]
    edges = " × ".join(f"{h * 1e6:g}" for h in answer["voxel_size_m"])
    console.print(
        f"{escape(answer['image'])}: {nx} × {ny} × {nz} voxels of {edges} µm, {answer['boundary']}",
        highlight=False,
        soft_wrap=True,
    )
    console.print(_phases(answer["phases"]))
    console.print(_axes(answer["axes"]))
    if "tensor_S_per_m" in answer:
        console.print(_tensor(answer["tensor_S_per_m"]))
    for sentence in sorted({a["explanation"] for a in answer["axes"] if a["outcome"] != "converged"}):
        console.print(sentence, soft_wrap=True)


def _phases(phases: list[dict[str, Any]]) -> Table:
    from rich.markup import escape
    from rich.table import Table

    table = Table("phase", "name", "fraction", "σ [S/m]")
    for p in phases:
        table.add_row(str(p["number"]), escape(p["name"]), f"{p['fraction']:.4f}", f"{p['conductivity_S_per_m']:g}")
    return table


def _axes(axes: list[dict[str, Any]]) -> Table:
    from rich.table import Column, Table

    # Columns of what was asked for: bound from below, effect of the voxel size.
    bounded = any(a["lower_bound_S_per_m"] is not None for a in axes)
    refined = any(a["discretisation_error"] is not None for a in axes)
    heads = ["axis", "σ_eff [S/m]", "M", "τ", "error, est.", *["proven"] * bounded, *["of voxels"] * refined]
    # A narrow terminal breaks a number over two lines: cut off at the end, it would lose its exponent.
    table = Table(*(Column(head, overflow="fold") for head in [*heads, "percolates", "time [s]"]))
    for a in axes:
        values = [f"{a['sigma_S_per_m']:.6g}", f"{a['relative']:.6g}"]
        values.append("∞" if a["tortuosity"] is None else f"{a['tortuosity']:.4g}")
        values.append(f"{a['error_estimate']:.0e}")
        values += [_proven(a)] if bounded else []
        values += [f"{a['discretisation_error']:.1e}"] if refined else []
        values += ["no" if a["outcome"] == "non_percolating" else "yes", f"{a['seconds']:.2f}"]
        table.add_row(str(a["axis"]), *values)
    return table


def _proven(a: dict[str, Any]) -> str:
    """Return how far apart the two bounds are, relative to σ_eff."""
    gap = a["upper_bound_S_per_m"] - a["lower_bound_S_per_m"]
    return f"{gap / a['sigma_S_per_m']:.0e}" if a["sigma_S_per_m"] else "0e+00"


def _tensor(rows: list[list[float]]) -> Table:
    from rich.table import Table

    table = Table("σ_eff [S/m]", "0", "1", "2")
    for axis, row in enumerate(rows):
        table.add_row(str(axis), *(f"{value:.6g}" for value in row))
    return table
