"""The report: one HTML file that opens anywhere, offline."""

from __future__ import annotations

import base64
import platform
from datetime import UTC, datetime
from importlib.metadata import version
from importlib.resources import files
from typing import Any

from ..datasets import Dataset, Status
from ..datasets.durable_file import write_durably
from .figures import composition_figure, parity_figure, slices_figure, verification_figure
from .results import CampaignResults

__all__ = ["write_report"]

PICTURED = 6
VERSIONS = ("ionscreen", "porespy", "numpy", "scipy", "numba", "torch", "h5py", "dask", "distributed")


def write_report(results: CampaignResults) -> None:
    """Write ``report.html`` into the run directory.

    Whatever a user typed (names, paths) is escaped.
    """
    import jinja2

    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True)
    source = files("ionscreen.workflows").joinpath("templates/report.html").read_text(encoding="utf-8")
    page = environment.from_string(source).render(_content(results))
    write_durably(results.directory.report, page.encode())


def _content(results: CampaignResults) -> dict[str, Any]:
    verification = results.verification
    return {
        "config": results.config,
        "summary": results.summary(),
        "lines": [line.strip().split("  ", 1) for line in results.text().splitlines()],
        "evaluation": results.evaluation,
        "figures": {name: base64.b64encode(png).decode() for name, png in _figures(results).items()},
        "top": [e for e in verification.entries if e.group == "top"],
        "statuses": [(s, count) for s, count in sorted(results.statuses().items())],
        "seconds": results.directory.read_timings(),
        "versions": {name: version(name) for name in VERSIONS},
        "python": f"{platform.python_implementation()} {platform.python_version()} on {platform.system()}",
        "written": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "Status": Status,
    }


def _figures(results: CampaignResults) -> dict[str, bytes]:
    figures = {
        "composition": composition_figure(results),
        "parity": parity_figure(results),
        "verification": verification_figure(results),
    }
    winners = _winners(results)
    if winners:
        figures["slices"] = slices_figure(winners, results.config.label.axis)
    return figures


def _winners(results: CampaignResults) -> list[tuple[str, Any]]:
    """Return title and structure of the best verified candidates."""
    sign = -1 if results.config.screen.objective == "maximise" else 1
    best = sorted(results.verification.group("top"), key=lambda e: sign * e.sigma)[:PICTURED]
    dataset = Dataset(results.directory.verification)
    structures = [dataset.sample(e.prediction.id).microstructure for e in best]
    return [
        (f"{e.prediction.family}\n{e.sigma:.3g} S/m", structure)
        for e, structure in zip(best, structures, strict=True)
        if structure is not None
    ]
