"""The settings of a Graphcore IPU, checked here because PopTorch checks few of them, and late."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, fields
from typing import Any, Mapping

from torch import nn

from ...datasets import InvalidInput
from .batching import Batching, whole

__all__ = ["IpuInference", "IpuSettings"]

EXECUTIONS = ("pipelined", "sharded")
FLOATS = ("float16", "float32")
# IPUs that one process can use.
MOST_IPUS = 64


@dataclass(frozen=True)
class IpuInference:
    """The loop of prediction, compiled apart from the training's.

    Parameters
    ----------
    micro_batch
        Structures that pass through the network together in each replica.
    device_iterations
        Micro-batches of a replica in one call; None takes the fewest that the pipeline allows.
    gradient_accumulation
        Always 1: there are no gradients.
    """

    micro_batch: int = 1
    device_iterations: int | None = None
    gradient_accumulation: int = 1

    def __post_init__(self) -> None:
        whole("ipu.inference.micro_batch", self.micro_batch, 1)
        if self.device_iterations is not None:
            whole("ipu.inference.device_iterations", self.device_iterations, 1)
        if self.gradient_accumulation != 1:
            raise InvalidInput(
                f"ipu.inference.gradient_accumulation is {self.gradient_accumulation!r}, but inference has no "
                "gradients; leave it out, and raise ipu.inference.device_iterations instead."
            )


@dataclass(frozen=True)
class IpuSettings:
    """How a module is laid out and run on IPUs.

    Parameters
    ----------
    stages
        Layer names in the order in which they are called: at each of them the next IPU begins; none for one IPU.
    execution
        ``"pipelined"``: all IPUs work at once, on different micro-batches; ``"sharded"``: one after another.
    replicas
        Copies of all stages that share the batch.
    device_iterations
        Weight updates in one training call.
    inference
        The loop of prediction.
    available_memory_proportion
        Share of a tile's memory that temporaries of convolutions and products may take: one for all IPUs, or one
        for each; none leaves PopTorch's 0.6.
    partials
        Type of the intermediate sums of convolutions and products: ``"float32"``, ``"float16"``.
    recomputation
        Whether activations are computed again for the backward pass: true, false, or None, PopTorch's default,
        which is true in pipelines of more than one IPU.
    loss_scaling
        The loss is multiplied by it, and the gradients divided, so that float16 gradients do not vanish.
    automatic_loss_scaling
        PopTorch finds the factor (a preview feature; float16 only).
    accumulator, first_moment, second_moment
        Types of the gradient accumulators and of AdamW's moments.
    stochastic_rounding
        Round float16 weights at random instead of to nearest.
    async_loader, loader_workers
        Prepare batches in another process; processes that load.
    cache
        Folder of compiled programs; None compiles each time.
    executable
        File of a program compiled elsewhere, for devices that only predict; compiled with these settings.
    progress_bar
        Show how far the compilation is.
    profile
        Folder for a PopVision profile.
    on_demand
        Attach to the IPUs for each call instead of from the start.
    simulator
        Run on Graphcore's IPU model, a slow simulation that comes with the Poplar SDK.

    Raises
    ------
    InvalidInput
        Naming the field, if a value is out of range or two do not fit together.
    """

    stages: tuple[str, ...] = ()
    execution: str = "pipelined"
    replicas: int = 1
    device_iterations: int = 1
    inference: IpuInference = field(default_factory=IpuInference)
    available_memory_proportion: tuple[float, ...] = ()
    partials: str = "float32"
    recomputation: bool | None = None
    loss_scaling: float = 1.0
    automatic_loss_scaling: bool = False
    accumulator: str = "float32"
    first_moment: str = "float32"
    second_moment: str = "float32"
    stochastic_rounding: bool = False
    async_loader: bool = False
    loader_workers: int = 0
    cache: str | None = None
    executable: str | None = None
    progress_bar: bool = True
    profile: str | None = None
    on_demand: bool = False
    simulator: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "stages", tuple(self.stages))
        object.__setattr__(self, "available_memory_proportion", _shares(self.available_memory_proportion))
        self._check_values()
        self._check_layout()
        self._check_inference()

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> IpuSettings:
        """Return the settings in a mapping of plain types.

        Raises
        ------
        InvalidInput
            If a field is unknown or its value is not allowed.
        """
        if not isinstance(values, Mapping):
            raise InvalidInput(f"ipu must hold 'field: value' pairs, not {values!r}.")
        inference = _build(IpuInference, values.get("inference") or {}, "ipu.inference")
        built: IpuSettings = _build(cls, {**values, "inference": inference})
        return built

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON types."""
        proportion = list(self.available_memory_proportion)
        return {**asdict(self), "stages": list(self.stages), "available_memory_proportion": proportion}

    @property
    def stage_count(self) -> int:
        """S: IPUs that one replica of the module lies on."""
        return len(self.stages) + 1

    @property
    def ipus(self) -> int:
        """IPUs of all replicas."""
        return self.stage_count * self.replicas

    @property
    def inference_batching(self) -> Batching:
        """The loop of prediction, D not below S in a pipeline."""
        fewest = self.stage_count if self.execution == "pipelined" else 1
        iterations = self.inference.device_iterations or fewest
        return Batching(self.inference.micro_batch * self.replicas, 1, self.replicas, iterations)

    def training_batching(self, batch_size: int, accumulation: int) -> Batching:
        """Return the loop of training.

        Raises
        ------
        InvalidInput
            If the pipeline is deeper than the accumulation allows, or the batch does not split.
        """
        least = 2 * self.stage_count - 1
        if self.execution == "pipelined" and accumulation < least:
            raise InvalidInput(
                f"gradient_accumulation is {accumulation}, but a pipeline of {self.stage_count} stages needs 2S - 1 = "
                f"{least} micro-batches or more for each weight update; raise it, or set ipu.execution to sharded."
            )
        if self.automatic_loss_scaling and self.stage_count > 1 and accumulation == 1:
            raise InvalidInput("ipu.automatic_loss_scaling over several IPUs needs gradient_accumulation above 1.")
        return Batching(batch_size, accumulation, self.replicas, self.device_iterations)

    def check_module(self, module: nn.Module) -> None:
        """Refuse a module whose layers do not allow these settings.

        Raises
        ------
        InvalidInput
            If a stage begins at a layer that does not exist, or replicas would keep separate statistics.
        """
        names = [name for name, _ in module.named_modules() if name]
        for stage in self.stages:
            if stage not in names:
                raise InvalidInput(
                    f"ipu.stages names {stage!r}, but the layers are {', '.join(names)}; choose among them."
                )
        norms = [name for name, layer in module.named_modules() if isinstance(layer, nn.modules.batchnorm._BatchNorm)]
        if norms and self.replicas > 1:
            raise InvalidInput(
                f"{norms[0]} is a batch normalisation, whose statistics PopTorch cannot share among ipu.replicas = "
                f"{self.replicas}; use GroupNorm, or one replica."
            )

    def _check_values(self) -> None:
        for name, low in (("replicas", 1), ("device_iterations", 1), ("loader_workers", 0)):
            whole(f"ipu.{name}", getattr(self, name), low)
        _one_of("execution", self.execution, EXECUTIONS)
        for name in ("partials", "accumulator", "first_moment", "second_moment"):
            _one_of(name, getattr(self, name), FLOATS)
        _one_of("recomputation", self.recomputation, (None, True, False))
        for flag in fields(self):
            if isinstance(flag.default, bool) and not isinstance(getattr(self, flag.name), bool):
                raise InvalidInput(f"ipu.{flag.name} must be true or false, not {getattr(self, flag.name)!r}.")
        for name in ("cache", "executable", "profile"):
            if getattr(self, name) is not None and not (isinstance(getattr(self, name), str) and getattr(self, name)):
                raise InvalidInput(f"ipu.{name} must be a path, or left out, not {getattr(self, name)!r}.")
        if not _number(self.loss_scaling) or not 1 <= self.loss_scaling <= 2**31:
            raise InvalidInput(f"ipu.loss_scaling must be a number from 1 to 2^31, not {self.loss_scaling!r}.")
        if self.automatic_loss_scaling and self.loss_scaling != 1:
            raise InvalidInput("ipu.loss_scaling and ipu.automatic_loss_scaling exclude each other; leave one out.")

    def _check_layout(self) -> None:
        if len(set(self.stages)) != len(self.stages) or not all(isinstance(name, str) and name for name in self.stages):
            raise InvalidInput(f"ipu.stages must be different layer names, not {list(self.stages)!r}.")
        if self.ipus & (self.ipus - 1) or self.ipus > MOST_IPUS:
            raise InvalidInput(
                f"{self.stage_count} stages x {self.replicas} replicas need {self.ipus} IPUs, but IPUs come in powers "
                f"of two up to {MOST_IPUS}; change ipu.stages or ipu.replicas."
            )
        if self.simulator and self.replicas > 1:
            raise InvalidInput("ipu.simulator knows no replicas; set ipu.replicas to 1.")
        if len(self.available_memory_proportion) not in (0, 1, self.stage_count):
            raise InvalidInput(
                f"ipu.available_memory_proportion has {len(self.available_memory_proportion)} values for "
                f"{self.stage_count} IPUs; give one, or one for each."
            )

    def _check_inference(self) -> None:
        given = self.inference.device_iterations
        if self.execution == "pipelined" and given is not None and given < self.stage_count:
            raise InvalidInput(
                f"ipu.inference.device_iterations is {given}, but a pipeline of {self.stage_count} stages needs as "
                "many micro-batches in a call; raise it, leave it out, or set ipu.execution to sharded."
            )


def _build(cls: Any, values: Any, where: str = "ipu") -> Any:
    if not isinstance(values, Mapping):
        raise InvalidInput(f"{where} must hold 'field: value' pairs, not {values!r}.")
    known = [item.name for item in fields(cls)]
    for name in values:
        if name not in known:
            raise InvalidInput(f"There is no field {where}.{name}; remove it, or choose among {', '.join(known)}.")
    return cls(**{name: tuple(value) if isinstance(value, list) else value for name, value in values.items()})


def _shares(values: Any) -> tuple[float, ...]:
    shares = (values,) if _number(values) else tuple(values)
    if not all(_number(share) and 0 < share <= 1 for share in shares):
        raise InvalidInput(f"ipu.available_memory_proportion must lie in (0, 1], not {values!r}.")
    return shares


def _one_of(name: str, value: object, allowed: tuple[object, ...]) -> None:
    # 1 == True, but only true was meant.
    if not any(value is one or (isinstance(value, str) and value == one) for one in allowed):
        raise InvalidInput(f"ipu.{name} must be one of {', '.join(map(str, allowed))}, not {value!r}.")


def _number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)
