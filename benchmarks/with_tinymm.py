"""The works of `python -m tinymm bench`, in tinymm. The twin is with_pytorch.py, line for line."""

import numpy as np

import tinymm
import tinymm.functional as F
from tinymm import Tensor, nn, optim

VERSION = f"tinymm {tinymm.__version__}, NumPy {np.__version__}"
rng = np.random.default_rng(0)


def tensor(*shape, grad=True):
    return Tensor(rng.standard_normal(shape).astype(np.float32), requires_grad=grad)


def clear(*tensors):
    for t in tensors:
        t.grad = None


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
    x, target = tensor(640, 10_000), Tensor(rng.integers(0, 10_000, 640))

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


WORKS = {
    "lstm": lstm, "layer_norm": layer_norm, "cross_entropy": cross_entropy,
    "attention": lambda: _attention(8, 4, 128, 32, False), "attention_causal": lambda: _attention(8, 4, 512, 32, True),
    "conv2d_3": lambda: _conv2d(16, 3, 64, 32), "conv2d_64": lambda: _conv2d(16, 64, 32, 64),
    "norm_relu_pool": norm_relu_pool, "chain": chain, "adam": adam,
}
