"""gradcheck: does the backward compute the derivative of the forward?"""

from __future__ import annotations

from ..function import Function
from .compare import Plan
from .report import GradcheckError, GradcheckReport
from .run import Check
from .second import gradgradcheck
from .subject import Subject


def gradcheck(func, inputs=(), *, eps: float = 1e-5, atol: float = 1e-10, rtol: float = 1e-6,
              raise_exception: bool = True, nondet_tol: float = 1e-9, seed: int = 0, max_elements: int = 256,
              parameters=None, names=None, writes=(), second_order: bool = False, float32: bool = False,
              ulps: float = 256.0, curve: bool = True) -> GradcheckReport:
    """Compare the gradients of ``func`` with finite differences, in float64 and under random cotangents.

    ``gradcheck(Square.apply, [x])`` checks a Function, ``gradcheck(layer, [x])`` a Module with every parameter, and
    ``gradcheck(lambda: loss(model(x), y), parameters=model)`` a whole model. Inputs, parameters and buffers are
    float64 during the check and left as they were. Random numbers drawn from tinymm's streams are the same in every
    evaluation, so dropout can be checked as it stands.

    Args:
        func: function of the inputs, a Function class or its ``apply``, or a Module. It returns Tensors (in tuples,
            lists or dicts, if several).
        inputs: its arguments. Floating-point Tensors and arrays are differentiated (only those that require grad, if
            any does), also inside lists and tuples; everything else is passed through.
        eps: step of the first differences; where they disagree, the whole curve of step sizes decides. The default is
            near the cube root of float64's rounding unit, where truncation and rounding balance.
        atol: an absolute error up to this is accepted.
        rtol: a relative error up to this is accepted; much less than PyTorch's, since float64 differences allow it and
            an ``eps`` forgotten in a root shows only then.
        raise_exception: raise GradcheckError (with the report) if something is wrong; otherwise only return it.
        nondet_tol: relative difference allowed between two evaluations of the same thing.
        seed: of the cotangents and directions.
        max_elements: arguments with more elements are moved along random directions instead of one by one.
        parameters: a Module, a mapping, or Tensors, that ``func`` uses and that are to be checked, too; those of
            ``func`` if it is a Module.
        names: what to call the inputs in the report; by default the names in the function's signature.
        writes: names of inputs that ``func`` is meant to change (running statistics); not for differentiated ones.
        second_order: check second derivatives, too (see ``gradgradcheck``).
        float32: also compare the gradients computed in float32 with those in float64.
        ulps: what float32 may be off, in units in the last place of an argument's largest gradient.
        curve: keep the step-size curve of every argument's worst element, not only of the suspicious ones.

    Returns:
        GradcheckReport: true if all is well, with a verdict for each argument.

    Raises:
        GradcheckError: a gradient is wrong, and ``raise_exception``; its ``report`` attribute holds the report.
        ValueError: there is nothing to differentiate, or the function returns no floating-point Tensor.
    """
    plan = Plan(eps=eps, atol=atol, rtol=rtol, max_elements=max_elements)
    if isinstance(func, type) and issubclass(func, Function):
        func = func.apply
    report = Check(Subject(func, inputs, parameters, names, writes), plan, seed, nondet_tol, curve,
                   ulps if float32 else None).run()
    if second_order:
        report.second = gradgradcheck(func, inputs, raise_exception=False, seed=seed, parameters=parameters,
                                      names=names, writes=writes, curve=curve)
    if raise_exception and not report.ok:
        raise GradcheckError(report)
    return report
