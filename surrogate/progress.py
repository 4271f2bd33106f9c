"""The state of a training between epochs, and its one file.

``training.safetensors`` holds the tensors; its metadata holds everything else as JSON, so that both change together.
"""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
from torch import Tensor, nn

from ..datasets import CheckpointError
from ..datasets.durable_file import write_durably

__all__ = ["STATE_FILE", "Progress", "training_digest"]

STATE_FILE = "training.safetensors"


@dataclass
class Progress:
    """How far a training is: epochs done, seconds spent, losses, validation errors, optimizer, best weights so far."""

    digest: str
    best: dict[str, Tensor]
    optimizer: dict[str, Tensor] = field(default_factory=dict)
    path: Path | None = None
    epoch: int = 0
    best_epoch: int = 0
    best_error: float = math.inf
    seconds: float = 0.0
    losses: list[float] = field(default_factory=list)
    errors: list[float] = field(default_factory=list)

    @classmethod
    def resume(cls, folder: str | Path | None, digest: str, network: nn.Module) -> Progress:
        """Return the state kept in `folder` and put its weights into the network, or return a fresh one.

        Raises
        ------
        CheckpointError
            If the file is damaged.
        """
        if folder is None:
            return cls(digest, _copy(network))
        path = Path(folder) / STATE_FILE
        path.parent.mkdir(parents=True, exist_ok=True)
        header = _header(path) if path.exists() else {}
        if header.get("digest") != digest:
            return cls(digest, _copy(network), path=path)
        tensors = safetensors.torch.load_file(path)
        network.load_state_dict(_section(tensors, "network."))
        return cls(best=_section(tensors, "best."), optimizer=_section(tensors, "optimizer."), path=path, **header)

    def record(
        self, network: nn.Module, optimizer: dict[str, Tensor], loss: float, error: float, seconds: float
    ) -> None:
        """Count an epoch, keep the weights if they are the best so far, and write the file if there is one."""
        self.epoch += 1
        self.optimizer = optimizer
        self.seconds += seconds
        self.losses.append(loss)
        self.errors.append(error)
        if error < self.best_error:
            self.best, self.best_epoch, self.best_error = _copy(network), self.epoch, error
        if self.path is not None:
            self._write(network, self.path)

    def _write(self, network: nn.Module, path: Path) -> None:
        tensors = {f"best.{name}": tensor for name, tensor in self.best.items()}
        tensors.update({f"network.{name}": tensor for name, tensor in _copy(network).items()})
        tensors.update({f"optimizer.{name}": tensor for name, tensor in self.optimizer.items()})
        header = {key: value for key, value in vars(self).items() if key not in ("best", "optimizer", "path")}
        write_durably(path, safetensors.torch.save(tensors, {"training": json.dumps(header)}))


def training_digest(parts: list[Any]) -> str:
    """Return a BLAKE2b of JSON types, 32 hexadecimal digits."""
    return hashlib.blake2b(json.dumps(parts, sort_keys=True).encode(), digest_size=16).hexdigest()


def _header(path: Path) -> dict[str, Any]:
    try:
        with safetensors.safe_open(path, "pt") as file:
            header = json.loads((file.metadata() or {}).get("training", ""))
    except (safetensors.SafetensorError, ValueError, OSError) as error:
        raise CheckpointError(f"{path} is damaged: {error}; delete it to train anew.") from error
    if not isinstance(header, dict):
        raise CheckpointError(f"{path} is not the state of a training; delete it to train anew.")
    return header


def _copy(network: nn.Module) -> dict[str, Tensor]:
    return {name: tensor.detach().cpu().clone() for name, tensor in network.state_dict().items()}


def _section(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name[len(prefix) :]: tensor for name, tensor in tensors.items() if name.startswith(prefix)}
