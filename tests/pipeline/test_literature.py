"""The comparison with the literature runs, and its numbers have the order that physics asks for."""

import importlib.util
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from ionscreen.pipeline.percolation import percolating_mask

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def literature() -> ModuleType:
    spec = importlib.util.spec_from_file_location("literature", ROOT / "benchmarks" / "literature.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_a_small_comparison_prints_its_rows_and_draws(
    literature: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    literature.main(["--edge", "26", "--count", "1", "--figure", str(tmp_path / "figure.png")])
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith("|")]
    compared = [line.split("|")[1:-1] for line in lines if " 2021 " in line or " 2025 " in line]
    assert len(compared) == 9
    for row in compared:
        matrix, particles, once, tenfold = map(float, row[4:8])
        # Gaps between particles are on the way where voids of a matrix are beside it; contacts only add resistance.
        assert 0 <= tenfold <= once <= particles <= 1.2 * matrix < 1
    assert [float(row[4]) for row in compared[:5]] == sorted((float(row[4]) for row in compared[:5]), reverse=True)
    assert (tmp_path / "figure.png").stat().st_size > 10_000


def test_a_threshold_is_where_active_material_spans_the_box(literature: ModuleType) -> None:
    """Just above it half of the material does, just below it less."""
    found = literature.threshold(2.4, 32, 0)
    joined = []
    for active in (found - 0.02, found + 0.02):
        made = literature.cathode(active, 0.9 - active, 32, 0, particle_um=2.4, grain_um=0.0)
        mask = made.phases == literature.ACTIVE
        joined.append(np.mean([percolating_mask(mask, axis).sum() for axis in range(3)]) / mask.sum())
    assert joined[0] < 0.5 <= joined[1]
