"""The progress of one solution as a person sees it: how far the error has come down to what was asked for."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["convergence_bar"]

# The estimate begins after a few iterations; on a logarithmic scale the bar runs from here to the tolerance.
FIRST_ERROR = 1.0


@contextmanager
def convergence_bar(title: str, rtol: float) -> Iterator[Callable[[int, float], None]]:
    """Show a bar on standard error while the context lasts, if that is a terminal; yield what tells it of a step.

    The step is the number of the iteration and the estimated relative error of σ_eff.
    """
    from rich import progress
    from rich.console import Console

    columns = (
        progress.TextColumn("{task.description}"),
        progress.BarColumn(bar_width=30),
        progress.TimeElapsedColumn(),
        progress.TextColumn("{task.fields[note]}", style="dim"),
    )
    console = Console(stderr=True)
    with progress.Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as shown:
        task = shown.add_task(title, total=1.0, note="setting up")

        def told(iteration: int, error: float) -> None:
            note = f"iteration {iteration}"
            if math.isfinite(error):
                note += f", error {error:.0e}, wanted {rtol:.0e}"
                shown.update(task, completed=_share(error, rtol))
            shown.update(task, note=note)

        yield told


def _share(error: float, rtol: float) -> float:
    """Return which part of the way from the first error to the tolerance is done, 0 to 1."""
    if error <= rtol:
        return 1.0
    return max(0.0, math.log(FIRST_ERROR / error) / math.log(FIRST_ERROR / rtol))
