"""Writers that die, race or run out of space lose nothing but what they had not finished."""

import subprocess
import sys
from pathlib import Path

import pytest

from ionscreen.datasets import Dataset, DatasetError, verify, write_shard

from .samples import assert_same, make_sample

WRITER = Path(__file__).with_name("writer.py")
OLD, NEW = range(3), range(3, 6)
PUBLISHING_CALL = 5  # fsync, rename, fsync of the folder: first for the shard, then for its manifest entry


def write(folder, samples, *options):
    """Start a process that adds a shard."""
    arguments = [sys.executable, str(WRITER), str(folder), str(samples.start), str(len(samples)), *options]
    return subprocess.Popen(arguments, stderr=subprocess.PIPE, text=True)


@pytest.mark.parametrize("call", range(1, 7))
def test_a_writer_killed_anywhere_leaves_all_or_nothing(tmp_path, call):
    write_shard(tmp_path, [make_sample(seed) for seed in OLD])
    with write(tmp_path, NEW, "--die", str(call)) as process:
        assert process.wait() == -9
    assert verify(tmp_path) == []
    assert len(Dataset(tmp_path)) == (3 if call <= PUBLISHING_CALL else 6)
    assert_resumed(tmp_path, [make_sample(seed) for seed in (*OLD, *NEW)])


def assert_resumed(folder, wanted):
    """Write what is missing, as a resumed campaign does, and assert that nothing is lost or doubled."""
    missing = set(Dataset(folder).missing([sample.id for sample in wanted]))
    if missing:
        write_shard(folder, [sample for sample in wanted if sample.id in missing])
    dataset = Dataset(folder)
    assert verify(folder) == []
    assert len(dataset) == len(wanted)
    for sample in wanted:
        assert_same(dataset.sample(sample.id), sample)


def test_a_full_disk_is_one_sentence_and_costs_only_the_new_shard(tmp_path):
    write_shard(tmp_path, [make_sample(seed) for seed in OLD])
    with write(tmp_path, NEW, "--limit", "4096") as process:
        sentence = process.communicate()[1]
    assert process.returncode == 1
    assert "the disk is full" in sentence
    assert "Traceback" not in sentence
    assert sentence.count("\n") == 1
    assert not list(tmp_path.rglob("*.tmp"))
    assert_resumed(tmp_path, [make_sample(seed) for seed in (*OLD, *NEW)])


def test_a_folder_that_cannot_be_written_is_one_sentence(tmp_path):
    (tmp_path / "dataset").write_text("a file is in the way")
    with pytest.raises(DatasetError, match=r"dataset: File exists\.$"):
        write_shard(tmp_path / "dataset", [make_sample(0)])


def test_processes_write_at_once_also_the_same_samples(tmp_path):
    shards = [range(start, start + 4) for start in range(0, 16, 4)] * 2
    processes = [write(tmp_path / "dataset", shard) for shard in shards]
    while any(process.poll() is None for process in processes):
        if (tmp_path / "dataset" / "manifest").is_dir():
            list(Dataset(tmp_path / "dataset"))
    assert [process.communicate()[1] for process in processes] == [""] * len(processes)
    assert_resumed(tmp_path / "dataset", [make_sample(seed) for seed in range(16)])
    assert len(list((tmp_path / "dataset" / "manifest").iterdir())) == 4
