"""Laws of the network, whatever its weights: physical bounds, the loss, static operations."""

import inspect

import numpy as np
import pytest
import torch

from ionscreen.datasets import InvalidInput
from ionscreen.surrogate import Architecture, Network, description, galerkin, network

from .structures import SEED, random_fields


@pytest.fixture(params=[0.0, 3.0, -3.0, 40.0, -40.0], ids=lambda shift: f"shift {shift:g}")
def wild(request):
    """Return a network whose output is random and shifted far out."""
    torch.manual_seed(SEED)
    net = Network(Architecture(iterations=(6, 6, 6), width=8, blocks=1, hidden=8))
    with torch.no_grad():
        net.target_mean.fill_(request.param)
    return net.eval()


@pytest.mark.parametrize("shape", [(12, 12, 12), (9, 14, 11)], ids=str)
def test_predictions_lie_within_the_wiener_bounds(wild, shape):
    random = np.random.default_rng(SEED)
    multiphase = random.choice([1.0, 0.3, 0.002], (4, *shape))
    for x in (random_fields(4, shape), multiphase, random.uniform(0, 1, (4, *shape))):
        m = wild(torch.tensor(x, dtype=torch.float32)).detach().numpy()
        harmonic = np.where((x > 0).all((1, 2, 3)), 1 / np.mean(1 / np.maximum(x, 1e-9), (1, 2, 3)), 0)
        assert np.all(m >= harmonic * (1 - 1e-5))
        assert np.all(m <= x.mean((1, 2, 3)) * (1 + 1e-6))


def test_without_conductor_the_prediction_is_zero(wild):
    assert torch.equal(wild(torch.zeros(2, 10, 8, 9)), torch.zeros(2))


def test_forward_with_truth_adds_a_finite_loss_and_gradients_reach_every_weight():
    net = Network(Architecture(iterations=(6, 6), width=8, blocks=1, hidden=8))
    x = torch.tensor(random_fields(3, (12, 12, 12)))
    y = torch.tensor([0.3, 0.2, 0.1])
    prediction, loss = net(x, y)
    assert torch.equal(prediction, net(x))
    assert loss.shape == ()
    loss.backward()
    assert all(bool(torch.isfinite(p.grad).all()) and bool((p.grad != 0).any()) for p in net.parameters())


def test_loss_is_zero_when_the_learned_ratio_is_the_true_one():
    net = Network(Architecture(iterations=(6, 6), width=8, blocks=1, hidden=8)).eval()
    described = net.describe(torch.tensor(random_fields(3, (12, 12, 12))))
    log_ratio = net.standardised(described) * net.target_deviation + net.target_mean
    assert net.loss(described, described.base_b * torch.exp(log_ratio)).item() < 1e-6


def test_a_batch_is_predicted_like_its_members():
    net = Network(Architecture(iterations=(6, 6, 6), width=8, blocks=1, hidden=8)).eval()
    x = torch.tensor(random_fields(4, (12, 12, 12)))
    together = net(x)
    torch.testing.assert_close(together, torch.cat([net(x[i : i + 1]) for i in range(4)]), rtol=1e-5, atol=1e-7)


def test_only_operations_an_ipu_has():
    """Names that PopTorch 3.4 lists as missing, or that make shapes or branches depend on values."""
    source = "".join(inspect.getsource(module) for module in (network, description, galerkin))
    for name in ("HuberLoss", "huber", "AdaptiveMaxPool", "trilinear", "nan_to_num", ".item()", "nonzero", ".any()"):
        assert name not in source


@pytest.mark.parametrize(
    "change",
    [{"iterations": (5,)}, {"iterations": (5, 0)}, {"width": 12}, {"width": 8.0}, {"blocks": -1}, {"hidden": True}],
    ids=str,
)
def test_impossible_architectures_are_refused(change):
    with pytest.raises(InvalidInput, match=next(iter(change))):
        Architecture(**change)
