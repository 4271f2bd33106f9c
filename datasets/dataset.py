"""The dataset: a folder of shards, read by sample id."""

from __future__ import annotations

import copy
import os
from pathlib import Path
from typing import Any, Callable, Iterable, Iterator, Sequence, TypeVar, overload

import h5py
import numpy as np
import numpy.typing as npt

from .errors import InvalidInput
from .label import Status
from .manifest import ManifestEntry, create_folders, read_manifest
from .sample import Sample
from .shard_reader import check_present, open_shard, read_labels, read_one, read_samples

__all__ = ["Dataset"]

Result = TypeVar("Result")

_NO_LABELS: dict[str, npt.NDArray[Any]] = {
    "id": np.empty(0, "U32"),
    "family": np.empty(0, "U1"),
    "relative": np.empty((0, 3)),
    "sigma": np.empty((0, 3)),
    "upper_bound": np.empty((0, 3)),
    "error_estimate": np.empty((0, 3)),
    "status": np.empty((0, 3), np.uint8),
    "iterations": np.empty((0, 3), np.int32),
    "seconds": np.empty(0),
}


class Dataset:
    """Samples of a folder as it was when this object was made; shards written later show in a new one.

    Opening reads the manifest alone. A shard is checked against its hash the first time a process needs it.

    Parameters
    ----------
    folder
        Made by :meth:`create` or :func:`write_shard`.

    Raises
    ------
    DatasetError
        If the folder is no dataset, or its manifest is damaged or of a newer format.
    """

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        self.folder = Path(folder)
        self._on_shard: Callable[[], None] | None = None
        entries = read_manifest(self.folder)
        # A sample that stands in two shards is that of the first one, on every machine: entries come in order of name.
        self._keep({sample: (entry, row) for entry in reversed(entries) for row, sample in enumerate(entry.ids)})

    def _keep(self, places: dict[str, tuple[ManifestEntry, int]]) -> None:
        self._places = places
        self._ids = tuple(sorted(places))
        shards = {entry.shard: entry for entry, _ in places.values()}
        self._entries = [shards[name] for name in sorted(shards)]

    @classmethod
    def create(cls, folder: str | os.PathLike[str]) -> Dataset:
        """Return the dataset of a folder, made with mode 0700 if it does not exist."""
        create_folders(Path(folder))
        return cls(folder)

    @property
    def ids(self) -> tuple[str, ...]:
        """Ids of all samples, sorted."""
        return self._ids

    @property
    def transports(self) -> tuple[str, ...]:
        """Names of the transports that samples are labelled for, sorted."""
        return tuple(sorted({name for entry in self._entries for name in entry.transports}))

    def __len__(self) -> int:
        return len(self._ids)

    def __contains__(self, sample_id: object) -> bool:
        return sample_id in self._places

    @overload
    def __getitem__(self, index: int) -> Sample: ...
    @overload
    def __getitem__(self, index: slice) -> Dataset: ...
    def __getitem__(self, index: int | slice) -> Sample | Dataset:
        """Return a sample by its place in :attr:`ids`, or those of a slice as a dataset."""
        return self.subset(self._ids[index]) if isinstance(index, slice) else self.sample(self._ids[index])

    def __iter__(self) -> Iterator[Sample]:
        return map(self.sample, self._ids)

    def __repr__(self) -> str:
        return f"Dataset({str(self.folder)!r}): {len(self)} samples in {len(self._entries)} shards"

    def sample(self, sample_id: str) -> Sample:
        """Return a sample.

        Raises
        ------
        InvalidInput
            If there is none of this id.
        DatasetError
            If its shard is missing, damaged, foreign or of a newer format.
        """
        entry, row = self._place(sample_id)
        return read_one(self.folder, entry, row)

    def _place(self, sample_id: str) -> tuple[ManifestEntry, int]:
        if sample_id not in self._places:
            raise InvalidInput(f"{self.folder}: there is no sample {sample_id!r}.")
        return self._places[sample_id]

    def subset(self, ids: Iterable[str]) -> Dataset:
        """Return the dataset of these samples alone; nothing is read.

        Raises
        ------
        InvalidInput
            If one of them is not here.
        """
        part = copy.copy(self)
        part._keep({sample: self._place(sample) for sample in ids})
        return part

    def where(
        self,
        transport: str,
        axis: int,
        status: Sequence[Status] = (Status.OK,),
        families: Sequence[str] | None = None,
        relative: tuple[float, float] = (-np.inf, np.inf),
    ) -> Dataset:
        """Return the samples whose label meets all conditions, as a dataset.

        Parameters
        ----------
        transport, axis
            Of the label.
        status
            Which ones to keep.
        families
            Which ones to keep; None for all.
        relative
            Smallest and largest σ_eff over the largest phase conductivity; unknown ones are kept unless limited.

        Raises
        ------
        InvalidInput
            If no sample is labelled for this transport, though there are samples.
        DatasetError
            If a shard is missing, damaged, foreign or of a newer format.
        """
        table = self.labels(transport)
        keep = np.isin(table["status"][:, axis], np.array(status, np.uint8))
        keep &= ~((table["relative"][:, axis] < relative[0]) | (table["relative"][:, axis] > relative[1]))
        if families is not None:
            keep &= np.isin(table["family"], list(families))
        return self.subset(str(sample) for sample in table["id"][keep])

    def watched(self, on_shard: Callable[[], None]) -> Dataset:
        """Return this dataset, which calls a function after each shard that it has gone through."""
        part = copy.copy(self)
        part._on_shard = on_shard
        return part

    def digests(self) -> dict[str, str]:
        """Return the BLAKE2b of each shard by its name: what determines every byte read from here."""
        return {entry.shard: entry.blake2b for entry in self._entries}

    def shards(self) -> list[list[str]]:
        """Return the ids of the samples of each shard: those that are quick to read one after another."""
        return [[sample for sample in entry.ids if self._is_at(sample, entry)] for entry in self._entries]

    def _is_at(self, sample: str, entry: ManifestEntry) -> bool:
        return sample in self._places and self._places[sample][0] is entry

    def stream(self) -> Iterator[Sample]:
        """Yield all samples shard by shard, in bounded memory: the fastest way through a whole dataset.

        Raises
        ------
        DatasetError
            If a shard is missing, damaged, foreign or of a newer format.
        """
        for entry in self._entries:
            with open_shard(self.folder, entry) as file:
                yield from read_samples(file, self._rows(entry))
            self._passed()

    def each_shard(self, action: Callable[[h5py.File, list[int]], Result]) -> Iterator[Result]:
        """Yield what an action makes of each shard, checked and open, and of the rows of the samples that count.

        Raises
        ------
        DatasetError
            If a shard is missing, damaged, foreign or of a newer format, or the action fails on it.
        """
        for entry in self._entries:
            with open_shard(self.folder, entry) as file:
                result = action(file, self._rows(entry))
            self._passed()
            yield result

    def _passed(self) -> None:
        if self._on_shard:
            self._on_shard()

    def _rows(self, entry: ManifestEntry) -> list[int]:
        return [row for row, sample in enumerate(entry.ids) if self._is_at(sample, entry)]

    def shape(self) -> tuple[int, int, int]:
        """Return the one shape of all samples, voxels.

        Raises
        ------
        InvalidInput
            If they have several, or there are none.
        """
        shapes = sorted({shape for entry in self._entries for shape in entry.summary.shapes})
        if len(shapes) != 1:
            raise InvalidInput(
                f"{self.folder}: samples of one shape are needed here, not {', '.join(shapes) or 'none'}."
            )
        nx, ny, nz = (int(n) for n in shapes[0].split("x"))
        return nx, ny, nz

    def missing(self, ids: Iterable[str]) -> list[str]:
        """Return those of the ids that are not here, in the order given, each once."""
        return [sample_id for sample_id in dict.fromkeys(ids) if sample_id not in self._places]

    def labels(self, transport: str) -> dict[str, npt.NDArray[Any]]:
        """Return the labels of all samples that have one for a transport, sorted by id.

        They stand in the manifest; only shards that an earlier ionscreen wrote are opened for them.

        Returns
        -------
        dict
            ``id`` and ``family`` (n,) str; ``sigma`` and ``upper_bound`` (n, 3) float64, S/m; ``relative`` (n, 3),
            σ_eff over the largest phase conductivity; ``error_estimate`` (n, 3), relative; ``status`` (n, 3) uint8,
            values of :class:`Status`; ``iterations`` (n, 3) int32; ``seconds`` (n,) float64.

        Raises
        ------
        InvalidInput
            If no sample is labelled for this transport, though there are samples.
        DatasetError
            If a shard is missing, or one that has to be opened is damaged, foreign or of a newer format.
        """
        if self._ids and transport not in self.transports:
            known = ", ".join(self.transports) or "none"
            raise InvalidInput(f"{self.folder}: no sample is labelled for {transport!r}; the transports are: {known}.")
        check_present(self.folder, self._entries)
        parts = [self._labels_of(entry, transport) for entry in self._entries if transport in entry.transports]
        table = {key: np.concatenate([part[key] for part in (parts or [_NO_LABELS])]) for key in _NO_LABELS}
        order = np.argsort(table["id"])
        return {key: values[order] for key, values in table.items()}

    def _labels_of(self, entry: ManifestEntry, transport: str) -> dict[str, npt.NDArray[Any]]:
        if entry.table is not None:
            table = entry.table.columns(entry.ids, transport)
        else:
            with open_shard(self.folder, entry) as file:
                table = read_labels(file, transport)
        here = np.array([self._is_at(str(sample), entry) for sample in table["id"]], dtype=bool)
        return {key: values[here] for key, values in table.items()}
