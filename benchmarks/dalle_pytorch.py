"""DALL-E (Ramesh et al. 2021) in PyTorch eager: the twin of tinymm's models of lecture 9.

Written from the paper and the published dVAE with PyTorch's own layers; ``load_state_dict`` takes tinymm's weights as they are.
"""

from __future__ import annotations

import math
from collections import OrderedDict

import torch
import torch.nn.functional as F
from torch import nn

EPS = 0.1   # pixels are mapped to [EPS, 1 - EPS]


class Block(nn.Module):
    """id(x) + post_gain res(x), res with three 3 x 3 convolutions and one 1 x 1, the last (encoder) or the first (decoder)."""

    def __init__(self, before, width, post_gain, one_by_one):
        super().__init__()
        hidden, self.post_gain = width // 4, post_gain
        self.id_path = nn.Identity() if before == width else nn.Conv2d(before, width, 1)
        layers, channels = [], (before, hidden, hidden, hidden, width)
        for i in range(1, 5):
            side = 1 if i == one_by_one else 3
            layers += [(f"relu_{i}", nn.ReLU()), (f"conv_{i}", nn.Conv2d(channels[i - 1], channels[i], side, padding=side // 2))]
        self.res_path = nn.Sequential(OrderedDict(layers))

    def forward(self, x):
        return self.id_path(x) + self.post_gain * self.res_path(x)


def groups_of(widths, before, post_gain, blocks, one_by_one, resample):
    """Groups of blocks, with a resampling after each but the last."""
    groups = []
    for g, width in enumerate(widths, start=1):
        layers = [(f"block_{b}", Block(before if b == 1 else width, width, post_gain, one_by_one)) for b in range(1, blocks + 1)]
        groups.append((f"group_{g}", nn.Sequential(OrderedDict(layers + resample * (g < len(widths))))))
        before = width
    return groups


class DVAE(nn.Module):
    """Pictures (N, 3, H, W) in [0, 1] to and from grids of K codes (Ramesh et al. 2021, appendix A)."""

    def __init__(self, vocab_size, n_hid, groups, n_init=128, blocks=2):
        super().__init__()
        widths, gain = [n_hid * 2**g for g in range(groups)], 1 / (groups * blocks)**2
        self.encoder, self.decoder = nn.Module(), nn.Module()
        self.encoder.blocks = nn.Sequential(OrderedDict([
            ("input", nn.Conv2d(3, n_hid, 7, padding=3)),
            *groups_of(widths, n_hid, gain, blocks, 4, [("pool", nn.MaxPool2d(2))]),
            ("output", nn.Sequential(OrderedDict(relu=nn.ReLU(), conv=nn.Conv2d(widths[-1], vocab_size, 1))))]))
        self.decoder.blocks = nn.Sequential(OrderedDict([
            ("input", nn.Conv2d(vocab_size, n_init, 1)),
            *groups_of(widths[::-1], n_init, gain, blocks, 1, [("upsample", nn.Upsample(scale_factor=2))]),
            ("output", nn.Sequential(OrderedDict(relu=nn.ReLU(), conv=nn.Conv2d(n_hid, 6, 1))))]))
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.normal_(module.weight, std=1 / math.sqrt(module.weight[0].numel()))
                nn.init.zeros_(module.bias)

    def loss(self, x, tau, beta, noise=None):
        """(NLL summed + beta KL(q || uniform) summed) / the number of values, with relaxed codes; noise as in ``relaxed``."""
        x = (1 - 2 * EPS) * x + EPS
        logits = self.encoder.blocks(x)                                                            # (N, K, h, w)
        mu, ln_b = self.decoder.blocks(relaxed(logits, tau, noise)).chunk(2, 1)
        nll = (torch.logit(x) - mu).abs() * (-ln_b).exp() + ln_b + torch.log(2 * x * (1 - x))
        log_q = F.log_softmax(logits, 1)
        kl = (log_q.exp() * (log_q + math.log(logits.shape[1]))).sum()
        return (nll.sum() + beta * kl) / x.numel()


def relaxed(logits, tau, noise=None):
    """softmax((logits + Gumbel noise) / tau) over the codes; the noise is drawn where none is given."""
    if noise is None:
        return F.gumbel_softmax(logits, tau, dim=1)
    return F.softmax((logits + noise) / tau, 1)


def mask_of(kind, text, height, width, kernel=11):
    """(T + n, T + n), True = may attend: text its past, image all of the text and of its past what the kind says."""
    n = height * width
    back = torch.arange(n)[:, None] - torch.arange(n)
    near = torch.arange(kernel // 2 + 1)[:, None] * width + torch.arange(-(kernel // 2), kernel // 2 + 1)
    mask = torch.ones(text + n, text + n, dtype=torch.bool).tril()
    mask[text:, text:] &= {"row": back <= width, "column": back % width == 0, "conv": torch.isin(back, near),
                           "full": back >= 0}[kind]
    return mask


class TransformerBlock(nn.Module):
    """Attention and two linear maps with GELU between, each after its normalisation; (B, L, D) -> (B, L, D)."""

    def __init__(self, width, heads):
        super().__init__()
        self.attn = nn.MultiheadAttention(width, heads, batch_first=True)
        self.ln_1, self.ln_2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.mlp = nn.ModuleDict({"c_fc": nn.Linear(width, 4 * width), "c_proj": nn.Linear(4 * width, width)})

    def qkv(self, x):
        """Three of (B, h, L, d)."""
        qkv = F.linear(self.ln_1(x), self.attn.in_proj_weight, self.attn.in_proj_bias)
        return qkv.unflatten(2, (3, self.attn.num_heads, -1)).permute(2, 0, 3, 1, 4).unbind(0)

    def rest(self, x, y):
        """From the heads' y (B, h, L, d) on."""
        x = x + self.attn.out_proj(y.transpose(1, 2).flatten(2))
        return x + self.mlp["c_proj"](F.gelu(self.mlp["c_fc"](self.ln_2(x))))

    def forward(self, x, mask):
        return self.rest(x, F.scaled_dot_product_attention(*self.qkv(x), mask))


class DALLETransformer(nn.Module):
    """Text and image tokens by one Transformer; the arguments are those of tinymm's class."""

    def __init__(self, text_vocab, image_vocab, text_length, grid, d_model, layers, heads, *, kernel=11, kinds):
        super().__init__()
        self.text_vocab, self.text_length, self.grid, D = text_vocab, text_length, grid, d_model
        self.text_embedding, self.image_embedding = nn.Embedding(text_vocab + text_length, D), nn.Embedding(image_vocab, D)
        self.text_position, self.row_position, self.column_position = (
            nn.Parameter(torch.randn(rows, D) * 0.02) for rows in (text_length, *grid))
        self.transformer = nn.ModuleDict({"resblocks": nn.ModuleList([TransformerBlock(D, heads) for _ in range(layers)])})
        self.ln_final = nn.LayerNorm(D)
        self.text_head, self.image_head = nn.Linear(D, text_vocab), nn.Linear(D, image_vocab)
        for i, kind in enumerate(kinds):
            self.register_buffer(f"mask_{i}", mask_of(kind, text_length, *grid, kernel), persistent=False)

    def blocks(self):
        return [(block, getattr(self, f"mask_{i}")) for i, block in enumerate(self.transformer["resblocks"])]

    def embed_text(self, text):
        """(B, T) -> (B, T, D); a pad, -1, has the vector of its position."""
        pads = self.text_vocab + torch.arange(self.text_length)
        return self.text_embedding(torch.where(text == -1, pads, text)) + self.text_position

    def embed_image(self, image):
        """(B, m) -> (B, m, D)."""
        position = (self.row_position[:, None] + self.column_position).flatten(0, 1)
        return self.image_embedding(image) + position[:image.shape[1]]

    def forward(self, text, image):
        """Logits (B, T - 1, V_t) and (B, n, V_i)."""
        x = torch.cat([self.embed_text(text), self.embed_image(image[:, :-1])], 1)
        L = x.shape[1]
        for block, mask in self.blocks():
            x = block(x, mask[:L, :L])
        x = self.ln_final(x)
        return self.text_head(x[:, :self.text_length - 1]), self.image_head(x[:, self.text_length - 1:])

    @torch.no_grad()
    def sample(self, text, choose=None):
        """Image tokens (B, n) one after the other, with the keys and values of all positions kept.

        ``choose`` makes tokens (B, 1) of probabilities (B, V_i); by default it draws them.
        """
        T, n = self.text_length, self.grid[0] * self.grid[1]
        position = (self.row_position[:, None] + self.column_position).flatten(0, 1)
        x, caches = self.embed_text(text), []
        for block, mask in self.blocks():
            q, k, v = block.qkv(x)
            cache = torch.empty(2, *k.shape[:2], T + n, k.shape[3], dtype=k.dtype)
            cache[0, :, :, :T], cache[1, :, :, :T] = k, v
            caches.append(cache)
            x = block.rest(x, F.scaled_dot_product_attention(q, k, v, is_causal=True))
        drawn = []
        for i in range(n):
            logits = self.image_head(self.ln_final(x[:, -1]))
            p = logits.softmax(1)
            drawn.append(torch.multinomial(p, 1) if choose is None else choose(p))
            if i == n - 1:
                break
            x = self.image_embedding(drawn[-1]) + position[i]                                      # (B, 1, D)
            for (block, mask), (keys, values) in zip(self.blocks(), caches):
                q, k, v = block.qkv(x)
                keys[:, :, T + i], values[:, :, T + i] = k[:, :, 0], v[:, :, 0]
                seen = slice(0, T + i + 1)
                x = block.rest(x, F.scaled_dot_product_attention(q, keys[:, :, seen], values[:, :, seen], mask[T + i, None, seen]))
        return torch.cat(drawn, 1)


def dalle_loss(text_logits, image_logits, text, image):
    """1/8 of the text's mean cross-entropy, pads left out, and 7/8 of the image's."""
    of_text = F.cross_entropy(text_logits.flatten(0, 1), text[:, 1:].flatten(), ignore_index=-1)
    return of_text / 8 + 7 / 8 * F.cross_entropy(image_logits.flatten(0, 1), image.flatten())
