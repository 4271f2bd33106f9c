"""The report: one HTML file that opens anywhere, offline."""

from __future__ import annotations

import base64
import platform
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from importlib.resources import files
from typing import Any

import numpy as np

from ..datasets import Dataset, InvalidInput, Microstructure, Status
from ..datasets.durable_file import write_durably
from .figures import (
    composition_figure,
    coverage_figure,
    learning_figure,
    parameter_figure,
    parity_figure,
    verification_figure,
)
from .properties import properties_of
from .results import CampaignResults, in_percent
from .screening import Prediction
from .structure_figures import bottleneck_figure, window_map_figure, winners_figure
from .tradeoff_figure import tradeoff_figure
from .verification import Verified
from .window_map import WindowMap, window_maps, write_window_map

__all__ = ["write_report"]

PICTURED = 6
LISTED = 500  # candidates in the table of the report
VERSIONS = ("ionscreen", "porespy", "numpy", "scipy", "numba", "torch", "h5py", "dask", "distributed")


def write_report(results: CampaignResults) -> None:
    """Write ``report.html`` into the run directory, and the maps of images into ``maps/``.

    Whatever a user typed (names, paths) is escaped.
    """
    import jinja2

    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, loader=jinja2.FunctionLoader(_template)
    )
    environment.filters["percent"] = in_percent
    maps = _window_maps(results)
    for found in maps:
        write_window_map(found, results.directory.maps)
    page = environment.get_template("report.html").render(_content(results, maps))
    write_durably(results.directory.report, page.encode())


def _template(name: str) -> str:
    return files("ionscreen.workflows").joinpath("templates", name).read_text(encoding="utf-8")


def _window_maps(results: CampaignResults) -> list[WindowMap]:
    """Return a map for each image of several windows."""
    sizes = {digest: image.voxel_size_um * 1e-6 for digest, image in results.images.items()}
    windows = results.ranked.at(np.flatnonzero(results.ranked.family_n == "image"))
    found = window_maps(windows, results.config.structure.shape, sizes)
    return [each for each in found if each.sigma_abc.size > 1]


def _content(results: CampaignResults, maps: Sequence[WindowMap]) -> dict[str, Any]:
    figures, bottleneck = _figures(results)
    return {
        "config": results.config,
        "summary": results.summary(),
        "best": results.verification.best(results.objective.sense),
        "statistics": results.statistics,
        "lines": [line.strip().split("  ", 1) for line in results.text().splitlines()],
        "evaluation": results.evaluation,
        "figures": {name: base64.b64encode(png).decode() for name, png in figures.items()},
        "bottleneck": bottleneck,
        "maps": [(results.images[m.image].path, m, base64.b64encode(window_map_figure(m)).decode()) for m in maps],
        "verified": results.verification.entries,
        "rows": _rows(results),
        "failures": _failures(results),
        "statuses": [
            (wanted.name, s, count)
            for wanted in properties_of(results.config)
            for s, count in sorted(results.statuses(wanted).items())
        ],
        "properties": [wanted.name for wanted in properties_of(results.config)],
        "objective": results.objective,
        "rounds": results.rounds,
        "axis": results.leading.axis,
        "seconds": results.directory.read_timings(),
        "versions": {name: version(name) for name in VERSIONS},
        "python": f"{platform.python_implementation()} {platform.python_version()} on {platform.system()}",
        "written": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "yaml": results.directory.config.read_text(encoding="utf-8"),
        "Status": Status,
    }


def _rows(results: CampaignResults) -> list[tuple[int, Prediction, Verified | None]]:
    """Return rank, prediction and solution of the candidates that the report lists: the best and all verified ones."""
    solved = {e.prediction.index: e for e in results.verification.entries}
    places = np.union1d(np.arange(min(LISTED, len(results.ranked))), results.ranked.places(solved))
    listed = zip(places.tolist(), results.ranked.at(places), strict=True)
    return [(place + 1, prediction, solved.get(prediction.index)) for place, prediction in listed]


def _failures(results: CampaignResults) -> list[tuple[str, str, str, str]]:
    """Return stage, sample, status and what happened, of structures that gave no number; the first of many."""
    found = []
    for stage, dataset in (("label", results.dataset), ("verify", Dataset(results.directory.verification))):
        for wanted in properties_of(results.config):
            name, axis = wanted.transport.name, wanted.axis
            for sample_id in _failed(dataset, name, axis):
                label = dataset.sample(sample_id).labels[name]
                status = Status(int(label.status[axis]))
                found.append((stage, sample_id, status.name.lower(), label.message or status.sentence))
    unknown = np.flatnonzero(np.isnan(results.ranked.value_n3[:, 0]))[:LISTED]
    for p in results.ranked.at(unknown):
        found.append(("screen", p.id, p.status.name.lower(), p.status.sentence))
    return found


def _failed(dataset: Dataset, transport: str, axis: int) -> list[str]:
    if not len(dataset):
        return []
    labels = dataset.labels(transport)
    sound = np.isin(labels["status"][:, axis], [Status.OK, Status.NON_PERCOLATING])
    return [str(sample_id) for sample_id in labels["id"][~sound]]


def _figures(results: CampaignResults) -> tuple[dict[str, bytes], Any]:
    """Return the figures, and the current of the winner if there is one."""
    figures = {
        "composition": composition_figure(results),
        "parity": parity_figure(results),
        "verification": verification_figure(results),
        "coverage": coverage_figure(results),
        "learning": learning_figure(results),
        "parameters": parameter_figure(results),
    }
    if len(properties_of(results.config)) > 1:
        figures["tradeoff"] = tradeoff_figure(results)
    winners = _winners(results)
    if not winners:
        return figures, None
    figures["winners"] = winners_figure(winners, results.leading.axis)
    layers = _bottleneck(winners[0][1], results)
    if layers is not None:
        figures["bottleneck"] = bottleneck_figure(layers, winners[0][1], results.leading.axis)
    return figures, layers


def _bottleneck(structure: Microstructure, results: CampaignResults) -> Any:
    from ..pipeline.bottlenecks import current_layers

    _, transport, axis = results.leading
    try:
        return current_layers(structure, transport, axis, max(results.config.label.rtol, 1e-4))
    except InvalidInput:
        return None  # a structure that the transport does not know: the verification says so


def _winners(results: CampaignResults) -> list[tuple[str, Microstructure]]:
    """Return title and structure of the best verified candidates."""
    best = results.verification.ranking(results.objective.sense)[:PICTURED]
    dataset = Dataset(results.directory.verification)
    structures = [dataset.sample(e.prediction.id).microstructure for e in best]
    return [
        (f"{e.prediction.family.replace('_', ' ')}\n{e.sigma:.3g} {results.objective.unit}", structure)
        for e, structure in zip(best, structures, strict=True)
        if structure is not None
    ]
