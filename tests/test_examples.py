"""Every example runs as its first lines say."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"


def run(name: str, *arguments: object) -> list[str]:
    """Run an example and return the lines it prints."""
    command = [sys.executable, "-W", "error::RuntimeWarning", EXAMPLES / name, *map(str, arguments)]
    done = subprocess.run(command, check=True, capture_output=True, text=True, env=os.environ | {"PYTHONPATH": ""})
    return done.stdout.splitlines()


def test_effective_conductivity() -> None:
    lines = run("effective_conductivity.py")
    assert [line[0] for line in lines] == ["x", "y", "z"]
    # Site percolation at 0.7: about a third of the bulk's 0.18 S/m, the same along each axis.
    assert all(0.05 < float(line.split()[1]) < 0.08 for line in lines)


def test_window_map(tmp_path: Path) -> None:
    lines = run("window_map.py")
    means = [float(line.split(":")[1].split()[0]) for line in lines]
    assert len(means) == 5
    assert means[0] > 2 * means[-1]  # denser towards its end
    np.save(tmp_path / "image.npy", (np.random.default_rng(3).random((36, 24, 24)) < 0.3).astype(np.uint8))
    assert len(run("window_map.py", tmp_path / "image.npy", tmp_path / "out")) == 2
    assert {path.suffix for path in (tmp_path / "out").iterdir()} == {".npz", ".vtr"}


@pytest.mark.slow
def test_train_on_own_dataset(tmp_path: Path) -> None:
    (line,) = run("train_on_own_dataset.py", tmp_path)
    assert float(line.split("median error ")[1].split("%")[0]) < 10
    assert (tmp_path / "surrogate" / "model.safetensors").exists()


@pytest.mark.slow
def test_screen_folder() -> None:
    lines = run("screen_folder.py")
    assert len(lines) == 12
    assert "scan-11.tif" in lines[0]  # the one with the most electrolyte
    assert sum("solved" in line for line in lines) == 8
