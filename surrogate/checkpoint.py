"""The checkpoint: a folder with ``model.safetensors`` (weights, scalers) and ``model.json`` (everything else).

The JSON names the class and an integer version, the constructor's arguments, calibration, split digest, metrics and
training configuration, the BLAKE2b of the weights file and, last, of the rest of itself. Nothing is ever unpickled.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
from torch import nn

from ..datasets import CheckpointError, InvalidInput
from ..datasets.durable_file import write_durably
from .network import Architecture, Network
from .surrogate import Calibration, Surrogate

__all__ = ["CLASS", "VERSION", "load_checkpoint", "read_checkpoint", "save_checkpoint", "write_checkpoint"]

CLASS = "ionscreen.surrogate.Network"
VERSION = 1
WEIGHTS_FILE = "model.safetensors"
CARD_FILE = "model.json"
# Far above any network of this project: a file that claims more is refused before it is read.
LARGEST_FILE = 1 << 30


def save_checkpoint(surrogate: Surrogate, folder: str | Path) -> None:
    """Write the surrogate; an interrupted write is noticed when loading.

    Raises
    ------
    DatasetError
        An OSError: the disk is full or the folder cannot be written.
    """
    card: dict[str, Any] = {
        "class": CLASS,
        "version": VERSION,
        "architecture": surrogate.network.architecture.to_dict(),
        "calibration": asdict(surrogate.calibration),
        "split_digest": surrogate.split_digest,
        "metrics": dict(surrogate.metrics),
        "training": dict(surrogate.training),
    }
    write_checkpoint(Path(folder), surrogate.network, card)


def load_checkpoint(folder: str | Path) -> Surrogate:
    """Return the surrogate that :func:`save_checkpoint` wrote.

    Raises
    ------
    CheckpointError
        If a file is missing, damaged, not ours, or of a newer version.
    """
    folder = Path(folder)
    card, weights = read_checkpoint(folder, CLASS, VERSION)
    try:
        network = Network(Architecture(**card["architecture"]))
        network.load_state_dict(safetensors.torch.load(weights))
        calibration = Calibration(**card["calibration"])
    except (KeyError, TypeError, RuntimeError, InvalidInput, safetensors.SafetensorError) as error:
        raise CheckpointError(f"{folder} does not describe a network this program can build: {error}") from error
    network.eval()
    return Surrogate(network, calibration, card["split_digest"], card["training"], card["metrics"])


def write_checkpoint(folder: Path, module: nn.Module, card: dict[str, Any]) -> None:
    """Write the module's weights and the card, each with its checksum.

    Raises
    ------
    DatasetError
        An OSError: the disk is full or the folder cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    state = {name: tensor.detach().cpu().contiguous() for name, tensor in module.state_dict().items()}
    weights = safetensors.torch.save(state)
    card = {**card, "weights_blake2b": _digest(weights)}
    card["card_blake2b"] = _digest(_canonical(card))
    write_durably(folder / WEIGHTS_FILE, weights)
    write_durably(folder / CARD_FILE, json.dumps(card, indent=2, allow_nan=False).encode())


def read_checkpoint(folder: Path, expected: str, version: int) -> tuple[dict[str, Any], bytes]:
    """Return the card and the bytes of the weights file of a checkpoint of one class.

    Raises
    ------
    CheckpointError
        If a file is missing, damaged, not of the class, or of a newer version.
    """
    card = _read_card(folder / CARD_FILE, expected, version)
    weights = _read(folder / WEIGHTS_FILE)
    if card.get("weights_blake2b") != _digest(weights):
        raise CheckpointError(f"{folder / WEIGHTS_FILE} is damaged: it is not the file {CARD_FILE} was written with.")
    return card, weights


def _read_card(path: Path, expected: str, version: int) -> dict[str, Any]:
    try:
        card = json.loads(_read(path))
    except (ValueError, RecursionError) as error:
        raise CheckpointError(f"{path} is damaged: it is not JSON.") from error
    if not isinstance(card, dict) or card.get("class") != expected or not isinstance(card.get("version"), int):
        kind = expected.rsplit(".", 1)[-1].lower()
        raise CheckpointError(f"{path} is not a checkpoint of ionscreen's {kind}; give the folder of one.")
    if card["version"] > version:
        raise CheckpointError(
            f"{path} has version {card['version']}, this program reads up to {version}; update ionscreen."
        )
    if card.pop("card_blake2b", None) != _digest(_canonical(card)):
        raise CheckpointError(f"{path} is damaged or was edited: its checksum does not match.")
    return card


def _read(path: Path) -> bytes:
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
