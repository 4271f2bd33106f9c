"""Properties: the conductivities that a campaign computes, and the objective that is made of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from ..datasets import Transport
from .objective import ANISOTROPY, SMALLEST, Objective

if TYPE_CHECKING:
    from .config import CampaignConfig

__all__ = ["Property", "check_objective", "leading_property", "objective_of", "properties_of"]


class Property(NamedTuple):
    """A conductivity of a structure: its name, for instance ``ionic`` or ``ionic_x``; which transport; which axis."""

    name: str
    transport: Transport
    axis: int


def properties_of(config: CampaignConfig) -> tuple[Property, ...]:
    """Return what a campaign computes of each structure."""
    axes = config.label.axes
    return tuple(
        Property(given.name if len(axes) == 1 else f"{given.name}_{'xyz'[axis]}", given.transport(), axis)
        for given in config.every_transport
        for axis in axes
    )


def leading_property(config: CampaignConfig) -> Property:
    """Return the property whose current is drawn: the first of those that the objective is made of."""
    names = objective_of(config).names
    return next(wanted for wanted in properties_of(config) if wanted.name == names[0])


def objective_of(config: CampaignConfig) -> Objective:
    """Return what a campaign looks for."""
    screen, properties = config.screen, properties_of(config)
    quantity = screen.quantity or properties[0].name
    names = {
        SMALLEST: [wanted.name for wanted in properties],
        ANISOTROPY: [wanted.name for wanted in properties if wanted.transport.name == config.every_transport[0].name],
    }.get(quantity, [quantity])
    return Objective(
        sense=screen.objective,
        quantity=quantity,
        names=names,
        scales={p.name: screen.scales_S_per_m.get(p.name, p.transport.sigma_max) for p in properties},
        at_least=dict(screen.at_least_S_per_m),
    )


def check_objective(config: CampaignConfig) -> None:
    """Refuse an objective on properties that are not computed.

    Raises
    ------
    ValueError
        Naming the field.
    """
    axes = config.label.axes
    names = [f"{t.name}_{'xyz'[a]}" if len(axes) > 1 else t.name for t in config.every_transport for a in axes]
    screen = config.screen
    if screen.quantity not in (None, SMALLEST, ANISOTROPY, *names):
        raise ValueError(
            f"screen.quantity is {screen.quantity!r}; choose {', '.join(names)}, {SMALLEST} or {ANISOTROPY}"
        )
    if screen.quantity == ANISOTROPY and len(axes) == 1:
        raise ValueError("screen.quantity: anisotropy needs conductivities along three axes; add label.axis: all")
    for field in ("scales_S_per_m", "at_least_S_per_m"):
        unknown = sorted(set(getattr(screen, field)) - set(names))
        if unknown:
            raise ValueError(f"screen.{field} names {unknown[0]!r}; there are {', '.join(names)}")
