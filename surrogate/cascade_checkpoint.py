"""The checkpoint of a :class:`.cascade_surrogate.CascadeSurrogate`: two files, as :mod:`.checkpoint` writes them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch

from ..datasets import CheckpointError, InvalidInput
from .cascade_surrogate import CascadeSurrogate, Intervals
from .checkpoint import CARD_FILE, read_checkpoint, write_checkpoint
from .regressor import Regressor, RegressorArchitecture

__all__ = ["PRETRAINED", "load_cascade", "save_cascade"]

CLASS = "ionscreen.surrogate.Regressor"
VERSION = 1
# Comes with the program.
PRETRAINED = Path(__file__).with_name("pretrained")


def save_cascade(surrogate: CascadeSurrogate, folder: str | Path) -> None:
    """Write the surrogate; an interrupted write is noticed when loading.

    Raises
    ------
    DatasetError
        An OSError: the disk is full or the folder cannot be written.
    """
    card: dict[str, Any] = {
        "class": CLASS,
        "version": VERSION,
        "architecture": surrogate.regressor.architecture.to_dict(),
        "intervals": surrogate.intervals.to_dict(),
        "data_digest": surrogate.data_digest,
        "metrics": dict(surrogate.metrics),
        "training": dict(surrogate.training),
    }
    write_checkpoint(Path(folder), surrogate.regressor, card)


def load_cascade(folder: str | Path = PRETRAINED) -> CascadeSurrogate:
    """Return the surrogate that :func:`save_cascade` wrote; by default the one that comes with the program.

    Raises
    ------
    CheckpointError
        If a file is missing, damaged, not ours, or of a newer version.
    """
    if Path(folder) == PRETRAINED and not (PRETRAINED / CARD_FILE).exists():
        raise CheckpointError(
            "No surrogate comes with this build; make it with 'python -m ionscreen.workflows.pretraining FOLDER', or "
            "train one of your own with 'ionscreen fit' and name it with --checkpoint."
        )
    card, weights = read_checkpoint(Path(folder), CLASS, VERSION)
    try:
        regressor = Regressor(RegressorArchitecture.from_dict(card["architecture"]))
        regressor.load_state_dict(safetensors.torch.load(weights))
        intervals = Intervals(**card["intervals"])
        known = card["data_digest"], card["training"], card["metrics"]
    except (KeyError, TypeError, RuntimeError, InvalidInput, safetensors.SafetensorError) as error:
        raise CheckpointError(f"{folder} does not describe a regressor this program can build: {error}") from error
    regressor.eval()
    return CascadeSurrogate(regressor, intervals, *known)
