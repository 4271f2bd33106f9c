"""The two modules that a surrogate runs on a device, with example inputs of a shape."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Sequence

import torch
from torch import Tensor, nn

from ..network import Learner, Network, Screener

__all__ = ["Subject", "prediction_subject", "training_subject"]


@dataclass(frozen=True, eq=False)
class Subject:
    """A module with two example structures, and their target if it is to be trained."""

    name: str
    module: nn.Module
    inputs: Sequence[Tensor]
    target: Tensor | None = None


def training_subject(network: Network, shape: Sequence[int]) -> Subject:
    """Return what training compiles: the network from its description on."""
    (x_bxyz,) = prediction_subject(network, shape).inputs
    with torch.no_grad():
        described = network.describe(x_bxyz)
    inputs = described._replace(field_bcxyz=described.field_bcxyz.half())
    return Subject("training", Learner(network), tuple(inputs), torch.tensor([0.2, 0.4]))


def prediction_subject(network: Network, shape: Sequence[int]) -> Subject:
    """Return what prediction compiles: voxels in, M and its bounds out."""
    random = torch.Generator().manual_seed(52361)
    x_bxyz = (torch.rand((2, *shape), generator=random) < 0.7).to(torch.uint8)
    return Subject("prediction", Screener(network), (x_bxyz,))
