"""Show and Tell: against its equations written out, against PyTorch, against enumeration, and in use."""

import itertools

import numpy as np
import pytest

import tinymm
from tests.decode.models import TableModel, naive_beam, same
from tests.device_double import StrictArray
from tinymm import Tensor, gradcheck, nn, no_grad, optim
from tinymm.backend import arrays as backend_arrays
from tinymm.backend.arrays import to_host
from tinymm.decode import beam_search, greedy_search, take
from tinymm.metrics import perplexity
from tinymm.models.caption_likelihood import caption_log_prob
from tinymm.models.show_and_tell import ShowTell
from tinymm.text import Vocabulary

SIZES = dict(features=5, vocabulary=7, embedding=4, hidden=6)
PAD, START, END = 0, 1, 2
# (T, B): three captions of 5, 3 and 2 words with their end, padded; and the words before each step
TARGETS = np.array([[3, 4, 6], [5, 5, END], [4, END, PAD], [3, PAD, PAD], [END, PAD, PAD]])
WORDS = np.concatenate([np.full((1, 3), START), np.where(TARGETS == END, PAD, TARGETS)[:-1]])
SLIDE = dict(output_tanh=False, projection=False, bias=False)   # hidden = |V|
VARIANTS = {"usual": {}, "no-bias": dict(bias=False), "linear-output": dict(output_tanh=False),
            "no-projection": dict(projection=False), "slide": SLIDE, "image-every-step": dict(image="every"),
            "slide-every-step": dict(SLIDE, image="every")}
EACH = pytest.mark.parametrize("options", VARIANTS.values(), ids=VARIANTS)


def build(seed=0, dtype="float64", **options):
    """A small model; weights are stretched so that pictures and words matter, and no two logits are alike."""
    tinymm.manual_seed(seed)
    sizes = {**SIZES, "hidden": SIZES["hidden"] if options.get("projection", True) else SIZES["vocabulary"]}
    model = ShowTell(**{**sizes, **options})
    with no_grad():
        for p in (model.lstm.weight_ih, model.lstm.weight_hh, *([] if model.W_d is None else [model.W_d.weight])):
            p *= 2
    return model.to(dtype=dtype)


def pictures(seed=0, B=3):
    return np.random.default_rng(seed).normal(size=(B, SIZES["features"]))


def run(model, f, words=WORDS):
    return model(Tensor(f), Tensor(words))


def nll(model, f, words=WORDS, targets=TARGETS):
    return -caption_log_prob(run(model, f, words), Tensor(targets)).mean()


# ---------------------------------------------------------------------- the equations

def by_hand(model, f, words):
    """Logits (T, B, |V|) by the lecture's equations: one image after another, one gate after another, NumPy only."""
    p = {name: value.numpy() for name, value in model.state_dict().items()}
    sigma = lambda x: 1 / (1 + np.exp(-x))
    W_x, W_m = (dict(zip("ifgo", np.split(p[f"lstm.weight_{k}h"], 4))) for k in "ih")
    zero = np.zeros(len(p["lstm.weight_ih"]))
    b = dict(zip("ifgo", np.split(p.get("lstm.bias_ih", zero) + p.get("lstm.bias_hh", zero), 4)))
    steps, images = words.shape
    logits = np.zeros((steps, images, model.vocabulary))
    for n in range(images):
        x_image = p["W_I.weight"] @ f[n] + p["W_I.bias"]
        m = c = np.zeros(len(b["i"]))
        for t in range(-1, steps):
            x = x_image if t == -1 else p["W_e.weight"][words[t, n]] + (x_image if model.image == "every" else 0)
            i, f_, g, o = (W_x[gate] @ x + W_m[gate] @ m + b[gate] for gate in "ifgo")
            c = sigma(f_) * c + sigma(i) * np.tanh(g)
            m = sigma(o) * (np.tanh(c) if model.output_tanh else c)
            if t >= 0:
                logits[t, n] = p["W_d.weight"] @ m + p["W_d.bias"] if "W_d.weight" in p else m
    return logits


@EACH
def test_same_as_the_equations_step_by_step(options):
    model, f = build(**options), pictures()
    logits = run(model, f)
    assert logits.shape == (5, 3, 7)
    np.testing.assert_allclose(logits.detach().numpy(), by_hand(model, f, WORDS), rtol=0, atol=1e-12)


@EACH
def test_float32_stays_float32_and_near_float64(options):
    model, f = build(dtype="float32", **options), pictures()
    tensor = Tensor(f.astype(np.float32), requires_grad=True)
    logits = model(tensor, Tensor(WORDS))
    assert logits.dtype == np.float32
    np.testing.assert_allclose(logits.detach().numpy(), by_hand(model, f, WORDS), rtol=0, atol=5e-6)
    (-caption_log_prob(logits, Tensor(TARGETS)).mean()).backward()
    assert {p.grad.dtype for p in (tensor, *model.parameters())} == {np.dtype("float32")}
    log_p, (m, c, _) = model.step(WORDS[0], model.start(tensor))
    assert {log_p.dtype, m.dtype, c.dtype} == {np.dtype("float32")}


def test_the_start():
    tinymm.manual_seed(0)
    model = ShowTell(**SIZES, pad=3)
    assert not model.W_e.weight[3].detach().numpy().any() and model.W_e.weight[0].detach().numpy().all()
    assert {p.dtype for p in model.parameters()} == {np.dtype("float32")}
    assert np.abs(model.W_e.weight.detach().numpy()).max() <= 0.08   # im2txt's
    bias = model.lstm.bias_ih.detach().numpy().reshape(4, 6)   # i, f, g, o
    assert (bias[1] > 1 - 6**-0.5).all() and np.abs(bias[[0, 2, 3]]).max() <= 6**-0.5   # the forget gates are open
    for gate in model.lstm.weight_hh.detach().numpy().reshape(4, 6, 6):
        np.testing.assert_allclose(gate @ gate.T, np.eye(6), rtol=0, atol=1e-5)
    F, K, D, H = SIZES.values()
    assert sum(p.numel() for p in model.parameters()) == F * D + D + K * D + 4 * H * (D + H) + 8 * H + H * K + K
    slide = ShowTell(F, K, D, **SLIDE)
    assert sum(p.numel() for p in slide.parameters()) == F * D + D + K * D + 4 * K * (D + K)   # its LSTM has |V| units


def test_without_a_projection_the_tanh_bounds_the_logits():
    """Why the slide's two omissions belong together: m_t = o tanh(c) stays below 1, m_t = o c may grow by 1 a step."""
    bounded, free = (build(projection=False, bias=False, output_tanh=tanh) for tanh in (True, False))
    with no_grad():
        for model in (bounded, free):   # unit 3 is open to everything, and every input writes +1 to it
            model.lstm.weight_hh.fill_(0.0)
            model.lstm.weight_ih.fill_(0.0)
            model.lstm.weight_ih[3::7] = 100.0
            model.W_e.weight.fill_(1.0)
            model.W_I.weight.fill_(0.0)
            model.W_I.bias.fill_(1.0)
    words = np.full((9, 3), 4)
    m = [run(model, pictures(), words).detach().numpy()[:, 0, 3] for model in (bounded, free)]
    np.testing.assert_allclose(m[0], np.tanh(np.arange(2, 11)), rtol=0, atol=1e-12)
    np.testing.assert_allclose(m[1], np.arange(2, 11), rtol=0, atol=1e-12)


@pytest.mark.parametrize("image", ["once", "every"])
def test_normalized_pictures(image):
    """In training by the batch's mean and variance, afterwards by their running averages; ``start`` as ``forward``."""
    model, plain = build(normalize=True, image=image), build(image=image)
    plain.load_state_dict({name: value for name, value in model.state_dict().items() if not name.startswith("norm.")})
    f = 7 + 3 * pictures()
    scaled = (f - f.mean(0)) / np.sqrt(f.var(0) + model.norm.eps)
    np.testing.assert_allclose(run(model, f).detach().numpy(), run(plain, scaled).detach().numpy(), rtol=0, atol=1e-10)
    model.eval()
    mean, var = model.norm.running_mean.numpy(), model.norm.running_var.numpy()
    scaled = (f - mean) / np.sqrt(var + model.norm.eps)
    wanted = run(plain, scaled).log_softmax(-1).detach().numpy()
    np.testing.assert_allclose(run(model, f).log_softmax(-1).detach().numpy(), wanted, rtol=0, atol=1e-10)
    np.testing.assert_allclose(steps_from(model, model.start(Tensor(f))).detach().numpy(), wanted, rtol=0, atol=1e-10)
    assert np.abs(wanted - run(plain, f).log_softmax(-1).detach().numpy()).max() > 0.01   # the scale mattered


def test_a_weight_that_is_assigned_anew_keeps_its_place():
    """Assigning moves a parameter to the end of the module's list; with D = H nothing would notice an exchange."""
    model, f = build(hidden=4), pictures()
    before = run(model, f).detach().numpy()
    model.lstm.weight_ih = nn.Parameter(model.lstm.weight_ih.detach())
    np.testing.assert_array_equal(run(model, f).detach().numpy(), before)
    np.testing.assert_allclose(by_hand(model, f, WORDS), before, rtol=0, atol=1e-12)


# ---------------------------------------------------------------------- PyTorch

def torch_logits(p, model, f, words, torch):
    """Logits of the model with parameters ``p``: a cell of PyTorch's primitives, all gates of all images at once."""
    bias = p["lstm.bias_ih"] + p["lstm.bias_hh"] if "lstm.bias_ih" in p else None
    x_image = torch.nn.functional.linear(f, p["W_I.weight"], p["W_I.bias"])
    c = m = torch.zeros(len(f), p["lstm.weight_hh"].shape[1], dtype=f.dtype)
    weights = torch.cat([p["lstm.weight_ih"], p["lstm.weight_hh"]], 1)
    outputs = []
    for word in [None, *words]:
        x = x_image if word is None else torch.nn.functional.embedding(word, p["W_e.weight"], padding_idx=PAD)
        if word is not None and model.image == "every":
            x = x + x_image
        i, f_, g, o = torch.nn.functional.linear(torch.cat([x, m], 1), weights, bias).chunk(4, 1)
        c = torch.sigmoid(f_) * c + torch.sigmoid(i) * torch.tanh(g)
        m = torch.sigmoid(o) * (torch.tanh(c) if model.output_tanh else c)
        outputs.append(m)
    m = torch.stack(outputs[1:])
    return torch.nn.functional.linear(m, p["W_d.weight"], p["W_d.bias"]) if "W_d.weight" in p else m


@pytest.mark.oracle
@EACH
def test_forward_and_every_gradient_are_pytorchs(options):
    """L2-C3: logits within 1e-10 and gradients, of the pictures too, within 1e-8."""
    torch = pytest.importorskip("torch")
    model = build(**options)
    f, there = Tensor(pictures(), requires_grad=True), torch.tensor(pictures(), requires_grad=True)
    p = {name: torch.tensor(value.numpy(), requires_grad=True) for name, value in model.state_dict().items()}
    logits, wanted = model(f, Tensor(WORDS)), torch_logits(p, model, there, torch.tensor(WORDS), torch)
    np.testing.assert_allclose(logits.detach().numpy(), wanted.detach().numpy(), rtol=0, atol=1e-10)
    loss = -caption_log_prob(logits, Tensor(TARGETS)).mean()
    loss_there = torch.nn.functional.cross_entropy(wanted.flatten(0, 1), torch.tensor(TARGETS).flatten(), ignore_index=PAD,
                                                   reduction="sum") / 3
    assert float(loss) == pytest.approx(loss_there.item(), abs=1e-10)
    loss.backward(), loss_there.backward()
    np.testing.assert_allclose(f.grad.numpy(), there.grad.numpy(), rtol=0, atol=1e-8)
    assert set(p) == {name for name, _ in model.named_parameters()}
    for name, parameter in model.named_parameters():
        np.testing.assert_allclose(parameter.grad.numpy(), p[name].grad.numpy(), rtol=0, atol=1e-8, err_msg=name)
        assert parameter.grad.numpy().any(), name


# ---------------------------------------------------------------------- gradients by finite differences

@EACH
def test_gradcheck_of_the_whole_model(options):
    """<pad>, whose vector is a constant, is met only after the end, where it changes nothing."""
    model = build(**options)
    loss = lambda f: -caption_log_prob(model(f, Tensor(WORDS)), Tensor(TARGETS)).sum()
    report = gradcheck(loss, [Tensor(pictures(), requires_grad=True)], parameters=model, curve=False)
    assert all(argument.verdict == "ok" for argument in report.arguments), report
    assert len(report.arguments) == 1 + len(list(model.parameters()))


# ---------------------------------------------------------------------- the picture is shown once

def steps_from(model, state, words=WORDS):
    """Log-probabilities (T, B, |V|) of words one by one from a state."""
    found = []
    for word in words:
        log_p, state = model.step(word, state)
        found.append(log_p)
    return tinymm.functional.stack(found)


@EACH
def test_the_picture_is_seen_through_the_state_alone(options):
    """L2-C5 by perturbation: with (m, c) zeroed after t = -1 all pictures get the same words, to the last bit."""
    model = build(**options)
    here, there = (model.start(Tensor(pictures(seed))) for seed in (0, 1))
    zeroed = [steps_from(model, (state[0] * 0, state[1] * 0, state[2])).detach().numpy() for state in (here, there)]
    plain = [steps_from(model, state).detach().numpy() for state in (here, there)]
    assert (plain[0] != plain[1]).any(-1).all()   # the picture mattered, at every step
    if model.image == "once":
        assert (zeroed[0] == zeroed[1]).all() and here[2] is None
        swapped = steps_from(model, (there[0], there[1], here[2])).detach().numpy()   # another picture's state is that picture
        np.testing.assert_array_equal(swapped, plain[1])
    else:
        assert (zeroed[0] != zeroed[1]).any(-1).all()


@EACH
def test_the_pictures_gradient_comes_through_the_state_alone(options):
    """L2-C5: dL/df = dL/d(m, c) d(m, c)/df, where (m, c) is the state after t = -1."""
    model, f = build(**options), Tensor(pictures(), requires_grad=True)
    (whole,) = tinymm.grad(-caption_log_prob(model(f, Tensor(WORDS)), Tensor(TARGETS)).sum(), [f])
    m, c, x_image = model.start(f)
    leaves = [Tensor(part.detach().numpy().copy(), requires_grad=True) for part in (m, c)]
    log_p = steps_from(model, (*leaves, None if x_image is None else x_image.detach()))
    to_state = tinymm.grad(-caption_log_prob(log_p, Tensor(TARGETS)).sum(), leaves)
    (through,) = tinymm.grad((m * to_state[0] + c * to_state[1]).sum(), [f])
    difference = np.abs(through.numpy() - whole.numpy())
    assert difference.max() < 1e-12 if model.image == "once" else (difference.max(1) > 1e-3).all()
    assert (np.abs(through.numpy()).max(1) > 1e-3).all()


def test_a_word_changes_nothing_before_it():
    model, f, other = build(), pictures(), WORDS.copy()
    other[2] = [6, 3, 4]
    plain, changed = run(model, f).detach().numpy(), run(model, f, other).detach().numpy()
    assert (plain[:2] == changed[:2]).all() and (plain[2:] != changed[2:]).any(-1).all()


# ---------------------------------------------------------------------- ragged batches

@EACH
def test_ragged_batch_is_every_caption_alone(options):
    model, f = build(**options), pictures()

    def objective(part, steps):
        tensor = Tensor(f[part], requires_grad=True)
        model.zero_grad()
        loss = -caption_log_prob(model(tensor, Tensor(WORDS[:steps, part])), Tensor(TARGETS[:steps, part])).sum()
        loss.backward()
        return float(loss), tensor.grad.numpy(), {name: p.grad.numpy() for name, p in model.named_parameters()}

    loss, df, gradients = objective(slice(None), 5)
    alone = [objective(slice(b, b + 1), steps) for b, steps in enumerate((5, 3, 2))]
    assert loss == pytest.approx(sum(one[0] for one in alone), rel=1e-12)
    np.testing.assert_allclose(df, np.concatenate([one[1] for one in alone]), rtol=0, atol=1e-12)
    for name, gradient in gradients.items():
        np.testing.assert_allclose(gradient, sum(one[2][name] for one in alone), rtol=0, atol=1e-12, err_msg=name)


# ---------------------------------------------------------------------- decoding

@EACH
def test_step_by_step_is_the_same_as_forward(options):
    """Teacher forcing through ``start`` and ``step``, with the hypotheses reordered and repeated on the way."""
    model, f = build(dropout=0.5, **options).eval(), pictures()
    whole = run(model, f).log_softmax(-1).detach().numpy()
    state, rows = model.start(Tensor(f)), np.arange(3)
    for t, word in enumerate(WORDS):
        log_p, state = model.step(word[rows], state)
        np.testing.assert_allclose(log_p.detach().numpy(), whole[t, rows], rtol=0, atol=1e-12)
        keep = [np.array([2, 0, 0, 1]), np.array([3, 1, 2, 0, 0]), np.array([4, 1]), np.array([0, 1])][min(t, 3)]
        rows, state = rows[keep], take(state, keep)


def every_prefix(model, f, T):
    """The model as a table of the next word's log-probabilities after every sequence of fewer than T words, by hand."""
    tables = []
    for t in range(T):
        history = np.array(list(itertools.product(range(model.vocabulary), repeat=t)), dtype=int)   # (K^t, t)
        words = np.concatenate([np.full((1, len(history)), START), history.T])
        logits = np.stack([by_hand(model, np.repeat(f[b:b + 1], len(history), 0), words)[-1] for b in range(len(f))])
        tables.append(logits - np.log(np.exp(logits).sum(-1, keepdims=True)))              # (B, K^t, K)
    return TableModel(tables, end=END)


@EACH
def test_beams_are_what_enumeration_says(options):
    """L2-C3: sentences and log-probabilities for k = 1 and 3 by the rule, and for a beam that misses none the exact best."""
    model, f = build(**options).eval(), pictures()
    table = every_prefix(model, f, 3)
    search = lambda k, n: beam_search(model.step, model.start(Tensor(f)), 3, start=START, end=END, max_length=3, beam_size=k,
                                      n_best=n)
    for k in (1, 3):
        for b, found in enumerate(search(k, k)):
            same(found, naive_beam(table, b, 3, k, n_best=k))
    for b, found in enumerate(search(49, 20)):
        same(found, table.best(b, 3)[:20])
    greedy = greedy_search(model.step, model.start(Tensor(f)), 3, start=START, end=END, max_length=3)
    assert [[h] for h in greedy] == search(1, 1)


@EACH
def test_all_sentences_together_have_probability_one(options):
    """L2-C4: what ends within 4 words, and what has not ended then; by ``forward`` alone."""
    model, T = build(**options).eval(), 4
    others = [word for word in range(7) if word != END]
    sentences = [(*s, END)[:T] for n in range(T + 1) for s in itertools.product(others, repeat=n)]
    targets, words = np.full((T, len(sentences)), -1), np.full((T, len(sentences)), START)
    for j, s in enumerate(sentences):
        targets[:len(s), j], words[1:len(s), j] = s, s[:-1]
    assert len(sentences) == 1 + 6 + 36 + 216 + 1296
    for f in pictures():
        logits = run(model, np.repeat(f[None], len(sentences), 0), words)
        p = np.exp(caption_log_prob(logits, Tensor(targets), pad=-1).detach().numpy())
        assert abs(p.sum() - 1) < 1e-10 and 0.05 < p[targets[-1] >= 0].sum() < 0.95


# ---------------------------------------------------------------------- the beginning of training

def corpus():
    """Captions with words of very different frequency, as pictures' vectors, words (T, B), targets (T, B), vocabulary."""
    rng = np.random.default_rng(3)
    names = [f"w{i}" for i in range(80)]
    share = 1 / np.arange(1, 81)
    captions = [list(rng.choice(names, size=rng.integers(3, 10), p=share / share.sum())) for _ in range(400)]
    vocabulary = Vocabulary.build(captions, min_count=2)
    targets = vocabulary.batch([vocabulary.encode(c, end=True) for c in captions])[0].T
    words = np.concatenate([np.full((1, len(captions)), vocabulary.start), targets[:-1]])
    return rng.normal(size=(len(captions), 16)).astype(np.float32), words, targets, vocabulary


def test_the_first_perplexity_is_the_vocabulary_or_the_words_entropy():
    """L2-C6: |V| words all alike, or with ``unigram_`` exp(H) of the words' frequencies, counted here once more."""
    f, words, targets, vocabulary = corpus()
    share = np.unique(targets[targets != PAD], return_counts=True)[1] / (targets != PAD).sum()
    entropy = -(share * np.log(share)).sum()
    tinymm.manual_seed(1)
    model = ShowTell(16, len(vocabulary))
    first = perplexity(model(Tensor(f), Tensor(words)), Tensor(targets), ignore_index=PAD)
    assert first == pytest.approx(len(vocabulary), rel=0.06)
    assert model.unigram_(vocabulary.counts) is model
    again = perplexity(model(Tensor(f), Tensor(words)), Tensor(targets), ignore_index=PAD)
    assert again == pytest.approx(np.exp(entropy), rel=0.01)
    assert np.exp(entropy) < len(vocabulary) / 1.5   # the two are far apart
    p = np.exp(model.W_d.bias.detach().numpy())
    assert p.sum() == pytest.approx(1, abs=1e-5) and p[PAD] == p[START] == pytest.approx(p[END] / len(f) / 2, rel=1e-5)


def learned(seed, lr, **options):
    """The loss and the sentences after 150 steps on three captions."""
    tinymm.manual_seed(seed)
    model, f = ShowTell(5, 7, embedding=16, **options), pictures().astype(np.float32)
    optimizer = optim.Adam(model.parameters(), lr=lr)
    for _ in range(150):
        optimizer.zero_grad()
        nll(model, f).backward()
        optimizer.step()
    assert not model.W_e.weight[PAD].detach().numpy().any()   # no step has moved it
    said = greedy_search(model.step, model.start(Tensor(f)), 3, start=START, end=END, max_length=6)
    return float(nll(model, f)), [list(h.tokens) for h in said]


@pytest.mark.parametrize("options", [{}, dict(output_tanh=False), dict(image="every")], ids=str)
def test_one_batch_can_be_learned_by_heart(options):
    loss, said = learned(0, 0.02, **options)
    assert loss < 0.1 and said == [[3, 5, 4, 3], [4, 5], [6]]


def test_the_slides_cell_learns_it_too_but_is_never_certain():
    """Each step adds less than 1 to a memory, so no logit of step t is beyond t + 2, and no -log p below this floor."""
    t = np.arange(5)
    floor = (np.log1p(6 * np.exp(-2.0 * (t + 2)))[:, None] * (TARGETS != PAD)).sum() / 3
    loss, said = learned(2, 0.02, **SLIDE)
    assert 0.1 < floor < loss < 1.0 and said == [[3, 5, 4, 3], [4, 5], [6]]


@pytest.mark.parametrize("image", ["once", "every"])
def test_dropout_only_in_training(image):
    model, f = build(dropout=0.5, image=image), pictures()
    plain = build(image=image)
    plain.load_state_dict(model.state_dict())
    tinymm.manual_seed(3)
    first, second = (run(model, f).detach().numpy() for _ in range(2))
    tinymm.manual_seed(3)
    assert (run(model, f).detach().numpy() == first).all() and (first != second).any()
    np.testing.assert_array_equal(run(model.eval(), f).detach().numpy(), run(plain, f).detach().numpy())
    model.train().dropout.p = 1.0   # everything dropped: no input, no output, only b_d is left
    np.testing.assert_array_equal(run(model, f).detach().numpy(), np.broadcast_to(model.W_d.bias.detach().numpy(), (5, 3, 7)))


# ---------------------------------------------------------------------- devices and errors

@EACH
def test_it_stays_on_the_device(options, monkeypatch):
    monkeypatch.setitem(backend_arrays._DEVICES, StrictArray, "cuda:7")   # .to() knows only such names as positional
    model, f, results = build(**options), pictures(), []
    for device in ("cpu", "cuda:7"):
        place = (lambda x: x) if device == "cpu" else (lambda x: StrictArray(np.array(x)))
        model.to(device=device)
        if model.W_d is not None:
            model.unigram_(np.arange(7))
        logits = model(Tensor(place(f)), Tensor(place(WORDS)))
        loss = -caption_log_prob(logits, Tensor(place(TARGETS))).mean()
        model.zero_grad()
        loss.backward()
        log_p, state = model.step(WORDS[1], model.start(Tensor(place(f))))
        tensors = [loss, logits, log_p, *(t for t in state if t is not None), *(p.grad for p in model.parameters())]
        assert {t.device for t in tensors} == {device}
        results.append([to_host(t._data) for t in tensors])
        if model.W_d is not None:
            with no_grad():
                model.W_d.weight.mul_(10.0)   # as before unigram_
    for x, y in zip(*results):
        np.testing.assert_allclose(x, y, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("options, message", [
    (dict(projection=False), "without a projection the LSTM's units are the words: hidden=6 must be vocabulary=7"),
    (dict(image="twice"), "image='twice'; choose from once, every")])
def test_options_that_do_not_fit(options, message):
    with pytest.raises(ValueError, match="ShowTell: " + message):
        ShowTell(**SIZES, **options)


@pytest.mark.parametrize("f, words, message", [
    ((3, 6), (5, 3), r"the pictures' vectors have shape \(3, 6\); they must be \(B, features=5\)"),
    ((5,), (5, 3), r"the pictures' vectors have shape \(5,\)"),
    ((3, 5), (3, 5), r"S has shape \(3, 5\); it takes words \(T, B=3\), time first, T at least 1"),
    ((3, 5), (3,), r"S has shape \(3,\)"),
    ((3, 5), (0, 3), r"S has shape \(0, 3\)")])
def test_shapes_that_do_not_fit(f, words, message):
    with pytest.raises(ValueError, match="ShowTell: " + message):
        build()(Tensor(np.zeros(f)), Tensor(np.zeros(words, int)))


def test_a_picture_that_does_not_fit_before_decoding():
    with pytest.raises(ValueError, match=r"ShowTell: the pictures' vectors have shape \(3, 6\)"):
        build().start(Tensor(np.zeros((3, 6))))


def test_unigrams_that_do_not_fit():
    with pytest.raises(ValueError, match="ShowTell.unigram_: there is no W_d whose bias could be set"):
        build(**SLIDE).unigram_(np.ones(7))
    for counts in (np.ones(6), np.ones((7, 1)), 3):
        with pytest.raises(ValueError, match=r"ShowTell.unigram_: counts of shape .* must have one entry for each of 7 words"):
            build().unigram_(counts)


def test_words_outside_the_vocabulary():
    with pytest.raises((ValueError, IndexError), match="embedding"):
        run(build(), pictures(), np.full((2, 3), 7))
