"""``ionscreen accelerator`` as a person types it."""

import json
from pathlib import Path

import pytest
import torch
import yaml

from ionscreen.surrogate import TrainingConfig
from ionscreen.surrogate.devices import IpuSettings
from ionscreen.workflows.application import run

SHAPE = ["--shape", "16", "16", "16"]

MODEL = """
import torch
from torch import nn

class Bad(nn.Linear):
    def forward(self, x, y=None):
        return torch.nan_to_num(super().forward(x))

def make():
    return Bad(3, 1), (torch.zeros(2, 3),)
"""


@pytest.fixture(scope="module")
def campaign(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("campaign")
    assert run(["init", str(folder)]) == 0
    return folder / "campaign.yaml"


def test_check_says_that_the_surrogate_is_ready(campaign: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["accelerator", "check", str(campaign), *SHAPE]) == 0
    output = capsys.readouterr().out
    assert "training: nothing found" in output
    assert "prediction: nothing found" in output


def test_check_names_the_operator_of_a_users_model(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "model.py").write_text(MODEL)
    assert run(["accelerator", "check", f"{tmp_path}/model.py:make", "--json"]) == 3
    found = json.loads(capsys.readouterr().out)
    assert found["ready"] is False
    assert "nan_to_num" in found["prediction"][0]["what"]


def test_plan_prints_a_block_that_a_configuration_accepts(
    campaign: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    figure = tmp_path / "plan.png"
    assert run(["accelerator", "plan", str(campaign), *SHAPE, "--plot", str(figure)]) == 0
    output = capsys.readouterr().out
    assert "modelled" in output
    assert figure.read_bytes().startswith(b"\x89PNG")
    block = yaml.safe_load(output[output.index("# The recommended") :])
    TrainingConfig(**{**block, "ipu": IpuSettings.from_dict(block["ipu"])})


def test_seven_billion_weights_need_32_ipus(capsys: pytest.CaptureFixture[str]) -> None:
    """13.5 GB of float16 over IPUs of 0.94 GB, 40 % of it headroom: 23.9 of them, and they come in powers of two."""
    model = f"{Path(__file__).parents[2]}/examples/llama_on_ipus.py:llama_2_7b"
    options = ["--machine", "bow", "--precision", "fp16", "--batch-size", "32"]
    assert run(["accelerator", "plan", model, *options]) == 2
    assert "add --predict" in capsys.readouterr().err
    assert run(["accelerator", "plan", model, *options, "--predict", "--ipus", "16"]) == 2
    assert "No plan on up to 16 IPUs fits" in capsys.readouterr().err
    assert run(["accelerator", "plan", model, *options, "--predict", "--ipus", "32", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert sum(layer["parameters"] for layer in found["layers"]) == pytest.approx(6.738e9, rel=1e-4)
    (plan,) = found["plans"]
    assert (plan["stages"], plan["least_device_iterations"], plan["device_iterations"]) == (32, 32, 32)
    assert plan["modelled_efficiency"] == 32 / (32 + 31)
    assert plan["modelled_memory_share"] <= 1


def test_plan_as_json_gives_layers_and_every_plan(campaign: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["accelerator", "plan", str(campaign), *SHAPE, "--json", "--machine", "bow", "--precision", "fp16"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["modelled"] is True
    assert {plan["machine"] for plan in found["plans"]} == {"bow"}
    assert sum(layer["flops"] for layer in found["layers"]) > 0


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["check", "nowhere"], "is no model"),
        (["check", "nowhere.py:make"], "cannot be read"),
        (["plan", "CAMPAIGN", "--machine", "mk1"], "gc200, bow or both"),
        (["plan", "CAMPAIGN", "--precision", "fp8"], "fp32 or fp16"),
        (["plan", "CAMPAIGN", *SHAPE, "--plot", "/nowhere/plan.png"], "cannot be written"),
    ],
    ids=str,
)
def test_wrong_input_is_one_sentence(
    arguments: list[str], sentence: str, campaign: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    filled = [str(campaign) if argument == "CAMPAIGN" else argument for argument in arguments]
    assert run(["accelerator", *filled]) == 2
    assert sentence in " ".join(capsys.readouterr().err.split())
    assert torch.is_grad_enabled()
