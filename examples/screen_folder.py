"""Screen a folder of segmented images: learn on generated structures, rank the images, prove the best with the solver.

Run as ``python examples/screen_folder.py [FOLDER]``; without a folder it makes one with a dozen images.
"""

import sys
import tempfile
from pathlib import Path

import numpy as np
import tifffile
from scipy.ndimage import gaussian_filter

from ionscreen.workflows.campaign import run_campaign
from ionscreen.workflows.config import CampaignConfig

EDGE = 24  # voxels of the images, or of the windows they are cut into


def make_images(folder: Path) -> None:
    """Write a dozen images of more and more electrolyte: 0 void, 1 electrolyte."""
    rng = np.random.default_rng(4669)
    for number in range(12):
        field = gaussian_filter(rng.normal(size=(EDGE,) * 3), 2, mode="wrap")
        tifffile.imwrite(
            folder / f"scan-{number:02d}.tif", (field > np.quantile(field, 0.7 - 0.05 * number)).astype("u1")
        )


def main(images: Path, run: Path) -> None:
    """Run the campaign, print the ranking."""
    config = CampaignConfig.model_validate(
        {
            "name": "folder",
            "seed": 1,
            "run_directory": str(run),
            "structure": {"shape": [EDGE] * 3, "voxel_size_um": 0.4},
            "families": [{"family": "blobs", "parameters": {"void_fraction": [0.1, 0.8], "blob_size_um": [1.2, 2.4]}}],
            "transport": {"conductivity_S_per_m": {"electrolyte": 0.18, "void": 0.0}},
            "label": {"samples": 96},
            "candidates": {
                "samples": 0,
                "images": [{"path": str(images), "voxel_size_um": 0.4, "phases": {0: "void", 1: "electrolyte"}}],
            },
            "screen": {"verify_top": 4, "verify_random": 4},
        }
    )
    results = run_campaign(config, Path.cwd())
    solved = {e.prediction.index: e.sigma for e in results.verification.entries}
    for place, p in enumerate(results.ranked, start=1):
        name = Path(results.images[str(p.parameters["image"])].path).name
        proof = f", solved {solved[p.index]:.4g} S/m" if p.index in solved else ""
        print(f"{place:3d}  {name}  {p.sigma:.4g} S/m ({p.low:.4g} to {p.high:.4g}){proof}")


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as temporary:
        if len(sys.argv) > 1:
            main(Path(sys.argv[1]), Path(temporary) / "run")
        else:
            (Path(temporary) / "images").mkdir()
            make_images(Path(temporary) / "images")
            main(Path(temporary) / "images", Path(temporary) / "run")
