"""Options of optimisers and schedules: the one place where their numbers are checked."""

from __future__ import annotations

from ..autograd.integers import integer


def number(where: str, option: str, value, least: float | None = None, limit: float | None = None) -> int | float:
    """``value`` as a Python number: an int or float, or a scalar of NumPy's or a Tensor that holds one.

    Raises:
        TypeError: a bool, a string or something else.
        ValueError: NaN, less than ``least``, or not below ``limit``.
    """
    if type(value) not in (int, float):
        value = _plain(where, option, value)
    if value != value or least is not None and not value >= least or limit is not None and not value < limit:
        allowed = "a number" if least is None else f"at least {least}" if limit is None else f"in [{least}, {limit})"
        raise ValueError(f"{where}: {option}={value} must be {allowed}")
    return value


def _plain(where: str, option: str, value) -> int | float:
    found = value.item() if getattr(value, "size", 0) == 1 or hasattr(value, "numel") and value.numel() == 1 else value
    if isinstance(found, bool) or not isinstance(found, (int, float)):
        fix = "write 1 or 0" if isinstance(found, bool) else "give one number such as 0.1"
        raise TypeError(f"{where}: {option}={value!r} must be a number, not {type(value).__name__}; {fix}")
    return found


def checked(where: str, options: dict, limits: dict[str, tuple]) -> dict:
    """A copy of an optimiser's options with plain numbers.

    Args:
        where: begins the messages.
        options: option -> value; those that ``limits`` does not name stay as they are.
        limits: option -> (least, limit), a None for no bound; of "betas", for each of the two.
    """
    found = dict(options)
    for option, value in options.items():
        if option == "betas":
            if not isinstance(value, (tuple, list)) or len(value) != 2:
                raise ValueError(f"{where}: betas={value!r} must be two numbers such as (0.9, 0.999)")
            found[option] = tuple([number(where, f"betas[{i}]", beta, *limits[option]) for i, beta in enumerate(value)])
        elif option in limits:
            found[option] = number(where, option, value, *limits[option])
    return found


def count(where: str, name: str, value) -> int:
    """An integer of a checkpoint that is not less than 0; PyTorch writes counts as floats, JSON keys as strings."""
    if isinstance(value, str) and value.isdecimal():
        return int(value)
    found = number(where, name, value, 0)
    return integer(where, name, int(found) if found % 1 == 0 else found, 0)
