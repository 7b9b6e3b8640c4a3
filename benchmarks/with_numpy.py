"""The bare matrix products in each work of `python -m tinymm bench`: the limit for an engine on this BLAS."""

import numpy as np

VERSION = f"NumPy {np.__version__}"

# (batch, rows, inner, columns) of every product, forward and backward
PRODUCTS = {
    "lstm": [(1, 640, 256, 1024)] + 20 * [(1, 32, 256, 1024)]                          # x W_ih^T; h W_hh^T for each step
            + 20 * [(1, 32, 1024, 256)] + [(1, 640, 1024, 256)] + 2 * [(1, 1024, 640, 256)],   # dh, dx, dW_hh and dW_ih
    "layer_norm": [], "cross_entropy": [], "norm_relu_pool": [], "chain": [], "adam": [],
    "attention": 2 * [(32, 128, 32, 128)] + 3 * [(32, 128, 128, 32)],
    "attention_causal": 2 * [(32, 512, 32, 256)] + 3 * [(32, 512, 256, 32)],           # half of the keys, on average
    "conv2d_3": [(1, 32, 27, 65536), (1, 27, 32, 65536), (1, 32, 65536, 27)],          # forward, dx, dw
    "conv2d_64": [(1, 64, 576, 16384), (1, 576, 64, 16384), (1, 64, 16384, 576)],
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
