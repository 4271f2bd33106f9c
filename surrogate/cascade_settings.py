"""Settings of the cascade, and what its features are; shared by the tensors and the compiled kernels."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from ..datasets import InvalidInput

__all__ = ["CONVERGED", "FLOOR", "GLOBAL_FEATURES", "LEVEL_FEATURES", "RULES", "CascadeSettings"]

# How a face between cells of two voxels is coarsened: in series with it lies half of the next face inside either cell,
# counted as at most `cap` times the face itself, or as `blocked` times where that face insulates (the current flows
# around). Where all voxels are alike this is exact. A low cap lets current pass poor conductors inside the cells, a
# high one lets them block it; the truth lies between, and the three together tell the regressor where. On 159 test
# labels a prototype's estimates on cells of two voxels missed ln M by 0.12, 0.10 and 0.08 (one standard deviation); the
# over-corrected Galerkin operator of :mod:`.galerkin` (cap and blocked 1 at either end) by 0.14.
RULES = ((3.0, 3.0), (10.0, 10.0), (200.0, 4.0))
# The rule whose potential the voxels' own iterations start from.
START_RULE = 1
# Of a level: estimate, last decrement, residual, share of the dissipation along the axis, its concentration, mean
# current over the energy, spread of the current from plane to plane.
LEVEL_FEATURES = 7
# Of the voxels: mean, spread, the energies of the linear potential along and across, conducting share.
GLOBAL_FEATURES = 5
# Relative conductivities below this count as this in logarithms, so that an empty box has finite features.
FLOOR = 1e-9
# Relative decrements, residuals and spreads below this are rounding.
CONVERGED = 1e-4


@dataclass(frozen=True)
class CascadeSettings:
    """How much is computed.

    Parameters
    ----------
    coarse
        Conjugate-gradient iterations on the cells of 2, 4, 8, ... voxels.
    fine
        Iterations on the voxels themselves; 0 leaves them out.

    Raises
    ------
    InvalidInput
        If a number is out of range.
    """

    coarse: tuple[int, ...] = (10, 14, 18, 20)
    fine: int = 3

    def __post_init__(self) -> None:
        object.__setattr__(self, "coarse", tuple(self.coarse))
        if not 1 <= len(self.coarse) <= 8 or not all(_whole(n, 1, 1000) for n in self.coarse):
            raise InvalidInput(f"coarse must be 1 to 8 whole numbers from 1 to 1000, not {self.coarse!r}.")
        if not _whole(self.fine, 0, 100):
            raise InvalidInput(f"fine must be a whole number from 0 to 100, not {self.fine!r}.")

    @property
    def count(self) -> int:
        """How many features there are."""
        fine = LEVEL_FEATURES + 1 + self.fine if self.fine else 0
        return GLOBAL_FEATURES + LEVEL_FEATURES * len(RULES) * len(self.coarse) + fine

    @property
    def base(self) -> int:
        """The feature that is the logarithm of the estimate which the regressor corrects."""
        if self.fine:
            return GLOBAL_FEATURES + LEVEL_FEATURES * len(RULES) * len(self.coarse)
        return GLOBAL_FEATURES + LEVEL_FEATURES * len(self.coarse)

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON types."""
        return {**asdict(self), "coarse": list(self.coarse)}


def _whole(value: object, low: int, high: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and low <= value <= high
