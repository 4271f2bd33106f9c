"""PoreSpy called so that it leaves the process as it found it."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType

import numpy as np

__all__ = ["porespy_session"]


@contextmanager
def porespy_session() -> Iterator[ModuleType]:
    """Yield ``porespy.generators``; afterwards numpy's global states and the root logger are as before.

    Importing PoreSpy changes the error state and installs a handler on the root logger; its generators seed numpy's
    global random state. Neither may leak into a user's process. PoreSpy's seeding is per process, not per thread: call
    it from one thread at a time.
    """
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    random_state = np.random.get_state()  # noqa: NPY002 - PoreSpy seeds exactly this state
    with np.errstate():
        try:
            import porespy.generators

            yield porespy.generators
        finally:
            np.random.set_state(random_state)  # noqa: NPY002
            root.handlers[:] = handlers
            root.setLevel(level)
