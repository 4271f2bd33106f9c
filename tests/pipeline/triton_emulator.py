"""Triton kernels run by numpy: a hundred times as fast as Triton's interpreter, and every address is checked.

A kernel's Python body runs as it stands, once for each program of the grid, with the functions below in the place of
``triton.language``. Pointers know the storage they point into: a load or store outside of it fails the test, which the
interpreter lets pass. That the bodies mean the same to Triton is tested beside it, with its interpreter and compiler.
"""

import builtins
import itertools
import types

import numpy as np

__all__ = ["run"]


class Block(np.ndarray):
    """Values of the lanes of a program; whole numbers take the precision of the numbers they meet, as in Triton."""

    def to(self, dtype):
        """Return the values in another type."""
        return self.astype(dtype)

    def __array_ufunc__(self, ufunc, method, *inputs, **kwargs):
        arrays = [np.asarray(i) if isinstance(i, np.ndarray) else i for i in inputs]
        reals = [a.dtype for a in arrays if isinstance(a, np.ndarray) and a.dtype.kind == "f"]
        if reals and ufunc is not np.add.at:
            real = max(reals, key=lambda dtype: dtype.itemsize)
            arrays = [a.astype(real) if isinstance(a, np.ndarray) and a.dtype.kind in "iub" else a for a in arrays]
        kwargs.pop("out", None)  # += makes a new value
        with np.errstate(all="ignore"):
            found = getattr(ufunc, method)(*arrays, **kwargs)
        return block(found)


def block(values):
    """Return values as a block."""
    return np.asarray(values).view(Block)


class Pointer:
    """Elements of a storage."""

    def __init__(self, storage, places):
        self.storage, self.places = storage, places

    def __add__(self, moved):
        return Pointer(self.storage, np.asarray(self.places) + np.asarray(moved, dtype=np.int64))

    def checked(self, mask):
        """Return where the mask holds, and the places there."""
        places, held = np.broadcast_arrays(self.places, True if mask is None else np.asarray(mask))
        inside = places[held]
        assert inside.size == 0 or (inside.min() >= 0 and inside.max() < self.storage.size), "out of bounds"
        return held, inside


def load(pointer, mask=None, other=0):
    held, places = pointer.checked(mask)
    values = np.full(held.shape, other, dtype=pointer.storage.dtype)
    values[held] = pointer.storage[places]
    return block(values)


def store(pointer, value, mask=None):
    held, places = pointer.checked(mask)
    pointer.storage[places] = np.broadcast_to(value, held.shape)[held]


def atomic(at):
    """Return an atomic operation."""

    def operate(pointer, value, mask=None):
        held, places = pointer.checked(mask)
        at(pointer.storage, places, np.broadcast_to(np.asarray(value), held.shape)[held])

    return operate


def where(condition, x, y):
    return block(np.where(np.asarray(condition), np.asarray(x) if isinstance(x, Block) else x, y))


class Language:
    """What the kernels use of triton.language."""

    int32, int64, float32, float64 = np.int32, np.int64, np.float32, np.float64
    constexpr = staticmethod(lambda value: value)
    load, store, where = staticmethod(load), staticmethod(store), staticmethod(where)
    atomic_add, atomic_min = staticmethod(atomic(np.add.at)), staticmethod(atomic(np.minimum.at))
    minimum, maximum, static_range = np.minimum, np.maximum, builtins.range

    def __init__(self):
        self.ids, self.grid = (0, 0), (1, 1)

    def program_id(self, axis):
        return block(np.int32(self.ids[axis]))

    def num_programs(self, axis):
        return block(np.int32(self.grid[axis]))

    def arange(self, begin, end):
        assert (end - begin).bit_count() == 1, "Triton's blocks are powers of two"
        return block(np.arange(begin, end, dtype=np.int32))

    def zeros(self, shape, dtype):
        return block(np.zeros(shape, dtype))

    def zeros_like(self, values):
        return block(np.zeros(values.shape, values.dtype))

    def sum(self, values, axis):
        return block(np.asarray(values).sum(axis=axis, dtype=values.dtype))

    def max(self, values, axis):
        return block(np.asarray(values).max(axis=axis))

    def debug_barrier(self):
        pass


LANGUAGE = Language()
translated = {}


def translate(value):
    """Return what a kernel finds under a global name: the language above, plain constants, translated functions."""
    import triton.language as tl

    if value is tl:
        return LANGUAGE
    if isinstance(value, tl.constexpr):
        return value.value
    if not (hasattr(value, "fn") and isinstance(value.fn, types.FunctionType)):
        return value
    code, names = value.fn.__code__, value.fn.__globals__
    if code not in translated:
        known = {name: translate(names[name]) for name in code.co_names if name in names}
        translated[code] = types.FunctionType(code, known | {"__builtins__": builtins}, code.co_name)
    return translated[code]


def argument(value):
    """Return what a kernel gets for an argument: pointers for tensors."""
    import torch

    if isinstance(value, tuple):
        return tuple(argument(each) for each in value)
    if not isinstance(value, torch.Tensor):
        return value
    flat = torch.as_strided(value, (value.untyped_storage().nbytes() // value.element_size(),), (1,), 0)
    return Pointer(flat.numpy(), value.storage_offset())


def run(kernel, grid, *arguments, **constants):
    """Run a kernel over a grid, program by program."""
    body, passed = translate(kernel), [argument(each) for each in arguments]
    constants.pop("num_warps", None)
    LANGUAGE.grid = (*grid, 1)[:2]
    for ids in itertools.product(*(range(n) for n in LANGUAGE.grid)):
        LANGUAGE.ids = ids
        body(*passed, **constants)
