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
# # Lecture 3: Deep Visual-Semantic Alignments
#
# Karpathy and Fei-Fei, *Deep Visual-Semantic Alignments for Generating Image Descriptions*, CVPR 2015. A caption says
# what is in a picture, and not where. Here a model finds out which words are about which region, though it is only ever
# told which sentence belongs to which picture; and a second model learns from what the first has found to describe
# single regions.
#
# **What you will learn**
#
# - to score an image and a sentence by their parts, and to train that score by ranking alone;
# - why a word needs its neighbours: the bidirectional network that the slides leave out;
# - what is masked with $-\infty$ and what with 0, and which half of the loss ranks what;
# - to smooth an alignment by a chain over the words, and why the slide's $\min E$ cannot be meant;
# - to hold an alignment against the truth: controls, kinds of words, chance;
# - what it costs to train a generator on inferred data instead of true data.
#
# **What you should know**: matrix products, recurrent networks (lecture 1), the softmax and its cross entropy, and what
# a gradient is (lecture 0).
#
# **Why anyone wanted this.** In 2014 networks learnt to caption whole pictures: one sentence for everything. But a
# picture holds many things, and a rich description names each of them where it stands. To teach that directly one needs
# boxes with phrases, drawn by people, one by one. Captions without boxes lie around by the hundred thousand. They are
# weak labels: a word is about *some* region of *its* picture. That is little for one pair, and much for all pairs
# together: the regions of all pictures of which "red" is said have something in common.

# %%
# %matplotlib inline
import itertools
import os

import numpy as np
from matplotlib.figure import Figure

import tinymm
import tinymm.functional as F
from tinymm import Tensor, nn, no_grad, plot
from tinymm.data.worlds.region_scenes import RegionScenes
from tinymm.decode import align, segments
from tinymm.experiments import find
from tinymm.experiments.captioning.teaching import sprite_window_stage
from tinymm.experiments.lecture_03.data import read, scene_parts
from tinymm.experiments.lecture_03.evaluation import pointing
from tinymm.experiments.lecture_03.regions import crops
from tinymm.experiments.running import run
from tinymm.models.conv_encoder import ConvEncoder
from tinymm.models.description_rnn import DescriptionRNN
from tinymm.models.order_embedding import ranking_loss
from tinymm.models.visual_semantic import VisualSemanticAlignment
from tinymm.plot import claims_table
from tinymm.text import Vocabulary

SCALE = os.environ.get("TINYMM_SCALE", "lecture")   # "smoke" when the tests execute this
rng = np.random.default_rng(0)


def same(ours, theirs, within=1e-10):
    """Assert that two results are the same numbers, and say how close they are."""
    ours, theirs = (a.detach().numpy() if isinstance(a, Tensor) else a for a in (ours, theirs))
    gap = np.abs(np.subtract(ours, theirs)).max()
    assert gap <= within, gap
    print(f"the largest difference is {gap:.1e}")


def weights(*shape):
    """A parameter, small for its number of inputs."""
    return nn.Parameter(rng.standard_normal(shape) / np.sqrt(shape[-1]))


# %% [markdown]
# ## The model in a drawing
#
# Two models, one after the other: the **alignment** (above) learns from pairs. Then it hands snippets of sentences to
# regions, and these are the training data of the **generator** (bottom row).

# %%
page = plot.Diagram(9.9, 4.3)
upper = [page.box(x, 3.75, text, 1.25, 0.65) for x, text in (
    (0.75, "K images,\nM boxes each"), (3.1, "CNN"), (5.2, "$W_m, b_m$"))]
lower = [page.box(x, 2.3, text, 1.25, 0.65, plot.COLORS[2]) for x, text in (
    (0.75, "L sentences\nof T words"), (3.1, "$W_w, W_e, b_e$"), (5.2, "BRNN"))]
dots, pooled, loss_ = [page.box(x, y, text, 1.35, 0.7, plot.COLORS[1]) for x, y, text in (
    (7.2, 3.02, "$v_i \\cdot s_t$"), (9.1, 3.02, "max over i,\nsum over t"),
    (9.1, 1.75, "ranking loss"))]
chain, snippets, rnn = [page.box(x, 0.6, text, 1.5, 0.7, plot.COLORS[3]) for x, text in (
    (7.2, "chain over\nthe words"), (4.3, "regions with\ntheir snippets"), (1.4, "RNN"))]
page.arrow(upper[0], upper[1], "pixels of boxes")
page.arrow(upper[1], upper[2], "(K, M, F)")
page.arrow(lower[0], lower[1], "(T, L) ids")
page.arrow(lower[1], lower[2], "e (T, L, D)")
page.arrow(upper[2], dots)
page.arrow(lower[2], dots)
page.arrow(dots, pooled)
for x, y, text in ((6.45, 3.72, "v (K, M, D)"), (6.45, 2.25, "s (T, L, D)"),
                   (8.2, 3.5, "(K, L, T, M)")):
    page.axes.text(x, y, text, ha="center", fontsize=8.5)
page.arrow(pooled, loss_, "S (K, L)", side=-1)
page.arrow(dots, chain, "of one pair\n(T, M)")
page.arrow(chain, snippets, "a (T,)")
page.arrow(snippets, rnn, "features (B, F)")
plot.picture(page.figure, "Boxes go through a CNN and W_m and become vectors v; words go "
             "through embeddings and a bidirectional network and become vectors s. Of all dot "
             "products the maxima over regions are summed over words: scores for a ranking "
             "loss. Below: a chain hands snippets to regions, on which an RNN learns.")

# %% [markdown]
# $K$ images with $M$ regions, $L$ sentences of $T$ words, $F$ features of a region, $D$ numbers in the common space
# (the slides' $h$). Sequences are time first, as everywhere here.
#
# ## The world
#
# Scenes of two to four things. The boxes are those of the things, three distractors, and the whole image, **shuffled**.
# Sentences name size and colour only sometimes, begin at either end, and may say one word of two things. No combination
# of things in a test scene was in training.

# %%
scene = RegionScenes("train", 20)[19]
page = Figure(figsize=(9.9, 3.1))
plot.draw_boxes(page.add_axes((0.0, 0.02, 0.32, 0.96)), scene.image, scene.boxes)
truth = [list(scene.owner).index(thing) if thing >= 0 else -1 for thing in scene.thing]
plot.coloured_sentence(page.add_axes((0.35, 0.2, 0.64, 0.6)), scene.caption, truth, size=13)
plot.picture(page, "A scene with its boxes, and its sentence with the words of each thing in "
             "the colour of its box: the truth, which no training sees.")

# %% [markdown]
# ## Representing images
#
# $$v = W_m\, \mathrm{CNN}_{\theta_c}(I_b) + b_m$$
#
# $I_b$ are the pixels in a box. In the paper R-CNN finds the boxes, and the 19 it is most sure of and the whole image
# make 20 vectors; the CNN has 60 million parameters, learnt on other pictures, and 4096 numbers before its classifier;
# $D$ is 1000 to 1600. Ours is small, and has learnt on windows with single things. It gets the pixels of a box,
# resized:

# %%
def pixels_in(image, box, side=16):
    """image (3, H, W) uint8, box (top, left, bottom, right) -> I_b (3, side, side)."""
    top, left, bottom, right = box
    cut = Tensor(image[None, :, top:bottom, left:right].astype(np.float32) / 255)
    return F.interpolate(cut, (side, side), mode="bilinear").numpy()[0]


I_b = np.stack([pixels_in(scene.image, box) for box in scene.boxes])           # (M, 3, 16, 16)
same(I_b, crops([scene.image], [scene.boxes]))
page = Figure(figsize=(9, 1.4), layout="constrained")
for i, (axes, pixels) in enumerate(zip(page.subplots(1, len(I_b)), I_b)):
    axes.imshow(pixels.transpose(1, 2, 0), interpolation="nearest")
    axes.set_title(str(i), fontsize=9)
    axes.axis("off")
plot.picture(page, "The pixels of each box as the CNN gets them.")

# %% [markdown]
# (Of the size only the coarse pixels tell.) The equation, for now on random features of three images:

# %%
K, M, features, D = 3, 4, 6, 5
W_m, b_m = weights(D, features), weights(D)
phi = Tensor(rng.standard_normal((K, M, features)))      # CNN(I_b) of three images
v = phi @ W_m.T + b_m                                    # (K, M, D)
there = np.arange(M) < np.array([[4], [3], [2]])         # (K, M): images have 4, 3, 2 boxes

# %% [markdown]
# ## Representing sentences
#
# > **What the slides leave out** is where $s_t$ comes from. A word vector alone cannot be it: in "a small blue square
# > and a blue cross" *blue* fits two things, and its neighbours say which. In the paper each word looks both ways, by a
# > bidirectional recurrent network (BRNN):
# >
# > $$\begin{aligned} x_t &= W_w \mathbb{1}_t & e_t &= f(W_e x_t + b_e)\\
# > h^f_t &= f(e_t + W_f h^f_{t-1} + b_f) & h^b_t &= f(e_t + W_b h^b_{t+1} + b_b)\\
# > s_t &= f(W_d (h^f_t + h^b_t) + b_d) & f(x) &= \max(0, x) \end{aligned}$$
#
# $W_w \mathbb{1}_t$ picks the vector of word $t$. With $f$ at the end a word can be sent to the origin, where it has no
# say.

# %%
PAD = 0


def passed(e, inside, W, b):
    """e (T, L, D) -> h_t = f(e_t + W h_{t-1} + b) (T, L, D), kept at 0 where no word is."""
    h, states = 0 * e[0], []
    for e_t, there_t in zip(e, inside):
        h = F.relu(e_t + h @ W.T + b) * there_t[:, None]          # (L, D)
        states.append(h)
    return F.stack(states)


class BRNN(nn.Module):
    def __init__(self, V, words, D):
        super().__init__()
        self.W_w, self.W_e, self.b_e = weights(V, words), weights(D, words), weights(D)
        self.W_f, self.W_b = (nn.Parameter(np.eye(D) / 2) for _ in range(2))   # start at I/2
        self.b_f, self.b_b = weights(D), weights(D)
        self.W_d, self.b_d = weights(D, D), weights(D)
        with no_grad():
            self.W_d.mul_(0.03), self.b_d.mul_(0.03)     # small s: all scores start alike

    def forward(self, S):
        """S (T, L) ids -> s (T, L, D), and where there are words (T, L)."""
        inside = S != PAD
        e = F.relu(self.W_w[S] @ self.W_e.T + self.b_e)                        # (T, L, D)
        h_f = passed(e, inside, self.W_f, self.b_f)
        h_b = passed(e.flip(0), inside[::-1], self.W_b, self.b_b).flip(0)      # from the end
        return F.relu((h_f + h_b) @ self.W_d.T + self.b_d), inside


V, T, L = 9, 5, 3
S = rng.integers(1, V, (T, L))
S[4, 1], S[3:, 2] = PAD, PAD                             # sentences of 5, 4 and 3 words
brnn = BRNN(V, 6, D)
s, inside = brnn(S)

# %% [markdown]
# **The trap of padding.** After the biases, padding is not zero any more, and the backward pass *begins* there: without
# the mask a word would depend on the other sentences of its batch. Each sentence by itself must give the same vectors:

# %%
for l, length in enumerate(inside.sum(0)):
    same(s[:length, l], brnn(S[:length, l:l + 1])[0][:, 0], within=1e-12)

# %% [markdown]
# And every word depends on every other one. If one word of a sentence is exchanged, how far does each $s_t$ move?

# %%
moved = np.zeros((T, T))
for t in range(T):
    other = S[:, :1].copy()
    other[t] = other[t] % (V - 1) + 1
    change = (brnn(other)[0] - brnn(S[:, :1])[0]).detach().numpy()              # (T, 1, D)
    moved[t] = np.linalg.norm(change[:, 0], axis=1)
print(moved.round(4))                                    # [exchanged, t]
assert (moved > 0).all()

# %% [markdown]
# ## The alignment objective
#
# $$S_{kl} = \sum_{t \in g_l} \max_{i \in g_k} v_i^\top s_t$$
#
# Each word takes the one region that suits it best, and the words add up. $g_k$ and $g_l$ are the regions and words
# that are there, without the padding.

# %%
def image_sentence_scores(v, s, there, inside):
    """v (K, M, D), s (T, L, D), there (K, M), inside (T, L) -> S (K, L)."""
    K, M, D = v.shape
    T, L, _ = s.shape
    dots = (s.reshape(T * L, D) @ v.reshape(K * M, D).T).reshape(T, L, K, M)   # all v_i . s_t
    best = dots.masked_fill(~there, -np.inf).max(-1).values                    # (T, L, K)
    return (best * inside[:, :, None]).sum(0).T                                # (K, L)


S_kl = image_sentence_scores(v, s, there, inside)
k, l = 1, 2                                              # one pair, in loops
alone = sum(max((v[k, i] @ s[t, l]).item() for i in range(M) if there[k, i])
            for t in range(T) if inside[t, l])
same(S_kl[k, l], alone)

# %% [markdown]
# > **A trap: a region that is not there is $-\infty$, not 0.** All others may be negative, and 0 would win the maximum.
# > Words are summed; there the missing ones are 0.

# %%
negative, hidden = Tensor([-1.0, -2.0, 3.0]), np.array([False, False, True])
print(*(f"hidden by {fill}: {negative.masked_fill(hidden, fill).max().item()}"
        for fill in (-np.inf, 0.0)), sep="   ")

# %% [markdown]
# **The gradient** goes to the best region of each word, and to no other: that is how regions come to stand for words.

# %%
v_, s_ = (Tensor(rng.standard_normal(x.shape), requires_grad=True) for x in (v, s))
(slope,) = tinymm.grad(image_sentence_scores(v_, s_, there, inside)[0, 0], v_)
chosen = (s_[:, 0] @ v_[0].T).argmax(-1)                 # (T,)
print("the words' best regions:", chosen.tolist(), "  regions with a gradient:",
      np.flatnonzero(np.abs(slope.numpy()[0]).sum(-1)))

# %% [markdown]
# ### The ranking loss
#
# $$\mathcal{L}(\theta) = \sum_k \Big[\sum_{l \ne k} \max(0, S_{kl} - S_{kk} + 1) +
# \sum_{l \ne k} \max(0, S_{lk} - S_{kk} + 1)\Big]$$
#
# Image $k$ and sentence $k$ belong together. Right pairs shall score higher than wrong ones, by a margin of 1.

# %%
def pair_losses(S):
    """S (K, K) -> the terms of both sums, (K, K) each, [k, l]."""
    right = F.diagonal(S)[:, None]                       # S_kk, (K, 1)
    return F.relu(S - right + 1), F.relu(S.T - right + 1)


def ranking(S):
    others = 1 - np.eye(len(S))                          # without the diagonal
    return sum((terms * others).sum() for terms in pair_losses(S))


same(ranking(S_kl), ranking_loss(S_kl, 1.0))

# %% [markdown]
# > **Correction to the slide: the diagonal.** Its sums run over all $l$. For $l = k$ the term is $\max(0, 0 + 1) = 1$,
# > twice for each $k$: that loss never falls below $2K$. Three pairs, far apart:

# %%
apart = Tensor(100 * np.eye(3))
print("with the diagonal:", sum(terms.sum() for terms in pair_losses(apart)).item(),
      "  without:", ranking(apart).item())
same(sum(terms.sum() for terms in pair_losses(S_kl)) - ranking(S_kl), 2.0 * K)

# %% [markdown]
# > **Correction to the slide: which half ranks what.** It calls the first sum "rank images". But $S_{kl} - S_{kk}$
# > holds the *image* $k$ and varies the *sentence*: it ranks sentences. Below each sentence finds its image (columns),
# > and image 0 prefers the wrong sentence (row 0). The first sum complains, the second does not.

# %%
scores = Tensor([[2.0, 4.0],
                 [0.0, 9.0]])
first, second = ((terms * (1 - np.eye(2))).sum().item() for terms in pair_losses(scores))
print("sentences for images:", scores.argmax(1).tolist(), "  first sum: ", first)
print("images for sentences:", scores.argmax(0).tolist(), "  second sum:", second)

# %% [markdown]
# ### The whole model
#
# Features and ids in, scores out; the loss is divided by the number of pairs.

# %%
class Alignment(nn.Module):
    """phi (K, M, F), there (K, M), S (T, L) -> S_kl (K, L)."""

    def __init__(self, features, V, words=64, D=64):
        super().__init__()
        self.W_m, self.b_m, self.brnn = weights(D, features), weights(D), BRNN(V, words, D)

    def forward(self, phi, there, S):
        s, inside = self.brnn(S)
        return image_sentence_scores(phi @ self.W_m.T + self.b_m, s, there, inside)

    def loss(self, phi, there, S):
        return ranking(self(phi, there, S)) / len(phi)


# %% [markdown]
# The package's `VisualSemanticAlignment` has the same weights under other names. Its `F.region_word_scores` is one
# fused operation that never holds all $K \times L \times T \times M$ products at once. Scores and gradients agree:

# %%
def copied(mine):
    """The package's model with our weights."""
    brnn, encoder = mine.brnn, "encoder."
    D, F_ = mine.W_m.shape
    package = VisualSemanticAlignment(F_, len(brnn.W_w), D, brnn.W_w.shape[1]).double()
    package.load_state_dict({
        "W_m.weight": mine.W_m, "W_m.bias": mine.b_m, encoder + "W_w.weight": brnn.W_w,
        **{f"{encoder}{name}.{kind}": getattr(brnn, f"{letter}_{name[-1]}") for name in
           ("W_e", "W_f", "W_b", "W_d") for kind, letter in (("weight", "W"), ("bias", "b"))}})
    return package


mine = Alignment(features, V, 6, D)
package = copied(mine)
same(mine(phi, there, S), package(phi, Tensor(there), Tensor(S)))
mine.loss(phi, there, S).backward()
package.loss(phi, Tensor(there), Tensor(S)).backward()
same(mine.W_m.grad, package.W_m.weight.grad)
same(mine.brnn.W_b.grad, package.encoder.W_b.weight.grad)
same(S_kl, F.region_word_scores(v, s, Tensor(there), Tensor(inside)))

# %% [markdown]
# ## Training
#
# First the CNN learns to see, on windows with single sprites. Then it stays as it is, and says once what is in every
# box; each feature is brought to mean 0 and deviation 1 over the training regions.

# %%
counts = (3000, 300, 4000) if SCALE == "lecture" else (100, 20, 200)
parts = scene_parts({"train": counts[0], "validation": counts[1]}, seed=0)
vocabulary = Vocabulary.build(parts["train"].captions)
cnn = ConvEncoder(3)
sprite_window_stage(cnn, counts[2], 2, seed=0, label=None).fit()
pairs = read(cnn, parts, vocabulary)
print({name: part.regions.phi.shape for name, part in pairs.items()})          # (N, M, F)

# %% [markdown]
# Now pairs, and nothing else: Adam, batches of 50, every element of a gradient cut at $\pm 5$ (a recurrent network with
# ReLU can explode). This is the only training loop of the lecture.

# %%
def train(model, pairs, epochs, batch=50):
    """Adam on random batches of pairs -> the loss of each step."""
    optimizer, order = tinymm.optim.Adam(model.parameters(), lr=1e-3), np.random.default_rng(1)
    history = []
    for _ in range(epochs):
        rows = order.permutation(len(pairs))
        for start in range(0, len(pairs) - batch + 1, batch):
            phi, there, S = pairs.batch(rows[start:start + batch])
            loss = model.loss(phi, there.numpy(), S.numpy())
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_value_(model.parameters(), 5.0)
            optimizer.step()
            history.append(loss.item())
    return history


EPOCHS = 4 if SCALE == "lecture" else 1
mine = Alignment(pairs["train"].regions.phi.shape[2], len(vocabulary)).float()
history = train(mine, pairs["train"], EPOCHS)
plot.picture(plot.loss_curves({"from its cells": history}, smooth=10,
                              chance={"2 (K - 1): all scores alike": 2 * (50 - 1)},
                              ylabel="loss a pair"),
             "The ranking loss falls from about 98 to a few.")

# %% [markdown]
# Did the words find their regions? For each word of a thing: is its best region the box of that thing? All boxes
# compete, distractors and the whole image, too. The truth measures, and teaches nothing.

# %%
held = pairs["validation"].batch(slice(None))
of_kind = pointing(copied(mine).float().word_scores(*held), parts["validation"].scenes)
plot.table(of_kind, [[f"{share:.3f}" for share in of_kind.values()]],
           f"Pointing on validation scenes after {EPOCHS} epoch(s)")

# %% [markdown]
# ## Training data: inferred correspondences
#
# The slides now show the generator, *before* the chain that makes its data; it is trained at the end. It is a plain
# recurrent network, and the picture, later a region, enters once:
#
# $$b_v = W_{hi}\, \mathrm{CNN}_{\theta_c}(I), \qquad
# h_t = f(W_{hx} x_t + W_{hh} h_{t-1} + b_h + \mathbb{1}(t=1)\, b_v), \qquad
# y_t = \mathrm{softmax}(W_{oh} h_t + b_o)$$
#
# $h_0 = 0$, $x_1$ is the vector of a start word, $x_{t+1}$ that of the word said at $t$; the last one is an end word.

# %%
class Describer(nn.Module):
    """CNN(I) (B, F) and words (T, B) -> logits of the next words (T, B, V)."""

    def __init__(self, features, V, words=6, H=7):
        super().__init__()
        self.W_w, self.W_hi = weights(V, words), weights(H, features)
        self.W_hx, self.W_hh, self.b_h = weights(H, words), weights(H, H), weights(H)
        self.W_oh, self.b_o = weights(V, H), weights(V)

    def forward(self, f, S):
        b_v = f @ self.W_hi.T                            # (B, H)
        h, logits = 0 * b_v, []
        for t, S_t in enumerate(S):
            a = self.W_w[S_t] @ self.W_hx.T + h @ self.W_hh.T + self.b_h
            h = F.relu(a + b_v if t == 0 else a)         # the first step is t=1 on the slide
            logits.append(h @ self.W_oh.T + self.b_o)
        return F.stack(logits)


describer, package = Describer(features, V), DescriptionRNN(features, V, 6, 7).double()
package.load_state_dict({
    "W_w.weight": describer.W_w, "W_hi.weight": describer.W_hi, "W_hx.weight": describer.W_hx,
    "W_hx.bias": describer.b_h, "W_hh.weight": describer.W_hh,
    "W_oh.weight": describer.W_oh, "W_oh.bias": describer.b_o})
words = rng.integers(1, V, (6, 3))
same(describer(phi[:, 0], words), package(phi[:, 0], Tensor(words)))

# %% [markdown]
# > **Correction to the slide.** It writes $\mathbb{1}(t=1) \odot b_v$. The indicator is a number, and $\odot$ is for
# > two vectors; a plain product is meant. (The authors' program shows the image at *every* step unless told otherwise;
# > the paper found once to be better.)
#
# ## Decoding text segment alignments to images
#
# Looked up one by one, words jump from region to region; but phrases are about one thing. A Markov random field over
# the words, a chain, rewards neighbours that agree. With $a_t \in \{1, \dots, M\}$ the region of word $t$,
#
# $$Q(a) = \sum_{t=1}^{N} v_{a_t}^\top s_t + \beta \sum_{t=1}^{N-1} \mathbb{1}[a_t = a_{t+1}], \qquad \max_a Q(a),
# \qquad \beta \ge 0.$$
#
# > **Correction to the slide, and to the paper: the sign.** They call these very terms an energy,
# > $E = \sum \psi^U + \sum \psi^B$, and take $\min E$. To the letter that gives each word its *worst* region, and
# > forbids neighbours to agree. What is meant is $E = -Q$. Two words and two regions; word 0 fits region 0, word 1 fits
# > region 1:

# %%
two_by_two = np.array([[2.0, 1.0],
                       [1.0, 2.0]])
for energy in ("max", "slide"):
    print(f"{energy:<6} a = {align(two_by_two, 0.5, energy)[0].tolist()}")
assert align(two_by_two, 0.5, "slide")[0].tolist() == [1, 0]
assert align(np.ones((4, 2)), 5.0, "slide")[0].tolist() in ([0, 1, 0, 1], [1, 0, 1, 0])

# %% [markdown]
# ### Dynamic programming
#
# There are $M^N$ assignments. But how the words before came to their last region does not matter for the words behind:
#
# $$D_t(i) = v_i^\top s_t + \max\big(D_{t-1}(i) + \beta,\ \max_j D_{t-1}(j)\big)$$
#
# Who stays earns $\beta$; who moves comes from the best region, whichever that is. So a step needs one maximum and no
# pairs of regions: $O(NM)$ in all. The path is read backwards from where each came.

# %%
def best_chain(psi, beta):
    """psi (N, M) of v_i . s_t -> a (N,) of the greatest Q."""
    D, came = psi[0], []                                         # (M,)
    for row in psi[1:]:
        j = D.argmax()
        stays = D + beta >= D[j]
        came.append(np.where(stays, np.arange(len(D)), j))       # (M,), the region before
        D = row + np.maximum(D + beta, D[j])
    a = [D.argmax()]
    for before in reversed(came):
        a.append(before[a[-1]])
    return np.array(a[::-1])


def Q(psi, a, beta):
    a = np.asarray(a)
    return psi[np.arange(len(a)), a].sum() + beta * (a[1:] == a[:-1]).sum()


for N, M_, beta in itertools.product((1, 3, 5), (1, 4), (0, 0.1, 0.5, 2)):
    psi = rng.standard_normal((N, M_))
    best = max(Q(psi, a, beta) for a in itertools.product(range(M_), repeat=N))   # all M^N
    found, (package_a, package_Q) = best_chain(psi, beta), align(psi, beta)
    assert abs(Q(psi, found, beta) - best) < 1e-12 and abs(package_Q - best) < 1e-12
    assert (found == package_a).all()

# %% [markdown]
# **Both ends.** $\beta = 0$ is each word by itself. From $\beta = \sum_t (\max_i - \min_i)\, v_i^\top s_t$ on, the
# sentence goes to one region, the one with the greatest sum. Between the two, segments never grow in number.

# %%
psi = rng.standard_normal((12, 6))
enough = np.ptp(psi, axis=1).sum()
assert (best_chain(psi, 0) == psi.argmax(1)).all()
assert (best_chain(psi, enough) == psi.sum(0).argmax()).all()
for beta in (0, 0.5, 1, 2, 5, enough):
    a = best_chain(psi, beta)
    print(f"beta = {beta:5.2f}: {len(segments(a)):2} segments  {a.tolist()}")

# %% [markdown]
# ## The experiment
#
# The package's run: more pairs and epochs, a falling learning rate, controls, and two variants: words without the BRNN,
# $s_t = f(W_d e_t + b_d)$, and the score of the authors' earlier DeFrag, $\sum_t \sum_i \max(0, v_i^\top s_t)$, where a
# word need not choose.

# %%
def study(variant):
    """Train and measure one of the lecture's variants -> metrics, claims, figures."""
    experiment = find(3)(variant, SCALE)
    experiment.prepare()
    report = run(experiment, progress=False)
    print(f"{variant}: {report['seconds']:.0f} s")
    figures = experiment.figures(experiment.trained, experiment.measured)
    return report["metrics"], report["claims"], figures


found, claims, figures = study("alignment")
others = {variant: study(variant)[0] for variant in ("no_context", "sum")
          if SCALE == "lecture"}                         # the quick look leaves them out
both = find(3).compare({"alignment": found, **others})
claims_table(claims + [claim.as_dict() for claim in both])

# %% [markdown]
# How to read a failure. In the quick look (`smoke`) nothing is learnt: what should be *learnt* fails, and what *cannot*
# be learnt holds for nothing. At the lecture's scale: size words alone below the rest, and the features do not carry
# size (a box is resized); words for two things alone, and neighbours are not used; shuffled captions above chance, and
# something points without having been taught by pairs, a leak; the ratio of norms, and function words are not silenced.
#
# ### Pointing
#
# The best region of each word against the truth. *Shuffled captions*: the same training on sentences of *other*
# pictures.

# %%
KINDS = ["all", "shape", "colour", "size", "two things", "things only"]
rows = {**found["pointing"], **{k: v for other in others.values()
                                for k, v in other["pointing"].items() if k != "untrained"}}
plot.table(["", *KINDS, "chance"], [[row, *(f"{of[kind]:.3f}" for kind in (*KINDS, "chance"))]
                                    for row, of in rows.items()],
           "Share of words whose best region is the right one, held-out scenes")

# %% [markdown]
# Read the kinds apart; an average hides them. A size word alone fits many things, so without the BRNN it points
# nowhere; with it, it is the last to be learnt. With DeFrag's sum it need not choose, and chooses worse. *Two things*
# are words that the sentence says of two: a guess among these has about a half. *Things only* lets just boxes of things
# compete: were the distractors so empty that any threshold sorts them out, the column "all" would flatter.

# %%
plot.picture(figures["epochs.png"], "Pointing on validation scenes by epoch, for each kind.")

# %%
plot.picture(figures["scores.png"], "S of images and sentences before and after training; "
             "afterwards the diagonal stands out.")

# %% [markdown]
# ### The table in miniature
#
# The slides have no table here; this is the form of the paper's first. R@K is the share of queries whose right answer
# is among the first $K$.

# %%
PAPER = "38.4 69.9 80.5 1.0 27.4 60.2 74.8 3.0".split()    # COCO, 1,000 images
rows = {**found["retrieval"], **{k: v for other in others.values()
                                 for k, v in other["retrieval"].items() if k != "untrained"}}
cells = lambda of: [f"{way[c]:.1f}" if c == "median rank" else f"{100 * way[c]:.1f}"
                    for way in of.values() for c in way]
plot.table(["", *(f"{c}, {what}" for what in ("sentences", "images")
                  for c in ("R@1", "R@5", "R@10", "median rank"))],
           [*([f"{row} (here)", *cells(of)] for row, of in rows.items()),
            ["BRNN, max (paper, COCO)", *PAPER]],
           "Sentences for an image, and images for a sentence; R@K in per cent")

# %% [markdown]
# **What carries over**: parts that were matched by nobody find whole images and sentences, both ways. **What does
# not**: the numbers. Ours have 300 candidates, the paper's 1,000 images with five sentences each (among 5,000 its own
# R@1 for images falls from 27.4 to 10.7), and a sentence here says nothing that is not seen. Relations such as "above"
# could not be learnt at all: $v$ knows the pixels of a box and not its place. That holds for the paper's, too.
#
# ### Norms
#
# Nothing holds $v$ and $s$ at length 1, so a word has more say by being longer. The paper finds long vectors for
# "kayaking" and "pumpkins", and "now", "simply", "actually", "but" near the origin.

# %%
norms = found["norms"]
print(f"shape and colour words {norms['content']:.2f}, function words {norms['function']:.2f}: "
      f"ratio {norms['ratio']:.2f}, before training {norms['ratio untrained']:.2f}")
plot.picture(figures["norms.png"], "The mean length of s for each word, by kind of word.")

# %% [markdown]
# ### The chain on real scores

# %%
plot.picture(figures["alignment.png"], "Scenes with their boxes, and each sentence with its "
             "words in the colours of their regions, for beta 0, 0.5, 2 and 10.")

# %%
plot.table(["beta", "pointing", "segments a sentence"],
           [[f"{of['beta']:g}", f"{of['pointing']:.3f}", f"{of['segments']:.1f}"]
            for of in found["beta"]], "What smoothing does, held-out scenes")

# %% [markdown]
# A little smoothing repairs words that were drawn away from their phrase; much of it hands the sentence to one region.
# The values belong to this model: with all $v$ ten times as long, $\beta$ would have to be ten times as large.
#
# ## Describing regions
#
# Now the generator learns from what the chain inferred: each run of words with one region is a snippet of that region.
# Its rivals: the same network taught on full images with whole sentences; and as a **bound**, which has the truth, on
# true phrases. All are asked about the true boxes of held-out scenes, of which each has four honest descriptions.

# %%
described, claims, drawn = study("generator")
claims_table(claims)

# %%
PAPER = {"full images": "14.2 6.0 2.2 0.0", "regions": "35.2 23.0 16.1 14.8"}
plot.table(["taught on", *(f"B-{n}" for n in (1, 2, 3, 4)), "exact", "right shape", "words"],
           [*([f"{row} (here)", *(f"{n:.1f}" for n in bleu), f"{described['exact'][row]:.2f}",
               f"{described['shape said'][row]:.2f}", f"{described['words'][row]:.1f}"]
              for row, bleu in described["bleu"].items()),
            *([f"{row} (paper, COCO)*", *bleu.split(), *"---"] for row, bleu in PAPER.items())],
           "BLEU in per cent on boxes. *: the paper's, on COCO, quoted at second hand")

# %% [markdown]
# **What carries over**: taught on whole images it goes on listing things, however small the crop (see *words*), and
# snippets that nobody labelled are enough to learn from. Length alone costs BLEU; in the paper regions win in other
# measures, too (CIDEr 61.6 to 20.3, METEOR 15.8 to 13.3). **What does not**: BLEU-3 and -4. Phrases here have two to
# four words, so a writer of two-word phrases has BLEU-4 = 0 at a perfect BLEU-2. The distance to the bound is the price
# of inferred data.
#
# Function words belong to no region. At $\beta = 0$ they scatter, and what is left may be "red triangle"; with
# $\beta > 0$ the chain keeps phrases whole, and hands an "and" to a neighbour. Compare *exact* and B-4 of the two, and
# the phrases below.

# %%
plot.picture(drawn["captions.png"], "Held-out scenes, and what is said of each box.")

# %% [markdown]
# ## Summary
#
# - $S_{kl}$ adds up, over the words, the best region's dot product. The gradient goes to that region alone.
# - Ranking pairs both ways is all the supervision. The diagonal stays out; each half ranks what it varies.
# - A word needs its neighbours: "small" says nothing without its thing, and "blue" may be said of two.
# - Lengths are free, so that words that tell nothing apart can be silenced.
# - The chain maximises $Q = \sum v^\top s + \beta \sum \mathbb{1}[=]$ in $O(NM)$; the slide's $\min E$ has the wrong
#   sign.
# - Inferred snippets teach a describer of regions; what inferring costs is seen beside the bound.
#
# ## Questions
#
# 1. With $\sum_i \max(0, \cdot)$ in the place of $\max_i$, which regions get a gradient, and what does a word gain by
#    pointing at one of them only?
# 2. A sentence of 20 words has larger scores than one of 5, and the margin is 1 for both. Which sentences dominate the
#    gradient?
# 3. For large $\beta$ all words go to one region. Why need it not be the one that most words prefer?
#
# ## Things to try
#
# 1. Teach `Alignment` with the diagonal in the loss. Which numbers change, and which do not?
# 2. Put the cosine in the place of the dot product, and train again. What becomes of the function words?
# 3. The exercise: `python -m tinymm exercise 03` writes its file, `python -m tinymm check 03 FILE` checks it.
