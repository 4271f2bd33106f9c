"""``ionscreen accelerator ...``: what an IPU would make of a model, before there is one, and whether devices agree."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ...datasets import InvalidInput

if TYPE_CHECKING:
    pass

__all__ = ["accelerator"]

UNREADY = 3

accelerator = typer.Typer(
    help="Check a model for Graphcore IPUs, plan its layout, and compare devices.",
    no_args_is_help=True,
    rich_markup_mode="rich",
    epilog=f"Exit codes: those of ionscreen; {UNREADY} if check found an error or parity a difference.",
)

Model = Annotated[
    str,
    typer.Argument(
        help="Folder of a checkpoint (RUN/surrogate), a campaign.yaml, or FILE.py:FUNCTION that returns "
        "(module, inputs) or (module, inputs, target).",
        show_default=False,
    ),
]
Shape = Annotated[tuple[int, int, int], typer.Option(help="Voxels of a structure.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@accelerator.command()
def check(
    model: Model,
    shape: Shape = (48, 48, 48),
    replicas: Annotated[int, typer.Option(min=1, help="Copies that would share a batch.")] = 1,
    as_json: AsJson = False,
) -> None:
    """Say whether a model is ready for an IPU: shapes, operators, normalisation, dtypes, loss; each with the cure."""
    from ...surrogate.accelerator import check_readiness
    from ..models import load_subjects

    found = {
        subject.name: check_readiness(subject.module, subject.inputs, subject.target, replicas)
        for subject in load_subjects(model, shape)
    }
    ready = not any(finding.severity == "error" for findings in found.values() for finding in findings)
    if as_json:
        _print_json({"ready": ready, **{name: [vars(f) for f in findings] for name, findings in found.items()}})
    else:
        for name, findings in found.items():
            typer.echo(f"{name}: " + ("nothing found" if not findings else f"{len(findings)} found"))
            for f in findings:
                typer.echo(f"  {f.severity}  {f.subject}: {f.what}.\n         Cure: {f.cure}.")
        typer.echo("Ready for PopTorch 3.3 and 3.4, as far as it can be seen without one." if ready else "Not ready.")
    if not ready:
        raise typer.Exit(UNREADY)


@accelerator.command()
def plan(
    model: Model,
    shape: Shape = (48, 48, 48),
    batch_size: Annotated[
        int, typer.Option(min=1, help="Structures per weight update, or per call of prediction; plans keep it.")
    ] = 16,
    ipus: Annotated[int, typer.Option(min=1, max=64, help="At most so many.")] = 4,
    machine: Annotated[str, typer.Option(help="gc200, bow or both.")] = "both",
    precision: Annotated[str, typer.Option(help="fp32 or fp16.")] = "fp32",
    predict: Annotated[bool, typer.Option("--predict", help="Plan prediction instead of training.")] = False,
    plot: Annotated[Path | None, typer.Option(help="Write a figure (PNG, PDF or SVG) here.")] = None,
    as_json: AsJson = False,
) -> None:
    """Model how a model lies on IPUs, and print the best plan as settings; nothing is measured."""
    from ...surrogate.accelerator import PlanRequest, make_plans, trace
    from ..models import load_subjects

    request = PlanRequest(batch_size, ipus, precision, not predict, _machines(machine))
    subject = load_subjects(model, shape)[-1 if predict else 0]
    if subject.target is None and not predict:
        raise InvalidInput(
            f"{model} returns no target, so it cannot be trained; return (module, inputs, target), or add --predict."
        )
    target = [] if subject.target is None or predict else [subject.target]
    traced = trace(subject.module, [*subject.inputs, *target], backward=not predict)
    plans = make_plans(traced, request)
    if plot is not None:
        from ..accelerator_figure import write_plan_figure

        write_plan_figure(plans, plot)
    if as_json:
        _print_json(
            {"modelled": True, "layers": [vars(s) for s in traced.segments], "plans": [p.to_dict() for p in plans]}
        )
        return
    from rich.console import Console

    from ..accelerator_tables import layer_table, plan_table, stage_table

    console = Console(width=None if Console().is_terminal else 118)
    for table in (layer_table(traced), plan_table(plans), stage_table(plans[0])):
        console.print(table)
        console.print()
    import yaml

    use = "prediction alone" if predict else "a campaign's train: with model: network"
    typer.echo(f"# The recommended plan (first row), for an exported configuration, or {use}:")
    typer.echo(yaml.safe_dump(plans[0].block(), sort_keys=False, default_flow_style=None), nl=False)


def _machines(name: str) -> Any:
    from ...surrogate.accelerator import BOW, GC200, MACHINES

    if name == "both":
        return (GC200, BOW)
    if name not in MACHINES:
        raise InvalidInput(f"--machine must be gc200, bow or both, not {name!r}.")
    return (MACHINES[name],)


def _print_json(content: Any) -> None:
    typer.echo(json.dumps(content, indent=1, ensure_ascii=False))


@accelerator.command()
def parity(
    checkpoint: Annotated[Path, typer.Argument(help="Folder of a surrogate: RUN/surrogate.", show_default=False)],
    dataset: Annotated[Path, typer.Argument(help="Labelled structures: RUN/dataset.", show_default=False)],
    devices: Annotated[str, typer.Option(help="Of cpu, cuda, ipu; separated by commas.")] = "cpu,cuda,ipu",
    transport: Annotated[str, typer.Option(help="Name of the label.")] = "ionic",
    axis: Annotated[int, typer.Option(min=0, max=2, help="Direction of the current.")] = 0,
    structures: Annotated[int, typer.Option(min=16, help="At most so many are predicted and trained on.")] = 128,
    as_json: AsJson = False,
) -> None:
    """Compare devices with the CPU: the same checkpoint and structures, and one epoch of training with one seed."""
    from ..device_parity import measure_parity, parity_table

    results = measure_parity(checkpoint, dataset, devices.split(","), transport, axis, structures)
    if as_json:
        _print_json([result.to_dict() for result in results])
    else:
        from rich.console import Console

        Console(width=None if Console().is_terminal else 118).print(parity_table(results))
        for result in results:
            if result.absent:
                typer.echo(f"absent: {result.device} {result.precision}: {result.absent}")
    if any(result.absent is None and not result.agrees for result in results):
        raise typer.Exit(UNREADY)
