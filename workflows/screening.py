"""Screening: every candidate generated, trimmed to what percolates, and predicted by the surrogate."""

from __future__ import annotations

import functools
import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..datasets import InvalidInput, Microstructure, Recipe, Status, Transport
from ..datasets.durable_file import write_durably
from ..pipeline.generation import generate
from .candidates import Candidates
from .execution import Engine
from .progress import Bar
from .run_directory import read_json

if TYPE_CHECKING:
    from ..surrogate import Surrogate

__all__ = ["Prediction", "Screening", "screen"]

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
        OK, NON_PERCOLATING (sigma is exactly 0, no guess) or INVALID_STRUCTURE.
    sigma, low, high
        Predicted conductivity and its 90 % interval, S/m; None for an invalid structure.
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


def screen(engine: Engine, screening: Screening, folder: Path, bar: Bar) -> list[Prediction]:
    """Return the prediction of every candidate, in the order of the candidates.

    Predictions are stored in `folder`, a file for each block; blocks that are there are not computed again.

    Parameters
    ----------
    engine
        Where the candidates are generated and predicted.
    screening
        What to predict.
    folder
        Where predictions are kept.
    bar
        Advanced by one for each candidate.
    """
    folder.mkdir(exist_ok=True, mode=0o700)
    blocks = screening.candidates.blocks(BLOCK)
    missing = [block for block in blocks if _read_block(folder, screening.key, block) is None]
    bar.advance(len(screening.candidates) - sum(stop - start for start, stop in missing))
    for end in engine.run(functools.partial(_screen_block, screening), missing):
        if end.error is not None:
            raise end.error
        content = {"key": screening.key, "predictions": [asdict(p) for p in end.result]}
        write_durably(_block_file(folder, end.task), json.dumps(content).encode())
        bar.advance(len(end.result))
    return [prediction for block in blocks for prediction in _read_block(folder, screening.key, block) or []]


def _block_file(folder: Path, block: tuple[int, int]) -> Path:
    return folder / f"{block[0]:08d}-{block[1]:08d}.json"


def _read_block(folder: Path, key: str, block: tuple[int, int]) -> list[Prediction] | None:
    content = read_json(_block_file(folder, block))
    if not isinstance(content, dict) or content.get("key") != key:
        return None
    return [Prediction(**{**row, "status": Status(row["status"])}) for row in content["predictions"]]


def _screen_block(screening: Screening, block: tuple[int, int]) -> list[Prediction]:
    """Run on a worker."""
    recipes = screening.candidates.recipes(*block)
    return list(_predict(screening, range(*block), recipes))


def _predict(screening: Screening, indices: Sequence[int], recipes: Sequence[Recipe]) -> Iterator[Prediction]:
    from ..pipeline.percolation import percolating
    from ..surrogate.encoding import encode

    structures = [_generate(recipe, screening) for recipe in recipes]
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
