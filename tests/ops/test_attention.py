"""Attention: masks, dropout, memory, and multi-head attention's ways in; what the generic suite cannot see."""

import tracemalloc

import numpy as np
import pytest

from tinymm import Tensor, grad
from tinymm.backend.jit import force_parallel, use_kernels
from tinymm.backend.random import Stream
from tinymm.ops.attention import attention
from tinymm.ops.attention.attention import scaled_dot_product_attention
from tinymm.ops.attention.multi_head_attention import multi_head_attention_forward

RNG = np.random.default_rng(0)
RUNGS = pytest.mark.parametrize("rung", ["numpy", "numba"])


def qkv(*shape, dtype="float64", grads=True, keys=None):
    shapes = (shape, *[shape[:-2] + (keys or shape[-2],) + shape[-1:]] * 2)
    return [Tensor(RNG.normal(size=s).astype(dtype), requires_grad=grads) for s in shapes]


@RUNGS
def test_a_query_that_sees_no_key_gives_zeros_and_no_gradient(rung):
    for mask in (np.array([[True, False, True], [False, False, False]]),
                 np.array([[0.0, -np.inf, 1.0], [-np.inf, -np.inf, -np.inf]])):
        q, k, v = qkv(2, 2, 4, keys=3)
        with use_kernels(rung):
            out = scaled_dot_product_attention(q, k, v, Tensor(mask))
            grads = grad(out, (q, k, v), Tensor(RNG.normal(size=out.shape)), retain_graph=True)
            twice = grad(out.sum(), q, create_graph=True)[0]
        assert not out.detach().numpy()[:, 1].any() and out.detach().numpy()[:, 0].all()
        assert not grads[0].numpy()[:, 1].any() and grads[0].numpy()[:, 0].all()
        assert not grads[1].numpy()[:, 1].any() and not grads[2].numpy()[:, 1].any()     # the key that nobody sees
        assert all(np.isfinite(g.numpy()).all() for g in (*grads, twice.detach()))


@RUNGS
@pytest.mark.parametrize("parallel", [False, True])
def test_blocks_of_queries_and_keys_agree_with_the_whole_matrix(rung, parallel, monkeypatch):
    monkeypatch.setattr(attention, "BLOCK_ELEMENTS", 1000)     # the NumPy rung in many blocks, too
    for causal, keys in ((False, 301), (True, 150), (True, 301)):
        q, k, v = qkv(1, 200, 6, keys=keys)
        g = Tensor(RNG.normal(size=(1, 200, 6)))
        want = attention.Attention.definition(q, k, v, None, causal, 0.4)
        want_grads = grad(want, (q, k, v), g)
        with use_kernels(rung), force_parallel(parallel):
            got = scaled_dot_product_attention(q, k, v, is_causal=causal, scale=0.4)
            grads = grad(got, (q, k, v), g)
        np.testing.assert_allclose(got.detach().numpy(), want.detach().numpy(), rtol=1e-10, atol=1e-12)
        for a, b in zip(grads, want_grads):
            np.testing.assert_allclose(a.numpy(), b.numpy(), rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("queries", [1, 3, 8, 9, 16, 17, 31, 33])
def test_queries_that_fill_no_vector(queries, dtype):
    """Those beyond the last whole vector go one by one, or are filled up with zeros: with a mask, causal, with dropout."""
    tolerance = dict(rtol=1e-9, atol=1e-11) if dtype == "float64" else dict(rtol=2e-4, atol=2e-5)
    mask = RNG.random((queries, 21)) < 0.6
    mask[:, 0], mask[queries // 2] = True, False
    column = RNG.normal(size=(2, 1, 1, 21)).astype(dtype)                            # one row of numbers for all queries
    for options in (dict(attn_mask=Tensor(mask)), dict(is_causal=True), dict(attn_mask=Tensor(column)), dict(dropout_p=0.4)):
        found = []
        q, k, v = qkv(2, 3, queries, 5, dtype=dtype, keys=21)
        g = Tensor(RNG.normal(size=q.shape).astype(dtype))
        for rung in ("numpy", "numba"):
            with use_kernels(rung):
                out = scaled_dot_product_attention(q, k, v, **options, generator=Stream("dropout", 1))
                found.append([out.detach(), *grad(out, (q, k, v), g)])
        for ours, want in zip(*found):
            np.testing.assert_allclose(ours.numpy(), want.numpy(), **tolerance)


@RUNGS
def test_large_scores_neither_overflow_nor_lose_the_row(rung):
    q, k, v = qkv(2, 5, 4, dtype="float32", grads=False, keys=140)
    with use_kernels(rung):
        out = scaled_dot_product_attention(q * 100, k * 100, v).numpy()
    assert np.isfinite(out).all()
    scores = 1e4 * q.double().numpy() @ np.swapaxes(k.double().numpy(), 1, 2) / 2   # up to 4.5e4: in float32 off by a few 1e-3
    weights = np.exp(scores - scores.max(-1, keepdims=True))
    best, second = np.sort(scores)[..., -1], np.sort(scores)[..., -2]
    assert (best - second).min() > 5   # so an error of d in the scores moves weights by less than d e^-5, and values by thrice that
    np.testing.assert_allclose(out, weights / weights.sum(-1, keepdims=True) @ v.double().numpy(), rtol=0, atol=2e-4)


@RUNGS
def test_nan_stays_in_its_row(rung):
    q, k, v = qkv(1, 4, 3, grads=False)
    spoilt = q.numpy().copy()
    spoilt[0, 2, 1] = np.nan
    with use_kernels(rung):
        out = scaled_dot_product_attention(Tensor(spoilt), k, v).numpy()
    assert np.isnan(out[0, 2]).all() and np.isfinite(out[0, [0, 1, 3]]).all()


@RUNGS
def test_dropout_repeats_with_its_stream_and_its_gradients_fit_its_forward(rung):
    q, k, v = qkv(2, 9, 4, keys=70)
    direction = [RNG.normal(size=t.shape) for t in (q, k, v)]
    g = RNG.normal(size=(2, 9, 4))

    def out(q, k, v):
        return scaled_dot_product_attention(q, k, v, dropout_p=0.4, generator=Stream("dropout", 3))

    with use_kernels(rung):
        y = out(q, k, v)
        first = grad(y, (q, k, v), Tensor(g), retain_graph=True)
        through_definition = grad(y, (q, k, v), Tensor(g), create_graph=True)
        h = 1e-6
        moved = [out(*(Tensor(t.detach().numpy() + s * h * d) for t, d in zip((q, k, v), direction))).numpy()
                 for s in (1, -1)]
    numeric = float((g * (moved[0] - moved[1])).sum() / (2 * h))
    assert sum(float((a.numpy() * d).sum()) for a, d in zip(first, direction)) == pytest.approx(numeric, rel=1e-6)
    for a, b in zip(first, through_definition):
        np.testing.assert_allclose(a.numpy(), b.detach().numpy(), rtol=1e-9, atol=1e-11)


def test_both_rungs_drop_the_same_weights_and_the_right_share():
    v = np.eye(400)[None]
    zeros = Tensor(np.zeros((1, 300, 2))), Tensor(np.zeros((1, 400, 2)))
    outs = []
    for rung in ("numpy", "numba"):
        with use_kernels(rung):
            outs.append(scaled_dot_product_attention(*zeros, Tensor(v), dropout_p=0.25,
                                                     generator=Stream("dropout", 1)).numpy())
    np.testing.assert_allclose(outs[0], outs[1], atol=1e-12)
    kept = outs[0] != 0
    np.testing.assert_allclose(outs[0][kept], 1 / 400 / 0.75, rtol=1e-12)
    assert abs(kept.mean() - 0.75) < 5 * np.sqrt(0.75 * 0.25 / kept.size)
    everything = scaled_dot_product_attention(*zeros, Tensor(v), dropout_p=1.0)
    assert not everything.numpy().any()


def test_memory_stays_below_the_matrix_of_weights():
    length = 2048
    q, k, v = qkv(1, length, 16, dtype="float32")
    with use_kernels("numba"), force_parallel(False):
        small = qkv(1, 8, 16, dtype="float32")
        grad(scaled_dot_product_attention(*small).sum(), small)     # compile first
        tracemalloc.start()
        grad(scaled_dot_product_attention(q, k, v).sum(), (q, k, v))
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert peak < length * length * 4 / 4


def test_an_output_changed_in_place_is_noticed():
    from tinymm import no_grad

    q, k, v = qkv(1, 3, 2)
    out = scaled_dot_product_attention(q, k, v)
    with no_grad():
        out.mul_(2)
    with pytest.raises(RuntimeError, match="changed in place by mul_"):
        grad(out.sum(), q)


def test_attention_errors():
    q, k, v = qkv(2, 3, 4, grads=False)
    with pytest.raises(ValueError, match=r"query \(2, 3, 4\) has 4 features but key \(2, 3, 3\) has 3"):
        scaled_dot_product_attention(q, k[..., :3], v)
    with pytest.raises(ValueError, match="has length 3 but value .* has 2"):
        scaled_dot_product_attention(q, k, v[:, :2])
    with pytest.raises(ValueError, match=r"attn_mask \(3, 2\) does not broadcast .* \(2, 3, 3\)"):
        scaled_dot_product_attention(q, k, v, Tensor(np.ones((3, 2), bool)))
    with pytest.raises(ValueError, match="attn_mask and is_causal=True together"):
        scaled_dot_product_attention(q, k, v, Tensor(np.ones((3, 3), bool)), is_causal=True)
    with pytest.raises(TypeError, match="attn_mask must be a boolean .* not int64"):
        scaled_dot_product_attention(q, k, v, Tensor(np.ones((3, 3), int)))
    with pytest.raises(ValueError, match="dropout_p=1.5"):
        scaled_dot_product_attention(q, k, v, dropout_p=1.5)
    with pytest.raises(ValueError, match="leading axes"):
        scaled_dot_product_attention(q, Tensor(np.zeros((3, 3, 4))), v)
    with pytest.raises(TypeError, match="query must be floating point"):
        scaled_dot_product_attention(Tensor(np.zeros((3, 3), int)), k, v)


def mha_arrays(embed=4):
    return [RNG.normal(size=s) for s in ((3 * embed, embed), (3 * embed,), (embed, embed), (embed,))]


def mha(make, function, q, k, v, weights, **options):
    w, b, wo, bo = (make(a) for a in weights)
    return function(q, k, v, q.shape[-1], 2, w, b, None, None, False, 0.0, wo, bo, **options)


@pytest.mark.oracle
@pytest.mark.parametrize("same", ["all", "key and value", "none"])
@pytest.mark.parametrize("need_weights", [False, True])
@pytest.mark.parametrize("causal", [False, True])
def test_packed_projections_against_pytorch(same, need_weights, causal):
    torch = pytest.importorskip("torch")
    weights, arrays = mha_arrays(), [RNG.normal(size=(5, 2, 4)) for _ in range(3)]
    padding = np.array([[False] * 5, [False] * 3 + [True] * 2])
    mask = np.triu(np.ones((5, 5), bool), 1)

    def inputs(make):
        q, k, v = (make(a) for a in arrays)
        return {"all": (q, q, q), "key and value": (q, k, k), "none": (q, k, v)}[same]

    def options(make):
        return dict(need_weights=need_weights, key_padding_mask=make(padding),
                    **(dict(attn_mask=make(mask), is_causal=True) if causal else {}))

    ours = inputs(lambda a: Tensor(a, requires_grad=True))
    theirs = inputs(lambda a: torch.tensor(a, requires_grad=True))
    got, got_w = mha(Tensor, multi_head_attention_forward, *ours, weights, **options(Tensor))
    want, want_w = mha(torch.tensor, torch.nn.functional.multi_head_attention_forward, *theirs, weights,
                       **options(torch.tensor))
    np.testing.assert_allclose(got.detach().numpy(), want.detach().numpy(), rtol=1e-10, atol=1e-12)
    assert (got_w is None) == (want_w is None)
    if got_w is not None:
        np.testing.assert_allclose(got_w.detach().numpy(), want_w.detach().numpy(), rtol=1e-10, atol=1e-12)
    g = RNG.normal(size=(5, 2, 4))
    for a, b in zip(grad(got, ours, Tensor(g)), torch.autograd.grad(want, theirs, torch.tensor(g))):
        np.testing.assert_allclose(a.numpy(), b.numpy(), rtol=1e-9, atol=1e-11)


def test_weights_are_returned_or_not_and_the_output_is_the_same():
    weights, x = mha_arrays(), Tensor(RNG.normal(size=(6, 3, 4)))
    with_w, w = mha(Tensor, multi_head_attention_forward, x, x, x, weights)
    without, none = mha(Tensor, multi_head_attention_forward, x, x, x, weights, need_weights=False)
    assert none is None and w.shape == (3, 6, 6)
    np.testing.assert_allclose(w.numpy().sum(-1), 1, atol=1e-12)
    np.testing.assert_allclose(with_w.numpy(), without.numpy(), rtol=1e-10, atol=1e-12)
    apart = mha(Tensor, multi_head_attention_forward, x, x, x, weights, average_attn_weights=False)[1]
    assert apart.shape == (3, 2, 6, 6)


def test_a_sentence_of_padding_alone_gives_the_bias_and_no_nan():
    weights, x = mha_arrays(), Tensor(RNG.normal(size=(6, 2, 4)), requires_grad=True)
    padding = Tensor(np.array([[False] * 6, [True] * 6]))
    for need in (False, True):
        out, _ = mha(Tensor, multi_head_attention_forward, x, x, x, weights, need_weights=need,
                     key_padding_mask=padding)
        np.testing.assert_allclose(out.detach().numpy()[:, 1], np.tile(weights[3], (6, 1)), atol=1e-12)
        (g,) = grad(out.sum(), x)
        assert not g.numpy()[:, 1].any() and np.isfinite(g.numpy()).all()


def test_dropout_only_while_training():
    weights, x = mha_arrays(), Tensor(RNG.normal(size=(6, 2, 4)))
    w, b, wo, bo = map(Tensor, weights)
    run = lambda training, need: multi_head_attention_forward(
        x, x, x, 4, 2, w, b, None, None, False, 0.5, wo, bo, training, need_weights=need,
        generator=Stream("dropout", 5))[0].numpy()
    assert not np.allclose(run(True, False), run(False, False))
    np.testing.assert_allclose(run(True, False), run(True, True), atol=1e-12)      # the same weights are dropped
    np.testing.assert_allclose(run(False, False), run(False, True), atol=1e-12)


def test_multi_head_errors():
    weights, x = mha_arrays(), Tensor(RNG.normal(size=(6, 2, 4)))
    w, b, wo, bo = map(Tensor, weights)

    def call(q=x, k=x, heads=2, w=w, **options):
        return multi_head_attention_forward(q, k, k, 4, heads, w, b, None, None, False, 0.0, wo, bo, **options)

    with pytest.raises(ValueError, match="embed_dim=4 cannot be split among num_heads=3"):
        call(heads=3)
    with pytest.raises(ValueError, match=r"E=3\) but embed_dim is 4"):
        call(q=x[..., :3])
    with pytest.raises(ValueError, match=r"in_proj_weight has shape \(8, 4\), but E=4 wants \(12, 4\)"):
        call(w=w[:8])
    with pytest.raises(ValueError, match=r"key_padding_mask has shape \(6, 2\) but wants \(N, S\) = \(2, 6\)"):
        call(key_padding_mask=Tensor(np.zeros((6, 2), bool)))
    with pytest.raises(ValueError, match=r"attn_mask has shape \(2, 2\)"):
        call(attn_mask=Tensor(np.zeros((2, 2), bool)))
    with pytest.raises(ValueError, match="all three"):
        call(q=x[:, 0])
