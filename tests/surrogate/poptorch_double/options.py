"""Options: setters check types only, return the options, and are frozen once a loader or a program has them."""

# ruff: noqa: N802

import enum

import torch


class OutputMode(enum.IntEnum):
    Final = 0
    EveryN = 1
    All = 2
    Sum = 3
    Default = 4


class ConnectionType(enum.IntEnum):
    Always = 0
    OnDemand = 1
    Never = 2


class AutoStage(enum.IntEnum):
    SameAsIpu = 0
    AutoIncrement = 1


class PipelinedExecution:
    """Only the default, a stage for each IPU."""

    def __init__(self, *args):
        assert args in ((), (AutoStage.SameAsIpu,)), "The double knows AutoStage.SameAsIpu only"


class ShardedExecution(PipelinedExecution):
    """The same split, one IPU at a time."""


class _Group:
    """A group of options; `_top` is the Options that it belongs to."""

    def __init__(self, top=None, **defaults):
        self._top = top or self
        self._values = defaults

    def __getattr__(self, name):
        if name.startswith("_") or name not in self._values:
            raise AttributeError(name)
        return self._values[name]

    def _set(self, name, value, *types):
        if self._top._frozen:
            raise AttributeError("Can't modify frozen Options")
        right = isinstance(value, types) and (bool in types or not isinstance(value, bool))
        assert right, f"Unexpected type {type(value)} for option {name}"
        self._values[name] = value
        return self._top


class _Training(_Group):
    def gradientAccumulation(self, gradient_accumulation):
        return self._set("gradient_accumulation", gradient_accumulation, int)

    def setAutomaticLossScaling(self, enabled):
        return self._set("automatic_loss_scaling", enabled, bool)


class _Precision(_Group):
    def setPartialsType(self, dtype):
        if dtype not in (torch.float, torch.half):
            raise ValueError("setPartialsType: either torch.float or torch.half")
        return self._set("partials", dtype, torch.dtype)

    def enableStochasticRounding(self, enabled):
        return self._set("stochastic_rounding", enabled, bool)


class _Popart(_Group):
    def set(self, key, value):
        return self._set(key, value, int, str, bool)


class Options(_Group):
    """The part of the real one that this project uses."""

    def __init__(self):
        self._frozen = False
        super().__init__(
            None,
            replication_factor=1,
            device_iterations=1,
            output_mode=OutputMode.Default,
            connection_type=ConnectionType.Always,
            strategy=PipelinedExecution(AutoStage.SameAsIpu),
        )
        self.Training = _Training(self, gradient_accumulation=1, automatic_loss_scaling=False)
        self.Precision = _Precision(self)
        self._Popart = _Popart(self)

    def deviceIterations(self, device_iterations):
        return self._set("device_iterations", device_iterations, int)

    def replicationFactor(self, replication_factor):
        return self._set("replication_factor", replication_factor, int)

    def outputMode(self, output_mode, output_return_period=None):
        assert output_mode is not OutputMode.EveryN or output_return_period is not None
        return self._set("output_mode", output_mode, OutputMode)

    def setExecutionStrategy(self, strategy):
        return self._set("strategy", strategy, PipelinedExecution)

    def setAvailableMemoryProportion(self, available_memory_proportion):
        assert all(key.startswith("IPU") for key in available_memory_proportion), "keys are IPU0, IPU1, ..."
        return self._set("available_memory_proportion", available_memory_proportion, dict)

    def enableExecutableCaching(self, path):
        return self._set("cache", path, str, type(None))

    def enableProfiling(self, profile_dir=None):
        return self._set("profile", profile_dir, str, type(None))

    def useIpuModel(self, use_model):
        return self._set("ipu_model", use_model, bool)

    def useOfflineIpuTarget(self, ipu_version=2):
        assert ipu_version in (1, 2, 21)
        return self.connectionType(ConnectionType.Never)

    def connectionType(self, connection_type):
        return self._set("connection_type", connection_type, ConnectionType)

    def showCompilationProgressBar(self, show=True):
        return self._set("progress_bar", show, bool)
