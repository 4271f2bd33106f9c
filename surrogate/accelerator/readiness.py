"""Is a module ready for an IPU? Each finding with its cure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Sequence

import torch
from torch import Tensor, nn

from .operators import CONDITIONS, CURES, SUPPORTED
from .tracing import Trace, trace

__all__ = ["Finding", "check_readiness"]

# What PopTorch takes over the wire, and what it silently makes of others.
WIRE = (torch.uint8, torch.int8, torch.int16, torch.int32, torch.bool, torch.float16, torch.float32)
NARROWED = {torch.float64: "float32", torch.int64: "int32", torch.bfloat16: "float32"}


@dataclass(frozen=True)
class Finding:
    """One thing about a module.

    Parameters
    ----------
    severity
        ``"error"``: it will not compile or not compute the same; ``"note"``: it will, but should be known.
    subject
        shapes, operators, normalisation, dtypes, loss or buffers.
    what, cure
        A sentence each, without the full stop.
    """

    severity: str
    subject: str
    what: str
    cure: str


def check_readiness(
    module: nn.Module, inputs: Sequence[Tensor], target: Tensor | None = None, replicas: int = 1
) -> list[Finding]:
    """Return what stands between a module and PopTorch 3.4, by running it on the CPU; empty if nothing does.

    Parameters
    ----------
    module
        As it would be trained, or used for prediction if there is no target.
    inputs
        Two structures or more.
    target
        Of these structures: the module is then called as in training, and must return its loss last.
    replicas
        Copies that would share a batch.
    """
    arguments = [*inputs] if target is None else [*inputs, target]
    before = {name: id(buffer) for name, buffer in module.named_buffers()}
    module.train(target is not None)
    backward = target is not None
    first = trace(module, arguments, backward)
    again = trace(module, [tensor.flip(0) for tensor in arguments], backward)
    single = trace(module, [tensor[:1] for tensor in arguments], backward)
    module.eval()
    findings = [
        *_shapes(first, again, single),
        *_operators(first),
        *_padding(module),
        *_normalisation(module, replicas),
        *_dtypes(arguments, first),
        *([] if target is None else _loss(first)),
    ]
    replaced = [name for name, buffer in module.named_buffers() if before.get(name, id(buffer)) != id(buffer)]
    findings += [
        Finding("error", "buffers", f"{name} is replaced in the forward pass", "change it in place (copy_, mul_)")
        for name in replaced
    ]
    return list(dict.fromkeys(findings))


def _shapes(first: Trace, again: Trace, single: Trace) -> list[Finding]:
    cure = "PopTorch compiles one pass: make shapes and branches independent of the data (torch.where instead of if)"
    if [op.signature for op in first.operations] != [op.signature for op in again.operations]:
        return [Finding("error", "shapes", "other data gave other operators or shapes", cure)]
    if [op.name for op in first.operations] != [op.name for op in single.operations]:
        return [Finding("error", "shapes", "another batch size gave other operators", cure)]
    return []


def _operators(found: Trace) -> list[Finding]:
    findings = []
    for operation in found.operations:
        where = f"aten::{operation.name} in {operation.layer or 'the outermost forward'}"
        if operation.name in CURES:
            findings.append(Finding("error", "operators", f"PopTorch has no {where}", CURES[operation.name]))
        elif operation.name not in SUPPORTED:
            what = f"{where} is not on PopTorch's list of operators"
            findings.append(Finding("error", "operators", what, "compose it of listed ones, or try it on an IPU host"))
        elif operation.name in CONDITIONS and not CONDITIONS[operation.name][0](operation):
            _, why, cure = CONDITIONS[operation.name]
            findings.append(Finding("error", "operators", f"{where}: {why}", cure))
        elif operation.name == "gelu":
            what = f"{where} is computed by its tanh approximation, whatever was asked for"
            findings.append(Finding("note", "operators", what, 'train with approximate="tanh" everywhere'))
    return findings


def _padding(module: nn.Module) -> list[Finding]:
    return [
        Finding(
            "error",
            "operators",
            f"{name} pads in mode {layer.padding_mode!r}, which PopTorch does not test in 3-D",
            "pad by hand with torch.cat of slices, or on the host",
        )
        for name, layer in module.named_modules()
        if isinstance(layer, nn.Conv3d) and layer.padding_mode in ("circular", "reflect")
    ]


def _normalisation(module: nn.Module, replicas: int) -> list[Finding]:
    findings = []
    for name, layer in module.named_modules():
        if isinstance(layer, nn.modules.batchnorm._BatchNorm):
            severity, what = "note", f"{name} is a batch normalisation: its statistics see one micro-batch"
            if replicas > 1:
                severity, what = "error", f"{name} is a batch normalisation, whose statistics replicas cannot share"
            findings.append(Finding(severity, "normalisation", what, "use GroupNorm"))
        elif isinstance(layer, (nn.GroupNorm, nn.LayerNorm)) and not _affine(layer):
            what = f"{name} has no trainable scale; PopTorch supports affine=True only"
            findings.append(Finding("error", "normalisation", what, "set affine=True"))
    return findings


def _affine(layer: Any) -> bool:
    return bool(layer.affine if isinstance(layer, nn.GroupNorm) else layer.elementwise_affine)


def _dtypes(arguments: Sequence[Tensor], found: Trace) -> list[Finding]:
    findings = []
    for number, tensor in enumerate(arguments):
        if tensor.dtype in NARROWED:
            what = f"input {number} is {_short(tensor.dtype)}, which the host turns into {NARROWED[tensor.dtype]}"
            findings.append(Finding("note", "dtypes", what, f"give it as {NARROWED[tensor.dtype]}"))
        elif tensor.dtype not in WIRE:
            what = f"input {number} is {_short(tensor.dtype)}, which cannot be sent"
            findings.append(Finding("error", "dtypes", what, "send uint8, int32, float16 or float32"))
    for operation in found.operations:
        for tensor in operation.outputs:
            if tensor.dtype in (torch.float64, torch.bfloat16) or tensor.dtype.is_complex:
                where = operation.layer or "the outermost forward"
                what = (
                    f"aten::{operation.name} in {where} makes {_short(tensor.dtype)}, which an IPU does not compute in"
                )
                findings.append(Finding("error", "dtypes", what, "compute in float32 or float16"))
    return findings


def _loss(found: Trace) -> list[Finding]:
    loss = found.outputs[-1]
    cure = "return (output, loss) from forward(x, target), the loss a mean over the batch"
    if len(found.outputs) < 2 or loss.dim() != 0:
        return [Finding("error", "loss", "forward does not return a loss last when it is given the target", cure)]
    if not loss.requires_grad:
        return [Finding("error", "loss", "the loss does not depend on any weight", cure)]
    if not loss.dtype.is_floating_point or loss.dtype == torch.float16:
        return [Finding("error", "loss", f"the loss is {_short(loss.dtype)}", "cast the output to float32 before it")]
    return []


def _short(dtype: torch.dtype) -> str:
    return str(dtype).split(".")[1]
