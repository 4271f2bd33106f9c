"""Files written by earlier versions are still read."""

from pathlib import Path

import pytest

from ionscreen.datasets import Dataset, verify

from .samples import assert_same, failed_sample, make_sample

ARCHIVE = Path(__file__).with_name("archive")


@pytest.mark.parametrize("folder", sorted(ARCHIVE.iterdir()), ids=lambda folder: folder.name)
def test_an_archived_dataset_is_read(folder):
    assert verify(folder) == []
    dataset = Dataset(folder)
    wanted = [make_sample(0), make_sample(1), failed_sample(2)]
    assert dataset.missing(sample.id for sample in wanted) == []
    for sample in wanted:
        assert_same(dataset.sample(sample.id), sample)
