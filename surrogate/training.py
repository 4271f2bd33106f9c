"""Training: from labelled structures to a calibrated surrogate, reproducible and resumable.

Shape suffixes: n structures; b batch; x, y, z cells of the field grid; c channels; k features.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Callable

import torch
from torch import Tensor

from ..datasets import InvalidInput
from .data import LabelledStructures
from .description import Description
from .devices import Batching, Device, IpuSettings, OptimizerSettings, check_device, open_device
from .epochs import LARGEST_GRADIENT, Epoch, EpochResult, EpochSettings, run_epochs
from .network import Architecture, Learner, Network
from .progress import Progress, training_digest
from .surrogate import Surrogate, batches, calibrate
from .training_feed import TrainingFeed

__all__ = ["TrainingConfig", "train"]

# Structures described together: bounds the memory of the coarse solves.
DESCRIBED_TOGETHER = 16


@dataclass(frozen=True)
class TrainingConfig(EpochSettings):
    """Settings of a network's training, beyond those of :class:`.epochs.EpochSettings`.

    Parameters
    ----------
    architecture
        The network.
    device
        ``"cpu"``, ``"cuda"`` or ``"ipu"``.
    precision
        ``"fp32"`` everywhere; ``"bf16"`` on a GPU, ``"fp16"`` on an IPU.
    gradient_accumulation
        Micro-batches, one after another, that a batch is split into on each replica.
    ipu
        Layout on IPUs; without influence on the others.

    Raises
    ------
    InvalidInput
        If a number is out of range.
    """

    architecture: Architecture = field(default_factory=Architecture)
    device: str = "cpu"
    precision: str = "fp32"
    gradient_accumulation: int = 1
    ipu: IpuSettings = field(default_factory=IpuSettings)

    def __post_init__(self) -> None:
        super().__post_init__()
        check_device(self.device, self.precision)
        self.batching  # noqa: B018 - refuses what does not fit together

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON types."""
        return {**asdict(self), "architecture": self.architecture.to_dict(), "ipu": self.ipu.to_dict()}

    @property
    def batching(self) -> Batching:
        """The loop nest of one call of the device."""
        if self.device == "ipu":
            return self.ipu.training_batching(self.batch_size, self.gradient_accumulation)
        return Batching(self.batch_size, self.gradient_accumulation)

    def check(self, structures: int, network: Network | None = None) -> None:
        """Refuse, before anything is loaded, what the device would: too few structures, layers that do not fit.

        Raises
        ------
        InvalidInput
            With what to change.
        """
        if self.device == "ipu":
            self.batching.calls(structures)
            self.ipu.check_module(Learner(network or _initial_network(self)))


def train(
    training: LabelledStructures,
    validation: LabelledStructures,
    config: TrainingConfig | None = None,
    folder: str | Path | None = None,
    callback: Callable[[Epoch], None] | None = None,
) -> Surrogate:
    """Return the surrogate with the weights that were best on `validation`, calibrated there too.

    Equal arguments, torch version and thread count give equal weights. With `folder`, the state after each epoch is
    kept there; another call with equal arguments goes on from it, with different ones it starts anew.

    Raises
    ------
    InvalidInput
        If a set is empty or a structure is in both.
    CheckpointError
        If the state in `folder` is damaged.
    """
    config = config or TrainingConfig()
    _check_split(training, validation)
    network = _initial_network(config)
    config.check(len(training), network)
    device = open_device(config.device, config.batching, config.precision, config.ipu)
    described, described_validation = (_describe(network, data) for data in (training, validation))
    y_n, y_validation_n = (torch.from_numpy(data.y_n).float() for data in (training, validation))
    _set_scalers(network, described, y_n)
    split_digest = training_digest([training.digest(), validation.digest()])
    progress = Progress.resume(folder, training_digest([split_digest, config.to_dict()]), network)
    feed = TrainingFeed(
        described, y_n, config.seed, config.epochs, config.batching.samples_per_call, device.full_calls_only
    )
    try:
        device.compile(Learner(network), OptimizerSettings(config.weight_decay, LARGEST_GRADIENT), progress.optimizer)

        def run(epoch: int) -> EpochResult:
            loss = _run_epoch(device, feed, config, epoch)
            return EpochResult(
                loss, _mean_error(device, described_validation, y_validation_n), device.optimizer_state()
            )

        history = run_epochs(progress, config, network, run, callback)
    finally:
        device.close()
    network.load_state_dict(progress.best)
    network.eval()
    m_n = _predicted(network, described_validation).double().numpy()
    metrics = {
        "validation_mape": progress.best_error,
        **history,
        "training_structures": len(training),
        "validation_structures": len(validation),
    }
    return Surrogate(network, calibrate(m_n, validation.y_n), split_digest, config.to_dict(), metrics)


def _check_split(training: LabelledStructures, validation: LabelledStructures) -> None:
    if not len(training) or not len(validation):
        raise InvalidInput("Training needs at least one structure to learn from and one to validate on.")
    both = set(training.ids) & set(validation.ids)
    if both:
        raise InvalidInput(f"Structure {min(both)} is in the training set and in the validation set.")


def _initial_network(config: TrainingConfig) -> Network:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.seed)
        return Network(config.architecture)


def _describe(network: Network, data: LabelledStructures) -> Description:
    """Return the description of all structures, fields in half precision."""
    parts: list[Description] = []
    with torch.no_grad():
        for x_bxyz in batches(data.x_nxyz, DESCRIBED_TOGETHER):
            described = network.describe(x_bxyz)
            parts.append(described._replace(field_bcxyz=described.field_bcxyz.half()))
    return Description(*[torch.cat(tensors) for tensors in zip(*parts)])


def _set_scalers(network: Network, described: Description, y_n: Tensor) -> None:
    with torch.no_grad():
        target_n = network.target(described, y_n)
        network.target_mean.copy_(target_n.mean())
        network.target_deviation.copy_(target_n.std(unbiased=False) + 1e-3)
        network.feature_mean_k.copy_(described.feature_bk.mean(0))
        network.feature_deviation_k.copy_(described.feature_bk.std(0, unbiased=False) + 1e-3)


def _run_epoch(device: Device, feed: TrainingFeed, config: TrainingConfig, epoch: int) -> float:
    """Return the mean loss of one pass; order and symmetries depend on seed and epoch alone."""
    loss, structures = 0.0, 0
    for call, inputs in enumerate(device.batches(feed, epoch)):
        done = (epoch + call / feed.calls) / config.epochs
        loss += device.step(inputs, config.rate(done)) * len(inputs[0])
        structures += len(inputs[0])
    return loss / structures


def _predicted(network: Network, described: Description) -> Tensor:
    with torch.no_grad():
        parts = torch.split(torch.arange(len(described.base_b)), DESCRIBED_TOGETHER)
        return torch.cat([network.predict(Description(*[t[index_b] for t in described])) for index_b in parts])


def _mean_error(device: Device, described: Description, y_n: Tensor) -> float:
    (m_n,) = device.predict(described)
    return float((m_n / y_n - 1).abs().mean())
