"""The laws of the split."""

import hashlib

import pytest

from ionscreen.datasets import InvalidInput, split


def test_sizes_meet_the_fractions_on_average():
    many = [hashlib.blake2b(b"%d" % number, digest_size=16).hexdigest() for number in range(10_000)]
    sizes = [len(part) for part in split(many, 7, (0.5, 0.3, 0.2)).values()]
    # Four standard deviations of a binomial distribution: 200.
    assert sizes == pytest.approx([5000, 3000, 2000], abs=200)
    assert split(many, 7) == split(many, 7) != split(many, 8)


def test_nothing_goes_to_a_part_of_no_size():
    assert split(["a", "b", "c"], 0, (0.0, 0.0, 1.0)) == {"train": [], "validation": [], "test": ["a", "b", "c"]}


@pytest.mark.parametrize("fractions", [(1,), (0.5, 0.5, 0.5), (1.5, -0.5, 0.0), (float("nan"), 0.5, 0.5)])
def test_impossible_fractions_are_refused(fractions):
    with pytest.raises(InvalidInput, match="sum to 1"):
        split([], 0, fractions)
