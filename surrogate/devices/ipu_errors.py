"""What PopTorch raises, as one sentence that says what to change."""

from __future__ import annotations

import re
from contextlib import contextmanager
from typing import Iterator

from ...datasets import DeviceError

__all__ = ["import_sentence", "translated"]

_ENABLE = "source the enable.sh of the Poplar SDK's poplar and popart folders in this shell"
_CURES = (
    (
        r"out of memory|Cannot fit all variable data",
        "The program does not fit the IPU's memory: smaller micro-batches (a higher gradient_accumulation), "
        "precision fp16, ipu.partials float16, less ipu.available_memory_proportion, ipu.recomputation true, or more "
        "ipu.stages; "
        "'ionscreen accelerator plan' models which.",
    ),
    (
        r"(Shape|[Tt]ype|arguments|Keys|Value|Length) mismatch",
        "The data differ from those the program was compiled for: all structures must have one shape and type.",
    ),
    (
        r"Unsupported ops? found|No shape inference handler|not all operations are supported",
        "The module uses an operation that PopTorch does not have; 'ionscreen accelerator check' names it and "
        "the cure.",
    ),
    (
        r"Failed to acquire|No IPU detected|No device found",
        "No IPU could be acquired: look at gc-monitor, set IPUOF_VIPU_API_PARTITION_ID or "
        "POPTORCH_WAIT_FOR_IPU=1, or ask for fewer ipu.stages or ipu.replicas.",
    ),
    (
        r"Invalid batch dimension",
        "The number of structures is not a multiple of what one call takes; this is a fault of ours.",
    ),
    (
        r"ConnectionType.Never",
        "The program was compiled for an absent IPU and cannot run here; load it on an IPU host.",
    ),
)


def import_sentence(error: BaseException) -> str:
    """Return why ``import poptorch`` failed and what to do."""
    text = " ".join(str(error).split())
    if isinstance(error, ModuleNotFoundError) and error.name == "poptorch":
        return (
            "PopTorch is not installed: on a Graphcore host with Python 3.8, pip install the poptorch wheel of the "
            f"Poplar SDK (it is on no registry), then {_ENABLE}."
        )
    if isinstance(error, AssertionError):
        return f"PopTorch refuses this torch ({text or 'no reason given'}): SDK 3.3 and 3.4 need torch 2.0.1 (CPU)."
    return f"PopTorch cannot be imported ({text[:200]}): {_ENABLE}."


@contextmanager
def translated(poptorch: object) -> Iterator[None]:
    """Raise what PopTorch raises as :class:`DeviceError`, its first line included."""
    base = getattr(poptorch, "Error")  # noqa: B009 - a module whose types are not known here
    try:
        yield
    except (base, AssertionError) as error:
        raise DeviceError(_sentence(error)) from error


def _sentence(error: BaseException) -> str:
    text = str(error)
    first = next((line.strip() for line in text.splitlines() if line.strip()), type(error).__name__)
    recovery = getattr(error, "recovery_action", None)
    if recovery:
        return f"The IPU reported {first[:300]!r}; PopTorch's advice is {recovery}, then start again: progress is kept."
    for pattern, cure in _CURES:
        if re.search(pattern, text, re.IGNORECASE):
            return f"{cure} PopTorch says: {first[:300]!r}."
    return f"PopTorch failed: {first[:300]!r}; --debug shows all of it, and poptorch_error.log if there is one."
