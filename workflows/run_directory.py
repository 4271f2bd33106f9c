"""The run directory: where everything of one campaign lies."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from ..datasets import CampaignError
from ..datasets.durable_file import write_durably

__all__ = ["RunDirectory", "read_json"]


@dataclass(frozen=True)
class RunDirectory:
    """Names of what a campaign writes.

    Parameters
    ----------
    path
        The folder; created with mode 0700.
    """

    path: Path

    @property
    def config(self) -> Path:
        """The resolved configuration."""
        return self.path / "campaign.yaml"

    @property
    def dataset(self) -> Path:
        """The labelled structures."""
        return self.path / "dataset"

    @property
    def surrogate(self) -> Path:
        """The checkpoint."""
        return self.path / "surrogate"

    @property
    def training(self) -> Path:
        """The state of the training after its last epoch."""
        return self.path / "training"

    @property
    def evaluation(self) -> Path:
        """The surrogate's errors on held-out structures."""
        return self.path / "evaluation.json"

    @property
    def screening(self) -> Path:
        """Predictions, a file for each block of candidates."""
        return self.path / "screening"

    @property
    def ranking(self) -> Path:
        """All candidates, best first; beside it as Parquet, and the best as JSON."""
        return self.path / "ranking.csv"

    @property
    def rounds(self) -> Path:
        """What active learning proposed, round by round."""
        return self.path / "rounds.json"

    @property
    def maps(self) -> Path:
        """Maps of the local conductivity of the images whose windows are candidates."""
        return self.path / "maps"

    @property
    def verification(self) -> Path:
        """The dataset of the candidates that the solver checked."""
        return self.path / "verification"

    @property
    def winners(self) -> Path:
        """The best solved structures for ParaView, best first."""
        return self.path / "winners"

    @property
    def verified(self) -> Path:
        """Prediction against solver for these, as a table."""
        return self.path / "verified.csv"

    @property
    def timings(self) -> Path:
        """Seconds spent in each stage, summed over all starts."""
        return self.path / "timings.json"

    @property
    def log(self) -> Path:
        """What happened, a line of JSON for each event."""
        return self.path / "log.jsonl"

    def status_of(self, share: str = "") -> Path:
        """How far the running driver is, or the process with this share of the labels."""
        return self.path / (f"status-{share}.json" if share else "status.json")

    def statuses(self) -> list[Path]:
        """Return the states of all processes."""
        return sorted(self.path.glob("status*.json"))

    @property
    def jobs(self) -> Path:
        """Scripts and logs of batch jobs."""
        return self.path / "jobs"

    @property
    def marks(self) -> Path:
        """Where workers say which sample they are at."""
        return self.path / "marks"

    @property
    def report(self) -> Path:
        """The report."""
        return self.path / "report.html"

    def create(self) -> None:
        """Make the folder, readable by its owner only."""
        try:
            self.path.mkdir(parents=True, exist_ok=True, mode=0o700)
        except OSError as error:
            raise CampaignError(f"{self.path}: cannot be used as a run directory ({error.strerror}).") from error

    @contextmanager
    def locked(self, share: str = "") -> Iterator[None]:
        """Hold the folder for one driver, or one part of its labels for one process.

        Parameters
        ----------
        share
            Name of the part; empty for the driver.

        Raises
        ------
        CampaignError
            If another driver holds it; the sentence names its process.
        """
        suffix = f"-{share}" if share else ""
        owner = self.path / f"driver{suffix}.json"
        lock = FileLock(self.path / f".lock{suffix}")
        try:
            lock.acquire(timeout=0)
        except Timeout as error:
            raise CampaignError(
                f"{self.path} is in use by process {_owner_text(owner)}; "
                "wait for it, stop it, or choose another run_directory."
            ) from error
        try:
            write_durably(owner, json.dumps({"pid": os.getpid(), "host": os.uname().nodename}).encode())
            yield
        finally:
            owner.unlink(missing_ok=True)
            lock.release()

    def add_seconds(self, stage: str, seconds: float) -> None:
        """Add to the time of a stage."""
        timings = self.read_timings()
        timings[stage] = timings.get(stage, 0.0) + seconds
        write_durably(self.timings, json.dumps(timings, indent=1).encode())

    def read_timings(self) -> dict[str, float]:
        """Return stage -> seconds."""
        return read_json(self.timings) or {}


def read_json(path: Path) -> Any:
    """Return the JSON in a file, None if there is no such file or it is no JSON."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


def _owner_text(owner: Path) -> str:
    found = read_json(owner) or {}
    return f"{found.get('pid', 'unknown')} on {found.get('host', 'an unknown host')}"
