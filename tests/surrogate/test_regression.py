"""Training, intervals, distance and checkpoint of the regressor, on structures small enough for a direct solver."""

import json

import numpy as np
import pytest
import torch

from ionscreen.datasets import CheckpointError, InvalidInput
from ionscreen.surrogate.cascade_checkpoint import load_cascade, save_cascade
from ionscreen.surrogate.cascade_settings import RULES, CascadeSettings
from ionscreen.surrogate.cascade_surrogate import Intervals, calibrate_intervals
from ionscreen.surrogate.checkpoint import save_checkpoint
from ionscreen.surrogate.feature_table import FeatureTable
from ionscreen.surrogate.features import Features, features_of
from ionscreen.surrogate.regression import RegressionConfig, learning_curve, train_regressor
from ionscreen.surrogate.regressor import RegressorArchitecture

from .structures import conductor

CASCADE = CascadeSettings(coarse=(4, 6), fine=1, rules=RULES)
CONFIG = RegressionConfig(
    epochs=30,
    batch_size=16,
    architecture=RegressorArchitecture(CASCADE, members=3, hidden=16, references=64, components=8),
)


@pytest.fixture(scope="module")
def table(labelled):
    """Return features of 150 structures, in two families by name."""
    found = [features_of(conductor(x), CASCADE) for x in labelled.x_nxyz.astype(float)]
    n = len(found)
    families = np.array(["odd" if i % 2 else "even" for i in range(n)])
    return FeatureTable(
        np.array([f.values for f in found], np.float32),
        np.array([f.lower for f in found]),
        np.array([f.upper for f in found]),
        labelled.y_n,
        np.ones(n),
        np.array(labelled.ids),
        families,
        np.full(n, "only"),
        np.zeros(n, np.int64),
        np.full(n, 12),
    )


@pytest.fixture(scope="module")
def surrogate(table):
    return train_regressor(table.where(slice(0, 120)), CONFIG)


def test_learning_beats_the_estimate_it_starts_from(table, surrogate):
    test = table.where(slice(120, 150))
    learned = np.abs(surrogate.from_table(test).m / test.m_n - 1).mean()
    estimate = np.exp(test.feature_nk[:, CASCADE.base].astype(float))
    assert learned < 0.3 * np.abs(estimate / test.m_n - 1).mean()


def test_predictions_and_intervals_stay_within_the_bounds(table, surrogate):
    wild = [Features(f * 3 + 1, low, up) for f, low, up in zip(table.feature_nk, table.lower_n, table.upper_n)]
    for found in (surrogate.from_table(table), surrogate.from_features(wild)):
        assert np.all(table.lower_n <= found.low)
        assert np.all(found.low <= found.m * (1 + 1e-12))
        assert np.all(found.m <= found.high * (1 + 1e-12))
        assert np.all(found.high <= table.upper_n)


def test_intervals_cover_what_they_promise(table, surrogate):
    found = surrogate.from_table(table.where(slice(120, 150)))
    inside = (found.low <= table.m_n[120:]) & (table.m_n[120:] <= found.high)
    assert inside.sum() >= 24


def test_what_lies_far_from_the_training_is_refused(table, surrogate):
    far = [
        Features(f + 40 * np.sign(f), low, up) for f, low, up in zip(table.feature_nk[:5], table.lower_n, table.upper_n)
    ]
    found = surrogate.from_features(far)
    assert list(found.verdict) == ["refused"] * 5
    np.testing.assert_array_equal(found.low, table.lower_n[:5])
    np.testing.assert_array_equal(found.high, table.upper_n[:5])


def test_what_is_ordinary_is_uncertain_exactly_where_its_interval_is_wide(table, surrogate):
    found = surrogate.from_table(table)
    ordinary = found.score <= 1
    half_width = np.log(found.high / found.low)[ordinary] / 2
    assert (half_width > 0.05).any()
    assert (half_width < 0.05).any()
    np.testing.assert_array_equal(found.verdict[ordinary] == "uncertain", half_width > 0.05)
    np.testing.assert_array_equal(found.verdict[ordinary] == "calibrated", half_width <= 0.05)


def test_equal_seeds_give_equal_weights_and_others_do_not(table, surrogate):
    again = train_regressor(table.where(slice(0, 120)), CONFIG)
    for name, tensor in surrogate.regressor.state_dict().items():
        assert torch.equal(tensor, again.regressor.state_dict()[name]), name
    assert again.intervals == surrogate.intervals


def test_an_interrupted_training_goes_on_to_the_same_weights(table, surrogate, tmp_path):
    class Stop(Exception):
        pass

    def stop(epoch):
        if epoch.epoch == 10:
            raise Stop

    with pytest.raises(Stop):
        train_regressor(table.where(slice(0, 120)), CONFIG, tmp_path, stop)
    epochs = []
    resumed = train_regressor(table.where(slice(0, 120)), CONFIG, tmp_path, lambda e: epochs.append(e.epoch))
    assert epochs[0] == 11
    for name, tensor in surrogate.regressor.state_dict().items():
        assert torch.equal(tensor, resumed.regressor.state_dict()[name]), name


def test_what_tells_the_size_of_the_box_counts_for_nothing(table, surrogate):
    """The coarsest of levels of 12³ has 3 cells and converges; in a larger box it would not."""
    features = table.feature_nk[:10].copy()
    expected = surrogate.from_features([Features(f, 0.0, 1.0) for f in features])
    features[:, CASCADE.of_size] += 5
    found = surrogate.from_features([Features(f, 0.0, 1.0) for f in features])
    np.testing.assert_allclose(found.m, expected.m, rtol=1e-5)
    np.testing.assert_allclose(found.score, expected.score, rtol=1e-4)
    assert len(CASCADE.of_size) == 9


def test_learning_curve_takes_nested_sets(table):
    config = RegressionConfig(epochs=3, architecture=CONFIG.architecture)
    curve = learning_curve(table, config, [40, 80])
    assert [count for count, _ in curve] == [40, 80]
    assert [s.metrics["training_structures"] + s.metrics["calibration_structures"] for _, s in curve] == [40, 80]


def test_too_few_structures_are_refused(table):
    with pytest.raises(InvalidInput, match="too few"):
        train_regressor(table.where(slice(0, 12)), CONFIG)


def test_too_high_a_contrast_is_refused(surrogate):
    field = np.ones((8, 8, 8))
    field[4:] = 1e-3
    with pytest.raises(InvalidInput, match="trained on"):
        surrogate.predict([conductor(field)])


def test_intervals_by_family_and_decade():
    intervals = Intervals(2.0, {"-1": 1.0, "-2": 3.0}, {"a": 5.0}, 1.0, 100)
    m, scale = np.array([0.5, 0.05, 0.5]), np.array([0.1, 0.1, 0.1])
    np.testing.assert_allclose(intervals.half_width(m, scale), [0.2, 0.6, 0.2])
    np.testing.assert_allclose(intervals.half_width(m, scale, ["a", "b", "a"]), [0.5, 0.6, 0.5])


def test_without_calibration_the_interval_is_all_that_physics_allows(table, surrogate):
    assert calibrate_intervals(surrogate.regressor, table.where(slice(0, 0))).factor is None
    assert np.isinf(Intervals().half_width(np.array([0.5]), np.array([0.1]))).all()


def test_checkpoint_round_trip(table, surrogate, tmp_path):
    save_cascade(surrogate, tmp_path)
    loaded = load_cascade(tmp_path)
    np.testing.assert_array_equal(loaded.from_table(table).m, surrogate.from_table(table).m)
    assert loaded.intervals == surrogate.intervals
    assert loaded.metrics == surrogate.metrics


@pytest.mark.parametrize("file", ["model.json", "model.safetensors"])
def test_damaged_checkpoint_is_one_sentence(surrogate, tmp_path, file):
    save_cascade(surrogate, tmp_path)
    content = bytearray((tmp_path / file).read_bytes())
    content[len(content) // 2] ^= 1
    (tmp_path / file).write_bytes(content)
    with pytest.raises(CheckpointError, match="damaged"):
        load_cascade(tmp_path)


def test_foreign_and_newer_checkpoints_are_refused(surrogate, small_surrogate, tmp_path):
    save_checkpoint(small_surrogate, tmp_path)
    with pytest.raises(CheckpointError, match="not a checkpoint of ionscreen's regressor"):
        load_cascade(tmp_path)
    save_cascade(surrogate, tmp_path)
    card = json.loads((tmp_path / "model.json").read_text())
    (tmp_path / "model.json").write_text(json.dumps({**card, "version": 99}))
    with pytest.raises(CheckpointError, match="update ionscreen"):
        load_cascade(tmp_path)


def test_feature_file_is_read_back_only_for_its_key(table, tmp_path):
    table.save(tmp_path / "f.npz", "key")
    loaded = FeatureTable.load(tmp_path / "f.npz", "key")
    assert loaded.digest() == table.digest()
    assert FeatureTable.load(tmp_path / "f.npz", "other") is None
    (tmp_path / "f.npz").write_bytes((tmp_path / "f.npz").read_bytes()[:2000])
    assert FeatureTable.load(tmp_path / "f.npz", "key") is None
