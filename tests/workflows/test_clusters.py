"""Clusters that somebody else started."""

from pathlib import Path

import pytest

from ionscreen.datasets import CampaignError
from ionscreen.workflows.cluster import open_cluster
from ionscreen.workflows.cluster_config import ClusterConfig


def test_a_scheduler_that_is_not_there_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ionscreen.workflows.cluster.CONNECT_SECONDS", 1)
    config = ClusterConfig(scheduler="address", address="tcp://127.0.0.1:9")
    with (
        pytest.raises(CampaignError, match=r"No Dask scheduler answers at tcp://127\.0\.0\.1:9"),
        open_cluster(config, tmp_path, "x"),
    ):
        pass
