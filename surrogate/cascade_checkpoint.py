"""The checkpoint of a :class:`.cascade_surrogate.CascadeSurrogate`, and the one that comes with the program."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from torch import Tensor

from ..datasets import CheckpointError
from .cascade_surrogate import CascadeSurrogate, Intervals
from .checkpoint_files import CARD_FILE, CheckpointFiles
from .regressor import Regressor, RegressorArchitecture

__all__ = ["PRETRAINED", "load_cascade", "save_cascade"]

FILES = CheckpointFiles("ionscreen.surrogate.Regressor", 1)
# Comes with the program.
PRETRAINED = Path(__file__).with_name("pretrained")


def save_cascade(surrogate: CascadeSurrogate, folder: str | Path) -> None:
    """Write the surrogate; errors are those of :meth:`.CheckpointFiles.write`."""
    fields = {
        "architecture": surrogate.regressor.architecture.to_dict(),
        "intervals": surrogate.intervals.to_dict(),
        "data_digest": surrogate.data_digest,
        "metrics": dict(surrogate.metrics),
        "training": dict(surrogate.training),
    }
    FILES.write(Path(folder), surrogate.regressor, fields)


def load_cascade(folder: str | Path = PRETRAINED) -> CascadeSurrogate:
    """Return the surrogate that :func:`save_cascade` wrote; by default the one that comes with the program.

    Raises
    ------
    CheckpointError
        As :meth:`.CheckpointFiles.read`.
    """
    if Path(folder) == PRETRAINED and not (PRETRAINED / CARD_FILE).exists():
        raise CheckpointError(
            "No surrogate comes with this build; make it with 'python -m ionscreen.workflows.pretraining FOLDER', or "
            "train one of your own with 'ionscreen fit' and name it with --checkpoint."
        )
    return FILES.read(Path(folder), _built)


def _built(card: dict[str, Any], weights: dict[str, Tensor]) -> CascadeSurrogate:
    regressor = Regressor(RegressorArchitecture.from_dict(card["architecture"]))
    regressor.load_state_dict(weights)
    regressor.eval()
    intervals = Intervals(**card["intervals"])
    return CascadeSurrogate(regressor, intervals, card["data_digest"], card["training"], card["metrics"])
