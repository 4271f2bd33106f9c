"""Verification finds numbers that cannot be true."""

from dataclasses import replace

import numpy as np
import pytest

from ionscreen.datasets import Dataset, Status, Transport, repair, verify, write_shard
from ionscreen.datasets.manifest import ManifestEntry, read_manifest

from .samples import failed_sample, full_sample, make_sample


def changed(seed, **changes):
    """Return a sample whose electronic label has other values along x."""
    sample = make_sample(seed)
    label = sample.labels["electronic"]
    for name, value in changes.items():
        values = getattr(label, name).copy()
        values[0] = value
        label = replace(label, **{name: values})
    return replace(sample, labels={"electronic": label})


def relabelled(**changes):
    """Return a sample whose ionic label has other values."""
    sample = make_sample(0)
    return replace(sample, labels={"ionic": replace(sample.labels["ionic"], **changes)})


def joined_to_one_face():
    """Return a mask of which no voxel lies at x = 0."""
    connected = 5 * make_sample(0).microstructure.phases
    connected[0] &= 4
    return connected


def test_true_fractions_and_full_samples_have_no_findings(tmp_path):
    sample = full_sample(0)
    fractions = {f"fraction_{name}": value for name, value in sample.microstructure.fractions().items()}
    write_shard(tmp_path, [replace(sample, descriptors=fractions), make_sample(1)])
    assert verify(tmp_path) == []


@pytest.mark.parametrize("part", ["summary", "table"])
def test_an_entry_that_contradicts_its_shard_is_found_and_made_again(folder, part):
    """Its seal is right: not a disk but a program wrote it."""
    entry = read_manifest(folder)[0]
    other = ManifestEntry.of(entry.blake2b, [replace(s, labels={}) for s in map(Dataset(folder).sample, entry.ids)])
    if part == "table":
        records = {name: data[:-1] + b"\1" for name, data in entry.table.records.items()}
        other = replace(entry, table=replace(entry.table, records=records))
    other.write(folder)
    assert {finding.kind for finding in verify(folder)} <= {"entry", "file"}
    assert verify(folder)[0].shard == entry.shard
    repair(folder)
    assert verify(folder) == []


def test_a_sound_dataset_has_no_findings(folder):
    assert verify(folder) == []


@pytest.mark.parametrize(
    ("sample", "sentence"),
    [
        (changed(0, sigma=3.0, upper_bound=3.0), "outside the Wiener bounds"),
        (changed(0, sigma=0.1), "outside the Wiener bounds"),
        (changed(0, sigma=-1.0), "outside the Wiener bounds"),
        (changed(0, upper_bound=0.5), "exceeds its own upper bound"),
        (changed(0, sigma=np.nan), "not a finite number"),
        (changed(0, sigma=np.inf), "not a finite number"),
        (changed(0, status=Status.NON_PERCOLATING), "does not percolate"),
        (changed(0, status=Status.NOT_REQUESTED), "not_requested, but"),
        (changed(0, status=77), "no status 77"),
        (replace(make_sample(0), microstructure=None), "no microstructure"),
        (changed(0, error_estimate=np.inf), "relative error is estimated at inf"),
        (changed(0, error_estimate=-0.1), "relative error is estimated at -0.1"),
        (changed(0, iterations=-1), "iterations cannot have been spent"),
        (relabelled(seconds=np.nan), "nan s and"),
        (relabelled(connected=np.full((6, 5, 4), 5, np.uint8)), "do not conduct"),
        (relabelled(connected=(8 * make_sample(0).microstructure.phases)), "axes that there are not"),
        (relabelled(connected=joined_to_one_face()), "do not reach both faces"),
        (
            relabelled(transport=Transport("thermal", {"void": 0.5, "electrolyte": 2.0})),
            "is of the transport 'thermal'",
        ),
        (relabelled(potential=np.full((3, 6, 5, 4), np.inf, np.float32)), "range from 0 to 1"),
        (relabelled(potential=np.full((3, 6, 5, 4), -1, np.float32)), "range from 0 to 1"),
        (replace(make_sample(0), descriptors={"fraction_void": 0.5}), "'fraction_void' is 0.5, the voxels have"),
        (
            replace(
                make_sample(0),
                labels={"x": replace(make_sample(0).labels["ionic"], transport=Transport("x", {"electrolyte": 1.0}))},
            ),
            "no conductivity for phase 'void'",
        ),
    ],
)
def test_what_cannot_be_true_is_found(tmp_path, sample, sentence):
    receipt = write_shard(tmp_path, [sample, make_sample(1), failed_sample(2)])
    findings = verify(tmp_path)
    assert findings
    for finding in findings:
        assert (finding.kind, finding.shard, finding.sample) == ("physics", receipt.name, sample.id)
    assert sentence in findings[0].sentence


def test_a_label_that_did_not_converge_may_be_anything_finite(tmp_path):
    write_shard(tmp_path, [changed(0, sigma=9.0, status=Status.NOT_CONVERGED)])
    assert verify(tmp_path) == []


def test_duplicates_are_found(tmp_path):
    write_shard(tmp_path, [make_sample(0), make_sample(1)])
    write_shard(tmp_path, [make_sample(1)])
    assert [(f.kind, f.sample) for f in verify(tmp_path)] == [("duplicate", make_sample(1).id)] * 2


def test_equal_structures_of_different_recipes_are_found(tmp_path):
    first, second = make_sample(0), make_sample(1)
    twin = replace(second, microstructure=first.microstructure, labels=first.labels)
    write_shard(tmp_path, [first, twin])
    assert [finding.kind for finding in verify(tmp_path)] == ["duplicate"]


def test_a_label_that_never_varies_is_found(tmp_path):
    samples = [changed(seed, sigma=1.0, upper_bound=2.0) for seed in range(12)]
    write_shard(tmp_path, samples)
    found = [finding.sentence for finding in verify(tmp_path) if finding.kind == "constant"]
    assert found == ["electronic, axis 0: σ_eff is 1.0 S/m for all 12 samples."]


def test_a_mask_that_contradicts_the_status_is_found(tmp_path):
    sample = changed(0, status=Status.NON_PERCOLATING, sigma=0.0)
    closed = replace(sample.labels["electronic"], connected=np.zeros((6, 5, 4), np.uint8), status=make_status())
    write_shard(tmp_path, [sample, replace(make_sample(1), labels={"electronic": closed})])
    assert {finding.sentence.partition(": ")[2] for finding in verify(tmp_path)} >= {
        "does not percolate, but voxels are connected to both faces.",
        "σ_eff is known, but no voxel is connected to both faces.",
    }


def make_status():
    """Return the status of a label solved along x alone."""
    return np.array([Status.OK, Status.NOT_REQUESTED, Status.NOT_REQUESTED], np.uint8)
