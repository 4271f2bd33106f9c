"""Files written by earlier versions are still read."""

import hashlib
import json
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest

from ionscreen.datasets import Dataset, DatasetError, merge, verify, write_shard
from ionscreen.datasets import manifest as manifest_module
from ionscreen.datasets.fields import ENCODING_VERSION
from ionscreen.datasets.manifest import read_manifest

from .samples import assert_same, assert_same_array, failed_sample, full_sample, make_sample

ARCHIVE = Path(__file__).with_name("archive")
CONTENTS = {
    "format-1": [make_sample(0), make_sample(1), failed_sample(2)],
    "format-2": [full_sample(0), make_sample(1), failed_sample(2)],
    "format-2-entry-2": [full_sample(0), make_sample(1), failed_sample(2)],
}


def test_every_version_is_archived():
    assert sorted(CONTENTS) == sorted(folder.name for folder in ARCHIVE.iterdir())
    shards, entries = set(), set()
    for folder in ARCHIVE.iterdir():
        entry = read_manifest(folder)[0]
        entries.add(json.loads(entry.manifest_path(folder).read_text())["encoding-version"])
        with h5py.File(entry.path(folder)) as file:
            shards.add(int(file.attrs["encoding-version"]))
    assert shards == set(range(1, ENCODING_VERSION + 1))
    assert entries == set(range(1, manifest_module.ENCODING_VERSION + 1))


def test_labels_are_the_same_whether_the_entry_or_the_shard_holds_them():
    old, new = (Dataset(ARCHIVE / name).labels("ionic") for name in ("format-2", "format-2-entry-2"))
    assert old.keys() == new.keys()
    for name in old:
        assert_same_array(old[name], new[name])


@pytest.mark.parametrize("folder", sorted(ARCHIVE.iterdir()), ids=lambda folder: folder.name)
def test_an_archived_dataset_is_read(folder):
    assert verify(folder) == []
    dataset = Dataset(folder)
    wanted = CONTENTS[folder.name]
    assert dataset.missing(sample.id for sample in wanted) == []
    for sample in wanted:
        assert_same(dataset.sample(sample.id), sample)


@pytest.mark.parametrize("folder", sorted(ARCHIVE.iterdir()), ids=lambda folder: folder.name)
def test_a_merge_into_a_new_folder_migrates(folder, tmp_path):
    assert merge(tmp_path / "new", [folder]) == len(CONTENTS[folder.name])
    entry = read_manifest(tmp_path / "new")[0]
    with h5py.File(entry.path(tmp_path / "new")) as file:
        assert file.attrs["encoding-version"] == ENCODING_VERSION
    assert entry.table is not None
    for sample in CONTENTS[folder.name]:
        assert_same(Dataset(tmp_path / "new").sample(sample.id), sample)


@pytest.mark.parametrize("field", ["grains", "descriptors"])
def test_an_optional_field_in_a_shard_of_format_1_is_refused(field, tmp_path):
    """Its version says what a file may hold: a reader of format 1 would not have known the field."""
    write_shard(tmp_path, [full_sample(0)])
    entry = read_manifest(tmp_path)[0]
    with h5py.File(entry.path(tmp_path), "r+") as file:
        file.attrs["encoding-version"] = np.int64(1)
        del file["grains" if field == "descriptors" else "descriptors"]
    content = entry.path(tmp_path).read_bytes()
    changed = replace(entry, blake2b=hashlib.blake2b(content, digest_size=32).hexdigest())
    changed.path(tmp_path).write_bytes(content)
    changed.write(tmp_path)
    with pytest.raises(DatasetError, match="members"):
        Dataset(tmp_path).sample(entry.ids[0])
