"""Scores and intervals."""

import numpy as np
import pytest
import torch

from ionscreen.datasets import InvalidInput
from ionscreen.surrogate import Prediction, evaluate, score
from ionscreen.surrogate.surrogate import Calibration, calibrate

SEED = 60217


def prediction(m, half_width=0.1):
    m = np.asarray(m, float)
    return Prediction(m, m * np.exp(-half_width), m * np.exp(half_width))


def test_scores_of_known_errors():
    truth = np.array([0.1, 0.2, 0.4, 0.8])
    scores = score(truth, prediction(truth * [1.01, 0.97, 1.2, 1.0], 0.05))
    assert scores.mape == pytest.approx(0.06)
    assert scores.median == pytest.approx(0.02)
    assert scores.coverage == 0.75
    assert 0.9 < scores.r2_log < 1
    assert score(truth, prediction(truth)).r2_log == 1


def test_families_are_scored_apart_and_together():
    truth = np.array([0.1, 0.2, 0.4])
    scores = evaluate(truth, prediction(truth * [1.1, 1, 1]), ["b", "a", "a"])
    assert list(scores) == ["a", "b", "all"]
    assert [scores[name].count for name in scores] == [2, 1, 3]
    assert scores["a"].mape == 0
    assert scores["b"].to_dict()["r2_log"] is None


def test_nothing_to_score_is_refused():
    with pytest.raises(InvalidInput, match="at least one"):
        score(np.zeros(0), prediction([]))
    with pytest.raises(InvalidInput, match="families"):
        evaluate(np.ones(2), prediction([1, 1]), ["a"])


def test_split_conformal_intervals_cover_what_they_promise():
    """Over 2000 calibrations on 49 exchangeable residuals the mean coverage is 90 %: 45 of 50 ranks."""
    random = np.random.default_rng(SEED)
    covered = []
    for _ in range(2000):
        errors = random.standard_t(3, 50) * 0.02
        calibration = calibrate(np.exp(errors[:49]), np.ones(49))
        covered.append(abs(errors[49]) <= calibration.half_width)
    assert np.mean(covered) == pytest.approx(0.9, abs=0.02)


def test_too_few_structures_give_the_physical_bounds(small_surrogate, labelled):
    assert calibrate(np.ones(8), np.ones(8)) == Calibration(count=8)
    uncalibrated = type(small_surrogate)(small_surrogate.network)
    x = labelled.x_nxyz[:3]
    m, low, high = uncalibrated.predict(x)
    described = small_surrogate.network.describe(torch.tensor(x).float())
    np.testing.assert_array_equal(low, described.lower_b.double())
    np.testing.assert_array_equal(high, described.upper_b.double())
    assert np.all((low <= m) & (m <= high))


def test_predictions_are_ordered_bounded_and_independent_of_the_batch(small_surrogate, labelled):
    x = labelled.x_nxyz[90:103]
    m, low, high = small_surrogate.predict(x)
    assert np.all((low <= m) & (m <= high))
    assert np.all(high <= x.mean((1, 2, 3)) * (1 + 1e-6))
    np.testing.assert_allclose(small_surrogate.predict(x, batch_size=3).m, m, rtol=1e-5)
    np.testing.assert_allclose(small_surrogate.predict(x.astype(np.float16)).m, m, rtol=1e-6)


def test_read_only_arrays_are_welcome(small_surrogate):
    x = np.broadcast_to(np.float32(0.5), (2, 8, 9, 10))
    np.testing.assert_allclose(small_surrogate.predict(x).m, 0.5, rtol=1e-5)


def test_no_structure_and_no_conductor(small_surrogate):
    assert [values.shape for values in small_surrogate.predict(np.zeros((0, 8, 8, 8)))] == [(0,)] * 3
    for values in small_surrogate.predict(np.zeros((2, 9, 8, 8), bool)):
        np.testing.assert_array_equal(values, 0)


@pytest.mark.parametrize("shape", [(8, 8, 8), (2, 4, 8, 8)], ids=str)
def test_wrong_shapes_are_refused(small_surrogate, shape):
    with pytest.raises(InvalidInput, match="shape"):
        small_surrogate.predict(np.zeros(shape))
