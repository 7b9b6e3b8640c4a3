# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Lecture 2: Show and Tell
#
# Vinyals, Toshev, Bengio and Erhan, *Show and Tell: A Neural Image Caption Generator*, CVPR 2015. A
# convolutional network shows an LSTM a picture once, as if it were the first word of a sentence, and
# the LSTM says the rest.
#
# **What you will learn**
#
# - to write the likelihood of a sentence given a picture, and to train a model by it;
# - to build the whole sentence generator, NIC, from Tensor operations;
# - how beam search finds sentences, and why the wider beam is usually better and not always;
# - what BLEU counts, and two ways to fool it;
# - which parts of the slide's cell are missing, and what becomes of a model without them.
#
# **What you should know**: the softmax and its cross entropy, what a gradient is (lecture 0). The LSTM
# is explained here once more; lecture 1 says why it was wanted.
#
# **Why anyone wanted this.** A caption helps people who cannot see a picture. Until 2014 captions were
# put together from detected objects and templates, or copied from the nearest picture. Translation had just been
# learned end to end by one LSTM that reads a sentence and another that writes one. Show and Tell
# replaces the reader by a CNN: it *translates a picture into a sentence*, all trained by one number,
# the probability of the right sentence.

# %%
# %matplotlib inline
import os
from collections import Counter

import numpy as np

import tinymm
import tinymm.functional as F
from tinymm import Tensor, nn, no_grad, plot
from tinymm.data.worlds.sprite_scenes import NOVEL, SIZES, SpriteScenes
from tinymm.data.worlds.sprites import COLOURS, SHAPES
from tinymm.decode import beam_search, beam_tree
from tinymm.experiments.lecture_02 import figures
from tinymm.experiments.lecture_02.experiment import ShowAndTell
from tinymm.experiments.lecture_02.truth import LEVELS, level
from tinymm.experiments.running import run
from tinymm.metrics import bleu
from tinymm.models.show_and_tell import ShowTell
from tinymm.text import Vocabulary

SCALE = os.environ.get("TINYMM_SCALE", "lecture")   # "smoke" when the tests execute this
rng = np.random.default_rng(0)


def same(ours, theirs, within):
    """Assert that two results are the same numbers, and say how close they are."""
    gap = np.abs(np.asarray(ours) - np.asarray(theirs)).max()
    assert gap <= within, gap
    print(f"the largest difference is {gap:.0e}")


# %% [markdown]
# ## The model in a drawing

# %%
page = plot.Diagram(9.8, 3.0)
picture = page.box(0.7, 0.6, "picture I", 1.0, 0.5)
cnn = page.box(0.7, 1.7, "CNN", 1.0, 0.5)
page.arrow(picture, cnn, "(B, 3, 40, 40)", side=1)
xs = [2.9, 4.9, 6.9, 8.9]
inputs = [page.box(x, 0.6, text, 1.3, 0.5, plot.COLORS[2]) for x, text in zip(xs, (
    "$x_{-1} = W_I\\, f$", *(f"$x_{t} = W_e\\, S_{t}$" for t in range(3))))]
cells = [page.box(x, 1.7, "LSTM", 1.0, 0.5, plot.COLORS[1]) for x in xs]
page.arrow(cnn, inputs[0], "f (B, F)")
for i, (x, cell) in enumerate(zip(xs, cells)):
    page.arrow(inputs[i], cell, "(B, D)")
    if i:
        page.arrow(cells[i - 1], cell, "m, c (B, H)")
        page.arrow(cell, page.box(x, 2.65, f"$p_{i}$ = Softmax($W_d\\, m$)", 1.7, 0.4), "")
for x, word in zip(xs[1:], ("start", "“a”", "“red”")):
    page.axes.text(x, 0.18, word, ha="center", fontsize=9, color="#6b7280")
page.axes.text(xs[0], 0.18, "t = −1", ha="center", fontsize=9, color="#6b7280")
plot.picture(page.figure, "The picture goes through the CNN and W_I into the LSTM at step -1; "
             "then come the word vectors of S_0, S_1, S_2; after each word a softmax predicts "
             "the next.")

# %% [markdown]
# $B$ sentences at a time, of at most $T$ steps; vectors of $F$, $D$ and $H$ numbers; $|V|$ words.
#
# | symbol | shape | what it is |
# |---|---|---|
# | $I$ | (B, 3, 40, 40) | pictures |
# | $f = \mathrm{CNN}(I)$ | (B, F) | what the CNN says of each |
# | $S_0, S_1, \dots, S_N$ | (T+1, B) integers | start word, the sentence, end word; padded behind |
# | $W_I$, $W_e$ | (D, F), (\|V\|, D) | picture and words into one space |
# | $x_t$ | (B, D) | input of step $t$, from $t = -1$ |
# | $i_t, f_t, o_t$ | (B, H) | gates of input, forgetting, output, in (0, 1) |
# | $c_t$, $m_t$ | (B, H) | memory of the LSTM, and its output |
# | $W_{ix}, W_{im}, \dots$ | (H, D), (H, H) | weights of the gates |
# | $W_d$ | (\|V\|, H) | output to scores of the words |
# | $p_t$ | (B, \|V\|) | distribution of word $S_t$ |
#
# ## The world
#
# The paper's pictures are photographs. Ours come from a world where it can be *checked* what a
# sentence says: one or two sprites in six shapes, six colours and two sizes, described by five people, each with a
# way of speaking.

# %%
M = 1000 if SCALE == "lecture" else 200
train_scenes, test_scenes = SpriteScenes("train", M), SpriteScenes("test", M // 5)
shown = [test_scenes[i] for i in range(4)]
sentences = [" / ".join(" ".join(c.words) for c in s.captions) for s in shown]
plot.picture(plot.caption_grid([s.image / 255 for s in shown], sentences),
             "Four scenes of coloured sprites, each with the sentences of five people.")

# %% [markdown]
# Test scenes of two sprites show pairs that no training scene shows in the same way. And six
# pairs of colour and shape are kept out of training altogether, for a question that comes later:

# %%
print(", ".join(f"{colour} {shape}" for colour, shape in sorted(NOVEL)))

# %% [markdown]
# Words become integers. 0 fills up behind the end, 1 is the start word $S_0$, 2 the end word $S_N$:

# %%
PAD, START, END = 0, 1, 2
words = Vocabulary.build([c.words for scene in train_scenes for c in scene.captions])
V = len(words)


def as_integers(scenes):
    """S (T+1, M) of all captions, and for each the number of its scene (M,)."""
    rows = [(i, words.encode(c.words, start=True, end=True))
            for i, scene in enumerate(scenes) for c in scene.captions]
    S = np.full((max(len(ids) for _, ids in rows), len(rows)), PAD)
    for column, (_, ids) in enumerate(rows):
        S[:len(ids), column] = ids
    return S, np.array([i for i, _ in rows])


S, scene_of = as_integers(train_scenes)
print(V, "words;", S.shape[1], "captions; the first:", S[:, 0], words.decode(S[:, 0]))

# %% [markdown]
# ## The likelihood
#
# $$\theta^* = \arg\max_\theta \sum_{(I,S)} \log p(S|I;\theta), \qquad
# \log p(S|I) = \sum_{t=1}^{N} \log p(S_t|I, S_0, \dots, S_{t-1})$$
#
# The chain rule of probability: a sentence is as likely as its words, each given the picture and the words before.
# The model gives scores (logits) of all words at each step; the softmax makes probabilities of them, and of these only
# those of the words that were said are looked at:

# %%
def log_likelihood(logits, targets):
    """logits (T, B, |V|), targets S_1 ... S_N (T, B) -> log p(S|I), (B,)."""
    log_p = logits - logits.logsumexp(-1, keepdim=True)              # (T, B, |V|)
    T, B = targets.shape
    said = log_p[np.arange(T)[:, None], np.arange(B), targets]       # (T, B)
    return (said * Tensor((targets != PAD).astype(np.float32))).sum(0)


# %% [markdown]
# > **Correction to the slide.** Its sum begins at $t = 0$. But $S_0$ is the start word: it is certain, and nobody
# > predicts it. The sum runs from 1 to $N$, and $S_N$ is the **end word**. Without it, $p$ is no distribution over
# > sentences. A model of two words and the end with fixed probabilities shows it:

# %%
p_word, p_end = 0.4, 0.2                                             # two words, and the end
for name, end in (("with the end word", p_end), ("without it       ", 1.0)):
    mass = [2 ** n * p_word ** n * end for n in range(1000)]         # all sentences of n words
    print(name, f"all sentences together have probability {sum(mass):.3f}")

# %% [markdown]
# ## Inputs: the picture, then the words
#
# $$x_{-1} = W_I\, \mathrm{CNN}(I), \qquad x_t = W_e S_t, \quad t = 0, \dots, N-1$$
#
# $S_t$ is thought of as a vector with a single 1, so $W_e S_t$ picks out one word's vector (here a row). The class
# grows over three cells; this is its first part.

# %%
def weights(*shape):
    """A parameter, small for its number of inputs."""
    return nn.Parameter((rng.standard_normal(shape) / np.sqrt(shape[-1])).astype(np.float32))


class Inputs(nn.Module):
    def __init__(self, features, D):
        super().__init__()
        self.W_I, self.b_I = weights(D, features), weights(D)
        self.W_e = nn.Parameter(rng.uniform(-0.08, 0.08, (V, D)).astype(np.float32))

    def picture(self, f):
        return f @ self.W_I.T + self.b_I                             # (B, F) -> (B, D)

    def word(self, S_t):
        return self.W_e[S_t]                                         # (B,) -> (B, D)


# %% [markdown]
# ## The LSTM
#
# $$\begin{aligned}
# i_t &= \sigma(W_{ix}x_t + W_{im}m_{t-1} + b_i) & f_t &= \sigma(W_{fx}x_t + W_{fm}m_{t-1} + b_f)\\
# o_t &= \sigma(W_{ox}x_t + W_{om}m_{t-1} + b_o) &
# c_t &= f_t\odot c_{t-1} + i_t\odot \tanh(W_{cx}x_t + W_{cm}m_{t-1} + b_c)\\
# m_t &= o_t\odot\tanh(c_t)
# \end{aligned}$$
#
# The gates say how much is written ($i$), kept ($f$) and shown ($o$); $g$ below is what would be written, the
# tanh in the line of $c_t$. The four matrices of each kind stand below one another in one, so that a step is
# two products. $c_t$ carries the memory by an addition; where $f_t$ is near 1, it stays. $b_f = 1$ at first:
# the picture has to survive several words before it is asked for.

# %%
class Memory(Inputs):
    def __init__(self, features, D, H):
        super().__init__(features, D)
        self.H = H
        self.W_x, self.W_m = weights(4 * H, D), weights(4 * H, H)    # rows: i, f, c, o
        self.b = nn.Parameter(np.repeat([0, 1, 0, 0], H).astype(np.float32))

    def step(self, x, m, c):
        """x (B, D), m_{t-1} and c_{t-1} (B, H) -> m_t, c_t."""
        i, f, g, o = (x @ self.W_x.T + m @ self.W_m.T + self.b).chunk(4, -1)
        c = f.sigmoid() * c + i.sigmoid() * g.tanh()
        return o.sigmoid() * c.tanh(), c


# %% [markdown]
# ## NIC
#
# $$(m_{-1}, c_{-1}) = \mathrm{LSTM}(x_{-1}, 0, 0), \qquad (m_t, c_t) = \mathrm{LSTM}(x_t, m_{t-1}, c_{t-1}), \qquad
# p_{t+1} = \mathrm{Softmax}(W_d\, m_t + b_d)$$
#
# The picture is seen once, at $t = -1$. What the LSTM says then predicts nothing and is thrown away; from there
# on the picture lives in $(m, c)$ only.

# %%
class NIC(Memory):
    def __init__(self, features, D=64, H=64):
        super().__init__(features, D, H)
        self.W_d, self.b_d = weights(V, H), nn.Parameter(np.zeros(V, dtype=np.float32))

    def start(self, f):
        nothing = tinymm.zeros(len(f), self.H)
        return self.step(self.picture(f), nothing, nothing)          # t = -1

    def forward(self, f, S):
        """f (B, F) and S_0 ... S_{N-1} (T, B) -> logits of S_1 ... S_N (T, B, |V|)."""
        m, c = self.start(f)
        logits = []
        for S_t in S:                                                # t = 0, 1, ...
            m, c = self.step(self.word(S_t), m, c)
            logits.append(m @ self.W_d.T + self.b_d)
        return F.stack(logits)


# %% [markdown]
# That is the whole model. The package's `ShowTell` has the same weights under other names, and computes the LSTM of all
# steps in one fused operation. Logits and gradients agree:

# %%
def copied(mine):
    """The package's model with our weights."""
    package = ShowTell(mine.W_I.shape[1], V, embedding=mine.W_e.shape[1], hidden=mine.H)
    package.load_state_dict({
        "W_I.weight": mine.W_I, "W_I.bias": mine.b_I, "W_e.weight": mine.W_e,
        "lstm.weight_ih": mine.W_x, "lstm.weight_hh": mine.W_m, "lstm.bias_ih": mine.b,
        "lstm.bias_hh": 0 * mine.b, "W_d.weight": mine.W_d, "W_d.bias": mine.b_d})
    return package


mine = NIC(features=10)
package = copied(mine)
f, some = Tensor(rng.standard_normal((6, 10)).astype(np.float32)), S[:, :6]
logits, theirs = mine(f, some[:-1]), package(f, Tensor(some[:-1]))
same(logits.detach(), theirs.detach(), 1e-5)
log_likelihood(logits, some[1:]).sum().backward()
F.cross_entropy(theirs.flatten(0, 1), Tensor(some[1:].ravel()), ignore_index=PAD,
                reduction="sum").backward()
same(mine.W_x.grad, -package.lstm.weight_ih.grad, 1e-4)              # a loss is -log p
same(mine.W_I.grad, -package.W_I.weight.grad, 1e-4)

# %% [markdown]
# > **Corrections to the slide's cell.**
# >
# > - $x_{-1}$ is missing: "input (image & words)" does not say that the image comes once, before the words.
# > - $h_{t+1} = f(h_t, x_t)$ uses $h$ for the state; in "$h(W_{cx} x_t + \dots)$" $h$ is the tanh.
# > - $m_t = o_t \odot c_t$ lacks the tanh, and $p_{t+1} = \mathrm{Softmax}(m_t)$ lacks $W_d$: it needs as many units as
# >   there are words. The two belong together. A tanh *without* $W_d$ would hold all logits
# >   between $-1$ and $1$, and no word could be more likely than $1 / (1 + (|V| - 1)\, e^{-2})$.
# > - No biases are printed.
# >
# > What each omission costs is measured near the end, with the loop of the next section.

# %%
least = np.log(1 + (V - 1) * np.exp(-2))
print(f"with tanh and without W_d a word costs at least {least:.2f} nats; "
      f"to know nothing costs ln {V} = {np.log(V):.2f}")

# %% [markdown]
# ## Training
#
# Ascend $\log p(S|I)$. For now a *perfect CNN* stands in: it says what there is as zeros and ones. (A real
# one comes below.) This is the only training loop of the lecture; the package's does the same in other words.

# %%
def perfect_cnn(scene):
    """Shape, colour and size of up to two sprites, and how they stand: (30,) zeros and ones."""
    said = []
    for sprite in (*scene.sprites, None)[:2]:
        for kind, values in (("shape", SHAPES), ("colour", COLOURS), ("size", SIZES)):
            said += [getattr(sprite, kind, None) == value for value in values]
    return said + [scene.sprites[0].relation == r for r in ("left of", "above")]


f_train, f_test = (np.array([perfect_cnn(s) for s in scenes], dtype=np.float32)
                   for scenes in (train_scenes, test_scenes))        # (scenes, F = 30)


def train(model, steps, batch=64):
    """Adam on random captions -> nats a word of each step."""
    optimizer, order = tinymm.optim.Adam(model.parameters(), lr=1e-2), np.random.default_rng(1)
    history = []
    for _ in range(steps):
        rows = order.integers(0, S.shape[1], batch)                  # captions
        f, targets = Tensor(f_train[scene_of[rows]]), S[1:, rows]
        loss = -log_likelihood(model(f, Tensor(S[:-1, rows])), targets).mean()
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 5.0)
        optimizer.step()
        history.append(loss.item() * batch / (targets != PAD).sum())
    return history


STEPS = 600 if SCALE == "lecture" else 20
mine = NIC(features=f_train.shape[1])
history = train(mine, STEPS)
floor = np.log(5) / np.mean([len(c.words) + 1 for s in train_scenes for c in s.captions])
plot.picture(plot.loss_curves({"NIC, from its cells": history},
                              chance={f"ln {V}: knowing nothing": np.log(V),
                                      "who speaks is not in the picture": floor},
                              ylabel="nats a word"),
             "The loss falls from ln |V| towards the cost of not knowing who speaks.")

# %% [markdown]
# It cannot reach 0: which of the five people speaks is not in the picture, which costs about $\ln 5$ a sentence.
# Now it can say something. **Greedy search** takes the likeliest word at each step. (`level` compares a
# sentence with the truth about its scene; the first of its four levels is *without errors*.)

# %%
def greedy(model, f, longest=20):
    """f (1, F) -> a sentence, as words."""
    with no_grad():
        (m, c), said = model.start(f), [START]
        while said[-1] != END and len(said) <= longest:
            m, c = model.step(model.word(np.array(said[-1:])), m, c)
            said.append(int((m @ model.W_d.T + model.b_d).argmax()))
    return words.decode(said)


said = [greedy(mine, Tensor(f_test[i:i + 1])) for i in range(4)]
right = [level(sentence, s.sprites) == LEVELS[0] for sentence, s in zip(said, shown)]
plot.picture(plot.caption_grid([s.image / 255 for s in shown], list(map(" ".join, said)),
                               correct=right),
             "Four test scenes with our model's greedy sentences; a tick marks true ones.")

# %% [markdown]
# ## Beam search
#
# The likeliest sentence is not found by taking the likeliest word each time. The slide: *iteratively consider
# the set of the
# $k$ best sentences up to time $t$ as candidates to generate sentences of size $t+1$, and keep only the
# resulting best $k$ of them*. A sentence that ends leaves the beam and is kept apart:

# %%
def beam(step, state, k, longest=20):
    """The best sentence, its log p; step(words (n,), state) gives log p (n, |V|), a state."""
    live, ended = [([START], 0.0)], []
    for _ in range(longest):
        log_p, state = step(np.array([said[-1] for said, _ in live]), state)
        grown = [(said + [w], total + log_p[row, w], row)            # each proposes k words
                 for row, (said, total) in enumerate(live) for w in np.argsort(-log_p[row])[:k]]
        grown.sort(key=lambda g: -g[1])
        ended += [g for g in grown if g[0][-1] == END]
        kept = [g for g in grown if g[0][-1] != END and g[1] > -np.inf][:k]
        ended.sort(key=lambda g: -g[1])
        if not kept or ended and kept[0][1] <= ended[0][1]:          # nothing can win any more
            break
        live = [(said, total) for said, total, _ in kept]
        state = tuple(part[[row for _, _, row in kept]] for part in state)
    return (ended or grown)[0][:2]


# %% [markdown]
# A worked example, a table of what follows what. *a* is the best first word (0.5), but what follows it is
# unsure; *the disc* has probability $0.4 \cdot 0.9 = 0.36$, *a disc* only $0.5 \cdot 0.4 = 0.20$:

# %%
names = {1: "start", 2: "end", 3: "a", 4: "the", 5: "disc", 6: "star", 7: "cross"}
after = {"start": {"a": .5, "the": .4, "disc": .1}, "a": {"disc": .4, "star": .3, "cross": .3},
         "the": {"disc": .9, "star": .1},
         "disc": {"end": 1.}, "star": {"end": 1.}, "cross": {"end": 1.}}
number = {name: i for i, name in names.items()}
follows = np.full((8, 8), -np.inf)
for w, row in after.items():
    for v, probability in row.items():
        follows[number[w], number[v]] = np.log(probability)
look_up = lambda said, state: (follows[said], state)

rows = []
for k in (1, 2):
    said, total = beam(look_up, (), k)
    rows.append([k, " ".join(names[w] for w in said[1:-1]), np.exp(total)])
    theirs, = beam_search(look_up, (), 1, start=START, end=END, max_length=20, beam_size=k)[0]
    same(total, theirs.log_prob, 1e-12)
plot.table(["k", "best sentence", "its probability"], rows)

# %%
nodes = beam_tree(look_up, (), start=START, end=END, max_length=20, beam_size=2)
plot.picture(plot.beam_tree(nodes, words=names),
             "The tree of the beam of two: 'a' and 'the' are kept; 'the disc' overtakes "
             "'a disc' and is the best sentence.")

# %% [markdown]
# At $k = 1$ this is greedy search: *the* is dropped before it could show what it is good for. Two warnings. A
# wider beam can still do worse than a narrow one, since what it keeps may push out what would have won. And
# the score is a sum of negative numbers: every word costs, so short sentences are favoured. (Dividing by
# length$^\lambda$, `length_penalty` in the package, is an extension; the paper has none.) Our model, with
# ours and the package's beam:

# %%
def next_word(model):
    def step(said, state):
        m, c = model.step(model.word(said), *state)
        return (m @ model.W_d.T + model.b_d).log_softmax(-1).numpy(), (m, c)
    return step


with no_grad():
    f = Tensor(f_test[2:3])                                          # the third scene above
    for k in (1, 3, 20):
        said, total = beam(next_word(mine), mine.start(f), k)
        theirs, = beam_search(next_word(mine), mine.start(f), 1, start=START, end=END,
                              max_length=20, beam_size=k)[0]
        same(total, theirs.log_prob, 1e-4)
        print(f"k = {k:2}: log p = {total:.3f}  {' '.join(words.decode(said))}")

# %% [markdown]
# ## BLEU
#
# How good is a sentence, when people say the same thing in many ways? BLEU counts which of its $n$-grams
# (runs of $n$ words) some reference has. Two guards: a count is **clipped** at the largest count in any one
# reference, and a sentence shorter ($c$ words) than its reference ($r$, the one closest in length) pays a
# **brevity penalty**:
#
# $$p_n = \frac{\sum_g \min\left(\mathrm{count}(g), \max_{\mathrm{ref}} \mathrm{count}_{\mathrm{ref}}(g)\right)}
# {\sum_g \mathrm{count}(g)}, \qquad \mathrm{BP} = \min\left(1, e^{1 - r/c}\right), \qquad
# \mathrm{BLEU}\text{-}N = \mathrm{BP} \cdot (p_1 \cdots p_N)^{1/N}$$

# %%
def grams(sentence, n):
    return Counter(tuple(sentence[i:i + n]) for i in range(len(sentence) - n + 1))


def own_bleu(sentence, references, N):
    product = 1.0
    for n in range(1, N + 1):
        found, most = grams(sentence, n), Counter()
        for reference in references:
            most |= grams(reference, n)                              # the larger of both counts
        product *= sum(min(count, most[g]) for g, count in found.items()) / found.total()
    c = len(sentence)
    r = min((abs(len(reference) - c), len(reference)) for reference in references)[1]
    return min(1.0, np.exp(1 - r / c)) * product ** (1 / N)


reference = "a small red circle above a blue star".split()
rows = []
for sentence in ("a a a a a a a a", "a small red circle",
                 "a red circle above a small blue star"):
    given = sentence.split()
    mine_, theirs = ([own_bleu(given, [reference], N) for N in (1, 2)],
                     bleu([given], [[reference]], n=2).corpus)
    assert np.allclose(mine_, theirs, atol=1e-6)
    clipped = sum((grams(given, 1) & grams(reference, 1)).values())
    rows.append([sentence, f"{sum(w in reference for w in given)}/{len(given)}",
                 f"{clipped}/{len(given)}", min(1.0, np.exp(1 - 8 / len(given))), *mine_])
plot.table(["sentence", "words in the reference", "clipped", "BP", "BLEU-1", "BLEU-2"], rows,
           "Reference: " + " ".join(reference))

# %% [markdown]
# - *a a a ...*: all eight words are in the reference, but it has only two *a*: clipping leaves 2/8.
# - *a small red circle*: every word is right, but half of it is missing: $\mathrm{BP} = e^{1 - 8/4} = 0.37$.
# - The third says something **false** (the star is small) with the right words: BLEU-1 is 1. It sees no order; BLEU-2 sees a
#   little (5 of 7 pairs). No BLEU knows what is true.
#
# For many sentences the counts and lengths are added up first, then divided; that is what papers report.
#
# ## With a real CNN
#
# The paper's CNN learned to classify photographs (ImageNet) and was then only read. Ours learns to classify, too:
# which sprite stands in a small window, then, on scenes without captions, what there is and how it stands.
# The package now does all of it, and trains more models for the tables below: three minutes.

# %%
usual = ShowAndTell("usual", SCALE)
usual.prepare()
report = run(usual, progress=False)
metrics = report["metrics"]
plot.claims_table(report["claims"])

# %% [markdown]
# **A claim that fails elsewhere**, whatever the table above says of it: that the three nearest words of each colour are
# colours. [The record](../docs/claims/lecture_02.md) of three seeds has 0.889, 1 and 0.833 where 0.9 was
# asked: failed at two of three. There are six colours, so eighteen neighbours; one stranger among them
# passes, two do not. Even this seed, 0, came out differently in the record than in the run printed here:
# training magnifies the last digits, which differ between versions and machines. So one run is one draw, and
# a claim so near its threshold is not settled by it. The threshold stays where it was set; *Words and their
# neighbours*, below, lists this run's strangers. (A quick look, `TINYMM_SCALE=smoke`, learns next to nothing,
# and most claims fail then.)
#
# What the CNN does, from its last feature map $a$ on: the strongest response of each feature in the whole
# picture, in each row and in each column, so that *above* and *left of* are not lost; then two connected
# layers.

# %%
encoder, test = usual.trained.captioner.encoder.eval(), usual.material.parts["test"]
with no_grad():
    images = Tensor(test.images(range(8)))                           # (B, 3, 40, 40)
    a = encoder.conv.feature_map(images)                             # (B, C, rows, columns)
    strips = [a.amax(3).amax(2, keepdim=True), a.amax(3), a.amax(2)]
    f = encoder.connected(F.cat(strips, 2).flatten(1))               # (B, F)
    print("a", a.shape, " f", f.shape)
    same(f, encoder(images), 1e-5)

# %%
plot.picture(figures.learning(usual.trained.trainer.history,
                              metrics["loss"]["entropy of the words"]),
             "Nats a word in training and validation, from the entropy of the words downwards.")

# %% [markdown]
# It starts lower than ours: the package sets $b_d$ to the words' log-frequencies, so that the first loss is
# their entropy instead of $\ln |V|$.
#
# ## What it says, right and wrong
#
# Scenes that it never saw: four true sentences, and (with a cross) up to four that are not.

# %%
said = usual.measured.sentences["test"]
true = [level(sentence, s.sprites) == LEVELS[0] for sentence, s in zip(said, test.scenes)]
chosen = [*np.flatnonzero(true)[:4], *np.flatnonzero(np.logical_not(true))[:4]]
plot.picture(plot.caption_grid(list(test.images(chosen)), [" ".join(said[i]) for i in chosen],
                               correct=[true[i] for i in chosen]),
             "Held-out scenes with the sentences of a beam of 20: true ones, then false ones.")

# %% [markdown]
# The slide sorts sentences into four columns, as people rated them. Here the truth about the scene does it: no wrong
# fact, one, at least a shape or a colour that is there, nothing that is there. These pictures are *sketches*:
# drawn in another way and described by other people, and the model was trained on none of them.

# %%
plot.picture(figures.four_columns(usual.measured, usual.material),
             "Sketches with their sentences in four columns, from without errors to unrelated.")

# %%
percent = lambda share: f"{100 * share:.1f}%"
plot.table(["world", *LEVELS], [[figures.WORLDS[name], *map(percent, shares.values())]
                                for name, shares in metrics["levels"].items()])

# %% [markdown]
# ## The width of the beam
#
# A wider beam finds likelier sentences; "worse" counts how often it found a less likely one than the next
# narrower beam. The paper: $k = 20$ gains about 2 points of BLEU over greedy search.

# %%
plot.table(["k", "BLEU-4", "mean log p", "worse"],
           [[k, f"{e['BLEU-4']:.3f}", f"{e['log p']:.3f}",
             percent(e["worse than a smaller beam"])] for k, e in metrics["beams"].items()])

# %% [markdown]
# ## The size of the dataset
#
# The slide's table, with ours below it:

# %%
plot.table(["dataset", "train", "valid.", "test"],
           [["Pascal VOC 2008", "-", "-", "1,000"], ["Flickr8k", "6,000", "1,000", "1,000"],
            ["Flickr30k", "28,000", "1,000", "1,000"], ["MSCOCO", "82,783", "40,504", "40,775"],
            ["SBU", "1M", "-", "-"],
            ["scenes (here)", *(f"{len(usual.material.parts[name]):,}"
                                for name in ("train", "validation", "test"))],
            ["sketches (here)", "-", "-", f"{len(usual.material.parts['sketch']):,}"]])

# %% [markdown]
# The same model, trained for the same number of steps on fewer scenes:

# %%
plot.table(["scenes", "BLEU-1", "BLEU-4", "test nats a word"],
           [[count, *(f"{e[key]:.3f}" for key in ("BLEU-1", "BLEU-4", "test nats a word"))]
            for count, e in metrics["sizes"].items()])

# %% [markdown]
# ## Words and their neighbours
#
# Which rows of $W_e$ point into the most similar directions, by the cosine $\frac{u^\top v}{\lVert u \rVert
# \lVert v \rVert}$? Nobody told the model that *disc* and *circle* are alike, or that *red* is a colour.

# %%
vectors = usual.trained.captioner.decoder.W_e.weight.detach().numpy()  # (|V|, D)
known = usual.material.vocabulary
unit = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)


def near(word, count):
    cosine = unit @ unit[known[word]]
    cosine[[0, 1, 2, 3, known[word]]] = -np.inf                      # special words, and itself
    return [known.words[i] for i in np.argsort(-cosine, kind="stable")[:count]]


share = np.mean([n in COLOURS for colour in COLOURS for n in near(colour, 3)])
same(share, metrics["neighbours"]["colours, precision at 3"], 1e-12)
strangers = Counter(n for colour in COLOURS for n in near(colour, 3) if n not in COLOURS)
print("not colours, among the three nearest of a colour:", dict(strangers))
slide = {"car": "van, cab, suv, vehicle, jeep", "boy": "toddler, gentleman, daughter, son",
         "street": "road, streets, highway, freeway", "horse": "pony, donkey, pig, goat, mule",
         "computer": "computers, pc, crt, chip, compute"}
plot.table(["word", "neighbours"],
           [[w, ", ".join(near(w, 5))]
            for w in ("red", "blue", "circle", "star", "small", "above") if w in known] +
           [[f"{w} (slide)", text] for w, text in slide.items()])

# %% [markdown]
# This is the claim that fails at two of three recorded seeds. A word that is no colour stands near colours
# when it is *used* like one: "the little plus", "a white plus". Look at the rows of *small* and *above*,
# where *a* and *of* are near. The vectors say in which places a word fits, and only as far as that helps to
# predict; "of the same kind" is our reading. The paper shows five chosen words; over all words of a kind it
# measures nothing.
#
# ## The slide's table: BLEU-1
#
# The slide does not say that its numbers are BLEU-1 (x 100). PASCAL, on which the model was *not* trained
# (xfer), is our sketches; Flickr30k our scenes; Flickr8k a smaller training set; SBU, a million pictures with
# one sentence each that is often about something else, our noisy world.

# %%
fewer = list(metrics["sizes"])[-2]                                   # the next smaller set
hundred = lambda entry: round(100 * entry["BLEU-1"])
captions = metrics["captions"]
people = [hundred(metrics["people"][part]) for part in ("sketch", "test", "test")]
plot.table(["approach", "sketches / PASCAL (xfer)", "scenes / Flickr30k",
            f"{fewer} scenes / Flickr8k", "noisy / SBU"],
           [["NIC, here", hundred(captions["sketch"]), hundred(captions["test"]),
             hundred(metrics["sizes"][fewer]), hundred(metrics["noisy"]["one noisy sentence"])],
            ["NIC, slide", 59, 66, 63, 28],
            ["Human, here", *people, None], ["Human, slide", 69, 68, 70, None]])

# %% [markdown]
# **What carries over**: another world costs a good part without retraining, fewer pictures cost some, and
# sentences that are not about their pictures cost most. **What does not**: our people are five fixed ways of
# speaking, each of which agrees little with the other four, and a model that has learned all five beats them
# in its own world; the paper's people beat its model in each column.
#
# ## Novel sentences
#
# *A man throwing a frisbee in a park; a man holding a frisbee in his hand; a man standing in the grass with a
# frisbee:* what is not in the training set stands out on the slide. For one picture with a pair of colour and
# shape that was kept out of training, the ten best sentences:

# %%
example = metrics["novelty"]["novel"]["example"]
scene = usual.material.parts["novel"].scenes[example["picture"]]
plot.picture(plot.caption_grid([scene.image / 255], [example["sentences"][0][0]],
                               [" ".join(scene.captions[0].words)]),
             "A scene of the novel part with the model's best sentence and a person's.")

# %%
plot.table(["sentence", "log p", "new?", "it is"],
           [[sentence, log_p, "new" if new else "", level(sentence.split(), scene.sprites)]
            for sentence, log_p, new in example["sentences"][:10]])

# %%
plot.table(["new sentences", "the best", "the 15 best"],
           [*([figures.WORLDS[name], percent(e["best"]), percent(e["15 best"])]
              for name, e in metrics["novelty"].items()), ["paper", "20%", "about 50%"]],
           f"True, new, and about a pair never seen: {metrics['correct novel captions']} of "
           f"{len(usual.material.parts['novel'])} scenes of the novel part")

# %% [markdown]
# As in the paper, most of the best sentences stand in the training set, and of the fifteen best more are new.
# But new is not true: further down the list the size of the thing is wrong, or its colour.
#
# ## The slide's cell, and the picture at every word
#
# Four systems, one loop (the one above), one seed, one order of captions. The slide's cell to the letter has
# no tanh, no biases, no $W_d$, and $|V|$ units. *Every word*: the picture is added to each word's input, too,
# which the paper found to be worse.

# %%
systems = {"the usual cell": dict(embedding=64, hidden=64),
           "the slide's cell": dict(embedding=64, output_tanh=False, projection=False,
                                    bias=False),
           "with tanh, without W_d": dict(embedding=64, projection=False),
           "picture at every word": dict(embedding=64, hidden=64, image="every")}
S_test, of_test = as_integers(test_scenes)
how = dict(start=START, end=END, max_length=20)
rows = []
for name, options in systems.items():
    tinymm.manual_seed(0)
    model = ShowTell(f_train.shape[1], V, **options)
    train(model, STEPS)
    with no_grad():
        cost = -log_likelihood(model(Tensor(f_test[of_test]), Tensor(S_test[:-1])), S_test[1:])
        start = model.start(Tensor(f_test))
        found = [[h for h, *_ in beam_search(model.step, start, len(f_test),
                                             beam_size=k, **how)] for k in (1, 20)]
    rows.append([name, cost.sum().item() / (S_test[1:] != PAD).sum(),
                 *(percent(np.mean([level(words.decode(h.tokens), s.sprites) == LEVELS[0]
                                    for h, s in zip(best, test_scenes)])) for best in found),
                 *(np.mean([len(words.decode(h.tokens)) for h in best]) for best in found)])
plot.table(["system", "test nats a word", "true sentences, k = 1", "k = 20",
            "words, k = 1", "k = 20"], rows)

# %% [markdown]
# With a tanh and without $W_d$ the loss stays above its bound of 1.77. The slide's cell learns, but pays more
# a word: its logits are its memory, which grows by less than 1 a step, so no word is ever certain. And see
# what a wide beam does with unsure models: where every word costs much, the shortest sentence is the
# likeliest, and with $k = 20$ they say three words, or none. With the CNN and at full length (`python -m
# tinymm claims 2 --variants all --seeds 0 1 2`, from [the record](../docs/claims/lecture_02.md)):

# %%
plot.table(["claim over two variants", "asked", "seed 0", "seed 1", "seed 2", "verdict"],
           [["the picture at every word is no better (BLEU-4 gained by once)", ">= 0",
             -0.0054, -0.0064, -0.0085, "FAILED"],
            ["the usual cell is no worse than the slide's (nats a word gained)", ">= 0",
             0.463, 0.590, 0.518, "holds"]])

# %% [markdown]
# The paper's finding about the picture at every word **does not hold here**. Its reason is overfitting: a net
# that sees the picture again and again can use its noise. Twelve thousand clean scenes of sprites leave
# little room for that, and what the memory need not carry is not lost.
#
# **One vector against attention.** Lecture 4's model looks at the picture again for every word, at a place of its
# choice. On its scenes of three digits, with the same CNN, it gains 0.20 to 0.30 BLEU-4 over one vector
# (`python -m tinymm lecture 2 --variant digits`). What stands where must pass through $f$ at once; that is the limit of
# Show and Tell, and the reason for [Show, Attend and Tell](04_show_attend_and_tell.ipynb).
#
# ## Summary
#
# - A caption's log-probability is a sum over its words, the end word included; training ascends it.
# - The picture is the first word. After step $-1$ it lives in the LSTM's memory only.
# - The usual cell differs from the slide's by the last tanh, $W_d$, and biases; tanh and $W_d$ belong together.
# - Beam search keeps $k$ sentences alive. It finds likelier sentences, which are not always better ones.
# - BLEU counts clipped $n$-grams and punishes brevity. It does not know what is true.
#
# ## Questions
#
# 1. Take the start word away: $m_{-1}$ predicts $S_1$. What changes, and what does the start word cost?
# 2. With $k \ge |V|^{T-1}$ beam search is exact. Why does nobody want the exactly likeliest sentence of a model?
# 3. A captioner says "there is a thing" about everything. Which of BLEU-1, BLEU-4 and the log-likelihood
#    punishes that, and how?
#
# ## Things to try
#
# 1. `python -m tinymm caption PICTURE --model runs/lecture_02`: paint two shapes on black, and see their sentences and the beam.
# 2. Set `m` and `c` to zero after `start` in `NIC.forward` and train again. What does the model still learn?
# 3. The exercise: `python -m tinymm exercise 02` writes it, `python -m tinymm check 02 FILE` checks it.
