"""Zero-shot classification with CLIP: weights by hand, and what must not matter."""

import numpy as np
import pytest

import tinymm
from tinymm import Tensor
from tinymm.models.clip import CLIP
from tinymm.models.clip.zero_shot import ENSEMBLE, PROMPT, prompts_of, zero_shot, zero_shot_weights
from tinymm.text import CLIPTokenizer

LABELS = ["dog", "cat", "red circle"]


@pytest.fixture(scope="module")
def tokenizer():
    return CLIPTokenizer.train([p for label in LABELS for p in prompts_of(label, ENSEMBLE)], 560, context_length=24)


@pytest.fixture(scope="module")
def model(tokenizer):
    tinymm.manual_seed(0)
    return CLIP(8, 16, 1, 12, 8, 24, tokenizer.vocab_size, 10, 2, 1, vision_heads=2).double().eval()


def unit(rows):
    return rows / np.linalg.norm(rows, axis=-1, keepdims=True)


def embedded(model, tokenizer, texts):
    return unit(model.encode_text(Tensor(tokenizer.tokenize(texts, 24))).detach().numpy())


def test_weights_are_means_of_unit_embeddings_made_unit(model, tokenizer):
    weights = zero_shot_weights(model, tokenizer, LABELS, ENSEMBLE).numpy()
    by_hand = unit(np.stack([np.mean([embedded(model, tokenizer, [t.replace("{}", label)])[0] for t in ENSEMBLE], 0)
                             for label in LABELS]))
    np.testing.assert_allclose(weights, by_hand, rtol=0, atol=1e-12)
    np.testing.assert_allclose(np.linalg.norm(weights, axis=1), 1, rtol=0, atol=1e-12)


def test_one_template_is_the_plain_embedding(model, tokenizer):
    weights = zero_shot_weights(model, tokenizer, LABELS).numpy()
    np.testing.assert_allclose(weights, embedded(model, tokenizer, [PROMPT.replace("{}", w) for w in LABELS]), rtol=0, atol=1e-12)


def test_the_order_of_templates_does_not_matter_and_that_of_labels_is_kept(model, tokenizer):
    weights = zero_shot_weights(model, tokenizer, LABELS, ENSEMBLE).numpy()
    np.testing.assert_allclose(zero_shot_weights(model, tokenizer, LABELS, ENSEMBLE[::-1]).numpy(), weights, rtol=0, atol=1e-12)
    turned = zero_shot_weights(model, tokenizer, LABELS[::-1], ENSEMBLE).numpy()
    np.testing.assert_allclose(turned[::-1], weights, rtol=0, atol=1e-12)


def test_embeddings_are_made_unit_before_the_mean(model, tokenizer):
    """Otherwise a prompt with a longer embedding would count for more."""
    raw = model.encode_text(Tensor(tokenizer.tokenize([t.replace("{}", "dog") for t in ENSEMBLE], 24))).detach().numpy()
    assert np.ptp(np.linalg.norm(raw, axis=1)) > 1e-3
    weights = zero_shot_weights(model, tokenizer, ["dog", "cat"], ENSEMBLE).numpy()
    assert np.abs(weights[0] - unit(raw.mean(0))).max() > 1e-6


def test_logits_are_those_of_the_model(model, tokenizer):
    images = Tensor(np.random.default_rng(1).normal(size=(4, 3, 16, 16)))
    found = zero_shot(model, images, zero_shot_weights(model, tokenizer, LABELS)).numpy()
    wanted, _ = model(images, Tensor(tokenizer.tokenize([PROMPT.replace("{}", w) for w in LABELS], 24)))
    np.testing.assert_allclose(found, wanted.detach().numpy(), rtol=0, atol=1e-10)


@pytest.mark.parametrize("labels, templates, message", [
    ([], (PROMPT,), "there is no label"), (["dog", "cat", "dog"], (PROMPT,), "the label 'dog' is there twice"),
    (LABELS, ("a photo",), r"the template 'a photo' has no \{\}"), (LABELS, (), "there is no template")])
def test_mistakes_are_explained(model, tokenizer, labels, templates, message):
    with pytest.raises(ValueError, match=message):
        zero_shot_weights(model, tokenizer, labels, templates)
