"""What the surrogate is worth: accuracy, transfer, honesty, time, and the front of accuracy against time.

Run: python benchmarks/surrogate.py DATA WHAT..., DATA being the folder of the labelled streams, as
``python -m ionscreen.workflows.pretraining DATA`` makes it. WHAT is any of accuracy, left-out, curve, time, front,
real; ``--threads`` limits numba's and torch's.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from ionscreen.datasets import Dataset, Microstructure, Transport
from ionscreen.pipeline import closed_formulas, conductivity, effective_conductivity
from ionscreen.pipeline.descriptors import describe
from ionscreen.pipeline.percolation import percolating
from ionscreen.surrogate.cascade_checkpoint import PRETRAINED, load_cascade
from ionscreen.surrogate.cascade_settings import CascadeSettings
from ionscreen.surrogate.cascade_surrogate import CascadeSurrogate
from ionscreen.surrogate.conductor import conductor_of
from ionscreen.surrogate.feature_table import FeatureTable, feature_table
from ionscreen.surrogate.regression import RegressionConfig, train_regressor
from ionscreen.surrogate.regressor import RegressorArchitecture
from ionscreen.workflows.model_card import SMALLEST_M, evaluate_table

CHECKPOINT = PRETRAINED
RTOL = 1e-4
SEED = 27182
HEADER = "| {} | labels | MAPE | median | p95 | R² (ln M) | 90 % interval covers |\n|---|---|---|---|---|---|---|"
# As benchmarks/real_images.py: image, its conducting phases.
CROPS = (
    ("sofc_cathode_fibsem/example_electrolyte_and_cathode.tif", (0,)),
    ("sofc_cathode_fibsem/example_electrolyte_and_cathode.tif", (2,)),
    ("nmc_cathode_nrel/nmc-1-cal_generatedCBD_bridge.tif", (0, 2)),
    ("nmc_cathode_nrel/nmc-1-cal_generatedCBD_bridge.tif", (0,)),
    ("nmc_cathode_nrel/nmc-1-cal_generatedCBD_bridge.tif", (1,)),
)


def table_of(data: Path, stream: str, settings: CascadeSettings) -> FeatureTable:
    """Return the features of a stream, from their file if it is of these settings."""
    plain = settings == RegressionConfig().architecture.cascade
    name = f"{stream}-features.npz" if plain else f"{stream}-features-{settings.fine}.npz"
    return feature_table(Dataset(data / stream), settings, cache=data / name)


def row(name: str, s: dict[str, Any]) -> str:
    """Return a row of a table of scores."""
    fit = "–" if s["r2_log"] is None else f"{s['r2_log']:.5f}"
    errors = " | ".join(f"{100 * s[key]:.3f} %" for key in ("mape", "median", "p95"))
    return f"| {name} | {s['count']} | {errors} | {fit} | {100 * s['coverage']:.1f} % |"


def accuracy(data: Path) -> None:
    """Print the scores of the surrogate that comes with ionscreen on streams it has not seen."""
    surrogate = load_cascade(CHECKPOINT)
    for stream in ("test", "test96", "test128"):
        card = evaluate_table(surrogate, table_of(data, stream, surrogate.regressor.architecture.cascade), stream).card
        print(f"\n{stream}: verdicts {card['verdicts']}, bad predictions {card['bad_predictions']}\n")
        print(HEADER.format("group"))
        print(row("all", card["all"]))
        print(row("the cascade's estimate, nothing learned", card["without_learning"]))
        for kind, groups in card["by"].items():
            if stream == "test" or kind == "decade of M":
                for name, scores in groups.items():
                    print(row(f"{kind} {name}", scores))


def left_out(data: Path) -> None:
    """Print the scores on each family of a surrogate that was trained without it."""
    config = RegressionConfig()
    training, test = (table_of(data, name, config.architecture.cascade) for name in ("training", "test"))
    print(
        "\n| family left out | labels | MAPE | median | p95 | R² (ln M) | covers | > 10 % off | so flagged | flagged |"
    )
    print("|---|---|---|---|---|---|---|---|---|---|")
    for family in np.unique(test.family_n):
        surrogate = train_regressor(training.where(training.family_n != family), config)
        rows = test.where(
            (test.family_n == family) & (test.contrast_n >= 0.99 * surrogate.metrics["smallest_contrast"])
        )
        evaluation = evaluate_table(surrogate, rows, "test")
        bad = evaluation.card["bad_predictions"]
        flagged = np.mean(evaluation.prediction.verdict != "calibrated")
        more = f" {bad['count']} | {bad['flagged']} | {100 * flagged:.0f} % |"
        print(row(str(family), evaluation.card["all"]) + more, flush=True)


def curve(data: Path) -> None:
    """Print the error against the number of structures, and what their labels cost."""
    from ionscreen.surrogate.regression import learning_curve

    config = RegressionConfig()
    training, test = (table_of(data, name, config.architecture.cascade) for name in ("training", "test"))
    total = np.unique(training.structure_n).size
    print(f"\n{HEADER.format('structures')}")
    for count, surrogate in learning_curve(training, config, [total // 8, total // 4, total // 2, total]):
        scores = evaluate_table(surrogate, test, "test").card["all"]
        print(row(f"{count}, trained in {surrogate.metrics['seconds']:.0f} s", scores), flush=True)


def structures(data: Path, stream: str, count: int) -> Iterator[tuple[Microstructure, Transport, int, float]]:
    """Yield structures that percolate, each with one of its transports, one axis and its true M."""
    random = np.random.default_rng(SEED)
    dataset = Dataset(data / stream)
    found = 0
    for place in random.permutation(len(dataset)):
        sample = dataset[int(place)]
        name = str(random.choice(sorted(sample.labels)))
        axis = int(random.integers(3))
        label = sample.labels[name]
        if sample.microstructure is not None and label.status[axis] == 0 and label.relative[axis] > SMALLEST_M:
            yield sample.microstructure, label.transport, axis, float(label.relative[axis])
            found += 1
        if found == count:
            return


def predict(surrogate: CascadeSurrogate, structure: Microstructure, transport: Transport, axis: int) -> float:
    """Return M from voxels: percolation, features and regressor."""
    table = dict(enumerate(transport.table(structure.phase_names).tolist()))
    conductor = conductor_of(structure, transport, percolating(structure.phases, table, axis), axis)
    return float(surrogate.predict([conductor]).m[0]) * conductor.scale


def solved(structure: Microstructure, transport: Transport, axis: int, iterations: int | None = None) -> float:
    """Return M by our solver, on request stopped after so many iterations."""
    names = list(structure.phase_names)
    table = dict(enumerate(transport.table(names).tolist()))
    contacts = {(names.index(a), names.index(b)): r for (a, b), r in transport.interface_resistance.items()}
    boundary = {names.index(name): r for name, r in transport.grain_boundary_resistance.items()}
    before = conductivity.MAX_ITERATIONS
    conductivity.MAX_ITERATIONS = iterations or before
    try:
        result = effective_conductivity(
            structure.phases,
            table,
            voxel_size=structure.voxel_size,
            axis=axis,
            rtol=RTOL if iterations is None else conductivity.SINGLE_RTOL,
            interface_resistance=contacts,
            grains=structure.grains if boundary else None,
            grain_boundary_resistance=boundary or None,
        )
    finally:
        conductivity.MAX_ITERATIONS = before
    return float(result.relative)


def closed(formula: Callable[..., float], structure: Microstructure, transport: Transport, axis: int) -> float:
    """Return a closed formula's M: the conducting phases count as one of the best conductivity."""
    conducting = [name for name in structure.phase_names if transport.conductivity[name] > 0]
    found = describe(structure, conducting, (axis,))
    fraction, tortuosity = found[f"connected_fraction_{axis}"], found[f"geodesic_tortuosity_{axis}"]
    if formula is closed_formulas.bruggeman:
        return formula(fraction)
    if formula is closed_formulas.hosseinhashemi:
        return formula(fraction, tortuosity)
    return formula(fraction, found[f"constrictivity_{axis}"], tortuosity)


def measured(methods: dict[str, Callable[..., float]], cases: list[Any], repeats: int) -> dict[str, tuple[Any, float]]:
    """Return method -> relative errors and median milliseconds; the methods take turns on each structure."""
    errors: dict[str, list[float]] = {name: [] for name in methods}
    times: dict[str, list[float]] = {name: [] for name in methods}
    for structure, transport, axis, truth in cases:
        for name, method in methods.items():
            best = np.inf
            for _ in range(repeats):
                began = time.perf_counter()
                value = method(structure, transport, axis)
                best = min(best, time.perf_counter() - began)
            errors[name].append(abs(value / truth - 1))
            times[name].append(1e3 * best)
    return {name: (np.array(errors[name]), float(np.median(times[name]))) for name in methods}


def timing(data: Path) -> None:
    """Print the time from voxels to M against the solver's, structure by structure in turns."""
    surrogate = load_cascade(CHECKPOINT)
    print("\n| edge | structures | solver, rtol 1e-4 | surrogate | times faster |\n|---|---|---|---|---|")
    for stream, edge, count in (("test", 64, 20), ("test128", 128, 8)):
        cases = list(structures(data, stream, count))
        methods = {"solver": solved, "surrogate": lambda *case: predict(surrogate, *case)}
        measured(methods, cases[:2], 1)  # compile
        found = measured(methods, cases, 5)
        solver, ours = found["solver"][1], found["surrogate"][1]
        print(f"| {edge} | {len(cases)} | {solver:.1f} ms | {ours:.1f} ms | {solver / ours:.1f} |", flush=True)


def front(data: Path, picture: Path | None) -> None:
    """Print and draw error against time of every method, on the same structures."""
    pretrained = load_cascade(CHECKPOINT)
    coarse_only = CascadeSettings(fine=0)
    config = RegressionConfig(architecture=RegressorArchitecture(cascade=coarse_only))
    fast = train_regressor(table_of(data, "training", coarse_only), config)
    methods: dict[str, Callable[..., float]] = {
        "surrogate (default)": lambda *case: predict(pretrained, *case),
        "surrogate, no iteration on voxels": lambda *case: predict(fast, *case),
        "solver, rtol 1e-4": solved,
    }
    for count in (1, 2, 3, 4):
        methods[f"solver, {count} iterations"] = lambda *case, n=count: solved(*case, n)
    for formula in (closed_formulas.bruggeman, closed_formulas.hosseinhashemi, closed_formulas.stenzel):
        methods[formula.__name__] = lambda *case, f=formula: closed(f, *case)
    cases = list(structures(data, "test", 60))
    measured(methods, cases[:2], 1)
    found = measured(methods, cases, 2)
    print("\n| method | time | MAPE | median |\n|---|---|---|---|")
    for name, (errors, milliseconds) in found.items():
        print(f"| {name} | {milliseconds:.1f} ms | {100 * errors.mean():.3f} % | {100 * np.median(errors):.3f} % |")
    if picture is not None:
        draw(found, picture)


def draw(found: dict[str, tuple[Any, float]], picture: Path) -> None:
    """Draw mean error against time."""
    from ionscreen.workflows.figures import PALETTE, figure_of

    def points(axes: Any) -> None:
        for place, (name, (errors, milliseconds)) in enumerate(found.items()):
            mean = 100 * max(errors.mean(), 1e-5)
            axes.plot(milliseconds, mean, "o", c=PALETTE[place % len(PALETTE)])
            axes.annotate(name, (milliseconds, mean), fontsize=7, xytext=(4, 3), textcoords="offset points")
        axes.set(xscale="log", yscale="log", xlabel="time per structure of 64³ [ms]", ylabel="mean error [%]")

    picture.write_bytes(figure_of(points, "Error against time, held-out structures"))


def real(data: Path) -> None:
    """Print the scores on crops of tomographies, 64³, every axis; reported, not trained on."""
    from ionscreen.pipeline.image import read_image

    folder = Path(os.environ.get("IONSCREEN_DATA", "../shared/data"))
    surrogate = load_cascade(CHECKPOINT)
    print("\n| image, conducting | crops x axes | MAPE | median | 90 % interval covers | widened or refused |")
    print("|---|---|---|---|---|---|")
    everything = []
    for name, conducting in CROPS:
        phases = read_image(str(folder / name))
        found = [one for crop in crops(phases) for one in judged(surrogate, crop, conducting)]
        everything += found
        print_crops(f"{name.split('_')[0].upper()} {conducting}", found)
    print_crops("all", everything)


def crops(phases: Any) -> Iterator[Any]:
    """Yield 64³ windows that do not overlap, at most eight."""
    random = np.random.default_rng(SEED)
    corners = [
        (i, j, k)
        for i in range(0, phases.shape[0] - 63, 64)
        for j in range(0, phases.shape[1] - 63, 64)
        for k in range(0, phases.shape[2] - 63, 64)
    ]
    for place in random.permutation(len(corners))[:8]:
        i, j, k = corners[place]
        yield np.ascontiguousarray(phases[i : i + 64, j : j + 64, k : k + 64])


def judged(surrogate: CascadeSurrogate, crop: Any, conducting: tuple[int, ...]) -> Iterator[tuple[float, bool, bool]]:
    """Yield relative error, whether the interval holds the truth, and whether it was flagged, for each axis."""
    names = tuple(str(n) for n in range(int(crop.max()) + 1))
    transport = Transport("image", {n: float(int(n) in conducting) for n in names})
    structure = Microstructure(crop, names, (1.0, 1.0, 1.0))
    table = {int(n): s for n, s in transport.conductivity.items()}
    for axis in range(3):
        connected = percolating(crop, table, axis)
        truth = solved(structure, transport, axis) if connected.any() else 0.0
        if truth > SMALLEST_M:
            found = surrogate.predict([conductor_of(structure, transport, connected, axis)])
            inside = found.low[0] * (1 - RTOL) <= truth <= found.high[0] * (1 + RTOL)
            yield float(abs(found.m[0] / truth - 1)), bool(inside), found.verdict[0] != "calibrated"


def print_crops(name: str, found: list[tuple[float, bool, bool]]) -> None:
    """Print one row."""
    if found:
        error, inside, flagged = np.array(found, float).T
        shares = f"{100 * inside.mean():.1f} % | {100 * flagged.mean():.1f} %"
        print(f"| {name} | {len(found)} | {100 * error.mean():.3f} % | {100 * np.median(error):.3f} % | {shares} |")


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("what", nargs="+", choices=("accuracy", "left-out", "curve", "time", "front", "real"))
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--checkpoint", type=Path, default=PRETRAINED)
    parser.add_argument("--picture", type=Path, help="file for the front's diagram, PNG")
    chosen = parser.parse_args()
    if chosen.threads:
        import numba
        import torch

        numba.set_num_threads(chosen.threads)
        torch.set_num_threads(chosen.threads)
    actions = {"accuracy": accuracy, "left-out": left_out, "curve": curve, "time": timing, "real": real}
    global CHECKPOINT
    CHECKPOINT = chosen.checkpoint
    for what in chosen.what:
        if what == "front":
            front(chosen.data, chosen.picture)
        else:
            actions[what](chosen.data)


if __name__ == "__main__":
    main()
