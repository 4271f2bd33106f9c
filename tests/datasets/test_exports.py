"""Every export is read back by another library and holds what the dataset holds."""

import json
import subprocess
import sys
import tracemalloc
from contextlib import contextmanager
from dataclasses import replace

import h5py
import numpy as np
import pytest

from ionscreen.datasets import Dataset, DatasetError, InvalidInput, Transport, export_images, write_shard
from ionscreen.datasets.export_bpx import export_bpx
from ionscreen.datasets.export_hdf5 import export_hdf5
from ionscreen.datasets.export_images import export_tiff, export_vti, export_xdmf
from ionscreen.datasets.export_npz import export_npz
from ionscreen.datasets.export_table import export_table, table
from ionscreen.datasets.safe_file import new_hdf5

from .samples import full_sample, make_label, make_sample


@pytest.fixture
def dataset(folder):
    """Return samples of two shapes, two of them in two shards, one without microstructure."""
    write_shard(folder, [make_sample(0), make_sample(10)])
    write_shard(folder, [make_sample(11, (3, 4, 5))])
    write_shard(folder, [full_sample(13)])
    plain = make_sample(12)
    labels = {"ionic": replace(plain.labels["ionic"], connected=None)}
    write_shard(folder, [replace(plain, labels=labels, provenance={"long": "x" * 500})])
    return Dataset(folder)


def test_one_hdf5_file_holds_everything(dataset, tmp_path):
    export_hdf5(dataset, tmp_path / "one.h5")
    seen = []
    with h5py.File(tmp_path / "one.h5") as file:
        assert file.attrs["encoding-type"] == b"ionscreen-consolidated"
        for group in file.values():
            for row, sample_id in enumerate(group["id"].asstr()[:]):
                seen.append(sample_id)
                sample = dataset.sample(sample_id)
                assert group["recipe"][row].decode() == sample.recipe.canonical_json()
                assert bool(group["generated"][row]) == (sample.microstructure is not None)
                if sample.microstructure is not None:
                    np.testing.assert_array_equal(group["phases"][row], sample.microstructure.phases)
                    if "grains" in group:
                        grains = sample.microstructure.grains
                        np.testing.assert_array_equal(group["grains"][row], 0 if grains is None else grains)
                        assert json.loads(group["descriptors"][row] or b"{}") == dict(sample.descriptors)
                for name in dataset.transports:
                    labels = group[f"transports/{name}"]
                    assert bool(labels["labelled"][row]) == (name in sample.labels)
                    if name in sample.labels:
                        label = sample.labels[name]
                        np.testing.assert_array_equal(labels["sigma"][row], label.sigma)
                        assert bool(labels["masked"][row]) == (label.connected is not None)
                        if "potential" in labels:
                            potential = np.nan if label.potential is None else label.potential
                            np.testing.assert_array_equal(labels["potential"][row], potential)
                        if label.connected is not None:
                            np.testing.assert_array_equal(labels["connected"][row], label.connected)
    assert sorted(seen) == list(dataset.ids)


def test_a_full_disk_ends_an_export_with_one_sentence(dataset, tmp_path):
    script = (
        "import resource, sys; from ionscreen.datasets import *; from ionscreen.datasets.export_hdf5 import *\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (4000, 4000))\n"
        "try: export_hdf5(Dataset(sys.argv[1]), sys.argv[2])\n"
        "except DatasetError as error: sys.exit(str(error))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(dataset.folder), str(tmp_path / "one.h5")], capture_output=True, text=True
    )
    assert done.returncode == 1
    assert "disk is full" in done.stderr
    assert done.stderr.count("\n") == 1
    assert not (tmp_path / "one.h5").exists()
    assert not list(tmp_path.glob(".one*"))


def test_no_index_is_left_of_voxels_that_could_not_be_written(dataset, tmp_path, monkeypatch):
    @contextmanager
    def full_at_the_end(path):
        with new_hdf5(path) as opened:
            yield opened
            raise DatasetError("the disk is full")

    monkeypatch.setattr(export_images, "new_hdf5", full_at_the_end)
    with pytest.raises(DatasetError, match="full"):
        export_xdmf(one_shape(dataset), tmp_path / "all.xdmf")
    assert not list(tmp_path.glob("*all.*"))


def structures(dataset):
    """Return the samples that have a microstructure."""
    return [sample for sample in dataset if sample.microstructure is not None]


def one_shape(dataset):
    """Return the samples of the more common shape."""
    columns = table(dataset)
    return dataset.subset(sample for sample, n in zip(columns["id"], columns["nx"]) if n == 6)


def test_vti_is_read_by_vtk_with_axes_and_lengths_in_place(dataset, tmp_path):
    pyvista = pytest.importorskip("pyvista")
    assert export_vti(dataset, tmp_path / "vti") == len(structures(dataset)) == 10
    for sample in structures(dataset):
        grid = pyvista.read(tmp_path / "vti" / f"{sample.id}.vti")
        phases = np.asarray(grid.cell_data["phases"]).reshape(sample.microstructure.shape, order="F")
        np.testing.assert_array_equal(phases, sample.microstructure.phases)
        assert grid.spacing == pytest.approx(sample.microstructure.voxel_size)


def test_xdmf_is_read_by_vtk_with_axes_and_lengths_in_place(dataset, tmp_path):
    pyvista = pytest.importorskip("pyvista")
    with pytest.raises(InvalidInput, match="one shape"):
        export_xdmf(dataset, tmp_path / "all.xdmf")
    dataset = one_shape(dataset)
    assert export_xdmf(dataset, tmp_path / "all.xdmf") == 9
    reader = pyvista.get_reader(tmp_path / "all.xdmf")
    seen = 0
    samples = {sample.id: sample for sample in structures(dataset)}
    for step, sample_id in enumerate(sample for shard in dataset.shards() for sample in shard if sample in samples):
        reader.set_active_time_value(step)
        grid = reader.read()
        grid = grid[0] if isinstance(grid, pyvista.MultiBlock) else grid
        structure = samples[sample_id].microstructure
        phases = np.asarray(grid.cell_data["phases"]).reshape(structure.shape, order="F")
        np.testing.assert_array_equal(phases, structure.phases)
        lengths = [n * h for n, h in zip(structure.shape, structure.voxel_size)]
        assert np.array(grid.bounds)[1::2] == pytest.approx(lengths)
        seen += 1
    assert seen == 9


def test_tiff_stacks_are_read_by_tifffile(dataset, tmp_path):
    tifffile = pytest.importorskip("tifffile")
    assert export_tiff(dataset, tmp_path / "tiff") == 10
    for sample in structures(dataset):
        phases = tifffile.imread(tmp_path / "tiff" / f"{sample.id}.tif")
        np.testing.assert_array_equal(phases, sample.microstructure.phases)
        assert phases.dtype == np.uint8


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_tables_hold_recipes_fractions_and_labels(dataset, tmp_path, suffix):
    pandas = pytest.importorskip("pandas")
    pytest.importorskip("pyarrow")
    export_table(dataset, tmp_path / f"table.{suffix}")
    frame = getattr(pandas, f"read_{suffix}")(tmp_path / f"table.{suffix}").set_index("id")
    assert sorted(frame.index) == list(dataset.ids)
    for sample in dataset:
        row = frame.loc[sample.id]
        label = sample.labels["ionic"]
        assert row["family"] == "blobs"
        assert row["parameter_porosity"] == sample.recipe.parameters["porosity"]
        assert row["ionic_sigma_x_S_per_m"] == pytest.approx(label.sigma[0], rel=1e-15, nan_ok=True)
        assert row["ionic_relative_z"] == pytest.approx(label.relative[2], rel=1e-15, nan_ok=True)
        assert row["ionic_status_y"] == "not_requested"
        if sample.microstructure is not None:
            assert row["fraction_void"] == sample.microstructure.fractions()["void"]


def test_a_parameter_of_two_types_is_text_in_parquet(tmp_path):
    parquet = pytest.importorskip("pyarrow.parquet")
    sample = make_sample(0)
    other = replace(make_sample(1), recipe=replace(make_sample(1).recipe, parameters={"porosity": "low"}))
    write_shard(tmp_path / "dataset", [sample, other])
    export_table(Dataset(tmp_path / "dataset"), tmp_path / "table.parquet")
    assert set(parquet.read_table(tmp_path / "table.parquet")["parameter_porosity"].to_pylist()) == {"0.3", "low"}


def test_other_suffixes_are_refused(dataset, tmp_path):
    with pytest.raises(InvalidInput, match=r"\.csv or \.parquet"):
        export_table(dataset, tmp_path / "table.xls")


def test_npz_holds_plain_arrays(dataset, tmp_path):
    dataset = one_shape(dataset)
    export_npz(dataset, tmp_path / "all.npz")
    with np.load(tmp_path / "all.npz", allow_pickle=False) as arrays:
        assert sorted(arrays["id"].tolist()) == list(dataset.ids)
        for sample_id, phases in zip(arrays["id"].tolist(), arrays["phases"]):
            structure = dataset.sample(sample_id).microstructure
            np.testing.assert_array_equal(phases, 0 if structure is None else structure.phases)
        for name, array in dataset.labels("ionic").items():
            np.testing.assert_array_equal(arrays[f"ionic_{name}"], array)


def test_npz_of_several_shapes_is_refused(dataset, tmp_path):
    with pytest.raises(InvalidInput, match="one shape"):
        export_npz(dataset, tmp_path / "all.npz")


def test_a_separator_is_read_by_bpx(dataset, tmp_path):
    bpx = pytest.importorskip("bpx")
    assert export_bpx(dataset, tmp_path / "bpx", axis=2) == len(structures(dataset))
    for sample in structures(dataset):
        separator = bpx.parse_bpx_file(tmp_path / "bpx" / f"{sample.id}.json").parameterisation.separator
        structure = sample.microstructure
        assert separator.thickness == pytest.approx(structure.shape[2] * structure.voxel_size[2], rel=1e-15)
        assert separator.porosity == structure.fractions()["electrolyte"]
        assert separator.transport_efficiency == sample.labels["ionic"].relative[2]


def test_a_composite_cathode_is_a_positive_electrode_with_its_electronic_conductivity(tmp_path):
    folder = tmp_path / "dataset"
    schema = pytest.importorskip("bpx.schema")
    plain = make_sample(0)
    names = replace(plain.microstructure, phase_names=("active_material", "electrolyte"))
    ionic = make_label(Transport("ionic", {"active_material": 0.0, "electrolyte": 0.1}), names)
    electronic = make_label(Transport("electronic", {"active_material": 2.0, "electrolyte": 0.01}), names)
    write_shard(folder, [replace(plain, microstructure=names, labels={"ionic": ionic, "electronic": electronic})])
    assert export_bpx(Dataset(folder).subset([plain.id]), tmp_path / "bpx") == 1
    fragment = json.loads((tmp_path / "bpx" / f"{plain.id}.json").read_text())
    electrode = schema.Electrode.model_validate(fragment["Parameterisation"]["Positive electrode"])
    assert electrode.porosity == names.fractions()["electrolyte"]
    assert electrode.transport_efficiency == ionic.relative[0]
    assert electrode.conductivity == electronic.sigma[0]


def test_an_axis_that_nobody_solved_makes_no_bpx(dataset, tmp_path):
    with pytest.raises(InvalidInput, match="axis 1"):
        export_bpx(dataset, tmp_path / "bpx", axis=1)


@pytest.fixture(scope="module")
def growing(tmp_path_factory):
    """Return a dataset and one of four times the samples."""
    datasets = []
    for count in (1200, 4800):
        folder = tmp_path_factory.mktemp(str(count))
        for first in range(0, count, 100):
            write_shard(folder, [make_sample(seed) for seed in range(first, first + 100)])
        datasets.append(Dataset(folder))
    return datasets


@pytest.mark.slow
@pytest.mark.parametrize(
    ("write", "name"),
    [
        (export_hdf5, "one.h5"),
        (export_table, "table.csv"),
        (export_table, "table.parquet"),
        (export_npz, "one.npz"),
        (export_xdmf, "all.xdmf"),
    ],
)
def test_exports_stream(growing, tmp_path, write, name):
    """What grows with the samples are ids and labels, 1 kB for each, and not voxels or rows of 12 kB."""
    if name.endswith(".parquet"):
        pytest.importorskip("pyarrow")
    peaks = []
    for dataset in growing:
        tracemalloc.start()
        write(dataset, tmp_path / f"{len(dataset)}-{name}")
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 1.2 * peaks[0] + 1000 * 3600, peaks
