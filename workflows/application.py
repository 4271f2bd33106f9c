"""The application: the verbs, and how every failure becomes one sentence and an exit code."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import Annotated

import typer

from ..datasets import InvalidInput, IonscreenError
from .verbs.accelerator import accelerator
from .verbs.dataset import dataset
from .verbs.evaluate import evaluate
from .verbs.fit import fit
from .verbs.generate import generate
from .verbs.init import init
from .verbs.label import label
from .verbs.onnx import onnx
from .verbs.report import report
from .verbs.run import run as run_campaign
from .verbs.screen import screen
from .verbs.solve import solve
from .verbs.status import status
from .verbs.submit import submit
from .verbs.train import train

__all__ = ["app", "run"]

DONE, FAILED, BAD_INPUT, INTERRUPTED = 0, 1, 2, 130

app = typer.Typer(
    name="ionscreen",
    help="Find the solid-electrolyte microstructure that conducts best: generate, solve, learn, screen, prove.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
    rich_markup_mode="rich",
    epilog="Exit codes: 0 done, 1 could not finish (run again to resume), 2 bad input, 130 interrupted; "
    "3: dataset verify or accelerator check found something wrong.",
)
app.command()(init)
app.command(name="run")(run_campaign)
app.command()(solve)
app.command()(generate)
app.command()(label)
app.command()(train)
app.command()(screen)
app.command()(fit)
app.command()(evaluate)
app.command()(onnx)
app.command()(report)
app.command()(submit)
app.command()(status)
app.add_typer(dataset, name="dataset")
app.add_typer(accelerator, name="accelerator")


def _show_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(f"ionscreen {version('ionscreen')}")
        raise typer.Exit


@app.callback()
def _options(
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
    version: Annotated[
        bool, typer.Option("--version", help="Show the version and stop.", callback=_show_version, is_eager=True)
    ] = False,
) -> None:
    """Take the options that stand before the verb; `run` looks at --debug itself."""


def run(arguments: Sequence[str]) -> int:
    """Run a command line and return its exit code; an error is one sentence on standard error."""
    debug = "--debug" in arguments
    try:
        code = app(args=list(arguments), standalone_mode=False)
        return code if isinstance(code, int) else DONE
    except typer.TyperException as error:
        # What the parser found wrong with the command line; it knows how to show it, with the usage.
        error.show()  # type: ignore[attr-defined]
        return BAD_INPUT
    except (KeyboardInterrupt, typer.Abort):
        _say("Interrupted. Everything finished is kept; run the same command again to resume.")
        return INTERRUPTED
    except IonscreenError as error:
        if debug:
            raise
        _say(str(error))
        return BAD_INPUT if isinstance(error, InvalidInput) else FAILED
    except BrokenPipeError:
        # The reader of our output (head, less) has gone; python must not complain when it closes the pipe.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return DONE
    except Exception as error:
        if debug:
            raise
        _say(
            f"Unexpected {type(error).__name__}: {str(error).rstrip('.')}. Add --debug after 'ionscreen' to see where."
        )
        return FAILED


def _say(sentence: str) -> None:
    from rich.console import Console
    from rich.markup import escape

    Console(stderr=True).print(f"[bold red]Error:[/] {escape(sentence)}", soft_wrap=True, highlight=False)
