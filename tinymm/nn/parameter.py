"""Parameter: a Tensor that a Module owns and an optimiser changes."""

from __future__ import annotations

from ..autograd import Tensor


class Parameter(Tensor):
    """A Tensor that, assigned to an attribute of a Module, is listed among its parameters.

    Args:
        data: a Tensor or array (shared, not copied).
        requires_grad: whether it is trained.
    """

    __slots__ = ()

    def __init__(self, data, requires_grad: bool = True):
        super().__init__(data.detach() if isinstance(data, Tensor) else data, requires_grad)

    def __repr__(self) -> str:
        return "Parameter containing:\n" + super().__repr__()
