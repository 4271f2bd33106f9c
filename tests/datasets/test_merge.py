"""Merging adds what is new and changes nothing; info counts without opening a shard."""

from dataclasses import replace

import pytest

from ionscreen.datasets import Dataset, DatasetError, info, merge, verify, write_shard
from ionscreen.datasets.manifest import read_manifest

from .samples import assert_same, make_sample


def test_merging_into_nothing_copies_every_byte(folder, tmp_path):
    assert merge(tmp_path / "merged", [folder]) == 7
    for name in ("shards", "manifest"):
        copies = {path.name: path.read_bytes() for path in (tmp_path / "merged" / name).iterdir()}
        assert copies == {path.name: path.read_bytes() for path in (folder / name).iterdir()}


def test_merging_again_adds_nothing(folder, tmp_path):
    merge(tmp_path / "merged", [folder])
    assert merge(tmp_path / "merged", [folder, folder]) == 0


def test_samples_that_are_there_stay_and_stand_once(folder, tmp_path):
    kept = replace(make_sample(0), provenance={"kept": True})
    write_shard(tmp_path / "merged", [kept])
    assert merge(tmp_path / "merged", [folder]) == 6
    assert verify(tmp_path / "merged") == []
    assert info(tmp_path / "merged").repeated == 0
    merged = Dataset(tmp_path / "merged")
    assert_same(merged.sample(kept.id), kept)
    for sample_id in Dataset(folder).missing([kept.id]):
        assert_same(merged.sample(sample_id), Dataset(folder).sample(sample_id))
    assert set(merged.ids) == set(Dataset(folder).ids)


def test_a_damaged_source_is_refused(folder, tmp_path):
    entry = read_manifest(folder)[0]
    entry.path(folder).write_bytes(entry.path(folder).read_bytes()[:-1])
    with pytest.raises(DatasetError, match=rf"{entry.shard}.*damaged"):
        merge(tmp_path / "merged", [folder])
    assert verify(tmp_path / "merged") == []


def test_info_counts_without_opening_a_shard(folder):
    for path in (folder / "shards").iterdir():
        path.write_bytes(b"x" * 100)
    (folder / "shards" / "left").write_bytes(b"left")
    found = info(folder)
    assert (found.samples, found.repeated, found.shards, found.missing_shards) == (7, 0, 2, 0)
    assert (found.file_bytes, found.leftover_bytes) == (200, 4)
    assert found.to_dict()["counts"] == {
        "shapes": {"6x5x4": 7},
        "families": {"blobs": 7},
        "status": {
            "electronic": {"ok": 12, "not_requested": 6},
            "ionic": {"ok": 12, "not_requested": 8, "invalid_structure": 1},
        },
    }


def test_info_names_what_is_missing_or_stands_twice(folder):
    write_shard(folder, [make_sample(0)])
    read_manifest(folder)[0].path(folder).unlink()
    found = info(folder)
    assert (found.repeated, found.missing_shards) == (1, 1)
