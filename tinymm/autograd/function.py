"""Function: one step of the computation, as a forward and the pull-back of its gradient.

An object of a Function class *is* the node of the graph. To write an operation of your own::

    class Square(Function):
        def forward(self, x):              # NumPy arrays in, NumPy array out
            self.x = x
            return x * x

        def backward(self, g):             # dL/dy in, dL/dx out, one for each argument
            return 2 * self.x * g

    y = Square.apply(x)

``gradcheck(Square.apply, [x])`` then tells whether the two fit together.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NoReturn

import numpy as np

from ..backend.arrays import Array, as_array, is_array, to_host, xp_of
from .place import place_of
from .state import ANOMALY, CHECKSUM, RECORD, enable_grad, state
from .tensor import Tensor, Version, clock, wrap

_PACKAGE = __name__.partition(".")[0] + "."
HOW = "def forward(self, x) keeps what it needs as self.x = x, def backward(self, g) reads it; self.needs[i] tells what is wanted"
FREED = ("freed",)   # what ``saved`` becomes when a backward pass is done with a node


class Function:
    """A differentiable operation, and one node of the graph.

    Subclasses write ``forward(self, *arrays, **options)`` and ``backward(self, *grads)`` on arrays; values needed
    in between are attributes of ``self``. ``backward`` returns one gradient (array or None) for each argument of
    ``forward``; ``self.needs[i]`` tells whether the i-th is wanted. An operation that also gives ``definition``
    (the same forward composed from Tensor operations) can be differentiated any number of times.

    A returned gradient must not be written to afterwards; inside the package it must not be an array kept on
    ``self`` either (a Function written elsewhere may keep what it returns: leaves get a copy).
    """

    name = "Function"
    definition: Any = None  # staticmethod(*tensors, **options) -> Tensor(s), or None
    n_outputs = 1
    out_like: list | None = None    # (shape, dtype, array module) of each output, where forward returned a tuple
    hooks: list | None = None
    saved: tuple = ()       # the Tensors among the arguments, whose values must not change before backward
    keep: Sequence[int] | None = None   # which arguments backward reads, by position; None for all of them
    keep_output = False     # backward reads the arrays that forward returned, so they must not change either
    kept_outputs: tuple = ()    # (shape, Version) of each of them
    checksums: list[int]    # of the arrays of ``saved``, under ``detect_mutation``
    edges: tuple = ()       # the nodes of the arguments; None where no gradient is wanted
    seq: int                # when it was made
    args: tuple             # of forward
    options: dict[str, Any]
    replay: dict[str, Any] | None = None   # set by forward: options that repeat its random choices in ``definition``
    foreign = True          # written outside this package: what forward and backward return is looked at

    def __init_subclass__(cls, **kwargs):
        super().__init_subclass__(**kwargs)
        if "name" not in cls.__dict__:
            cls.name = cls.__name__
        cls.foreign = not cls.__module__.startswith(_PACKAGE)
        for method in ("forward", "backward"):
            if isinstance(cls.__dict__.get(method), staticmethod):
                raise TypeError(f"{cls.__name__}.{method} is a @staticmethod with a ctx; here it is a method: {HOW}")

    def __getattr__(self, name: str) -> Any:
        if name in ("save_for_backward", "saved_tensors", "needs_input_grad", "mark_non_differentiable"):
            raise AttributeError(f"{type(self).__name__} has no {name}: {HOW}")
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")

    def forward(self, *args: Any, **options: Any) -> Any:
        raise NotImplementedError(f"{type(self).__name__}.forward is not written")

    def backward(self, *grads: Any) -> Any:
        raise NotImplementedError(f"{type(self).__name__}.backward is not written")

    @property
    def needs(self) -> tuple[bool, ...]:
        """For each argument of forward: whether its gradient is wanted."""
        return tuple([edge is not None for edge in self.edges])

    @classmethod
    def apply(cls, *args: Any, **options: Any) -> Any:
        """Compute the forward on the arrays of ``args`` and record the node if a gradient can flow.

        Args:
            *args: Tensors, and anything else ``forward`` takes.
            **options: passed on to ``forward``; never differentiated.

        Returns:
            A Tensor, or a tuple of them if ``forward`` returns a tuple.
        """
        node = cls()
        arrays = [a._data if isinstance(a, Tensor) else a for a in args]
        node.edges = (None,) * len(args)
        record, flags = False, state.flags   # once: they belong to the thread, and are found slowly
        if flags & RECORD:
            edges = tuple([a._node if isinstance(a, Tensor) else None for a in args])
            if record := any([edge is not None for edge in edges]):
                node.edges = edges
        out = node.forward(*arrays, **options)
        many = isinstance(out, tuple)
        if cls.foreign:
            out = tuple([_array_of_forward(node, o, arrays) for o in out]) if many else \
                _array_of_forward(node, out, arrays)
        if flags & ANOMALY:
            check_finite(cls.name, "forward", *(out if many else (out,)))
        if not record:
            return tuple(wrap(o) for o in out) if many else wrap(out)
        node.seq = clock()
        node.options = options
        node.args = args
        read = args if node.keep is None else [args[i] for i in node.keep]
        node.saved = tuple(a for a in read if isinstance(a, Tensor))
        if flags & CHECKSUM:
            node.checksums = [checksum(t._data) for t in node.saved]
        if not many:
            result = wrap(out, node)
            if cls.keep_output:
                node.kept_outputs = ((result.shape, result._shared_version()),)
            return result
        node.n_outputs = len(out)
        out = [as_array(o) for o in out]
        node.out_like = [(o.shape, o.dtype, xp_of(o)) for o in out]
        results = tuple([wrap(o, Output(node, i) if o.dtype.kind == "f" else None) for i, o in enumerate(out)])
        if cls.keep_output:
            node.kept_outputs = tuple([(r.shape, r._shared_version()) for r in results])
        return results

    def pull(self, g: Any, graph: bool = False, retain: bool = True) -> Any:
        """Gradients for every edge from the gradient of the output (a list of them for several outputs).

        With ``graph`` the gradients are Tensors, and what is returned is differentiable. Without ``retain`` the node
        forgets what it kept.
        """
        if self.saved is FREED:
            raise_freed(self)
        check_versions(self, self.saved)
        check_checksums(self, self.saved)
        for shape, version in self.kept_outputs:
            if version.changed_at > self.seq:
                raise_mutated(self, shape, version)
        if self.out_like is not None:
            g = [xp.zeros(shape, dtype) if part is None else part
                 for part, (shape, dtype, xp) in zip(g, self.out_like)]
        else:
            g = [g]
        if graph:
            grads = self._pull_through_definition(g)
            if not retain:
                self.release()
            return grads
        grads = self.backward(*g)
        if not isinstance(grads, (tuple, list)):
            grads = (grads,)
        if len(grads) != len(self.edges):
            raise RuntimeError(f"{self.name}.backward returned {len(grads)} gradients for {len(self.edges)} arguments; "
                               "return one for each, None for those without" + place_of(type(self).backward))
        if self.foreign:
            grads = [_array_of_backward(self, i, g, arg) for i, (g, arg) in enumerate(zip(grads, self.args))]
        for grad, arg in zip(grads, self.args):
            if grad is not None and isinstance(arg, Tensor) and grad.shape != arg.shape:
                error: Any = RuntimeError(f"{self.name}.backward returned a gradient of shape {grad.shape} for an argument "
                                     f"of shape {arg.shape}" + _broadcast_hint(grad.shape, arg.shape)
                                     + place_of(type(self).backward))
                error.argument, error.gradient = arg, grad   # gradcheck names the argument
                raise error
        if not retain:
            self.release()
        return grads

    def _pull_through_definition(self, grads):
        """Differentiable gradients: run the definition again, and differentiate that."""
        if self.definition is None:
            raise RuntimeError(f"{self.name}: create_graph=True needs an operation with a `definition` composed of "
                               "Tensor operations, and this one has none")
        check_versions(self, [a for a in self.args if isinstance(a, Tensor)])   # the definition reads all of them again
        from .engine import grad   # a pass inside the pass that called

        with enable_grad():
            # Fresh, non-leaf copies: the same tensor may stand in two arguments, whose gradients are kept apart.
            doubles = [alias(a) if isinstance(a, Tensor) and e is not None else a
                       for a, e in zip(self.args, self.edges)]
            out = self.definition(*doubles, **{**self.options, **(self.replay or {})})
            outs = out if isinstance(out, tuple) else (out,)
            pairs = [(o, g if isinstance(g, Tensor) else wrap(g)) for o, g in zip(outs, grads) if o.requires_grad]
            wanted = [d for d, e in zip(doubles, self.edges) if e is not None]
            found = iter(grad([o for o, _ in pairs], wanted, [g for _, g in pairs], create_graph=True,
                              allow_unused=True))
        return tuple(next(found) if e is not None else None for e in self.edges)

    def release(self) -> None:
        """Forget what was kept for the backward pass."""
        if self.saved is not FREED:
            self.__dict__ = {"edges": self.edges, "seq": self.seq, "hooks": self.hooks,
                             "n_outputs": self.n_outputs, "saved": FREED}


class Primitive:
    """An operation whose backward is itself made of operations, so it can be differentiated any number of times.

    Subclasses write ``forward(self, *arrays, **options)`` and ``backward(self, g, *kept)``. The kept values (the
    arguments listed in ``keep``, then the output if ``keep_output``) are arrays in an ordinary pass, and Tensors
    with their graph under ``create_graph``; ``forward`` may set ``self.keep``. One formula serves both, because
    NumPy's functions (``np.exp``, ``np.where``, ``np.transpose``, ...) work on Tensors by NumPy's own protocols.
    """

    __slots__ = ("edges", "saved", "out", "version", "seq", "hooks", "__dict__", "__weakref__")
    name = "Primitive"
    foreign = False
    keep: tuple[int, ...] = ()
    keep_output = False
    view = False            # the output shares memory with argument 0
    edges: tuple
    saved: tuple
    out: Array              # the output, where backward reads it; else None
    version: Version
    seq: int
    hooks: list | None
    checksums: list[int]
    forward: Callable[..., Any]
    backward: Callable[..., Any]

    def __init_subclass__(cls, **kwargs):
        super().__init_subclass__(**kwargs)
        if "name" not in cls.__dict__:
            cls.name = cls.__name__

    @classmethod
    def apply(cls, *args: Any, **options: Any) -> Any:
        """Compute the forward on the arrays of ``args`` and record the node if a gradient can flow."""
        node = cls()
        out = node.forward(*[a._data if isinstance(a, Tensor) else a for a in args], **options)
        flags = state.flags   # once: it belongs to the thread, and is found slowly
        if flags & ANOMALY:
            check_finite(cls.name, "forward", out)
        edges = tuple([a._node if isinstance(a, Tensor) else None for a in args]) if flags & RECORD else ()
        if any([edge is not None for edge in edges]) and out.dtype.kind == "f":
            node.edges, node.hooks, node.seq = edges, None, clock()
            node.saved = tuple([args[i] for i in node.keep])
            result = wrap(out, node)
            if cls.keep_output:
                node.out, node.version = result._data, result._shared_version()
            else:
                node.out = None
            if flags & CHECKSUM:
                node.checksums = [checksum(t._data) for t in node.saved if isinstance(t, Tensor)]
        else:
            result = wrap(out)
        if cls.view:
            result._version = args[0]._shared_version()
        return result

    @property
    def needs(self) -> tuple[bool, ...]:
        """For each argument of forward: whether its gradient is wanted."""
        return tuple([edge is not None for edge in self.edges])

    def pull(self, g: Any, graph: bool = False, retain: bool = True) -> Any:
        """Gradients for every edge from the gradient of the output."""
        saved = self.saved
        if saved is FREED:
            raise_freed(self)
        kept = list(saved)
        if kept:
            tensors = [t for t in kept if isinstance(t, Tensor)]
            check_versions(self, tensors)
            check_checksums(self, tensors)
            if not graph:
                kept = [t._data if isinstance(t, Tensor) else t for t in kept]
        if self.out is not None:
            if self.version.changed_at > self.seq:
                raise_mutated(self, self.out.shape, self.version)
            kept.append(wrap(self.out, self) if graph else self.out)
        grads = self.backward(g, *kept)
        if not retain:
            self.release()
        return grads if isinstance(grads, (tuple, list)) else (grads,)

    def release(self) -> None:
        """Forget what was kept for the backward pass (a node that kept nothing can be used again)."""
        if self.saved or self.out is not None:
            self.saved, self.out = FREED, None


class Alias(Primitive):
    """y = x, as a new tensor."""

    name = "alias"
    view = True

    def forward(self, x):
        return x

    def backward(self, g):
        return g


def alias(input: Tensor) -> Tensor:
    """The same values as a separate node of the graph."""
    return Alias.apply(input)


class Output:
    """One of several outputs of a Function: hands its gradient to the right place."""

    __slots__ = ("edges", "index", "seq", "hooks", "__weakref__")

    def __init__(self, source: Function, index: int):
        self.edges, self.index, self.seq, self.hooks = (source,), index, clock(), None

    @property
    def name(self) -> str:
        return self.edges[0].name


def check_versions(node: Any, tensors: Iterable[Tensor]) -> None:
    """Raise if a tensor kept by ``node`` was changed after the forward pass."""
    for t in tensors:
        version = t._version
        if version is not None and version.changed_at > node.seq:
            raise_mutated(node, t.shape, version)


def check_checksums(node: Any, tensors: Iterable[Tensor]) -> None:
    """Raise if the array of a kept tensor was changed behind the engine's back (under ``detect_mutation``)."""
    checksums = getattr(node, "checksums", None)
    if checksums is not None and any(checksum(t._data) != c for t, c in zip(tensors, checksums)):
        raise RuntimeError(f"{node.name}: the array of a tensor kept for the backward pass was changed outside the engine")


def raise_mutated(node, shape, version: Version) -> NoReturn:
    raise RuntimeError(f"{node.name}: a tensor of shape {shape} that its backward needs was changed in place "
                       f"by {version.changed_by} after the forward pass (version {version.count}); "
                       "use an out-of-place operation, or .clone() before the change")


def raise_freed(node) -> NoReturn:
    raise RuntimeError(f"{node.name}: backward through this graph a second time; its saved values were freed by the "
                       "first pass. Give the first one retain_graph=True, or compute the loss again")


def checksum(array) -> int:
    """A checksum of an array's bytes."""
    return zlib.crc32(np.ascontiguousarray(to_host(array)).data)


def check_finite(name: str, when: str, *arrays) -> None:
    """Raise FloatingPointError naming the operation if an array holds a NaN or an infinity."""
    for array in arrays:
        array = array._data if isinstance(array, Tensor) else array
        if array is not None and getattr(array, "dtype", None) is not None and array.dtype.kind == "f" \
                and not np.isfinite(array).all():
            kind = "a NaN" if np.isnan(array).any() else "an infinity"
            raise FloatingPointError(f"{name}: the {when} pass produced {kind} (shape {array.shape})")


def _array_of_forward(node: Function, value: Any, arguments: list) -> Array:
    """What a foreign forward returned, as an array that no argument shares."""
    value = value._data if isinstance(value, Tensor) else value
    if not is_array(value) and not isinstance(value, (np.generic, int, float)):
        missing = " (is there a `return`?)" if value is None else ""
        raise TypeError(f"{node.name}.forward returned {type(value).__name__}; return an array, or a tuple of arrays{missing}"
                        + place_of(type(node).forward))
    value = as_array(value)
    shares = any(is_array(a) and (value is a or getattr(value, "base", None) is a) for a in arguments)
    return value.copy() if shares else value


def _array_of_backward(node: Function, i: int, grad: Any, arg: Any) -> Array | None:
    """What a foreign backward returned for one argument: None, or an array of floating-point numbers."""
    grad = grad._data if isinstance(grad, Tensor) else grad
    if grad is None or not isinstance(arg, Tensor):
        return None
    if not is_array(grad) and not isinstance(grad, np.generic):
        raise TypeError(f"{node.name}.backward returned {type(grad).__name__} as gradient {i}; return an array of shape "
                        f"{arg.shape}, or None" + place_of(type(node).backward))
    grad = as_array(grad)
    return grad if grad.dtype.kind == "f" or arg.dtype.kind != "f" else grad.astype(arg.dtype)


def _broadcast_hint(got: tuple, want: tuple) -> str:
    try:
        if np.broadcast_shapes(got, want) == got:
            return "; the argument was broadcast: sum the gradient over the broadcast axes"
    except ValueError:
        pass
    return "; is it transposed?" if sorted(got) == sorted(want) else ""
