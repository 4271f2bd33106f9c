"""What a worker process sets up first: Ctrl-C is the driver's business, which then ends its workers in order."""

from __future__ import annotations

import signal
from typing import Any

__all__ = ["dask_setup"]


def dask_setup(worker: Any) -> None:
    """Ignore SIGINT, which a terminal sends to the workers too; Dask calls this in every new worker."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
