"""The list of all operations with sample inputs: what the tests and ``python -m tinymm gradcheck --all`` go through.

Registering an operation is all that it takes to have it checked: its values, first and second derivatives against
finite differences and PyTorch, its rungs against each other in float64 and float32, non-contiguous inputs, and the
device double::

    register("layer_norm", layer_norm, samples, torch="nn.functional.layer_norm", fused=LayerNorm)

where ``samples(draw)`` yields ``Sample(*args, **kwargs)`` made with the ``Draw`` it is given.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator

import numpy as np


class Sample:
    """One call of an operation. Float arrays become Tensors to differentiate, integer arrays Tensors, the rest stays.

    A float array in ``Fixed`` becomes a Tensor that is not differentiated.
    """

    def __init__(self, *args, **kwargs):
        self.args, self.kwargs = args, kwargs

    def __repr__(self) -> str:
        show = lambda v: f"{v.dtype}{list(v.shape)}" if isinstance(v, np.ndarray) else repr(v)
        return ", ".join([*map(show, self.args), *(f"{k}={show(v)}" for k, v in self.kwargs.items())])


class Fixed:
    """A floating-point argument that has no gradient."""

    def __init__(self, array: np.ndarray):
        self.array = array

    def __repr__(self) -> str:
        return f"Fixed({self.array.dtype}{list(self.array.shape)})"


class Draw:
    """Sample arrays (float64) from a seed; the same on every NumPy version."""

    def __init__(self, seed: int = 0):
        self.bits = np.random.Philox(key=seed)

    def uniform(self, *shape: int, low: float = 0.0, high: float = 1.0) -> np.ndarray:
        """Uniform numbers in (low, high)."""
        n = int(np.prod(shape))
        u = (self.bits.random_raw(n).astype(np.uint64) >> np.uint64(11)).astype(np.float64) + 0.5 if n else np.zeros(0)
        return (low + (high - low) * u * 2.0**-53).reshape(shape)

    def normal(self, *shape: int, scale: float = 1.0) -> np.ndarray:
        """Normal numbers (Box and Muller)."""
        u, v = self.uniform(*shape), self.uniform(*shape)
        return np.asarray(scale * np.sqrt(-2 * np.log(u)) * np.cos(2 * np.pi * v))

    def integers(self, low: int, high: int, *shape: int) -> np.ndarray:
        """Integers in [low, high)."""
        return np.asarray(np.floor(self.uniform(*shape, low=low, high=high)), dtype=np.int64)

    def mask(self, *shape: int, p: float = 0.7) -> np.ndarray:
        """Booleans, true with probability p."""
        return np.asarray(self.uniform(*shape) < p)

    def away(self, *shape: int, low: float = 0.2, high: float = 2.0) -> np.ndarray:
        """Numbers of either sign with low < |x| < high: clear of a kink at 0."""
        return np.asarray(self.uniform(*shape, low=low, high=high) * np.where(self.mask(*shape, p=0.5), 1.0, -1.0))

    def distinct(self, *shape: int, gap: float = 0.1) -> np.ndarray:
        """Numbers around 0 of which no two are closer than ``gap``: clear of ties."""
        n = int(np.prod(shape))
        return ((np.argsort(self.uniform(n)) - n / 2) * gap * 1.5 + self.uniform(n, high=gap / 4)).reshape(shape)


@dataclasses.dataclass(frozen=True)
class Operation:
    """One entry of the registry.

    Attributes:
        name: unique; the public function's name, with a suffix after a colon for a variant ("pow:scalar").
        function: what is called with a sample's arguments.
        samples: ``samples(draw)`` yields Samples.
        torch: dotted path of PyTorch's counterpart below ``torch``, called with the same arguments; None where there
            is none.
        fused: the Fused class behind it, whose rungs are compared.
        second: whether second derivatives are checked, too.
        differentiable: False for operations without a gradient.
        random: True where two calls draw different numbers.
        ulps: units in the last place of the result's largest element that a float32 rung may be off.
    """

    name: str
    function: Callable
    samples: Callable[[Draw], Iterator[Sample]]
    torch: str | None = None
    fused: type | None = None
    second: bool = True
    differentiable: bool = True
    random: bool = False
    ulps: float = 64.0


OPERATIONS: dict[str, Operation] = {}


def register(name: str, function: Callable, samples: Callable[[Draw], Iterator[Sample]], **options) -> None:
    """Add an operation to the registry; see ``Operation`` for the options."""
    if name in OPERATIONS:
        raise ValueError(f"register: there is an operation named {name!r} already")
    OPERATIONS[name] = Operation(name, function, samples, **options)
