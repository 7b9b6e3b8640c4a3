"""CUDA kernels as source text, compiled at their first call by CuPy.

Every kernel is listed when its module is imported, so that a machine without a GPU can still
compile all of them (tests/backend/test_cuda.py), and a machine with one can say which have been run (tests/test_gpu.py).
"""

from __future__ import annotations

from typing import Any

from .arrays import require_cupy

SOURCES: dict[str, "CudaKernel"] = {}   # kernel name -> kernel, in order of definition

PRELUDE = r"""
#ifndef INFINITY
#define INFINITY __int_as_float(0x7f800000)   // NVRTC has no <math.h>
#endif
__device__ __forceinline__ float  shuffle_down(float v, int d)  { return __shfl_down_sync(0xffffffffu, v, d); }
__device__ __forceinline__ double shuffle_down(double v, int d) { return __shfl_down_sync(0xffffffffu, v, d); }

// Sum of v over the block, returned to every thread; blockDim.x is a multiple of 32, at most 1024.
template <typename T> __device__ T block_sum(T v) {
    __shared__ T part[32];
    __syncthreads();
    for (int d = 16; d > 0; d >>= 1) v += shuffle_down(v, d);
    if ((threadIdx.x & 31) == 0) part[threadIdx.x >> 5] = v;
    __syncthreads();
    T total = 0;
    for (int w = 0; w < (blockDim.x + 31) / 32; ++w) total += part[w];
    return total;
}

// Largest v over the block, returned to every thread.
template <typename T> __device__ T block_max(T v) {
    __shared__ T part[32];
    __syncthreads();
    for (int d = 16; d > 0; d >>= 1) { T o = shuffle_down(v, d); v = o > v ? o : v; }
    if ((threadIdx.x & 31) == 0) part[threadIdx.x >> 5] = v;
    __syncthreads();
    T best = part[0];
    for (int w = 1; w < (blockDim.x + 31) / 32; ++w) best = part[w] > best ? part[w] : best;
    return best;
}
"""


def is_available() -> bool:
    """Whether CuPy is installed and sees a GPU."""
    try:
        import cupy
    except ImportError:
        return False
    return cupy.cuda.is_available()


class CudaKernel:
    """One ``__global__`` template over the floating-point type ``T``.

    Args:
        name: the kernel's name in ``source``, declared ``template <typename T> __global__ void name(...)``.
        source: CUDA C++; ``block_sum`` and ``block_max`` of the prelude are at hand.
    """

    DTYPES = {"float32": "float", "float64": "double"}

    def __init__(self, name: str, source: str):
        if name in SOURCES:
            raise ValueError(f"CudaKernel: a kernel named {name!r} exists already")
        self.name, self.source = name, source
        self._compiled: dict[str, Any] = {}
        SOURCES[name] = self

    def __call__(self, grid: int | tuple, block: int | tuple, args: tuple, dtype, shared: int = 0) -> None:
        """Launch on CuPy arrays: integers and floats among ``args`` must be NumPy scalars of the C type."""
        kernel = self._compiled.get(str(dtype))
        if kernel is None:
            kernel = self._compile(str(dtype))
        as_tuple = lambda size: size if isinstance(size, tuple) else (size,)
        kernel(as_tuple(grid), as_tuple(block), args, shared_mem=shared)

    def _compile(self, dtype: str):
        cupy = require_cupy()
        expression = f"{self.name}<{self.DTYPES[dtype]}>"
        module = cupy.RawModule(code=PRELUDE + self.source, options=("-std=c++17",), name_expressions=(expression,))
        self._compiled[dtype] = module.get_function(expression)
        return self._compiled[dtype]
