"""Sequences of different lengths in one batch.

One contract everywhere: a padded array with time and batch axes and ``lengths``, one integer for each row. Entries
past a row's length are never read, get no gradient, and are zero in outputs. ``PackedSequence`` is PyTorch's other
form of the same thing, all real steps one after the other; it is made from, and turned into, the padded form.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ...autograd.choice import where
from ...autograd.integers import integer
from ...autograd.join import cat
from ...autograd.tensor import Tensor, wrap
from ...backend.arrays import to_host, xp_of
from ..checks import as_tensor


def check_lengths(name: str, lengths, rows: int, longest: int, least: int = 0) -> np.ndarray:
    """``lengths`` as an int64 array on the host.

    Args:
        name: the operation, for the message.
        lengths: integer Tensor, array or list, (B,).
        rows: B.
        longest: T, the length of the padded time axis.
        least: the smallest length allowed.

    Raises:
        ValueError: not one length for each row, or one outside ``least`` to ``longest``.
        TypeError: not integers.
    """
    array = to_host(lengths._data) if isinstance(lengths, Tensor) else np.asarray(lengths)
    if array.dtype.kind not in "iu" and array.size:
        raise TypeError(f"{name}: lengths must be integers, not {array.dtype}")
    if array.shape != (rows,):
        raise ValueError(f"{name}: lengths has shape {array.shape} but the batch has B={rows} rows; one length each")
    wrong = np.flatnonzero((array < least) | (array > longest))
    if wrong.size:
        raise ValueError(f"{name}: lengths[{wrong[0]}] is {array[wrong[0]]}, outside {least} to T={longest}")
    return array.astype(np.int64)


class PackedSequence(NamedTuple):
    """All real steps of a ragged batch, step by step, the longest row first (make it with ``pack_padded_sequence``).

    Attributes:
        data: (sum of lengths, *).
        batch_sizes: (T,) int64 Tensor, how many rows are still running at each step.
        sorted_indices: (B,) the rows in order of falling length, or None where they were sorted already.
        unsorted_indices: (B,) the inverse of that, or None.
    """

    data: Tensor
    batch_sizes: Tensor
    sorted_indices: Tensor | None = None
    unsorted_indices: Tensor | None = None


def pack_padded_sequence(input: Tensor, lengths, batch_first: bool = False,
                         enforce_sorted: bool = True) -> PackedSequence:
    """Leave out the padding.

    Gradient: dL/dinput = g in the places of real steps, 0 in the padding.

    Args:
        input: (T, B, *), or (B, T, *) with ``batch_first``.
        lengths: (B,) integers, 1 to T.
        batch_first: whether the batch comes before time.
        enforce_sorted: require falling lengths; False sorts the rows.

    Returns:
        A PackedSequence with ``data`` (sum of lengths, *).

    Raises:
        ValueError: lengths out of range, or not falling although ``enforce_sorted``.
        TypeError: lengths that are not integers.
    """
    input = as_tensor("pack_padded_sequence", "input", input)
    if input.ndim < 2:
        raise ValueError(f"pack_padded_sequence: input has shape {input.shape}; it must have a time and a batch axis")
    if batch_first:
        input = input.transpose(0, 1)
    lengths = check_lengths("pack_padded_sequence", lengths, input.shape[1], input.shape[0], least=1)
    order = np.argsort(-lengths, kind="stable")
    if enforce_sorted and (np.diff(lengths) > 0).any():
        raise ValueError(f"pack_padded_sequence: lengths {lengths.tolist()} do not fall, as enforce_sorted=True wants; "
                         "pass enforce_sorted=False to have the rows sorted here")
    if enforce_sorted:
        order = np.arange(len(lengths))
    running = np.arange(lengths.max(initial=0))[:, None] < lengths[order]   # (T, B)
    step, row = np.nonzero(running)
    data = input[step, order[row]]
    sizes = wrap(running.sum(1).astype(np.int64))
    return PackedSequence(data, sizes) if enforce_sorted else \
        PackedSequence(data, sizes, wrap(order), wrap(np.argsort(order)))


def pad_packed_sequence(sequence: PackedSequence, batch_first: bool = False, padding_value: float = 0.0,
                        total_length: int | None = None) -> tuple[Tensor, Tensor]:
    """Put the padding back.

    Gradient: dL/dsequence.data = g in the places of real steps.

    Args:
        sequence: a PackedSequence.
        batch_first: whether the batch comes before time.
        padding_value: what stands in the padding.
        total_length: pad to this many steps instead of the longest row's.

    Returns:
        (padded (T, B, *) or (B, T, *), lengths (B,)), the rows in their original order.

    Raises:
        ValueError: total_length is less than the longest row's.
    """
    sizes = to_host(as_tensor("pad_packed_sequence", "sequence.batch_sizes", sequence.batch_sizes)._data)
    data = as_tensor("pad_packed_sequence", "sequence.data", sequence.data)
    if sizes.ndim != 1 or sizes.dtype.kind not in "iu" or (np.diff(sizes) > 0).any() or (sizes < 1).any() \
            or data.shape[:1] != (sizes.sum(),):
        raise ValueError(f"pad_packed_sequence: sequence.data has shape {data.shape}, but sequence.batch_sizes are {sizes}; they "
                         "must be positive integers that do not rise, whose sum is the length of data")
    T, B = len(sizes), int(sizes[0]) if len(sizes) else 0
    total_length = T if total_length is None else integer("pad_packed_sequence", "total_length", total_length)
    if total_length < T:
        raise ValueError(f"pad_packed_sequence: total_length={total_length} is less than the longest row's {T} steps")
    running = np.arange(B) < sizes[:, None]                                      # (T, B)
    start = np.concatenate([[0], np.cumsum(sizes)[:-1]]) if T else np.zeros(0, np.int64)
    where_from = start[:, None] + np.arange(B)
    if sequence.unsorted_indices is not None:
        back = to_host(sequence.unsorted_indices._data)
        running, where_from = running[:, back], where_from[:, back]
    extra = total_length - T
    lengths = running.sum(0).astype(np.int64)
    padded = _fill(data, np.pad(where_from, ((0, extra), (0, 0))), np.pad(running, ((0, extra), (0, 0))),
                   padding_value)
    return (padded.transpose(0, 1) if batch_first else padded), wrap(lengths)


def pad_sequence(sequences, batch_first: bool = False, padding_value: float = 0.0,
                 padding_side: str = "right") -> Tensor:
    """Tensors (L_i, *) of different lengths as one (T, B, *), or (B, T, *) with ``batch_first``.

    Gradient: of each sequence its own part of g.

    Args:
        sequences: a list of Tensors (L_i, *).
        batch_first: whether the batch comes before time.
        padding_value: what stands in the padding.
        padding_side: "right" pads after the end, "left" before the start.

    Returns:
        Tensor (T, B, *) or (B, T, *), T the longest length.

    Raises:
        ValueError: no sequences, or sequences whose other axes differ.
        TypeError: a sequence that is not a Tensor.
    """
    sequences = [as_tensor("pad_sequence", f"sequences[{i}]", s) for i, s in enumerate(sequences)]
    if not sequences:
        raise ValueError("pad_sequence: needs at least one sequence")
    if padding_side not in ("right", "left"):
        raise ValueError(f"pad_sequence: padding_side={padding_side!r}; choose 'right' or 'left'")
    for i, s in enumerate(sequences):
        if s.ndim == 0 or s.shape[1:] != sequences[0].shape[1:]:
            raise ValueError(f"pad_sequence: sequences[{i}] has shape {s.shape} but sequences[0] has "
                             f"{sequences[0].shape}; all axes but the first must agree")
    lengths = np.array([s.shape[0] for s in sequences])
    step = np.arange(lengths.max())[:, None] - (lengths.max() - lengths if padding_side == "left" else 0)   # (T, B)
    real = (step >= 0) & (step < lengths)
    padded = _fill(cat(sequences, 0), step + np.concatenate([[0], np.cumsum(lengths)[:-1]]), real, padding_value)
    return padded.transpose(0, 1) if batch_first else padded


def _fill(rows: Tensor, index: np.ndarray, real: np.ndarray, padding_value: float) -> Tensor:
    """rows[index] where ``real``, else the padding value; a padded place reads nothing and has no gradient."""
    tail = (1,) * (rows.ndim - 1)
    if rows.shape[0] == 0:
        return Tensor(np.full(index.shape + rows.shape[1:], padding_value, rows.dtype)).to(rows.device)
    mask = wrap(xp_of(rows._data).asarray(real.reshape(real.shape + tail)))
    return where(mask, rows[np.where(real, index, 0)], padding_value)


def pack_sequence(sequences, enforce_sorted: bool = True) -> PackedSequence:
    """Tensors of different lengths as one PackedSequence.

    Gradient: of each sequence its own part of g.

    Args:
        sequences: a list of Tensors (L_i, *).
        enforce_sorted: require falling lengths; False sorts the rows.

    Returns:
        A PackedSequence with ``data`` (sum of lengths, *).

    Raises:
        ValueError: no sequences, other axes that differ, or lengths that do not fall where ``enforce_sorted``.
    """
    sequences = list(sequences)
    return pack_padded_sequence(pad_sequence(sequences), [s.shape[0] for s in sequences], enforce_sorted=enforce_sorted)


def unpad_sequence(padded_sequences: Tensor, lengths, batch_first: bool = False) -> list[Tensor]:
    """The rows of a padded batch as a list.

    Gradient: dL/dpadded_sequences = those of the rows in their places, 0 in the padding.

    Args:
        padded_sequences: (T, B, *), or (B, T, *) with ``batch_first``.
        lengths: (B,) integers, 0 to T.
        batch_first: whether the batch comes before time.

    Returns:
        A list of B Tensors (L_i, *).

    Raises:
        ValueError: not one length for each row, or one out of range.
        TypeError: lengths that are not integers.
    """
    if as_tensor("unpad_sequence", "padded_sequences", padded_sequences).ndim < 2:
        raise ValueError(f"unpad_sequence: padded_sequences has shape {padded_sequences.shape}; it must have a time and a batch "
                         "axis")
    rows = padded_sequences if batch_first else padded_sequences.transpose(0, 1)
    return [rows[i, :n] for i, n in enumerate(check_lengths("unpad_sequence", lengths, rows.shape[0], rows.shape[1]))]
