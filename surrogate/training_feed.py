"""The order of a training: which structures each call takes, and under which symmetry.

Shape suffixes: n structures; b batch; x, y, z cells of the field grid; c channels.
"""

from __future__ import annotations

import functools

import numpy as np
import torch
from torch import Tensor

from .description import Description
from .devices import Feed

__all__ = ["TrainingFeed"]


class TrainingFeed(Feed):
    """Described structures and their true M, shuffled and mirrored anew in each epoch.

    Order and symmetries depend on seed and epoch alone, so that a resumed training goes on as it would have.

    Parameters
    ----------
    described
        All structures.
    y_n
        Their true M.
    seed
        Another seed gives another order.
    epochs
        How long the sequence is.
    samples_per_call
        Structures in one call.
    full_calls_only
        Whether the last, smaller call of an epoch is left out.
    """

    def __init__(
        self,
        described: Description,
        y_n: Tensor,
        seed: int,
        epochs: int,
        samples_per_call: int,
        full_calls_only: bool,
    ) -> None:
        self._described = described
        self._y_n = y_n
        self._seed = seed
        self._epochs = epochs
        self._size = samples_per_call
        self.calls = len(y_n) // self._size if full_calls_only else -(-len(y_n) // self._size)
        # Exchanging unequal axes would change the shape.
        self._symmetries = 16 if described.weight_bxyz.shape[2] == described.weight_bxyz.shape[3] else 8
        self._plan = functools.lru_cache(maxsize=2)(self._drawn)

    def __len__(self) -> int:
        return self._epochs * self.calls * self._size

    def __getitem__(self, number: int) -> tuple[Tensor, ...]:
        epoch, place = divmod(number, self.calls * self._size)
        order, symmetries = self._plan(epoch)
        batch = self._inputs(order[place : place + 1], symmetries[place // self._size])
        return tuple(tensor[0] for tensor in batch)

    def __getstate__(self) -> dict[str, object]:
        """Leave the cache behind: a loader's process makes its own."""
        return {name: value for name, value in vars(self).items() if name != "_plan"}

    def __setstate__(self, state: dict[str, object]) -> None:
        vars(self).update(state)
        self._plan = functools.lru_cache(maxsize=2)(self._drawn)

    def batch(self, epoch: int, call: int) -> tuple[Tensor, ...]:
        """Return the tensors of one call, batch first."""
        order, symmetries = self._plan(epoch)
        return self._inputs(order[call * self._size : (call + 1) * self._size], symmetries[call])

    def _drawn(self, epoch: int) -> tuple[Tensor, list[int]]:
        random = np.random.default_rng((self._seed, epoch))
        order = torch.from_numpy(random.permutation(len(self._y_n)))
        return order, random.integers(self._symmetries, size=self.calls).tolist()

    def _inputs(self, index_b: Tensor, symmetry: int) -> tuple[Tensor, ...]:
        chosen = Description(*[tensor[index_b] for tensor in self._described])
        return (*_symmetric(chosen, symmetry), self._y_n[index_b])


def _symmetric(described: Description, symmetry: int) -> Description:
    """Return one of the 16 images under the symmetries that keep the axis: three mirrors, exchange of y and z."""
    mirrored = [axis for axis in range(3) if symmetry >> axis & 1]
    field_bcxyz = described.field_bcxyz.flip([axis + 2 for axis in mirrored])
    weight_bxyz = described.weight_bxyz.flip([axis + 1 for axis in mirrored])
    if symmetry >> 3:
        field_bcxyz, weight_bxyz = field_bcxyz.transpose(3, 4), weight_bxyz.transpose(2, 3)
    return described._replace(field_bcxyz=field_bcxyz, weight_bxyz=weight_bxyz)
