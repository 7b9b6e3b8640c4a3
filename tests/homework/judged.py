"""The reference of a task against an equation that somebody wrote in PyTorch."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from tinymm.homework import reference
from tinymm.homework.exercise import Task


def worst_gap(task: Task, equation: Callable) -> float:
    """The largest relative difference of values and gradients over all cases of a task.

    Args:
        task: whose reference is judged.
        equation: ``equation(torch, *arguments)`` -> a Tensor or a tuple of them, the task's outputs.
    """
    torch, worst = pytest.importorskip("torch"), 0.0
    for case in task.cases_drawn():
        arguments = [torch.tensor(v) if isinstance(v, np.ndarray) else v for v in case.arguments.values()]
        leaves = [a.requires_grad_() for a, name in zip(arguments, case.arguments) if name in task.gradients]
        want, found = equation(torch, *arguments), reference.values(task.reference, case)
        want = want if isinstance(want, tuple) else (want,)
        pairs = list(zip(found, [w.detach().numpy() for w in want]))
        if leaves:
            cotangents = reference.cotangents(found)
            gradients = torch.autograd.grad(want, leaves, [torch.tensor(c) for c in cotangents])
            pairs += zip(reference.gradients(task.reference, task, case, cotangents), [g.numpy() for g in gradients])
        assert all(a.shape == b.shape for a, b in pairs)
        worst = max(worst, *(np.abs(a - b).max(initial=0) / max(np.abs(b).max(initial=0), 1) for a, b in pairs))
    return worst
