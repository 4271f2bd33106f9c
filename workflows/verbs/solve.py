"""``ionscreen solve``: the effective conductivity of one image."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Annotated, Any, Literal, cast

import typer

from ...datasets import InvalidInput
from ..convergence_bar import convergence_bar
from ..quantities import (
    parse_conductivities,
    parse_grain_resistances,
    parse_names,
    parse_resistances,
    parse_shape,
    parse_voxel_size,
)

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from ...pipeline import ConductivityResult

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
    boundary: Annotated[
        str, typer.Option(help="plates; mixed: plates, the other sides periodic; periodic: all, and the full tensor.")
    ] = "plates",
    interface_resistance: Annotated[
        list[str] | None,
        typer.Option(help="Of the faces between two phases; repeat. 40 Ω cm² is 40e-4.", metavar="PHASE:PHASE=Ω·m²"),
    ] = None,
    grains: Annotated[str | None, typer.Option(help="An image of grain labels: whole numbers.", metavar="FILE")] = None,
    grain_boundary_resistance: Annotated[
        list[str] | None,
        typer.Option(help="Between grains of a phase, or of all without PHASE=; repeat.", metavar="[PHASE=]Ω·m²"),
    ] = None,
    rtol: Annotated[float, typer.Option(help="Relative error promised on σ_eff.")] = 1e-4,
    refine: Annotated[
        int, typer.Option(help="2: also with voxels split in 8, to tell the error of the voxels; 8 times the memory.")
    ] = 1,
    lower_bound: Annotated[
        bool | None,
        typer.Option(help="Bound σ_eff from below, too: proves the error. By default on the CPU.", show_default=False),
    ] = None,
    device: Annotated[str, typer.Option(help="cpu, or cuda for the GPU.")] = "cpu",
    threads: Annotated[int | None, typer.Option(help="At most so many; all by default.", show_default=False)] = None,
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
    settings: dict[str, Any] = {
        "voxel_size": parse_voxel_size(voxel_size),
        "boundary": boundary,
        "rtol": rtol,
        "refine": refine,
        "lower_bound": device == "cpu" if lower_bound is None else lower_bound,
        "device": device,
        "threads": threads,
        "interface_resistance": parse_resistances(interface_resistance or [], names),
    }
    settings.update(_grains(grains, grain_boundary_resistance or [], names, shape, dtype))
    phases = _read(image, shape, dtype)
    fractions = _fractions(phases)
    table = _conductivity_table(image, given, fractions)
    answer = {
        "image": image,
        "shape": list(phases.shape),
        "voxel_size_m": list(settings["voxel_size"]),
        "boundary": boundary,
        "phases": [
            {"number": n, "name": names.get(n, str(n)), "fraction": f, "conductivity_S_per_m": table[n]}
            for n, f in fractions.items()
        ],
        **_solved(phases, table, axis, settings),
    }
    if as_json:
        typer.echo(json.dumps(answer, indent=1, allow_nan=False))
    else:
        from ..solution_text import print_solution

        print_solution(answer)


def _read(image: str, shape: str | None, dtype: str | None) -> npt.NDArray[np.uint8]:
    from ...pipeline.image import read_image

    return read_image(image, shape=parse_shape(shape) if shape else None, dtype=dtype)


def _grains(
    file: str | None, resistances: list[str], names: dict[int, str], shape: str | None, dtype: str | None
) -> dict[str, Any]:
    """Return the solver's arguments on grains."""
    if (file is None) != (not resistances):
        raise InvalidInput("--grains and --grain-boundary-resistance go together; give both or neither.")
    if file is None:
        return {}
    from ...pipeline.image import read_grains

    labels = read_grains(file, shape=parse_shape(shape) if shape else None, dtype=dtype)
    return {"grains": labels, "grain_boundary_resistance": parse_grain_resistances(resistances, names)}


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


def _solved(phases: npt.NDArray[Any], table: dict[int, float], axis: str, settings: dict[str, Any]) -> dict[str, Any]:
    """Return one row per axis, and the tensor of a periodic box."""
    from ...pipeline import effective_conductivity

    # The three problems of a periodic box share one set-up.
    together = settings["boundary"] == "periodic" and axis == "all"
    rows: list[dict[str, Any]] = []
    for each in ("all",) if together else AXES[axis]:
        title = "axes 0, 1, 2" if together else f"axis {each}"
        with convergence_bar(title, settings["rtol"]) as told:
            along = cast("Literal[0, 1, 2, 'all']", each)
            result = effective_conductivity(phases, table, axis=along, progress=told, **settings)
        rows += [_row(a, result.along(a)) for a in range(3)] if together else [_row(int(each), result)]
    return {"axes": rows} if result.tensor is None else {"axes": rows, "tensor_S_per_m": result.tensor.tolist()}


def _row(axis: int, result: ConductivityResult) -> dict[str, Any]:
    row = {
        "axis": axis,
        "sigma_S_per_m": result.sigma,
        "relative": result.relative,
        "tortuosity": result.tortuosity,
        "connected_fraction": result.connected_fraction,
        "lower_bound_S_per_m": result.lower_bound,
        "upper_bound_S_per_m": result.upper_bound,
        "error_estimate": result.error_estimate,
        "discretisation_error": result.discretisation_error,
        "sigma_extrapolated_S_per_m": result.sigma_extrapolated,
        "iterations": result.iterations,
        "outcome": result.outcome.name.lower(),
        "explanation": result.outcome.sentence,
        "seconds": round(result.seconds, 4),
        "memory_bytes": result.memory,
    }
    return {k: None if isinstance(v, float) and not math.isfinite(v) else v for k, v in row.items()}
