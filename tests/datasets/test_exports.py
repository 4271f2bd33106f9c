"""Every export is read back by another library and holds what the dataset holds."""

import subprocess
import sys
from dataclasses import replace

import h5py
import numpy as np
import pytest

from ionscreen.datasets import Dataset, write_shard
from ionscreen.datasets.export_hdf5 import export_hdf5

from .samples import make_sample


@pytest.fixture
def dataset(folder):
    """Return samples of two shapes, two of them in two shards, one without microstructure."""
    write_shard(folder, [make_sample(0), make_sample(10)])
    write_shard(folder, [make_sample(11, (3, 4, 5))])
    plain = make_sample(12)
    labels = {"ionic": replace(plain.labels["ionic"], connected=None)}
    write_shard(folder, [replace(plain, labels=labels, provenance={"long": "x" * 500})])
    return Dataset(folder)


def test_one_hdf5_file_holds_everything(dataset, tmp_path):
    export_hdf5(dataset, tmp_path / "one.h5")
    seen = []
    with h5py.File(tmp_path / "one.h5") as file:
        assert file.attrs["encoding-type"] == b"ionscreen-consolidated"
        for group in file.values():
            for row, sample_id in enumerate(group["id"].asstr()[:]):
                seen.append(sample_id)
                sample = dataset.sample(sample_id)
                assert group["recipe"][row].decode() == sample.recipe.canonical_json()
                assert bool(group["generated"][row]) == (sample.microstructure is not None)
                if sample.microstructure is not None:
                    np.testing.assert_array_equal(group["phases"][row], sample.microstructure.phases)
                for name in dataset.transports:
                    labels = group[f"transports/{name}"]
                    assert bool(labels["labelled"][row]) == (name in sample.labels)
                    if name in sample.labels:
                        label = sample.labels[name]
                        np.testing.assert_array_equal(labels["sigma"][row], label.sigma)
                        assert bool(labels["masked"][row]) == (label.connected is not None)
                        if label.connected is not None:
                            np.testing.assert_array_equal(labels["connected"][row], label.connected)
    assert sorted(seen) == list(dataset.ids)


def test_a_full_disk_ends_an_export_with_one_sentence(dataset, tmp_path):
    script = (
        "import resource, sys; from ionscreen.datasets import *; from ionscreen.datasets.export_hdf5 import *\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (4000, 4000))\n"
        "try: export_hdf5(Dataset(sys.argv[1]), sys.argv[2])\n"
        "except DatasetError as error: sys.exit(str(error))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(dataset.folder), str(tmp_path / "one.h5")], capture_output=True, text=True
    )
    assert done.returncode == 1
    assert "disk is full" in done.stderr
    assert done.stderr.count("\n") == 1
    assert not (tmp_path / "one.h5").exists()
    assert not list(tmp_path.glob(".one*"))
