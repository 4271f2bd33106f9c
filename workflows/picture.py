"""Picture: a microstructure in three dimensions, drawn without a display."""

from __future__ import annotations

import io

import numpy as np

from ..datasets import Microstructure
from .phase_colours import phase_colours

__all__ = ["picture"]

PIXELS = 900
LEFT_OUT = ("void", "polymer")  # so that one sees what lies in them


def picture(structure: Microstructure) -> bytes:
    """Return a PNG of the structure, a corner cut away; void and polymer are left out."""
    import pyvista
    from vtkmodules.vtkCommonCore import vtkLogger

    # VTK complains of the missing display before it goes on without one.
    vtkLogger.SetStderrVerbosity(vtkLogger.VERBOSITY_ERROR)
    grid = pyvista.ImageData(
        dimensions=tuple(n + 1 for n in structure.shape), spacing=tuple(1e6 * h for h in structure.voxel_size)
    )
    grid.cell_data["phase"] = _without_corner(structure).ravel(order="F")
    colours = phase_colours(structure.phase_names)
    plotter = pyvista.Plotter(off_screen=True, window_size=(PIXELS, PIXELS))
    try:
        plotter.add_mesh(grid.outline(), color="grey")
        shown = 0
        for number, name in enumerate(structure.phase_names):
            if name not in LEFT_OUT and np.any(grid.cell_data["phase"] == number):
                surface = grid.threshold([number, number], scalars="phase").extract_surface(algorithm=None)
                plotter.add_mesh(surface, color=colours[name], ambient=0.4, show_scalar_bar=False)
                place = (0.03, 0.95 - 0.04 * shown)
                plotter.add_text(
                    name.replace("_", " "), position=place, font_size=11, color=colours[name], viewport=True
                )
                shown += 1
        plotter.camera.zoom(0.95)
        file = io.BytesIO()
        plotter.screenshot(file)
        return file.getvalue()
    finally:
        plotter.close()


def _without_corner(structure: Microstructure) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    """Return the phases, (nx, ny, nz), the octant nearest to the viewer set to a number no phase has."""
    phases = structure.phases.copy()
    phases[tuple(slice(n // 2, None) for n in phases.shape)] = 255
    return phases
