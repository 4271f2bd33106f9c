"""A whole surrogate as one ONNX file, coarse physics included, and its use by onnxruntime: no torch needed to predict.

Shape suffixes: b batch; x, y, z voxels.
"""

from __future__ import annotations

import inspect
import io
import json
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from ..datasets import InvalidInput
from ..datasets.durable_file import write_durably
from .cascade import CascadeNetwork
from .cascade_surrogate import CascadeSurrogate
from .network import Screener
from .surrogate import Surrogate

__all__ = ["OnnxNetwork", "export_onnx"]

# torch 2.0 knows none beyond 17.
OPSET = 17
INPUT = "x"
HELP = "pip install 'ionscreen[onnx]'"


class _Flat(nn.Module):
    """The network of a regressor, whose estimate leaves as a plain tuple."""

    def __init__(self, network: CascadeNetwork) -> None:
        super().__init__()
        self.network = network

    def forward(self, x_bxyz: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        estimate = self.network(x_bxyz)
        return estimate.m_b, estimate.scale_b, estimate.distance_b


def export_onnx(
    surrogate: CascadeSurrogate | Surrogate, path: str | Path, shape: tuple[int, int, int], batch: int = 1
) -> None:
    """Write a surrogate for structures of one shape and batches of one size.

    Outputs, each (b,): M, the expected error of ln M and the distance to the training of a regressor; M and its lower
    and upper bound of a convolutional network. The file's metadata hold the intervals' calibration as JSON.

    Raises
    ------
    InvalidInput
        If onnx is not installed.
    DatasetError
        An OSError: the disk is full or the file cannot be written.
    """
    try:
        import onnx
    except ImportError as error:
        raise InvalidInput(f"Exporting needs the package onnx: {HELP}.") from error
    if isinstance(surrogate, CascadeSurrogate):
        module: nn.Module = _Flat(CascadeNetwork(surrogate.regressor))
        outputs, calibration = ["m", "scale", "distance"], surrogate.intervals.to_dict()
    else:
        module = Screener(surrogate.network)
        outputs, calibration = ["m", "lower", "upper"], dict(vars(surrogate.calibration))
    model = onnx.load_from_string(_traced(module.eval(), torch.ones(batch, *shape), outputs))
    onnx.helper.set_model_props(model, {"ionscreen": json.dumps({"calibration": calibration})})
    write_durably(Path(path), model.SerializeToString())


def _traced(module: nn.Module, example: Tensor, outputs: list[str]) -> bytes:
    """Return the traced module.

    Not torch's newer exporter: its optimizer takes every constant below 1e-8 for 0 and drops ``+ 1e-30``, which then
    divides 0 by 0; and it needs minutes for a graph of thousands of operations.
    """
    buffer = io.BytesIO()
    export: Any = torch.onnx.export
    # torch 2.0 has the tracer alone.
    newer = {"dynamo": False} if "dynamo" in inspect.signature(export).parameters else {}
    with warnings.catch_warnings():
        # The tracer is deprecated, and warns of shapes that it takes for constants, as they are.
        warnings.simplefilter("ignore")
        export(module, (example,), buffer, input_names=[INPUT], output_names=outputs, opset_version=OPSET, **newer)
    return buffer.getvalue()


class OnnxNetwork:
    """An exported surrogate on a CPU.

    Parameters
    ----------
    path
        Written by :func:`export_onnx`.
    threads
        Of onnxruntime.

    Raises
    ------
    InvalidInput
        If onnxruntime is not installed, or cannot read the file.
    """

    def __init__(self, path: str | Path, threads: int = 1) -> None:
        try:
            import onnxruntime
        except ImportError as error:
            raise InvalidInput(f"Predicting from ONNX needs the package onnxruntime: {HELP}.") from error
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        try:
            self._session: Any = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        except Exception as error:  # onnxruntime's own errors have no common class.
            raise InvalidInput(f"{path} is no ONNX file that onnxruntime can run: {error}") from error
        self.outputs = tuple(output.name for output in self._session.get_outputs())

    def predict(self, x_bxyz: npt.NDArray[Any]) -> tuple[npt.NDArray[np.float32], ...]:
        """Return the outputs, each (b,).

        Parameters
        ----------
        x_bxyz
            Conductivity relative to the best of what percolates along x, of the shape and batch of the export.

        Raises
        ------
        InvalidInput
            If the shape is another one.
        """
        expected = tuple(self._session.get_inputs()[0].shape)
        if x_bxyz.shape != expected:
            raise InvalidInput(f"This ONNX file was exported for the shape {expected}, not {x_bxyz.shape}.")
        return tuple(self._session.run(None, {INPUT: x_bxyz.astype(np.float32)}))
