"""The arithmetic of one call: PopTorch's formulas, printed before a training starts."""

import pytest

from ionscreen.datasets import InvalidInput
from ionscreen.surrogate.devices import Batching


@pytest.mark.parametrize("b", [1, 3])
@pytest.mark.parametrize("ga", [1, 7])
@pytest.mark.parametrize("r", [1, 2])
@pytest.mark.parametrize("d", [1, 5])
def test_a_call_takes_b_ga_r_d_structures_and_updates_d_times(b, ga, r, d):
    batching = Batching(b * ga * r, ga, r, d)
    assert batching.micro_batch == b
    assert batching.samples_per_call == b * ga * r * d
    assert batching.updates_per_call == d
    assert batching.calls(2 * b * ga * r * d + 1 if b * ga * r * d > 1 else 2) == 2


def test_it_is_printed_with_the_numbers():
    assert Batching(24, 4, 2, 5).describe(250) == (
        "samples per call N = B x GA x R x D = 3 x 4 x 2 x 5 = 120\n"
        "weight updates per call D = 5, each from B x GA x R = 3 x 4 x 2 = 24 structures (the effective batch)\n"
        "an epoch of 250 structures = 2 calls = 10 weight updates; 10 structures, others in each epoch, left out"
    )


def test_where_the_last_call_may_be_smaller_none_is_left_out():
    assert (
        Batching(16)
        .describe(40, full_calls_only=False)
        .endswith("an epoch of 40 structures = 3 calls = 3 weight updates; the last takes 8 structures")
    )


def test_too_few_structures_for_one_call_are_refused():
    with pytest.raises(InvalidInput, match=r"119 structures .* takes 120 \(B x GA x R x D = 3 x 4 x 2 x 5"):
        Batching(24, 4, 2, 5).calls(119)


@pytest.mark.parametrize(
    ("numbers", "sentence"),
    [((10, 4), "multiple of 4"), ((0,), "batch_size"), ((8, 2.0), "accumulation"), ((8, 1, True), "replicas")],
)
def test_what_does_not_split_is_refused(numbers, sentence):
    with pytest.raises(InvalidInput, match=sentence):
        Batching(*numbers)
