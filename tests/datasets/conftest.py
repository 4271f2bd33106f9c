"""A small dataset."""

from pathlib import Path

import pytest

from ionscreen.datasets import write_shard

from .samples import failed_sample, make_sample


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a dataset of two shards, 4 and 3 samples, one of them without microstructure."""
    root = tmp_path / "dataset"
    write_shard(root, [make_sample(seed) for seed in range(4)])
    write_shard(root, [make_sample(4), make_sample(5), failed_sample(6)])
    return root
