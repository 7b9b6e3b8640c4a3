"""The methods and operators of Tensor that ``methods.py`` attaches: written by declare.py, not by hand."""

import builtins
from collections.abc import Iterator, Sequence
from typing import Any, overload

import numpy as np

from .kinds import DType, Dims, Generator, Indices, Operand, Shape, ValuesIndices
from .tensor import Tensor

class TensorMethods:
    def __add__(self, other: Operand) -> Tensor: ...
    def __radd__(self, other: Operand) -> Tensor: ...
    def __sub__(self, other: Operand) -> Tensor: ...
    def __rsub__(self, other: Operand) -> Tensor: ...
    def __mul__(self, other: Operand) -> Tensor: ...
    def __rmul__(self, other: Operand) -> Tensor: ...
    def __truediv__(self, other: Operand) -> Tensor: ...
    def __rtruediv__(self, other: Operand) -> Tensor: ...
    def __floordiv__(self, other: Operand) -> Tensor: ...
    def __rfloordiv__(self, other: Operand) -> Tensor: ...
    def __mod__(self, other: Operand) -> Tensor: ...
    def __rmod__(self, other: Operand) -> Tensor: ...
    def __pow__(self, other: Operand) -> Tensor: ...
    def __rpow__(self, other: Operand) -> Tensor: ...
    def __matmul__(self, other: Tensor) -> Tensor: ...
    def __rmatmul__(self, other: Operand) -> Tensor: ...
    def __neg__(self) -> Tensor: ...
    def __abs__(self) -> Tensor: ...
    def __invert__(self) -> Tensor: ...
    def __getitem__(self, index: Any) -> Tensor: ...
    def __iter__(self) -> Iterator[Tensor]: ...
    def __eq__(self, other: Operand) -> Tensor: ...  # type: ignore[override]
    def __ne__(self, other: Operand) -> Tensor: ...  # type: ignore[override]
    def __lt__(self, other: Operand) -> Tensor: ...
    def __le__(self, other: Operand) -> Tensor: ...
    def __gt__(self, other: Operand) -> Tensor: ...
    def __ge__(self, other: Operand) -> Tensor: ...
    def __and__(self, other: Operand) -> Tensor: ...
    def __or__(self, other: Operand) -> Tensor: ...
    def __xor__(self, other: Operand) -> Tensor: ...
    def __iadd__(self, other: Operand) -> Tensor: ...
    def __isub__(self, other: Operand) -> Tensor: ...
    def __imul__(self, other: Operand) -> Tensor: ...
    def __itruediv__(self, other: Operand) -> Tensor: ...
    def add(self, other: Operand, *, alpha: builtins.float = 1) -> Tensor:
        """Sum, element by element: y = a + alpha * b."""
    def sub(self, other: Operand, *, alpha: builtins.float = 1) -> Tensor:
        """Difference, element by element: y = a - alpha * b."""
    def mul(self, other: Operand) -> Tensor:
        """Product, element by element: y = a * b."""
    def div(self, other: Operand, *, rounding_mode: str | None = None) -> Tensor:
        """Quotient, element by element: y = a / b."""
    def neg(self) -> Tensor:
        """Opposite, element by element: y = -x."""
    def pow(self, exponent: Operand) -> Tensor:
        """Power, element by element: y = a ** b."""
    def abs(self) -> Tensor:
        """Magnitude, element by element: y = abs(x)."""
    def sign(self) -> Tensor:
        """Sign, -1, 0 or 1, element by element: y = sign(x)."""
    def floor(self) -> Tensor:
        """Largest integer <= x, element by element: y = floor(x)."""
    def ceil(self) -> Tensor:
        """Smallest integer >= x, element by element: y = ceil(x)."""
    def round(self, *, decimals: builtins.int = 0) -> Tensor:
        """Nearest integer, element by element: y = round(x)."""
    def trunc(self) -> Tensor:
        """Integer part, element by element: y = trunc(x)."""
    def square(self) -> Tensor:
        """Square, element by element: y = x ** 2."""
    def sqrt(self) -> Tensor:
        """Square root, element by element: y = sqrt(x)."""
    def rsqrt(self) -> Tensor:
        """Reciprocal square root, element by element: y = 1 / sqrt(x)."""
    def reciprocal(self) -> Tensor:
        """Reciprocal, element by element: y = 1 / x."""
    def exp(self) -> Tensor:
        """Exponential, element by element: y = e ** x."""
    def expm1(self) -> Tensor:
        """Exponential minus 1, accurate near 0, element by element: y = e ** x - 1."""
    def log(self) -> Tensor:
        """Natural logarithm, element by element: y = log(x)."""
    def log1p(self) -> Tensor:
        """Logarithm of 1 + x, accurate near 0, element by element: y = log(1 + x)."""
    def log2(self) -> Tensor:
        """Logarithm to base 2, element by element: y = log(x) / log(2)."""
    def log10(self) -> Tensor:
        """Logarithm to base 10, element by element: y = log(x) / log(10)."""
    def sin(self) -> Tensor:
        """Sine of radians, element by element: y = sin(x)."""
    def cos(self) -> Tensor:
        """Cosine of radians, element by element: y = cos(x)."""
    def tan(self) -> Tensor:
        """Tangent of radians, element by element: y = tan(x)."""
    def arctan(self) -> Tensor:
        """Inverse tangent, in radians, element by element: y = arctan(x)."""
    def tanh(self) -> Tensor:
        """Hyperbolic tangent, element by element: y = tanh(x)."""
    def sigmoid(self) -> Tensor:
        """Logistic function, without overflow, element by element: y = 1 / (1 + e ** -x)."""
    def logaddexp(self, other: Operand) -> Tensor:
        """Logarithm of a sum of exponentials, without overflow, element by element: y = log(e ** a + e ** b)."""
    def maximum(self, other: Operand) -> Tensor:
        """Larger of two (NaN if one is), element by element: y = where(a > b, a, b)."""
    def minimum(self, other: Operand) -> Tensor:
        """Smaller of two (NaN if one is), element by element: y = where(a < b, a, b)."""
    def remainder(self, other: Operand) -> Tensor:
        """Remainder of a division, with the sign of b, element by element: y = a - b * floor(a / b)."""
    def floor_divide(self, other: Operand) -> Tensor:
        """Quotient rounded down, element by element: y = floor(a / b)."""
    def eq(self, other: Operand) -> Tensor:
        """Equality, element by element: y = a == b."""
    def ne(self, other: Operand) -> Tensor:
        """Inequality, element by element: y = a != b."""
    def lt(self, other: Operand) -> Tensor:
        """Less, element by element: y = a < b."""
    def le(self, other: Operand) -> Tensor:
        """Less or equal, element by element: y = a <= b."""
    def gt(self, other: Operand) -> Tensor:
        """Greater, element by element: y = a > b."""
    def ge(self, other: Operand) -> Tensor:
        """Greater or equal, element by element: y = a >= b."""
    def logical_and(self, other: Operand) -> Tensor:
        """Both are true (not 0), element by element: y = (a != 0) & (b != 0)."""
    def logical_or(self, other: Operand) -> Tensor:
        """One or both are true (not 0), element by element: y = (a != 0) | (b != 0)."""
    def logical_xor(self, other: Operand) -> Tensor:
        """Exactly one is true (not 0), element by element: y = (a != 0) ^ (b != 0)."""
    def logical_not(self) -> Tensor:
        """Not true, element by element: y = (x == 0)."""
    def bitwise_not(self) -> Tensor:
        """~input: the opposite of booleans, the complement of integers."""
    def isnan(self) -> Tensor:
        """Where the elements are NaN."""
    def isinf(self) -> Tensor:
        """Where the elements are infinite, of either sign."""
    def isfinite(self) -> Tensor:
        """Where the elements are neither NaN nor infinite."""
    def erf(self) -> Tensor:
        """Error function, 2 / sqrt(pi) times the integral of e ** -t ** 2 from 0 to x, element by element: y = erf(x)."""
    def clamp(self, min: Operand | None = None, max: Operand | None = None) -> Tensor:
        """The elements, none smaller than ``min`` and none larger than ``max`` (which wins where min > max)."""
    def clip(self, min: Operand | None = None, max: Operand | None = None) -> Tensor:
        """The elements, none smaller than ``min`` and none larger than ``max`` (which wins where min > max)."""
    def masked_fill(self, mask: Tensor, value: Operand) -> Tensor:
        """``value`` where ``mask`` is true, the elements of ``input`` elsewhere."""
    def lerp(self, end: Tensor, weight: Operand) -> Tensor:
        """input + weight * (end - input), broadcasting: ``input`` at weight 0, ``end`` at weight 1."""
    def isclose(self, other: Operand, rtol: builtins.float = 1e-05, atol: builtins.float = 1e-08,
                equal_nan: builtins.bool = False) -> Tensor:
        """Where |input - other| <= atol + rtol * |other|; equal infinities are close."""
    def allclose(self, other: Operand, rtol: builtins.float = 1e-05, atol: builtins.float = 1e-08,
                 equal_nan: builtins.bool = False) -> builtins.bool:
        """Whether all elements are close (see ``isclose``)."""
    @overload
    def sum(self, dim: Dims | None = None, keepdim: builtins.bool = False, *, dtype: DType = None) -> Tensor:
        """Sum over all axes, or over ``dim``."""
    @overload
    def sum(self, axis: Dims | None = None, keepdims: builtins.bool = False, *, dtype: DType = None) -> Tensor: ...
    @overload
    def mean(self, dim: Dims | None = None, keepdim: builtins.bool = False, *, dtype: DType = None) -> Tensor:
        """Arithmetic mean over all axes, or over ``dim``."""
    @overload
    def mean(self, axis: Dims | None = None, keepdims: builtins.bool = False, *, dtype: DType = None) -> Tensor: ...
    @overload
    def var(self, dim: Dims | None = None, unbiased: builtins.bool | None = None, keepdim: builtins.bool = False, *,
            correction: builtins.int = 1) -> Tensor:
        """Variance over all axes, or over ``dim``: the sum of (x - mean)^2 over (n - correction)."""
    @overload
    def var(self, axis: Dims | None = None, unbiased: builtins.bool | None = None, keepdims: builtins.bool = False, *,
            correction: builtins.int = 1) -> Tensor: ...
    @overload
    def std(self, dim: Dims | None = None, unbiased: builtins.bool | None = None, keepdim: builtins.bool = False, *,
            correction: builtins.int = 1) -> Tensor:
        """Standard deviation: the square root of ``var``, with the same arguments."""
    @overload
    def std(self, axis: Dims | None = None, unbiased: builtins.bool | None = None, keepdims: builtins.bool = False, *,
            correction: builtins.int = 1) -> Tensor: ...
    @overload
    def amax(self, dim: Dims = (), keepdim: builtins.bool = False) -> Tensor:
        """Largest element over ``dim``."""
    @overload
    def amax(self, axis: Dims = (), keepdims: builtins.bool = False) -> Tensor: ...
    @overload
    def amin(self, dim: Dims = (), keepdim: builtins.bool = False) -> Tensor:
        """Smallest element over ``dim``."""
    @overload
    def amin(self, axis: Dims = (), keepdims: builtins.bool = False) -> Tensor: ...
    @overload
    def logsumexp(self, dim: Dims | None, keepdim: builtins.bool = False) -> Tensor:
        """log(sum(e ** input)) over ``dim``, without overflow."""
    @overload
    def logsumexp(self, axis: Dims | None, keepdims: builtins.bool = False) -> Tensor: ...
    @overload
    def norm(self, p: builtins.float | str = 'fro', dim: Dims | None = None, keepdim: builtins.bool = False, *,
             dtype: DType = None) -> Tensor:
        """The p-norm over all axes, or over ``dim``: y = (sum |x| ** p) ** (1 / p)."""
    @overload
    def norm(self, p: builtins.float | str = 'fro', axis: Dims | None = None, keepdims: builtins.bool = False, *,
             dtype: DType = None) -> Tensor: ...
    @overload
    def count_nonzero(self, *dim_: Dims, dim: Dims | None = None) -> Tensor:
        """Number of elements that are not zero, over all axes or ``dim``."""
    @overload
    def count_nonzero(self, *dim_: Dims, axis: Dims | None = None) -> Tensor: ...
    @overload
    def any(self, dim: Dims | None = None, keepdim: builtins.bool = False) -> Tensor:
        """Whether any element is true (not zero), over all axes or ``dim``."""
    @overload
    def any(self, axis: Dims | None = None, keepdims: builtins.bool = False) -> Tensor: ...
    @overload
    def all(self, dim: Dims | None = None, keepdim: builtins.bool = False) -> Tensor:
        """Whether all elements are true (not zero), over all axes or ``dim``."""
    @overload
    def all(self, axis: Dims | None = None, keepdims: builtins.bool = False) -> Tensor: ...
    @overload
    def prod(self, dim: builtins.int | None = None, keepdim: builtins.bool = False, *, dtype: DType = None) -> Tensor:
        """Product over all axes, or along ``dim``."""
    @overload
    def prod(self, axis: builtins.int | None = None, keepdims: builtins.bool = False, *, dtype: DType = None) -> Tensor: ...
    @overload
    def cumsum(self, dim: builtins.int, *, dtype: DType = None) -> Tensor:
        """Running sums along ``dim``: y_k = x_1 + ... + x_k."""
    @overload
    def cumsum(self, axis: builtins.int, *, dtype: DType = None) -> Tensor: ...
    @overload
    def cumprod(self, dim: builtins.int, *, dtype: DType = None) -> Tensor:
        """Running products along ``dim``: y_k = x_1 ... x_k."""
    @overload
    def cumprod(self, axis: builtins.int, *, dtype: DType = None) -> Tensor: ...
    def bernoulli(self, p: builtins.float | None = None, *, generator: Generator = None) -> Tensor:
        """1 with the probability that each element of ``input`` says (or ``p`` for all), else 0."""
    def multinomial(self, num_samples: builtins.int, replacement: builtins.bool = False, *,
                    generator: Generator = None) -> Tensor:
        """Indices drawn with the given weights, for each row."""
    @overload
    def max(self, dim: Tensor | None = None, keepdim: builtins.bool = False, *, other: Tensor | None = None) -> Tensor:
        """The largest element; over all axes, or along ``dim``, or of two tensors."""
    @overload
    def max(self, dim: builtins.int, keepdim: builtins.bool = False) -> ValuesIndices: ...
    @overload
    def max(self, axis: Tensor | None = None, keepdims: builtins.bool = False, *, other: Tensor | None = None) -> Tensor: ...
    @overload
    def max(self, axis: builtins.int, keepdims: builtins.bool = False) -> ValuesIndices: ...
    @overload
    def min(self, dim: Tensor | None = None, keepdim: builtins.bool = False, *, other: Tensor | None = None) -> Tensor:
        """The smallest element; over all axes, or along ``dim``, or of two tensors."""
    @overload
    def min(self, dim: builtins.int, keepdim: builtins.bool = False) -> ValuesIndices: ...
    @overload
    def min(self, axis: Tensor | None = None, keepdims: builtins.bool = False, *, other: Tensor | None = None) -> Tensor: ...
    @overload
    def min(self, axis: builtins.int, keepdims: builtins.bool = False) -> ValuesIndices: ...
    @overload
    def argmax(self, dim: builtins.int | None = None, keepdim: builtins.bool = False) -> Tensor:
        """Index of the largest element along ``dim``, or in the flattened tensor; the first of a tie."""
    @overload
    def argmax(self, axis: builtins.int | None = None, keepdims: builtins.bool = False) -> Tensor: ...
    @overload
    def argmin(self, dim: builtins.int | None = None, keepdim: builtins.bool = False) -> Tensor:
        """Index of the smallest element along ``dim``, or in the flattened tensor; the first of a tie."""
    @overload
    def argmin(self, axis: builtins.int | None = None, keepdims: builtins.bool = False) -> Tensor: ...
    @overload
    def sort(self, dim: builtins.int = -1, descending: builtins.bool = False, *,
             stable: builtins.bool = False) -> ValuesIndices:
        """The elements in order along ``dim``, smallest first or, if ``descending``, largest first."""
    @overload
    def sort(self, axis: builtins.int = -1, descending: builtins.bool = False, *,
             stable: builtins.bool = False) -> ValuesIndices: ...
    @overload
    def argsort(self, dim: builtins.int = -1, descending: builtins.bool = False, *, stable: builtins.bool = False) -> Tensor:
        """The indices that ``sort`` returns."""
    @overload
    def argsort(self, axis: builtins.int = -1, descending: builtins.bool = False, *, stable: builtins.bool = False) -> Tensor: ...
    @overload
    def topk(self, k: builtins.int, dim: builtins.int = -1, largest: builtins.bool = True,
             sorted: builtins.bool = True) -> ValuesIndices:
        """The k largest (or smallest) elements along ``dim``, best first."""
    @overload
    def topk(self, k: builtins.int, axis: builtins.int = -1, largest: builtins.bool = True,
             sorted: builtins.bool = True) -> ValuesIndices: ...
    @overload
    def median(self, dim: None = None, keepdim: builtins.bool = False) -> Tensor:
        """The element in the middle, the lower of two, over all axes or along ``dim``; NaN where there is one."""
    @overload
    def median(self, dim: builtins.int, keepdim: builtins.bool = False) -> ValuesIndices: ...
    @overload
    def median(self, axis: None = None, keepdims: builtins.bool = False) -> Tensor: ...
    @overload
    def median(self, axis: builtins.int, keepdims: builtins.bool = False) -> ValuesIndices: ...
    def clone(self) -> Tensor:
        """A copy, with memory of its own."""
    def contiguous(self) -> Tensor:
        """The tensor with its elements laid out row by row (itself if they are)."""
    def reshape(self, *shape_: Shape, shape: Shape | None = None) -> Tensor:
        """The same elements in the same order under another shape; a view where the memory layout allows it."""
    def flatten(self, start_dim: builtins.int = 0, end_dim: builtins.int = -1) -> Tensor:
        """Merge the axes ``start_dim`` to ``end_dim`` (both included) into one."""
    def unflatten(self, dim: builtins.int, sizes: Sequence[builtins.int]) -> Tensor:
        """Split axis ``dim`` into axes of the lengths ``sizes``; one may be -1."""
    def permute(self, *dims_: Shape, dims: Shape | None = None) -> Tensor:
        """The axes in another order: axis i of the result is axis dims[i] of the input."""
    def transpose(self, dim0: builtins.int, dim1: builtins.int) -> Tensor:
        """Exchange two axes."""
    def movedim(self, source: Dims, destination: Dims) -> Tensor:
        """Move the axes ``source`` to the places ``destination``; the others keep their order."""
    @overload
    def squeeze(self, *dim_: Dims, dim: Dims | None = None) -> Tensor:
        """Remove axes of length 1."""
    @overload
    def squeeze(self, *dim_: Dims, axis: Dims | None = None) -> Tensor: ...
    @overload
    def unsqueeze(self, dim: builtins.int) -> Tensor:
        """Insert an axis of length 1."""
    @overload
    def unsqueeze(self, axis: builtins.int) -> Tensor: ...
    def broadcast_to(self, *size_: Shape, size: Shape | None = None) -> Tensor:
        """Repeat axes of length 1, and add leading axes, to reach the shape ``size``."""
    def expand(self, *size_: Shape, size: Shape | None = None) -> Tensor:
        """Like ``broadcast_to``; -1 keeps an axis as it is."""
    def flip(self, *dims_: Shape, dims: Shape | None = None) -> Tensor:
        """Reverse the order of the elements along some axes (a copy)."""
    def view(self, *size_: Shape, size: Shape | None = None) -> Tensor:
        """Like ``reshape``, but never a copy: the result shares memory with the input."""
    def view_as(self, other: Tensor) -> Tensor:
        """``input.view(other.shape)``."""
    def reshape_as(self, other: Tensor) -> Tensor:
        """``input.reshape(other.shape)``."""
    def ravel(self) -> Tensor:
        """All elements on one axis."""
    def swapaxes(self, axis0: builtins.int, axis1: builtins.int) -> Tensor:
        """Exchange two axes (``transpose`` under NumPy's name)."""
    def t(self) -> Tensor:
        """The transpose of a matrix; a 0-d or 1-d tensor stays as it is."""
    def expand_as(self, other: Tensor) -> Tensor:
        """``input.expand(other.shape)``."""
    @overload
    def chunk(self, chunks: builtins.int, dim: builtins.int = 0) -> tuple[Tensor, ...]:
        """Cut along axis ``dim`` into at most ``chunks`` views of equal length (the last may be shorter)."""
    @overload
    def chunk(self, chunks: builtins.int, axis: builtins.int = 0) -> tuple[Tensor, ...]: ...
    @overload
    def unbind(self, dim: builtins.int = 0) -> tuple[Tensor, ...]:
        """The slices along axis ``dim``, as views without that axis."""
    @overload
    def unbind(self, axis: builtins.int = 0) -> tuple[Tensor, ...]: ...
    def repeat(self, *repeats_: Shape, repeats: Shape | None = None) -> Tensor:
        """The tensor laid out ``repeats[i]`` times along axis i; more numbers than axes add leading axes."""
    def tile(self, *dims_: Shape, dims: Shape | None = None) -> Tensor:
        """Like ``repeat``, but fewer numbers than axes are filled with leading ones."""
    @overload
    def repeat_interleave(self, repeats: Indices | None = None, dim: builtins.int | None = None, *,
                          output_size: builtins.int | None = None) -> Tensor:
        """Every element (slice along ``dim``) several times in a row."""
    @overload
    def repeat_interleave(self, repeats: Indices | None = None, axis: builtins.int | None = None, *,
                          output_size: builtins.int | None = None) -> Tensor: ...
    def roll(self, shifts: Dims, dims: Dims | None = None) -> Tensor:
        """Shift the elements by ``shifts`` along ``dims``; what leaves at one end enters at the other."""
    def diagonal(self, offset: builtins.int = 0, dim1: builtins.int = 0, dim2: builtins.int = 1) -> Tensor:
        """The elements whose indices on ``dim1`` and ``dim2`` are i and i + ``offset``, as a view."""
    def diag(self, diagonal: builtins.int = 0) -> Tensor:
        """The diagonal of a matrix, or the matrix with a vector on its diagonal."""
    def diag_embed(self, offset: builtins.int = 0, dim1: builtins.int = -2, dim2: builtins.int = -1) -> Tensor:
        """Matrices with the last axis of ``input`` on a diagonal, and 0 elsewhere."""
    def tril(self, diagonal: builtins.int = 0) -> Tensor:
        """The elements on and below a diagonal of each matrix, zeros elsewhere."""
    def triu(self, diagonal: builtins.int = 0) -> Tensor:
        """The elements on and above a diagonal of each matrix, zeros elsewhere."""
    @overload
    def take_along_dim(self, indices: Indices, dim: builtins.int | None = None) -> Tensor:
        """The elements at ``indices`` along axis ``dim``; other axes broadcast."""
    @overload
    def take_along_dim(self, indices: Indices, axis: builtins.int | None = None) -> Tensor: ...
    @overload
    def index_select(self, dim: builtins.int, index: Indices) -> Tensor:
        """The slices of ``input`` at the positions ``index`` along axis ``dim``."""
    @overload
    def index_select(self, axis: builtins.int, index: Indices) -> Tensor: ...
    @overload
    def gather(self, dim: builtins.int, index: Indices, *, sparse_grad: builtins.bool = False) -> Tensor:
        """out[i][j][k] = input[index[i][j][k]][j][k] for dim = 0, and likewise for other axes."""
    @overload
    def gather(self, axis: builtins.int, index: Indices, *, sparse_grad: builtins.bool = False) -> Tensor: ...
    def take(self, index: Indices) -> Tensor:
        """The elements of the flattened tensor at ``index``."""
    def masked_select(self, mask: Tensor | np.ndarray) -> Tensor:
        """The elements where ``mask`` is true, on one axis."""
    @overload
    def scatter(self, dim: builtins.int, index: Indices, src: Operand | None = None, *, reduce: str | None = None,
                value: builtins.float | None = None) -> Tensor:
        """A copy with out[index[i][j]][j] = src[i][j] for dim = 0, and likewise for other axes."""
    @overload
    def scatter(self, axis: builtins.int, index: Indices, src: Operand | None = None, *, reduce: str | None = None,
                value: builtins.float | None = None) -> Tensor: ...
    @overload
    def scatter_add(self, dim: builtins.int, index: Indices, src: Tensor) -> Tensor:
        """A copy with out[index[i][j]][j] += src[i][j] for dim = 0, and likewise for other axes."""
    @overload
    def scatter_add(self, axis: builtins.int, index: Indices, src: Tensor) -> Tensor: ...
    def index_put(self, indices: Sequence[Indices], values: Operand, accumulate: builtins.bool = False) -> Tensor:
        """A copy of ``input`` with input[indices] = values, or += with ``accumulate``; differentiable in both."""
    @overload
    def index_add(self, dim: builtins.int, index: Indices, source: Tensor, *, alpha: builtins.float = 1) -> Tensor:
        """A copy with slice index[i] along ``dim`` increased by alpha times slice i of ``source``."""
    @overload
    def index_add(self, axis: builtins.int, index: Indices, source: Tensor, *, alpha: builtins.float = 1) -> Tensor: ...
    @overload
    def index_copy(self, dim: builtins.int, index: Indices, source: Tensor) -> Tensor:
        """A copy with slice index[i] along ``dim`` replaced by slice i of ``source``."""
    @overload
    def index_copy(self, axis: builtins.int, index: Indices, source: Tensor) -> Tensor: ...
    @overload
    def index_fill(self, dim: builtins.int, index: Indices, value: Operand) -> Tensor:
        """A copy with the slices at ``index`` along ``dim`` filled with one value."""
    @overload
    def index_fill(self, axis: builtins.int, index: Indices, value: Operand) -> Tensor: ...
    def matmul(self, other: Tensor) -> Tensor:
        """Matrix product over the last two axes; leading axes broadcast, 1-D arguments are a row or a column."""
    def mm(self, mat2: Tensor) -> Tensor:
        """Product of two matrices."""
    def bmm(self, mat2: Tensor) -> Tensor:
        """Products of B pairs of matrices."""
    def mv(self, vec: Tensor) -> Tensor:
        """Matrix times vector."""
    def dot(self, tensor: Tensor) -> Tensor:
        """Inner product of two vectors."""
    def outer(self, vec2: Tensor) -> Tensor:
        """Products of all pairs: y[n, m] = input[n] * vec2[m]."""
    def addmm(self, mat1: Tensor, mat2: Tensor, *, beta: builtins.float = 1, alpha: builtins.float = 1) -> Tensor:
        """beta * input + alpha * (mat1 @ mat2)."""
    def baddbmm(self, batch1: Tensor, batch2: Tensor, *, beta: builtins.float = 1, alpha: builtins.float = 1) -> Tensor:
        """beta * input + alpha * (batch1 @ batch2), for B pairs of matrices."""
    def float(self) -> Tensor:
        """The numbers as float32; the tensor itself if they are."""
    def double(self) -> Tensor:
        """The numbers as float64; the tensor itself if they are."""
    def half(self) -> Tensor:
        """The numbers as float16; the tensor itself if they are."""
    def int(self) -> Tensor:
        """The numbers as int32; the tensor itself if they are."""
    def long(self) -> Tensor:
        """The numbers as int64; the tensor itself if they are."""
    def bool(self) -> Tensor:
        """The numbers as bool; the tensor itself if they are."""
    def to(self, *args: DType | Tensor | builtins.bool, device: str | None = None, dtype: DType = None,
           non_blocking: builtins.bool = False, copy: builtins.bool = False) -> Tensor:
        """The tensor on another device or in another dtype; itself if nothing changes."""
    def cpu(self) -> Tensor:
        """The tensor in host memory; itself if it is there."""
    def cuda(self, device: builtins.int | str | None = None, non_blocking: builtins.bool = False) -> Tensor:
        """The tensor on the GPU; itself if it is there."""
    def relu(self) -> Tensor:
        """Rectifier, element by element: y = maximum(x, 0)."""
    def split(self, split_size: Dims, dim: builtins.int = 0) -> tuple[Tensor, ...]:
        """Cut along axis ``dim``, into views: ``tinymm.split(self, split_size, dim)``."""
    def where(self, condition: Tensor, other: Operand) -> Tensor:
        """This tensor where ``condition`` is true, else ``other``: ``tinymm.where(condition, self, other)``."""
    @property
    def T(self) -> Tensor:
        """All axes in reverse order: the transpose of a matrix. A view."""
    @property
    def mT(self) -> Tensor:
        """The last two axes exchanged: the transpose of each matrix. A view."""
    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **kwargs: Any) -> Any: ...
    def __array_function__(self, function: Any, types: Any, args: Any, kwargs: Any) -> Any: ...
    @overload
    def softmax(self, dim: builtins.int, *, dtype: DType = None) -> Tensor:
        """Positive numbers that sum to 1 along ``dim``: e^input over its sum."""
    @overload
    def softmax(self, axis: builtins.int, *, dtype: DType = None) -> Tensor: ...
    @overload
    def log_softmax(self, dim: builtins.int, *, dtype: DType = None) -> Tensor:
        """The logarithm of ``softmax(input, dim)``, accurate where the softmax underflows."""
    @overload
    def log_softmax(self, axis: builtins.int, *, dtype: DType = None) -> Tensor: ...
