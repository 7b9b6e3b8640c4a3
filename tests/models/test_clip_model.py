"""CLIP's towers: names and numbers of parameters, the start, what a text's end and the causal mask mean, gradients, errors."""

import math

import numpy as np
import pytest

import tinymm
from tests.device_double import StrictArray
from tinymm import Tensor, gradcheck, no_grad, optim
from tinymm.backend import arrays as backend_arrays
from tinymm.backend.arrays import to_host
from tinymm.models.clip import CLIP, clip_loss
from tinymm.models.clip.cbow import mean_of_words
from tinymm.models.clip.end_of_text import end_of_text
from tinymm.models.clip.modified_resnet import AttentionPool2d, Bottleneck, ModifiedResNet
from tinymm.nn import init

START, END = 18, 19
TEXTS = np.array([[START, 3, 4, END, 0, 0], [START, 7, 3, 5, 2, END], [START, 1, END, 9, 9, 9]])
VIT = dict(embed_dim=5, image_resolution=8, vision_layers=1, vision_width=6, vision_patch_size=4, context_length=6, vocab_size=20,
           transformer_width=4, transformer_heads=2, transformer_layers=1, vision_heads=2)
RESNET = {**VIT, "image_resolution": 32, "vision_layers": (1, 1, 1, 2), "vision_width": 4, "vision_patch_size": None}
TOWERS = {"vit": VIT, "resnet": RESNET, "cbow": {**VIT, "text_encoder": "cbow"}, "gelu": {**VIT, "hidden_act": "gelu"}}
VIT_B_32 = (512, 224, 12, 768, 32, 77, 49408, 512, 8, 12)
RN50 = (1024, 224, (3, 4, 6, 3), 64, None, 77, 49408, 512, 8, 12)
# the published sizes: picture tower, text tower and the rest; from the papers' architectures as built by OpenAI's model.py
PUBLISHED = {"ViT-B/32": (VIT_B_32, 151_277_313, 302), "RN50": (RN50, 102_007_137, 489)}


def build(kind="vit", seed=0, dtype="float64", **options):
    """A small model; the ResNet's branches are not zero."""
    tinymm.manual_seed(seed)
    model = CLIP(**{**TOWERS[kind], **options}).to(dtype=dtype)
    with no_grad():
        for name, p in model.named_parameters():
            if name.endswith("bn3.weight"):
                p.add_(0.5)
    return model


def pictures(kind="vit", seed=1, n=3):
    side = TOWERS[kind]["image_resolution"]
    return np.random.default_rng(seed).normal(size=(n, 3, side, side))


# ---------------------------------------------------------------------- what there is

@pytest.mark.parametrize("name", PUBLISHED)
def test_the_numbers_of_parameters_are_the_published(name, monkeypatch):
    for drawn in ("normal_", "uniform_", "xavier_uniform_", "kaiming_uniform_", "ones_", "zeros_"):   # so no memory is touched
        monkeypatch.setattr(init, drawn, lambda tensor, *args, **kwargs: tensor)
    arguments, parameters, keys = PUBLISHED[name]
    model = CLIP(*arguments)
    assert sum(p.numel() for p in model.parameters()) == parameters
    assert len(model.state_dict()) == keys


def test_the_names_are_openais():
    parts = "attn.out_proj", "ln_1", "ln_2", "mlp.c_fc", "mlp.c_proj"
    block = {f"{part}.{kind}" for part in parts for kind in ("weight", "bias")} | {"attn.in_proj_weight", "attn.in_proj_bias"}
    text = {"logit_scale", "positional_embedding", "text_projection", "token_embedding.weight", "ln_final.weight", "ln_final.bias"}
    text |= {f"transformer.resblocks.0.{name}" for name in block}
    visual = {"class_embedding", "positional_embedding", "proj", "conv1.weight", "ln_pre.weight", "ln_pre.bias", "ln_post.weight",
              "ln_post.bias"} | {f"transformer.resblocks.0.{name}" for name in block}
    assert set(build("vit").state_dict()) == text | {f"visual.{name}" for name in visual}
    statistics = ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")
    visual = {f"attnpool.{part}_proj.{kind}" for part in "qkvc" for kind in ("weight", "bias")} | {"attnpool.positional_embedding"}
    for place in ("", "layer1.0.", "layer2.0.", "layer3.0.", "layer4.0.", "layer4.1."):
        visual |= {f"{place}conv{i}.weight" for i in (1, 2, 3)} | {f"{place}bn{i}.{kind}" for i in (1, 2, 3) for kind in statistics}
        if place.endswith(".0."):
            visual |= {f"{place}downsample.0.weight", *(f"{place}downsample.1.{kind}" for kind in statistics)}
    assert set(build("resnet").state_dict()) == text | {f"visual.{name}" for name in visual}
    bag = {"logit_scale", "text_projection", "token_embedding.weight", "ln_final.weight", "ln_final.bias"}
    assert {name for name in build("cbow").state_dict() if not name.startswith("visual")} == bag


def test_the_start():
    """Spreads as the page has them, each within five standard errors; shapes are large enough for that to say something."""
    tinymm.manual_seed(0)
    model = CLIP(40, 64, (1, 1, 1, 1), 16, None, 30, 300, 64, 4, 3)
    block, W, layers = model.transformer.resblocks[2], 64, 3
    wanted = {model.token_embedding.weight: 0.02, model.positional_embedding: 0.01, model.text_projection: W**-0.5,
              block.attn.in_proj_weight: W**-0.5, block.attn.out_proj.weight: (W * 2 * layers)**-0.5,
              block.mlp.c_proj.weight: (W * 2 * layers)**-0.5, block.mlp.c_fc.weight: (2 * W)**-0.5,
              model.visual.attnpool.positional_embedding: 512**-0.5,
              **{getattr(model.visual.attnpool, f"{part}_proj").weight: 512**-0.5 for part in "qkvc"}}
    vit = CLIP(40, 32, 1, 64, 8, 30, 300, 64, 4, 3).visual
    wanted |= {vit.class_embedding: 1 / 8, vit.positional_embedding: 1 / 8, vit.proj: 1 / 8}
    for p, std in wanted.items():
        values = p.detach().numpy()
        assert abs(values.std() / std - 1) < 5 * (2 * values.size)**-0.5, (p.shape, std)
        assert abs(values.mean()) < 5 * std * values.size**-0.5
    gains = [p for name, p in model.named_parameters() if name.endswith("bn3.weight") and "layer" in name]
    assert len(gains) == 4 and not any(p.detach().numpy().any() for p in gains)
    assert model.visual.bn3.weight.detach().numpy().all()   # the stem's is no branch's last
    assert model.logit_scale.shape == () and float(model.logit_scale.detach()) == pytest.approx(2.659260036932778, abs=1e-6)
    assert {p.dtype for p in model.parameters()} == {np.dtype("float32")}


def test_forward_is_cosines_times_e_to_the_t():
    model, image = build(), pictures()
    rows, columns = model(Tensor(image), Tensor(TEXTS))
    I_e, T_e = (x.detach().numpy() for x in (model.encode_image(Tensor(image)), model.encode_text(Tensor(TEXTS))))
    I_e, T_e = (x / np.linalg.norm(x, axis=1, keepdims=True) for x in (I_e, T_e))
    np.testing.assert_allclose(rows.detach().numpy(), I_e @ T_e.T / 0.07, rtol=0, atol=1e-6)   # the start of t is a float32
    np.testing.assert_array_equal(columns.detach().numpy(), rows.detach().numpy().T)
    assert model(Tensor(image[:2]), Tensor(TEXTS))[0].shape == (2, 3)


@pytest.mark.parametrize("kind", ["vit", "resnet"])
def test_features_are_what_the_projection_takes(kind):
    model, image = build(kind), Tensor(pictures(kind))
    features = model.visual.features(image)
    if kind == "vit":
        projected = features @ model.visual.proj
    else:
        projected = model.visual.attnpool.c_proj(features)
        assert features.shape == (3, 32 * 4)
    np.testing.assert_array_equal(projected.detach().numpy(), model.encode_image(image).detach().numpy())


# ---------------------------------------------------------------------- texts

def test_the_end_of_a_text():
    """L8-C3."""
    ids = np.array([[18, 3, 19, 0, 0], [18, 3, 19, 19, 19], [18, 1, 2, 3, 19], [18, 19, 0, 7, 0]])
    assert end_of_text(ids).tolist() == end_of_text(ids, 19).tolist() == [2, 2, 4, 1]
    assert end_of_text(np.array([[1, 5, 2, 0], [1, 2, 0, 9]]), 2).tolist() == [2, 1]   # a vocabulary with words after the end
    with pytest.raises(ValueError, match="text 1 has no end-of-text token 2"):
        end_of_text(np.array([[1, 2], [1, 3]]), 2)


@pytest.mark.parametrize("kind", ["vit", "cbow"])
def test_nothing_after_the_end_changes_a_text(kind):
    """L8-C3: other padding to the last bit; other lengths but for rounding, since products of other shapes may add otherwise."""
    model = build(kind)
    feature = lambda rows: model.encode_text(Tensor(np.array(rows))).detach().numpy()
    wanted, padded = feature([[START, 3, 4, END]]), feature([[START, 3, 4, END, 0, 0]])
    for rest in ([END, END], [7, 1]):
        np.testing.assert_array_equal(feature([[START, 3, 4, END, *rest]]), padded)
    for other in (padded, feature([[START, 3, 4, END, 0]])):
        np.testing.assert_allclose(other, wanted, rtol=0, atol=1e-14)
    np.testing.assert_allclose(feature([[START, 3, 4, END, 0, 0], [START, 9, 9, 9, 9, END]])[:1], wanted, rtol=0, atol=1e-14)
    assert np.abs(feature([[START, 4, 3, END]]) - wanted).max() > 1e-3 or kind == "cbow"


def test_a_text_as_long_as_the_context_is_read_at_its_last_place():
    model, text = build(), np.array([[START, 3, 4, 5, 6, END]])
    x = (model.token_embedding(Tensor(text)) + model.positional_embedding).permute(1, 0, 2)
    wanted = model.ln_final(model.transformer(x))[-1] @ model.text_projection
    np.testing.assert_allclose(model.encode_text(Tensor(text)).detach().numpy(), wanted.detach().numpy(), rtol=0, atol=1e-14)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_no_place_sees_a_later_one(dtype):
    """L8-C4: bit-identical before the change, different from there on."""
    model = build(dtype=dtype, transformer_layers=3)
    x = np.random.default_rng(0).normal(size=(6, 2, 4)).astype(dtype)
    before = model.transformer(Tensor(x)).detach().numpy()
    for j in range(6):
        changed = x.copy()
        changed[j] += 1.0 + np.arange(4)
        after = model.transformer(Tensor(changed)).detach().numpy()
        np.testing.assert_array_equal(after[:j], before[:j])
        assert (np.abs(after[j:] - before[j:]).max((1, 2)) > 1e-6).all()


def test_pictures_have_no_mask():
    model, x = build(), np.random.default_rng(0).normal(size=(5, 1, 6))
    changed = x.copy()
    changed[4] += np.arange(6)
    before, after = (model.visual.transformer(Tensor(a)).detach().numpy() for a in (x, changed))
    assert (np.abs(after - before).max((1, 2)) > 1e-6).all()


def test_the_bag_of_words():
    """The mean of what stands between start and end; the order of words is lost, and nothing else."""
    x, end = np.random.default_rng(0).normal(size=(3, 6, 4)), np.array([3, 5, 1])
    found = mean_of_words(Tensor(x), end).numpy()
    np.testing.assert_allclose(found, [x[0, 1:3].mean(0), x[1, 1:5].mean(0), np.zeros(4)], rtol=0, atol=1e-15)
    model = build("cbow")
    feature = lambda *words: model.encode_text(Tensor(np.array([[START, *words, END]]))).detach().numpy()
    np.testing.assert_allclose(feature(3, 4, 5), feature(5, 3, 4), rtol=0, atol=1e-12)
    assert np.abs(feature(3, 4, 5) - feature(3, 4, 4)).max() > 1e-3


# ---------------------------------------------------------------------- gradients

def loss_of(model):
    return lambda image: clip_loss(model(image, Tensor(TEXTS))[0])


OWN = {"vit": lambda name: True, "cbow": lambda name: not name.startswith("visual"), "gelu": lambda name: ".mlp." in name}


@pytest.mark.parametrize("kind, part", [*((kind, "its own") for kind in OWN),
                                        *(pytest.param(kind, "whole", marks=pytest.mark.slow) for kind in ("cbow", "gelu"))])
def test_gradcheck_of_the_whole_model(kind, part):
    """The loss of all of it; by default towers that "vit" has, too, are left out of the other kinds."""
    model = build(kind)
    checked = {name: p for name, p in model.named_parameters() if part == "whole" or OWN[kind](name)}
    image = Tensor(pictures(), requires_grad=True)
    report = gradcheck(loss_of(model), [image], parameters=checked, curve=False, max_elements=12)
    assert all(argument.verdict == "ok" for argument in report.arguments), report
    assert len(report.arguments) == 1 + len(checked) and len(checked) >= 5


@pytest.mark.slow
def test_gradcheck_of_the_whole_resnet():
    """In training: the batch's statistics keep the activations clear of the kinks of ReLU."""
    model, image = build("resnet"), Tensor(pictures("resnet"), requires_grad=True)
    report = gradcheck(loss_of(model), [image], parameters=model, curve=False, max_elements=12)
    verdicts = {argument.name: argument.verdict for argument in report.arguments}
    assert verdicts.pop("visual.attnpool.k_proj.bias") == "below precision"   # the same for all keys: its gradient is 0
    assert set(verdicts.values()) == {"ok"} and len(verdicts) == len(list(model.parameters())), report


@pytest.mark.parametrize("part", ["a block", "a block that halves", "the attention pool"])
def test_gradcheck_of_the_resnets_parts(part):
    tinymm.manual_seed(2)
    module = {"a block": lambda: Bottleneck(8, 2), "a block that halves": lambda: Bottleneck(5, 2, stride=2),
              "the attention pool": lambda: AttentionPool2d(2, 8, 2, 3)}[part]().double()
    channels = 5 if "halves" in part else 8
    side = 2 if "pool" in part else 4
    x = Tensor(np.random.default_rng(3).normal(size=(3, channels, side, side)), requires_grad=True)
    report = gradcheck(module, [x], curve=False, max_elements=24)
    assert {a.verdict for a in report.arguments if a.name != "k_proj.bias"} == {"ok"}, report


@pytest.mark.parametrize("kind", TOWERS)
def test_the_first_loss_is_ln_n_and_a_batch_is_learnt(kind):
    """Before any step nothing tells the pairs apart; then three of them are learnt by heart."""
    wide = dict(transformer_width=16) if kind == "resnet" else dict(transformer_width=16, vision_width=16)
    model, image = build(kind, embed_dim=512, dtype="float32", **wide), pictures(kind).astype(np.float32)
    optimiser = optim.Adam(model.parameters(), lr=0.005)
    losses = []
    for _ in range(40):
        optimiser.zero_grad()
        loss = clip_loss(model(Tensor(image), Tensor(TEXTS))[0])
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert abs(losses[0] - math.log(3)) < 0.3 and losses[-1] < 0.1, losses[::10]   # cosines of 512 features are small


@pytest.mark.parametrize("kind", ["vit", "resnet", "cbow"])
def test_it_stays_on_the_device(kind, monkeypatch):
    monkeypatch.setitem(backend_arrays._DEVICES, StrictArray, "cuda:7")
    model, results = build(kind), []
    for device in ("cpu", "cuda:7"):
        place = (lambda x: x) if device == "cpu" else (lambda x: StrictArray(np.array(x)))
        model.to(device=device)
        logits, _ = model(Tensor(place(pictures(kind))), Tensor(place(TEXTS)))
        loss = clip_loss(logits)
        model.zero_grad()
        loss.backward()
        tensors = [loss, logits, *(p.grad for p in model.parameters())]
        assert {t.device for t in tensors} == {device}
        results.append([to_host(t._data) for t in tensors])
    for here, there in zip(*results):
        np.testing.assert_allclose(there, here, rtol=0, atol=1e-10)


# ---------------------------------------------------------------------- errors

def test_what_is_refused():
    model = build()
    image, text = Tensor(pictures()), Tensor(TEXTS)
    for wrong in (image[0], image[:, :2], image[:, :, :4]):
        with pytest.raises(ValueError, match=r"encode_image: pictures of shape .*it takes \(N, 3, 8, 8\)"):
            model.encode_image(wrong)
    for wrong in (text[0], Tensor(np.full((1, 7), END)), text[:, :0]):
        with pytest.raises(ValueError, match="encode_text: texts of shape .*context_length=6"):
            model.encode_text(wrong)
    with pytest.raises(TypeError, match="texts of float64"):
        model.encode_text(Tensor(TEXTS * 1.0))
    for function, given in ((model.encode_text, TEXTS), (model.encode_image, pictures()), (clip_loss, np.zeros((2, 2)))):
        with pytest.raises(TypeError, match=r"(CLIP.encode|clip_loss).* is a ndarray, not a Tensor; wrap it in tinymm.tensor"):
            function(given)
    with pytest.raises(ValueError, match="text_encoder='bag'; choose from"):
        CLIP(**{**VIT, "text_encoder": "bag"})
    with pytest.raises(ValueError, match="hidden_act='relu'; choose from"):
        CLIP(**{**VIT, "hidden_act": "relu"})
    with pytest.raises(ValueError, match="width=6 cannot be split among heads=0"):
        CLIP(**{**VIT, "vision_heads": None})
    with pytest.raises(ValueError, match="input_resolution=40 must be a multiple of 32"):
        ModifiedResNet((1, 1, 1, 1), 8, 4, 40, 8)
    with pytest.raises(ValueError, match=r"layers=\(1, 2\) must be four"):
        ModifiedResNet((1, 2), 8, 4, 32, 8)
    with pytest.raises(ValueError, match="embed_dim=128 cannot be split among num_heads=3"):
        ModifiedResNet((1, 1, 1, 1), 8, 3, 32, 4)


def test_pictures_of_another_dtype_are_cast():
    model = build(dtype="float32")
    assert model.encode_image(Tensor(pictures())).dtype == model.dtype == np.float32


def test_a_vision_transformer_without_a_patch_size_is_refused():
    with pytest.raises(ValueError, match="CLIP: a Vision Transformer needs vision_patch_size"):
        CLIP(**{**VIT, "vision_patch_size": None})
