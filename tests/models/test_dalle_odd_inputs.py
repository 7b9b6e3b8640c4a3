"""DALL-E's models with arguments that do not fit: each is refused with a message that says which, and what to pass."""

import numpy as np
import pytest

from tinymm import Tensor, manual_seed
from tinymm.models.dalle import DVAE, PAD, DALLETransformer, dalle_loss, half_cosine, logit_laplace_nll, map_pixels

K, T, TEXT, PIXELS = 20, 5, 30, 16   # codes, text positions, text tokens, pixels a side
X = np.random.default_rng(0).random((2, 3, PIXELS, PIXELS), dtype=np.float32)
Z = np.arange(32).reshape(2, 16) % K
Y = np.array([[1, 4, 29, PAD, PAD], [1, 2, 3, 4, 5]])
dvae = lambda **options: DVAE(K, 8, 3, 6, **options)
transformer = lambda **options: DALLETransformer(TEXT, K, T, (4, 4), 16, 2, 2, **options)


def changed(array, value):
    """The array with that value in its middle."""
    other = array.copy()
    other[tuple(n // 2 for n in array.shape)] = value
    return Tensor(other)


def drawn(count):
    """Image tokens drawn one by one for the captions."""
    model = transformer()
    state = model.init_state(Tensor(Y))
    for _ in range(count):
        _, state = model.step(np.zeros(2, np.int64), state)


@pytest.mark.parametrize("call, kind, message", [
    (lambda: dvae().loss(Tensor(X), 0.0, 1.0), ValueError, "DVAE.loss: tau=0.0"),
    (lambda: dvae().loss(Tensor(X), -1.0, 1.0), ValueError, "DVAE.loss: tau=-1.0"),
    (lambda: dvae().loss(Tensor(X), float("nan"), 1.0), ValueError, "tau=nan"),
    (lambda: dvae().loss(Tensor(X), 1.0, -0.1), ValueError, "beta=-0.1"),
    (lambda: dvae().loss(Tensor(X[:0]), 1.0, 1.0), ValueError, r"DVAE.loss: pictures of shape \(0, 3, 16, 16\)"),
    (lambda: dvae().logits(changed(X, 1.5)), ValueError, "1.5"),
    (lambda: dvae().tokens(changed(X, -0.01)), ValueError, "-0.01"),
    (lambda: dvae().loss(changed(X, np.nan), 1.0, 1.0), ValueError, "nan"),
    (lambda: dvae().tokens(Tensor(255 * X)), ValueError, r"\[0, 1\]"),
    (lambda: dvae().tokens(Tensor((255 * X).astype(np.uint8))), (TypeError, ValueError), "uint8"),
    (lambda: map_pixels(Tensor(X + 1)), ValueError, "map_pixels"),
    (lambda: dvae().tokens(Tensor(X[..., :10])), ValueError, r"\(2, 3, 16, 10\).*W=10 is no multiple of 4"),
    (lambda: dvae().tokens(Tensor(X[:, :, :15])), ValueError, "H=15 is no multiple of 4"),
    (lambda: DVAE(K, 8, 4, 6).tokens(Tensor(X[:, :, :12])), ValueError, "H=12 is no multiple of 8"),
    (lambda: dvae().tokens(Tensor(X[:, :1])), ValueError, r"\(2, 1, 16, 16\); it takes \(N, 3, H, W\)"),
    (lambda: dvae().tokens(Tensor(X.transpose(0, 2, 3, 1).copy())), ValueError, "channels first"),
    (lambda: dvae().decode(changed(Z.reshape(2, 4, 4), K)), ValueError, "tokens run from 0 to 20; the vocabulary has 0 to 19"),
    (lambda: dvae().decode(changed(Z.reshape(2, 4, 4), -1)), ValueError, "tokens run from -1"),
    (lambda: dvae().decode(Tensor(Z)), ValueError, r"shape \(2, 16\); it takes \(N, h, w\)"),
    (lambda: dvae().decode(Tensor(Z.reshape(2, 4, 4) / 1.0)), TypeError, "integers"),
    (lambda: DVAE(0), ValueError, "vocab_size"), (lambda: DVAE(K, 6), ValueError, "n_hid=6 must be a multiple of 4"),
    (lambda: logit_laplace_nll(Tensor(np.zeros(3)), Tensor(np.zeros(3)), Tensor(np.zeros(3))), ValueError, "logit_laplace_nll"),
    (lambda: half_cosine(1, 0.0, 6.6, 0), ValueError, "half_cosine"),
    (lambda: transformer()(changed(Y, TEXT), Tensor(Z)), ValueError, r"text has 30 at \(1, 2\); its ids are 0 to 29, and PAD=-1"),
    (lambda: transformer()(changed(Y, -2), Tensor(Z)), ValueError, "text has -2"),
    (lambda: transformer()(Tensor(Y), changed(Z, K)), ValueError, "image has 20 .* 0 to 19, and no text token can stand there"),
    (lambda: transformer()(Tensor(Y), changed(Z, PAD)), ValueError, "image has -1"),
    (lambda: transformer()(Tensor(Y), Tensor(np.zeros((2, 17), np.int64))), ValueError, r"\(2, 17\).*m from 1 to 16.*grid 4 x 4"),
    (lambda: transformer()(Tensor(np.ones((2, 6), np.int64)), Tensor(Z)), ValueError, r"\(2, 6\).*text_length=5.*cut a longer"),
    (lambda: transformer()(Tensor(Y[:1]), Tensor(Z)), ValueError, r"image of shape \(2, 16\); it takes \(B=1, m\)"),
    (lambda: transformer()(Tensor(Y / 1.0), Tensor(Z)), TypeError, "text of float64; it takes integers"),
    (lambda: transformer().init_state(Tensor(Y), 0), ValueError, "repeats"),
    (lambda: drawn(17), ValueError, "step: all 16 image tokens of the grid are there already"),
    (lambda: transformer(attention="axial"), ValueError, "attention='axial'"),
    (lambda: transformer(kinds=["row"]), ValueError, "for each of layers=2")])
def test_what_does_not_fit_is_refused_by_name(call, kind, message):
    with pytest.raises(kind, match=message):
        call()


def test_an_empty_caption_is_allowed():
    """Pads only, each with its own vector; it has no text to be wrong about."""
    manual_seed(0)
    model = transformer().eval()
    text = Tensor(np.full((2, T), PAD))
    text_logits, image_logits = model(text, Tensor(Z))
    loss, text_loss, image_loss = dalle_loss(text_logits, image_logits, text, Tensor(Z))
    assert float(text_loss.detach()) == 0 and float(loss.detach()) == pytest.approx(7 / 8 * float(image_loss.detach()), rel=1e-6)
    first, _ = model.step(np.zeros(2, np.int64), model.init_state(text))
    np.testing.assert_allclose(first.numpy(), image_logits[:, 0].log_softmax(-1).detach().numpy(), atol=1e-5)
    other, _ = model.step(np.zeros(2, np.int64), model.init_state(Tensor(Y)))
    assert np.abs(other.numpy() - first.numpy()).max() > 1e-3   # a caption says something


def test_a_text_of_a_start_token_alone():
    """T = 1: nothing of the text is predicted, so it costs nothing, and the image has a loss with a gradient."""
    manual_seed(0)
    model, text, image = DALLETransformer(TEXT, K, 1, (2, 2), 16, 2, 2), Tensor(np.array([[1], [2]])), Tensor(Z[:, :4])
    loss, text_loss, image_loss = dalle_loss(*model(text, image), text, image)
    assert float(text_loss.detach()) == 0 and float(loss.detach()) == pytest.approx(7 / 8 * float(image_loss.detach()), rel=1e-6)
    loss.backward()
    assert np.abs(model.image_head.weight.grad.numpy()).max() > 0


@pytest.mark.parametrize("form", ["dense", "blocks"])
def test_a_batch_of_nothing(form):
    """No pictures and no captions have no logits, of the right vocabularies, as in the dVAE."""
    text_logits, image_logits = transformer(form=form)(Tensor(Y[:0]), Tensor(Z[:0]))
    assert text_logits.shape == (0, T - 1, TEXT) and image_logits.shape == (0, 16, K)
    assert dvae().logits(Tensor(X[:0])).shape == (0, K, 4, 4)
