"""Descriptions: what the surrogate needs of every candidate, computed by workers and kept in files.

Shape legend: n candidates of a block, p properties, v numbers that the surrogate wants of one.
"""

from __future__ import annotations

import bisect
import functools
import io
import json
import time
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ..datasets import InvalidInput, Microstructure, Recipe, Status
from ..datasets.durable_file import write_durably
from ..pipeline.generation import generate
from ..pipeline.warm_up import warm_up
from .batches import WHOLE, Batch, BatchResult, Lost, Mark, run_batches
from .candidates import Candidates
from .descriptor import Conduction, Descriptor
from .execution import Engine
from .monitor import Monitor
from .progress import Bar
from .properties import Property

__all__ = ["Block", "Screening", "describe_candidates", "newest_key", "read_blocks", "screening_seconds"]

BLOCK = 64


@dataclass(frozen=True, kw_only=True)
class Screening:
    """What is screened and with which surrogate.

    Parameters
    ----------
    candidates
        The recipes.
    properties
        What is predicted of each.
    descriptor
        What the surrogate wants to know of a structure.
    key
        Digest of everything the descriptions depend on; those stored under another key are not used.
    """

    candidates: Candidates
    properties: tuple[Property, ...]
    descriptor: Descriptor
    key: str


@dataclass(frozen=True, eq=False)
class Block:
    """Descriptions of some candidates.

    Parameters
    ----------
    rows
        Index, id, family, parameters, fractions and the status of each property, for each candidate; JSON types.
    exact_np3
        Three numbers of each property in double precision, for instance bounds; NaN where it does not percolate.
    value_npv
        The others, in single precision.
    seconds
        What generating took, and describing.
    """

    rows: list[dict[str, Any]]
    exact_np3: npt.NDArray[np.float64]
    value_npv: npt.NDArray[np.float32]
    seconds: tuple[float, float]


def describe_candidates(
    engine: Engine, screening: Screening, folder: Path, marks: Path, bar: Bar, monitor: Monitor | None = None
) -> None:
    """Describe every candidate that is not described yet, into one file for each block.

    Parameters
    ----------
    engine
        Where the candidates are generated and described.
    screening
        What to describe.
    folder
        Where descriptions are kept.
    marks
        Where workers say which candidate they are at.
    bar
        Advanced by one for each candidate.
    monitor
        Told of each block and each loss.
    """
    monitor = monitor or Monitor()
    folder.mkdir(exist_ok=True, mode=0o700)
    found = {row["index"] for block in read_blocks(folder, screening.key) for row in block.rows}
    wanted = (tuple(i for i in range(*block) if i not in found) for block in screening.candidates.blocks(BLOCK))
    monitor.present(len(found))
    bar.advance(len(found))
    batches = [Batch(indices) for indices in wanted if indices]
    for end in run_batches(engine, functools.partial(_describe_block, screening), batches, marks):
        if isinstance(end, Lost):
            block = _lost(screening, end)
            monitor.lost(block.rows[0]["id"], end.sentence or Status.WORKER_LOST.sentence)
        else:
            block, seconds = end.receipt
            monitor.finished(len(block.rows), seconds)
        _write_block(folder, screening.key, block)
        bar.advance(len(block.rows))


def read_blocks(folder: Path, key: str, indices: Sequence[int] | None = None) -> Iterator[Block]:
    """Yield the stored blocks, one at a time; damaged ones and those of another key are as if they were not there.

    Where sorted indices are given, only files that may hold one of them are opened.
    """
    for path in sorted(folder.glob("[0-9]*.npz")):
        if indices is not None and not _may_hold(path, indices):
            continue
        stored = _load(path)
        if stored is not None and str(stored["key"]) == key:
            rows = json.loads(stored["rows"].tobytes())
            yield Block(rows, stored["exact"], stored["value"], tuple(stored["seconds"].tolist()))


def _may_hold(path: Path, indices: Sequence[int]) -> bool:
    """Return whether one of the sorted indices is between the first and the last of a file, which its name tells."""
    first, _, last = path.stem.partition("-")
    if not (first.isdecimal() and last.isdecimal()):
        return True
    return bisect.bisect_left(indices, int(first)) < bisect.bisect_right(indices, int(last))


def screening_seconds(folder: Path) -> tuple[float, float]:
    """Return what generating all candidates took the workers, and describing them."""
    blocks = [block.seconds for block in read_blocks(folder, newest_key(folder))]
    return sum(first for first, _ in blocks), sum(second for _, second in blocks)


def newest_key(folder: Path) -> str:
    """Return the key of the last screening, empty if there was none."""
    newest = max(folder.glob("[0-9]*.npz"), key=lambda path: path.stat().st_mtime_ns, default=None)
    stored = _load(newest) if newest else None
    return "" if stored is None else str(stored["key"])


def _load(path: Path) -> dict[str, npt.NDArray[Any]] | None:
    """Return the arrays of a file, None if it is damaged; nothing is unpickled."""
    try:
        with np.load(io.BytesIO(path.read_bytes())) as stored:
            return {name: stored[name] for name in ("key", "rows", "exact", "value", "seconds")}
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        return None


def _write_block(folder: Path, key: str, block: Block) -> None:
    name = f"{block.rows[0]['index']:08d}-{block.rows[-1]['index']:08d}.npz"
    rows = np.frombuffer(json.dumps(block.rows).encode(), np.uint8)
    file = io.BytesIO()
    np.savez(
        file,
        key=np.array(key),
        rows=rows,
        exact=block.exact_np3,
        value=block.value_npv,
        seconds=np.array(block.seconds),
    )
    write_durably(folder / name, file.getvalue())


def _lost(screening: Screening, lost: Lost[int]) -> Block:
    """Return what is said of a candidate that no worker could describe."""
    recipe = screening.candidates.recipes(lost.item, lost.item + 1)[0]
    return _block(screening, [_row(lost.item, recipe, None, [Status.WORKER_LOST] * len(screening.properties))], {})


def _describe_block(screening: Screening, indices: Sequence[int], mark: Mark) -> BatchResult:
    """Run on a worker; the receipt is the block and the time it took."""
    warm_up()
    began = time.perf_counter()
    block = screening.candidates.recipes(indices[0], indices[-1] + 1)
    recipes = [block[i - indices[0]] for i in indices]
    rows: list[dict[str, Any]] = []
    found: dict[tuple[int, int], Any] = {}
    seconds = [0.0, 0.0]
    size = screening.descriptor.together
    for start in range(0, len(recipes), size):
        begun = time.perf_counter()
        structures = []
        for place, recipe in enumerate(recipes[start : start + size], start):
            mark.begin(place)
            structures.append(_generate(recipe, screening))
        generated = time.perf_counter()
        if size > 1:
            mark.begin(WHOLE)
        conductions: dict[tuple[int, int], Conduction] = {}
        for place, structure in enumerate(structures, start):
            statuses = _percolate(place, structure, screening.properties, conductions)
            rows.append(_row(indices[place], recipes[place], structure, statuses))
        described = screening.descriptor.describe(list(conductions.values()))
        found.update(zip(conductions, described, strict=True))
        seconds[0] += generated - begun
        seconds[1] += time.perf_counter() - generated
    return BatchResult((_block(screening, rows, found, (seconds[0], seconds[1])), time.perf_counter() - began))


def _generate(recipe: Recipe, screening: Screening) -> Microstructure | None:
    try:
        return generate(recipe, screening.candidates.files)
    except InvalidInput:
        return None


def _percolate(
    place: int,
    structure: Microstructure | None,
    properties: Sequence[Property],
    conductions: dict[tuple[int, int], Conduction],
) -> list[Status]:
    """Return the status of each property, and add what conducts under (place, number of the property)."""
    from ..pipeline.percolation import percolating

    if structure is None:
        return [Status.INVALID_STRUCTURE] * len(properties)
    statuses = []
    for number, (_, transport, axis) in enumerate(properties):
        table = dict(enumerate(transport.table(structure.phase_names).tolist()))
        connected = percolating(structure.phases, table, axis)
        statuses.append(Status.OK if connected.any() else Status.NON_PERCOLATING)
        if connected.any():
            conductions[place, number] = Conduction(structure, transport, connected, axis)
    return statuses


def _row(index: int, recipe: Recipe, structure: Microstructure | None, statuses: Sequence[Status]) -> dict[str, Any]:
    return {
        "index": index,
        "id": recipe.id,
        "family": recipe.family,
        "parameters": dict(recipe.parameters),
        "fractions": structure.fractions() if structure is not None else {},
        "status": [int(status) for status in statuses],
    }


def _block(
    screening: Screening,
    rows: list[dict[str, Any]],
    found: dict[tuple[int, int], Any],
    seconds: tuple[float, float] = (0.0, 0.0),
) -> Block:
    shape = (len(rows), len(screening.properties))
    exact = np.full((*shape, 3), np.nan)
    value = np.full((*shape, screening.descriptor.count), np.nan, np.float32)
    for place, (three, others) in found.items():
        exact[place], value[place] = three, others
    return Block(rows, exact, value, seconds)
