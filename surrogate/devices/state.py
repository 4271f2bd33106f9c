"""A nested optimizer state as tensors by name, so that it can be stored without pickle."""

from __future__ import annotations

import json
from typing import Any

import torch
from torch import Tensor

__all__ = ["flatten", "unflatten"]

REST = "rest"


def flatten(nested: dict[Any, Any]) -> dict[str, Tensor]:
    """Return the tensors by their path; what else there is becomes JSON in one uint8 tensor."""
    tensors: dict[str, Tensor] = {}
    rest: list[Any] = []
    _walk(nested, [], tensors, rest)
    if rest:
        tensors[REST] = torch.tensor(list(json.dumps(rest).encode()), dtype=torch.uint8)
    return tensors


def unflatten(tensors: dict[str, Tensor]) -> dict[Any, Any]:
    """Return what was flattened; lists come back as dictionaries by number only if they held tensors."""
    nested: dict[Any, Any] = {}
    leaves = [(json.loads(name), tensor) for name, tensor in tensors.items() if name != REST]
    if REST in tensors:
        leaves += json.loads(bytes(tensors[REST].tolist()).decode())
    for path, leaf in leaves:
        inner = nested
        for step in path[:-1]:
            inner = inner.setdefault(step, {})
        inner[path[-1]] = leaf
    return nested


def _walk(value: Any, path: list[Any], tensors: dict[str, Tensor], rest: list[Any]) -> None:
    if isinstance(value, Tensor):
        tensors[json.dumps(path)] = value.detach().cpu().clone().contiguous()
    elif isinstance(value, dict) and value:
        for key, inner in value.items():
            _walk(inner, [*path, key], tensors, rest)
    else:
        rest.append([path, value])
