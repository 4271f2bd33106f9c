"""Stricter than the users' world: warnings are errors, and the package under test is the installed one."""

import os
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
# The installed namespace package must be found, never the bare folders at the root.
sys.path[:] = [entry for entry in sys.path if entry not in ("", str(ROOT))]


@pytest.fixture(scope="session")
def real_data() -> Path:
    """Return the folder of the real tomographies, or skip."""
    folder = Path(os.environ.get("IONSCREEN_DATA", ROOT.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"no real images: {folder} is absent (set IONSCREEN_DATA)")
    return folder
