"""Run as a script: ``writer.py FOLDER FIRST COUNT [--die N | --limit BYTES]`` adds a shard of samples to a dataset.

With ``--die N`` the process kills itself instead of its N-th call that reaches the disk (an fsync or a rename).
"""

import argparse
import os
import pathlib
import resource
import signal
import sys

from samples import make_sample

from ionscreen.datasets import DatasetError, write_shard

parser = argparse.ArgumentParser()
parser.add_argument("folder")
parser.add_argument("first", type=int)
parser.add_argument("count", type=int)
parser.add_argument("--die", type=int)
parser.add_argument("--limit", type=int)
options = parser.parse_args()
calls = 0


def counted(function):
    """Return the function, which now counts and may be the last."""

    def call(*arguments):
        global calls
        calls += 1
        if calls == options.die:
            os.kill(os.getpid(), signal.SIGKILL)
        return function(*arguments)

    return call


os.fsync, os.replace = counted(os.fsync), counted(os.replace)
if sys.version_info < (3, 10):  # pathlib has a reference of its own
    pathlib._NormalAccessor.replace = staticmethod(os.replace)
samples = [make_sample(seed) for seed in range(options.first, options.first + options.count)]
if options.limit:
    resource.setrlimit(resource.RLIMIT_FSIZE, (options.limit, options.limit))
try:
    write_shard(options.folder, samples)
except DatasetError as error:
    sys.exit(str(error))
