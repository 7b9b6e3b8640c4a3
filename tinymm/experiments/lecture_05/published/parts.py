"""Training, validation and test parts of published data, drawn at random and bounded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ....backend.random import Stream

PARTS = ("train", "validation", "test")


def some(name: str, part: str, count: int, most: int, seed: int) -> list[int]:
    """At most ``most`` of the rows 0 ... ``count`` - 1 in a random order.

    Raises:
        ValueError: there is none.
    """
    if not count:
        raise ValueError(f"lecture 5: {name}: nothing is left for {part}; it takes more data")
    rows = Stream(f"{name} {part}", seed).generator.permutation(count)[:most].tolist()
    print(f"{name}: {len(rows)} of {count} for {part}")
    return rows


def cut(name: str, items: Sequence, seed: int) -> dict[str, list]:
    """The items as "train", "validation" and "test"; an eighth of them, at least one, is held out for each of the latter two.

    Raises:
        ValueError: fewer than three items.
    """
    if len(items) < 3:
        raise ValueError(f"lecture 5: {name} has {len(items)}; it takes at least 3, for training, validation and test")
    order = Stream(f"{name} parts", seed).generator.permutation(len(items))
    held = max(1, len(items) // 8)
    ends: Mapping[str, slice] = {"validation": slice(0, held), "test": slice(held, 2 * held), "train": slice(2 * held, None)}
    return {part: [items[i] for i in order[ends[part]]] for part in PARTS}
