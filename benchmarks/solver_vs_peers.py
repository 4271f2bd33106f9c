"""ionscreen's solver and its peers on the same images: time, memory, and the error of σ_eff.

Run as ``make bench-peers``, which makes an environment for it, or ``python benchmarks/solver_vs_peers.py`` where the
peers are installed; those that are not are left out and named. Prints the tables of docs/benchmarks.md.

Every solve has a process of its own. It solves a small image first, ionscreen the image itself: imports and compiled
kernels are then in place. The clock runs from the image in memory to σ_eff: finding the percolating part, assembling,
set-up, solving. Tools take turns. The error is against an assembled system solved far below 1e-10 with the potential
fixed where the tool fixes it. Memory is the peak resident set beyond what the process held when the clock started,
image included.

Results are appended to a file as they come; run again to go on, or with other options to add to it; --table prints it.
"""

from __future__ import annotations

import argparse
import ctypes
import gc
import importlib.util
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from peer_solvers import PEERS, reference
from solver_images import IMAGES

ACCURATE = 1e-4
REPEATED_BELOW = 5.0  # seconds: what takes longer is run once


@dataclass(frozen=True)
class Job:
    """A tool with its setting on an image."""

    tool: str
    tolerance: float | None
    image: str
    edge: int
    threads: int

    @property
    def key(self) -> list[Any]:
        """What tells its results apart."""
        return [self.tool, self.tolerance, self.image, self.edge, self.threads]


class Results:
    """The file of results: one JSON object a line."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.rows = [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []

    def add(self, row: dict[str, Any]) -> None:
        """Append a result, on disk at once."""
        self.rows.append(row)
        with self._path.open("a") as file:
            file.write(json.dumps(row) + "\n")

    def forget(self, tools: list[str]) -> None:
        """Drop all results of some tools."""
        self.rows = [row for row in self.rows if row["key"][0] not in tools]
        self._path.write_text("".join(json.dumps(row) + "\n" for row in self.rows))

    def of(self, key: list[Any]) -> list[dict[str, Any]]:
        """Return the results of one job."""
        return [row for row in self.rows if row["key"] == key]


def main() -> None:
    """Run what the options ask for and is not there yet, then print the tables."""
    options = parsed()
    if options.child:
        return child(options.child, options.tolerance, options.tools[0])
    options.folder.mkdir(parents=True, exist_ok=True)
    results = Results(options.folder / "results.jsonl")
    results.forget(options.again)
    if not options.table:
        measure(options, results)
    for table in tables(results, options.threads):
        print("\n".join(table), end="\n\n")


def parsed() -> argparse.Namespace:
    """Return the command line's options."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", nargs="+", choices=IMAGES, default=list(IMAGES), help="which images")
    parser.add_argument("--edges", type=int, nargs="+", help="voxels along an edge, instead of each image's own")
    parser.add_argument("--tools", nargs="+", choices=PEERS, default=list(PEERS), help="which tools")
    parser.add_argument("--repeats", type=int, default=3, help="the median counts; slow runs are not repeated")
    parser.add_argument("--threads", type=int, default=os.cpu_count(), help="for every tool that has threads")
    parser.add_argument("--limit", type=float, default=900, help="seconds after which a run is given up")
    parser.add_argument("--folder", type=Path, default=Path("build/peers"), help="for images and results")
    parser.add_argument("--again", nargs="+", choices=PEERS, default=[], help="forget the results of these tools first")
    parser.add_argument("--fastest", action="store_true", help="of each tool only the setting that was fastest before")
    parser.add_argument("--table", action="store_true", help="run nothing, print what is there")
    parser.add_argument("--quick", action="store_true", help="small images, once: to see that it works")
    parser.add_argument("--child", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--tolerance", type=json.loads, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.quick:
        options.repeats, options.edges = 1, options.edges or [24]
        options.images = [name for name in options.images if name != "nmc"]
    return options


def measure(options: argparse.Namespace, results: Results) -> None:
    """Run the jobs in turns; say on standard error how far it is."""
    absent = [tool for tool in options.tools if importlib.util.find_spec(PEERS[tool].module) is None]
    if absent:
        print(f"not installed, left out: {', '.join(absent)}", file=sys.stderr)
    for name in options.images:
        own = IMAGES[name].edges
        for edge in own if own == (0,) else options.edges or own:
            phases = stored(options.folder, name, edge)
            tools = [t for t in options.tools if t not in absent and (two_phases(name) or not PEERS[t].binary)]
            settings = [(t, tol) for t in tools for tol in PEERS[t].tolerances]
            if options.fastest:
                settings = [each for each in settings if each in fastest(results, name, edge)]
            jobs = [Job(t, tol, name, edge, options.threads) for t, tol in settings]
            for ends in sorted({PEERS[t].ends_of(two_phases(name)) for t in tools}):
                truth(results, phases, name, edge, ends)
            for repeat in range(options.repeats):
                for job in jobs:
                    before = results.of(job.key)
                    slow = any(row.get("error") or row["seconds"] > REPEATED_BELOW for row in before)
                    if len(before) <= repeat and not slow:
                        results.add(run(job, phases, options.limit))


def fastest(results: Results, name: str, edge: int) -> set[tuple[str, float | None]]:
    """Return each tool's setting that was fastest on an image among those accurate enough, whatever the threads."""
    best: dict[str, dict[str, Any]] = {}
    for threads in {row["key"][4] for row in results.rows} - {None}:
        for row in medians(results, name, edge, threads):
            if row.get("error", 1) <= ACCURATE and row["seconds"] < best.get(row["tool"], row)["seconds"] + 1e-9:
                best[row["tool"]] = row
    return {(row["tool"], row["tolerance"]) for row in best.values()}


def two_phases(name: str) -> bool:
    """Return whether only one conductivity occurs besides 0."""
    return set(IMAGES[name].sigma.values()) <= {0.0, 1.0}


def stored(folder: Path, name: str, edge: int) -> Path:
    """Return the file of an image, made if it is not there."""
    path = folder / f"{name}-{edge}.npy"
    if not path.exists():
        np.save(path, IMAGES[name].make(edge))
    return path


def truth(results: Results, phases: Path, name: str, edge: int, ends: str) -> None:
    """See to it that the reference value is among the results."""
    key = ["reference", ends, name, edge, None]
    if not results.of(key):
        began = time.perf_counter()
        value = reference(np.load(phases), IMAGES[name].sigma, ends)
        results.add({"key": key, "sigma": value, "seconds": time.perf_counter() - began})


def run(job: Job, phases: Path, limit: float) -> dict[str, Any]:
    """Return the result of a job in a process of its own."""
    threads = str(job.threads)
    environment = {**os.environ, **dict.fromkeys(("OMP_NUM_THREADS", "NUMBA_NUM_THREADS", "MKL_NUM_THREADS"), threads)}
    command = [sys.executable, __file__, "--child", str(phases), "--tolerance", json.dumps(job.tolerance)]
    began = time.perf_counter()
    try:
        done = subprocess.run(
            [*command, "--tools", job.tool], env=environment, capture_output=True, text=True, timeout=limit, check=True
        )
        row = {"key": job.key, **json.loads(done.stdout.splitlines()[-1])}
    except subprocess.TimeoutExpired:
        row = {"key": job.key, "error": f"given up after {limit:.0f} s"}
    except subprocess.CalledProcessError as error:
        lines = error.stderr.splitlines() or [f"exit code {error.returncode}"]
        row = {"key": job.key, "error": lines[-1]}
    shown = row.get("error") or f"{row['seconds']:.3f} s"
    print(f"{' '.join(map(str, job.key))}: {shown} ({time.perf_counter() - began:.0f} s in all)", file=sys.stderr)
    return row


def child(path: Path, tolerance: float | None, tool: str) -> None:
    """Solve one image and print the result as JSON."""
    sigma = IMAGES[path.stem.rpartition("-")[0]].sigma
    phases = np.load(path)
    solve = PEERS[tool].solve
    columns = np.zeros((24, 24, 24), np.uint8)
    columns[:] = np.array(sorted(sigma), np.uint8)[np.arange(24) % len(sigma)]
    solve(phases if tool == "ionscreen" else columns, sigma, tolerance)
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)  # else what was freed just now would count as held
    Path("/proc/self/clear_refs").write_text("5")  # the peak starts here
    held = status("VmRSS") - phases.nbytes
    began = time.perf_counter()
    found, iterations = solve(phases, sigma, tolerance)
    seconds = time.perf_counter() - began
    memory = status("VmHWM") - held
    print(json.dumps({"sigma": found, "seconds": seconds, "memory": memory, "iterations": iterations}))


def status(field: str) -> int:
    """Return a field of what Linux knows of this process, in bytes."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return 1024 * next(int(line.split()[1]) for line in lines if line.startswith(field))


def tables(results: Results, threads: int) -> Iterator[list[str]]:
    """Yield the lines of each table: one for each image, then the comparison."""
    summary = [
        f"| image, {threads} threads | ionscreen, s | fastest peer to {ACCURATE:.0e} | its time, s | ratio |",
        "|---|---|---|---|---|",
    ]
    images = dict.fromkeys((row["key"][2], row["key"][3]) for row in results.rows)
    for name, edge in images:
        rows = list(medians(results, name, edge, threads))
        if not rows:
            continue
        title = f"{name}, {edge}³" if edge else name
        lines = [
            f"| {title} | setting | seconds (runs) | peak memory, MB | bytes a voxel | iterations | error |",
            "|" + "---|" * 7,
        ]
        yield lines + [row["line"] for row in rows]
        ours = [row["seconds"] for row in rows if row["tool"] == "ionscreen" and "seconds" in row]
        peers = [row for row in rows if row["tool"] != "ionscreen" and row.get("error", 1) <= ACCURATE]
        if ours and peers:
            best = min(peers, key=lambda row: row["seconds"])
            summary.append(
                f"| {title} | {ours[0]:.3f} | {best['tool']} {best['setting']} | {best['seconds']:.3f} "
                f"| {best['seconds'] / ours[0]:.1f} |"
            )
    yield summary


def medians(results: Results, name: str, edge: int, threads: int) -> Iterator[dict[str, Any]]:
    """Yield the summary of each tool's runs on an image, with its line of the table."""
    size = IMAGES[name].make(0).size if edge == 0 else edge**3
    for tool, peer in PEERS.items():
        for tolerance in peer.tolerances:
            runs = results.of([tool, tolerance, name, edge, threads])
            if not runs:
                continue
            setting = "default" if tolerance is None else f"{tolerance:.0e}"
            begin = f"| {tool}{'' if peer.threaded else ', 1 thread'} | {setting} | "
            done = [row for row in runs if "error" not in row]
            if not done:
                yield {"tool": tool, "line": f"{begin}{runs[0]['error']} | | | | |"}
                continue
            right = results.of(["reference", peer.ends_of(two_phases(name)), name, edge, None])[0]["sigma"]
            seconds, memory = (statistics.median(row[field] for row in done) for field in ("seconds", "memory"))
            error = done[-1]["sigma"] / right - 1
            iterations = "" if done[-1]["iterations"] is None else done[-1]["iterations"]
            yield {
                "tool": tool,
                "setting": setting,
                "tolerance": tolerance,
                "seconds": seconds,
                "error": abs(error),
                "line": f"{begin}{seconds:.3f} ({len(done)}) | {memory / 1e6:.0f} | {memory / size:.0f} "
                f"| {iterations} | {error:+.1e} |",
            }


if __name__ == "__main__":
    main()
