"""Progress of a campaign as a person sees it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress as RichProgress
    from rich.progress import TaskID

__all__ = ["Progress", "SilentProgress", "TerminalProgress"]


class Bar(Protocol):
    """One bar; `note` is a few words shown beside it."""

    def advance(self, steps: int = 1, note: str = "") -> None:
        """Move the bar on."""


class Progress(Protocol):
    """Shows bars."""

    def bar(self, title: str, total: int, done: int = 0) -> AbstractContextManager[Bar]:
        """Show a bar while the context lasts."""

    def say(self, text: str) -> None:
        """Show a text."""


class SilentProgress:
    """Shows nothing."""

    @contextmanager
    def bar(self, title: str, total: int, done: int = 0) -> Iterator[Bar]:
        """Yield a bar that nobody sees."""
        yield _SilentBar()

    def say(self, text: str) -> None:
        """Say nothing."""


class _SilentBar:
    def advance(self, steps: int = 1, note: str = "") -> None:
        """Do nothing."""


class TerminalProgress:
    """Rich progress bars, one after the other; each stays on the screen when it is done."""

    def __init__(self, console: Console) -> None:
        self._console = console

    @contextmanager
    def bar(self, title: str, total: int, done: int = 0) -> Iterator[Bar]:
        """Yield a bar with count, elapsed and remaining time."""
        from rich import progress as rich_progress

        columns = (
            rich_progress.TextColumn("{task.description:<22}"),
            rich_progress.BarColumn(bar_width=30),
            rich_progress.MofNCompleteColumn(),
            rich_progress.TimeElapsedColumn(),
            rich_progress.TimeRemainingColumn(compact=True),
            rich_progress.TextColumn("{task.fields[note]}", style="dim"),
        )
        with rich_progress.Progress(*columns, console=self._console) as shown:
            task = shown.add_task(title, total=total, completed=done, note="")
            yield _RichBar(shown, task)

    def say(self, text: str) -> None:
        """Print a text."""
        self._console.print(text, style="dim", markup=False, highlight=False, soft_wrap=True)


class _RichBar:
    def __init__(self, shown: RichProgress, task: TaskID) -> None:
        self._shown, self._task = shown, task

    def advance(self, steps: int = 1, note: str = "") -> None:
        """Move the bar on."""
        self._shown.update(self._task, advance=steps, note=note)
