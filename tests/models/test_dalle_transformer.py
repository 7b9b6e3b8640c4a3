"""DALL-E's Transformer: forms of its attention, order of its positions, pads, loss, kept keys and values, gradients, errors."""

import math

import numpy as np
import pytest

import tinymm
from tests.device_double import StrictArray
from tinymm import Tensor, gradcheck, no_grad, optim
from tinymm import functional as F
from tinymm.backend import arrays as backend_arrays
from tinymm.backend.arrays import to_host
from tinymm.decode import take
from tinymm.models.dalle import PAD, DALLETransformer, dalle_loss, transformer
from tinymm.models.dalle.masks import mask_of
from tinymm.models.dalle.sparse_attention import block_attention, blocks_of

V_T, V_I, T, GRID, N = 11, 13, 5, (3, 4), 12
KINDS = ("row", "column", "conv", "full")
MIXED = ["row", "column", "row", "conv"]
TEXT = np.array([[1, 4, 7, PAD, PAD], [1, 2, 10, 0, 3], [PAD] * T])   # one cut short, one full, one empty
IMAGE = np.random.default_rng(5).integers(0, V_I, (3, N))


def build(kinds=MIXED, form="dense", dtype="float64", seed=0, **options):
    """A small model, every parameter drawn so that none is inert."""
    tinymm.manual_seed(seed)
    sizes = {"d_model": 12, "heads": 2, "grid": GRID, **options}
    model = DALLETransformer(V_T, V_I, T, layers=len(kinds), kernel=3, kinds=kinds, form=form, **sizes).to(dtype=dtype)
    rng = np.random.default_rng(seed)
    with no_grad():
        for p in model.parameters():
            p.add_(Tensor((0.3 * rng.normal(size=p.shape)).astype(dtype)))
    return model


def logits(model, text=TEXT, image=IMAGE):
    """Those of the text and of the image, as arrays."""
    with no_grad():
        return tuple(x.numpy() for x in model(Tensor(text), Tensor(image)))


# ---------------------------------------------------------------------- the two forms of attention

@pytest.mark.parametrize("text, grid, cut", [(5, (4, 4), 1), (1, (3, 5), 0), (7, (5, 2), 3), (3, (1, 4), 0), (4, (4, 1), 2),
                                             (6, (8, 8), 1)])
@pytest.mark.parametrize("kind", KINDS)
def test_blocks_are_the_masked_softmax(kind, text, grid, cut):
    """L9-C8: values and gradients, also of a sequence that ends before the grid does."""
    L, rng = text + grid[0] * grid[1] - cut, np.random.default_rng(0)
    mask = mask_of(kind, text, *grid, kernel=3)[:L, :L]
    blocks = blocks_of(mask, text, grid[1], columns=kind == "column")
    found, wanted = ([Tensor(a.copy(), requires_grad=True) for a in start]
                     for start in [[rng.normal(size=(2, 3, L, 4)) for _ in range(3)]] * 2)
    y = block_attention(*found, text, blocks)
    q, k, v = wanted
    scores = F.where(Tensor(mask), q @ k.transpose(-1, -2) / 2, -math.inf)              # sqrt(d) = 2
    definition = scores.softmax(-1) @ v
    np.testing.assert_allclose(y.detach().numpy(), definition.detach().numpy(), rtol=0, atol=1e-12)
    g = Tensor(rng.normal(size=y.shape))
    (y * g).sum().backward(), (definition * g).sum().backward()
    for a, b in zip(found, wanted):
        np.testing.assert_allclose(a.grad.numpy(), b.grad.numpy(), rtol=0, atol=1e-12)


def test_a_block_looks_at_what_its_positions_may_see_and_at_no_more():
    """A row at the text, itself and the row above; a column at the text and itself."""
    height, width, text = 6, 5, 7
    row = blocks_of(mask_of("row", text, height, width, 3), text, width)
    column = blocks_of(mask_of("column", text, height, width, 3), text, width, columns=True)
    assert row.queries.shape == (6, 5) and row.keys.shape == (6, 7 + 2 * 5)
    assert column.queries.shape == (5, 6) and column.keys.shape == (5, 7 + 6)
    assert set(row.keys[3]) == {*range(7), *range(7 + 10, 7 + 20)}
    assert set(column.keys[2]) == {*range(7), *range(7 + 2, 7 + 30, 5)}


@pytest.mark.parametrize("image", [IMAGE, IMAGE[:, :7], IMAGE[:, :1]])
@pytest.mark.parametrize("kinds", [*([kind] for kind in KINDS), MIXED], ids=str)
def test_both_forms_of_the_model_agree(kinds, image):
    """L9-C8."""
    for found, wanted in zip(logits(build(kinds, "blocks"), image=image), logits(build(kinds, "dense"), image=image)):
        np.testing.assert_allclose(found, wanted, rtol=0, atol=1e-12)


# ---------------------------------------------------------------------- what sees what

@pytest.mark.parametrize("form", ["dense", "blocks"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("kinds", [["row", "column", "conv"], ["full"] * 2], ids=str)
def test_no_position_sees_a_later_one(kinds, dtype, form):
    """L9-C9: bit-identical before the change, and different after it: in three sparse layers everything reaches the end."""
    model = build(kinds, form, dtype)
    text, image = logits(model)
    for j in range(T):
        changed = TEXT.copy()
        changed[:, j] = (TEXT[:, j] + 1) % V_T
        new_text, new_image = logits(model, changed)
        np.testing.assert_array_equal(new_text[:, :j], text[:, :j])   # logits of the tokens up to j
        assert (np.abs(new_text - text)[:, j:].max(-1) > 1e-6).all() and (np.abs(new_image - image).max(-1) > 1e-6).all()
    for j in range(N):
        changed = IMAGE.copy()
        changed[:, j] = (IMAGE[:, j] + 1) % V_I
        new_text, new_image = logits(model, image=changed)
        np.testing.assert_array_equal(new_text, text)
        np.testing.assert_array_equal(new_image[:, :j + 1], image[:, :j + 1])
        if j < N - 1:   # the last token is no input
            assert (np.abs(new_image - image)[:, -1].max(-1) > 1e-6).all()


@pytest.mark.parametrize("form", ["dense", "blocks"])
@pytest.mark.parametrize("kind", KINDS)
def test_one_layer_sees_what_its_mask_says(kind, form):
    """The output at place i follows token j just where mask[i, j]."""
    model = build([kind], form)
    mask, (_, before) = mask_of(kind, T, *GRID, kernel=3), logits(model)
    for j in range(N - 1):
        changed = IMAGE.copy()
        changed[:, j] = (IMAGE[:, j] + 1) % V_I
        moved = np.abs(logits(model, image=changed)[1] - before).max((0, 2)) > 1e-9     # of image tokens 0 to n - 1
        np.testing.assert_array_equal(moved[1:], mask[T:-1, T + j])


def test_places_of_the_grid_are_rows_and_columns():
    model = build()
    with no_grad():
        same = model.embed_image(Tensor(np.zeros((1, N), int)))[0].numpy() - model.image_embedding.weight[0].numpy()
        later = model.embed_image(Tensor(np.zeros((1, 3), int)), first=6)[0].numpy() - model.image_embedding.weight[0].numpy()
        row, column = model.row_position.detach().numpy(), model.column_position.detach().numpy()
    wanted = np.array([row[i // GRID[1]] + column[i % GRID[1]] for i in range(N)])
    np.testing.assert_allclose(same, wanted, rtol=0, atol=1e-14)
    np.testing.assert_allclose(later, wanted[6:9], rtol=0, atol=1e-14)


def test_each_position_has_a_pad_of_its_own_which_is_seen_like_text():
    model = build()
    before = logits(model)
    for t in range(T):
        with no_grad():
            model.text_embedding.weight[V_T + t] += np.arange(12.0)   # not the same for all, which LayerNorm would undo
        after = logits(model)
        with no_grad():
            model.text_embedding.weight[V_T + t] -= np.arange(12.0)
        moved = np.abs(after[1] - before[1]).max((1, 2)) > 1e-6
        np.testing.assert_array_equal(moved, TEXT[:, t] == PAD)


# ---------------------------------------------------------------------- the loss

def test_the_loss_is_an_eighth_and_seven_eighths():
    """L9-C10: means over each kind; pads and the first text token are no targets."""
    model = build()
    with no_grad():
        y, z = model(Tensor(TEXT), Tensor(IMAGE))
        found = [x.item() for x in dalle_loss(y, z, Tensor(TEXT), Tensor(IMAGE))]
        y, z = y.log_softmax(-1).numpy(), z.log_softmax(-1).numpy()
    text = -np.mean([y[b, t - 1, TEXT[b, t]] for b in range(3) for t in range(1, T) if TEXT[b, t] != PAD])
    image = -np.mean([z[b, i, IMAGE[b, i]] for b in range(3) for i in range(N)])
    np.testing.assert_allclose(found, [text / 8 + 7 * image / 8, text, image], rtol=0, atol=1e-12)
    with no_grad():
        other = dalle_loss(*model(Tensor(TEXT), Tensor(IMAGE)), Tensor(TEXT), Tensor(IMAGE), text_weight=1.0)
    assert other[0].item() == pytest.approx(text, abs=1e-12)


def test_empty_captions_only_have_no_text_loss():
    model, text, image = build(), Tensor(TEXT[2:]), Tensor(IMAGE[2:])
    loss, of_text, of_image = dalle_loss(*model(text, image), text, image)
    assert of_text.item() == 0 and loss.item() == pytest.approx(7 / 8 * of_image.item(), abs=1e-12)
    loss.backward()
    assert all(np.isfinite(p.grad.numpy()).all() for p in model.parameters() if p.grad is not None)


@pytest.mark.parametrize("attention", ["sparse", "full"])
def test_the_first_losses_are_ln_k_and_a_batch_is_learnt(attention):
    """Before any step all tokens are as likely; then three pairs are learnt by heart."""
    tinymm.manual_seed(0)
    model = DALLETransformer(V_T, V_I, T, GRID, 24, 4, 2, attention=attention, kernel=3)
    optimiser, losses = optim.Adam(model.parameters(), lr=0.005), []
    for _ in range(80):
        optimiser.zero_grad()
        loss = dalle_loss(*model(Tensor(TEXT), Tensor(IMAGE)), Tensor(TEXT), Tensor(IMAGE))
        loss[0].backward()
        optimiser.step()
        losses.append([x.item() for x in loss])
    assert abs(losses[0][1] - math.log(V_T)) < 0.1 and abs(losses[0][2] - math.log(V_I)) < 0.1, losses[0]
    assert losses[-1][2] < 0.2, losses[::20]   # of the captions the first words are anyone's guess


# ---------------------------------------------------------------------- token by token

def stepped(model, state, image):
    """Log-probabilities (B, n, V_i) of the tokens ``image``, one step after the other."""
    found = []
    for i in range(image.shape[1]):
        log_probs, state = model.step(image[:, i - 1], state)   # the first step does not look at it
        found.append(log_probs.numpy())
    return np.stack(found, 1)


@pytest.mark.parametrize("kinds", [*([kind] * 2 for kind in KINDS), MIXED], ids=str)
def test_token_by_token_is_all_at_once(kinds):
    """L9-C9, also with several images of one text."""
    model, images = build(kinds), np.random.default_rng(1).integers(0, V_I, (6, N))
    found = stepped(model, model.init_state(Tensor(TEXT), repeats=2), images)
    with no_grad():
        wanted = model(Tensor(np.repeat(TEXT, 2, 0)), Tensor(images))[1].log_softmax(-1).numpy()
    np.testing.assert_allclose(found, wanted, rtol=0, atol=1e-10)


def test_a_step_computes_one_position_and_reads_only_what_its_mask_allows(monkeypatch):
    """What the mask does not allow is NaN here, which would spread; and only one position goes through the blocks."""
    model, lengths, compute = build(), [], transformer.through
    monkeypatch.setattr(transformer, "through", lambda block, x, attend: lengths.append(x.shape[1]) or compute(block, x, attend))
    stepped(model, model.init_state(Tensor(TEXT)), IMAGE)
    assert lengths == [T] * 4 + [1] * 4 * (N - 1)
    state = model.step(IMAGE[:, 0], model.init_state(Tensor(TEXT)))[1]
    for i in range(1, N):
        copy = take(state, np.arange(3))
        for kept in (copy["keys"], copy["values"]):
            for kind, a in zip(MIXED, kept):
                a[:, :, np.flatnonzero(~mask_of(kind, T, *GRID, kernel=3)[T + i - 1, :-1])] = math.nan
        found, _ = model.step(IMAGE[:, i - 1], copy)
        wanted, state = model.step(IMAGE[:, i - 1], state)
        np.testing.assert_array_equal(found.numpy(), wanted.numpy())


def test_a_state_goes_one_way_and_its_copies_another():
    model = build()
    start = model.init_state(Tensor(TEXT))
    one, other = (stepped(model, start, image) for image in (IMAGE, IMAGE[::-1]))   # what init_state gave is not written to
    np.testing.assert_array_equal(stepped(model, start, IMAGE), one)
    _, state = model.step(IMAGE[:, 0], start)
    copy = take(state, np.array([2, 0]))
    _, after = model.step(IMAGE[:, 0], state)
    with pytest.raises(ValueError, match=r"this state, of 1 tokens, was stepped from before.*tinymm.decode.take\(state, rows\)"):
        model.step(IMAGE[:, 0], state)
    np.testing.assert_array_equal(model.step(IMAGE[::-1][[2, 0], 0], copy)[0].numpy(), other[[2, 0], 1])
    np.testing.assert_array_equal(model.step(IMAGE[:, 1], after)[0].numpy(), one[:, 2])


# ---------------------------------------------------------------------- gradients, devices

@pytest.mark.parametrize("form, part", [("dense", "ends"), *(pytest.param(form, "whole", marks=pytest.mark.slow)
                                                             for form in ("dense", "blocks"))])
def test_gradcheck_of_the_whole_model(form, part):
    """The loss of all of it; by default of the inner blocks only the attention of the first, below all three masks."""
    model = build(["row", "column", "conv"], form, d_model=6, grid=(2, 3))
    image = Tensor(IMAGE[:, :6])
    checked = {name: p for name, p in model.named_parameters()
               if part == "whole" or not name.startswith("transformer") or name.startswith("transformer.resblocks.0.attn")}
    report = gradcheck(lambda: dalle_loss(*model(Tensor(TEXT), image), Tensor(TEXT), image)[0], [], parameters=checked, curve=False,
                       max_elements=12 if part == "whole" else 4)
    assert {a.verdict for a in report.arguments} == {"ok"} and len(report.arguments) == len(checked) > 10, report


def test_it_stays_on_the_device(monkeypatch):
    monkeypatch.setitem(backend_arrays._DEVICES, StrictArray, "cuda:7")
    model, results = build(form="blocks"), []
    for device in ("cpu", "cuda:7"):
        text, image = (Tensor(x if device == "cpu" else StrictArray(x.copy())) for x in (TEXT, IMAGE))
        model.to(device=device)
        y, z = model(text, image)
        loss = dalle_loss(y, z, text, image)[0]
        model.zero_grad()
        loss.backward()
        log_probs, state = model.step(IMAGE[:, 0], model.init_state(text))
        log_probs, state = model.step(IMAGE[:, 0], state)
        tensors = [loss, y, z, log_probs, *state["keys"], *(p.grad for p in model.parameters())]
        assert {t.device for t in tensors} == {device}
        results.append([to_host(t._data) for t in tensors])
    for here, there in zip(*results):
        np.testing.assert_allclose(there, here, rtol=0, atol=1e-10)


# ---------------------------------------------------------------------- errors

def replaced(tokens, token):
    tokens = tokens.copy()
    tokens[1, 2] = token
    return Tensor(tokens)


def full_state(model):
    state = model.init_state(Tensor(TEXT))
    for i in range(N):
        state = model.step(IMAGE[:, i], state)[1]
    return state


@pytest.mark.parametrize("call, error, message", [
    (lambda m, y, z: m(Tensor(TEXT[:, :3]), z), ValueError, r"text of shape \(3, 3\); it takes \(B, text_length=5\): cut a longer"),
    (lambda m, y, z: m.init_state(Tensor(np.zeros((3, 9), int))), ValueError, r"text of shape \(3, 9\).* fill .* up with PAD=-1"),
    (lambda m, y, z: m(y, Tensor(np.zeros((3, 13), int))), ValueError, r"image of shape \(3, 13\).*m from 1 to 12.*grid 3 x 4"),
    (lambda m, y, z: m(y, z[:, :0]), ValueError, r"image of shape \(3, 0\)"),
    (lambda m, y, z: m(y, z[:2]), ValueError, r"image of shape \(2, 12\); it takes \(B=3, m\)"),
    (lambda m, y, z: m(replaced(TEXT, V_T), z), ValueError, r"text has 11 at \(1, 2\); its ids are 0 to 10, and PAD=-1"),
    (lambda m, y, z: m(replaced(TEXT, -2), z), ValueError, r"text has -2 at \(1, 2\)"),
    (lambda m, y, z: m(y, replaced(IMAGE, V_I)), ValueError, r"image has 13 at \(1, 2\); its ids are 0 to 12, and no text token"),
    (lambda m, y, z: m(y, replaced(IMAGE, PAD)), ValueError, r"image has -1 at \(1, 2\)"),
    (lambda m, y, z: m(y.float(), z), TypeError, "text of float32; it takes integers"),
    (lambda m, y, z: m(y, IMAGE), TypeError, "image is a ndarray, not a Tensor"),
    (lambda m, y, z: m.init_state(y, repeats=0), ValueError, "repeats=0 must be a positive integer"),
    (lambda m, y, z: m.step(IMAGE[:, 0], full_state(m)), ValueError, "all 12 image tokens of the grid are there already"),
    (lambda m, y, z: m.step(IMAGE[:, 0] + V_I, m.step(None, m.init_state(y))[1]), ValueError, "tokens has .* ids are 0 to 12"),
    (lambda m, y, z: build(attention="some", kinds=MIXED), ValueError, r"attention='some'; choose from \('sparse', 'full'\)"),
    (lambda m, y, z: build(form="fast"), ValueError, r"form='fast'; choose from \('dense', 'blocks'\)"),
    (lambda m, y, z: build(["row", "axial"]), ValueError, r"kinds=\['row', 'axial'\] must be one of .* layers=2"),
    (lambda m, y, z: build(grid=(4, 0)), ValueError, "grid"),
    (lambda m, y, z: build(heads=5), ValueError, "width=12 cannot be split among heads=5"),
    (lambda m, y, z: DALLETransformer(0, V_I, T, GRID, 12, 1, 2), ValueError, "text_vocab=0 must be a positive integer"),
    (lambda m, y, z: dalle_loss(*m(y, z), y, z, text_weight=8), ValueError, "text_weight=8 must be from 0 to 1"),
    (lambda m, y, z: dalle_loss(*m(y, z), y[:, 1:], z), ValueError, r"do not fit text \(3, 4\) and image \(3, 12\)")])
def test_what_is_refused(call, error, message):
    with pytest.raises(error, match=message):
        call(build(), Tensor(TEXT), Tensor(IMAGE))


def test_a_token_of_the_other_kind_has_no_probability():
    """L9-C10: text and image have vocabularies, and last maps, of their own."""
    model = build()
    assert [x.shape for x in logits(model)] == [(3, T - 1, V_T), (3, N, V_I)]
    log_probs, _ = model.step(None, model.init_state(Tensor(TEXT)))
    assert log_probs.shape == (3, V_I)
    np.testing.assert_allclose(np.exp(log_probs.numpy()).sum(1), 1, rtol=0, atol=1e-12)
