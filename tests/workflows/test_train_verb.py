"""``ionscreen train``, and the configuration that it exports to hosts without workflows/."""

import json
from pathlib import Path

import pytest
import yaml

from ionscreen.datasets import InvalidInput
from ionscreen.surrogate import load_checkpoint
from ionscreen.surrogate.__main__ import main
from ionscreen.surrogate.run_config import RunConfig
from ionscreen.workflows.application import run
from ionscreen.workflows.config import load_config
from ionscreen.workflows.results import CampaignResults

from .conftest import write_small_campaign

NETWORK = {"model": "network"}


def test_an_exported_training_gives_the_campaigns_surrogate(
    network_run: CampaignResults, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    campaign = network_run.directory.path.parent / "campaign.yaml"
    exported = tmp_path / "training.json"
    assert run(["train", str(campaign), "--export-config", str(exported)]) == 0
    assert main(["train", "--config", str(exported)]) == 0
    assert "the effective batch" in capsys.readouterr().out
    mine = load_checkpoint(RunConfig.load(exported).output / "surrogate")
    theirs = load_checkpoint(network_run.directory.surrogate)
    assert mine.split_digest == theirs.split_digest
    assert mine.calibration == theirs.calibration
    assert {name: t.tolist() for name, t in mine.network.state_dict().items()} == {
        name: t.tolist() for name, t in theirs.network.state_dict().items()
    }


def test_train_says_how_good_the_surrogate_is(small_run: CampaignResults, capsys: pytest.CaptureFixture[str]) -> None:
    campaign = small_run.directory.path.parent / "campaign.yaml"
    assert run(["train", str(campaign)]) == 0
    assert f"Trained on {small_run.evaluation['trained_on']} structures" in capsys.readouterr().out


def test_a_regressor_is_not_exported(small_run: CampaignResults, capsys: pytest.CaptureFixture[str]) -> None:
    campaign = small_run.directory.path.parent / "campaign.yaml"
    assert run(["train", str(campaign), "--export-config", "training.json"]) == 2
    assert "--set train.model=network" in " ".join(capsys.readouterr().err.split())


def test_a_copied_folder_is_found(network_run: CampaignResults) -> None:
    """Written beside the run directory, the file names the dataset relative to itself."""
    folder = network_run.directory.path.parent
    assert run(["train", str(folder / "campaign.yaml"), "--export-config", str(folder / "training.json")]) == 0
    assert json.loads((folder / "training.json").read_text())["dataset"] == "run/dataset"


def test_nothing_labelled_is_a_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["train", str(write_small_campaign(tmp_path))]) == 1
    assert "start with 'ionscreen run'" in " ".join(capsys.readouterr().err.split())


@pytest.mark.parametrize(
    ("block", "sentence"),
    [
        ({**NETWORK, "device": "ipu", "ipu": {"stages": ["network.blocks.0"]}}, "2S - 1 = 3"),
        ({**NETWORK, "device": "ipu", "ipu": {"replicas": 3}, "batch_size": 15}, "need 3 IPUs"),
        ({**NETWORK, "gradient_accumulation": 3}, "multiple of 3"),
        ({**NETWORK, "device": "ipu", "ipu": {"stage": 2}}, "no field ipu.stage"),
        ({"device": "cuda"}, "add model: network"),
        ({"device": "tpu"}, "train.device"),
    ],
)
def test_a_campaign_that_the_device_would_refuse_is_refused_by_field(
    block: dict[str, object], sentence: str, tmp_path: Path
) -> None:
    path = write_small_campaign(tmp_path, train=block)
    with pytest.raises(InvalidInput, match=sentence):
        load_config(path)
    ipu = {"device": "ipu", "batch_size": 18, "gradient_accumulation": 3, "ipu": {"stages": ["network.blocks.0"]}}
    good = {**NETWORK, **ipu}
    config = load_config(write_small_campaign(tmp_path, train=good))
    assert config.train.network(5).ipu.stage_count == 2
    assert yaml.safe_load(path.read_text())["train"] == good
