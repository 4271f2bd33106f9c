"""What the network is told about a structure: bounds, a base estimate, numbers for the whole and fields of the parts.

Nothing here is learned, and mirroring or exchanging the two transverse axes leaves the numbers alone and moves the
fields along, so a description is computed once per structure and augmented afterwards.

Shape suffixes: b batch; x, y, z voxels, or cells of the field grid (4 voxels each); c channels; k features.
"""

from __future__ import annotations

from typing import NamedTuple, Sequence

import torch
from torch import Tensor

from .galerkin import TINY, Faces, Level, face_conductances, ladder, sum_pairs, total, with_zeros

__all__ = ["CHANNELS", "FIELD_LEVEL", "Description", "describe", "feature_count"]

# The fields live on cells of 2**FIELD_LEVEL voxels.
FIELD_LEVEL = 2
# Of `Description.field_bcxyz`: volume fraction; along and across the axis: conductances of the voxel faces and of two
# coarse levels, and the dissipation on those two levels.
CHANNELS = 11
# Relative conductivities below this count as this in logarithms, so that an empty box has finite features.
FLOOR = 1e-9
# A relative decrement of the energy below this is rounding.
CONVERGED = 1e-5


class Description(NamedTuple):
    """What is known without learning. ``weight_bxyz`` is each cell's share of the dissipation, summing to 1."""

    base_b: Tensor
    lower_b: Tensor
    upper_b: Tensor
    feature_bk: Tensor
    field_bcxyz: Tensor
    weight_bxyz: Tensor


def describe(x_bxyz: Tensor, iterations: Sequence[int]) -> Description:
    """Return the description of relative conductivities in [0, 1], any floating dtype, in float32.

    Parameters
    ----------
    x_bxyz
        The part that percolates along x; everything else 0.
    iterations
        Conjugate-gradient iterations on the levels of 2, 4, 8, ... voxels; at least two levels.
    """
    x_bxyz = x_bxyz.float()
    fine = face_conductances(x_bxyz)
    uncorrected_b, levels = ladder(fine, iterations)
    mean_b = _mean(x_bxyz)
    upper_b = torch.minimum(mean_b, levels[0].bound_b)
    lower_b = torch.minimum(_harmonic_mean(x_bxyz), upper_b)
    weight_bxyz, dissipation_bcxyz = _dissipation(levels)
    return Description(
        base_b=torch.minimum(torch.maximum(levels[0].estimate_b, lower_b), upper_b),
        lower_b=lower_b,
        upper_b=upper_b,
        feature_bk=torch.stack(_features(x_bxyz, mean_b, uncorrected_b, levels), 1),
        field_bcxyz=torch.cat([_structure(x_bxyz, fine, levels), dissipation_bcxyz], 1),
        weight_bxyz=weight_bxyz,
    )


def feature_count(levels: int) -> int:
    """Return k for so many levels."""
    return 3 + 5 * levels


def _features(x_bxyz: Tensor, mean_b: Tensor, uncorrected_b: Tensor, levels: Sequence[Level]) -> list[Tensor]:
    """Return the logarithms of ratios that do not depend on the size of the box."""
    features = [_log(mean_b), _log(uncorrected_b) - _log(mean_b), _log(_mean(x_bxyz * x_bxyz)) - _log(mean_b)]
    coarser_bound_b = uncorrected_b
    for level in reversed(levels):
        along_b, total_b, concentration_b = _distribution(level.dissipation)
        features += [
            _log(level.bound_b) - _log(coarser_bound_b),
            _log(level.estimate_b) - _log(level.bound_b),
            torch.log(level.decrement_b + CONVERGED),
            _log(along_b) - _log(total_b),
            _log(concentration_b),
        ]
        coarser_bound_b = level.bound_b
    return features


def _distribution(q: Faces) -> list[Tensor]:
    """Return dissipation along the axis, in all, and the share of the x faces that would carry it evenly."""
    along_b = total(q.x)
    faces = q.x.shape[1] * q.x.shape[2] * q.x.shape[3]
    return [along_b, along_b + total(q.y) + total(q.z), along_b * along_b / (faces * total(q.x * q.x) + TINY)]


def _structure(x_bxyz: Tensor, fine: Faces, levels: Sequence[Level]) -> Tensor:
    """Return volume fraction and conductances of three levels, about 1 in a homogeneous conductor, (b, 7, x, y, z)."""
    parts = [_pooled(x_bxyz.unsqueeze(1), FIELD_LEVEL) / 8**FIELD_LEVEL]
    for finer, faces in enumerate([fine] + [level.conductance for level in levels[:FIELD_LEVEL]]):
        # A face of a cell of 2^l voxels sums 4^l voxel faces; 8 cells are pooled into one.
        parts.append(_pooled(_on_cells(faces), FIELD_LEVEL - finer) / (4**finer * 8 ** (FIELD_LEVEL - finer)))
    return torch.cat(parts, 1)


def _dissipation(levels: Sequence[Level]) -> tuple[Tensor, Tensor]:
    """Return each cell's share on the finest level, (b, x, y, z), and the logarithmic densities, (b, 4, x, y, z)."""
    densities = [
        _pooled(_on_cells(level.dissipation), FIELD_LEVEL - 1 - finer)
        for finer, level in enumerate(levels[:FIELD_LEVEL])
    ]
    share_bxyz = densities[0].sum(1) + TINY
    mean_b = share_bxyz.mean(dim=(1, 2, 3)).reshape(-1, 1, 1, 1, 1)
    # The dissipation spans decades: a convolution needs its logarithm.
    log_bcxyz = torch.log1p(torch.cat(densities, 1) / mean_b)
    return share_bxyz / share_bxyz.sum(dim=(1, 2, 3), keepdim=True), log_bcxyz


def _on_cells(faces: Faces) -> Tensor:
    """Return what belongs to each cell, along and across the axis, (b, 2, x, y, z): half a face, but a whole plate."""
    halved = torch.cat([2 * faces.x[:, :1], faces.x[:, 1:-1], 2 * faces.x[:, -1:]], 1) / 2
    along = halved[:, :-1] + halved[:, 1:]
    across = _half_to_either(faces.y, 2) + _half_to_either(faces.z, 3)
    return torch.stack([along, across], 1)


def _half_to_either(inner: Tensor, axis: int) -> Tensor:
    padded = with_zeros(inner, axis) / 2
    n = padded.shape[axis] - 1
    return padded.narrow(axis, 0, n) + padded.narrow(axis, 1, n)


def _pooled(cells_bcxyz: Tensor, times: int) -> Tensor:
    for _ in range(times):
        cells_bcxyz = sum_pairs(sum_pairs(sum_pairs(cells_bcxyz, 2), 3), 4)
    return cells_bcxyz


def _harmonic_mean(x_bxyz: Tensor) -> Tensor:
    """Return Wiener's lower bound, (b,): 0 as soon as one voxel insulates."""
    insulates_b = (x_bxyz <= 0).float().sum(dim=(1, 2, 3)) > 0
    mean_b = 1 / _mean(1 / torch.clamp(x_bxyz, min=FLOOR))
    return torch.where(insulates_b, torch.zeros_like(mean_b), mean_b)


def _mean(t_bxyz: Tensor) -> Tensor:
    return t_bxyz.mean(dim=(1, 2, 3))


def _log(t_b: Tensor) -> Tensor:
    return torch.log(t_b + FLOOR)
