"""Checkpoints come back bit by bit or are refused; nothing is unpickled."""

import json
import pickle
import re
from pathlib import Path

import numpy as np
import pytest
import torch

from ionscreen import surrogate as package
from ionscreen.datasets import CheckpointError
from ionscreen.surrogate import load_checkpoint, save_checkpoint

FILES = ("model.safetensors", "model.json")


@pytest.fixture
def folder(small_surrogate, tmp_path):
    """Return a folder with a valid checkpoint."""
    save_checkpoint(small_surrogate, tmp_path / "model")
    return tmp_path / "model"


def test_a_checkpoint_comes_back_bit_by_bit(small_surrogate, folder, labelled, tmp_path):
    loaded = load_checkpoint(folder)
    for name, tensor in small_surrogate.network.state_dict().items():
        assert torch.equal(tensor, loaded.network.state_dict()[name])
    for mine, theirs in zip(loaded.predict(labelled.x_nxyz[90:]), small_surrogate.predict(labelled.x_nxyz[90:])):
        np.testing.assert_array_equal(mine, theirs)
    save_checkpoint(loaded, tmp_path / "again")
    assert sorted(path.name for path in folder.iterdir()) == sorted(FILES)
    for name in FILES:
        assert (folder / name).read_bytes() == (tmp_path / "again" / name).read_bytes()


def test_the_card_says_what_the_model_is(folder):
    card = json.loads((folder / "model.json").read_text())
    assert card["class"] == "ionscreen.surrogate.Network"
    assert isinstance(card["version"], int)
    assert {"architecture", "calibration", "split_digest", "metrics", "training", "weights_blake2b"} <= card.keys()


@pytest.mark.parametrize("name", FILES)
def test_every_mutation_is_noticed(folder, name):
    """One bit anywhere, or a missing tail: 300 mutations a file, 0 loaded."""
    file, random = folder / name, np.random.default_rng(55103)
    content = file.read_bytes()
    for trial in range(300):
        damaged = bytearray(content)
        if trial % 10 == 0:
            del damaged[int(random.integers(len(content))) :]
        else:
            damaged[int(random.integers(len(content)))] ^= 1 << int(random.integers(8))
        file.write_bytes(bytes(damaged))
        # White space between JSON's tokens carries nothing: only what still reads the same may pass.
        try:
            same = name == "model.json" and json.loads(damaged) == json.loads(content)
        except ValueError:
            same = False
        if not same:
            with pytest.raises(CheckpointError):
                load_checkpoint(folder)


@pytest.mark.parametrize("name", FILES)
def test_a_missing_file_is_named(folder, name):
    (folder / name).unlink()
    with pytest.raises(CheckpointError, match=re.escape(name)):
        load_checkpoint(folder)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [({"version": 99}, "version 99"), ({"class": "other.Model"}, "not a checkpoint"), ({"metrics": {}}, "checksum")],
    ids=str,
)
def test_foreign_newer_and_edited_cards_are_refused(folder, change, sentence):
    card = json.loads((folder / "model.json").read_text())
    (folder / "model.json").write_text(json.dumps({**card, **change}))
    with pytest.raises(CheckpointError, match=sentence):
        load_checkpoint(folder)


@pytest.mark.parametrize(
    "content",
    [b"", b"[]", b"[" * 100_000, b"\xff\xfe", b'{"class": 1}'],
    ids=["empty", "list", "deep", "binary", "class"],
)
def test_what_is_not_a_card_is_refused(folder, content):
    (folder / "model.json").write_bytes(content)
    with pytest.raises(CheckpointError):
        load_checkpoint(folder)


class Trap:
    """Leaves a mark when unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return Path.touch, (Path(self.path),)


@pytest.mark.parametrize("name", FILES)
def test_a_pickle_is_never_executed(folder, tmp_path, name):
    mark = tmp_path / "mark"
    (folder / name).write_bytes(pickle.dumps(Trap(str(mark))))
    with pytest.raises(CheckpointError):
        load_checkpoint(folder)
    assert not mark.exists()


def test_no_pickle_in_the_source():
    (folder,) = {Path(path).resolve() for path in package.__path__}
    for path in folder.glob("*.py"):
        assert not re.search(r"import pickle|[^.]torch\.(load|save)\(|allow_pickle", path.read_text()), path


def test_an_interrupted_write_leaves_the_old_file(folder, small_surrogate, monkeypatch):
    before = {name: (folder / name).read_bytes() for name in FILES}

    def full(_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="disk is full"):
        save_checkpoint(small_surrogate, folder)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
