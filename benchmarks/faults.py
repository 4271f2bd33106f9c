"""Faults of workers, drivers, schedulers and disks, at random times: nothing is lost, nothing doubled, all bits equal.

Run: python benchmarks/faults.py [--kills 200] [--poison 60] [--rounds 200] [--seed N]
Those of files are in benchmarks/dataset_faults.py.
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
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import yaml

from ionscreen.datasets import CampaignError, Dataset, Recipe, Status
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
    "cluster": {"workers": 2, "samples_per_shard": 8},
}


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


def undisturbed(folder: Path, samples: int) -> str:
    """Return the digest of a dataset that nothing disturbed, labelled in this process alone."""
    from ionscreen.datasets import write_shard
    from ionscreen.datasets.manifest import create_folders
    from ionscreen.pipeline.labelling import compute_sample

    with steps_of(write_campaign(folder, samples)) as steps:
        create_folders(steps.directory.dataset)
        recipes = list(steps.training_design.recipes(0, samples))
        write_shard(steps.directory.dataset, [compute_sample(r, (steps.transport,), steps.settings) for r in recipes])
        return digest(steps.directory.dataset)


def ids_are_unique(folder: Path) -> bool:
    """Return whether no sample is there twice."""
    ids = [sample.id for sample in Dataset(folder)]
    return len(ids) == len(set(ids))


def require_complete(folder: Path, samples: int) -> None:
    """Fail, under ``python -O`` too, unless a dataset holds so many samples, none twice."""
    found = len(Dataset(folder))
    if found != samples or not ids_are_unique(folder):
        raise SystemExit(f"{folder} holds {found} samples instead of {samples}, or one of them twice.")


def worker_kills(folder: Path, samples: int, kills: int, draw: random.Random) -> tuple[str, int]:
    """Label while workers are killed at random, at most so many; return the dataset's digest and how many were."""
    done, count = threading.Event(), 0
    with steps_of(write_campaign(folder, samples)) as steps:

        def kill() -> None:
            nonlocal count
            while count < kills and not done.wait(draw.uniform(0.3, 1.2)):
                with suppress(Exception):
                    workers = list(steps.engine.connection.client().run(os.getpid).values())
                    if workers:
                        os.kill(draw.choice(workers), signal.SIGKILL)
                        count += 1

        steps.engine.connection.client()
        killer = threading.Thread(target=kill)
        killer.start()
        try:
            dataset = steps.label()
        finally:
            done.set()
            killer.join()
        require_complete(dataset.folder, samples)
        return digest(dataset.folder), count


def _poisoned(
    compute: Callable[..., BatchResult],
    poison: frozenset[str],
    plan: shards.ShardPlan,
    recipes: Sequence[Recipe],
    mark: Mark,
) -> BatchResult:
    """Run on a worker, which dies at some of the samples."""
    for place, recipe in enumerate(recipes):
        mark.begin(place)
        if recipe.id in poison:
            os.kill(os.getpid(), signal.SIGKILL)
    return compute(plan, recipes, mark)


def poisoned_samples(folder: Path, samples: int, poison: int, draw: random.Random) -> tuple[str, set[str], set[str]]:
    """Label while some samples kill their worker every time; return the digest of the others, the bad and the lost."""
    compute = shards._compute_shard
    with steps_of(write_campaign(folder, samples)) as steps:
        ids = [recipe.id for recipe in steps.training_design.recipes(0, samples)]
        bad = set(draw.sample(ids, poison))
        shards._compute_shard = functools.partial(_poisoned, compute, frozenset(bad))
        try:
            dataset = steps.label()
        finally:
            shards._compute_shard = compute
        labels = dataset.labels("ionic")
        lost = {str(i) for i, s in zip(labels["id"], labels["status"][:, 0], strict=True) if s == Status.WORKER_LOST}
        return digest(dataset.folder, tuple(bad)), bad, lost


def driver_kills(folder: Path, samples: int, rounds: int, draw: random.Random) -> tuple[str, int, int]:
    """Kill driver and workers at random, start again; return the digest, the kills, the shards computed again."""
    path, kills = write_campaign(folder, samples), 0
    place = folder / "run" / "dataset"
    command = [sys.executable, "-m", "ionscreen.workflows", "label", str(path)]
    known: dict[str, str] = {}
    recomputed = 0
    while kills < rounds:
        process = subprocess.Popen(
            command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
        )
        with suppress(subprocess.TimeoutExpired):
            process.wait(draw.uniform(2.0, 9.0))
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
    return digest(place), kills, recomputed


def scheduler_lost(folder: Path, samples: int) -> str:
    """Close the scheduler while it works; return the digest of what a new one finished."""
    with steps_of(write_campaign(folder, samples)) as steps:
        connection = steps.engine.connection
        connection.client()

        def lose() -> None:
            time.sleep(1.5)
            with suppress(Exception):
                connection.client().cluster.close(timeout=5)

        thief = threading.Thread(target=lose)
        thief.start()
        dataset = steps.label()
        thief.join()
        require_complete(dataset.folder, samples)
        return digest(dataset.folder)


def full_disk(folder: Path, samples: int) -> tuple[int, str, str]:
    """Let files grow to a few kilobytes only; return exit code and sentence, and the digest after resuming."""
    path = write_campaign(folder, samples)
    command = [sys.executable, "-m", "ionscreen.workflows", "label", str(path)]

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))

    said = subprocess.run(command, capture_output=True, text=True, check=False, preexec_fn=limit)
    subprocess.run(command, check=True, capture_output=True)
    return said.returncode, said.stderr.strip().splitlines()[-1], digest(folder / "run" / "dataset")


def second_driver(folder: Path) -> str:
    """Return what a second driver says of the first."""
    path = write_campaign(folder, 20)
    with steps_of(path):
        command = [sys.executable, "-m", "ionscreen.workflows", "label", str(path)]
        said = subprocess.run(command, capture_output=True, text=True, check=False)
        assert said.returncode == 1, said
        assert str(os.getpid()) in said.stderr, said
    return " ".join(said.stderr.split())


def main() -> None:
    """Print a row for each fault; fail if a bit differs."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--poison", type=int, default=60)
    parser.add_argument("--rounds", type=int, default=200)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(2**32))
    arguments = parser.parse_args()
    draw, wrong = random.Random(arguments.seed), []

    def row(fault: str, result: str, good: bool) -> None:
        print(f"| {fault} | {result} | {'yes' if good else 'NO'} |", flush=True)
        wrong.extend([] if good else [fault])

    print(f"seed {arguments.seed}\n\n| fault | result | as an undisturbed run |\n|---|---|---|")
    with tempfile.TemporaryDirectory() as name, ExitStack() as _:
        folder, samples = Path(name), max(96, 8 * arguments.kills)
        reference = undisturbed(folder / "reference", samples)
        found, kills = worker_kills(folder / "kills", samples, arguments.kills, draw)
        row("worker kill -9", f"{kills} kills, {samples} samples", found == reference)
        few = max(120, 3 * arguments.poison)
        few_digest = undisturbed(folder / "few", few)
        _, bad, lost = found_poison = poisoned_samples(folder / "poison", few, arguments.poison, draw)
        same = found_poison[0] == digest(folder / "few" / "run" / "dataset", tuple(bad))
        row("samples that kill their worker", f"{len(lost)} of {few} recorded worker_lost", same and lost == bad)
        found, kills, recomputed = driver_kills(folder / "driver", few, arguments.rounds, draw)
        row("driver kill -9, resume", f"{kills} kills, {recomputed} shards computed again", found == few_digest)
        row("scheduler lost", "rebuilt", scheduler_lost(folder / "scheduler", few) == few_digest)
        code, sentence, found = full_disk(folder / "disk", few)
        row("files may not grow", f"exit code {code}: {sentence}", found == few_digest and code == 1)
        row("second driver", second_driver(folder / "second"), True)
    if wrong:
        raise SystemExit(f"seed {arguments.seed}: {', '.join(wrong)}")


if __name__ == "__main__":
    try:
        main()
    except CampaignError as error:
        raise SystemExit(str(error)) from error
