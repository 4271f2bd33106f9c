"""docs/ipu.md says what is so: its commands run, its settings are accepted, its numbers are printed."""

import re
import shlex
from pathlib import Path

import pytest
import yaml

from ionscreen.surrogate.__main__ import _parser
from ionscreen.surrogate.run_config import training_config
from ionscreen.workflows.application import run
from ionscreen.workflows.results import CampaignResults

TEXT = (Path(__file__).resolve().parents[2] / "docs" / "ipu.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    """Return the fenced blocks of a language."""
    return re.findall(rf"```{language}\n(.*?)```", TEXT, flags=re.DOTALL)


def test_the_settings_are_accepted_and_print_the_numbers_shown() -> None:
    (block,) = blocks("yaml")
    config = training_config(yaml.safe_load(block))
    shown = next(text for text in blocks("text") if "samples per call" in text)
    assert config.batching.describe(300) == shown.strip()


def test_the_commands_of_the_host_exist() -> None:
    lines = [line for block in blocks("sh") for line in block.splitlines() if "ionscreen.surrogate" in line]
    assert {line.split()[3] for line in lines} == {"train", "evaluate", "compile", "predict"}
    for line in lines:
        _parser().parse_args(shlex.split(line)[3:])


def test_every_ionscreen_command_runs(
    network_run: CampaignResults, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    lines = [shlex.split(line) for block in blocks("console") for line in block.splitlines()]
    assert [line[1] for line in lines] == ["init", "run", "accelerator", "accelerator", "train", "accelerator"]
    (tmp_path / "study").mkdir()
    (tmp_path / "study" / "runs").mkdir()
    (tmp_path / "study" / "runs" / "demo").symlink_to(network_run.directory.path)
    for line in lines[2:]:
        campaign = str(network_run.directory.path.parent / "campaign.yaml")
        arguments = [campaign if word == "study/campaign.yaml" else word for word in line[1:]]
        extra = ["--shape", "24", "24", "24"] if line[2] in ("check", "plan") else []
        assert run([*arguments, *extra]) == 0, line
    output = capsys.readouterr().out
    assert "absent: ipu" in output
    assert (tmp_path / "plan.png").exists()
    assert (tmp_path / "study" / "training.json").exists()
