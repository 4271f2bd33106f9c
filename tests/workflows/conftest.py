"""A small campaign that every test of this folder shares."""

import shutil
from pathlib import Path

import pytest
import yaml

from ionscreen.workflows.campaign import run_campaign
from ionscreen.workflows.config import load_config
from ionscreen.workflows.results import CampaignResults

SEED = 271828


def write_small_campaign(folder: Path, **changes: object) -> Path:
    """Write a campaign of 24³ structures that runs in seconds."""
    config = {
        "name": "small campaign",
        "seed": SEED,
        "run_directory": "run",
        "structure": {"shape": [24, 24, 24], "voxel_size_um": 0.4},
        "families": [
            {"family": "blobs", "parameters": {"void_fraction": [0.3, 0.85], "blob_size_um": [1.2, 2.4]}},
            {"family": "sintered", "parameters": {"void_fraction": [0.1, 0.6], "pore_diameter_um": [2.4, 4.0]}},
            {"family": "composite_cathode", "parameters": {"particle_diameter_um": [3.2, 4.6]}},
        ],
        "transport": {"conductivity_S_per_m": {"electrolyte": 0.18, "active_material": 0.0, "void": 0.0}},
        "label": {"samples": 96},
        "train": {"epochs": 50},
        "candidates": {"samples": 150},
        "screen": {"verify_top": 8, "verify_random": 8},
        "cluster": {"workers": 2},
        **changes,
    }
    path = folder / "campaign.yaml"
    path.write_text(yaml.safe_dump(config), encoding="utf-8")
    return path


@pytest.fixture(scope="session")
def small_run(tmp_path_factory: pytest.TempPathFactory) -> CampaignResults:
    """Run the small campaign once."""
    folder = tmp_path_factory.mktemp("campaign")
    return run_campaign(load_config(write_small_campaign(folder)), folder)


@pytest.fixture(scope="session")
def network_run(small_run: CampaignResults, tmp_path_factory: pytest.TempPathFactory) -> CampaignResults:
    """Run the small campaign with the network, on the labels that are there."""
    folder = tmp_path_factory.mktemp("network")
    shutil.copytree(small_run.directory.dataset, folder / "run" / "dataset")
    train = {"model": "network", "epochs": 3}
    path = write_small_campaign(
        folder, train=train, candidates={"samples": 12}, screen={"verify_top": 2, "verify_random": 10}
    )
    return run_campaign(load_config(path), folder)
