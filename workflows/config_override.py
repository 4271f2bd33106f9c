"""Overrides: ``--set train.epochs=5`` changes one field of a campaign as it is read."""

from __future__ import annotations

from typing import Any

import yaml

from ..datasets import InvalidInput

__all__ = ["override"]


def override(data: dict[str, Any], text: str) -> list[str]:
    """Set one field of a campaign's data, and return where it is.

    Parameters
    ----------
    data
        As read from YAML; changed.
    text
        ``field.field=value``; an element of a list is a number from 0, the value is YAML.

    Raises
    ------
    InvalidInput
        If it is not of that form, or leads into a value that has no fields.
    """
    name, equals, value = text.partition("=")
    place = name.strip().split(".")
    if not equals or not all(place):
        raise InvalidInput(f"--set {text}: give it as field.field=value, such as train.epochs=5.")
    try:
        parsed = yaml.safe_load(value)
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        raise InvalidInput(f"--set {name}: {value!r} is not valid YAML; quote it.") from error
    inner: Any = data
    for step in place[:-1]:
        if isinstance(inner, dict) and (step not in inner or inner[step] is None):
            inner[step] = {}
        inner = _field(inner, step, name)[_key(inner, step)]
    _field(inner, place[-1], name)[_key(inner, place[-1])] = parsed
    return place


def _field(inner: Any, step: str, name: str) -> Any:
    inside = isinstance(inner, list) and step.isdecimal() and int(step) < len(inner)
    if not (isinstance(inner, dict) or inside):
        raise InvalidInput(f"--set {name}: there is nothing called {step!r} there; see 'ionscreen init --full'.")
    return inner


def _key(inner: Any, step: str) -> Any:
    return int(step) if isinstance(inner, list) else step
