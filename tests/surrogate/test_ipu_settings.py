"""Every layout that PopTorch would refuse is refused here, in a sentence, before anything is loaded."""

import dataclasses

import pytest
from torch import nn

from ionscreen.datasets import InvalidInput
from ionscreen.surrogate import TrainingConfig, train
from ionscreen.surrogate.devices import IpuSettings

from .structures import part

TWO, FOUR = ("network.blocks.0",), ("network.blocks.0", "network.blocks.1", "network.head")


def config(accumulation=1, batch_size=16, **ipu):
    return TrainingConfig(
        device="ipu", batch_size=batch_size, gradient_accumulation=accumulation, ipu=IpuSettings.from_dict(ipu)
    )


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"stages": TWO, "accumulation": 2}, r"gradient_accumulation is 2.*2S - 1 = 3"),
        ({"stages": FOUR, "accumulation": 4}, r"gradient_accumulation is 4.*2S - 1 = 7"),
        (
            {"stages": FOUR, "accumulation": 8, "inference": {"device_iterations": 3}},
            r"device_iterations is 3.*4 stages",
        ),
        ({"stages": FOUR[:2]}, r"need 3 IPUs.*powers of two"),
        ({"replicas": 3, "batch_size": 15}, r"need 3 IPUs.*powers of two"),
        ({"replicas": 128, "batch_size": 128}, r"up to 64"),
        ({"inference": {"gradient_accumulation": 4}}, r"inference has no gradients"),
        ({"accumulation": 3}, r"multiple of 3"),
        ({"device_iterations": 0}, r"ipu.device_iterations"),
        ({"replicas": 1.0}, r"ipu.replicas"),
        ({"execution": "phased"}, r"ipu.execution must be one of pipelined, sharded"),
        ({"partials": "bfloat16"}, r"ipu.partials"),
        ({"recomputation": 1}, r"ipu.recomputation"),
        ({"available_memory_proportion": 1.2}, r"\(0, 1\]"),
        ({"available_memory_proportion": [0.4, 0.4, 0.4]}, r"3 values for 1 IPUs"),
        ({"loss_scaling": 0.5}, r"ipu.loss_scaling"),
        ({"loss_scaling": 8.0, "automatic_loss_scaling": True}, r"exclude each other"),
        ({"stages": ("a", "a", "b")}, r"different layer names"),
        ({"simulator": True, "replicas": 2}, r"ipu.simulator"),
        ({"cache": ""}, r"ipu.cache"),
        ({"progress_bar": 1}, r"ipu.progress_bar must be true or false"),
        ({"pipelined": True}, r"no field ipu.pipelined"),
        ({"inference": {"batch": 1}}, r"no field ipu.inference.batch"),
        ({"inference": 3}, r"ipu.inference must hold"),
    ],
    ids=str,
)
def test_what_poptorch_would_refuse_is_refused_before_it_is_loaded(settings, sentence):
    with pytest.raises(InvalidInput, match=sentence):
        config(**settings)


@pytest.mark.parametrize("stages", [0, 1, 3, 7])
def test_the_smallest_accumulation_is_what_the_pipeline_needs(stages):
    """1, 3, 7, 15: GA >= 2S - 1."""
    settings = IpuSettings(stages=[f"layer{number}" for number in range(stages)])
    least = {0: 1, 1: 3, 3: 7, 7: 15}[stages]
    assert settings.training_batching(least, least).samples_per_call == least
    assert settings.inference_batching.samples_per_call == stages + 1
    if least > 1:
        with pytest.raises(InvalidInput):
            settings.training_batching(least - 1, least - 1)
    sharded = dataclasses.replace(settings, execution="sharded")
    assert sharded.training_batching(1, 1).samples_per_call == sharded.inference_batching.samples_per_call == 1


def test_too_few_structures_for_one_combined_batch_are_refused_before_poptorch_is_looked_for(labelled):
    with pytest.raises(InvalidInput, match=r"15 structures .* takes 16"):
        train(part(labelled, 0, 15), part(labelled, 15, 20), config())


def test_a_stage_must_begin_at_a_layer_and_replicas_share_no_batch_statistics():
    module = nn.Sequential(nn.Conv3d(1, 2, 3), nn.BatchNorm3d(2))
    with pytest.raises(InvalidInput, match=r"ipu.stages names 'head', but the layers are 0, 1"):
        IpuSettings(stages=("head",)).check_module(module)
    with pytest.raises(InvalidInput, match=r"1 is a batch normalisation.*GroupNorm"):
        IpuSettings(replicas=2).check_module(module)
    IpuSettings(stages=("1",)).check_module(module)


def test_settings_survive_json():
    settings = IpuSettings(stages=TWO, available_memory_proportion=[0.3, 0.5], recomputation=False, cache="here")
    assert IpuSettings.from_dict(settings.to_dict()) == settings
