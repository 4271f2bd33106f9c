"""Parity of devices, on a dataset's structures."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ..datasets import Dataset, InvalidInput

if TYPE_CHECKING:
    from rich.table import Table

    from ..surrogate.accelerator.parity import DeviceParity

__all__ = ["measure_parity", "parity_table"]


def measure_parity(
    checkpoint: Path, dataset: Path, devices: Sequence[str], transport: str, axis: int, structures: int
) -> list[DeviceParity]:
    """Return each device in each precision against the CPU; three quarters of the structures train, the rest validate.

    Raises
    ------
    InvalidInput
        If there is no device of a name, or there are too few structures.
    """
    from ..surrogate import TrainingConfig, load_checkpoint
    from ..surrogate.accelerator.parity import compare_devices
    from ..surrogate.devices import DEVICES
    from ..surrogate.labelled_dataset import read_labelled, usable_ids

    for device in devices:
        if device not in DEVICES:
            raise InvalidInput(f"There is no device {device!r}; --devices takes {', '.join(DEVICES)}.")
    surrogate = load_checkpoint(checkpoint)
    stored = Dataset(dataset)
    ids = usable_ids(stored, transport, axis)[:structures]
    if len(ids) < 16:
        raise InvalidInput(f"{dataset}: {len(ids)} usable structures are too few to compare devices; 16 are enough.")
    cut = len(ids) * 3 // 4
    learned, validation = (read_labelled(stored, part, transport, axis).structures for part in (ids[:cut], ids[cut:]))
    config = TrainingConfig(batch_size=min(12, cut), architecture=surrogate.network.architecture)
    return compare_devices(surrogate, validation.x_nxyz, devices, config, (learned, validation))


def parity_table(results: Sequence[DeviceParity]) -> Table:
    """Return the table of a person."""
    from rich.table import Table

    table = Table(title="Devices against the CPU in float32", title_justify="left")
    for name in ("device", "precision", "largest |Δ ln M|", "mean", "loss of one epoch", "on the CPU", "agrees"):
        table.add_column(name)
    for r in results:
        if r.absent:
            table.add_row(r.device, r.precision, "absent", "", "", "", "")
            continue
        losses = [", ".join(f"{loss:.6f}" for loss in part) for part in (r.losses, r.reference_losses)]
        table.add_row(r.device, r.precision, f"{r.largest:.2e}", f"{r.mean:.2e}", *losses, "yes" if r.agrees else "no")
    return table
