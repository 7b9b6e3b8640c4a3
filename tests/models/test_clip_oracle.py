"""CLIP against transformers' CLIPModel, which none of us wrote; the ResNet and the bag of words against PyTorch's layers.

The latter are in ``benchmarks/clip_pytorch.py``, written from the paper and the names of the published weights.
"""

import numpy as np
import pytest

import tinymm
from tests.test_twins import copied, load
from tinymm import Tensor, no_grad
from tinymm.models.clip import CLIP, clip_loss
from tinymm.weights import hugging_face_options, hugging_face_to_openai

pytestmark = pytest.mark.oracle
torch = pytest.importorskip("torch")

VOCABULARY, LENGTH, END = 60, 10, 59
VIT = dict(embed_dim=16, image_resolution=24, vision_layers=2, vision_width=24, vision_patch_size=8, context_length=LENGTH,
           vocab_size=VOCABULARY, transformer_width=20, transformer_heads=2, transformer_layers=3, vision_heads=3)
RESNET = {**VIT, "image_resolution": 64, "vision_layers": (1, 2, 1, 1), "vision_width": 8, "vision_patch_size": None,
          "vision_heads": 4}


@pytest.fixture(scope="module", autouse=True)
def one_thread_for_pytorch():
    """Its threads would wait for the cores that the kernels' hold."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def texts(pad=0):
    """(4, LENGTH): an ordinary text, one without words after padding, one cut at the full length, and a short one."""
    rows = [[58, 3, 4, 5, END], [58, 7, END], [58, *range(10, 18), END], [58, 0, 0, 9, 2, 30, END]]
    return np.array([row + [pad] * (LENGTH - len(row)) for row in rows])


def pictures(side, n=4, dtype=np.float64):
    return np.random.default_rng(1).normal(size=(n, 3, side, side)).astype(dtype)


# ---------------------------------------------------------------------- transformers

def hugging_face(options, eos_token_id=2, hidden_act="quick_gelu", seed=0):
    """transformers' model of those options, every parameter drawn so that none is inert."""
    transformers = pytest.importorskip("transformers")
    text = dict(vocab_size=options["vocab_size"], hidden_size=options["transformer_width"], hidden_act=hidden_act,
                intermediate_size=4 * options["transformer_width"], num_hidden_layers=options["transformer_layers"],
                num_attention_heads=options["transformer_heads"], max_position_embeddings=options["context_length"],
                eos_token_id=eos_token_id, bos_token_id=0, pad_token_id=1)
    vision = dict(hidden_size=options["vision_width"], intermediate_size=4 * options["vision_width"], hidden_act=hidden_act,
                  num_hidden_layers=options["vision_layers"], num_attention_heads=options["vision_heads"],
                  image_size=options["image_resolution"], patch_size=options["vision_patch_size"])
    model = transformers.CLIPModel(transformers.CLIPConfig(text_config=text, vision_config=vision,
                                                           projection_dim=options["embed_dim"])).eval()
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, p in model.named_parameters():
            p.add_(torch.randn(p.shape, generator=generator) * (0.1 if p.ndim < 2 else 0.5 * p.shape[-1]**-0.5))
    return model


def compare_gradients(model, wanted):
    for name, p in model.named_parameters():
        inert = name.endswith("k_proj.bias")   # it adds the same to all scores of a query, which the softmax does not see
        assert inert or np.abs(wanted[name]).max() > 1e-7, f"{name}: a comparison of zeros says nothing"
        np.testing.assert_allclose(p.grad.numpy(), wanted[name], rtol=0, atol=1e-8, err_msg=name)


@pytest.mark.parametrize("hidden_act", ["quick_gelu", "gelu"])
@pytest.mark.parametrize("eos_token_id, pad", [(2, 0), (END, 0), (END, END)])
def test_logits_loss_and_gradients_are_transformers(tmp_path, hidden_act, eos_token_id, pad):
    """L8-C1, C3, C5: from its own files; also padded with the end token, as its tokenizer does."""
    theirs = hugging_face(VIT, eos_token_id, hidden_act).double()
    theirs.save_pretrained(tmp_path)
    ours = CLIP.from_pretrained(tmp_path)
    assert ours.dtype == np.float64 and not ours.training
    image, text = pictures(24), texts(pad)
    logits_per_image, logits_per_text = ours(Tensor(image), Tensor(text))
    out = theirs(input_ids=torch.tensor(text), pixel_values=torch.tensor(image), return_loss=True)
    np.testing.assert_allclose(logits_per_image.detach().numpy(), out.logits_per_image.detach().numpy(), rtol=0, atol=1e-10)
    np.testing.assert_allclose(logits_per_text.detach().numpy(), out.logits_per_text.detach().numpy(), rtol=0, atol=1e-10)
    loss = clip_loss(logits_per_image)
    assert float(loss) == pytest.approx(out.loss.item(), abs=1e-12)
    loss.backward(), out.loss.backward()
    options = hugging_face_options(theirs.config.to_dict())
    compare_gradients(ours, hugging_face_to_openai({name: p.grad.numpy() for name, p in theirs.named_parameters()}, options))


@pytest.mark.slow
def test_the_full_vit_b_32_is_transformers(tmp_path):
    """L8-C1."""
    theirs = hugging_face(dict(embed_dim=512, image_resolution=224, vision_layers=12, vision_width=768, vision_patch_size=32,
                               context_length=77, vocab_size=49408, transformer_width=512, transformer_heads=8,
                               transformer_layers=12, vision_heads=12))
    theirs.save_pretrained(tmp_path)
    ours = CLIP.from_pretrained(tmp_path)
    assert sum(p.numel() for p in ours.parameters()) == sum(p.numel() for p in theirs.parameters()) == 151_277_313
    image, text = pictures(224, 2, np.float32), np.random.default_rng(2).integers(1, 49406, (3, 77))
    text[:, 0], text[0, 76], text[1, 9:], text[2, 40], text[2, 41:] = 49406, 49407, 49407, 49407, 0
    with no_grad(), torch.no_grad():
        found = ours(Tensor(image), Tensor(text))[0].numpy()
        wanted = theirs(input_ids=torch.tensor(text), pixel_values=torch.tensor(image)).logits_per_image.numpy()
    print(f"largest difference {np.abs(found - wanted).max():.2g} of logits up to {np.abs(wanted).max():.3g}")
    np.testing.assert_allclose(found, wanted, rtol=0, atol=1e-4)


# ---------------------------------------------------------------------- the ResNet, and the bag of words

def with_lively_statistics(model, seed=0):
    """Running statistics and gains that are not 0 and 1: the model as it would be after a training."""
    rng = np.random.default_rng(seed)
    state = {name: t.numpy().copy() for name, t in model.state_dict().items()}
    for name, array in state.items():
        part = name.rpartition(".")[2]
        if part == "running_var":
            state[name] = rng.uniform(0.5, 2.0, array.shape)
        elif part == "running_mean" or (array.ndim < 2 and array.dtype.kind == "f"):
            state[name] = array + rng.normal(size=array.shape) * 0.2
        if name.endswith("bn3.weight"):
            state[name] = rng.uniform(0.2, 0.6, array.shape)
    model.load_state_dict(state)
    return model


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("text_encoder", ["transformer", "cbow"])
def test_the_resnet_and_the_bag_of_words_are_pytorchs(text_encoder, training):
    """L8-C2: logits, loss, every gradient and the running statistics, in evaluation and in training."""
    twin = load("clip_pytorch")
    tinymm.manual_seed(3)
    ours = with_lively_statistics(CLIP(**RESNET, text_encoder=text_encoder).double()).train(training)
    theirs = copied(ours, twin.CLIP(**RESNET, text_encoder=text_encoder)).train(training)
    image, text = pictures(64), texts()
    logits = ours(Tensor(image), Tensor(text))[0]
    logits_there = theirs(torch.tensor(image), torch.tensor(text))[0]
    np.testing.assert_allclose(logits.detach().numpy(), logits_there.detach().numpy(), rtol=0, atol=1e-10)
    loss, loss_there = clip_loss(logits), twin.clip_loss(logits_there)
    assert float(loss) == pytest.approx(loss_there.item(), abs=1e-12)
    loss.backward(), loss_there.backward()
    compare_gradients(ours, {name: p.grad.numpy() for name, p in theirs.named_parameters()})
    buffers = dict(theirs.named_buffers())
    for name, t in ours.named_buffers():
        np.testing.assert_allclose(t.numpy(), buffers[name].numpy(), rtol=0, atol=1e-12, err_msg=name)


@pytest.mark.slow
def test_the_full_rn50_is_pytorchs(tmp_path):
    """L8-C2, through a file in OpenAI's layout that another library wrote."""
    from safetensors.torch import save_file

    tinymm.manual_seed(4)
    sizes = (1024, 224, (3, 4, 6, 3), 64, None, 77, 49408, 512, 8, 12)
    theirs = copied(with_lively_statistics(CLIP(*sizes)), load("clip_pytorch").CLIP(*sizes)).float().eval()
    save_file(theirs.state_dict(), tmp_path / "RN50.safetensors")
    ours = CLIP.from_pretrained(tmp_path / "RN50.safetensors")
    assert sum(p.numel() for p in ours.parameters()) == 102_007_137
    image, text = pictures(224, 2, np.float32), np.random.default_rng(2).integers(1, 49406, (3, 77))
    text[:, 0], text[:, 60] = 49406, 49407
    with no_grad(), torch.no_grad():
        found = ours(Tensor(image), Tensor(text))[0].numpy()
        wanted = theirs(torch.tensor(image), torch.tensor(text))[0].numpy()
    print(f"largest difference {np.abs(found - wanted).max():.2g} of logits up to {np.abs(wanted).max():.3g}")
    np.testing.assert_allclose(found, wanted, rtol=0, atol=1e-4)
