"""Structures a second on a GPU: surrogates in batches against the batched solver on the same images; a Markdown table.

Run: python benchmarks/surrogate_gpu.py [--count 512] [--images FOLDER] [--network CHECKPOINT]
The images are those of :mod:`solver_gpu`. Percolation is decided on the CPU before a surrogate's clock starts; what
that takes has its own row. The convolutional network is one that ``benchmarks/surrogate_front.py --network`` has left.
"""

from __future__ import annotations

import argparse
import functools
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from solver_gpu import volumes

from ionscreen.datasets import Microstructure, Transport
from ionscreen.pipeline import effective_conductivity_batch
from ionscreen.pipeline.percolation import percolating
from ionscreen.surrogate.cascade_checkpoint import PRETRAINED, load_cascade
from ionscreen.surrogate.cascade_surrogate import CascadeSurrogate
from ionscreen.surrogate.checkpoint import load_checkpoint
from ionscreen.surrogate.conductor import Conductor, conductor_of
from ionscreen.surrogate.deployment import DeployedSurrogate
from ionscreen.surrogate.devices import Batching
from ionscreen.surrogate.devices.cuda import open_cuda
from ionscreen.surrogate.features import features_by_tensors

SIGMA = {0: 0.0, 1: 1.0}
TRANSPORT = Transport("blobs", {"0": 0.0, "1": 1.0})


def conductors_of(images: Any) -> list[Conductor]:
    """Return what carries current along x in each image."""
    found = []
    for phases in images:
        connected = percolating(phases, SIGMA, 0)
        found.append(conductor_of(Microstructure(phases, ("0", "1"), (1e-6,) * 3), TRANSPORT, connected, 0))
    return found


def by_cascade(surrogate: CascadeSurrogate, conductors: list[Conductor], together: int) -> Any:
    """Return M of each conductor."""
    settings = surrogate.regressor.architecture.cascade
    return surrogate.from_features(features_by_tensors(conductors, settings, "cuda", together=together)).m


def by_network(checkpoint: Path, precision: str, conductors: list[Conductor]) -> Callable[[], Any]:
    """Return what predicts with the convolutional network on the GPU."""
    fields = np.stack([conductor.sigma[conductor.materials] for conductor in conductors])
    deployed = DeployedSurrogate(load_checkpoint(checkpoint), open_cuda(Batching(1), precision))
    return lambda: deployed.predict(fields).m


def timed(method: Callable[[], Any], repeat: int) -> tuple[Any, list[float]]:
    """Return the last result and the seconds of each run; the first, which compiles, is left out."""
    seconds = []
    for _ in range(repeat + 1):
        torch.cuda.synchronize()
        began = time.perf_counter()
        result = method()
        torch.cuda.synchronize()
        seconds.append(time.perf_counter() - began)
    return result, seconds[1:]


def main() -> None:
    """Print the table, or refuse."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=512, help="images of 64³")
    parser.add_argument("--images", type=Path, help="folder that keeps the images")
    parser.add_argument("--network", type=Path, help="checkpoint of a convolutional network")
    parser.add_argument("--together", type=int, nargs="+", default=[32, 128, 512], help="structures in a batch")
    parser.add_argument("--repeat", type=int, default=3)
    options = parser.parse_args()
    if not torch.cuda.is_available():
        sys.exit(f"nothing measured: torch {torch.__version__} finds no GPU.")
    print(f"{torch.cuda.get_device_name()}, torch {torch.__version__}, {options.count} images of 64³\n")
    images = volumes(options.count, options.images)
    conductors_of(images[:1])  # compile
    began = time.perf_counter()
    conductors = conductors_of(images)
    prepared = time.perf_counter() - began
    surrogate = load_cascade(PRETRAINED)
    methods: dict[str, Callable[[], Any]] = {
        "solver, rtol 1e-4": lambda: effective_conductivity_batch(images, SIGMA, device="cuda").relative
    }
    for together in options.together:
        methods[f"surrogate, {together} together"] = functools.partial(by_cascade, surrogate, conductors, together)
    for precision in ("fp32", "bf16") if options.network else ():
        methods[f"convolutional network, {precision}"] = by_network(options.network, precision, conductors)
    methods["surrogate, CPU, one by one"] = lambda: surrogate.predict(conductors[:32]).m
    truth = None
    print("| method | structures a second | MAPE | largest error | GPU memory |\n|---|---|---|---|---|")
    print(f"| percolation and conductor, one CPU core | {len(images) / prepared:.0f} | | | |")
    for name, method in methods.items():
        torch.cuda.reset_peak_memory_stats()
        result, seconds = timed(method, options.repeat)
        truth = np.asarray(result) if truth is None else truth
        errors = np.abs(np.asarray(result) / truth[: len(result)] - 1)
        rate = len(result) / statistics.median(seconds)
        scores = f"{100 * errors.mean():.3f} % | {100 * errors.max():.2f} %"
        print(f"| {name} | {rate:.0f} | {scores} | {torch.cuda.max_memory_allocated() / 1e9:.1f} GB |", flush=True)


if __name__ == "__main__":
    main()
