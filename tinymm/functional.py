"""All functions by PyTorch's names: the public face of the primitives and the fused operations.

In their docstrings L is a scalar that is differentiated, y the result, and g = dL/dy what arrives at it.
``*`` is element by element, ``@`` the matrix product; axes that were broadcast are summed over.
"""

from .autograd.activations import elu, leaky_relu, logsigmoid
from .autograd.choice import allclose, clamp, clip, isclose, lerp, masked_fill
from .autograd.einsum import bilinear, einsum
from .autograd.choice import where
from .autograd.comparison import (bitwise_and, bitwise_not, bitwise_or, bitwise_xor, eq, ge, gt, isfinite, isinf,
                                  isnan, le, logical_and, logical_not, logical_or, logical_xor, lt, ne)
from .autograd.elementwise import (abs, add, arctan, ceil, cos, div, exp, expm1, floor, floor_divide, log, log10,
                                   log1p, log2, logaddexp, maximum, minimum, mul, neg, pow, reciprocal, relu,
                                   remainder, round, rsqrt, sigmoid, sign, sin, sqrt, square, sub, tan, tanh, trunc)
from .autograd.join import cat, chunk, flip, meshgrid, repeat_interleave, roll, split, stack, tile, unbind
from .autograd.linalg import addmm, baddbmm, bmm, dot, matmul, mm, mv, outer, tensordot
from .autograd.ordering import argmax, argmin, argsort, max, median, min, sort, topk
from .autograd.pad import pad
from .autograd.reduction import (all, amax, amin, any, count_nonzero, logsumexp, mean, norm, std, std_mean, sum, var,
                                 var_mean)
from .autograd.scan import cumprod, cumsum, prod
from .autograd.scatter import (gather, index_add, index_copy, index_fill, index_put, index_select, masked_select,
                               one_hot, scatter, scatter_add, take, take_along_dim)
from .autograd.shape import (broadcast_tensors, broadcast_to, clone, flatten, movedim, permute, ravel, reshape,
                             squeeze, swapaxes, t, transpose, unflatten, unsqueeze)
from .autograd.special import erf
from .autograd.triangles import diag, diag_embed, diagonal, tril, triu
from .autograd.tensor import Tensor
from .ops.activation import gelu, quick_gelu, silu, softplus
from .ops.attention.additive_attention import additive_attention_score
from .ops.pooling.adaptive_pooling import (adaptive_avg_pool1d, adaptive_avg_pool2d, adaptive_avg_pool3d, adaptive_max_pool1d,
                                           adaptive_max_pool2d)
from .ops.attention.attention import scaled_dot_product_attention
from .ops.pooling.avg_pool import avg_pool1d, avg_pool2d, avg_pool3d
from .ops.normalisation.batch_norm import batch_norm
from .ops.convolution.conv_transpose import conv_transpose1d, conv_transpose2d, conv_transpose3d
from .ops.convolution.convolution import conv1d, conv2d, conv3d
from .ops.losses.cross_entropy import cross_entropy
from .ops.dropout import dropout
from .ops.embedding import embedding
from .ops.resampling.grid_sample import affine_grid, grid_sample
from .ops.normalisation.group_norm import group_norm, instance_norm
from .ops.recurrent.gru import gru
from .ops.recurrent.gru_cell import gru_cell
from .ops.gumbel_softmax import gumbel_softmax
from .ops.resampling.interpolate import interpolate
from .ops.losses.kl_div import kl_div
from .ops.normalisation.layer_norm import layer_norm
from .ops.recurrent.layer_norm_gru import layer_norm_gru, layer_norm_gru_cell
from .ops.recurrent.layer_norm_lstm import layer_norm_lstm, layer_norm_lstm_cell
from .ops.linear import linear
from .ops.normalisation.local_response_norm import local_response_norm
from .ops.log_softmax import log_softmax
from .ops.losses.binary import binary_cross_entropy, binary_cross_entropy_with_logits
from .ops.losses.ranking import cosine_embedding_loss, margin_ranking_loss, triplet_margin_loss
from .ops.losses.regression import huber_loss, l1_loss, mse_loss, smooth_l1_loss
from .ops.recurrent.lstm import lstm
from .ops.recurrent.lstm_cell import lstm_cell
from .ops.pooling.max_pool import max_pool1d, max_pool2d, max_pool3d
from .ops.attention.multi_head_attention import multi_head_attention_forward
from .ops.losses.nll_loss import nll_loss
from .ops.convolution.pixel_shuffle import pixel_shuffle, pixel_unshuffle
from .ops.recurrent.ragged import (PackedSequence, pack_padded_sequence, pack_sequence, pad_packed_sequence, pad_sequence,
                                   unpad_sequence)
from .ops.region_word_scores import region_word_scores
from .ops.normalisation.rms_norm import rms_norm
from .ops.recurrent.rnn import rnn_relu, rnn_relu_cell, rnn_tanh, rnn_tanh_cell
from .ops.pooling.roi_align import roi_align
from .ops.pooling.roi_pool import roi_pool
from .ops.similarity import cosine_similarity, normalize, pairwise_distance
from .ops.softmax import softmax, softmin
from .ops.convolution.unfold import fold, unfold
from .ops.normalisation.weight_norm import spectral_norm, weight_norm

__all__ = ["PackedSequence", "Tensor", "abs", "adaptive_avg_pool1d", "adaptive_avg_pool2d", "adaptive_avg_pool3d",
           "adaptive_max_pool1d", "adaptive_max_pool2d", "add", "additive_attention_score", "addmm", "affine_grid", "all",
           "allclose", "amax", "amin", "any", "arctan", "argmax", "argmin", "argsort", "avg_pool1d", "avg_pool2d", "avg_pool3d",
           "baddbmm", "batch_norm", "bilinear", "binary_cross_entropy", "binary_cross_entropy_with_logits", "bitwise_and",
           "bitwise_not", "bitwise_or", "bitwise_xor", "bmm", "broadcast_tensors", "broadcast_to", "cat", "ceil", "chunk",
           "clamp", "clip", "clone", "conv1d", "conv2d", "conv3d", "conv_transpose1d", "conv_transpose2d", "conv_transpose3d",
           "cos", "cosine_embedding_loss", "cosine_similarity", "count_nonzero", "cross_entropy", "cumprod", "cumsum", "diag",
           "diag_embed", "diagonal", "div", "dot", "dropout", "einsum", "elu", "embedding", "eq", "erf", "exp", "expm1",
           "flatten", "flip", "floor", "floor_divide", "fold", "gather", "ge", "gelu", "grid_sample", "group_norm", "gru",
           "gru_cell", "gt", "gumbel_softmax", "huber_loss", "index_add", "index_copy", "index_fill", "index_put",
           "index_select", "instance_norm", "interpolate", "isclose", "isfinite", "isinf", "isnan", "kl_div", "l1_loss",
           "layer_norm", "layer_norm_gru", "layer_norm_gru_cell", "layer_norm_lstm", "layer_norm_lstm_cell", "le", "leaky_relu",
           "lerp", "linear", "local_response_norm", "log", "log10", "log1p", "log2", "log_softmax", "logaddexp", "logical_and",
           "logical_not", "logical_or", "logical_xor", "logsigmoid", "logsumexp", "lstm", "lstm_cell", "lt",
           "margin_ranking_loss", "masked_fill", "masked_select", "matmul", "max", "max_pool1d", "max_pool2d", "max_pool3d",
           "maximum", "mean", "median", "meshgrid", "min", "minimum", "mm", "movedim", "mse_loss", "mul",
           "multi_head_attention_forward", "mv", "ne", "neg", "nll_loss", "norm", "normalize", "one_hot", "outer",
           "pack_padded_sequence", "pack_sequence", "pad", "pad_packed_sequence", "pad_sequence", "pairwise_distance",
           "permute", "pixel_shuffle", "pixel_unshuffle", "pow", "prod", "quick_gelu", "ravel", "reciprocal",
           "region_word_scores", "relu", "remainder", "repeat_interleave", "reshape", "rms_norm", "rnn_relu",
           "rnn_relu_cell", "rnn_tanh", "rnn_tanh_cell", "roi_align", "roi_pool", "roll", "round", "rsqrt",
           "scaled_dot_product_attention", "scatter", "scatter_add", "sigmoid", "sign", "silu", "sin", "smooth_l1_loss",
           "softmax", "softmin", "softplus", "sort", "spectral_norm", "split", "sqrt", "square", "squeeze", "stack",
           "std", "std_mean", "sub", "sum", "swapaxes", "t", "take", "take_along_dim", "tan", "tanh", "tensordot",
           "tile", "topk", "transpose", "tril", "triplet_margin_loss", "triu", "trunc", "unbind", "unflatten", "unfold",
           "unpad_sequence", "unsqueeze", "var", "var_mean", "weight_norm", "where"]


def _attach() -> None:
    """Give Tensor the methods whose operations live on this floor."""
    for operation in (softmax, log_softmax):
        setattr(Tensor, operation.__name__, operation)


_attach()
