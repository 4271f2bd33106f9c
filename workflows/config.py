"""The campaign's configuration: one YAML file, every field checked before anything is computed."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import yaml
from pydantic import Field, ValidationError, model_validator

from ..datasets import InvalidInput, Transport
from .cluster_config import ClusterConfig
from .config_block import Block as _Block
from .config_block import PathText, Positive
from .config_override import override
from .screen_config import AdaptiveConfig, CandidatesConfig, ScreenConfig

if TYPE_CHECKING:
    from ..surrogate import TrainingConfig
    from ..surrogate.regression import RegressionConfig

__all__ = ["CampaignConfig", "expand_path", "load_config", "save_config"]

Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_. -]{0,63}$")]
Edge = Annotated[int, Field(ge=8, le=1024)]
Axis = Literal[0, 1, 2]

# Of the block train: what only the network knows, and its defaults, which suit a campaign of hundreds of structures.
NETWORK_ONLY = ("device", "precision", "gradient_accumulation", "ipu")
NETWORK_DEFAULTS = {"epochs": 40, "batch_size": 16, "learning_rate": 3e-3, "patience": 40}
MAX_FILE_BYTES = 1_000_000
MAX_DEPTH = 50
MAX_VOXELS = 512**3


class StructureConfig(_Block):
    """The box that every generated structure fills, and the window that images are cut into."""

    shape: tuple[Edge, Edge, Edge] = (48, 48, 48)
    voxel_size_um: Positive = 0.4

    @model_validator(mode="after")
    def _fits(self) -> StructureConfig:
        nx, ny, nz = self.shape
        if nx * ny * nz > MAX_VOXELS:
            raise ValueError(f"{nx * ny * nz:,} voxels are more than {MAX_VOXELS:,}; take a smaller box")
        return self

    @property
    def voxel_size(self) -> tuple[float, float, float]:
        """(hx, hy, hz), metres."""
        # Through decimal text: 0.4 µm must be 4e-07 m, not 4.0000000000000003e-07, in recipes and files.
        h = float(f"{self.voxel_size_um * 1e-6:.12g}")
        return h, h, h


class ValuesConfig(_Block):
    """The values that a parameter may take."""

    values: Annotated[list[float | str], Field(min_length=1, max_length=1000)]


class ConstraintConfig(_Block):
    """Two bounds of a sum of parameters."""

    sum: Annotated[list[str], Field(min_length=1)]
    low: float | None = None
    high: float | None = None


class FamilyConfig(_Block):
    """One family with its parameters: each a number, [low, high], {values: [...]}, or a text where it wants one.

    `design` says how parameters are chosen: Sobol points, Latin hypercubes, a grid of `levels` values each, or the
    list of `points`.
    """

    family: str
    weight: Positive = 1.0
    parameters: dict[str, float | str | tuple[float, float] | ValuesConfig] = {}
    design: Literal["sobol", "latin_hypercube", "grid", "list"] = "sobol"
    levels: Annotated[int, Field(ge=2, le=1000)] = 3
    points: Annotated[list[dict[str, float | str]], Field(max_length=100_000)] = []
    constraints: list[ConstraintConfig] = []


class ArrheniusConfig(_Block):
    """A conductivity that depends on the temperature: σ = σ₀/T exp(-E_a/(k_B T))."""

    sigma0_S_K_per_m: Annotated[float, Field(ge=0, allow_inf_nan=False)]  # noqa: N815
    activation_energy_eV: Annotated[float, Field(ge=0, le=10)]  # noqa: N815


class ContactConfig(_Block):
    """The resistance of the contact between two phases."""

    between: tuple[str, str]
    Ohm_m2: Annotated[float, Field(ge=0, allow_inf_nan=False)]


class TransportConfig(_Block):
    """Which conductivity is computed: of each phase by its material, or in S/m, 0 for an insulator."""

    name: Name = "ionic"
    carrier: Literal["ionic", "electronic"] = "ionic"
    materials: dict[str, str] = {}
    temperature_C: Annotated[float, Field(gt=-273.15, le=2000)] = 25.0  # noqa: N815
    conductivity_S_per_m: dict[str, float | ArrheniusConfig] = {}  # noqa: N815 - the unit's own spelling
    interface_resistance: list[ContactConfig] = []
    grain_boundary_resistance_Ohm_m2: dict[str, float] = {}  # noqa: N815

    @model_validator(mode="after")
    def _valid(self) -> TransportConfig:
        both = sorted(set(self.materials) & set(self.conductivity_S_per_m))
        if both:
            raise ValueError(f"{both[0]} has a material and a conductivity; give one of them")
        self.transport()
        return self

    def transport(self) -> Transport:
        """Return it as the record type."""
        given = {phase: self._sigma(value) for phase, value in self.conductivity_S_per_m.items()}
        contacts = {c.between: c.Ohm_m2 for c in self.interface_resistance}
        if self.materials:
            from ..pipeline.materials import conductivities

            given = {**conductivities(self.carrier, self.materials, self.temperature_C + 273.15), **given}
        return Transport(self.name, given, contacts, dict(self.grain_boundary_resistance_Ohm_m2))

    def _sigma(self, value: float | ArrheniusConfig) -> float:
        if not isinstance(value, ArrheniusConfig):
            return value
        from ..pipeline.arrhenius import Arrhenius

        return Arrhenius(value.sigma0_S_K_per_m, value.activation_energy_eV).at(self.temperature_C + 273.15)


class LabelConfig(_Block):
    """The structures whose conductivity is computed exactly, to train on."""

    samples: Annotated[int, Field(ge=20, le=10_000_000)] = 384
    axis: Axis | Literal["all"] = 0
    rtol: Annotated[float, Field(ge=1e-8, le=1e-2)] = 1e-4

    @property
    def axes(self) -> tuple[int, ...]:
        """The axes, in order."""
        return (0, 1, 2) if self.axis == "all" else (self.axis,)


class TrainConfig(_Block):
    """How the surrogate is trained; None is the model's own default.

    The regressor corrects a truncated solution and trains in seconds on a CPU; the network is a 3-D CNN for GPUs and
    IPUs.
    """

    model: Literal["regressor", "network"] = "regressor"
    epochs: Annotated[int, Field(ge=1, le=10_000)] | None = None
    batch_size: Annotated[int, Field(ge=1, le=4096)] | None = None
    learning_rate: Annotated[float, Field(gt=0, lt=1)] | None = None
    patience: Annotated[int, Field(ge=1, le=10_000)] | None = None
    device: Literal["cpu", "cuda", "ipu"] = "cpu"
    precision: Literal["fp32", "bf16", "fp16"] = "fp32"
    gradient_accumulation: Annotated[int, Field(ge=1, le=4096)] = 1
    ipu: dict[str, Any] = {}

    @model_validator(mode="after")
    def _valid(self) -> TrainConfig:
        defaults = {name: type(self).model_fields[name].default for name in NETWORK_ONLY}
        changed = [name for name in NETWORK_ONLY if getattr(self, name) != defaults[name]]
        if changed and self.model == "regressor":
            raise ValueError(f"{changed[0]} is for the network; add model: network, or leave it out")
        # What the defaults cannot break is not checked: that takes torch, which takes seconds to import.
        if changed:
            self.network(0)
        return self

    def network(self, seed: int) -> TrainingConfig:
        """Return the network's configuration."""
        from ..surrogate.run_config import training_config

        given = {name: value for name, value in self.model_dump(exclude={"model"}).items() if value is not None}
        return training_config({**NETWORK_DEFAULTS, **given, "seed": seed})

    def regressor(self, seed: int) -> RegressionConfig:
        """Return the regressor's configuration."""
        from ..surrogate.regression import RegressionConfig

        given = self.model_dump(exclude={"model", *NETWORK_ONLY}, exclude_none=True)
        return RegressionConfig(**given, seed=seed)


class CampaignConfig(_Block):
    """One campaign, complete: what is generated, labelled, learned, screened and verified."""

    name: Name = "campaign"
    mode: Literal["one_shot", "adaptive"] = "one_shot"
    seed: Annotated[int, Field(ge=0, lt=2**63)] | None = None
    run_directory: PathText | None = None
    structure: StructureConfig = StructureConfig()
    families: Annotated[list[FamilyConfig], Field(min_length=1)]
    transport: TransportConfig | None = None
    transports: Annotated[list[TransportConfig], Field(max_length=8)] = []
    label: LabelConfig = LabelConfig()
    train: TrainConfig = TrainConfig()
    candidates: CandidatesConfig = CandidatesConfig()
    screen: ScreenConfig = ScreenConfig()
    adaptive: AdaptiveConfig = AdaptiveConfig()
    cluster: ClusterConfig = ClusterConfig()

    @property
    def every_transport(self) -> tuple[TransportConfig, ...]:
        """The one, or all of several."""
        return tuple(self.transports) if self.transport is None else (self.transport,)

    @model_validator(mode="after")
    def _known_phases(self) -> CampaignConfig:
        self._check_transports()
        known = self.every_transport[0].transport().conductivity
        for phase in self.screen.constraints:
            if phase not in known:
                raise ValueError(f"screen.constraints limits the phase {phase!r}; there are {', '.join(sorted(known))}")
        return self

    @model_validator(mode="after")
    def _known_properties(self) -> CampaignConfig:
        from .properties import check_objective

        check_objective(self)
        return self

    def _check_transports(self) -> None:
        names = [each.name for each in self.every_transport]
        if not names:
            raise ValueError("the field 'transport' is missing; add it, or transports: a list of several")
        if self.transport is not None and self.transports:
            raise ValueError("transport and transports are both there; list all of them under transports")
        if len(set(names)) < len(names):
            raise ValueError(f"transports: two have the name {max(names, key=names.count)!r}; rename one")
        if self.train.model == "network" and len(names) * len(self.label.axes) > 1:
            raise ValueError("train.model: the network learns one transport along one axis; take the regressor")
        if self.train.model == "network" and self.mode == "adaptive":
            raise ValueError("mode: adaptive trains again in each round, which takes the regressor, not the network")


def load_config(path: Path, overrides: Sequence[str] = ()) -> CampaignConfig:
    """Return the configuration in a YAML file.

    Parameters
    ----------
    path
        The file.
    overrides
        ``field.field=value`` each, as by ``--set``; the value is YAML.

    Raises
    ------
    InvalidInput
        With one sentence that names the file, the line, the field and the cure.
    """
    text = _read_text(path)
    _check_depth(text, path)
    try:
        tree = yaml.compose(text, Loader=yaml.SafeLoader)
        _check_tree(tree)
        data = yaml.safe_load(text)
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        where = getattr(error, "problem_mark", None)
        line = f", line {where.line + 1}" if where else ""
        problem = " ".join(str(getattr(error, "problem", None) or error).split())
        raise InvalidInput(f"{path}{line}: this is not valid YAML ({problem.rstrip('.')}).") from error
    if not isinstance(data, dict):
        raise InvalidInput(f"{path}: a campaign is a list of 'field: value' lines; start from 'ionscreen init'.")
    places = [override(data, text) for text in overrides]
    try:
        return CampaignConfig.model_validate(data)
    except (ValidationError, RecursionError) as error:
        if isinstance(error, RecursionError):
            raise InvalidInput(f"{path}: it is nested too deeply for a campaign.") from error
        first = error.errors(include_url=False)[0]
        steps = [str(step) for step in first["loc"]]
        # Of a rule on a whole block, any of the fields set there may be the wrong one.
        set_there = [".".join(place) for place in places if place[: len(steps)] == steps[: len(place)]]
        if set_there:
            raise InvalidInput(f"--set {', '.join(set_there)}: {_sentence(first)}") from error
        line = f", line {_line_of(tree, first['loc'])}" if tree else ""
        raise InvalidInput(f"{path}{line}: {_sentence(first)}") from error


def save_config(config: CampaignConfig, path: Path) -> None:
    """Write the configuration, every default spelled out."""
    text = yaml.safe_dump(config.model_dump(mode="json"), sort_keys=False, allow_unicode=True)
    path.write_text(text, encoding="utf-8")


def expand_path(text: str, folder: Path) -> Path:
    """Return the path that `text` means: ``${NAME}`` and ``${NAME:-default}`` replaced, relative to `folder`.

    Raises
    ------
    InvalidInput
        If an environment variable without default is not set.
    """

    def value(match: re.Match[str]) -> str:
        name, default = match.group(1), match.group(3)
        found = os.environ.get(name, default)
        if found is None:
            raise InvalidInput(
                f"The path {text!r} needs the environment variable {name}; set it or write the path out."
            )
        return found

    return (folder / Path(re.sub(r"\$\{(\w+)(:-([^}]*))?\}", value, text)).expanduser()).resolve()


def _read_text(path: Path) -> str:
    try:
        if path.stat().st_size > MAX_FILE_BYTES:
            raise InvalidInput(f"{path}: over {MAX_FILE_BYTES:,} bytes is no campaign file.")
        return path.read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        if isinstance(error, InvalidInput):
            raise
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise InvalidInput(f"{path}: cannot be read as a campaign ({reason}); 'ionscreen init' writes one.") from error


def _check_depth(text: str, path: Path) -> None:
    """Refuse thousands of open brackets, over which the YAML parser takes quadratic time."""
    depth = 0
    for character in text:
        depth += (character in "[{") - (character in "]}")
        if depth > MAX_DEPTH:
            raise InvalidInput(f"{path}: it is nested too deeply for a campaign; close its brackets.")


def _check_tree(tree: yaml.Node | None) -> None:
    """Refuse what grows when it is read: an alias repeats all that its anchor holds."""
    seen: set[int] = set()
    todo = [tree] if tree else []
    while todo:
        node = todo.pop()
        if id(node) in seen:
            raise ValueError("anchors and aliases are not allowed; write the values out")
        seen.add(id(node))
        if isinstance(node, yaml.MappingNode):
            todo.extend(part for pair in node.value for part in pair)
        elif isinstance(node, yaml.SequenceNode):
            todo.extend(node.value)


def _line_of(node: yaml.Node, location: Sequence[int | str]) -> int:
    """Return the line, from 1, of the deepest node on the way to `location`."""
    line = node.start_mark.line + 1
    for step in location:
        if isinstance(node, yaml.MappingNode):
            found = [(key, value) for key, value in node.value if key.value == str(step)]
            if not found:
                break
            line, node = found[0][0].start_mark.line + 1, found[0][1]
        elif isinstance(node, yaml.SequenceNode) and isinstance(step, int) and step < len(node.value):
            node = node.value[step]
            line = node.start_mark.line + 1
        else:
            break
    return line


def _sentence(error: Any) -> str:
    """Return one sentence for a pydantic error: the field, what is wrong, what was given."""
    field = ".".join(str(step) for step in error["loc"]) or "the file"
    message = str(error["msg"]).removeprefix("Value error, ")
    if error["type"] == "extra_forbidden":
        return f"there is no field {field!r}; remove it, or see 'ionscreen init --full' for the ones there are."
    if error["type"] == "missing":
        return f"the field {field!r} is missing; add it."
    given = "" if error["type"] == "value_error" else f", but it is {_short(error['input'])}"
    return f"{field}: {message[:1].lower() + message[1:].rstrip('.')}{given}."


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
