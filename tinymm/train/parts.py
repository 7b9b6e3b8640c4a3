"""Parts of a training step that take turns, each with an optimizer of its own: a generator and its discriminator."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

from ..autograd import Tensor
from ..optim import Optimizer


def check_parts(optimizer: Any, step: Any, scheduler: Any) -> None:
    """Raise unless optimizer, step and scheduler of a Trainer are all for one loss, or all for the same named parts.

    Raises:
        TypeError: some of them are dicts of parts and others are not; a name that is no text; a part without an Optimizer.
        ValueError: no part at all, names that differ, or two that are one.
    """
    if not isinstance(optimizer, dict) and not isinstance(step, dict):
        if isinstance(scheduler, dict):
            raise TypeError(f"Trainer: scheduler is a dict of {', '.join(map(repr, scheduler))}, and optimizer is a single one; "
                            "give one scheduler, or name the parts in optimizer and step, too")
        return
    if not (isinstance(optimizer, dict) and isinstance(step, dict)):
        raise TypeError(f"Trainer: optimizer is a {type(optimizer).__name__} and step a {type(step).__name__}; for updates that "
                        "take turns both are dicts with the same names, otherwise neither is")
    if not step or list(map(str, step)) != list(step):
        raise TypeError(f"Trainer: the parts of step are {list(step)}; give at least one, named by text")
    if set(optimizer) != set(step):
        raise ValueError(f"Trainer: optimizer has the parts {list(optimizer)}, step has {list(step)}; each part needs both")
    for name, of_part in optimizer.items():
        if not isinstance(of_part, Optimizer):
            raise TypeError(f"Trainer: optimizer[{name!r}] is a {type(of_part).__name__}, no Optimizer")
    if len(set(map(id, optimizer.values()))) < len(optimizer):
        raise ValueError(f"Trainer: two of the parts {list(optimizer)} have the same optimizer; give each its own")
    if scheduler is not None and not isinstance(scheduler, dict):
        raise TypeError(f"Trainer: scheduler is a {type(scheduler).__name__}, and the step has the parts {list(step)}; give a "
                        "dict, with a scheduler for each part that has one")
    unknown = set(scheduler or ()) - set(step)
    if unknown:
        raise ValueError(f"Trainer: scheduler has the parts {sorted(unknown)}, which step does not have; it has {list(step)}")


def parameters(optimizer: Optimizer) -> list[Tensor]:
    """All that an optimizer changes."""
    return [p for group in optimizer.param_groups for p in group["params"]]


@contextlib.contextmanager
def held(optimizer: dict[str, Optimizer], name: str) -> Iterator[None]:
    """While part ``name`` takes its turn, what only other parts change requires no gradient.

    So its loss may go through all networks, time is spent on the gradients that it uses, and none is left in others.

    Args:
        optimizer: name -> optimizer.
        name: of the part whose turn it is.
    """
    own = set(map(id, parameters(optimizer[name])))
    others = {id(p): p for part, of_part in optimizer.items() if part != name for p in parameters(of_part)
              if p.requires_grad and id(p) not in own}
    for p in others.values():
        p.requires_grad_(False)
    try:
        yield
    finally:
        for p in others.values():
            p.requires_grad_(True)
