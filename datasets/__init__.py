"""The record of a sample and its HDF5 home. Needs numpy and h5py only; runs on Python 3.8.

Names are imported when they are used: whoever needs an error alone, as the command line for its help, waits neither for
numpy nor for h5py. No module may be called as a name that stands here: importing it would hide the name.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from .errors import CampaignError, CheckpointError, DatasetError, DeviceError, InvalidInput, IonscreenError, NewerFormat

if TYPE_CHECKING:
    from .dataset import Dataset
    from .dataset_info import DatasetInfo, info
    from .dataset_merge import merge
    from .dataset_repair import Repair, repair
    from .dataset_split import split
    from .label import Label, Status
    from .microstructure import Microstructure
    from .recipe import Recipe
    from .sample import Sample
    from .shard import ShardReceipt, write_shard
    from .training_samples import ShuffledShards, TrainingSamples
    from .transport import Transport
    from .verification import Finding, verify

__all__ = [
    "CampaignError",
    "CheckpointError",
    "Dataset",
    "DatasetError",
    "DatasetInfo",
    "DeviceError",
    "Finding",
    "InvalidInput",
    "IonscreenError",
    "Label",
    "Microstructure",
    "NewerFormat",
    "Recipe",
    "Repair",
    "Sample",
    "ShardReceipt",
    "ShuffledShards",
    "Status",
    "TrainingSamples",
    "Transport",
    "info",
    "merge",
    "repair",
    "split",
    "verify",
    "write_shard",
]

_HOMES = {
    "Dataset": "dataset",
    "DatasetInfo": "dataset_info",
    "Finding": "verification",
    "Label": "label",
    "Microstructure": "microstructure",
    "Recipe": "recipe",
    "Repair": "dataset_repair",
    "Sample": "sample",
    "ShardReceipt": "shard",
    "ShuffledShards": "training_samples",
    "Status": "label",
    "TrainingSamples": "training_samples",
    "Transport": "transport",
    "info": "dataset_info",
    "merge": "dataset_merge",
    "repair": "dataset_repair",
    "split": "dataset_split",
    "verify": "verification",
    "write_shard": "shard",
}


def __getattr__(name: str) -> Any:
    """Import what is asked for (PEP 562)."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module("." + _HOMES[name], __name__), name)
    globals()[name] = value
    return value
