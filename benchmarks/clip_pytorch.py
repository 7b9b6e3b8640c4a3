"""CLIP (Radford et al. 2021) in PyTorch eager: the twin of tinymm's model of lecture 8.

An independent model with the names of the published weights, so that weights carry over by ``load_state_dict``. It is written
as a PyTorch user would write it: batch first, ``nn.MultiheadAttention``, ``F.scaled_dot_product_attention`` in the ResNet's
attention pool. ``python -m tinymm bench`` times it; the tests judge tinymm's logits and gradients by it.
"""

from __future__ import annotations

import math
from collections import OrderedDict

import torch
import torch.nn.functional as F
from torch import nn


class Block(nn.Module):
    """Attention and two linear maps with x sigma(1.702 x) between, each after its normalisation; (N, L, D) -> (N, L, D)."""

    def __init__(self, width, heads, causal):
        super().__init__()
        self.causal = causal
        self.attn = nn.MultiheadAttention(width, heads, batch_first=True)
        self.ln_1, self.ln_2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.mlp = nn.ModuleDict({"c_fc": nn.Linear(width, 4 * width), "c_proj": nn.Linear(4 * width, width)})

    def forward(self, x):
        y, hidden = self.ln_1(x), None
        if self.causal:
            hidden = torch.full((x.shape[1],) * 2, -torch.inf, dtype=x.dtype).triu(1)              # (L, L)
        x = x + self.attn(y, y, y, need_weights=False, attn_mask=hidden, is_causal=self.causal)[0]
        y = self.mlp["c_fc"](self.ln_2(x))
        return x + self.mlp["c_proj"](y * torch.sigmoid(1.702 * y))


class Transformer(nn.Module):
    """Blocks one after the other."""

    def __init__(self, width, layers, heads, causal=False):
        super().__init__()
        self.resblocks = nn.Sequential(*[Block(width, heads, causal) for _ in range(layers)])

    def forward(self, x):
        return self.resblocks(x)


class VisionTransformer(nn.Module):
    """Pictures (N, 3, R, R) -> (N, E): patches and a class token, whose last state is projected."""

    def __init__(self, resolution, patch, width, layers, heads, embed_dim):
        super().__init__()
        self.conv1 = nn.Conv2d(3, width, patch, patch, bias=False)
        self.class_embedding = nn.Parameter(torch.randn(width) * width**-0.5)
        self.positional_embedding = nn.Parameter(torch.randn((resolution // patch)**2 + 1, width) * width**-0.5)
        self.ln_pre, self.ln_post = nn.LayerNorm(width), nn.LayerNorm(width)
        self.transformer = Transformer(width, layers, heads)
        self.proj = nn.Parameter(torch.randn(width, embed_dim) * width**-0.5)

    def forward(self, image):
        x = self.conv1(image).flatten(2).transpose(1, 2)                                           # (N, L - 1, D)
        x = torch.cat([self.class_embedding.expand(len(x), 1, -1), x], 1) + self.positional_embedding
        return self.ln_post(self.transformer(self.ln_pre(x))[:, 0]) @ self.proj


class Bottleneck(nn.Module):
    """1 x 1, 3 x 3 and 1 x 1 convolutions beside a shortcut; a mean over 2 x 2 halves the size of both."""

    def __init__(self, before, width, halve):
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(before, width, 1, bias=False), nn.BatchNorm2d(width)
        self.conv2, self.bn2 = nn.Conv2d(width, width, 3, padding=1, bias=False), nn.BatchNorm2d(width)
        self.conv3, self.bn3 = nn.Conv2d(width, 4 * width, 1, bias=False), nn.BatchNorm2d(4 * width)
        self.pool = nn.AvgPool2d(2) if halve else nn.Identity()
        self.downsample = nn.Identity()
        if halve or before != 4 * width:   # the mean, which has no weights, comes before the published names 0 and 1
            self.downsample = nn.Sequential(OrderedDict({"pool": self.pool, "0": nn.Conv2d(before, 4 * width, 1, bias=False),
                                                         "1": nn.BatchNorm2d(4 * width)}))

    def forward(self, x):
        out = F.relu(self.bn1(self.conv1(x)))
        out = self.pool(F.relu(self.bn2(self.conv2(out))))
        return F.relu(self.bn3(self.conv3(out)) + self.downsample(x))


class AttentionPool(nn.Module):
    """(N, C, H, W) -> (N, E): attention over all places, with their mean as the query."""

    def __init__(self, places, channels, heads, embed_dim):
        super().__init__()
        self.heads = heads
        self.positional_embedding = nn.Parameter(torch.randn(places + 1, channels) * channels**-0.5)
        self.q_proj, self.k_proj, self.v_proj = (nn.Linear(channels, channels) for _ in range(3))
        self.c_proj = nn.Linear(channels, embed_dim)

    def forward(self, x):
        x = x.flatten(2).transpose(1, 2)                                                           # (N, H W, C)
        x = torch.cat([x.mean(1, keepdim=True), x], 1) + self.positional_embedding
        q, k, v = (t.unflatten(2, (self.heads, -1)).transpose(1, 2)
                   for t in (self.q_proj(x[:, :1]), self.k_proj(x), self.v_proj(x)))               # (N, h, L, C / h)
        return self.c_proj(F.scaled_dot_product_attention(q, k, v).flatten(1))


class ModifiedResNet(nn.Module):
    """Pictures (N, 3, R, R) -> (N, E): a stem of three convolutions, four stages, and the attention pool."""

    def __init__(self, layers, embed_dim, heads, resolution, width):
        super().__init__()
        half, before = width // 2, width
        self.conv1, self.bn1 = nn.Conv2d(3, half, 3, 2, padding=1, bias=False), nn.BatchNorm2d(half)
        self.conv2, self.bn2 = nn.Conv2d(half, half, 3, padding=1, bias=False), nn.BatchNorm2d(half)
        self.conv3, self.bn3 = nn.Conv2d(half, width, 3, padding=1, bias=False), nn.BatchNorm2d(width)
        for i, blocks in enumerate(layers):
            stage = nn.Sequential()
            for j in range(blocks):
                stage.append(Bottleneck(before, width * 2**i, halve=i > 0 and j == 0))
                before = 4 * width * 2**i
            self.add_module(f"layer{i + 1}", stage)
        self.attnpool = AttentionPool((resolution // 32)**2, before, heads, embed_dim)

    def forward(self, x):
        for conv, bn in ((self.conv1, self.bn1), (self.conv2, self.bn2), (self.conv3, self.bn3)):
            x = F.relu(bn(conv(x)))
        x = F.avg_pool2d(x, 2)
        return self.attnpool(self.layer4(self.layer3(self.layer2(self.layer1(x)))))


def bag_of_words(x, text):
    """The mean of the vectors x (N, L, D) of the words between start and end, one text after the other."""
    ends = text.argmax(1).tolist()
    return torch.stack([words[1:end].mean(0) for words, end in zip(x, ends)])


class CLIP(nn.Module):
    """Both towers; the arguments are those of tinymm's ``CLIP``, without its choice of activations."""

    def __init__(self, embed_dim, image_resolution, vision_layers, vision_width, vision_patch_size, context_length, vocab_size,
                 transformer_width, transformer_heads, transformer_layers, *, text_encoder="transformer", vision_heads=None):
        super().__init__()
        if isinstance(vision_layers, int):
            self.visual = VisionTransformer(image_resolution, vision_patch_size, vision_width, vision_layers,
                                            vision_heads or vision_width // 64, embed_dim)
        else:
            self.visual = ModifiedResNet(vision_layers, embed_dim, vision_heads or vision_width // 2, image_resolution,
                                         vision_width)
        self.transformer = None
        if text_encoder == "transformer":
            self.transformer = Transformer(transformer_width, transformer_layers, transformer_heads, causal=True)
            self.positional_embedding = nn.Parameter(torch.randn(context_length, transformer_width) * 0.01)
        self.token_embedding = nn.Embedding(vocab_size, transformer_width)
        nn.init.normal_(self.token_embedding.weight, std=0.02)
        self.ln_final = nn.LayerNorm(transformer_width)
        self.text_projection = nn.Parameter(torch.randn(transformer_width, embed_dim) * transformer_width**-0.5)
        self.logit_scale = nn.Parameter(torch.tensor(math.log(1 / 0.07)))

    def encode_text(self, text):
        """(N, L) integers -> (N, E), at the largest id of each text."""
        x = self.token_embedding(text)
        if self.transformer is None:
            x = bag_of_words(x, text)
        else:
            x = self.transformer(x + self.positional_embedding[:text.shape[1]])
            x = x[torch.arange(len(text)), text.argmax(1)]
        return self.ln_final(x) @ self.text_projection

    def forward(self, image, text):
        """Logits of each picture for each text (N, M), and of each text for each picture."""
        I_e, T_e = F.normalize(self.visual(image), dim=1), F.normalize(self.encode_text(text), dim=1)
        logits = self.logit_scale.exp() * I_e @ T_e.T
        return logits, logits.T


def clip_loss(logits_per_image):
    """The mean of both cross-entropies of n pictures and n texts."""
    labels = torch.arange(len(logits_per_image))
    return (F.cross_entropy(logits_per_image, labels) + F.cross_entropy(logits_per_image.T, labels)) / 2


def clip_temperature_(t):
    """Set the logarithm of the inverse temperature back to ln 100 if a step went beyond."""
    with torch.no_grad():
        return t.clamp_(max=math.log(100))
