"""A real SLURM on this machine: one node, no systemd, its own munge, everything in one folder."""

import os
import pwd
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "squeue", "scancel", "scontrol")
START_SECONDS = 30

CONFIG = """\
ClusterName=tests
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={ports[0]}
SlurmdPort={ports[1]}
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
CredType=cred/munge
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
MpiDefault=none
SwitchType=switch/none
SchedulerParameters=sched_interval=1,batch_sched_delay=0,sched_min_interval=100000
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SlurmdParameters=config_overrides
ReturnToService=2
KillWait=3
InactiveLimit=0
MessageTimeout=60
NodeName={host} NodeAddr=127.0.0.1 CPUs=16 RealMemory=100000 State=UNKNOWN
PartitionName=all Nodes=ALL Default=YES MaxTime=INFINITE State=UP
"""


def missing_programs() -> list[str]:
    """Return which of SLURM's programs this machine lacks."""
    places = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/sbin"])
    return [name for name in PROGRAMS if shutil.which(name, path=places) is None]


@contextmanager
def one_node_slurm(folder: Path) -> Iterator[Path]:
    """Start it, yield its slurm.conf, and stop it.

    Parameters
    ----------
    folder
        Empty; its path must be short, because munge listens on a socket in it.
    """
    host, user = socket.gethostname().split(".")[0], pwd.getpwuid(os.getuid()).pw_name
    config = folder / "slurm.conf"
    values = {"host": host, "user": user, "folder": folder, "ports": _free_ports(2)}
    config.write_text(CONFIG.format(**values))
    for name in ("state", "spool"):
        (folder / name).mkdir()
    key = folder / "munge.key"
    key.write_bytes(os.urandom(128))
    key.chmod(0o600)
    environment = {**os.environ, "SLURM_CONF": str(config)}
    environment["PATH"] = os.pathsep.join([environment.get("PATH", ""), "/usr/sbin", "/sbin"])
    munge = [f"--{name}={folder}/munge.{end}" for name, end in _MUNGE_FILES]
    try:
        _start(["munged", "--force", "--num-threads=2", f"--key-file={key}", *munge], environment)
        _start(["slurmctld", "-f", str(config)], environment)
        _start(["slurmd", "-f", str(config), "-N", host], environment)
        _wait_until_idle(environment)
        yield config
    finally:
        subprocess.run(["scancel", "--user", user], env=environment, capture_output=True, check=False)
        for name in ("slurmd.pid", "slurmctld.pid", "munge.pid"):
            _stop(folder / name)


_MUNGE_FILES = (("socket", "socket"), ("pid-file", "pid"), ("log-file", "log"), ("seed-file", "seed"))


def _start(command: list[str], environment: dict[str, str]) -> None:
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=START_SECONDS, check=False)
    assert done.returncode == 0, (command, done.stdout, done.stderr)


def _wait_until_idle(environment: dict[str, str]) -> None:
    end, said = time.monotonic() + START_SECONDS, ""
    while time.monotonic() < end:
        done = subprocess.run(
            ["sinfo", "--noheader", "--format=%T"], env=environment, capture_output=True, text=True, check=False
        )
        said = done.stdout + done.stderr
        if "idle" in done.stdout:
            return
        time.sleep(0.1)
    raise AssertionError(f"SLURM's node is not idle after {START_SECONDS} s: {said}")


def _stop(pid_file: Path) -> None:
    with suppress(OSError, ValueError):
        pid = int(pid_file.read_text())
        os.kill(pid, 15)
        end = time.monotonic() + 10
        while time.monotonic() < end:
            os.kill(pid, 0)
            time.sleep(0.1)
        os.kill(pid, 9)


def _free_ports(count: int) -> list[int]:
    sockets = [socket.socket() for _ in range(count)]
    try:
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]
    finally:
        for one in sockets:
            one.close()
