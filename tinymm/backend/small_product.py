"""c += a b for matrices small enough to stay in the cache, for use inside kernels, where BLAS must not be called."""

from __future__ import annotations

from .jit import kernel


@kernel
def add_product(a, b, c):
    """c += a b with a (m, k), b (k, n), c (m, n); b and c are read along their rows, which should be long.

    Four rows of ``a`` and four rows of ``b`` at a time: sixteen multiplications then share four loads of ``b`` and
    four of ``c``, and LLVM keeps the sixteen elements of ``a`` in vector registers over the inner loop.
    """
    rows, terms = a.shape
    columns = c.shape[1]
    rows4, terms4 = rows - rows % 4, terms - terms % 4
    for i in range(0, rows4, 4):
        c0, c1, c2, c3 = c[i], c[i + 1], c[i + 2], c[i + 3]
        for k in range(0, terms4, 4):
            a00, a01, a02, a03 = a[i, k], a[i, k + 1], a[i, k + 2], a[i, k + 3]
            a10, a11, a12, a13 = a[i + 1, k], a[i + 1, k + 1], a[i + 1, k + 2], a[i + 1, k + 3]
            a20, a21, a22, a23 = a[i + 2, k], a[i + 2, k + 1], a[i + 2, k + 2], a[i + 2, k + 3]
            a30, a31, a32, a33 = a[i + 3, k], a[i + 3, k + 1], a[i + 3, k + 2], a[i + 3, k + 3]
            for j in range(columns):
                b0, b1, b2, b3 = b[k, j], b[k + 1, j], b[k + 2, j], b[k + 3, j]
                c0[j] = c0[j] + a00 * b0 + a01 * b1 + a02 * b2 + a03 * b3
                c1[j] = c1[j] + a10 * b0 + a11 * b1 + a12 * b2 + a13 * b3
                c2[j] = c2[j] + a20 * b0 + a21 * b1 + a22 * b2 + a23 * b3
                c3[j] = c3[j] + a30 * b0 + a31 * b1 + a32 * b2 + a33 * b3
        for k in range(terms4, terms):
            for r in range(i, i + 4):
                for j in range(columns):
                    c[r, j] += a[r, k] * b[k, j]
    for i in range(rows4, rows):
        for k in range(terms):
            for j in range(columns):
                c[i, j] += a[i, k] * b[k, j]
