"""The blocks ``candidates``, ``screen`` and ``adaptive`` of a campaign's configuration."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from .config_block import Block as _Block
from .config_block import PathText, Positive

__all__ = ["AdaptiveConfig", "CandidatesConfig", "ImageConfig", "ScreenConfig"]

Fraction = Annotated[float, Field(ge=0, le=1)]


class ImageConfig(_Block):
    """An image on disk whose windows are candidates."""

    path: PathText
    voxel_size_um: Positive
    phases: dict[int, str]
    stride: Annotated[int, Field(ge=1, le=4096)] | None = None


class CandidatesConfig(_Block):
    """What is screened: generated structures, windows of images, structures of datasets, or all of them."""

    samples: Annotated[int, Field(ge=0, le=10_000_000)] = 2000
    images: list[ImageConfig] = []
    datasets: list[PathText] = []

    @model_validator(mode="after")
    def _some(self) -> CandidatesConfig:
        if self.samples == 0 and not self.images and not self.datasets:
            raise ValueError("there is nothing to screen: set samples above 0 or list images or datasets")
        return self


class ScreenConfig(_Block):
    """What is looked for, and how much of it is checked by the solver.

    `quantity` is a property: a transport's name, ``ionic``, or with ``label.axis: all`` that and an axis, ``ionic_x``;
    ``smallest`` of all transports' conductivities, each over its scale; or ``anisotropy``, the largest conductivity
    over the smallest, along three axes. By default it is the first property.
    """

    objective: Literal["maximise", "minimise"] = "maximise"
    quantity: str | None = None
    scales_S_per_m: dict[str, Positive] = {}  # noqa: N815
    at_least_S_per_m: dict[str, Positive] = {}  # noqa: N815
    constraints: dict[str, tuple[Fraction, Fraction]] = {}
    verify_top: Annotated[int, Field(ge=1, le=100_000)] = 20
    verify_random: Annotated[int, Field(ge=0, le=100_000)] = 20
    export_top: Annotated[int, Field(ge=0, le=1000)] = 3

    @model_validator(mode="after")
    def _ordered(self) -> ScreenConfig:
        for phase, (low, high) in self.constraints.items():
            if low > high:
                raise ValueError(f"the range of {phase!r} is [{low}, {high}]; give the smaller fraction first")
        return self


class AdaptiveConfig(_Block):
    """Rounds in mode adaptive: propose candidates, solve them, train again.

    Each round also draws `new_recipes` near the best predicted ones, which join the candidates. The search ends when
    the probability that a better one than the best solved remains is below `stop_probability`.
    """

    batch: Annotated[int, Field(ge=1, le=100_000)] = 16
    rounds: Annotated[int, Field(ge=1, le=10_000)] = 20
    new_recipes: Annotated[int, Field(ge=0, le=100_000)] = 32
    acquisition: Literal["expected_improvement", "upper_confidence_bound"] = "expected_improvement"
    stop_probability: Annotated[float, Field(gt=0, lt=1)] = 0.05
