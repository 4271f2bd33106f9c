"""The card says what the dataset holds, in statistics of the training split alone."""

import csv
import hashlib
import json

import numpy as np
import pytest

from ionscreen.datasets import Dataset, split, verify
from ionscreen.datasets.card import CardSettings, write_card


@pytest.fixture
def carded(folder):
    """Return a dataset with a card; its seed gives every part of the split some samples or none, whatever they are."""
    dataset = Dataset(folder)
    write_card(dataset, CardSettings("Blobs & more", seed=3))
    return dataset


def test_a_card_changes_nothing_in_the_dataset(carded):
    assert verify(carded.folder) == []
    assert Dataset(carded.folder).ids == carded.ids


def test_the_readme_counts_and_its_statistics_are_those_of_the_training_split(carded):
    readme = (carded.folder / "README.md").read_text(encoding="utf-8")
    assert readme.startswith("# Blobs & more\n")
    assert "7 samples in 2 shards" in readme
    assert "families: blobs 7" in readme
    train = set(split(carded.ids, 3)["train"])
    labels = carded.labels("ionic")
    known = [s for i, s in zip(labels["id"], labels["sigma"][:, 0]) if i in train and np.isfinite(s)]
    row = next(line for line in readme.splitlines() if line.startswith("| ionic_sigma_x_S_per_m"))
    cells = [cell.strip() for cell in row.split("|")[2:-1]]
    assert cells == [str(len(known)), *(f"{f(known):.6g}" for f in (np.mean, np.std, np.min, np.max))]


def test_the_split_is_stored(carded):
    stored = json.loads((carded.folder / "splits.json").read_text())
    assert stored.pop("seed") == 3
    assert stored == split(carded.ids, 3)


def test_croissant_names_every_column_and_the_hash_of_the_table(carded):
    croissant = json.loads((carded.folder / "croissant.json").read_text())
    labels = (carded.folder / "labels.csv").read_bytes()
    assert croissant["distribution"][0]["sha256"] == hashlib.sha256(labels).hexdigest()
    header = next(csv.reader([labels.decode().splitlines()[0]]))
    assert [field["name"] for field in croissant["recordSet"][0]["field"]] == header


def test_the_picture_is_a_section(carded):
    image = pytest.importorskip("PIL.Image")
    with image.open(carded.folder / "family0.png") as picture:
        pixels = np.asarray(picture)[::4, ::4]
    samples = [sample for sample in carded.stream() if sample.microstructure is not None]
    np.testing.assert_array_equal(pixels, 255 * samples[0].microstructure.phases[3])


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_croissant_is_read_by_mlcroissant(carded):
    mlcroissant = pytest.importorskip("mlcroissant")
    description = mlcroissant.Dataset(carded.folder / "croissant.json")
    records = list(description.records("samples"))
    assert sorted(record["samples/id"].decode() for record in records) == list(carded.ids)
