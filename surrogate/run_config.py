"""A training run as one JSON file: made by ``ionscreen train --export-config``, run on hosts without workflows/."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Mapping

from ..datasets import InvalidInput, Transport
from ..datasets.durable_file import write_durably
from .devices import IpuSettings
from .network import Architecture
from .training import TrainingConfig

__all__ = ["RunConfig", "training_config"]

VERSION = 1
LARGEST_FILE = 1_000_000


@dataclass(frozen=True)
class RunConfig:
    """What is learned from which dataset, and how.

    Parameters
    ----------
    dataset, output
        Folders; relative ones start at the folder of the file.
    transport
        Conductivity of each phase.
    axis
        Of the current.
    split_seed
        Decides which samples train, validate and test.
    training
        Everything else, the device included.
    """

    dataset: Path
    output: Path
    transport: Transport
    axis: int
    split_seed: int
    training: TrainingConfig = field(default_factory=TrainingConfig)

    def save(self, path: Path) -> None:
        """Write the file.

        Raises
        ------
        DatasetError
            An OSError: it cannot be written.
        """
        content = {
            "version": VERSION,
            "dataset": str(self.dataset),
            "output": str(self.output),
            "transport": self.transport.to_dict(),
            "axis": self.axis,
            "split_seed": self.split_seed,
            "training": self.training.to_dict(),
        }
        write_durably(path, (json.dumps(content, indent=2) + "\n").encode())

    @classmethod
    def load(cls, path: Path) -> RunConfig:
        """Return what a file holds; every field is checked, nothing else is opened.

        Raises
        ------
        InvalidInput
            Naming the file and the field.
        """
        content = _read(path)
        try:
            return cls(
                dataset=path.parent / str(content["dataset"]),
                output=path.parent / str(content["output"]),
                transport=Transport.from_dict(content["transport"]),
                axis=_one_of("axis", content["axis"], (0, 1, 2)),
                split_seed=int(content["split_seed"]),
                training=_beside(path, training_config(content["training"])),
            )
        except InvalidInput as error:
            raise InvalidInput(f"{path}: {error}") from error
        except KeyError as error:
            raise InvalidInput(f"{path}: the field {error} is missing; export it again.") from error
        except (TypeError, ValueError, AttributeError) as error:
            raise InvalidInput(f"{path}: a field has the wrong type ({error}); export it again.") from error


def training_config(values: Mapping[str, Any]) -> TrainingConfig:
    """Return the training configuration in a mapping of plain types.

    Raises
    ------
    InvalidInput
        If a field is unknown, or its value is not allowed.
    """
    if not isinstance(values, Mapping):
        raise InvalidInput(f"training must hold 'field: value' pairs, not {values!r}.")
    known = [item.name for item in fields(TrainingConfig)]
    for name in values:
        if name not in known:
            raise InvalidInput(f"there is no field training.{name}; remove it, or choose among {', '.join(known)}.")
    built: dict[str, Any] = dict(values)
    if "architecture" in values:
        try:
            built["architecture"] = Architecture(**values["architecture"])
        except TypeError as error:
            raise InvalidInput(f"training.architecture: {error}.") from error
    if "ipu" in values:
        built["ipu"] = IpuSettings.from_dict(values["ipu"])
    return TrainingConfig(**built)


def _beside(path: Path, training: TrainingConfig) -> TrainingConfig:
    """Return the settings with paths relative to the file they stand in, as its other paths are."""
    named = {name: getattr(training.ipu, name) for name in ("cache", "executable", "profile")}
    found: dict[str, Any] = {name: str(path.parent / value) for name, value in named.items() if value is not None}
    return replace(training, ipu=replace(training.ipu, **found))


def _read(path: Path) -> dict[str, Any]:
    try:
        if path.stat().st_size > LARGEST_FILE:
            raise InvalidInput(f"{path}: over {LARGEST_FILE:,} bytes is no configuration.")
        content = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InvalidInput(
            f"{path}: cannot be read ({error.strerror}); 'ionscreen train --export-config' writes one."
        ) from error
    except (ValueError, RecursionError) as error:
        raise InvalidInput(f"{path}: is not JSON ({error}); 'ionscreen train --export-config' writes it.") from error
    if not isinstance(content, dict) or not isinstance(content.get("version"), int):
        raise InvalidInput(f"{path}: is no configuration of a training; 'ionscreen train --export-config' writes one.")
    if content["version"] > VERSION:
        raise InvalidInput(f"{path}: has version {content['version']}, this program reads {VERSION}; update ionscreen.")
    return content


def _one_of(name: str, value: Any, allowed: tuple[int, ...]) -> int:
    if value not in allowed:
        raise InvalidInput(f"{name} must be one of {', '.join(map(str, allowed))}, not {value!r}.")
    return int(value)
