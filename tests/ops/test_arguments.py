"""What is no Tensor where a Tensor is asked for is refused by every operation and layer, with its name and the argument's."""

import numpy as np
import pytest

import tinymm
from tests.fuzzing import calls, judges
from tests.fuzzing.mutations import options_of
from tinymm import Tensor, functional as F
from tinymm.autograd.registry import Fixed
from tinymm.catalog import load

OPTIONAL = ("weight", "bias", "running_mean", "running_var", "pos_weight", "attn_mask", "key_padding_mask", "in_proj_bias",
            "q_proj_weight", "b_ih", "b_hh")


def of_ops(call):
    operation = load().get(call.name.partition("/")[0])
    return call.name.startswith("nn.") or operation is not None and operation.function.__module__.startswith("tinymm.ops")


def one_of_each():
    """The first call of each operation and layer."""
    found = {}
    for call in filter(of_ops, calls.all_calls()):
        found.setdefault(call.name.partition("/")[0], call)
    return [pytest.param(call, id=name) for name, call in found.items()]


@pytest.mark.parametrize("call", one_of_each())
def test_what_is_no_tensor_is_refused(call):
    places = [i for i, a in enumerate(call.args) if isinstance(a, (np.ndarray, Fixed))]
    places += [k for k, a in call.kwargs.items() if isinstance(a, (np.ndarray, Fixed))]
    places += [name for name in options_of(call.function) if name in OPTIONAL and name not in call.kwargs]
    for place in places:
        for odd in ("text", 1.5):
            args, kwargs = list(call.args), dict(call.kwargs)
            (args if isinstance(place, int) else kwargs)[place] = odd
            error = judges.ours(call, args, kwargs).error
            if error is not None:   # a few take numbers, too
                assert judges.clear(error) == "", f"{call.name} with {place}={odd!r}: {type(error).__name__}: {error}"


def test_an_optional_tensor_is_named():
    x = tinymm.ones(3, 4)
    for call, message in ((lambda: F.linear(x, x, bias=0), "linear: bias is a int, not a Tensor"),
                          (lambda: F.mse_loss(x, x, weight=2), "mse_loss: weight is a int, not a Tensor"),
                          (lambda: F.layer_norm(x, 4, None, "b"), "layer_norm: bias is a str, not a Tensor"),
                          (lambda: F.batch_norm(x, None, None, [1.0] * 4, training=True), "batch_norm: weight is a list"),
                          (lambda: tinymm.nn.GRU(4, 3)(1.5), "GRU: input is a float, not a Tensor"),
                          (lambda: F.dropout(x, 0.5, generator=3), "generator: 3 is a int, not a Stream")):
        with pytest.raises(TypeError, match=message):
            call()
    with pytest.raises(TypeError, match="batch_norm: running_var must be floating point, not int64"):
        F.batch_norm(x, tinymm.zeros(4), tinymm.ones(4).long())


@pytest.mark.parametrize("loss", [F.mse_loss, F.l1_loss, F.huber_loss, F.binary_cross_entropy, F.binary_cross_entropy_with_logits])
def test_a_mask_may_weigh_a_loss(loss):
    x, target, mask = Tensor(np.linspace(0.1, 0.9, 6)), Tensor(np.full(6, 0.5)), Tensor(np.arange(6) % 2 == 0)
    want = loss(x, target, weight=mask.double(), reduction="none").numpy()
    np.testing.assert_array_equal(loss(x, target, weight=mask, reduction="none").numpy(), want)


@pytest.mark.parametrize("call", [
    lambda n: F.conv1d(tinymm.ones(1, 2, 9), tinymm.ones(3, 2, 3), padding=n),
    lambda n: F.conv_transpose1d(tinymm.ones(1, 2, 9), tinymm.ones(2, 3, 3), dilation=n),
    lambda n: F.avg_pool1d(tinymm.ones(1, 2, 9), n, padding=n // 2),
    lambda n: F.roi_pool(tinymm.ones(1, 2, 9, 9), tinymm.zeros(1, 5), n),
    lambda n: F.unfold(tinymm.ones(1, 2, 9, 9), 3, padding=n),
])
@pytest.mark.parametrize("n", [2**62, 2**63])
def test_lengths_that_no_array_has_are_refused(call, n):
    with pytest.raises(ValueError, match=r"^\w+: \w+=\d+ is larger than any axis can be"):
        call(n)


def test_a_product_of_lengths_that_no_array_has_is_refused():
    with pytest.raises(ValueError, match="^unfold: the padded input would have the lengths"):
        F.unfold(tinymm.ones(1, 2, 9, 9), 3, padding=2**47)


@pytest.mark.parametrize(("call", "message"), [
    (lambda x, odd: F.rms_norm(x, 4, eps=odd), "rms_norm: eps"),
    (lambda x, odd: F.layer_norm(x, 4, eps=odd), "layer_norm: eps"),
    (lambda x, odd: F.batch_norm(x, None, None, training=True, eps=odd), "batch_norm: eps"),
    (lambda x, odd: F.group_norm(x, 2, eps=odd), "group_norm: eps"),
    (lambda x, odd: F.softplus(x, odd), "softplus: beta"),
    (lambda x, odd: F.dropout(x, odd), "dropout: p"),
    (lambda x, odd: F.cosine_similarity(x, x, eps=odd), "cosine_similarity: eps"),
    (lambda x, odd: F.spectral_norm(x, x[:, 0], x[0], eps=odd), "spectral_norm: eps"),
    (lambda x, odd: F.huber_loss(x, x, delta=odd), "huber_loss: delta"),
    (lambda x, odd: F.smooth_l1_loss(x, x, beta=odd), "smooth_l1_loss: beta"),
    (lambda x, odd: F.triplet_margin_loss(x, x, x, odd), "triplet_margin_loss: margin"),
    (lambda x, odd: F.cross_entropy(x, x.argmax(1), label_smoothing=odd), "cross_entropy: label_smoothing"),
    (lambda x, odd: F.scaled_dot_product_attention(x, x, x, scale=odd), "scaled_dot_product_attention: scale"),
    (lambda x, odd: F.scaled_dot_product_attention(x, x, x, dropout_p=odd), "scaled_dot_product_attention: dropout_p"),
    (lambda x, odd: F.interpolate(x[None], scale_factor=(odd,)), "interpolate: scale_factor"),
    (lambda x, odd: F.roi_pool(x[None, None], tinymm.zeros(1, 5), 1, odd), "roi_pool: spatial_scale"),
    (lambda x, odd: F.roi_align(x[None, None], tinymm.zeros(1, 5), 1, odd), "roi_align: spatial_scale"),
])
@pytest.mark.parametrize("odd", ["mean", [], {}, 1j])
def test_what_is_no_number_is_refused(call, message, odd):
    with pytest.raises(TypeError, match=rf"^{message}=.* must be a real number, not {type(odd).__name__}"):
        call(tinymm.ones(3, 4), odd)


@pytest.mark.parametrize("beta", [0, 0.0, False, 1e-300])
def test_softplus_is_not_divided_by_zero(beta):
    with pytest.raises(ValueError, match="softplus: beta=.* is 0 in float32"):
        F.softplus(tinymm.ones(3), beta)


def test_an_image_padded_beyond_all_memory_is_a_memory_error():
    """Or it is right, where padding is never written: then only the middle column of the kernel meets the image."""
    x, w = tinymm.randn(1, 2, 5, 6).double(), tinymm.randn(3, 2, 4, 3).double()
    try:
        found = F.conv2d(x, w, padding="same", dilation=(1, 2**40))
    except MemoryError:
        return
    want = F.conv2d(x, w[:, :, :, 1:2], padding="same")
    np.testing.assert_allclose(found.numpy(), want.numpy(), rtol=1e-12, atol=1e-14)


def test_text_is_no_number_to_draw_or_space():
    for call in (lambda: tinymm.normal("0", 1.0, (2,)), lambda: tinymm.normal(0.0, "1", (2,)), lambda: tinymm.linspace(0, "1", 3)):
        with pytest.raises(TypeError, match="(normal|linspace): "):
            call()


def test_layers_without_inputs():
    assert tinymm.nn.Conv2d(0, 4, 3).weight.shape == (4, 0, 3, 3)
    with pytest.raises(ValueError, match="Bilinear: in1_features"):   # PyTorch's words are other ones
        tinymm.nn.Bilinear(0, 4, 3)


@pytest.mark.parametrize("layer", ["LayerNormLSTM", "LayerNormGRU", "LayerNormLSTMCell", "LayerNormGRUCell"])
def test_an_input_without_a_batch_axis_is_refused(layer):
    for x in (tinymm.ones(4), tinymm.tensor(1.0)):
        with pytest.raises(ValueError, match=rf"^{layer}: input has shape"):
            getattr(tinymm.nn, layer)(4, 3)(x)


def test_a_stride_beyond_the_image_is_that_of_a_single_window():
    x, w = Tensor(np.arange(18.0).reshape(1, 2, 9)), tinymm.ones(3, 2, 3).double()
    for stride in (100, 2**33, 2**47):
        np.testing.assert_array_equal(F.conv1d(x, w, stride=stride).numpy(), F.conv1d(x, w).numpy()[:, :, :1])
        one = F.conv_transpose1d(x[:, :, :1], w.transpose(0, 1), stride=stride)
        np.testing.assert_array_equal(one.numpy(), F.conv_transpose1d(x[:, :, :1], w.transpose(0, 1)).numpy())


def test_a_packed_sequence_must_fit_its_sizes():
    data = Tensor(np.zeros((5, 2)))
    for sizes in ([3, 1], [2, 3], [5, 0], [[3, 2]]):
        with pytest.raises(ValueError, match="pad_packed_sequence: sequence.data has shape"):
            F.pad_packed_sequence(F.PackedSequence(data, Tensor(np.array(sizes))))
    with pytest.raises(TypeError, match="sequence.batch_sizes is a list"):
        F.pad_packed_sequence(F.PackedSequence(data, [3, 2]))
