"""The surrogate network, its training and its checkpoints: numpy, h5py and torch only, Python 3.8 and torch 2.0."""

from .checkpoint import load_checkpoint, save_checkpoint
from .data import LabelledStructures
from .epochs import Epoch
from .evaluation import Scores, evaluate, score
from .network import Architecture, Network
from .surrogate import Calibration, Prediction, Surrogate
from .training import TrainingConfig, train

__all__ = [
    "Architecture",
    "Calibration",
    "Epoch",
    "LabelledStructures",
    "Network",
    "Prediction",
    "Scores",
    "Surrogate",
    "TrainingConfig",
    "evaluate",
    "load_checkpoint",
    "save_checkpoint",
    "score",
    "train",
]
