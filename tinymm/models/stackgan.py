"""StackGAN (Zhang et al. 2017): a first network draws a small picture of a text, a second one repairs and enlarges it.

    stage I:   x0 = G0(z, c0^),      c0^ from conditioning augmentation of phi(t)
    stage II:  x  = G(x0, c^),       c^ drawn anew; there is no other noise
    L_D = ln D(x, c) + 1/2 ln(1 - D(x, c of a wrong text)) + 1/2 ln(1 - D(x^, c))          to be ascended
    L_G = -ln D(x^, c) + lambda KL(N(mu, diag sigma^2) || N(0, I))                         to be descended

The slides have the title only. Layers and names are those of the authors' PyTorch code, where D is shown the mean mu of G's
augmentation (``detach`` it); D's results are logits here. Sizes are arguments: the published networks are the default.
"""

from __future__ import annotations

from collections.abc import Sequence

from .. import functional as F
from .. import nn
from ..autograd import Tensor
from ..autograd.join import cat
from .conditioning_augmentation import ConditioningAugmentation
from .text_to_image_gan import MAP, SLOPE, dcgan_weights_


def _conv3x3(before: int, width: int) -> nn.Conv2d:
    return nn.Conv2d(before, width, 3, padding=1, bias=False)


def _down(before: int, width: int) -> nn.Conv2d:
    """Half the rows and columns."""
    return nn.Conv2d(before, width, 4, 2, 1, bias=False)


def _up_block(before: int, width: int) -> nn.Sequential:
    """Each pixel four times, then a convolution: fewer chequerboards than a transposed one."""
    return nn.Sequential(nn.Upsample(scale_factor=2, mode="nearest"), _conv3x3(before, width), nn.BatchNorm2d(width), nn.ReLU())


class _ResBlock(nn.Module):
    """relu(x + f(x)), f two convolutions."""

    def __init__(self, channels: int):
        super().__init__()
        self.block = nn.Sequential(_conv3x3(channels, channels), nn.BatchNorm2d(channels), nn.ReLU(),
                                   _conv3x3(channels, channels), nn.BatchNorm2d(channels))

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(x + self.block(x))


def _enlargement(before: int, count: int) -> nn.Sequential:
    """``count`` blocks, each with twice the rows and half the channels, then the picture."""
    ups = [_up_block(before >> k, before >> (k + 1)) for k in range(count)]
    return nn.Sequential(*ups, _conv3x3(before >> count, 3), nn.Tanh())


def _maps(c: Tensor, like: Tensor) -> Tensor:
    """A condition (N, c) at every place of some maps: (N, c, rows, columns)."""
    return c[:, :, None, None].expand(-1, -1, *like.shape[2:])


class StageIGenerator(nn.Module):
    """G0: noise and text -> a small picture.

    Args:
        text: length of phi(t).
        condition: of the augmentation.
        noise: Z.
        channels: of the first maps, 4 x 4; each enlargement halves them. 8 times the paper's N_g of 128, 8 * 192 as published.
        ups: enlargements; the picture has 4 * 2^ups rows.
        dcgan: draw the first weights as the authors' code does; see ``tinymm.models.Generator``.
        augmentation: more arguments for ``ConditioningAugmentation``.
    """

    def __init__(self, text: int = 1024, condition: int = 128, noise: int = 100, channels: int = 1536, ups: int = 4,
                 dcgan: bool = True, **augmentation):
        super().__init__()
        self.noise, self.channels, self.size = noise, channels, MAP * 2 ** ups
        first = channels * MAP * MAP
        self.ca_net = ConditioningAugmentation(text, condition, **augmentation)
        self.fc = nn.Sequential(nn.Linear(noise + condition, first, bias=False), nn.BatchNorm1d(first), nn.ReLU())
        self.upsample = _enlargement(channels, ups)
        if dcgan:
            dcgan_weights_(self, linear=True)

    def forward(self, z: Tensor, h: Tensor, epsilon: Tensor | None = None) -> tuple[Tensor, Tensor, Tensor]:
        """Pictures (N, 3, S, S) in [-1, 1], and mu and ln sigma (N, condition).

        Args:
            z: (N, Z), drawn from N(0, 1).
            h: (N, text), phi(t).
            epsilon: (N, condition), of the augmentation; drawn by default.
        """
        c, mu, log_sigma = self.ca_net(h, epsilon)
        maps = self.fc(cat([z, c], 1)).reshape(len(z), self.channels, MAP, MAP)
        return self.upsample(maps), mu, log_sigma


class StageIIGenerator(nn.Module):
    """G: the small picture and the text once more -> a large picture.

    Args:
        text, condition: as in stage I.
        channels: after the first convolution; doubled by each ``down``, then halved by each of ``ups``.
        downs: halvings of the small picture before the text joins it.
        ups: doublings after the residual blocks.
        residual: blocks; 4 in the paper, 2 in the PyTorch code.
        dcgan: as in stage I.
        augmentation: more arguments for ``ConditioningAugmentation``.
    """

    def __init__(self, text: int = 1024, condition: int = 128, channels: int = 192, downs: int = 2, ups: int = 4, residual: int = 2,
                 dcgan: bool = True, **augmentation):
        super().__init__()
        self.ca_net = ConditioningAugmentation(text, condition, **augmentation)
        layers: list[nn.Module] = [_conv3x3(3, channels), nn.ReLU()]
        for _ in range(downs):
            layers += [_down(channels, 2 * channels), nn.BatchNorm2d(2 * channels), nn.ReLU()]
            channels *= 2
        self.encoder = nn.Sequential(*layers)
        self.hr_joint = nn.Sequential(_conv3x3(condition + channels, channels), nn.BatchNorm2d(channels), nn.ReLU())
        self.residual = nn.Sequential(*[_ResBlock(channels) for _ in range(residual)])
        self.upsample = _enlargement(channels, ups)
        if dcgan:
            dcgan_weights_(self, linear=True)

    def forward(self, x0: Tensor, h: Tensor, epsilon: Tensor | None = None) -> tuple[Tensor, Tensor, Tensor]:
        """Pictures (N, 3, S, S) in [-1, 1], and mu and ln sigma (N, condition).

        Args:
            x0: (N, 3, s, s), stage I's pictures, made without gradients.
            h: (N, text), phi(t).
            epsilon: (N, condition), of this stage's own augmentation; drawn by default.
        """
        c, mu, log_sigma = self.ca_net(h, epsilon)
        maps = self.encoder(x0)
        maps = self.residual(self.hr_joint(cat([maps, _maps(c, maps)], 1)))
        return self.upsample(maps), mu, log_sigma


class _Logits(nn.Module):
    """Maps of 4 x 4, with a condition or without one -> logits."""

    def __init__(self, channels: int, condition: int = 0):
        super().__init__()
        joint = [_conv3x3(channels + condition, channels), nn.BatchNorm2d(channels), nn.LeakyReLU(SLOPE)] if condition else []
        self.outlogits = nn.Sequential(*joint, nn.Conv2d(channels, 1, MAP, stride=MAP))

    def forward(self, maps: Tensor, c: Tensor | None = None) -> Tensor:
        maps = maps if c is None else cat([maps, _maps(c, maps)], 1)
        return self.outlogits(maps).reshape(len(maps))                     # (N,)


class StackDiscriminator(nn.Module):
    """D of either stage; stage I's as published by default, stage II's with ``widths=(96, 192, 384, 768, 1536, 3072)``,
    ``narrow=(1536, 768)`` and ``unconditional=True``.

    Args:
        condition: length of the condition.
        widths: channels of the maps, each with half the rows of the one before; the last has 4.
        narrow: channels of 3 x 3 convolutions after them.
        unconditional: another logit, of a picture's being real whatever the text; stage II of the PyTorch code.
    """

    def __init__(self, condition: int = 128, widths: Sequence[int] = (96, 192, 384, 768), narrow: Sequence[int] = (),
                 unconditional: bool = False):
        super().__init__()
        self.size = MAP * 2 ** len(widths)
        layers: list[nn.Module] = [_down(3, widths[0]), nn.LeakyReLU(SLOPE)]
        for before, width in zip(widths, widths[1:]):
            layers += [_down(before, width), nn.BatchNorm2d(width), nn.LeakyReLU(SLOPE)]
        for before, width in zip((widths[-1], *narrow), narrow):
            layers += [_conv3x3(before, width), nn.BatchNorm2d(width), nn.LeakyReLU(SLOPE)]
        self.encode_img = nn.Sequential(*layers)
        last = (*widths, *narrow)[-1]
        self.get_cond_logits = _Logits(last, condition)
        self.get_uncond_logits = _Logits(last) if unconditional else None
        dcgan_weights_(self)

    def maps(self, x: Tensor) -> Tensor:
        """Pictures (N, 3, S, S) -> maps (N, C, 4, 4), for several conditions."""
        if x.shape[1:] != (3, self.size, self.size):
            raise ValueError(f"StackDiscriminator: x has shape {x.shape}; it must be (N, 3, {self.size}, {self.size})")
        return self.encode_img(x)

    def forward(self, x: Tensor, c: Tensor) -> Tensor:
        """Logits (N,) of pictures (N, 3, S, S) with conditions (N, condition)."""
        return self.get_cond_logits(self.maps(x), c)

    def unconditional(self, x: Tensor) -> Tensor:
        """Logits (N,) of pictures alone."""
        if self.get_uncond_logits is None:
            raise ValueError("StackDiscriminator: it has no unconditional logit; build it with unconditional=True")
        return self.get_uncond_logits(self.maps(x))
