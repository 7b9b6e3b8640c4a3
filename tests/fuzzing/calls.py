"""The calls that are changed: every registered operation with its samples, the public functions that are not registered,
layers, metrics and searches."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from tinymm.autograd.registry import Draw
from tinymm.catalog import load


class Call(NamedTuple):
    """One legal call.

    Attributes:
        name: what the call is known by, in reports and on the command line.
        function: what is called.
        args, kwargs: plain values: arrays become Tensors.
        torch: dotted path of PyTorch's counterpart below ``torch``, or None.
        compared: whether the values of two calls are the same (not so for random operations, or uninitialised memory).
        plain: whether arrays stay arrays.
    """

    name: str
    function: Callable
    args: tuple
    kwargs: dict
    torch: str | None = None
    compared: bool = True
    plain: bool = False


LARGEST = 20_000   # elements of all arguments: larger samples are for thresholds, and slow


def size(value) -> int:
    if isinstance(value, (list, tuple)):
        return sum(map(size, value))
    return getattr(getattr(value, "array", value), "size", 0)


@functools.cache
def all_calls() -> list[Call]:
    """The calls in a fixed order."""
    calls = [Call(f"{name}/{i}", o.function, s.args, s.kwargs, o.torch, not o.random)
             for name, o in load().items() for i, s in enumerate(o.samples(Draw(0)))
             if size(list(s.args)) + size(list(s.kwargs.values())) <= LARGEST]
    return calls + [*_functions(), *_in_place(), *_layers(), *_outputs()]


def _functions():
    import tinymm
    import tinymm.functional as F

    draw = Draw(1)
    x, y, mask, numbers = draw.normal(3, 4), draw.normal(3, 4), draw.mask(3, 4), draw.integers(0, 9, 3, 4)
    for name in ("eq", "ne", "lt", "le", "gt", "ge", "isclose", "allclose"):
        yield Call(name, getattr(F, name), (x, y), {}, name)
    for name in ("logical_and", "logical_or", "logical_xor"):
        yield Call(name, getattr(F, name), (mask, draw.mask(4)), {}, name)
    for name in ("bitwise_and", "bitwise_or", "bitwise_xor"):
        yield Call(name, getattr(F, name), (numbers, numbers + 1), {}, name)
    for name in ("all", "any"):
        yield Call(name, getattr(F, name), (mask,), {"dim": 1}, name)
    for name in ("logical_not", "bitwise_not"):
        yield Call(name, getattr(F, name), (mask,), {}, name)
    for name in ("isnan", "isinf", "isfinite"):
        yield Call(name, getattr(F, name), (x,), {}, name)
    yield Call("count_nonzero", F.count_nonzero, (numbers, 1), {}, "count_nonzero")
    yield Call("std_mean", F.std_mean, (x, 1), {}, "std_mean")
    yield Call("var_mean", F.var_mean, (x, 0), {}, "var_mean")

    rows, lengths = draw.normal(5, 3, 4), np.array([5, 2, 4])
    yield Call("pad_sequence", F.pad_sequence, ([draw.normal(n, 2) for n in (3, 1, 4)],), {}, "nn.utils.rnn.pad_sequence")
    yield Call("pack_sequence", lambda s: tuple(F.pack_sequence(s))[:2], ([draw.normal(n, 2) for n in (4, 3, 1)],), {})
    yield Call("unpad_sequence", F.unpad_sequence, (rows, lengths), {}, "nn.utils.rnn.unpad_sequence")
    yield Call("pack_padded_sequence", lambda s, lengths: tuple(F.pack_padded_sequence(s, lengths, enforce_sorted=False))[:2],
               (rows, [5, 2, 4]), {})
    yield Call("pad_packed_sequence", _packed_and_back, (draw.normal(9, 2), np.array([3, 3, 2, 1])), {})

    for name, args in {"zeros": (3, 4), "ones": (2, 3), "eye": (3, 4), "arange": (0, 9, 2), "linspace": (0.0, 1.0, 5),
                       "full": ((2, 3), 1.5), "tensor": ([[1, 2], [3, 4]],)}.items():
        yield Call(name, getattr(tinymm, name), args, {}, name)
    for name, args in {"empty": (3, 4), "rand": (3, 4), "randn": (3, 4), "randint": (0, 5, (2, 3)), "randperm": (6,),
                       "normal": (0.0, 1.0, (2, 3))}.items():
        yield Call(name, getattr(tinymm, name), args, {}, name, compared=False)
    for name in ("zeros_like", "ones_like"):
        yield Call(name, getattr(tinymm, name), (x,), {}, name)
    yield Call("full_like", tinymm.full_like, (x, 2.0), {}, "full_like")
    for name, args in {"bernoulli": (draw.uniform(3, 4),), "multinomial": (draw.uniform(3, 4), 2), "rand_like": (x,)}.items():
        yield Call(name, getattr(tinymm, name), args, {}, name, compared=False)


def _packed_and_back(data, batch_sizes):
    import tinymm.functional as F

    return F.pad_packed_sequence(F.PackedSequence(data, batch_sizes, None, None))


def _in_place():
    draw = Draw(2)
    x = draw.normal(3, 4)

    def method(name):
        def call(self, *args, **kwargs):
            changed = self.detach().clone()
            getattr(changed, name)(*args, **kwargs)
            return changed
        return call

    for name, args in {"add_": (draw.normal(4),), "sub_": (draw.normal(3, 1),), "mul_": (2.0,), "div_": (draw.away(3, 4),),
                       "copy_": (draw.normal(4),), "fill_": (2.0,), "zero_": (),
                       "__setitem__": (draw.integers(0, 3, 2), draw.normal(2, 4))}.items():
        yield Call(f"Tensor.{name}", method(name), (x, *args), {}, f"Tensor.{name}")


# A layer's arguments, then the shapes of what it is called with.
LAYERS: dict[str, tuple] = {
    "Linear": ((4, 3), (5, 4)), "Bilinear": ((4, 5, 3), (2, 4), (2, 5)), "Flatten": ((1, -1), (2, 3, 4)),
    "Unflatten": ((1, (2, 2)), (3, 4)), "Conv1d": ((4, 6, 3, 1, 1), (2, 4, 9)), "Conv2d": ((4, 6, 3, 2, 1, 1, 2), (2, 4, 6, 5)),
    "Conv3d": ((2, 3, 2), (1, 2, 3, 4, 4)), "ConvTranspose2d": ((4, 6, 3, 2, 1, 1), (2, 4, 5, 4)),
    "MaxPool2d": ((3, 2, 1), (2, 4, 6, 5)), "AvgPool2d": ((2, 2, 1), (2, 4, 6, 5)),
    "AdaptiveAvgPool2d": (((3, 2),), (2, 4, 6, 5)),
    "Fold": (((6, 5), 3, 1, 1), (2, 36, 30)), "Unfold": ((3, 1, 1), (2, 4, 6, 5)), "PixelShuffle": ((2,), (2, 4, 3, 2)),
    "LayerNorm": (((6, 5),), (2, 4, 6, 5)), "RMSNorm": ((4,), (3, 4)), "BatchNorm1d": ((4,), (6, 4)),
    "BatchNorm2d": ((4,), (2, 4, 6, 5)),
    "GroupNorm": ((2, 4), (2, 4, 6)), "InstanceNorm2d": ((4,), (2, 4, 6, 5)), "LocalResponseNorm": ((3,), (2, 4, 6, 5)),
    "LSTM": ((4, 3), (5, 3, 4)), "GRU": ((4, 3), (5, 3, 4)), "RNN": ((4, 3), (5, 3, 4)), "LSTMCell": ((4, 3), (2, 4)),
    "GRUCell": ((4, 3), (2, 4)), "RNNCell": ((4, 3), (2, 4)),
    "LayerNormLSTM": ((4, 3), (5, 3, 4)), "LayerNormGRU": ((4, 3), (5, 3, 4)),
    "LayerNormLSTMCell": ((4, 3), (2, 4)), "LayerNormGRUCell": ((4, 3), (2, 4)),
    "MultiheadAttention": ((4, 2), (5, 3, 4), (6, 3, 4), (6, 3, 4)), "TransformerEncoderLayer": ((4, 2, 8, 0.0), (5, 3, 4)),
    "TransformerDecoderLayer": ((4, 2, 8, 0.0), (5, 3, 4), (6, 3, 4)), "Softmax": ((1,), (2, 4)),
    "CosineSimilarity": ((1,), (3, 4), (3, 4)), "PairwiseDistance": ((2.0,), (3, 4), (3, 4)),
}
FIXED = {"LSTM": {"num_layers": 2}, "GRU": {"num_layers": 2}}   # 2**31 of them would be made one by one
STATES = {"LSTM": ((2, 3, 3), (2, 3, 3)), "GRU": (2, 3, 3), "RNN": (1, 3, 3), "LSTMCell": ((2, 3), (2, 3)), "GRUCell": (2, 3),
          "RNNCell": (2, 3), "LayerNormLSTMCell": ((2, 3), (2, 3)), "LayerNormGRUCell": (2, 3)}


def _layers():
    from tinymm import nn

    draw = Draw(3)

    def layer(name):
        def call(options, *inputs, **named):
            import tinymm

            tinymm.manual_seed(0)
            return getattr(nn, name)(*options, **FIXED.get(name, {}))(*inputs, **named)
        return call

    for name, (options, *shapes) in LAYERS.items():
        inputs = [draw.normal(*shape) for shape in shapes]
        yield Call(f"nn.{name}", layer(name), (options, *inputs), {})
        if name in STATES:
            state = STATES[name]
            state = tuple(draw.normal(*s) for s in state) if isinstance(state[0], tuple) else draw.normal(*state)
            yield Call(f"nn.{name} with a state", layer(name), (options, *inputs, state), {})
        if name in ("LSTM", "GRU", "RNN"):
            yield Call(f"nn.{name} with lengths", layer(name), (options, *inputs), {"lengths": [5, 2, 4]})
    yield Call("nn.Embedding", layer("Embedding"), ((7, 3, 2), draw.integers(0, 7, 2, 5)), {})
    yield Call("nn.MultiheadAttention with masks", layer("MultiheadAttention"),
               ((4, 2), *[draw.normal(5, 3, 4)] * 3),
               {"key_padding_mask": draw.mask(3, 5, p=0.2), "attn_mask": draw.mask(5, 5, p=0.2)})
    yield Call("nn.CrossEntropyLoss", layer("CrossEntropyLoss"),
               ((draw.uniform(5), -1), draw.normal(4, 5), draw.integers(0, 5, 4)), {})
    yield Call("nn.NLLLoss", layer("NLLLoss"), ((draw.uniform(5),), draw.normal(4, 5), draw.integers(0, 5, 4)), {})
    yield Call("nn.BCEWithLogitsLoss", layer("BCEWithLogitsLoss"),
               ((draw.uniform(5),), draw.normal(4, 5), draw.uniform(4, 5)), {})


def _outputs():
    from tinymm import decode, metrics

    draw = Draw(4)
    scores, labels = draw.normal(6, 5), draw.integers(0, 5, 6)
    words = [["a", "dog", "runs"], ["a", "cat"]]
    references = [[["a", "dog", "ran", "off"], ["dogs", "run"]], [["the", "cat", "sat"], ["a", "cat"]]]
    for name, args in {"accuracy": (labels, labels), "top_k_accuracy": (scores, labels, 2), "confusion": (labels, labels, 5),
                       "perplexity": (scores, labels), "ranks": (draw.normal(6, 6),), "median_rank": (draw.normal(6, 6),),
                       "recall_at_k": (draw.normal(6, 6), 2), "retrieval_scores": (draw.normal(6, 6),),
                       "bleu": (words, references), "rouge_l": (words, references), "cider": (words, references),
                       "cider_d": (words, references), "perplexity_of_corpus": (-9.0, 4)}.items():
        yield Call(f"metrics.{name}", getattr(metrics, name), args, {}, plain=True)

    table = np.log(draw.uniform(6, 6) / 6)

    def search(name):
        def call(batch, start, end, max_length, **rest):
            return getattr(decode, name)(lambda tokens, state: (table[tokens], state), np.zeros((batch, 1)), batch,
                                         start=start, end=end, max_length=max_length, **rest)
        return call

    for name, rest in {"greedy_search": {}, "beam_search": {"beam_size": 3, "length_penalty": 0.5},
                       "sample": {"temperature": 0.7, "top_k": 3}}.items():
        yield Call(f"decode.{name}", search(name), (2, 0, 5, 4), rest, plain=True, compared=False)
