"""The surrogate that comes with ionscreen, made anew: ``python -m ionscreen.workflows.pretraining FOLDER``.

The recipe beside the checkpoint says which structures are generated; they are labelled (for the first time only), a
surrogate is trained on the stream ``training`` and judged on the others.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from .labelled_streams import LabelledStreams, StreamsConfig

if TYPE_CHECKING:
    from ..surrogate.cascade_settings import CascadeSettings
    from ..surrogate.feature_table import FeatureTable
    from .progress import Progress

__all__ = ["TRAINING", "pretrain", "stream_table"]

TRAINING = "training"


def stream_table(
    streams: LabelledStreams, stream: str, settings: CascadeSettings, progress: Progress, processes: int = 1
) -> FeatureTable:
    """Return the features of a stream, whose structures are labelled as far as they are missing."""
    from ..surrogate.feature_table import feature_table

    count = streams.config.streams[stream].structures
    with progress.bar(f"Labelling {stream}", count) as bar:
        dataset = streams.compute(stream, bar.advance, processes)
    cache = streams.folder / f"{stream}-features.npz"
    with progress.bar(f"Features of {stream}", len(dataset)) as bar:
        return feature_table(dataset, settings, cache=cache, advance=bar.advance)


def pretrain(recipe: Path, data: Path, checkpoint: Path, progress: Progress, processes: int = 1) -> None:
    """Make the surrogate of a recipe, and its model card from all streams but the training's.

    Parameters
    ----------
    recipe
        A file of :class:`StreamsConfig`.
    data
        Folder of the labelled streams.
    checkpoint
        Folder of the surrogate.
    progress
        Shows the bars.
    processes
        That label structures.
    """
    from ..surrogate.cascade_checkpoint import save_cascade
    from ..surrogate.feature_table import FeatureTable
    from ..surrogate.regression import RegressionConfig, train_regressor
    from .model_card import evaluate_table, write_card

    streams = LabelledStreams(StreamsConfig.load(recipe), data)
    config = RegressionConfig()
    settings = config.architecture.cascade
    tables = {stream: stream_table(streams, stream, settings, progress, processes) for stream in streams.config.streams}
    with progress.bar("Training", config.epochs) as bar:
        surrogate = train_regressor(
            tables[TRAINING],
            config,
            folder=data / "state",
            callback=lambda e: bar.advance(note=f"error on left-out structures {e.validation_error:.2%}"),
        )
    save_cascade(surrogate, checkpoint)
    held_out = FeatureTable.joined([table for stream, table in tables.items() if stream != TRAINING])
    evaluation = evaluate_table(surrogate, held_out, f"held-out structures of {recipe.name}")
    if np.intersect1d(held_out.structure_n, tables[TRAINING].structure_n).size:
        raise AssertionError("A structure is in the training and in the test.")
    write_card(evaluation, surrogate, checkpoint)
    describe_data(streams, checkpoint)


def describe_data(streams: LabelledStreams, checkpoint: Path) -> None:
    """Write the dataset card of the training beside the checkpoint: README.md and Croissant JSON-LD."""
    from ..datasets.card import CardSettings, write_card
    from ..datasets.durable_file import write_durably

    dataset = streams.dataset(TRAINING)
    write_card(dataset, CardSettings("Training of ionscreen's surrogate", seed=streams.config.seed))
    # Its pictures stay with the structures.
    lines = (dataset.folder / "README.md").read_text(encoding="utf-8").splitlines(keepends=True)
    write_durably(checkpoint / "dataset.md", "".join(x for x in lines if not x.startswith("![")).encode())
    write_durably(checkpoint / "dataset.croissant.json", (dataset.folder / "croissant.json").read_bytes())


def main() -> None:
    """Run from the command line."""
    from rich.console import Console

    from ..surrogate.cascade_checkpoint import PRETRAINED
    from .progress import TerminalProgress

    parser = argparse.ArgumentParser(description="Make the surrogate that comes with ionscreen anew.")
    parser.add_argument("data", type=Path, help="folder for the labelled structures")
    parser.add_argument("--recipe", type=Path, default=PRETRAINED / "recipe.yaml")
    parser.add_argument("--checkpoint", type=Path, default=PRETRAINED)
    parser.add_argument("--processes", type=int, default=1, help="that label structures")
    chosen = parser.parse_args()
    progress = TerminalProgress(Console(stderr=True))
    pretrain(chosen.recipe, chosen.data, chosen.checkpoint, progress, chosen.processes)


if __name__ == "__main__":
    main()
