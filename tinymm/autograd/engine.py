"""The backward pass: take the youngest node, pull its gradient back, hand the parts to its parents.

Every node carries the time of its creation. Whoever uses a result is younger than the result, so a heap
that gives the youngest node first visits each node once, after all gradients for it have arrived: creation
order is a topological order. No recursion, so a graph can be as deep as memory allows.
"""

from __future__ import annotations

import threading
from heapq import heappop, heappush
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..backend.arrays import as_array, writeable, xp_of
from .function import Output, check_finite
from .state import RECORD, state
from .tensor import AccumulateGrad, Tensor, keep_grad, wrap


def backward(tensors, grad_tensors=None, retain_graph: bool | None = None, create_graph: bool = False, *,
             inputs=None) -> None:
    """Add the gradients of ``tensors`` to the ``grad`` of every leaf they depend on (or only of ``inputs``).

    Args:
        tensors: Tensors, usually one scalar loss.
        grad_tensors: their cotangents; None stands for 1 and is allowed for one-element tensors.
        retain_graph: keep saved values for another pass (default: same as ``create_graph``).
        create_graph: make the gradients differentiable.
        inputs: Tensors whose ``grad`` is filled, leaves or results; None for all leaves.

    Raises:
        RuntimeError: no graph, a graph already freed, or ``inputs`` that are empty or do not require grad.
        TypeError: something else than Tensors.
        ValueError: a missing or ill-shaped cotangent, or another number of them.
    """
    only = None
    if inputs is not None:
        only = {t._node: t for t in _inputs(inputs, "backward")}
    _run(_seeds(tensors, grad_tensors, "backward"), retain_graph, create_graph, accumulate_into=only)


def grad(outputs: Tensor | Sequence[Tensor], inputs: Tensor | Sequence[Tensor],
         grad_outputs: Tensor | Sequence[Tensor | None] | None = None, retain_graph: bool | None = None,
         create_graph: bool = False, *, allow_unused: bool = False) -> tuple[Tensor, ...]:
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

    Raises:
        RuntimeError: no graph, a graph already freed, no inputs, or an input that does not require grad or that the
            outputs do not depend on.
        TypeError: something else than Tensors.
        ValueError: a missing or ill-shaped cotangent, or another number of them.
    """
    inputs = _inputs(inputs, "grad")
    wanted = {t._node: None for t in inputs}
    _run(_seeds(outputs, grad_outputs, "grad"), retain_graph, create_graph, capture=wanted)
    found: list[Any] = []   # Tensors, and None with ``allow_unused``
    for i, t in enumerate(inputs):
        g = wanted[t._node]
        if g is None and not allow_unused:
            raise RuntimeError(f"grad: the outputs do not depend on inputs[{i}]; pass allow_unused=True to get None")
        found.append(g if g is None or isinstance(g, Tensor) else wrap(g))
    return tuple(found)


def _inputs(inputs, caller: str) -> tuple[Tensor, ...]:
    inputs = (inputs,) if isinstance(inputs, Tensor) else tuple(inputs)
    if not inputs:
        raise RuntimeError(f"{caller}: inputs is empty, so no gradient would be computed; leave it out for all leaves"
                           if caller == "backward" else f"{caller}: inputs is empty; give at least one Tensor")
    for i, t in enumerate(inputs):
        if not isinstance(t, Tensor):
            raise TypeError(f"{caller}: inputs[{i}] is no Tensor but {type(t).__name__}")
        if t._node is None:
            raise RuntimeError(f"{caller}: inputs[{i}] does not require grad")
    return inputs


def _seeds(tensors, cotangents, caller: str) -> list[tuple[Tensor, Tensor]]:
    """Pairs of a tensor and its cotangent."""
    tensors = (tensors,) if isinstance(tensors, Tensor) else tuple(tensors)
    if cotangents is None:
        cotangents = (None,) * len(tensors)
    elif isinstance(cotangents, Tensor) or len(tensors) == 1 and not isinstance(cotangents, (tuple, list)):
        cotangents = (cotangents,)
    if len(cotangents) != len(tensors):
        raise ValueError(f"{caller}: {len(cotangents)} cotangents for {len(tensors)} tensors; give one for each, "
                         "None for 1")
    return [(t, _cotangent(t, g, caller)) for t, g in zip(tensors, cotangents)]


def _cotangent(t: Tensor, g: Tensor | None, caller: str) -> Tensor:
    if not isinstance(t, Tensor):
        raise TypeError(f"{caller}: a gradient starts from Tensors, got {type(t).__name__}")
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
    if g.device != t.device:
        raise RuntimeError(f"{caller}: gradient is on {g.device} but the tensor is on {t.device}")
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
            if path is not None and node not in path:
                continue
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
                g = _call_hooks(node, g, handed, create_graph)
            if capture is not None and node in capture:
                capture[node] = g
            kind = type(node)
            if kind is AccumulateGrad:
                if capture is None:
                    _accumulate(node, g, handed, create_graph)
                continue
            if path is not None and node in targets:
                if capture is None:
                    keep_grad(targets[node], g if isinstance(g, Tensor) else wrap(g))
                if not any(edge in path for edge in node.edges):
                    continue   # nothing before it is asked for: what it saved stays for another pass
            if kind is Output:   # a Function with several outputs waits for all of them
                source = node.edges[0]
                if source not in pending:
                    pending[source] = [None] * source.n_outputs
                    heappush(heap, (-source.seq, source))
                pending[source][node.index] = g
                continue
            grads = node.pull(g, create_graph, retain)
            if node.foreign and not create_graph:
                handed.update((id(_root(part)), part) for part in grads if part is not None)   # it may have kept them
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


def _call_hooks(node, g, handed: dict, create_graph: bool):
    for hook in node.hooks:
        given = g if isinstance(g, Tensor) else wrap(g)
        changes = given._version.count if given._version is not None else 0
        new = hook(given)
        if given._version is not None and given._version.count != changes:
            raise RuntimeError(f"hook on {node.name}: changed the gradient in place ({given._version.changed_by}), which "
                               "other tensors may share; return a new one instead")
        handed[id(_root(given._data))] = given._data   # the hook may have kept it
        if new is None:
            continue
        if not isinstance(new, Tensor):
            raise TypeError(f"hook on {node.name}: returned {type(new).__name__}; return a Tensor, or None")
        if (new.shape, new.dtype, new.device) != (given.shape, given.dtype, given.device):
            raise RuntimeError(f"hook on {node.name}: returned shape {new.shape}, {new.dtype}, on {new.device} for a "
                               f"gradient of shape {given.shape}, {given.dtype}, on {given.device}")
        g = new if create_graph else new._data
        handed[id(_root(new._data))] = new._data
    return g


_leaves = threading.Lock()   # two threads may add to one leaf


def _accumulate(node: AccumulateGrad, g, handed: dict, create_graph: bool) -> None:
    leaf = node.leaf()
    if leaf is None:
        return
    with _leaves:
        before = leaf._grad
        if create_graph:
            leaf._grad = g.clone() if before is None else before + g   # a clone: the same g may go to another leaf
            return
        g = as_array(g)
        if g.dtype is not leaf._data.dtype and g.dtype != leaf._data.dtype:   # `is` is quick
            g = g.astype(leaf._data.dtype)
        if before is not None:
            if before._node is None and before._data.dtype == g.dtype and writeable(before._data):
                before._data += g
                before._bump("backward")
            else:
                leaf._grad = wrap(before._data + g)
            return
        root = _root(g)
        if id(root) in handed or not writeable(g) or root.nbytes > g.nbytes + 64:
            g = root = g.copy()   # somebody else's, or a piece of something larger: the leaf gets its own
        handed[id(root)] = root
        leaf._grad = wrap(g)


def _root(array):
    while getattr(array, "base", None) is not None and hasattr(array.base, "dtype"):
        array = array.base
    return array
