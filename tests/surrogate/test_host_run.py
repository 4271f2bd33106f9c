"""What an IPU host does: train, evaluate and predict from one exported file, without workflows/."""

import csv
import dataclasses
import json
import shutil
import subprocess
import sys

import numpy as np
import pytest

from ionscreen.datasets import InvalidInput, Label, Microstructure, Recipe, Sample, Status, Transport, write_shard
from ionscreen.surrogate import TrainingConfig, load_checkpoint, save_checkpoint
from ionscreen.surrogate.__main__ import main
from ionscreen.surrogate.run_config import RunConfig
from ionscreen.surrogate.spanning import spanning

from . import poptorch_double
from .conftest import SMALL
from .structures import percolating

IONIC = Transport("ionic", {"void": 0.0, "electrolyte": 0.18})
CUBE = (4e-7, 4e-7, 4e-7)


def sample(number, field, m=None):
    """Return a stored structure, labelled along x if its M is known."""
    phases = (field > 0).astype(np.uint8)
    nan = np.nan
    labels = {}
    if m is not None:
        sigma = np.array([0.18 * m, nan, nan])
        status = np.array([Status.OK, Status.NOT_REQUESTED, Status.NOT_REQUESTED], np.uint8)
        error = np.array([1e-5, nan, nan])
        labels = {
            "ionic": Label(
                IONIC, sigma=sigma, upper_bound=sigma * 1.0001, error_estimate=error, status=status,
                iterations=np.array([9, 0, 0], np.int32), seconds=0.1, connected=phases,
            )
        }  # fmt: skip
    recipe = Recipe("blobs", {"number": number}, phases.shape, CUBE, number)
    return Sample(recipe, Microstructure(phases, ("void", "electrolyte"), CUBE), labels, {})


@pytest.fixture(scope="module")
def host(labelled, tmp_path_factory):
    """Return a folder as it is copied to an IPU host: labelled structures, candidates, the exported file."""
    folder = tmp_path_factory.mktemp("host")
    samples = [sample(n, labelled.x_nxyz[n], labelled.y_n[n]) for n in range(64)]
    for start in (0, 32):
        write_shard(folder / "dataset", samples[start : start + 32])
    broken = np.zeros((12, 12, 12), np.uint8)
    broken[:6] = 1
    candidates = [*(sample(n, labelled.x_nxyz[n]) for n in range(64, 73)), sample(999, broken)]
    write_shard(folder / "candidates", candidates)
    training = TrainingConfig(epochs=1, batch_size=12, gradient_accumulation=3, architecture=SMALL)
    RunConfig(folder / "dataset", folder / "out", IONIC, 0, 7, training).save(folder / "run.json")
    content = json.loads((folder / "run.json").read_text())
    content.update(dataset="dataset", output="out")
    (folder / "run.json").write_text(json.dumps(content))
    return folder


def ipu_config(folder, name="ipu.json", **ipu):
    content = json.loads((folder / "run.json").read_text())
    content["training"].update(device="ipu", ipu={"stages": ["network.blocks.0"], "progress_bar": False, **ipu})
    content["output"] = "out-ipu"
    (folder / name).write_text(json.dumps(content))
    return str(folder / name)


def test_a_host_trains_evaluates_and_ranks_as_the_cpu_does(host, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "poptorch", poptorch_double)
    poptorch_double.MACHINE.reset()
    for config in (str(host / "run.json"), ipu_config(host)):
        assert main(["train", "--config", config]) == 0
        output = capsys.readouterr().out
        assert "B x GA x R x D = 4 x 3 x 1 x 1 = 12" in output
        assert "the effective batch" in output
        assert main(["evaluate", "--config", config]) == 0
        assert main(["predict", "--config", config, "--candidates", str(host / "candidates")]) == 0
    trained = [load_checkpoint(host / out / "surrogate") for out in ("out", "out-ipu")]
    assert trained[1].training["device"] == "ipu"
    texts = [(host / out / "ranking.csv").read_text() for out in ("out", "out-ipu")]
    tables = [list(csv.DictReader(text.splitlines())) for text in texts]
    for table in tables:
        assert len(table) == 10
        assert [float(row["sigma_S_per_m"]) for row in table] == sorted(
            (float(row["sigma_S_per_m"]) for row in table), reverse=True
        )
        assert table[-1]["status"] == "non_percolating"
        assert float(table[-1]["sigma_S_per_m"]) == 0
        assert {row["status"] for row in table[:-1]} == {"ok"}
    assert {row["id"] for row in tables[0]} == {row["id"] for row in tables[1]}
    scores = json.loads((host / "out-ipu" / "evaluation.json").read_text())
    assert 0 < scores["all"]["mape"] < 1


@pytest.fixture
def deployed(host, small_surrogate, monkeypatch):
    """Return an IPU host's configuration, with its checkpoint and a program compiled where there is no IPU."""
    monkeypatch.setitem(sys.modules, "poptorch", poptorch_double)
    save_checkpoint(small_surrogate, host / "out-ipu" / "surrogate")
    config = ipu_config(host, "deployed.json", inference={"device_iterations": 3})
    poptorch_double.MACHINE.reset(ipus=0)
    assert main(["compile", "--config", config]) == 0
    poptorch_double.MACHINE.reset()
    return config


def ranked(host, config, *more):
    return main(["predict", "--config", config, "--candidates", str(host / "candidates"), *more])


def test_a_program_compiled_without_an_ipu_ranks_on_one_as_the_cpu_does(host, deployed, capsys):
    program = host / "out-ipu" / "screener.popef"
    card = json.loads(program.with_name("screener.popef.json").read_text())
    assert card["call"] == {"micro_batch": 1, "replicas": 1, "device_iterations": 3, "structures": 3}
    assert (card["shape"], card["dtype"], card["poptorch"]) == ([12, 12, 12], "uint8", "3.4.0")
    tables = []
    for options in (["--executable", str(program)], ["--device", "cpu"]):
        assert ranked(host, deployed, *options) == 0
        tables.append(list(csv.DictReader((host / "out-ipu" / "ranking.csv").read_text().splitlines())))
    assert poptorch_double.MACHINE.compilations == 0
    assert not poptorch_double.MACHINE.holders
    sigmas = [{row["id"]: float(row["sigma_S_per_m"]) for row in table} for table in tables]
    assert sigmas[0] == pytest.approx(sigmas[1], rel=1e-5)
    assert len(sigmas[0]) == 10
    # Another shape than that of the labelled structures, another place.
    other = host / "elsewhere" / "small.popef"
    assert main(["compile", "--config", deployed, "--shape", "8", "9", "10", "--executable", str(other)]) == 0
    capsys.readouterr()
    assert ranked(host, deployed, "--executable", str(other)) == 2
    assert "compiled for structures of (8, 9, 10) voxels, but these have (12, 12, 12)" in capsys.readouterr().err


def test_a_program_compiled_for_anything_else_is_refused(host, deployed, capsys, monkeypatch):
    program = host / "out-ipu" / "screener.popef"

    def refused(sentence, *options):
        assert ranked(host, deployed, "--executable", str(program), *options) == 2
        message = capsys.readouterr().err
        assert sentence in message
        assert str(program) in message

    content = json.loads((host / "deployed.json").read_text())

    def changed(ipu):
        training = {**content["training"], "ipu": {**content["training"]["ipu"], **ipu}}
        (host / "deployed.json").write_text(json.dumps({**content, "training": training}))

    changed({"inference": {"device_iterations": 4}})
    refused('call {"micro_batch": 1, "replicas": 1, "device_iterations": 3, "structures": 3}, but here it is')
    changed({"stages": ["network.head"]})
    refused("was compiled for ipu")
    (host / "deployed.json").write_text(json.dumps(content))
    refused('precision "fp32", but here it is "fp16"', "--precision", "fp16")
    content["transport"]["conductivity_S_per_m"]["mixed"] = 0.07
    (host / "deployed.json").write_text(json.dumps(content))
    refused('dtype "uint8", but here it is "float16"')
    del content["transport"]["conductivity_S_per_m"]["mixed"]
    (host / "deployed.json").write_text(json.dumps(content))
    monkeypatch.setattr(poptorch_double, "__version__", "3.3.0")
    refused("was compiled by PopTorch 3.4.0, which 3.3.0 does not load")
    monkeypatch.undo()
    monkeypatch.setitem(sys.modules, "poptorch", poptorch_double)
    surrogate = load_checkpoint(host / "out-ipu" / "surrogate")
    surrogate.network.target_mean.add_(0.1)
    save_checkpoint(surrogate, host / "out-ipu" / "surrogate")
    refused("was compiled for another checkpoint")
    shutil.copy(program, host / "moved.popef")
    assert ranked(host, deployed, "--executable", str(host / "moved.popef")) == 2
    assert "moved.popef.json, cannot be read" in capsys.readouterr().err
    assert ranked(host, deployed, "--device", "cpu", "--executable", str(program)) == 2
    assert "a program for IPUs" in capsys.readouterr().err


def test_a_damaged_program_is_refused(host, deployed, capsys):
    program = host / "out-ipu" / "screener.popef"
    program.write_bytes(program.read_bytes()[:-1])
    assert ranked(host, deployed, "--executable", str(program)) == 2
    assert "is not the file" in capsys.readouterr().err
    for text, sentence in (
        ("{", "is damaged"),
        ("[]", "no card"),
        ('{"version": 2, "poptorch": "", "file_blake2b": "", "shape": []}', "has version 2"),
    ):
        (host / "out-ipu" / "screener.popef.json").write_text(text)
        assert ranked(host, deployed, "--executable", str(program)) == 2
        assert sentence in capsys.readouterr().err


def test_what_cannot_be_compiled_is_refused(host, deployed, monkeypatch, capsys):
    for changed, options, code, sentence in (
        ({"inference": {"gradient_accumulation": 2}}, (), 2, "inference has no gradients"),
        ({"simulator": True}, (), 2, "ipu.simulator"),
        ({"stages": ["network.nowhere"]}, (), 2, "network.nowhere"),
        ({}, ("--shape", "4", "12", "12"), 2, "--shape must be a whole number from 8"),
        ({}, ("--precision", "bf16"), 2, "fp32 or fp16"),
        ({}, ("--output", "nowhere"), 1, "nowhere"),
    ):
        config = ipu_config(host, "changed.json", **changed)
        assert main(["compile", "--config", config, *options]) == code
        assert sentence in capsys.readouterr().err
    poptorch_double.MACHINE.fault = "memory"
    config, program = ipu_config(host), host / "out-ipu" / "screener.popef"
    before = program.read_bytes()
    assert main(["compile", "--config", config]) == 1
    assert "does not fit" in capsys.readouterr().err
    # What was there is whole, and nothing lies beside it.
    assert program.read_bytes() == before
    assert not list(program.parent.glob(".*"))
    monkeypatch.setitem(sys.modules, "poptorch", None)
    assert main(["compile", "--config", config]) == 1
    assert "Poplar SDK" in capsys.readouterr().err


def test_the_device_may_be_given_on_the_command_line(host, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "poptorch", None)
    assert main(["evaluate", "--config", str(host / "run.json"), "--device", "ipu"]) == 1
    assert "enable.sh" in capsys.readouterr().err
    assert main(["evaluate", "--config", str(host / "run.json"), "--precision", "bf16"]) == 2
    assert "the CPU computes in fp32" in capsys.readouterr().err


def test_what_cannot_run_is_refused_before_a_voxel_is_read(host, monkeypatch, capsys):
    import ionscreen.surrogate.host_run as host_run

    def read(*_):
        raise AssertionError("voxels were read")

    monkeypatch.setattr(host_run, "read_labelled", read)
    for changed, sentence in (
        ({"stages": ["network.blocks.0", "network.head"]}, "3 IPUs"),
        ({"stages": ["network.nowhere"]}, "network.nowhere"),
        ({"device_iterations": 64}, "structures to train on, but one call takes 768"),
        ({"inference": {"gradient_accumulation": 2}}, "inference has no gradients"),
    ):
        assert main(["train", "--config", ipu_config(host, "changed.json", **changed)]) == 2
        assert sentence in capsys.readouterr().err
    assert main(["train", "--config", str(host / "run.json"), "--dataset", "/nowhere"]) == 1


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda c: c.pop("axis"), "'axis' is missing"),
        (lambda c: c.update(axis=3), "axis must be one of 0, 1, 2"),
        (lambda c: c.update(version=2), "update ionscreen"),
        (lambda c: c["training"].update(epoch=3), "no field training.epoch"),
        (lambda c: c["training"].update(batch_size=10), "multiple of 3"),
        (lambda c: c["training"]["architecture"].update(depth=3), "training.architecture"),
        (lambda c: c.update(training=[]), "'field: value' pairs"),
        (lambda c: c.update(transport=3), "wrong type"),
        (lambda c: c.update(transport={"name": "ionic", "conductivity_S_per_m": {"void": 0}}), "no phase conducts"),
    ],
)
def test_a_wrong_configuration_is_one_sentence_that_names_the_file(host, tmp_path, change, sentence):
    content = json.loads((host / "run.json").read_text())
    change(content)
    path = tmp_path / "run.json"
    path.write_text(json.dumps(content))
    with pytest.raises(InvalidInput, match=sentence) as caught:
        RunConfig.load(path)
    assert str(path) in str(caught.value)


def test_a_file_that_is_none_is_refused(tmp_path):
    path = tmp_path / "run.json"
    for content, sentence in ((None, "cannot be read"), ("{", "not JSON"), ("[]", "no configuration")):
        if content is not None:
            path.write_text(content)
        with pytest.raises(InvalidInput, match=sentence):
            RunConfig.load(path)


def test_the_file_holds_everything(host):
    config = RunConfig.load(host / "run.json")
    assert config.dataset == host / "dataset"
    changed = dataclasses.replace(config.training, learning_rate=1e-3, seed=11)
    dataclasses.replace(config, training=changed).save(host / "again.json")
    assert RunConfig.load(host / "again.json").training == changed
    ipu = dataclasses.replace(changed.ipu, cache="programs", profile=str(host.parent / "elsewhere"))
    dataclasses.replace(config, training=dataclasses.replace(changed, ipu=ipu)).save(host / "paths.json")
    found = RunConfig.load(host / "paths.json").training.ipu
    assert (found.cache, found.profile) == (str(host / "programs"), str(host.parent / "elsewhere"))


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_spanning_voxels_are_those_of_a_labelling_library(axis):
    random = np.random.default_rng(90217)
    for share in (0.2, 0.33, 0.5, 1.0):
        solid = random.random((9, 11, 13)) < share
        expected = np.moveaxis(percolating(np.moveaxis(solid, axis, 0)), 0, axis)
        np.testing.assert_array_equal(spanning(solid, axis), expected)


def test_help_needs_neither_poptorch_nor_workflows():
    program = (
        "import sys, runpy\n"
        "for name in ('poptorch', 'ionscreen.workflows', 'ionscreen.pipeline', 'scipy', 'yaml', 'pydantic'):\n"
        "    sys.modules[name] = None\n"
        "sys.argv = ['x', '--help']\n"
        "runpy.run_module('ionscreen.surrogate', run_name='__main__')\n"
    )
    output = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    assert "train|evaluate|compile|predict" in output
