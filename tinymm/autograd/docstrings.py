"""The docstrings of the element-wise operations, made of the words and formulas that stand in their table.

A formula and a gradient are Python in the names x and y (or a, b and y), g and NumPy's functions, so that
tests/test_help.py can compute them and compare: ``help`` cannot say what the operation does not do.
"""

from __future__ import annotations

import inspect

_WRONG = "an argument that is neither a Tensor, an array nor a number."


def of_unary(formula: str, gradient: str, edges: str, integers: bool) -> str:
    """The docstring of an operation of one argument.

    Args:
        formula: what it is called and y of x: "Exponential: e ** x".
        gradient: dL/dx of g, x and y: "g * y".
        edges: values where the formula alone is not clear: "x = 0: y = -inf, dy/dx = inf", parted by semicolons.
        integers: whether integers stay integers.
    """
    words, _, y = formula.partition(": ")
    dtype = "Integers stay integers." if integers else "Integers and booleans become the default float first."
    return f"""{words}, element by element: y = {y}.

    Gradient: dL/dx = {gradient}, with g = dL/dy.{_edges(edges)}

    Args:
        input: x, a Tensor of any shape, an array or a number. {dtype}

    Returns:
        Tensor of the shape and dtype of x.

    Raises:
        TypeError: {_WRONG}
    """


def of_binary(formula: str, gradient: tuple[str, str], edges: str, integers: bool, parameters: tuple[str, ...]) -> str:
    """The docstring of an operation of two arguments, a and b, which are the ``parameters`` of its signature."""
    words, _, y = formula.partition(": ")
    dtype = "float over integer, wide over narrow" if integers else "integers become the default float first"
    return f"""{words}, element by element: y = {y}.

    Gradient: dL/da = {gradient[0]}; dL/db = {gradient[1]}, with g = dL/dy.
    Each is summed over the axes along which its argument was broadcast.{_edges(edges)}

    Args:
        {parameters[0]}: a, a Tensor, an array or a number. The shapes of a and b broadcast.
        {parameters[1]}: b, likewise. A number takes the dtype of the Tensor beside it, if that can hold it.

    Returns:
        Tensor of the broadcast shape and the common dtype ({dtype}).

    Raises:
        TypeError: {_WRONG}
        ValueError: shapes that do not broadcast.
    """


def of_comparison(formula: str, parameters: tuple[str, ...], result: str, refuses: str) -> str:
    """The docstring of a comparison or of an operation on bits, whose result is not floating point."""
    words, _, y = formula.partition(": ")
    wrong = f"\n        TypeError: {refuses}." if refuses else ""
    return f"""{words}, element by element: y = {y}.

    Gradient: none (the result is not floating point).

    Args:
        {parameters[0]}: a, a Tensor, an array or a number. The shapes of a and b broadcast.
        {parameters[1]}: b, likewise.

    Returns:
        {result} of the broadcast shape.

    Raises:{wrong}
        ValueError: shapes that do not broadcast.
    """


def _edges(edges: str) -> str:
    return "".join(f"\n    At {edge}." for edge in edges.split("; ")) if edges else ""


def publish(op, name: str, doc: str, entry, wrapped: bool = True):
    """Give an operation its public name, its docstring, and the module of the table that ``entry`` is written in.

    With ``wrapped`` ``inspect.getsource`` and IPython's ``??`` show that line of the table instead of the general
    code that all operations of the table share.
    """
    op.__name__ = op.__qualname__ = name
    op.__module__ = entry.__module__
    op.__doc__ = doc
    if wrapped:
        op.__signature__ = inspect.signature(op)   # before __wrapped__, which would put its own in this place
        op.__wrapped__ = entry
    return op
