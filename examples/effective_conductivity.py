"""σ_eff of an array along every axis, its tortuosity factor, and the largest current density over the mean one.

Run as ``python examples/effective_conductivity.py``.
"""

import numpy as np

from ionscreen.pipeline import effective_conductivity

phases = (np.random.default_rng(7).random((32, 32, 32)) < 0.7).astype(np.uint8)  # 1: electrolyte, 0: void
result = effective_conductivity(phases, {0: 0.0, 1: 0.18}, voxel_size=0.4e-6, axis="all", return_fields=True)
for axis, name in enumerate("xyz"):
    current = np.abs(result.current_density[axis][axis])
    peak = current.max() / current.mean()
    sigma, tortuosity = result.sigma[axis], result.tortuosity[axis]
    print(f"{name}: {sigma:.4g} S/m, tortuosity factor {tortuosity:.3f}, peak current {peak:.1f} times the mean")
