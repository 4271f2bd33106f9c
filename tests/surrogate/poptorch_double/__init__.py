"""A stand-in for PopTorch 3.4 where there is no Poplar SDK: its names, its signatures, its refusals, its arithmetic.

Written from the public documentation and source of PopTorch. It computes on the CPU what IPUs would, with one copy of
the weights on the host and one "on the device", and refuses what the real one refuses. It knows only what this project
uses of PopTorch; `signatures.py` is the table that both are held against.
"""

from . import optim
from .blocks import BeginBlock, identity_loss, isRunningOnIpu, removeBlocks
from .errors import Error, RecoverableError, UnrecoverableError
from .executor import PoplarExecutor, inferenceModel, trainingModel
from .loader import DataLoader, DataLoaderMode
from .machine import MACHINE, ipuHardwareIsAvailable
from .options import AutoStage, ConnectionType, Options, OutputMode, PipelinedExecution, ShardedExecution

__version__ = "3.4.0"

__all__ = [
    "MACHINE",
    "AutoStage",
    "BeginBlock",
    "ConnectionType",
    "DataLoader",
    "DataLoaderMode",
    "Error",
    "Options",
    "OutputMode",
    "PipelinedExecution",
    "PoplarExecutor",
    "RecoverableError",
    "ShardedExecution",
    "UnrecoverableError",
    "identity_loss",
    "inferenceModel",
    "ipuHardwareIsAvailable",
    "isRunningOnIpu",
    "optim",
    "removeBlocks",
    "trainingModel",
]
