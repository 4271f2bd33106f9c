"""``python -m ionscreen.surrogate VERB``: for hosts that have datasets/ and surrogate/ only."""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from pathlib import Path
from typing import Sequence

from ..datasets import InvalidInput, IonscreenError
from .devices import DEVICES, PRECISIONS
from .host_run import HostRun
from .run_config import RunConfig

__all__ = ["main"]

DONE, FAILED, BAD_INPUT, INTERRUPTED = 0, 1, 2, 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command line and return its exit code: 0 done, 1 could not finish, 2 bad input, 130 interrupted."""
    options = _parser().parse_args(arguments)
    try:
        run = HostRun(_config(options), lambda line: print(line, flush=True))
        if options.verb == "compile":
            run.compile(options.shape and tuple(options.shape), options.executable)
        elif options.verb == "predict":
            run.predict(options.candidates)
        else:
            getattr(run, options.verb)()
        return DONE
    except KeyboardInterrupt:
        print("Interrupted. Finished epochs are kept; run the same command again to resume.", file=sys.stderr)
        return INTERRUPTED
    except IonscreenError as error:
        if options.debug:
            raise
        print(f"Error: {error}", file=sys.stderr)
        return BAD_INPUT if isinstance(error, InvalidInput) else FAILED


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m ionscreen.surrogate",
        description="Train a surrogate and screen with it on a host that has datasets/ and surrogate/ only.",
        epilog="Exit codes: 0 done, 1 could not finish (run again to resume), 2 bad input, 130 interrupted.",
    )
    parser.add_argument("--debug", action="store_true", help="show the traceback of an error")
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="train|evaluate|compile|predict")
    for name, text in (
        ("train", "train, store the checkpoint, evaluate it on held-out structures"),
        ("evaluate", "evaluate the checkpoint on held-out structures"),
        ("compile", "compile the checkpoint's prediction for IPUs, which need not be here (the Poplar SDK must)"),
        ("predict", "predict a dataset of candidates and rank them"),
    ):
        verb = verbs.add_parser(name, help=text, description=text)
        verb.add_argument("--config", type=Path, required=True, help="JSON of 'ionscreen train --export-config'")
        if name != "compile":
            verb.add_argument("--device", choices=DEVICES, help="instead of the one in the configuration")
        verb.add_argument("--precision", choices=PRECISIONS, help="instead of the one in the configuration")
        verb.add_argument("--dataset", type=Path, help="labelled structures, instead of those in the configuration")
        verb.add_argument("--output", type=Path, help="folder for everything, instead of the one in the configuration")
        if name == "compile":
            verb.add_argument(
                "--shape",
                type=int,
                nargs=3,
                metavar=("NX", "NY", "NZ"),
                help="voxels of the candidates, instead of the labelled structures'",
            )
            verb.add_argument("--executable", type=Path, help="file of the program, instead of OUTPUT/screener.popef")
        if name in ("evaluate", "predict"):
            verb.add_argument(
                "--executable", type=Path, help="program of 'compile', for --device ipu: nothing is compiled here"
            )
        if name == "predict":
            verb.add_argument(
                "--candidates", type=Path, required=True, help="dataset to predict; labels are not needed"
            )
    return parser


def _config(options: argparse.Namespace) -> RunConfig:
    config = RunConfig.load(options.config)
    changed = {
        name: getattr(options, name) for name in ("device", "precision") if getattr(options, name, None) is not None
    }
    if options.verb == "compile":
        changed["device"] = "ipu"
    training = replace(config.training, **changed)
    if options.verb in ("evaluate", "predict") and options.executable is not None:
        if training.device != "ipu":
            raise InvalidInput("--executable is a program for IPUs; add --device ipu, or leave it out.")
        training = replace(training, ipu=replace(training.ipu, executable=str(options.executable)))
    return replace(
        config, training=training, dataset=options.dataset or config.dataset, output=options.output or config.output
    )


if __name__ == "__main__":
    sys.exit(main())
