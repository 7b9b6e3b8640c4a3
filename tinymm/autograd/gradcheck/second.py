"""gradgradcheck: are the second derivatives, recorded by ``create_graph=True``, those of the backward?

The gradient is itself a function, of the inputs and of the cotangents. Its analytic derivative comes from
differentiating the recorded backward; the numeric one from finite differences of the ordinary backward, the fused
kernel where there is one. So the check also holds the two backwards against each other.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ...backend import random
from ...backend.arrays import to_host, xp_of
from ..engine import grad
from ..function import Function
from ..tensor import Tensor
from .compare import Plan, random_signs
from .report import GradcheckError, GradcheckReport
from .run import Check, name_of
from .subject import Leaf, Subject, outputs_of


class Twice(Subject):
    """The gradient of a Subject's function, as a function of its inputs and of the cotangents."""

    seed = 0
    inconsistent: Any = None

    def __enter__(self) -> Twice:
        super().__enter__()
        self.inner = list(self.leaves)
        rng = np.random.Generator(np.random.Philox(key=self.seed + 1))
        self.rewind()
        outputs = outputs_of(self.func(*self.args))
        self.inner_outputs = [i for i, o in enumerate(outputs) if o.requires_grad]
        random.load_state_dict(self._streams)
        for i in self.inner_outputs:
            values = random_signs(rng, *outputs[i].shape) * np.isfinite(to_host(outputs[i]._data))
            cotangent = Tensor(xp_of(outputs[i]._data).asarray(values), requires_grad=True)
            self.leaves.append(Leaf(f"grad_output[{i}]", cotangent, values))
        self.cast("float64")
        return self

    def call(self, graph: bool = True):
        self.rewind()
        outputs = outputs_of(self.func(*self.args))
        cotangents = [leaf.tensor for leaf in self.leaves[len(self.inner):]]
        found = grad([outputs[i] for i in self.inner_outputs], [leaf.tensor for leaf in self.inner], cotangents,
                     create_graph=graph, allow_unused=True)
        zero = lambda leaf: Tensor(np.zeros(leaf.base.shape, self.dtype))
        return [zero(leaf) if g is None else g for g, leaf in zip(found, self.inner)]

    def first_call(self):
        recorded, plain = super().first_call(), self.call(graph=False)
        self.notes = [n for n in self.notes if "does not require grad" not in n]
        for leaf, a, b in zip(self.inner, recorded, plain):
            a, b = a.detach().numpy(), b.detach().numpy()
            if np.abs(a - b).max(initial=0.0) > 1e-9 * max(np.abs(b).max(initial=0.0), 1e-3):
                self.notes.append(f"the gradient of {leaf.name} under create_graph=True differs from the ordinary one")
                self.inconsistent = leaf.name
        return recorded


def gradgradcheck(func, inputs=(), *, eps: float = 1e-5, atol: float = 1e-9, rtol: float = 1e-5,
                  raise_exception: bool = True, nondet_tol: float = 1e-9, seed: int = 0, max_elements: int = 64,
                  parameters=None, names=None, writes=(), curve: bool = True) -> GradcheckReport:
    """Check second derivatives: finite differences of the ordinary backward against the differentiated one.

    Args: those of ``gradcheck``; the report also has a row for each output's cotangent, ``grad_output[i]``.

    Returns:
        GradcheckReport on the function (inputs, cotangents) -> gradients.

    Raises:
        GradcheckError: a second derivative is wrong, or an operation cannot be differentiated twice.
    """
    if isinstance(func, type) and issubclass(func, Function):
        func = func.apply
    plan = Plan(eps=eps, atol=atol, rtol=rtol, max_elements=max_elements)
    report = check_twice(func, inputs, plan, seed, nondet_tol, parameters, names, writes, curve)
    if raise_exception and not report.ok:
        raise GradcheckError(report)
    return report


def check_twice(func, inputs, plan: Plan, seed: int = 0, nondet_tol: float = 1e-9, parameters=None, names=None,
                writes=(), curve: bool = False) -> GradcheckReport:
    """``gradgradcheck`` with a Plan; never raises GradcheckError."""
    subject = Twice(func, inputs, parameters, names, writes)
    subject.seed, subject.inconsistent = seed, None
    try:
        report = Check(subject, plan, seed, nondet_tol, curve, again=False).run()
    except RuntimeError as error:   # create_graph without a definition
        from .report import ArgumentReport

        report = GradcheckReport("", [ArgumentReport(leaf.name, leaf.base.shape, "error",
                                                     guess=f"create_graph=True raised {type(error).__name__}: {error}")
                                      for leaf in subject.leaves])
    report.name = f"the gradient of {name_of(func)}"
    for argument in report.arguments:
        if argument.ok and argument.name == subject.inconsistent:
            argument.verdict = "wrong"
            argument.guess = "the gradient under create_graph=True differs from the ordinary one: do definition and " \
                "backward compute the same thing?"
    return report
