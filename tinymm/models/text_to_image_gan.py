"""A GAN that draws what a text says: the conditional DCGAN of Reed et al. 2016 ("Generative Adversarial Text to Image Synthesis").

    x^ = G(z, phi(t)),     z ~ N(0, I)
    D(x, phi(t)) = the probability that x is a real picture, and that t is about it

G blows noise and text up from one point to a picture by transposed convolutions; D comes down to one point by strided ones, and
meets the text at 4 x 4. After the first maps each has a bottleneck with a residual connection. The slide's "z ~ N(0, 1)^Z" is
Z numbers. D ends with a logit, the argument of the sigmoid, since the logarithm of a sigmoid that has underflowed is lost.
"""

from __future__ import annotations

from collections.abc import Sequence

from .. import nn
from ..autograd import Tensor, no_grad
from ..autograd.join import cat
from ..ops.checks import as_tensor

SLOPE = 0.2   # of LeakyReLU
MAP = 4       # rows and columns of the maps at which D meets the text, and with which G begins


def dcgan_weights_(module: nn.Module, linear: bool = False) -> nn.Module:
    """Convolutions' weights ~ N(0, 0.02^2), normalisations' gains ~ N(1, 0.02^2), their biases 0, as in DCGAN.

    Args:
        module: what is initialised, with all its layers.
        linear: linear layers too, as in StackGAN; Reed's scripts leave them uniform in +-1/sqrt(inputs).

    Returns:
        module.
    """
    norms = nn.BatchNorm1d | nn.BatchNorm2d
    for layer in module.modules():
        if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d | norms) or (linear and isinstance(layer, nn.Linear)):
            nn.init.normal_(layer.weight, 1.0 if isinstance(layer, norms) else 0.0, 0.02)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
    return module


def zero_conv_biases_(module: nn.Module) -> None:
    """Put the biases of all convolutions to 0, as the authors' scripts do before every step.

    Args:
        module: all its convolutions.
    """
    with no_grad():
        for layer in module.modules():
            if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d) and layer.bias is not None:
                nn.init.zeros_(layer.bias)


def _bottleneck(channels: int, activation: nn.Module) -> nn.Sequential:
    """1 x 1 to a quarter of the channels, 3 x 3, 3 x 3 back; its result is added to what came in."""
    inner = max(1, channels // 4)
    return nn.Sequential(nn.Conv2d(channels, inner, 1), nn.BatchNorm2d(inner), activation,
                         nn.Conv2d(inner, inner, 3, padding=1), nn.BatchNorm2d(inner), activation,
                         nn.Conv2d(inner, channels, 3, padding=1), nn.BatchNorm2d(channels))


class _Residual(nn.Module):
    """x + f(x)."""

    def __init__(self, f: nn.Module):
        super().__init__()
        self.f = f

    def forward(self, x: Tensor) -> Tensor:
        return x + self.f(x)


class Generator(nn.Module):
    """G: noise and text -> a picture.

    Args:
        text: length of phi(t).
        widths: channels of the maps of 4, 8, ... rows; the picture has twice as many rows as the last. The paper's 64 x 64
            pictures have (8, 4, 2, 1) times 128.
        noise: Z.
        embedding: N_T, to which the text is brought down; 128 in the paper, 256 is main_cls.lua's default.
        residual: how many of the maps have a bottleneck.
        dcgan: draw the first weights as the scripts do, see ``dcgan_weights_``. They are made for hundreds of channels; with some
            dozens a signal of 0.02 drowns, and False, PyTorch's own first weights, learns faster.
    """

    def __init__(self, text: int, widths: Sequence[int] = (1024, 512, 256, 128), noise: int = 100, embedding: int = 128,
                 residual: int = 2, dcgan: bool = True):
        super().__init__()
        self.text, self.noise, self.size = text, noise, MAP * 2 ** len(widths)
        self.phi = nn.Sequential(nn.Linear(text, embedding), nn.LeakyReLU(SLOPE))
        layers: list[nn.Module] = []
        for level, (before, width) in enumerate(zip([noise + embedding, *widths], widths)):
            stride, padding = (2, 1) if level else (1, 0)
            layers += [nn.ConvTranspose2d(before, width, MAP, stride, padding), nn.BatchNorm2d(width)]
            layers += [_Residual(_bottleneck(width, nn.ReLU()))] if level < residual else []
            layers += [nn.ReLU()]
        self.layers = nn.Sequential(*layers, nn.ConvTranspose2d(widths[-1], 3, 4, 2, 1), nn.Tanh())
        if dcgan:
            dcgan_weights_(self)

    def forward(self, z: Tensor, h: Tensor) -> Tensor:
        """Pictures (N, 3, S, S) in [-1, 1].

        Args:
            z: (N, Z), drawn from N(0, 1).
            h: (N, text), phi(t).

        Raises:
            ValueError: noise or texts of another length, or not as many of each.
        """
        if as_tensor("Generator", "z", z).shape[1:] != (self.noise,) or as_tensor("Generator", "h", h).shape != (len(z), self.text):
            raise ValueError(f"Generator: z has shape {z.shape} and h {h.shape}; they must be (N, Z={self.noise}) and "
                             f"(N, text={self.text}), one noise for each text")
        x = cat([z, self.phi(h)], 1)                       # (N, Z + N_T)
        return self.layers(x[:, :, None, None])            # (N, 3, S, S)


class Discriminator(nn.Module):
    """D: a picture and a text -> the logit of their being real and right.

    Args:
        text: length of phi(t).
        widths: channels of the maps, each with half the rows of the one before; the last has 4.
        embedding: N_T.
        third_activation: a LeakyReLU after the maps before the last, as in main_cls.lua; the script with interpolation (and
            StackGAN) lets batch normalisation go straight into the last convolution.
        text_norm: batch normalisation of the text, as in the script with interpolation.
        residual: whether the last maps have a bottleneck.
        dcgan: as for ``Generator``.
    """

    def __init__(self, text: int, widths: Sequence[int] = (64, 128, 256, 512), embedding: int = 128, *,
                 third_activation: bool = True, text_norm: bool = False, residual: bool = True, dcgan: bool = True):
        super().__init__()
        self.text, self.size, last = text, MAP * 2 ** len(widths), widths[-1]
        layers: list[nn.Module] = []
        for level, (before, width) in enumerate(zip([3, *widths], widths)):
            layers += [nn.Conv2d(before, width, 4, 2, 1)] + ([nn.BatchNorm2d(width)] if level else [])
            if level < len(widths) - 2 or (level == len(widths) - 2 and (third_activation or level == 0)):
                layers += [nn.LeakyReLU(SLOPE)]
        layers += [_Residual(_bottleneck(last, nn.LeakyReLU(SLOPE)))] if residual else []
        self.layers = nn.Sequential(*layers, nn.LeakyReLU(SLOPE))
        self.phi = nn.Sequential(nn.Linear(text, embedding), *([nn.BatchNorm1d(embedding)] if text_norm else []),
                                 nn.LeakyReLU(SLOPE))
        self.joint = nn.Sequential(nn.Conv2d(last + embedding, last, 1), nn.BatchNorm2d(last), nn.LeakyReLU(SLOPE),
                                   nn.Conv2d(last, 1, MAP))
        if dcgan:
            dcgan_weights_(self)

    def forward(self, x: Tensor, h: Tensor) -> Tensor:
        """Logits (N,).

        Args:
            x: (N, 3, S, S) in [-1, 1].
            h: (N, text), phi(t).

        Raises:
            ValueError: pictures of another size, texts of another length, or not as many of each.
        """
        if as_tensor("Discriminator", "x", x).shape[1:] != (3, self.size, self.size):
            raise ValueError(f"Discriminator: x has shape {x.shape}; it must be (N, 3, {self.size}, {self.size})")
        if as_tensor("Discriminator", "h", h).shape != (len(x), self.text):
            raise ValueError(f"Discriminator: h has shape {h.shape}; for {len(x)} pictures it must be ({len(x)}, text={self.text})")
        maps = self.layers(x)                                                        # (N, C, 4, 4)
        text = self.phi(h)[:, :, None, None].expand(-1, -1, MAP, MAP)                # (N, N_T, 4, 4)
        return self.joint(cat([maps, text], 1)).reshape(len(x))                      # (N,)
