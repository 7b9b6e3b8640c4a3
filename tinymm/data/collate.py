"""Items of a dataset as one batch."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..autograd import Tensor

KINDS: dict[str, Any] = {"arrays and numbers": (Tensor, np.ndarray, np.number, np.bool_, bool, int, float), "dicts": dict,
         "tuples": (tuple, list)}


def default_collate(items: list):
    """Items as one batch: arrays, Tensors and numbers are stacked, tuples and dicts part by part, the rest listed.

    Raises:
        ValueError: arrays of several shapes, tuples of several lengths, dicts of several keys.
        TypeError: items of several kinds.
    """
    kinds = {_kind(item) for item in items}
    if len(kinds) > 1:
        raise TypeError(f"DataLoader: {' and '.join(sorted(kinds))} do not stack; put them together in a collate_fn")
    kind, = kinds
    first = items[0]
    if kind == "arrays and numbers":
        if all(isinstance(item, (bool, int, float)) for item in items):
            return Tensor(items)
        arrays = [item.detach().numpy() if isinstance(item, Tensor) else np.asarray(item) for item in items]
        shapes = {a.shape for a in arrays}
        if len(shapes) > 1:
            raise ValueError(f"DataLoader: items of shapes {sorted(shapes)} do not stack; pad them in a collate_fn")
        return Tensor(np.stack(arrays))
    if kind == "dicts":
        for item in items:
            if item.keys() != first.keys():
                raise ValueError(f"DataLoader: items with the keys {list(first)} and {list(item)} do not stack; put them together "
                                 "in a collate_fn")
        return {key: default_collate([item[key] for item in items]) for key in first}
    if kind == "tuples":
        lengths = {len(item) for item in items}
        if len(lengths) > 1:
            raise ValueError(f"DataLoader: items with {sorted(lengths)} parts do not stack; put them together in a collate_fn")
        parts = [default_collate(list(part)) for part in zip(*items)]
        return type(first)(*parts) if hasattr(first, "_fields") else tuple(parts)   # a named tuple, as PyTorch has it
    return items


def _kind(item) -> str:
    return next((name for name, types in KINDS.items() if isinstance(item, types)), "other things")
