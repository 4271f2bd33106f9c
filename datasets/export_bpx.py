"""Export to BPX, the Battery Parameter eXchange of PyBaMM and others: what a microstructure says about a cell."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from .dataset import Dataset
from .durable_file import new_file
from .errors import InvalidInput
from .label import Label, Status
from .microstructure import Microstructure
from .sample import Sample

__all__ = ["export_bpx"]

BPX_VERSION = "1.0.0"
ACTIVE_MATERIAL = "active_material"
ELECTRONIC = "electronic"
_KNOWN = (Status.OK, Status.NON_PERCOLATING)


def export_bpx(dataset: Dataset, folder: str | os.PathLike[str], transport: str = "ionic", axis: int = 0) -> int:
    """Write ``<id>.json`` for each solved sample, a BPX fragment to copy into a cell's parameters; return how many.

    A sample with the phase ``active_material`` is a positive electrode, any other one a separator. ``Porosity`` is the
    volume fraction of what conducts ions, ``Transport efficiency`` is M = σ_eff/σ_bulk (the inverse MacMullin number),
    ``Thickness`` the length of the box along the axis; an electrode that is also labelled for ``electronic`` transport
    has its ``Conductivity``. A fragment lacks what no microstructure tells: kinetics, open-circuit voltage, capacity.

    Parameters
    ----------
    dataset
        Samples to write; those not solved along the axis are left out.
    folder
        Made if it does not exist.
    transport, axis
        The label of ionic conduction and its direction.

    Raises
    ------
    InvalidInput
        If no sample is solved for this transport along this axis.
    DatasetError
        If a shard is damaged, the disk is full or the folder cannot be written.
    """
    count = 0
    for sample in dataset.stream():
        label = sample.labels.get(transport)
        if sample.microstructure is None or label is None or int(label.status[axis]) not in _KNOWN:
            continue
        count += 1
        with new_file(Path(folder) / f"{sample.id}.json") as file:
            fragment = _fragment(sample, sample.microstructure, label, axis)
            file.write((json.dumps(fragment, indent=1, ensure_ascii=False, allow_nan=False) + "\n").encode())
    if not count:
        raise InvalidInput(f"{dataset.folder}: no sample is solved for {transport!r} along axis {axis}.")
    return count


def _fragment(sample: Sample, structure: Microstructure, label: Label, axis: int) -> dict[str, Any]:
    section = {
        "Thickness [m]": structure.shape[axis] * structure.voxel_size[axis],
        "Porosity": sum(f for phase, f in structure.fractions().items() if label.transport.conductivity[phase] > 0),
        "Transport efficiency": float(label.relative[axis]),
    }
    is_electrode = ACTIVE_MATERIAL in structure.phase_names
    electronic = sample.labels.get(ELECTRONIC)
    if is_electrode and electronic is not None and int(electronic.status[axis]) in _KNOWN:
        section["Conductivity [S.m-1]"] = float(electronic.sigma[axis])
    return {
        "Header": {
            "BPX": BPX_VERSION,
            "Title": f"Microstructure {sample.id}",
            "Description": f"Fragment of one section. Family {sample.recipe.family}, transport {label.transport.name}, "
            f"axis {axis}, relative error of the transport efficiency {float(label.error_estimate[axis]):.1e}.",
            "Model": "Partial",
        },
        "Parameterisation": {"Positive electrode" if is_electrode else "Separator": section},
    }
