"""A program of prediction compiled ahead of its use, and the card beside it that says what it holds good for.

PopTorch loads an executable without asking what it was compiled from. The card, ``FILE.json``, is what is compared.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ..datasets import InvalidInput
from ..datasets.durable_file import write_durably
from .devices import IpuSettings
from .encoding import field_shape, sent_dtype
from .run_config import RunConfig
from .surrogate import Surrogate

__all__ = ["Program"]

VERSION = 1
RECIPE = "compile it with 'python -m ionscreen.surrogate compile'"
# The settings of an IPU that prediction is compiled with.
COMPILED_IN = ("stages", "execution", "replicas", "available_memory_proportion", "partials")


@dataclass(frozen=True)
class Program:
    """What a program was compiled for, or is wanted for.

    Parameters
    ----------
    checkpoint
        BLAKE2b of the network's weights and scalers.
    precision
        fp32 or fp16.
    shape
        Voxels of a structure as they are sent, the axis of the current first; none where any is wanted.
    dtype
        Of the voxels as they are sent.
    call
        Structures in one call: micro-batch, replicas, device iterations.
    ipu
        The settings of the layout.
    """

    checkpoint: str
    precision: str
    shape: tuple[int, ...]
    dtype: str
    call: dict[str, int]
    ipu: dict[str, Any]

    @classmethod
    def wanted(cls, surrogate: Surrogate, config: RunConfig, shape: tuple[int, int, int] | None = None) -> Program:
        """Return what predicts structures of a shape with this checkpoint and configuration."""
        settings = config.training.ipu
        return cls(
            _digest(surrogate),
            config.training.precision,
            () if shape is None else field_shape(shape, config.axis),
            str(sent_dtype(config.transport)),
            _call(settings),
            {name: value for name, value in settings.to_dict().items() if name in COMPILED_IN},
        )

    def save(self, path: Path, poptorch: str) -> None:
        """Write the card of a program that PopTorch of this version has compiled into `path`.

        Raises
        ------
        DatasetError
            An OSError: it cannot be written.
        """
        card = {"version": VERSION, "poptorch": poptorch, "file_blake2b": _file_digest(path), **asdict(self)}
        write_durably(_card(path), (json.dumps(card, indent=1) + "\n").encode())

    def check(self, path: Path, poptorch: str) -> tuple[int, int, int]:
        """Return the shape that the program in `path` takes; all else must be as wanted, and by the same PopTorch.

        Raises
        ------
        InvalidInput
            Naming what differs, and what to do.
        """
        card = _read(path)
        if card["poptorch"] != poptorch:
            raise InvalidInput(
                f"{path}: was compiled by PopTorch {card['poptorch']}, which {poptorch} does not load; {RECIPE} of "
                "the same SDK."
            )
        for name, wanted in json.loads(json.dumps(asdict(self))).items():
            if name != "shape" and card.get(name) != wanted:
                raise InvalidInput(f"{path}: {self._sentence(name, card.get(name), wanted)}; {RECIPE} again.")
        if card["file_blake2b"] != _file_digest(path):
            raise InvalidInput(f"{path}: is not the file that {_card(path).name} was written for; copy both again.")
        nx, ny, nz = card["shape"]
        return nx, ny, nz

    @staticmethod
    def _sentence(name: str, compiled: Any, wanted: Any) -> str:
        if name == "checkpoint":
            return "was compiled for another checkpoint"
        return f"was compiled for {name} {json.dumps(compiled)}, but here it is {json.dumps(wanted)}"


def _call(settings: IpuSettings) -> dict[str, int]:
    batching = settings.inference_batching
    return {
        "micro_batch": batching.micro_batch,
        "replicas": batching.replicas,
        "device_iterations": batching.iterations,
        "structures": batching.samples_per_call,
    }


def _digest(surrogate: Surrogate) -> str:
    hasher = hashlib.blake2b(json.dumps(surrogate.network.architecture.to_dict()).encode(), digest_size=16)
    for name, tensor in surrogate.network.state_dict().items():
        hasher.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        hasher.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    return hasher.hexdigest()


def _card(path: Path) -> Path:
    return path.with_name(path.name + ".json")


def _read(path: Path) -> dict[str, Any]:
    try:
        card = json.loads(_card(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise InvalidInput(
            f"{path}: the card beside it, {_card(path).name}, cannot be read ({error.strerror}); copy it too, or "
            f"{RECIPE}."
        ) from error
    except ValueError as error:
        raise InvalidInput(f"{_card(path)}: is damaged ({error}); copy it again, or {RECIPE}.") from error
    if not isinstance(card, dict) or not {"version", "poptorch", "file_blake2b", "shape"} <= set(card):
        raise InvalidInput(f"{_card(path)}: is no card of a compiled program; {RECIPE}.")
    if card["version"] != VERSION:
        raise InvalidInput(f"{_card(path)}: has version {card['version']}, this program reads {VERSION}; {RECIPE}.")
    return card


def _file_digest(path: Path) -> str:
    hasher = hashlib.blake2b(digest_size=32)
    try:
        with path.open("rb") as file:
            for block in iter(lambda: file.read(1 << 20), b""):
                hasher.update(block)
    except OSError as error:
        raise InvalidInput(f"{path}: cannot be read ({error.strerror}); {RECIPE}.") from error
    return hasher.hexdigest()
