"""Devices are compared on equal weights and inputs; what is absent is reported so."""

import sys

from ionscreen.surrogate import TrainingConfig
from ionscreen.surrogate.accelerator.parity import compare_devices
from ionscreen.surrogate.devices import IpuSettings

from . import poptorch_double
from .conftest import SMALL
from .structures import part


def test_devices_that_are_there_agree_and_others_are_reported_absent(monkeypatch, labelled, small_surrogate):
    config = TrainingConfig(
        batch_size=8, gradient_accumulation=4, architecture=SMALL, ipu=IpuSettings(progress_bar=False)
    )
    data = part(labelled, 0, 16), part(labelled, 16, 22)
    x = labelled.x_nxyz[90:99]
    monkeypatch.setitem(sys.modules, "poptorch", None)
    absent = compare_devices(small_surrogate, x, ["cpu", "ipu"], config)
    assert [(p.device, p.precision, p.absent is None) for p in absent] == [
        ("cpu", "fp32", True),
        ("ipu", "fp32", False),
        ("ipu", "fp16", False),
    ]
    assert "PopTorch" in absent[1].absent
    assert not absent[1].agrees
    monkeypatch.setitem(sys.modules, "poptorch", poptorch_double)
    poptorch_double.MACHINE.reset()
    monkeypatch.setattr("ionscreen.surrogate.accelerator.parity.PRECISIONS", {"cpu": ("fp32",), "ipu": ("fp32",)})
    cpu, ipu = compare_devices(small_surrogate, x, ["cpu", "ipu"], config, data)
    assert cpu.largest == 0
    assert 0 <= ipu.largest < 1e-5
    assert ipu.agrees
    assert len(ipu.losses) == 1
    assert abs(ipu.losses[0] - ipu.reference_losses[0]) < 1e-6
    # Nothing of the surrogate changed.
    assert compare_devices(small_surrogate, x, ["cpu"], config)[0].largest == 0
