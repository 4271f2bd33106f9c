"""The GPU: whether there is one, how much fits, and how a kernel is launched on it."""

from __future__ import annotations

import os
from typing import Any

from ...datasets import InvalidInput

__all__ = ["check_fits", "find_device", "interpreted", "launch", "launch_sums", "start"]

BLOCK = 512
# Triton's interpreter runs blocks one by one and each operation on whole blocks: few large ones are fastest.
INTERPRETED_BLOCK = 4096


def interpreted() -> bool:
    """Return whether Triton interprets kernels on the CPU, which needs no GPU and is for tests."""
    return os.environ.get("TRITON_INTERPRET") == "1"


def find_device() -> Any:
    """Return the torch device to solve on.

    Raises
    ------
    InvalidInput
        There is no Triton, or no GPU.
    """
    import torch

    try:
        import triton  # noqa: F401
    except ImportError:
        raise InvalidInput(
            'device="cuda" needs Triton, which comes with the CUDA builds of torch: pip install "ionscreen[gpu]", or '
            'write device="cpu".'
        ) from None
    if interpreted():
        return torch.device("cpu")
    if not torch.cuda.is_available():
        raise InvalidInput(
            f'device="cuda" needs a GPU, and this torch ({torch.__version__}) finds none; write device="cpu", or '
            "install a CUDA build of torch and an NVIDIA driver."
        )
    return torch.device("cuda")


def check_fits(needed: float, voxels: int, volumes: int = 1) -> int:
    """Return how many of `volumes` volumes of so many voxels fit the free memory at once, at `needed` bytes a voxel.

    Raises
    ------
    InvalidInput
        Not even one does.
    """
    free = free_bytes()
    # The volumes are the second dimension of a grid of blocks, which ends at 65,535.
    fitting = int(min(free / (needed * voxels), volumes, 65535))
    if fitting == 0:
        edge = int((free / needed) ** (1 / 3))
        raise InvalidInput(
            f"phases has {voxels} voxels; the GPU solver takes {needed:.0f} bytes for each, "
            f"{needed * voxels / 1e9:.1f} GB, and {free / 1e9:.1f} GB are free on the GPU, enough for {edge}³; "
            'crop the image, or write device="cpu".'
        )
    return fitting


def free_bytes() -> float:
    """Return the free memory of the device, less a reserve for what the allocator cannot join."""
    import torch

    if interpreted():
        return float("inf")
    torch.cuda.empty_cache()
    return 0.92 * float(torch.cuda.mem_get_info()[0])


def launch(kernel: Any, cells: int, volumes: int, *arguments: Any, **constants: Any) -> None:
    """Run a kernel over all cells of all volumes."""
    block = block_for(cells)
    start(kernel, (-(-cells // block), volumes), *arguments, BLOCK=block, **constants)


def launch_sums(kernel: Any, blocks: int, cells: int, volumes: int, *arguments: Any, **constants: Any) -> None:
    """Run a kernel whose blocks, `blocks` for each volume, share the cells out among them."""
    start(kernel, (blocks, volumes), *arguments, BLOCK=block_for(cells), **constants)


def start(kernel: Any, grid: tuple[int, ...], *arguments: Any, **constants: Any) -> None:
    """Run a kernel over a grid of blocks; every one starts here."""
    kernel[grid](*arguments, **constants)


def block_for(cells: int) -> int:
    """Return how many cells a block works on: a power of two."""
    return min(INTERPRETED_BLOCK, 1 << (cells - 1).bit_length()) if interpreted() else BLOCK
