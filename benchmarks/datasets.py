"""The dataset format against plain HDF5, NPZ and (where installed) zarr; loaders; a dataset of 100,000 samples.

Run as ``python benchmarks/datasets.py``; prints the tables of docs/benchmarks.md. Takes about three minutes.
"""

from __future__ import annotations

import argparse
import importlib.util
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt
from scipy.ndimage import gaussian_filter

from ionscreen.datasets import (
    Dataset,
    Label,
    Microstructure,
    Recipe,
    Sample,
    ShuffledShards,
    Status,
    TrainingSamples,
    Transport,
    info,
    write_shard,
)
from ionscreen.datasets.packed_volumes import PackedVolumes

Volume = npt.NDArray[np.uint8]
SEED = 20240611
EDGE = 64
PER_SHARD = 32
TRANSPORT = Transport("ionic", {"void": 0.0, "electrolyte": 0.1})


def blob(rng: np.random.Generator, edge: int) -> Volume:
    """Return a periodic two-phase structure of 60 % electrolyte, features of a sixteenth of the edge and more."""
    field = gaussian_filter(rng.normal(size=(edge,) * 3), edge / 21, mode="wrap")
    return (field > np.quantile(field, 0.4)).astype(np.uint8)


def as_sample(phases: Volume, number: int) -> Sample:
    """Return a labelled sample of these voxels."""
    size = (4e-7, 4e-7, 4e-7)
    label = Label(TRANSPORT, sigma=np.full(3, 0.02), status=np.full(3, Status.OK, np.uint8))
    recipe = Recipe("blobs", {"porosity": 0.4}, phases.shape, size, number)
    structure = Microstructure(phases, ("void", "electrolyte"), size)
    return Sample(recipe, structure, {"ionic": label}, {"rtol": 1e-4})


@dataclass(frozen=True)
class Store:
    """A way to keep volumes: write all, read all in order, read one."""

    name: str
    write: Callable[[Path, Sequence[Volume]], Any]
    read_all: Callable[[Path], Iterator[Volume]]
    read_one: Callable[[Path, int], Volume]


def shards_write(path: Path, volumes: Sequence[Volume]) -> None:
    """Write shards as a campaign does."""
    for start in range(0, len(volumes), PER_SHARD):
        write_shard(path, [as_sample(v, n) for n, v in enumerate(volumes[start : start + PER_SHARD], start)])


def shards_one(path: Path, number: int) -> Volume:
    """Read the voxels of one sample from an open dataset."""
    dataset = OPEN.setdefault(str(path), Dataset(path))
    return voxels(dataset[number])


OPEN: dict[str, Any] = {}


def voxels(sample: Sample) -> Volume:
    """Return the voxels of a sample that has some."""
    if sample.microstructure is None:
        raise SystemExit(f"sample {sample.id} came back without its voxels")
    return sample.microstructure.phases


def cache_write(path: Path, volumes: Sequence[Volume]) -> None:
    """Write a training cache."""
    PackedVolumes.on_disk(path, lambda: volumes)


def cache_open(path: Path) -> PackedVolumes:
    """Open a training cache."""
    cache: PackedVolumes = OPEN.setdefault(str(path), PackedVolumes.on_disk(path, list))
    return cache


def hdf5_write(path: Path, volumes: Sequence[Volume]) -> None:
    """Write one array, one chunk for each volume, as most people would."""
    path.mkdir()
    with h5py.File(path / "all.h5", "w") as file:
        shape = (len(volumes), *volumes[0].shape)
        made = file.create_dataset("phases", shape, "u1", chunks=(1, *shape[1:]), compression="gzip")
        for number, volume in enumerate(volumes):
            made[number] = volume


def hdf5_all(path: Path) -> Iterator[Volume]:
    """Read all in order."""
    with h5py.File(path / "all.h5") as file:
        yield from file["phases"]


def hdf5_one(path: Path, number: int) -> Volume:
    """Read one from an open file."""
    if str(path) not in OPEN:
        OPEN[str(path)] = h5py.File(path / "all.h5")
    volume: Volume = OPEN[str(path)]["phases"][number]
    return volume


def npz_write(path: Path, volumes: Sequence[Volume]) -> None:
    """Write one file for each volume."""
    path.mkdir()
    for number, volume in enumerate(volumes):
        np.savez_compressed(path / f"{number}.npz", phases=volume)


def npz_one(path: Path, number: int) -> Volume:
    """Read one file."""
    with np.load(path / f"{number}.npz") as file:
        volume: Volume = file["phases"]
        return volume


def zarr_write(path: Path, volumes: Sequence[Volume]) -> None:
    """Write one array with zarr's default codecs, one chunk for each volume."""
    import zarr

    shape = (len(volumes), *volumes[0].shape)
    made = zarr.create_array(str(path), shape=shape, chunks=(1, *shape[1:]), dtype="uint8")
    for number, volume in enumerate(volumes):
        made[number] = volume


def zarr_one(path: Path, number: int) -> Volume:
    """Read one from an open array."""
    import zarr

    if str(path) not in OPEN:
        OPEN[str(path)] = zarr.open_array(str(path), mode="r")
    return np.asarray(OPEN[str(path)][number])


def one_by_one(read_one: Callable[[Path, int], Volume]) -> Callable[[Path], Iterator[Volume]]:
    """Return a function that reads all volumes one after another."""
    return lambda path: (read_one(path, number) for number in range(COUNT))


COUNT = 256
STORES = [
    Store("ionscreen shards", shards_write, lambda p: (voxels(s) for s in Dataset(p).stream()), shards_one),
    Store(
        "ionscreen training cache",
        cache_write,
        one_by_one(lambda p, n: cache_open(p)[n]),
        lambda p, n: cache_open(p)[n],
    ),
    Store("h5py, gzip", hdf5_write, hdf5_all, hdf5_one),
    Store("NPZ, compressed", npz_write, one_by_one(npz_one), npz_one),
]
if importlib.util.find_spec("zarr"):
    STORES.append(Store("zarr, defaults", zarr_write, one_by_one(zarr_one), zarr_one))


def seconds(action: Callable[[], Any], clock: Callable[[], float] = time.perf_counter) -> float:
    """Return the time of an action, by default by the clock on the wall."""
    start = clock()
    action()
    return clock() - start


REPEATS = 3


def best(action: Callable[[], Any], times: int = 0, clock: Callable[[], float] = time.perf_counter) -> float:
    """Return the shortest time of some."""
    return min(seconds(action, clock) for _ in range(times or REPEATS))


def compare_stores(folder: Path, volumes: Sequence[Volume], clock: Callable[[], float]) -> None:
    """Print a row for each store; by the processor's clock, zarr's threads add up."""
    order = list(range(len(volumes)))
    random.Random(SEED).shuffle(order)
    megabytes = sum(volume.nbytes for volume in volumes) / 1e6
    print(
        "| store | kB per volume | write, MB/s | read in order, MB/s | read one at random, ms |\n|---|---|---|---|---|"
    )
    for store in STORES:
        path = folder / store.name.replace(" ", "-")
        write = seconds(lambda store=store, path=path: store.write(path, volumes), clock)  # type: ignore[misc]
        size = sum(file.stat().st_size for file in path.rglob("*") if file.is_file()) / len(volumes) / 1e3
        if not all(np.array_equal(a, b) for a, b in zip(sorted_by_bytes(store.read_all(path)), SORTED, strict=True)):
            raise SystemExit(f"{store.name} gave back other voxels than were written")
        read = best(lambda store=store, path=path: [None for _ in store.read_all(path)], clock=clock)  # type: ignore[misc]
        one = best(lambda store=store, path=path: [store.read_one(path, n) for n in order], clock=clock)  # type: ignore[misc]
        print(
            f"| {store.name} | {size:.1f} | {megabytes / write:.0f} | {megabytes / read:.0f} "
            f"| {one / len(volumes) * 1e3:.3f} |",
            flush=True,
        )


SORTED: list[Volume] = []


def sorted_by_bytes(volumes: Iterator[Volume]) -> list[Volume]:
    """Return volumes in an order of their own, because stores have different ones."""
    return sorted(volumes, key=lambda volume: volume.tobytes())


def compare_loaders(folder: Path) -> None:
    """Print a row for each way to feed torch, after one epoch that warms the files' pages up."""
    from torch.utils.data import DataLoader

    dataset = Dataset(folder / "ionscreen-shards")
    print("\n| loader, batches of 16 | 0 workers, volumes/s | 1 worker | 2 workers |\n|---|---|---|---|")
    for name, cache in [("shards", None), ("cache in memory", "memory"), ("cache on disk", folder / "loader")]:
        samples = TrainingSamples(dataset, "ionic", cache)
        rates = []
        for workers in range(3):
            loader = DataLoader(
                samples, 16, sampler=ShuffledShards(samples), num_workers=workers, persistent_workers=workers > 0
            )
            for _ in loader:
                pass
            rates.append(len(samples) / best(lambda loader=loader: [None for _ in loader]))  # type: ignore[misc]
        print(f"| {name} | " + " | ".join(f"{rate:.0f}" for rate in rates) + " |", flush=True)


def measure_large(folder: Path, count: int) -> None:
    """Print how long the steps that do not depend on voxels take with very many samples."""
    path = folder / "large"
    rng = np.random.default_rng(SEED)
    small = [blob(rng, 16) for _ in range(16)]
    ids: list[str] = []

    def write() -> None:
        for start in range(0, count, 64):
            shard = [as_sample(small[n % 16], n) for n in range(start, min(start + 64, count))]
            ids.extend(sample.id for sample in shard)
            write_shard(path, shard)

    print(f"\n| {count} samples of 16³ | seconds |\n|---|---|\n| write, shards of 64 | {seconds(write):.1f} |")
    wanted = [*ids, *(f"{n:032x}" for n in range(1000))]
    print(f"| open | {best(lambda: Dataset(path)):.2f} |")
    print(f"| info | {best(lambda: info(path)):.2f} |")
    print(f"| resume scan: open, and what is missing | {best(lambda: Dataset(path).missing(wanted)):.2f} |")
    if len(Dataset(path).missing(wanted)) != 1000:
        raise SystemExit("the resume scan did not find the 1000 samples that are missing")
    print(f"| labels, first time in a process | {seconds(lambda: Dataset(path).labels('ionic')):.1f} |")
    print(f"| labels, again | {best(lambda: Dataset(path).labels('ionic'), 1):.1f} |", flush=True)
    measure_exports(path, folder)


def measure_exports(dataset: Path, folder: Path) -> None:
    """Print time and memory of each export that makes one file, of all samples and of a tenth of them."""
    print("\n| export | samples | seconds | peak memory beyond opening, MB | file, MB |\n|---|---|---|---|---|")
    for target in ("one.h5", "table.csv", "table.parquet", "one.npz", "all.xdmf"):
        for part in (10, 1):
            path = folder / f"{part}-{target}"
            command = [sys.executable, "-c", EXPORT, str(dataset), str(path), str(part)]
            done = subprocess.run(command, check=True, capture_output=True, text=True)
            print(f"| {path.suffix[1:]} | {done.stdout.strip()} | {path.stat().st_size / 1e6:.0f} |", flush=True)


# In a process of its own, whose peak is the export's.
EXPORT = """
import resource, sys, time
import pyarrow.parquet
from ionscreen.datasets import Dataset
from ionscreen.datasets.export_hdf5 import export_hdf5
from ionscreen.datasets.export_images import export_xdmf
from ionscreen.datasets.export_npz import export_npz
from ionscreen.datasets.export_table import export_table
writers = {"h5": export_hdf5, "csv": export_table, "parquet": export_table, "npz": export_npz, "xdmf": export_xdmf}
whole = Dataset(sys.argv[1])
part = whole[: len(whole) // int(sys.argv[3])]
megabytes = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3
before, began = megabytes(), time.perf_counter()
writers[sys.argv[2].rsplit(".", 1)[1]](part, sys.argv[2])
print(f"{len(part)} | {time.perf_counter() - began:.1f} | {megabytes() - before:.0f}")
"""


def main() -> None:
    """Print all tables."""
    global REPEATS
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--large", type=int, default=100_000, help="samples of the large dataset, 0 to leave it out")
    parser.add_argument(
        "--processor-time", action="store_true", help="time the stores by the processor's clock; for a busy machine"
    )
    parser.add_argument("--repeats", type=int, default=REPEATS, help="of which the shortest counts")
    options = parser.parse_args()
    REPEATS = options.repeats
    rng = np.random.default_rng(SEED)
    volumes = [blob(rng, EDGE) for _ in range(COUNT)]
    SORTED.extend(sorted_by_bytes(iter(volumes)))
    print(f"{COUNT} two-phase volumes of {EDGE}³, seed {SEED}; h5py {h5py.__version__}, numpy {np.__version__}\n")
    with tempfile.TemporaryDirectory() as folder:
        compare_stores(Path(folder), volumes, time.process_time if options.processor_time else time.perf_counter)
        compare_loaders(Path(folder))
        if options.large:
            measure_large(Path(folder), options.large)


if __name__ == "__main__":
    main()
