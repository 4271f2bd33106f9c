"""Graphcore IPUs through PopTorch, which is imported here and nowhere else, and only when an IPU is asked for."""

from __future__ import annotations

import importlib
import itertools
from typing import Any, Iterator, Sequence

import torch
from torch import Tensor, nn
from torch.utils.data import Subset

from ...datasets import DeviceError, InvalidInput
from .batching import Batching
from .device import Device, Feed, OptimizerSettings, State, Tensors
from .ipu_errors import import_sentence, translated
from .ipu_settings import IpuSettings
from .state import flatten, unflatten

__all__ = ["IpuDevice", "import_poptorch", "open_ipu"]

# PopART's numbers: no activation is recomputed; all forward stages are.
RECOMPUTE_NOTHING, RECOMPUTE_STAGES = 0, 3
# useOfflineIpuTarget's number of GC200 and Bow.
MARK_2 = 2
_BETAS, _EPSILON = (0.9, 0.999), 1e-8


def import_poptorch() -> Any:
    """Return the module.

    Raises
    ------
    DeviceError
        If the SDK is absent, not enabled, or wants another torch.
    """
    try:
        return importlib.import_module("poptorch")
    except (ImportError, AssertionError) as error:
        raise DeviceError(import_sentence(error)) from error


def open_ipu(batching: Batching, precision: str, settings: IpuSettings, offline: bool = False) -> IpuDevice:
    """Return the IPUs, none acquired yet.

    Parameters
    ----------
    batching
        Of training.
    precision
        fp32 or fp16.
    settings
        The rest.
    offline
        Compile only, for an IPU that is elsewhere.

    Raises
    ------
    InvalidInput
        If the precision is another or scales a loss that needs none, or what is compiled for elsewhere is a simulator.
    DeviceError
        If PopTorch cannot be imported.
    """
    if precision not in ("fp32", "fp16"):
        raise InvalidInput(f"precision is {precision!r}, but an IPU computes in fp32 or fp16; choose one of them.")
    if offline and settings.simulator:
        raise InvalidInput("ipu.simulator runs here only, so there is nothing to compile for elsewhere; leave it out.")
    if settings.automatic_loss_scaling and precision != "fp16":
        raise InvalidInput("ipu.automatic_loss_scaling needs float16 gradients; set precision to fp16 or leave it out.")
    return IpuDevice(import_poptorch(), batching, precision, settings, offline)


class IpuDevice(Device):
    """One or several IPUs. PopTorch compiles at the first step and at the first prediction, which takes minutes.

    Training and prediction are two programs on the same IPUs: before one runs, the other is detached, and the weights
    go through the host.
    """

    name = "ipu"
    full_calls_only = True

    def __init__(self, poptorch: Any, batching: Batching, precision: str, settings: IpuSettings, offline: bool) -> None:
        self.batching = batching
        self._poptorch = poptorch
        self._half = precision == "fp16"
        self._settings = settings
        self._offline = offline
        self._module: nn.Module | None = None
        self._optimizer: Any = None
        self._options: Any = None
        self._trainer: Any = None
        self._predictor: Any = None
        self._attached: Any = None
        self._order_checked = False
        self._learning_rate: float | None = None
        self._state: State = {}
        self._loader: Any = None
        self._loaded: Iterator[Tensors] | None = None

    @property
    def sdk_version(self) -> str:
        """PopTorch's version: it loads only programs that its own compiled."""
        return str(self._poptorch.__version__)

    def compile(
        self, module: nn.Module, optimizer: OptimizerSettings | None = None, state: State | None = None
    ) -> None:
        """Lay the module out on the IPUs and build both programs' options; compilation itself waits for data."""
        self._settings.check_module(module)
        self._module = module.half() if self._half else module
        with translated(self._poptorch):
            layers = dict(module.named_modules())
            for number, stage in enumerate(self._settings.stages):
                self._poptorch.BeginBlock(layers[stage], user_id=stage, ipu_id=number + 1)
            if optimizer is not None:
                self._build_trainer(module, optimizer, state)
            predictor = _Predictor(module)
            predictor.eval()
            self._predictor = self._poptorch.inferenceModel(predictor, self._inference_options())

    def step(self, inputs: Sequence[Tensor], learning_rate: float) -> float:
        """Run one call: D weight updates, each over GA micro-batches on each of R replicas."""
        module = self._compiled()
        self._check_order(inputs)
        with translated(self._poptorch):
            self._set_learning_rate(learning_rate)
            if not self._trainer.isCompiled():
                self._detach(self._predictor)
                module.train()
                self._trainer.compile(*inputs)
                self._attached = self._trainer
            self._attach(self._trainer)
            # One sum over the call's micro-batches for each replica.
            summed = self._trainer(*inputs)
        micro_batches = self.batching.iterations * self.batching.accumulation * self.batching.replicas
        return float(summed.float().sum()) / micro_batches

    def predict(self, inputs: Sequence[Tensor]) -> Tensors:
        """Run as many calls as needed, the last one filled up with its last structure."""
        size = self._settings.inference_batching.samples_per_call
        parts: list[Tensors] = []
        self._read_weights()
        for start in range(0, len(inputs[0]), size):
            chosen = [tensor[start : start + size] for tensor in inputs]
            count = len(chosen[0])
            padded = [_padded(tensor, size) for tensor in chosen]
            with translated(self._poptorch):
                self._ready_to_predict(padded)
                outputs = self._predictor(*padded)
            outputs = outputs if isinstance(outputs, (tuple, list)) else (outputs,)
            parts.append(tuple(output[:count].clone() for output in outputs))
        return tuple(torch.cat(tensors) for tensors in zip(*parts))

    def optimizer_state(self) -> State:
        """Return what PopTorch keeps for the optimizer, as of the last prediction."""
        self._read_weights()
        return self._state

    def close(self) -> None:
        """Read the weights, free the IPUs and take the annotations off the module."""
        if self._module is None:
            return
        self._read_weights()
        if self._loader is not None and self._settings.async_loader:
            self._loader.terminate()
        with translated(self._poptorch):
            for program in (self._trainer, self._predictor):
                if program is not None:
                    program.destroy()
            if self._settings.stages:
                self._poptorch.removeBlocks(self._module)
        if self._half:
            self._module.float()
        self._module = self._trainer = self._predictor = self._attached = self._loaded = self._loader = None

    def batches(self, feed: Feed, epoch: int) -> Iterator[Tensors]:
        """Yield the calls of one epoch from PopTorch's loader, which runs ahead into the next."""
        if self._loaded is None:
            per_epoch = feed.calls * self.batching.samples_per_call
            rest = Subset(feed, range(epoch * per_epoch, len(feed)))
            mode = self._poptorch.DataLoaderMode
            with translated(self._poptorch):
                self._loader = self._poptorch.DataLoader(
                    self._options,
                    rest,
                    batch_size=self.batching.micro_batch,
                    shuffle=False,
                    num_workers=self._settings.loader_workers,
                    drop_last=True,
                    mode=mode.Async if self._settings.async_loader else mode.Sync,
                )
            self._loaded = iter(self._loader)
        return itertools.islice(self._loaded, feed.calls)

    def export(self, inputs: Sequence[Tensor], path: str) -> None:
        """Compile the prediction of structures like `inputs` into a file, for ``executable`` on an IPU host.

        Raises
        ------
        DeviceError
            If PopTorch cannot compile it.
        """
        size = self._settings.inference_batching.samples_per_call
        self._check_order(inputs)
        with translated(self._poptorch):
            padded = [_padded(tensor[:size], size) for tensor in inputs]
            self._predictor.compileAndExport(path, *padded, export_model=False)

    def _build_trainer(self, module: nn.Module, optimizer: OptimizerSettings, state: State | None) -> None:
        types = {
            name: getattr(torch, getattr(self._settings, name))
            for name in ("accumulator", "first_moment", "second_moment")
        }
        scaling = {} if self._settings.automatic_loss_scaling else {"loss_scaling": float(self._settings.loss_scaling)}
        self._optimizer = self._poptorch.optim.AdamW(
            module.parameters(),
            lr=1e-3,
            betas=_BETAS,
            eps=_EPSILON,
            weight_decay=optimizer.weight_decay,
            bias_correction=True,
            accum_type=types["accumulator"],
            first_order_momentum_accum_type=types["first_moment"],
            second_order_momentum_accum_type=types["second_moment"],
            max_grad_norm=optimizer.largest_gradient,
            **scaling,
        )
        if state:
            self._optimizer.load_state_dict(unflatten(state))
        self._options = self._training_options()
        trained = _Trained(self._poptorch, module)
        trained.train()
        self._trainer = self._poptorch.trainingModel(trained, self._options, self._optimizer)

    def _training_options(self) -> Any:
        options = self._common_options(self.batching)
        options.Training.gradientAccumulation(self.batching.accumulation)
        options.outputMode(self._poptorch.OutputMode.Sum)
        if self._settings.automatic_loss_scaling:
            options.Training.setAutomaticLossScaling(True)
        if self._settings.stochastic_rounding:
            options.Precision.enableStochasticRounding(True)
        if self._settings.recomputation is not None:
            kind = RECOMPUTE_STAGES if self._settings.recomputation else RECOMPUTE_NOTHING
            options._Popart.set("autoRecomputation", kind)
        return options

    def _inference_options(self) -> Any:
        options = self._common_options(self._settings.inference_batching)
        options.outputMode(self._poptorch.OutputMode.All)
        return options

    def _common_options(self, batching: Batching) -> Any:
        poptorch, settings = self._poptorch, self._settings
        options = poptorch.Options()
        options.deviceIterations(batching.iterations)
        options.replicationFactor(batching.replicas)
        strategy = poptorch.PipelinedExecution if settings.execution == "pipelined" else poptorch.ShardedExecution
        options.setExecutionStrategy(strategy(poptorch.AutoStage.SameAsIpu))
        if settings.available_memory_proportion:
            shares = settings.available_memory_proportion * (
                settings.stage_count // len(settings.available_memory_proportion)
            )
            options.setAvailableMemoryProportion({f"IPU{number}": share for number, share in enumerate(shares)})
        options.Precision.setPartialsType(torch.half if settings.partials == "float16" else torch.float)
        options.showCompilationProgressBar(settings.progress_bar)
        if settings.cache is not None:
            options.enableExecutableCaching(settings.cache)
        if settings.profile is not None:
            options.enableProfiling(settings.profile)
        if settings.on_demand:
            options.connectionType(poptorch.ConnectionType.OnDemand)
        if settings.simulator:
            options.useIpuModel(True)
        if self._offline:
            options.useOfflineIpuTarget(MARK_2)
        return options

    def _set_learning_rate(self, learning_rate: float) -> None:
        if learning_rate == self._learning_rate:
            return
        for group in self._optimizer.param_groups:
            group["lr"] = learning_rate
        # Only now does the device hear of it.
        self._trainer.setOptimizer(self._optimizer)
        self._learning_rate = learning_rate

    def _ready_to_predict(self, inputs: Sequence[Tensor]) -> None:
        if not self._predictor.isCompiled():
            self._check_order(inputs)
            self._detach(self._trainer)
            self._compiled().eval()
            # It is a program of prediction from voxels, which the one that validates a training is not.
            if self._settings.executable is not None and self._trainer is None:
                self._predictor.loadExecutable(self._settings.executable)
            else:
                self._predictor.compile(*inputs)
            self._attached = self._predictor
        elif self._attached is not self._predictor:
            self._attach(self._predictor)
            self._predictor.copyWeightsToDevice()

    def _attach(self, program: Any) -> None:
        if self._attached is not program:
            self._detach(self._attached)
            program.attachToDevice()
            self._attached = program

    def _detach(self, program: Any) -> None:
        if program is not None and program is self._attached and program.isAttachedToDevice():
            program.detachFromDevice()
            self._attached = None

    def _read_weights(self) -> None:
        """Bring weights and optimizer state to the host, if training is what ran last."""
        if self._trainer is None or self._attached is not self._trainer:
            return
        with translated(self._poptorch):
            self._trainer.copyWeightsToHost()
            self._state = flatten(self._optimizer.state_dict())

    def _compiled(self) -> nn.Module:
        if self._module is None:
            raise DeviceError("The IPU has no module, or is closed; call compile() first.")
        return self._module

    def _check_order(self, inputs: Sequence[Tensor]) -> None:
        """Refuse stages that the module does not call once each, one after another: each return is a stage more."""
        if self._order_checked or not self._settings.stages:
            return
        module = self._compiled()
        called: list[str] = []
        layers = dict(module.named_modules())
        hooks = [
            layers[stage].register_forward_pre_hook(lambda *_, stage=stage: called.append(stage))
            for stage in self._settings.stages
        ]
        with torch.no_grad():
            module.float()(*[tensor[:1] for tensor in inputs])
        for hook in hooks:
            hook.remove()
        if self._half:
            module.half()
        if tuple(called) != self._settings.stages:
            raise InvalidInput(
                f"ipu.stages is {list(self._settings.stages)}, but the module calls these layers as {called}; list "
                "them in that order, each called once."
            )
        self._order_checked = True


class _Trained(nn.Module):
    """The loss alone: what training must bring back to the host."""

    def __init__(self, poptorch: Any, module: nn.Module) -> None:
        super().__init__()
        # The function, not the module that it is in: that cannot be copied.
        self._marked = poptorch.identity_loss
        self.module = module

    def forward(self, *inputs: Tensor) -> Tensor:
        # A loss that torch does not know as one must be marked; marking one that it knows does no harm.
        loss: Tensor = self._marked(self.module(*inputs)[-1].float(), reduction="none")
        return loss


class _Predictor(nn.Module):
    """The module's outputs, in a wrapper of its own: PopTorch changes the class of what it wraps."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module

    def forward(self, *inputs: Tensor) -> Any:
        return self.module(*inputs)


def _padded(tensor: Tensor, size: int) -> Tensor:
    missing = size - len(tensor)
    return tensor if not missing else torch.cat([tensor, tensor[-1:].expand(missing, *tensor.shape[1:])])
