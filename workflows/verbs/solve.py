"""``ionscreen solve``: the effective conductivity of one image."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ...datasets import InvalidInput
from ..quantities import parse_conductivities, parse_names, parse_shape, parse_voxel_size

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

__all__ = ["solve"]

AXES = {"0": (0,), "1": (1,), "2": (2,), "all": (0, 1, 2)}


def solve(
    image: Annotated[
        str, typer.Argument(help="TIFF, NPY, NPZ, VTI, RAW, or HDF5 as file.h5:/path.", show_default=False)
    ],
    conductivity: Annotated[
        list[str],
        typer.Option(
            "--conductivity", "-c", help="PHASE=σ in S/m, the phase by number or --name; repeat.", metavar="PHASE=σ"
        ),
    ],
    voxel_size: Annotated[
        str, typer.Option(help="Edge of a voxel: 0.4um, 20nm, 4e-7 (metres), or three as 20,20.5,16nm.")
    ] = "1um",
    name: Annotated[
        list[str] | None, typer.Option("--name", help="A name for a phase number; repeat.", metavar="NUMBER=NAME")
    ] = None,
    axis: Annotated[str, typer.Option(help="Array axis along which the current flows: 0, 1, 2 or all.")] = "all",
    rtol: Annotated[float, typer.Option(help="Relative error promised on σ_eff.")] = 1e-4,
    shape: Annotated[str | None, typer.Option(help="For RAW files: nx,ny,nz.")] = None,
    dtype: Annotated[str | None, typer.Option(help="For RAW files: uint8, uint16, ...")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Compute σ_eff, M-factor and tortuosity factor of a segmented image.

    Phases without --conductivity insulate. For instance:

    ionscreen solve cathode.tif -c 0=0.2 -c 2=0.1 --voxel-size 0.4um
    """
    if axis not in AXES:
        raise InvalidInput(f"--axis {axis!r} is no axis; choose 0, 1, 2 or all.")
    names = parse_names(name or [])
    given = parse_conductivities(conductivity, names)
    size = parse_voxel_size(voxel_size)
    phases = _read(image, shape, dtype)
    fractions = _fractions(phases)
    table = _conductivity_table(image, given, fractions)
    rows = [_row(phases, table, size, a, rtol) for a in AXES[axis]]
    answer = {
        "image": image,
        "shape": list(phases.shape),
        "voxel_size_m": list(size),
        "phases": [
            {"number": n, "name": names.get(n, str(n)), "fraction": f, "conductivity_S_per_m": table[n]}
            for n, f in fractions.items()
        ],
        "axes": rows,
    }
    if as_json:
        typer.echo(json.dumps(answer, indent=1, allow_nan=False))
    else:
        _print(answer)


def _read(image: str, shape: str | None, dtype: str | None) -> npt.NDArray[np.uint8]:
    from ...pipeline.image import read_image

    return read_image(image, shape=parse_shape(shape) if shape else None, dtype=dtype)


def _fractions(phases: npt.NDArray[Any]) -> dict[int, float]:
    """Return phase number -> volume fraction of the phases that occur."""
    import numpy as np

    counts = np.bincount(phases.ravel())
    return {int(n): float(counts[n]) / phases.size for n in np.flatnonzero(counts)}


def _conductivity_table(image: str, given: dict[int, float], fractions: dict[int, float]) -> dict[int, float]:
    """Return σ in S/m of each phase that occurs; 0 for those not given.

    Raises
    ------
    InvalidInput
        If a given phase does not occur.
    """
    for number in given:
        if number not in fractions:
            there = ", ".join(map(str, fractions))
            raise InvalidInput(f"{image} has no phase {number}; it has {there}. Correct --conductivity {number}=...")
    return {number: given.get(number, 0.0) for number in fractions}


def _row(
    phases: npt.NDArray[Any], table: dict[int, float], size: tuple[float, float, float], axis: int, rtol: float
) -> dict[str, Any]:
    from ...pipeline import effective_conductivity

    result = effective_conductivity(phases, table, voxel_size=size, axis=axis, rtol=rtol)
    row = {
        "axis": axis,
        "sigma_S_per_m": result.sigma,
        "relative": result.relative,
        "tortuosity": result.tortuosity,
        "upper_bound_S_per_m": result.upper_bound,
        "error_estimate": result.error_estimate,
        "iterations": result.iterations,
        "outcome": result.outcome.name.lower(),
        "explanation": result.outcome.sentence,
        "seconds": round(result.seconds, 4),
    }
    return {k: None if isinstance(v, float) and not math.isfinite(v) else v for k, v in row.items()}


def _print(answer: dict[str, Any]) -> None:
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    console = Console()
    nx, ny, nz = answer["shape"]
    edges = " × ".join(f"{h * 1e6:g}" for h in answer["voxel_size_m"])
    console.print(
        f"{escape(answer['image'])}: {nx} × {ny} × {nz} voxels of {edges} µm", highlight=False, soft_wrap=True
    )
    phases = Table("phase", "name", "fraction", "σ [S/m]")
    for p in answer["phases"]:
        phases.add_row(str(p["number"]), escape(p["name"]), f"{p['fraction']:.4f}", f"{p['conductivity_S_per_m']:g}")
    console.print(phases)
    axes = Table("axis", "σ_eff [S/m]", "M", "τ", "error ≤", "percolates", "time [s]")
    for a in answer["axes"]:
        tortuosity = "∞" if a["tortuosity"] is None else f"{a['tortuosity']:.4g}"
        percolates = "no" if a["outcome"] == "non_percolating" else "yes"
        values = [f"{a['sigma_S_per_m']:.6g}", f"{a['relative']:.6g}", tortuosity, f"{a['error_estimate']:.0e}"]
        axes.add_row(str(a["axis"]), *values, percolates, f"{a['seconds']:.2f}")
    console.print(axes)
    for sentence in sorted({a["explanation"] for a in answer["axes"] if a["outcome"] != "converged"}):
        console.print(sentence, soft_wrap=True)
