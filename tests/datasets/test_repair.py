"""A repaired dataset is sound, and what it lost is known."""

import random

import pytest

from ionscreen.datasets import Dataset, NewerFormat, repair, verify, write_shard
from ionscreen.datasets.manifest import read_manifest, sealed

from .samples import assert_same, failed_sample, make_sample
from .test_damage import mutate

KINDS = ["truncate", "flip", "zero", "append"]


def restore(folder, wanted, size=4):
    """Compute what is missing, as a resumed campaign does."""
    missing = set(Dataset(folder).missing([sample.id for sample in wanted]))
    for start in range(0, len(wanted), size):
        shard = [sample for sample in wanted[start : start + size] if sample.id in missing]
        if shard:
            write_shard(folder, shard)


def contents(folder):
    """Return every file that belongs to the dataset."""
    return {path.name: path.read_bytes() for name in ("shards", "manifest") for path in (folder / name).iterdir()}


def test_a_sound_dataset_is_left_as_it_is(folder):
    before = contents(folder)
    done = repair(folder)
    assert (done.quarantined, done.restored, done.recompute, done.unknown) == ((), (), (), ())
    assert contents(folder) == before
    assert not (folder / "quarantine").exists()


@pytest.mark.parametrize("kind", KINDS)
def test_a_damaged_shard_is_moved_aside_and_its_samples_listed(folder, kind):
    entry = read_manifest(folder)[0]
    damaged = mutate(entry.path(folder).read_bytes(), kind, random.Random(1))
    entry.path(folder).write_bytes(damaged)
    done = repair(folder)
    assert done.recompute == tuple(sorted(entry.ids))
    assert sorted(path.name for path in done.quarantined) == sorted(
        [entry.path(folder).name, entry.manifest_path(folder).name]
    )
    assert (folder / "quarantine" / entry.path(folder).name).read_bytes() == damaged
    assert verify(folder) == []
    assert Dataset(folder).missing(entry.ids) == list(entry.ids)


def test_a_missing_shard_is_listed(folder):
    entry = read_manifest(folder)[0]
    entry.path(folder).unlink()
    assert repair(folder).recompute == tuple(sorted(entry.ids))
    assert verify(folder) == []


@pytest.mark.parametrize("kind", KINDS[:3])
def test_a_damaged_entry_is_made_again_from_its_shard(folder, kind):
    before = contents(folder)
    entry = read_manifest(folder)[0]
    path = entry.manifest_path(folder)
    path.write_bytes(mutate(path.read_bytes(), kind, random.Random(1)))
    assert [finding.kind for finding in verify(folder)] == ["entry"]
    done = repair(folder)
    assert (done.restored, done.recompute, done.unknown) == ((entry.shard,), (), ())
    assert contents(folder) == before


def test_with_entry_and_shard_damaged_the_ids_are_unknown(folder):
    entry = read_manifest(folder)[0]
    for path in (entry.path(folder), entry.manifest_path(folder)):
        path.write_bytes(path.read_bytes()[:-9])
    done = repair(folder)
    assert done.unknown == (entry.shard,)
    assert len(done.quarantined) == 2
    assert verify(folder) == []


def test_a_sample_that_also_stands_in_a_sound_shard_is_not_lost(folder):
    write_shard(folder, [make_sample(0)])
    entry = next(entry for entry in read_manifest(folder) if len(entry.ids) == 4)
    entry.path(folder).write_bytes(b"")
    assert make_sample(0).id not in repair(folder).recompute


def test_what_a_newer_program_wrote_is_not_touched(folder):
    path = sorted((folder / "manifest").iterdir())[0]
    path.write_bytes(sealed({"encoding-type": "ionscreen-manifest-entry", "encoding-version": 3}))
    before = contents(folder)
    with pytest.raises(NewerFormat, match="update ionscreen"):
        repair(folder)
    assert contents(folder) == before


@pytest.mark.parametrize("seed", range(3))
def test_mutated_repaired_and_resumed_a_dataset_is_what_it_was(folder, seed):
    """Byte for byte, whatever happens to up to two of its files at once, swaps included."""
    wanted = [*(make_sample(number) for number in range(6)), failed_sample(6)]
    before = contents(folder)
    draw = random.Random(seed)
    for _ in range(10):
        victims = draw.sample(sorted([*(folder / "shards").iterdir(), *(folder / "manifest").iterdir()]), 2)
        if draw.random() < 0.2:
            first, second = (path.read_bytes() for path in victims)
            victims[0].write_bytes(second), victims[1].write_bytes(first)
        else:
            for path in victims:
                path.write_bytes(mutate(path.read_bytes(), draw.choice(KINDS[:3]), draw))
        assert verify(folder)
        repair(folder)
        assert verify(folder) == []
        restore(folder, wanted)
        assert contents(folder) == before
    for sample in wanted:
        assert_same(Dataset(folder).sample(sample.id), sample)
