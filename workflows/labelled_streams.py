"""The structures that the pretrained surrogate learns from and is judged by: a recipe file -> labelled datasets."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import yaml
from pydantic import BaseModel, ConfigDict, Field

from ..datasets import Dataset, Recipe, Transport, write_shard
from ..pipeline.design import DesignOfExperiments, FamilyRange
from ..pipeline.labelling import LabelSettings, compute_sample

__all__ = ["LabelledStreams", "StreamsConfig", "TransportRange"]

SAMPLES_PER_SHARD = 16
# (low, high), drawn log-uniformly.
Range = float | tuple[float, float]


class _Block(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class TransportRange(_Block):
    """A transport with ranges.

    Conductivities are relative to the best phase (S/m if it has 1 S/m), resistances in units of the voxel's edge over
    the largest conductivity; the phases of a contact are separated by ``/``.
    """

    conductivity: dict[str, Range]
    interface_resistance: dict[str, Range] = {}
    grain_boundary_resistance: dict[str, Range] = {}

    def at(self, name: str, recipe: Recipe) -> Transport:
        """Return the transport of a structure: one draw for each range, from the recipe's id."""
        random = np.random.default_rng([recipe.random_seed, *name.encode()])
        conductivity = {phase: _draw(value, random) for phase, value in sorted(self.conductivity.items())}
        unit = recipe.voxel_size[0] / max(conductivity.values())
        contacts = {}
        for pair, value in sorted(self.interface_resistance.items()):
            one, other = pair.split("/")
            contacts[one, other] = _draw(value, random) * unit
        # One draw for all phases: a boundary of grains does not know which phase is stored on either side.
        shared = random.uniform()
        boundaries = {p: _between(v, shared) * unit for p, v in sorted(self.grain_boundary_resistance.items())}
        return Transport(name, conductivity, contacts, boundaries)


def _draw(value: Range, random: np.random.Generator) -> float:
    return _between(value, random.uniform()) if isinstance(value, tuple) else value


def _between(value: Range, place: float) -> float:
    if not isinstance(value, tuple):
        return value
    low, high = np.log(value)
    return float(f"{np.exp(low + place * (high - low)):.6g}")


class FamilySpec(_Block):
    """One family: ranges of its parameters and the transports that its structures are labelled for."""

    family: str
    weight: Annotated[float, Field(gt=0)] = 1.0
    parameters: dict[str, float | str | tuple[float, float]] = {}
    transports: dict[str, TransportRange]


class StreamSpec(_Block):
    """One set of structures: voxels along an edge, and how many structures."""

    edge: Annotated[int, Field(ge=16, le=512)]
    structures: Annotated[int, Field(ge=1)]


class StreamsConfig(_Block):
    """The recipe file."""

    seed: int
    voxel_size_um: float
    rtol: float = 1e-4
    streams: dict[str, StreamSpec]
    families: list[FamilySpec]

    @classmethod
    def load(cls, path: Path) -> StreamsConfig:
        """Return the content of a YAML file."""
        return cls.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))


@dataclass(frozen=True)
class LabelledStreams:
    """Datasets in a folder, one for each stream, made as far as they are needed.

    Parameters
    ----------
    config
        What is generated.
    folder
        Holds a dataset for each stream.
    """

    config: StreamsConfig
    folder: Path

    def dataset(self, stream: str) -> Dataset:
        """Return what is there of a stream."""
        return Dataset(self.folder / stream)

    def recipes(self, stream: str) -> list[tuple[Recipe, FamilySpec]]:
        """Return all recipes of a stream, each with its family."""
        spec = self.config.streams[stream]
        edge = float(f"{self.config.voxel_size_um * 1e-6:.12g}")
        families = [
            FamilyRange(family=f.family, parameters=f.parameters, weight=f.weight) for f in self.config.families
        ]
        design = DesignOfExperiments(
            families=families,
            shape=(spec.edge,) * 3,
            voxel_size=(edge,) * 3,
            seed=self.config.seed,
            stream=stream,
        )
        numbers = design.family_numbers(spec.structures)
        return [(r, self.config.families[k]) for r, k in zip(design.recipes(0, spec.structures), numbers, strict=True)]

    def compute(self, stream: str, advance: Callable[[int], None] = lambda _: None, processes: int = 1) -> Dataset:
        """Generate and label what the stream's dataset lacks and return it; run again after an interruption.

        Parameters
        ----------
        stream
            One of the recipe's.
        advance
            Told of every block of structures that is there.
        processes
            Other than this one; 1 computes in this process, with all threads that numba has.
        """
        dataset = Dataset.create(self.folder / stream)
        recipes = self.recipes(stream)
        missing = set(dataset.missing([recipe.id for recipe, _ in recipes]))
        blocks = [recipes[start : start + SAMPLES_PER_SHARD] for start in range(0, len(recipes), SAMPLES_PER_SHARD)]
        lacking = [block for block in blocks if any(recipe.id in missing for recipe, _ in block)]
        advance(len(recipes) - sum(map(len, lacking)))
        settings = LabelSettings(axes=(0, 1, 2), rtol=self.config.rtol)
        write = partial(_write_block, dataset.folder, settings)
        if processes == 1:
            for block in lacking:
                advance(write(block))
        else:
            with ProcessPoolExecutor(processes, get_context("spawn"), _one_thread) as pool:
                for count in pool.map(write, lacking):
                    advance(count)
        return Dataset(dataset.folder)


def _one_thread() -> None:
    import numba

    numba.set_num_threads(1)


def _write_block(folder: Path, settings: LabelSettings, block: list[tuple[Recipe, FamilySpec]]) -> int:
    """Write the shard of some recipes and return how many they are."""
    write_shard(folder, [_sample(recipe, family, settings) for recipe, family in block])
    return len(block)


def _sample(recipe: Recipe, family: FamilySpec, settings: LabelSettings) -> Any:
    transports = [ranges.at(name, recipe) for name, ranges in family.transports.items()]
    return compute_sample(recipe, transports, settings)
