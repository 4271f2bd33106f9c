"""One table of what PopTorch can be called with judges both the double and every call that our code makes."""

import ast
import enum
import inspect
from pathlib import Path

import pytest

from ionscreen.surrogate.devices import ipu

from . import poptorch_double
from .poptorch_double.signatures import ENUMS, SIGNATURES

TREE = ast.parse(Path(ipu.__file__).read_text(encoding="utf-8"))
# What the names in our file stand for; a name that is missing here is not PopTorch's.
ROOTS = {
    "poptorch": "",
    "self._poptorch": "",
    "options": "Options",
    "self._options": "Options",
    "self._trainer": "PoplarExecutor",
    "self._predictor": "PoplarExecutor",
    "program": "PoplarExecutor",
    "self._optimizer": "optim.AdamW",
    "self._loader": "DataLoader",
    "strategy": "PipelinedExecution",
    "self._marked": "identity_loss",
}
# Of torch's optimizer and Python's, not PopTorch's.
FOREIGN = {"optim.AdamW.param_groups"}


def signature(name):
    return inspect.signature(eval(f"lambda {SIGNATURES[name]}: None"))


def poptorch_name(node):
    """Return the table's name of an expression, or None if it is not PopTorch's."""
    text = ast.unparse(node) if hasattr(ast, "unparse") else _dotted(node)
    for root in sorted(ROOTS, key=len, reverse=True):
        if text == root or text.startswith(root + "."):
            return (ROOTS[root] + text[len(root) :]).strip(".")
    return None


def _dotted(node):
    if isinstance(node, ast.Attribute):
        return f"{_dotted(node.value)}.{node.attr}"
    return node.id if isinstance(node, ast.Name) else ""


def calls():
    found = []
    for node in ast.walk(TREE):
        name = poptorch_name(node.func) if isinstance(node, ast.Call) else None
        if name is not None:
            found.append((f"{name}.__call__" if name == "PoplarExecutor" else name, node))
    return found


def test_every_call_we_make_exists_and_fits():
    assert len(calls()) > 40
    for name, node in calls():
        assert name in SIGNATURES, f"line {node.lineno}: PopTorch has no {name}"
        plain = [argument for argument in node.args if not isinstance(argument, ast.Starred)]
        keywords = {keyword.arg: None for keyword in node.keywords if keyword.arg}
        # What is unpacked (*inputs, **scaling) is bound when the code runs against the double.
        partial = len(plain) < len(node.args) or len(keywords) < len(node.keywords)
        bind = signature(name).bind_partial if partial else signature(name).bind
        try:
            bind(*plain, **keywords)
        except TypeError as error:
            pytest.fail(f"line {node.lineno}: {name}: {error}")


def test_every_member_we_name_exists():
    known = {*SIGNATURES, *FOREIGN, "", "Error", "optim", "__version__"}
    known |= {"Options.Training", "Options.Precision", "Options._Popart"}
    known |= {f"{name}.{member}" for name, members in ENUMS.items() for member in members} | set(ENUMS)
    known |= {"PoplarExecutor", "Options", "DataLoader", "optim.AdamW", "PipelinedExecution"}
    for node in ast.walk(TREE):
        name = poptorch_name(node) if isinstance(node, ast.Attribute) else None
        if name is not None:
            assert name in known, f"line {node.lineno}: PopTorch has no {name}"


def test_a_call_that_does_not_exist_would_be_noticed():
    for text in ("options.anchorMode(1)", "self._trainer.saveExecutable('x')", "poptorch.identity_loss(x)"):
        call = ast.parse(text).body[0].value
        name = poptorch_name(call.func)
        if name in SIGNATURES:
            with pytest.raises(TypeError):
                signature(name).bind(*call.args)


def test_the_double_has_no_name_and_no_argument_that_poptorch_has_not():
    for name, thing in public(poptorch_double):
        if isinstance(thing, type) and issubclass(thing, enum.Enum):
            assert {member.name: member.value for member in thing} == ENUMS[name]
        elif isinstance(thing, type) and issubclass(thing, Exception):
            continue
        elif callable(thing):
            check(name, thing)
    for name, thing in public(poptorch_double.optim):
        if name == "AdamW":
            check(f"optim.{name}", thing)
    options = poptorch_double.Options()
    for group in ("", "Training", "Precision", "_Popart"):
        target = getattr(options, group) if group else options
        for name, thing in methods(type(target)):
            check(".".join(filter(None, ("Options", group, name))), thing, method=True)
    executor = poptorch_double.PoplarExecutor
    for name, thing in [*methods(executor), ("__call__", executor.__call__)]:
        check(f"PoplarExecutor.{name}", thing, method=True)


def public(module):
    names = getattr(module, "__all__", None) or [name for name in vars(module) if not name.startswith("_")]
    return [(name, getattr(module, name)) for name in names if name not in ("MACHINE", "PoplarExecutor", "optim")]


def methods(cls):
    return [
        (name, thing) for name, thing in vars(cls).items() if inspect.isfunction(thing) and not name.startswith("_")
    ]


def check(name, thing, method=False):
    assert name in SIGNATURES, f"the double made up {name}"
    if isinstance(thing, type):
        # Generic classes hide their arguments behind __new__ on Python 3.8.
        thing, method = thing.__init__, thing.__init__ is not object.__init__
    given = list(inspect.signature(thing).parameters.values())[1 if method else 0 :]
    allowed = signature(name).parameters
    for parameter in given:
        assert parameter.name in allowed, f"the double made up {name}({parameter.name})"
        real = allowed[parameter.name].default
        assert real is ... or parameter.default == real, f"{name}({parameter.name}) has another default"
    required = {p.name for p in allowed.values() if p.default is p.empty and p.kind is p.POSITIONAL_OR_KEYWORD}
    assert required <= {p.name for p in given}
