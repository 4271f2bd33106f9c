"""Damaged, foreign, newer and hostile files are refused by name; nothing of them is believed."""

import hashlib
import json
import random
import shutil
from contextlib import suppress
from dataclasses import replace

import h5py
import numpy as np
import pytest

from ionscreen.datasets import Dataset, DatasetError, verify, write_shard
from ionscreen.datasets.export_npz import export_npz
from ionscreen.datasets.fields import ENCODING_VERSION
from ionscreen.datasets.manifest import read_manifest, sealed

from .samples import make_sample

MUTATIONS = 200
SEED = 20240611


def mutate(data: bytes, kind: str, draw: random.Random) -> bytes:
    """Return other bytes."""
    place = draw.randrange(len(data))
    if kind == "truncate":
        return data[:place]
    changed = bytearray(data)
    if kind == "flip":
        changed[place] ^= 1 << draw.randrange(8)
    elif kind == "zero":
        place = draw.choice([i for i, byte in enumerate(data) if byte])
        changed[place : place + 512] = bytes(len(changed[place : place + 512]))
    else:
        changed += b"\0"
    return bytes(changed)


@pytest.mark.parametrize("where", ["shards", "manifest"])
def test_no_mutation_is_silent(folder, where, tmp_path):
    draw = random.Random(SEED)
    for number in range(MUTATIONS // 2):
        copy = tmp_path / f"copy{number}"
        shutil.copytree(folder, copy)
        victim = draw.choice(sorted((copy / where).iterdir()))
        kind = draw.choice(
            ["truncate", "flip", "zero", "append"] if where == "shards" else ["truncate", "flip", "zero"]
        )
        victim.write_bytes(mutate(victim.read_bytes(), kind, draw))
        with pytest.raises(DatasetError, match=victim.stem[:32]):
            list(Dataset(copy))
        if where == "shards":
            assert [finding.kind for finding in verify(copy)] == ["file"], (SEED, number, kind)


def test_swapped_shards_are_found(folder):
    a, b = sorted((folder / "shards").iterdir())
    (first, second) = a.read_bytes(), b.read_bytes()
    a.write_bytes(second), b.write_bytes(first)
    assert [finding.kind for finding in verify(folder)] == ["file", "file"]


def test_a_damaged_shard_is_named_with_the_cure(folder):
    entry = read_manifest(folder)[0]
    entry.path(folder).write_bytes(b"")
    with pytest.raises(DatasetError, match=rf"{entry.shard}.*damaged.*ionscreen dataset repair {folder}.*run again"):
        Dataset(folder).sample(entry.ids[0])


def test_a_missing_shard_is_named_with_the_cure(folder):
    entry = read_manifest(folder)[0]
    entry.path(folder).unlink()
    with pytest.raises(DatasetError, match=rf"{entry.shard}.*missing.*ionscreen dataset repair {folder}.*run again"):
        Dataset(folder).labels("ionic")


def test_a_shard_removed_by_hand_is_missing_and_nothing_else(folder):
    entry = read_manifest(folder)[0]
    entry.path(folder).write_bytes(b"")
    entry.path(folder).unlink(), entry.manifest_path(folder).unlink()
    assert verify(folder) == []
    assert Dataset(folder).missing(entry.ids) == list(entry.ids)


def test_files_left_by_a_killed_writer_are_ignored(folder):
    (folder / "shards" / ".x.h5.1.tmp").write_bytes(b"half")
    (folder / "manifest" / ".x.json.1.tmp").write_bytes(b"{")
    (folder / "manifest" / ".x.json").write_bytes(b"{")
    assert verify(folder) == []
    assert len(Dataset(folder)) == 7


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"encoding-version": 3}, "newer ionscreen.*update"),
        ({"encoding-version": 0}, "damaged"),
        ({"encoding-version": "1"}, "damaged"),
        ({"encoding-type": "other"}, "damaged"),
        ({"shard": "../../etc/passwd"}, "damaged"),
        ({"blake2b": "../" * 21 + "a"}, "damaged"),
        ({"ids": []}, "damaged"),
        ({"ids": 5}, "damaged"),
        ({"summary": {"shapes": 1}}, "damaged"),
        ({"summary": {"shapes": {}, "families": {}, "status": {"ionic": {"ok": -1}}}}, "damaged"),
        ({"families": ["blobs"]}, "damaged"),
        ({"families": [1, 2, 3, 4]}, "damaged"),
        ({"labels": {"ionic": "", "electronic": ""}}, "damaged"),
        ({"labels": {"ionic": "no base64", "electronic": 7}}, "damaged"),
        ({"labels": {}}, "damaged"),
    ],
)
def test_a_manifest_entry_that_is_none_is_refused(folder, change, sentence):
    path = sorted((folder / "manifest").iterdir())[0]
    content = {key: value for key, value in json.loads(path.read_text()).items() if key != "digest"}
    path.write_bytes(sealed({**content, **change}))
    with pytest.raises(DatasetError, match=rf"{path.name}.*{sentence}"):
        Dataset(folder)


def replace_dataset(name, **options):
    """Return a change that puts another dataset in the place of one."""

    def change(file, outside):
        del file[name]
        file.create_dataset(name, **options)

    return change


def replace_optional(name, shape, dtype):
    """Return a change that adds a dataset that shards may have, in a form that they may not have."""

    def change(file, outside):
        chunks = (1, *shape[1:]) if len(shape) > 1 else shape
        file.create_dataset(name, data=np.zeros(shape, dtype), chunks=chunks, compression="gzip")

    return change


def put(link):
    """Return a change that puts a link in the place of the voxels."""

    def change(file, outside):
        del file["phases"]
        file["phases"] = link(outside)

    return change


def external_storage(file, outside):
    shape = file["phases"].shape
    del file["phases"]
    file.create_dataset("phases", shape=shape, dtype="u1", external=[(str(outside), 0, int(np.prod(shape)))])


def virtual(file, outside):
    shape = file["phases"].shape
    layout = h5py.VirtualLayout(shape, "u1")
    layout[:] = h5py.VirtualSource(str(outside), "x", shape)
    del file["phases"]
    file.create_virtual_dataset("phases", layout)


def attribute(name, value):
    return lambda file, outside: file.attrs.__setitem__(name, value)


def entry_of(name, row, value):
    def change(file, outside):
        file[name][row] = value

    return change


def huge_recipe(file, outside):
    """Let recipes and voxels agree on 64 TiB, of which the file stores nothing."""
    recipes = [{**json.loads(text), "shape": [40000] * 3} for text in file["recipe"][:]]
    texts = np.array([json.dumps(recipe).encode() for recipe in recipes])
    del file["recipe"], file["phases"]
    file.create_dataset("recipe", data=texts, chunks=texts.shape, compression="gzip")
    file.create_dataset("phases", (len(texts), *[40000] * 3), "u1", chunks=(1, 1, 1, 40000), compression="gzip")


OTHER_RECIPE = b'{"family":"x","parameters":{},"shape":[6,5,4],"voxel_size":[1,1,1],"seed":0}'
HOSTILE = {
    "newer": (attribute("encoding-version", np.int64(ENCODING_VERSION + 1)), "newer ionscreen.*update"),
    "older": (attribute("encoding-version", np.int64(0)), "no format 0"),
    "foreign": (attribute("encoding-type", np.bytes_("anndata")), "not a shard"),
    "no version": (lambda file, outside: file.attrs.__delitem__("encoding-version"), "not a shard"),
    "vlen attribute": (attribute("encoding-type", "ionscreen-shard"), "global heap"),
    "vlen": (replace_dataset("recipe", data=["{}"] * 4, dtype=h5py.string_dtype()), "global heap"),
    "vlen, empty": (replace_dataset("recipe", shape=(4,), dtype=h5py.string_dtype(), chunks=(4,)), "recipe"),
    "object": (replace_dataset("phases", shape=(4,), dtype=h5py.ref_dtype), "phases"),
    "external storage": (external_storage, "not stored in chunks"),
    "virtual": (virtual, "global heap"),
    "external link": (put(lambda outside: h5py.ExternalLink(str(outside), "/x")), "link"),
    "soft link": (put(lambda outside: h5py.SoftLink("/recipe")), "link"),
    "lzf": (replace_dataset("generated", data=np.ones(4, "u1"), chunks=(4,), compression="lzf"), "filter"),
    "scale-offset": (replace_dataset("generated", data=np.ones(4, "u1"), chunks=(4,), scaleoffset=1), "filter"),
    "contiguous": (replace_dataset("generated", data=np.ones(4, "u1")), "chunks"),
    "more samples": (replace_dataset("generated", data=np.ones(9, "u1"), chunks=(9,)), "generated"),
    "resizable": (replace_dataset("generated", data=np.ones(4, "u1"), chunks=(4,), maxshape=(None,)), "generated"),
    "64 TiB": (replace_dataset("phases", shape=(4, 40000, 40000, 40000), dtype="u1", chunks=(1, 1, 1, 40000)), "u1 of"),
    "64 TiB in recipes too": (huge_recipe, "chunks"),
    "wide text": (replace_dataset("recipe", shape=(4,), dtype="S100000000", chunks=(4,)), "recipe"),
    "not written": (replace_dataset("generated", shape=(4,), dtype="u1", chunks=(4,)), "declares 4 bytes"),
    "group": (lambda file, outside: (file.__delitem__("phases"), file.create_group("phases")), "not an HDF5 dataset"),
    "no group": (replace_dataset("transports", data=1), "not a group"),
    "one more": (lambda file, outside: file.create_group("more"), "9 members, the format wants 8"),
    "one less": (lambda file, outside: file["transports/ionic"].__delitem__("sigma"), "sigma"),
    "grains, other type": (replace_optional("grains", (4, 6, 5, 4), "u1"), "grains"),
    "grains, other shape": (replace_optional("grains", (4, 6, 5, 5), "<u4"), "grains"),
    "descriptors, long": (replace_optional("descriptors", (5,), "S4"), "descriptors"),
    "potential, two axes": (replace_optional("transports/ionic/potential", (4, 2, 6, 5, 4), "<f4"), "potential"),
    "other ids": (entry_of("id", 0, b"0" * 32), "other samples"),
    "broken JSON": (entry_of("recipe", 0, b"{"), "cannot be read"),
    "other recipe": (entry_of("recipe", 0, OTHER_RECIPE), "id"),
    "phase without name": (entry_of("phase_names", 0, b"[]"), "named"),
}  # fmt: skip


@pytest.mark.parametrize("case", HOSTILE)
def test_what_is_not_in_the_format_is_refused(folder, case, tmp_path):
    change, sentence = HOSTILE[case]
    outside = tmp_path / "outside"
    outside.write_bytes(b"secret" * 1000)
    entry = next(entry for entry in read_manifest(folder) if len(entry.ids) == 4)
    changed = forge(folder, entry, lambda file: change(file, outside))
    with pytest.raises(DatasetError, match=rf"(?s)^{changed.path(folder)}: .*{sentence}"):
        Dataset(folder).sample(entry.ids[0])
    assert [finding.kind for finding in verify(folder)] == ["file"]


def forge(folder, entry, change):
    """Change a shard so that its hash agrees with the manifest, as only an attacker would, and return its entry."""
    path = entry.path(folder)
    with h5py.File(path, "r+", libver="latest") as file:
        change(file)
    digest = hashlib.blake2b(path.read_bytes(), digest_size=32).hexdigest()
    changed = replace(entry, blake2b=digest)
    path.rename(changed.path(folder))
    changed.write(folder)
    return changed


def test_a_file_that_is_no_hdf5_at_all_is_refused(folder):
    entry = read_manifest(folder)[0]
    entry.path(folder).write_bytes(b"PK\3\4 something else")
    digest = hashlib.blake2b(entry.path(folder).read_bytes(), digest_size=32).hexdigest()
    changed = replace(entry, blake2b=digest)
    entry.path(folder).rename(changed.path(folder))
    changed.write(folder)
    with pytest.raises(DatasetError, match="cannot be read as a shard"):
        Dataset(folder).sample(entry.ids[0])


@pytest.mark.parametrize("seed", range(4))
def test_mutations_with_a_forged_hash_never_crash(folder, seed):
    """An attacker's hash agrees. Whatever then comes out of libhdf5 is a sample or one sentence, never a traceback."""
    draw = random.Random(SEED + seed)
    entry = read_manifest(folder)[0]
    original = entry.path(folder).read_bytes()
    for _ in range(50):
        data = mutate(original, draw.choice(["truncate", "flip", "flip", "zero"]), draw)
        changed = replace(entry, blake2b=hashlib.blake2b(data, digest_size=32).hexdigest())
        changed.path(folder).write_bytes(data)
        changed.write(folder)
        with suppress(DatasetError):
            list(Dataset(folder))


def test_an_error_while_streaming_names_the_shard(folder):
    entry = next(entry for entry in read_manifest(folder) if len(entry.ids) == 4)
    changed = forge(folder, entry, lambda file: damage_chunk(file["phases"], 2))
    for read in (lambda: list(Dataset(folder).stream()), lambda: export_npz(Dataset(folder), folder / "all.npz")):
        with pytest.raises(DatasetError, match=str(changed.path(folder))):
            read()


def damage_chunk(dataset, row):
    """Replace the stored bytes of a sample's voxels."""
    dataset.id.write_direct_chunk((row, 0, 0, 0), b"no deflate stream")


def test_voxels_may_look_like_a_heap(tmp_path):
    """The five bytes that a heap begins with may stand in compressed data; the size after them then makes no sense."""
    write_shard(tmp_path, [make_sample(0)])
    entry = read_manifest(tmp_path)[0]
    changed = forge(tmp_path, entry, lambda file: file.attrs.__setitem__("note", np.bytes_(b"GCOL\x01" + b"x" * 20)))
    assert b"GCOL\x01" in changed.path(tmp_path).read_bytes()
    assert len(list(Dataset(tmp_path))) == 1
