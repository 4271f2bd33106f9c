"""AdamW with PopTorch's arguments: a bag of settings, the update itself happens on the device."""

import torch


class AdamW(torch.optim.AdamW):
    def __init__(
        self,
        params,
        lr=None,
        betas=None,
        eps=None,
        weight_decay=None,
        amsgrad=None,
        maximize=None,
        foreach=None,
        capturable=None,
        differentiable=None,
        fused=None,
        loss_scaling=None,
        bias_correction=None,
        accum_type=None,
        first_order_momentum_accum_type=None,
        second_order_momentum_accum_type=None,
        max_grad_norm=None,
    ):
        if amsgrad:
            raise ValueError("AMSGrad is not supported")
        assert not any((maximize, foreach, capturable, differentiable, fused))
        for dtype in (accum_type, first_order_momentum_accum_type, second_order_momentum_accum_type):
            assert dtype in (None, torch.float16, torch.float32), (
                "Accumulation types must be either torch.float32 or torch.float16"
            )
        assert bias_correction, "The double corrects the bias"
        given = {"lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay}
        super().__init__(params, **{name: value for name, value in given.items() if value is not None})
        self.loss_scaling = 1.0 if loss_scaling is None else loss_scaling
        self.max_grad_norm = max_grad_norm
        self._ipu_state = None

    def hyperparameters(self):
        """Return what the device is told when a program is made and at setOptimizer."""
        group = self.param_groups[0]
        return {name: group[name] for name in ("lr", "betas", "eps", "weight_decay")}

    def state_dict(self):
        return {"ipu_state": self._ipu_state or {}, "ipu_param": {"lossScaling": self.loss_scaling}}

    def load_state_dict(self, state_dict):
        if "ipu_state" not in state_dict:
            raise RuntimeError("Only IPU optimizer states can be loaded onto the IPU.")
        self._ipu_state = state_dict["ipu_state"]
