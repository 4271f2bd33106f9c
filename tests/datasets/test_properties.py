"""Laws over random records; in a file of their own, for an accelerator host may lack hypothesis."""

import pickle
import tempfile

import numpy as np
import pytest

pytest.importorskip("hypothesis")
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from ionscreen.datasets import Dataset, Label, Microstructure, Recipe, Sample, Transport, split, write_shard
from ionscreen.datasets.packed_volumes import PackedVolumes

from .samples import assert_same
from .test_packed_volumes import equal
from .test_round_trip import assert_labels_are_those_of_the_shard

numbers = hnp.arrays(np.float64, 3)
names = st.text(min_size=1, max_size=8)
lengths = st.floats(1e-12, 1e3)


@st.composite
def transports(draw):
    conductivity = draw(st.dictionaries(names, st.floats(0, 1e8), max_size=3))
    return Transport(draw(names), {**conductivity, "solid": draw(st.floats(1e-300, 1e8))})


@st.composite
def labels(draw, transport, shape):
    return Label(
        transport,
        sigma=draw(numbers),
        upper_bound=draw(numbers),
        error_estimate=draw(numbers),
        status=draw(hnp.arrays(np.uint8, 3)),
        iterations=draw(hnp.arrays(np.int32, 3)),
        seconds=draw(st.floats(0, 1e9)),
        connected=draw(st.none() | hnp.arrays(np.uint8, shape)),
        message=draw(st.text(max_size=20)),
    )


@st.composite
def shards(draw):
    """Return samples of one shape, each with some of the transports."""
    shape = draw(st.tuples(*[st.integers(1, 4)] * 3))
    known = draw(st.lists(transports(), max_size=3, unique_by=lambda t: t.name))
    return [draw(samples(seed, shape, known)) for seed in range(draw(st.integers(1, 4)))]


@st.composite
def samples(draw, seed, shape, known):
    size = draw(st.tuples(lengths, lengths, lengths))
    values = st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=8)
    recipe = Recipe(draw(st.text(max_size=8)), draw(st.dictionaries(names, values, max_size=3)), shape, size, seed)
    phase_names = tuple(draw(st.lists(names, min_size=1, max_size=3, unique=True)))
    phases = draw(hnp.arrays(np.uint8, shape, elements=st.integers(0, len(phase_names) - 1)))
    structure = draw(st.none() | st.just(Microstructure(phases, phase_names, size)))
    labelled = draw(st.lists(st.sampled_from(known), unique_by=lambda t: t.name)) if known else []
    provenance = draw(st.dictionaries(names, values, max_size=2))
    return Sample(recipe, structure, {t.name: draw(labels(t, shape)) for t in labelled}, provenance)


@settings(max_examples=60, deadline=None)
@given(shards())
def test_samples_come_back_as_they_went_in(shard):
    with tempfile.TemporaryDirectory() as folder:
        receipt = write_shard(folder, shard)
        dataset = Dataset(folder)
        assert receipt.ids == dataset.ids == tuple(sorted(sample.id for sample in shard))
        assert set(dataset.transports) == {name for sample in shard for name in sample.labels}
        for sample in shard:
            assert_same(dataset.sample(sample.id), sample)
        assert_labels_are_those_of_the_shard(dataset)


shapes = st.tuples(*[st.integers(1, 5)] * 3)
volumes = st.integers(0, 255).flatmap(
    lambda largest: hnp.arrays(np.uint8, shapes, elements=st.integers(0, largest)),
)


@settings(deadline=None)
@given(st.lists(volumes, max_size=4))
def test_volumes_come_back_as_they_went_in(originals):
    packed = PackedVolumes.in_memory(originals)
    assert equal(packed, originals)
    assert equal(pickle.loads(pickle.dumps(packed)), originals)


ids = st.lists(st.text("0123456789abcdef", min_size=32, max_size=32), unique=True, max_size=50)


@given(ids, st.integers(), st.randoms())
def test_every_id_goes_to_one_part_that_depends_on_nothing_else(ids, seed, random):
    parts = split(ids, seed)
    assert list(parts) == ["train", "validation", "test"]
    assert sorted(member for members in parts.values() for member in members) == sorted(ids)
    shuffled = random.sample(ids, len(ids))[: len(ids) // 2]
    for name, members in split(shuffled, seed).items():
        assert set(members) <= set(parts[name])
