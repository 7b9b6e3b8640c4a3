"""CLIP's ResNet and bag of words in PyTorch's functions, written from the paper and the names of the published weights.

A twin is a function of a dict of tensors, so that it shares no structure with our Modules; gradients are those of the dict.
"""

import torch
from torch.nn import functional as F


class Resnet:
    """The picture tower over ``p`` (name -> tensor, without "visual."), with its number of heads."""

    def __init__(self, p, heads, training=False):
        self.p, self.heads, self.training = p, heads, training

    def conv_bn(self, x, conv, bn, **options):
        x, p = F.conv2d(x, self.p[f"{conv}.weight"], **options), self.p
        return F.batch_norm(x, p[f"{bn}.running_mean"], p[f"{bn}.running_var"], p[f"{bn}.weight"], p[f"{bn}.bias"], self.training)

    def stem(self, x):
        for i, options in ((1, dict(stride=2, padding=1)), (2, dict(padding=1)), (3, dict(padding=1))):
            x = self.conv_bn(x, f"conv{i}", f"bn{i}", **options).relu()
        return F.avg_pool2d(x, 2)

    def block(self, x, name, halve):
        pool = (lambda t: F.avg_pool2d(t, 2)) if halve else (lambda t: t)
        out = self.conv_bn(x, f"{name}.conv1", f"{name}.bn1").relu()
        out = pool(self.conv_bn(out, f"{name}.conv2", f"{name}.bn2", padding=1).relu())
        out = self.conv_bn(out, f"{name}.conv3", f"{name}.bn3")
        if f"{name}.downsample.0.weight" in self.p:
            x = self.conv_bn(pool(x), f"{name}.downsample.0", f"{name}.downsample.1")
        return (out + x).relu()

    def pool(self, x):
        weight = lambda name: (self.p[f"attnpool.{name}_proj.weight"], self.p[f"attnpool.{name}_proj.bias"])
        x = x.flatten(2).transpose(1, 2)
        x = torch.cat([x.mean(1, keepdim=True), x], 1) + self.p["attnpool.positional_embedding"]
        q, k, v = (F.linear(t, *weight(name)).unflatten(2, (self.heads, -1)) for name, t in (("q", x[:, :1]), ("k", x), ("v", x)))
        scores = torch.einsum("nqhd,nkhd->nhqk", q, k) / q.shape[-1]**0.5
        return F.linear(torch.einsum("nhqk,nkhd->nqhd", scores.softmax(-1), v).flatten(1), *weight("c"))

    def __call__(self, x):
        x = self.stem(x)
        for stage in range(1, 5):
            for i in range(len({key.split(".")[1] for key in self.p if key.startswith(f"layer{stage}.")})):
                x = self.block(x, f"layer{stage}.{i}", halve=stage > 1 and i == 0)
        return self.pool(x)


def text_transformer(p, text, heads):
    """The text tower (QuickGELU) over ``p``, at the largest id."""
    x = p["token_embedding.weight"][text] + p["positional_embedding"][:text.shape[1]]
    hidden = torch.full((text.shape[1],) * 2, -torch.inf, dtype=x.dtype).triu(1)
    i = 0
    while f"transformer.resblocks.{i}.ln_1.weight" in p:
        of = lambda name, i=i: (p[f"transformer.resblocks.{i}.{name}.weight"], p[f"transformer.resblocks.{i}.{name}.bias"])
        y = F.linear(F.layer_norm(x, x.shape[-1:], *of("ln_1")), p[f"transformer.resblocks.{i}.attn.in_proj_weight"],
                     p[f"transformer.resblocks.{i}.attn.in_proj_bias"])
        q, k, v = (t.unflatten(2, (heads, -1)).transpose(1, 2) for t in y.chunk(3, -1))
        weights = (q @ k.mT / q.shape[-1]**0.5 + hidden).softmax(-1)
        x = x + F.linear((weights @ v).transpose(1, 2).flatten(2), *of("attn.out_proj"))
        y = F.linear(F.layer_norm(x, x.shape[-1:], *of("ln_2")), *of("mlp.c_fc"))
        x = x + F.linear(y * torch.sigmoid(1.702 * y), *of("mlp.c_proj"))
        i += 1
    return x[torch.arange(len(text)), text.argmax(1)]


def bag_of_words(p, text):
    """The mean of the words between start and end, one text after the other."""
    means = []
    for row in text.tolist():
        words = row[1:row.index(max(row))]
        means.append(sum(p["token_embedding.weight"][word] for word in words) / len(words))
    return torch.stack(means)


def clip(p, image, text, vision_heads, text_heads, training=False):
    """logits_per_image of a CLIP with a ResNet; a bag of words where ``p`` has no positions of text."""
    visual = {key.removeprefix("visual."): value for key, value in p.items() if key.startswith("visual.")}
    I_e = F.normalize(Resnet(visual, vision_heads, training)(image))
    T_f = text_transformer(p, text, text_heads) if "positional_embedding" in p else bag_of_words(p, text)
    T_f = F.layer_norm(T_f, T_f.shape[-1:], p["ln_final.weight"], p["ln_final.bias"])
    return p["logit_scale"].exp() * I_e @ F.normalize(T_f @ p["text_projection"]).T
