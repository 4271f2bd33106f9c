"""Screening: every candidate generated, trimmed to what percolates, and predicted by the surrogate."""

from __future__ import annotations

import functools
import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..datasets import InvalidInput, Microstructure, Recipe, Status, Transport
from ..datasets.durable_file import write_durably
from ..pipeline.generation import generate
from .batches import WHOLE, Batch, BatchResult, Lost, Mark, run_batches
from .candidates import Candidates
from .execution import Engine
from .monitor import Monitor
from .progress import Bar
from .run_directory import read_json

if TYPE_CHECKING:
    from ..surrogate import Surrogate

__all__ = ["Prediction", "Screening", "screen", "stored_predictions"]

BLOCK = 64
BATCH = 16


@dataclass(frozen=True)
class Prediction:
    """What the surrogate says of one candidate.

    Parameters
    ----------
    index
        Place in the sequence of candidates.
    id, family
        Of its recipe.
    parameters, fractions
        Of its recipe; volume fractions that were achieved.
    status
        OK, NON_PERCOLATING (sigma is exactly 0, no guess), INVALID_STRUCTURE or WORKER_LOST.
    sigma, low, high
        Predicted conductivity and its 90 % interval, S/m; None for an invalid structure and a lost worker.
    """

    index: int
    id: str
    family: str
    parameters: dict[str, Any]
    fractions: dict[str, float]
    status: Status
    sigma: float | None
    low: float | None
    high: float | None


@dataclass(frozen=True, kw_only=True)
class Screening:
    """What is screened and with which surrogate.

    Parameters
    ----------
    candidates
        The recipes.
    transport, axis
        The property.
    checkpoint
        Folder of the surrogate.
    key
        Digest of everything the predictions depend on; predictions stored under another key are not used.
    """

    candidates: Candidates
    transport: Transport
    axis: int
    checkpoint: Path
    key: str


def screen(
    engine: Engine, screening: Screening, folder: Path, marks: Path, bar: Bar, monitor: Monitor | None = None
) -> list[Prediction]:
    """Return the prediction of every candidate, in the order of the candidates.

    Predictions are stored in `folder`, a file for each block; candidates that are there are not computed again.

    Parameters
    ----------
    engine
        Where the candidates are generated and predicted.
    screening
        What to predict.
    folder
        Where predictions are kept.
    marks
        Where workers say which candidate they are at.
    bar
        Advanced by one for each candidate.
    monitor
        Told of each block and each loss.
    """
    monitor = monitor or Monitor()
    folder.mkdir(exist_ok=True, mode=0o700)
    found = _read_predictions(folder, screening.key)
    wanted = (tuple(i for i in range(*block) if i not in found) for block in screening.candidates.blocks(BLOCK))
    monitor.present(len(found))
    bar.advance(len(found))
    batches = [Batch(indices) for indices in wanted if indices]
    for end in run_batches(engine, functools.partial(_screen_block, screening), batches, marks):
        if isinstance(end, Lost):
            predictions = [_lost(screening, end)]
            monitor.lost(predictions[0].id, end.sentence or Status.WORKER_LOST.sentence)
        else:
            predictions, seconds = end.receipt
            monitor.finished(len(predictions), seconds)
        _write_predictions(folder, screening.key, predictions)
        found.update((p.index, p) for p in predictions)
        bar.advance(len(predictions))
    return [found[index] for index in range(len(screening.candidates))]


def stored_predictions(folder: Path) -> list[Prediction]:
    """Return the predictions that the last screening stored, in the order of the candidates; nothing is computed."""
    newest = max(folder.glob("[0-9]*.json"), key=lambda path: path.stat().st_mtime_ns, default=None)
    content = read_json(newest) if newest else None
    key = content.get("key") if isinstance(content, dict) else None
    return [prediction for _, prediction in sorted(_read_predictions(folder, str(key)).items())]


def _read_predictions(folder: Path, key: str) -> dict[int, Prediction]:
    found = {}
    for path in sorted(folder.glob("[0-9]*.json")):
        content = read_json(path)
        if isinstance(content, dict) and content.get("key") == key:
            for row in content["predictions"]:
                found[row["index"]] = Prediction(**{**row, "status": Status(row["status"])})
    return found


def _write_predictions(folder: Path, key: str, predictions: Sequence[Prediction]) -> None:
    name = f"{predictions[0].index:08d}-{predictions[-1].index:08d}.json"
    content = {"key": key, "predictions": [asdict(p) for p in predictions]}
    write_durably(folder / name, json.dumps(content).encode())


def _lost(screening: Screening, lost: Lost[int]) -> Prediction:
    """Return what is said of a candidate that no worker could predict."""
    recipe = screening.candidates.recipes(lost.item, lost.item + 1)[0]
    named = (lost.item, recipe.id, recipe.family, dict(recipe.parameters))
    return Prediction(*named, {}, Status.WORKER_LOST, None, None, None)


def _screen_block(screening: Screening, indices: Sequence[int], mark: Mark) -> BatchResult:
    """Run on a worker; the receipt is the predictions and the time they took."""
    began = time.perf_counter()
    first, last = indices[0], indices[-1]
    block = screening.candidates.recipes(first, last + 1)
    recipes = [block[i - first] for i in indices]
    predictions = list(_predict(screening, indices, recipes, mark))
    return BatchResult((predictions, time.perf_counter() - began))


def _predict(
    screening: Screening, indices: Sequence[int], recipes: Sequence[Recipe], mark: Mark
) -> Iterator[Prediction]:
    from ..pipeline.percolation import percolating
    from ..surrogate.encoding import encode

    structures = []
    for place, recipe in enumerate(recipes):
        mark.begin(place)
        structures.append(_generate(recipe, screening))
    mark.begin(WHOLE)
    fields: dict[int, Any] = {}
    for place, structure in enumerate(structures):
        if structure is None:
            continue
        table = dict(enumerate(screening.transport.table(structure.phase_names).tolist()))
        connected = percolating(structure.phases, table, screening.axis)
        if connected.any():
            fields[place] = encode(structure, screening.transport, connected, screening.axis)
    relative = _predict_fields(screening.checkpoint, screening.key, fields)
    for place, (index, recipe, structure) in enumerate(zip(indices, recipes, structures, strict=True)):
        values = relative.get(place)
        yield _prediction(index, recipe, structure, values, screening.transport.sigma_max)


def _generate(recipe: Recipe, screening: Screening) -> Microstructure | None:
    try:
        return generate(recipe, screening.candidates.files)
    except InvalidInput:
        return None


def _predict_fields(checkpoint: Path, key: str, fields: dict[int, Any]) -> dict[int, tuple[float, float, float]]:
    """Return place -> (M, low, high)."""
    if not fields:
        return {}
    predicted = _surrogate(checkpoint, key).predict(np.stack(list(fields.values())), batch_size=BATCH)
    return {place: tuple(float(part[i]) for part in predicted) for i, place in enumerate(fields)}  # type: ignore[misc]


@functools.lru_cache(maxsize=1)
def _surrogate(checkpoint: Path, key: str) -> Surrogate:
    """Return the surrogate, loaded once in each worker; a new key is a new surrogate."""
    from ..surrogate import load_checkpoint

    return load_checkpoint(checkpoint)


def _prediction(
    index: int,
    recipe: Recipe,
    structure: Microstructure | None,
    relative: tuple[float, float, float] | None,
    sigma_max: float,
) -> Prediction:
    named = (index, recipe.id, recipe.family, dict(recipe.parameters))
    if structure is None:
        return Prediction(*named, {}, Status.INVALID_STRUCTURE, None, None, None)
    if relative is None:
        return Prediction(*named, structure.fractions(), Status.NON_PERCOLATING, 0.0, 0.0, 0.0)
    sigma, low, high = (m * sigma_max for m in relative)
    return Prediction(*named, structure.fractions(), Status.OK, sigma, low, high)
