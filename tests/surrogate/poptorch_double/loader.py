"""The loader: one item is the combined batch of a call."""

import enum
import warnings

import torch


class DataLoaderMode(enum.IntEnum):
    Sync = 0
    Async = 1
    AsyncRebatched = 2


class DataLoader(torch.utils.data.DataLoader):
    def __init__(
        self,
        options,
        dataset,
        batch_size=1,
        shuffle=None,
        num_workers=0,
        drop_last=True,
        persistent_workers=None,
        auto_distributed_partitioning=True,
        mode=DataLoaderMode.Sync,
        async_options=None,
        rebatched_worker_size=None,
        batch_sampler=None,
        **kwargs,
    ):
        options._frozen = True
        self.combinedBatchSize = (
            batch_size * options.device_iterations * options.replication_factor * options.Training.gradient_accumulation
        )
        if not drop_last:
            warnings.warn("drop_last=False: the last batch may be smaller", stacklevel=2)
        self._mode = mode
        self.terminated = False
        super().__init__(
            dataset,
            batch_size=self.combinedBatchSize,
            shuffle=bool(shuffle),
            num_workers=num_workers,
            drop_last=drop_last,
            persistent_workers=bool(persistent_workers),
            **kwargs,
        )

    def terminate(self):
        assert self._mode is not DataLoaderMode.Sync
        self.terminated = True
