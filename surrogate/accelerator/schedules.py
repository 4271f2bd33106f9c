"""In which order a pipeline's stages work: PopART's, as lists of what each stage does.

PopART runs in cycles. In cycle t stage i of S takes micro-batch t - i forward and micro-batch t - (2S-2-i) backward, so
that an update over GA micro-batches takes GA + 2S - 2 cycles.
"""

from __future__ import annotations

from typing import Sequence

__all__ = ["makespan", "popart_order", "popart_stash"]


def popart_order(stage: int, stages: int, accumulation: int) -> list[str]:
    """Return what a stage does for one update: ``"F3"`` takes micro-batch 3 forward, ``"B3"`` backward."""
    order = []
    for cycle in range(accumulation + 2 * stages - 2):
        for kind, number in (("F", cycle - stage), ("B", cycle - (2 * stages - 2 - stage))):
            if 0 <= number < accumulation:
                order.append(f"{kind}{number}")
    return order


def popart_stash(order: Sequence[str]) -> int:
    """Return the most micro-batches that are forward and not yet backward when a backward pass begins."""
    waiting, most = 0, 0
    for action in order:
        most = max(most, waiting) if action[0] == "B" else most
        waiting += 1 if action[0] == "F" else -1
    return most


def makespan(orders: Sequence[Sequence[str]], forward: float, backward: float) -> float:
    """Return how long stages take that begin each action as soon as they are free and its input is there.

    Parameters
    ----------
    orders
        For each stage.
    forward, backward
        Of one micro-batch on one stage, s; nothing is lost between stages.
    """
    done: dict[tuple[int, str], float] = {}
    clock = [0.0] * len(orders)
    places = [0] * len(orders)
    while any(place < len(order) for place, order in zip(places, orders)):
        moved = False
        for stage, order in enumerate(orders):
            while places[stage] < len(order):
                action = order[places[stage]]
                source = stage - 1 if action[0] == "F" else stage + 1
                if 0 <= source < len(orders) and (source, action) not in done:
                    break
                start = max(clock[stage], done.get((source, action), 0.0))
                clock[stage] = done[stage, action] = start + (forward if action[0] == "F" else backward)
                places[stage] += 1
                moved = True
        if not moved:
            raise ValueError("The stages wait for each other.")
    return max(clock)
