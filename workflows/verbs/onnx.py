"""``ionscreen onnx``: a trained surrogate as a file for onnxruntime."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

__all__ = ["onnx"]

# Agreement with torch that a file must show before it is called written.
TOLERANCE = 1e-3


def onnx(
    file: Annotated[Path, typer.Argument(help="File to write.", show_default=False)],
    checkpoint: Annotated[
        Path | None, typer.Option(help="Folder of a regressor; by default the one that comes with ionscreen.")
    ] = None,
    edge: Annotated[int, typer.Option(min=8, max=256, help="Voxels along each edge of a structure.")] = 64,
    batch: Annotated[int, typer.Option(min=1, help="Structures of one call.")] = 1,
) -> None:
    """Export a surrogate, its coarse physics included, and compare onnxruntime with torch. For instance:

    ionscreen onnx surrogate.onnx --edge 32
    """
    import numpy as np
    import torch

    from ...datasets import IonscreenError
    from ...surrogate.cascade import CascadeNetwork
    from ...surrogate.cascade_checkpoint import PRETRAINED, load_cascade
    from ...surrogate.onnx_export import OnnxNetwork, export_onnx

    surrogate = load_cascade(checkpoint or PRETRAINED)
    export_onnx(surrogate, file, (edge,) * 3, batch)
    x = (np.random.default_rng(edge).random((batch, *(edge,) * 3)) < 0.7).astype(np.float32)
    with torch.no_grad():
        expected = CascadeNetwork(surrogate.regressor)(torch.from_numpy(x)).m_b.numpy()
    difference = float(np.abs(OnnxNetwork(file).predict(x)[0] / expected - 1).max())
    if not difference < TOLERANCE:
        raise IonscreenError(f"{file}: onnxruntime and torch differ by {difference:.1e}; do not use it.")
    typer.echo(
        f"Wrote {file}: {file.stat().st_size / 1e6:.1f} MB for {batch} x {edge}³ voxels; onnxruntime and torch agree "
        f"to {difference:.0e}."
    )
