"""Structures and exact solutions to judge the surrogate by, small enough for a direct solver."""

import numpy as np
from scipy import ndimage, sparse
from scipy.sparse.linalg import spsolve

from ionscreen.surrogate import LabelledStructures
from ionscreen.surrogate.conductor import Conductor

SEED = 81649


def random_fields(count, shape, seed=SEED):
    """Return (count, *shape) float32: smoothed noise thresholded to one of several fractions, trimmed; M > 0."""
    random = np.random.default_rng(seed)
    fields = []
    while len(fields) < count:
        noise = ndimage.gaussian_filter(random.standard_normal(shape), random.uniform(0.7, 1.8), mode="nearest")
        solid = noise > np.quantile(noise, random.uniform(0.15, 0.62))
        trimmed = percolating(solid)
        if trimmed.any():
            fields.append(trimmed.astype(np.float32))
    return np.stack(fields)


def mixed(shape, seed):
    """Return a field of four materials, one of them an insulator, trimmed to what percolates."""
    return random_fields(1, shape, seed)[0] * np.random.default_rng(seed).choice([1.0, 0.3, 0.02], shape)


def conductor(field):
    """Return the conductor of a field of relative conductivities."""
    sigma = np.unique(np.append(field, 0.0))
    count = sigma.size
    return Conductor(
        np.searchsorted(sigma, field).astype(np.uint8), sigma, np.zeros((count, count)), None, np.zeros(count)
    )


def part(data, start, stop):
    """Return some of the labelled structures."""
    return LabelledStructures(data.x_nxyz[start:stop], data.y_n[start:stop], data.ids[start:stop])


def percolating(solid):
    """Return the part of `solid` that joins the two faces of the first axis."""
    labels, _ = ndimage.label(solid)
    both = np.setdiff1d(np.intersect1d(labels[0], labels[-1]), [0])
    return np.isin(labels, both)


def exact(x):
    """Return M of one field (nx, ny, nz) by a direct solver, in float64 (PHYSICS.md, section 1)."""
    x = np.asarray(x, np.float64)
    n = x.size
    number = np.arange(n).reshape(x.shape)
    rows, columns, values = [], [], []
    for axis in range(3):
        a, b = (np.take(x, range(start, x.shape[axis] - 1 + start), axis) for start in (0, 1))
        i, j = (np.take(number, range(start, x.shape[axis] - 1 + start), axis).ravel() for start in (0, 1))
        g = np.divide(2 * a * b, a + b, out=np.zeros_like(a), where=a + b > 0).ravel()
        rows += [i, j, i, j]
        columns += [j, i, i, j]
        values += [-g, -g, g, g]
    plates = np.zeros(x.shape)
    plates[0] += 2 * x[0]
    plates[-1] += 2 * x[-1]
    # Voxels without any conductance get a potential of 0 of their own.
    matrix = sparse.csc_matrix((np.concatenate(values), (np.concatenate(rows), np.concatenate(columns))), (n, n))
    idle = sparse.diags((x.ravel() == 0).astype(float))
    source = np.zeros(x.shape)
    source[0] = 2 * x[0]
    potential = spsolve((matrix + sparse.diags(plates.ravel()) + idle).tocsc(), source.ravel()).reshape(x.shape)
    current = float(np.sum(2 * x[0] * (1 - potential[0])))
    return current * x.shape[0] / (x.shape[1] * x.shape[2])
