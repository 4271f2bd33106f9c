"""What the surrogate is worth: accuracy, transfer, honesty, time, and the front of accuracy against time.

Run: python benchmarks/surrogate.py DATA WHAT..., DATA being the folder of the labelled streams, as
``python -m ionscreen.workflows.pretraining DATA`` makes it. WHAT is any of accuracy, fresh, left-out,
coverage, curve, real; time against the solver is :mod:`surrogate_front`'s.
"""

from __future__ import annotations

import argparse
import dataclasses
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from ionscreen.datasets import Dataset, Microstructure, Transport
from ionscreen.pipeline import effective_conductivity
from ionscreen.pipeline.percolation import percolating
from ionscreen.surrogate.cascade_checkpoint import PRETRAINED, load_cascade
from ionscreen.surrogate.cascade_settings import CascadeSettings
from ionscreen.surrogate.cascade_surrogate import CascadeSurrogate, calibrate_intervals
from ionscreen.surrogate.conductor import conductor_of
from ionscreen.surrogate.feature_table import FeatureTable, feature_table
from ionscreen.surrogate.regression import RegressionConfig, learning_curve, train_regressor
from ionscreen.workflows.labelled_streams import LabelledStreams, StreamsConfig
from ionscreen.workflows.model_card import SMALLEST_M, evaluate_table

CHECKPOINT = PRETRAINED
RTOL = 1e-4
SEED = 27182
FRESH_SEED = 550217
SPLITS = 200
HEADER = "| {} | labels | MAPE | median | p95 | R² (ln M) | 90 % interval covers |\n|---|---|---|---|---|---|---|"
# As benchmarks/real_images.py: image, its conducting phases.
CROPS = (
    ("sofc_cathode_fibsem/example_electrolyte_and_cathode.tif", (0,)),
    ("sofc_cathode_fibsem/example_electrolyte_and_cathode.tif", (2,)),
    ("nmc_cathode_nrel/nmc-1-cal_generatedCBD_bridge.tif", (0, 2)),
    ("nmc_cathode_nrel/nmc-1-cal_generatedCBD_bridge.tif", (0,)),
    ("nmc_cathode_nrel/nmc-1-cal_generatedCBD_bridge.tif", (1,)),
)


# Families that differ in one phase only are left out together.
LEFT_OUT = (
    ("blobs",),
    ("sintered",),
    ("composite_cathode", "composite_cathode_binder"),
    ("polycrystal",),
    ("polymer_particles",),
    ("polymer_fibres",),
    ("layered",),
    ("minimal_surface",),
)


def table_of(data: Path, stream: str, settings: CascadeSettings) -> FeatureTable:
    """Return the features of a stream, from the file that the pretraining left if it is of these settings."""
    return feature_table(Dataset(data / stream), settings, cache=data / f"{stream}-features.npz")


def row(name: str, s: dict[str, Any]) -> str:
    """Return a row of a table of scores."""
    fit = "–" if s["r2_log"] is None else f"{s['r2_log']:.5f}"
    errors = " | ".join(f"{100 * s[key]:.3f} %" for key in ("mape", "median", "p95"))
    return f"| {name} | {s['count']} | {errors} | {fit} | {100 * s['coverage']:.1f} % |"


def accuracy(data: Path) -> None:
    """Print the scores of the surrogate that comes with ionscreen on streams it has not seen."""
    for stream in ("test", "test96", "test128"):
        print_scores(data, stream, {"decade of M"} if stream != "test" else None)


def fresh(data: Path) -> None:
    """Print the scores on structures that nothing was chosen on: the test's recipe with another seed."""
    recipe = StreamsConfig.load(PRETRAINED / "recipe.yaml")
    changed = {"seed": FRESH_SEED, "streams": {"fresh": recipe.streams["test"]}}
    LabelledStreams(recipe.model_copy(update=changed), data).compute("fresh", processes=os.cpu_count() or 1)
    print_scores(data, "fresh")


def print_scores(data: Path, stream: str, kinds: set[str] | None = None) -> None:
    """Print the scores on a stream, of all and by kinds of groups; by all kinds if none are named."""
    surrogate = load_cascade(CHECKPOINT)
    card = evaluate_table(surrogate, table_of(data, stream, surrogate.regressor.architecture.cascade), stream).card
    print(f"\n{stream}: verdicts {card['verdicts']}, bad predictions {card['bad_predictions']}\n")
    print(HEADER.format("group"))
    print(row("all", card["all"]))
    print(row("the cascade's estimate, nothing learned", card["without_learning"]))
    for kind, groups in card["by"].items():
        if kinds is None or kind in kinds:
            for name, scores in groups.items():
                print(row(f"{kind} {name}", scores))


def left_out(data: Path, only: str | None = None) -> None:
    """Print the scores on each family of a surrogate that was trained without it; of one family if it is named."""
    config = RegressionConfig()
    training, test = (table_of(data, name, config.architecture.cascade) for name in ("training", "test"))
    head, rule = HEADER.format("family left out").split("\n")
    print(f"\n{head} > 10 % off | of these flagged | all flagged |\n{rule}---|---|---|")
    everything = []
    for families in LEFT_OUT:
        if only is not None and only not in families:
            continue
        surrogate = train_regressor(training.where(~np.isin(training.family_n, families)), config)
        rows = test.where(
            np.isin(test.family_n, families) & (test.contrast_n >= 0.99 * surrogate.metrics["smallest_contrast"])
        )
        evaluation = evaluate_table(surrogate, rows, "test")
        bad = evaluation.card["bad_predictions"]
        flagged = np.mean(evaluation.prediction.verdict != "calibrated")
        more = f" {bad['count']} | {bad['flagged']} | {100 * flagged:.0f} % |"
        print(row(" and ".join(families).replace("_", " "), evaluation.card["all"]) + more, flush=True)
        everything.append((evaluation.card["all"], bad))
    count = sum(s["count"] for s, _ in everything)
    mape = sum(s["count"] * s["mape"] for s, _ in everything) / count
    bad, flagged = (sum(b[key] for _, b in everything) for key in ("count", "flagged"))
    print(
        f"\nall left out in turn: {count} labels, MAPE {mape:.2%}; {bad} more than 10 % off, {flagged} of them flagged"
    )


def coverage(data: Path) -> None:
    """Print what intervals cover that were calibrated on one half of the test structures, of the other half."""
    surrogate = load_cascade(CHECKPOINT)
    table = table_of(data, "test", surrogate.regressor.architecture.cascade)
    random, names = np.random.default_rng(SEED), np.unique(table.structure_n)
    everything, by_family = [], {str(name): [] for name in np.unique(table.family_n)}
    for _ in range(SPLITS):
        calibrating = np.isin(table.structure_n, random.permutation(names)[: names.size // 2])
        intervals = calibrate_intervals(surrogate.regressor, table.where(calibrating))
        rest = table.where(~calibrating & (table.m_n > SMALLEST_M))
        found = dataclasses.replace(surrogate, intervals=intervals).from_table(rest)
        inside = (found.low * (1 - RTOL) <= rest.m_n) & (rest.m_n <= found.high * (1 + RTOL))
        everything.append(inside.mean())
        for name in np.unique(rest.family_n):
            by_family[str(name)].append(inside[rest.family_n == name].mean())
    print(f"\n| {SPLITS} halves of {names.size} structures | mean coverage | 5 to 95 % of the halves |\n|---|---|---|")
    for name, shares in {"all": everything, **by_family}.items():
        low, high = np.quantile(shares, [0.05, 0.95])
        print(f"| {name} | {np.mean(shares):.1%} | {low:.1%} to {high:.1%} |")


def curve(data: Path) -> None:
    """Print the error against the number of structures, what their labels cost, and how long the training took."""
    config = RegressionConfig()
    training, test = (table_of(data, name, config.architecture.cascade) for name in ("training", "test"))
    seconds = label_seconds(data / "training")
    total = np.unique(training.structure_n).size
    counts = [total // 16, total // 8, total // 4, total // 2, total]
    print(f"\n{HEADER.format('structures, labels, cost of the labels, training')}")
    for count, surrogate in learning_curve(training, config, counts):
        scores = evaluate_table(surrogate, test, "test").card["all"]
        known = surrogate.metrics
        labels = known["training_labels"] + known["calibration_labels"]
        name = f"{count}, {labels}, {count * seconds / 60:.1f} min, {known['seconds']:.0f} s"
        print(row(name, scores), flush=True)


def label_seconds(folder: Path) -> float:
    """Return the mean time that the solver took for all labels of a structure, s."""
    samples = list(Dataset(folder)[:400].stream())
    return float(np.mean([sum(label.seconds for label in sample.labels.values()) for sample in samples]))


def solved(structure: Microstructure, transport: Transport, axis: int) -> float:
    """Return M by our solver."""
    table = dict(enumerate(transport.table(list(structure.phase_names)).tolist()))
    return float(effective_conductivity(structure.phases, table, axis=axis, rtol=RTOL).relative)


def real(data: Path) -> None:
    """Print the scores on crops of tomographies, 64³, every axis; reported, not trained on."""
    from ionscreen.pipeline.image import read_image

    folder = Path(os.environ.get("IONSCREEN_DATA", "../shared/data"))
    surrogate = load_cascade(CHECKPOINT)
    print("\n| image, conducting | crops x axes | MAPE | median | 90 % interval covers | flagged |")
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
    actions = {
        "accuracy": accuracy,
        "fresh": fresh,
        "left-out": left_out,
        "coverage": coverage,
        "curve": curve,
        "real": real,
    }
    parser.add_argument("data", type=Path)
    parser.add_argument("what", nargs="+", choices=actions)
    parser.add_argument("--checkpoint", type=Path, default=PRETRAINED)
    parser.add_argument("--family", help="for left-out: this one alone")
    chosen = parser.parse_args()
    global CHECKPOINT
    CHECKPOINT = chosen.checkpoint
    for what in chosen.what:
        if what == "left-out":
            left_out(chosen.data, chosen.family)
        else:
            actions[what](chosen.data)


if __name__ == "__main__":
    main()
