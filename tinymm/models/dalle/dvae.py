"""The discrete variational autoencoder of DALL-E (Ramesh et al. 2021, section 2.1 and appendix A): a picture as a grid of tokens.

    l = encoder(x)  (K, h, w)        q(z_ij = k | x) = softmax_k(l_ij)
    z~ = softmax((l + g) / tau)      g from the Gumbel distribution: what the decoder is trained on
    z  = one_hot(arg-max_k l)        the tokens, in use: no noise, no tau

    loss = (sum of -ln f(x | decoder(z~)) + beta sum of KL(q(z_ij | x) || uniform)) / values of x

f is the logit-Laplace density. The relaxation z~ stays soft (it is no straight-through estimator), so what the decoder learns is
a little different from what it is used for; tau goes to 1/16 for that reason. Names of parameters are those of the published
models, and so are the layers: no normalisation, and residual branches that start small.
"""

from __future__ import annotations

import math
import os
from collections import OrderedDict

from ... import functional as F
from ... import nn
from ...autograd import Tensor
from ...autograd.host import to_numpy
from ...autograd.integers import whole
from ...ops.checks import as_tensor
from .logit_laplace import logit_laplace_nll, map_pixels, unmap_pixels
from .published import read_published


def kl_to_uniform(logits: Tensor, dim: int = 1) -> Tensor:
    """KL(softmax(logits) || uniform) in nats, between 0 (uniform) and ln K (certain).

        sum_k q_k ln(q_k / (1 / K)) = ln K + sum_k q_k ln q_k

    Args:
        logits: unnormalised log-probabilities, K along ``dim``.
        dim: the axis of the classes.

    Returns:
        Tensor of the shape of ``logits`` without ``dim``.
    """
    ln_q = F.log_softmax(logits, dim)
    return (F.exp(ln_q) * ln_q).sum(dim) + math.log(logits.shape[dim])


def _conv(before: int, width: int, kernel: int) -> nn.Conv2d:
    """Keeps rows and columns; weights ~ N(0, 1 / (inputs of a sum)), biases 0."""
    conv = nn.Conv2d(before, width, kernel, padding=kernel // 2)
    nn.init.normal_(conv.weight, std=(before * kernel**2) ** -0.5)
    nn.init.zeros_(conv.bias)
    return conv


class _Block(nn.Module):
    """id(x) + post_gain * res(x); id is a 1 x 1 convolution where the channels change.

    res is four times ReLU and a convolution, with a quarter of the channels between them. One of the four kernels is 1 x 1: the
    encoder's last, the decoder's first.
    """

    def __init__(self, before: int, width: int, kernels: tuple[int, ...], post_gain: float):
        super().__init__()
        widths = [before, *[width // 4] * 3, width]
        layers: OrderedDict[str, nn.Module] = OrderedDict()
        for i, kernel in enumerate(kernels):
            layers[f"relu_{i + 1}"] = nn.ReLU()
            layers[f"conv_{i + 1}"] = _conv(widths[i], widths[i + 1], kernel)
        self.id_path = nn.Identity() if before == width else _conv(before, width, 1)
        self.res_path, self.post_gain = nn.Sequential(layers), post_gain

    def forward(self, x: Tensor) -> Tensor:
        return self.id_path(x) + self.post_gain * self.res_path(x)


def _blocks(first: nn.Conv2d, widths: list[int], kernels: tuple[int, ...], n_blk_per_group: int, rescale: tuple[str, nn.Module],
            out: int) -> nn.Sequential:
    """A convolution, groups of blocks with another size of the maps between two groups, ReLU and a 1 x 1 convolution."""
    post_gain = (len(widths) * n_blk_per_group) ** -2
    layers: OrderedDict[str, nn.Module] = OrderedDict(input=first)
    before = first.out_channels
    for g, width in enumerate(widths):
        group: OrderedDict[str, nn.Module] = OrderedDict()
        for i in range(n_blk_per_group):
            group[f"block_{i + 1}"] = _Block(before if i == 0 else width, width, kernels, post_gain)
        if g < len(widths) - 1:
            group[rescale[0]] = rescale[1]
        layers[f"group_{g + 1}"], before = nn.Sequential(group), width
    layers["output"] = nn.Sequential(OrderedDict(relu=nn.ReLU(), conv=_conv(before, out, 1)))
    return nn.Sequential(layers)


def _check_sizes(name: str, n_hid: int, **sizes: int) -> None:
    """Raise unless all are integers of at least 1, and a quarter of the width is one."""
    whole(name, 1, n_hid=n_hid, **sizes)
    if n_hid % 4:
        raise ValueError(f"{name}: n_hid={n_hid} must be a multiple of 4: a block's inner maps have a quarter of its channels")


class DVAEEncoder(nn.Module):
    """Pictures -> logits of the tokens: 7 x 7 convolution, groups of residual blocks with max pooling between, 1 x 1 convolution.

    Args:
        vocab_size: K, codes.
        n_hid: channels of the first group; each next one has twice as many.
        groups: groups of blocks; rows and columns are halved between two, so a token stands for 2^(groups - 1) pixels a side.
        n_blk_per_group: blocks of a group.
        in_channels: of a picture.
    """

    def __init__(self, vocab_size: int = 8192, n_hid: int = 256, groups: int = 4, n_blk_per_group: int = 2, in_channels: int = 3):
        super().__init__()
        _check_sizes("DVAEEncoder", n_hid, vocab_size=vocab_size, groups=groups, n_blk_per_group=n_blk_per_group,
                     in_channels=in_channels)
        self.vocab_size, self.in_channels, self.stride = vocab_size, in_channels, 2 ** (groups - 1)
        self.blocks = _blocks(_conv(in_channels, n_hid, 7), [n_hid << g for g in range(groups)], (3, 3, 3, 1), n_blk_per_group,
                              ("pool", nn.MaxPool2d(2)), vocab_size)

    def forward(self, x: Tensor) -> Tensor:
        """Logits (N, K, H / stride, W / stride).

        Args:
            x: (N, C, H, W) from ``map_pixels``.

        Raises:
            ValueError: another number of channels or axes, or a side that the stride does not divide.
            TypeError: no Tensor.
        """
        shape = as_tensor("DVAEEncoder", "x", x).shape
        if x.ndim != 4 or shape[1] != self.in_channels:
            raise ValueError(f"DVAEEncoder: pictures of shape {shape}; it takes (N, {self.in_channels}, H, W), channels first")
        for side, pixels in zip(("H", "W"), shape[2:]):
            if pixels < 1 or pixels % self.stride:
                raise ValueError(f"DVAEEncoder: pictures of shape {shape}: {side}={pixels} is no multiple of {self.stride}, the "
                                 "pixels a side of a token; crop or resize them")
        return self.blocks(x)


class DVAEDecoder(nn.Module):
    """Tokens -> mu and ln b of every value: 1 x 1 convolution, groups of residual blocks with enlargement between, 1 x 1 again.

    Args:
        vocab_size: K, codes.
        n_init: features of a code.
        n_hid: channels of the last group; each one before has twice as many.
        groups: groups of blocks; rows and columns are doubled between two, each pixel becoming four.
        n_blk_per_group: blocks of a group.
        out_channels: of a picture.
    """

    def __init__(self, vocab_size: int = 8192, n_init: int = 128, n_hid: int = 256, groups: int = 4, n_blk_per_group: int = 2,
                 out_channels: int = 3):
        super().__init__()
        _check_sizes("DVAEDecoder", n_hid, vocab_size=vocab_size, n_init=n_init, groups=groups, n_blk_per_group=n_blk_per_group,
                     out_channels=out_channels)
        self.vocab_size, self.out_channels = vocab_size, out_channels
        self.blocks = _blocks(_conv(vocab_size, n_init, 1), [n_hid << g for g in reversed(range(groups))], (1, 3, 3, 3),
                              n_blk_per_group, ("upsample", nn.Upsample(scale_factor=2, mode="nearest")), 2 * out_channels)

    def forward(self, z: Tensor) -> Tensor:
        """mu and, after them, ln b: (N, 2 C, H, W).

        Args:
            z: (N, K, h, w), at every place weights of the codes that sum to 1.

        Raises:
            ValueError: another number of codes or axes.
            TypeError: no Tensor.
        """
        shape = as_tensor("DVAEDecoder", "z", z).shape
        if z.ndim != 4 or shape[1] != self.vocab_size:
            raise ValueError(f"DVAEDecoder: z has shape {shape}; it takes (N, K={self.vocab_size}, h, w), the codes on axis 1")
        return self.blocks(z)

    def embed(self, tokens: Tensor) -> Tensor:
        """mu and ln b (N, 2 C, H, W) of tokens (N, h, w): what ``forward`` says of one-hot z.

        The first convolution of a one-hot z picks a column of its weights, so the column is taken.

        Args:
            tokens: (N, h, w) integers from 0 to K - 1.
        """
        first = self.blocks.input
        x = (F.embedding(tokens, first.weight[:, :, 0, 0].T) + first.bias).permute(0, 3, 1, 2)     # (N, n_init, h, w)
        for layer in list(self.blocks)[1:]:
            x = layer(x)
        return x


class DVAE(nn.Module):
    """Encoder, decoder and the loss of both.

    Args:
        vocab_size: K, codes; tokens are 0 to K - 1.
        n_hid: channels of the maps with as many pixels as the picture; those with fewer have more.
        groups: groups of blocks of each half; a token stands for 2^(groups - 1) pixels a side. 3 brings 16 x 16 pixels to 4 x 4.
        n_init: features with which the decoder begins.
        n_blk_per_group: blocks of a group.
        channels: of a picture.

    Attributes:
        encoder: DVAEEncoder; decoder: DVAEDecoder.
        stride: pixels a side of a token.
    """

    def __init__(self, vocab_size: int = 8192, n_hid: int = 256, groups: int = 4, n_init: int = 128, n_blk_per_group: int = 2,
                 channels: int = 3):
        super().__init__()
        self.options = dict(vocab_size=vocab_size, n_hid=n_hid, groups=groups, n_init=n_init, n_blk_per_group=n_blk_per_group,
                            channels=channels)
        self.encoder = DVAEEncoder(vocab_size, n_hid, groups, n_blk_per_group, channels)
        self.decoder = DVAEDecoder(vocab_size, n_init, n_hid, groups, n_blk_per_group, channels)
        self.vocab_size, self.stride = vocab_size, self.encoder.stride

    def logits(self, x: Tensor) -> Tensor:
        """Logits of the tokens (N, K, h, w).

        Args:
            x: pictures (N, C, H, W) in [0, 1].

        Raises:
            ValueError: pixels outside [0, 1], or pictures of a shape that the encoder does not take.
        """
        return self.encoder(map_pixels(x))

    def forward(self, x: Tensor) -> Tensor:
        """``logits``."""
        return self.logits(x)

    def tokens(self, x: Tensor) -> Tensor:
        """The most probable code at every place: pictures (N, C, H, W) in [0, 1] -> (N, h, w) int64, without noise.

        Args:
            x: pictures (N, C, H, W) in [0, 1].

        Returns:
            Tensor of integers from 0 to K - 1.
        """
        return F.argmax(self.logits(x), 1)

    def decode(self, tokens: Tensor) -> Tensor:
        """Pictures (N, C, H, W) in [0, 1] of tokens: sigmoid(mu) mapped back; ln b is not used.

        Args:
            tokens: (N, h, w) integers from 0 to K - 1.

        Returns:
            Tensor (N, C, h stride, w stride).

        Raises:
            ValueError: tokens of another shape, or outside the vocabulary.
            TypeError: no Tensor of integers.
        """
        if as_tensor("DVAE.decode", "tokens", tokens).dtype.kind not in "iu":
            raise TypeError(f"DVAE.decode: tokens of {tokens.dtype}; it takes integers, as DVAE.tokens gives")
        if tokens.ndim != 3:
            raise ValueError(f"DVAE.decode: tokens of shape {tokens.shape}; it takes (N, h, w), reshape those in raster order")
        if len(data := to_numpy(tokens).reshape(-1)) and not 0 <= data.min() <= data.max() < self.vocab_size:
            raise ValueError(f"DVAE.decode: tokens run from {data.min()} to {data.max()}; the vocabulary has 0 to "
                             f"{self.vocab_size - 1}")
        return self._pictures(self.decoder.embed(tokens))

    def _pictures(self, statistics: Tensor) -> Tensor:
        """The medians of the pixels' densities, (N, 2 C, H, W) -> (N, C, H, W)."""
        return unmap_pixels(F.sigmoid(statistics[:, :self.decoder.out_channels]))

    def nll(self, x: Tensor, statistics: Tensor) -> Tensor:
        """-ln f of every value of pictures, (N, C, H, W).

        Args:
            x: pictures (N, C, H, W) in [0, 1].
            statistics: (N, 2 C, H, W) of the decoder, mu and then ln b.

        Returns:
            Tensor (N, C, H, W) in nats.
        """
        C = self.decoder.out_channels
        return logit_laplace_nll(map_pixels(x), statistics[:, :C], statistics[:, C:])

    def loss(self, x: Tensor, tau: float, beta: float, generator=None) -> tuple[Tensor, dict[str, float]]:
        """What training makes small, for one drawing of the noise.

            (sum of NLL over all values + beta * sum of KL over all tokens) / values

        For 256 x 256 pixels a token stands for 192 values, so beta = 6.6 weighs a token's KL with 6.6 / 192 against the mean NLL.

        Args:
            x: pictures (N, C, H, W) in [0, 1].
            tau: temperature of the relaxation, above 0.
            beta: weight of the KL, at least 0. For discrete z the sum is a bound of -ln p(x) from 1 on; 0 leaves the KL out.
            generator: the noise's random stream, or its name (default: "sampling").

        Returns:
            The loss (), and numbers to record: "NLL" of a value and "KL" of a token in nats, both means.

        Raises:
            ValueError: tau or beta outside their range, no picture, pixels outside [0, 1], or pictures that the encoder does not
                take.
        """
        if not tau > 0 or not beta >= 0:
            raise ValueError(f"DVAE.loss: tau={tau} and beta={beta}; tau must be above 0 and beta at least 0")
        logits = self.logits(x)                                                      # (N, K, h, w)
        if not len(x):
            raise ValueError(f"DVAE.loss: pictures of shape {x.shape}; a mean takes at least one")
        z = F.gumbel_softmax(logits, tau, dim=1, generator=generator)                # soft
        nll, kl = self.nll(x, self.decoder(z)).sum(), kl_to_uniform(logits).sum()
        values, tokens = x.numel(), logits.numel() // self.vocab_size
        return (nll + beta * kl) / values, {"NLL": nll.item() / values, "KL": kl.item() / tokens}

    @classmethod
    def from_pretrained(cls, path: str | os.PathLike) -> DVAE:
        """A model from published weights, or from its ``state_dict`` as ``serialization.save`` writes it.

        Args:
            path: a folder with ``encoder.safetensors`` and ``decoder.safetensors``, OpenAI's two pickles converted; a folder with
                ``model.safetensors``, FLAVA's codebook (transformers' FlavaImageCodebook, which is the encoder alone) or both
                parts with ``encoder.`` and ``decoder.`` before their names; or one such file. The architecture follows from
                the shapes.

        Returns:
            The model, ready to be used (``eval()``); float32, or float64 if the file is. Without a decoder it makes tokens, and
            ``decode`` and ``loss`` raise RuntimeError.

        Raises:
            FileNotFoundError: a file is missing.
            ValueError: a pickle, which is not opened (the message has the line that converts it); a damaged file; a tensor that
                is missing, left over or of another shape, with its file, its name there and the shape that was expected.
        """
        return read_published(cls, path)
