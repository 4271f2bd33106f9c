"""Exported surrogates say in onnxruntime what they say in torch."""

import json

import numpy as np
import pytest
import torch

from ionscreen.datasets import InvalidInput
from ionscreen.surrogate.cascade import CascadeNetwork
from ionscreen.surrogate.cascade_settings import CascadeSettings
from ionscreen.surrogate.cascade_surrogate import CascadeSurrogate, Intervals
from ionscreen.surrogate.onnx_export import OnnxNetwork, export_onnx
from ionscreen.surrogate.regressor import Regressor, RegressorArchitecture

onnx = pytest.importorskip("onnx", reason="an IPU host exports nothing")
pytest.importorskip("onnxruntime")


@pytest.fixture(scope="module")
def regressor():
    """Return an untrained regressor of few iterations: each is some thirty operations to export."""
    with torch.random.fork_rng():
        torch.manual_seed(5)
        settings = CascadeSettings((2, 3), fine=1)
        return Regressor(RegressorArchitecture(settings, members=2, hidden=8, components=4)).eval()


def test_a_regressor_with_its_cascade_agrees(labelled, regressor, tmp_path):
    path = tmp_path / "regressor.onnx"
    export_onnx(CascadeSurrogate(regressor, Intervals(factor=2.5)), path, (12, 12, 12), batch=3)
    network = OnnxNetwork(path)
    # One box is empty: every quotient of it is 0 over 0.
    x = np.concatenate([labelled.x_nxyz[:2], np.zeros((1, 12, 12, 12))]).astype(np.float32)
    with torch.no_grad():
        expected = CascadeNetwork(regressor)(torch.from_numpy(x))
    assert network.outputs == ("m", "scale", "distance")
    for found, tensor in zip(network.predict(x), expected):
        np.testing.assert_allclose(found, tensor.numpy(), rtol=1e-4)
    (entry,) = onnx.load(path).metadata_props
    assert json.loads(entry.value)["calibration"]["factor"] == 2.5


def test_a_convolutional_network_agrees(labelled, small_surrogate, tmp_path):
    export_onnx(small_surrogate, tmp_path / "network.onnx", (12, 12, 12), batch=2)
    x = labelled.x_nxyz[90:92].astype(np.float32)
    m, lower, upper = OnnxNetwork(tmp_path / "network.onnx").predict(x)
    np.testing.assert_allclose(m, small_surrogate.predict(x).m, rtol=1e-4)
    assert np.all(lower <= m)
    assert np.all(m <= upper)


def test_another_shape_and_a_foreign_file_are_refused(regressor, tmp_path):
    path = tmp_path / "regressor.onnx"
    export_onnx(CascadeSurrogate(regressor), path, (8, 8, 8))
    with pytest.raises(InvalidInput, match="exported for the shape"):
        OnnxNetwork(path).predict(np.ones((1, 9, 8, 8)))
    path.write_bytes(b"no network")
    with pytest.raises(InvalidInput, match="is no ONNX file"):
        OnnxNetwork(path)
