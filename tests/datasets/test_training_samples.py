"""Training samples: every path to the voxels gives the same, in orders that depend on seed and epoch alone."""

import numpy as np
import pytest

from ionscreen.datasets import Dataset, InvalidInput, TrainingSamples, write_shard
from ionscreen.datasets.training_samples import ShuffledShards

from .samples import make_sample


@pytest.fixture
def usable(folder):
    """Return the samples that are labelled for both transports: 6, in two shards."""
    return Dataset(folder).where("electronic", axis=0)


def assert_items_are_the_samples(items, dataset):
    assert len(items) == len(dataset)
    for number, sample_id in enumerate(items.ids):
        item, sample = items[number], dataset.sample(sample_id)
        label = sample.labels["ionic"]
        assert item["number"] == number
        for key, wanted in [
            ("phases", sample.microstructure.phases),
            ("connected", label.connected),
            ("relative", label.relative),
            ("status", label.status),
        ]:
            np.testing.assert_array_equal(item[key], wanted)
            assert item[key].dtype == wanted.dtype


def test_items_are_those_of_the_samples(usable, tmp_path):
    for cache in (None, "memory", tmp_path / "cache"):
        assert_items_are_the_samples(TrainingSamples(usable, "ionic", cache), usable)


def test_a_cache_on_disk_serves_only_the_samples_it_was_made_from(usable, folder, tmp_path):
    for dataset in (usable, usable[:3], usable):
        assert_items_are_the_samples(TrainingSamples(dataset, "ionic", tmp_path / "cache"), dataset)
    write_shard(folder, [make_sample(9)])
    grown = Dataset(folder).where("electronic", axis=0)
    assert_items_are_the_samples(TrainingSamples(grown, "ionic", tmp_path / "cache"), grown)
    assert len(list((tmp_path / "cache").iterdir())) == 3


def test_what_cannot_be_trained_on_is_named(folder):
    with pytest.raises(InvalidInput, match="no label for 'electronic'; leave it out"):
        TrainingSamples(Dataset(folder), "electronic")
    with pytest.raises(InvalidInput, match="no microstructure to train on; leave it out"):
        TrainingSamples(Dataset(folder), "ionic", "memory")


def test_an_order_is_another_one_each_epoch_and_repeats_with_the_seed(tmp_path):
    for first in range(0, 40, 4):
        write_shard(tmp_path, [make_sample(seed, (2, 2, 2)) for seed in range(first, first + 4)])
    samples = TrainingSamples(Dataset(tmp_path), "ionic")
    order = ShuffledShards(samples, seed=3, together=2)
    epochs = [list(order) for _ in range(3)]
    assert all(sorted(epoch) == list(range(40)) for epoch in epochs)
    assert len({tuple(epoch) for epoch in epochs}) == 3
    again = ShuffledShards(samples, seed=3, together=2)
    assert [list(again) for _ in range(3)] == epochs
    # Eight neighbours come from two files.
    assert all(len({n // 4 for n in epoch[i : i + 8]}) == 2 for epoch in epochs for i in range(0, 40, 8))


@pytest.mark.parametrize("workers", [0, 2])
def test_torch_loads_them(usable, tmp_path, workers):
    torch = pytest.importorskip("torch")
    for cache in (None, "memory", tmp_path / "cache"):
        samples = TrainingSamples(usable, "ionic", cache)
        loader = torch.utils.data.DataLoader(
            samples, batch_size=4, sampler=ShuffledShards(samples), num_workers=workers
        )
        batches = list(loader)
        assert [tuple(batch["phases"].shape) for batch in batches] == [(4, 6, 5, 4), (2, 6, 5, 4)]
        for batch in batches:
            for row, number in enumerate(batch["number"].tolist()):
                np.testing.assert_array_equal(batch["phases"][row].numpy(), samples[number]["phases"])
                np.testing.assert_array_equal(batch["relative"][row].numpy(), samples[number]["relative"])
