"""Training of the regressor: features of labelled structures -> a calibrated surrogate, reproducible and resumable.

Shape suffixes: n rows; e members; b batch; k features.
"""

from __future__ import annotations

import math
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Callable, ClassVar, Iterator, Sequence

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional
from torch.nn.utils import clip_grad_norm_

from ..datasets import InvalidInput
from .cascade_surrogate import CascadeSurrogate, calibrate_intervals
from .devices.state import flatten, unflatten
from .epochs import LARGEST_GRADIENT, Epoch, EpochResult, EpochSettings, run_epochs
from .feature_table import FeatureTable
from .progress import Progress, training_digest
from .regressor import SMALLEST_SPREAD, Regressor, RegressorArchitecture

__all__ = ["RegressionConfig", "fewest_structures", "learning_curve", "train_regressor"]

# Where, in standardised ln(M/estimate), the loss turns from square to absolute: most of the truth lies far closer.
LOSS_BETA = 0.02
# Of the principal components of the distance: less variance than this is noise.
LEAST_VARIANCE = 1e-3
# Deviation of a feature that shall count for nothing.
UNUSED = 1e9


@dataclass(frozen=True)
class RegressionConfig(EpochSettings):
    """Settings of a regressor's training, beyond those of :class:`.epochs.EpochSettings`; a batch is rows per member.

    Parameters
    ----------
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
    patience: int = 150
    calibration_share: float = 0.15
    architecture: RegressorArchitecture = field(default_factory=RegressorArchitecture)

    WARM_UP: ClassVar[float] = 0.3

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 <= self.calibration_share < 1:
            raise InvalidInput(f"calibration_share must lie in [0, 1), not {self.calibration_share!r}.")

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
    part, which decides when the best weights were reached and how large the error is expected to be. Equal arguments
    and torch version give equal weights. With `folder`, an interrupted training goes on after its last epoch.

    Raises
    ------
    InvalidInput
        If there are too few structures.
    CheckpointError
        If the state in `folder` is damaged.
    """
    with _one_thread():
        return _train(table, config or RegressionConfig(), folder, callback)


@contextmanager
def _one_thread() -> Iterator[None]:
    """Let torch compute in one thread: more of them wait for each other longer than these small products take."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _train(
    table: FeatureTable,
    config: RegressionConfig,
    folder: str | Path | None,
    callback: Callable[[Epoch], None] | None,
) -> CascadeSurrogate:
    training, calibration, parts = _split(table, config)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.seed)
        regressor = Regressor(config.architecture)
    _set_scalers(regressor, training, config)
    rows = _rows(regressor, training, parts)
    history = _fit_members(
        regressor, rows, config, folder, training_digest([table.digest(), config.to_dict()]), callback
    )
    _fit_scale(regressor, training, rows, config)
    regressor.eval()
    metrics = {
        **history,
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
        # Hardly varies in boxes of one size, and lies far out in larger ones: it must not decide.
        regressor.feature_deviation_k[config.architecture.cascade.of_size] = UNUSED
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
) -> dict[str, Any]:
    optimizer = torch.optim.AdamW(
        regressor.members.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay
    )
    progress = Progress.resume(folder, digest, regressor)
    if progress.optimizer:
        optimizer.load_state_dict({**optimizer.state_dict(), "state": unflatten(progress.optimizer)})

    def run(epoch: int) -> EpochResult:
        loss = _run_epoch(regressor, optimizer, rows, config, epoch)
        return EpochResult(loss, _left_out_error(regressor, rows), flatten(optimizer.state_dict()["state"]))

    history = run_epochs(progress, config, regressor, run, callback)
    regressor.load_state_dict(progress.best)
    return {"left_out_mape": progress.best_error, **history}


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
            group["lr"] = config.rate((epoch + step / len(chosen)) / config.epochs)
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
        optimizer.param_groups[0]["lr"] = config.rate(step / steps)
        index_b = torch.from_numpy(random.integers(0, len(error_n), config.batch_size))
        scale_b = regressor.expected_error(feature_nk[index_b], spread_n[index_b])
        loss = (torch.log(scale_b) + error_n[index_b] / scale_b).mean()
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        clip_grad_norm_(regressor.scale.parameters(), LARGEST_GRADIENT)
        optimizer.step()
