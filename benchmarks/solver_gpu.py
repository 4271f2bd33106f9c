"""Time the solver on a GPU: against TauFactor on the same one, image by image, and batches of 64³; Markdown tables.

Run: python benchmarks/solver_gpu.py [--edges 256 512] [--batch 512] [--repeat 3]   (TauFactor: pip install taufactor)
With --images FOLDER the images are kept there, and PoreSpy is needed only where they are made (--only-images).
"""

from __future__ import annotations

import argparse
import contextlib
import io
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ionscreen.datasets import InvalidInput
from ionscreen.pipeline import effective_conductivity, effective_conductivity_batch

SEED = 902173  # drawn once
Phases = npt.NDArray[np.uint8]


def blobs(edge: int, seed: int = SEED) -> Phases:
    """Return PoreSpy's blobs, half of them conducting, of one size in voxels at every edge."""
    from porespy.generators import blobs

    return np.asarray(blobs([edge] * 3, porosity=0.5, blobiness=1.5 * edge / 128, seed=seed), np.uint8)


def kept(file: Path | None, made: Callable[[], Phases]) -> Phases:
    """Return the images that a file keeps, a bit a voxel, or make them, and the file if one is named."""
    if file is None:
        return made()
    if not file.exists():
        images = made()
        file.parent.mkdir(parents=True, exist_ok=True)
        np.savez_compressed(file, shape=images.shape, bits=np.packbits(images))
    with np.load(file) as stored:
        shape = tuple(stored["shape"])
        return np.unpackbits(stored["bits"], count=int(np.prod(shape))).reshape(shape)


def image(edge: int, folder: Path | None) -> Phases:
    """Return blobs of (edge, edge, edge)."""
    return kept(folder and folder / f"blobs-{edge}.npz", lambda: blobs(edge))


def volumes(count: int, folder: Path | None) -> Phases:
    """Return blobs of (count, 64, 64, 64), each another."""
    return kept(
        folder and folder / f"volumes-{count}.npz",
        lambda: np.stack([blobs(64, SEED + number) for number in range(count)]),
    )


def by_ionscreen(phases: Phases) -> float:
    """Return σ_eff/σ to 1e-4."""
    return float(effective_conductivity(phases, {0: 0.0, 1: 1.0}, device="cuda").sigma)


def by_taufactor(phases: Phases) -> float:
    """Return σ_eff/σ; it fixes the potential on the outer faces, too."""
    import taufactor

    with contextlib.redirect_stdout(io.StringIO()):
        solver = taufactor.Solver(phases, device="cuda")
        solver.solve(iter_limit=200_000, verbose=False, conv_crit=1e-3)
    return float(np.asarray(solver.D_eff.cpu() if hasattr(solver.D_eff, "cpu") else solver.D_eff).squeeze())


def timed(solve: Callable[[Phases], float], phases: Phases) -> tuple[float, float]:
    """Return the answer and the seconds it took; both tools wait for the GPU before they return."""
    began = time.perf_counter()
    answer = solve(phases)
    return answer, time.perf_counter() - began


def tools() -> dict[str, Callable[[Phases], float]]:
    """Return what can be compared here."""
    found: dict[str, Callable[[Phases], float]] = {"ionscreen": by_ionscreen}
    try:
        import taufactor  # noqa: F401
    except ImportError:
        print("TauFactor is not installed and not compared with: pip install taufactor\n")
        return found
    return {**found, "TauFactor": by_taufactor}


def main() -> None:
    """Print the table, or refuse."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--edges", type=int, nargs="+", default=[256, 512])
    parser.add_argument("--batch", type=int, default=512, help="volumes of 64³ solved in one call")
    parser.add_argument("--repeat", type=int, default=3, help="runs of each, alternating; the median counts")
    parser.add_argument("--images", type=Path, help="folder that keeps the images")
    parser.add_argument("--only-images", action="store_true", help="make the images and end")
    options = parser.parse_args()
    if options.only_images:
        for edge in options.edges:
            image(edge, options.images)
        volumes(options.batch, options.images)
        return
    from ionscreen.pipeline.gpu.device import find_device, interpreted

    try:
        find_device()
    except InvalidInput as error:
        sys.exit(f"nothing measured: {error}")
    if interpreted():
        sys.exit("nothing measured: TRITON_INTERPRET is set, and the interpreter's time says nothing of a GPU's.")
    import torch

    print(f"{torch.cuda.get_device_name()}, torch {torch.__version__}\n")
    solvers = tools()
    print("| blobs | tool | σ_eff/σ | difference | seconds, median (lowest to highest) | times ionscreen's |")
    print("|---|---|---|---|---|---|")
    for edge in options.edges:
        compare(image(edge, options.images), solvers, options.repeat)
    batches(volumes(options.batch, options.images), options.repeat)


def compare(phases: Phases, solvers: dict[str, Callable[[Phases], float]], repeat: int) -> None:
    """Print the rows of one image; a first run of each, which compiles, does not count."""
    seconds: dict[str, list[float]] = {name: [] for name in solvers}
    answers = {name: solve(phases) for name, solve in solvers.items()}
    for _ in range(repeat):
        for name, solve in solvers.items():
            answers[name], took = timed(solve, phases)
            seconds[name].append(took)
    ours, our_time = answers["ionscreen"], statistics.median(seconds["ionscreen"])
    for name, times in seconds.items():
        median = statistics.median(times)
        spread = f"{median:.3f} ({min(times):.3f} to {max(times):.3f})"
        what = f"{len(phases)}³ | {name} | {answers[name]:.6f} | {answers[name] / ours - 1:+.1e}"
        print(f"| {what} | {spread} | {median / our_time:.1f} |", flush=True)


def batches(images: Phases, repeat: int) -> None:
    """Print how many volumes are solved in a second, from and to the host's memory."""
    seconds = []
    for _ in range(repeat + 1):
        began = time.perf_counter()
        effective_conductivity_batch(images, {0: 0.0, 1: 1.0}, device="cuda")
        seconds.append(time.perf_counter() - began)
    rates = [len(images) / each for each in seconds[1:]]
    rate = statistics.median(rates)
    print(f"\n{len(images)} volumes of 64³ in one call: {rate:.0f} solutions a second, median of {repeat}")


if __name__ == "__main__":
    main()
