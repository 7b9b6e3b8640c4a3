"""Exercise 8: the solution is right by other means; test_exercises.py has what is common to all exercises."""

import math
import re

import numpy as np
import pytest

from tests.homework.judged import worst_gap
from tests.homework.sources import EXERCISES, changed, handed_in, namespace
from tinymm import Tensor, nn
from tinymm.homework import check, reference
from tinymm.homework.exercise import find
from tinymm.homework.exercises.lecture_08 import LETTERS, table_of
from tinymm.models.clip.contrastive_loss import contrastive_loss
from tinymm.models.clip.modified_resnet import AttentionPool2d
from tinymm.text.bpe import BytePairEncoding

SOLUTION = EXERCISES["08"].solution


@pytest.fixture(scope="module")
def solution():
    return namespace(SOLUTION)


@pytest.fixture
def rng():
    return np.random.default_rng(5)


def test_other_right_answers_pass(tmp_path):
    """Another log softmax, einsum, loops over heads, integers of 32 bits, one row of the table after the other."""
    source = changed(
        ("        log_p.append(shifted - np.log(np.exp(shifted).sum(axis=axis, keepdims=True)))",
         "        log_p.append(logits - np.logaddexp.reduce(logits, axis=axis, keepdims=True))"),
        ("    loss = (loss_i + loss_t) / 2", "    loss = (0.5 * (loss_i + loss_t)).item()"),
        ("    scale = np.exp(t)", "    scale = math.exp(t)"), ("import numpy as np\n", "import math\n\nimport numpy as np\n"),
        ("    return dz_i @ W_i.T, dz_t @ W_t.T, I_f.T @ dz_i, T_f.T @ dz_t, dt",
         "    return [dz_i @ W_i.T, dz_t @ W_t.T, np.einsum('ni,ne->ie', I_f, dz_i), T_f.T @ dz_t, float(dt)]"),
        ("    z = (alpha @ v).reshape(B, D)",
         "    z = np.concatenate([(alpha[:, h, 0, :, None] * v[:, h]).sum(axis=1) for h in range(heads)], axis=1)"),
        ("    weights = each.mean(axis=1) ", "    weights = each.sum(axis=1) "),
        ("    label = logits.argmax(axis=1)",
         "    label = np.array([max(range(len(row)), key=row.__getitem__) for row in logits], np.int32)"),
        ("    while True:\n        possible",
         "    for left, right, joined in merges:\n        out = []\n        for symbol in word:\n"
         "            if out and (out[-1], symbol) == (left, right):\n                out[-1] = joined\n"
         "            else:\n                out.append(symbol)\n        word = out\n"
         "    while False:\n        possible"), source=SOLUTION)
    report = check("08", handed_in(tmp_path, source))
    assert report.ok, repr(report)


# ---------------------------------------------------------------------- the loss

def test_the_lecture_computes_the_same_loss():
    task = find(8).tasks[0]
    for case in task.cases_drawn():
        if len(case.arguments["I_f"]) > 1:
            found = reference.values(contrastive_loss, case)[0]
            np.testing.assert_allclose(found, reference.values(task.reference, case)[0], rtol=1e-12)


def test_two_pairs_by_hand(solution):
    """Embeddings (1, 0), (0.6, 0.8) and (1, 0), (0, 1), of other lengths: four cosines, and t = ln 2."""
    I_f, T_f = np.array([[5.0, 0.0], [3.0, 4.0]]), np.array([[0.1, 0.0], [0.0, 7.0]])
    loss, cache = solution["clip_loss_forward"](I_f, T_f, np.eye(2), np.eye(2), math.log(2.0))
    rows = (math.log(1 + math.exp(-2.0)) + math.log(1 + math.exp(1.2 - 1.6))) / 2            # [[2, 0], [1.2, 1.6]]
    columns = (math.log(1 + math.exp(1.2 - 2.0)) + math.log(1 + math.exp(-1.6))) / 2
    assert loss == pytest.approx((rows + columns) / 2, rel=1e-12)
    dI_f, dT_f, *_ = solution["clip_loss_backward"](1.0, cache)
    np.testing.assert_allclose((dI_f * I_f).sum(1), 0, atol=1e-15)       # no length is worth anything
    np.testing.assert_allclose((dT_f * T_f).sum(1), 0, atol=1e-15)


def test_what_the_loss_does_not_see(solution, rng):
    """ln n if nothing tells the pairs apart; the same for pairs in another order, and for images and texts exchanged."""
    I_f, T_f, W_i, W_t = (rng.normal(size=shape) for shape in ((6, 4), (6, 5), (4, 3), (5, 3)))
    loss = lambda *args: solution["clip_loss_forward"](*args)[0]
    assert loss(I_f[[0] * 6], T_f[[0] * 6], W_i, W_t, 2.0) == pytest.approx(math.log(6))
    order = rng.permutation(6)
    right = loss(I_f, T_f, W_i, W_t, 2.0)
    assert loss(I_f[order], T_f[order], W_i, W_t, 2.0) == pytest.approx(right)
    assert loss(T_f, I_f, W_t, W_i, 2.0) == pytest.approx(right)
    assert loss(9 * I_f, 0.1 * T_f, 3 * W_i, W_t, 2.0) == pytest.approx(right)


# ---------------------------------------------------------------------- the attention pool

def test_the_lecture_pools_in_the_same_way(rng):
    """Every case through AttentionPool2d, without biases, up to its last linear map."""
    task = find(8).tasks[1]
    for case in task.cases_drawn():
        a = case.arguments
        pool = AttentionPool2d(1, a["x"].shape[2], a["heads"], 1).double()
        pool.positional_embedding = nn.Parameter(Tensor(a["positions"]))
        for layer, name in ((pool.q_proj, "W_q"), (pool.k_proj, "W_k"), (pool.v_proj, "W_v")):
            layer.weight.data, layer.bias.data = Tensor(a[name]), Tensor(np.zeros(len(a[name])))
        found = pool.features(Tensor(a["x"].swapaxes(1, 2)[..., None])).detach().numpy()     # a grid of (L, 1)
        np.testing.assert_allclose(found, reference.values(task.reference, case)[0], rtol=1e-10, atol=1e-12)


def test_without_questions_it_is_a_mean(solution, rng):
    """W_q = 0: all L+1 tokens weigh the same, and the mean of x and its mean is the mean; positions add theirs."""
    x, positions = rng.normal(size=(2, 3, 4)), rng.normal(size=(4, 4))
    z, cache = solution["attention_pool_forward"](x, positions, np.zeros((4, 4)), rng.normal(size=(4, 4)), np.eye(4), 2)
    np.testing.assert_allclose(z, x.mean(1) + positions.mean(0), rtol=1e-12)
    dx, dpositions, *_ = solution["attention_pool_backward"](np.ones((2, 4)), cache)
    np.testing.assert_allclose(dx, 1 / 3)
    np.testing.assert_allclose(dpositions, 2 / 4)


# ---------------------------------------------------------------------- the zero-shot classifier

def test_zero_shot_by_hand(solution):
    """A long prompt has no more say than a short one, and a class whose prompts disagree loses nothing."""
    prompts = np.array([[[100.0, 0.0], [0.0, 0.1]], [[-3.0, 0.0], [-1.0, 0.0]]])
    weights, logits, label = solution["zero_shot"](prompts, np.array([[2.0, 2.0], [-0.5, 0.0], [-1.0, 0.9]]))
    half = math.sqrt(0.5)
    np.testing.assert_allclose(weights, [[half, half], [-1, 0]], rtol=1e-12)
    np.testing.assert_allclose(logits[:2], [[100, -100 * half], [-100 * half, 100]], rtol=1e-12)
    assert label.tolist() == [0, 1, 1]


def test_zero_shot_order_and_number_of_prompts(solution, rng):
    prompts, images = rng.normal(size=(3, 4, 5)), rng.normal(size=(6, 5))
    right = solution["zero_shot"](prompts, images)
    for same in (prompts[:, ::-1], np.repeat(prompts, 2, axis=1), prompts * rng.uniform(0.1, 9.0, size=(3, 4, 1))):
        for a, b in zip(solution["zero_shot"](same, images), right):
            np.testing.assert_allclose(a, b, rtol=1e-12)
    np.testing.assert_allclose(np.linalg.norm(right[0], axis=1), 1.0, rtol=1e-14)
    one = solution["zero_shot"](prompts[:, :1], images)[0]
    np.testing.assert_allclose(one, prompts[:, 0] / np.linalg.norm(prompts[:, 0], axis=1, keepdims=True), rtol=1e-14)


# ---------------------------------------------------------------------- byte-pair merges

def test_the_table_in_the_text(solution):
    """The example that the exercise gives, read from its table."""
    rows = re.findall(r"^# \| (\d+) \| (\d+) \(`\w+`\) \| (\d+) \(`\w+`\) \| (\d+) \(", SOLUTION, re.M)
    merges = np.array([[int(n) for n in row[1:]] for row in rows])
    assert len(merges) == 3 and "`[0, 1, 2, 3, 8, 9]` becomes `[0, 5, 3, 8, 9]`, then `[7, 3, 8, 9]`" in SOLUTION
    assert solution["bpe_merge"](np.array([0, 1, 2, 3, 8, 9]), merges).tolist() == [7, 3, 8, 9]
    assert solution["bpe_merge"](np.array([0, 1, 2, 3, 8, 9]), merges[:1]).tolist() == [0, 5, 3, 8, 9]


def test_a_trained_tokenizer_cuts_words_in_the_same_way(solution):
    words = "low lower lowest slow slower newer new news wide wider widest banana bandana aaaa aaaaaaa".split()
    encoding = BytePairEncoding.train({word: 1 + i % 4 for i, word in enumerate(words)}, 512 + 40)
    merges = np.array([[encoding.ids[left], encoding.ids[right], encoding.ids[left + right]] for left, right in encoding.merges])
    for word in [*words, "wideness", "slowest", "bananas", "aaaaaa", "x"]:
        symbols = np.array([encoding.ids[letter] for letter in word[:-1]] + [encoding.ids[word[-1] + "</w>"]])
        assert tuple(solution["bpe_merge"](symbols, merges).tolist()) == encoding.encode(word), word


def test_tables_are_as_training_makes_them():
    """Each row joins what earlier rows made, into something new: row after row gives the same as the definition."""
    for case in find(8).tasks[3].cases_drawn():
        known = set(range(len(LETTERS)))
        for left, right, joined in case.arguments["merges"].tolist():
            assert left in known and right in known and joined not in known
            known.add(joined)


@pytest.mark.oracle
def test_the_tokenizers_library_merges_in_the_same_way(solution):
    tokenizers = pytest.importorskip("tokenizers")
    tables = (["o w", "e r", "l ow", "w e", "s l", "low er"], ["a a", "aa aa", "b a"], ["h a", "t h", "a t", "th e"],
              ["a n", "an a", "b an", "l l", "h a", "ha ll"])
    checked = 0
    for merges in tables:
        table, numbers = table_of(*merges)
        model = tokenizers.models.BPE(numbers, [tuple(merge.split()) for merge in merges])
        for letters in ("owerlstw", "aab", "hate", "banlh"):
            for seed in range(60):
                rng = np.random.default_rng(seed)
                word = "".join(rng.choice(list(letters), size=rng.integers(1, 12)))
                found = solution["bpe_merge"](np.array([numbers[letter] for letter in word]), table)
                assert found.tolist() == [token.id for token in model.tokenize(word)], (merges, word)
                checked += len(found) < len(word)
    assert checked > 200


# ---------------------------------------------------------------------- PyTorch

def loss_of(torch, I_f, T_f, W_i, W_t, t):
    logits = torch.cosine_similarity((I_f @ W_i)[:, None], (T_f @ W_t)[None], dim=2) * t.exp()
    labels = torch.arange(len(logits))
    return (torch.nn.functional.cross_entropy(logits, labels) + torch.nn.functional.cross_entropy(logits.T, labels)) / 2


def pool_of(torch, x, positions, W_q, W_k, W_v, heads):
    """As the published network has it: the library's multi-head attention, tokens first."""
    x = x.permute(1, 0, 2)
    x = torch.cat([x.mean(dim=0, keepdim=True), x]) + positions[:, None]
    D = x.shape[2]
    return torch.nn.functional.multi_head_attention_forward(
        x[:1], x, x, D, heads, None, torch.zeros(3 * D, dtype=x.dtype), None, None, False, 0.0, torch.eye(D, dtype=x.dtype), None,
        use_separate_proj_weight=True, q_proj_weight=W_q, k_proj_weight=W_k, v_proj_weight=W_v, need_weights=False)[0][0]


def zero_shot_of(torch, prompts, images):
    normalize = torch.nn.functional.normalize
    weights = normalize(normalize(prompts, dim=2).mean(1), dim=1)
    logits = 100 * torch.cosine_similarity(images[:, None], weights[None], dim=2)
    return weights, logits, logits.argmax(1)


@pytest.mark.oracle
@pytest.mark.parametrize("number, equation", [*enumerate((loss_of, pool_of, zero_shot_of))])
def test_the_references_against_torch(number, equation):
    """Values and gradients of every reference with numbers in it, in every case."""
    assert worst_gap(find(8).tasks[number], equation) < 1e-12


@pytest.mark.oracle
def test_the_functions_train_a_projection(solution, rng):
    """From grids of features to the loss and back, pool and loss in one chain: the student's functions, and autograd."""
    torch = pytest.importorskip("torch")
    B, L, D, d_t, d_e, heads = 4, 3, 6, 5, 3, 2
    shapes = {"x": (B, L, D), "positions": (L + 1, D), "W_q": (D, D), "W_k": (D, D), "W_v": (D, D), "T_f": (B, d_t),
              "W_i": (D, d_e), "W_t": (d_t, d_e)}
    values = {name: rng.normal(size=shape) for name, shape in shapes.items()} | {"t": np.array(2.6)}
    a = list(values.values())
    I_f, pool_cache = solution["attention_pool_forward"](*a[:5], heads)
    loss, loss_cache = solution["clip_loss_forward"](I_f, *a[5:])
    dI_f, *after = solution["clip_loss_backward"](1.0, loss_cache)
    found = [*solution["attention_pool_backward"](dI_f, pool_cache), *after]
    leaves = [torch.tensor(v, requires_grad=True) for v in a]
    want = loss_of(torch, pool_of(torch, *leaves[:5], heads), *leaves[5:])
    want.backward()
    assert loss == pytest.approx(want.item(), rel=1e-12)
    for name, gradient, leaf in zip(values, found, leaves):
        np.testing.assert_allclose(gradient, leaf.grad.numpy(), rtol=1e-9, atol=1e-12, err_msg=name)
