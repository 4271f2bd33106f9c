"""The cascade: estimates of the effective conductivity from coarsened resistor networks, as static-shape tensors.

The faces between voxels are resistors. Those between cells of two voxels are four of them in parallel, each in series
with what lies on either side inside the cells; the settings' rules say how much of that is counted. Each
coarser level is made from the finer one by the same rule, solved by a few Jacobi-preconditioned conjugate gradients
that start from the next coarser potential (cascadic multigrid, Bornemann & Deuflhard 1996, Numer. Math. 75), and
described by its energy, how far it has converged, and how evenly it dissipates. A few iterations on the voxels
themselves come last: their energy bounds M from above (Dirichlet's principle).

All this is exact for the 16 symmetries that keep the axis where the edges divide by the coarsest cell.
:mod:`.cascade_kernels` computes the same numbers on a CPU.

Shape suffixes: b batch, or rules times batch; x, y, z cells of the level at hand (x is the transport axis); k
features. Potentials in units of the level's drop from cell to cell, lengths in voxels, σ relative to the best.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from .cascade_settings import CONVERGED, FLOOR, CascadeSettings
from .galerkin import TINY, Faces, face_conductances, sum_pairs, total, with_zeros
from .regressor import Estimate, Regressor

__all__ = ["CascadeFeatures", "CascadeNetwork", "cascade_features"]


class CascadeFeatures(NamedTuple):
    """Features (b, k) and the bounds of M, (b,)."""

    feature_bk: Tensor
    lower_b: Tensor
    upper_b: Tensor


class CascadeNetwork(nn.Module):
    """Conductivities -> estimate, in one module: what runs on a GPU or an IPU.

    Parameters
    ----------
    regressor
        Its architecture says what the cascade computes.
    """

    def __init__(self, regressor: Regressor) -> None:
        super().__init__()
        self.regressor = regressor

    def forward(self, x_bxyz: Tensor, resistance: Faces | None = None) -> Estimate:
        """Return the estimate.

        Parameters
        ----------
        x_bxyz
            Conductivity relative to the best, in [0, 1], of what percolates along x; 0 elsewhere.
        resistance
            Of the contacts between voxels, in units of a voxel's edge over the best conductivity; none by default.
        """
        found = cascade_features(x_bxyz, self.regressor.architecture.cascade, resistance)
        out: Estimate = self.regressor(found.feature_bk, found.lower_b, found.upper_b)
        return out


def cascade_features(x_bxyz: Tensor, settings: CascadeSettings, resistance: Faces | None = None) -> CascadeFeatures:
    """Return the features of structures of one shape; the arguments are those of :class:`CascadeNetwork`."""
    x_bxyz = x_bxyz.float()
    fine = face_conductances(x_bxyz)
    if resistance is not None:
        fine = Faces(*(g / (1 + g * r) for g, r in zip(fine, resistance)))
    lower_b, upper_b, features = _of_voxels(x_bxyz, fine)
    shape = (x_bxyz.shape[1], x_bxyz.shape[2], x_bxyz.shape[3])
    if not settings.coarse:
        return CascadeFeatures(features[0], lower_b, torch.maximum(lower_b, upper_b))
    by_level, start = _coarse_levels(fine, settings, shape)
    for rule in range(len(settings.rules)):
        for level_rbk in by_level:
            features.append(level_rbk[rule])
    if settings.fine:
        u_bxyz = _refine(start, shape)
        u_bxyz, decrements, rz_b = _relax(fine, u_bxyz, settings.fine)
        level_bk, energy_b = _describe(fine, u_bxyz, decrements[-1], rz_b, shape)
        relative = [d_b / (energy_b + TINY) for d_b in decrements]
        extra = [torch.log(torch.stack(relative).sum(0) + CONVERGED), *[torch.log(d_b + CONVERGED) for d_b in relative]]
        features += [level_bk, torch.stack(extra, 1)]
        upper_b = torch.minimum(upper_b, torch.exp(level_bk[:, 0]))
    return CascadeFeatures(torch.cat(features, 1), lower_b, torch.maximum(lower_b, upper_b))


def _of_voxels(x_bxyz: Tensor, g: Faces) -> tuple[Tensor, Tensor, list[Tensor]]:
    """Return the Wiener bounds, and the features of the voxels."""
    volume = x_bxyz.shape[1] * x_bxyz.shape[2] * x_bxyz.shape[3]
    mean_b, square_b = total(x_bxyz) / volume, total(x_bxyz * x_bxyz) / volume
    share_b = total((x_bxyz > 0).float()) / volume
    drop = _drops(g.x)
    along_b = total(g.x * drop * drop) / volume
    across_b = (total(g.y) + total(g.z)) / (2 * volume)
    insulates_b = total((g.x <= 0).float()) > 0
    series_b = volume / total(1 / torch.clamp(g.x, min=FLOOR))
    lower_b = torch.where(insulates_b, torch.zeros_like(series_b), series_b)
    features = [_log(mean_b), _log(square_b) - _log(mean_b), _log(along_b) - _log(mean_b)]
    features += [_log(across_b) - _log(mean_b), _log(share_b)]
    return lower_b, torch.minimum(mean_b, along_b), [torch.stack(features, 1)]


def _coarse_levels(fine: Faces, settings: CascadeSettings, shape: tuple[int, int, int]) -> tuple[list[Tensor], Tensor]:
    """Return the features of each level, finest first, (rules, b, k), and the potential that the voxels start from."""
    count = len(settings.rules)
    batch = fine.x.shape[0]
    limits = torch.tensor(settings.rules, dtype=fine.x.dtype, device=fine.x.device)
    cap, blocked = (limits[:, n].repeat_interleave(batch).reshape(-1, 1, 1, 1) for n in (0, 1))
    finer = Faces(*(torch.cat([g] * count) for g in fine))
    conductances: list[Faces] = []
    for _ in settings.coarse:
        finer = _coarsen(finer, cap, blocked)
        conductances.append(finer)
    u = torch.zeros_like(_cells(conductances[-1].x, 1))
    by_level: list[Tensor] = []
    for level in range(len(settings.coarse) - 1, -1, -1):
        g = conductances[level]
        if by_level:
            u = _refine(u, (g.x.shape[1] - 1, g.x.shape[2], g.x.shape[3]))
        u, decrements, rz_b = _relax(g, u, settings.coarse[level])
        feature_bk, _ = _describe(g, u, decrements[-1], rz_b, shape)
        by_level.insert(0, feature_bk.reshape(count, batch, -1))
    return by_level, u[settings.start * batch : (settings.start + 1) * batch]


def _coarsen(g: Faces, cap: Tensor, blocked: Tensor) -> Faces:
    """Return the conductances between cells of two; a last, odd layer makes thinner cells."""
    return Faces(
        sum_pairs(sum_pairs(_along(g.x, cap, blocked), 2), 3),
        sum_pairs(sum_pairs(_between(g.y, 2, cap, blocked), 1), 3),
        sum_pairs(sum_pairs(_between(g.z, 3, cap, blocked), 1), 2),
    )


def _along(x: Tensor, cap: Tensor, blocked: Tensor) -> Tensor:
    """Return the x faces 0, 2, 4, ... and the far plate, each in series with half of the odd ones beside it."""
    n = x.shape[1] - 1
    if n == 1:
        return x
    odd = n % 2 == 1
    # Pairs (0, 1), (2, 3), ...: the faces between cells and those inside. Of an odd number of layers the last is a
    # cell of its own, without a face inside.
    paired = x if odd else x[:, :-1]
    pairs = paired.reshape(paired.shape[0], paired.shape[1] // 2, 2, paired.shape[2], paired.shape[3])
    faces, inside = pairs[:, :, 0], pairs[:, :, 1]
    if odd:
        inside, far_inside = inside[:, :-1], None
    else:
        far_inside = inside[:, -1:]
    first = _series(faces[:, :1], cap, blocked, [inside[:, :1]], 2.0)
    parts = [first]
    if odd:
        middle_both = faces[:, 1:-1]
        if middle_both.shape[1]:
            parts.append(_series(middle_both, cap, blocked, [inside[:, :-1], inside[:, 1:]], 1.0))
        parts.append(_series(faces[:, -1:], cap, blocked, [inside[:, -1:]], 1.0))
        parts.append(x[:, -1:])
    else:
        parts.append(_series(faces[:, 1:], cap, blocked, [inside[:, :-1], inside[:, 1:]], 1.0))
        assert far_inside is not None
        parts.append(_series(x[:, -1:], cap, blocked, [far_inside], 2.0))
    return torch.cat(parts, 1)


def _between(faces: Tensor, axis: int, cap: Tensor, blocked: Tensor) -> Tensor:
    """Return the faces 1, 3, 5, ... (those between cells) in series with half of the even ones beside them."""
    n = faces.shape[axis]
    if n == 0:
        return faces
    count = n // 2
    before = _every_second(faces, axis, 0, count)
    own = _every_second(faces, axis, 1, count)
    if n % 2 == 1:
        return _series(own, cap, blocked, [before, _every_second(faces, axis, 2, count)], 1.0)
    # The last cell is thin: no face lies inside it.
    inner = count - 1
    parts = []
    if inner:
        after = _every_second(faces, axis, 2, inner)
        head, head_before = own.narrow(axis, 0, inner), before.narrow(axis, 0, inner)
        parts.append(_series(head, cap, blocked, [head_before, after], 1.0))
    parts.append(_series(own.narrow(axis, inner, 1), cap, blocked, [before.narrow(axis, inner, 1)], 1.0))
    return torch.cat(parts, axis)


def _every_second(t: Tensor, axis: int, first: int, count: int) -> Tensor:
    """Return the layers first, first + 2, ... without a strided slice, which an IPU copies slowly."""
    needed = 2 * count
    if first + needed <= t.shape[axis]:
        part = t.narrow(axis, first, needed)
        shape = list(t.shape)
        shape[axis : axis + 1] = [count, 2]
        return part.reshape(shape).select(axis + 1, 0)
    part = t.narrow(axis, first - 1, needed)
    shape = list(t.shape)
    shape[axis : axis + 1] = [count, 2]
    return part.reshape(shape).select(axis + 1, 1)


def _series(g: Tensor, cap: Tensor, blocked: Tensor, inside: list[Tensor], unit: float) -> Tensor:
    """Return the conductance of faces in series with half of each inside resistance, limited as the rule says.

    With c the inside conductance over the face's, unit·min(1/c, cap) is its resistance in the face's.
    """
    halves = torch.ones_like(g)
    for inner in inside:
        ratio = torch.minimum(g / (inner + TINY), unit * cap)
        halves = halves + 0.5 * torch.where(inner > 0, ratio, unit * blocked.expand_as(ratio))
    return g / halves


def _relax(g: Faces, u: Tensor, iterations: int) -> tuple[Tensor, list[Tensor], Tensor]:
    """Return u after so many iterations, what each took off the energy, (b,), and the last r·z, (b,)."""
    diagonal = _cells(with_zeros(g.y, 2), 2) + _cells(with_zeros(g.z, 3), 3) + _cells(g.x, 1)
    inverse = torch.where(diagonal > 0, 1 / (diagonal + TINY), torch.zeros_like(diagonal))
    r = -_differences(g.x * _drops(g.x), 1) - _currents(g, u)
    p = inverse * r
    rz_b = total(r * p)
    decrements = []
    for _ in range(iterations):
        q = _currents(g, p)
        alpha_b = rz_b / (total(p * q) + TINY)
        decrements.append(alpha_b * rz_b)
        u = u + _wide(alpha_b) * p
        r = r - _wide(alpha_b) * q
        z = inverse * r
        previous_b, rz_b = rz_b, total(r * z)
        p = z + _wide(rz_b / (previous_b + TINY)) * p
    return u, decrements, rz_b


def _describe(
    g: Faces, u: Tensor, decrement_b: Tensor, rz_b: Tensor, shape: tuple[int, int, int]
) -> tuple[Tensor, Tensor]:
    """Return the features of a level, (b, k), and its energy, (b,)."""
    cells, faces = g.x.shape[1] - 1, g.x.shape[1] * g.x.shape[2] * g.x.shape[3]
    fall = _drops(g.x) - _differences(with_zeros(u, 1), 1)
    heat = g.x * fall * fall
    dy, dz = _differences(u, 2), _differences(u, 3)
    along_b = total(heat)
    energy_b = along_b + total(g.y * dy * dy) + total(g.z * dz * dz)
    current_bx = (g.x * fall).sum(dim=(2, 3))
    ends_b = current_bx[:, 0] + current_bx[:, -1]
    mean_b = (current_bx.sum(1) - 0.5 * ends_b) / cells
    deviation_b = torch.sqrt(((current_bx - current_bx.mean(1, keepdim=True)) ** 2).mean(1))
    features = [
        _log(energy_b * (shape[0] / (cells * cells * shape[1] * shape[2]))),
        torch.log(decrement_b / (energy_b + TINY) + CONVERGED),
        torch.log(rz_b / (energy_b + TINY) + CONVERGED),
        _log(along_b / (energy_b + TINY)),
        _log(along_b * along_b / (faces * total(heat * heat) + TINY)),
        _log(functional.relu(mean_b) * cells / (energy_b + TINY)),
        torch.log(deviation_b / (mean_b.abs() + TINY) + CONVERGED),
    ]
    return torch.stack(features, 1), energy_b


def _currents(g: Faces, u: Tensor) -> Tensor:
    """Return the net current out of each cell."""
    return -(
        _differences(g.x * _differences(with_zeros(u, 1), 1), 1)
        + _differences(with_zeros(g.y * _differences(u, 2), 2), 2)
        + _differences(with_zeros(g.z * _differences(u, 3), 3), 3)
    )


def _drops(x: Tensor) -> Tensor:
    """Return the applied drop across each x face, (1, x+1, 1, 1): one, half at the plates."""
    inner = torch.ones(1, x.shape[1] - 2, 1, 1, dtype=x.dtype, device=x.device)
    plate = torch.full((1, 1, 1, 1), 0.5, dtype=x.dtype, device=x.device)
    return torch.cat([plate, inner, plate], 1)


def _refine(u: Tensor, shape: tuple[int, int, int]) -> Tensor:
    fine = functional.interpolate(2 * u.unsqueeze(1), scale_factor=2.0, mode="nearest").squeeze(1)
    return fine[:, : shape[0], : shape[1], : shape[2]]


def _cells(t: Tensor, axis: int) -> Tensor:
    """Return the sums of the two faces of each cell."""
    n = t.shape[axis] - 1
    return t.narrow(axis, 0, n) + t.narrow(axis, 1, n)


def _differences(t: Tensor, axis: int) -> Tensor:
    n = t.shape[axis] - 1
    return t.narrow(axis, 1, n) - t.narrow(axis, 0, n)


def _log(t_b: Tensor) -> Tensor:
    return torch.log(t_b + FLOOR)


def _wide(t_b: Tensor) -> Tensor:
    return t_b.reshape(-1, 1, 1, 1)
