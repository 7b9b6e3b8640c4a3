"""Every signature against PyTorch's: names, order, defaults, and what is given by place or by name.

A call copied from PyTorch then means the same here or is refused, but for the differences that ``accepted_signatures.py``
lists with their reasons. That list can only get shorter: an entry that is no difference any more fails the test.
"""

import fnmatch
import inspect

import pytest

import tinymm
from tinymm import nn

pytestmark = pytest.mark.oracle
torch = pytest.importorskip("torch")

from tests.accepted_signatures import ACCEPTED, EVERYWHERE, OURS   # noqa: E402 - they ask PyTorch
from tests.torch_signatures import differences, forms_of, overloads_of, parts_of   # noqa: E402


def functions():
    """The functions of ``tinymm`` beside those of ``torch.nn.functional``, or else of ``torch``."""
    public = {name: value for name, value in vars(tinymm).items() if inspect.isfunction(value) and name not in ("lazily",)}
    rooms = (("nn.functional", torch.nn.functional), ("", torch), ("", torch.autograd), ("", torch.nn.utils.rnn))
    for name, ours in sorted((vars(tinymm.functional) | public).items()):
        if not inspect.isfunction(ours) or name.startswith("_"):
            continue
        homes = [(room, getattr(home, name)) for room, home in rooms if callable(getattr(home, name, None))]
        documented = [(room, theirs) for room, theirs in homes if getattr(theirs, "__doc__", None)] or homes[:1]
        forms = [form for room, theirs in documented for form in forms_of(theirs, name, room)]
        yield name, parts_of(ours), [form for form in forms if [p.name for p in form[:2]] != ["data", "batch_sizes"]]


def methods():
    """The methods of Tensor."""
    for name, ours in vars(tinymm.Tensor).items():
        if inspect.isfunction(ours) and not name.startswith("_"):
            theirs = getattr(torch.Tensor, name, None)
            yield f"Tensor.{name}", parts_of(ours)[1:], forms_of(theirs, name, "Tensor") if theirs is not None else []


def made(cls, theirs):
    """How two classes are made."""
    written = theirs.__new__ if issubclass(theirs, torch.Tensor) else theirs.__init__
    forms = [[] if written is torch.nn.Module.__init__ else parts_of(written)[1:]]   # Module's own: a layer without arguments
    return parts_of(cls.__init__)[1:], overloads_of(theirs) or forms if issubclass(theirs, torch.nn.RNNBase) else forms


def classes(label: str, ours, *homes):
    """The public classes and functions of a module beside those of PyTorch's, with the methods that a class writes itself."""
    own = [name for name, value in vars(ours).items() if getattr(value, "__module__", "") == ours.__name__]
    for name in sorted(getattr(ours, "__all__", own)):
        mine = getattr(ours, name)
        other = next((getattr(home, name) for home in homes if hasattr(home, name)), None)
        if name.startswith("_") or not callable(mine):
            continue
        if not inspect.isclass(mine):
            yield f"{label}.{name}", parts_of(mine), forms_of(other, name, "") if other is not None else []
            continue
        yield (f"{label}.{name}", *made(mine, other)) if other is not None else (f"{label}.{name}", [], [])
        for base in reversed(mine.__mro__):
            elsewhere = base is not mine and base in (tinymm.Tensor, nn.Module)   # compared by itself
            if base.__module__.split(".")[0] != "tinymm" or elsewhere:
                continue
            for method, written in vars(base).items():
                if inspect.isfunction(written) and not method.startswith("_") and getattr(mine, method) is written \
                        and inspect.isfunction(getattr(other, method, None)):
                    yield f"{label}.{name}.{method}", parts_of(written)[1:], [parts_of(getattr(other, method))[1:]]


def everything():
    yield from functions()
    yield from methods()
    yield from classes("nn", nn, torch.nn, torch.nn.Transformer)
    yield from classes("nn.init", nn.init, torch.nn.init)
    yield from classes("nn.utils", nn.utils, torch.nn.utils, torch.nn.utils.rnn)
    yield from classes("optim", tinymm.optim, torch.optim, torch.nn.utils)
    yield from classes("optim.lr_scheduler", tinymm.optim.lr_scheduler, torch.optim.lr_scheduler)
    yield from classes("optim.swa_utils", tinymm.optim.swa_utils, torch.optim.swa_utils)
    yield from classes("data", tinymm.data, torch.utils.data)


ALL = {name: (ours, forms) for name, ours, forms in everything()}


PATTERNS = [(pattern, reason) for reason, patterns in ACCEPTED.items() for pattern in patterns]
DIFFERENCES = {name: [f"{name}.{parameter}: {said}" for parameter, said in differences(ours, forms).items()
                      if parameter not in EVERYWHERE or said != "missing"] for name, (ours, forms) in ALL.items() if forms}


def test_all_are_looked_at():
    assert len(ALL) >= 800 and sum(bool(forms) for _, forms in ALL.values()) >= 770


@pytest.mark.parametrize("name", ALL)
def test_signature(name):
    """It agrees with PyTorch's, or is in one of the lists."""
    if not ALL[name][1]:
        assert any(fnmatch.fnmatchcase(name, pattern) for pattern in OURS), f"PyTorch has no {name}, and OURS does not say so"
    else:
        assert [line for line in DIFFERENCES[name] if not any(fnmatch.fnmatchcase(line, p) for p, _ in PATTERNS)] == []


@pytest.mark.parametrize("pattern", [pattern for pattern, _ in PATTERNS])
def test_what_is_accepted_is_a_difference(pattern):
    assert any(fnmatch.fnmatchcase(line, pattern) for lines in DIFFERENCES.values() for line in lines)


@pytest.mark.parametrize("pattern", OURS)
def test_what_is_ours_is_not_in_pytorch(pattern):
    named = [name for name in ALL if fnmatch.fnmatchcase(name, pattern)]
    assert named and [name for name in named if ALL[name][1]] == []


def test_what_is_left_out_everywhere_is_left_out_somewhere():
    missing = {part for ours, forms in ALL.values() for part, said in differences(ours, forms).items() if said == "missing"}
    assert set(EVERYWHERE) <= missing


@pytest.mark.parametrize("ours, theirs, said", [
    ("x, dim", "x, dim", {}), ("x, *, dim=1", "x, *, dim=1", {}), ("x, dim=1, *, more=2", "x, dim=1", {"more": "here only"}),
    ("x, more=2", "x", {"more": "here only, by place"}), ("x", "x, dim", {"dim": "missing"}),
    ("x, b, a", "x, a, b", {"a": "positional argument 2 there, here by name only; in its place b",
                            "b": "positional argument 3 there, here by name only; in its place a"}),
    ("x, *, dim", "x, dim", {"dim": "positional argument 2 there, here by name only"}),
    ("x, dim", "x, *, dim", {"dim": "by name only there, here also by place"}),
    ("x, dim=0", "x, dim=1", {"dim": "default 0, there 1"}), ("x, dim", "x, dim=1", {"dim": "default none, there 1"}),
    ("x, keepdim=0", "x, keepdim=False", {"keepdim": "default 0, there False"}),
    ("x, dim=0", "x, dim", {}), ("*size_, size=None", "*size", {}), ("*size_, size=None", "size", {}),
    ("size", "*size", {"size": "*size there, here one argument"}), ("*dims", "*size", {"size": "missing; in its place dims"}),
    ("x", "x, **rest", {"rest": "any keywords there"}),
])
def test_the_comparison_tells(ours, theirs, said):
    """So that agreement says something."""
    scope: dict = {}
    exec(f"def ours({ours}): ...\ndef theirs({theirs}): ...", scope)
    assert differences(parts_of(scope["ours"]), [parts_of(scope["theirs"])]) == said
