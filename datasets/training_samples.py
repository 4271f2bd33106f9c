"""Training samples: what a ``torch.utils.data.DataLoader`` asks of a dataset. Needs no torch itself.

>>> samples = TrainingSamples(dataset, "ionic", cache="memory")                                 # doctest: +SKIP
>>> loader = DataLoader(samples, batch_size=32, sampler=ShuffledShards(samples), num_workers=2)  # doctest: +SKIP
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import Any, Dict, Iterator

import numpy as np
import numpy.typing as npt

from .dataset import Dataset
from .errors import InvalidInput
from .packed_volumes import PackedVolumes
from .sample import Sample

__all__ = ["ShuffledShards", "TrainingSamples"]

MEMORY = "memory"
Item = Dict[str, Any]


class TrainingSamples:
    """Samples with one label each, by number, shard by shard.

    Item i is a dictionary that torch's default collation understands: ``phases`` and ``connected`` (nx, ny, nz) uint8,
    ``relative`` (3,) float64, ``status`` (3,) uint8, ``number`` i. Without a mask, ``connected`` is 0
    throughout.

    Parameters
    ----------
    dataset
        All samples must be labelled for the transport and have a microstructure (see :meth:`Dataset.where`), and one
        shape if they are to be collated.
    transport
        Of the labels.
    cache
        None: read the shards each time. ``"memory"``, or a folder that will hold a folder for this set of samples:
        unpack bits instead.

    Raises
    ------
    InvalidInput
        If a sample has no label for the transport, or no microstructure.
    DatasetError
        If a shard or the cache is damaged.
    """

    def __init__(self, dataset: Dataset, transport: str, cache: str | os.PathLike[str] | None = None) -> None:
        self._dataset = dataset
        self._transport = transport
        shards = dataset.shards()
        self.ids = tuple(sample for shard in shards for sample in shard)
        self.shard_sizes = tuple(len(shard) for shard in shards)
        table = dataset.labels(transport)
        rows = {str(sample): row for row, sample in enumerate(table["id"])}
        for sample in self.ids:
            if sample not in rows:
                raise InvalidInput(f"{dataset.folder}: sample {sample} has no label for {transport!r}; leave it out.")
        order = np.array([rows[sample] for sample in self.ids], dtype=np.int64)
        self._relative: npt.NDArray[np.float64] = table["relative"][order]
        self._status: npt.NDArray[np.uint8] = table["status"][order]
        self._cache = self._packed(cache)

    def __len__(self) -> int:
        return len(self.ids)

    def __getitem__(self, number: int) -> Item:
        phases, connected = self._voxels(number)
        return {
            "phases": phases,
            "connected": connected,
            "relative": self._relative[number],
            "status": self._status[number],
            "number": number,
        }

    def _voxels(self, number: int) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint8]]:
        if self._cache is None:
            return self._voxels_of(self._dataset.sample(self.ids[number]))
        return self._cache[2 * number], self._cache[2 * number + 1]

    def _voxels_of(self, sample: Sample) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint8]]:
        if sample.microstructure is None:
            raise InvalidInput(
                f"{self._dataset.folder}: sample {sample.id} has no microstructure to train on; leave it out."
            )
        phases, connected = sample.microstructure.phases, sample.labels[self._transport].connected
        return phases, np.zeros_like(phases) if connected is None else connected

    def _packed(self, cache: str | os.PathLike[str] | None) -> PackedVolumes | None:
        if cache is None:
            return None
        if cache == MEMORY:
            return PackedVolumes.in_memory(self._all_voxels())
        return PackedVolumes.on_disk(Path(cache) / self._key(), self._all_voxels)

    def _all_voxels(self) -> Iterator[npt.NDArray[np.uint8]]:
        for sample in self._dataset.stream():
            yield from self._voxels_of(sample)

    def _key(self) -> str:
        """Return a digest of what the cache holds: other samples, or the same ones written anew, are another cache."""
        hasher = hashlib.blake2b(self._transport.encode() + b"\0", digest_size=16)
        for shard, blake2b in self._dataset.digests().items():
            hasher.update(f"{shard}:{blake2b}\n".encode())
        hasher.update("\n".join(self.ids).encode())
        return hasher.hexdigest()


class ShuffledShards:
    """An order of samples for each epoch: shards shuffled, then the samples of every few shards among themselves.

    Neighbours in this order lie in few files, so that a pass over shards that fit no memory still reads each file
    about once. The order depends on the seed and the epoch alone.

    Parameters
    ----------
    samples
        To be ordered.
    seed
        Another seed gives other orders.
    together
        Shards whose samples are mixed.
    """

    def __init__(self, samples: TrainingSamples, seed: int = 0, together: int = 8) -> None:
        ends = np.cumsum(samples.shard_sizes, dtype=np.int64)
        self._groups = np.split(np.arange(len(samples)), ends[:-1])
        self._seed = seed
        self._together = together
        self.epoch = 0

    def __len__(self) -> int:
        return sum(map(len, self._groups))

    def __iter__(self) -> Iterator[int]:
        rng = np.random.default_rng([self._seed, self.epoch])
        self.epoch += 1
        order = rng.permutation(len(self._groups))
        for start in range(0, len(order), self._together):
            mixed = np.concatenate([self._groups[group] for group in order[start : start + self._together]])
            yield from rng.permutation(mixed).tolist()
