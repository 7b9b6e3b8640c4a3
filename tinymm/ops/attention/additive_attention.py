"""The score of additive attention (Bahdanau et al. 2015; the f_att of the slide "Show, Attend and Tell").

    e_i = w . tanh(k_i + q)

for every location i, with the keys k_i = W_a a_i + b of the annotation vectors and the query q = W_h h of the state. The
tanh of all locations is the dear part of a decoder step; the backward computes it again instead of keeping it.
"""

from __future__ import annotations

import numpy as np

from ...autograd.elementwise import tanh
from ...autograd.linalg import matmul
from ...autograd.registry import Sample, register
from ...autograd.tensor import Tensor
from ...backend.aligned import aligned_zeros
from ...backend.arrays import xp_of
from ...backend.cuda import CudaKernel
from ...backend.jit import chunks, kernel, prange
from ...backend.sums import total
from ...backend.vmath import tanh as tanh_
from ..checks import floating, one_device, same_dtype
from ..fused import Fused


class AdditiveAttentionScore(Fused):
    """e (B, L) from query (B, A), key (B, L, A) and weight (A,)."""

    name = "additive_attention_score"

    # ------------------------------------------------------------------ rung 1: the formula

    @staticmethod
    def definition(query, key, weight):
        return matmul(tanh(key + query[:, None]), weight)   # (B, L, A) @ (A,) -> (B, L)

    # ------------------------------------------------------------------ rung 2: NumPy

    def forward_numpy(self, query, key, weight):
        self.q, self.k, self.w = query, key, weight
        return np.matmul(np.tanh(key + query[:, None]), weight)

    def backward_numpy(self, g):
        t = np.tanh(self.k + self.q[:, None])                   # (B, L, A)
        dk = (1 - t * t) * (g[:, :, None] * self.w)             # the gradient of k_i + q, before any sum
        return (total(dk, 1) if self.needs[0] else None, dk if self.needs[1] else None,
                total(g[:, :, None] * t, (0, 1)) if self.needs[2] else None)

    # ------------------------------------------------------------------ rung 3: Numba

    def forward_numba(self, query, key, weight):
        self.q, self.k, self.w = query, key, weight
        e = np.empty(key.shape[:2], key.dtype)
        _forward(query, key, weight, e, work=key.size)
        return e

    def backward_numba(self, g):
        B, _, A = self.k.shape
        dq, dk = np.empty(self.q.shape, g.dtype), np.empty(self.k.shape, g.dtype)
        dw = aligned_zeros((chunks(B, self.k.size), A), g.dtype)
        _backward(g, self.q, self.k, self.w, dq, dk, dw, work=self.k.size)
        return dq, dk, total(dw, 0)

    # ------------------------------------------------------------------ rung 4: CUDA

    def forward_cuda(self, query, key, weight):
        xp = xp_of(key)
        self.q, self.k, self.w = (xp.ascontiguousarray(a) for a in (query, key, weight))
        B, L, A = key.shape
        e = xp.empty((B, L), key.dtype)
        if e.size:
            CUDA_FORWARD(B * L, 128, (self.q, self.k, self.w, np.int64(L), np.int64(A), e), key.dtype)
        return e

    def backward_cuda(self, g):
        xp = xp_of(g)
        B, L, A = self.k.shape
        dq, dk, dw = xp.empty_like(self.q), xp.empty_like(self.k), xp.zeros((B, A), g.dtype)
        if B * A:
            CUDA_BACKWARD(B, 128, (xp.ascontiguousarray(g), self.q, self.k, self.w, np.int64(L), np.int64(A), dq, dk, dw),
                          g.dtype)
        return dq, dk, total(dw, 0)


@kernel(parallel=True, reassociate=True)
def _forward(q, k, w, e):
    B, L, A = k.shape
    for b in prange(B):
        query = q[b]
        for i in range(L):
            row, total = k[b, i], k.dtype.type(0)
            for a in range(A):
                total += w[a] * tanh_(row[a] + query[a])
            e[b, i] = total


@kernel(parallel=True)
def _backward(g, q, k, w, dq, dk, dw):
    B, L, A = k.shape
    parts, one = dw.shape[0], k.dtype.type(1)
    for p in prange(parts):
        d_weight = dw[p]
        for b in range(B * p // parts, B * (p + 1) // parts):
            query, d_query = q[b], dq[b]
            for a in range(A):
                d_query[a] = 0
            for i in range(L):
                row, d_row, gi = k[b, i], dk[b, i], g[b, i]
                for a in range(A):
                    t = tanh_(row[a] + query[a])
                    d = gi * w[a] * (one - t * t)
                    d_row[a] = d
                    d_query[a] += d
                    d_weight[a] += gi * t


CUDA_FORWARD = CudaKernel("additive_score_forward", r"""
// One block a location.
template <typename T> __global__ void additive_score_forward(const T* q, const T* k, const T* w, long long L, long long A,
                                                             T* e) {
    const T* row = k + blockIdx.x * A;
    const T* query = q + blockIdx.x / L * A;
    T total = 0;
    for (long long a = threadIdx.x; a < A; a += blockDim.x) total += w[a] * tanh(row[a] + query[a]);
    total = block_sum(total);
    if (threadIdx.x == 0) e[blockIdx.x] = total;
}
""")

CUDA_BACKWARD = CudaKernel("additive_score_backward", r"""
// One block an image, one thread a column; the sum of dw over images is left to CuPy.
template <typename T> __global__ void additive_score_backward(const T* g, const T* q, const T* k, const T* w, long long L,
                                                              long long A, T* dq, T* dk, T* dw) {
    for (long long a = threadIdx.x; a < A; a += blockDim.x) {
        T query = q[blockIdx.x * A + a], d_query = 0, d_weight = 0;
        for (long long i = 0; i < L; ++i) {
            long long row = blockIdx.x * L + i;
            T t = tanh(k[row * A + a] + query), d = g[row] * w[a] * (1 - t * t);
            dk[row * A + a] = d;
            d_query += d;
            d_weight += g[row] * t;
        }
        dq[blockIdx.x * A + a] = d_query;
        dw[blockIdx.x * A + a] = d_weight;
    }
}
""")


def additive_attention_score(query: Tensor, key: Tensor, weight: Tensor) -> Tensor:
    """e_i = weight . tanh(key_i + query) for every location i.

    Gradient: dL/dkey = g * weight * (1 - t^2) with t = tanh(key + query); dL/dquery = its sum over the
    locations; dL/dweight = the sum of g * t.

    Args:
        query: (B, A).
        key: (B, L, A), one row a location.
        weight: (A,).

    Returns:
        e (B, L); its softmax along axis 1 is the attention.

    Raises:
        ValueError: shapes that do not fit; the message names the axes.
    """
    name = "additive_attention_score"
    for argument, value in (("query", query), ("key", key), ("weight", weight)):
        floating(name, argument, value)
    if query.ndim != 2 or key.ndim != 3 or weight.ndim != 1:
        raise ValueError(f"{name}: query has shape {query.shape}, key {key.shape} and weight {weight.shape}; they must be "
                         "(B, A), (B, L, A) and (A,)")
    if key.shape[0] != query.shape[0] or not key.shape[2] == query.shape[1] == weight.shape[0]:
        raise ValueError(f"{name}: query (B={query.shape[0]}, A={query.shape[1]}) and weight (A={weight.shape[0]}) do not fit "
                         f"key (B={key.shape[0]}, L={key.shape[1]}, A={key.shape[2]})")
    one_device(name, query=query, key=key, weight=weight)
    return AdditiveAttentionScore.apply(*same_dtype(query, key, weight))


def _samples(draw):
    for B, L, A in ((2, 3, 5), (1, 1, 1), (3, 7, 33), (0, 3, 2), (2, 0, 3), (2, 3, 0), (9, 36, 130)):
        yield Sample(draw.normal(B, A), draw.normal(B, L, A), draw.normal(A))


register("additive_attention_score", additive_attention_score, _samples, fused=AdditiveAttentionScore)
