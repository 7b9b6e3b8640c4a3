"""NumPy's BLAS library: its threads, and its matrix product inside compiled kernels.

``call_gemm`` is the library's cblas_sgemm or cblas_dgemm. Kernels get its address as a number, because compiled code is kept
on disk and a library lies elsewhere in every process.
"""

from __future__ import annotations

import ctypes
import functools
from collections.abc import Callable
from typing import Any, NoReturn

# What the function is called in NumPy's wheels and in other builds, and whether its integers have 64 bits.
NAMES = (("scipy_cblas_{}gemm64_", True), ("cblas_{}gemm64_", True), ("scipy_cblas_{}gemm", False), ("cblas_{}gemm", False))
THREADS = ("scipy_openblas_{}_num_threads64_", "openblas_{}_num_threads64_", "scipy_openblas_{}_num_threads",
           "openblas_{}_num_threads")
ROW_MAJOR, PLAIN, TRANSPOSED = 101, 111, 112   # cblas.h


class Blas:
    """The library: how many threads it uses, and where its products are.

    Attributes:
        threads, set_threads: ask and say how many threads products use.
        gemm: dtype character -> (address of the product, whether its integers have 64 bits), or None.
    """

    def __init__(self):
        from threadpoolctl import ThreadpoolController

        found = [lib for lib in ThreadpoolController().lib_controllers if lib.user_api == "blas"]
        self.libraries = [lib for lib in found if "numpy" in lib.filepath] or found   # other packages bring their own
        self.gemm = {char: self._address(letter) for char, letter in (("f", "s"), ("d", "d"))}
        self.threads, self.set_threads = self._threads()

    def _address(self, letter: str) -> tuple[int, bool] | None:
        """Of the product, and whether its integers have 64 bits; None where the library has it under no known name."""
        if len(self.libraries) == 1:
            library = ctypes.CDLL(self.libraries[0].filepath)
            for name, wide in NAMES:
                function = getattr(library, name.format(letter), None)
                if function is not None:
                    return ctypes.cast(function, ctypes.c_void_p).value or 0, wide
        return None

    def _threads(self) -> tuple[Callable[[], int], Callable[[int], object]]:
        """threads(), the most that one of the libraries uses, and set_threads(n) for them all.

        One OpenBLAS is called directly: threadpoolctl takes five microseconds for a question. A library that cannot be asked,
        such as Accelerate, counts as one of a single thread, and is left alone.
        """
        if len(self.libraries) == 1:
            library = ctypes.PyDLL(self.libraries[0].filepath)   # without giving up Python's lock: these take no time
            for name in THREADS:
                get, set_ = (getattr(library, name.format(what), None) for what in ("get", "set"))
                if get and set_:
                    set_.argtypes, set_.restype = [ctypes.c_int], None
                    return get, set_
        return (lambda: max([lib.get_num_threads() or 1 for lib in self.libraries], default=1),
                lambda n: [lib.set_num_threads(n) for lib in self.libraries])


@functools.cache
def blas() -> Blas:
    """Looked for once: it takes a millisecond."""
    return Blas()


def call_gemm(function, wide, one, a_kind, b_kind, m, n, k, a, lda, b, ldb, c, ldc) -> Any:
    """C = A B inside a kernel, row-major.

    Args:
        function: address of cblas_?gemm.
        wide: whether its integers have 64 bits.
        one: 1.0 in the dtype of the matrices.
        a_kind, b_kind: PLAIN or TRANSPOSED.
        m, n, k: rows of C, columns of C, and the length of the sums.
        a, b, c: addresses of the first elements.
        lda, ldb, ldc: elements from one row to the next (of the matrix as it lies in memory).
    """
    _outside(function)


def _outside(*_) -> NoReturn:
    raise RuntimeError("call_gemm exists only inside compiled kernels")


@functools.cache
def install() -> None:
    """Tell Numba how to compile ``call_gemm``; called once, when Numba is first needed."""
    from llvmlite import ir
    from numba import types
    from numba.extending import lower_builtin, type_callable

    def typed(function, wide, one, a_kind, b_kind, m, n, k, a, lda, b, ldb, c, ldc):
        return types.none

    type_callable(call_gemm)(lambda context: typed)
    i32, i64, byte = ir.IntType(32), ir.IntType(64), ir.IntType(8).as_pointer()

    @lower_builtin(call_gemm, types.VarArg(types.Any))
    def _(context, builder, signature, args):
        function, wide, one, *rest = args
        kinds = signature.args[3:]
        a_kind, b_kind, m, n, k, a, lda, b, ldb, c, ldc = (context.cast(builder, v, t, types.int64) for v, t in zip(rest, kinds))
        number = one.type
        zero = ir.Constant(number, 0.0)
        pointers = [builder.inttoptr(v, byte) for v in (a, b, c)]
        with builder.if_else(context.is_true(builder, signature.args[1], wide)) as (then, otherwise):
            for branch, size in ((then, i64), (otherwise, i32)):
                with branch:
                    whole = (lambda v: v) if size is i64 else (lambda v: builder.trunc(v, i32))
                    enum = lambda v: builder.trunc(v, i32)
                    kind = ir.FunctionType(ir.VoidType(), [i32] * 3 + [size] * 3 + [number, byte, size, byte, size, number, byte,
                                                                                     size])
                    builder.call(builder.inttoptr(function, kind.as_pointer()), [
                        ir.Constant(i32, ROW_MAJOR), enum(a_kind), enum(b_kind), whole(m), whole(n), whole(k), one, pointers[0],
                        whole(lda), pointers[1], whole(ldb), zero, pointers[2], whole(ldc)])
        return ir.Constant(byte, None)   # None
