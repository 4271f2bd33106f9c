"""What does not fit is refused before anything is allocated, and what is said to be needed is needed."""

import json
import subprocess
import sys

import numpy as np
import pytest

from ionscreen.datasets import InvalidInput
from ionscreen.pipeline import effective_conductivity, memory

# Solves a 72³ image of three levels in many ways; prints the peaks beyond what was held before, and what was expected.
CHILD = """
import ctypes, gc, json, sys
from pathlib import Path
import numpy as np
from scipy.ndimage import gaussian_filter
from ionscreen.pipeline import effective_conductivity

def status(field):
    lines = Path("/proc/self/status").read_text().splitlines()
    return 1024 * next(int(line.split()[1]) for line in lines if line.startswith(field))

field = gaussian_filter(np.random.default_rng(84213).random((72, 72, 72), dtype=np.float32), 2, mode="wrap")
image = np.digitize(field, np.quantile(field, (0.2, 0.5))).astype(np.uint8)
for keywords in json.loads(sys.argv[1]):
    sigma = {0: 0.0, 1: keywords.pop("poor"), 2: 1.0}
    keywords.update({"grains": image.astype(int)} if "grain_boundary_resistance" in keywords else {})
    for again in range(2):  # the first time compiles
        result = None
        gc.collect()
        ctypes.CDLL(None).malloc_trim(0)
        Path("/proc/self/clear_refs").write_text("5")
        held = status("VmRSS")
        result = effective_conductivity(image, sigma, threads=1, **keywords)
    print(json.dumps([status("VmHWM") - held, float(np.max(result.memory))]))
"""
CASES = [
    {"poor": 0.0},
    {"poor": 1e-3, "rtol": 1e-8, "boundary": "periodic", "axis": "all"},
    {"poor": 1e-3, "return_fields": True, "axis": "all", "lower_bound": True},
    {"poor": 1e-3, "grain_boundary_resistance": 1.0, "boundary": "mixed"},
]


@pytest.mark.skipif(sys.platform != "linux", reason="the peak of a process can be reset on Linux only")
def test_the_estimate_is_above_the_peak_but_not_far_above():
    done = subprocess.run([sys.executable, "-c", CHILD, json.dumps(CASES)], capture_output=True, text=True, check=True)
    for keywords, line in zip(CASES, done.stdout.splitlines(), strict=True):
        peak, estimate = json.loads(line)
        assert peak <= estimate <= 2 * peak, keywords


def test_what_does_not_fit_is_refused_with_what_would(monkeypatch):
    image = np.ones((200, 200, 200), np.uint8)
    monkeypatch.setattr(memory, "available_bytes", lambda: 100_000_000)
    with pytest.raises(
        InvalidInput, match=r"200 x 200 x 200 voxels needs 0\.\d+ GB, but 0\.1 GB are free; a cube of 1\d\d"
    ) as e:
        effective_conductivity(image, {1: 1.0})
    assert "crop" in str(e.value)
    with pytest.raises(InvalidInput, match="leave out refine"):
        effective_conductivity(image, {1: 1.0}, refine=2)


def test_the_limits_of_control_groups_count_but_not_cached_files(monkeypatch, tmp_path):
    everything = memory.available_bytes()
    job = tmp_path / "groups" / "batch" / "job7"
    job.mkdir(parents=True)
    (tmp_path / "own").write_text("1:cpu:/elsewhere\n0::/batch/job7\n")
    monkeypatch.setattr(memory, "CONTROL_GROUPS", tmp_path / "groups")
    monkeypatch.setattr(memory, "OWN_GROUP", tmp_path / "own")
    assert memory.available_bytes() > everything / 2  # no limits at all
    for group, limit, taken in ((job, "max", 1), (job.parent, 5_000_000, 2_000_000)):
        (group / "memory.max").write_text(f"{limit}\n")
        (group / "memory.current").write_text(f"{taken}\n")
        (group / "memory.stat").write_text("anon 900000\ninactive_file 700000\nactive_file 300000\n")
    assert memory.available_bytes() == 4_000_000
    (job / "memory.max").write_text("2000000\n")
    (job / "memory.current").write_text("2500000\n")
    assert memory.available_bytes() == 500_000
    (tmp_path / "own").unlink()
    assert memory.available_bytes() > everything / 2
