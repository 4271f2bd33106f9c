"""Our IPU code path, run through a double of PopTorch: it trains and predicts as the CPU does."""

import dataclasses
import re
import subprocess
import sys

import numpy as np
import pytest
import torch

from ionscreen.datasets import DeviceError, InvalidInput
from ionscreen.surrogate import TrainingConfig, train
from ionscreen.surrogate.deployment import DeployedSurrogate, wire
from ionscreen.surrogate.devices import Batching, IpuInference, IpuSettings, OptimizerSettings, open_device
from ionscreen.surrogate.network import Learner, Network, Screener

from . import poptorch_double
from .conftest import SMALL
from .structures import part

STAGES = ("network.blocks.0",)
QUIET = {"progress_bar": False}


@pytest.fixture
def poptorch(monkeypatch):
    """Return the double in PopTorch's place, with four IPUs that nobody holds."""
    monkeypatch.setitem(sys.modules, "poptorch", poptorch_double)
    poptorch_double.MACHINE.reset()
    yield poptorch_double
    assert not poptorch_double.MACHINE.holders


@pytest.fixture(scope="module")
def inputs(labelled):
    """Return described structures and their target."""
    network = Network(SMALL)
    with torch.no_grad():
        described = network.describe(torch.from_numpy(labelled.x_nxyz[:48]).float())
    return (*described, torch.from_numpy(labelled.y_n[:48]).float())


def fresh(seed=5):
    torch.manual_seed(seed)
    return Network(SMALL)


def largest_difference(one, other):
    return max(float((a - b).abs().max()) for a, b in zip(one.state_dict().values(), other.state_dict().values()))


def run(device, network, inputs, calls=2):
    """Return losses, predictions and optimizer state after some calls, predicting in between."""
    device.compile(Learner(network), OptimizerSettings(1e-2, 1.0))
    size = device.batching.samples_per_call
    losses, predicted = [], []
    for call in range(calls):
        batch = [tensor[call * size : (call + 1) * size] for tensor in inputs]
        losses.append(device.step(batch, 3e-3 / (call + 1)))
        predicted.append(device.predict([tensor[:7] for tensor in inputs[:-1]])[0])
    state = device.optimizer_state()
    device.close()
    return losses, predicted, state


@pytest.mark.parametrize(
    ("batching", "settings"),
    [
        (Batching(4), {}),
        (Batching(8, 4), {}),
        (Batching(12, 6), {"stages": STAGES}),
        (Batching(8, 2), {"stages": STAGES, "execution": "sharded"}),
        (Batching(12, 3, 2), {"stages": STAGES, "replicas": 2}),
        (Batching(3, 3, 1, 2), {"stages": STAGES, "device_iterations": 2, "inference": IpuInference(2, 3)}),
        (Batching(4, 2, 2, 3), {"replicas": 2, "device_iterations": 3, "loss_scaling": 1024.0}),
    ],
    ids=str,
)
def test_training_and_prediction_match_the_cpu_to_a_millionth(poptorch, inputs, batching, settings):
    on_cpu, on_ipu = fresh(), fresh()
    expected = run(open_device("cpu", batching), on_cpu, inputs)
    found = run(open_device("ipu", batching, ipu=IpuSettings(**settings, **QUIET)), on_ipu, inputs)
    assert found[0] == pytest.approx(expected[0], rel=1e-6)
    for one, other in zip(found[1], expected[1]):
        assert float((one - other).abs().max()) < 1e-6
    assert largest_difference(on_cpu, on_ipu) < 1e-6


def test_a_whole_training_matches_the_cpu_to_a_millionth(poptorch, labelled):
    data = part(labelled, 0, 24), part(labelled, 24, 36)
    config = TrainingConfig(epochs=2, batch_size=12, gradient_accumulation=6, seed=3, architecture=SMALL)
    ipu = IpuSettings(stages=STAGES, async_loader=True, **QUIET)
    cpu, found = train(*data, config), train(*data, dataclasses.replace(config, device="ipu", ipu=ipu))
    assert largest_difference(cpu.network, found.network) < 1e-6
    assert found.metrics["losses"] == pytest.approx(cpu.metrics["losses"], abs=1e-6)
    assert found.metrics["validation_errors"] == pytest.approx(cpu.metrics["validation_errors"], abs=1e-6)
    one, other = (surrogate.predict(labelled.x_nxyz[60:70]) for surrogate in (cpu, found))
    assert np.abs(one.m - other.m).max() < 1e-6
    # One program to train and one to predict, whatever the number of epochs.
    assert poptorch.MACHINE.compilations == 2


def test_a_training_resumes_on_the_ipu_where_it_stopped(poptorch, labelled, tmp_path):
    data = part(labelled, 0, 24), part(labelled, 24, 32)
    config = TrainingConfig(epochs=3, batch_size=8, seed=3, architecture=SMALL, device="ipu", ipu=IpuSettings(**QUIET))
    whole = train(*data, config)

    def interrupt(report):
        if report.epoch == 1:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(*data, config, tmp_path, interrupt)
    assert largest_difference(whole.network, train(*data, config, tmp_path).network) == 0


def computes_half():
    try:
        torch.nn.Conv3d(1, 1, 1).half()(torch.zeros(1, 1, 1, 1, 1).half())
    except RuntimeError:
        return False
    return True


@pytest.mark.skipif(not computes_half(), reason="this torch has no float16 convolution on the CPU")
def test_half_precision_trains_and_stays_close(poptorch, inputs):
    """float16 resolves 5e-4 of a value; a wrong scale or a missing cast would show far above that."""
    batching, full, half = Batching(8), fresh(), fresh()
    settings = IpuSettings(loss_scaling=128.0, partials="float16", stochastic_rounding=True, **QUIET)
    expected = run(open_device("cpu", batching), full, inputs)
    found = run(open_device("ipu", batching, "fp16", settings), half, inputs)
    assert found[0] == pytest.approx(expected[0], rel=0.02)
    assert next(half.parameters()).dtype == torch.float32
    with pytest.raises(InvalidInput, match="automatic_loss_scaling needs float16"):
        open_device("ipu", batching, "fp32", IpuSettings(automatic_loss_scaling=True))


def test_screening_pads_the_last_call_and_sends_two_phases_as_bytes(poptorch, labelled, small_surrogate):
    x = labelled.x_nxyz[90:101]
    settings = IpuSettings(replicas=2, inference=IpuInference(2, 2), **QUIET)
    expected = small_surrogate.predict(x)
    with DeployedSurrogate(small_surrogate, open_device("ipu", Batching(2, 1, 2), ipu=settings)) as deployed:
        found = deployed.predict(x)
        assert len(deployed.predict(x[:0]).m) == 0
        with pytest.raises(DeviceError, match="one shape"):
            deployed.predict(np.zeros((3, 16, 12, 12), np.uint8))
    for one, other in zip(found, expected):
        assert np.abs(one - other).max() < 1e-6
    assert wire(x).dtype == torch.uint8
    assert wire(np.array([0, 0.5])).dtype == torch.float16
    assert wire(np.array([0, 0.1])).dtype == torch.float32


def test_a_program_compiled_elsewhere_predicts_here(poptorch, labelled, small_surrogate, tmp_path):
    """Offline compilation needs no IPU; the IPU host loads it and compiles nothing."""
    from ionscreen.surrogate.devices.ipu import open_ipu

    x, path = labelled.x_nxyz[:5], str(tmp_path / "screen.popef")
    poptorch.MACHINE.reset(ipus=0)
    device = open_ipu(Batching(1), "fp32", IpuSettings(**QUIET), offline=True)
    device.compile(Screener(small_surrogate.network))
    device.export((wire(x),), path)
    device.close()
    poptorch.MACHINE.reset()
    device = open_device("ipu", Batching(1), ipu=IpuSettings(executable=path, **QUIET))
    with DeployedSurrogate(small_surrogate, device) as deployed:
        assert np.abs(deployed.predict(x).m - small_surrogate.predict(x).m).max() < 1e-6
    assert poptorch.MACHINE.compilations == 0


@pytest.mark.parametrize(
    ("ipus", "fault", "sentence"),
    [
        (0, None, "gc-monitor"),
        (1, None, "No IPU could be acquired"),
        (4, "memory", "does not fit the IPU's memory.*gradient_accumulation.*accelerator plan"),
        (4, "link", "LINK_RESET"),
    ],
)
def test_what_the_ipus_report_becomes_one_sentence(poptorch, inputs, ipus, fault, sentence):
    poptorch.MACHINE.reset(ipus)
    poptorch.MACHINE.fault = fault
    device = open_device("ipu", Batching(6, 3), ipu=IpuSettings(stages=STAGES, **QUIET))
    with pytest.raises(DeviceError, match=sentence):
        run(device, fresh(), inputs)
    device.close()


def test_an_operator_that_poptorch_lacks_is_named(poptorch):
    class Cleaned(torch.nn.Linear):
        def forward(self, x):
            return torch.nan_to_num(super().forward(x))

    device = open_device("ipu", Batching(1), ipu=IpuSettings(**QUIET))
    device.compile(Cleaned(2, 1))
    with pytest.raises(DeviceError, match="aten::nan_to_num") as caught:
        device.predict((torch.zeros(1, 2),))
    assert "accelerator check" in str(caught.value)
    device.close()


def test_stages_in_another_order_than_they_are_called_are_refused(poptorch, inputs):
    settings = IpuSettings(stages=("network.head", "network.blocks.0", "network.stem"), **QUIET)
    device = open_device("ipu", Batching(7, 7), ipu=settings)
    with pytest.raises(InvalidInput, match=r"layers as \['network.stem', 'network.blocks.0', 'network.head'\]"):
        run(device, fresh(), inputs)
    device.close()


def test_the_options_say_what_the_settings_say(poptorch):
    from ionscreen.surrogate.devices.ipu import open_ipu

    settings = IpuSettings(
        stages=STAGES, execution="sharded", replicas=2, device_iterations=3, inference=IpuInference(2, 5),
        available_memory_proportion=0.3, partials="float16", recomputation=False, stochastic_rounding=True,
        automatic_loss_scaling=True, cache="programs", profile="profile", on_demand=True, **QUIET,
    )  # fmt: skip
    device = open_ipu(Batching(16, 4, 2, 3), "fp16", settings)
    training, inference = device._training_options(), device._inference_options()
    for options in (training, inference):
        assert options.replication_factor == 2
        assert options.available_memory_proportion == {"IPU0": 0.3, "IPU1": 0.3}
        assert isinstance(options.strategy, poptorch.ShardedExecution)
        assert options.Precision.partials == torch.half
        assert options.cache == "programs"
        assert options.profile == "profile"
        assert options.connection_type is poptorch.ConnectionType.OnDemand
        assert options.progress_bar is False
    assert training.device_iterations == 3
    assert training.Training.gradient_accumulation == 4
    assert training.Training.automatic_loss_scaling is True
    assert training.output_mode is poptorch.OutputMode.Sum
    assert training.Precision.stochastic_rounding is True
    assert training._Popart.autoRecomputation == 0
    assert inference.device_iterations == 5
    assert inference.Training.gradient_accumulation == 1
    assert inference.output_mode is poptorch.OutputMode.All


def test_the_double_refuses_what_poptorch_refuses(poptorch):
    """Were it lenient, the tests above would prove nothing."""
    options = poptorch.Options().deviceIterations(2)
    options.Training.gradientAccumulation(3)
    with pytest.raises(poptorch.Error, match="gradientAccumulation to 1"):
        poptorch.inferenceModel(torch.nn.Linear(1, 1), options)
    module = torch.nn.Linear(1, 1)
    program = poptorch.inferenceModel(module, poptorch.Options().deviceIterations(2))
    with pytest.raises(AttributeError, match="frozen"):
        program.options.deviceIterations(3)
    with pytest.raises(RuntimeError, match="already been wrapped"):
        poptorch.inferenceModel(module)
    with pytest.raises(AssertionError, match="Invalid batch dimension"):
        program.compile(torch.zeros(3, 1))
    with pytest.raises(AssertionError, match="Unexpected type"):
        poptorch.Options().deviceIterations(True)
    poptorch.BeginBlock(module, ipu_id=1)
    with pytest.raises(poptorch.Error, match="already been assigned"):
        poptorch.BeginBlock(module, ipu_id=1)
    with pytest.raises(poptorch.Error, match=r"deviceIterations must be greater .* \(2\)"):
        poptorch.inferenceModel(torch.nn.Sequential(module)).compile(torch.zeros(1, 1))
    with pytest.raises(RuntimeError, match="Only IPU optimizer states"):
        poptorch.optim.AdamW(module.parameters(), bias_correction=True).load_state_dict({"state": {}})
    assert not poptorch.identity_loss(module.weight.sum(), reduction="none").requires_grad
    program.destroy()


def test_poptorch_is_imported_by_one_file_and_only_when_an_ipu_is_asked_for():
    from pathlib import Path

    import ionscreen.surrogate

    # Without it on the path, everything else works.
    program = (
        "import sys; sys.modules['poptorch'] = None\n"
        "from ionscreen.surrogate.devices import Batching, open_device\n"
        "from ionscreen.datasets import DeviceError\n"
        "open_device('cpu', Batching(1))\n"
        "try: open_device('ipu', Batching(1))\n"
        "except DeviceError as error: print(error)\n"
    )
    output = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    assert "PopTorch" in output
    assert "enable.sh" in output
    root = Path(ionscreen.surrogate.__file__).parents[1]
    named = {
        path.name
        for folder in ("datasets", "pipeline", "surrogate", "workflows")
        for path in (root / folder).rglob("*.py")
        if re.search(
            r"""^\s*(import|from) poptorch|import_module\(.poptorch""", path.read_text(encoding="utf-8"), re.MULTILINE
        )
    }
    assert named == {"ipu.py"}


@pytest.mark.parametrize(
    ("raised", "sentence"),
    [
        (AssertionError("PopTorch 3.4 requires torch 2.0.1"), "need torch 2.0.1"),
        (ImportError("Unable to import PopTorch, this can be caused by ..."), "enable.sh"),
        (ModuleNotFoundError("No module named 'poptorch'", name="poptorch"), "not installed"),
    ],
)
def test_each_way_an_sdk_can_be_missing_has_its_cure(monkeypatch, raised, sentence):
    import importlib

    def fail(name):
        raise raised

    monkeypatch.setattr(importlib, "import_module", fail)
    with pytest.raises(DeviceError, match=sentence):
        open_device("ipu", Batching(1))
