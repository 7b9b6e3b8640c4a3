"""Integer arguments (sizes, counts, shifts): the one place where they are checked. Axes are checked in ``axes.py``.

A float is refused, not truncated, and so is a bool, which Python would take for 0 or 1.
"""

from __future__ import annotations

import math
import operator

MOST = 1 << 59      # elements of an array: of 8 bytes, counted in int64, with room for other small axes
LARGEST = 1 << 48   # of sizes and counts: far above what an axis can have, far below what overflows in a sum or wraps around


def integer(operation: str, argument: str, value, least: int | None = None) -> int:
    """``value`` as an int: a Python or NumPy integer, or an array or Tensor that holds one integer.

    Raises:
        TypeError: a bool, a float or something else; the message names the operation and the argument.
        ValueError: less than ``least``; more than an axis can have where there is a ``least``, else more than 64 bits.
    """
    if type(value) is not int:
        value = _index(operation, argument, value)
    if least is not None and value < least:
        raise ValueError(f"{operation}: {argument}={value} must be "
                         + ("a positive integer" if least == 1 else f"an integer not less than {least}"))
    if not -LARGEST <= value <= LARGEST and (least is not None or not -1 << 63 <= value < 1 << 63):
        raise ValueError(f"{operation}: {argument}={value} is " + ("larger than any axis can be" if least is not None else
                                                                   "no integer of 64 bits"))
    return value


def _index(operation: str, argument: str, value) -> int:
    kind = getattr(getattr(value, "dtype", None), "kind", "i")   # of an array or a Tensor
    try:
        if isinstance(value, bool) or kind not in "iu":
            raise TypeError
        return operator.index(value)
    except TypeError:
        fix = "divide with // or round with int(...)" if isinstance(value, float) or kind == "f" else \
            "write 1 or 0" if isinstance(value, bool) or kind == "b" else "give a number like 2"
        raise TypeError(f"{operation}: {argument}={value!r} must be an integer, not {type(value).__name__}; {fix}") from None


def listed(value) -> tuple:
    """A sequence as a tuple, a scalar as the only element of one."""
    if isinstance(value, (tuple, list)):
        return tuple(value)
    return tuple(value) if hasattr(value, "__iter__") and getattr(value, "ndim", True) else (value,)


def integers(operation: str, argument: str, values: tuple, least: int | None = None) -> tuple[int, ...]:
    """Each of ``values`` as ``integer`` has it."""
    for v in values:
        if type(v) is not int or least is not None and v < least or not -LARGEST <= v <= LARGEST:
            return tuple([integer(operation, f"{argument}[{i}]" if len(values) > 1 else argument, v, least)
                          for i, v in enumerate(values)])
    return values


def sizes(operation: str, args: tuple, argument: str = "size", least: int | None = None, named=None) -> tuple[int, ...]:
    """``*args`` of a function that takes integers one by one or as one sequence; or ``named``, which was given by name.

    Raises:
        TypeError, ValueError: as ``integer``; ValueError for lengths (``least`` 0) whose product no memory can hold.
    """
    if named is not None:
        args = (once(operation, args, argument, named),)
    found = integers(operation, argument, listed(args[0]) if len(args) == 1 else args, least)
    if least == 0 and math.prod(found) >= MOST:
        raise ValueError(f"{operation}: {argument}={found} is {math.prod(found)} elements, more than any memory holds")
    return found


def once(operation: str, args: tuple, argument: str, named):
    """What was given for one argument: by name, as the only one of ``*args``, or all of these; None if nothing.

    Raises:
        TypeError: both.
    """
    if named is not None and args:
        raise TypeError(f"{operation}: {argument} is given twice, in its place and by name")
    return (args[0] if len(args) == 1 else args) if args else named


def per_axis(operation: str, argument: str, value, axes: int, least: int | None = None,
             or_none: bool = False) -> tuple[int, ...]:
    """One integer for each of ``axes`` axes, from an integer for all of them or a sequence.

    Args:
        or_none: let None, which stands for a default, pass.

    Raises:
        TypeError, ValueError: as ``integer``, and ValueError for a wrong number of them.
    """
    values = listed(value)
    if len(values) not in (1, axes):
        raise ValueError(f"{operation}: {argument}={value!r} must be an integer, or {axes} of them, one for each axis"
                         + (f" and not less than {least}" if least is not None else ""))
    if or_none and None in values:
        values = tuple([None if v is None else integer(operation, argument, v, least) for v in values])
    else:
        values = integers(operation, argument, values, least)
    return values * axes if len(values) == 1 else values


def whole(operation: str, least: int, **arguments) -> tuple[int, ...]:
    """Each of the named arguments as ``integer`` has it, in their order."""
    return tuple([integer(operation, name, value, least) for name, value in arguments.items()])
