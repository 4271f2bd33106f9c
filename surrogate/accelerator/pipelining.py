"""The stages of an IPU plan run as processes, by torch.distributed.pipelining: gloo on CPUs, NCCL on GPUs.

Needs torch 2.6 or newer, which IPU hosts do not have; there the pipeline is PopART's.
"""

from __future__ import annotations

import copy
import os
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Sequence

import torch
from torch import Tensor, nn

from ...datasets import DeviceError, InvalidInput
from .carrying_stage import CarryingStage, packed, unpacked
from .schedules import popart_order

__all__ = ["SCHEDULES", "PipelineRun", "PipelineStep", "build_schedule", "run_pipelined"]

SCHEDULES = ("popart", "1f1b", "gpipe")
_FAILURES = (torch.multiprocessing.ProcessRaisedException, torch.multiprocessing.ProcessExitedException)  # type: ignore[attr-defined]


@dataclass(frozen=True)
class PipelineStep:
    """One update: how many micro-batches, in which order, how often it is timed."""

    micro_batches: int
    schedule: str = "popart"
    repeats: int = 1

    def __post_init__(self) -> None:
        if self.schedule not in SCHEDULES:
            raise InvalidInput(f"schedule must be one of {', '.join(SCHEDULES)}, not {self.schedule!r}.")


@dataclass(frozen=True, eq=False)
class PipelineRun:
    """What a step gave: mean loss, the gradient of every parameter, s of each repeat on the slowest stage."""

    loss: float
    gradients: dict[str, Tensor] = field(default_factory=dict)
    seconds: tuple[float, ...] = ()


def run_pipelined(
    module: nn.Module,
    inputs: Sequence[Tensor],
    stages: Sequence[str],
    steps: Sequence[PipelineStep],
    device: str = "cpu",
) -> list[PipelineRun]:
    """Return what each step gives when the module is cut at the same layers as ``ipu.stages``, a process a stage.

    Parameters
    ----------
    module
        Its forward takes the inputs and returns ``(..., loss)``, as for every device.
    inputs
        Batch first; each step splits them into its micro-batches.
    stages
        Layers at which the next process begins.
    steps
        Run one after another by the same processes; no weight is changed.
    device
        ``"cpu"`` or ``"cuda"``, a GPU for each stage.

    Raises
    ------
    InvalidInput
        If the inputs do not split.
    DeviceError
        If a process failed, or torch is too old.
    """
    for step in steps:
        if len(inputs[0]) % step.micro_batches:
            raise InvalidInput(f"{len(inputs[0])} structures do not split into {step.micro_batches} micro-batches.")
    with tempfile.TemporaryDirectory() as folder:
        work = _Work(module, tuple(inputs), tuple(stages), tuple(steps), device, folder)
        try:
            torch.multiprocessing.spawn(_stage, (work,), nprocs=len(stages) + 1)  # type: ignore[attr-defined,no-untyped-call]
        except _FAILURES as error:
            raise DeviceError(f"A stage of the pipeline failed: {str(error)[-1500:]}") from error
        parts = [torch.load(Path(folder) / f"{rank}.pt", weights_only=True) for rank in range(len(stages) + 1)]
    return [_joined([part[number] for part in parts]) for number in range(len(steps))]


@dataclass(frozen=True, eq=False)
class _Work:
    module: nn.Module
    inputs: tuple[Tensor, ...]
    stages: tuple[str, ...]
    steps: tuple[PipelineStep, ...]
    device: str
    folder: str


def _joined(parts: Sequence[dict[str, Any]]) -> PipelineRun:
    gradients = {name: gradient for part in parts for name, gradient in part["gradients"].items()}
    seconds = tuple(max(times) for times in zip(*[part["seconds"] for part in parts]))
    return PipelineRun(parts[-1]["loss"], gradients, seconds)


def _stage(rank: int, work: _Work) -> None:
    """Run one stage: the body of a process."""
    from torch import distributed

    torch.set_num_threads(1)
    place = torch.device(work.device, rank) if work.device == "cuda" else torch.device("cpu")
    # Only this machine talks to itself; without a name that resolves gloo would look for one.
    os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo")
    distributed.init_process_group(
        "nccl" if work.device == "cuda" else "gloo",
        init_method=f"file://{work.folder}/meeting",
        rank=rank,
        world_size=len(work.stages) + 1,
    )
    try:
        # Cutting takes longer than a step, and depends on the size of a micro-batch alone.
        cut = {count: _cut(rank, work, count, place) for count in {step.micro_batches for step in work.steps}}
        results = [_run(rank, work, step, cut[step.micro_batches], place) for step in work.steps]
        torch.save(results, Path(work.folder) / f"{rank}.pt")
    finally:
        distributed.destroy_process_group()


def _cut(rank: int, work: _Work, micro_batches: int, place: torch.device) -> CarryingStage:
    from torch.distributed.pipelining import SplitPoint, pipeline

    example_bn = packed([tensor[: len(tensor) // micro_batches] for tensor in work.inputs]).to(place)
    pipe = pipeline(
        # A copy: the split leaves marks on the module.
        _Unpacking(copy.deepcopy(work.module), work.inputs).to(place),
        mb_args=(example_bn,),
        split_spec={f"module.{name}": SplitPoint.BEGINNING for name in work.stages},
    )
    return CarryingStage(pipe.split_gm, rank, example_bn).to(place)


def _run(rank: int, work: _Work, step: PipelineStep, module: CarryingStage, place: torch.device) -> dict[str, Any]:
    from torch import distributed
    from torch.distributed.pipelining import PipelineStage

    packed_bn = packed(work.inputs).to(place)
    stage = PipelineStage(module, rank, len(work.stages) + 1, place)
    schedule = build_schedule(stage, step, work.folder)
    seconds = []
    losses: list[Tensor] = []
    for _ in range(step.repeats):
        module.zero_grad()
        losses.clear()
        distributed.barrier()
        start = time.perf_counter()
        if rank == 0:
            schedule.step(packed_bn)
        elif stage.is_last:
            # The target is an input already; the schedule only wants something to split.
            schedule.step(target=packed_bn, losses=losses)
        else:
            schedule.step()
        seconds.append(time.perf_counter() - start)
    gradients = {
        name[len("part.module.") :]: parameter.grad.cpu()
        for name, parameter in module.named_parameters()
        if parameter.grad is not None
    }
    return {"loss": float(torch.stack(losses).mean()) if losses else 0.0, "gradients": gradients, "seconds": seconds}


def build_schedule(stage: Any, step: PipelineStep, folder: str) -> Any:
    """Return torch's schedule of a stage whose last output is the loss; PopART's order goes through a file in `folder`.

    Every tensor must go to the next stage.
    """
    from torch.distributed.pipelining import Schedule1F1B, ScheduleGPipe
    from torch.distributed.pipelining.schedules import _PipelineScheduleRuntime

    if step.schedule != "popart":
        kind = Schedule1F1B if step.schedule == "1f1b" else ScheduleGPipe
        return kind(stage, step.micro_batches, loss_fn=_loss)
    file = Path(folder) / f"order{stage.stage_index}-{step.micro_batches}.csv"
    count = stage.num_stages
    rows = [[f"{i}{action}" for action in popart_order(i, count, step.micro_batches)] for i in range(count)]
    file.write_text("\n".join(",".join(row) for row in rows), encoding="utf-8")
    # torch has no public way to run an order of one's own.
    schedule = _PipelineScheduleRuntime([stage], step.micro_batches, loss_fn=_loss)  # type: ignore[no-untyped-call]
    schedule._load_csv(str(file))
    return schedule


class _Unpacking(nn.Module):
    """The module with its inputs in one tensor, float32: only the first stage is given any."""

    def __init__(self, module: nn.Module, inputs: Sequence[Tensor]) -> None:
        super().__init__()
        self.module = module
        self._kinds = [(torch.float32, tuple(tensor.shape[1:])) for tensor in inputs]

    def forward(self, packed_bn: Tensor) -> Tensor:
        loss: Tensor = self.module(*unpacked(packed_bn, self._kinds))[-1]
        # The micro-batches' outputs are put together, for which they need a dimension.
        return loss.reshape(1)


def _loss(output: Tensor, target: Tensor) -> Tensor:
    return output[0]
