"""Matrix products: the one place through which all of them go.

The BLAS library's own threads wait for each other by spinning, and beside other work each then waits a time slice for the
next: two busy neighbours make a small product a hundred times slower. So the library is held to one thread while a product
runs, and a large product is cut into parts, one for each of the kernels' threads, which go to sleep when there is nothing to
do. The library gets its number of threads back after each product, for whatever else in the process uses it. Who has limited
it to one thread (threadpoolctl, OPENBLAS_NUM_THREADS=1) gets products on one thread.

How a product is cut depends on its shape and on the number of threads alone, so that equal calls give equal bits, however busy
the machine is. ``benchmarks/product_thresholds.py`` measures where the thresholds should be.
"""

from __future__ import annotations

import numpy as np

from .arrays import xp_of
from .blas import PLAIN, TRANSPOSED, blas, call_gemm
from .jit import kernel, kernel_mode, prange
from .threads import get_num_threads

# Multiplications from which on OpenBLAS uses more than one thread, in a product of matrices and of a matrix with a vector.
THREADED, THREADED_VECTOR = 1 << 18, 9 << 10
SPLIT = 1 << 23     # multiplications from which on parts pay: 0.1 ms on one thread, five times what it takes to start
EDGE = 16           # rows or columns that a part is a multiple of, so that no register tile is ragged
LARGEST = 1 << 31   # a library of 32-bit integers counts below this


def matmul(a, b, out=None):
    """``numpy.matmul(a, b, out)`` (CuPy's for its arrays).

    Args:
        a: (*, M, K), or (K,).
        b: (*, K, N), or (K,). Leading axes broadcast.
        out: (*, M, N), sharing no memory with a and b, or None.

    Returns:
        (*, M, N).

    Raises:
        ValueError: shapes that do not fit.
    """
    if type(a) is not np.ndarray or type(b) is not np.ndarray:
        return xp_of(a).matmul(a, b, out=out)
    n = b.shape[-1] if b.ndim > 1 else 1
    m = a.shape[-2] if a.ndim > 1 else 1
    one = m * n * a.shape[-1] if a.ndim else 0        # multiplications of one product of matrices
    many = a.size * n >= SPLIT and m > 1 < n
    if one < THREADED and not many and (one < THREADED_VECTOR or m > 1 < n):
        return np.matmul(a, b, out=out)               # nothing that the library would give to threads
    library = blas()
    before = library.threads()
    if before == 1:
        return np.matmul(a, b, out=out)
    library.set_threads(1)
    try:
        y = _in_parts(a, b, out) if many else None
        return np.matmul(a, b, out=out) if y is None else y
    finally:
        library.set_threads(before)


def _in_parts(a, b, out):
    """A large product on all threads; None where its parts cannot be told to the library."""
    threads, gemm = get_num_threads(), blas().gemm.get(a.dtype.char)
    if threads == 1 or gemm is None or a.ndim != b.ndim or not 2 <= a.ndim <= 3 or a.dtype != b.dtype or kernel_mode() != "numba":
        return None
    batch, (m, k), n = a.shape[:-2], a.shape[-2:], b.shape[-1]
    if b.shape != batch + (k, n) or (out is not None and (out.shape != batch + (m, n) or out.dtype != a.dtype)):
        return None                                   # what broadcasts, and what NumPy refuses
    y = np.empty(batch + (m, n), a.dtype) if out is None else out
    of_a, of_b, of_y = _layout(a), _layout(b), _layout(y)
    if of_a is None or of_b is None or of_y is None or of_y[0] != PLAIN or max(m, n, k, of_a[1], of_b[1], of_y[1]) >= LARGEST:
        return None
    if batch and batch[0] >= threads:
        rows = columns = 1
    else:
        rows, columns = (threads, 1) if m >= n else (1, threads)
    _multiply(np.array((*gemm, batch[0] if batch else 1, m, n, k, *of_a, *of_b, *of_y[1:], rows, columns, a.itemsize)),
              a.dtype.type(1), work=a.size * n)
    return y


def _layout(x) -> tuple[int, int, int, int] | None:
    """(PLAIN or TRANSPOSED, elements between rows, bytes between matrices, address); None for a matrix that lies otherwise."""
    down, right = x.strides[-2:]
    rows, columns = x.shape[-2:]
    apart = x.strides[0] if x.ndim == 3 else 0
    address = x.__array_interface__["data"][0]
    if right == x.itemsize and down >= columns * right and down % right == 0:
        return PLAIN, down // right, apart, address
    if down == x.itemsize and right >= rows * down and right % down == 0:
        return TRANSPOSED, right // down, apart, address
    return None


@kernel(parallel=True)
def _multiply(told, one):   # in one array, because Numba looks at every argument of a call
    gemm, wide, batch, m, n, k, a_kind, lda, a_apart, a, b_kind, ldb, b_apart, b, ldc, c_apart, c, rows, columns, size = (
        told[0], told[1], told[2], told[3], told[4], told[5], told[6], told[7], told[8], told[9], told[10], told[11], told[12],
        told[13], told[14], told[15], told[16], told[17], told[18], told[19])
    high = ((m + rows - 1) // rows + EDGE - 1) // EDGE * EDGE              # of a part, its last one excepted
    broad = ((n + columns - 1) // columns + EDGE - 1) // EDGE * EDGE
    for job in prange(batch * rows * columns):
        i, part = job // (rows * columns), job % (rows * columns)
        top, left = part // columns * high, part % columns * broad
        if top < m and left < n:
            call_gemm(gemm, wide, one, a_kind, b_kind, min(high, m - top), min(broad, n - left), k,
                      a + i * a_apart + top * size * (lda if a_kind == PLAIN else 1), lda,
                      b + i * b_apart + left * size * (1 if b_kind == PLAIN else ldb), ldb,
                      c + i * c_apart + (top * ldc + left) * size, ldc)
