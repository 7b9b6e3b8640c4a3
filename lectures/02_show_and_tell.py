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
# Vinyals, Toshev, Bengio and Erhan, *Show and Tell: A Neural Image Caption Generator*, CVPR 2015. A convolutional network
# shows an LSTM a picture once, as if it were the first word of a sentence, and the LSTM says the rest. This notebook goes
# through the slides in their order: each equation stands beside the code that computes it, each misprint beside a
# counter-example, and each of the slides' tables comes back in miniature.

# %%
# %matplotlib inline
import inspect
import itertools
import os

import numpy as np

import tinymm
import tinymm.functional as F
from tinymm import Tensor, no_grad, plot
from tinymm.data.worlds.sprite_scenes import NOVEL, SpriteScenes
from tinymm.decode import beam_search
from tinymm.experiments.lecture_02 import figures
from tinymm.experiments.lecture_02.experiment import ShowAndTell
from tinymm.experiments.lecture_02.systems import likelihood
from tinymm.experiments.lecture_02.truth import level
from tinymm.experiments.running import run
from tinymm.metrics import caption_scores
from tinymm.models.picture_encoder import PictureEncoder
from tinymm.models.show_and_tell import ShowTell

SCALE = os.environ.get("TINYMM_SCALE", "lecture")   # "smoke" when the tests execute this notebook


def show(*functions):
    for function in functions:
        print(inspect.getsource(function))


# %% [markdown]
# ## The world
#
# The slide's datasets are photographs with sentences of people. Ours is a world in which it can be *checked* what a sentence
# says: one or two sprites in six shapes, six colours and two sizes, and five people, each with a way of speaking.

# %%
scenes = SpriteScenes("test", 6)
plot.caption_grid([s.image / 255 for s in scenes], [" ".join(s.captions[i % 5].words) for i, s in enumerate(scenes)], columns=6)

# %%
two = next(s for s in scenes if len(s.sprites) == 2)
for caption in two.captions:
    print(" ".join(caption.words))

# %% [markdown]
# What two sprites show together belongs to one part of the data only: no test picture of two has a training picture of the same
# two (with the same sizes, standing the same way), though each *word* was learned. And six pairs of colour and shape are kept
# out of training altogether:

# %%
print(", ".join(f"{colour} {shape}" for colour, shape in sorted(NOVEL)))

# %% [markdown]
# ## The likelihood
#
# $I$ is a picture, $S = \{S_1, S_2, \dots\}$ a sentence, and
#
# $$\theta^* = \arg\max_\theta \sum_{(I,S)} \log p(S|I;\theta), \qquad
# \log p(S|I) = \sum_{t=0}^{N} \log p(S_t|I, S_0, \dots, S_{t-1}).$$
#
# The sum on the slide begins at $t = 0$, but $S_0$ is the start word: it is certain, and nobody predicts it. The sum that is
# computed runs from 1 to $N$, with $S_N$ the end word, without which $p$ would not be a distribution over sentences. A model
# with four words, small enough that all its sentences can be listed:

# %%
show(likelihood)

# %%
tinymm.manual_seed(0)
START, END = 1, 2
small = ShowTell(features=3, vocabulary=5, embedding=4, hidden=6).double()
with no_grad():
    for p in small.parameters():
        p.mul_(4.0)
picture = Tensor(np.array([[0.5, -1.0, 2.0]]))


def log_p(words):
    """The log-probability of each of some sentences, words (T,), and of what may follow: (T, |V|)."""
    logits = small(picture, Tensor(np.array([[START, *words[:-1]]]).T))[:, 0]
    return F.log_softmax(logits, -1).detach().numpy()


T, finished, unfinished = 4, 0.0, 0.0
for length in range(1, T + 1):
    for words in itertools.product([0, 1, 3, 4], repeat=length - 1):   # everything but the end ...
        p = np.exp(sum(log_p([*words, END])[t, w] for t, w in enumerate([*words, END])))   # ... and then the end
        finished += p
for words in itertools.product([0, 1, 3, 4], repeat=T):
    unfinished += np.exp(sum(log_p(words)[t, w] for t, w in enumerate(words)))
print(f"sentences of at most {T} words: {finished:.6f}, longer ones: {unfinished:.6f}, together {finished + unfinished:.12f}")

# %% [markdown]
# ## The LSTM
#
# $$x_{-1} = \mathrm{CNN}(I), \qquad x_t = W_e S_t, \qquad p_{t+1} = \mathrm{LSTM}(x_t)$$
#
# The slide has "$h_{t+1} = f(h_t, x_t)$" and leaves out $x_{-1}$, the picture as the first input. Then
#
# $$i_t = \sigma(W_{ix}x_t + W_{im}m_{t-1}),\quad f_t = \dots,\quad o_t = \dots,\quad
# c_t = f_t\odot c_{t-1} + i_t\odot h(W_{cx}x_t + W_{cm}m_{t-1}),\quad m_t = o_t\odot c_t,\quad p_{t+1} = \mathrm{Softmax}(m_t)$$
#
# where $h(\cdot)$ is the hyperbolic tangent and not the state $h$ of the line above. Two things are missing that every
# implementation has: $m_t = o_t\odot\tanh(c_t)$, and a projection, $p_{t+1} = \mathrm{Softmax}(W_d m_t)$, without which the
# LSTM needs as many units as there are words.

# %%
show(ShowTell.inputs, ShowTell.forward)

# %% [markdown]
# The two omissions belong together. If only *one* of them were repaired, by a $\tanh$ without a projection, all logits would
# lie between $-1$ and $1$, and no word could have a probability above $1/(1 + (|V|-1)e^{-2})$:

# %%
V = 37
print(f"the least loss with the tanh and without W_d: {np.log(1 + (V - 1) * np.exp(-2)):.2f} nats a word; knowing nothing: {np.log(V):.2f}")

# %%
tinymm.manual_seed(1)
rng = np.random.default_rng(0)
words, targets = rng.integers(3, V, (6, 8)), rng.integers(3, V, (6, 8))   # eight sentences to learn by heart
f = Tensor(rng.standard_normal((8, 16)).astype(np.float32))
for name, options in {"with tanh, without W_d": dict(projection=False), "the slide: neither": dict(projection=False, output_tanh=False),
                      "the usual cell: both": dict(hidden=V)}.items():
    model = ShowTell(16, V, **options)
    optimizer = tinymm.optim.Adam(model.parameters(), lr=0.02)
    for _ in range(300):
        optimizer.zero_grad()
        loss = F.cross_entropy(model(f, Tensor(words)).flatten(0, 1), Tensor(targets.ravel()))
        loss.backward()
        optimizer.step()
    print(f"{name:<24} {loss.item():.3f} nats a word")

# %% [markdown]
# ## The picture is shown once
#
# After step $-1$ the picture lives in $(m, c)$ only. Take that away, and all pictures get the same sentence:

# %%
tinymm.manual_seed(2)
model = ShowTell(16, V)
with no_grad():
    m, c, _ = model.start(f)
    seen, _ = model.step(np.full(8, START), (m, c, None))
    blind, _ = model.step(np.full(8, START), (m * 0, c * 0, None))
print(f"spread of the first word's log-probabilities over eight pictures: {np.ptp(seen.numpy(), 0).max():.3f}; "
      f"with the state set to zero: {np.ptp(blind.numpy(), 0).max():.3f}")

# %% [markdown]
# And $\mathrm{CNN}(I)$? In the paper a network that was trained to classify (ImageNet), whose top layer is mapped to the space
# of the word vectors. Ours learns to classify, too: first which sprite stands in a small window, then, on scenes that have no
# captions, what is the first thing in reading order, what the second, and how they stand. After that it is only read.

# %%
show(PictureEncoder.strips)

# %% [markdown]
# ## Training
#
# Maximum likelihood, about two minutes with all the smaller training sets below. Word vectors and picture start small, forget
# gates open ($\sigma(1)$, as in the authors' code): the picture has to survive several words before it is asked for. And the
# output's bias starts at the words' log-frequencies, so the loss starts at their entropy instead of $\ln|V|$.

# %%
usual = ShowAndTell("usual", SCALE)
usual.prepare()
report = run(usual, progress=False)
print(f"{report['seconds']:.0f} s; {report['metrics']['parameters']:,} parameters, {len(usual.material.vocabulary)} words")
for claim in report["claims"]:
    measured = float("nan") if claim["measured"] is None else claim["measured"]   # None: a quick look may have nothing to measure
    print(f"{claim['verdict']:<7} {claim['statement']}: {measured:.3f} ({claim['threshold']})")

# %%
figures.learning(usual.trained.trainer.history, report["metrics"]["loss"]["entropy of the words"])

# %% [markdown]
# It cannot reach 0: which of the five people speaks is not in the picture, and costs $\ln 5 / 7.5 \approx 0.21$ nats a word.
#
# ## Beam search
#
# *Iteratively consider the set of the $k$ best sentences up to time $t$ as candidates to generate sentences of size $t+1$, and
# keep only the resulting best $k$ of them.* A small example, a table of what follows what, in which the best first step does
# not lead to the best sentence:

# %%
TABLE = {0: {1: .1, 2: .2, 3: .3, 4: .4}, 2: {5: .1, 6: .9}, 3: {1: .1, 7: .4, 8: .5}, 4: {1: .3, 9: .3, 10: .4},
         **{w: {1: 1.0} for w in (5, 6, 7, 8, 10, 11)}, 9: {1: .5, 11: .5}}
follows = np.full((12, 12), -np.inf)
for w, row in TABLE.items():
    for v, p in row.items():
        follows[w, v] = np.log(p)
step = lambda tokens, state: (follows[tokens], state)
for k in (1, 2, 3):
    found, = beam_search(step, None, 1, start=0, end=1, max_length=4, beam_size=k, n_best=k)
    print(f"k = {k}:", ", ".join(f"{list(h.tokens)} {np.exp(h.log_prob):.2f}" for h in found))

# %%
figures.beam(usual.trained.captioner, usual.material.vocabulary, usual.measured.annotations["test"][0])

# %%
figures.beam_widths(report["metrics"]["beams"])

# %% [markdown]
# A wider beam finds likelier sentences; that it can never find worse ones is *not* a theorem (the column "worse" counts), and a
# likelier sentence need not be a better one.

# %%
print(f"{'k':>3}{'BLEU-4':>9}{'mean log p':>12}{'worse':>8}")
for k, entry in report["metrics"]["beams"].items():
    print(f"{k:>3}{entry['BLEU-4']:9.3f}{entry['log p']:12.3f}{100 * entry['worse than a smaller beam']:7.1f}%")

# %% [markdown]
# ## With and without errors
#
# The slide sorts sentences into four columns, as people rated them. Here the truth about the scene does it: no wrong fact, one,
# at least a shape or a colour that is there, nothing that is there. The pictures are *sketches*: another way of drawing, and
# other people, none of which the model was trained on.

# %%
figures.four_columns(usual.measured, usual.material)

# %%
plot.stacked_bars({figures.WORLDS[name]: shares for name, shares in report["metrics"]["levels"].items()},
                  xlabel="share of the sentences")

# %% [markdown]
# ## The size of the dataset
#
# The slide's table of datasets goes from 6,000 pictures to a million. The same model, trained for the same number of steps on
# fewer scenes:

# %%
print(f"{'scenes':>8}{'BLEU-1':>9}{'BLEU-4':>9}{'test nats a word':>18}")
for count, entry in report["metrics"]["sizes"].items():
    print(f"{count:>8}{entry['BLEU-1']:9.3f}{entry['BLEU-4']:9.3f}{entry['test nats a word']:18.3f}")
figures.sizes(report["metrics"]["sizes"])

# %% [markdown]
# ## Words and their neighbours
#
# The slide lists the words whose vectors in $W_e$ are nearest to some words (by cosine). Nobody told the model that "disc" and
# "circle" are alike, or that "red" is a colour.

# %%
PAPER_NEIGHBOURS = {"car": "van, cab, suv, vehicle, jeep", "horse": "pony, donkey, pig, goat, mule",
                    "street": "road, streets, highway, freeway"}
print(f"{'Word':<10}Neighbors")
for word, near in report["metrics"]["neighbours"]["table"].items():
    print(f"{word:<10}{', '.join(near)}")
for word, near in PAPER_NEIGHBOURS.items():
    print(f"{word:<10}{near}   (the slide's)")

# %% [markdown]
# ## The table: BLEU-1
#
# The slide's rows are BLEU-1 (x 100), which it does not say. Its columns and ours: PASCAL, on which the model was *not* trained
# (xfer), is our sketches; Flickr30k our scenes; Flickr8k a smaller training set; SBU, a million pictures with one sentence each
# that often is about something else, is our noisy world.

# %%
metrics = report["metrics"]
fewer = list(metrics["sizes"])[-2]   # the next smaller training set
nic = [metrics["captions"]["sketch"]["BLEU-1"], metrics["captions"]["test"]["BLEU-1"], metrics["sizes"][fewer]["BLEU-1"],
       metrics["noisy"]["one noisy sentence"]["BLEU-1"]]
people = [metrics["people"]["sketch"]["BLEU-1"], metrics["people"]["test"]["BLEU-1"], metrics["people"]["test"]["BLEU-1"], None]
print(f"{'Approach':<16}{'sketches (xfer)':>17}{'scenes':>9}{fewer + ' scenes':>14}{'noisy':>9}")
row = lambda name, values: f"{name:<16}" + "".join(f"{'' if v is None else f'{100 * v:.0f}':>{w}}" for v, w in zip(values, (17, 9, 14, 9)))
print(row("NIC here", nic))
print(row("Human here", people))
print(f"\n{'Approach':<16}{'PASCAL (xfer)':>17}{'Flickr30k':>11}{'Flickr8k':>12}{'SBU':>9}")
print(f"{'NIC, slide':<16}{59:>17}{66:>11}{63:>12}{28:>9}")
print(f"{'Human, slide':<16}{69:>17}{68:>11}{70:>12}")

# %% [markdown]
# What carries over: another world costs a good part of the BLEU without retraining, fewer pictures cost some, and sentences that
# are not about their pictures cost most. What does not: our people are five fixed ways of speaking, so that each person's
# sentence agrees little with the other four, and a model that has learned all five beats them in its own world; the paper's
# people do better than its model in each column.
#
# ## Novel sentences
#
# *A man throwing a frisbee in a park; a man holding a frisbee in his hand; a man standing in the grass with a frisbee:* what is
# not in the training set stands out on the slide. The fifteen best sentences for one picture:

# %%
example = metrics["novelty"]["novel"]["example"]
scene = usual.material.parts["novel"].scenes[example["picture"]]
for sentence, log_prob, new in example["sentences"]:
    print(f"{log_prob:7.2f}  {'new ' if new else '    '} {sentence:<52}{level(sentence.split(), scene.sprites)}")
plot.caption_grid([scene.image / 255], [example["sentences"][0][0]], [" ".join(scene.captions[0].words)])

# %%
print(f"{'new sentences':<18}{'the best':>10}{'15 best':>10}")
for name, shares in metrics["novelty"].items():
    print(f"{figures.WORLDS[name]:<18}{100 * shares['best']:9.1f}%{100 * shares['15 best']:9.1f}%")
novel = len(usual.material.parts["novel"])
print(f"\ntrue, new, and about a pair of colour and shape never seen: {metrics['correct novel captions']} of {novel}")

# %% [markdown]
# In the paper, too, most of the best sentences stand in the training set (80 %), and about half of the fifteen best are new.
#
# ## The slide to the letter, and the picture at every word
#
# Two other systems: the slide's own cell (no tanh, no biases, no $W_d$), and the picture added to every word's input, which the
# paper found to be worse.

# %%
others = {}
for name in ("slide", "every_step"):
    others[name] = ShowAndTell(name, SCALE)
    others[name].prepare()
reports = {"usual": report, **{name: run(other, progress=False) for name, other in others.items()}}
print(f"{'':<12}{'test nats a word':>18}" + "".join(f"{'k = ' + k:>9}" for k in report["metrics"]["beams"]) + "   (BLEU-4)")
for name, r in reports.items():
    print(f"{name:<12}{r['metrics']['loss']['test nats a word']:18.3f}"
          + "".join(f"{entry['BLEU-4']:9.3f}" for entry in r["metrics"]["beams"].values()))

# %% [markdown]
# The slide's cell has 37 units, one a word, and pays three times the nats: its words are never certain, because its logits can
# only grow with its memory, less than 1 a step. Greedy search then often takes a wrong turn; a beam repairs nearly all of it.
#
# Where the model is least sure, on the sketches, something else shows. Beam search ranks sentences by their unnormalised
# log-probability, every word costs, and the cheapest sentence is the one that ends at once. Dividing by length$^\lambda$ (an
# extension, not in the paper) helps:

# %%
slide = others["slide"]
part, a, decoder = slide.material.parts["sketch"], slide.measured.annotations["sketch"], slide.trained.captioner.decoder
for penalty in (0.0, 0.7, 1.0):
    with no_grad():
        found = beam_search(decoder.step, decoder.start(Tensor(a)), len(a), start=START, end=END, max_length=30, beam_size=20,
                            length_penalty=penalty)
    said = [slide.material.vocabulary.decode(best.tokens) for best, *_ in found]
    print(f"lambda = {penalty:.1f}: {np.mean([not s for s in said]) * 100:4.1f} % say nothing, "
          f"{np.mean([len(s) for s in said]):.1f} words, BLEU-4 {caption_scores(said, part.captions)['BLEU-4']:.3f}")

# %% [markdown]
# And the picture at every word is, here, *not* worse: the paper's reason is that the model overfits to noise in the pictures
# more easily, and twelve thousand scenes of sprites leave little room for that.
#
# ## One vector against attention
#
# Lecture 4's model looks at the picture again for every word. On its scenes of two or three handwritten digits, from the same
# convolutional features and captions:

# %%
digits = ShowAndTell("digits", SCALE)
digits.prepare()
against = run(digits, progress=False)
figures.against_attention(against["metrics"]["against attention"])

# %% [markdown]
# From the same features, one vector is no match for attention: what stands where must pass through 256 numbers, at once. An
# encoder that was first *taught* to read whole scenes packs them better. That is what ImageNet did for the paper.
#
# ## Things to try
#
# 1. `python -m tinymm caption PICTURE --model runs/lecture_02`: paint two shapes on black, and see their sentences and the beam.
# 2. Greedy search and a beam of 20 differ by several points of BLEU-4. On which scenes? Compare `usual.measured.sentences["test"]`
#    with `usual.trained.captioner.search(usual.measured.annotations["test"], 1)`.
# 3. The exercise: `lectures/homework/02_show_and_tell.py`, checked by `python -m tinymm check 02 FILE`.
