"""What PopTorch raises."""


class Error(RuntimeError):
    """Its base; raised in Python it has the type poptorch_py_error."""

    def __init__(self, message, type="poptorch_py_error"):
        super().__init__(message)
        self.message = message
        self.type = type
        self.location = ""


class RecoverableError(Error):
    """Something a reset cures."""

    def __init__(self, message, recovery_action="IPU_RESET"):
        super().__init__(message, "poplar_recoverable_runtime_error")
        self.recovery_action = recovery_action


class UnrecoverableError(Error):
    """Broken hardware."""
