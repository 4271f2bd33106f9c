"""``ionscreen fit``: a surrogate from labelled structures."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from ...surrogate.feature_table import FeatureTable
    from ...surrogate.regression import RegressionConfig

__all__ = ["fit"]

# Shares of the structures that a learning curve is made of.
SHARES = (0.125, 0.25, 0.5, 1.0)


def fit(
    dataset: Annotated[Path, typer.Argument(help="Labelled structures.", show_default=False)],
    checkpoint: Annotated[Path, typer.Argument(help="Folder for the surrogate.", show_default=False)],
    epochs: Annotated[int, typer.Option(help="At most so many passes.")] = 150,
    seed: Annotated[int, typer.Option(help="Of weights, split and order.")] = 20261,
    fine: Annotated[int, typer.Option(help="Iterations on the voxels; 0 is faster, less accurate.")] = 3,
    curve: Annotated[
        Path | None, typer.Option("--learning-curve", help="Judge the error against the labels on this dataset.")
    ] = None,
) -> None:
    """Fit a surrogate to every labelled axis of a dataset; run again to go on after an interruption.

    Features are computed once and kept in the checkpoint's folder. For instance:

    ionscreen fit study/runs/demo/dataset surrogate --epochs 40
    """
    from rich.console import Console

    from ...datasets import Dataset
    from ...surrogate.cascade_checkpoint import save_cascade
    from ...surrogate.cascade_settings import CascadeSettings
    from ...surrogate.feature_table import feature_table
    from ...surrogate.regression import RegressionConfig, train_regressor
    from ...surrogate.regressor import RegressorArchitecture
    from ..progress import TerminalProgress

    config = RegressionConfig(
        epochs=epochs, seed=seed, architecture=RegressorArchitecture(cascade=CascadeSettings(fine=fine))
    )
    progress = TerminalProgress(Console(stderr=True))
    tables = []
    checkpoint.mkdir(parents=True, exist_ok=True)
    for folder, cache in ((dataset, "features.npz"), (curve, "curve-features.npz")):
        if folder is not None:
            samples = Dataset(folder)
            with progress.bar(f"Features of {folder.name}", len(samples)) as bar:
                tables.append(
                    feature_table(samples, config.architecture.cascade, cache=checkpoint / cache, advance=bar.advance)
                )
    if curve is not None:
        _print_curve(tables[0], tables[1], config)
    with progress.bar("Training the surrogate", epochs) as bar:
        surrogate = train_regressor(
            tables[0],
            config,
            folder=checkpoint / "training",
            callback=lambda e: bar.advance(note=f"error on left-out structures {e.validation_error:.2%}"),
        )
    save_cascade(surrogate, checkpoint)
    typer.echo(
        f"Wrote {checkpoint}: {surrogate.metrics['training_labels']} labels, mean error on left-out structures "
        f"{surrogate.metrics['left_out_mape']:.2%}. Judge it: ionscreen evaluate DATASET --checkpoint {checkpoint}"
    )


def _print_curve(table: FeatureTable, test: FeatureTable, config: RegressionConfig) -> None:
    """Print the error on the test rows against the number of structures, and what their labels cost."""
    import numpy as np
    from rich.console import Console
    from rich.table import Table

    from ...surrogate.regression import fewest_structures, learning_curve
    from ..model_card import evaluate_table

    total = np.unique(table.structure_n).size
    shown = Table("structures", "labels", "mean error [%]", "median [%]", "R² of ln M")
    counts = [count for share in SHARES if (count := round(share * total)) >= fewest_structures(config)]
    for count, surrogate in learning_curve(table, config, counts):
        scores = evaluate_table(surrogate, test, "test").card["all"]
        labels = surrogate.metrics["training_labels"] + surrogate.metrics["calibration_labels"]
        errors = [f"{100 * scores[key]:.3f}" for key in ("mape", "median")]
        shown.add_row(str(count), str(labels), *errors, f"{scores['r2_log']:.5f}")
    Console().print(shown)
