"""The solver's GPU kernels: laws, on a GPU if there is one, else run by numpy; Triton's interpreter; compiled."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ionscreen.datasets import InvalidInput
from ionscreen.pipeline import Outcome, effective_conductivity, effective_conductivity_batch

pytest.importorskip("triton", reason="Triton has wheels for Linux only")
import torch

from ionscreen.pipeline.gpu import device

from . import triton_emulator
from .test_conductivity import CASES, MIXED, PERIODIC, PLATES, blobs, direct, noise

SEED = 730446  # drawn once
CONTACTS = {"interface_resistance": {(1, 2): 1e-6}, "grain_boundary_resistance": {1: 3e-7}, "voxel_size": 1e-6}
without_a_gpu = pytest.mark.skipif(torch.cuda.is_available(), reason="emulates a GPU, and there is one")
pytestmark = pytest.mark.skipif(os.environ.get("TRITON_INTERPRET") == "1", reason="sets it itself")


@pytest.fixture(scope="module", autouse=True)
def _emulated():
    """Let numpy stand in for the GPU that is not there."""
    if torch.cuda.is_available():
        yield
        return
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(device, "interpreted", lambda: True)
        patch.setattr(device, "start", triton_emulator.run)
        yield


@pytest.mark.parametrize(("number", "name"), list(enumerate(CASES)), ids=lambda part: str(part).replace(" ", "-"))
def test_agrees_with_a_direct_solver(number, name):
    phases, conductivity, size = CASES[name]
    axis, boundary = number % 3, (PLATES, MIXED, PERIODIC)[(number + number // 3) % 3]
    settings = {"voxel_size": size, "axis": axis, "boundary": boundary, "rtol": 1e-5}
    result = effective_conductivity(phases, conductivity, device="cuda", **settings)
    expected = direct(phases.astype(int), conductivity, np.ones(3) * size, axis, boundary)
    if boundary == PERIODIC:
        np.testing.assert_allclose(result.tensor, expected, atol=1e-4 * np.abs(expected).max())
        expected = expected[axis, axis]
    if result.outcome is Outcome.NON_PERCOLATING:
        assert result.sigma == 0
        assert abs(expected) < 1e-12
    else:
        assert result.outcome is Outcome.CONVERGED
        # The energy exceeds the truth, and by less than it says.
        assert -1e-6 < result.sigma / expected - 1 <= result.error_estimate + 1e-6
        assert expected <= result.upper_bound * (1 + 1e-9)


@st.composite
def structures(draw):
    """Draw an image, its σ, and settings."""
    shape = draw(st.tuples(*[st.integers(1, 7)] * 3))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    count = draw(st.integers(2, 5))
    sigma = {p: draw(st.sampled_from([0.0, 1.0, 1e-3, 1e-8, 0.37])) for p in range(count)}
    phases = rng.integers(0, count, shape).astype(np.uint8)
    settings = {
        "axis": draw(st.sampled_from([0, 1, 2])),
        "boundary": draw(st.sampled_from([PLATES, MIXED, PERIODIC])),
        "voxel_size": (1e-6, draw(st.sampled_from([1e-6, 3e-6])), 0.7e-6),
        "rtol": draw(st.sampled_from([1e-3, 1e-5])),
    }
    if draw(st.booleans()):
        settings["interface_resistance"] = {(0, 1): 2e-6}
        settings["grains"] = rng.integers(0, 4, shape)
        settings["grain_boundary_resistance"] = 1e-6
    return phases, sigma, settings


@settings(max_examples=12, deadline=None, derandomize=True)
@given(structures())
def test_agrees_with_the_cpu(structure):
    phases, sigma, given = structure
    cpu = effective_conductivity(phases, sigma, **given)
    gpu = effective_conductivity(phases, sigma, device="cuda", **given)
    assert gpu.outcome is cpu.outcome
    assert gpu.connected_fraction == cpu.connected_fraction
    assert abs(gpu.sigma - cpu.sigma) <= (2e-6 + gpu.error_estimate + cpu.error_estimate) * cpu.sigma
    if gpu.outcome is Outcome.CONVERGED and given["boundary"] != PERIODIC:
        assert gpu.flux_in == pytest.approx(gpu.sigma, rel=0.1)


@pytest.mark.parametrize("boundary", [PLATES, MIXED, PERIODIC])
def test_potential_and_current_agree_with_the_cpu(boundary):
    phases, grains = noise((7, 6, 5), 3, SEED), noise((7, 6, 5), 4, SEED + 1)
    given = {**CONTACTS, "grains": grains, "boundary": boundary, "axis": 1, "rtol": 1e-9, "return_fields": True}
    cpu, gpu = (
        effective_conductivity(phases, {0: 0.0, 1: 2.0, 2: 1.0}, device=where, **given) for where in ("cpu", "cuda")
    )
    assert gpu.sigma == pytest.approx(cpu.sigma, rel=1e-8)
    # A periodic potential is known up to a constant: of each cluster, so differences are told by the currents.
    if boundary != PERIODIC:
        np.testing.assert_allclose(gpu.potential, cpu.potential, atol=1e-4)
    scale = np.abs(cpu.current_density).max()
    np.testing.assert_allclose(gpu.current_density, cpu.current_density, atol=1e-4 * scale)


@pytest.mark.parametrize("boundary", [PLATES, PERIODIC])
def test_a_batch_gives_what_each_gives_alone(boundary, monkeypatch):
    images = [noise((5, 5, 5), 3, SEED + n) for n in range(2)]
    images.insert(1, np.zeros((5, 5, 5), np.uint8))  # nothing conducts
    given = {"conductivity": {0: 0.0, 1: 1.0, 2: 0.1}, "boundary": boundary, "device": "cuda"}
    together = effective_conductivity_batch(np.stack(images), **given)
    for number, image in enumerate(images):
        alone = effective_conductivity(image, **given)
        assert together.outcome[number] is alone.outcome
        assert together.iterations[number] == alone.iterations
        assert together.memory[number] == alone.memory > 0
        assert together.sigma[number] == pytest.approx(alone.sigma, rel=1e-9)
        if boundary == PERIODIC:
            np.testing.assert_allclose(together.tensor[number], alone.tensor, atol=1e-9)
    # The memory of one volume at a time.
    monkeypatch.setattr(device, "free_bytes", lambda: 80.0 * 7**3)
    np.testing.assert_allclose(effective_conductivity_batch(images, **given).sigma, together.sigma, rtol=1e-9)


def test_a_volume_without_the_best_phase_is_relative_to_its_own():
    images = np.stack([noise((5, 5, 5), 3, SEED), noise((5, 5, 5), 2, SEED) * 2]).astype(np.uint8)
    given = {"conductivity": {0: 0.0, 1: 1.0, 2: 0.1}, "device": "cuda"}
    together = effective_conductivity_batch(images, **given)
    for image, relative in zip(images, together.relative, strict=True):
        # Scaled by another conductivity, single precision rounds otherwise.
        assert relative == pytest.approx(effective_conductivity(image, **given).relative, rel=1e-6)


@without_a_gpu
def test_many_blocks_work_on_one_volume(monkeypatch):
    """Blocks of 32 cells, as on a GPU many share a volume."""
    monkeypatch.setattr(device, "INTERPRETED_BLOCK", 32)
    phases = blobs((8, 7, 6), 0.6, SEED)
    cpu, gpu = (effective_conductivity(phases, {0: 1e-3, 1: 1.0}, device=where) for where in ("cpu", "cuda"))
    assert gpu.sigma == pytest.approx(cpu.sigma, rel=1e-6)
    assert gpu.iterations == cpu.iterations


def test_what_does_not_fit_the_gpu_is_refused(monkeypatch):
    monkeypatch.setattr(device, "free_bytes", lambda: 3000.0)
    with pytest.raises(InvalidInput, match=r"GPU solver takes \d+ bytes .* are free on the GPU, enough for \d+³; crop"):
        effective_conductivity(noise((9, 9, 9), 2, SEED), {0: 1.0, 1: 2.0}, device="cuda")


def test_a_machine_without_gpu_is_told_so(monkeypatch):
    monkeypatch.setattr(device, "interpreted", lambda: False)
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    with pytest.raises(InvalidInput, match=r'needs a GPU, and this torch .* finds none; write device="cpu"'):
        effective_conductivity(np.ones((3, 3, 3), bool), {1: 1.0}, device="cuda")


def test_a_machine_without_triton_is_told_so(monkeypatch):
    monkeypatch.setitem(sys.modules, "triton", None)
    for name in [name for name in sys.modules if name.startswith("ionscreen.pipeline.gpu")]:
        monkeypatch.delitem(sys.modules, name)
    with pytest.raises(InvalidInput, match=r'needs Triton, .* pip install "ionscreen'):
        effective_conductivity(np.ones((3, 3, 3), bool), {1: 1.0}, device="cuda")


def test_another_device_is_refused():
    with pytest.raises(InvalidInput, match="device is 'tpu'; give"):
        effective_conductivity(np.ones((3, 3, 3), bool), {1: 1.0}, device="tpu")


INTERPRETED = """
import numpy as np
from ionscreen.pipeline import effective_conductivity
phases = np.random.default_rng({seed}).integers(0, 3, (5, 4, 4)).astype(np.uint8)
result = effective_conductivity(phases, {{0: 1.0, 1: 0.5, 2: 0.25}}, device="cuda", rtol=0.05)
print(result.sigma.hex(), result.error_estimate.hex(), result.iterations)
"""


@without_a_gpu
@pytest.mark.slow
def test_triton_s_interpreter_gives_the_same_bits(capsys):
    code = INTERPRETED.format(seed=SEED)
    environment = {**os.environ, "TRITON_INTERPRET": "1", "OMP_NUM_THREADS": "1"}
    interpreted = subprocess.run(
        [sys.executable, "-c", code],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(__file__).parent,
    )
    exec(code, {})
    assert capsys.readouterr().out == interpreted.stdout


@without_a_gpu
@pytest.mark.slow
def test_every_kernel_compiles_for_a_gpu(monkeypatch, tmp_path):
    """Types that only the compiler checks; ptxas comes with Triton and needs no GPU."""
    from triton.backends.compiler import GPUTarget
    from triton.runtime import driver

    class Driver:
        """An H100 in name only."""

        def get_current_target(self):
            return GPUTarget("cuda", 90, 32)

        def get_current_device(self):
            return 0

        def get_current_stream(self, _):
            return 0

        def get_active_torch_device(self):
            return torch.device("cpu")

    compiled = set()

    def compile_and_run(kernel, grid, *arguments, **constants):
        name = kernel.fn.__name__
        # Every operator is looked up in these two.
        variant = name, constants["MODE"] if name in ("relax", "residual") else None
        if variant not in compiled:
            assert len(kernel.warmup(*arguments, grid=grid, **constants).asm["cubin"]) > 0
            compiled.add(variant)
        triton_emulator.run(kernel, grid, *arguments, **constants)

    monkeypatch.setenv("TRITON_CACHE_DIR", str(tmp_path))
    monkeypatch.setenv("TRITON_DEFAULT_FP_FUSION", "1")
    monkeypatch.setattr(device, "start", compile_and_run)
    monkeypatch.setattr(device, "INTERPRETED_BLOCK", device.BLOCK)
    monkeypatch.setattr(driver, "_active", Driver())
    phases = noise((8, 8, 8), 3, SEED)
    effective_conductivity(phases > 0, {0: 0.0, 1: 1.0}, device="cuda", rtol=0.1)
    given = {**CONTACTS, "grains": noise((8, 8, 8), 4, SEED), "return_fields": True, "rtol": 0.1}
    effective_conductivity(phases, {0: 0.0, 1: 2.0, 2: 1.0}, device="cuda", boundary=MIXED, **given)
    cycle = {
        "relax",
        "restrict",
        "prolong",
        "wrap",
        "bottom_cycle",
        "galerkin",
        "invert",
        "gather",
        "spread",
        "surface",
    }
    gradients = {"residual", "dot", "direction", "curvature", "update", "energy", "currents", "decide", "conclude"}
    labels = {"hook", "jump", "keep", "replace", "renumber"}
    assert {name for name, _ in compiled} == cycle | gradients | labels
