"""Small labelled structures and one small trained surrogate, shared by the tests of the surrogate."""

import numpy as np
import pytest
import torch

from ionscreen.surrogate import Architecture, LabelledStructures, TrainingConfig, train

from .structures import exact, part, random_fields

SHAPE = (12, 12, 12)
SMALL = Architecture(iterations=(8, 8, 8), width=8, blocks=1, hidden=16)


@pytest.fixture(scope="session", autouse=True)
def _two_threads():
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def labelled():
    """Return 150 structures of 12³ with their exact M."""
    x = random_fields(150, SHAPE)
    y = np.array([exact(field) for field in x])
    return LabelledStructures(x.astype(np.uint8), y, tuple(f"s{number}" for number in range(len(x))))


@pytest.fixture(scope="session")
def small_config():
    """Return a training of two seconds."""
    return TrainingConfig(epochs=6, batch_size=8, seed=40127, architecture=SMALL)


@pytest.fixture(scope="session")
def small_surrogate(labelled, small_config):
    """Return a surrogate trained for a moment: valid, not good."""
    return train(part(labelled, 0, 60), part(labelled, 60, 90), small_config)
