"""Samples to store: small, some of them lacking what a sample may lack; and what makes two of them equal."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ionscreen.datasets import Label, Microstructure, Recipe, Sample, Status, Transport

SHAPE = (6, 5, 4)
IONIC = Transport("ionic", {"void": 0.0, "electrolyte": 0.1})
ELECTRONIC = Transport("electronic", {"void": 0.5, "electrolyte": 2.0})


def make_sample(seed: int, shape: tuple[int, int, int] = SHAPE) -> Sample:
    """Return a sample whose numbers could be true: two transports, solved along x and z."""
    rng = np.random.default_rng(seed)
    phases = (rng.random(shape) < 0.7).astype(np.uint8)
    microstructure = Microstructure(phases, ("void", "electrolyte"), (1e-7, 2e-7, 3e-7))
    recipe = Recipe("blobs", {"porosity": 0.3, "blobiness": 1}, shape, (1e-7, 2e-7, 3e-7), seed)
    labels = {t.name: make_label(t, microstructure) for t in (IONIC, ELECTRONIC)}
    return Sample(recipe, microstructure, labels, {"versions": {"ionscreen": "0.1.0"}, "solver": {"rtol": 1e-4}})


def make_label(transport: Transport, microstructure: Microstructure) -> Label:
    """Return a label halfway between the phases in series and in parallel."""
    fractions, sigma = microstructure.fractions(), transport.table(microstructure.phase_names)
    parallel = float(np.dot(list(fractions.values()), sigma))
    series = 0.0 if 0 in sigma else float(1 / np.dot(list(fractions.values()), 1 / sigma))
    between = 0.5 * (series + parallel)
    return Label(
        transport,
        sigma=np.array([between, np.nan, between]),
        upper_bound=np.array([between * 1.0001, np.nan, between * 1.0001]),
        error_estimate=np.array([1e-5, np.nan, 2e-5]),
        status=np.array([Status.OK, Status.NOT_REQUESTED, Status.OK], np.uint8),
        iterations=np.array([12, 0, 13], np.int32),
        seconds=0.25,
        connected=(5 * microstructure.phases).astype(np.uint8),
    )


def full_sample(seed: int, shape: tuple[int, int, int] = SHAPE) -> Sample:
    """Return a sample that has everything a sample may have: grains, descriptors, potential, resistances."""
    plain = make_sample(seed, shape)
    rng = np.random.default_rng(seed)
    grains = rng.integers(1, 4, shape).astype(np.uint32)
    transport = Transport(
        "ionic",
        {"void": 0.0, "electrolyte": 0.1},
        interface_resistance={("electrolyte", "void"): 4e-4},
        grain_boundary_resistance={"electrolyte": 1e-6},
    )
    potential = np.full((3, *shape), np.nan, np.float32)
    potential[0] = rng.random(shape)
    label = replace(make_label(transport, plain.microstructure), potential=potential)
    return replace(
        plain,
        microstructure=replace(plain.microstructure, grains=grains),
        labels={**plain.labels, "ionic": label},
        descriptors={"mean_chord_length_um": 1.25, "specific_surface_per_um": 0.1 + seed},
    )


def failed_sample(seed: int, shape: tuple[int, int, int] = SHAPE) -> Sample:
    """Return a sample that could not be generated."""
    recipe = Recipe("blobs", {"porosity": 2.0}, shape, (1e-7, 1e-7, 1e-7), seed)
    status = np.array([Status.INVALID_STRUCTURE, Status.NOT_REQUESTED, Status.NOT_REQUESTED], np.uint8)
    return Sample(
        recipe, None, {"ionic": Label(IONIC, status=status, message="porosity is 2.0; give 0 to 1 – please.")}
    )


def assert_same(a: Sample, b: Sample) -> None:
    """Assert that two samples are equal to the last bit."""
    assert (a.id, a.recipe, dict(a.provenance)) == (b.id, b.recipe, dict(b.provenance))
    assert dict(a.descriptors) == dict(b.descriptors)
    assert a.labels.keys() == b.labels.keys()
    for name in a.labels:
        assert_same_label(a.labels[name], b.labels[name])
    assert (a.microstructure is None) == (b.microstructure is None)
    if a.microstructure is not None and b.microstructure is not None:
        assert a.microstructure.phase_names == b.microstructure.phase_names
        assert a.microstructure.voxel_size == b.microstructure.voxel_size
        assert_same_array(a.microstructure.phases, b.microstructure.phases)
        assert_same_optional(a.microstructure.grains, b.microstructure.grains)


def assert_same_label(a: Label, b: Label) -> None:
    """Assert that two labels are equal to the last bit."""
    assert (a.transport, a.seconds, a.message) == (b.transport, b.seconds, b.message)
    for name in ("sigma", "upper_bound", "error_estimate", "status", "iterations"):
        assert_same_array(getattr(a, name), getattr(b, name))
    assert_same_optional(a.connected, b.connected)
    assert_same_optional(a.potential, b.potential)


def assert_same_optional(a: np.ndarray | None, b: np.ndarray | None) -> None:
    """Assert that two arrays are equal to the last bit, or both missing."""
    assert (a is None) == (b is None)
    if a is not None and b is not None:
        assert_same_array(a, b)


def assert_same_array(a: np.ndarray, b: np.ndarray) -> None:
    """Assert equal type, shape and bytes: NaN equals NaN."""
    assert (a.dtype, a.shape, a.tobytes()) == (b.dtype, b.shape, b.tobytes())
