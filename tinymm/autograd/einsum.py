"""einsum: sums of products over named axes (Einstein's convention).

A string like "bij,bjk->bik" is brought to a plain form (diagonals taken, the ellipsis spelled out, lonely axes summed,
axes of length 1 dropped). What is left is a row of contractions of two operands, each a matrix product over transposed
axes. The gradient of a contraction is another contraction, so there is a derivative of every order.
"""

from __future__ import annotations

import math
import string
from typing import Any

import numpy as np

from ..backend import products
from ..backend.arrays import xp_of
from .casting import cast
from .pointwise import promote
from .function import Primitive
from .reduction import sum as sum_
from .shape import broadcast_to, permute, reshape
from .tensor import Tensor
from .triangles import diagonal


class Contract(Primitive):
    """y[out] = sum over the other axes of a[la] b[lb], where every axis of a is also in b or in out, and vice versa."""

    name = "einsum"
    keep = (0, 1)

    def forward(self, a, b, la, lb, out):
        self.labels = la, lb, out
        return contract(a, b, la, lb, out)

    def backward(self, g, a, b):
        la, lb, out = self.labels
        pull = (lambda *x: Contract.apply(*x[:2], la=x[2], lb=x[3], out=x[4])) if isinstance(g, Tensor) else contract
        return (pull(g, b, out, lb, la) if self.edges[0] is not None else None,
                pull(g, a, out, la, lb) if self.edges[1] is not None else None)


def contract(a, b, la: str, lb: str, out: str):
    """The contraction of two arrays, as a (batched) matrix product."""
    batch = [c for c in la if c in lb and c in out]
    inner = [c for c in la if c in lb and c not in out]
    left, right = [c for c in la if c not in lb], [c for c in lb if c not in la]
    size = {**dict(zip(la, a.shape)), **dict(zip(lb, b.shape))}
    order = batch + left + right
    if not inner:   # no sum: broadcasting does it
        a = np.transpose(a, [la.index(c) for c in batch + left]).reshape(
            [size[c] for c in batch + left] + [1] * len(right))
        b = np.transpose(b, [lb.index(c) for c in batch + right]).reshape(
            [size[c] for c in batch] + [1] * len(left) + [size[c] for c in right])
        y = a * b
    elif batch and not left and not right:   # many inner products
        names = dict(zip(size, string.ascii_letters))
        spell = lambda labels: "".join(names[c] for c in labels)
        y = xp_of(a).einsum(f"{spell(la)},{spell(lb)}->{spell(order)}", a, b)
    else:
        count = lambda labels: math.prod(size[c] for c in labels)
        lead = [size[c] for c in batch]
        a = np.transpose(a, [la.index(c) for c in batch + left + inner]).reshape(lead + [count(left), count(inner)])
        b = np.transpose(b, [lb.index(c) for c in batch + inner + right]).reshape(lead + [count(inner), count(right)])
        y = products.matmul(a, b).reshape([size[c] for c in order])
    y = np.transpose(y, [order.index(c) for c in out])
    return y


def einsum(equation: Any, *operands: Any) -> Tensor:
    """Sum of products over named axes, e.g. ``einsum("bij,bjk->bik", a, b)``.

    Gradient: of each operand the einsum of g and the other operands with the letters of the operand as its
    result.

    Args:
        equation: a letter for each axis of each operand, operands separated by commas, then optionally "->" and the
            letters of the result. Letters that are not in the result are summed over. Without "->" the result has the
            letters that occur once, in alphabetical order, after the axes of an ellipsis. "..." stands for any further
            axes, which broadcast. A letter twice in one operand takes its diagonal.
        *operands: Tensors; or, in the other form, ``einsum(a, [0, 1], b, [1, 2], [0, 2])`` with lists of axis numbers.

    Returns:
        Tensor with the axes of the result's letters, in the common dtype.

    Raises:
        ValueError: an equation that does not fit the operands; the message names the letter and the shapes.
    """
    if not isinstance(equation, str):
        equation, operands = _from_lists((equation, *operands))
    elif len(operands) == 1 and isinstance(operands[0], (list, tuple)):
        operands = tuple(operands[0])
    tensors = [t if isinstance(t, Tensor) else Tensor(t) for t in operands]
    inputs, out, size = parse(equation, [t.shape for t in tensors])
    tensors = _one_dtype(tensors)
    parts = []
    for t, labels in zip(tensors, inputs):
        for c in dict.fromkeys(labels):   # a repeated letter: the diagonal, which goes to the end
            while labels.count(c) > 1:
                i, j = labels.index(c), labels.index(c, labels.index(c) + 1)
                t, labels = diagonal(t, 0, i, j), labels[:i] + labels[i + 1:j] + labels[j + 1:] + c
        thin = [c for c, n in zip(labels, t.shape) if n == 1 and size[c] != 1]
        parts.append((reshape(t, tuple(n for c, n in zip(labels, t.shape) if c not in thin)),
                      "".join(c for c in labels if c not in thin)) if thin else (t, labels))
    for i, j in _order(parts, out):
        b, a = parts.pop(j), parts.pop(i)   # i < j
        rest = out + "".join(labels for _, labels in parts)
        (a, la), (b, lb) = _sum_lonely(a, b[1] + rest), _sum_lonely(b, a[1] + rest)
        kept = "".join(c for c in dict.fromkeys(la + lb) if c in rest)
        kept = "".join(c for c in out if c in kept) if not parts else kept
        parts.append((Contract.apply(a, b, la=la, lb=lb, out=kept), kept))
    y, labels = _sum_lonely(parts[0], out)
    missing = [c for c in out if c not in labels]   # only where every operand had length 1 against an explicit size
    y = permute(y, tuple(labels.index(c) for c in out if c in labels)) if labels != out else y
    return broadcast_to(reshape(y, tuple(1 if c in missing else size[c] for c in out)),
                        tuple(size[c] for c in out)) if missing else y


def _sum_lonely(part, elsewhere: str):
    """An operand summed over the axes that occur nowhere else."""
    t, labels = part
    lonely = tuple(i for i, c in enumerate(labels) if c not in elsewhere)
    return (sum_(t, lonely), "".join(c for c in labels if c in elsewhere)) if lonely else part


def _order(parts, out: str):
    """Which two operands to contract next, until one is left: indices into the shrinking list."""
    if len(parts) == 1:
        return []
    if len(parts) == 2:
        return [(0, 1)]
    names = dict(zip(dict.fromkeys("".join(labels for _, labels in parts)), string.ascii_letters))
    spell = lambda labels: "".join(names[c] for c in labels)
    dummies = [np.broadcast_to(np.empty(()), t.shape) for t, _ in parts]   # only their shapes are looked at
    equation = ",".join(spell(labels) for _, labels in parts) + "->" + spell(out)
    path = np.einsum_path(equation, *dummies, optimize="greedy")
    pairs, count = [], len(parts)
    for step in path[0][1:]:
        group = sorted(step)
        while len(group) > 1:   # a step of three or more: two at a time, the result goes to the end of the list
            j, i = group.pop(), group.pop()
            pairs.append((i, j))
            count -= 1
            group.append(count - 1)
    return pairs


def _one_dtype(operands):
    common = operands[0]._data.reshape(-1)[:1]
    for t in operands[1:]:
        common = promote(common, t._data.reshape(-1)[:1])[0]
    return [cast(t, common.dtype) for t in operands]


def _from_lists(args):
    """The string form of einsum(a, [0, 1], b, [1, 2], [0, 2])."""
    letters = string.ascii_uppercase + string.ascii_lowercase   # in the order in which they sort
    spell = lambda axes: "".join("..." if i is Ellipsis else letters[i] for i in axes)
    pairs = len(args) // 2
    equation = ",".join(spell(args[2 * i + 1]) for i in range(pairs))
    return (equation + ("->" + spell(args[-1]) if len(args) % 2 else ""), tuple(args[2 * i] for i in range(pairs)))


def parse(equation: str, shapes) -> tuple[list[str], str, dict[str, int]]:
    """The axis labels of each operand and of the result, the ellipsis spelled out, and the length of each label."""
    where = f"einsum: equation {equation!r} with shapes " + ", ".join(map(str, shapes))
    text = equation.replace(" ", "")
    left, arrow, out = text.partition("->")
    terms = left.split(",")
    if len(terms) != len(shapes):
        raise ValueError(f"{where}: it names {len(terms)} operands but {len(shapes)} are given")
    for term in [*terms, out]:
        if term.count("...") > 1 or not set(term.replace("...", "", 1)) <= set(string.ascii_letters):
            raise ValueError(f"{where}: {term!r} must consist of letters and at most one ...")
    size: dict[str, int] = {}
    inputs, hidden_axes = [], 0
    for term, shape in zip(terms, shapes):
        named = len(term.replace("...", "", 1))
        hidden = len(shape) - named
        if hidden < 0 or hidden > 0 and "..." not in term:
            raise ValueError(f"{where}: {term!r} names {named} axes of an operand with {len(shape)}")
        if "..." in term:   # hidden axes are numbered from the right, as broadcasting does
            hidden_axes = max(hidden_axes, hidden)
            term = term.replace("...", "".join(chr(0x2460 + hidden - 1 - i) for i in range(hidden)))
        inputs.append(term)
        for c, n in zip(term, shape):
            if n != size.setdefault(c, n) and 1 not in (n, size[c]):
                what = f"axis {c!r}" if c in string.ascii_letters else "an axis of the ellipsis"
                raise ValueError(f"{where}: {what} has length {size[c]} in one operand and {n} in another")
            size[c] = n if size[c] == 1 else size[c]
    ellipsis = "".join(chr(0x2460 + hidden_axes - 1 - i) for i in range(hidden_axes))
    if not arrow:
        joined = "".join(inputs)
        out = ellipsis + "".join(sorted(c for c in set(joined) if joined.count(c) == 1 and c in string.ascii_letters))
    else:
        out = out.replace("...", ellipsis)
    for c in out:
        if c not in size or out.count(c) > 1:
            raise ValueError(f"{where}: {c!r} of the result occurs " + ("twice" if c in size else "in no operand"))
    return inputs, out, size


def bilinear(input1: Tensor, input2: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """y_o = x1^T W_o x2 + b_o.

    Gradient: dL/dx1 = sum_o g_o W_o x2; dL/dx2 = sum_o g_o W_o^T x1; dL/dW_o = sum g_o x1 x2^T; dL/db = sum
    g.

    Args:
        input1: (*, I).
        input2: (*, J), the leading axes as in ``input1``.
        weight: (O, I, J).
        bias: (O,) or None.

    Returns:
        Tensor (*, O).

    Raises:
        ValueError: shapes that do not fit.
    """
    if weight.ndim != 3 or input1.shape[-1:] != weight.shape[1:2] or input2.shape[-1:] != weight.shape[2:] \
            or input1.shape[:-1] != input2.shape[:-1]:
        raise ValueError(f"bilinear: input1 {input1.shape} and input2 {input2.shape} with weight {weight.shape}; they "
                         "must be (*, I), (*, J) and (O, I, J)")
    if bias is not None and bias.shape != weight.shape[:1]:
        raise ValueError(f"bilinear: bias has shape {bias.shape} but weight gives {weight.shape[0]} outputs")
    y = einsum("...i,oij,...j->...o", input1, weight, input2)
    return y if bias is None else y + bias
