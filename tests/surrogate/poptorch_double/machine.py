"""The IPUs of the machine, and which program holds them. Tests set what there is."""

from .errors import Error, RecoverableError


class Machine:
    """So many IPUs; `fault` is what the next compilation or run meets, if anything."""

    def __init__(self):
        self.reset()

    def reset(self, ipus=4):
        self.ipus = ipus
        self.fault = None
        self.compilations = 0
        self.holders = {}

    def acquire(self, program, count):
        """Give IPUs to a program; they are there once."""
        free = self.ipus - sum(self.holders.values())
        if count > free:
            reason = (
                "No IPU detected in the system. \nFor more information use the command-line tool `gc-monitor`."
                if not self.ipus
                else f"No device found on the system with {count} IPUs: the configuration needs changing"
            )
            raise Error(f"Failed to acquire {count} IPU(s)\n{reason}", "poptorch_cpp_error")
        self.holders[id(program)] = count

    def release(self, program):
        self.holders.pop(id(program), None)

    def fail(self):
        """Raise the fault that a test asked for, once."""
        fault, self.fault = self.fault, None
        if fault == "memory":
            raise Error(
                "Memory allocation error : Out of memory on tile 0: 876476 bytes used but tiles only have "
                "638976 bytes of memory",
                "popart_exception",
            )
        if fault == "link":
            raise RecoverableError("The IPU link failed", "LINK_RESET")


MACHINE = Machine()


def ipuHardwareIsAvailable(num_ipus=1):  # noqa: N802
    return MACHINE.ipus >= num_ipus
