"""Where a layer begins a stage, and the mark of a loss."""

# ruff: noqa: N802

import torch

from .errors import Error

# The IPU of each block in the order in which a forward pass enters it; None while nothing listens.
_ENTERED = None
_RUNNING = False


def BeginBlock(layer_to_call, user_id=None, ipu_id=None):
    if hasattr(layer_to_call, "_block_hook"):
        raise Error("module has already been assigned to a block.")

    def enter(module, inputs):
        if _ENTERED is not None:
            _ENTERED.append(ipu_id)

    layer_to_call._block_hook = layer_to_call.register_forward_pre_hook(enter)
    return layer_to_call


def removeBlocks(module):
    for layer in module.modules():
        if hasattr(layer, "_block_hook"):
            layer._block_hook.remove()
            del layer._block_hook


def identity_loss(x, reduction):
    value = {"sum": torch.sum, "mean": torch.mean, "none": torch.clone}[reduction](x)
    # On the host it is an operator without a derivative.
    return value if _RUNNING else value.detach()


def isRunningOnIpu():
    return _RUNNING


class running:  # noqa: N801 - a context
    """A forward pass on the device; gives the IPUs that it entered."""

    def __enter__(self):
        global _ENTERED, _RUNNING
        _ENTERED, _RUNNING = [], True
        return _ENTERED

    def __exit__(self, *_):
        global _ENTERED, _RUNNING
        _ENTERED, _RUNNING = None, False
