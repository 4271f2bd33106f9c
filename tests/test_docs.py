"""Every command and every program in the README runs."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tifffile
import yaml

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
CLUSTERS = (ROOT / "docs" / "clusters.md").read_text(encoding="utf-8")
EXECUTABLE = Path(sys.executable).with_name("ionscreen")


def blocks(language: str, page: str = README) -> list[str]:
    """Return the fenced blocks of a page in a language."""
    return re.findall(rf"```{language}\n(.*?)```", page, flags=re.DOTALL)


def commands(first_word: str, page: str = README) -> list[list[str]]:
    """Return a page's commands that begin with a word, without comments."""
    lines = [shlex.split(line.split("#")[0]) for block in blocks("console", page) for line in block.splitlines()]
    return [line for line in lines if line and line[0] == first_word]


def test_python_blocks_run() -> None:
    assert blocks("python")
    for program in blocks("python"):
        output = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True).stdout
        assert "S/m" in output


def test_make_targets_exist() -> None:
    assert commands("make")
    for command in commands("make"):
        subprocess.run([*command, "--dry-run"], cwd=ROOT, check=True, capture_output=True)


@pytest.mark.slow
def test_ionscreen_commands_run_in_order(tmp_path: Path) -> None:
    image = np.random.default_rng(662607).choice(3, size=(20, 20, 20), p=[0.6, 0.3, 0.1]).astype(np.uint8)
    tifffile.imwrite(tmp_path / "cathode.tif", image)
    assert [command[1] for command in commands("ionscreen")] == [
        "init",
        "run",
        "status",
        "solve",
        "screen",
        "generate",
        *["dataset"] * 5,
    ]
    for command in commands("ionscreen"):
        subprocess.run([EXECUTABLE, *command[1:]], cwd=tmp_path, check=True, capture_output=True)
        if command[1] == "init":
            make_small(tmp_path / "study" / "campaign.yaml")
    assert (tmp_path / "study" / "runs" / "demo" / "report.html").exists()
    assert (tmp_path / "separators.h5").exists()
    assert (tmp_path / "best.csv").exists()


def test_the_cluster_blocks_are_valid() -> None:
    from ionscreen.workflows.cluster_config import ClusterConfig

    found = [ClusterConfig(**yaml.safe_load(block)["cluster"]) for block in blocks("yaml", CLUSTERS)]
    assert [config.scheduler for config in found] == ["slurm", "address"]


def make_small(path: Path) -> None:
    """Shrink a campaign so that it runs in seconds."""
    config = yaml.safe_load(path.read_text(encoding="utf-8"))
    config["label"]["samples"] = 96
    config["train"]["epochs"] = 2
    config["candidates"]["samples"] = 64
    config["structure"]["shape"] = [32, 32, 32]
    path.write_text(yaml.safe_dump(config), encoding="utf-8")


@pytest.mark.slow
def test_the_example_campaign_is_valid(real_data: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from ionscreen.workflows.campaign import run_campaign
    from ionscreen.workflows.config import load_config

    monkeypatch.setenv("IONSCREEN_DATA", str(real_data))
    config = load_config(ROOT / "examples" / "tomography.yaml")
    smaller = config.label.model_copy(update={"samples": 60}), config.train.model_copy(update={"epochs": 2})
    config = config.model_copy(update={"label": smaller[0], "train": smaller[1], "run_directory": str(tmp_path)})
    results = run_campaign(config, ROOT / "examples")
    assert {p.family for p in results.ranked} == {"image"}
    assert len(results.ranked) == 5 * 6 * 6
    assert results.verification.median_error("top") < 0.2
