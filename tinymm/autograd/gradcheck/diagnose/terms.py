"""Contributions that are lost, doubled or weighted: of one element, one slice of an output, one output, one step of a loop."""

from __future__ import annotations

import numpy as np

from .evidence import TOLERANCE

STEPS = 64    # slices of an axis that are looked at as steps of a loop


def lost_repeats(e) -> str:
    """``lost_accumulation`` where an index occurs several times."""
    return lost_accumulation(e) if any(np.unique(a).size < a.size for a in e.integers) else ""


def lost_accumulation(e) -> str:
    """Only one of several contributions arrived: `=` in place of `+=`."""
    wrong, terms = e.sampled
    if terms is None or not len(wrong):
        return ""
    found = e.analytic.reshape(-1)[wrong]
    there = np.abs(terms) > 1e-9 * np.maximum(np.abs(terms).max(1, keepdims=True), 1e-300)
    hit = np.abs(terms - found[:, None]) <= e.slack
    if (there.sum(1) < 2).any() or not (hit & there).any(1).all():
        return ""
    repeated = any(np.unique(a).size < a.size for a in e.integers)
    return "only one of several contributions arrived, the others are lost: `=` in place of `+=`" + \
        (" where an index occurs twice" if repeated else "") + "?"


def lost_cases(e) -> str:
    """The contributions of one index along an axis of the output alone arrived, or are missing, or count twice."""
    for d, looked, parts in _cases(e):
        n, total = parts.shape[1], parts.sum(1)
        for j in range(n):
            which = f"of index {j} of axis {d} of the output"
            if e.seen(parts[:, j], looked):
                last = ", the last," if j == n - 1 else ""
                loop = ": `=` in place of `+=` in a loop over it" if j in (0, n - 1) else ""
                return f"only the contribution {which}{last} arrived{loop}"
            if n > 2 and e.seen(total - parts[:, j], looked):
                return f"the contribution {which} is missing" + \
                    (": `=` in place of `+=` where several meet?" if lost_accumulation(e) else "")
            if e.seen(total + parts[:, j], looked):
                return f"the contribution {which} counts twice"
    return ""


def weighted_cases(e) -> str:
    """Each index along an axis of the output counts by a factor of its own; by 0, if it is missing."""
    for d, looked, parts in _cases(e):
        if len(looked) < parts.shape[1] + 2:
            continue
        weight, _, rank, _ = np.linalg.lstsq(parts, e.analytic.reshape(-1)[looked], rcond=1e-9)
        if rank < parts.shape[1] or not e.seen(parts @ weight, looked) or np.abs(weight - 1).max() < 1e-3:
            continue
        gone = np.flatnonzero(np.abs(weight) < TOLERANCE)
        if len(gone) and np.abs(np.delete(weight, gone) - 1).max(initial=0.0) < TOLERANCE:
            return f"the contributions of indices {', '.join(map(str, gone))} of axis {d} of the output are missing"
        few = ", ".join(f"{w:.4g}" for w in weight[:4]) + (", ..." if len(weight) > 4 else "")
        return f"a factor that depends on the index along axis {d} of the output: its contributions count {few} times"
    return ""


def _cases(e):
    """(axis of the output, elements looked at, what each index along it contributes to them)."""
    looked, terms = e.looked_at
    if terms is None or e.output_shape is None or not e.analytic.reshape(-1)[looked].any():
        return
    ndim = len(e.output_shape)
    terms = terms.reshape(-1, *e.output_shape)                              # (elements, *output)
    for d, n in enumerate(e.output_shape):
        parts = terms.sum(tuple(i + 1 for i in range(ndim) if i != d))      # (elements, n)
        if 2 <= n <= STEPS and np.abs(parts).max(initial=0.0) > 0:
            yield d, looked, parts


def lost_outputs(e) -> str:
    """Of a function with several outputs, one gives nothing, or two incoming gradients are exchanged."""
    looked, terms = e.looked_at
    if terms is None or len(e.output_shapes) < 2 or not len(looked):
        return ""
    sizes = [int(np.prod(s)) for s in e.output_shapes]
    ends = np.cumsum(sizes)
    parts = np.stack([part.sum(1) for part in np.split(terms, ends[:-1], axis=1)], axis=1)   # (elements, outputs)
    total = parts.sum(1)
    for k in range(len(sizes)):
        if e.seen(total - parts[:, k], looked):
            return f"what comes back through output {k} is missing: its incoming gradient is not used"
    for k in range(len(sizes)):
        if e.seen(parts[:, k], looked):
            return f"only what comes back through output {k} arrived: the other incoming gradients are not used"
    if not e.cotangent.all():
        return ""
    slopes = terms / e.cotangent
    for a in range(len(sizes)):
        for b in range(a + 1, len(sizes)):
            if sizes[a] == sizes[b]:
                order = np.arange(ends[-1])
                first, second = slice(ends[a] - sizes[a], ends[a]), slice(ends[b] - sizes[b], ends[b])
                order[first], order[second] = order[second].copy(), order[first].copy()
                if e.seen(slopes @ e.cotangent[order], looked):
                    return f"the incoming gradients of outputs {a} and {b} are exchanged"
    return ""


def one_step(e) -> str:
    """A matrix's gradient that lies in the span of one slice of another array: the last step of a loop, kept alone."""
    if e.analytic.ndim != 2 or not e.known.all():
        return ""
    arrays = {**e.values, **({"the output": e.outputs.reshape(e.output_shape)} if e.output_shape else {})}
    for name, array in arrays.items():
        for axis in range(min(2, array.ndim - 1)):
            steps = np.moveaxis(array, axis, 0)
            for side, (found, truth) in enumerate(((e.analytic, e.numeric), (e.analytic.T, e.numeric.T))):
                if steps.shape[-1] != found.shape[1] or not 2 <= len(steps) <= STEPS:
                    continue
                for t, step in enumerate(steps.reshape(len(steps), -1, steps.shape[-1])):
                    if np.linalg.matrix_rank(step) < found.shape[1] and _inside(found, step) \
                            and not _inside(truth, step):
                        last = " (a loop that runs backward ends there)" if t == 0 else " (the last)" \
                            if t == len(steps) - 1 else ""
                        return f"only the contribution of index {t}{last} of axis {axis} of {name} arrived, a single step of " \
                            "the loop: `=` in place of `+=`?"
    return ""


def _inside(matrix, rows) -> bool:
    """Whether the rows of ``matrix`` are combinations of ``rows``."""
    weight = np.linalg.lstsq(rows.T, matrix.T, rcond=1e-9)[0]
    return bool(np.abs(rows.T @ weight - matrix.T).max() <= TOLERANCE * np.abs(matrix).max())
