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


def stages(images, size, channels, before=1):
    """A training step of stages of a 3 x 3 convolution and a halving."""
    shapes = []
    for width in channels:
        columns, inner = images * size * size, 9 * before
        shapes += [(1, width, inner, columns), (1, width, columns, inner)] + (before > 1) * [(1, inner, width, columns)]
        before, size = width, size // 2
    return shapes


def generator(images, steps, features, words, D, n):
    """A training step of Show and Tell: the picture and ``steps`` words."""
    return (layer(images, features, D, dx=False) + layer((steps + 1) * images, D, 4 * n)       # W_I; inputs of all gates
            + layer(images, n, 4 * n, steps + 1) + layer(steps * images, n, words))            # W_m; W_d


DECODER = dict(images=64, places=36, D=66, steps=13, words=30, m=64, n=128, A=64)

# (batch, rows, inner, columns) of every product, forward and backward
PRODUCTS = {
    "lstm": [(1, 640, 256, 1024)] + 20 * [(1, 32, 256, 1024)]                          # x W_ih^T; h W_hh^T for each step
            + 20 * [(1, 32, 1024, 256)] + [(1, 640, 1024, 256)] + 2 * [(1, 1024, 640, 256)],   # dh, dx, dW_hh and dW_ih
    "layer_norm": [], "cross_entropy": [], "norm_relu_pool": [], "chain": [], "adam": [],
    "attention": 2 * [(32, 128, 32, 128)] + 3 * [(32, 128, 128, 32)],
    "attention_causal": 2 * [(32, 512, 32, 256)] + 3 * [(32, 512, 256, 32)],           # half of the keys, on average
    "conv2d_3": [(1, 32, 27, 65536), (1, 27, 32, 65536), (1, 32, 65536, 27)],          # forward, dx, dw
    "conv2d_64": [(1, 64, 576, 16384), (1, 576, 64, 16384), (1, 64, 16384, 576)],
    "additive_score": [], "conv_encoder": stages(64, 24, (32, 64, 64)) + layer(64, 64, 20),
    "attend_tell": decoder(**DECODER, da=False), "attend_tell_hard": decoder(**DECODER, da=False),
    "attend_tell_joint": stages(64, 48, (32, 64, 64)) + decoder(**DECODER, da=True),
    "show_tell": generator(64, 13, 256, 50, 128, 128), "show_tell_large": generator(32, 16, 1024, 10_000, 512, 512),
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
