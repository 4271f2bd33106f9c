"""``ionscreen generate``: microstructures of a family or a campaign, with pictures."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ...datasets import InvalidInput
from ..quantities import parse_parameters, parse_shape, parse_voxel_size
from .screen_campaign import is_campaign

if TYPE_CHECKING:
    from ...pipeline.design import DesignOfExperiments

__all__ = ["generate"]


def generate(
    source: Annotated[
        str, typer.Argument(help="A family, for instance sintered, or a campaign's YAML file or run directory.")
    ],
    folder: Annotated[Path, typer.Argument(help="Where to write; structures that are there are kept.")],
    samples: Annotated[int, typer.Option(help="Number of structures.", min=1, max=100_000)] = 12,
    setting: Annotated[
        list[str] | None,
        typer.Option("--set", help="A parameter of the family, or its range; repeat.", metavar="NAME=VALUE|LOW..HIGH"),
    ] = None,
    shape: Annotated[str | None, typer.Option(help="Voxels: nx,ny,nz; 64,64,64 if not given.")] = None,
    voxel_size: Annotated[str | None, typer.Option(help="Edge of a voxel, 0.4um if not given.")] = None,
    seed: Annotated[int | None, typer.Option(help="Same seed, same structures; drawn if not given.", min=0)] = None,
    usual: Annotated[bool, typer.Option("--usual", help="Draw every parameter not set from its usual range.")] = False,
    conducting: Annotated[
        list[str] | None, typer.Option("--describe", help="A conducting phase to compute descriptors of; repeat.")
    ] = None,
    volume: Annotated[
        bool, typer.Option("--volume", help="Check and plot how σ_eff of the described phases depends on the box.")
    ] = False,
    tiff: Annotated[bool, typer.Option("--tiff", help="Write TIFF stacks too.")] = False,
    vti: Annotated[bool, typer.Option("--vti", help="Write VTI files for ParaView too.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Generate microstructures: an HDF5 dataset, a sheet of slices and a 3-D picture of each family.

    ionscreen generate composite_cathode cathodes --set void_fraction=0.05..0.2 --describe electrolyte
    """
    from rich.console import Console

    from ...datasets.export_images import export_tiff, export_vti
    from ..generated import GeneratedFolder, fraction_rows
    from ..progress import TerminalProgress

    console = Console(stderr=True)
    if volume and not conducting:
        raise InvalidInput("--volume needs to know which phases conduct; add --describe electrolyte, for instance.")
    design = _design(source, setting or [], usual, shape, voxel_size, seed)
    _check_phases(design, conducting or [])
    for warning in design.warnings():
        console.print(f"Warning: {warning}", style="yellow", markup=False, soft_wrap=True, highlight=False)
    recipes = list(design.recipes(0, samples))
    target = GeneratedFolder(folder)
    with TerminalProgress(console).bar("Generating structures", samples) as bar:
        dataset = target.write(recipes, conducting or [], bar)
    written = target.draw(recipes, dataset)
    for wanted, name, export in ((tiff, "tiff", export_tiff), (vti, "vti", export_vti)):
        if wanted:
            export(dataset, folder / name)
            written.append(folder / name)
    answer: dict[str, Any] = {
        "dataset": str(target.dataset),
        "seed": design.seed,
        "written": [str(path) for path in written],
        "fractions": list(fraction_rows(recipes, dataset)),
    }
    if volume:
        answer["volume"] = target.check_volume(recipes, dataset, conducting or [])
        answer["written"] += dict.fromkeys(row["plot"] for row in answer["volume"])
    if as_json:
        typer.echo(json.dumps(answer, indent=1, allow_nan=False))
    else:
        _print(answer)


def _design(
    source: str, settings: list[str], usual: bool, shape: str | None, voxel_size: str | None, seed: int | None
) -> DesignOfExperiments:
    import secrets

    from ...pipeline.design import DesignOfExperiments, FamilyRange
    from ...pipeline.families import FAMILIES
    from ...pipeline.families.usual_ranges import usual_ranges

    if is_campaign(source):
        if settings or usual or shape or voxel_size:
            raise InvalidInput(
                "--set, --usual, --shape and --voxel-size belong to a family; a campaign says them in its file."
            )
        from ..config import load_config
        from ..designs import design_of

        place = Path(source)
        config = load_config(place / "campaign.yaml" if place.is_dir() else place)
        known = config.seed if seed is None else seed
        return design_of(config, secrets.randbits(48) if known is None else known, "training")
    box, size = parse_shape(shape or "64,64,64"), parse_voxel_size(voxel_size or "0.4um")
    parameters = parse_parameters(settings)
    if usual and source in FAMILIES:
        parameters = {**usual_ranges(FAMILIES[source], box, size), **parameters}
    return DesignOfExperiments(
        families=[FamilyRange(family=source, parameters=parameters)],
        shape=box,
        voxel_size=size,
        seed=secrets.randbits(48) if seed is None else seed,
        stream="training",
    )


def _check_phases(design: DesignOfExperiments, conducting: list[str]) -> None:
    from ...pipeline.families import FAMILIES

    for family in design.families:
        phases = FAMILIES[family.family].phase_names
        if conducting and not set(conducting) & set(phases):
            raise InvalidInput(
                f"--describe {conducting[0]!r}: family {family.family!r} has {', '.join(phases)}; name one of them."
            )


def _print(answer: dict[str, Any]) -> None:
    from rich.console import Console
    from rich.table import Table

    console = Console()
    table = Table("family", "structures", "mean fractions", "largest miss")
    for family in dict.fromkeys(row["family"] for row in answer["fractions"]):
        rows = [row for row in answer["fractions"] if row["family"] == family]
        fractions = "\n".join(f"{row['phase']} {row['mean_fraction']:.4f}" for row in rows)
        misses = [row["largest_miss"] for row in rows if row["largest_miss"] is not None]
        table.add_row(family, str(rows[0]["structures"]), fractions, f"{max(misses):.1e}" if misses else "–")
    console.print(table)
    for row in answer.get("volume", []):
        scatter = "unbounded" if row["relative_scatter"] is None else f"{100 * row['relative_scatter']:.1f} %"
        console.print(f"{row['family']}: σ_eff of boxes of {row['edge_voxels']} voxels scatters by {scatter}")
    for line in (f"Dataset: {answer['dataset']}   seed: {answer['seed']}", *answer["written"]):
        console.print(line, markup=False, soft_wrap=True, highlight=False)
