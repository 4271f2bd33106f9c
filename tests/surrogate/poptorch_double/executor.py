"""A compiled program: what it refuses, and the loop nest it runs."""

# ruff: noqa: N802

import pickle
from pathlib import Path

import torch
from torch import nn
from torch.func import functional_call
from torch.utils._python_dispatch import TorchDispatchMode

from .blocks import running
from .errors import Error
from .machine import MACHINE
from .optim import AdamW
from .options import ConnectionType, Options, OutputMode, ShardedExecution

# Operators of 3-D networks that PopTorch does not have, and what reads a tensor's value.
UNSUPPORTED = ("nan_to_num", "huber_loss", "upsample_trilinear3d", "reflection_pad3d", "adaptive_max_pool3d")
NARROWED = {torch.int64: torch.int32, torch.float64: torch.float32, torch.bfloat16: torch.float32}


def trainingModel(model, options=None, optimizer=None):
    return PoplarExecutor(model, options or Options(), True, optimizer)


def inferenceModel(model, options=None):
    options = options or Options()
    if options.Training.gradient_accumulation != 1:
        raise Error("You must set poptorch.Options().Training.gradientAccumulation to 1 for inference")
    return PoplarExecutor(model, options, False, None)


class PoplarExecutor:
    def __init__(self, model, options, training, optimizer):
        if getattr(type(model), "_wrapped_by_double", False):
            raise RuntimeError(
                "Model has already been wrapped in 'poptorch.trainingModel'. Call model.destroy() to unwrap"
            )
        assert optimizer is None or isinstance(optimizer, AdamW), "The double knows AdamW only"
        options._frozen = True
        self.options, self._model, self._training, self._optimizer = options, model, training, optimizer
        self._host_class = type(model)
        model.__class__ = type("PoptorchModel", (type(model),), {"_wrapped_by_double": True})
        self._hyper = optimizer.hyperparameters() if optimizer else None
        self._expected = None
        self._attached = False
        self._device = self._update = None

    @property
    def model(self):
        return self._model

    def compile(self, *args):
        args = _narrowed(args)
        self._check_batch(args)
        self._mode = self._model.training
        self._expected = [(tensor.shape, tensor.dtype) for tensor in args]
        self._read_host()
        with running() as entered, torch.no_grad(), _Refusals():
            output = self._forward([part[0] for part in self._micro_batches(args)])
        if self._training and not _loss(output).dim() == 0:
            raise Error("Couldn't find a loss in graph!")
        self._ipus = self._check_layout(entered)
        MACHINE.fail()
        MACHINE.compilations += 1
        if self.options.connection_type is ConnectionType.Always:
            self._acquire()

    def __call__(self, *args):
        if self.options.connection_type is ConnectionType.Never:
            raise AssertionError(
                "Trying to run a model on an offline device (ConnectionType.Never): use model.compile(inputs) "
                "instead of model(inputs)"
            )
        args = _narrowed(args)
        if not self.isCompiled():
            self.compile(*args)
        if not self._attached:
            if self.options.connection_type is not ConnectionType.OnDemand:
                raise Error("Device is not attached")
            self._acquire()
        self._check_shapes(args)
        MACHINE.fail()
        outputs = self._run_updates(args) if self._training else self._run_inference(args)
        return self._gathered(outputs)

    def compileAndExport(self, filename, *args, export_model=True):
        assert not export_model, "The double exports no models"
        self.compile(*args)
        shapes = [(tuple(shape), str(dtype)) for shape, dtype in self._expected]
        Path(filename).write_bytes(pickle.dumps((shapes, self._ipus)))

    def loadExecutable(self, filename):
        try:
            shapes, self._ipus = pickle.loads(Path(filename).read_bytes())
        except (OSError, pickle.UnpicklingError) as error:
            raise Error(f"{filename}: {error}", "poptorch_cpp_error") from error
        self._expected = [(torch.Size(shape), getattr(torch, dtype.split(".")[1])) for shape, dtype in shapes]
        self._mode = self._model.training
        self._read_host()
        self._acquire()

    def isCompiled(self):
        return self._expected is not None

    def isAttachedToDevice(self):
        return self._attached

    def attachToDevice(self):
        if not self.isCompiled():
            raise Error("Model has not been compiled or has been destroyed.")
        if self._attached:
            raise Error("Device is already attached")
        self._read_host()
        self._acquire()

    def detachFromDevice(self):
        if not self._attached:
            raise Error("Device is not attached")
        MACHINE.release(self)
        # What was on the device and was not read is lost.
        self._attached, self._device, self._update = False, None, None

    def copyWeightsToHost(self):
        self._need_device()
        host = {**dict(self._model.named_parameters()), **dict(self._model.named_buffers())}
        with torch.no_grad():
            for name, tensor in self._device.items():
                host[name].copy_(tensor)
        if self._update is not None:
            self._optimizer._ipu_state = _copied(self._update.state_dict()["state"])

    def copyWeightsToDevice(self):
        self._need_device()
        self._read_host()

    def setOptimizer(self, optimizer):
        assert self._training
        self._hyper = optimizer.hyperparameters()
        self._tell()

    def destroy(self):
        if self._attached:
            self.detachFromDevice()
        self._expected = None
        self._model.__class__ = self._host_class

    def _acquire(self):
        MACHINE.acquire(self, self._ipus)
        self._attached = True

    def _need_device(self):
        if not self.isCompiled():
            raise Error("Model has not been compiled or has been destroyed.")
        if not self._attached:
            raise Error("Device is not attached")

    def _read_host(self):
        """Upload weights, and the optimizer's state where there is one."""
        parameters = {name: p.detach().clone() for name, p in self._model.named_parameters()}
        buffers = {name: b.detach().clone() for name, b in self._model.named_buffers()}
        self._device = {**parameters, **buffers}
        if not self._training:
            return
        known = {id(p) for group in self._optimizer.param_groups for p in group["params"]}
        assert known == {id(p) for p in self._model.parameters()}
        self._weights = [tensor.requires_grad_() for tensor in parameters.values()]
        # Whatever the type of the weights: gradients add up, and the moments are kept, in float32.
        self._update = torch.optim.AdamW([tensor.detach().float() for tensor in self._weights], lr=0.0)
        if self._optimizer._ipu_state:
            state = {**self._update.state_dict(), "state": _copied(self._optimizer._ipu_state)}
            self._update.load_state_dict(state)
        self._tell()

    def _tell(self):
        if self._update is not None:
            for group in self._update.param_groups:
                group.update(self._hyper)

    def _check_batch(self, args):
        o = self.options
        calls = o.device_iterations * o.replication_factor * o.Training.gradient_accumulation
        for tensor in args:
            assert tensor.dim() == 0 or len(tensor) % calls == 0, (
                f"Invalid batch dimension: {len(tensor)} is not a multiple of {calls}"
            )

    def _check_layout(self, entered):
        """Return the IPUs needed."""
        o, places = self.options, [0, *entered]
        stages = 1 + sum(a != b for a, b in zip(places, places[1:]))
        if not isinstance(o.strategy, ShardedExecution):
            if self._training and o.Training.gradient_accumulation < 2 * stages - 1:
                raise Error(
                    "poptorch.Options().Training.gradientAccumulation must be greater than or equal to the number of "
                    f"pipeline stages ({2 * stages - 1}) when using poptorch.PipelinedExecution."
                )
            if not self._training and o.device_iterations < stages:
                raise Error(
                    "poptorch.Options().deviceIterations must be greater than or equal to the number of pipeline "
                    f"stages ({stages}) when using PopTorch.PipelinedExecution."
                )
        norms = [m for m in self._model.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm)]
        if self._training and norms and o.replication_factor > 1:
            raise Error("PopTorch does not support broadcasting buffers: set poptorch.Options.broadcastBuffers(False)")
        ipus = max(len(set(places)), max(places) + 1) * o.replication_factor
        if ipus & (ipus - 1):
            raise Error(f"The model specifies the use of {ipus} IPUs, however PopTorch must reserve a power of two")
        return ipus

    def _check_shapes(self, args):
        if len(args) != len(self._expected):
            raise Error("Number of positional arguments mismatch")
        for number, (tensor, (shape, dtype)) in enumerate(zip(args, self._expected)):
            if tensor.shape != shape:
                raise Error(f"Shape mismatch for input {number}: expected {shape} but got {tensor.shape}")
            if tensor.dtype != dtype:
                raise Error(f"Data type mismatch for input {number}: expected {dtype} but got {tensor.dtype}")

    def _micro_batches(self, args):
        """Return each input as (D·GA·R, B, ...)."""
        o = self.options
        count = o.device_iterations * o.Training.gradient_accumulation * o.replication_factor
        return [tensor.reshape(count, -1, *tensor.shape[1:]) for tensor in args]

    def _forward(self, inputs):
        self._model.train(self._mode)
        return functional_call(self._model, self._device, tuple(inputs))

    def _run_updates(self, args):
        o, micro = self.options, self._micro_batches(args)
        together = o.Training.gradient_accumulation * o.replication_factor
        outputs = []
        for iteration in range(o.device_iterations):
            sums = [torch.zeros_like(tensor, dtype=torch.float32) for tensor in self._weights]
            for number in range(iteration * together, (iteration + 1) * together):
                with running(), torch.enable_grad():
                    output = self._forward([part[number] for part in micro])
                    scale = self._optimizer.loss_scaling
                    gradients = torch.autograd.grad(_loss(output) * (scale / together), self._weights)
                for total, gradient in zip(sums, gradients):
                    total += gradient
                outputs.append(_detached(output))
            self._apply([total / scale for total in sums])
        return outputs

    def _apply(self, gradients):
        updated = self._update.param_groups[0]["params"]
        with torch.no_grad():
            for parameter, weight, gradient in zip(updated, self._weights, gradients):
                parameter.copy_(weight)
                parameter.grad = gradient
            if self._optimizer.max_grad_norm is not None:
                nn.utils.clip_grad_norm_(updated, self._optimizer.max_grad_norm)
            self._update.step()
            for parameter, weight in zip(updated, self._weights):
                weight.copy_(parameter)

    def _run_inference(self, args):
        micro = self._micro_batches(args)
        with running(), torch.no_grad():
            return [_detached(self._forward([part[n] for part in micro])) for n in range(len(micro[0]))]

    def _gathered(self, outputs):
        if isinstance(outputs[0], tuple):
            return tuple(self._gathered(list(parts)) for parts in zip(*outputs))
        mode, replicas = self.options.output_mode, self.options.replication_factor
        if mode is OutputMode.Default:
            mode = OutputMode.Final if self._training else OutputMode.All
        outputs = [output.reshape(-1) if output.dim() == 0 else output for output in outputs]
        if mode is OutputMode.All:
            return torch.cat(outputs)
        by_replica = [torch.stack(outputs[r::replicas]) for r in range(replicas)]
        kept = [o.sum(0) if mode is OutputMode.Sum else o[-1] for o in by_replica]
        return torch.cat(kept) if len(kept) > 1 or kept[0].numel() > 1 else kept[0].reshape(())


class _Refusals(TorchDispatchMode):
    """Refuse what PopTorch has no operator for, and Python that looks at a tensor's value."""

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        name = func.overloadpacket.__name__
        if name in UNSUPPORTED:
            raise Error(
                f"Unsupported ops found in compiled model: [aten::{name}]. Not all operations are supported yet by "
                "Graphcore's PyTorch compiler.",
                "poptorch_cpp_error",
            )
        if name in ("_local_scalar_dense", "nonzero"):
            raise Error(f"aten::{name} reads a tensor's value, which is not known when compiling", "poptorch_cpp_error")
        return func(*args, **(kwargs or {}))


def _narrowed(args):
    return tuple(tensor.to(NARROWED.get(tensor.dtype, tensor.dtype)) for tensor in args)


def _loss(output):
    return output[-1] if isinstance(output, tuple) else output


def _detached(output):
    return tuple(map(_detached, output)) if isinstance(output, tuple) else output.detach()


def _copied(state):
    """Return nested dictionaries of copies, keys as they are."""
    if isinstance(state, dict):
        return {key: _copied(value) for key, value in state.items()}
    return state.detach().clone() if isinstance(state, torch.Tensor) else state
