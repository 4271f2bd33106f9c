"""Time the demo campaign, stage by stage, in a new folder.

Run: python benchmarks/campaign.py
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from pathlib import Path

EXECUTABLE = Path(sys.executable).with_name("ionscreen")


def main() -> None:
    """Run ``ionscreen init`` and ``ionscreen run``; print the summary and the wall time."""
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([EXECUTABLE, "init", folder], check=True)
        began = time.perf_counter()
        subprocess.run([EXECUTABLE, "run", f"{folder}/campaign.yaml"], check=True)
        print(f"\nwall time {time.perf_counter() - began:.0f} s")


if __name__ == "__main__":
    main()
