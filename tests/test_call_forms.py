"""Calls as PyTorch's documentation writes them, by place and by name: the same text runs in both and gives the same values."""

import types
import warnings

import numpy as np
import pytest

import tinymm
from tinymm.autograd.registry import Draw

pytestmark = pytest.mark.oracle
torch = pytest.importorskip("torch")

DRAW = Draw(0)
ARRAYS = {
    "x": DRAW.normal(2, 3), "y": DRAW.normal(2, 3), "v": DRAW.normal(3), "square": DRAW.normal(3, 3), "stack": DRAW.normal(2, 3, 4),
    "signal": DRAW.normal(2, 4, 9), "image": DRAW.normal(2, 4, 6, 5), "volume": DRAW.normal(1, 2, 3, 4, 4),
    "seq": DRAW.normal(5, 3, 4), "h": DRAW.normal(2, 3, 6), "c": DRAW.normal(2, 3, 6), "row": DRAW.normal(3, 6),
    "index": np.array([[1, 0, 1]]), "words": np.array([[1, 2, 4, 2], [4, 3, 2, 0]]), "labels": np.array([2, 0]),
    "ones": np.array([1.0, -1.0]), "mask": np.array([[True, False, True], [False, True, True]]), "counts": np.array([1, 2, 0]),
    "heads": DRAW.normal(2, 4, 5, 3), "groups": DRAW.normal(2, 2, 6, 3), "w": DRAW.normal(6, 4, 3, 3), "gain": DRAW.uniform(4),
    "chance": DRAW.uniform(2, 3), "table": DRAW.normal(6, 3, scale=3.0),
}

LAYERS = [   # how it is made, how it is called
    ("nn.Linear(4, 6)", "m(seq)"), ("nn.Linear(4, 6, False)", "m(seq)"), ("nn.Linear(4, 6, True, 'cpu')", "m(input=seq)"),
    ("nn.Bilinear(3, 3, 2)", "m(x, y)"), ("nn.Identity(54, unused_argument1=0.1)", "m(x)"),
    ("nn.Conv1d(4, 6, 3, stride=2)", "m(signal)"), ("nn.Conv2d(4, 6, (3, 5), stride=(2, 1), padding=(4, 2))", "m(image)"),
    ("nn.Conv2d(4, 6, 3, 1, 1, 1, 2, False, 'reflect')", "m(image)"),
    ("nn.Conv2d(4, 6, 3, padding='same', padding_mode='circular')", "m(image)"),
    ("nn.Conv2d(4, 6, (2, 4), 1, 'same', padding_mode='replicate')", "m(image)"),
    ("nn.Conv1d(4, 6, 3, 1, 2, padding_mode='circular')", "m(signal)"),
    ("nn.Conv1d(4, 2, 2, 1, 'valid', padding_mode='reflect')", "m(signal)"),
    ("nn.Conv3d(2, 3, 3, 1, (1, 2, 1), padding_mode='replicate')", "m(volume)"),
    ("nn.ConvTranspose2d(4, 6, 3, stride=2, padding=1)", "m(image, output_size=(12, 9))"),
    ("nn.ConvTranspose2d(4, 6, 3, 2, 1)", "m(image, (2, 6, 12, 10))"),
    ("nn.ConvTranspose2d(4, 6, 3, 2, 1, 1, 2, False, 1, 'zeros')", "m(image)"),
    ("nn.ConvTranspose1d(4, 2, 3, 3)", "m(signal, [28])"), ("nn.BatchNorm2d(4, 1e-3, 0.2)", "m(image)"),
    ("nn.BatchNorm2d(4, affine=False)", "m(image)"), ("nn.BatchNorm1d(4, bias=False)", "m(signal)"),
    ("nn.InstanceNorm2d(4, 1e-3, 0.1, True)", "m(image)"),
    ("nn.InstanceNorm1d(4, affine=True, track_running_stats=True)", "(m(signal), m.eval()(signal))"),
    ("nn.InstanceNorm1d(4, affine=True, bias=False)", "m(signal)"), ("nn.GroupNorm(2, 4)", "m(image)"),
    ("nn.GroupNorm(2, 4, 1e-3, True, bias=False)", "m(image)"), ("nn.LayerNorm([4, 6, 5])", "m(image)"),
    ("nn.LayerNorm(4, 1e-3, True, False)", "m(seq)"), ("nn.RMSNorm(4, 1e-3)", "m(x=seq)"),
    ("nn.LocalResponseNorm(2, 1e-3)", "m(image)"), ("nn.Embedding(6, 3)", "m(words)"), ("nn.Embedding(6, 3, 2)", "m(words)"),
    ("nn.Embedding(6, 3, None, 1.0)", "m(words)"),
    ("nn.Embedding(6, 3, max_norm=0.5, norm_type=1.0)", "(m(words), m.weight)"),
    ("nn.Embedding(6, 3, scale_grad_by_freq=True)", "m(words)"), ("nn.LSTM(4, 6, 2)", "m(seq, (h, c))"),
    ("nn.LSTM(4, 6, 1, True, True)", "m(seq)"), ("nn.GRU(4, 6, 2)", "m(seq, h)"),
    ("nn.GRU(4, 6, 1, True, False, 0.0, True, device='cpu')", "m(seq)"), ("nn.RNN(4, 6, 2, 'relu')", "m(seq, h)"),
    ("nn.LSTMCell(4, 6)", "m(seq[0], (row, row))"), ("nn.GRUCell(4, 6)", "m(seq[0], row)"),
    ("nn.RNNCell(4, 6, True, 'relu')", "m(seq[0])"), ("nn.MultiheadAttention(4, 2)", "m(seq, seq, seq, need_weights=False)"),
    ("nn.TransformerEncoderLayer(4, 2, 8, 0.0, F.gelu)", "m(seq)"),
    ("nn.TransformerEncoder(nn.TransformerEncoderLayer(d_model=4, nhead=2, dropout=0.0), 2, None, False)", "m(seq)"),
    ("nn.MaxPool2d(3, stride=2)", "m(image)"), ("nn.MaxPool2d((3, 2), (2, 1), 1, 1, True)", "m(image)"),
    ("nn.AvgPool2d(3, 2, 1, False, False)", "m(image)"), ("nn.AdaptiveMaxPool2d((None, 3))", "m(image)"),
    ("nn.AdaptiveMaxPool1d(3, True)", "m(signal)"), ("nn.AdaptiveMaxPool2d((2, 3), return_indices=True)", "m(image)"),
    ("nn.AdaptiveAvgPool2d(1)", "m(image)"), ("nn.Upsample(None, 2.5, 'bilinear', False, True)", "m(image)"),
    ("nn.Upsample(scale_factor=2)", "m(image)"), ("nn.Flatten(0, 1)", "m(image)"), ("nn.Unflatten(1, (2, 2))", "m(image)"),
    ("nn.PixelShuffle(2)", "m(image)"), ("nn.Softmax(dim=1)", "m(x)"), ("nn.ReLU(False)", "m(x)"),
    ("nn.LeakyReLU(0.2, False)", "m(x)"), ("nn.ELU(0.5, inplace=False)", "m(x)"), ("nn.SiLU(inplace=False)", "m(x)"),
    ("nn.Dropout(0.5, False)", "m.eval()(x)"), ("nn.Softplus(2, 3)", "m(x)"), ("nn.GELU('tanh')", "m(x)"),
    ("nn.MSELoss(reduction='sum')", "m(x, y)"), ("nn.CrossEntropyLoss(v.exp())", "m(x, labels)"),
    ("nn.CrossEntropyLoss(ignore_index=2)", "m(input=x, target=labels)"), ("nn.HuberLoss('sum', 0.5)", "m(x, y)"),
    ("nn.TripletMarginLoss(1.0, 2, 1e-7, True)", "m(x, y, -x)"), ("nn.CosineEmbeddingLoss(0.1)", "m(x, y, ones)"),
    ("nn.BCEWithLogitsLoss(pos_weight=v.exp())", "m(x, chance)"), ("nn.KLDivLoss(reduction='batchmean')", "m(x, chance)"),
    ("nn.utils.spectral_norm(nn.ConvTranspose2d(4, 6, 3))", "(m.weight_u.shape, m.weight_v.shape)"),
    ("nn.ModuleList(None)", "len(m)"),
    ("nn.Sequential(nn.Linear(3, 3), nn.ReLU())", "[n for n, _ in m.named_parameters('net', True, False)]"),
    ("nn.Linear(4, 6)", "(m.state_dict(prefix='a.')['a.weight'], m.to('cpu', t.float64)(seq), m.to(t.float64).weight)"),
]
CALLS = """
t.zeros(2, 3)
t.zeros((2, 3))
t.zeros([2, 3], dtype=t.float64)
t.zeros(size=(2, 3))
t.ones(2)
t.empty(2, 0).shape
t.empty(size=(2, 0)).shape
t.full((2, 3), 1.5)
t.rand(2, 3).shape
t.randn(size=(4,)).shape
t.randint(3, (2, 2)).shape
t.randint(high=3, size=(2, 2)).shape
t.randint(3, 10, (2,)).shape
t.arange(5)
t.arange(1, 4)
t.arange(end=3)
t.arange(start=1, end=2.5, step=0.5)
t.linspace(3, 10, steps=5)
t.eye(3)
t.normal(0.0, 1.0, size=(1, 4)).shape
t.tensor([[0.1, 1.2], [2.2, 3.1]], dtype=t.float64, device='cpu')
x.reshape(3, 2)
x.reshape((3, 2))
x.reshape(shape=(3, 2))
t.reshape(x, (-1,))
x.view(-1, 2)
x.view(size=(6,))
x.permute(1, 0)
x.permute((1, 0))
x.permute(dims=(1, 0))
t.permute(stack, (2, 0, 1))
t.permute(stack, dims=(2, 0, 1))
v.expand(2, 3)
v.expand((2, 3))
v.expand(size=(2, -1))
v.repeat(4, 2)
v.repeat(repeats=(4, 2))
t.tile(x, (2, 2))
t.tile(x, dims=(2,))
x.tile(2, 1)
t.flip(x, [0, 1])
t.flip(x, dims=(0,))
x.flip(0, 1)
x.flip(dims=[1])
t.broadcast_to(v, (2, 3))
v.broadcast_to(2, 3)
t.broadcast_to(v, size=(2, 3))
x.reshape(2, 1, 3, 1).squeeze(1, 3)
x.reshape(2, 1, 3, 1).squeeze(dim=(1, 3))
x.reshape(2, 1, 3).squeeze()
mask.count_nonzero(0, 1)
t.count_nonzero(mask, dim=0)
t.roll(x, 1)
t.roll(x, shifts=(1, 1), dims=(0, 1))
x.split(2, 1)
x.split(split_size=[1, 2], dim=1)
t.split(x, 1)
t.split(x, [1, 2], dim=1)
t.chunk(v, chunks=2)
t.cat((x, y, x), 0)
t.stack([x, y], dim=1)
t.unbind(x)
t.movedim(stack, 1, 0)
t.unflatten(x, 1, (3, 1))
t.meshgrid(v, v, indexing='ij')
t.max(x)
t.max(x, 1)
t.max(x, 1, keepdim=True)
t.max(x, y)
t.max(x, other=y)
t.min(input=x, other=y)
x.max(y)
x.min(dim=1)
x.max(axis=1, keepdims=True)
t.sort(x, 1, True)
t.sort(x, descending=True, dim=0)
t.sort(x, stable=True, dim=0)
x.argsort(1, True)
t.argsort(x, dim=1, descending=True, stable=True)
t.topk(v, 2, 0, False)
t.median(x, 1, True)
t.var(x, 0, False)
t.var(x, False)
t.var(x, dim=1, correction=0, keepdim=True)
x.std(0, True, True)
t.std_mean(x, 0, False, True)
t.std_mean(x, False)
t.std_mean(x, unbiased=False)
t.var_mean(x, dim=1, unbiased=False, keepdim=True)
t.var_mean(x, dim=1, correction=2)
t.norm(x, 2, 1, True)
x.norm(p=1, dim=0)
t.sum(x, (0, 1), True)
t.round(x, decimals=1)
x.round(decimals=2)
t.round(100 * x, decimals=-1)
t.add(x, y, alpha=2)
t.div(x, y, rounding_mode='floor')
t.clamp(x, -0.5, 0.5)
t.clamp(x, max=0.5)
t.where(mask, x, y)
x.where(mask, y)
t.repeat_interleave(x, 2)
t.repeat_interleave(x, 2, dim=1, output_size=6)
t.repeat_interleave(counts)
x.repeat_interleave(counts, 1)
t.gather(x, 0, index)
t.scatter(x, 0, index, y)
t.scatter(x, 0, index, 2.5)
t.scatter(x, 0, index, value=2.5)
x.scatter(0, index, y, reduce='add')
t.index_select(x, 1, counts)
t.take(x, counts)
t.addmm(square, square, square, beta=2, alpha=0.5)
t.einsum('ij,kj->ik', x, y)
t.bmm(stack, stack.transpose(1, 2))
t.tensordot(stack, stack, dims=([0, 1], [0, 1]))
x.to(t.float64)
x.to('cpu')
x.to('cpu', t.float64, False, True)
x.to(y)
x.to(dtype=t.float64, non_blocking=True, copy=True)
x.numpy(force=True).copy()
x.clone().div_(y, rounding_mode='floor')
x.clone().copy_(y, True)
t.cat((x, y), axis=1)
t.stack([x, y], axis=1)
t.unbind(x, axis=1)
x.chunk(2, axis=1)
x.repeat_interleave(2, axis=0)
x.sort(axis=0, descending=True)
t.argsort(x, axis=0)
x.topk(1, axis=0)
x.median(axis=1, keepdims=True)
t.cumsum(x, axis=0)
x.cumprod(axis=1)
x.unsqueeze(axis=1).squeeze(axis=1)
t.count_nonzero(mask, axis=0)
x.index_select(axis=1, index=counts)
x.gather(axis=0, index=index)
x.scatter(axis=0, index=index, src=y)
x.scatter_add(axis=0, index=index, src=y)
x.softmax(axis=0)
t.log_softmax(x, axis=0)
F.cosine_similarity(x, y, axis=0)
F.relu(x, False)
F.relu(x, inplace=False)
F.leaky_relu(x, 0.2, False)
F.softmax(x, 1)
F.softmax(x, dim=-1)
x.softmax(dim=0)
F.log_softmax(x, dim=1)
F.gumbel_softmax(x, 1.0, True, 1e-10, 0).sum(0)
F.dropout(x, 0.5, False)
F.linear(x, square, v)
F.embedding(words, table)
F.embedding(words, table.clone(), None, 1.0)
F.embedding(words, table.clone(), 0, 1.0, 1.0, False)
F.one_hot(words, 6)
F.conv2d(image, w, None, 2, 1)
F.batch_norm(image, gain, gain, None, None)
F.layer_norm(stack, (4,), gain, gain, 1e-3)
F.instance_norm(image, None, None, gain, gain)
F.max_pool2d(image, 2, 2, 0, 1, False, True)
F.interpolate(image, None, 2, 'bilinear', True)
F.pad(image, (1, 1), 'constant', 0)
F.mse_loss(x, y, reduction='sum')
F.cross_entropy(x, labels, v.exp())
F.cross_entropy(x, labels, weight=v.exp(), label_smoothing=0.1)
F.nll_loss(x, labels, v.exp())
F.huber_loss(x, y, 'none', 0.5)
F.binary_cross_entropy(chance, chance)
F.kl_div(x, chance, reduction='batchmean')
F.triplet_margin_loss(x, y, -x, 1.0, 1, 1e-6, True)
F.cosine_similarity(x, y, 0)
F.scaled_dot_product_attention(heads, heads, heads, None, 0.0, True, scale=0.3)
F.scaled_dot_product_attention(heads, groups, groups, enable_gqa=True)
F.scaled_dot_product_attention(heads, groups[:, :1], groups[:, :1], None, 0.0, False, scale=None, enable_gqa=True)
F.grid_sample(image, image.transpose(1, 3)[..., :2].tanh(), 'bilinear', 'border', True)
nn.Transformer.generate_square_subsequent_mask(4, 'cpu', t.float64)
""".strip().split("\n")


def names(library) -> dict:
    """What the texts mean in one of the two libraries."""
    nn = library.nn
    if library is tinymm:   # PyTorch has a function in a class
        nn = types.SimpleNamespace(**{**vars(nn), "Transformer": nn})
    tensors = {name: library.tensor(array) for name, array in ARRAYS.items()}
    return {"t": library, "nn": nn, "F": library.functional if library is tinymm else library.nn.functional, **tensors}


def flat(result) -> list:
    """The arrays and numbers of a result."""
    if isinstance(result, (tuple, list)):
        return [part for item in result for part in flat(item)]
    return [] if result is None else [result]


def same(ours, theirs) -> None:
    ours, theirs = flat(ours), flat(theirs)
    assert len(ours) == len(theirs) > 0
    for got, want in zip(ours, theirs):
        if isinstance(want, torch.Tensor):
            got, want = got.numpy(force=True), want.numpy(force=True)
            assert got.dtype == want.dtype
        assert np.shape(got) == np.shape(want)
        if isinstance(want, str):
            assert got == want
        else:
            np.testing.assert_allclose(got, want, rtol=1e-9, atol=1e-10)


@pytest.mark.parametrize("text", CALLS)
def test_call(text):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        want = eval(text, names(torch))
    same(eval(text, names(tinymm)), want)


@pytest.mark.parametrize("made, called", LAYERS, ids=[f"{made} {called}" for made, called in LAYERS])
def test_layer(made, called):
    results = []
    for library in (tinymm, torch):
        scope = names(library)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            layer = eval(made, scope).double()
        draw = Draw(1)
        with library.no_grad():
            for p in layer.parameters():
                p.copy_(library.tensor(draw.normal(*p.shape, scale=0.5)))
        results.append((eval(called, {**scope, "m": layer}), [n for n, _ in layer.named_parameters()], list(layer.state_dict())))
    (ours, *told), (theirs, *wanted) = results
    assert told == wanted
    same(ours, theirs)
