"""Packed volumes come back as they went in, or not at all."""

import pickle
import random

import numpy as np
import pytest

from ionscreen.datasets import DatasetError
from ionscreen.datasets.packed_volumes import PackedVolumes


def equal(packed, originals):
    """Return whether all volumes came back."""
    assert len(packed) == len(originals)
    return all(np.array_equal(a, b) and a.dtype == b.dtype for a, b in zip(packed, originals))


@pytest.mark.parametrize(("phases", "bits"), [(2, 1), (3, 2), (4, 2), (5, 4), (16, 4), (17, 8), (256, 8)])
def test_voxels_take_as_few_bits_as_their_values_need(phases, bits):
    volume = np.arange(4096, dtype=np.int64).reshape(16, 16, 16) % phases
    assert PackedVolumes.in_memory([volume.astype(np.uint8)]).nbytes == 512 * bits


@pytest.fixture
def originals():
    rng = np.random.default_rng(0)
    return [rng.integers(0, phases, (7, 6, 5), dtype=np.uint8) for phases in (2, 3, 4, 9, 200)]


def test_a_folder_is_made_once_and_mapped_by_every_worker(tmp_path, originals):
    PackedVolumes.on_disk(tmp_path / "cache", lambda: originals)
    again = PackedVolumes.on_disk(tmp_path / "cache", lambda: pytest.fail("made twice"))
    assert equal(again, originals)
    assert len(pickle.dumps(again)) < 1000
    assert equal(pickle.loads(pickle.dumps(again)), originals)
    assert [path.name for path in tmp_path.iterdir()] == ["cache"]


def test_no_volumes_are_an_empty_folder(tmp_path):
    assert len(PackedVolumes.on_disk(tmp_path / "cache", list)) == 0


def test_a_race_is_won_by_the_first(tmp_path, originals):
    def slow():
        PackedVolumes.on_disk(tmp_path / "cache", lambda: originals)
        return originals[:1]

    assert equal(PackedVolumes.on_disk(tmp_path / "cache", slow), originals)


def test_a_writer_that_fails_leaves_nothing(tmp_path):
    with pytest.raises(ZeroDivisionError):
        PackedVolumes.on_disk(tmp_path / "cache", lambda: (1 // 0 for _ in range(1)))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["voxels.bin", "index.bin"])
def test_no_damage_is_silent(tmp_path, originals, name):
    draw = random.Random(7)
    path = tmp_path / "cache"
    PackedVolumes.on_disk(path, lambda: originals)
    sound = (path / name).read_bytes()
    for _ in range(200):
        place = draw.randrange(len(sound))
        flipped = bytes([sound[place] ^ 1 << draw.randrange(8)])
        (path / name).write_bytes(draw.choice([sound[:place], sound[:place] + flipped + sound[place + 1 :]]))
        with pytest.raises(DatasetError, match="remove"):
            assert equal(PackedVolumes.on_disk(path, list), originals)
