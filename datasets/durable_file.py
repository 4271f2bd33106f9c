"""Files that are there whole, even after a crash or a power cut, or not at all."""

from __future__ import annotations

import errno
import os
import uuid
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO, Iterator

from .errors import DatasetError

__all__ = ["disk_errors", "new_file", "sync_folder", "write_durably"]

_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


def write_durably(path: Path, data: bytes) -> None:
    """Write a file under a temporary name, flush it to the disk and rename it.

    Raises
    ------
    DatasetError
        If the disk is full or the folder cannot be written; what was there before stays.
    """
    with new_file(path) as file:
        file.write(data)


@contextmanager
def new_file(path: Path, buffering: int = -1) -> Iterator[BinaryIO]:
    """Open a file that replaces `path` when the block ends, and leaves no trace if it fails.

    Raises
    ------
    DatasetError
        If the disk is full or the folder cannot be written.
    """
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex}.tmp")
    with disk_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with temporary.open("x+b", buffering) as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(path)
        except BaseException:
            with suppress(OSError):
                temporary.unlink()
            raise
        sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Make a rename survive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def disk_errors(path: Path) -> Iterator[None]:
    """Turn an error of the operating system into one sentence that names the file."""
    try:
        yield
    except DatasetError:
        raise
    except OSError as error:
        if error.errno in _FULL:
            raise DatasetError(
                f"{path}: the disk is full or the quota used up; free space and run again, nothing stored is lost."
            ) from error
        raise DatasetError(f"{path}: {error.strerror or error}.") from error
