"""Cross-entropy of logits and class indices (the lecture's slide "Cross-entropy loss"), with the softmax fused in.

    l_n = -w[y] log p_y,   p = softmax(x_n),   y = target[n]              dl_n/dx_c = w[y] (p_c - [c = y])

With label smoothing e (Szegedy et al. 2016, section 7) the target is (1 - e) at y plus e/C everywhere:

    l_n = -(1 - e) w[y] log p_y - e/C sum_c w[c] log p_c

The mean divides by the sum of the weights w[y] of the targets that count. The softmax is not kept: the backward makes
it again from each row's maximum and sum, so that the only large array is the gradient itself.
"""

from __future__ import annotations

import math

import numpy as np

from ...autograd.choice import where
from ...autograd.scatter import take_along_dim
from ...autograd.reduction import logsumexp, sum
from ...autograd.integers import integer
from ...autograd.registry import Sample, register
from ...autograd.shape import movedim, reshape
from ...autograd.tensor import Tensor, wrap
from ...backend.arrays import xp_of
from ...backend.cuda import CudaKernel
from ...backend.jit import kernel, prange, ready
from ...backend.sums import SPAN, total as sum_of
from ...backend.vmath import exp, log
from ..checks import floating, real, same_dtype
from .cross_entropy_soft import SoftCrossEntropy, soft_cross_entropy, soft_samples
from ..fused import Fused
from ..log_softmax import block_sum_exp, sum_exp
from .nll_loss import check_classes, class_axis, class_samples, class_weights, ignoring_some
from .reductions import check_reduction, divided
from ..softmax import BLOCK, WORK, block_max, largest, launch_rows, row_max, span


class CrossEntropy(Fused):
    """The loss above of x (N, C, ...) and integer targets (N, ...), or of x (C,) and one target."""

    name = "cross_entropy"

    # ------------------------------------------------------------------ rung 1: the formula

    @staticmethod
    def definition(x, target, weight, reduction, ignore_index, label_smoothing):
        dim = min(1, x.ndim - 1)
        log_p = x - logsumexp(x, dim, keepdim=True)
        counts = wrap(target._data != ignore_index)
        y = where(counts, target, 0)
        at_y = reshape(take_along_dim(log_p, y.unsqueeze(dim), dim), y.shape)
        w_y = 1.0 if weight is None else weight[y]
        loss = -(1 - label_smoothing) * w_y * at_y
        if label_smoothing:
            if weight is not None:
                log_p = log_p * reshape(weight, (-1,) + (1,) * (x.ndim - 1 - dim))
            loss = loss - label_smoothing / x.shape[dim] * sum(log_p, dim)
        loss = where(counts, loss, 0.0)
        if reduction == "none":
            return loss
        if reduction == "sum":
            return sum(loss)
        if weight is None:
            return sum(loss) / (int(counts._data.sum()) or math.nan)
        return sum(loss) / sum(where(counts, w_y, 0.0))

    # ------------------------------------------------------------------ what the rungs share

    def prepare(self, x, weight, reduction, ignore_index, label_smoothing):
        """Keep the options, and give x as (outer, C, inner)."""
        self.shape, self.reduction, self.ignored = x.shape, reduction, ignore_index
        self.span = span(x.shape, min(1, x.ndim - 1))
        classes = self.span[1]
        self.total = float(sum_of(weight)) if label_smoothing and weight is not None else float(classes)
        self.sharp, self.spread = 1 - label_smoothing, label_smoothing / max(classes, 1)
        return x.reshape(self.span)

    def reduce(self, losses, w_y):
        """The result from the losses of the rows (outer, inner) and the weights of their classes (0 where ignored)."""
        self.divisor = sum_of(w_y) if self.reduction == "mean" else None
        if self.reduction == "none":
            return losses.reshape(self.shape[:1] + self.shape[2:] if len(self.shape) > 1 else ())
        total = sum_of(losses)
        return total if self.divisor is None else divided(total, self.divisor)

    def cotangents(self, g):
        """The gradients of the losses of the rows (outer, inner) from that of the result."""
        outer, _, inner = self.span
        if self.reduction == "none":
            return g.reshape(outer, inner)
        g = g if self.divisor is None else divided(g, self.divisor)
        return xp_of(g).full((outer, inner), g, g.dtype)

    # ------------------------------------------------------------------ rung 2: NumPy

    def forward_numpy(self, x, target, weight, **options):
        x = self.prepare(x, weight, **options)
        y = target.astype(np.int64).reshape(self.span[0], 1, self.span[2])   # a copy, as below
        self.y, self.weight = y, None if weight is None else weight[:, None]
        with np.errstate(invalid="ignore", divide="ignore"):   # rows of -inf: a NaN is the answer
            centred = x - largest(x, (1,))
            e = np.exp(centred)
            total = sum_of(e, 1, keepdims=True)
            self.p, log_total = e / total, np.log(total)
            safe = np.where(y == self.ignored, 0, y)
            self.w_y = np.where(y == self.ignored, 0, 1 if weight is None else weight[safe]).astype(x.dtype)
            losses = self.sharp * self.w_y * (log_total - np.take_along_axis(centred, safe, axis=1))
            if self.spread:
                moved = centred if weight is None else centred * self.weight
                losses = losses + self.spread * (self.total * log_total - sum_of(moved, 1, keepdims=True))
            losses = np.where(y == self.ignored, 0, losses).astype(x.dtype)
        return self.reduce(losses, self.w_y)

    def backward_numpy(self, g):
        hit = xp_of(self.p).arange(self.span[1])[:, None] == self.y
        w = self.sharp * self.w_y
        d = self.p * (w + self.spread * self.total) - hit * w
        d = d - self.spread * (1 if self.weight is None else self.weight)
        with np.errstate(invalid="ignore"):
            dx = np.where(self.y == self.ignored, 0, self.cotangents(g)[:, None] * d)
        return dx.astype(self.p.dtype).reshape(self.shape), None, None

    # ------------------------------------------------------------------ rung 3: Numba

    def forward_numba(self, x, target, weight, **options):
        x = self.prepare(x, weight, **options)
        outer, classes, inner = self.span
        kind = x.dtype.type
        if weight is None:
            weight = np.ones(classes, x.dtype) if self.spread else np.empty(0, x.dtype)   # empty: all are 1
        best, inverse, losses, w_y = np.empty((4, outer, inner), x.dtype)
        y = target.astype(np.int64).reshape(outer, inner)   # a copy: the caller's may change before the backward
        self.kept = (x, ready(y), self.ignored, weight,
                     kind(self.sharp), kind(self.spread), kind(self.total), best, inverse)
        along_rows(self.span, _forward_rows, _forward_blocks, self.kept, losses, w_y)
        return self.reduce(losses, w_y)

    def backward_numba(self, g):
        dx = np.empty(self.shape, g.dtype)
        along_rows(self.span, _backward_rows, _backward_blocks, self.kept, ready(self.cotangents(g)),
                   dx.reshape(self.span))
        return dx, None, None

    # ------------------------------------------------------------------ rung 4: CUDA

    def forward_cuda(self, x, target, weight, **options):
        xp = xp_of(x)
        x = self.prepare(xp.ascontiguousarray(x), weight, **options)
        outer, classes, inner = self.span
        kind = x.dtype.type
        weight = xp.ones(classes, x.dtype) if weight is None else xp.ascontiguousarray(weight)
        best, inverse, losses, w_y = (xp.empty((outer, inner), x.dtype) for _ in range(4))
        self.kept = (x, xp.ascontiguousarray(target.astype(np.int64)), np.int64(self.ignored), weight,
                     kind(self.sharp), kind(self.spread), kind(self.total), best, inverse)
        launch_rows(CUDA_FORWARD, self.span, (*self.kept, losses, w_y), x.dtype)
        return self.reduce(losses, w_y)

    def backward_cuda(self, g):
        xp = xp_of(g)
        dx = xp.empty(self.shape, g.dtype)
        launch_rows(CUDA_BACKWARD, self.span, (*self.kept, xp.ascontiguousarray(self.cotangents(g)), dx), g.dtype)
        return dx, None, None


def along_rows(span, rows_kernel, blocks_kernel, kept, *arrays) -> None:
    """Call one kernel where the classes are the last axis, as (rows, C), and the other where they are not."""
    outer, classes, inner = span
    work = outer * classes * inner // WORK
    if inner > 1:
        blocks_kernel(*kept, *arrays, work=work)
        return
    x, y, ignored, weight, keep, spread, total, best, inverse = kept
    flat = [a.reshape(outer, classes) if a.ndim == 3 else a.reshape(outer) for a in arrays]
    rows_kernel(x.reshape(outer, classes), y.reshape(outer), ignored, weight, keep, spread, total, best.reshape(outer),
                inverse.reshape(outer), *flat, work=work)


@kernel(reassociate=True)
def _weighted(row, best, weight):
    """sum_c w[c] (x_c - best)."""
    total = 0.0
    for start in range(0, row.shape[0], SPAN):
        part, xs, ws = row.dtype.type(0), row[start:start + SPAN], weight[start:start + SPAN]
        for c in range(xs.shape[0]):
            part += ws[c] * (xs[c] - best)
        total += part
    return row.dtype.type(total)


@kernel(parallel=True)
def _forward_rows(x, y, ignored, weight, keep, spread, total_weight, best, inverse, losses, w_y):
    one, zero = x.dtype.type(1), x.dtype.type(0)
    for n in prange(x.shape[0]):
        losses[n] = w_y[n] = zero
        if y[n] != ignored:
            m = row_max(x[n])
            total = sum_exp(x[n], m)
            best[n], inverse[n] = m, one / total
            w_y[n] = w = weight[y[n]] if weight.size else one
            # (x - m) first: x - (m + log) would lose the digits of a small difference between large logits
            losses[n] = keep * w * (log(total) - (x[n, y[n]] - m))
            if spread != zero:
                losses[n] += spread * (total_weight * log(total) - _weighted(x[n], m, weight))


@kernel(parallel=True)
def _backward_rows(x, y, ignored, weight, keep, spread, total_weight, best, inverse, g, dx):
    one, zero = x.dtype.type(1), x.dtype.type(0)
    for n in prange(x.shape[0]):
        if y[n] == ignored:
            dx[n] = zero
        else:
            m = best[n]
            w = keep * (weight[y[n]] if weight.size else one)
            scale = g[n] * (w + spread * total_weight) * inverse[n]
            if spread != zero:
                for c in range(x.shape[1]):
                    dx[n, c] = scale * exp(x[n, c] - m) - g[n] * spread * weight[c]
            else:
                for c in range(x.shape[1]):
                    dx[n, c] = scale * exp(x[n, c] - m)
            dx[n, y[n]] -= g[n] * w


@kernel(parallel=True)
def _forward_blocks(x, y, ignored, weight, keep, spread, total_weight, best, inverse, losses, w_y):
    one, zero = x.dtype.type(1), x.dtype.type(0)
    outer, classes, inner = x.shape
    blocks = (inner + BLOCK - 1) // BLOCK
    for task in prange(outer * blocks):
        o, start = task // blocks, task % blocks * BLOCK
        columns = min(BLOCK, inner - start)
        m, total, moved = np.empty(columns, x.dtype), np.empty(columns, x.dtype), np.zeros(columns)
        block_max(x, o, start, m)
        block_sum_exp(x, o, start, m, total)
        if spread != zero:
            for c in range(classes):
                xs, w = x[o, c, start:start + columns], weight[c]
                for j in range(columns):
                    moved[j] += w * (xs[j] - m[j])
        for j in range(columns):
            i = start + j
            best[o, i], inverse[o, i], losses[o, i], w_y[o, i] = m[j], one / total[j], zero, zero
            if y[o, i] != ignored:
                w_y[o, i] = w = weight[y[o, i]] if weight.size else one
                losses[o, i] = keep * w * (log(total[j]) - (x[o, y[o, i], i] - m[j]))
                if spread != zero:
                    losses[o, i] += spread * (total_weight * log(total[j]) - x.dtype.type(moved[j]))


@kernel(parallel=True)
def _backward_blocks(x, y, ignored, weight, keep, spread, total_weight, best, inverse, g, dx):
    one, zero = x.dtype.type(1), x.dtype.type(0)
    outer, classes, inner = x.shape
    blocks = (inner + BLOCK - 1) // BLOCK
    for task in prange(outer * blocks):
        o, start = task // blocks, task % blocks * BLOCK
        columns = min(BLOCK, inner - start)
        gs, ms = g[o, start:start + columns], best[o, start:start + columns]
        scale = np.empty(columns, x.dtype)
        for j in range(columns):
            i = start + j
            w = keep * (weight[y[o, i]] if weight.size and y[o, i] != ignored else one)
            scale[j] = g[o, i] * (w + spread * total_weight) * inverse[o, i]
        for c in range(classes):
            xs, ds = x[o, c, start:start + columns], dx[o, c, start:start + columns]
            shift = spread * weight[c] if spread != zero else zero
            for j in range(columns):
                ds[j] = scale[j] * exp(xs[j] - ms[j]) - gs[j] * shift
        for j in range(columns):
            i = start + j
            if y[o, i] != ignored:
                dx[o, y[o, i], i] -= g[o, i] * keep * (weight[y[o, i]] if weight.size else one)
            else:
                for c in range(classes):
                    dx[o, c, i] = zero


CUDA_FORWARD = CudaKernel("cross_entropy_forward", r"""
// One block a row; class c of row r is at (r / inner * width + c) * inner + r % inner.
template <typename T> __global__ void cross_entropy_forward(
        const T* x, const long long* y, long long ignored, const T* weight, T keep, T spread, T total_weight,
        T* best, T* inverse, T* losses, T* w_y, long long width, long long inner) {
    long long r = blockIdx.x, at = r / inner * width * inner + r % inner;
    if (y[r] == ignored) {   // the same for the whole block, so no thread waits for another
        if (threadIdx.x == 0) { best[r] = 0; inverse[r] = 0; losses[r] = 0; w_y[r] = 0; }
        return;
    }
    T m = -INFINITY, total = 0, moved = 0;
    for (long long c = threadIdx.x; c < width; c += blockDim.x) m = max(m, x[at + c * inner]);
    m = block_max(m);
    for (long long c = threadIdx.x; c < width; c += blockDim.x) {
        T d = x[at + c * inner] - m;
        total += exp(d);
        if (spread != 0) moved += weight[c] * d;
    }
    total = block_sum(total);
    moved = block_sum(moved);
    if (threadIdx.x == 0) {
        T loss = keep * weight[y[r]] * (log(total) - (x[at + y[r] * inner] - m));
        if (spread != 0) loss += spread * (total_weight * log(total) - moved);
        best[r] = m;
        inverse[r] = 1 / total;
        losses[r] = loss;
        w_y[r] = weight[y[r]];
    }
}
""")

CUDA_BACKWARD = CudaKernel("cross_entropy_backward", r"""
template <typename T> __global__ void cross_entropy_backward(
        const T* x, const long long* y, long long ignored, const T* weight, T keep, T spread, T total_weight,
        const T* best, const T* inverse, const T* g, T* dx, long long width, long long inner) {
    long long r = blockIdx.x, at = r / inner * width * inner + r % inner;
    bool counts = y[r] != ignored;
    T w = counts ? keep * weight[y[r]] : T(0);
    T scale = g[r] * (w + spread * total_weight) * inverse[r], m = best[r];
    for (long long c = threadIdx.x; c < width; c += blockDim.x) {
        T d = scale * exp(x[at + c * inner] - m);
        if (spread != 0) d -= g[r] * spread * weight[c];
        if (c == y[r]) d -= g[r] * w;
        dx[at + c * inner] = counts ? d : T(0);
    }
}
""")


def cross_entropy(input: Tensor, target: Tensor, weight: Tensor | None = None, *, ignore_index: int = -100,
                  reduction: str = "mean", label_smoothing: float = 0.0) -> Tensor:
    """Cross-entropy between softmax(input) and target classes, or target distributions.

        l = -weight[y] * log p_y,   p = softmax(input),   y = target

    Gradient: dL/dinput_c = g * weight[y] * (p_c - [c = y]), over the divisor of a mean. With a distribution q
    for the class, given or made by smoothing, it is g * (p_c * sum_k weight_k q_k - weight_c q_c).

    Args:
        input: logits, (C,), (N, C) or (N, C, d1, ...).
        target: class indices, (), (N,) or (N, d1, ...); or probabilities of the classes, of the shape of ``input``.
        weight: (C,), a weight for each class.
        ignore_index: targets with this value count for nothing and get exactly zero gradient (indices only).
        reduction: "none", "sum" or "mean". The mean over indices divides by the sum of the weights of their classes
            (NaN when all are ignored), the mean over probabilities by the number of cases.
        label_smoothing: e in [0, 1]; the target becomes (1 - e) target + e/C.

    Returns:
        A 0-d Tensor, or one loss for each case with reduction "none".

    Raises:
        IndexError: a class outside [0, C); the message names it and where it stands.
        ValueError: shapes that do not fit, an unknown reduction.
        TypeError: logits or a target of a dtype that does not fit.
    """
    input = floating("cross_entropy", "input", input)
    dim = class_axis("cross_entropy", input, target, weight)
    check_reduction("cross_entropy", reduction)
    ignore_index = integer("cross_entropy", "ignore_index", ignore_index)
    if not 0 <= real("cross_entropy", "label_smoothing", label_smoothing) <= 1:
        raise ValueError(f"cross_entropy: label_smoothing={label_smoothing} is not between 0 and 1")
    if target.dtype.kind == "f":
        if target.shape != input.shape:
            raise ValueError(f"cross_entropy: a floating-point target holds class probabilities and must have the "
                             f"shape of input, {input.shape}, not {target.shape}; class indices must be integers: "
                             "use target.long()")
        if ignore_index >= 0:
            raise ValueError(f"cross_entropy: ignore_index={ignore_index} has no meaning for class probabilities")
        return soft_cross_entropy(input, target, weight, reduction, label_smoothing)
    check_classes("cross_entropy", input, target, ignore_index, dim)
    input, weight = same_dtype(input, weight)
    options = dict(ignore_index=ignore_index, label_smoothing=label_smoothing)
    if weight is not None and weight.requires_grad:   # rare enough to be left to the formula
        return CrossEntropy.definition(input, target, weight, reduction, **options)
    x = input._data
    if x.ndim == 3 and not x.flags.c_contiguous and x.swapaxes(1, 2).flags.c_contiguous:
        # (N, C, T) made by transposing (N, T, C): the classes are contiguous already
        rows = reshape(movedim(input, 1, 2), (-1, input.shape[1]))
        loss = CrossEntropy.apply(rows, reshape(target, -1), weight, reduction=reduction, **options)
        return reshape(loss, target.shape) if reduction == "none" else loss
    return CrossEntropy.apply(input, target, weight, reduction=reduction, **options)


def _samples(draw):
    yield from class_samples(draw)
    weights, ignoring = class_weights(draw), ignoring_some(draw)
    yield Sample(draw.normal(6, 5), ignoring(5, 6), weights(5), label_smoothing=0.1)
    yield Sample(draw.normal(6, 5), draw.integers(0, 5, 6), ignore_index=2, label_smoothing=0.3, reduction="none")
    yield Sample(draw.normal(2, 4, 3), ignoring(4, 2, 3), weights(4), label_smoothing=0.2)
    yield Sample(draw.normal(2, 3, 2, 75), ignoring(3, 2, 2, 75), label_smoothing=0.2)
    yield Sample(draw.normal(3, 333, scale=20.0), draw.integers(0, 333, 3))


register("cross_entropy", cross_entropy, _samples, torch="nn.functional.cross_entropy", fused=CrossEntropy)
register("cross_entropy:probabilities", cross_entropy, soft_samples, torch="nn.functional.cross_entropy",
         fused=SoftCrossEntropy)
