"""The specification names every field, and a reader without this package understands a shard."""

import json
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest

from ionscreen.datasets import Dataset, InvalidInput, Transport, write_shard
from ionscreen.datasets.fields import (
    DESCRIPTOR_FIELDS,
    GRAIN_FIELDS,
    LABEL_FIELDS,
    MASK_FIELDS,
    POTENTIAL_FIELDS,
    SAMPLE_FIELDS,
    VOXEL_FIELDS,
)
from ionscreen.datasets.manifest import read_manifest

from .samples import SHAPE, make_sample

SPECIFICATION = Path(__file__).parents[2] / "docs" / "format.md"
SYMBOLS = {"axis": "3"}


def test_the_specification_has_a_row_for_every_field():
    rows = [line for line in SPECIFICATION.read_text(encoding="utf-8").splitlines() if line.startswith("| `")]
    table = {cells[0].strip(" `"): [cell.strip() for cell in cells] for cells in (row.split("|")[1:-1] for row in rows)}
    optional = {**MASK_FIELDS, **GRAIN_FIELDS, **DESCRIPTOR_FIELDS, **POTENTIAL_FIELDS}
    for name, field in {**SAMPLE_FIELDS, **VOXEL_FIELDS, **LABEL_FIELDS, **optional}.items():
        shape = "(" + ", ".join(SYMBOLS.get(symbol, symbol) for symbol in field.shape) + ")"
        assert table[name][1:4] == [field.dtype, shape, field.units], name


def test_h5py_alone_reads_a_shard(folder):
    entry = read_manifest(folder)[0]
    sample = Dataset(folder).sample(entry.ids[0])
    with h5py.File(entry.path(folder), "r") as file:
        assert file.attrs["encoding-type"] == b"ionscreen-shard"
        assert file.attrs["axis_order"] == b"x,y,z"
        assert json.loads(file["recipe"][0])["family"] == sample.recipe.family
        assert file["voxel_size"].attrs["units"] == b"m"
        assert file["transports/ionic/sigma"].attrs["units"] == b"S m-1"
        np.testing.assert_array_equal(file["phases"][0], sample.microstructure.phases)


def test_every_dataset_is_chunked_checked_and_described(folder):
    for entry in read_manifest(folder):
        with h5py.File(entry.path(folder), "r") as file:
            found = []
            file.visititems(
                lambda name, item, found=found: found.append(item) if isinstance(item, h5py.Dataset) else None
            )
            for dataset in found:
                assert (dataset.compression, dataset.compression_opts) == ("gzip", 4)
                assert dataset.shuffle
                assert dataset.fletcher32
                assert {"units", "long_name"} <= set(dataset.attrs)
                assert dataset.dtype.kind != "O"
                assert dataset.ndim < 4 or dataset.chunks == (1, *dataset.shape[1:])


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (lambda s: replace(s, descriptors={"tortuosity": np.inf}), "tortuosity"),
        (
            lambda s: replace(s, labels={"ionic": replace(s.labels["ionic"], potential=np.zeros((2, *SHAPE)))}),
            "potential",
        ),
        (lambda s: replace(s, microstructure=replace(s.microstructure, grains=[1, 2])), "grains"),
        (lambda s: replace(s, microstructure=replace(s.microstructure, grains=np.ones(SHAPE, "u1"))), "grains"),
        (lambda s: Transport("ionic", {"a": 1.0}, {("a", "b"): -1.0}), "-1.0"),
        (lambda s: Transport("ionic", {"a": 1.0}, {}, {"a": np.nan}), "nan"),
    ],
)
def test_what_cannot_be_stored_is_refused_by_field(tmp_path, change, named):
    with pytest.raises(InvalidInput, match=named):
        write_shard(tmp_path / "new", [change(make_sample(0))])
    assert not (tmp_path / "new" / "manifest").exists()


def test_a_contact_has_no_direction():
    one, other = (Transport("ionic", {"a": 1.0, "b": 2.0}, {pair: 3.0}) for pair in (("a", "b"), ("b", "a")))
    assert one == other == Transport.from_dict(json.loads(json.dumps(other.to_dict())))
