"""The engine's laws: nothing lost, nothing doubled, nothing waited for without end, whatever happens to workers."""

import itertools
import os
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from ionscreen.datasets import CampaignError
from ionscreen.workflows.batches import Batch, BatchResult, Done, Lost, Mark, run_batches
from ionscreen.workflows.cluster import local_cluster
from ionscreen.workflows.cluster_config import ClusterConfig
from ionscreen.workflows.connection import Cluster, Connection
from ionscreen.workflows.execution import Engine, Patience


@contextmanager
def engine(workers: int = 2, patience: Patience | None = None) -> Iterator[Engine]:
    connection = Connection(lambda: local_cluster(ClusterConfig(workers=workers)))
    try:
        yield Engine(connection, patience or Patience(stall_seconds=60))
    finally:
        connection.close()


def squares(folder: Path, poison: frozenset[int], bad: frozenset[int]) -> Callable[[Sequence[int], Mark], BatchResult]:
    """Return what squares numbers, but dies of some and fails at others; it notes each try.

    A closure is sent by value: workers cannot import the tests.
    """

    def square(numbers: Sequence[int], mark: Mark) -> BatchResult:
        found, failed = {}, []
        for place, number in enumerate(numbers):
            mark.begin(place)
            with (folder / str(number)).open("a") as file:
                file.write("x")
            if number in poison:
                os.kill(os.getpid(), signal.SIGKILL)
            if number in bad:
                failed.append((place, f"ValueError: {number} is bad"))
            else:
                found[number] = number**2
        return BatchResult(found, tuple(failed))

    return square


def test_what_kills_its_worker_costs_itself_alone(tmp_path: Path) -> None:
    poison, bad = frozenset({3, 17}), frozenset({5})
    (tmp_path / "tries").mkdir()
    function = squares(tmp_path / "tries", poison, bad)
    batches = [Batch(tuple(range(start, start + 8))) for start in range(0, 40, 8)]
    with engine() as e:
        ends = list(run_batches(e, function, batches, tmp_path / "marks"))
    lost = {end.item: end.sentence for end in ends if isinstance(end, Lost)}
    done = [end for end in ends if isinstance(end, Done)]
    assert lost == {3: None, 17: None, 5: "ValueError: 5 is bad"}
    assert sorted(n for end in done for n in end.items) == sorted(set(range(40)) - poison - bad)
    assert {n: s for end in done for n, s in end.receipt.items()} == {n: n**2 for n in set(range(40)) - poison - bad}
    tries = {n: len((tmp_path / "tries" / str(n)).read_text()) for n in range(40)}
    # One worker of its batch and three of its own. What merely fails may be seen more often than three times: results
    # die with the worker that holds them.
    assert [tries[n] for n in poison] == [4, 4]
    assert all(tries[n] >= 3 for n in bad)
    assert list((tmp_path / "marks").iterdir()) == []


def test_tasks_are_read_only_as_fast_as_they_are_computed() -> None:
    read, ahead = itertools.count(), []
    with engine(workers=1) as e:
        tasks = (next(read) for _ in range(60))
        for number, end in enumerate(e.run(abs, tasks)):
            assert end.error is None
            ahead.append(next(read) - number)
    assert max(ahead) <= 60 * 2


def test_a_task_that_hangs_ends_with_a_sentence() -> None:
    with (
        engine(workers=1, patience=Patience(stall_seconds=1, rebuilds=0)) as e,
        pytest.raises(CampaignError, match=r"no task finished.*run the same command again to resume"),
    ):
        list(e.run(time.sleep, [600.0]))


def test_a_cluster_without_workers_is_rebuilt() -> None:
    starts = []

    @contextmanager
    def start() -> Iterator[Cluster]:
        with local_cluster(ClusterConfig(workers=1)) as cluster:
            starts.append(cluster)
            if len(starts) == 1:
                cluster.client.cluster.adapt(minimum=0, maximum=0)
                cluster.client.cluster.scale(0)
            else:
                cluster.client.wait_for_workers(1)
            yield cluster

    connection = Connection(start)
    try:
        ends = list(Engine(connection, Patience(no_worker_seconds=1)).run(abs, [-1, -2, -3]))
    finally:
        connection.close()
    assert sorted(end.result for end in ends) == [1, 2, 3]
    assert len(starts) == 2
