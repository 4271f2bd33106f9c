"""Our structures against measurements and models of composite cathodes in the literature.

Run as ``python benchmarks/literature.py``; prints the tables and draws the figure of docs/validation.md. Takes minutes.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from ionscreen.datasets import Recipe
from ionscreen.pipeline import effective_conductivity
from ionscreen.pipeline.families.nearest_grains import nearest_grains
from ionscreen.pipeline.generation import generate
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
# Contact between electrolyte particles, Ω m²: none, as much as a particle itself, and ten times that.
RESISTANCES = (0.0, GRAIN_UM * 1e-6 / SIGMA, 10 * GRAIN_UM * 1e-6 / SIGMA)


def ionic(active: float, electrolyte: float, diameter_um: float, edge: int, number: int) -> list[float]:
    """Return σ_ion, S/m, of one structure for each contact resistance."""
    parameters = {
        "active_material_fraction": round(active, 6),
        "void_fraction": round(1 - active - electrolyte, 6),
        "particle_diameter_um": PARTICLE_UM,
        "electrolyte_diameter_um": diameter_um,
    }
    recipe = Recipe("composite_cathode", parameters, (edge,) * 3, VOXEL, SEED + number)
    phases = generate(recipe).phases
    box = np.array(phases.shape) * VOXEL
    count = round(float(np.prod(box)) / (np.pi / 6 * (GRAIN_UM * 1e-6) ** 3))
    centres = np.random.default_rng(SEED + number).random((count, 3)) * box
    grains = np.where(phases == ELECTROLYTE, nearest_grains(centres, recipe.shape, VOXEL)[2] + 1, 0).astype(np.uint32)
    table = {VOID: 0.0, ELECTROLYTE: SIGMA, ACTIVE: 0.0}
    found = []
    for resistance in RESISTANCES:
        contact = {"grains": grains, "grain_boundary_resistance": {ELECTROLYTE: resistance}} if resistance else {}
        found.append(effective_conductivity(phases, table, voxel_size=VOXEL, axis=0, rtol=1e-3, **contact).sigma)
    return found


def compare(source: str, rows: tuple[tuple[float, float, float], ...], edge: int, count: int) -> list[list[float]]:
    """Print and return active fraction, measured and computed σ_ion/σ_SE: matrix, then particles by resistance."""
    found = []
    for active, electrolyte, measured in rows:
        matrix = np.mean([ionic(active, electrolyte, 0.0, edge, n) for n in range(count)], axis=0)
        particles = np.mean([ionic(active, electrolyte, GRAIN_UM, edge, n) for n in range(count)], axis=0)
        values = [measured, matrix[0], *particles]
        found.append([active, *(np.array(values) / SIGMA)])
        text = " | ".join(f"{v / SIGMA:.2g}" for v in values)
        ratios = " | ".join(f"{v / measured:.3g}" for v in values[1:])
        print(f"| {source} | {active:.2f} | {electrolyte:.2f} | {text} | {ratios} |", flush=True)
    return found


def thresholds(diameters: tuple[float, ...], edge: int, count: int) -> list[tuple[float, float, float, float]]:
    """Print and return for each diameter: ours and Bielefeld's line, volume %, and how many diameters the box holds."""
    found = []
    fractions = np.arange(0.2, 0.66, 0.025)
    for diameter in diameters:
        shares = []
        for active in fractions:
            connected = []
            for n in range(count):
                parameters = {"active_material_fraction": float(active.round(4)), "particle_diameter_um": diameter}
                recipe = Recipe("composite_cathode", {**parameters, "void_fraction": 0.1}, (edge,) * 3, VOXEL, SEED + n)
                mask = generate(recipe).phases == ACTIVE
                connected += [percolating_mask(mask, axis).sum() / mask.sum() for axis in range(3)]
            shares.append(np.mean(connected))
        first = int(np.argmax(np.array(shares) >= 0.5))
        ours = 100 * float(fractions[first])
        line = 7.83 * np.log(diameter) + 36.67
        found.append((diameter, ours, line, edge * VOXEL[0] * 1e6 / diameter))
        print(f"| {diameter:g} | {edge * VOXEL[0] * 1e6 / diameter:.1f} | {ours:.1f} | {line:.1f} |", flush=True)
    return found


def draw(measured: dict[str, list[list[float]]], path: Path) -> None:
    """Draw σ_ion/σ_SE against the active material's fraction."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 4), dpi=110)
    FigureCanvasAgg(figure)
    names = ("measured", "matrix", "particles", "particles, contact 1×", "particles, contact 10×")
    for place, (source, rows) in enumerate(measured.items(), start=1):
        axes = figure.add_subplot(1, len(measured), place)
        columns = np.array(rows).T
        for name, values, style in zip(names, columns[1:], ("ko", "C0-", "C1-", "C1--", "C1:"), strict=True):
            # A structure that does not percolate has no place on a logarithmic axis.
            axes.plot(columns[0], np.where(values > 0, values, np.nan), style, label=name)
        axes.set(yscale="log", xlabel="active material, volume fraction", ylabel="σ_ion / σ_SE", title=source)
        axes.grid(alpha=0.25)
    axes.legend(fontsize=8)
    figure.set_layout_engine("tight")
    figure.savefig(path)


def main() -> None:
    """Print the tables and draw the figure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--edge", type=int, default=80, help="voxels along an edge")
    parser.add_argument("--count", type=int, default=2, help="structures of each composition")
    parser.add_argument("--figure", type=Path, default=Path("docs/literature.png"))
    options = parser.parse_args()
    print(f"σ_ion/σ_SE, {options.count} structures of {options.edge}³ voxels of 0.4 µm each, seed {SEED}\n")
    names = ("matrix", "particles", "contact 1×", "contact 10×")
    titles = [*names, *(f"{name} / measured" for name in names)]
    print(f"| source | active | electrolyte | measured | {' | '.join(titles)} |")
    print("|" + "---|" * 12)
    measured = {
        "Minnmann 2021": compare("Minnmann 2021", MINNMANN, options.edge, options.count),
        "Ketter 2025": compare("Ketter 2025", KETTER, options.edge, options.count),
    }
    draw(measured, options.figure)
    print("\n| diameter, µm | diameters in the box | ours, % | Bielefeld's line, % |\n|---|---|---|---|")
    thresholds((2.4, 3.2, 4.8, 6.4), options.edge, options.count)


if __name__ == "__main__":
    main()
