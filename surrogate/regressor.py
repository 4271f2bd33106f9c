"""The regressor: the cascade's features -> the logarithm of the ratio of the truth to the cascade's best estimate.

A small ensemble; each member has left out another part of the training structures. Static shapes throughout.

Shape suffixes: e members; b batch; k features; h hidden; r reference structures; p principal components.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from ..datasets import InvalidInput
from .cascade_settings import CascadeSettings

__all__ = ["Estimate", "Regressor", "RegressorArchitecture"]

# Standardised features beyond this many deviations are cut: what lies so far out must not be extrapolated.
FEATURE_LIMIT = 6.0
# For the distance to the training structures they may lie further out.
DISTANCE_LIMIT = 30.0
# A spread of the members below this is rounding.
SMALLEST_SPREAD = 1e-5
# exp(-8) ... exp(2): bounds of the expected error of ln M.
LOG_SCALE_RANGE = (-11.0, 2.0)


@dataclass(frozen=True)
class RegressorArchitecture:
    """Constructor arguments of :class:`Regressor`.

    Parameters
    ----------
    cascade
        What the features are.
    members
        Of the ensemble.
    hidden
        Width of a member's two hidden layers.
    references, components
        Training structures and principal components that the distance of a structure to the training is measured by.

    Raises
    ------
    InvalidInput
        If a number is out of range.
    """

    cascade: CascadeSettings = field(default_factory=CascadeSettings)
    members: int = 4
    hidden: int = 96
    references: int = 1024
    components: int = 16

    def __post_init__(self) -> None:
        for name, low, high in (("members", 2, 64), ("hidden", 1, 4096), ("references", 1, 65536)):
            value = getattr(self, name)
            if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
                raise InvalidInput(f"{name} must be a whole number from {low} to {high}, not {value!r}.")
        if not isinstance(self.components, int) or not 1 <= self.components <= self.cascade.count:
            raise InvalidInput(
                f"components must be a whole number from 1 to {self.cascade.count}, not {self.components!r}."
            )

    @classmethod
    def from_dict(cls, arguments: dict[str, Any]) -> RegressorArchitecture:
        """Return what :meth:`to_dict` wrote."""
        return cls(**{**arguments, "cascade": CascadeSettings(**arguments["cascade"])})

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON types."""
        own = {name: getattr(self, name) for name in ("members", "hidden", "references", "components")}
        return {"cascade": self.cascade.to_dict(), **own}


class Estimate(NamedTuple):
    """M, the expected error of ln M, and the distance to the training structures, each (b,)."""

    m_b: Tensor
    scale_b: Tensor
    distance_b: Tensor


class Members(nn.Module):
    """Perceptrons of two hidden layers and a linear path, all members in one product."""

    def __init__(self, members: int, inputs: int, hidden: int) -> None:
        super().__init__()
        self.first, self.first_bias = _layer(members, inputs, hidden)
        self.second, self.second_bias = _layer(members, hidden, hidden)
        self.last, self.last_bias = _layer(members, hidden, 1)
        self.linear, _ = _layer(members, inputs, 1)

    def forward(self, x_ebk: Tensor) -> Tensor:
        """Return (e, b); ``x`` is (e, b, k) or, the same for all members, (1, b, k)."""
        x_ebk = x_ebk.expand(self.first.shape[0], -1, -1)
        h_ebh = functional.silu(torch.baddbmm(self.first_bias, x_ebk, self.first))
        h_ebh = functional.silu(torch.baddbmm(self.second_bias, h_ebh, self.second))
        out: Tensor = torch.baddbmm(self.last_bias, h_ebh, self.last) + torch.bmm(x_ebk, self.linear)
        return out.squeeze(2)


class Regressor(nn.Module):
    """Ensemble, expected error and distance; scalers and references are buffers and travel with the weights."""

    feature_mean_k: Tensor
    feature_deviation_k: Tensor
    target_mean: Tensor
    target_deviation: Tensor
    principal_kp: Tensor
    reference_rp: Tensor

    def __init__(self, architecture: RegressorArchitecture | None = None) -> None:
        super().__init__()
        self.architecture = architecture = architecture or RegressorArchitecture()
        count = architecture.cascade.count
        self.members = Members(architecture.members, count, architecture.hidden)
        # Of the features and the logarithm of the members' spread.
        self.scale = Members(1, count + 1, 32)
        self.register_buffer("target_mean", torch.zeros(()))
        self.register_buffer("target_deviation", torch.ones(()))
        self.register_buffer("feature_mean_k", torch.zeros(count))
        self.register_buffer("feature_deviation_k", torch.ones(count))
        self.register_buffer("principal_kp", torch.zeros(count, architecture.components))
        self.register_buffer("reference_rp", torch.zeros(architecture.references, architecture.components))

    def forward(self, feature_bk: Tensor, lower_b: Tensor, upper_b: Tensor) -> Estimate:
        """Return the estimate; M lies between the bounds by construction.

        Parameters
        ----------
        feature_bk
            As the cascade makes them.
        lower_b, upper_b
            Bounds of M.
        """
        ratio_eb = self.ratios(self.standardised(feature_bk).unsqueeze(0))
        base_b = feature_bk[:, self.architecture.cascade.base]
        m_b = torch.exp(base_b + ratio_eb.mean(0))
        m_b = torch.minimum(torch.maximum(m_b, lower_b), upper_b)
        return Estimate(
            m_b, self.expected_error(feature_bk, ratio_eb.std(0, unbiased=False)), self.distance(feature_bk)
        )

    def ratios(self, x_ebk: Tensor) -> Tensor:
        """Return each member's ln(M/estimate), (e, b), from standardised features."""
        out: Tensor = self.members(x_ebk) * self.target_deviation + self.target_mean
        return out

    def expected_error(self, feature_bk: Tensor, spread_b: Tensor) -> Tensor:
        """Return the scale of the error of ln M, (b,), by which calibration widens or narrows."""
        spread_b1 = torch.log(spread_b + SMALLEST_SPREAD).unsqueeze(1) / 2 + 3
        inputs_bk = torch.cat([self.standardised(feature_bk), spread_b1], 1)
        log_scale_b = self.scale(inputs_bk.unsqueeze(0)).squeeze(0)
        low, high = LOG_SCALE_RANGE
        return torch.exp(torch.clamp(log_scale_b, min=low, max=high))

    def standardised(self, feature_bk: Tensor, limit: float = FEATURE_LIMIT) -> Tensor:
        """Return features of mean 0 and deviation 1, cut at the limit."""
        return torch.clamp((feature_bk - self.feature_mean_k) / self.feature_deviation_k, min=-limit, max=limit)

    def projected(self, feature_bk: Tensor) -> Tensor:
        """Return the principal components, (b, p), of variance 1 over the training structures."""
        return torch.matmul(self.standardised(feature_bk, DISTANCE_LIMIT), self.principal_kp)

    def distance(self, feature_bk: Tensor) -> Tensor:
        """Return the distance to the nearest reference, (b,)."""
        p_bp, r_rp = self.projected(feature_bk), self.reference_rp
        squares_br = (p_bp * p_bp).sum(1, keepdim=True) + (r_rp * r_rp).sum(1) - 2 * torch.matmul(p_bp, r_rp.t())
        return torch.sqrt(functional.relu(squares_br.amin(1)))


def _layer(members: int, inputs: int, outputs: int) -> tuple[nn.Parameter, nn.Parameter]:
    weight = torch.randn(members, inputs, outputs) / inputs**0.5
    return nn.Parameter(weight), nn.Parameter(torch.zeros(members, 1, outputs))
