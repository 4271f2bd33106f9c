"""Bottlenecks: where the current of a structure is squeezed into little of its cross-section.

Shape legend: n layers along the current, b and c voxels across it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ..datasets import InvalidInput, Microstructure, Transport
from .conductivity import effective_conductivity
from .labelling import resistances

__all__ = ["CurrentLayers", "current_layers"]


@dataclass(frozen=True, eq=False)
class CurrentLayers:
    """The current through a structure, layer by layer.

    Parameters
    ----------
    intensity_nbc
        Size of the current density along the axis over its mean in the layer: 1 everywhere in a box of one material;
        b and c are the axes that follow in the turn x, y, z, x.
    connected_n
        Share of the layer's voxels that carry current.
    half_n
        Share of the layer's voxels, the busiest ones, that carry half of the current; 0.5 if it is spread evenly over
        the whole layer, small in a bottleneck.
    """

    intensity_nbc: npt.NDArray[np.float64]
    connected_n: npt.NDArray[np.float64]
    half_n: npt.NDArray[np.float64]

    @property
    def tightest(self) -> int:
        """The layer in which half of the current passes through the fewest voxels."""
        return int(np.argmin(self.half_n))

    @property
    def largest(self) -> float:
        """The largest current density over the mean one."""
        return float(self.intensity_nbc.max())


def current_layers(
    microstructure: Microstructure, transport: Transport, axis: int, rtol: float = 1e-4
) -> CurrentLayers | None:
    """Solve a structure and return its current by layers, None if nothing flows.

    Raises
    ------
    InvalidInput
        If the transport has no conductivity for one of the phases, or the axis is none.
    """
    if axis not in (0, 1, 2):
        raise InvalidInput(f"axis is {axis!r}; give 0, 1 or 2.")
    table = dict(enumerate(transport.table(microstructure.phase_names).tolist()))
    result: Any = effective_conductivity(
        microstructure.phases,
        table,
        voxel_size=microstructure.voxel_size,
        axis=axis,
        rtol=rtol,
        return_fields=True,
        **resistances(microstructure, transport),
    )
    if not result.sigma > 0:
        return None
    # The axes keep their turn, so that a picture of it is not mirrored.
    turned = np.transpose(result.current_density[axis], [(axis + step) % 3 for step in range(3)])
    through_nbc = np.abs(turned).astype(np.float64)
    intensity_nbc = through_nbc / through_nbc.mean(axis=(1, 2), keepdims=True)
    return CurrentLayers(intensity_nbc, (through_nbc > 0).mean(axis=(1, 2)), _half(intensity_nbc))


def _half(intensity_nbc: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return the smallest share of each layer that carries half of its current, between voxels by interpolation."""
    layers = -np.sort(-intensity_nbc.reshape(len(intensity_nbc), -1), axis=1)
    carried = np.cumsum(layers, axis=1) / layers.sum(axis=1, keepdims=True)
    whole = np.arange(1, layers.shape[1] + 1) / layers.shape[1]
    return np.array([np.interp(0.5, [0.0, *row], [0.0, *whole]) for row in carried])
