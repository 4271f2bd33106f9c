"""Tasks on a cluster: a bounded number at a time, none lost, none waited for without end."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from ..datasets import CampaignError

if TYPE_CHECKING:
    from distributed import Client

__all__ = ["Engine", "Finished"]

T = TypeVar("T")


@dataclass(frozen=True)
class Finished(Generic[T]):
    """A task that ended: its argument, and its result or the error it raised.

    Parameters
    ----------
    task
        The argument the function was called with.
    result
        What it returned; None if it failed.
    error
        What it raised; None if it succeeded. A lost worker is :class:`distributed.scheduler.KilledWorker`.
    """

    task: T
    result: Any
    error: BaseException | None


@dataclass(frozen=True)
class Engine:
    """Where tasks run.

    Parameters
    ----------
    client
        Returns the client of a cluster; called when there is a first task, so that a campaign with nothing left to do
        starts no worker.
    window
        How many tasks may be waiting or running at a time: a campaign of a million samples then needs no more memory
        in the driver than a small one.
    stall_seconds
        How long to wait for any task to finish.
    """

    client: Callable[[], Client]
    window: int
    stall_seconds: float

    def run(self, function: Callable[[T], Any], tasks: Iterable[T]) -> Iterator[Finished[T]]:
        """Yield the tasks as they finish.

        Parameters
        ----------
        function
            Called with one task on a worker; pure, so that a lost worker's task can be computed again. It should
            return a receipt, not volumes.
        tasks
            Arguments; read only as fast as they are computed.

        Raises
        ------
        CampaignError
            If nothing finishes within `stall_seconds`.
        """
        from distributed import wait

        waiting = iter(tasks)
        running: dict[Any, T] = {}
        while True:
            for task in waiting:
                running[self.client().submit(function, task, pure=False)] = task
                if len(running) >= self.window:
                    break
            if not running:
                return
            try:
                done, _ = wait(list(running), timeout=self.stall_seconds, return_when="FIRST_COMPLETED")
            except TimeoutError as error:
                raise CampaignError(
                    f"No task finished within {self.stall_seconds / 60:g} minutes; everything finished so far is "
                    "kept. Run the same command again to resume."
                ) from error
            for future in done:
                failure = future.exception()
                yield Finished(running.pop(future), None if failure else future.result(), failure)
