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
# # Lecture 8: CLIP
#
# Radford et al., *Learning Transferable Visual Models From Natural Language Supervision*, ICML 2021. Two networks, one for
# pictures and one for texts, learn from pairs found on the web which text belongs to which picture. Afterwards the *names* of
# classes are a classifier: no picture of a dataset has to be labelled for it. This notebook goes through the slides in their
# order: each line of the pseudo-code stands beside the code that computes it, each misprint beside a counter-example, and the
# slide's table comes back in miniature.

# %%
# %matplotlib inline
import inspect
import os

import numpy as np

import tinymm
import tinymm.functional as F
from tinymm import Tensor, no_grad, plot
from tinymm.data.worlds.sprite_scenes import NOVEL
from tinymm.data.worlds.web_pictures import CLASSES, WebPictures
from tinymm.experiments.lecture_08 import figures
from tinymm.experiments.claims import table
from tinymm.experiments.lecture_08.experiment import LearningFromText
from tinymm.experiments.lecture_08.data import PROMPTS
from tinymm.experiments.running import run
from tinymm.models.clip import CLIP, VisionTransformer, clip_loss, clip_temperature_, zero_shot, zero_shot_weights
from tinymm.models.clip.cbow import mean_of_words
from tinymm.models.clip.contrastive_loss import contrastive_loss, cross_entropy_loss
from tinymm.models.clip.modified_resnet import AttentionPool2d
from tinymm.models.visual_ngrams import VisualNGrams
from tinymm.text.ngram_dictionary import NGramDictionary

SCALE = os.environ.get("TINYMM_SCALE", "lecture")   # "smoke" when the tests execute this notebook


def show(*functions):
    for function in functions:
        print(inspect.getsource(function))


# %% [markdown]
# ## A web of pictures and texts
#
# WIT has 400 million pairs from the internet. Ours has 16,000, drawn by a program, so that what is on a picture is known:
# sprites (some with a label, as goods in a shop have), real handwritten digits, people who do something, and signs. Nobody has
# sorted them into classes. Each picture has *one* text, in the words of whoever wrote it, and sometimes with half of the truth:

# %%
web = WebPictures("test", 12)
plot.caption_grid([p.image for p in web], [p.text for p in web], columns=6)

# %% [markdown]
# Three of these kinds also exist as datasets with classes, which the model is tested on: 36 pairs of colour and shape, ten digits
# (written by hands that no training picture shows), and six actions. Six of the pairs are on no picture of the web:

# %%
print(", ".join(f"{colour} {shape}" for colour, shape in sorted(NOVEL)))

# %% [markdown]
# ## (1) Contrastive pre-training
#
# The slide's pseudo-code is the whole method. Here it runs, line by line, in NumPy and in the engine:

# %%
show(contrastive_loss, clip_loss, cross_entropy_loss)

# %%
rng = np.random.default_rng(0)
n, d_i, d_t, d_e = 6, 8, 7, 4
I_f, T_f, W_i, W_t, t = (rng.standard_normal(shape) for shape in ((n, d_i), (n, d_t), (d_i, d_e), (d_t, d_e), ()))


def l2_normalize(x, axis):
    return x / np.linalg.norm(x, axis=axis, keepdims=True)


def np_cross_entropy_loss(logits, labels, axis):
    log_p = logits - np.log(np.exp(logits).sum(axis, keepdims=True))
    return -np.mean(log_p[labels, labels])


I_e = l2_normalize(np.dot(I_f, W_i), axis=1)
T_e = l2_normalize(np.dot(T_f, W_t), axis=1)
logits = np.dot(I_e, T_e.T) * np.exp(t)
labels = np.arange(n)
loss_i = np_cross_entropy_loss(logits, labels, axis=0)
loss_t = np_cross_entropy_loss(logits, labels, axis=1)
loss = (loss_i + loss_t)/2
print(f"the slide: {loss:.12f}, the engine: {contrastive_loss(*map(Tensor, (I_f, T_f, W_i, W_t, np.asarray(t)))).item():.12f}")

# %% [markdown]
# What the slide does not say, or says wrongly:
#
# **`loss_i` is the texts' loss.** The rows of `logits` are pictures. With `axis=0` the softmax runs over the pictures, *for each
# text*, so it is the other way round than the names suggest. Their mean does not care. Here text 0 fits all three pictures, and
# pictures 1 and 2 fit two texts each:

# %%
one_for_all = np.array([[9.0, 0, 0], [9, 9, 0], [9, 0, 9]])   # rows are pictures
for axis, name, says in ((0, "loss_i", f"one text of three has three pictures to choose from: ln 3 / 3 = {np.log(3) / 3:.3f}"),
                         (1, "loss_t", f"two pictures of three have two texts to choose from: 2 ln 2 / 3 = {2 * np.log(2) / 3:.3f}")):
    print(f"{name}, axis={axis}: {cross_entropy_loss(Tensor(one_for_all), Tensor(np.arange(3)), axis).item():.3f}  {says}")

# %% [markdown]
# **$t$ is not a temperature**, but the logarithm of its inverse. It starts at $\ln(1/0.07) = 2.66$, and $e^t$ is kept at 100 or
# less, by setting $t$ back after a step, not by clipping its gradient:

# %%
show(clip_temperature_)

# %%
t_ = tinymm.tensor(5.0, requires_grad=True)
clip_temperature_(t_)
(t_.exp() * 2).backward()
print(f"e^t = {t_.exp().item():.4f}, and its gradient still flows: {t_.grad.item():.1f}")

# %% [markdown]
# **`T[n, 1]`** is $T[n, l]$, $l$ the length of a text. And the vectors are normalised *after* the projection. Before it would be
# something else, since a projection changes lengths:

# %%
before = l2_normalize(I_f, 1) @ W_i
print("lengths after projecting vectors of length 1:", np.linalg.norm(before, axis=1).round(2))

# %% [markdown]
# Three values to know. If all embeddings are the same, each of $n$ texts is as likely, and the loss is $\ln n$. One pair alone
# has nothing to be told from, and teaches nothing. And for pictures and texts that have *nothing to do with each other*, the
# loss is above $\ln n$: at the start $e^t = 14$ spreads the logits, and for independent normal logits of variance $s^2$ it is
# $\ln n + s^2/2$.

# %%
print(f"identical embeddings: {clip_loss(Tensor(np.full((64, 64), 14.0))).item():.4f}, ln 64 = {np.log(64):.4f}")
x = rng.standard_normal((2000, 2000))
for s in (0.5, 1.0, 1.5):
    print(f"independent logits, s = {s}: {clip_loss(Tensor(s * x)).item():.3f}, ln n + s^2/2 = {np.log(2000) + s**2 / 2:.3f}")

# %% [markdown]
# ## The picture towers
#
# "ResNet or Vision Transformer". The ResNet is not the usual one: a stem of three convolutions, a mean before every convolution
# that halves the picture, and at the end no mean over places but *attention*, with the mean as the only query:

# %%
show(AttentionPool2d.features)

# %% [markdown]
# The Vision Transformer cuts the picture into patches, and normalises before its first block, too:

# %%
show(VisionTransformer.features)

# %% [markdown]
# ## The text towers
#
# "CBOW or Text Transformer". The text's feature is read at its end, the largest id, which under the causal mask is the only
# place that has seen all of it. CBOW stands in the pseudo-code and in a study of efficiency only, and no code of it was
# published; ours is the mean of the words' vectors:

# %%
show(CLIP.text_features, mean_of_words)

# %%
tinymm.manual_seed(0)
experiment = LearningFromText(scale=SCALE)
experiment.prepare()
material = experiment.material
tokenizer = material.tokenizer
print(tokenizer.tokenize(["a photo of a red circle", "look at a little scarlet disc"]))

# %% [markdown]
# The ids come from byte pairs, merged on the texts of *our* web, in the way of the published vocabulary of 49,408: start, words,
# end, zeros. A word that is not there is cut into smaller pieces, so every text has ids:

# %%
for text in ("circle", "circles", "rectangle", "Zürich"):
    print(f"{text:<12}", [tokenizer.decode([i]) for i in tokenizer.encode(text)])

# %%
sentences = ["street market", "market street"]
for encoder in ("cbow", "transformer"):
    tinymm.manual_seed(1)
    small = CLIP(8, 32, 1, 16, 16, 16, len(tokenizer), 16, 2, 2, text_encoder=encoder, vision_heads=2).eval()
    with no_grad():
        small.token_embedding.weight.mul_(50)   # untrained ones are tiny
        e = F.normalize(small.encode_text(Tensor(tokenizer.tokenize(sentences))), dim=1).numpy()
    print(f"{encoder:<12} cosine of {' and '.join(map(repr, sentences))}: {e[0] @ e[1]:.4f}")

# %% [markdown]
# ## Training
#
# AdamW, a temperature that does not decay, a schedule that ends at 0; and afterwards the same pictures and texts once more for
# Visual N-Grams, the slide's other row. About three minutes.

# %%
report = run(experiment, progress=False)
metrics = report["metrics"]
print(f"{report['seconds']:.0f} s; {metrics['parameters']:,} parameters, {metrics['tokens']} tokens")
print(table(report["claims"]))

# %%
figures.loss(experiment.trained.trainer)

# %% [markdown]
# The first loss is that of pictures and texts that have nothing to do with each other, above $\ln 64$. It cannot end at 0: of 64
# pictures some show the same thing, and their texts may as well be exchanged. Every picture with every text, as the training goes
# on:

# %%
figures.similarity(experiment.trained.snapshots, material.shown[1])

# %% [markdown]
# The diagonal sharpens. What is not on it is also of interest: the blocks are kinds of pictures, and a text with half of the truth
# ("something red") fits more than one. The inverse temperature goes its own way. It first falls, while the model knows too little
# to be sure of anything, then rises:

# %%
figures.temperature(experiment.trained.trainer)

# %% [markdown]
# ## (2) A classifier from the names of classes
#
# $$w_c = T_e(\text{"a photo of a \{c\}"}), \qquad \text{logits} = e^t\, I_e \cdot w_c$$
#
# The text tower's outputs are the weights of a linear classifier without bias. With several prompts, each output is made of
# length 1, then they are averaged *as vectors*, and the mean is made of length 1 again: so an ensemble costs nothing when
# pictures are classified. (That is not on the slide.)

# %%
show(zero_shot_weights, zero_shot)

# %%
figures.classifier(experiment.trained.model, tokenizer)

# %% [markdown]
# What the text tower has made of names: shapes are mostly nearer to other shapes than to colours, and colours keep apart, above all
# yellow and purple.
#
# ## (3) Zero-shot prediction

# %%
figures.examples(experiment.trained.model, material)

# %%
for name in CLASSES:
    print(f"{name}: {', '.join(PROMPTS[name]['ensemble'][:3])}, ... ({len(PROMPTS[name]['ensemble'])} prompts)")

# %%
figures.ways(metrics)

# %% [markdown]
# A name alone is seldom the whole of a text on the web, and it may mean several things: "seven" is a digit, or a word on a sign. The
# paper found the same: 1.3 points on ImageNet for "a photo of a ...", about five with an ensemble of eighty prompts. Here one prompt
# does nearly all of it: our web has only eight ways to begin a text.
#
# ## Visual N-Grams
#
# The slide's other row learned from pictures and texts, too, in 2017. It has a dictionary of phrases, and predicts which of them
# go with a picture:
#
# $$p_{obs}(w|\phi) \propto \exp(-e_w^\top\phi), \qquad
# p(w_i|w_{i-n+1}^{i-1}) = \lambda\, p_{obs}(w_i|w_{i-n+1}^{i-1}) + (1-\lambda)\, p(w_i|w_{i-n+2}^{i-1})$$
#
# The second line is Jelinek-Mercer smoothing, which scores a phrase that is not in the dictionary by shorter ones that are.
# Order matters, as long as the dictionary has the phrase in one order:

# %%
dictionary = NGramDictionary.build([["the", "street", "market"], ["the", "market"], ["a", "street"]], order=2)
tinymm.manual_seed(3)
ngrams = VisualNGrams(5, dictionary)
phi = Tensor(rng.standard_normal((1, 5)).astype(np.float32))
print(f"{dictionary}, sum of p_obs: {ngrams.log_p_obs(phi).exp().sum().item():.6f}")
for phrase in (["street", "market"], ["market", "street"]):
    naive, smooth = (ngrams.score(phi, [phrase], kind)[0, 0] for kind in ("naive", "jelinek_mercer"))
    print(f"{' '.join(phrase):<15} naive {naive:7.3f}   Jelinek-Mercer {smooth:7.3f}")

# %% [markdown]
# One caution. All phrases share one softmax, so a "conditional" $p_{obs}(a\,b)/p_{obs}(a)$ is a ratio that may exceed 1, and
# $-\sum\ln p$ has no lower bound: a model can make it as small as it likes by letting $p_{obs}(a)$ vanish.

# %%
street = dictionary[["street"]]
with no_grad():
    for _ in range(4):
        log_p = ngrams.log_p_obs(phi)[0, street].item()
        print(f"ln p_obs(street) = {log_p:6.1f}: the loss of 'the street market' is "
              f"{ngrams.loss(phi, [['the', 'street', 'market']]).item():6.1f}")
        ngrams.e[street] += 4 * phi[0]   # makes the word less likely

# %% [markdown]
# Our baseline therefore *learns* by the naive loss, the sum over the comment's phrases, and is *asked* with smoothing: the same
# ResNet, the same pictures and texts, as many steps. The slide's table, in miniature:

# %%
ngram_row, clip_row = metrics["visual n-grams"], metrics["zero-shot"]["ensemble"]
print(f"{'':<16}{'sprites':>9}{'digits':>9}{'actions':>9}")
for name, row in (("Visual N-Grams", ngram_row), ("CLIP", clip_row)):
    print(f"{name:<16}" + "".join(f"{100 * row[c]:9.1f}" for c in CLASSES))
print(f"\n{'the slide':<16}{'aYahoo':>9}{'ImageNet':>9}{'SUN':>9}")
for name, row in (("Visual N-Grams", (72.4, 11.5, 23.0)), ("CLIP", (98.4, 76.2, 58.5))):
    print(f"{name:<16}" + "".join(f"{v:9.1f}" for v in row))

# %%
figures.table(metrics)

# %% [markdown]
# What carries over: CLIP is ahead in each column, and most of all on pairs of colour and shape that *neither* has ever seen
# together. "blue heart" is not in the dictionary. Smoothing gives it the product of its words, but discounted, so that "red heart"
# or "blue star", which are there, win. The last column shows that the knowledge is not what is missing: with only the six unseen
# pairs to choose from, which are discounted alike, the phrases do quite well. It is the score that does not compose, and CLIP's text
# tower does. What does not carry over is the size of the gap: the paper's two systems differ in data (400 million pairs against
# 30 million), networks and years, as its authors say; ours differ in nothing but what the texts are used for.
#
# ## OCR, actions, fine-grained classes
#
# Tasks that nobody trained for. The signs of the web teach reading; people who run and jump stand for action recognition, and
# "fine-grained" are classes that differ in one word.

# %%
reading = metrics["reading"]
print(f"words on signs, {reading['words']} words: {100 * reading['accuracy']:.1f} % (chance {100 / reading['words']:.1f} %)")
print(f"actions, 6 classes: {100 * clip_row['actions']:.1f} %;  sprites, 36 classes: {100 * clip_row['sprites']:.1f} %;  "
      f"handwritten digits, 10 classes: {100 * clip_row['digits']:.1f} %")

# %% [markdown]
# Digits stay behind: eight pixels of a real hand are harder than anything else here. A linear probe on the same features, which *is*
# shown labelled digits, is little better (the figure above), so the features are the limit, not the text. That is what the slide's
# distinction of *task learning* (zero-shot) and *representation learning* (the probe) is for.
#
# ## The typographic attack
#
# A model that has learned to read may take a word for the thing (Goh et al. 2021, *Multimodal Neurons in Artificial Neural
# Networks*: an apple with a note "iPod" on it became an iPod). The same sprites four times: without a label, with a blank one, with
# the right word, and with a wrong one:

# %%
figures.attacked_pictures(material.attacked, experiment.measured.said)

# %%
figures.attack(material.attacked, experiment.measured.said)

# %%
figures.attack_bars(metrics["attack"])

# %% [markdown]
# A blank label already costs some accuracy, because it distracts; so the attack is what the *wrong word* costs on top of it: over
# three other seeds 3 to 14 points, and the word is the answer in 10 to 15 % of the pictures, with a blank label in 4 to 10 %. It works,
# but it is no match for what happens to the published model. The world was made to make it possible: in our web 30 % of the sprites
# have a label, and a word on it is always true.
#
# ## Other towers, and a control
#
# The same with a bag of words, with a Vision Transformer, and with the texts shuffled among the pictures, so that only what is
# *not* in the pairing can be learned:

# %%
reports = {"resnet": report}
for name in ("cbow", "vit", "shuffled"):
    other = LearningFromText(name, SCALE)
    other.prepare()
    reports[name] = run(other, progress=False)
print(f"{'':<10}" + "".join(f"{c:>14}" for c in (*CLASSES, "seen pairs", "unseen pairs")) + f"{'seconds':>10}")
for name, r in reports.items():
    row = r["metrics"]["zero-shot"]["ensemble"]
    print(f"{name:<10}" + "".join(f"{100 * row[c]:14.1f}" for c in (*CLASSES, "seen pairs", "unseen pairs")) + f"{r['seconds']:10.0f}")
print(table([c.as_dict() for c in LearningFromText.compare({name: r["metrics"] for name, r in reports.items()})]))

# %% [markdown]
# A bag of words does even better where the order of words says nothing, as here: there is less to learn. (It is also easier to
# attack: see docs/claims.) A Vision Transformer has to learn from the pictures that a thing is the same thing elsewhere, which a
# convolution is born with, and from 16,000 pictures it learns that less well, digits worst of all; the claim that it is as good fails.
# Shuffled texts leave the model at chance.
#
# ## The published model
#
# `CLIP.from_pretrained(FOLDER)` reads the published weights, in Hugging Face's layout or OpenAI's, and
# `python -m tinymm zero-shot PICTURE --labels "a dog" "a cat" --model FOLDER` classifies your own pictures.
#
# ## Things to try
#
# 1. Which texts does the model confuse? Sort `experiment.trained.snapshots.taken[-1]` by what is off the diagonal.
# 2. Write your own classes:
#    `zero_shot_weights(experiment.trained.model, tokenizer, ["something red", "something blue"], ("{}",))`.
# 3. What if the prompt says that there is a label: "a photo of a {} with a label"? Does that undo the attack?
# 4. The exercise: `lectures/homework/08_clip.py`, checked by `python -m tinymm check 08 FILE`.
