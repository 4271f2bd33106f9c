"""What a running campaign tells those who watch it: a log for programs, a status for ``ionscreen status``."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

__all__ = ["Monitor"]

SNAPSHOT_SECONDS = 2.0


class Monitor:
    """Writes both files; what it cannot write is left out, because a log must not end a campaign.

    Parameters
    ----------
    log, status
        The files; None writes nothing.
    share
        Name of the share of the labels that this process has; empty for the driver.
    """

    def __init__(self, log: Path | None = None, status: Path | None = None, share: str = "") -> None:
        self._log, self._status = log, status
        self._state: dict[str, Any] = {"pid": os.getpid(), "host": os.uname().nodename, "share": share, "workers": []}
        self._written = 0.0

    def event(self, name: str, **fields: Any) -> None:
        """Append one line to the log."""
        if self._log is None:
            return
        line = json.dumps({"time": datetime.now(UTC).isoformat(timespec="milliseconds"), "event": name, **fields})
        with suppress(OSError):
            descriptor = os.open(self._log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
            try:
                os.write(descriptor, line.encode() + b"\n")  # one call: lines of several processes do not mix
            finally:
                os.close(descriptor)

    def cluster(self, dashboard: str | None) -> None:
        """Say that a cluster is there."""
        self.event("cluster_started", dashboard=dashboard)
        self._update(dashboard=dashboard)

    def begin(self, step: str, total: int) -> None:
        """Say which step begins, and of how many samples it consists."""
        self.event("step_started", step=step, total=total)
        self._state.update(done=0, computed=0, lost=0, worker_seconds=0.0, began=time.time())
        self._update(step=step, total=total)

    def end(self, step: str, seconds: float) -> None:
        """Say that a step is over."""
        self.event("step_finished", step=step, seconds=round(seconds, 3))
        self._update(step=None)

    def present(self, samples: int) -> None:
        """Count samples that an earlier start has computed."""
        self._state["done"] = self._state.get("done", 0) + samples

    def finished(self, samples: int, seconds: float) -> None:
        """Count samples, and the time a worker took for them."""
        self.event("task_finished", samples=samples, seconds=round(seconds, 3))
        state = self._state
        for name, value in (("done", samples), ("computed", samples), ("worker_seconds", seconds)):
            state[name] = state.get(name, 0) + value
        self._update(soon=False)

    def lost(self, sample: str, sentence: str) -> None:
        """Count a sample that could not be computed."""
        self.event("sample_lost", sample=sample, reason=sentence)
        self.present(1)
        self._update(lost=self._state.get("lost", 0) + 1)

    def workers(self, workers: Mapping[str, Mapping[str, Any]]) -> None:
        """Note what the scheduler says of its workers."""
        rows = [
            {
                "name": str(worker.get("name", address)),
                "host": worker.get("host"),
                "memory_bytes": worker.get("metrics", {}).get("memory"),
                "memory_limit_bytes": worker.get("memory_limit"),
            }
            for address, worker in workers.items()
        ]
        self._update(workers=rows)

    def _update(self, soon: bool = True, **fields: Any) -> None:
        self._state.update(fields, time=time.time())
        if self._status is None or (not soon and time.monotonic() - self._written < SNAPSHOT_SECONDS):
            return
        self._written = time.monotonic()
        temporary = self._status.with_name(f".{self._status.name}.{os.getpid()}.tmp")
        # Not flushed to the disk: after a power cut there is nothing to watch.
        with suppress(OSError):
            temporary.write_text(json.dumps(self._state), encoding="utf-8")
            temporary.replace(self._status)
