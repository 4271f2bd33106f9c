"""The programs of benchmarks/, for tests to call."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import cloudpickle

ROOT = Path(__file__).resolve().parents[1]


def benchmark(name: str) -> ModuleType:
    """Return a program of benchmarks/ as a module."""
    spec = importlib.util.spec_from_file_location(f"benchmark_{name}", ROOT / "benchmarks" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look themselves up
    cloudpickle.register_pickle_by_value(module)  # workers cannot import it
    spec.loader.exec_module(module)
    return module
