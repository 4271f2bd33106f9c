"""The command line: ``ionscreen VERB``, or ``python -m ionscreen.workflows VERB``."""

from __future__ import annotations

import sys

__all__ = ["main"]


def main() -> None:
    """Run the command line. Exit codes: 0 done, 1 could not finish, 2 bad input, 130 interrupted."""
    if sys.version_info < (3, 11):  # noqa: UP036 - IPU hosts install this package under 3.8
        sys.exit(
            "ionscreen: the command line needs Python 3.11 or newer; on this one (for instance an IPU host) only "
            "ionscreen.datasets and ionscreen.surrogate are installed."
        )
    import signal

    from .application import run

    # A batch system ends a job with SIGTERM: the driver then stops in order, as after Ctrl-C, and ends its workers.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs start with it ignored
    sys.exit(run(sys.argv[1:]))


if __name__ == "__main__":
    main()
