"""Settings of the cascade, and what its features are; shared by the tensors and the compiled kernels."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from ..datasets import InvalidInput

__all__ = ["CONVERGED", "FLOOR", "GLOBAL_FEATURES", "LEVEL_FEATURES", "RULES", "CascadeSettings"]

# How a face between cells of two voxels is coarsened: in series with it lies half of the next face inside either cell,
# counted as at most `cap` times the face itself, or as `blocked` times where that face insulates (the current flows
# around). Where all voxels are alike this is exact. A low cap lets current pass poor conductors inside the cells, a
# high one lets them block it; the truth lies between. All three together tell the regressor where, but so do a few
# iterations on the voxels: after eight of them the middle rule alone is as accurate (docs/benchmarks.md). On 159 test
# labels a prototype's estimates on cells of two voxels missed ln M by 0.12, 0.10 and 0.08 (one standard deviation); the
# over-corrected Galerkin operator of :mod:`.galerkin` (cap and blocked 1 at either end) by 0.14.
RULES = ((3.0, 3.0), (10.0, 10.0), (200.0, 4.0))
# Of a level: estimate, last decrement, residual, share of the dissipation along the axis, its concentration, mean
# current over the energy, spread of the current from plane to plane.
LEVEL_FEATURES = 7
# Those that say how far the level has converged.
CONVERGENCE = (1, 2, 6)
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
        Conjugate-gradient iterations on the cells of 2, 4, 8, ... voxels; none leaves descriptors of the voxels alone.
    fine
        Iterations on the voxels themselves; 0 leaves them out.
    rules
        How faces are coarsened, each (cap, blocked); the middle one's potential is what the voxels' iterations start
        from, and without them its finest estimate is what the regressor corrects.

    Raises
    ------
    InvalidInput
        If a number is out of range.
    """

    coarse: tuple[int, ...] = (10, 14, 18, 20)
    fine: int = 2
    rules: tuple[tuple[float, float], ...] = RULES[1:2]

    def __post_init__(self) -> None:
        object.__setattr__(self, "coarse", tuple(self.coarse))
        object.__setattr__(self, "rules", tuple((float(cap), float(blocked)) for cap, blocked in self.rules))
        if len(self.coarse) > 8 or not all(_whole(n, 1, 1000) for n in self.coarse):
            raise InvalidInput(f"coarse must be at most 8 whole numbers from 1 to 1000, not {self.coarse!r}.")
        if not _whole(self.fine, 0, 100 if self.coarse else 0):
            raise InvalidInput(
                f"fine must be a whole number from 0 to 100, and 0 without coarse levels, not {self.fine!r}."
            )
        if not 1 <= len(self.rules) <= 8 or not all(0 < limit < 1e6 for rule in self.rules for limit in rule):
            raise InvalidInput(f"rules must be 1 to 8 pairs of numbers above 0, not {self.rules!r}.")

    @property
    def start(self) -> int:
        """The rule whose potential the voxels' own iterations start from."""
        return len(self.rules) // 2

    @property
    def voxels(self) -> int:
        """The place of the first feature of the voxels' own iterations."""
        return GLOBAL_FEATURES + LEVEL_FEATURES * len(self.rules) * len(self.coarse)

    @property
    def count(self) -> int:
        """How many features there are."""
        return self.voxels + (LEVEL_FEATURES + 1 + self.fine if self.fine else 0)

    @property
    def base(self) -> int:
        """The feature that is the logarithm of the estimate which the regressor corrects."""
        if not self.coarse:
            return 0
        return self.voxels if self.fine else GLOBAL_FEATURES + LEVEL_FEATURES * len(self.coarse) * self.start

    @property
    def of_size(self) -> list[int]:
        """The features that tell the size of the box: how far the coarsest level, a few cells, has converged."""
        coarsest = GLOBAL_FEATURES + LEVEL_FEATURES * (len(self.coarse) - 1)
        first = [coarsest + LEVEL_FEATURES * len(self.coarse) * rule for rule in range(len(self.rules))]
        return [place + feature for place in first for feature in CONVERGENCE] if self.coarse else []

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON types."""
        return {**asdict(self), "coarse": list(self.coarse), "rules": [list(rule) for rule in self.rules]}


def _whole(value: object, low: int, high: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and low <= value <= high
