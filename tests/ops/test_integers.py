"""Fused operations take integers where they say so: no float is truncated, no bool is a number."""

import numpy as np
import pytest

from tinymm import Tensor, functional as F

image, line, volume = (Tensor(np.arange(float(np.prod(s))).reshape(s)) for s in ((1, 4, 8, 8), (1, 4, 8), (1, 4, 4, 4, 4)))
inputs = {1: line, 2: image, 3: volume}
kernels = {n: Tensor(np.ones((4, 4) + (2,) * n)) for n in (1, 2, 3)}
labels, logits = Tensor(np.array([0, 1])), Tensor(np.ones((2, 3)))
boxes = Tensor(np.array([[0.0, 0.0, 0.0, 4.0, 4.0]]))
sequence = F.pack_padded_sequence(Tensor(np.ones((3, 2, 1))), [3, 2])
state, cells = Tensor(np.ones((1, 2, 3))), [Tensor(np.ones((3, 4))), Tensor(np.ones((3, 3)))]
heads = Tensor(np.ones((3, 2, 4))), Tensor(np.ones((12, 4))), Tensor(np.ones((4, 4)))


def each_dimension(name, arguments, call):
    """Cases for name1d, name2d, name3d."""
    return {(f"{name}{n}d", argument): ((lambda v, n=n, argument=argument: call(n, {argument: v})), good, n)
            for n in (1, 2, 3) if hasattr(F, f"{name}{n}d") for argument, good in arguments.items()}


CASES = {   # (operation, argument): (a call with the argument, an integer that it takes, how many axes it is for)
    **each_dimension("conv", {"stride": 1, "padding": 1, "dilation": 1},
                     lambda n, o: getattr(F, f"conv{n}d")(inputs[n], kernels[n], **o)),
    **each_dimension("conv_transpose", {"stride": 2, "padding": 1, "dilation": 1},
                     lambda n, o: getattr(F, f"conv_transpose{n}d")(inputs[n], kernels[n], **o)),
    **each_dimension("conv_transpose", {"output_padding": 1},
                     lambda n, o: getattr(F, f"conv_transpose{n}d")(inputs[n], kernels[n], stride=2, **o)),
    **each_dimension("max_pool", {"kernel_size": 2, "stride": 2, "padding": 1, "dilation": 1},
                     lambda n, o: getattr(F, f"max_pool{n}d")(inputs[n], **{"kernel_size": 2, **o})),
    **each_dimension("avg_pool", {"kernel_size": 2, "stride": 2, "padding": 1},
                     lambda n, o: getattr(F, f"avg_pool{n}d")(inputs[n], **{"kernel_size": 2, **o})),
    **each_dimension("adaptive_avg_pool", {"output_size": 2}, lambda n, o: getattr(F, f"adaptive_avg_pool{n}d")(inputs[n], **o)),
    **each_dimension("adaptive_max_pool", {"output_size": 2}, lambda n, o: getattr(F, f"adaptive_max_pool{n}d")(inputs[n], **o)),
    **{("unfold", argument): (lambda v, argument=argument: F.unfold(image, **{"kernel_size": 2, argument: v}), 1, 2)
       for argument in ("kernel_size", "dilation", "padding", "stride")},
    **{("fold", argument): (lambda v, argument=argument: F.fold(Tensor(np.ones((1, 4, 64 if argument == "dilation" else 81))), **{
        "output_size": 9 if argument == "dilation" else 10, "kernel_size": 2, argument: v}), good, 2)
       for argument, good in (("stride", 1), ("dilation", 1))},
    ("fold", "output_size"): (lambda v: F.fold(Tensor(np.ones((1, 4, 9))), v, 2), 4, 2),
    ("fold", "kernel_size"): (lambda v: F.fold(Tensor(np.ones((1, 4, 9))), 4, v), 2, 2),
    ("fold", "padding"): (lambda v: F.fold(Tensor(np.ones((1, 4, 25))), 4, 2, padding=v), 1, 2),
    ("interpolate", "size"): (lambda v: F.interpolate(image, v), 3, 2),
    ("roi_pool", "output_size"): (lambda v: F.roi_pool(image, boxes, v), 2, 2),
    ("roi_align", "output_size"): (lambda v: F.roi_align(image, boxes, v), 2, 2),
    ("roi_align", "sampling_ratio"): (lambda v: F.roi_align(image, boxes, 2, sampling_ratio=v), 2, 0),
    ("affine_grid", "size"): (lambda v: F.affine_grid(Tensor(np.ones((1, 2, 3))), (1, 1, v, 2)), 3, 0),
    ("conv2d", "groups"): (lambda v: F.conv2d(image, Tensor(np.ones((4, 2, 1, 1))), groups=v), 2, 0),
    ("conv_transpose2d", "groups"): (lambda v: F.conv_transpose2d(image, kernels[2], groups=v), 2, 0),
    ("avg_pool2d", "divisor_override"): (lambda v: F.avg_pool2d(image, 2, divisor_override=v), 3, 0),
    ("pixel_shuffle", "upscale_factor"): (lambda v: F.pixel_shuffle(image, v), 2, 0),
    ("pixel_unshuffle", "downscale_factor"): (lambda v: F.pixel_unshuffle(image, v), 2, 0),
    ("local_response_norm", "size"): (lambda v: F.local_response_norm(image, v), 3, 0),
    ("group_norm", "num_groups"): (lambda v: F.group_norm(image, v), 2, 0),
    ("layer_norm", "normalized_shape"): (lambda v: F.layer_norm(image, v), 8, 0),
    ("rms_norm", "normalized_shape"): (lambda v: F.rms_norm(image, v), 8, 0),
    ("spectral_norm", "n_power_iterations"): (lambda v: F.spectral_norm(
        logits.clone(), Tensor(np.ones(2)), Tensor(np.ones(3)), True, v), 2, 0),
    ("embedding", "padding_idx"): (lambda v: F.embedding(labels, logits, v), 1, 0),
    ("cross_entropy", "ignore_index"): (lambda v: F.cross_entropy(logits, labels, ignore_index=v), 1, 0),
    ("nll_loss", "ignore_index"): (lambda v: F.nll_loss(logits, labels, ignore_index=v), 1, 0),
    ("rnn_tanh", "num_layers"): (lambda v: F.rnn_tanh(
        Tensor(np.ones((5, 2, 4))), state, cells, False, v, 0.0, False, False, False), 1, 0),
    ("pad_packed_sequence", "total_length"): (lambda v: F.pad_packed_sequence(sequence, total_length=v), 4, 0),
    ("multi_head_attention_forward", "num_heads"): (lambda v: F.multi_head_attention_forward(
        heads[0], heads[0], heads[0], 4, v, heads[1], None, None, None, False, 0.0, heads[2], None), 2, 0),
    ("softmax", "dim"): (lambda v: F.softmax(logits, v), 1, 0), ("log_softmax", "dim"): (lambda v: F.log_softmax(logits, v), 1, 0),
}
NAMES = [f"{operation}-{argument}" for operation, argument in CASES]
WRONG = [(1.0, "float"), (2.7, "float"), (True, "bool"), (np.float64(2), "float64"), (np.True_, "bool")]


@pytest.mark.parametrize("wrong, told", WRONG, ids=str)
@pytest.mark.parametrize("case", CASES, ids=NAMES)
def test_no_integer_is_refused(case, wrong, told):
    call, good, n = CASES[case]
    for given in (wrong, [wrong] + [good] * (n - 1), (good,) * (n - 1) + (wrong,))[:3 if n else 1]:
        with pytest.raises(TypeError, match=rf"^{case[0]}: {case[1]}(\[\d\])?=.* must be an integer, not {told}.*; \w+"):
            call(given)


@pytest.mark.parametrize("case", CASES, ids=NAMES)
def test_integers_of_any_kind_are_taken(case):
    call, good, n = CASES[case]
    want = np.asarray(first(call(good)))
    for given in (np.int32(good), Tensor(np.array(good)), *([(np.int64(good),) * n] if n else [])):
        np.testing.assert_array_equal(first(call(given)), want)


def first(out):
    out = out[0] if isinstance(out, tuple) else out
    return out.detach().numpy()


@pytest.mark.parametrize("case", [case for case, (_, _, n) in CASES.items() if n], ids=lambda case: "-".join(case))
def test_a_wrong_number_of_them(case):
    call, good, n = CASES[case]
    with pytest.raises(ValueError, match=rf"{case[0]}: {case[1]}=.* must be an integer, or {n} of them"):
        call((good,) * (n + 1))


def test_an_adaptive_size_of_none_keeps_the_axis():
    assert F.adaptive_avg_pool2d(image, (None, 2)).shape == (1, 4, 8, 2) and F.adaptive_avg_pool2d(image, None).shape == image.shape
    with pytest.raises(ValueError, match="adaptive_avg_pool2d: output_size=0 must be a positive integer"):
        F.adaptive_avg_pool2d(image, (None, 0))
