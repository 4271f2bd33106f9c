"""``ionscreen screen``: what a surrogate says of images or of a campaign's candidates, with intervals."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ...datasets import InvalidInput
from ..quantities import parse_conductivities, parse_names, parse_shape, parse_voxel_size
from .options import SET
from .screen_campaign import is_campaign, screen_campaign
from .solve import AXES

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from ...surrogate.cascade_surrogate import CascadeSurrogate

__all__ = ["screen"]


def screen(
    images: Annotated[
        list[str],
        typer.Argument(
            help="TIFF, NPY, NPZ, VTI, RAW, or HDF5 as file.h5:/path; or a campaign's YAML file or run directory.",
            show_default=False,
        ),
    ],
    conductivity: Annotated[
        list[str] | None,
        typer.Option(
            "--conductivity",
            "-c",
            help="PHASE=σ in S/m, the phase by number or --name; repeat. Without any, the higher number of a two-phase "
            "image conducts with 1 S/m.",
            metavar="PHASE=σ",
        ),
    ] = None,
    voxel_size: Annotated[str, typer.Option(help="Edge of a voxel; the surrogate needs cubes.")] = "1um",
    name: Annotated[
        list[str] | None, typer.Option("--name", help="A name for a phase number; repeat.", metavar="NUMBER=NAME")
    ] = None,
    axis: Annotated[str, typer.Option(help="Array axis along which the current flows: 0, 1, 2 or all.")] = "all",
    checkpoint: Annotated[
        Path | None, typer.Option(help="Folder of a trained surrogate; by default the one that comes with ionscreen.")
    ] = None,
    shape: Annotated[str | None, typer.Option(help="For RAW files: nx,ny,nz.")] = None,
    dtype: Annotated[str | None, typer.Option(help="For RAW files: uint8, uint16, ...")] = None,
    device: Annotated[str, typer.Option(help="cpu, or cuda for an NVIDIA GPU.")] = "cpu",
    settings: SET = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Predict σ_eff of segmented images, each with a 90 % interval.

    Nothing is trained: a surrogate comes with ionscreen. Whether a path exists is decided exactly; structures unlike
    any in the training are said to be so. For instance:

    ionscreen screen cathode.tif -c 0=0.2 -c 2=0.1 --voxel-size 0.4um

    Given a campaign with a trained surrogate, predict and rank its candidates instead.
    """
    if is_campaign(images[0]):
        if len(images) > 1 or conductivity or name or checkpoint or shape or dtype:
            raise InvalidInput(f"{images[0]} is a campaign, which says everything itself; leave the rest out.")
        screen_campaign(Path(images[0]), settings or [], as_json)
        return
    if settings:
        raise InvalidInput(f"--set belongs to a campaign, and {images[0]} is none; leave it out.")
    from ...pipeline.image import read_image
    from ...surrogate.cascade_checkpoint import PRETRAINED, load_cascade

    if axis not in AXES:
        raise InvalidInput(f"--axis {axis!r} is no axis; choose 0, 1, 2 or all.")
    if device not in ("cpu", "cuda"):
        raise InvalidInput(f"--device {device!r} is none that images are screened on; choose cpu or cuda.")
    names = parse_names(name or [])
    given = parse_conductivities(conductivity or [], names)
    size = parse_voxel_size(voxel_size)
    surrogate = load_cascade(checkpoint or PRETRAINED)
    rows = []
    for image in images:
        phases = read_image(image, shape=parse_shape(shape) if shape else None, dtype=dtype)
        table = _table(image, phases, given)
        rows += [{"image": image, **predict_axis(surrogate, phases, table, size, a, device)} for a in AXES[axis]]
    if as_json:
        typer.echo(json.dumps(rows, indent=1, allow_nan=False))
    else:
        _print(rows)


def predict_axis(
    surrogate: CascadeSurrogate,
    phases: npt.NDArray[np.uint8],
    table: dict[int, float],
    size: tuple[float, float, float],
    axis: int,
    device: str = "cpu",
) -> dict[str, Any]:
    """Return what is known of one axis, JSON types.

    Parameters
    ----------
    phases
        (nx, ny, nz).
    table
        Phase -> σ, S/m, of every phase that occurs.
    size
        Edges of a voxel, m.
    axis
        0, 1 or 2.
    device
        ``"cpu"`` or ``"cuda"``.

    Raises
    ------
    InvalidInput
        If the voxels are not cubes, or conductivities lie outside the training.
    DeviceError
        If there is no GPU.
    """
    from ...datasets import Microstructure, Transport
    from ...pipeline.percolation import percolating
    from ...surrogate.conductor import conductor_of

    began = time.perf_counter()
    names = tuple(str(n) for n in range(max(table) + 1))
    transport = Transport("image", {n: table.get(int(n), 0.0) for n in names})
    connected = percolating(phases, table, axis)
    if connected.any():
        conductor = conductor_of(Microstructure(phases, names, size), transport, connected, axis)
        found = surrogate.predict([conductor], device=device)
        unit = conductor.scale * transport.sigma_max
        sigma, low, high = (float(values[0]) * unit for values in found[:3])
        verdict, score = str(found.verdict[0]), round(float(found.score[0]), 3)
    else:
        sigma = low = high = 0.0
        verdict, score = "does not percolate", None
    return {
        "axis": axis,
        "sigma_S_per_m": sigma,
        "low_S_per_m": low,
        "high_S_per_m": high,
        "relative": sigma / transport.sigma_max,
        "verdict": verdict,
        "distance_score": score,
        "seconds": round(time.perf_counter() - began, 4),
    }


def _table(image: str, phases: npt.NDArray[np.uint8], given: dict[int, float]) -> dict[int, float]:
    """Return σ in S/m of each phase that occurs.

    Raises
    ------
    InvalidInput
        If a given phase does not occur, or none is given and there are not two.
    """
    import numpy as np

    there = [int(n) for n in np.flatnonzero(np.bincount(phases.ravel()))]
    listed = ", ".join(map(str, there))
    if not given:
        if len(there) != 2:
            raise InvalidInput(f"{image} has the phases {listed}: say which conduct, for instance -c {there[-1]}=0.1.")
        return {there[0]: 0.0, there[1]: 1.0}
    for number in given:
        if number not in there:
            raise InvalidInput(f"{image} has no phase {number}; it has {listed}. Correct --conductivity {number}=...")
    return {number: given.get(number, 0.0) for number in there}


NOTES = {
    "uncertain": "uncertain: the interval is wider than ±5 %, as for most structures that hardly percolate; solve it.",
    "widened": "widened: unlike most structures of the training; the interval is widened accordingly.",
    "refused": "refused: unlike any structure of the training; the interval is what physics alone promises. Solve it.",
    "does not percolate": "does not percolate: no conducting path joins the two faces; σ_eff is exactly 0.",
}


def _print(rows: list[dict[str, Any]]) -> None:
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Column, Table

    console = Console()
    heads = ("image", "axis", "σ_eff [S/m]", "90 % interval", "M", "verdict", "time [s]")
    # As for solve: cut off at the end, a number would lose its exponent.
    shown = Table(*(Column(head, overflow="fold") for head in heads))
    for row in rows:
        interval = f"{row['low_S_per_m']:.5g} – {row['high_S_per_m']:.5g}"
        numbers = [f"{row['sigma_S_per_m']:.5g}", interval, f"{row['relative']:.5g}", row["verdict"]]
        shown.add_row(escape(Path(row["image"]).name), str(row["axis"]), *numbers, f"{row['seconds']:.3f}")
    console.print(shown)
    for verdict, note in NOTES.items():
        if any(row["verdict"] == verdict for row in rows):
            console.print(note, soft_wrap=True)
