"""What goes in comes out, to the last bit."""

from dataclasses import replace

import h5py
import numpy as np
import pytest

from ionscreen.datasets import (
    Dataset,
    DatasetError,
    InvalidInput,
    Recipe,
    Sample,
    Status,
    shard_reader,
    write_shard,
)
from ionscreen.datasets.manifest import read_manifest
from ionscreen.datasets.shard_reader import open_shard, read_labels

from .samples import SHAPE, assert_same, assert_same_array, failed_sample, make_sample


def assert_labels_are_those_of_the_shard(dataset):
    """What the manifest holds is what a reader that knows shards alone finds, to the last bit."""
    entry = read_manifest(dataset.folder)[0]
    for transport in dataset.transports:
        with open_shard(dataset.folder, entry) as file:
            stored = read_labels(file, transport)
        for name, values in dataset.labels(transport).items():
            assert_same_array(values, stored[name])


def test_a_dataset_is_a_sequence_in_the_order_of_its_ids(folder):
    dataset = Dataset(folder)
    assert len(dataset) == 7
    assert list(dataset.ids) == sorted(dataset.ids)
    assert [sample.id for sample in dataset] == list(dataset.ids)
    assert dataset[-1].id == dataset.ids[-1]
    assert dataset.ids[0] in dataset
    assert "no such id" not in dataset


def test_a_stream_yields_every_sample_once_shard_by_shard(folder):
    write_shard(folder, [make_sample(0), make_sample(7)])
    dataset = Dataset(folder)
    streamed = list(dataset.stream())
    assert [sample.id for sample in streamed] == sum(dataset.shards(), [])  # noqa: RUF017
    assert len(streamed) == len(dataset)
    for sample in streamed:
        assert_same(sample, dataset.sample(sample.id))


def test_a_slice_is_a_dataset(folder):
    dataset = Dataset(folder)
    part = dataset[1:6:2]
    assert part.ids == dataset.ids[1:6:2]
    assert [sample.id for sample in part] == list(part.ids)
    assert sorted(sample.id for sample in part.stream()) == list(part.ids)
    assert part.labels("ionic")["id"].tolist() == list(part.ids)
    assert part.missing(dataset.ids) == list(dataset.ids[::2])
    with pytest.raises(InvalidInput, match="no sample"):
        part.sample(dataset.ids[0])
    assert len(dataset[:0]) == len(dataset[:0].labels("ionic")["id"]) == 0


def test_samples_are_found_by_status_family_and_range(folder):
    write_shard(folder, [replace(make_sample(8), recipe=replace(make_sample(8).recipe, family="image"))])
    dataset = Dataset(folder)
    assert len(dataset.where("ionic", axis=0)) == 7
    assert len(dataset.where("ionic", axis=1)) == 0
    assert len(dataset.where("ionic", axis=0, status=[Status.INVALID_STRUCTURE])) == 1
    assert len(dataset.where("ionic", axis=0, families=["image"])) == 1
    table = dataset.where("ionic", axis=2).labels("ionic")["relative"][:, 2]
    middle = float(np.median(table))
    assert len(dataset.where("ionic", axis=2, relative=(middle, 1.0))) == np.sum(table >= middle)


def test_missing_lists_what_is_not_here_in_the_order_asked(folder):
    dataset = Dataset(folder)
    assert dataset.missing(["b", dataset.ids[0], "a", "b"]) == ["b", "a"]


def test_labels_are_those_of_the_samples(folder):
    dataset = Dataset(folder)
    table = dataset.labels("ionic")
    assert table["id"].tolist() == list(dataset.ids)
    for row, sample in enumerate(dataset):
        label = sample.labels["ionic"]
        assert table["family"][row] == sample.recipe.family
        assert table["seconds"][row] == label.seconds
        for name in ("sigma", "relative", "upper_bound", "error_estimate", "status", "iterations"):
            np.testing.assert_array_equal(table[name][row], getattr(label, name))


def test_labels_leave_out_samples_without_the_transport(folder):
    assert len(Dataset(folder).labels("electronic")["id"]) == 6


def test_labels_open_no_shard(folder):
    wanted = Dataset(folder).labels("ionic")
    for path in (folder / "shards").iterdir():
        path.write_bytes(b"no shard")
    for name, values in Dataset(folder).labels("ionic").items():
        assert_same_array(values, wanted[name])


def test_labels_in_a_shard_need_no_voxels(folder, monkeypatch):
    read = h5py.Dataset.__getitem__

    def watched(self, *arguments):
        assert self.name.rpartition("/")[2] not in ("phases", "connected")
        return read(self, *arguments)

    for entry in read_manifest(folder):
        replace(entry, table=None).write(folder)  # as an earlier ionscreen wrote it
    monkeypatch.setattr(h5py.Dataset, "__getitem__", watched)
    assert len(Dataset(folder).labels("ionic")["id"]) == 7


def test_a_sample_read_again_costs_its_voxels_alone(folder, monkeypatch):
    dataset, read, names = Dataset(folder), h5py.Dataset.__getitem__, []
    wanted = dataset[0]

    def watched(self, *arguments):
        names.append(self.name.rpartition("/")[2])
        return read(self, *arguments)

    monkeypatch.setattr(h5py.Dataset, "__getitem__", watched)
    assert_same(dataset[0], wanted)
    assert sorted(names) == ["connected", "connected", "phases"]


def test_what_is_kept_of_shards_is_bounded(tmp_path, monkeypatch):
    for number in range(6):
        write_shard(tmp_path, [make_sample(2 * number), make_sample(2 * number + 1)])
    for limit in (1 << 30, 3000, 0):
        kept = shard_reader._Recent(limit)
        monkeypatch.setattr(shard_reader, "_RECENT", kept)
        for _ in range(2):
            for sample in Dataset(tmp_path):
                assert_same(sample, make_sample(sample.recipe.seed))
                assert kept._size <= limit or len(kept._kept) == 1
        assert kept._size == sum(size for _, size in kept._kept.values())
        assert len(kept._kept) == {1 << 30: 6, 3000: 2, 0: 1}[limit]


def test_an_unknown_transport_is_named_with_the_known_ones(folder):
    with pytest.raises(InvalidInput, match=r"'thermal'.*electronic, ionic"):
        Dataset(folder).labels("thermal")


def test_an_unknown_id_is_named(folder):
    with pytest.raises(InvalidInput, match="no sample 'x'"):
        Dataset(folder).sample("x")


def test_an_empty_dataset_has_empty_labels(tmp_path):
    dataset = Dataset.create(tmp_path / "new")
    assert len(dataset) == 0
    assert dataset.labels("ionic")["sigma"].shape == (0, 3)
    assert (tmp_path / "new").stat().st_mode & 0o777 == 0o700


def test_no_folder_is_one_sentence(tmp_path):
    with pytest.raises(DatasetError, match=r"absent: there is no dataset here .*\.$"):
        Dataset(tmp_path / "absent")


def test_writing_the_same_samples_again_replaces_them(tmp_path):
    shard = [make_sample(0), make_sample(1)]
    first = write_shard(tmp_path, shard)
    second = write_shard(tmp_path, [replace(s, provenance={"again": True}) for s in reversed(shard)])
    assert first.name == second.name
    assert len(Dataset(tmp_path)) == 2
    assert all(sample.provenance == {"again": True} for sample in Dataset(tmp_path))


def test_an_open_dataset_still_reads_what_is_replaced_under_it(tmp_path):
    write_shard(tmp_path, [make_sample(0)])
    before = Dataset(tmp_path)
    write_shard(tmp_path, [replace(make_sample(0), provenance={})])
    assert before[0].provenance


def test_a_sample_in_two_shards_counts_once(tmp_path):
    write_shard(tmp_path, [make_sample(0), make_sample(1)])
    write_shard(tmp_path, [make_sample(1), failed_sample(2)])
    dataset = Dataset(tmp_path)
    assert len(dataset) == len(list(dataset)) == len(dataset.labels("ionic")["id"]) == 3


def test_equal_samples_give_equal_files_in_any_order(tmp_path):
    shard = [make_sample(seed) for seed in range(3)]
    assert write_shard(tmp_path / "a", shard) == write_shard(tmp_path / "b", shard[::-1])


@pytest.mark.parametrize(
    ("shard", "sentence"),
    [
        ([], "at least one"),
        ([make_sample(0), make_sample(0)], "twice"),
        ([make_sample(0), make_sample(1, (4, 4, 4))], "share a shape"),
        ([Sample(make_sample(0).recipe, make_sample(0, (4, 4, 4)).microstructure, {})], "share a shape"),
        ([replace(make_sample(0), labels={"": make_sample(0).labels["ionic"]})], "name"),
        (
            [
                replace(
                    make_sample(0), labels={"t": replace(make_sample(0).labels["ionic"], connected=np.zeros(3, "u1"))}
                )
            ],
            "connected",
        ),
    ],
)
def test_what_cannot_be_one_shard_is_refused_before_anything_is_written(shard, sentence, tmp_path):
    with pytest.raises(InvalidInput, match=sentence):
        write_shard(tmp_path / "dataset", shard)
    assert not (tmp_path / "dataset").exists()


def test_whole_lengths_do_not_change_the_id():
    whole, real = (Recipe("blobs", {}, SHAPE, size, 0) for size in ((1, 2, 3), (1.0, 2.0, 3.0)))
    assert whole.id == real.id == Recipe.from_dict(whole.to_dict()).id
