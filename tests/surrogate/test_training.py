"""Training learns, repeats itself, and goes on where it stopped."""

import dataclasses

import numpy as np
import pytest
import torch

from ionscreen.datasets import CheckpointError, DeviceError, InvalidInput
from ionscreen.surrogate import LabelledStructures, TrainingConfig, train
from ionscreen.surrogate.devices import Batching, open_device
from ionscreen.surrogate.progress import STATE_FILE

from .structures import part


class Interrupted(Exception):
    """What a test throws out of the callback."""


def weights(surrogate):
    return surrogate.network.state_dict()


def same(a, b):
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


def test_equal_arguments_give_equal_weights_and_leave_the_global_random_state_alone(labelled, small_config):
    data = part(labelled, 0, 24), part(labelled, 24, 36)
    config = dataclasses.replace(small_config, epochs=2)
    state = torch.random.get_rng_state()
    first = train(*data, config)
    assert torch.equal(state, torch.random.get_rng_state())
    assert same(weights(first), weights(train(*data, config)))
    assert not same(weights(first), weights(train(*data, dataclasses.replace(config, seed=5))))


@pytest.mark.parametrize("epoch", [1, 4])
def test_a_resumed_training_equals_an_undisturbed_one(labelled, small_config, small_surrogate, tmp_path, epoch):
    data = part(labelled, 0, 60), part(labelled, 60, 90)

    def interrupt(report):
        if report.epoch == epoch:
            raise Interrupted

    with pytest.raises(Interrupted):
        train(*data, small_config, tmp_path, interrupt)
    reports = []
    resumed = train(*data, small_config, tmp_path, reports.append)
    assert [report.epoch for report in reports] == list(range(epoch + 1, small_config.epochs + 1))
    assert same(weights(resumed), weights(small_surrogate))
    assert resumed.calibration == small_surrogate.calibration
    assert train(*data, small_config, tmp_path, reports.append).metrics == resumed.metrics
    assert len(reports) == small_config.epochs - epoch


def test_other_data_or_settings_start_anew(labelled, small_config, tmp_path):
    config = dataclasses.replace(small_config, epochs=1)
    training, validation = part(labelled, 0, 16), part(labelled, 16, 24)
    train(training, validation, config, tmp_path)
    changed = LabelledStructures(training.x_nxyz, training.y_n * 0.99, training.ids)
    for arguments in ((changed, validation, config), (training, validation, dataclasses.replace(config, seed=7))):
        reports = []
        train(*arguments, tmp_path, reports.append)
        assert len(reports) == 1


@pytest.mark.parametrize("damage", ["truncate", "foreign", "metadata"])
def test_a_damaged_state_is_refused_in_one_sentence(labelled, small_config, tmp_path, damage):
    config = dataclasses.replace(small_config, epochs=1)
    data = part(labelled, 0, 16), part(labelled, 16, 24)
    train(*data, config, tmp_path)
    file = tmp_path / STATE_FILE
    content = file.read_bytes()
    damaged = {
        "truncate": content[: len(content) // 2],
        "foreign": b"\x80\x04}q\x00.",
        "metadata": content.replace(b'{\\"digest', b'[\\"digest'),
    }
    file.write_bytes(damaged[damage])
    with pytest.raises(CheckpointError, match=STATE_FILE):
        train(*data, config, tmp_path)


def test_training_stops_early_and_keeps_the_best_weights(labelled, small_config):
    errors = []
    config = dataclasses.replace(small_config, epochs=12, patience=1, learning_rate=0.05)
    surrogate = train(
        part(labelled, 0, 24), part(labelled, 24, 36), config, callback=lambda report: errors.append(report)
    )
    assert len(errors) < 12
    assert surrogate.metrics["validation_mape"] == min(report.validation_error for report in errors)
    prediction = surrogate.predict(labelled.x_nxyz[24:36])
    mape = np.mean(np.abs(prediction.m / labelled.y_n[24:36] - 1))
    assert mape == pytest.approx(surrogate.metrics["validation_mape"], rel=0.02)


def test_a_time_limit_ends_the_training_after_the_first_epoch(labelled, small_config):
    config = dataclasses.replace(small_config, time_limit_s=1e-6)
    assert train(part(labelled, 0, 16), part(labelled, 16, 24), config).metrics["epochs"] == 1


@pytest.mark.slow
def test_learning_beats_the_physical_estimate_it_starts_from(labelled):
    """On structures it has not seen: three quarters of the base's mean error, its mean bias taken out, or less."""
    test = part(labelled, 120, 150)
    surrogate = train(part(labelled, 0, 95), part(labelled, 95, 120), TrainingConfig(epochs=40, seed=33871))
    base = surrogate.network.describe(torch.tensor(test.x_nxyz).float()).base_b.numpy()
    unbiased = base * np.exp(float(surrogate.network.target_mean))
    mape = {
        name: np.mean(np.abs(m / test.y_n - 1))
        for name, m in (("base", unbiased), ("learned", surrogate.predict(test.x_nxyz).m))
    }
    assert mape["learned"] < 0.75 * mape["base"]
    assert mape["learned"] < 0.03


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"epochs": 0}, "epochs"),
        ({"batch_size": 1.5}, "batch_size"),
        ({"learning_rate": 0.0}, "learning_rate"),
        ({"weight_decay": -1.0}, "weight_decay"),
        ({"seed": -1}, "seed"),
        ({"time_limit_s": 0.0}, "time_limit_s"),
        ({"learning_rate": float("nan")}, "learning_rate"),
        ({"patience": True}, "patience"),
    ],
    ids=str,
)
def test_impossible_settings_are_refused(change, field):
    with pytest.raises(InvalidInput, match=field):
        TrainingConfig(**change)


def test_leaking_or_empty_splits_are_refused(labelled, small_config):
    with pytest.raises(InvalidInput, match="s5"):
        train(part(labelled, 0, 8), part(labelled, 5, 12), small_config)
    with pytest.raises(InvalidInput, match="at least one"):
        train(part(labelled, 0, 8), part(labelled, 8, 8), small_config)


@pytest.mark.parametrize(
    ("x", "y", "ids", "sentence"),
    [
        (np.zeros((2, 8, 8), np.uint8), [1, 1], "ab", "shape"),
        (np.zeros((2, 8, 8, 7), np.uint8), [1, 1], "ab", "8 voxels"),
        (np.full((2, 8, 8, 8), 3, np.uint8), [1, 1], "ab", "divide by the largest"),
        (np.full((2, 8, 8, 8), np.nan), [1, 1], "ab", r"\[0, 1\]"),
        (np.zeros((2, 8, 8, 8), complex), [1, 1], "ab", "complex"),
        (np.zeros((2, 8, 8, 8)), [1], "ab", "as many"),
        (np.zeros((2, 8, 8, 8)), [1, 1], "aa", "different"),
        (np.zeros((2, 8, 8, 8)), [1, 0], "ab", "above 0"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_wrong_data_are_refused_in_one_sentence(x, y, ids, sentence):
    with pytest.raises(InvalidInput, match=sentence):
        LabelledStructures(x, np.array(y, float), tuple(ids))


def test_a_device_on_which_nothing_is_compiled_says_so():
    device = open_device("cpu", Batching(1))
    x_nxyz = torch.zeros(1, 8, 8, 8)
    with pytest.raises(DeviceError, match="call compile first"):
        device.predict((x_nxyz,))
    device.compile(torch.nn.Identity())
    with pytest.raises(DeviceError, match="give compile an optimizer"):
        device.step((x_nxyz,), 0.1)
