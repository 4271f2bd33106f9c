"""The record of a sample and its HDF5 home. Needs numpy and h5py only; runs on Python 3.8."""

from .errors import CampaignError, CheckpointError, DatasetError, InvalidInput, IonscreenError
from .label import Label, Status
from .microstructure import Microstructure
from .recipe import Recipe
from .sample import Sample
from .transport import Transport

__all__ = [
    "CampaignError",
    "CheckpointError",
    "DatasetError",
    "InvalidInput",
    "IonscreenError",
    "Label",
    "Microstructure",
    "Recipe",
    "Sample",
    "Status",
    "Transport",
]
