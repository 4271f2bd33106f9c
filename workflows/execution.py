"""Tasks on a cluster: a bounded number at a time, none lost, none waited for without end."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from ..datasets import CampaignError
from .connection import Connection, cancellations, connection_errors

if TYPE_CHECKING:
    from distributed import Future

__all__ = ["Engine", "Finished", "Patience"]

T = TypeVar("T")

POLL_SECONDS = 1.0
FETCH_SECONDS = 60


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
class Patience:
    """How long to wait before the cluster is rebuilt, and how often that is tried.

    Parameters
    ----------
    stall_seconds
        Without any task finishing, while there are workers.
    no_worker_seconds
        Without any worker; a batch system's queue may be long.
    rebuilds
        In a row, without a task finishing in between.
    """

    stall_seconds: float = 600
    no_worker_seconds: float = 120
    rebuilds: int = 2


@dataclass(frozen=True)
class Engine:
    """Where tasks run.

    Parameters
    ----------
    connection
        The cluster; started when there is a first task, so that a campaign with nothing left to do starts no worker.
    patience
        When the cluster counts as hanging.
    """

    connection: Connection
    patience: Patience = field(default_factory=Patience)

    def run(
        self, function: Callable[[T], Any], tasks: Iterable[T], again: deque[T] | None = None
    ) -> Iterator[Finished[T]]:
        """Yield the tasks as they finish.

        Never are more tasks under way than the workers need, so that a campaign of a million samples needs no more
        memory here than a small one.

        Parameters
        ----------
        function
            Called with one task on a worker; pure, so that a lost worker's task can be computed again. It should
            return a receipt, not volumes.
        tasks
            Arguments; read only as fast as they are computed.
        again
            Tasks that come first; whoever takes the finished ones may add to it.

        Raises
        ------
        CampaignError
            If nothing finishes any more, and rebuilding the cluster does not help.
        """
        yield from _Run(self, function, iter(tasks), deque() if again is None else again).finished()


class _Run(Generic[T]):
    """One call of :meth:`Engine.run`."""

    def __init__(self, engine: Engine, function: Callable[[T], Any], tasks: Iterator[T], again: deque[T]) -> None:
        self.engine, self.function, self.tasks, self.again = engine, function, tasks, again
        self.running: dict[Future, T] = {}
        self.ended: SimpleQueue[Future] = SimpleQueue()
        self.rebuilds = 0
        self.progress = self.worker_seen = time.monotonic()

    def finished(self) -> Iterator[Finished[T]]:
        while self._fill():
            end = self._next()
            if end is not None:
                self.rebuilds, self.progress = 0, time.monotonic()
                yield end
            if self.running:
                self._watch()

    def _fill(self) -> bool:
        """Submit until the window is full; return whether anything is under way."""
        while not self.running or len(self.running) < self.engine.connection.window():
            if not self.again:
                self.again.extend(task for task in [next(self.tasks, None)] if task is not None)
            if not self.again:
                break
            task = self.again.popleft()
            try:
                future = self.engine.connection.client().submit(self.function, task, pure=False)
            except connection_errors() as error:
                self.again.appendleft(task)
                self._rebuild(f"the scheduler does not answer ({error})")
                continue
            self.running[future] = task
            future.add_done_callback(self.ended.put)
        return bool(self.running)

    def _next(self) -> Finished[T] | None:
        """Return a task that ended, None if none did for a second or the cluster had to be rebuilt."""
        try:
            future = self.ended.get(timeout=POLL_SECONDS)
        except Empty:
            return None
        if future not in self.running:  # of a cluster that is gone
            return None
        result, failure = None, None
        try:
            failure = future.exception(timeout=FETCH_SECONDS)
            result = None if failure else future.result(timeout=FETCH_SECONDS)
        except connection_errors() as error:
            if future.status in ("lost", "pending"):
                # The worker died with the result in its memory, and another one computes it again.
                future.add_done_callback(self.ended.put)
            else:
                self._rebuild(f"a result cannot be fetched ({type(error).__name__})")
            return None
        except Exception as error:
            # The same, and the other one failed.
            failure = error
        task = self.running.pop(future)
        if failure is not None and isinstance(failure, cancellations()):
            # The scheduler has forgotten it; it may be another one under the old address.
            self.again.append(task)
            return None
        return Finished(task, result, failure)

    def _watch(self) -> None:
        """Rebuild the cluster if it hangs."""
        now, patience = time.monotonic(), self.engine.patience
        try:
            workers = self.engine.connection.check()
        except connection_errors() as error:
            self._rebuild(f"the scheduler does not answer ({error})")
            return
        if workers:
            self.worker_seen = now
            if now - self.progress > patience.stall_seconds:
                self._rebuild(f"no task finished within {patience.stall_seconds / 60:g} minutes")
        else:
            # Waiting for workers is not a stall of theirs.
            self.progress = now
            if now - self.worker_seen > patience.no_worker_seconds:
                self._rebuild(f"there was no worker for {patience.no_worker_seconds / 60:g} minutes")

    def _rebuild(self, reason: str) -> None:
        if self.rebuilds >= self.engine.patience.rebuilds:
            raise CampaignError(
                f"The cluster cannot go on: {reason}, also after it was rebuilt {self.rebuilds} times. Everything "
                "finished so far is kept; run the same command again to resume."
            )
        self.rebuilds += 1
        self.again.extend(self.running.values())
        self.running.clear()
        self.engine.connection.rebuild(reason)
        self.progress = self.worker_seen = time.monotonic()
