"""What is installed: one namespace, no bare names, a wheel that works away from the checkout."""

import importlib.metadata
import shutil
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[1]
BARE_NAMES = ("datasets", "pipeline", "surrogate", "workflows", "tests")


def test_the_bare_names_are_not_ours() -> None:
    program = f"import importlib.util as u; print([n for n in {BARE_NAMES} if u.find_spec(n)])"
    found = subprocess.run([sys.executable, "-I", "-c", program], capture_output=True, text=True, check=True, cwd="/")
    assert found.stdout.strip() == "[]"


def test_the_installed_names_are_all_below_ionscreen() -> None:
    owners = importlib.metadata.packages_distributions()
    assert not [name for name in BARE_NAMES if "ionscreen" in owners.get(name, [])]


@pytest.mark.slow
def test_the_wheel_works_in_a_clean_environment(tmp_path: Path) -> None:
    source = tmp_path / "source"
    tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for name in tracked.splitlines():
        if (ROOT / name).is_file():
            (source / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, source / name)
    subprocess.run(
        [sys.executable, "-m", "build", "--wheel", "--outdir", tmp_path / "dist", source],
        check=True,
        capture_output=True,
    )
    wheel = next((tmp_path / "dist").glob("*.whl"))
    venv.create(tmp_path / "venv", with_pip=True)
    python = tmp_path / "venv" / "bin" / "python"
    subprocess.run([python, "-m", "pip", "install", "--quiet", "--no-deps", wheel], check=True)
    # What we depend on comes from the environment of these tests: its folder is searched after the new one's, and its
    # own .pth files, the editable install among them, are not read.
    site = next((tmp_path / "venv" / "lib").glob("python*")) / "site-packages"
    (site / "dependencies.pth").write_text(sysconfig.get_paths()["purelib"])
    program = "import ionscreen.pipeline, ionscreen.datasets; print(ionscreen.pipeline.__file__)"
    where = subprocess.run([python, "-c", program], check=True, capture_output=True, text=True, cwd=tmp_path).stdout
    assert str(site) in where
    command = tmp_path / "venv" / "bin" / "ionscreen"
    subprocess.run([command, "--help"], check=True, capture_output=True, cwd=tmp_path)
    subprocess.run([command, "init", "campaign"], check=True, capture_output=True, cwd=tmp_path)
    np.save(tmp_path / "box.npy", np.ones((4, 4, 4), dtype=np.uint8))
    solved = [command, "solve", "box.npy", "-c", "1=2", "--json"]
    output = subprocess.run(solved, check=True, capture_output=True, text=True, cwd=tmp_path).stdout
    assert '"sigma_S_per_m": 2.0' in output
