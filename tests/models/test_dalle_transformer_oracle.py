"""DALL-E's Transformer against transformers' GPT2LMHeadModel, PyTorch's attention and ru-DALL-E's masks, none of which we wrote."""

import numpy as np
import pytest

import tinymm
from tinymm import Tensor, nn, no_grad
from tinymm.models.dalle import PAD, DALLETransformer, column_mask, conv_mask, dalle_loss, row_mask
from tinymm.models.dalle.masks import mask_of

pytestmark = pytest.mark.oracle
torch = pytest.importorskip("torch")

V_T, V_I, T, GRID, D, LAYERS, HEADS = 17, 19, 6, (4, 4), 20, 3, 2
N, L = 16, T + 16
KINDS = ("full", "row", "column", "conv")


@pytest.fixture(scope="module", autouse=True)
def one_thread_for_pytorch():
    """Its threads would wait for the cores that the kernels' hold."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def tokens():
    rng = np.random.default_rng(3)
    text, image = rng.integers(0, V_T, (4, T)), rng.integers(0, V_I, (4, N))
    text[1, 4:], text[2] = PAD, PAD
    return text, image


def build(kind, form="dense"):
    """Ours, every parameter drawn so that none is inert; GPT-2's last map has no bias."""
    tinymm.manual_seed(1)
    model = DALLETransformer(V_T, V_I, T, GRID, D, LAYERS, HEADS, kernel=3, kinds=[kind] * LAYERS, form=form).double()
    rng = np.random.default_rng(2)
    with no_grad():
        for p in model.parameters():
            p.add_(Tensor(0.3 * rng.normal(size=p.shape)))
    for head in (model.text_head, model.image_head):
        nn.init.zeros_(head.bias)
    return model


def gpt2(model):
    """transformers' model with one vocabulary (text tokens, pads, image tokens) and one table of positions, and our weights."""
    transformers = pytest.importorskip("transformers")
    theirs = transformers.GPT2LMHeadModel(transformers.GPT2Config(
        vocab_size=V_T + T + V_I, n_positions=L, n_embd=D, n_layer=LAYERS, n_head=HEADS, activation_function="gelu", resid_pdrop=0,
        embd_pdrop=0, attn_pdrop=0, tie_word_embeddings=False)).double().eval()
    ours = {name: torch.tensor(t.numpy().copy()) for name, t in model.state_dict().items()}
    state = {"transformer.wte.weight": torch.cat([ours["text_embedding.weight"], ours["image_embedding.weight"]]),
             "transformer.wpe.weight": torch.cat([ours["text_position"], (ours["row_position"][:, None]
                                                                          + ours["column_position"]).reshape(N, D)]),
             "transformer.ln_f.weight": ours["ln_final.weight"], "transformer.ln_f.bias": ours["ln_final.bias"],
             "lm_head.weight": torch.cat([ours["text_head.weight"], torch.zeros(T, D), ours["image_head.weight"]])}
    names = {"ln_1.weight": "ln_1.weight", "ln_1.bias": "ln_1.bias", "ln_2.weight": "ln_2.weight", "ln_2.bias": "ln_2.bias",
             "attn.in_proj_weight": "attn.c_attn.weight", "attn.in_proj_bias": "attn.c_attn.bias",
             "attn.out_proj.weight": "attn.c_proj.weight", "attn.out_proj.bias": "attn.c_proj.bias",
             "mlp.c_fc.weight": "mlp.c_fc.weight", "mlp.c_fc.bias": "mlp.c_fc.bias", "mlp.c_proj.weight": "mlp.c_proj.weight",
             "mlp.c_proj.bias": "mlp.c_proj.bias"}
    for i in range(LAYERS):
        for name, other in names.items():
            t = ours[f"transformer.resblocks.{i}.{name}"]
            linear = t.ndim == 2   # theirs are stored the other way round
            state[f"transformer.h.{i}.{other}"] = t.T if linear else t
    theirs.load_state_dict(state)
    return theirs


def logits_of(theirs, text, image, mask):
    """Their logits of the text tokens from the second on, and of the image tokens."""
    ids = np.concatenate([np.where(text == PAD, V_T + np.arange(T), text), V_T + T + image], 1)
    bias = torch.zeros(mask.shape, dtype=torch.float64).masked_fill(~torch.tensor(mask), -torch.inf)
    logits = theirs(input_ids=torch.tensor(ids), attention_mask=bias.expand(len(ids), 1, L, L)).logits
    return logits[:, :T - 1, :V_T], logits[:, T - 1:-1, V_T + T:]


@pytest.mark.parametrize("form", ["dense", "blocks"])
@pytest.mark.parametrize("kind", KINDS)
def test_logits_loss_and_gradients_are_gpt2s(kind, form):
    """L9-C11, and with the other masks put over its attention."""
    ours, (text, image) = build(kind, form), tokens()
    theirs = gpt2(ours)
    y, z = ours(Tensor(text), Tensor(image))
    wanted_y, wanted_z = logits_of(theirs, text, image, mask_of(kind, T, *GRID, kernel=3))
    np.testing.assert_allclose(y.detach().numpy(), wanted_y.detach().numpy(), rtol=0, atol=1e-9)
    np.testing.assert_allclose(z.detach().numpy(), wanted_z.detach().numpy(), rtol=0, atol=1e-9)
    loss = dalle_loss(y, z, Tensor(text), Tensor(image))[0]
    cross_entropy = torch.nn.functional.cross_entropy
    wanted = cross_entropy(wanted_y.transpose(1, 2), torch.tensor(text[:, 1:]), ignore_index=PAD) / 8 + \
        cross_entropy(wanted_z.transpose(1, 2), torch.tensor(image)) * 7 / 8
    assert loss.item() == pytest.approx(wanted.item(), abs=1e-12)
    loss.backward(), wanted.backward()
    block, other = ours.transformer.resblocks[1], theirs.transformer.h[1]
    for p, q in ((block.attn.in_proj_weight, other.attn.c_attn.weight.grad.T), (block.mlp.c_fc.bias, other.mlp.c_fc.bias.grad),
                 (ours.image_embedding.weight, theirs.transformer.wte.weight.grad[V_T + T:]),
                 (ours.text_embedding.weight, theirs.transformer.wte.weight.grad[:V_T + T]),
                 (ours.text_position, theirs.transformer.wpe.weight.grad[:T]),
                 (ours.row_position, theirs.transformer.wpe.weight.grad[T:].reshape(*GRID, D).sum(1)),
                 (ours.column_position, theirs.transformer.wpe.weight.grad[T:].reshape(*GRID, D).sum(0))):
        assert np.abs(q.numpy()).max() > 1e-5
        np.testing.assert_allclose(p.grad.numpy(), q.numpy(), rtol=0, atol=1e-10)


def test_full_attention_is_gpt2s_own_mask():
    """L9-C11: nothing is told to GPT-2 of what may be seen."""
    ours, (text, image) = build("full"), tokens()
    ids = np.concatenate([np.where(text == PAD, V_T + np.arange(T), text), V_T + T + image], 1)
    with no_grad(), torch.no_grad():
        y, z = ours(Tensor(text), Tensor(image))
        logits = gpt2(ours)(input_ids=torch.tensor(ids)).logits
    np.testing.assert_allclose(y.numpy(), logits[:, :T - 1, :V_T].numpy(), rtol=0, atol=1e-9)
    np.testing.assert_allclose(z.numpy(), logits[:, T - 1:-1, V_T + T:].numpy(), rtol=0, atol=1e-9)


def test_kept_keys_and_values_give_what_gpt2s_give():
    """L9-C9: token by token, both with their own cache."""
    ours, (text, image) = build("full"), tokens()
    theirs, state, past = gpt2(ours), ours.init_state(Tensor(text)), None
    ids = torch.tensor(np.where(text == PAD, V_T + np.arange(T), text))
    for i in range(N):
        log_probs, state = ours.step(image[:, i - 1], state)
        with torch.no_grad():
            out = theirs(input_ids=ids, past_key_values=past, use_cache=True)
        past, ids = out.past_key_values, torch.tensor(V_T + T + image[:, i:i + 1])
        wanted = out.logits[:, -1, V_T + T:].log_softmax(-1)
        np.testing.assert_allclose(log_probs.numpy(), wanted.numpy(), rtol=0, atol=1e-10)


@pytest.mark.parametrize("kind", KINDS)
def test_our_masks_in_the_convention_of_multihead_attention(kind):
    """True = may attend here and in PyTorch's function; its module ignores where it is True."""
    mask = mask_of(kind, T, *GRID, kernel=3)
    q, k, v = np.random.default_rng(0).normal(size=(3, 2, 2, L, 5))
    theirs = torch.nn.functional.scaled_dot_product_attention(*(torch.tensor(a) for a in (q, k, v)), torch.tensor(mask))
    found = tinymm.functional.scaled_dot_product_attention(*(Tensor(a) for a in (q, k, v)), Tensor(mask))
    np.testing.assert_allclose(found.numpy(), theirs.numpy(), rtol=0, atol=1e-12)
    x = Tensor(np.random.default_rng(1).normal(size=(2, L, D)))
    attention = nn.MultiheadAttention(D, HEADS, batch_first=True).double()
    other = torch.nn.MultiheadAttention(D, HEADS, batch_first=True).double()
    other.load_state_dict({name: torch.tensor(t.numpy().copy()) for name, t in attention.state_dict().items()})
    wanted = other(*[torch.tensor(x.numpy().copy())] * 3, attn_mask=torch.tensor(~mask))[0]
    found = attention(x, x, x, attn_mask=Tensor(~mask))[0]
    np.testing.assert_allclose(found.detach().numpy(), wanted.detach().numpy(), rtol=0, atol=1e-12)


# ---------------------------------------------------------------------- ru-DALL-E

@pytest.mark.parametrize("text, side", [(6, 4), (3, 7), (256, 32)])
def test_row_and_column_are_ru_dalles(text, side):
    """L9-C7: its rules (image_attention.py), told from a key: which later positions do not see it."""
    L = text + side * side
    rows = np.tri(L, dtype=bool)
    columns = rows.copy()
    for key in range(text, L):
        rows[key + side + 1:, key] = False              # its row's rest, and the row below up to its column, do
        for query in range(key + 1, L):
            columns[query, key] = (query - key) % side == 0
    np.testing.assert_array_equal(row_mask(text, side, side), rows)
    np.testing.assert_array_equal(column_mask(text, side, side), columns)


def test_away_from_edges_the_window_is_ru_dalles():
    """L9-C7: its window goes around within a row, and from the top edge to the bottom, ours on to the next row: interiors only."""
    side, kernel = 8, 3
    half, mask = kernel // 2, conv_mask(0, side, side, kernel)
    theirs = np.zeros_like(mask)
    for key in range(side * side):
        for r in range(-half, half + 1):
            for c in range(-half, half + 1):
                query = (key // side + r) % side * side + (key % side + c) % side
                theirs[query, key] |= query >= key
    inside = [r * side + c for r in range(half, side - half) for c in range(half, side - half)]
    np.testing.assert_array_equal(mask[inside], theirs[inside])
    assert (mask != theirs).any()
