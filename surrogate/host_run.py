"""Train, evaluate and predict from a :class:`RunConfig`: what an IPU host does, with datasets/ and surrogate/ alone."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Callable, Iterator

import numpy as np
import numpy.typing as npt
import torch

from ..datasets import Dataset, InvalidInput, Microstructure, Sample, Status, split
from ..datasets.durable_file import write_durably
from .checkpoint import load_checkpoint, save_checkpoint
from .data import SMALLEST_AXIS
from .deployment import DeployedSurrogate
from .devices import open_device
from .devices.batching import whole
from .devices.ipu import open_ipu
from .encoding import encode, sent_dtype
from .epochs import Epoch
from .evaluation import evaluate
from .labelled_dataset import read_labelled, usable_ids
from .network import Screener
from .program import Program
from .run_config import RunConfig
from .spanning import spanning
from .surrogate import Surrogate
from .training import train

__all__ = ["HostRun"]

# Structures read and predicted together: bounds the memory.
TOGETHER = 256
PROGRAM_FILE = "screener.popef"
COLUMNS = ("rank", "id", "family", "sigma_S_per_m", "low_S_per_m", "high_S_per_m", "status")

Say = Callable[[str], None]


@dataclass(frozen=True)
class HostRun:
    """One configuration, and where its messages go."""

    config: RunConfig
    say: Say = print

    @property
    def checkpoint(self) -> Path:
        """Folder of the surrogate."""
        return self.config.output / "surrogate"

    def train(self) -> dict[str, Any]:
        """Train, store the surrogate and return its errors on structures it has never seen.

        What cannot run is refused before a voxel is read; an interrupted training goes on after its last epoch.

        Raises
        ------
        InvalidInput
            If there are too few structures, or the device would refuse the configuration.
        DeviceError
            If the device is absent or cannot run it.
        """
        config, training = self.config, self.config.training
        dataset, parts = self._parts()
        training.check(len(parts["train"]))
        self.say(training.batching.describe(len(parts["train"]), training.device == "ipu"))
        open_device(training.device, training.batching, training.precision, training.ipu).close()
        learned, validation = (
            read_labelled(dataset, parts[name], config.transport.name, config.axis).structures
            for name in ("train", "validation")
        )
        surrogate = train(learned, validation, training, config.output / "training", self._epoch)
        save_checkpoint(surrogate, self.checkpoint)
        self.say(f"Stored {self.checkpoint}.")
        # A program compiled ahead was compiled for an earlier checkpoint.
        fresh = replace(config, training=replace(training, ipu=replace(training.ipu, executable=None)))
        return HostRun(fresh, self.say).evaluate()

    def compile(self, shape: tuple[int, int, int] | None = None, path: Path | None = None) -> Path:
        """Compile the prediction of the checkpoint for IPUs, which need not be here, and return the program's file.

        Parameters
        ----------
        shape
            Voxels of the structures to predict; None takes the labelled ones'.
        path
            Of the program; None puts it beside the checkpoint.

        Raises
        ------
        InvalidInput
            If the configuration cannot be laid out on IPUs.
        DeviceError
            If PopTorch is absent or cannot compile it.
        """
        config, training = self.config, self.config.training
        for n in shape or ():
            whole("--shape", n, SMALLEST_AXIS, 4096)
        surrogate = load_checkpoint(self.checkpoint)
        path = path or config.output / PROGRAM_FILE
        program = Program.wanted(surrogate, config, shape or Dataset(config.dataset).shape())
        device = open_ipu(training.batching, training.precision, training.ipu, offline=True)
        self.say(f"Compiling {program.call['structures']} structures of {program.shape} voxels a call; takes minutes.")
        path.parent.mkdir(parents=True, exist_ok=True)
        unfinished = path.with_name(f".{path.name}.unfinished")
        try:
            device.compile(Screener(surrogate.network))
            device.export((torch.ones((1, *program.shape)).to(getattr(torch, program.dtype)),), str(unfinished))
            unfinished.replace(path)
        finally:
            device.close()
            if unfinished.exists():
                unfinished.unlink()
        program.save(path, device.sdk_version)
        self.say(f"Wrote {path}, and {path.name}.json that says what it was compiled for; they belong together.")
        return path

    def evaluate(self) -> dict[str, Any]:
        """Return the errors on the test structures, by family and of all, and write them beside the checkpoint."""
        dataset, parts = self._parts()
        surrogate = load_checkpoint(self.checkpoint)
        test = read_labelled(dataset, parts["test"], self.config.transport.name, self.config.axis)
        with self._deployed(surrogate) as deployed:
            prediction = deployed.predict(test.structures.x_nxyz)
        scores = {name: s.to_dict() for name, s in evaluate(test.structures.y_n, prediction, test.families).items()}
        write_durably(self.config.output / "evaluation.json", json.dumps(scores, indent=1).encode())
        for name, s in scores.items():
            self.say(f"{name}: {s['count']} structures, mean error {s['mape']:.2%}, 95 % below {s['p95']:.2%}")
        return scores

    def predict(self, candidates: Path) -> Path:
        """Predict every sample of a dataset and return the file of the ranking, best first.

        Samples need no label. What does not percolate has exactly 0, what has no voxels stands last without a value.
        """
        surrogate = load_checkpoint(self.checkpoint)
        rows: list[tuple[float, list[str]]] = []
        with self._deployed(surrogate) as deployed:
            for samples in _grouped(Dataset(candidates).stream()):
                rows += self._rows(deployed, samples)
        path = self.config.output / "ranking.csv"
        write_durably(path, _table(rows))
        self.say(f"Wrote {path}: {len(rows)} structures, best first.")
        return path

    def _rows(self, deployed: DeployedSurrogate, samples: list[Sample]) -> list[tuple[float, list[str]]]:
        fields: dict[str, npt.NDArray[Any]] = {}
        for sample in samples:
            if sample.microstructure is not None:
                connected = self._connected(sample, sample.microstructure)
                if connected.any():
                    fields[sample.id] = encode(
                        sample.microstructure, self.config.transport, connected, self.config.axis
                    )
        predicted = deployed.predict(np.stack(list(fields.values()))) if fields else ()
        values = {name: [float(part[i]) for part in predicted] for i, name in enumerate(fields)}
        return [self._row(sample, values.get(sample.id)) for sample in samples]

    def _row(self, sample: Sample, relative: list[float] | None) -> tuple[float, list[str]]:
        named = [sample.id, sample.recipe.family]
        if sample.microstructure is None:
            return -np.inf, [*named, "", "", "", "invalid_structure"]
        sigma = [m * self.config.transport.sigma_max for m in relative or (0.0, 0.0, 0.0)]
        status = "non_percolating" if relative is None else "ok"
        return sigma[0], [*named, *(f"{value:.6g}" for value in sigma), status]

    def _connected(self, sample: Sample, structure: Microstructure) -> npt.NDArray[np.bool_]:
        """Return what percolates: as the label says, or decided here."""
        label = sample.labels.get(self.config.transport.name)
        if label is not None and label.connected is not None and label.status[self.config.axis] != Status.NOT_REQUESTED:
            return (label.connected >> self.config.axis & 1).astype(bool)
        conducts = self.config.transport.table(structure.phase_names) > 0
        return spanning(conducts[structure.phases], self.config.axis)

    def _deployed(self, surrogate: Surrogate) -> DeployedSurrogate:
        training, dtype = self.config.training, sent_dtype(self.config.transport)
        if training.device != "ipu" or training.ipu.executable is None:
            device = open_device(training.device, training.batching, training.precision, training.ipu)
            return DeployedSurrogate(surrogate, device, dtype)
        ipu = open_ipu(training.batching, training.precision, training.ipu)
        path = Path(training.ipu.executable)
        shape = Program.wanted(surrogate, self.config).check(path, ipu.sdk_version)
        return DeployedSurrogate(surrogate, ipu, dtype, shape)

    def _parts(self) -> tuple[Dataset, dict[str, list[str]]]:
        dataset = Dataset(self.config.dataset)
        ids = usable_ids(dataset, self.config.transport.name, self.config.axis)
        parts = split(ids, seed=self.config.split_seed)
        for name, members in parts.items():
            if not members:
                raise InvalidInput(
                    f"{self.config.dataset}: of {len(ids)} usable samples none falls into {name}; add some."
                )
        return dataset, parts

    def _epoch(self, epoch: Epoch) -> None:
        self.say(
            f"epoch {epoch.epoch} of {epoch.epochs}: loss {epoch.loss:.4f}, validation error "
            f"{epoch.validation_error:.2%}, best {epoch.best_error:.2%}"
        )


def _grouped(samples: Iterator[Sample]) -> Iterator[list[Sample]]:
    group: list[Sample] = []
    for sample in samples:
        group.append(sample)
        if len(group) == TOGETHER:
            yield group
            group = []
    if group:
        yield group


def _table(rows: list[tuple[float, list[str]]]) -> bytes:
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(COLUMNS)
    for place, (_, row) in enumerate(sorted(rows, key=lambda pair: (-pair[0], pair[1])), 1):
        table.writerow([place, *row])
    return text.getvalue().encode()
