"""The CUDA kernels of attention: the same blocks as on the CPU, sixteen queries by sixteen keys at a time.

The backward pass takes two kernels, one that owns a tile of keys and one that owns a tile of queries, so that no two
thread blocks add to the same element.
"""

from __future__ import annotations

import numpy as np

from ...backend.cuda import CudaKernel

TILE = 16
SHARED_LIMIT = 48 * 1024   # bytes of shared memory that every GPU gives a block without asking

_COMMON = r"""
enum { TILE = 16 };
#define INFINITE __int_as_float(0x7f800000)   // NVRTC has no <math.h>

// Rows first .. first+TILE of x (rows, width) into shared memory, zeros beyond the end.
template <typename T> __device__ void load_tile(const T* x, long long first, long long rows, int width, T* tile) {
    int lane = threadIdx.y * TILE + threadIdx.x;
    for (int i = lane; i < TILE * width; i += TILE * TILE)
        tile[i] = first + i / width < rows ? x[(first + i / width) * width + i % width] : T(0);
}

template <typename T> __device__ T dot(const T* a, const T* b, int width) {
    T s = 0;
    for (int c = 0; c < width; ++c) s += a[c] * b[c];
    return s;
}

// The score of query t and key s with its mask; -infinity where t may not see s.
template <typename T> __device__ T score(const T* q, const T* k, int depth, T scale, const T* bias, int has_bias,
                                         long long step, int causal, long long t, long long s,
                                         long long queries, long long keys) {
    if (t >= queries || s >= keys || (causal && s > t)) return -T(INFINITE);
    T x = dot(q, k, depth) * scale;
    return has_bias ? x + bias[t * step * keys + s] : x;
}
"""

FORWARD = CudaKernel("attention_forward", _COMMON + r"""
// Block (x: tile of queries, y: head); thread (x: key of the tile, y: query of the tile).
template <typename T> __global__ void attention_forward(
        const T* q, const T* k, const T* v, const T* bias, const long long* which, int has_bias, long long step,
        const bool* keep, int has_keep, T keep_scale, T scale, int causal,
        long long queries, long long keys, int depth, int width, long long bias_size, T* out, T* lse) {
    extern __shared__ double attention_shared[];
    T* tq = (T*)attention_shared;          // (TILE, depth)
    T* tk = tq + TILE * depth;             // (TILE, depth)
    T* tv = tk + TILE * depth;             // (TILE, width)
    T* acc = tv + TILE * width;            // (TILE, width)
    T* p = acc + TILE * width;             // (TILE queries, TILE keys)
    long long head = blockIdx.y, t0 = (long long)blockIdx.x * TILE, t = t0 + threadIdx.y;
    const T* b = bias + which[head] * bias_size;
    load_tile(q + head * queries * depth, t0, queries, depth, tq);
    for (int c = threadIdx.x; c < width; c += TILE) acc[threadIdx.y * width + c] = 0;
    T top = -T(INFINITE), total = 0;       // the same in all threads of a query
    long long last = causal && t0 + TILE < keys ? t0 + TILE : keys;
    for (long long s0 = 0; s0 < last; s0 += TILE) {
        __syncthreads();
        load_tile(k + head * keys * depth, s0, keys, depth, tk);
        load_tile(v + head * keys * width, s0, keys, width, tv);
        __syncthreads();
        long long s = s0 + threadIdx.x;
        p[threadIdx.y * TILE + threadIdx.x] = score(tq + threadIdx.y * depth, tk + threadIdx.x * depth, depth, scale,
                                                    b, has_bias, step, causal, t, s, queries, keys);
        __syncthreads();
        T* row = p + threadIdx.y * TILE;
        T raised = top;
        for (int i = 0; i < TILE; ++i) raised = row[i] > raised ? row[i] : raised;
        T base = raised > -T(INFINITE) ? raised : T(0), shrink = exp(top - base);
        total *= shrink;
        for (int i = 0; i < TILE; ++i) total += exp(row[i] - base);
        top = raised;
        T mine = exp(row[threadIdx.x] - base);
        if (has_keep && t < queries && s < keys) mine *= keep[(head * queries + t) * keys + s] ? keep_scale : T(0);
        __syncthreads();                   // everybody has read the scores
        row[threadIdx.x] = mine;
        __syncthreads();
        for (int c = threadIdx.x; c < width; c += TILE) {
            T sum = acc[threadIdx.y * width + c] * shrink;
            for (int i = 0; i < TILE; ++i) sum += row[i] * tv[i * width + c];
            acc[threadIdx.y * width + c] = sum;
        }
    }
    if (t >= queries) return;
    T share = total != 0 ? 1 / total : T(0);
    for (int c = threadIdx.x; c < width; c += TILE)
        out[(head * queries + t) * width + c] = acc[threadIdx.y * width + c] * share;
    if (threadIdx.x == 0) lse[head * queries + t] = total != 0 ? top + log(total) : T(INFINITE);
}
""")

BACKWARD_QUERIES = CudaKernel("attention_backward_queries", _COMMON + r"""
// dq: block (x: tile of queries, y: head) goes over all keys.
template <typename T> __global__ void attention_backward_queries(
        const T* g, const T* q, const T* k, const T* v, const T* bias, const long long* which, int has_bias,
        long long step, const bool* keep, int has_keep, T keep_scale, T scale, int causal,
        long long queries, long long keys, int depth, int width, long long bias_size,
        const T* lse, const T* delta, T* dq) {
    extern __shared__ double attention_shared[];
    T* tq = (T*)attention_shared;          // (TILE, depth)
    T* tk = tq + TILE * depth;             // (TILE, depth)
    T* tv = tk + TILE * depth;             // (TILE, width)
    T* tg = tv + TILE * width;             // (TILE, width)
    T* acc = tg + TILE * width;            // (TILE, depth)
    T* ds = acc + TILE * depth;            // (TILE queries, TILE keys)
    long long head = blockIdx.y, t0 = (long long)blockIdx.x * TILE, t = t0 + threadIdx.y;
    const T* b = bias + which[head] * bias_size;
    load_tile(q + head * queries * depth, t0, queries, depth, tq);
    load_tile(g + head * queries * width, t0, queries, width, tg);
    for (int c = threadIdx.x; c < depth; c += TILE) acc[threadIdx.y * depth + c] = 0;
    T shift = t < queries ? lse[head * queries + t] : T(INFINITE), d = t < queries ? delta[head * queries + t] : T(0);
    long long last = causal && t0 + TILE < keys ? t0 + TILE : keys;
    for (long long s0 = 0; s0 < last; s0 += TILE) {
        __syncthreads();
        load_tile(k + head * keys * depth, s0, keys, depth, tk);
        load_tile(v + head * keys * width, s0, keys, width, tv);
        __syncthreads();
        long long s = s0 + threadIdx.x;
        T weight = exp(score(tq + threadIdx.y * depth, tk + threadIdx.x * depth, depth, scale, b, has_bias, step,
                             causal, t, s, queries, keys) - shift);
        T dp = dot(tg + threadIdx.y * width, tv + threadIdx.x * width, width);
        if (has_keep && t < queries && s < keys) dp *= keep[(head * queries + t) * keys + s] ? keep_scale : T(0);
        ds[threadIdx.y * TILE + threadIdx.x] = weight * (dp - d) * scale;
        __syncthreads();
        for (int c = threadIdx.x; c < depth; c += TILE) {
            T sum = acc[threadIdx.y * depth + c];
            for (int i = 0; i < TILE; ++i) sum += ds[threadIdx.y * TILE + i] * tk[i * depth + c];
            acc[threadIdx.y * depth + c] = sum;
        }
    }
    if (t >= queries) return;
    for (int c = threadIdx.x; c < depth; c += TILE)
        dq[(head * queries + t) * depth + c] = acc[threadIdx.y * depth + c];
}
""")

BACKWARD_KEYS = CudaKernel("attention_backward_keys", _COMMON + r"""
// dk and dv: block (x: tile of keys, y: head) goes over all queries; thread (x: query of the tile, y: key of the tile).
template <typename T> __global__ void attention_backward_keys(
        const T* g, const T* q, const T* k, const T* v, const T* bias, const long long* which, int has_bias,
        long long step, const bool* keep, int has_keep, T keep_scale, T scale, int causal,
        long long queries, long long keys, int depth, int width, long long bias_size,
        const T* lse, const T* delta, T* dk, T* dv) {
    extern __shared__ double attention_shared[];
    T* tk = (T*)attention_shared;          // (TILE, depth)
    T* tv = tk + TILE * depth;             // (TILE, width)
    T* tq = tv + TILE * width;             // (TILE, depth)
    T* tg = tq + TILE * depth;             // (TILE, width)
    T* acc_k = tg + TILE * width;          // (TILE, depth)
    T* acc_v = acc_k + TILE * depth;       // (TILE, width)
    T* p = acc_v + TILE * width;           // (TILE keys, TILE queries)
    T* ds = p + TILE * TILE;               // (TILE keys, TILE queries)
    long long head = blockIdx.y, s0 = (long long)blockIdx.x * TILE, s = s0 + threadIdx.y;
    const T* b = bias + which[head] * bias_size;
    load_tile(k + head * keys * depth, s0, keys, depth, tk);
    load_tile(v + head * keys * width, s0, keys, width, tv);
    for (int c = threadIdx.x; c < depth; c += TILE) acc_k[threadIdx.y * depth + c] = 0;
    for (int c = threadIdx.x; c < width; c += TILE) acc_v[threadIdx.y * width + c] = 0;
    for (long long t0 = causal ? s0 : 0; t0 < queries; t0 += TILE) {      // both kinds of tiles begin together
        __syncthreads();
        load_tile(q + head * queries * depth, t0, queries, depth, tq);
        load_tile(g + head * queries * width, t0, queries, width, tg);
        __syncthreads();
        long long t = t0 + threadIdx.x;
        T shift = t < queries ? lse[head * queries + t] : T(INFINITE);
        T d = t < queries ? delta[head * queries + t] : T(0);
        T weight = exp(score(tq + threadIdx.x * depth, tk + threadIdx.y * depth, depth, scale, b, has_bias, step,
                             causal, t, s, queries, keys) - shift);
        T dp = dot(tg + threadIdx.x * width, tv + threadIdx.y * width, width), noise = 1;
        if (has_keep && t < queries && s < keys) noise = keep[(head * queries + t) * keys + s] ? keep_scale : T(0);
        p[threadIdx.y * TILE + threadIdx.x] = weight * noise;
        ds[threadIdx.y * TILE + threadIdx.x] = weight * (dp * noise - d) * scale;
        __syncthreads();
        for (int c = threadIdx.x; c < depth; c += TILE) {
            T sum = acc_k[threadIdx.y * depth + c];
            for (int i = 0; i < TILE; ++i) sum += ds[threadIdx.y * TILE + i] * tq[i * depth + c];
            acc_k[threadIdx.y * depth + c] = sum;
        }
        for (int c = threadIdx.x; c < width; c += TILE) {
            T sum = acc_v[threadIdx.y * width + c];
            for (int i = 0; i < TILE; ++i) sum += p[threadIdx.y * TILE + i] * tg[i * width + c];
            acc_v[threadIdx.y * width + c] = sum;
        }
    }
    if (s >= keys) return;
    for (int c = threadIdx.x; c < depth; c += TILE) dk[(head * keys + s) * depth + c] = acc_k[threadIdx.y * depth + c];
    for (int c = threadIdx.x; c < width; c += TILE) dv[(head * keys + s) * width + c] = acc_v[threadIdx.y * width + c];
}
""")


def _shared_bytes(dtype, depth: int, width: int) -> int:
    """Shared memory of the hungriest kernel (the backward over keys)."""
    return dtype.itemsize * TILE * (3 * depth + 3 * width + 2 * TILE)


def fits_on_gpu(q, v) -> bool:
    """Whether the tiles of this many features fit in shared memory and the heads in a grid."""
    return _shared_bytes(q.dtype, q.shape[-1], v.shape[-1]) <= SHARED_LIMIT and int(np.prod(q.shape[:-2])) < 65536


def _scalars(q, k, v, bias, which, has_bias, step, keep, has_keep, factor, scale, causal):
    return (bias, which, np.int32(has_bias), np.int64(step), keep, np.int32(has_keep), factor, scale, np.int32(causal),
            np.int64(q.shape[1]), np.int64(k.shape[1]), np.int32(q.shape[2]), np.int32(v.shape[2]),
            np.int64(bias.shape[1] * bias.shape[2]))


def forward_on_gpu(q, k, v, *rest_out_lse):
    """Fill out (N, T, e) and lse (N, T) from q (N, T, d), k (N, S, d), v (N, S, e)."""
    *rest, out, lse = rest_out_lse
    heads, queries, _ = q.shape
    FORWARD(((queries + TILE - 1) // TILE, heads), (TILE, TILE),
            (q, k, v, *_scalars(q, k, v, *rest), out, lse), q.dtype, _shared_bytes(q.dtype, q.shape[2], v.shape[2]))


def backward_on_gpu(g, q, k, v, *rest_out_grads):
    """Fill dq, dk and dv."""
    *rest, out, lse, dq, dk, dv = rest_out_grads
    heads, queries, depth = q.shape
    delta = (g * out).sum(-1)
    inputs = (g, q, k, v, *_scalars(q, k, v, *rest), lse, delta)
    shared = _shared_bytes(q.dtype, depth, v.shape[2])
    BACKWARD_QUERIES(((queries + TILE - 1) // TILE, heads), (TILE, TILE), (*inputs, dq), q.dtype, shared)
    BACKWARD_KEYS(((k.shape[1] + TILE - 1) // TILE, heads), (TILE, TILE), (*inputs, dk, dv), q.dtype, shared)
