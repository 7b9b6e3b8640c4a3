"""The backward pass: take the youngest node, pull its gradient back, hand the parts to its parents.

Every node carries the time of its creation. Whoever uses a result is younger than the result, so a heap
that gives the youngest node first visits each node once, after all gradients for it have arrived: creation
order is a topological order. No recursion, so a graph can be as deep as memory allows.
"""

from __future__ import annotations

from heapq import heappop, heappush
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..backend.arrays import as_array, xp_of
from .function import Output, check_finite
from .state import RECORD, state
from .tensor import AccumulateGrad, Tensor, wrap


def backward(tensors, grad_tensors=None, retain_graph: bool | None = None, create_graph: bool = False,
             inputs=None) -> None:
    """Add the gradients of ``tensors`` to the ``grad`` of every leaf they depend on (or only of ``inputs``).

    Args:
        tensors: Tensors, usually one scalar loss.
        grad_tensors: their cotangents; None stands for 1 and is allowed for one-element tensors.
    """
    tensors = (tensors,) if isinstance(tensors, Tensor) else tuple(tensors)
    grad_tensors = (None,) * len(tensors) if grad_tensors is None else \
        (grad_tensors,) if isinstance(grad_tensors, Tensor) else tuple(grad_tensors)
    only = None
    if inputs is not None:
        inputs = (inputs,) if isinstance(inputs, Tensor) else tuple(inputs)
        only = {t._node for t in inputs}
    seeds = [(t, _cotangent(t, g, "backward")) for t, g in zip(tensors, grad_tensors)]
    _run(seeds, retain_graph, create_graph, accumulate_into=only)


def grad(outputs: Tensor | Sequence[Tensor], inputs: Tensor | Sequence[Tensor],
         grad_outputs: Tensor | Sequence[Tensor | None] | None = None, retain_graph: bool | None = None,
         create_graph: bool = False, allow_unused: bool = False) -> tuple[Tensor, ...]:
    """The gradients of ``outputs`` with respect to ``inputs``, returned instead of added to ``grad``.

    Args:
        outputs: one Tensor or several.
        inputs: one Tensor or several, leaves or not.
        grad_outputs: cotangents of the outputs; None stands for 1.
        retain_graph: keep saved values for another pass (default: same as ``create_graph``).
        create_graph: make the result differentiable.
        allow_unused: give None, instead of an error, for an input that the outputs do not depend on.

    Returns:
        A tuple of Tensors, one for each input.
    """
    outputs = (outputs,) if isinstance(outputs, Tensor) else tuple(outputs)
    inputs = (inputs,) if isinstance(inputs, Tensor) else tuple(inputs)
    grad_outputs = (None,) * len(outputs) if grad_outputs is None else \
        (grad_outputs,) if isinstance(grad_outputs, Tensor) else tuple(grad_outputs)
    for i, t in enumerate(inputs):
        if t._node is None:
            raise RuntimeError(f"grad: inputs[{i}] does not require grad")
    seeds = [(t, _cotangent(t, g, "grad")) for t, g in zip(outputs, grad_outputs)]
    wanted = {t._node: None for t in inputs}
    _run(seeds, retain_graph, create_graph, capture=wanted)
    found: list[Any] = []   # Tensors, and None with ``allow_unused``
    for i, t in enumerate(inputs):
        g = wanted[t._node]
        if g is None and not allow_unused:
            raise RuntimeError(f"grad: the outputs do not depend on inputs[{i}]; pass allow_unused=True to get None")
        found.append(g if g is None or isinstance(g, Tensor) else wrap(g))
    return tuple(found)


def _cotangent(t: Tensor, g: Tensor | None, caller: str):
    if t._node is None:
        raise RuntimeError(f"{caller}: this tensor does not require grad and has no graph; was it computed under "
                           "no_grad, detached, or made from leaves without requires_grad=True?")
    if g is None:
        if t._data.size != 1:
            raise ValueError(f"{caller}: gradient can be left out only for one element, this tensor has shape "
                             f"{t.shape}; use .sum() or give gradient=")
        return wrap(xp_of(t._data).ones(t.shape, t.dtype))
    g = g if isinstance(g, Tensor) else Tensor(g)
    if g.shape != t.shape:
        raise ValueError(f"{caller}: gradient has shape {g.shape} but the tensor has shape {t.shape}")
    return g if g.dtype == t.dtype else g.to(t.dtype)


def _run(seeds, retain_graph, create_graph, accumulate_into=None, capture=None) -> None:
    retain = create_graph if retain_graph is None else retain_graph
    targets = capture if capture is not None else accumulate_into
    path = None if targets is None else _nodes_leading_to([t._node for t, _ in seeds], targets)
    anomaly = state.detect_anomaly
    pending: dict = {}    # node -> gradient that has arrived so far
    owned: set = set()    # nodes whose gradient is an array made here, which may be added to in place
    handed: dict = {}     # id -> array given to a leaf, or held by the caller: not to be given away again
    heap: list = []       # (-seq, node) of the nodes in pending: the youngest comes out first

    flags = state.flags
    state.flags = flags | RECORD if create_graph else flags & ~RECORD
    try:
        for t, g in seeds:
            if not create_graph:
                g = g._data
                handed[id(_root(g))] = g
            node = t._node
            if node in pending:
                pending[node] = pending[node] + g
            else:
                pending[node] = g
                heappush(heap, (-node.seq, node))
        youngest = None   # the next node, where it is known without asking the heap
        while youngest is not None or heap:
            node = heappop(heap)[1] if youngest is None else youngest
            youngest = None
            g = pending.pop(node)
            if node.hooks is not None:
                g = _call_hooks(node, g, create_graph)
            if capture is not None and node in capture:
                capture[node] = g
            kind = type(node)
            if kind is AccumulateGrad:
                if capture is None:
                    _accumulate(node, g, handed, create_graph)
                continue
            if kind is Output:   # a Function with several outputs waits for all of them
                source = node.edges[0]
                if source not in pending:
                    pending[source] = [None] * source.n_outputs
                    heappush(heap, (-source.seq, source))
                pending[source][node.index] = g
                continue
            grads = node.pull(g, create_graph, retain)
            if anomaly:
                check_finite(node.name, "backward", *grads)
            for edge, part in zip(node.edges, grads):
                if part is None or edge is None or path is not None and edge not in path:
                    continue
                before = pending.get(edge)
                if before is None:
                    pending[edge] = part
                    seq = edge.seq
                    if not heap or seq > -heap[0][0]:   # younger than all in the heap: a chain runs without it
                        if youngest is None:
                            youngest = edge
                            continue
                        if seq > youngest.seq:
                            youngest, edge = edge, youngest
                            seq = edge.seq
                    heappush(heap, (-seq, edge))
                elif edge in owned:
                    before += part
                else:
                    pending[edge] = total = before + part   # never in place: the array may be somebody else's too
                    if type(total) is np.ndarray:
                        owned.add(edge)
    finally:
        state.flags = flags


def _nodes_leading_to(roots, targets) -> set:
    """The nodes between ``roots`` and ``targets``, both included: the only ones worth visiting."""
    seen, stack = set(roots), list(roots)
    while stack:
        for edge in stack.pop().edges:
            if edge is not None and edge not in seen:
                seen.add(edge)
                stack.append(edge)
    path = set()
    for node in sorted(seen, key=lambda n: n.seq):   # parents first
        if node in targets or any(edge in path for edge in node.edges if edge is not None):
            path.add(node)
    return path


def _call_hooks(node, g, create_graph):
    for hook in node.hooks:
        as_tensor = g if isinstance(g, Tensor) else wrap(g)
        new = hook(as_tensor)
        if new is not None:
            if new.shape != as_tensor.shape:
                raise RuntimeError(f"hook on {node.name}: returned shape {new.shape} for a gradient of shape "
                                   f"{as_tensor.shape}")
            g = new if create_graph else new._data
    return g


def _accumulate(node: AccumulateGrad, g, handed: dict, create_graph: bool) -> None:
    leaf = node.leaf()
    if leaf is None:
        return
    if create_graph:
        leaf.grad = g if leaf.grad is None else leaf.grad + g
        return
    g = as_array(g)
    if leaf.grad is not None:
        if leaf.grad._node is None:
            leaf.grad._data += g
            leaf.grad._bump("backward")
        else:
            leaf.grad = wrap(leaf.grad._data + g)
        return
    root = _root(g)
    if id(root) in handed or not g.flags.c_contiguous or root.nbytes > g.nbytes + 64 or node.hooks:
        g = root = g.copy()   # somebody else's, or a piece of something larger: the leaf gets its own
    handed[id(root)] = root
    leaf.grad = wrap(g)


def _root(array):
    while getattr(array, "base", None) is not None and hasattr(array.base, "dtype"):
        array = array.base
    return array
