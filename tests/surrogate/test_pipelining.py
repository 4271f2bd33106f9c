"""Accumulated and pipelined gradients equal the big batch's; the order of the stages is PopART's."""

import pytest
import torch

from ionscreen.datasets import InvalidInput
from ionscreen.surrogate import Architecture, Network
from ionscreen.surrogate.accelerator.schedules import makespan, popart_order, popart_stash
from ionscreen.surrogate.accelerator.stages import efficiency, stash
from ionscreen.surrogate.accelerator.subjects import training_subject
from ionscreen.surrogate.network import Learner

NEW_ENOUGH = tuple(int(part) for part in torch.__version__.split(".")[:2]) >= (2, 6)
LAYERS = ("network.blocks.0", "network.blocks.1", "network.head")


@pytest.fixture(scope="module")
def case():
    """Return a module, 16 different structures, and the gradient of all of them together."""
    torch.manual_seed(4)
    network = Network(Architecture(iterations=(4, 4), width=8, blocks=2, hidden=8))
    with torch.no_grad():
        described = network.describe((torch.rand(16, 8, 8, 8) < 0.8).float())
    inputs = [*described, torch.rand(16) * 0.5 + 0.1]
    module = Learner(network)
    return module, inputs, gradients(module, inputs)


def gradients(module, inputs, parts=1):
    """Return loss and gradients, added up over micro-batches."""
    module.zero_grad()
    total = 0.0
    for micro in zip(*[tensor.chunk(parts) for tensor in inputs]):
        loss = module(*micro)[-1] / parts
        loss.backward()
        total += loss.item()
    found = {name: parameter.grad.clone() for name, parameter in module.named_parameters()}
    module.zero_grad(set_to_none=True)
    return total, found


def assert_same(found, expected):
    assert found[0] == pytest.approx(expected[0], rel=1e-6)
    assert found[1].keys() == expected[1].keys()
    for name, gradient in expected[1].items():
        torch.testing.assert_close(found[1][name], gradient, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("parts", [2, 8, 16])
def test_accumulated_gradients_are_those_of_the_big_batch(case, parts):
    module, inputs, expected = case
    assert_same(gradients(module, inputs, parts), expected)


@pytest.mark.skipif(not NEW_ENOUGH, reason="torch.distributed.pipelining came with torch 2.6")
@pytest.mark.slow
@pytest.mark.parametrize("stages", [2, 3, 4])
def test_pipelined_gradients_are_those_of_the_big_batch(case, stages):
    """Base and target are made in the first stage and used in the last: those between carry them."""
    from ionscreen.surrogate.accelerator.pipelining import PipelineStep, run_pipelined

    module, inputs, expected = case
    # One size of micro-batch, so that each process cuts once.
    steps = [PipelineStep(8), PipelineStep(8, "1f1b")]
    if stages == 2:
        steps += [PipelineStep(8, "gpipe"), PipelineStep(16)]
    for run in run_pipelined(module, inputs, LAYERS[: stages - 1], steps):
        assert_same((run.loss, run.gradients), expected)


@pytest.mark.parametrize("stages", [1, 2, 4, 8])
@pytest.mark.parametrize("extra", [0, 1, 20])
def test_the_order_keeps_what_popart_stashes_and_takes_its_cycles(stages, extra):
    accumulation = 2 * stages - 1 + extra
    orders = [popart_order(stage, stages, accumulation) for stage in range(stages)]
    for stage, order in enumerate(orders):
        assert sorted(order) == sorted(f"{kind}{n}" for kind in "FB" for n in range(accumulation))
        # The last stage keeps none beyond the one it works on.
        assert popart_stash(order) == max(1, stash(stage, stages))
    # Stages that need not wait for a cycle to end are never slower than PopART's lockstep.
    share = accumulation * 3 / makespan(orders, 1, 2)
    assert efficiency(accumulation, stages) <= share + 1e-12
    assert share <= 1


def test_bad_schedules_are_refused():
    with pytest.raises(ValueError, match="wait for each other"):
        makespan([["B0", "F0"], ["F0", "B0"]], 1, 2)
    if NEW_ENOUGH:
        from ionscreen.surrogate.accelerator.pipelining import PipelineStep, run_pipelined

        with pytest.raises(InvalidInput, match="popart, 1f1b, gpipe"):
            PipelineStep(2, "zigzag")
        subject = training_subject(Network(Architecture(iterations=(2, 2), width=8, blocks=1, hidden=4)), (8, 8, 8))
        with pytest.raises(InvalidInput, match="do not split into 3"):
            run_pipelined(subject.module, [*subject.inputs, subject.target], (), [PipelineStep(3)])
