"""The model card: how good a surrogate is on a dataset it has never seen, as JSON and as one HTML file."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ..datasets import Dataset, InvalidInput
from ..datasets.durable_file import write_durably

if TYPE_CHECKING:
    from ..surrogate.cascade_surrogate import CascadePrediction, CascadeSurrogate
    from ..surrogate.feature_table import FeatureTable

__all__ = ["CARD_JSON", "CARD_PAGE", "Evaluation", "evaluate_surrogate", "write_card"]

CARD_JSON = "card.json"
CARD_PAGE = "card.html"
# Structures that conduct less are not scored: their relative error says nothing a user would act on.
SMALLEST_M = 1e-3
# Errors above this are what the verdict ought to have announced.
BAD_ERROR = 0.1


@dataclass(frozen=True, eq=False)
class Evaluation:
    """Rows that were scored, their predictions, and the scores as JSON types."""

    table: FeatureTable
    prediction: CascadePrediction
    card: dict[str, Any]


def evaluate_surrogate(
    surrogate: CascadeSurrogate,
    dataset: Dataset,
    cache: Path | None = None,
    advance: Callable[[int], None] = lambda _: None,
) -> Evaluation:
    """Return the scores on all axes and transports of a dataset.

    Parameters
    ----------
    surrogate
        Must not have been trained on the dataset; rows it was trained on cannot be told apart.
    dataset
        Labelled, with microstructures.
    cache
        File for the features.
    advance
        Called with 1 after each sample.

    Raises
    ------
    InvalidInput
        If no labelled structure conducts enough to be scored.
    """
    from ..surrogate.feature_table import feature_table

    table = feature_table(dataset, surrogate.regressor.architecture.cascade, cache=cache, advance=advance)
    return evaluate_table(surrogate, table, str(dataset.folder.name))


def evaluate_table(surrogate: CascadeSurrogate, table: FeatureTable, name: str) -> Evaluation:
    """Return the scores on rows whose features are at hand."""
    from ..surrogate.cascade_surrogate import Verdict
    from ..surrogate.evaluation import decades, score, score_groups
    from ..surrogate.surrogate import Prediction

    table = table.where(table.m_n > SMALLEST_M)
    if not len(table):
        raise InvalidInput(f"{name} holds no labelled structure with M above {SMALLEST_M:g}; nothing can be scored.")
    found = surrogate.from_table(table)
    # The truth is known to the solver's tolerance only: it may lie beyond an exact bound by that much.
    tolerance = 1e-4
    prediction = Prediction(found.m, found.low * (1 - tolerance), found.high * (1 + tolerance))
    estimate = np.exp(table.feature_nk[:, surrogate.regressor.architecture.cascade.base].astype(float))
    groups = {
        "family": [str(f) for f in table.family_n],
        "transport": [f"{f}: {t}" for f, t in zip(table.family_n, table.transport_n, strict=True)],
        "decade of M": decades(table.m_n),
        "edge in voxels": [str(e) for e in table.edge_n],
    }
    by_group = score_groups(table.m_n, prediction, groups)
    card = {
        "dataset": name,
        "smallest_m": SMALLEST_M,
        "structures": int(np.unique(table.structure_n).size),
        "all": score(table.m_n, prediction).to_dict(),
        "without_learning": score(table.m_n, Prediction(estimate, estimate, estimate)).to_dict(),
        "by": {kind: {n: s.to_dict() for n, s in scores.items()} for kind, scores in by_group.items()},
        "verdicts": {v: int((found.verdict == v).sum()) for v in Verdict.ALL},
        "bad_predictions": _bad(table.m_n, found),
        "surrogate": {
            "architecture": surrogate.regressor.architecture.to_dict(),
            "intervals": surrogate.intervals.to_dict(),
            "data_digest": surrogate.data_digest,
            "parameters": sum(p.numel() for p in surrogate.regressor.parameters()),
            "training": {k: v for k, v in surrogate.metrics.items() if not isinstance(v, list) or len(v) < 20},
        },
        "ionscreen": version("ionscreen"),
    }
    return Evaluation(table, found, card)


def _bad(m: npt.NDArray[np.float64], found: CascadePrediction) -> dict[str, Any]:
    bad = np.abs(found.m / m - 1) > BAD_ERROR
    flagged = found.verdict != "calibrated"
    return {"error_above": BAD_ERROR, "count": int(bad.sum()), "flagged": int((bad & flagged).sum())}


def write_card(evaluation: Evaluation, surrogate: CascadeSurrogate, folder: Path) -> None:
    """Write ``card.json`` and ``card.html`` into the folder of the checkpoint."""
    import jinja2

    from .card_figures import curves_figure, parity_figure, residual_figure

    table, found = evaluation.table, evaluation.prediction
    figures = {
        "parity": parity_figure(table.m_n, found, table.family_n),
        "residuals": residual_figure(table.m_n, found, table.family_n),
        "curves": curves_figure(surrogate.metrics),
    }
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True)
    source = files("ionscreen.workflows").joinpath("templates/model_card.html").read_text(encoding="utf-8")
    page = environment.from_string(source).render(
        card=evaluation.card,
        figures={name: base64.b64encode(png).decode() for name, png in figures.items()},
        written=datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
    )
    write_durably(folder / CARD_JSON, json.dumps(evaluation.card, indent=1).encode())
    write_durably(folder / CARD_PAGE, page.encode())
