"""The sample: recipe, microstructure, labels and provenance, as one record of a dataset."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, Mapping

from .label import Label
from .microstructure import Microstructure
from .recipe import Recipe

__all__ = ["Sample"]


@dataclass(frozen=True, eq=False)
class Sample:
    """One record.

    Parameters
    ----------
    recipe
        What was asked for; its digest is the sample's id.
    microstructure
        What was generated; None if that failed (every label then has status INVALID_STRUCTURE or WORKER_LOST).
    labels
        Transport name -> label.
    provenance
        JSON types: versions, solver settings, host; equal for equal software.
    descriptors
        Numbers that describe the microstructure, units in their names; empty if none were computed.
    """

    recipe: Recipe
    microstructure: Microstructure | None
    labels: Mapping[str, Label]
    provenance: Mapping[str, Any] = field(default_factory=dict)
    descriptors: Mapping[str, float] = field(default_factory=dict)

    @property
    def id(self) -> str:
        """The recipe's digest."""
        return self.recipe.id

    def outline(self) -> Sample:
        """Return this sample without its voxels: what a manifest entry is made from."""
        labels = {name: replace(label, connected=None, potential=None) for name, label in self.labels.items()}
        return replace(self, microstructure=None, labels=labels)
