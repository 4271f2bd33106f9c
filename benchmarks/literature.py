"""Our structures against measurements and models of composite cathodes in the literature.

Run as ``python benchmarks/literature.py``; prints the tables and draws the figure of docs/validation.md. Takes minutes.
"""

from __future__ import annotations

import argparse
import math
from pathlib import Path

import numpy as np

from ionscreen.datasets import Microstructure
from ionscreen.pipeline import effective_conductivity
from ionscreen.pipeline.generation import family_of
from ionscreen.pipeline.percolation import percolating_mask

SEED = 80665
VOXEL = (4e-7, 4e-7, 4e-7)
VOID, ELECTROLYTE, ACTIVE = 0, 1, 2
SIGMA = 0.18  # S/m of dense Li6PS5Cl, Ohno et al. 2020; the papers' own pellets may differ by half of it
PARTICLE_UM, GRAIN_UM = 5.0, 3.0  # active material; electrolyte particles

# Active material and electrolyte by volume, and the measured σ_ion, S/m.
MINNMANN = (
    (0.25, 0.61, 4.08e-2),
    (0.33, 0.53, 2.66e-2),
    (0.42, 0.44, 1.66e-2),
    (0.53, 0.33, 3.45e-3),
    (0.61, 0.25, 3.06e-4),
)
# Active material by volume of the solids; 10 % void is assumed, as the paper's figure was not at hand.
KETTER = tuple((0.9 * a, 0.9 * (1 - a), s) for a, s in ((0.2, 0.1024), (0.4, 0.033), (0.6, 1.08e-3), (0.8, 7.2e-6)))
PAPERS = {"Minnmann 2021": MINNMANN, "Ketter 2025": KETTER}
# Contact between electrolyte particles, Ω m²: none, as much as a particle itself, and ten times that.
RESISTANCES = (0.0, GRAIN_UM * 1e-6 / SIGMA, 10 * GRAIN_UM * 1e-6 / SIGMA)
MODELS = ("matrix", "particles", "contact 1×", "contact 10×")
STYLES = ("ko", "C0o-", "C1o-", "C1s--", "C1^:")  # of measured values and of each model
DIAMETERS_UM = (2.4, 3.2, 4.8, 6.4, 9.6)
HALVINGS = 7  # of the interval that a threshold is searched in: to half a percent of the volume


def cathode(
    active: float, electrolyte: float, edge: int, number: int, *, particle_um: float, grain_um: float
) -> Microstructure:
    """Return a cathode; same number, same packing, whatever the fractions."""
    parameters = {
        "active_material_fraction": active,
        "void_fraction": 1 - active - electrolyte,
        "particle_diameter_um": particle_um,
        "electrolyte_diameter_um": grain_um,
    }
    family = family_of("composite_cathode", parameters)
    family.check((edge,) * 3, VOXEL)
    return family.generate((edge,) * 3, VOXEL, SEED + number)


def ionic(structure: Microstructure, resistance: float) -> float:
    """Return σ_ion, S/m."""
    table = {VOID: 0.0, ELECTROLYTE: SIGMA, ACTIVE: 0.0}
    contact = {"grains": structure.grains, "grain_boundary_resistance": {ELECTROLYTE: resistance}} if resistance else {}
    return effective_conductivity(structure.phases, table, voxel_size=VOXEL, axis=0, rtol=1e-3, **contact).sigma


def compare(source: str, edge: int, count: int) -> list[list[float]]:
    """Print and return active fraction, measured and computed σ_ion/σ_SE: matrix, then particles by resistance."""
    found = []
    for active, electrolyte, measured in PAPERS[source]:
        rows = []
        for number in range(count):
            matrix, particles = (
                cathode(active, electrolyte, edge, number, particle_um=PARTICLE_UM, grain_um=grain_um)
                for grain_um in (0.0, GRAIN_UM)
            )
            rows.append([ionic(matrix, 0.0), *(ionic(particles, resistance) for resistance in RESISTANCES)])
        values = [measured, *np.mean(rows, axis=0)]
        found.append([active, *(np.array(values) / SIGMA)])
        text = " | ".join(f"{v / SIGMA:.2g}" for v in values)
        ratios = " | ".join(f"{v / measured:.2g}" for v in values[1:])
        print(f"| {source} | {active:.2f} | {electrolyte:.2f} | {text} | {ratios} |", flush=True)
    return found


def threshold(diameter_um: float, edge: int, number: int) -> float:
    """Return the fraction of active material at which half of it spans the box, 10 % of which is void.

    The mean over the three axes counts. The packing is the same for all fractions, so more of it joins as it grows.
    """
    low, high = 0.05, 0.75
    for _ in range(HALVINGS):
        active = (low + high) / 2
        structure = cathode(active, 0.9 - active, edge, number, particle_um=diameter_um, grain_um=0.0)
        mask = structure.phases == ACTIVE
        joined = np.mean([percolating_mask(mask, axis).sum() for axis in range(3)]) >= 0.5 * mask.sum()
        low, high = (low, active) if joined else (active, high)
    return (low + high) / 2


def thresholds(edge: int, count: int) -> list[tuple[float, float, float]]:
    """Print and return for each diameter that fits: our threshold and Bielefeld's line, volume %."""
    found = []
    for diameter in DIAMETERS_UM:
        diameters = edge * VOXEL[0] * 1e6 / diameter
        if diameters >= 2:
            each = [100 * threshold(diameter, edge, number) for number in range(count)]
            line = 7.83 * math.log(diameter) + 36.67
            found.append((diameter, float(np.mean(each)), line))
            ours = f"{np.mean(each):.1f} | {max(each) - min(each):.1f}"
            print(f"| {diameter:g} | {diameters:.1f} | {ours} | {line:.1f} |", flush=True)
    return found


def draw(measured: dict[str, list[list[float]]], electronic: list[tuple[float, float, float]], path: Path) -> None:
    """Draw σ_ion/σ_SE against the active material's fraction, and thresholds against its diameter."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(12, 4), dpi=90)
    FigureCanvasAgg(figure)
    for place, (source, rows) in enumerate(measured.items(), start=1):
        axes = figure.add_subplot(1, 3, place)
        columns = np.array(rows).T
        for name, values, style in zip(("measured", *MODELS), columns[1:], STYLES, strict=True):
            # A structure that does not percolate has no place on a logarithmic axis.
            axes.plot(columns[0], np.where(values > 0, values, np.nan), style, ms=4, label=name)
        axes.set(yscale="log", xlabel="active material, volume fraction", ylabel="σ_ion / σ_SE", title=source)
        axes.grid(alpha=0.25)
        axes.legend(fontsize=8, loc="lower left")
    axes = figure.add_subplot(1, 3, 3)
    diameters, ours, line = np.array(electronic).T
    axes.plot(diameters, line, "k-", label="Bielefeld 2019, line")
    axes.plot(diameters, ours, "C0o-", ms=4, label="our particles")
    axes.set(xlabel="diameter of active material, µm", ylabel="electronic threshold, volume %", title="Percolation")
    axes.set_ylim(0, 1.15 * max(*ours, *line))
    axes.grid(alpha=0.25)
    axes.legend(fontsize=8, loc="lower right")
    figure.set_layout_engine("tight")
    figure.savefig(path)


def main(arguments: list[str] | None = None) -> None:
    """Print the tables and draw the figure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--edge", type=int, default=100, help="voxels along an edge")
    parser.add_argument("--count", type=int, default=3, help="structures of each composition")
    parser.add_argument("--figure", type=Path, default=Path("docs/literature.png"))
    options = parser.parse_args(arguments)
    print(f"σ_ion/σ_SE, {options.count} structures of {options.edge}³ voxels of 0.4 µm each, seed {SEED}\n")
    titles = [*MODELS, *(f"{name} / measured" for name in MODELS)]
    print(f"| source | active | electrolyte | measured | {' | '.join(titles)} |")
    print("|" + "---|" * 12)
    measured = {source: compare(source, options.edge, options.count) for source in PAPERS}
    print("\n| diameter, µm | diameters in the box | ours, % | largest less smallest | Bielefeld's line, % |")
    print("|" + "---|" * 5)
    draw(measured, thresholds(options.edge, options.count), options.figure)


if __name__ == "__main__":
    main()
