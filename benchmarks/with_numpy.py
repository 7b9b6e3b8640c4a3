"""The bare matrix products in each work of `python -m tinymm bench`: the limit for an engine on this BLAS."""

import numpy as np

VERSION = f"NumPy {np.__version__}"


def layer(rows, inner, columns, times=1, dx=True):
    """x W^T for each of ``times`` inputs, its gradient for x, and that for W of all inputs at once."""
    return times * ([(1, rows, inner, columns)] + dx * [(1, rows, columns, inner)]) + [(1, columns, times * rows, inner)]


def decoder(images, places, D, steps, words, m, n, A, da):
    """A training step of Show, Attend and Tell's decoder; ``da``: with the gradient of the annotation vectors."""
    context = steps * images
    return (layer(images * places, D, A, dx=da) + 2 * layer(images, D, n, dx=da)               # keys and initial state
            + layer(images, n, A, steps) + layer(images, n, 1, steps)                          # query and gate
            + layer(images, m + D, 4 * n, steps) + layer(images, n, 4 * n, steps)              # LSTM
            + [(context, 1, places, D), (context, 1, D, places)] + da * [(images, places, steps, D)]   # context, d alpha, da
            + layer(context, n, m) + layer(context, D, m) + layer(context, m, words))          # deep output


def convolution(columns, inner, width, dx=True):
    """W x for the columns of all places, its gradient for W, and that for x."""
    return [(1, width, inner, columns), (1, width, columns, inner)] + dx * [(1, inner, width, columns)]


def stages(images, size, channels, before=1):
    """A training step of stages of a 3 x 3 convolution and a halving."""
    shapes = []
    for width in channels:
        shapes += convolution(images * size * size, 9 * before, width, dx=before > 1)
        before, size = width, size // 2
    return shapes


def generator(images, steps, features, words, D, n):
    """A training step of Show and Tell: the picture and ``steps`` words."""
    return (layer(images, features, D, dx=False) + layer((steps + 1) * images, D, 4 * n)       # W_I; inputs of all gates
            + layer(images, n, 4 * n, steps + 1) + layer(steps * images, n, words))            # W_m; W_d


def blocks(texts, length, D, heads, layers, causal=False, train=True):
    """CLIP's blocks, a training step or the forward only; a causal query sees half of the keys, on average."""
    keys, d = length // 2 if causal else length, D // heads
    scores, means = (texts * heads, length, d, keys), (texts * heads, length, keys, d)
    maps = [(texts * length, inner, columns) for inner, columns in ((D, 3 * D), (D, D), (D, 4 * D), (4 * D, D))]
    if not train:
        return layers * ([(1, *shape) for shape in maps] + [scores, means])
    return layers * (sum((layer(*shape) for shape in maps), []) + 2 * [scores] + 4 * [means])


def resnet(images, size, w, heads, E):
    """A training step of CLIP's ResNet with one block a stage: stem, stages, attention pool."""
    places = images * (size // 2)**2
    shapes = convolution(places, 27, w // 2, dx=False)
    shapes += convolution(places, 9 * w // 2, w // 2) + convolution(places, 9 * w // 2, w)
    before, size = w, size // 4
    for width in (w, 2 * w, 4 * w, 8 * w):
        shapes += convolution(images * size**2, before, width) + convolution(images * size**2, 9 * width, width)
        size //= 1 if width == w else 2
        shapes += convolution(images * size**2, width, 4 * width) + convolution(images * size**2, before, 4 * width)
        before = 4 * width
    tokens = 1 + size**2
    scores, means = (images * heads, 1, before // heads, tokens), (images * heads, 1, tokens, before // heads)
    return (shapes + layer(images, before, before) + 2 * layer(images * tokens, before, before)    # query; keys and values
            + 2 * [scores] + 4 * [means] + layer(images, before, E))


def sequence(rows, steps, inner, gates, n):
    """A training step of a recurrent layer: the inputs of all steps together, the states step by step."""
    return layer(rows * steps, inner, gates * n) + layer(rows, n, gates * n, steps)


def alignment(B, M, T, features, words, D):
    """A training step of visual-semantic alignments: regions, both directions over the words, all scores."""
    return (layer(B * M, features, D, dx=False) + layer(T * B, words, D) + 2 * layer(B, D, D, T) + layer(T * B, D, D)
            + layer(B * M, D, T * B))


def gan(B, text, G_widths, D_widths, noise, N_T):
    """A step of D on three kinds of pairs, and one of G through D; a convolution is W times the columns of all places."""
    inner = lambda c, rows: [(B * rows**2, i, o) for i, o in ((c, c // 4), (9 * c // 4, c // 4), (9 * c // 4, c))]   # bottleneck
    G, D, rows, last = [(B, text, N_T), (B, noise + N_T, 16 * G_widths[0])], [(B, text, N_T)], 4, D_widths[-1]
    for level, (width, after) in enumerate(zip(G_widths, (*G_widths[1:], 3))):
        G += (inner(width, rows) if level < 2 else []) + [(B * rows**2, width, 16 * after)]
        rows *= 2
    for before, width in zip((3, *D_widths), D_widths):
        rows //= 2
        D.append((B * rows**2, 16 * before, width))
    D += inner(last, 4) + [(16 * B, last + N_T, last), (B, 16 * last, 1)]
    forward = lambda net: [(1, w, i, c) for c, i, w in net]
    dw, dx = lambda net: [(1, w, c, i) for c, i, w in net], lambda net: [(1, i, w, c) for c, i, w in net]
    return 2 * forward(G) + dw(G) + dx(G[1:]) + 4 * forward(D) + 3 * (dw(D) + dx(D[2:])) + dx(D[1:])


def dvae_half(images, size, K, widths, before, first, decoder=False, train=True):
    """One half of the dVAE: a convolution, two blocks a group with ``size`` halved or doubled after each group, a 1 x 1."""
    places, maps = images * size**2, []
    maps.append((places, first**2 * (K if decoder else 3), before))
    for width in widths:
        for start in (before, width):
            h = width // 4
            maps += ([(places, start, h), (places, 9 * h, h), (places, 9 * h, h), (places, 9 * h, width)] if decoder else
                     [(places, 9 * start, h), (places, 9 * h, h), (places, 9 * h, h), (places, h, width)])
            maps += [(places, start, width)] * (start != width)
        places, before = places * 4 if decoder else places // 4, width
    maps.append((places // 4 if decoder else places * 4, before, 6 if decoder else K))
    if not train:
        return [(1, width, inner, columns) for columns, inner, width in maps]
    shapes = sum((convolution(*shape) for shape in maps), [])
    return shapes if decoder else [shape for i, shape in enumerate(shapes) if i != 2]    # no gradient of the picture


ORDER = sequence(128, 12, 48, 3, 96) + layer(128, 31, 96, dx=False)
READER = (sequence(64, 29, 64, 4, 64) + sequence(64, 6, 64, 4, 64) + layer(29 * 64, 64, 64) + 3 * layer(64, 64, 64)
          + layer(64, 64, 6) + [(64, 1, 29, 64), (64, 1, 64, 29), (64, 29, 1, 64)])                # r and its gradients
DRAW = (layer(64, 72, 256, 6) + layer(64, 8, 256, 6) + 2 * layer(64, 64, 256, 6) + 2 * layer(64, 64, 5, 6)   # LSTMs, windows
        + layer(64, 64, 16, 6) + layer(64, 64, 9, 6)                                              # z, what is written
        + 18 * [(128, 2, 8, 8), (128, 2, 8, 2), (64, 8, 3, 3), (64, 8, 3, 8)])                    # filters
LRCN = (stages(16 * 32, 24, (16, 32), before=3) + layer(16 * 32, 32 * 36, 128)                    # fc6
        + sequence(32, 16, 128, 4, 64) + layer(16 * 32, 64, 12))
DECODER = dict(images=64, places=36, D=66, steps=13, words=30, m=64, n=128, A=64)

# (batch, rows, inner, columns) of every product, forward and backward
PRODUCTS = {
    "lstm": [(1, 640, 256, 1024)] + 20 * [(1, 32, 256, 1024)]                          # x W_ih^T; h W_hh^T for each step
            + 20 * [(1, 32, 1024, 256)] + [(1, 640, 1024, 256)] + 2 * [(1, 1024, 640, 256)],   # dh, dx, dW_hh and dW_ih
    "layer_norm": [], "cross_entropy": [], "norm_relu_pool": [], "chain": [], "adam": [],
    "attention": 2 * [(32, 128, 32, 128)] + 4 * [(32, 128, 128, 32)],
    "attention_causal": 2 * [(32, 512, 32, 256)] + 4 * [(32, 512, 256, 32)],           # half of the keys, on average
    "conv2d_3": [(1, 32, 27, 65536), (1, 27, 32, 65536), (1, 32, 65536, 27)],          # forward, dx, dw
    "conv2d_64": [(1, 64, 576, 16384), (1, 576, 64, 16384), (1, 64, 16384, 576)],
    "additive_score": [], "conv_encoder": stages(64, 24, (32, 64, 64)) + layer(64, 64, 20),
    "attend_tell": decoder(**DECODER, da=False), "attend_tell_hard": decoder(**DECODER, da=False),
    "attend_tell_joint": stages(64, 48, (32, 64, 64)) + decoder(**DECODER, da=True),
    "show_tell": generator(64, 13, 256, 50, 128, 128), "show_tell_large": generator(32, 16, 1024, 10_000, 512, 512),
    "clip_vit": layer(64 * 16, 192, 64, dx=False) + blocks(64, 17, 64, 4, 4) + layer(64, 64, 64)   # patches, blocks, projection
                + blocks(64, 16, 64, 4, 2, causal=True) + layer(64, 64, 64) + layer(64, 64, 64),   # the text's; all logits
    "clip_resnet": resnet(64, 32, 16, 8, 64) + blocks(64, 16, 64, 4, 2, causal=True) + layer(64, 64, 64) + layer(64, 64, 64),
    "clip_b32": [(1, 4 * 49, 3072, 768), (1, 4, 768, 512), (1, 4, 512, 512), (1, 4, 512, 4)]
                + blocks(4, 50, 768, 12, 12, train=False) + blocks(4, 77, 512, 8, 12, causal=True, train=False),
    "order_gru": ORDER, "order_ln_gru": ORDER, "reader_lstm": READER, "reader_ln_lstm": READER, "draw_plain": DRAW, "draw_ln": DRAW,
    "lrcn_fc6": LRCN,
    "gan_cls": gan(32, 64, (96, 48), (48, 96), 32, 32),
    "gan_cls_paper": gan(64, 1024, (1024, 512, 256, 128), (64, 128, 256, 512), 100, 128),
    "dvae": dvae_half(32, 16, 128, (24, 48, 96), 24, 7) + dvae_half(32, 4, 128, (96, 48, 24), 128, 1, decoder=True),
    "dvae_encoder": dvae_half(1, 256, 8192, (256, 512, 1024, 2048), 256, 7, train=False),
    "dalle": blocks(64, 31, 96, 4, 4, causal=True) + layer(64 * 15, 96, 60) + layer(64 * 16, 96, 128),
    "dalle_sample": blocks(32, 16, 96, 4, 4, causal=True, train=False)
                    + 63 * blocks(32, 1, 96, 4, 4, train=False) + 64 * [(1, 32, 96, 128)],   # attention's own left out
    "alignment": alignment(50, 8, 14, 64, 64, 64), "alignment_wide": alignment(100, 20, 14, 4096, 300, 1000),
}


def products(shapes):
    rng = np.random.default_rng(0)
    pairs = []
    for batch, rows, inner, columns in shapes:
        a = rng.standard_normal((batch, rows, inner), dtype=np.float32)
        b = rng.standard_normal((batch, inner, columns), dtype=np.float32)
        pairs.append((a, b, np.empty((batch, rows, columns), np.float32)) if batch > 1 else
                     (a[0], b[0], np.empty((rows, columns), np.float32)))

    def step():
        for a, b, out in pairs:
            np.matmul(a, b, out=out)
    return step


WORKS = {name: (lambda shapes=shapes: products(shapes)) for name, shapes in PRODUCTS.items()}
