"""Element-wise operations: a table of functions and their derivatives.

A derivative is written as ``lambda g, x, y:`` with g = dL/dy, the argument x and the result y. It computes
on arrays in a backward pass and on Tensors when the backward pass is itself differentiated. Broadcasting is
undone in one place, ``unbroadcast``.
"""

from __future__ import annotations

import math
import operator

import numpy as np

from ..backend import large
from ..backend.arrays import as_array, is_array, to_device, xp_of
from .function import FREED, Primitive, check_finite, checksum, raise_freed, raise_mutated
from .state import ANOMALY, CHECKSUM, RECORD, state
from .tensor import Tensor, Version, bool_, clock, get_default_dtype, wrap

_new = Tensor.__new__
_ndarray = np.ndarray


class _Elementwise:
    """What the nodes of all element-wise operations have in common."""

    __slots__ = ("edges", "seq", "saved", "out", "version", "__dict__", "__weakref__")
    hooks = None      # these two are on the class, so that a node without them does not pay for them
    fix = None        # shapes, dtypes and checksums, where broadcasting or casting has to be undone

    def _check_checksums(self, tensors) -> None:
        if [checksum(t._data) for t in tensors if isinstance(t, Tensor)] != self.fix[-1]:
            raise RuntimeError(f"{self.name}: the array of a tensor kept for the backward pass was changed outside "
                               "the engine")


def checksums_of(tensors) -> list[int] | None:
    """Checksums of the arrays of the Tensors given, where ``detect_mutation`` asks for them."""
    return [checksum(t._data) for t in tensors if isinstance(t, Tensor)] if state.checksum_saved else None


def unbroadcast(g, shape: tuple, dtype=None):
    """Sum a gradient over the axes along which its argument was broadcast, so that it has ``shape`` again."""
    if g.shape != shape:
        extra = g.ndim - len(shape)
        axes = tuple(range(extra)) + tuple(i + extra for i, n in enumerate(shape) if n == 1 and g.shape[i + extra] != 1)
        if axes:
            g = np.sum(g, axis=axes, keepdims=True)
        if g.shape != shape:
            g = g.reshape(shape) if g.size != 0 or 0 in shape else g
        if g.shape != shape:   # a formula that did not mention the other, larger argument
            g = np.broadcast_to(g, shape)
    if dtype is not None and g.dtype != dtype:
        g = g.astype(dtype) if not isinstance(g, Tensor) else cast(g, dtype)
    return g


def promote(x, y):
    """Two arrays in PyTorch's common dtype: floats beat integers, wider beats narrower, 0-d arrays are weak."""
    kinds = "biuf"
    a, b = x.dtype, y.dtype
    rank_a, rank_b = kinds.index(a.kind) or 0, kinds.index(b.kind) or 0
    rank_a, rank_b = (1 if rank_a == 2 else rank_a), (1 if rank_b == 2 else rank_b)
    if rank_a != rank_b:
        common = a if rank_a > rank_b else b
    elif (x.ndim == 0) != (y.ndim == 0):
        common = b if x.ndim == 0 else a
    else:
        common = np.promote_types(a, b)
    return (x if a == common else x.astype(common)), (y if b == common else y.astype(common))


def _scalar(value):
    """A weak Python number from a number or a NumPy scalar; None if ``value`` is neither."""
    if isinstance(value, np.generic):   # before float: np.float64 is one, and would not be weak
        return value.item()
    return value if isinstance(value, (bool, int, float)) else None


def _operand_error(name: str, value):
    raise TypeError(f"{name}: cannot compute with a {type(value).__name__}; give a Tensor or a number "
                    "(tinymm.tensor(x) makes a Tensor of lists and arrays)")


def _shape_error(name: str, a, b, error):
    shapes = np.shape(a), np.shape(b)
    try:
        np.broadcast_shapes(*shapes)
    except ValueError:
        pass
    else:   # the shapes are not what is wrong
        raise ValueError(f"{name}: {error}") from error
    raise ValueError(f"{name}: shapes {shapes[0]} and {shapes[1]} do not broadcast: from the right, axes must be equal "
                     "or 1; insert axes with unsqueeze(dim)") from error


def unary(name: str, function, derivative, keep: str, doc: str, integers: bool = False):
    """Make an element-wise operation of one argument.

    Args:
        name: PyTorch's name for it.
        function: array -> array.
        derivative: (g, x, y) -> dL/dx.
        keep: what the derivative reads: "x", "y", "xy" or "".
        integers: whether integer arrays stay integers (otherwise they become the default float).
    """
    keep_x, keep_y, keeps = "x" in keep, "y" in keep, bool(keep)

    def pull(self, g, graph=False, retain=True):
        x = self.saved
        if x is FREED:
            raise_freed(self)
        y = None
        if keep_x:
            version = x._version
            if version is not None and version.changed_at > self.seq:
                raise_mutated(self, x.shape, version)
            if self.fix is not None:
                self._check_checksums((x,))
            if not graph:
                x = x._data
        if keep_y:
            if self.version.changed_at > self.seq:
                raise_mutated(self, self.out.shape, self.version)
            y = wrap(self.out, self) if graph else self.out
        if not retain and keeps:   # a node that kept nothing can be used again
            self.saved = FREED
            if keep_y:
                self.out = None
        return (derivative(g, x, y),)

    Node = type(name, (_Elementwise,), {"__slots__": (), "name": name, "pull": pull})

    def op(input):
        if not isinstance(input, Tensor):
            input = _tensor_argument(name, input)
        x = input._data
        if x.dtype.kind != "f" and not integers:
            x = x.astype(get_default_dtype())
        array = function(x)
        out = _new(Tensor)
        out._data = array if type(array) is _ndarray else as_array(array)
        out._version = None
        edge = input._node
        flags = state.flags
        if edge is not None and flags & RECORD:
            out._node = node = Node()
            node.edges = (edge,)
            node.saved = input if keep_x else None
            node.seq = clock()
            if keep_y:
                node.out = out._data
                node.version = out._version = Version()
            if flags & CHECKSUM and keep_x:
                node.fix = (checksums_of((input,)),)
        else:
            out._node = None
        if flags & ANOMALY:
            check_finite(name, "forward", out._data)
        return out

    return _public(op, name, doc)


def binary(name: str, function, derivative_a, derivative_b, keep: str, doc: str, integers: bool = True):
    """Make a broadcasting element-wise operation of two arguments.

    Args:
        derivative_a: (g, a, b, y) -> dL/da, of the shape of y; likewise derivative_b.
        keep: which of a, b and y the two derivatives read: "b|a" for a product.
    """
    def kept(reads: str) -> tuple[bool, bool, bool]:
        return "a" in reads, "b" in reads, "y" in reads

    for_both, (for_a, for_b) = kept(keep), map(kept, keep.split("|"))
    keeps, reads_y = keep != "|", "y" in keep

    def pull(self, g, graph=False, retain=True):
        saved = self.saved
        a = b = y = None
        if saved is not None:
            if saved is FREED:
                raise_freed(self)
            a, b = saved
            if isinstance(a, Tensor):
                version = a._version
                if version is not None and version.changed_at > self.seq:
                    raise_mutated(self, a.shape, version)
                if not graph:
                    a = a._data
            if isinstance(b, Tensor):
                version = b._version
                if version is not None and version.changed_at > self.seq:
                    raise_mutated(self, b.shape, version)
                if not graph:
                    b = b._data
        if reads_y and self.out is not None:
            if self.version.changed_at > self.seq:
                raise_mutated(self, self.out.shape, self.version)
            y = wrap(self.out, self) if graph else self.out
        if not retain and keeps:   # a node that kept nothing can be used again
            self.saved = FREED
            if reads_y:
                self.out = None
        edge_a, edge_b = self.edges
        ga = derivative_a(g, a, b, y) if edge_a is not None else None
        gb = derivative_b(g, a, b, y) if edge_b is not None else None
        fix = self.fix
        if fix is not None:
            shape_a, dtype_a, shape_b, dtype_b, checksums = fix
            if checksums is not None:
                self._check_checksums(saved or ())
            if ga is not None:
                ga = unbroadcast(ga, shape_a, dtype_a)
            if gb is not None:
                gb = unbroadcast(gb, shape_b, dtype_b)
        return (ga, gb)

    Node = type(name, (_Elementwise,), {"__slots__": (), "name": name, "pull": pull})

    def op(input, other):
        if isinstance(input, Tensor):
            x, edge_a = input._data, input._node
            if isinstance(other, Tensor):
                y, edge_b = other._data, other._node
                if x.dtype is y.dtype:
                    same = x.shape == y.shape
                else:
                    same = False
                    x, y = promote(x, y)
            else:
                edge_b, same = None, True
                y = _scalar(other)
                if y is None:
                    return op(input, _tensor_argument(name, other))
                other = y
                if x.dtype.kind != "f" and isinstance(y, float):
                    x = x.astype(get_default_dtype())
        elif isinstance(other, Tensor):
            x = _scalar(input)
            if x is None:
                return op(_tensor_argument(name, input), other)
            input, edge_a, same = x, None, True
            y, edge_b = other._data, other._node
            if y.dtype.kind != "f" and isinstance(x, float):
                y = y.astype(get_default_dtype())
        else:
            return op(_tensor_argument(name, input), other)
        if not integers and (x if is_array(x) else y).dtype.kind != "f":
            x, y = (v.astype(get_default_dtype()) if is_array(v) else v for v in (x, y))
        try:
            array = function(x, y)
        except ValueError as error:
            _shape_error(name, x, y, error)
        out = _new(Tensor)
        out._data = array if type(array) is _ndarray else as_array(array)
        out._version = None
        flags = state.flags
        if (edge_a is not None or edge_b is not None) and flags & RECORD:
            out._node = node = Node()
            node.edges = (edge_a, edge_b)
            keep_a, keep_b, keep_y = for_b if edge_a is None else for_a if edge_b is None else for_both
            node.saved = (input if keep_a else None, other if keep_b else None) if keep_a or keep_b else None
            node.seq = clock()
            if not same or flags & CHECKSUM:
                node.fix = (*_like(input), *_like(other), checksums_of(node.saved or ()))
            if keep_y:
                node.out = out._data
                node.version = out._version = Version()
            elif reads_y:
                node.out = None
        else:
            out._node = None
        if flags & ANOMALY:
            check_finite(name, "forward", out._data)
        return out

    return _public(op, name, doc)


def _like(value):
    return (value._data.shape, value._data.dtype) if isinstance(value, Tensor) else (None, None)


def _tensor_argument(name: str, value) -> Tensor:
    if is_array(value):
        return Tensor(value)
    if _scalar(value) is not None:
        return Tensor(value)
    _operand_error(name, value)


def _public(op, name: str, doc: str):
    op.__name__ = op.__qualname__ = name
    op.__doc__ = doc
    op.__module__ = __name__
    return op


def compare(name: str, function, doc: str):
    """Make a comparison: booleans, without a gradient."""
    def op(input, other):
        a = input._data if isinstance(input, Tensor) else input
        b = other._data if isinstance(other, Tensor) else other
        if isinstance(a, np.generic) and not isinstance(input, Tensor):
            a = a.item()
        if isinstance(b, np.generic) and not isinstance(other, Tensor):
            b = b.item()
        try:
            return wrap(as_array(function(a, b)))
        except ValueError as error:
            _shape_error(name, as_array(a), as_array(b), error)
        except TypeError:
            _operand_error(name, other)

    return _public(op, name, doc)


# ---------------------------------------------------------------------- arithmetic

add_ = binary("add", operator.add, lambda g, a, b, y: g, lambda g, a, b, y: g, "|", "input + other.")
sub_ = binary("sub", operator.sub, lambda g, a, b, y: g, lambda g, a, b, y: -g, "|", "input - other.")
mul = binary("mul", operator.mul, lambda g, a, b, y: g * b, lambda g, a, b, y: g * a, "b|a",
             "input * other, element by element.")
true_div = binary("div", operator.truediv, lambda g, a, b, y: g / b, lambda g, a, b, y: -g * y / b, "b|by",
                  "input / other, element by element.", integers=False)
neg = unary("neg", operator.neg, lambda g, x, y: -g, "", "-input.", integers=True)


def add(input, other, *, alpha=1):
    """input + alpha * other, broadcasting.

    Returns:
        Tensor of the broadcast shape.
    """
    return add_(input, other if alpha == 1 else other * alpha)


def sub(input, other, *, alpha=1):
    """input - alpha * other, broadcasting."""
    return sub_(input, other if alpha == 1 else other * alpha)


def div(input, other, *, rounding_mode: str | None = None):
    """input / other, broadcasting.

    Args:
        rounding_mode: None for true division, "floor" or "trunc" for a rounded one (its gradient is zero).
    """
    if rounding_mode is None:
        return true_div(input, other)
    if rounding_mode not in ("floor", "trunc"):
        raise ValueError(f"div: rounding_mode={rounding_mode!r}; choose None, 'floor' or 'trunc'")
    return floor_divide(input, other) if rounding_mode == "floor" else _trunc_divide(input, other)


def _zero(g, *rest):
    return g * 0


def _pow_by_base(g, a, b, y):
    """g b a^(b-1), and 0 where b = 0, whatever a is."""
    if np.isscalar(b):
        return g * (b * a ** (b - 1)) if b != 0 else g * 0
    return g * (b * a ** np.where(b == 0, 0, b - 1))


def _pow_by_exponent(g, a, b, y):
    """g y log(a), and 0 where a = 0 and b >= 0: the limit of a^b log(a) for b > 0."""
    if not np.isscalar(a):
        positive = np.where(a < 0, math.nan, np.where((a == 0) & (b >= 0), 1, a))
        return g * y * np.log(positive)
    if a == 0:
        return g * np.where(b >= 0, 0, -np.inf)
    return g * y * (math.log(a) if a > 0 else math.nan)


def _whole(function):
    """A rounding function, which leaves integers as they are."""
    return lambda x: function(x) if x.dtype.kind == "f" else x.copy()


floor_divide = binary("floor_divide", np.floor_divide, _zero, _zero, "|",
                      "Largest integer <= input / other (gradient zero).")
_trunc_divide = binary("div", lambda x, y: np.trunc(x / y).astype(np.result_type(x, y)), _zero, _zero, "|", "")
remainder = binary("remainder", np.remainder, lambda g, a, b, y: g, lambda g, a, b, y: -g * np.floor(a / b), "|ab",
                   "input - other * floor(input / other).")
pow = binary("pow", lambda x, y: x ** y, _pow_by_base, _pow_by_exponent, "ab|aby",
             "input ** exponent, element by element.")
abs = unary("abs", np.abs, lambda g, x, y: g * np.sign(x), "x", "|input|; the gradient at 0 is 0.", integers=True)
sign = unary("sign", np.sign, _zero, "", "-1, 0 or 1 (gradient zero).", integers=True)
floor = unary("floor", _whole(np.floor), _zero, "", "Largest integer <= input (gradient zero).", integers=True)
ceil = unary("ceil", _whole(np.ceil), _zero, "", "Smallest integer >= input (gradient zero).", integers=True)
round = unary("round", _whole(np.round), _zero, "", "Nearest integer, halves to even (gradient zero).", integers=True)
trunc = unary("trunc", _whole(np.trunc), _zero, "", "Integer part (gradient zero).", integers=True)
square = unary("square", np.square, lambda g, x, y: 2 * g * x, "x", "input ** 2.", integers=True)
sqrt = unary("sqrt", np.sqrt, lambda g, x, y: g / (2 * y), "y", "Square root.")
rsqrt = unary("rsqrt", lambda x: 1 / np.sqrt(x), lambda g, x, y: -0.5 * g * y * y * y, "y", "1 / sqrt(input).")
reciprocal = unary("reciprocal", lambda x: 1 / x, lambda g, x, y: -g * y * y, "y", "1 / input.")

# ---------------------------------------------------------------------- exponentials and friends

exp = unary("exp", np.exp, lambda g, x, y: g * y, "y", "e ** input.")
expm1 = unary("expm1", np.expm1, lambda g, x, y: g * (y + 1), "y", "e ** input - 1, accurate near 0.")
log = unary("log", np.log, lambda g, x, y: g / x, "x", "Natural logarithm.")
log1p = unary("log1p", np.log1p, lambda g, x, y: g / (1 + x), "x", "log(1 + input), accurate near 0.")
log2 = unary("log2", np.log2, lambda g, x, y: g / (x * math.log(2)), "x", "Logarithm to base 2.")
log10 = unary("log10", np.log10, lambda g, x, y: g / (x * math.log(10)), "x", "Logarithm to base 10.")
sin = unary("sin", np.sin, lambda g, x, y: g * np.cos(x), "x", "Sine of an angle in radians.")
cos = unary("cos", np.cos, lambda g, x, y: -g * np.sin(x), "x", "Cosine of an angle in radians.")
tan = unary("tan", np.tan, lambda g, x, y: g * (1 + y * y), "y", "Tangent of an angle in radians.")
arctan = unary("arctan", np.arctan, lambda g, x, y: g / (1 + x * x), "x", "Inverse tangent, in radians.")
tanh = unary("tanh", np.tanh, lambda g, x, y: g - g * y * y, "y", "Hyperbolic tangent.")


sigmoid = unary("sigmoid", large.sigmoid,
                lambda g, x, y: large.sigmoid_backward(g, y) if type(g) is _ndarray else g * y * (1 - y), "y",
                "1 / (1 + e ** -input), without overflow.")


def _share(g, a, y):
    """g e^(a-y), the share of a in y = logaddexp(a, b); 1 for an a so large that y = a, 0 where y = -inf."""
    same, nothing = a == y, y == -np.inf
    return g * np.where(nothing, 0, np.exp(np.where(same, 0, a) - np.where(same | nothing, 0, y)))


logaddexp = binary("logaddexp", np.logaddexp, lambda g, a, b, y: _share(g, a, y), lambda g, a, b, y: _share(g, b, y),
                   "ay|by", "log(e ** input + e ** other), without overflow.", integers=False)

# ---------------------------------------------------------------------- choices

relu = unary("relu", large.relu, lambda g, x, y: large.relu_backward(g, y) if type(g) is _ndarray else g * (y > 0), "y",
             "max(input, 0); the gradient at 0 is 0.", integers=True)
maximum = binary("maximum", np.maximum, lambda g, a, b, y: g * _winner(a, b), lambda g, a, b, y: g * _winner(b, a),
                 "ab|ab", "The larger of two, element by element; a tie shares its gradient equally.")
minimum = binary("minimum", np.minimum, lambda g, a, b, y: g * _winner(b, a), lambda g, a, b, y: g * _winner(a, b),
                 "ab|ab", "The smaller of two, element by element; a tie shares its gradient equally.")


def _winner(a, b):
    """1 where a > b, 1/2 where a = b, else 0 (1 where either is NaN), in the dtype of the tensor among them."""
    a, b = _raw(a), _raw(b)
    loses = np.add(a <= b, a < b, dtype=np.int8)   # 2 for a loss, 1 for a tie
    return 1 - loses * (a if is_array(a) else b).dtype.type(0.5)


def _raw(value):
    return value._data if isinstance(value, Tensor) else value


class Where(Primitive):
    """y = a where the condition holds, else b."""

    name = "where"
    keep = (0,)

    def forward(self, condition, a, b):
        self.shapes = np.shape(a), np.shape(b)
        self.dtypes = getattr(a, "dtype", None), getattr(b, "dtype", None)
        return large.select(condition, a, b)

    def backward(self, g, condition):
        ga = large.keep(condition, g) if self.edges[1] is not None else None
        gb = large.keep(~condition, g) if self.edges[2] is not None else None
        return (None, None if ga is None else unbroadcast(ga, self.shapes[0], self.dtypes[0]),
                None if gb is None else unbroadcast(gb, self.shapes[1], self.dtypes[1]))


def where(condition, input=None, other=None):
    """``input`` where ``condition`` is true, else ``other``, broadcasting.

    Args:
        condition: boolean Tensor.
        input, other: Tensors or numbers; with neither, the indices of the true elements are returned.
    """
    if not isinstance(condition, Tensor):
        condition = Tensor(condition)
    if input is None and other is None:
        return tuple(wrap(axis) for axis in condition._data.nonzero())
    if condition.dtype != bool_:
        raise TypeError(f"where: condition is {condition.dtype}, not bool; write the comparison, e.g. mask != 0")
    a, b = (v.item() if isinstance(v, np.generic) else v for v in (input, other))
    if is_array(a):
        a = Tensor(a)
    if is_array(b):
        b = Tensor(b)
    if isinstance(a, Tensor) and isinstance(b, Tensor) and a.dtype != b.dtype:
        x, y = promote(a._data, b._data)
        a, b = cast(a, x.dtype), cast(b, y.dtype)
    elif not isinstance(a, Tensor) and not isinstance(b, Tensor):
        a = Tensor(a)
    if isinstance(a, Tensor) and not isinstance(b, Tensor):
        a, b = _weak_partner(a, b)
    elif isinstance(b, Tensor) and not isinstance(a, Tensor):
        b, a = _weak_partner(b, a)
    try:
        return Where.apply(condition, a, b)
    except ValueError as error:
        raise ValueError(f"where: shapes {condition.shape}, {a.shape} and {b.shape} do not broadcast") from error


def _weak_partner(tensor: Tensor, number):
    """A number as a 0-d array in the dtype that it and the tensor share."""
    if tensor.dtype.kind != "f" and isinstance(number, float):
        tensor = cast(tensor, get_default_dtype())
    elif tensor.dtype.kind == "b" and not isinstance(number, bool):
        tensor = cast(tensor, np.dtype("int64"))
    return tensor, wrap(xp_of(tensor._data).asarray(number, dtype=tensor.dtype))


# ---------------------------------------------------------------------- dtype and device

class Cast(Primitive):
    """The same numbers in another dtype."""

    name = "to"

    def forward(self, x, dtype):
        self.dtype = x.dtype
        return x.astype(dtype)

    def backward(self, g):
        return (g.astype(self.dtype) if not isinstance(g, Tensor) else cast(g, self.dtype)),


def cast(input: Tensor, dtype) -> Tensor:
    """``input`` in another dtype; the gradient comes back in the old one."""
    return input if input.dtype == dtype else Cast.apply(input, dtype=np.dtype(dtype))


class Transfer(Primitive):
    """The same numbers on another device."""

    name = "to"

    def forward(self, x, device):
        from ..backend.arrays import device_of
        self.device = device_of(x)
        return to_device(x, device)

    def backward(self, g):
        return (transfer(g, self.device) if isinstance(g, Tensor) else to_device(g, self.device)),


def transfer(input: Tensor, device: str) -> Tensor:
    """``input`` on another device; the gradient comes back to the old one."""
    return Transfer.apply(input, device=device)


# ---------------------------------------------------------------------- comparisons

eq = compare("eq", np.equal, "input == other, element by element.")
ne = compare("ne", np.not_equal, "input != other, element by element.")
lt = compare("lt", np.less, "input < other, element by element.")
le = compare("le", np.less_equal, "input <= other, element by element.")
gt = compare("gt", np.greater, "input > other, element by element.")
ge = compare("ge", np.greater_equal, "input >= other, element by element.")
logical_and = compare("logical_and", np.logical_and, "input and other, element by element.")
logical_or = compare("logical_or", np.logical_or, "input or other, element by element.")
logical_xor = compare("logical_xor", np.logical_xor, "Exactly one of input and other, element by element.")
bitwise_and = compare("bitwise_and", np.bitwise_and, "input & other, for integers and booleans.")
bitwise_or = compare("bitwise_or", np.bitwise_or, "input | other, for integers and booleans.")
bitwise_xor = compare("bitwise_xor", np.bitwise_xor, "input ^ other, for integers and booleans.")


def logical_not(input):
    """not input, element by element."""
    return wrap(np.logical_not(_raw(input)))


def bitwise_not(input):
    """~input: the opposite of booleans, the complement of integers.

    Raises:
        TypeError: floating-point input.
    """
    array = _raw(input)
    if array.dtype.kind == "f":
        raise TypeError(f"bitwise_not: ~ works on booleans and integers, not {array.dtype}; compare, x == 0")
    return wrap(as_array(np.invert(array)))


def isnan(input):
    """Where the elements are NaN."""
    return wrap(np.isnan(_raw(input)))


def isinf(input):
    """Where the elements are infinite."""
    return wrap(np.isinf(_raw(input)))


def isfinite(input):
    """Where the elements are neither NaN nor infinite."""
    return wrap(np.isfinite(_raw(input)))
