"""The works of `python -m tinymm bench`, in PyTorch eager. The twin is with_tinymm.py, line for line."""

import numpy as np

import torch
import torch.nn.functional as F
from torch import nn, optim
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from attentive_reader_pytorch import AttentiveReader
from clip_pytorch import CLIP, clip_loss, clip_temperature_
from dalle_pytorch import DVAE, DALLETransformer, dalle_loss
from draw_pytorch import Draw, draw_loss
from lrcn_pytorch import ActivityLRCN, FrameEncoder
from order_embedding_pytorch import OrderEmbedding
from show_and_tell_pytorch import ShowTell, caption_loss
from show_attend_and_tell_pytorch import ConvEncoder, ShowAttendTell, hard_objective, soft_objective
from text_to_image_gan_pytorch import Discriminator, Generator, discriminator_loss, generator_loss
from visual_semantic_pytorch import VisualSemanticAlignment

VERSION = f"PyTorch {torch.__version__}, {torch.get_num_threads()} threads"
rng = np.random.default_rng(0)


def tensor(*shape, grad=True):
    return torch.tensor(rng.standard_normal(shape).astype(np.float32), requires_grad=grad)


def clear(*tensors):
    for t in tensors:
        t.grad = None


def wake():
    """Load what the library loads at its first operations; it is no work's memory."""
    w = tensor(2, 2)
    F.layer_norm(w, (2,)).sum().backward()
    optim.Adam([w]).step()


def lstm():
    layer, x, g = nn.LSTM(256, 256), tensor(20, 32, 256), tensor(20, 32, 256, grad=False)
    params = [x, *layer.parameters()]

    def step():
        layer(x)[0].backward(g)
        clear(*params)
    return step


def layer_norm():
    x, w, b, g = tensor(4096, 512), tensor(512), tensor(512), tensor(4096, 512, grad=False)

    def step():
        F.layer_norm(x, (512,), w, b).backward(g)
        clear(x, w, b)
    return step


def cross_entropy():
    x, target = tensor(640, 10_000), torch.tensor(rng.integers(0, 10_000, 640))

    def step():
        F.cross_entropy(x, target).backward()
        clear(x)
    return step


def _attention(B, H, T, d, causal):
    q, k, v, g = tensor(B, H, T, d), tensor(B, H, T, d), tensor(B, H, T, d), tensor(B, H, T, d, grad=False)

    def step():
        F.scaled_dot_product_attention(q, k, v, is_causal=causal).backward(g)
        clear(q, k, v)
    return step


def _conv2d(B, C, size, out):
    x, w, b, g = tensor(B, C, size, size), tensor(out, C, 3, 3), tensor(out), tensor(B, out, size, size, grad=False)

    def step():
        F.conv2d(x, w, b, padding=1).backward(g)
        clear(x, w, b)
    return step


def norm_relu_pool():
    x, norm, g = tensor(16, 64, 32, 32), nn.BatchNorm2d(64), tensor(16, 64, 16, 16, grad=False)

    def step():
        F.max_pool2d(F.relu(norm(x)), 2).backward(g)
        clear(x, *norm.parameters())
    return step


def chain():
    x, w = tensor(8, 8), tensor(8, 8)

    def step():
        y = x
        for _ in range(10):
            y = y * w
            y = y + x
            y = y.tanh()
            y = y - w
        y.sum().backward()
        clear(x, w)
    return step


def adam():
    params = [tensor(1000, 1000) for _ in range(5)]
    for p in params:
        p.grad = tensor(1000, 1000, grad=False)
    return optim.Adam(params, lr=1e-3).step


def additive_score():
    q, k, u, g = tensor(64, 64), tensor(64, 36, 64), tensor(64), tensor(64, 36, grad=False)

    def step():
        (torch.tanh(k + q[:, None]) @ u).backward(g)
        clear(q, k, u)
    return step


def conv_encoder():
    encoder, head, x = ConvEncoder(1, (32, 64, 64)), nn.Linear(64, 20), tensor(64, 1, 24, 24, grad=False)
    labels = torch.tensor(rng.integers(0, 20, 64))
    optimiser = optim.Adam([*encoder.parameters(), *head.parameters()], lr=1e-3)

    def step():
        optimiser.zero_grad()
        F.cross_entropy(head(encoder.feature_map(x).amax((2, 3))), labels).backward()
        optimiser.step()
    return step


def captions(B, T, K):
    """Words (T, B) of captions of 6 to T words, the words before them, and where they are."""
    lengths = rng.integers(6, T + 1, B)
    targets = np.where(np.arange(T)[:, None] < lengths, rng.integers(1, K, (T, B)), 0)
    before = np.concatenate([np.zeros((1, B), np.int64), targets[:-1]])
    return torch.tensor(before), torch.tensor(targets), torch.tensor(targets != 0)


def _attend_tell(hard=False, size=None):
    decoder, params = ShowAttendTell(66, 30, embedding=64, hidden=128, attention=64, hard=hard), []
    if size is None:
        a = tensor(64, 36, 66, grad=False)
    else:
        encoder, pictures = ConvEncoder(1, (32, 64, 64)), tensor(64, 1, size, size, grad=False)
        params += encoder.parameters()
    before, targets, mask = captions(64, 13, 30)
    params += decoder.parameters()
    optimiser = optim.Adam(params, lr=1e-3)

    def step():
        optimiser.zero_grad()
        decoded = decoder(a if size is None else encoder(pictures), before)
        if hard:
            loss, _ = hard_objective(decoded, targets, mask, baseline=-40.0, lambda_r=0.1, lambda_e=0.002)
        else:
            loss = soft_objective(decoded, targets, mask, lam=0.0)
        loss.backward()
        nn.utils.clip_grad_norm_(params, 5.0)
        optimiser.step()
    return step


def _show_tell(B, T, features, vocabulary, width):
    model, f = ShowTell(features, vocabulary, embedding=width, hidden=width), tensor(B, features, grad=False)
    before, targets, _ = captions(B, T, vocabulary)
    params = list(model.parameters())
    optimiser = optim.Adam(params, lr=1e-3)

    def step():
        optimiser.zero_grad()
        caption_loss(model(f, before), targets).backward()
        nn.utils.clip_grad_norm_(params, 5.0)
        optimiser.step()
    return step


LECTURE = dict(embed_dim=64, image_resolution=32, context_length=16, vocab_size=600, transformer_width=64, transformer_heads=4,
               transformer_layers=2)
B_32 = dict(embed_dim=512, image_resolution=224, vision_layers=12, vision_width=768, vision_patch_size=32, context_length=77,
            vocab_size=49_408, transformer_width=512, transformer_heads=8, transformer_layers=12)


def texts(B, L, K):
    """(B, L): start, words, the end, which is the largest id, and zeros; the first text fills its row."""
    ends = rng.integers(4, L, (B, 1))
    ends[0] = L - 1
    place = np.arange(L)
    rows = np.where(place < ends, rng.integers(1, K - 2, (B, L)), np.where(place == ends, K - 1, 0))
    rows[:, 0] = K - 2
    return torch.tensor(rows)


def _clip(layers, width, heads, patch=None):
    model = CLIP(**LECTURE, vision_layers=layers, vision_width=width, vision_patch_size=patch, vision_heads=heads)
    image, text = tensor(64, 3, 32, 32, grad=False), texts(64, 16, 600)
    params = list(model.parameters())
    optimiser = optim.AdamW([dict(params=[p for p in params if p.ndim > 1], weight_decay=0.2),
                             dict(params=[p for p in params if p.ndim < 2], weight_decay=0.0)], lr=1e-3)

    def step():
        optimiser.zero_grad()
        clip_loss(model(image, text)[0]).backward()
        optimiser.step()
        clip_temperature_(model.logit_scale)
    return step


def clip_b32():
    model, image = CLIP(**B_32).eval(), tensor(4, 3, 224, 224, grad=False)
    text = torch.tensor(np.concatenate([rng.integers(1, 49_406, (4, 76)), np.full((4, 1), 49_407)], 1))

    def step():
        with torch.no_grad():
            model(image, text)
    return step


def sentences(B, T, least, K):
    """Words (T, B) of sentences of ``least`` to T words, 0 after the end, and their lengths (B,)."""
    lengths = rng.integers(least, T + 1, B)
    lengths[0] = T
    words = np.where(np.arange(T)[:, None] < lengths, rng.integers(1, K, (T, B)), 0)
    return torch.tensor(words), torch.tensor(lengths)


def _order(norm):
    model = OrderEmbedding(35, 31, norm=norm)
    words, lengths = sentences(128, 12, 4, 35)
    features, params = tensor(128, 31, grad=False), list(model.parameters())
    optimiser = optim.Adam(params, lr=1e-3)

    def step():
        optimiser.zero_grad()
        model.loss(words, lengths, features).backward()
        nn.utils.clip_grad_norm_(params, 2.0)
        optimiser.step()
    return step


def _reader(norm):
    model = AttentiveReader(38, 6, norm=norm)
    (d, d_lengths), (q, q_lengths) = sentences(64, 29, 21, 38), sentences(64, 6, 6, 38)
    answers, params = torch.tensor(rng.integers(0, 6, 64)), list(model.parameters())
    optimiser = optim.Adam(params, lr=2e-3)

    def step():
        optimiser.zero_grad()
        F.cross_entropy(model(d, q, d_lengths, q_lengths)[0], answers).backward()
        nn.utils.clip_grad_norm_(params, 10.0)
        optimiser.step()
    return step


def _draw(norm):
    model, x = Draw(norm=norm), torch.tensor(rng.integers(0, 2, (64, 8, 8)).astype(np.float32))
    optimiser = optim.Adam(model.parameters(), lr=3e-3)

    def step():
        optimiser.zero_grad()
        draw_loss(*model(x, torch.randn(6, 64, 8)), x).backward()
        optimiser.step()
    return step


def lrcn_fc6():
    encoder, head = FrameEncoder(3, (24, 24)), ActivityLRCN(128, 12, hidden=64, dropout=0.5)
    x, labels = tensor(16, 32, 3, 24, 24, grad=False), torch.tensor(rng.integers(0, 12, 32))
    params = [*encoder.conv.parameters(), *encoder.W_6.parameters(), *head.parameters()]
    optimiser = optim.Adam(params, lr=2e-3)

    def step():
        optimiser.zero_grad()
        logits = head(encoder.of_clips(x, "fc6"))
        F.cross_entropy(logits.flatten(0, 1), labels[None].expand(16, 32).flatten()).backward()   # every step has the clip's label
        nn.utils.clip_grad_norm_(params, 5.0)
        optimiser.step()
    return step


def _alignment(B, M, T, features, words, size):
    model, phi = VisualSemanticAlignment(features, 30, size=size, words=words), tensor(B, M, features, grad=False)
    inside = torch.tensor(np.arange(M) < rng.integers(M - 2, M + 1, (B, 1)))
    (S, _), params = sentences(B, T, 6, 30), list(model.parameters())
    optimiser = optim.Adam(params, lr=1e-3)

    def step():
        optimiser.zero_grad()
        model.loss(phi, inside, S).backward()
        nn.utils.clip_grad_value_(params, 5.0)
        optimiser.step()
    return step


def _gan(B, text, G_widths, D_widths, noise, embedding):
    """A step of D, and one of G with new noise, in which D's weights need no gradients."""
    G, D = Generator(text, G_widths, noise, embedding), Discriminator(text, D_widths, embedding)
    size = 4 * 2 ** len(D_widths)
    x, h, wrong = tensor(B, 3, size, size, grad=False), tensor(B, text, grad=False), tensor(B, text, grad=False)
    optimisers = [optim.Adam(net.parameters(), lr=5e-4, betas=(0.5, 0.999)) for net in (D, G)]

    def step():
        with torch.no_grad():
            fake = G(tensor(B, noise, grad=False), h)
        optimisers[0].zero_grad()
        discriminator_loss(D, x, wrong, fake, h).backward()
        optimisers[0].step()
        D.requires_grad_(False)
        optimisers[1].zero_grad()
        generator_loss(D, G(tensor(B, noise, grad=False), h), h).backward()
        optimisers[1].step()
        D.requires_grad_(True)
    return step


def dvae():
    model, x = DVAE(128, 24, 3), torch.tensor(rng.random((32, 3, 16, 16), np.float32))
    optimiser, ema = optim.AdamW(model.parameters(), lr=1e-3), AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(0.999))

    def step():
        optimiser.zero_grad()
        model.loss(x, 0.5, 1.5).backward()
        optimiser.step()
        ema.update_parameters(model)
    return step


def dvae_encoder():
    """The published size, on one picture."""
    model, x = DVAE(8192, 256, 4).encoder.blocks.eval(), torch.tensor(rng.random((1, 3, 256, 256), np.float32))

    def step():
        with torch.no_grad():
            model(x)
    return step


def _dalle(B, grid):
    """A model, text and image tokens; texts of 6 to 16 tokens, and pads."""
    model = DALLETransformer(60, 128, 16, grid, 96, 4, 4, kinds=("row", "column", "row", "conv"))
    text = np.where(np.arange(16) < rng.integers(6, 17, (B, 1)), rng.integers(0, 60, (B, 16)), -1)
    return model, torch.tensor(text), torch.tensor(rng.integers(0, 128, (B, grid[0] * grid[1])))


def dalle():
    model, text, image = _dalle(64, (4, 4))
    params = list(model.parameters())
    optimiser = optim.AdamW(params, lr=1e-3, betas=(0.9, 0.96), weight_decay=4.5e-2)

    def step():
        optimiser.zero_grad()
        dalle_loss(*model(text, image), text, image).backward()
        nn.utils.clip_grad_norm_(params, 4.0)
        optimiser.step()
    return step


def dalle_sample():
    """64 image tokens for each of 32 captions, with the keys and values of all positions kept."""
    model, text, _ = _dalle(32, (8, 8))
    return lambda: model.eval().sample(text)


WORKS = {
    "lstm": lstm, "layer_norm": layer_norm, "cross_entropy": cross_entropy,
    "attention": lambda: _attention(8, 4, 128, 32, False), "attention_causal": lambda: _attention(8, 4, 512, 32, True),
    "conv2d_3": lambda: _conv2d(16, 3, 64, 32), "conv2d_64": lambda: _conv2d(16, 64, 32, 64),
    "norm_relu_pool": norm_relu_pool, "chain": chain, "adam": adam,
    "additive_score": additive_score, "conv_encoder": conv_encoder,
    "attend_tell": _attend_tell, "attend_tell_hard": lambda: _attend_tell(hard=True),
    "attend_tell_joint": lambda: _attend_tell(size=48),
    "show_tell": lambda: _show_tell(64, 13, 256, 50, 128), "show_tell_large": lambda: _show_tell(32, 16, 1024, 10_000, 512),
    "clip_vit": lambda: _clip(4, 64, 4, patch=8), "clip_resnet": lambda: _clip((1, 1, 1, 1), 16, 8), "clip_b32": clip_b32,
    "order_gru": lambda: _order("none"), "order_ln_gru": lambda: _order("layer"),
    "reader_lstm": lambda: _reader("none"), "reader_ln_lstm": lambda: _reader("layer"),
    "draw_plain": lambda: _draw("none"), "draw_ln": lambda: _draw("layer"), "lrcn_fc6": lrcn_fc6,
    "alignment": lambda: _alignment(50, 8, 14, 64, 64, 64), "alignment_wide": lambda: _alignment(100, 20, 14, 4096, 300, 1000),
    "gan_cls": lambda: _gan(32, 64, (96, 48), (48, 96), 32, 32),
    "gan_cls_paper": lambda: _gan(64, 1024, (1024, 512, 256, 128), (64, 128, 256, 512), 100, 128),
    "dvae": dvae, "dvae_encoder": dvae_encoder, "dalle": dalle, "dalle_sample": dalle_sample,
}
