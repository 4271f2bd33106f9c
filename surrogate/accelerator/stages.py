"""Cutting a module into pipeline stages: each stage's modelled time and memory, and the split that balances them.

For stage i of S, counted from 0, PopART keeps the activations of 2(S-1-i)+1 micro-batches, of the last stage none but
those being worked on; with recomputation only what enters the stage, and all activations of the one it recomputes.
"""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass
from typing import Sequence

from .machines import Assumptions, Machine
from .tracing import Segment

__all__ = ["Layout", "Stage", "balance", "efficiency", "stash"]


@dataclass(frozen=True)
class Layout:
    """What one replica does, besides where it is cut.

    Parameters
    ----------
    micro_batch
        Structures that pass through together.
    accumulation
        Micro-batches for each weight update.
    recomputation
        Whether activations are computed again for the backward pass.
    bytes_per_element
        Of weights and activations: 2 or 4. Accumulators and moments have 4.
    training
        Or prediction.
    """

    micro_batch: int
    accumulation: int
    recomputation: bool
    bytes_per_element: int
    training: bool = True


@dataclass(frozen=True)
class Stage:
    """One IPU of a plan, modelled: s of one micro-batch in steady state, bytes by what needs them."""

    first: str
    layers: int
    seconds: float
    flops: int
    weights: int
    optimizer: int
    activations: int
    temporaries: int

    @property
    def bytes(self) -> int:
        """All of it."""
        return self.weights + self.optimizer + self.activations + self.temporaries


def stash(stage: int, stages: int) -> int:
    """Return the micro-batches whose activations a stage keeps: 2(S-1-i)+1, 0 on the last."""
    return 0 if stage == stages - 1 else 2 * (stages - 1 - stage) + 1


def efficiency(micro_batches: int, stages: int, training: bool = True) -> float:
    """Return the share of cycles that are not pipeline bubble: GA/(GA+2S-2) in training, D/(D+S-1) in prediction."""
    return micro_batches / (micro_batches + (2 if training else 1) * (stages - 1))


def balance(
    segments: Sequence[Segment], stages: int, layout: Layout, machine: Machine, assumed: Assumptions
) -> tuple[Stage, ...] | None:
    """Return the split whose slowest stage is fastest among those that fit the memory; None if none does.

    Dynamic programming over the cuts: exact for the model, S n² stages to cost.
    """
    usable = machine.memory * (1 - assumed.headroom)

    @functools.lru_cache(maxsize=None)
    def cost(stage: int, start: int, end: int) -> Stage:
        return _stage(segments[start:end], stage, stages, layout, machine, assumed)

    @functools.lru_cache(maxsize=None)
    def best(stage: int, start: int) -> tuple[float, tuple[int, ...]]:
        """Return the slowest stage from `stage` on, which begins at `start`, and where each one begins."""
        ends = [len(segments)] if stage == stages - 1 else range(start + 1, len(segments) - (stages - 2 - stage))
        found: tuple[float, tuple[int, ...]] = (math.inf, ())
        for end in ends:
            here = cost(stage, start, end)
            if here.bytes > usable:
                # A longer stage needs more still.
                break
            rest = (0.0, ()) if stage == stages - 1 else best(stage + 1, end)
            found = min(found, (max(here.seconds, rest[0]), (start, *rest[1])))
        return found

    slowest, starts = best(0, 0)
    if math.isinf(slowest):
        return None
    return tuple(cost(i, a, b) for i, (a, b) in enumerate(zip(starts, [*starts[1:], len(segments)])))


def _stage(
    part: Sequence[Segment], stage: int, stages: int, layout: Layout, machine: Machine, assumed: Assumptions
) -> Stage:
    b, size = layout.micro_batch, layout.bytes_per_element
    parameters = sum(segment.parameters for segment in part)
    flops = b * sum(segment.flops for segment in part)
    saved = b * sum(segment.saved for segment in part)
    entering = b * part[0].entering
    # Moments of AdamW in float32, and gradients where they add up over micro-batches.
    optimizer = 4 * parameters * (2 + (layout.accumulation > 1)) if layout.training else 0
    return Stage(
        first=part[0].name,
        layers=len(part),
        seconds=_seconds(part, layout, entering if stage else 0, machine, assumed),
        flops=flops,
        weights=size * parameters,
        optimizer=optimizer,
        activations=size * _kept(saved, entering, stash(stage, stages), layout),
        temporaries=int(min(size * b * max(s.temporary for s in part), assumed.proportion * machine.memory)),
    )


def _kept(saved: int, entering: int, stashed: int, layout: Layout) -> int:
    if not layout.training:
        return entering
    if layout.recomputation:
        return stashed * entering + saved
    return max(1, stashed) * saved


def _seconds(part: Sequence[Segment], layout: Layout, entering: int, machine: Machine, assumed: Assumptions) -> float:
    b, size = layout.micro_batch, layout.bytes_per_element
    products = b * sum(s.flops for s in part) / (assumed.utilisation * machine.peak(size))
    others = size * b * sum(s.moved for s in part) / (assumed.streaming * machine.bandwidth)
    overhead = sum(s.operations for s in part) * assumed.cycles_per_operation / machine.clock
    passes = 1 + (assumed.backward + layout.recomputation) * layout.training
    # The gradient goes back the way that the activations came.
    copies = size * entering * (1 + layout.training) / machine.link_bandwidth
    return passes * (products + others + overhead) + copies
