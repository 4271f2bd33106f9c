"""The ranking: all candidates in order of merit, as numbers in memory and whole predictions when asked for."""

from __future__ import annotations

import itertools
import math
import pickle
import sqlite3
import sys
import tempfile
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, overload

import numpy as np
import numpy.typing as npt

from ..datasets import CampaignError, Status
from .screening import Prediction, Predictions

__all__ = ["LIKELY", "Ranking", "Sense", "rank", "rank_candidates"]

Sense = Literal["maximise", "minimise"]

# Phase -> smallest and largest volume fraction.
Constraints = Mapping[str, tuple[float, float]]
Vector = npt.NDArray[np.float64]

LIKELY = 0.5  # probability from which a bound counts as met
CHUNK = 20_000  # predictions in memory at a time
SORTING = (
    "PRAGMA journal_mode = OFF",
    "PRAGMA synchronous = OFF",
    "PRAGMA cache_size = -64000",  # kB
    "CREATE TABLE candidate (place INTEGER PRIMARY KEY, prediction BLOB)",
)


@dataclass(frozen=True, eq=False)
class Ranking(Sequence[Prediction]):
    """All candidates that meet the constraints, best first.

    A million of them need some 100 MB; their recipes and fractions are read again when a prediction is asked for. Ask
    for many at once: each time, the files of descriptions are gone through once. Whoever goes through all of them has
    few in memory at a time; more than 20,000 are sorted in a temporary file.

    Shape legend: n candidates, best first.

    Parameters
    ----------
    index_n
        Place in the sequence of candidates.
    status_n
        Values of :class:`Status`.
    family_n
        Names of families.
    value_n3
        Objective and the ends of its 90 % interval; NaN where nothing is known.
    bound_n2
        Between which the objective is for certain.
    feasible_n
        Probability that bounds on other properties are met.
    property_n3
        Name -> every conductivity with its 90 % interval, S/m; NaN where nothing is known.
    kinds
        Parameter -> ``"number"``, ``"truth"`` or ``"text"``, which holds for all families.
    phases
        That structures have, sorted.
    find
        Indices -> predictions by index.
    source
        All predictions, in any order, each time they are gone through.
    """

    index_n: npt.NDArray[np.int64]
    status_n: npt.NDArray[np.uint8]
    family_n: npt.NDArray[Any]
    value_n3: Vector
    bound_n2: Vector
    feasible_n: Vector
    property_n3: Mapping[str, Vector]
    kinds: Mapping[str, str]
    phases: Sequence[str]
    find: Callable[[Collection[int]], Mapping[int, Prediction]]
    source: Iterable[Prediction]

    def __len__(self) -> int:
        return len(self.index_n)

    @overload
    def __getitem__(self, place: int) -> Prediction: ...
    @overload
    def __getitem__(self, place: slice) -> list[Prediction]: ...
    def __getitem__(self, place: int | slice) -> Prediction | list[Prediction]:
        if isinstance(place, slice):
            return self.at(np.arange(len(self))[place])
        return self.at([range(len(self))[place]])[0]

    def __iter__(self) -> Iterator[Prediction]:
        return iter(self[:]) if len(self) <= CHUNK else self._sorted()

    def _sorted(self) -> Iterator[Prediction]:
        by_index = np.argsort(self.index_n)
        with tempfile.TemporaryDirectory() as folder, closing(sqlite3.connect(Path(folder) / "ranking")) as table:
            for line in SORTING:
                table.execute(line)
            for chunk in _chunks(self.source):
                indices = np.array([p.index for p in chunk])
                found = by_index[np.searchsorted(self.index_n, indices, sorter=by_index) % len(self)]
                known = self.index_n[found] == indices
                rows = [(place, pickle.dumps(p)) for place, p in zip(found.tolist(), chunk, strict=True)]
                table.executemany("INSERT OR REPLACE INTO candidate VALUES (?, ?)", itertools.compress(rows, known))
            for (prediction,) in table.execute("SELECT prediction FROM candidate ORDER BY place"):
                yield pickle.loads(prediction)

    def at(self, places: Sequence[int] | npt.NDArray[np.int64]) -> list[Prediction]:
        """Return the predictions at these places."""
        indices = self.index_n[np.asarray(places, np.int64)].tolist()
        found = self.find(indices)
        return [found[index] for index in indices]

    def places(self, indices: Collection[int]) -> npt.NDArray[np.int64]:
        """Return the places of those of these candidates that are here, best first."""
        return np.flatnonzero(np.isin(self.index_n, np.fromiter(indices, np.int64, len(indices))))

    def conducting(self, most: int | None = None) -> npt.NDArray[np.int64]:
        """Return the places of candidates that percolate; of more than `most`, so many at even distances."""
        found = np.flatnonzero((self.status_n == Status.OK) & (self.value_n3[:, 0] > 0))
        if most is None or len(found) <= most:
            return found
        return np.asarray(found[np.linspace(0, len(found) - 1, most).astype(np.int64)])


def rank(
    predictions: Iterable[Prediction],
    sense: Sense,
    constraints: Constraints | None = None,
    properties: Sequence[str] = (),
    find: Callable[[Collection[int]], Mapping[int, Prediction]] | None = None,
) -> Ranking:
    """Return the predictions that meet the constraints, best first.

    What probably misses a bound on another property comes behind what meets it, then what does not percolate, and
    invalid structures last: their composition is unknown.

    Parameters
    ----------
    predictions
        Any order; each time it is gone through, the same. Of a candidate that comes twice the last one counts.
    sense
        ``"maximise"`` or ``"minimise"``.
    constraints
        On the volume fractions that were achieved; a phase that a structure lacks has 0.
    properties
        Names of those that are kept as numbers.
    find
        Indices -> predictions; if not given, the predictions are kept in memory.

    Raises
    ------
    CampaignError
        If none meets the constraints.
    """
    if find is None:
        kept = {p.index: p for p in predictions}
        predictions, find = list(kept.values()), lambda indices: {index: kept[index] for index in indices}
    kinds, phases = defaultdict[str, set[str]](set), set[str]()
    count, parts = 0, [_columns([], properties)]
    for chunk in _chunks(predictions):
        count += len(chunk)
        meeting = [p for p in chunk if p.sigma is None or _meets(p, constraints or {})]
        for p in meeting:
            phases.update(p.fractions)
            for name, value in p.parameters.items():
                kinds[name].add(_kind(value))
        parts.append(_columns(meeting, properties))
    columns = [np.concatenate(each) for each in zip(*parts, strict=True)]
    if count and not len(columns[0]):
        raise CampaignError(
            f"None of {count} candidates meets screen.constraints; widen these, or the families' ranges."
        )
    order = _order(columns, sense)
    index_n, status_n, family_n, value_n3, bound_n2, feasible_n, property_npk = (values[order] for values in columns)
    return Ranking(
        index_n=index_n,
        status_n=status_n,
        family_n=family_n,
        value_n3=value_n3,
        bound_n2=bound_n2,
        feasible_n=feasible_n,
        property_n3={name: property_npk[:, number] for number, name in enumerate(properties)},
        kinds={name: found.pop() if len(found) == 1 else "text" for name, found in sorted(kinds.items())},
        phases=sorted(phases),
        find=find,
        source=predictions,
    )


def rank_candidates(predictions: Predictions, constraints: Constraints | None = None) -> Ranking:
    """Return all candidates that meet the constraints, best first; see :func:`rank`."""
    names = [wanted.name for wanted in predictions.properties]
    return rank(predictions, predictions.objective.sense, constraints, names, predictions.find)


def _chunks(predictions: Iterable[Prediction]) -> Iterator[list[Prediction]]:
    remaining = iter(predictions)
    while chunk := list(itertools.islice(remaining, CHUNK)):
        yield chunk


def _columns(chunk: Sequence[Prediction], properties: Sequence[str]) -> list[npt.NDArray[Any]]:
    """Return the columns of a ranking, its properties in one array (n, p, 3)."""
    unknown, count = (math.nan,) * 3, len(chunk)
    values = [[p.properties.get(name, unknown) for name in properties] for p in chunk]
    return [
        np.array([p.index for p in chunk], np.int64),
        np.array([p.status for p in chunk], np.uint8),
        # One object for each name, however many candidates have it.
        np.array([sys.intern(p.family) for p in chunk], object),
        np.array([(p.sigma, p.low, p.high) for p in chunk], np.float64).reshape(count, 3),
        np.array([p.bounds for p in chunk], np.float64).reshape(count, 2),
        np.array([p.feasible for p in chunk], np.float64),
        np.array(values, np.float64).reshape(count, len(properties), 3),
    ]


def _order(columns: Sequence[npt.NDArray[Any]], sense: Sense) -> npt.NDArray[np.int64]:
    index, status, _, value, _, feasible, _ = columns
    _, last = np.unique(index[::-1], return_index=True)
    kept = len(index) - 1 - last
    merit = np.nan_to_num(value[kept, 0] * (-1.0 if sense == "maximise" else 1.0), nan=np.inf)
    # Of the statuses that a candidate may have, better ones have smaller numbers.
    order = np.lexsort((merit, feasible[kept] < LIKELY, status[kept]))
    return np.asarray(kept[order])


def _meets(prediction: Prediction, constraints: Constraints) -> bool:
    return all(low <= prediction.fractions.get(phase, 0.0) <= high for phase, (low, high) in constraints.items())


def _kind(value: object) -> str:
    if isinstance(value, bool):
        return "truth"
    return "number" if isinstance(value, int | float) else "text"
