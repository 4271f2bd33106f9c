"""Broken campaigns: each is refused in one sentence that names the field, before anything is allocated.

Run: python benchmarks/fuzzed_configs.py [--count 10000] [--seed N]
"""

from __future__ import annotations

import argparse
import random
import resource
import statistics
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from typing import Any

import yaml

from ionscreen.datasets import IonscreenError
from ionscreen.workflows.campaign import Campaign
from ionscreen.workflows.progress import SilentProgress
from ionscreen.workflows.resolution import load_campaign

HOSTILE: list[Any] = [
    None,
    True,
    -1,
    0,
    10**9,
    10**30,
    -0.5,
    1e308,
    float("nan"),
    float("inf"),
    "",
    "many",
    "../../etc/passwd",
    "a\x00b",
    "ключ",
    "x" * 5000,
    "!!python/object/apply:os.system [touch HACKED]",
    [],
    {},
    [1, 2, 3, 4, 5],
    [[[[[[]]]]]],
    {"a": {"b": 1}},
    [10**9, 10**9, 10**9],
    {"values": []},
]
TEXTS = [
    "a: &a [x, x]\nb: &b [*a, *a]\nc: &c [*b, *b]\n",
    "!!python/object/apply:os.system ['touch HACKED']\n",
    "name: !!python/name:os.system\n",
    "[" * 3000,
    "{a: " * 2000,
    "",
    "- 1\n- 2\n",
    "name: [unclosed",
    "\x00\x01\x02",
    "name: a\nname: b\n",
    "? [1, 2]\n: 3\n",
    "--- 1\n--- 2\n",
]


@dataclass
class Outcome:
    """What became of the broken campaigns.

    Parameters
    ----------
    refused, accepted
        How many; some mutations leave a valid campaign.
    unnamed
        Sentences in which the changed field does not occur.
    tracebacks
        Errors that are no sentence.
    seconds, slowest
        Of the processor for each; which took longest.
    """

    refused: int = 0
    accepted: int = 0
    unnamed: list[str] = field(default_factory=list)
    tracebacks: list[str] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    slowest: str = ""


def fuzz(count: int, seed: int, folder: Path) -> Outcome:
    """Break campaigns and try to open them."""
    draw, outcome = random.Random(seed), Outcome()
    path = folder / "campaign.yaml"
    for text, names in broken(draw, count):
        path.write_text(text, encoding="utf-8", errors="surrogatepass")
        began = time.process_time()
        try:
            config, directory = load_campaign(path)
            with ExitStack() as resources:
                Campaign(config.model_copy(update={"seed": 1}), directory, SilentProgress(), resources)
            outcome.accepted += 1
        except IonscreenError as error:
            outcome.refused += 1
            sentence = str(error)
            if "\n" in sentence or (names and not any(name in sentence for name in names)):
                outcome.unnamed.append(f"{names}: {sentence[:300]}")
        except Exception as error:
            outcome.tracebacks.append(f"{names}: {type(error).__name__}: {str(error)[:300]}")
        outcome.seconds.append(time.process_time() - began)
        if outcome.seconds[-1] == max(outcome.seconds):
            outcome.slowest = f"{names}: {text[:60]!r}"
    return outcome


def broken(draw: random.Random, count: int) -> Iterator[tuple[str, list[str]]]:
    """Yield campaigns as text, each with the names that a sentence about it may use; none if it is no YAML."""
    template = files("ionscreen.workflows").joinpath("templates/campaign.yaml").read_text(encoding="utf-8")
    for _ in range(count):
        kind = draw.random()
        if kind < 0.1:
            yield draw.choice(TEXTS), []
        elif kind < 0.2:
            place = draw.randrange(len(template))
            yield template[:place] + draw.choice("{}[]:&*!|>'\"%@`\t\x00 -") + template[place + 1 :], []
        else:
            data = yaml.safe_load(template)
            names = _mutate(draw, data)
            yield yaml.safe_dump(data, allow_unicode=True), names


def _mutate(draw: random.Random, data: dict[str, Any]) -> list[str]:
    """Change one field somewhere; return the names on the way to it."""
    inner: Any = data
    names: list[str] = []
    while True:
        key = draw.choice(list(inner) if isinstance(inner, dict) else range(len(inner)))
        names.append(str(key))
        if isinstance(inner[key], dict | list) and inner[key] and draw.random() < 0.8:
            inner = inner[key]
            continue
        break
    action = draw.random()
    if action < 0.2 and isinstance(inner, dict):
        del inner[key]
    elif action < 0.4 and isinstance(inner, dict):
        inner["surprise"] = inner.pop(key)
        names.append("surprise")
    else:
        inner[key] = draw.choice(HOSTILE)
    # A length that does not fit the voxels is told as such.
    return [
        name.removesuffix("_size_um") if name == "voxel_size_um" else name for name in names if not name.isdecimal()
    ]


def main() -> None:
    """Print the table; fail if a campaign broke more than itself."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=20261126)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        fuzz(20, 1, folder)  # imports
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        outcome = fuzz(arguments.count, arguments.seed, folder)
        grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
        executed = list(Path.cwd().glob("HACKED")) + list(folder.rglob("HACKED"))
    print(f"seed {arguments.seed}: {outcome.refused} refused, {outcome.accepted} valid")
    print(f"{len(outcome.tracebacks)} without a sentence, {len(outcome.unnamed)} that do not name the field")
    milliseconds = sorted(1000 * s for s in outcome.seconds)
    print(
        f"median {statistics.median(milliseconds):.1f} ms, 99 % {milliseconds[int(0.99 * len(milliseconds))]:.1f} ms, "
        f"longest {milliseconds[-1]:.1f} ms; memory +{grown / 1024:.0f} MiB"
    )
    print(f"longest: {outcome.slowest}")
    for line in [*outcome.tracebacks[:10], *outcome.unnamed[:10]]:
        print(" ", line)
    if outcome.tracebacks or outcome.unnamed or executed:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
