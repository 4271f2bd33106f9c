"""Images are read as stored or refused in one sentence; crops are the image, renumbered."""

from contextlib import suppress

import h5py
import numpy as np
import pytest
import pyvista
import tifffile

from ionscreen.datasets import InvalidInput
from ionscreen.pipeline.generation import generate
from ionscreen.pipeline.image import file_digest, read_image
from ionscreen.pipeline.image_crop import crop_recipes, generate_crop

PHASES = np.random.default_rng(4).integers(0, 3, (5, 6, 7)).astype(np.uint8)
NAMES = {0: "void", 2: "electrolyte", 1: "binder"}
SIZE = (1e-7, 2e-7, 3e-7)


def write_vti(path, dimensions, kind):
    grid = pyvista.ImageData(dimensions=dimensions)
    getattr(grid, kind)["phase"] = PHASES.ravel(order="F")
    grid.save(path)


def write_hdf5(path):
    with h5py.File(path, "w") as file:
        file["group/phases"] = PHASES
        file["group/flat"] = PHASES[0]


WRITERS = {
    "lzw.tif": lambda path: tifffile.imwrite(path, PHASES, compression="lzw"),
    "pages.TIFF": lambda path: tifffile.imwrite(path, PHASES, photometric="minisblack", metadata=None),
    "imagej.tif": lambda path: tifffile.imwrite(path, PHASES, imagej=True),
    "big.tif": lambda path: tifffile.imwrite(path, PHASES, bigtiff=True),
    "tiled.tif": lambda path: tifffile.imwrite(path, PHASES, tile=(16, 16), compression="zlib"),
    "array.npy": lambda path: np.save(path, PHASES),
    "fortran.npy": lambda path: np.save(path, np.asfortranarray(PHASES)),
    "array.npz": lambda path: np.savez_compressed(path, PHASES),
    "cells.vti": lambda path: write_vti(path, (6, 7, 8), "cell_data"),
    "points.vti": lambda path: write_vti(path, (5, 6, 7), "point_data"),
    "file.h5": write_hdf5,
}


@pytest.mark.parametrize("name", WRITERS)
def test_every_format_gives_the_voxels_as_stored(tmp_path, name):
    WRITERS[name](tmp_path / name)
    source = f"{tmp_path / name}:/group/phases" if name == "file.h5" else tmp_path / name
    image = read_image(source)
    assert type(image) is np.ndarray
    assert image.dtype == np.uint8
    assert image.flags.c_contiguous
    np.testing.assert_array_equal(image, PHASES)


@pytest.mark.parametrize("dtype", ["bool", "int8", "uint16", "int64", "float32", ">f8", ">u2"])
def test_whole_numbers_of_any_type_are_phases(tmp_path, dtype):
    np.save(tmp_path / "a.npy", PHASES.astype(dtype))
    image = read_image(tmp_path / "a.npy")
    assert image.dtype == np.uint8
    np.testing.assert_array_equal(image, PHASES.astype(bool) if dtype == "bool" else PHASES)


def test_a_raw_file_needs_and_matches_its_shape_and_type(tmp_path):
    PHASES.astype("<u2").tofile(tmp_path / "a.raw")
    np.testing.assert_array_equal(read_image(tmp_path / "a.raw", (5, 6, 7), "uint16"), PHASES)
    for shape, dtype, sentence in [
        (None, None, "does not say its shape"),
        ((5, 6, 7), "uint8", "420 bytes.*would be 210"),
        ((5, 6, 7), "voxels", "no number type"),
        ((5, 42), "uint16", "2 axes"),
        ((10**6,) * 3, "uint8", "more than"),
    ]:
        with pytest.raises(InvalidInput, match=sentence):
            read_image(tmp_path / "a.raw", shape, dtype)


@pytest.mark.parametrize("name", ["lzw.tif", "pages.TIFF", "imagej.tif", "big.tif"])
def test_a_tiff_cut_anywhere_is_refused_or_whole(tmp_path, name, caplog):
    WRITERS[name](tmp_path / name)
    data, cut = (tmp_path / name).read_bytes(), tmp_path / "cut.tif"
    refused = 0
    for length in range(0, len(data), 3):
        cut.write_bytes(data[:length])
        refused += 1
        with suppress(InvalidInput):
            np.testing.assert_array_equal(read_image(cut), PHASES)
            refused -= 1
    assert refused > 50


@pytest.mark.parametrize("name", ["array.npy", "array.npz", "cells.vti", "file.h5"])
@pytest.mark.parametrize("part", [0.0, 0.1, 0.5, 0.99])
def test_other_cut_files_are_refused_by_name(tmp_path, name, part):
    WRITERS[name](tmp_path / name)
    data = (tmp_path / name).read_bytes()
    (tmp_path / name).write_bytes(data[: int(part * len(data))])
    with pytest.raises(InvalidInput, match=name):
        read_image(f"{tmp_path / name}:/group/phases" if name == "file.h5" else tmp_path / name)


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        (PHASES + 0.5, "no whole numbers"),
        (np.full((2, 2, 2), np.nan), "no whole numbers"),
        (PHASES.astype(int) - 1, "value -1"),
        (PHASES.astype(float) - 1, "value -1"),
        (PHASES.astype(int) + 254, "value 256.*0 to 255"),
        (PHASES[0], "2 axes"),
        (PHASES[None], "4 axes"),
        (PHASES[:0], "empty"),
        (PHASES * 1j, "not numbers"),
        (PHASES.astype("S1"), "not numbers"),
        (np.array([[[{}]]], object), "cannot be read"),
    ],
)
def test_what_is_no_phase_is_refused(tmp_path, values, sentence):
    np.save(tmp_path / "a.npy", values)
    with pytest.raises(InvalidInput, match=rf"a\.npy .*{sentence}"):
        read_image(tmp_path / "a.npy")


def test_what_is_no_image_is_refused(tmp_path):
    for name in ("text.tif", "text.npy", "text.npz", "text.h5", "text.vti"):
        (tmp_path / name).write_text("not an image\n")
        with pytest.raises(InvalidInput, match=name):
            read_image(tmp_path / name)


@pytest.mark.parametrize(
    ("source", "sentence"),
    [
        ("", "is a folder"),
        ("absent.tif", "no such file"),
        ("absent.h5:/a", "no such file"),
        ("image.png", r"reads \.tif, .*\.vti"),
        ("file.h5", r"none was named.*file\.h5:/group/phases"),
        ("file.h5:/group", r"no array /group; write .*file\.h5:/group/phases"),
        ("file.h5:/group/flat", "2 axes"),
        ("file.h5:/link", "another file"),
        ("file.h5:/virtual", "another file"),
        ("colour.tif", "colour image"),
        ("two.tif", "2 images"),
        ("two.npz", "2 arrays"),
        ("bomb.npy", "cannot be read"),
        ("bomb.vti", "more than"),
        ("bomb.h5:/bomb", "more than"),
        ("empty.vti", "no cell and no point array"),
    ],
)
def test_other_sources_are_refused_in_one_sentence(tmp_path, source, sentence):
    write_sources(tmp_path)
    with pytest.raises(InvalidInput, match=sentence) as caught:
        read_image(f"{tmp_path}/{source}")
    assert str(tmp_path) in str(caught.value)


def write_sources(folder):
    write_hdf5(folder / "file.h5")
    write_hdf5(folder / "other.h5")
    with h5py.File(folder / "file.h5", "a") as file:
        file["link"] = h5py.ExternalLink("other.h5", "/group/phases")
        layout = h5py.VirtualLayout(PHASES.shape, "u1")
        layout[:] = h5py.VirtualSource("other.h5", "group/phases", PHASES.shape)
        file.create_virtual_dataset("virtual", layout)
    with h5py.File(folder / "bomb.h5", "w") as file:
        file.create_dataset("bomb", (10**5,) * 3, "u1", chunks=(10, 10, 10))
    tifffile.imwrite(folder / "colour.tif", np.zeros((5, 6, 3), np.uint8), photometric="rgb")
    with tifffile.TiffWriter(folder / "two.tif") as file:
        file.write(PHASES, photometric="minisblack")
        file.write(PHASES[:2], photometric="minisblack")
    np.savez(folder / "two.npz", PHASES, PHASES)
    header = repr({"descr": "|u1", "fortran_order": False, "shape": (1000, 1000, 1000)}).encode().ljust(117) + b"\n"
    (folder / "bomb.npy").write_bytes(b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header)
    grid = pyvista.ImageData(dimensions=(2, 2, 2))
    grid.save(folder / "empty.vti")
    text = (folder / "empty.vti").read_bytes().replace(b"0 1 0 1 0 1", b"0 9999 0 9999 0 9999")
    (folder / "bomb.vti").write_bytes(text)


def test_a_digest_is_that_of_the_file_and_the_path_inside(tmp_path):
    write_hdf5(tmp_path / "a.h5")
    write_hdf5(tmp_path / "b.h5")
    assert file_digest(tmp_path / "a.h5") == file_digest(tmp_path / "b.h5")
    assert len(file_digest(tmp_path / "a.h5")) == 32
    assert file_digest(f"{tmp_path}/a.h5:/x") != file_digest(f"{tmp_path}/a.h5:/y")
    with pytest.raises(InvalidInput, match="absent"):
        file_digest(tmp_path / "absent")


@pytest.fixture
def image(tmp_path):
    """Return the path of an image with phases 0, 1, 2."""
    np.save(tmp_path / "image.npy", PHASES)
    return tmp_path / "image.npy"


def recipes(image, window=(2, 3, 3), stride=None, names=NAMES):
    return crop_recipes(file_digest(image), PHASES.shape, window, stride, SIZE, names)


def test_crops_cover_a_regular_grid(image):
    corners = [[recipe.parameters[f"corner_{axis}"] for axis in "xyz"] for recipe in recipes(image)]
    assert corners == [[x, y, z] for x in (0, 2) for y in (0, 3) for z in (0, 3)]
    assert len({recipe.id for recipe in recipes(image)}) == 8
    assert len(recipes(image, stride=(1, 1, 1))) == 4 * 4 * 5


def test_a_crop_is_its_window_of_the_image(image):
    files = {file_digest(image): image}
    for recipe in recipes(image):
        x, y, z = (recipe.parameters[f"corner_{axis}"] for axis in "xyz")
        crop = generate(recipe, files)
        assert crop.phase_names == ("void", "binder", "electrolyte")
        assert crop.voxel_size == SIZE
        np.testing.assert_array_equal(crop.phases, PHASES[x : x + 2, y : y + 3, z : z + 3])


def test_numbers_with_gaps_become_numbers_without(tmp_path):
    np.save(tmp_path / "gaps.npy", PHASES * 100)
    digest = file_digest(tmp_path / "gaps.npy")
    (recipe,) = crop_recipes(digest, PHASES.shape, PHASES.shape, None, SIZE, {200: "c", 0: "a", 100: "b", 50: "rare"})
    crop = generate_crop(recipe, {digest: tmp_path / "gaps.npy"})
    assert crop.phase_names == ("a", "rare", "b", "c")
    np.testing.assert_array_equal(np.array([0, 2, 3])[PHASES], crop.phases)


def test_the_id_does_not_depend_on_the_order_of_the_names(image):
    turned = dict(reversed(NAMES.items()))
    assert [r.id for r in recipes(image)] == [r.id for r in recipes(image, names=turned)]


def test_an_image_is_read_once(image, monkeypatch):
    from ionscreen.pipeline import image_crop

    calls = []
    monkeypatch.setattr(image_crop, "read_image", lambda path: calls.append(path) or read_image(path))
    for recipe in recipes(image):
        generate_crop(recipe, {file_digest(image): image})
    assert calls == [str(image)]


def test_a_changed_image_is_refused(image):
    recipe, files = recipes(image)[0], {file_digest(image): image}
    np.save(image, PHASES[::-1])
    with pytest.raises(InvalidInput, match=r"image\.npy has changed"):
        generate_crop(recipe, files)


def test_an_image_that_is_not_at_hand_is_refused(image):
    with pytest.raises(InvalidInput, match=f"{file_digest(image)} is not among"):
        generate_crop(recipes(image)[0], {})


def test_a_phase_without_a_name_is_refused(image):
    recipe = recipes(image, window=PHASES.shape, names={0: "void", 1: "binder"})[0]
    with pytest.raises(InvalidInput, match=r"image\.npy holds phase 2, which has no name"):
        generate_crop(recipe, {file_digest(image): image})


def test_a_window_outside_the_image_is_refused(image):
    digest = file_digest(image)
    recipe = crop_recipes(digest, (50, 50, 50), (5, 5, 5), None, SIZE, NAMES)[-1]
    with pytest.raises(InvalidInput, match=r"image\.npy: a window .* leaves the image"):
        generate_crop(recipe, {digest: image})


@pytest.mark.parametrize(
    ("window", "stride", "names"),
    [
        ((6, 6, 7), None, NAMES),
        ((0, 1, 1), None, NAMES),
        ((1, 1, 1), (0, 1, 1), NAMES),
        ((1, 1, 1), None, {}),
        ((1, 1, 1), None, {0: "a", 1: "a"}),
        ((1, 1, 1), None, {256: "a"}),
        ((1, 1, 1), None, {0: "a=b"}),
        ((1, 1, 1), None, {0: ""}),
    ],
)
def test_impossible_crops_are_refused(window, stride, names):
    with pytest.raises(InvalidInput):
        crop_recipes("0" * 32, PHASES.shape, window, stride, SIZE, names)


# Voxels of each phase, from the data's own description.
REAL = {
    "nmc_cathode_nrel/nmc-1-cal_generatedCBD_bridge.tif": ((251, 301, 301), [9_108_821, 11_357_945, 2_274_085]),
    "sofc_cathode_fibsem/example_electrolyte_and_cathode.tif": ((201, 201, 201), [4_691_975, 1_060_609, 2_368_017]),
}


@pytest.mark.parametrize("name", REAL)
def test_real_tomographies_have_the_voxels_their_authors_count(real_data, name):
    shape, counts = REAL[name]
    image = read_image(real_data / name)
    assert image.shape == shape
    assert np.bincount(image.ravel()).tolist() == counts


def test_a_crop_of_a_real_tomography_is_its_window(real_data):
    path = real_data / "sofc_cathode_fibsem" / "example_electrolyte_and_cathode.tif"
    digest = file_digest(path)
    crops = crop_recipes(digest, (201, 201, 201), (64, 64, 64), None, SIZE, {0: "pore", 1: "electrolyte", 2: "LSM"})
    assert len(crops) == 27
    np.testing.assert_array_equal(
        generate_crop(crops[-1], {digest: path}).phases, read_image(path)[128:192, 128:192, 128:192]
    )
