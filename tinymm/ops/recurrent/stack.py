"""Layers and directions of the sequence operations ``lstm``, ``gru`` and ``rnn``, and the checks of their arguments."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...autograd.integers import integer
from ...autograd.join import cat
from ...autograd.tensor import Tensor
from ...backend.arrays import xp_of
from ..checks import floating, one_device, real, same_dtype
from .ragged import check_lengths


def stacked(name: str, operation, gates: int, input, states: tuple, params, has_biases: bool, num_layers: int,
            dropout: float, train: bool, bidirectional: bool, batch_first: bool, lengths, reset, **options):
    """Run ``operation`` (a ``Recurrence``) for every layer and direction.

    Args:
        input: (T, B, D), or (B, T, D) with ``batch_first``.
        states: Tensors (num_layers * directions, B, H).
        params: for each layer and direction w_ih, w_hh and, with ``has_biases``, b_ih, b_hh.

    Returns:
        (output (T, B, directions * H), final h, and c if there is one), as PyTorch orders them.
    """
    directions, num_layers = 2 if bidirectional else 1, integer(name, "num_layers", num_layers, 1)
    floating(name, "input", input)
    if input.ndim != 3:
        raise ValueError(f"{name}: input has shape {input.shape}; it must be "
                         + ("(B, T, D), since batch_first=True" if batch_first else "(T, B, D)")
                         + ("; unsqueeze the batch axis" if input.ndim == 2 else ""))
    if batch_first:
        input = input.transpose(0, 1)
    weights = _weights(name, gates, input, params, has_biases, num_layers, directions)
    T, B, _ = input.shape
    if T == 0:
        raise ValueError(f"{name}: input (T=0, B={B}, D={input.shape[2]}) has no time step")
    H = weights[0][1].shape[1]
    for letter, state in zip("hc", states):
        floating(name, f"hx ({letter}0)", state)
        want = (num_layers * directions, B, H)
        if state.shape != want:
            raise ValueError(f"{name}: {letter}0 has shape {state.shape} but must be (num_layers * directions, B, H) = "
                             f"{want}" + ("; the batch is axis 1 of the state even with batch_first=True"
                                          if batch_first and state.ndim == 3 and state.shape[0] == B else ""))
    if not 0 <= real(name, "dropout", dropout) <= 1:
        raise ValueError(f"{name}: dropout={dropout} is not a probability; choose 0 to 1")
    lengths = None if lengths is None else check_lengths(name, lengths, B, T)
    reset = check_reset(name, reset, (B, T) if batch_first else (T, B))
    if reset is not None:
        if bidirectional:
            raise ValueError(f"{name}: reset marks where sequences start in a stream that is read forward; for a "
                             "bidirectional one cut the stream at the starts and pass lengths instead")
        reset = reset.T if batch_first else reset
        if lengths is not None:   # a row past its end keeps its state, whatever the padding of ``reset`` says
            reset = reset & xp_of(reset).asarray(np.arange(T)[:, None] < lengths)
    one_device(name, input=input, h0=states[0], w_ih_l0=weights[0][0])
    flat = same_dtype(input, *states, *(w for group in weights for w in group))
    input, states, flat = flat[0], flat[1:1 + len(states)], flat[1 + len(states):]
    weights = [flat[4 * i:4 * i + 4] for i in range(len(weights))]
    finals: list[list[Tensor]] = [[] for _ in states]
    for layer in range(num_layers):
        outputs = []
        for direction in range(directions):
            i = layer * directions + direction
            y, *last = operation.apply(input, *(s[i] for s in states), *weights[i], lengths=lengths, reset=reset,
                                       reverse=direction == 1, **options)
            outputs.append(y)
            for final, value in zip(finals, last):
                final.append(value)
        input = outputs[0] if directions == 1 else cat(outputs, 2)
        if dropout > 0 and train and layer < num_layers - 1:
            input = _drop(input, dropout)
    states = [f[0].unsqueeze(0) if len(f) == 1 else cat([s.unsqueeze(0) for s in f], 0) for f in finals]
    return (input.transpose(0, 1) if batch_first else input, *states)


def _weights(name: str, gates: int, input, params, has_biases: bool, num_layers: int, directions: int) -> list:
    """The weights in groups (w_ih, w_hh, b_ih or None, b_hh or None), one for each layer and direction, checked."""
    params, each = list(params), 4 if has_biases else 2
    if len(params) != num_layers * directions * each:
        raise ValueError(f"{name}: {len(params)} weights given but num_layers={num_layers}, {directions} direction(s) "
                         f"and has_biases={has_biases} want {num_layers * directions * each}: for each layer and "
                         "direction w_ih, w_hh" + (", b_ih, b_hh" if has_biases else ""))
    T, B, D = input.shape
    groups: list[tuple] = []
    features = D
    for i in range(num_layers * directions):
        suffix = f"l{i // directions}" + ("_reverse" if i % directions else "")
        w_ih, w_hh, *biases = params[each * i:each * i + each]
        if i // directions:
            features = directions * groups[0][1].shape[1]
        source = f"input (T={T}, B={B}, D={D})" if i < directions else \
            f"layer {i // directions} gets {features} features"
        check_weights(name, gates, source, features, suffix, w_ih, w_hh, *(biases or (None, None)))
        groups.append((w_ih, w_hh, *(biases or (None, None))))
    return groups


def check_weights(name: str, gates: int, source: str, features: int, suffix: str, w_ih, w_hh, b_ih, b_hh) -> None:
    """Check the shapes of one layer's weights; ``suffix`` makes their names, e.g. "l0"."""
    w_name, u_name = (f"w_ih_{suffix}", f"w_hh_{suffix}") if suffix else ("w_ih", "w_hh")
    given: Any = ((w_name, w_ih), (u_name, w_hh))
    for label, w in given:
        if w is None and label == w_name and gates == 1:   # the input is added as it is
            continue
        if floating(name, label, w).ndim != 2:
            raise ValueError(f"{name}: {label} has shape {w.shape}; it must be a matrix")
    H = w_hh.shape[1]
    if w_hh.shape[0] != gates * H:
        raise ValueError(f"{name}: {u_name} has shape {w_hh.shape} but must be ({gates} * H, H)")
    if w_ih is None:
        if features != H:
            raise ValueError(f"{name}: {source} but without {w_name} there must be H={H}, as {u_name} {w_hh.shape} has")
    elif w_ih.shape[1] != features:
        raise ValueError(f"{name}: {source} but {w_name} wants {w_ih.shape[1]} features")
    elif w_ih.shape[0] != gates * H:
        raise ValueError(f"{name}: {w_name} has shape {w_ih.shape} but {u_name} has {w_hh.shape}: both must have "
                         f"{gates} * H rows")
    for label, b in (("b_ih", b_ih), ("b_hh", b_hh)):
        if b is not None and floating(name, label, b).shape != (gates * H,):
            raise ValueError(f"{name}: {label}{'_' + suffix if suffix else ''} has shape {b.shape} but must be "
                             f"({gates} * H,) = ({gates * H},)")


def check_cell(name: str, gates: int, input, states, weights: tuple, reset) -> tuple[Any, Any]:
    """The Tensors of a cell in one dtype, and ``reset`` as an array; all shapes checked."""
    states = tuple(states) if isinstance(states, (tuple, list)) else (states,)
    floating(name, "input", input)
    if input.ndim != 2:
        raise ValueError(f"{name}: input has shape {input.shape}; it must be (B, D)"
                         + ("; unsqueeze the batch axis" if input.ndim == 1 else ""))
    B, D = input.shape
    check_weights(name, gates, f"input (B={B}, D={D})", D, "", *weights)
    H = weights[1].shape[1]
    for letter, state in zip("hc", states):
        if floating(name, f"hx ({letter})", state).shape != (B, H):
            raise ValueError(f"{name}: {letter} has shape {state.shape} but input (B={B}, D={D}) and w_hh want "
                             f"(B, H) = ({B}, {H})")
    one_device(name, input=input, h=states[0], w_ih=weights[0])
    return same_dtype(input, *states, *weights), check_reset(name, reset, (B,))


def check_reset(name: str, reset, shape: tuple) -> Any:
    """``reset`` as a boolean array of ``shape``, or None."""
    if reset is None:
        return None
    array = reset._data if isinstance(reset, Tensor) else np.asarray(reset)
    if array.dtype.kind != "b":
        raise TypeError(f"{name}: reset is {array.dtype}, not bool; write the comparison, e.g. cont == 0")
    if array.shape != shape:
        raise ValueError(f"{name}: reset has shape {array.shape} but must be {shape}: one flag for each row"
                         + (" and step" if len(shape) == 2 else ""))
    return array


def check_hx(name: str, hx, letters: str) -> tuple:
    """``hx`` as a tuple of as many states as there are letters."""
    states = tuple(hx) if isinstance(hx, (tuple, list)) else (hx,)
    if len(states) != len(letters):
        raise ValueError(f"{name}: hx must be " + ("the pair (h0, c0)" if len(letters) == 2 else "one Tensor, h0")
                         + f", not {len(states)} states")
    return states


def _drop(input: Tensor, p: float) -> Tensor:
    """Dropout between layers, from the stream "dropout"."""
    from ..dropout import dropout

    return dropout(input, p, training=True)


def check_sequence(name: str, gates: int, input, states: tuple, weights: tuple, lengths, reset,
                   reverse: bool) -> tuple[Any, Any, Any]:
    """The Tensors of one layer over (T, B, D) sequences in one dtype, ``lengths`` and ``reset`` as arrays; checked."""
    floating(name, "input", input)
    if input.ndim != 3 or input.shape[0] == 0:
        raise ValueError(f"{name}: input has shape {input.shape}; it must be (T, B, D) with T > 0")
    T, B, D = input.shape
    check_weights(name, gates, f"input (T={T}, B={B}, D={D})", D, "", *weights)
    H = weights[1].shape[1]
    for letter, state in zip("hc", states):
        if floating(name, f"hx ({letter})", state).shape != (B, H):
            raise ValueError(f"{name}: {letter} has shape {state.shape} but input (T={T}, B={B}, D={D}) and w_hh want "
                             f"(B, H) = ({B}, {H})")
    one_device(name, input=input, h=states[0], w_ih=weights[0])
    lengths = None if lengths is None else check_lengths(name, lengths, B, T)
    reset = check_reset(name, reset, (T, B))
    if reset is not None and reverse:
        raise ValueError(f"{name}: reset marks where sequences start in a stream that is read forward; with "
                         "reverse=True cut the stream at the starts and pass lengths instead")
    if reset is not None and lengths is not None:
        reset = reset & xp_of(reset).asarray(np.arange(T)[:, None] < lengths)
    return same_dtype(input, *states, *weights), lengths, reset


def check_normalisation(name: str, dtype, width: int, **vectors) -> list:
    """Gains and biases in ``dtype``, their shapes checked; None stays None."""
    for label, v in vectors.items():
        if v is not None and floating(name, label, v).shape != (width,):
            raise ValueError(f"{name}: {label} has shape {v.shape} but must be ({width},)")
    return [None if v is None else v.to(dtype) for v in vectors.values()]
