"""HDF5 files written to disk directly, in which a full disk is one sentence and not the end of the process."""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, Callable, Iterator

import h5py

from .durable_file import new_file

__all__ = ["new_hdf5"]


class _Sink:
    """A file that libhdf5 believes never fails: told of a full disk, it would crash when the process ends."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._error: OSError | None = None
        self.read, self.seek, self.tell = file.read, file.seek, file.tell
        self.readinto = file.readinto  # type: ignore[attr-defined]

    def write(self, data: Any) -> int:
        view = memoryview(data).cast("B")
        self._try(lambda: self._write_all(view))
        return view.nbytes

    def _write_all(self, view: memoryview) -> None:
        while view.nbytes:
            view = view[self._file.write(view) :]

    def truncate(self, size: int) -> int:
        self._try(lambda: self._file.truncate(size))
        return size

    def flush(self) -> None:
        """Nothing to do: the file has no buffer."""

    def _try(self, action: Callable[[], Any]) -> None:
        if self._error is None:
            try:
                action()
            except OSError as error:
                self._error = error

    def check(self) -> None:
        """Raise what went wrong so far."""
        if self._error is not None:
            raise self._error


@contextmanager
def new_hdf5(path: Path) -> Iterator[tuple[h5py.File, _Sink]]:
    """Open an HDF5 file as :func:`new_file` does; call ``check`` of the second value now and then, to stop early."""
    with new_file(path, buffering=0) as raw:
        sink = _Sink(raw)
        with h5py.File(sink, "w", libver=("v110", "v110")) as file:
            yield file, sink
        sink.check()
