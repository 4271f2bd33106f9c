"""Faults a dataset must survive, at full size: mutated shards, hostile files, writers killed while they commit.

Run as ``python benchmarks/dataset_faults.py [mutations|hostile|kills]``; prints one line for each. Takes a few minutes.
"""

from __future__ import annotations

import argparse
import hashlib
import random
import resource
import sys
import tempfile
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

# The tests' samples, mutations and hostile files; at the end, so that the root's bare folders hide no library.
sys.path.append(str(Path(__file__).resolve().parents[1]))

from ionscreen.datasets import Dataset, DatasetError, repair, verify, write_shard
from ionscreen.datasets.manifest import ManifestEntry, read_manifest
from tests.datasets.samples import failed_sample, make_sample
from tests.datasets.test_damage import HOSTILE, forge, mutate
from tests.datasets.test_faults import NEW, OLD, PUBLISHING_CALL, assert_resumed, write
from tests.datasets.test_repair import contents, restore

SEED = 20240611


def require(holds: bool, what: str) -> None:
    """Stop the benchmark with what did not hold; unlike assert, under python -O too."""
    if not holds:
        raise SystemExit(f"seed {SEED}: this did not hold: {what}")


def small_dataset(folder: Path) -> list[bytes]:
    """Write two shards and return the bytes of the shards."""
    write_shard(folder, [make_sample(seed) for seed in range(4)])
    write_shard(folder, [make_sample(4), make_sample(5), failed_sample(6)])
    return [path.read_bytes() for path in sorted((folder / "shards").iterdir())]


def mutations(folder: Path, count: int = 1000) -> str:
    """Damage shards, `count` times in each way; all must be found, and repair and resume must restore every byte."""
    small_dataset(folder)
    wanted = [*(make_sample(number) for number in range(6)), failed_sample(6)]
    before, draw, found = contents(folder), random.Random(SEED), Counter[str]()
    for kind in ("truncate", "flip", "zero", "swap"):
        for _ in range(count):
            damage(folder, kind, draw)
            found[kind] += bool(verify(folder))
            repair(folder)
            restore(folder, wanted)
            require(contents(folder) == before, f"a repaired dataset equals the undisturbed one ({kind})")
    return f"mutated shards found and restored byte for byte: {dict(found)} of {count} each"


def damage(folder: Path, kind: str, draw: random.Random) -> None:
    """Damage one shard, or swap two."""
    files = sorted((folder / "shards").iterdir())
    if kind == "swap":
        first, second = (path.read_bytes() for path in files[:2])
        cut = draw.randrange(min(len(first), len(second)))  # tails swapped, up to whole files
        files[0].write_bytes(first[:cut] + second[cut:])
        files[1].write_bytes(second[:cut] + first[cut:])
    else:
        victim = draw.choice(files)
        victim.write_bytes(mutate(victim.read_bytes(), kind, draw))


def hostile(folder: Path, count: int = 10_000) -> str:
    """Mutate sound and hostile files whose hash agrees; each must be read or refused, in bounded memory."""
    outside = folder / "outside"
    outside.write_bytes(b"secret" * 1000)
    bases = []
    for number, (change, _) in enumerate([(lambda file, outside: None, ""), *HOSTILE.values()]):
        home = folder / str(number)
        small_dataset(home)
        entry = next(entry for entry in read_manifest(home) if len(entry.ids) == 4)
        forged = forge(home, entry, lambda file, change=change: change(file, outside))
        bases.append((forged.path(home).read_bytes(), entry))
    resource.setrlimit(resource.RLIMIT_AS, (4 << 30, 4 << 30))
    start, draw, ends = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, random.Random(SEED), Counter[str]()
    for _ in range(count):
        data, entry = draw.choice(bases)
        for _ in range(draw.randrange(1, 4)):
            data = mutate(data or b"\0", draw.choice(["truncate", "flip", "flip", "flip", "zero"]), draw)
        ends[read(folder / "target", data, entry)] += 1
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - start
    return f"{count} hostile files: {dict(ends)}, no crash, nothing read outside, memory grew by {grown / 1024:.0f} MiB"


def read(folder: Path, data: bytes, entry: ManifestEntry) -> str:
    """Read a forged shard and say how that ended."""
    digest = hashlib.blake2b(data, digest_size=32).hexdigest()
    changed = replace(entry, blake2b=digest)
    for name in ("shards", "manifest"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    changed.path(folder).write_bytes(data)
    changed.write(folder)
    try:
        samples = list(Dataset(folder).stream())
    except DatasetError:
        return "refused"
    finally:
        changed.path(folder).unlink()
    voxels = b"".join(sample.microstructure.phases.tobytes() for sample in samples if sample.microstructure)
    require(b"secret" not in voxels, "nothing outside the dataset is read")
    return "read"


def kills(folder: Path, count: int = 200) -> str:
    """Kill writers with SIGKILL at each call that reaches the disk; nothing may be lost or doubled."""
    for number in range(count):
        home, call = folder / str(number), number % 6 + 1
        write_shard(home, [make_sample(seed) for seed in OLD])
        with write(home, NEW, "--die", str(call)) as process:
            require(process.wait() == -9, "the writer dies where it was told to")
        require(verify(home) == [], "no finding after a kill")
        require(len(Dataset(home)) == (3 if call <= PUBLISHING_CALL else 6), "nothing lost or doubled by a kill")
        assert_resumed(home, [make_sample(seed) for seed in (*OLD, *NEW)])
    return f"{count} writers killed in 6 windows of the commit: 0 samples lost, 0 doubled"


def main() -> None:
    """Run one of them, or all."""
    faults: dict[str, Callable[[Path], str]] = {"mutations": mutations, "hostile": hostile, "kills": kills}
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("fault", nargs="*", choices=[*faults, []], help="which; all by default")
    for name in parser.parse_args().fault or faults:
        with tempfile.TemporaryDirectory() as folder:
            print(f"seed {SEED}: {faults[name](Path(folder))}", flush=True)


if __name__ == "__main__":
    main()
