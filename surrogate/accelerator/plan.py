"""Plans before compiling: stages, replicas, micro-batches, by a model of time and memory. Nothing is measured."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Iterator, Sequence

from ...datasets import InvalidInput
from ..devices.batching import whole
from .machines import BOW, GC200, Assumptions, Machine
from .stages import Layout, Stage, balance, efficiency
from .tracing import Trace

__all__ = ["Plan", "PlanRequest", "make_plans"]

# Share of the best modelled rate that a plan on fewer IPUs must reach to be preferred.
GOOD_ENOUGH = 0.9
# The bubble that prediction may have.
PREDICTION_EFFICIENCY = 0.9


@dataclass(frozen=True)
class PlanRequest:
    """What is asked for.

    Parameters
    ----------
    batch_size
        Structures per weight update, which plans keep, because it changes what is learned; or of one prediction call.
    ipus
        At most so many.
    precision
        ``"fp32"`` or ``"fp16"``.
    training
        Or prediction, whose pipeline has D device iterations in place of GA micro-batches.
    machines
        To plan for.
    assumed
        What the model takes for granted.

    Raises
    ------
    InvalidInput
        If a number is out of range.
    """

    batch_size: int = 16
    ipus: int = 4
    precision: str = "fp32"
    training: bool = True
    machines: tuple[Machine, ...] = (GC200, BOW)
    assumed: Assumptions = field(default_factory=Assumptions)

    def __post_init__(self) -> None:
        whole("batch_size", self.batch_size, 1)
        whole("ipus", self.ipus, 1, 64)
        if self.precision not in ("fp32", "fp16"):
            raise InvalidInput(f"precision must be fp32 or fp16, not {self.precision!r}.")

    @property
    def bytes_per_element(self) -> int:
        """Of weights and activations."""
        return 2 if self.precision == "fp16" else 4


@dataclass(frozen=True)
class Plan:
    """One way to train or predict on IPUs; every number of time and memory is modelled.

    Parameters
    ----------
    machine
        Of which IPU.
    layout
        Micro-batch, accumulation, recomputation.
    replicas
        Copies that share the batch.
    stages
        One for each IPU of a replica.
    seconds_per_update
        Or per call of prediction: with the pipeline's bubble, the reduction over replicas, the data from the host.
    precision
        Of weights and activations.
    headroom
        Share of the memory left out.
    """

    machine: Machine
    layout: Layout
    replicas: int
    stages: tuple[Stage, ...]
    seconds_per_update: float
    precision: str
    headroom: float

    @property
    def ipus(self) -> int:
        """Of all replicas."""
        return len(self.stages) * self.replicas

    @property
    def batch_size(self) -> int:
        """Structures per weight update, or per call of prediction."""
        return self.layout.micro_batch * self.layout.accumulation * self.replicas

    @property
    def efficiency(self) -> float:
        """GA/(GA+2S-2); of prediction D/(D+S-1)."""
        return efficiency(self.layout.accumulation, len(self.stages), self.layout.training)

    @property
    def least(self) -> int:
        """The smallest legal GA, 2S-1; of prediction the smallest D, S."""
        return _least(len(self.stages), self.layout.training)

    @property
    def structures_per_second(self) -> float:
        """Of all replicas."""
        return self.batch_size / self.seconds_per_update

    @property
    def memory_share(self) -> float:
        """Of the fullest IPU, of what the headroom leaves."""
        return max(stage.bytes for stage in self.stages) / (self.machine.memory * (1 - self.headroom))

    @property
    def balance(self) -> float:
        """Mean stage time over the slowest."""
        times = [stage.seconds for stage in self.stages]
        return sum(times) / len(times) / max(times)

    def block(self) -> dict[str, Any]:
        """Return the fields of a training configuration that ask for this plan; of prediction its ``ipu`` alone."""
        ipu: dict[str, Any] = {}
        if not self.layout.training:
            loop = {"micro_batch": self.layout.micro_batch, "device_iterations": self.layout.accumulation}
            stages = [stage.first for stage in self.stages[1:]]
            return {
                "precision": self.precision,
                "ipu": {"stages": stages, "replicas": self.replicas, "inference": loop},
            }
        if len(self.stages) > 1:
            s = len(self.stages)
            ipu["stages"] = [stage.first for stage in self.stages[1:]]
            ipu["recomputation"] = self.layout.recomputation
            wanted = PREDICTION_EFFICIENCY / (1 - PREDICTION_EFFICIENCY)
            ipu["inference"] = {"device_iterations": max(s, round(wanted * (s - 1)))}
        if self.replicas > 1:
            ipu["replicas"] = self.replicas
        return {
            "device": "ipu",
            "precision": self.precision,
            "batch_size": self.batch_size,
            "gradient_accumulation": self.layout.accumulation,
            "ipu": ipu,
        }

    def _loop(self) -> dict[str, int]:
        name = "gradient_accumulation" if self.layout.training else "device_iterations"
        return {name: self.layout.accumulation, f"least_{name}": self.least}

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON types."""
        return {
            "machine": self.machine.name,
            "ipus": self.ipus,
            "stages": len(self.stages),
            "replicas": self.replicas,
            "micro_batch": self.layout.micro_batch,
            **self._loop(),
            "recomputation": self.layout.recomputation,
            "modelled_efficiency": self.efficiency,
            "modelled_balance": self.balance,
            "modelled_structures_per_second": self.structures_per_second,
            "modelled_memory_share": self.memory_share,
            "modelled_stages": [{**vars(stage), "bytes": stage.bytes} for stage in self.stages],
            "config": self.block(),
        }


def _least(stages: int, training: bool) -> int:
    return 2 * stages - 1 if training else stages


def make_plans(trace: Trace, request: PlanRequest) -> list[Plan]:
    """Return the best plan for each machine, stage count and number of replicas, the recommended first.

    Raises
    ------
    InvalidInput
        If nothing fits.
    """
    plans = [plan for machine in request.machines for plan in _plans(trace, request, machine)]
    if not plans:
        raise InvalidInput(
            f"No plan on up to {request.ipus} IPUs fits: allow more of them, a smaller batch, or precision fp16."
        )
    fastest = max(plan.structures_per_second for plan in plans)
    good = [plan for plan in plans if plan.structures_per_second >= GOOD_ENOUGH * fastest]
    chosen = min(good, key=lambda plan: (plan.ipus, -plan.structures_per_second))
    return [chosen, *(plan for plan in plans if plan is not chosen)]


def _plans(trace: Trace, request: PlanRequest, machine: Machine) -> Iterator[Plan]:
    for stages in _powers(min(request.ipus, len(trace.segments))):
        for replicas in _powers(request.ipus // stages):
            found = [
                plan
                for layout in _layouts(request, stages, replicas)
                if (plan := _plan(trace, request, machine, layout, stages, replicas))
            ]
            if found:
                yield max(found, key=lambda plan: plan.structures_per_second)


def _layouts(request: PlanRequest, stages: int, replicas: int) -> Iterator[Layout]:
    """Yield every split of the batch that PopTorch accepts: GA >= 2S-1, D >= S."""
    if request.batch_size % replicas:
        return
    share = request.batch_size // replicas
    training = request.training
    for accumulation in range(_least(stages, training), share + 1):
        if share % accumulation == 0:
            for recomputation in (False, True) if stages > 1 and training else (False,):
                yield Layout(share // accumulation, accumulation, recomputation, request.bytes_per_element, training)


def _plan(
    trace: Trace, request: PlanRequest, machine: Machine, layout: Layout, stages: int, replicas: int
) -> Plan | None:
    split = balance(trace.segments, stages, layout, machine, request.assumed)
    if split is None:
        return None
    cycle = max(stage.seconds for stage in split)
    parameters = sum(segment.parameters for segment in trace.segments)
    # A ring passes each gradient twice.
    reduction = 2 * 4 * parameters / stages / machine.link_bandwidth if replicas > 1 and layout.training else 0.0
    host = layout.micro_batch * trace.input_bytes / machine.host_bandwidth
    cycles = layout.accumulation + (2 if layout.training else 1) * (stages - 1)
    seconds = cycles * max(cycle, host) + reduction
    return Plan(machine, layout, replicas, split, seconds, request.precision, request.assumed.headroom)


def _powers(most: int) -> Sequence[int]:
    return [2**n for n in range(most.bit_length()) if 2**n <= most]
