"""Sample calls for the registry that several recurrent operations share."""

from __future__ import annotations

import numpy as np

from ...autograd.registry import Sample


def sample_cells(gates: int):
    """Samples for the cells with one state."""
    def samples(draw):
        for B, D, H in ((3, 5, 4), (1, 2, 1), (2, 3, 40), (0, 3, 2), (17, 9, 70)):
            yield Sample(draw.normal(B, D), draw.normal(B, H), draw.normal(gates * H, D, scale=0.4),
                         draw.normal(gates * H, H, scale=0.4), draw.normal(gates * H), draw.normal(gates * H))
        yield Sample(draw.normal(3, 5), draw.normal(3, 4), draw.normal(gates * 4, 5), draw.normal(gates * 4, 4))
    return samples


def sample_cell_resets(gates: int):
    """Samples with some rows reset."""
    def samples(draw):
        yield Sample(draw.normal(3, 5), draw.normal(3, 4), draw.normal(gates * 4, 5), draw.normal(gates * 4, 4),
                     draw.normal(gates * 4), draw.normal(gates * 4), reset=np.array([True, False, True]))
    return samples


def sample_weights(draw, gates: int, D: int, H: int, layers: int = 1, directions: int = 1, biases: bool = True) -> list:
    """Flat weights of sample calls."""
    params = []
    for i in range(layers * directions):
        features = D if i < directions else H * directions
        params += [draw.normal(gates * H, features, scale=0.4), draw.normal(gates * H, H, scale=0.4)]
        params += [draw.normal(gates * H), draw.normal(gates * H)] if biases else []
    return params


def sample_calls(gates: int, states: int):
    """Samples for the sequence operations that PyTorch can judge."""
    def samples(draw):
        for T, B, D, H, layers, two, biases, first in ((4, 3, 5, 4, 1, False, True, False),
                                                       (1, 2, 3, 1, 1, False, False, False),
                                                       (3, 2, 3, 2, 2, True, True, True),
                                                       (5, 18, 4, 70, 1, False, True, False),
                                                       (2, 1, 2, 3, 2, False, False, True)):
            n = layers * (1 + two)
            hx = tuple(draw.normal(n, B, H) for _ in range(states))
            yield Sample(draw.normal(*((B, T) if first else (T, B)), D), hx if states == 2 else hx[0],
                         sample_weights(draw, gates, D, H, layers, 1 + two, biases), biases, layers, 0.0, True, two,
                         first)
    return samples


def sample_options(gates: int, states: int, **options):
    """Samples with lengths, resets and other options that PyTorch's functions do not take."""
    def samples(draw):
        T, B, D, H = 5, 4, 3, 4
        for layers, two, extra in ((1, False, dict(lengths=[3, 5, 0, 1])), (2, True, dict(lengths=[2, 5, 5, 4])),
                                   (1, False, dict(reset=draw.mask(T, B, p=0.4))),
                                   (2, False, dict(lengths=[4, 1, 3, 5], reset=draw.mask(T, B, p=0.3))), (1, True, {})):
            n = layers * (1 + two)
            hx = tuple(draw.normal(n, B, H) for _ in range(states))
            yield Sample(draw.normal(T, B, D), hx if states == 2 else hx[0],
                         sample_weights(draw, gates, D, H, layers, 1 + two), True, layers, 0.0, False, two, False,
                         **extra, **options)
    return samples


def sample_added_inputs(draw):
    """Samples without weights of the input, which has the length of the state."""
    for T, B, H, two, extra in ((3, 2, 4, False, {}), (4, 3, 5, True, dict(lengths=[4, 1, 2])), (2, 17, 70, False, {})):
        directions = 1 + two
        params = directions * [None, draw.normal(H, H, scale=0.4), None, draw.normal(H)]
        yield Sample(draw.normal(T, B, H), draw.normal(directions, B, H), params, True, 1, 0.0, False, two, False, **extra)


def sample_added_input(draw):
    """A sample of a cell without weights of the input."""
    yield Sample(draw.normal(3, 4), draw.normal(3, 4), None, draw.normal(4, 4, scale=0.4), None, draw.normal(4))
