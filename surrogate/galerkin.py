"""Coarse Galerkin estimates of the effective conductivity, as static-shape tensor operations.

The potential is sought as the applied linear drop plus a correction that is constant on cells of 2, 4, 8, 16 voxels.
Its Dirichlet energy bounds σ_eff from above (Dirichlet's principle), exactly met by layers in parallel; cells of one
level contain those of the finer one, so the bounds fall from level to level. Because the correction is constant
inside a cell, only the faces between cells enter the coarse problem, each the sum of four finer ones.

Piecewise constants are too stiff by a factor of two: counting the drop of the whole cell across its faces with half
their conductance (over-correction, Braess 1995, "Towards algebraic multigrid for elliptic problems of second
order", Computing 55) has the same minimiser and gives a far closer estimate, which is no longer a bound.

Each level is solved by a fixed number of Jacobi-preconditioned conjugate gradients that start from the coarser
level's correction (cascadic multigrid, Bornemann & Deuflhard 1996, Numer. Math. 75).

Shape suffixes: b batch; x, y, z cells of the level at hand (x is the transport axis); l levels.
Lengths are in voxels, conductivities relative to the largest, the applied potential difference is nx.
"""

from __future__ import annotations

from typing import NamedTuple, Sequence

import torch
from torch import Tensor
from torch.nn import functional

__all__ = [
    "Faces",
    "Level",
    "coarsen",
    "face_conductances",
    "ladder",
    "sum_pairs",
    "total",
    "with_zeros",
]

# Added to denominators that may be 0 together with their numerators; far below any float32 quantity that matters.
TINY = 1e-30


class Faces(NamedTuple):
    """A quantity on the faces between cells.

    ``x`` is (b, x+1, y, z): the first and last are the plates; ``y`` is (b, x, y-1, z); ``z`` is (b, x, y, z-1).
    """

    x: Tensor
    y: Tensor
    z: Tensor


class Level(NamedTuple):
    """What one coarse level knows.

    ``bound_b`` is never below σ_eff/σ_max; ``estimate_b`` is the over-corrected value; ``decrement_b`` is what the
    last iteration took off the bound's energy, relative to it; ``conductance`` and ``dissipation`` live on the faces.
    """

    bound_b: Tensor
    estimate_b: Tensor
    decrement_b: Tensor
    conductance: Faces
    dissipation: Faces


def face_conductances(x_bxyz: Tensor) -> Faces:
    """Return the two-point conductances: harmonic means, and 2σ to the plates half a voxel away (PHYSICS.md §1)."""
    x = torch.cat([2 * _first(x_bxyz, 1), _harmonic(x_bxyz, 1), 2 * _last(x_bxyz, 1)], 1)
    return Faces(x, _harmonic(x_bxyz, 2), _harmonic(x_bxyz, 3))


def coarsen(faces: Faces) -> Faces:
    """Return the sums over the faces between cells of twice the size; a last, odd layer makes thinner cells."""
    x, y, z = faces
    x = sum_pairs(sum_pairs(_even_faces(x), 2), 3)
    y = sum_pairs(sum_pairs(_odd_faces(y, 2), 1), 3)
    z = sum_pairs(sum_pairs(_odd_faces(z, 3), 1), 2)
    return Faces(x, y, z)


def ladder(fine: Faces, iterations: Sequence[int]) -> tuple[Tensor, list[Level]]:
    """Return the bound without any correction, (b,), and the levels of 2, 4, 8, ... voxels, finest first.

    Parameters
    ----------
    fine
        Conductances between voxels.
    iterations
        Conjugate-gradient iterations on each level, finest first.
    """
    shape = _cells(fine)
    uncorrected_b = total(_square(_drop(fine.x)) * fine.x)
    faces = [coarsen(fine)]
    for _ in iterations[1:]:
        faces.append(coarsen(faces[-1]))
    correction = torch.zeros_like(_diagonal(faces[-1]))
    levels: list[Level] = []
    for g, count in zip(reversed(faces), reversed(iterations)):
        correction = correction if not levels else _refine(correction, _cells(g))
        correction, decrement_b = _relax(g, correction, count)
        levels.insert(0, _level(g, correction, uncorrected_b, decrement_b, shape))
    return _relative(uncorrected_b, shape), levels


def _relative(energy_b: Tensor, shape: Sequence[int]) -> Tensor:
    """Return σ/σ_max of a box of `shape` that dissipates `energy_b` under a unit mean gradient."""
    return energy_b / (shape[0] * shape[1] * shape[2])


def _level(g: Faces, u: Tensor, uncorrected_b: Tensor, decrement_b: Tensor, shape: Sequence[int]) -> Level:
    drop = _drop(g.x)
    gradient = _gradient(u)
    q = Faces(g.x * _square(drop - gradient.x), g.y * _square(gradient.y), g.z * _square(gradient.z))
    between_b = total(q.x) + total(q.y) + total(q.z)
    inside_b = functional.relu(uncorrected_b - total(_square(drop) * g.x))
    bound_b = between_b + inside_b
    # Of the nx voxels' drops, one falls on each face between cells, half a one on either plate; the rest lie inside.
    crossed = g.x.shape[1] - 1
    return Level(
        _relative(bound_b, shape),
        _relative(between_b, shape) * (shape[0] / crossed),
        decrement_b / (bound_b + TINY),
        g,
        q,
    )


def _relax(g: Faces, u: Tensor, iterations: int) -> tuple[Tensor, Tensor]:
    """Return u after Jacobi-preconditioned CG on the energy, and what the last iteration took off it, (b,)."""
    diagonal = _diagonal(g)
    inverse = torch.where(diagonal > 0, 1 / (diagonal + TINY), torch.zeros_like(diagonal))
    r = -_difference(g.x * _drop(g.x), 1) - _operator(g, u)
    p = inverse * r
    rz_b = total(r * p)
    decrement_b = rz_b
    for _ in range(iterations):
        q = _operator(g, p)
        alpha_b = rz_b / (total(p * q) + TINY)
        decrement_b = alpha_b * rz_b
        u = u + _wide(alpha_b) * p
        r = r - _wide(alpha_b) * q
        z = inverse * r
        previous_b, rz_b = rz_b, total(r * z)
        p = z + _wide(rz_b / (previous_b + TINY)) * p
    return u, decrement_b


def _operator(g: Faces, u: Tensor) -> Tensor:
    """Return the net current out of each cell at the potential correction `u`."""
    gradient = _gradient(u)
    return -(
        _difference(g.x * gradient.x, 1)
        + _difference(with_zeros(g.y * gradient.y, 2), 2)
        + _difference(with_zeros(g.z * gradient.z, 3), 3)
    )


def _diagonal(g: Faces) -> Tensor:
    return _neighbours(g.x, 1) + _neighbours(with_zeros(g.y, 2), 2) + _neighbours(with_zeros(g.z, 3), 3)


def _gradient(u: Tensor) -> Faces:
    return Faces(_difference(with_zeros(u, 1), 1), _difference(u, 2), _difference(u, 3))


def _drop(x: Tensor) -> Tensor:
    """Return the applied drop across each x face, (1, x+1, 1, 1): one voxel, half a voxel at the plates."""
    inner = torch.ones(1, x.shape[1] - 2, 1, 1, dtype=x.dtype, device=x.device)
    plate = torch.full((1, 1, 1, 1), 0.5, dtype=x.dtype, device=x.device)
    return torch.cat([plate, inner, plate], 1)


def _refine(u: Tensor, shape: Sequence[int]) -> Tensor:
    """Return the piecewise-constant correction on cells of half the size."""
    fine = functional.interpolate(u.unsqueeze(1), scale_factor=2.0, mode="nearest").squeeze(1)
    return fine[:, : shape[0], : shape[1], : shape[2]]


def _cells(g: Faces) -> tuple[int, int, int]:
    return g.y.shape[1], g.x.shape[2], g.x.shape[3]


def _harmonic(x_bxyz: Tensor, axis: int) -> Tensor:
    a, b = _but_last(x_bxyz, axis), _but_first(x_bxyz, axis)
    return 2 * a * b / (a + b + TINY)


def _even_faces(x: Tensor) -> Tensor:
    """Keep the x faces 0, 2, 4, ... and the far plate."""
    even = x if x.shape[1] % 2 == 0 else _but_last(x, 1)
    return torch.cat([_pairs(even, 1).select(2, 0), _last(x, 1)], 1)


def _odd_faces(faces: Tensor, axis: int) -> Tensor:
    """Keep the inner faces 1, 3, 5, ...: those between cells of two."""
    even = faces if faces.shape[axis] % 2 == 0 else _but_last(faces, axis)
    return _pairs(even, axis).select(axis + 1, 1)


def sum_pairs(cells: Tensor, axis: int) -> Tensor:
    """Return the sums of neighbours 0+1, 2+3, ... along `axis`; a last, odd one stays alone."""
    even = cells if cells.shape[axis] % 2 == 0 else torch.cat([cells, _zeros(cells, axis)], axis)
    return _pairs(even, axis).sum(axis + 1)


def _pairs(even: Tensor, axis: int) -> Tensor:
    shape = list(even.shape)
    shape[axis : axis + 1] = [shape[axis] // 2, 2]
    return even.reshape(shape)


def with_zeros(t: Tensor, axis: int) -> Tensor:
    """Return `t` with a layer of zeros before and after: grounded plates for u, closed walls for a current."""
    zero = _zeros(t, axis)
    return torch.cat([zero, t, zero], axis)


def _zeros(t: Tensor, axis: int) -> Tensor:
    shape = list(t.shape)
    shape[axis] = 1
    return torch.zeros(shape, dtype=t.dtype, device=t.device)


def _difference(t: Tensor, axis: int) -> Tensor:
    return _but_first(t, axis) - _but_last(t, axis)


def _neighbours(t: Tensor, axis: int) -> Tensor:
    return _but_first(t, axis) + _but_last(t, axis)


def _first(t: Tensor, axis: int) -> Tensor:
    return t.narrow(axis, 0, 1)


def _last(t: Tensor, axis: int) -> Tensor:
    return t.narrow(axis, t.shape[axis] - 1, 1)


def _but_first(t: Tensor, axis: int) -> Tensor:
    return t.narrow(axis, 1, t.shape[axis] - 1)


def _but_last(t: Tensor, axis: int) -> Tensor:
    return t.narrow(axis, 0, t.shape[axis] - 1)


def _square(t: Tensor) -> Tensor:
    return t * t


def total(t_bxyz: Tensor) -> Tensor:
    """Return the sum over the box, (b,)."""
    return t_bxyz.sum(dim=(1, 2, 3))


def _wide(t_b: Tensor) -> Tensor:
    return t_b.reshape(-1, 1, 1, 1)
