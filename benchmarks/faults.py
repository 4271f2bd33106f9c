"""Faults of workers, drivers, schedulers and disks, at random times: nothing is lost, nothing doubled, all bits equal.

Run: python benchmarks/faults.py [--kills 200] [--poison 60] [--rounds 200] [--seed N] [--only NAME ...]
Those of files are in benchmarks/dataset_faults.py, of configurations in benchmarks/fuzzed_configs.py, of SLURM in
tests/workflows/test_slurm.py.
"""

from __future__ import annotations

import argparse
import functools
import hashlib
import os
import random
import resource
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from ionscreen.datasets import CampaignError, Dataset, Recipe, Sample, Status
from ionscreen.workflows import shards
from ionscreen.workflows.batches import BatchResult, Mark
from ionscreen.workflows.campaign import Campaign, opened
from ionscreen.workflows.resolution import load_campaign

CAMPAIGN = {
    "name": "faults",
    "seed": 1618033,
    "run_directory": "run",
    "structure": {"shape": [24, 24, 24], "voxel_size_um": 0.4},
    "families": [
        {"family": "blobs", "parameters": {"void_fraction": [0.3, 0.8], "blob_size_um": [1.2, 2.4]}},
        {"family": "sintered", "parameters": {"void_fraction": [0.1, 0.6], "pore_diameter_um": [2.4, 4.0]}},
    ],
    "transport": {"conductivity_S_per_m": {"electrolyte": 0.18, "void": 0.0}},
    "cluster": {"workers": 2, "samples_per_shard": 8, "memory_limit_GB": 2},
}
PATIENCE_SECONDS = 60


@dataclass(frozen=True)
class Outcome:
    """What came of a fault: a few words, and whether the dataset is that of an undisturbed run."""

    text: str
    good: bool


def write_campaign(folder: Path, samples: int) -> Path:
    """Write the campaign whose labels are disturbed."""
    folder.mkdir(parents=True)
    path = folder / "campaign.yaml"
    path.write_text(yaml.safe_dump({**CAMPAIGN, "label": {"samples": samples}}), encoding="utf-8")
    return path


@contextmanager
def steps_of(path: Path) -> Iterator[Campaign]:
    """Yield the opened campaign."""
    with opened(load_campaign(path)[0]) as steps:
        yield steps


def digest(folder: Path, leave_out: Sequence[str] = ()) -> str:
    """Return a digest of every bit of a dataset that does not depend on the clock."""
    found = hashlib.blake2b(digest_size=16)
    for sample in sorted(Dataset(folder), key=lambda sample: sample.id):
        if sample.id in leave_out:
            continue
        found.update(sample.id.encode())
        if sample.microstructure is not None:
            found.update(sample.microstructure.phases.tobytes())
        for name, label in sorted(sample.labels.items()):
            found.update(name.encode())
            for part in (label.sigma, label.upper_bound, label.error_estimate, label.status, label.iterations):
                found.update(part.tobytes())
            if label.connected is not None:
                found.update(label.connected.tobytes())
    return found.hexdigest()


def undisturbed(folder: Path, samples: int) -> Path:
    """Return a dataset that nothing disturbed, labelled in this process alone."""
    from ionscreen.datasets import write_shard
    from ionscreen.datasets.manifest import create_folders
    from ionscreen.pipeline.labelling import compute_sample

    with steps_of(write_campaign(folder, samples)) as steps:
        create_folders(steps.directory.dataset)
        recipes = list(steps.training_design.recipes(0, samples))
        write_shard(steps.directory.dataset, [compute_sample(r, steps.transports, steps.settings) for r in recipes])
        return steps.directory.dataset


def require_complete(folder: Path, samples: int) -> None:
    """Fail, under ``python -O`` too, unless a dataset holds so many samples, none twice."""
    ids = [sample.id for sample in Dataset(folder)]
    if len(ids) != samples or len(set(ids)) != samples:
        raise SystemExit(f"{folder} holds {len(ids)} samples, {len(set(ids))} different ones, instead of {samples}.")


def shards_in(dataset: Path) -> int:
    """Return how many shards are there."""
    return sum(1 for _ in (dataset / "manifest").glob("*.json"))


def await_shard(dataset: Path, stop: Callable[[], object]) -> None:
    """Wait until there is one shard more than now, or it is time to stop."""
    before, end = shards_in(dataset), time.monotonic() + PATIENCE_SECONDS
    while shards_in(dataset) <= before and time.monotonic() < end and not stop():
        time.sleep(0.02)


def worker_pids(steps: Campaign) -> list[int]:
    """Return the processes of the local cluster's workers."""
    nannies = list(steps.engine.connection.client().cluster.workers.values())
    return [nanny.pid for nanny in nannies if nanny.pid]


def kill_workers(steps: Campaign, draw: random.Random, everyone: bool = False) -> int:
    """Kill a worker, or all at once; return how many."""
    pids = worker_pids(steps)
    killed = 0
    for pid in pids if everyone else draw.sample(pids, min(1, len(pids))):
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
            killed += 1
    return killed


@contextmanager
def disturbed(steps: Campaign, disturb: Callable[[], None], pause: Callable[[], float], times: int) -> Iterator[None]:
    """Disturb so many times while the context lasts: each time after a shard more is there, and a random pause."""
    done = threading.Event()

    def run() -> None:
        for _ in range(times):
            await_shard(steps.directory.dataset, done.is_set)
            if done.wait(pause()):
                return
            # A cluster that is being lost or rebuilt cannot be asked for its workers.
            with suppress(Exception):
                disturb()

    steps.engine.connection.client()
    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


def worker_kills(folder: Path, samples: int, kills: int, draw: random.Random) -> tuple[Path, int]:
    """Label while workers are killed at random, at most so many; return the dataset and how many were."""
    count = 0
    with steps_of(write_campaign(folder, samples)) as steps:

        def kill() -> None:
            nonlocal count
            # Now and then all at once, as when a node is lost.
            count += kill_workers(steps, draw, everyone=draw.random() < 0.1)

        with disturbed(steps, kill, lambda: draw.uniform(0.0, 0.3), kills):
            dataset = steps.label()
    require_complete(dataset.folder, samples)
    return dataset.folder, count


def _poisoned(
    compute: Callable[..., BatchResult],
    poison: frozenset[str],
    how: Callable[[], None],
    plan: shards.ShardPlan,
    recipes: Sequence[Recipe],
    mark: Mark,
) -> BatchResult:
    """Run on a worker, to which some of the samples do something bad."""
    # Of the function as it came here: its module's are another copy.
    names = compute.__globals__
    healthy = names["compute_sample"]

    def poisonous(recipe: Recipe, *arguments: Any) -> Sample:
        if recipe.id in poison:
            how()
        return healthy(recipe, *arguments)

    names["compute_sample"] = poisonous
    try:
        return compute(plan, recipes, mark)
    finally:
        names["compute_sample"] = healthy


def die() -> None:
    """End this process at once."""
    os.kill(os.getpid(), signal.SIGKILL)


def swell() -> None:
    """Take memory, and more of it, beyond the worker's limit."""
    held = []
    for _ in range(200):
        held.append(np.ones(4_000_000))  # 32 MB
        time.sleep(0.02)


@contextmanager
def poison_in(steps: Campaign, samples: int, count: int, how: Callable[[], None], draw: random.Random) -> Iterator[set]:
    """Let so many of the samples do something bad to their worker while the context lasts; yield their ids."""
    compute = shards._compute_shard
    ids = [recipe.id for recipe in steps.training_design.recipes(0, samples)]
    bad = set(draw.sample(ids, count))
    shards._compute_shard = functools.partial(_poisoned, compute, frozenset(bad), how)
    try:
        yield bad
    finally:
        shards._compute_shard = compute


def lost_in(folder: Path) -> set[str]:
    """Return the ids of the samples that were recorded as lost."""
    labels = Dataset(folder).labels("ionic")
    found = zip(labels["id"], labels["status"][:, 0], strict=True)
    return {str(sample) for sample, status in found if status == Status.WORKER_LOST}


def poisoned_samples(
    folder: Path, samples: int, poison: int, how: Callable[[], None], draw: random.Random
) -> tuple[Path, set[str]]:
    """Label while some samples end their worker every time; return the dataset and their ids."""
    with (
        steps_of(write_campaign(folder, samples)) as steps,
        poison_in(steps, samples, poison, how, draw) as bad,
    ):
        dataset = steps.label()
    require_complete(dataset.folder, samples)
    return dataset.folder, bad


def scheduler_lost(folder: Path, samples: int, draw: random.Random) -> Path:
    """Close the scheduler while it works; return what a new one finished."""
    with steps_of(write_campaign(folder, samples)) as steps:
        connection = steps.engine.connection
        with disturbed(
            steps, lambda: connection.client().cluster.close(timeout=5), lambda: draw.uniform(0.0, 0.3), times=1
        ):
            dataset = steps.label()
    require_complete(dataset.folder, samples)
    return dataset.folder


def everything_at_once(folder: Path, samples: int, draw: random.Random) -> tuple[Path, set[str], str]:
    """Kill workers, lose the scheduler and have samples that kill; return the dataset, these samples, and what was."""
    events: list[str] = []
    with (
        steps_of(write_campaign(folder, samples)) as steps,
        poison_in(steps, samples, 1, die, draw) as bad,
    ):

        def disturb() -> None:
            events.append(draw.choice(["worker", "workers"]) if "scheduler" in events else "scheduler")
            if events[-1] == "scheduler":
                steps.engine.connection.client().cluster.close(timeout=5)
            else:
                kill_workers(steps, draw, everyone=events[-1] == "workers")

        with disturbed(steps, disturb, lambda: draw.uniform(0.0, 0.3), times=3):
            dataset = steps.label()
    require_complete(dataset.folder, samples)
    return dataset.folder, bad, ", ".join(events)


def driver_kills(folder: Path, samples: int, rounds: int, draw: random.Random) -> tuple[Path, int, int]:
    """Kill driver and workers at random, start again; return the dataset, the kills, the shards computed again."""
    path, kills, recomputed = write_campaign(folder, samples), 0, 0
    place = folder / "run" / "dataset"
    command = [sys.executable, "-m", "ionscreen.workflows", "label", str(path)]
    known: dict[str, str] = {}
    while kills < rounds:
        process = subprocess.Popen(
            command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
        )
        # Mostly while it writes shards, now and then while it starts.
        if draw.random() < 0.8:
            await_shard(place, lambda process=process: process.poll() is not None)
            time.sleep(draw.uniform(0.0, 0.2))
        else:
            time.sleep(draw.uniform(0.0, 4.0))
        finished = process.poll() is not None
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        entries = {p.name: hashlib.blake2b(p.read_bytes()).hexdigest() for p in (place / "manifest").glob("*.json")}
        # Whatever was there must be there still, byte for byte: computed again, its wall times would differ.
        recomputed += sum(entries.get(name) != value for name, value in known.items())
        known = entries
        kills += not finished
        if finished:
            break
    subprocess.run(command, check=True, capture_output=True)
    require_complete(place, samples)
    return place, kills, recomputed


def full_disk(folder: Path, samples: int) -> tuple[int, str, Path]:
    """Let files grow to a few kilobytes only; return exit code and sentence, and what a second start completed."""
    path = write_campaign(folder, samples)
    command = [sys.executable, "-m", "ionscreen.workflows", "label", str(path)]

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))

    said = subprocess.run(command, capture_output=True, text=True, check=False, preexec_fn=limit)
    subprocess.run(command, check=True, capture_output=True)
    return said.returncode, " ".join(said.stderr.split("Error:")[-1].split()), folder / "run" / "dataset"


def second_driver(folder: Path) -> tuple[int, str]:
    """Return exit code and sentence of a second driver in the run directory of this process."""
    path = write_campaign(folder, 20)
    with steps_of(path):
        command = [sys.executable, "-m", "ionscreen.workflows", "label", str(path)]
        said = subprocess.run(command, capture_output=True, text=True, check=False)
    return said.returncode, " ".join(said.stderr.split())


class Faults:
    """The rows of the table; each returns what came of it."""

    def __init__(self, folder: Path, arguments: argparse.Namespace, draw: random.Random) -> None:
        self.folder, self.arguments, self.draw = folder, arguments, draw
        self._references: dict[int, Path] = {}

    def reference(self, samples: int, leave_out: set[str] | None = None) -> str:
        """Return the digest of the dataset that nothing disturbed."""
        if samples not in self._references:
            self._references[samples] = undisturbed(self.folder / f"reference {samples}", samples)
        return digest(self._references[samples], tuple(leave_out or ()))

    def workers(self) -> Outcome:
        """Lose workers, and now and then all of them."""
        samples = 16 * self.arguments.kills
        found, kills = worker_kills(self.folder / "workers", samples, self.arguments.kills, self.draw)
        text = f"{kills} workers killed, {len(lost_in(found))} of {samples} samples recorded as lost"
        return Outcome(text, digest(found) == self.reference(samples))

    def poison(self) -> Outcome:
        """Have samples that kill their worker every time."""
        samples, poison = max(24, 3 * self.arguments.poison), self.arguments.poison
        found, bad = poisoned_samples(self.folder / "poison", samples, poison, die, self.draw)
        good = lost_in(found) == bad and digest(found, tuple(bad)) == self.reference(samples, bad)
        return Outcome(f"{poison} of {samples} recorded worker_lost, the others complete", good)

    def memory(self) -> Outcome:
        """Have samples that need more memory than a worker has."""
        found, bad = poisoned_samples(self.folder / "memory", 48, 2, swell, self.draw)
        good = lost_in(found) == bad and digest(found, tuple(bad)) == self.reference(48, bad)
        return Outcome("2 of 48 recorded worker_lost, the others complete", good)

    def driver(self) -> Outcome:
        """Lose the driver with its workers, and resume."""
        samples = 16 * self.arguments.rounds
        found, kills, again = driver_kills(self.folder / "driver", samples, self.arguments.rounds, self.draw)
        same = digest(found) == self.reference(samples)
        return Outcome(f"{kills} kills, {again} finished shards computed again", same and not again)

    def scheduler(self) -> Outcome:
        """Lose the scheduler."""
        found = scheduler_lost(self.folder / "scheduler", 240, self.draw)
        return Outcome("a new one finished the work", digest(found) == self.reference(240))

    def everything(self) -> Outcome:
        """Lose the scheduler, then workers, with a sample that kills."""
        found, bad, events = everything_at_once(self.folder / "everything", 240, self.draw)
        good = lost_in(found) == bad and digest(found, tuple(bad)) == self.reference(240, bad)
        return Outcome(f"lost: {events}; 1 sample recorded worker_lost", good)

    def disk(self) -> Outcome:
        """Let files not grow beyond 20 kB, then resume."""
        code, sentence, found = full_disk(self.folder / "disk", 48)
        return Outcome(f"exit code {code}: {sentence}", digest(found) == self.reference(48) and code == 1)

    def second(self) -> Outcome:
        """Start a second driver in the same run directory."""
        code, sentence = second_driver(self.folder / "second")
        return Outcome(f"exit code {code}: {sentence}", code == 1 and f"process {os.getpid()}" in sentence)


ROWS = {
    "workers": "worker kill -9",
    "poison": "samples that kill their worker",
    "memory": "samples beyond the memory limit",
    "driver": "driver and workers kill -9, resume",
    "scheduler": "scheduler lost",
    "everything": "everything at once",
    "disk": "files may not grow",
    "second": "second driver",
}


def main() -> None:
    """Print a row for each fault; fail if a bit differs."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--poison", type=int, default=60)
    parser.add_argument("--rounds", type=int, default=200)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(2**32))
    parser.add_argument("--only", nargs="+", choices=ROWS, default=list(ROWS), metavar="NAME", help=", ".join(ROWS))
    arguments = parser.parse_args()
    draw, wrong = random.Random(arguments.seed), []
    print(f"seed {arguments.seed}\n\n| fault | result | as an undisturbed run | seconds |\n|---|---|---|---|")
    with tempfile.TemporaryDirectory() as name:
        faults = Faults(Path(name), arguments, draw)
        for row in arguments.only:
            began = time.perf_counter()
            outcome = getattr(faults, row)()
            spent = time.perf_counter() - began
            print(f"| {ROWS[row]} | {outcome.text} | {'yes' if outcome.good else 'NO'} | {spent:.0f} |", flush=True)
            wrong.extend([] if outcome.good else [row])
    if wrong:
        raise SystemExit(f"seed {arguments.seed}: {', '.join(wrong)}")


if __name__ == "__main__":
    try:
        main()
    except CampaignError as error:
        raise SystemExit(str(error)) from error
