"""The contrastive loss: its limits, its symmetries, its gradient, and the bound on the temperature."""

import math

import numpy as np
import pytest

from tinymm import Tensor, gradcheck, nn, optim
from tinymm.models.clip import clip_loss, clip_temperature_, contrastive_loss
from tinymm.models.clip.contrastive_loss import INITIAL_T, LARGEST_T, cross_entropy_loss


def draw(n=4, d_i=5, d_t=6, d_e=3, seed=0):
    rng = np.random.default_rng(seed)
    return [rng.normal(size=shape) for shape in ((n, d_i), (n, d_t), (d_i, d_e), (d_t, d_e))]


def by_hand(I_f, T_f, W_i, W_t, t):
    """Each picture and each text on its own."""
    unit = lambda v: v / math.sqrt(sum(v * v))
    I_e, T_e = [unit(f @ W_i) for f in I_f], [unit(f @ W_t) for f in T_f]
    n, total = len(I_e), 0.0
    for i in range(n):
        texts = [math.exp(math.exp(t) * (I_e[i] @ T_e[j])) for j in range(n)]
        images = [math.exp(math.exp(t) * (I_e[j] @ T_e[i])) for j in range(n)]
        total -= math.log(texts[i] / sum(texts)) + math.log(images[i] / sum(images))
    return total / (2 * n)


@pytest.mark.parametrize("n", [2, 4, 7])
def test_the_pseudo_code_is_the_sum_over_pairs(n):
    parts = draw(n)
    found = contrastive_loss(*map(Tensor, parts), Tensor(np.float64(1.3)))
    assert float(found) == pytest.approx(by_hand(*parts, 1.3), abs=1e-12)


def test_which_axis_is_whose():
    """L8: axis 1 is each picture (row) among the texts; axis 0, which the slide calls loss_i, each text among the pictures."""
    logits = np.array([[9.0, 0.0], [8.0, 1.0]])   # picture 1 takes text 0 for its own; each text finds its picture
    labels = Tensor(np.arange(2))
    softplus = lambda x: math.log1p(math.exp(x))
    rows, columns = (float(cross_entropy_loss(Tensor(logits), labels, axis)) for axis in (1, 0))
    assert rows == pytest.approx((softplus(-9) + softplus(7)) / 2) and columns == pytest.approx((softplus(-1) + softplus(-1)) / 2)
    assert float(clip_loss(Tensor(logits))) == pytest.approx((rows + columns) / 2)
    assert float(clip_loss(Tensor(logits.T))) == pytest.approx((rows + columns) / 2)


@pytest.mark.parametrize("n", [2, 5, 64])
def test_alike_embeddings_give_ln_n(n):
    """L8-C5."""
    I_f, T_f, W_i, W_t = draw(1)
    same = [np.repeat(I_f, n, 0), np.repeat(T_f, n, 0), W_i, W_t]
    assert float(contrastive_loss(*map(Tensor, same), Tensor(np.float64(INITIAL_T)))) == pytest.approx(math.log(n), abs=1e-12)


def test_the_order_of_pairs_does_not_matter():
    """L8-C5: the same permutation of both; of one alone it does."""
    I_f, T_f, W_i, W_t = draw(6)
    order = np.array([3, 0, 5, 1, 4, 2])
    loss = lambda I, T: float(contrastive_loss(*map(Tensor, (I, T, W_i, W_t)), Tensor(np.float64(2.0))))
    assert loss(I_f[order], T_f[order]) == pytest.approx(loss(I_f, T_f), abs=1e-12)
    assert abs(loss(I_f[order], T_f) - loss(I_f, T_f)) > 0.1


def test_lengths_of_features_do_not_matter():
    I_f, T_f, W_i, W_t = draw()
    loss = lambda I, T: float(contrastive_loss(*map(Tensor, (I, T, W_i, W_t)), Tensor(np.float64(2.0))))
    stretch = np.array([[0.1], [1.0], [7.0], [300.0]])
    assert loss(I_f * stretch, T_f / stretch) == pytest.approx(loss(I_f, T_f), abs=1e-12)
    assert math.isfinite(loss(I_f * 0, T_f))   # a vector of zeros has no direction; that must not be 0 / 0


def test_gradient():
    """L8-C5, by finite differences: of everything, the temperature included."""
    parts = [Tensor(x, requires_grad=True) for x in (*draw(), np.array(1.1))]
    assert gradcheck(contrastive_loss, parts, second_order=True)


def test_one_pair_has_nothing_to_learn():
    """L8-C13: the loss is 0, and so is every gradient; a warning says so."""
    parts = [Tensor(x, requires_grad=True) for x in (*draw(1), np.array(INITIAL_T))]
    with pytest.warns(UserWarning, match="one pair"):
        loss = contrastive_loss(*parts)
    loss.backward()
    assert float(loss) == 0 and not any(p.grad.numpy().any() for p in parts)


@pytest.mark.parametrize("shape", [(3, 4), (3,), (0, 0)])
def test_other_shapes_are_refused(shape):
    with pytest.raises(ValueError, match="it takes \\(n, n\\)"):
        clip_loss(Tensor(np.zeros(shape)))


# ---------------------------------------------------------------------- the temperature

def test_the_numbers():
    assert INITIAL_T == 2.659260036932778 and LARGEST_T == pytest.approx(4.60517, abs=1e-6)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_step_beyond_100_is_set_back_and_t_still_learns(dtype):
    """L8-C6: a step that would give t = 5; e^t is 100 within 1e-6, and the next step can take it down."""
    t = nn.Parameter(np.asarray(4.0, dtype))
    optimiser = optim.SGD([t], lr=1.0)
    (-t).backward()      # one step up, to 5
    optimiser.step()
    assert float(t.detach()) == 5
    assert clip_temperature_(t) is t and t.dtype == dtype and t.shape == ()
    assert math.exp(float(t.detach())) == pytest.approx(100, rel=1e-6)
    parts = [Tensor(x.astype(dtype)) for x in draw(3)]
    optimiser.zero_grad()
    contrastive_loss(*parts, t).backward()
    assert t.requires_grad and abs(float(t.grad)) > 1e-3
    before = float(t.detach())
    optimiser.step()
    clip_temperature_(t)
    assert float(t.detach()) < before   # pairs that do not fit want it lower


def test_a_temperature_below_the_bound_is_left_alone():
    t = nn.Parameter(np.asarray(INITIAL_T))
    clip_temperature_(t)
    assert float(t.detach()) == INITIAL_T


def test_the_temperature_never_exceeds_the_bound_in_a_training():
    """L8-C13: pairs that fit already want e^t without limit; the curve rises, and stops at 100."""
    t, close, eye = nn.Parameter(np.asarray(INITIAL_T)), Tensor(np.eye(4) + 2), Tensor(np.eye(4))   # cosines of 0.98
    optimiser, curve = optim.Adam([t], lr=0.3), []
    for _ in range(30):
        optimiser.zero_grad()
        contrastive_loss(close, close, eye, eye, t).backward()
        optimiser.step()
        clip_temperature_(t)
        curve.append(math.exp(float(t.detach())))
    assert all(a <= b for a, b in zip(curve, curve[1:])) and curve[0] < 30
    assert max(curve) == curve[-1] == pytest.approx(100, abs=1e-6)
