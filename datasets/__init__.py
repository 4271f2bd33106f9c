"""The record of a sample and its HDF5 home. Needs numpy and h5py only; runs on Python 3.8."""

from .dataset import Dataset
from .errors import CampaignError, CheckpointError, DatasetError, DeviceError, InvalidInput, IonscreenError, NewerFormat
from .info import DatasetInfo, info
from .label import Label, Status
from .merge import merge
from .microstructure import Microstructure
from .recipe import Recipe
from .repair import Repair, repair
from .sample import Sample
from .shard import ShardReceipt, write_shard
from .split import split
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
