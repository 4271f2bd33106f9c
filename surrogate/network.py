"""The network: coarse physics as the base, and a learned logarithm of the ratio of the truth to it.

Static shapes, no branch on a tensor's value, only operations a Graphcore IPU has.

Shape suffixes: b batch; x, y, z voxels, or cells of the field grid; c channels; k features; 3 the last layer's outputs.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from ..datasets import InvalidInput
from .description import CHANNELS, FIELD_LEVEL, Description, describe, feature_count
from .galerkin import TINY

__all__ = ["Architecture", "Learner", "Network", "Screener"]

# Below this the loss is quadratic.
LOSS_BETA = 0.1
# Standardised features beyond this many deviations are cut: what lies so far out must not be extrapolated.
FEATURE_LIMIT = 5.0


@dataclass(frozen=True)
class Architecture:
    """Constructor arguments of :class:`Network`.

    Parameters
    ----------
    iterations
        Conjugate-gradient iterations on the levels of 2, 4, 8, ... voxels.
    width
        Channels of the convolutions; a multiple of 8.
    blocks
        Residual blocks on the field grid.
    hidden
        Width of the head.

    Raises
    ------
    InvalidInput
        If a number is out of range.
    """

    iterations: tuple[int, ...] = (20, 20, 20, 20)
    width: int = 24
    blocks: int = 2
    hidden: int = 48

    def __post_init__(self) -> None:
        object.__setattr__(self, "iterations", tuple(self.iterations))
        if not FIELD_LEVEL <= len(self.iterations) <= 8 or not all(_whole(n, 1, 1000) for n in self.iterations):
            raise InvalidInput(f"iterations must be 2 to 8 whole numbers from 1 to 1000, not {self.iterations!r}.")
        if not _whole(self.width, 8, 512) or self.width % 8:
            raise InvalidInput(f"width must be a multiple of 8 from 8 to 512, not {self.width!r}.")
        if not _whole(self.blocks, 0, 16):
            raise InvalidInput(f"blocks must be a whole number from 0 to 16, not {self.blocks!r}.")
        if not _whole(self.hidden, 1, 4096):
            raise InvalidInput(f"hidden must be a whole number from 1 to 4096, not {self.hidden!r}.")

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON types."""
        return {**asdict(self), "iterations": list(self.iterations)}


class Network(nn.Module):
    """Relative effective conductivity of voxel images along their first axis.

    The output of the learned part is standardised log(M / base); `scale_target` and `scale_features` set the scalers,
    which are buffers and travel with the weights.
    """

    target_mean: Tensor
    target_deviation: Tensor
    feature_mean_k: Tensor
    feature_deviation_k: Tensor

    def __init__(self, architecture: Architecture) -> None:
        super().__init__()
        self.architecture = architecture
        count, width, hidden = feature_count(len(architecture.iterations)), architecture.width, architecture.hidden
        self.stem = nn.Conv3d(CHANNELS, width, 3, padding=1)
        self.blocks = nn.Sequential(*[ResidualBlock(width) for _ in range(architecture.blocks)])
        self.linear = nn.Linear(count, 1)
        self.head = nn.Sequential(
            nn.Linear(count + 2 * width, hidden), nn.SiLU(), nn.Linear(hidden, hidden), nn.SiLU(), nn.Linear(hidden, 1)
        )
        self.register_buffer("target_mean", torch.zeros(()))
        self.register_buffer("target_deviation", torch.ones(()))
        self.register_buffer("feature_mean_k", torch.zeros(count))
        self.register_buffer("feature_deviation_k", torch.ones(count))

    def forward(self, x_bxyz: Tensor, y_b: Tensor | None = None) -> Tensor | tuple[Tensor, Tensor]:
        """Return M, (b,), float32; with the true M, (b,), all above 0, return (M, loss).

        Parameters
        ----------
        x_bxyz
            Conductivity relative to the largest, in [0, 1], of what percolates along x; 0 elsewhere.
        """
        return self.from_description(self.describe(x_bxyz), y_b)

    def from_description(self, described: Description, y_b: Tensor | None = None) -> Tensor | tuple[Tensor, Tensor]:
        """Return what `forward` does; each layer is called once, as the stages of an IPU pipeline must be."""
        standardised_b = self.standardised(described)
        m_b = self._bounded(described, standardised_b)
        if y_b is None:
            return m_b
        return m_b, functional.smooth_l1_loss(standardised_b, self.target(described, y_b), beta=LOSS_BETA)

    def describe(self, x_bxyz: Tensor) -> Description:
        """Return what needs no learning; training computes it once per structure."""
        return describe(x_bxyz, self.architecture.iterations)

    def predict(self, described: Description) -> Tensor:
        """Return M, (b,), within the Wiener bounds and not above the finest Galerkin bound."""
        return self._bounded(described, self.standardised(described))

    def loss(self, described: Description, y_b: Tensor) -> Tensor:
        """Return the mean smooth absolute error of the standardised log ratio."""
        return functional.smooth_l1_loss(self.standardised(described), self.target(described, y_b), beta=LOSS_BETA)

    def target(self, described: Description, y_b: Tensor) -> Tensor:
        """Return the standardised log ratio of the truth to the base, (b,)."""
        log_ratio_b = torch.log(y_b.float() + TINY) - torch.log(described.base_b + TINY)
        return (log_ratio_b - self.target_mean) / self.target_deviation

    def standardised(self, described: Description) -> Tensor:
        """Return the learned part, (b,)."""
        feature_bk = (described.feature_bk - self.feature_mean_k) / self.feature_deviation_k
        feature_bk = torch.clamp(feature_bk, min=-FEATURE_LIMIT, max=FEATURE_LIMIT)
        # Whatever the precision of the weights: the layers compute in it, the physics around them in float32.
        dtype = self.linear.weight.dtype
        pooled_bk = self._pooled(described.field_bcxyz.to(dtype), described.weight_bxyz.to(dtype))
        head_b1 = self.head(torch.cat([feature_bk.to(dtype), pooled_bk], 1))
        learned_b1: Tensor = self.linear(feature_bk.to(dtype)) + head_b1
        return learned_b1.squeeze(1).float()

    def _bounded(self, described: Description, standardised_b: Tensor) -> Tensor:
        log_ratio_b = standardised_b * self.target_deviation + self.target_mean
        m_b = described.base_b * torch.exp(log_ratio_b)
        return torch.minimum(torch.maximum(m_b, described.lower_b), described.upper_b)

    def _pooled(self, field_bcxyz: Tensor, weight_bxyz: Tensor) -> Tensor:
        """Return the channels averaged over the cells, evenly and by dissipation: there the current decides."""
        hidden_bcxyz = self.blocks(functional.silu(self.stem(field_bcxyz)))
        weighted_bcxyz = hidden_bcxyz * weight_bxyz.unsqueeze(1)
        return torch.cat([hidden_bcxyz.mean(dim=(2, 3, 4)), weighted_bcxyz.sum(dim=(2, 3, 4))], 1)


class ResidualBlock(nn.Module):
    """Two convolutions, each after normalisation and SiLU, added to what comes in."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.GroupNorm(8, width),
            nn.SiLU(),
            nn.Conv3d(width, width, 3, padding=1),
            nn.GroupNorm(8, width),
            nn.SiLU(),
            nn.Conv3d(width, width, 3, padding=1),
        )

    def forward(self, x_bcxyz: Tensor) -> Tensor:
        out: Tensor = x_bcxyz + self.body(x_bcxyz)
        return out


class Learner(nn.Module):
    """What training compiles for a device: the network from its description on, a tensor an argument."""

    def __init__(self, network: Network) -> None:
        super().__init__()
        self.network = network

    def forward(self, *inputs: Tensor) -> Tensor | tuple[Tensor, Tensor]:
        """Take the tensors of a :class:`Description`, and the true M for (M, loss)."""
        fields = len(Description._fields)
        return self.network.from_description(Description(*inputs[:fields]), *inputs[fields:])


class Screener(nn.Module):
    """What prediction compiles for a device: voxels -> M with its physical bounds, each (b,)."""

    def __init__(self, network: Network) -> None:
        super().__init__()
        self.network = network

    def forward(self, x_bxyz: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Take relative conductivities of any dtype; voxels of two phases travel as uint8."""
        described = self.network.describe(x_bxyz)
        return self.network.predict(described), described.lower_b, described.upper_b


def _whole(value: object, low: int, high: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and low <= value <= high
