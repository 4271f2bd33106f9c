"""Pictures of structures: in three dimensions, in slices, and where the current is squeezed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ..datasets import Microstructure
from .figures import new_figure, png
from .phase_colours import phase_colours
from .relief import relief

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from ..pipeline.bottlenecks import CurrentLayers
    from .window_map import WindowMap

__all__ = ["bottleneck_figure", "slices_figure", "window_map_figure", "winners_figure"]

TRANSPARENT = ("void",)  # what a three-dimensional picture looks through


def winners_figure(structures: Sequence[tuple[str, Microstructure]], axis: int) -> bytes:
    """Draw each structure in three dimensions and its middle slice, the current flowing from left to right."""
    from matplotlib.colors import ListedColormap
    from matplotlib.patches import Patch

    names = sorted({name for _, structure in structures for name in structure.phase_names})
    colours = phase_colours(names)
    figure = new_figure(1.9 * len(structures), 4.5)
    for place, (title, structure) in enumerate(structures, start=1):
        along = _along(structure.phases, axis)
        upper = figure.add_subplot(2, len(structures), place)
        upper.imshow(relief(_painted(along, structure.phase_names, colours)), interpolation="antialiased")
        upper.set_title(title, fontsize=8)
        lower = figure.add_subplot(2, len(structures), len(structures) + place)
        palette = ListedColormap([colours[name] for name in structure.phase_names])
        _slice(lower, along[:, :, along.shape[2] // 2], cmap=palette, vmin=-0.5, vmax=len(structure.phase_names) - 0.5)
        for axes in (upper, lower):
            axes.set_axis_off()
    handles = [
        Patch(facecolor=c, edgecolor="grey", label=name.replace("_", " "))
        for name, c in colours.items()
        if name in names
    ]
    figure.legend(handles=handles, loc="lower center", ncols=len(handles), fontsize=8, frameon=False)
    figure.subplots_adjust(left=0.01, right=0.99, top=0.93, bottom=0.08, wspace=0.06, hspace=0.04)
    return png(figure, transparent=True)


def slices_figure(structures: Sequence[tuple[str, Microstructure]], axis: int, columns: int = 6) -> bytes:
    """Draw the middle slice of each titled structure, the current flowing from left to right."""
    from matplotlib.colors import ListedColormap
    from matplotlib.patches import Patch

    names = sorted({name for _, structure in structures for name in structure.phase_names})
    colours = phase_colours(names)
    columns = min(columns, len(structures))
    rows = -(-len(structures) // columns)
    height = 2.1 * rows + 0.35
    figure = new_figure(1.9 * max(columns, 2), height)
    for place, (title, structure) in enumerate(structures, start=1):
        axes = figure.add_subplot(rows, columns, place)
        along = _along(structure.phases, axis)
        palette = ListedColormap([colours[name] for name in structure.phase_names])
        _slice(axes, along[:, :, along.shape[2] // 2], cmap=palette, vmin=-0.5, vmax=len(structure.phase_names) - 0.5)
        axes.set_title(title, fontsize=8)
        axes.set_axis_off()
    handles = [Patch(facecolor=colours[name], edgecolor="grey", label=name.replace("_", " ")) for name in names]
    figure.legend(handles=handles, loc="lower center", ncols=len(names), fontsize=8, frameon=False)
    figure.subplots_adjust(left=0.01, right=0.99, top=1 - 0.29 / height, bottom=0.32 / height, wspace=0.06, hspace=0.14)
    return png(figure)


def bottleneck_figure(layers: CurrentLayers, structure: Microstructure, axis: int) -> bytes:
    """Draw the busiest voxels in three dimensions, a slice along the current, the tightest layer, and the profile."""
    figure = new_figure(10.4, 3.1)
    tight = layers.tightest
    intensity = layers.intensity_nbc
    _, c = np.unravel_index(int(intensity[tight].argmax()), intensity.shape[1:])
    panels: Iterator[Axes] = (figure.add_subplot(1, 4, place) for place in range(1, 5))
    view = next(panels)
    view.imshow(relief(_busiest(intensity)), interpolation="antialiased")
    view.set_title("voxels that carry half\nof each layer's current", fontsize=9)
    scale = {"cmap": "magma", "vmin": 0, "vmax": max(2.0, float(np.percentile(intensity[intensity > 0], 99.5)))}
    along = next(panels)
    image = _slice(along, intensity[:, :, c], **scale)
    along.axvline(tight, c="#56B4E9", lw=1, ls="--")
    along.set_title("current density over its mean,\nalong the current", fontsize=9)
    across = next(panels)
    _slice(across, intensity[tight], **scale)
    across.set_title(f"the same across it,\nin layer {tight + 1} of {len(intensity)}", fontsize=9)
    for axes in (view, along, across):
        axes.set_axis_off()
    figure.colorbar(image, ax=across, shrink=0.75).ax.tick_params(labelsize=7)
    _profile(next(panels), layers)
    figure.set_layout_engine("tight")
    return png(figure, transparent=True)


def window_map_figure(found: WindowMap) -> bytes:
    """Draw the three sections of a map through its middle."""
    size = [1e6 * centre for centre in found.centres]
    half = [0.5e6 * n * found.voxel_size for n in found.window]
    positive = found.sigma_abc[found.sigma_abc > 0]
    style: dict[str, Any] = {"cmap": "viridis", "vmin": 0.0, "vmax": float(positive.max()) if positive.size else 1.0}
    figure = new_figure(10.4, 3.4)
    for place, (across, right, up) in enumerate(((2, 0, 1), (1, 0, 2), (0, 1, 2)), start=1):
        axes = figure.add_subplot(1, 3, place)
        section = np.take(found.sigma_abc, found.sigma_abc.shape[across] // 2, axis=across)
        ends: Any = [end for a in (right, up) for end in (size[a][0] - half[a], size[a][-1] + half[a])]
        image = axes.imshow(section.T, origin="lower", extent=ends, interpolation="nearest", **style)
        axes.set_xlabel(f"{'xyz'[right]} [µm]", fontsize=8)
        axes.set_ylabel(f"{'xyz'[up]} [µm]", fontsize=8)
        axes.tick_params(labelsize=7)
        figure.colorbar(image, ax=axes, shrink=0.8).ax.tick_params(labelsize=7)
    figure.set_layout_engine("tight")
    return png(figure, transparent=True)


def _profile(axes: Axes, layers: CurrentLayers) -> None:
    place = np.arange(1, len(layers.half_n) + 1)
    axes.plot(place, 100 * layers.connected_n, c="#009E73", label="carries current")
    axes.plot(place, 100 * layers.half_n, c="#D55E00", label="carries half of it")
    axes.axvline(layers.tightest + 1, c="#56B4E9", lw=1, ls="--")
    axes.set_xlabel("layer", fontsize=8)
    axes.set_title("share of the cross-section [%]", fontsize=9)
    axes.set_ylim(bottom=0)
    axes.tick_params(labelsize=7)
    axes.legend(fontsize=7)
    axes.grid(alpha=0.25)


def _along(values: npt.NDArray[Any], axis: int) -> npt.NDArray[Any]:
    """Return the array with the axis of the current first; the axes keep their turn, so that nothing is mirrored."""
    return np.transpose(values, [(axis + step) % 3 for step in range(3)])


def _slice(axes: Axes, plane: npt.NDArray[Any], **style: Any) -> Any:
    return axes.imshow(plane.T, interpolation="nearest", origin="lower", **style)


def _painted(phases: npt.NDArray[Any], names: Sequence[str], colours: Mapping[str, str]) -> npt.NDArray[np.float64]:
    from matplotlib.colors import to_rgba

    table = np.array([to_rgba(colours[name], 0.0 if name in TRANSPARENT else 1.0) for name in names])
    return np.asarray(table[phases])


def _busiest(intensity: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return colours in which only the busiest voxels of each layer, which carry half of its current, are there."""
    from matplotlib import colormaps

    flat = intensity.reshape(len(intensity), -1)
    order = np.argsort(-flat, axis=1)
    ranked = np.take_along_axis(flat, order, axis=1)
    before = np.cumsum(ranked, axis=1) - ranked
    shown = np.zeros(flat.shape, dtype=bool)
    np.put_along_axis(shown, order, before < 0.5 * flat.sum(axis=1, keepdims=True), axis=1)
    top = max(2.0, float(np.percentile(flat[shown], 99)))
    colours = np.asarray(colormaps["magma"](0.25 + 0.75 * np.clip(flat / top, 0, 1)))
    colours[..., 3] = shown
    return colours.reshape(*intensity.shape, 4)
