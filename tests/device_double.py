"""A strict device double: arrays that behave on the CPU as CuPy's do on a GPU, so far as Python code can tell.

``StrictArray`` wraps a NumPy array and refuses what CuPy refuses:

* implicit conversion: ``np.asarray(x)`` raises CuPy's TypeError, and so does every NumPy function that CuPy lacks;
* a NumPy array as an operand of arithmetic, of a function, or as the value of an assignment (NumPy and Python scalars
  are welcome, as in CuPy);
* keywords that CuPy's functions do not have (``where=``, ``initial=``), ``add.at`` on int64, ``ufunc.reduceat`` on
  anything but add;
* reductions and x[i] give 0-d arrays, never NumPy scalars.

``float``, ``bool``, ``int``, ``item``, ``get``, ``tolist``, and functions whose result's shape depends on values
(``nonzero``, x[mask], ...) make a host wait for the device: they work, and ``host_syncs`` counts them.
NumPy arrays used as an index are copied to the device by CuPy; here, too, and ``uploads`` counts them.

What the double does not show: no CUDA kernel runs (its rung is "numpy"), nothing is asynchronous, sums run in NumPy's
order and not in that of a GPU, CuPy's own bugs are absent, and an index out of range raises here where CuPy wraps it
round. ``pytest -m gpu`` on a machine with a GPU shows those.
"""

from __future__ import annotations

import contextlib
import types
import weakref

import numpy as np

from tinymm.backend.arrays import register_array_type

IMPLICIT = ("Implicit conversion to a NumPy array is not allowed. Please use `.get()` to construct a NumPy array "
            "explicitly.")

counters = {"host_syncs": 0, "uploads": 0}
_owners: weakref.WeakValueDictionary = weakref.WeakValueDictionary()   # id of an array that owns memory -> StrictArray


@contextlib.contextmanager
def counting():
    """Count host syncs and uploads inside a ``with`` block: a dict that is complete when the block ends."""
    before, found = dict(counters), {}
    yield found
    found.update({name: counters[name] - before[name] for name in counters})


def _sync() -> None:
    counters["host_syncs"] += 1


def _raw(value):
    """What NumPy is to compute with: the array inside; lists and tuples element by element; no NumPy array."""
    if isinstance(value, StrictArray):
        return value._a
    if isinstance(value, np.ndarray):
        raise TypeError(f"Unsupported type {type(value)}")
    if isinstance(value, (list, tuple)):
        return type(value)(_raw(v) for v in value)
    return value


def _strict(result, *sources):
    """A NumPy result as StrictArrays."""
    if isinstance(result, (list, tuple)):
        return type(result)(_strict(r, *sources) for r in result)
    if isinstance(result, (np.ndarray, np.generic)):
        for source in sources:
            if isinstance(source, StrictArray) and source._a is result:
                return source
        return StrictArray(np.asarray(result))
    return result


def _index(item):
    """An index for the NumPy array inside; counts what CuPy would upload or wait for."""
    if isinstance(item, tuple):
        return tuple(_index(i) for i in item)
    if isinstance(item, (list, np.ndarray)):
        counters["uploads"] += 1
        return np.asarray(item) if len(item) else np.asarray(item, dtype=np.int64)
    if isinstance(item, StrictArray):
        if item._a.dtype.kind not in "iub":
            raise IndexError(f"arrays used as indices must be of integer or boolean type, not {item._a.dtype}")
        return item._a
    return item


def _has_mask(item) -> bool:
    items = item if isinstance(item, tuple) else (item,)
    return any(isinstance(i, np.ndarray) and i.dtype.kind == "b" for i in items)


class Flags:
    """The flags that CuPy's arrays have; ``writeable`` is not among them."""

    def __init__(self, flags):
        self.c_contiguous, self.f_contiguous, self.owndata = flags.c_contiguous, flags.f_contiguous, flags.owndata


class StrictArray:
    """A NumPy array behind a fence, see the module."""

    __hash__ = None

    def __init__(self, array: np.ndarray):
        self._a = array
        if array.base is None:
            _owners[id(array)] = self

    # ------------------------------------------------------------------ what it is

    shape = property(lambda self: self._a.shape)
    dtype = property(lambda self: self._a.dtype)
    ndim = property(lambda self: self._a.ndim)
    size = property(lambda self: self._a.size)
    itemsize = property(lambda self: self._a.itemsize)
    nbytes = property(lambda self: self._a.nbytes)
    strides = property(lambda self: self._a.strides)
    flags = property(lambda self: Flags(self._a.flags))
    T = property(lambda self: _strict(self._a.T))
    device = "double"

    @property
    def base(self):
        root = self._a
        while isinstance(root.base, np.ndarray):
            root = root.base
        if root is self._a:
            return None
        owner = _owners.get(id(root))
        return StrictArray(root) if owner is None else owner

    def __len__(self):
        if self._a.ndim == 0:
            raise TypeError("len() of unsized object")
        return len(self._a)

    def __repr__(self):
        return f"StrictArray({self._a!r})"

    # ------------------------------------------------------------------ leaving the device

    def __array__(self, dtype=None, copy=None):
        raise TypeError(IMPLICIT)

    def get(self) -> np.ndarray:
        _sync()
        return self._a.copy()

    def item(self):
        _sync()
        return self._a.item()

    def tolist(self):
        _sync()
        return self._a.tolist()

    def __float__(self):
        return float(self.item())

    def __int__(self):
        return int(self.item())

    def __bool__(self):
        if self._a.size != 1:
            raise ValueError("the truth value of an array with more than one element is ambiguous")
        return bool(self.item())

    def __index__(self):
        if self._a.dtype.kind not in "iu" or self._a.ndim:
            raise TypeError("only integer scalar arrays can be converted to a scalar index")
        return int(self.item())

    # ------------------------------------------------------------------ picking and placing

    def __getitem__(self, index):
        index = _index(index)
        if _has_mask(index):
            _sync()
        return _strict(self._a[index])

    def __setitem__(self, index, value):
        if isinstance(value, np.ndarray) and value.ndim:
            raise ValueError("non-scalar numpy.ndarray cannot be used for fill")
        self._a[_index(index)] = value if isinstance(value, np.ndarray) else _raw(value)

    def __iter__(self):
        if self._a.ndim == 0:
            raise TypeError("iteration over a 0-d array")
        return (self[i] for i in range(len(self._a)))

    # ------------------------------------------------------------------ NumPy's protocols

    def __array_ufunc__(self, ufunc, method, *inputs, **kwargs):
        own = getattr(xp, ufunc.__name__)
        if method == "__call__":
            return own(*inputs, **kwargs)
        return getattr(own, method)(*inputs, **kwargs)

    def __array_function__(self, function, types_, args, kwargs):
        name = function.__name__
        if name not in FUNCTIONS:
            return NotImplemented   # NumPy then raises TypeError
        return getattr(xp, name)(*args, **kwargs)


METHODS = {   # name -> the keywords that CuPy's method has (positions as NumPy's)
    "sum": "axis dtype out keepdims", "mean": "axis dtype out keepdims", "prod": "axis dtype out keepdims",
    "max": "axis out keepdims", "min": "axis out keepdims", "any": "axis out keepdims", "all": "axis out keepdims",
    "var": "axis dtype out ddof keepdims", "std": "axis dtype out ddof keepdims", "argmax": "axis dtype out keepdims",
    "argmin": "axis dtype out keepdims", "cumsum": "axis dtype out", "cumprod": "axis dtype out",
    "astype": "dtype order copy", "copy": "order", "reshape": "order", "ravel": "order", "flatten": "order",
    "transpose": "", "swapaxes": "",
    "squeeze": "axis", "view": "dtype", "take": "indices axis out", "repeat": "repeats axis", "clip": "min max out",
    "diagonal": "offset axis1 axis2", "trace": "offset axis1 axis2 dtype out", "argsort": "axis kind", "nonzero": "",
    "dot": "", "round": "decimals out", "fill": "", "sort": "axis kind",
}
SYNCING = {"nonzero", "flatnonzero", "argwhere", "unique", "allclose", "array_equal"}


def _check_keywords(name: str, allowed: str | None, kwargs) -> None:
    for key in kwargs:
        if allowed is not None and key not in allowed.split() or key in ("where", "initial") and name != "copyto":
            raise TypeError(f"{name}() got an unexpected keyword argument {key!r}")


def _method(name: str, allowed: str):
    def method(self, *args, **kwargs):
        _check_keywords(name, allowed, kwargs)
        if name in SYNCING:
            _sync()
        out = kwargs.pop("out", None)
        if out is not None:
            kwargs["out"] = _raw(out)
        result = getattr(self._a, name)(*(_raw(a) for a in args), **{k: _raw(v) for k, v in kwargs.items()})
        return out if out is not None else _strict(result, self)
    return method


def _operator(ufunc, swapped: bool):
    def operate(self, other):
        if not isinstance(other, (StrictArray, bool, int, float, np.generic, np.ndarray)):
            return NotImplemented
        own = getattr(xp, ufunc.__name__)
        return own(other, self) if swapped else own(self, other)
    return operate


def _in_place(ufunc):
    def operate(self, other):
        return getattr(xp, ufunc.__name__)(self, other, out=self)
    return operate


for _name, _allowed in METHODS.items():
    setattr(StrictArray, _name, _method(_name, _allowed))
for _name, _ufunc in {"add": np.add, "sub": np.subtract, "mul": np.multiply, "truediv": np.true_divide,
                      "floordiv": np.floor_divide, "mod": np.remainder, "pow": np.power, "matmul": np.matmul,
                      "and": np.bitwise_and, "or": np.bitwise_or, "xor": np.bitwise_xor, "lshift": np.left_shift,
                      "rshift": np.right_shift}.items():
    setattr(StrictArray, f"__{_name}__", _operator(_ufunc, False))
    setattr(StrictArray, f"__r{_name}__", _operator(_ufunc, True))
    setattr(StrictArray, f"__i{_name}__", _in_place(_ufunc))
for _name, _ufunc in {"eq": np.equal, "ne": np.not_equal, "lt": np.less, "le": np.less_equal, "gt": np.greater,
                      "ge": np.greater_equal}.items():
    setattr(StrictArray, f"__{_name}__", _operator(_ufunc, False))
for _name, _ufunc in {"neg": np.negative, "abs": np.absolute, "invert": np.invert, "pos": np.positive}.items():
    setattr(StrictArray, f"__{_name}__", lambda self, _name=_ufunc.__name__: getattr(xp, _name)(self))


# ---------------------------------------------------------------------- the namespace

FUNCTIONS = set("""
    sum mean prod max min amax amin any all var std argmax argmin cumsum cumprod where nonzero flatnonzero argwhere
    reshape transpose swapaxes moveaxis expand_dims squeeze broadcast_to broadcast_arrays ravel concatenate stack split
    array_split flip roll rot90 repeat tile pad tril triu diagonal diag trace take take_along_axis put_along_axis
    einsum dot tensordot outer inner bincount argsort sort searchsorted unique clip round copyto zeros_like ones_like
    empty_like full_like array_equal allclose isclose nan_to_num diff shape ndim size ascontiguousarray may_share_memory
    shares_memory count_nonzero atleast_1d atleast_2d argpartition partition nanmax nanmin interp meshgrid tri kron
    cross histogram iscomplexobj result_type
""".split())
CREATE = set("""
    zeros ones empty full arange eye identity linspace tri array asarray ascontiguousarray
""".split())
PLAIN = set("""
    pi inf nan newaxis float32 float64 float16 int64 int32 int8 uint8 uint32 uint64 bool_ dtype finfo iinfo ndim
    promote_types broadcast_shapes intp
""".split())
KEYWORDS = {name: METHODS[name] + " a" for name in "sum mean prod max min any all cumsum cumprod".split()}


class Ufunc:
    """One of CuPy's element-wise functions."""

    def __init__(self, ufunc):
        self.ufunc, self.__name__ = ufunc, ufunc.__name__

    def __call__(self, *args, out=None, **kwargs):
        _check_keywords(self.__name__, "dtype casting axes axis", kwargs)
        if isinstance(out, tuple):
            (out,) = out
        if out is not None:
            if not isinstance(out, StrictArray):
                raise TypeError(f"Unsupported type {type(out)}")
            self.ufunc(*(_raw(a) for a in args), out=out._a, **kwargs)
            return out
        return _strict(self.ufunc(*(_raw(a) for a in args), **kwargs))

    def at(self, a, indices, b=None):
        if self.__name__ not in ("add", "subtract", "maximum", "minimum"):
            raise NotImplementedError(f"`{self.__name__}.at` is not supported yet")
        if a.dtype.name not in ("int32", "float16", "float32", "float64", "uint32", "uint64"):
            raise TypeError("scatter_add only supports int32, float16, float32, float64, uint32, uint64, as data type")
        self.ufunc.at(_raw(a), _index(indices), _raw(b))

    def reduce(self, array, axis=0, dtype=None, out=None, keepdims=False):
        return _strict(self.ufunc.reduce(_raw(array), axis=axis, dtype=dtype, keepdims=keepdims))

    def outer(self, a, b):
        return _strict(self.ufunc.outer(_raw(a), _raw(b)))

    def accumulate(self, array, axis=0):
        return _strict(self.ufunc.accumulate(_raw(array), axis=axis))

    def reduceat(self, array, indices, axis=0):
        if self.__name__ != "add":
            raise NotImplementedError(f"`{self.__name__}.reduceat` is not supported yet")
        return _strict(self.ufunc.reduceat(_raw(array), _raw(indices), axis=axis))


class Namespace(types.ModuleType):
    """The part of CuPy's namespace that exists here; a name may be added once CuPy is seen to have it."""

    ndarray = StrictArray

    def __getattr__(self, name: str):
        found = getattr(np, name, None)
        if isinstance(found, np.ufunc):
            made = Ufunc(found)
        elif name in CREATE:
            made = _creator(name)
        elif name in FUNCTIONS:
            made = _function(name)
        elif name in PLAIN:
            made = found
        else:
            raise AttributeError(f"the device double has no {name!r}; if CuPy has it, add it to tests/device_double.py")
        setattr(self, name, made)
        return made


def _creator(name: str):
    make = getattr(np, name)

    def create(*args, **kwargs):
        # asarray and array are the explicit way from the host to the device
        args = tuple(a._a if isinstance(a, StrictArray) else a for a in args)
        kwargs = {k: v._a if isinstance(v, StrictArray) else v for k, v in kwargs.items()}
        if name == "array" and args and isinstance(args[0], (list, tuple)):
            args = ([a._a if isinstance(a, StrictArray) else a for a in args[0]], *args[1:])
        return StrictArray(make(*args, **kwargs))
    return create


def _function(name: str):
    make = getattr(np, name)

    def call(*args, **kwargs):
        _check_keywords(name, KEYWORDS.get(name), kwargs)
        if name in SYNCING or name == "where" and len(args) == 1 or \
                name == "repeat" and isinstance(args[1], StrictArray):
            _sync()
        sources = [a for a in args if isinstance(a, StrictArray)]
        out = kwargs.get("out")
        result = make(*(_raw(a) for a in args), **{k: _raw(v) for k, v in kwargs.items()})
        return out if out is not None else _strict(result, *sources)
    return call


def _windows(x, window_shape, axis=None):
    return _strict(np.lib.stride_tricks.sliding_window_view(_raw(x), window_shape, axis))


def _as_strided(x, shape=None, strides=None):
    return _strict(np.lib.stride_tricks.as_strided(_raw(x), shape, strides))


xp = Namespace("double")
xp.lib = types.SimpleNamespace(
    stride_tricks=types.SimpleNamespace(sliding_window_view=_windows, as_strided=_as_strided))
FUNCTIONS.add("sliding_window_view")
xp.sliding_window_view = _windows   # found by np.lib.stride_tricks' protocol
register_array_type(StrictArray, xp, "double", rung="numpy")
