"""Shards: a sample that fails is recorded; where all fail, the workers are to blame, and nothing is."""

import pickle
import subprocess
import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

from ionscreen.datasets import CampaignError, Dataset, Recipe, Sample, Status, Transport
from ionscreen.pipeline.design import DesignOfExperiments, FamilyRange
from ionscreen.pipeline.labelling import LabelSettings, unlabelled
from ionscreen.workflows import shards
from ionscreen.workflows.execution import Finished
from ionscreen.workflows.monitor import Monitor
from ionscreen.workflows.progress import SilentProgress

RECIPES = list(
    DesignOfExperiments(
        families=[FamilyRange(family="blobs", parameters={"void_fraction": (0.3, 0.8)})],
        shape=(8, 8, 8),
        voxel_size=(4e-7, 4e-7, 4e-7),
        seed=662607,
        stream="training",
    ).recipes(0, 40)
)


class Here:
    """An engine without workers."""

    def run(self, function: Callable[[Any], Any], tasks: Iterable[Any], again: deque[Any]) -> Iterator[Finished[Any]]:
        waiting = iter(tasks)
        while (task := again.popleft() if again else next(waiting, None)) is not None:
            yield Finished(task, function(task), None)


class Lost(Monitor):
    """Keeps what it is told of lost samples."""

    def __init__(self) -> None:
        super().__init__()
        self.sentences: dict[str, str] = {}

    def lost(self, sample: str, sentence: str) -> None:
        self.sentences[sample] = sentence


def label(folder: Path, monkeypatch: pytest.MonkeyPatch, bad: set[str], monitor: Monitor) -> Dataset:
    """Label all recipes, of which some fail."""

    def or_fail(recipe: Recipe, transports: Any, settings: LabelSettings, _: object) -> Sample:
        if recipe.id in bad:
            raise ImportError("no module named solver.")
        return unlabelled(recipe, transports, settings, Status.NON_PERCOLATING, "not the solver's business here")

    monkeypatch.setattr(shards, "compute_sample", or_fail)
    plan = shards.ShardPlan(
        folder=folder / "dataset",
        marks=folder / "marks",
        transports=(Transport("ionic", {"electrolyte": 1.0, "void": 0.0}),),
        settings=LabelSettings(axes=(0,), rtol=1e-4),
        files={},
        samples_per_shard=8,
    )
    with SilentProgress().bar("", len(RECIPES)) as bar:
        return shards.label_recipes(Here(), iter(RECIPES), plan, bar, monitor)  # type: ignore[arg-type]


# Of the first two shards all but one, so that many fail before any is computed.
@pytest.mark.parametrize("bad", [{r.id for r in RECIPES[:15]}, {RECIPES[-1].id}, set()])
def test_samples_that_fail_are_recorded(bad: set[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monitor = Lost()
    dataset = label(tmp_path, monkeypatch, bad, monitor)
    assert sorted(dataset.ids) == sorted(r.id for r in RECIPES)
    labels = dataset.labels("ionic")
    failed = {
        str(i) for i, s in zip(labels["id"], labels["status"][:, 0], strict=True) if s == Status.INVALID_STRUCTURE
    }
    assert failed == bad == set(monitor.sentences)
    assert set(monitor.sentences.values()) <= {"Unexpected ImportError: no module named solver."}


def test_workers_on_which_everything_fails_end_the_campaign(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(
        CampaignError, match=r"first 16 samples failed.*no module named solver\. None of them is recorded"
    ):
        label(tmp_path, monkeypatch, {r.id for r in RECIPES}, Monitor())
    assert len(Dataset(tmp_path / "dataset")) == 0
    # Once the workers are in order, the same command goes on.
    monkeypatch.undo()
    assert len(label(tmp_path, monkeypatch, set(), Monitor())) == len(RECIPES)


def test_no_sample_is_begun_before_everything_is_loaded(tmp_path: Path) -> None:
    """Else a worker that is killed while it loads blames the sample, where loading is slow three times in a row."""
    script = f"""
import pickle, sys
from pathlib import Path
from ionscreen.workflows import shards

class Mark:
    def begin(self, place):
        print(place, "porespy" in sys.modules, bool(shards.warm_up.cache_info().currsize))

plan, recipes = pickle.loads(Path({str(tmp_path / "task")!r}).read_bytes())
shards.create_folders(plan.folder)
shards._compute_shard(plan, recipes, Mark())
"""
    transport = Transport("ionic", {"electrolyte": 0.18, "void": 0.0})
    plan = shards.ShardPlan(
        folder=tmp_path / "dataset",
        marks=tmp_path / "marks",
        transports=(transport,),
        settings=LabelSettings(),
        files={},
        samples_per_shard=8,
    )
    (tmp_path / "task").write_bytes(pickle.dumps((plan, RECIPES[:2])))
    command = [sys.executable, "-c", script]
    said = subprocess.run(command, check=True, capture_output=True, text=True, cwd=tmp_path).stdout
    assert said.splitlines() == ["0 True True", "1 True True", "-2 True True"]
