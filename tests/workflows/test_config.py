"""The configuration: one sentence for whatever is wrong with it, overrides, every field on request."""

import json
from pathlib import Path

import numpy as np
import pytest
import yaml

from ionscreen.datasets import InvalidInput
from ionscreen.workflows.application import run
from ionscreen.workflows.config import CampaignConfig, load_config

from ..programs import benchmark
from .conftest import write_small_campaign


def test_broken_campaigns_are_refused_by_field(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    seed = 16590072  # benchmarks/fuzzed_configs.py takes others
    outcome = benchmark("fuzzed_configs").fuzz(300, seed, tmp_path)
    assert outcome.tracebacks == [], seed
    assert outcome.unnamed == [], seed
    assert outcome.refused > 150, seed
    assert np.median(outcome.seconds) < 0.1, seed
    assert [path.name for path in tmp_path.rglob("*") if path.name != "campaign.yaml"] == []


@pytest.mark.parametrize(("text", "line"), [("name: x\ncolour: 1\n", 2), ("name: x\nlabel:\n  samples: -3\n", 3)])
def test_the_sentence_names_the_line(text: str, line: int, tmp_path: Path) -> None:
    (tmp_path / "campaign.yaml").write_text(
        text + "families: [{family: blobs}]\ntransport: {conductivity_S_per_m: {void: 1}}\n"
    )
    with pytest.raises(InvalidInput, match=f"line {line}:"):
        load_config(tmp_path / "campaign.yaml")


def test_what_grows_when_it_is_read_is_refused(tmp_path: Path) -> None:
    (tmp_path / "campaign.yaml").write_text("a: &a [1, 2]\nb: [*a, *a]\n")
    with pytest.raises(InvalidInput, match="anchors and aliases"):
        load_config(tmp_path / "campaign.yaml")


def test_fields_can_be_changed_from_outside(tmp_path: Path) -> None:
    path = write_small_campaign(tmp_path)
    changes = ["train.epochs=5", "families.1.weight=2.5", "structure.shape=[8, 9, 10]", "screen.objective=minimise"]
    config = load_config(path, changes)
    assert (config.train.epochs, config.families[1].weight) == (5, 2.5)
    assert (config.structure.shape, config.screen.objective) == ((8, 9, 10), "minimise")
    untouched = load_config(path)
    assert config.model_copy(update={}) != untouched
    assert config.label == untouched.label


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ("train.epochs=many", "--set train.epochs"),
        ("train.colour=1", "--set train.colour"),
        ("families.9.weight=1", "'9'"),
        ("name.first=x", "'first'"),
        ("train.epochs", "field.field=value"),
        ("=5", "field.field=value"),
        ("name=[", "not valid YAML"),
    ],
)
def test_bad_overrides_are_refused_by_name(change: str, named: str, tmp_path: Path) -> None:
    with pytest.raises(InvalidInput) as error:
        load_config(write_small_campaign(tmp_path), [change])
    assert named in str(error.value)


def test_a_rule_on_a_block_names_all_that_was_set_there(tmp_path: Path) -> None:
    changes = ["train.model=network", "train.device=ipu", "train.ipu.replicas=3"]
    with pytest.raises(InvalidInput, match=r"^--set train.model, train.device, train.ipu.replicas: .*powers"):
        load_config(write_small_campaign(tmp_path), changes)


def test_the_full_campaign_says_what_the_short_one_means(tmp_path: Path) -> None:
    assert run(["init", str(tmp_path / "short")]) == 0
    assert run(["init", str(tmp_path / "full"), "--full", "--schema"]) == 0
    short, full = (load_config(tmp_path / name / "campaign.yaml") for name in ("short", "full"))
    assert full == short
    written = yaml.safe_load((tmp_path / "full" / "campaign.yaml").read_text())
    assert set(written) == set(CampaignConfig.model_fields)
    assert written["cluster"]["job"]["walltime_minutes"] == 60


def test_the_schema_knows_every_field(tmp_path: Path) -> None:
    assert run(["init", str(tmp_path), "--schema"]) == 0
    assert (tmp_path / "campaign.yaml").read_text().startswith("# yaml-language-server: $schema=campaign.schema.json\n")
    schema = json.loads((tmp_path / "campaign.schema.json").read_text())
    assert set(schema["properties"]) == set(CampaignConfig.model_fields)
    assert schema["additionalProperties"] is False
    assert "walltime_minutes" in schema["$defs"]["JobConfig"]["properties"]
