"""The files of a checkpoint: a folder with ``model.safetensors`` (weights, scalers) and ``model.json`` (all else).

The JSON names the class and an integer version, the constructor's arguments, calibration, digest of the data, metrics
and training configuration, the BLAKE2b of the weights file and, last, of the rest of itself. Nothing is ever
unpickled.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Callable, TypeVar

import safetensors
import safetensors.torch
from torch import Tensor, nn

from ..datasets import CheckpointError, InvalidInput
from ..datasets.durable_file import write_durably

__all__ = ["CARD_FILE", "CheckpointFiles"]

WEIGHTS_FILE = "model.safetensors"
CARD_FILE = "model.json"
# Far above any network of this project: a file that claims more is refused before it is read.
LARGEST_FILE = 1 << 30

Built = TypeVar("Built")


@dataclass(frozen=True)
class CheckpointFiles:
    """How one class of surrogate is stored.

    Parameters
    ----------
    name
        Of the class; a checkpoint of another one is refused.
    version
        The highest that can be read, and the one that is written.
    """

    name: str
    version: int

    def write(self, folder: Path, module: nn.Module, fields: dict[str, Any]) -> None:
        """Write weights and card, each with its checksum; an interrupted write is noticed when reading.

        Raises
        ------
        DatasetError
            An OSError: the disk is full or the folder cannot be written.
        """
        folder.mkdir(parents=True, exist_ok=True)
        state = {name: tensor.detach().cpu().contiguous() for name, tensor in module.state_dict().items()}
        weights = safetensors.torch.save(state)
        card = {"class": self.name, "version": self.version, **fields, "weights_blake2b": _digest(weights)}
        card["card_blake2b"] = _digest(_canonical(card))
        write_durably(folder / WEIGHTS_FILE, weights)
        write_durably(folder / CARD_FILE, json.dumps(card, indent=2, allow_nan=False).encode())

    def read(self, folder: Path, build: Callable[[dict[str, Any], dict[str, Tensor]], Built]) -> Built:
        """Return what `build` makes of the card and the tensors.

        Raises
        ------
        CheckpointError
            If a file is missing, damaged, not of the class, of a newer version, or `build` cannot use it.
        """
        card = self._card(folder / CARD_FILE)
        weights = _content(folder / WEIGHTS_FILE)
        if card.get("weights_blake2b") != _digest(weights):
            raise CheckpointError(
                f"{folder / WEIGHTS_FILE} is damaged: it is not the file {CARD_FILE} was written with."
            )
        try:
            return build(card, safetensors.torch.load(weights))
        except (KeyError, TypeError, RuntimeError, InvalidInput, safetensors.SafetensorError) as error:
            raise CheckpointError(
                f"{folder} does not describe a {self._kind} this program can build: {error}"
            ) from error

    @property
    def _kind(self) -> str:
        return self.name.rsplit(".", 1)[-1].lower()

    def _card(self, path: Path) -> dict[str, Any]:
        try:
            card = json.loads(_content(path))
        except (ValueError, RecursionError) as error:
            raise CheckpointError(f"{path} is damaged: it is not JSON.") from error
        if not isinstance(card, dict) or card.get("class") != self.name or not isinstance(card.get("version"), int):
            raise CheckpointError(f"{path} is not a checkpoint of ionscreen's {self._kind}; give the folder of one.")
        if card["version"] > self.version:
            raise CheckpointError(
                f"{path} has version {card['version']}, this program reads up to {self.version}; update ionscreen."
            )
        if card.pop("card_blake2b", None) != _digest(_canonical(card)):
            raise CheckpointError(f"{path} is damaged or was edited: its checksum does not match.")
        return card


def _content(path: Path) -> bytes:
    try:
        if path.stat().st_size > LARGEST_FILE:
            raise CheckpointError(f"{path} is larger than {LARGEST_FILE} bytes; it is not a checkpoint of ionscreen.")
        return path.read_bytes()
    except OSError as error:
        if isinstance(error, CheckpointError):
            raise
        raise CheckpointError(f"{path} cannot be read: {error.strerror}.") from error


def _canonical(card: dict[str, Any]) -> bytes:
    return json.dumps(card, sort_keys=True, separators=(",", ":")).encode()


def _digest(data: bytes) -> str:
    return hashlib.blake2b(data, digest_size=32).hexdigest()
