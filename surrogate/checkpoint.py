"""The checkpoint of a :class:`.surrogate.Surrogate`, as :mod:`.checkpoint_files` writes it."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

from torch import Tensor

from .checkpoint_files import CheckpointFiles
from .network import Architecture, Network
from .surrogate import Calibration, Surrogate

__all__ = ["load_checkpoint", "save_checkpoint"]

FILES = CheckpointFiles("ionscreen.surrogate.Network", 1)


def save_checkpoint(surrogate: Surrogate, folder: str | Path) -> None:
    """Write the surrogate; errors are those of :meth:`.CheckpointFiles.write`."""
    fields = {
        "architecture": surrogate.network.architecture.to_dict(),
        "calibration": asdict(surrogate.calibration),
        "split_digest": surrogate.split_digest,
        "metrics": dict(surrogate.metrics),
        "training": dict(surrogate.training),
    }
    FILES.write(Path(folder), surrogate.network, fields)


def load_checkpoint(folder: str | Path) -> Surrogate:
    """Return the surrogate that :func:`save_checkpoint` wrote; errors are those of :meth:`.CheckpointFiles.read`."""
    return FILES.read(Path(folder), _built)


def _built(card: dict[str, Any], weights: dict[str, Tensor]) -> Surrogate:
    network = Network(Architecture(**card["architecture"]))
    network.load_state_dict(weights)
    network.eval()
    calibration = Calibration(**card["calibration"])
    return Surrogate(network, calibration, card["split_digest"], card["training"], card["metrics"])
