"""Batches of items as tasks, with retries per item: what kills its worker costs itself, and not its batch."""

from __future__ import annotations

import functools
import os
import uuid
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Generic, TypeVar

from .execution import Engine

__all__ = ["NOBODY", "WHOLE", "Batch", "BatchResult", "Done", "Lost", "Mark", "run_batches"]

T = TypeVar("T")

# Errors, or deaths of workers that were given the item alone. The one before, amid a batch, does not count: whatever
# ends workers at random meets an item of some batch each time, and then three times more far less often than twice.
MAX_TRIES = 3
# Losses that blame no item: a task that waited behind another on a worker that died. Then all are blamed.
MAX_PUZZLES = 20
WHOLE = -1
NOBODY = -2


@dataclass(frozen=True)
class Batch(Generic[T]):
    """Items that one task computes.

    Parameters
    ----------
    items
        At least one.
    tries
        How often an error was raised on each of them, or a worker died that was given nothing else.
    puzzles
        How often the worker was lost while none of them was being computed.
    token
        Names the file in which a worker says which item it is at.
    """

    items: tuple[T, ...]
    tries: int = 0
    puzzles: int = 0
    token: str = field(default_factory=lambda: uuid.uuid4().hex)


@dataclass(frozen=True)
class BatchResult:
    """What a worker returns: a receipt, and place -> sentence of the items that failed and are not in it."""

    receipt: Any
    failed: tuple[tuple[int, str], ...] = ()


@dataclass(frozen=True)
class Done(Generic[T]):
    """A batch that was computed, its failed items left out."""

    items: tuple[T, ...]
    receipt: Any


@dataclass(frozen=True)
class Lost(Generic[T]):
    """An item that was tried in vain, three times alone if its worker died; `sentence` is what it raised, None then."""

    item: T
    sentence: str | None


class Mark:
    """Where a worker says which item it begins, so that whoever finds the worker dead knows which one to blame.

    A file, because what a process has written outlives it: no message that it sent may have arrived.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def __enter__(self) -> Mark:
        self._file = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        return self

    def begin(self, place: int) -> None:
        """Say that the item at this place is computed from now on; ``WHOLE`` if all are at once, ``NOBODY`` if none."""
        os.pwrite(self._file, b"%8d" % place, 0)

    def __exit__(self, *_: object) -> None:
        os.close(self._file)
        with suppress(OSError):
            self._path.unlink()


def run_batches(
    engine: Engine,
    function: Callable[[Sequence[T], Mark], BatchResult],
    batches: Iterable[Batch[T]],
    folder: Path,
) -> Iterator[Done[T] | Lost[T]]:
    """Yield what becomes of each batch.

    Parameters
    ----------
    engine
        Where they are computed.
    function
        Called on a worker with the items and a mark on which it must say which item it begins.
    batches
        Read only as fast as they are computed.
    folder
        Where the workers' marks lie; on a file system that driver and workers share.

    Raises
    ------
    CampaignError
        If the cluster cannot go on.
    Exception
        What the function raised.
    """
    from distributed.scheduler import KilledWorker

    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    again: deque[Batch[T]] = deque()
    for end in engine.run(functools.partial(_attempt, function, folder), batches, again):
        if isinstance(end.error, KilledWorker):
            rest, blamed = _after_loss(end.task, folder)
            failed = [(batch, None) for batch in blamed]
        elif end.error is not None:
            raise end.error
        else:
            rest = []
            failed = [(_alone(end.task, place, counts=True), sentence) for place, sentence in end.result.failed]
            places = {place for place, _ in end.result.failed}
            items = tuple(item for place, item in enumerate(end.task.items) if place not in places)
            if items:
                yield Done(items, end.result.receipt)
        again.extend(rest)
        for batch, sentence in failed:
            if batch.tries < MAX_TRIES:
                again.append(batch)
            else:
                yield Lost(batch.items[0], sentence)


def _attempt(function: Callable[[Sequence[T], Mark], BatchResult], folder: Path, batch: Batch[T]) -> BatchResult:
    """Run on a worker."""
    with Mark(folder / batch.token) as mark:
        return function(batch.items, mark)


def _alone(batch: Batch[T], place: int, counts: bool) -> Batch[T]:
    return Batch((batch.items[place],), batch.tries + counts)


def _after_loss(batch: Batch[T], folder: Path) -> tuple[list[Batch[T]], list[Batch[T]]]:
    """Return the batches to try again, and the blamed items, alone."""
    path = folder / batch.token
    try:
        place = int(path.read_text())
    except (OSError, ValueError):
        place = NOBODY
    with suppress(OSError):
        path.unlink()
    if place == NOBODY:
        puzzled = replace(batch, puzzles=batch.puzzles + 1, token=uuid.uuid4().hex)
        if puzzled.puzzles < MAX_PUZZLES:
            return [puzzled], []
        place = WHOLE
    was_alone = len(batch.items) == 1
    if place == WHOLE:
        return [], [_alone(batch, place, was_alone) for place in range(len(batch.items))]
    rest = batch.items[:place] + batch.items[place + 1 :]
    return [Batch(rest, batch.tries, batch.puzzles)] if rest else [], [_alone(batch, place, was_alone)]
