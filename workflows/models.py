"""MODEL on the command line: a checkpoint, a campaign, or a function of the user's that returns a module."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..datasets import InvalidInput

if TYPE_CHECKING:
    from ..surrogate.accelerator.subjects import Subject

__all__ = ["load_subjects"]


def load_subjects(model: str, shape: Sequence[int]) -> list[Subject]:
    """Return what is compiled for a device, with example inputs: a module to train, and one to predict if it differs.

    Parameters
    ----------
    model
        Folder of a checkpoint; a campaign's YAML file, for the network it would train; or ``FILE.py:NAME`` of a
        function that returns ``(module, inputs)`` or ``(module, inputs, target)`` with two structures.
    shape
        Of the structures, voxels; the function of a user's has its own.

    Raises
    ------
    InvalidInput
        If it is none of these.
    """
    file, _, name = model.rpartition(":")
    if file.endswith(".py"):
        return [_from_function(Path(file), name)]
    from ..surrogate.accelerator.subjects import prediction_subject, training_subject

    network = _network(Path(model))
    return [training_subject(network, shape), prediction_subject(network, shape)]


def _network(path: Path) -> Any:
    from ..surrogate import Architecture, Network, load_checkpoint

    if path.is_dir():
        return load_checkpoint(path).network
    if path.suffix in (".yaml", ".yml"):
        from .config import load_config

        load_config(path)
        return Network(Architecture())
    raise InvalidInput(
        f"{path} is no model; give the folder of a checkpoint (RUN/surrogate), a campaign.yaml, or FILE.py:FUNCTION."
    )


def _from_function(file: Path, name: str) -> Subject:
    from ..surrogate.accelerator.subjects import Subject

    spec = importlib.util.spec_from_file_location(file.stem, file)
    if spec is None or spec.loader is None or not file.is_file():
        raise InvalidInput(f"{file} cannot be read; give FILE.py:FUNCTION.")
    code = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(code)
    function = getattr(code, name, None)
    if not callable(function):
        raise InvalidInput(f"{file} has no function {name!r}; give FILE.py:FUNCTION.")
    made = function()
    if not isinstance(made, tuple) or len(made) not in (2, 3):
        raise InvalidInput(f"{file}:{name} must return (module, inputs) or (module, inputs, target).")
    module, inputs, target = (*made, None)[:3]
    return Subject("training" if target is not None else "prediction", module, tuple(inputs), target)
