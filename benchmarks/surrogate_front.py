"""Accuracy against time: surrogates of several depths, the solver stopped early, closed formulas, a convolution.

Run: python benchmarks/surrogate_front.py DATA time front [--picture FILE.png], DATA being the folder of the labelled
streams, as ``python -m ionscreen.workflows.pretraining DATA`` makes it. All surrogates of the front are trained on the
same structures; on each test structure the methods take turns.
"""

from __future__ import annotations

import argparse
import functools
import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from ionscreen.datasets import Dataset, InvalidInput, Microstructure, Transport
from ionscreen.pipeline import closed_formulas, conductivity, effective_conductivity
from ionscreen.pipeline.descriptors import describe
from ionscreen.pipeline.percolation import percolating
from ionscreen.surrogate.cascade_checkpoint import PRETRAINED, load_cascade
from ionscreen.surrogate.cascade_settings import RULES, CascadeSettings
from ionscreen.surrogate.cascade_surrogate import CascadeSurrogate
from ionscreen.surrogate.checkpoint import load_checkpoint, save_checkpoint
from ionscreen.surrogate.conductor import conductor_of
from ionscreen.surrogate.data import LabelledStructures
from ionscreen.surrogate.encoding import encode
from ionscreen.surrogate.feature_table import FeatureTable, feature_table
from ionscreen.surrogate.features import Features, features_of
from ionscreen.surrogate.regression import RegressionConfig, train_regressor
from ionscreen.surrogate.regressor import RegressorArchitecture
from ionscreen.surrogate.surrogate import Surrogate
from ionscreen.surrogate.training import TrainingConfig, train
from ionscreen.workflows.model_card import SMALLEST_M

RTOL = 1e-4
# Milliseconds from which a method is tried on few of the labels.
SLOW = 1000.0
SEED = 27182
ONE = (RULES[1],)
PRODUCT, FEATURES = "surrogate that comes with ionscreen", "its features"
# Name -> how much of the cascade is computed.
VARIANTS = {
    "voxel descriptors": CascadeSettings((), 0, ONE),
    "no voxel iteration": CascadeSettings(fine=0),
    "1 voxel iteration": CascadeSettings(fine=1),
    "2 voxel iterations": CascadeSettings(),
    "4 voxel iterations": CascadeSettings(fine=4),
    "8 voxel iterations": CascadeSettings(fine=8),
    "8 voxel iterations, 3 rules": CascadeSettings(fine=8, rules=RULES),
    "4 iterations on cells of 2, 2 voxel iterations": CascadeSettings((4, 10, 16, 20)),
}
Method = Callable[[Microstructure, Transport, int], float]
Case = tuple[Microstructure, Transport, int, float]


def structures(data: Path, stream: str, count: int) -> Iterator[Case]:
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


def labels(data: Path, stream: str, count: int) -> Iterator[Case]:
    """Yield so many structures with each of their transports and axes."""
    for sample in Dataset(data / stream)[:count]:
        for label in sample.labels.values():
            for axis in range(3):
                if sample.microstructure is not None and label.status[axis] == 0 and label.relative[axis] > SMALLEST_M:
                    yield sample.microstructure, label.transport, axis, float(label.relative[axis])


def described(
    surrogate: CascadeSurrogate, structure: Microstructure, transport: Transport, axis: int
) -> tuple[Features, float]:
    """Return the features from voxels, percolation first, and what M relative to the best conductor is scaled by.

    Raises InvalidInput where the surrogate refuses the contrast.
    """
    table = dict(enumerate(transport.table(structure.phase_names).tolist()))
    conductor = conductor_of(structure, transport, percolating(structure.phases, table, axis), axis)
    surrogate.check(conductor)
    return features_of(conductor, surrogate.regressor.architecture.cascade), conductor.scale


def predicted(surrogate: CascadeSurrogate, structure: Microstructure, transport: Transport, axis: int) -> float:
    """Return M from voxels; NaN where the surrogate refuses the contrast."""
    try:
        features, scale = described(surrogate, structure, transport, axis)
    except InvalidInput:
        return float("nan")
    return float(surrogate.from_features([features]).m[0]) * scale


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
    if formula is closed_formulas.bruggeman:
        return formula(sum(structure.fractions()[name] for name in conducting))
    found, along = describe(structure, conducting, (axis,)), "xyz"[axis]
    fraction, tortuosity = found[f"connected_fraction_{along}"], found[f"geodesic_tortuosity_{along}"]
    if formula is closed_formulas.hosseinhashemi:
        return formula(fraction, tortuosity)
    return formula(fraction, found.get(f"constrictivity_{along}", np.nan), tortuosity)


def measured(
    methods: dict[str, Method], cases: list[Case], repeats: int, clock: Callable[[], float]
) -> dict[str, tuple[Any, float]]:
    """Return method -> relative errors and median milliseconds; the methods take turns on each structure.

    A method that takes more than a second is tried on every 64th.
    """
    errors: dict[str, list[float]] = {name: [] for name in methods}
    times: dict[str, list[float]] = {name: [] for name in methods}
    for place, (structure, transport, axis, truth) in enumerate(cases):
        for name, method in methods.items():
            best, slow = np.inf, bool(times[name]) and times[name][-1] > SLOW
            if slow and place % 64:
                continue
            for _ in range(repeats):
                began = clock()
                value = method(structure, transport, axis)
                best = min(best, clock() - began)
            errors[name].append(abs(value / truth - 1))
            times[name].append(1e3 * best)
    return {name: (np.array(errors[name]), float(np.median(times[name]))) for name in methods}


def table_of(data: Path, stream: str, settings: CascadeSettings, count: int) -> FeatureTable:
    """Return the features of the first structures of a stream, computed once."""
    name = "-".join(map(str, (stream, "front", *settings.coarse, settings.fine, len(settings.rules), count)))
    return feature_table(Dataset(data / stream)[:count], settings, cache=data / "front" / f"{name}.npz")


def trained(data: Path, structures: int) -> dict[str, CascadeSurrogate]:
    """Return a surrogate of each depth, all of the same structures."""
    (data / "front").mkdir(exist_ok=True)
    found = {}
    for name, settings in VARIANTS.items() if structures else ():
        architecture = RegressorArchitecture(cascade=settings, components=min(16, settings.count))
        table = table_of(data, "training", settings, structures)
        began = time.monotonic()
        found[name] = train_regressor(table, RegressionConfig(architecture=architecture))
        print(f"{name}: {len(table)} labels, {time.monotonic() - began:.0f} s", flush=True)
    return found


def without_contacts(transport: Transport) -> bool:
    """Return whether the convolutional network can know a transport: its input is a conductivity for each voxel."""
    return not transport.interface_resistance and not transport.grain_boundary_resistance


def convolutional(data: Path, count: int, epochs: int) -> Surrogate:
    """Return the convolutional network trained on so many structures, one transport and axis of each; made once."""
    folder = data / "front" / f"convolutional-{count}-{epochs}"
    if not folder.exists():
        cases = [case for case in structures(data, "training", count) if without_contacts(case[1])]
        fields = np.stack([field_of(*case[:3]) for case in cases])
        ids = tuple(str(number) for number in range(len(cases)))
        truth, cut = np.array([case[3] for case in cases]), len(cases) * 85 // 100
        parts = [LabelledStructures(fields[part], truth[part], ids[part]) for part in (slice(cut), slice(cut, None))]
        began = time.monotonic()
        surrogate = train(*parts, TrainingConfig(epochs=epochs))
        print(f"convolutional network: {cut} labels, {time.monotonic() - began:.0f} s", flush=True)
        save_checkpoint(surrogate, folder)
    return load_checkpoint(folder)


def field_of(structure: Microstructure, transport: Transport, axis: int) -> Any:
    """Return the convolutional network's input."""
    table = dict(enumerate(transport.table(structure.phase_names).tolist()))
    return encode(structure, transport, percolating(structure.phases, table, axis), axis)


def convolved(surrogate: Surrogate, structure: Microstructure, transport: Transport, axis: int) -> float:
    """Return M from voxels: percolation and convolutional network; NaN where there are contacts."""
    if not without_contacts(transport):
        return float("nan")
    return float(surrogate.predict(field_of(structure, transport, axis)[None]).m[0])


def surrogates(data: Path, chosen: argparse.Namespace) -> dict[str, Method]:
    """Return the method of each depth, of the convolutional network and of the surrogate that comes with ionscreen."""
    known = {PRODUCT: load_cascade(chosen.checkpoint)}
    known.update({f"surrogate, {name}": s for name, s in trained(data, chosen.structures).items()})
    methods: dict[str, Method] = {name: functools.partial(predicted, surrogate) for name, surrogate in known.items()}
    if chosen.network:
        network = convolutional(data, chosen.network, chosen.epochs)
        methods["surrogate, convolutional network"] = functools.partial(convolved, network)
    return methods


def timing(data: Path, chosen: argparse.Namespace) -> None:
    """Print the time from voxels to M against the solver's, structure by structure in turns.

    The surrogate that comes with ionscreen is also timed as a screening uses it: features of one structure after the
    other, then all predictions at once.
    """
    product, kept = load_cascade(chosen.checkpoint), []

    def keep(*case: Any) -> float:
        kept.append(described(product, *case)[0])
        return float("nan")

    methods: dict[str, Method] = {"solver, rtol 1e-4": solved, FEATURES: keep}
    methods.update(surrogates(data, chosen))
    print("\n| edge | structures | method | median time | times faster than solved | MAPE |\n|---|---|---|---|---|---|")
    for stream, edge, count in (("test", 64, 24), ("test96", 96, 12), ("test128", 128, 8)):
        cases = list(structures(data, stream, count))
        measured(methods, cases[:1], 1, chosen.clock)  # compile
        kept.clear()
        found = measured(methods, cases, 3, chosen.clock)
        began = chosen.clock()
        product.from_features(kept)
        together = 1e3 * (chosen.clock() - began) / len(kept)
        solver = found["solver, rtol 1e-4"][1]
        batched = (found[PRODUCT][0], found.pop(FEATURES)[1] + together)
        for name, (errors, ms) in {**found, f"{PRODUCT}, {len(kept)} predictions together": batched}.items():
            mean = 100 * np.nanmean(errors)
            print(f"| {edge} | {len(cases)} | {name} | {ms:.1f} ms | {solver / ms:.1f} | {mean:.2f} % |", flush=True)


def front(data: Path, chosen: argparse.Namespace) -> None:
    """Print and draw error against time of every method, on the same labels; slow ones on every 64th."""
    methods: dict[str, Method] = {"solver, rtol 1e-4": solved}
    for count in (1, 2, 3, 4):
        methods[f"solver, {count} iteration{'s' * (count > 1)}"] = lambda *case, n=count: solved(*case, n)
    for formula in (closed_formulas.bruggeman, closed_formulas.hosseinhashemi, closed_formulas.stenzel):
        methods[formula.__name__.capitalize()] = lambda *case, f=formula: closed(f, *case)
    methods.update(surrogates(data, chosen))
    # Of every structure all labels: few thin ones decide a mean error, and with one label each by chance.
    cases = list(labels(data, "test", chosen.cases))
    measured(methods, cases[:2], 1, chosen.clock)
    found = measured(methods, cases, 1, chosen.clock)
    best = pareto({name: (ms, float(np.nanmean(errors))) for name, (errors, ms) in found.items()})
    print("\n| method | median time | MAPE | median error | on the front |\n|---|---|---|---|---|")
    for name, (errors, ms) in sorted(found.items(), key=lambda item: item[1][1]):
        mean, median = 100 * np.nanmean(errors), 100 * np.nanmedian(errors)
        print(f"| {name} | {ms:.1f} ms | {mean:.3f} % | {median:.3f} % | {'yes' if name in best else ''} |")
    if chosen.picture is not None:
        draw(found, best, chosen.picture)


def pareto(points: dict[str, tuple[float, float]]) -> set[str]:
    """Return the names that no other method beats in both time and error."""
    return {
        name
        for name, (ms, error) in points.items()
        if not any(m <= ms and e <= error and (m, e) != (ms, error) for m, e in points.values())
    }


def draw(found: dict[str, tuple[Any, float]], best: set[str], picture: Path) -> None:
    """Draw mean error against time, the front as a line; the points have numbers, as names would hide each other."""
    from ionscreen.workflows.figures import PALETTE, new_figure, png

    colours = {"surrogate": PALETTE[0], "solver": PALETTE[1]}
    # What is exact has no place on a logarithmic axis.
    points = sorted((ms, 100 * max(float(np.nanmean(errors)), 1e-5), name) for name, (errors, ms) in found.items())
    figure = new_figure(8.6, 4.6)
    axes = figure.add_subplot()
    line = [(ms, mean) for ms, mean, name in points if name in best]
    axes.step(*zip(*line, strict=True), where="post", c="0.7", lw=1, zorder=0)
    for number, (ms, mean, name) in enumerate(points, 1):
        colour = colours.get(re.split("[ ,]", name)[0], PALETTE[2])
        axes.plot(ms, mean, "o", c=colour, ms=5, label=f"{number}  {name}")
        offset = (4, 4) if number % 2 else (-4, -11)
        axes.annotate(str(number), (ms, mean), fontsize=7, xytext=offset, textcoords="offset points", color=colour)
    axes.set(xscale="log", yscale="log", xlabel="time per structure of 64³ [ms]", ylabel="mean error [%]")
    axes.grid(alpha=0.25)
    axes.legend(loc="center left", bbox_to_anchor=(1.01, 0.5), fontsize=7, frameon=False, handletextpad=0.2)
    axes.set_title("Error against time on held-out structures; the line is the front", fontsize=10)
    figure.set_layout_engine("tight")
    picture.write_bytes(png(figure))


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    actions = {"time": timing, "front": front, "train": lambda data, chosen: trained(data, chosen.structures)}
    parser.add_argument("data", type=Path)
    parser.add_argument("what", nargs="+", choices=actions)
    parser.add_argument("--structures", type=int, default=1000, help="that each depth is trained on; 0: no depths")
    parser.add_argument("--network", type=int, default=0, help="structures for the convolutional network; 0: without")
    parser.add_argument("--epochs", type=int, default=20, help="of the convolutional network")
    parser.add_argument("--cases", type=int, default=256, help="test structures of the front")
    parser.add_argument("--checkpoint", type=Path, default=PRETRAINED)
    parser.add_argument(
        "--processor-time",
        dest="clock",
        action="store_const",
        const=time.process_time,
        default=time.perf_counter,
        help="not the wall clock's: for a busy machine, with NUMBA_NUM_THREADS=1",
    )
    parser.add_argument("--picture", type=Path, help="file for the front's diagram, PNG")
    chosen = parser.parse_args()
    for what in chosen.what:
        actions[what](chosen.data, chosen)


if __name__ == "__main__":
    main()
