"""Layers refuse sizes that are no integers when they are made, by the layer's name and the argument's."""

import numpy as np
import pytest

from tinymm import nn

def recurrent(layer, **sizes):
    return getattr(nn, layer)(**{"input_size": 2, "hidden_size": 3, **sizes})


CASES = {   # (layer, argument): (how to make it, an integer that it takes)
    ("Linear", "in_features"): (lambda v: nn.Linear(v, 2), 3), ("Linear", "out_features"): (lambda v: nn.Linear(2, v), 3),
    ("Bilinear", "in2_features"): (lambda v: nn.Bilinear(2, v, 2), 3),
    ("Embedding", "num_embeddings"): (lambda v: nn.Embedding(v, 2), 3),
    ("Embedding", "embedding_dim"): (lambda v: nn.Embedding(3, v), 2),
    ("Embedding", "padding_idx"): (lambda v: nn.Embedding(3, 2, v), 1),
    ("Conv2d", "in_channels"): (lambda v: nn.Conv2d(v, 2, 3), 2), ("Conv2d", "kernel_size"): (lambda v: nn.Conv2d(2, 2, (3, v)), 2),
    ("Conv2d", "stride"): (lambda v: nn.Conv2d(2, 2, 3, v), 2), ("Conv2d", "groups"): (lambda v: nn.Conv2d(2, 2, 3, groups=v), 2),
    ("Conv1d", "padding"): (lambda v: nn.Conv1d(2, 2, 3, padding=v), 2),
    ("Conv3d", "dilation"): (lambda v: nn.Conv3d(2, 2, 3, dilation=v), 2),
    ("ConvTranspose2d", "output_padding"): (lambda v: nn.ConvTranspose2d(2, 2, 3, 3, output_padding=v), 2),
    ("BatchNorm2d", "num_features"): (nn.BatchNorm2d, 3), ("InstanceNorm2d", "num_features"): (nn.InstanceNorm2d, 3),
    ("GroupNorm", "num_groups"): (lambda v: nn.GroupNorm(v, 4), 2),
    ("GroupNorm", "num_channels"): (lambda v: nn.GroupNorm(2, v), 4),
    ("LayerNorm", "normalized_shape"): (nn.LayerNorm, 3), ("RMSNorm", "normalized_shape"): (nn.RMSNorm, 3),
    ("MultiheadAttention", "embed_dim"): (lambda v: nn.MultiheadAttention(v, 1), 2),
    ("MultiheadAttention", "num_heads"): (lambda v: nn.MultiheadAttention(4, v), 2),
    ("MultiheadAttention", "kdim"): (lambda v: nn.MultiheadAttention(4, 2, kdim=v), 3),
    ("TransformerEncoder", "num_layers"): (lambda v: nn.TransformerEncoder(nn.TransformerEncoderLayer(4, 2, 8), v), 2),
    ("TransformerDecoder", "num_layers"): (lambda v: nn.TransformerDecoder(nn.TransformerDecoderLayer(4, 2, 8), v), 2),
    **{(layer, argument): (lambda v, layer=layer, argument=argument: recurrent(layer, **{argument: v}), 2)
       for layer in ("RNN", "LSTM", "GRU", "RNNCell", "LSTMCell", "GRUCell", "LayerNormLSTM", "LayerNormGRU")
       for argument in ("input_size", "hidden_size", "num_layers")[:3 if layer in ("RNN", "LSTM", "GRU") else 2]},
}


def shapes(layer):
    return {name: value.shape for name, value in layer.state_dict().items()}


@pytest.mark.parametrize("case", CASES, ids="-".join)
def test_sizes_are_integers(case):
    make, good = CASES[case]
    assert shapes(make(np.int64(good))) == shapes(make(good))
    for wrong in (2.5, 1.0, True):
        told = rf"^{case[0]}: {case[1]}(\[\d\])?={wrong} must be an integer, not {type(wrong).__name__}; \w+"
        with pytest.raises(TypeError, match=told):
            make(wrong)
