"""The fields of a shard: every name, type, shape and unit that stands in a file, and nowhere else.

Symbols of shapes: n samples; nx, ny, nz voxels along x, y, z; 3 axes. ``docs/format.md`` is the specification.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Mapping

__all__ = [
    "AXIS_ORDER",
    "DESCRIPTOR_FIELDS",
    "ENCODING_TYPE",
    "ENCODING_VERSION",
    "GRAIN_FIELDS",
    "LABELS_TYPE",
    "LABEL_FIELDS",
    "MASK_FIELDS",
    "OPTIONAL_SINCE",
    "POTENTIAL_FIELDS",
    "SAMPLE_FIELDS",
    "TEXT",
    "TRANSPORTS",
    "TRANSPORTS_TYPE",
    "VOXEL_FIELDS",
    "Field",
]

ENCODING_TYPE = "ionscreen-shard"  # of the root
TRANSPORTS_TYPE = "ionscreen-transports"
LABELS_TYPE = "ionscreen-labels"  # of the group of one transport
ENCODING_VERSION = 2
OPTIONAL_SINCE = 2  # the version from which a shard may have grains, descriptors and potentials
AXIS_ORDER = "x,y,z"
TRANSPORTS = "transports"  # group: one subgroup for each transport
TEXT = "S"  # ASCII JSON of fixed width: variable-length strings hide sizes and addresses from a check before reading


@dataclass(frozen=True)
class Field:
    """One dataset of a shard.

    Parameters
    ----------
    dtype
        Little-endian numpy type; :data:`TEXT` is ASCII of any fixed width.
    shape
        Symbols of the lengths of its axes.
    units
        As in the CF conventions; ``"1"`` for numbers without one.
    long_name
        What a person reads.
    """

    dtype: str
    shape: tuple[str, ...]
    units: str
    long_name: str


_N = ("n",)
_N3 = ("n", "axis")
_VOXELS = ("n", "nx", "ny", "nz")

# In the root group.
SAMPLE_FIELDS: Mapping[str, Field] = {
    "id": Field("S32", _N, "1", "sample id: BLAKE2b of the recipe"),
    "recipe": Field(TEXT, _N, "1", "recipe, canonical JSON"),
    "provenance": Field(TEXT, _N, "1", "versions and solver settings, JSON"),
    "generated": Field("u1", _N, "1", "1 if the microstructure exists"),
    "phase_names": Field(TEXT, _N, "1", "names of the phases in the order of their numbers, JSON"),
    "voxel_size": Field("<f8", _N3, "m", "edge lengths of a voxel"),
}
VOXEL_FIELDS: Mapping[str, Field] = {
    "phases": Field("u1", _VOXELS, "1", "phase number of each voxel, 0 throughout if not generated"),
}
# In the root group, each if at least one sample has it.
GRAIN_FIELDS: Mapping[str, Field] = {
    "grains": Field("<u4", _VOXELS, "1", "grain number of each voxel, 0 throughout if the sample has no grains"),
}
DESCRIPTOR_FIELDS: Mapping[str, Field] = {
    "descriptors": Field(TEXT, _N, "1", "numbers that describe the microstructure, by name, JSON"),
}
# In the group of a transport.
LABEL_FIELDS: Mapping[str, Field] = {
    "labelled": Field("u1", _N, "1", "1 if the sample has a label for this transport"),
    "transport": Field(TEXT, _N, "1", "name of the transport and conductivity of each phase in S/m, JSON"),
    "sigma": Field("<f8", _N3, "S m-1", "effective conductivity along each axis, NaN if unknown"),
    "upper_bound": Field("<f8", _N3, "S m-1", "upper bound of the effective conductivity"),
    "error_estimate": Field("<f8", _N3, "1", "estimated relative error of the effective conductivity"),
    "status": Field("u1", _N3, "1", "how the label came out: 0 ok, 1 non_percolating, 2 not_converged, "
                    "3 invalid_structure, 4 worker_lost, 5 not_requested"),
    "iterations": Field("<i4", _N3, "1", "iterations of the solver"),
    "seconds": Field("<f8", _N, "s", "wall time of labelling"),
    "message": Field(TEXT, _N, "1", "sentence on what went wrong, JSON"),
}  # fmt: skip
# In the group of a transport, both or neither.
MASK_FIELDS: Mapping[str, Field] = {
    "masked": Field("u1", _N, "1", "1 if the sample has a connectivity mask"),
    "connected": Field("u1", _VOXELS, "1", "bit a is set where the voxel conducts and joins both faces of axis a"),
}
# In the group of a transport, if at least one label has it.
POTENTIAL_FIELDS: Mapping[str, Field] = {
    "potential": Field("<f4", ("n", "axis", "nx", "ny", "nz"), "1", "potential over the applied one, for each axis"),
}
