"""The faults of benchmarks/faults.py, few and at random: the dataset ends bit for bit as if nothing had happened."""

import random
from argparse import Namespace
from pathlib import Path

import pytest

from ..programs import benchmark

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

faults = benchmark("faults")


@pytest.mark.parametrize("row", ["everything", "disk"])
def test_a_fault_costs_nothing(row: str, tmp_path: Path) -> None:
    seed = random.SystemRandom().randrange(2**32)
    outcome = getattr(faults.Faults(tmp_path, Namespace(), random.Random(seed)), row)()
    assert outcome.good, (seed, outcome.text)
