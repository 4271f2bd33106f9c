"""The connection to a cluster: started when it is first needed, rebuilt when it hangs, watched in between."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .monitor import Monitor

if TYPE_CHECKING:
    from distributed import Client

__all__ = ["Cluster", "Connection", "cancellations", "connection_errors"]

CHECK_SECONDS = 5.0
ANSWER_SECONDS = 30


@dataclass(frozen=True)
class Cluster:
    """A running cluster.

    Parameters
    ----------
    client
        Connected to it.
    workers
        How many it may have; None if that is not ours to say.
    care
        Called every few seconds with what the scheduler says of its workers.
    """

    client: Client
    workers: int | None
    care: Callable[[dict[str, Any]], None] = lambda workers: None


class Connection:
    """The cluster of a campaign.

    Parameters
    ----------
    start
        Returns a context that starts a cluster and ends it.
    monitor
        Told what happens to it.
    """

    def __init__(self, start: Callable[[], AbstractContextManager[Cluster]], monitor: Monitor | None = None) -> None:
        self._start, self._monitor = start, monitor or Monitor()
        self._stack = ExitStack()
        self._cluster: Cluster | None = None
        self._checked = 0.0
        self._workers = 0

    def client(self) -> Client:
        """Return the client; the cluster is started if there is none."""
        if self._cluster is None:
            self._cluster = self._stack.enter_context(self._start())
            self._checked = 0.0
            self._monitor.cluster(self._cluster.client.dashboard_link)
            self.check()
        return self._cluster.client

    def window(self) -> int:
        """Return how many tasks should be under way: two for each worker, running and next, keep all of them busy."""
        configured = self._cluster.workers if self._cluster else None
        return 2 * max(configured or self._workers, 1)

    def check(self) -> int:
        """Return the number of workers; the scheduler is asked at most every few seconds.

        Raises
        ------
        TimeoutError, OSError
            If it does not answer.
        """
        if time.monotonic() - self._checked >= CHECK_SECONDS and self._cluster:
            client = self._cluster.client
            if client.status != "running":
                raise OSError(f"the connection is {client.status}")
            workers = client.sync(client.scheduler.identity, n_workers=-1, callback_timeout=ANSWER_SECONDS)["workers"]
            self._workers = len(workers)
            self._checked = time.monotonic()
            self._monitor.workers(workers)
            self._cluster.care(workers)
        return self._workers

    def rebuild(self, reason: str) -> None:
        """End the cluster, whatever state it is in; the next use starts a new one."""
        self._monitor.event("cluster_rebuilt", reason=reason)
        with suppress(Exception):
            self.close()
        self._stack, self._cluster, self._workers = ExitStack(), None, 0

    def close(self) -> None:
        """End the cluster."""
        self._cluster = None
        self._stack.close()


def cancellations() -> tuple[type[BaseException], ...]:
    """Return what stands for the result of a task that the scheduler does not know any more."""
    from asyncio import CancelledError as TaskCancelledError
    from concurrent.futures import CancelledError

    from distributed.client import FutureCancelledError

    return (CancelledError, TaskCancelledError, FutureCancelledError)


def connection_errors() -> tuple[type[BaseException], ...]:
    """Return what Dask raises when a scheduler is gone; a closed client raises RuntimeError, a lost one OSError.

    A TimeoutError is an OSError.
    """
    return (OSError, RuntimeError, *cancellations())
