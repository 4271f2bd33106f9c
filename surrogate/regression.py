"""Training of the regressor: features of labelled structures -> a calibrated surrogate, reproducible and resumable.

Shape suffixes: n rows; e members; b batch; k features.
"""

from __future__ import annotations

import math
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Callable, Sequence

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional
from torch.nn.utils import clip_grad_norm_

from ..datasets import InvalidInput
from .cascade_surrogate import CascadeSurrogate, calibrate_intervals
from .devices.state import flatten, unflatten
from .feature_table import FeatureTable
from .progress import Progress, training_digest
from .regressor import SMALLEST_SPREAD, Regressor, RegressorArchitecture
from .training import Epoch

__all__ = ["RegressionConfig", "fewest_structures", "learning_curve", "train_regressor"]

WARM_UP = 0.3
LARGEST_GRADIENT = 1.0
# Where, in standardised ln(M/estimate), the loss turns from square to absolute: most of the truth lies far closer.
LOSS_BETA = 0.02
# Of the principal components of the distance: less variance than this is noise.
LEAST_VARIANCE = 1e-3


@dataclass(frozen=True)
class RegressionConfig:
    """Settings of a training.

    Parameters
    ----------
    epochs
        At most so many passes; the learning rate rises and falls once over them.
    batch_size
        Rows per step and member.
    learning_rate
        Its peak.
    weight_decay
        Of AdamW.
    seed
        Of the initial weights, the split and the order.
    patience
        Stop after so many epochs without a better error on the structures that the members left out.
    calibration_share
        Of the structures: never trained on, kept for the intervals.
    architecture
        The network.

    Raises
    ------
    InvalidInput
        If a number is out of range.
    """

    epochs: int = 150
    batch_size: int = 128
    learning_rate: float = 4e-3
    weight_decay: float = 1e-3
    seed: int = 20261
    patience: int = 150
    calibration_share: float = 0.15
    architecture: RegressorArchitecture = field(default_factory=RegressorArchitecture)

    def __post_init__(self) -> None:
        for name in ("epochs", "batch_size", "patience"):
            value = getattr(self, name)
            if not isinstance(value, int) or isinstance(value, bool) or value < 1:
                raise InvalidInput(f"{name} must be a whole number, 1 or more, not {value!r}.")
        if not isinstance(self.seed, int) or not 0 <= self.seed < 2**63:
            raise InvalidInput(f"seed must be a whole number from 0 to 2^63 - 1, not {self.seed!r}.")
        for name in ("learning_rate", "weight_decay", "calibration_share"):
            if not 0 <= getattr(self, name) < 1:
                raise InvalidInput(f"{name} must lie in [0, 1), not {getattr(self, name)!r}.")

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON types."""
        return {**asdict(self), "architecture": self.architecture.to_dict()}


@dataclass(frozen=True, eq=False)
class _Rows:
    """Training rows as tensors: standardised features, ln(M/estimate), and the member that leaves each out."""

    feature_nk: Tensor
    target_n: Tensor
    left_out_by_n: Tensor


def train_regressor(
    table: FeatureTable,
    config: RegressionConfig | None = None,
    folder: str | Path | None = None,
    callback: Callable[[Epoch], None] | None = None,
) -> CascadeSurrogate:
    """Return a calibrated surrogate.

    The structures, not their rows, are split: a share calibrates the intervals; of the rest each member leaves out one
    part, which decides when the best weights were reached and how large the error is expected to be. Equal arguments,
    torch version and thread count give equal weights. With `folder`, an interrupted training goes on after its last
    epoch.

    Raises
    ------
    InvalidInput
        If there are too few structures.
    CheckpointError
        If the state in `folder` is damaged.
    """
    config = config or RegressionConfig()
    training, calibration, parts = _split(table, config)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.seed)
        regressor = Regressor(config.architecture)
    _set_scalers(regressor, training, config)
    rows = _rows(regressor, training, parts)
    progress = _fit_members(
        regressor, rows, config, folder, training_digest([table.digest(), config.to_dict()]), callback
    )
    _fit_scale(regressor, training, rows, config)
    regressor.eval()
    metrics = {
        "left_out_mape": progress.best_error,
        "best_epoch": progress.best_epoch,
        "epochs": progress.epoch,
        "seconds": progress.seconds,
        "losses": progress.losses,
        "validation_errors": progress.errors,
        "training_structures": len(np.unique(training.structure_n)),
        "training_labels": len(training),
        "calibration_structures": len(np.unique(calibration.structure_n)),
        "calibration_labels": len(calibration),
        "smallest_contrast": float(table.contrast_n.min()),
        "families": sorted({str(f) for f in table.family_n}),
        "edges": sorted({int(e) for e in table.edge_n}),
    }
    intervals = calibrate_intervals(regressor, calibration)
    return CascadeSurrogate(regressor, intervals, table.digest(), config.to_dict(), metrics)


def learning_curve(
    table: FeatureTable, config: RegressionConfig, counts: Sequence[int]
) -> list[tuple[int, CascadeSurrogate]]:
    """Return a surrogate trained on each number of structures, the smaller sets within the larger ones."""
    order = np.random.default_rng([config.seed, 1]).permutation(np.unique(table.structure_n))
    return [
        (count, train_regressor(table.where(np.isin(table.structure_n, order[:count])), config)) for count in counts
    ]


def fewest_structures(config: RegressionConfig) -> int:
    """Return how many structures a training needs: five in the part that each member leaves out."""
    return math.ceil(5 * config.architecture.members / (1 - config.calibration_share))


def _split(table: FeatureTable, config: RegressionConfig) -> tuple[FeatureTable, FeatureTable, npt.NDArray[np.int64]]:
    """Return the rows to train on, those to calibrate on, and which member leaves out each of the former."""
    structures = np.unique(table.structure_n)
    members = config.architecture.members
    count = round(config.calibration_share * structures.size)
    if structures.size - count < 5 * members:
        raise InvalidInput(
            f"{structures.size} labelled structures that percolate are too few: {members} members need "
            f"{5 * members} to train on; label more."
        )
    order = np.random.default_rng([config.seed, 0]).permutation(structures)
    training = table.where(np.isin(table.structure_n, order[count:]))
    member_of = {structure: place % members for place, structure in enumerate(order[count:])}
    parts = np.array([member_of[structure] for structure in training.structure_n])
    return training, table.where(np.isin(table.structure_n, order[:count])), parts


def _set_scalers(regressor: Regressor, training: FeatureTable, config: RegressionConfig) -> None:
    """Set the buffers from the training rows."""
    feature_nk = torch.from_numpy(training.feature_nk)
    target_n = _targets(regressor, training)
    with torch.no_grad():
        regressor.feature_mean_k.copy_(feature_nk.mean(0))
        regressor.feature_deviation_k.copy_(feature_nk.std(0, unbiased=False) + 1e-3)
        regressor.target_mean.copy_(target_n.mean())
        regressor.target_deviation.copy_(target_n.std(unbiased=False) + 1e-4)
        x_nk = regressor.standardised(feature_nk).double()
        variance_k, vector_kk = torch.linalg.eigh(x_nk.t() @ x_nk / len(x_nk))
        chosen = torch.argsort(variance_k, descending=True)[: config.architecture.components]
        scaled_kp = vector_kk[:, chosen] / torch.sqrt(variance_k[chosen] + LEAST_VARIANCE)
        # The sign of an eigenvector is arbitrary.
        regressor.principal_kp.copy_(scaled_kp * torch.sign(scaled_kp.sum(0)))
        random = np.random.default_rng([config.seed, 2])
        count = config.architecture.references
        places = random.choice(len(feature_nk), count, replace=count > len(feature_nk))
        regressor.reference_rp.copy_(regressor.projected(feature_nk[torch.from_numpy(places)]))


def _targets(regressor: Regressor, table: FeatureTable) -> Tensor:
    base_n = table.feature_nk[:, regressor.architecture.cascade.base].astype(np.float64)
    return torch.from_numpy((np.log(table.m_n) - base_n).astype(np.float32))


def _rows(regressor: Regressor, training: FeatureTable, parts: npt.NDArray[np.int64]) -> _Rows:
    with torch.no_grad():
        feature_nk = regressor.standardised(torch.from_numpy(training.feature_nk))
    return _Rows(feature_nk, _targets(regressor, training), torch.from_numpy(parts))


def _fit_members(
    regressor: Regressor,
    rows: _Rows,
    config: RegressionConfig,
    folder: str | Path | None,
    digest: str,
    callback: Callable[[Epoch], None] | None,
) -> Progress:
    optimizer = torch.optim.AdamW(
        regressor.members.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay
    )
    progress = Progress.resume(folder, digest, regressor)
    if progress.optimizer:
        optimizer.load_state_dict({**optimizer.state_dict(), "state": unflatten(progress.optimizer)})
    while progress.epoch < config.epochs and progress.epoch - progress.best_epoch < config.patience:
        start = time.monotonic()
        loss = _run_epoch(regressor, optimizer, rows, config, progress.epoch)
        error = _left_out_error(regressor, rows)
        moments = flatten(optimizer.state_dict()["state"])
        progress.record(regressor, moments, loss, error, time.monotonic() - start)
        if callback is not None:
            callback(Epoch(progress.epoch, config.epochs, loss, error, progress.best_error))
    regressor.load_state_dict(progress.best)
    return progress


def _run_epoch(
    regressor: Regressor, optimizer: torch.optim.Optimizer, rows: _Rows, config: RegressionConfig, epoch: int
) -> float:
    """Return the mean loss of one pass; the order depends on seed and epoch alone."""
    random = np.random.default_rng((config.seed, 3, epoch))
    members = config.architecture.members
    kept = [np.flatnonzero(rows.left_out_by_n.numpy() != member) for member in range(members)]
    size = min(len(own) for own in kept)
    order_en = torch.from_numpy(np.stack([random.permutation(own)[:size] for own in kept]))
    chosen = torch.split(order_en, config.batch_size, dim=1)
    losses = []
    for step, index_eb in enumerate(chosen):
        for group in optimizer.param_groups:
            group["lr"] = config.learning_rate * _schedule((epoch + step / len(chosen)) / config.epochs)
        predicted_eb = regressor.members(rows.feature_nk[index_eb])
        target_eb = (rows.target_n[index_eb] - regressor.target_mean) / regressor.target_deviation
        # The members are independent: the sum over them, not the mean, gives each its own gradient.
        loss = functional.smooth_l1_loss(predicted_eb, target_eb, beta=LOSS_BETA) * members
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        clip_grad_norm_(regressor.members.parameters(), LARGEST_GRADIENT * members**0.5)
        optimizer.step()
        losses.append(loss.item() / members)
    return sum(losses) / len(losses)


def _schedule(done: float) -> float:
    """Return the share of the peak learning rate: a linear rise, then half a cosine down to 0."""
    if done < WARM_UP:
        return (done + 0.01) / (WARM_UP + 0.01)
    return 0.5 + 0.5 * math.cos(math.pi * (done - WARM_UP) / (1 - WARM_UP))


def _left_out_ratios(regressor: Regressor, rows: _Rows) -> tuple[Tensor, Tensor]:
    """Return for each row ln(M/estimate) by the member that never saw it, and the spread of all members."""
    with torch.no_grad():
        ratio_en = regressor.ratios(rows.feature_nk.unsqueeze(0))
    left_out_n = ratio_en.gather(0, rows.left_out_by_n.unsqueeze(0)).squeeze(0)
    return left_out_n, ratio_en.std(0, unbiased=False)


def _left_out_error(regressor: Regressor, rows: _Rows) -> float:
    """Return the mean relative error of M."""
    left_out_n, _ = _left_out_ratios(regressor, rows)
    return float((torch.exp(left_out_n - rows.target_n) - 1).abs().mean())


def _fit_scale(regressor: Regressor, training: FeatureTable, rows: _Rows, config: RegressionConfig) -> None:
    """Fit the expected error to the errors on left-out structures: the likelihood of a Laplace distribution."""
    left_out_n, spread_n = _left_out_ratios(regressor, rows)
    error_n = (left_out_n - rows.target_n).abs() + SMALLEST_SPREAD
    feature_nk = torch.from_numpy(training.feature_nk)
    optimizer = torch.optim.AdamW(regressor.scale.parameters(), lr=config.learning_rate, weight_decay=1e-2)
    steps = max(1, config.epochs // 3) * max(1, len(error_n) // config.batch_size)
    random = np.random.default_rng((config.seed, 4))
    with torch.no_grad():
        regressor.scale.last_bias.fill_(float(torch.log(error_n.median())))
    for step in range(steps):
        optimizer.param_groups[0]["lr"] = config.learning_rate * _schedule(step / steps)
        index_b = torch.from_numpy(random.integers(0, len(error_n), config.batch_size))
        scale_b = regressor.expected_error(feature_nk[index_b], spread_n[index_b])
        loss = (torch.log(scale_b) + error_n[index_b] / scale_b).mean()
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        clip_grad_norm_(regressor.scale.parameters(), LARGEST_GRADIENT)
        optimizer.step()
