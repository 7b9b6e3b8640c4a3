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
# Radford et al., *Learning Transferable Visual Models From Natural Language Supervision*, ICML 2021. Two
# networks, one for pictures and one for texts, learn from pairs found on the web which text belongs to which
# picture. Afterwards the *names* of classes are a classifier.
#
# **What you will learn**
#
# - to cut texts into byte pairs, and to build the Transformer that reads pictures and texts, operation by
#   operation;
# - the contrastive loss of the slide, its first value, its temperature, and the slips of the pseudo-code;
# - to make a classifier of nothing but names, and to say what prompts and their ensemble add;
# - to tell apart what a model *knows* (zero-shot) from what its features *hold* (a linear probe);
# - where it fails: pairs it never saw, words pasted into pictures, a Vision Transformer with few pictures.
#
# **What you should know**: softmax and cross-entropy (lecture 2), attention (lecture 4), layer normalisation
# (lecture 5).
#
# **Why anyone wanted this.** A classifier trained on ImageNet knows its 1,000 classes, each paid for with
# about a thousand labelled pictures, and nothing else. A new task needs new labels. But the web is full of
# pictures with texts beside them that nobody was paid to write. Whoever can tell which text belongs to which
# picture has learned what words look like, and a new task then costs one sentence for each class.

# %%
# %matplotlib inline
import os
from collections import Counter

import numpy as np
from matplotlib.patches import Rectangle

import tinymm
import tinymm.functional as F
from tinymm import Tensor, nn, no_grad, plot
from tinymm.data.worlds.sprite_scenes import NOVEL
from tinymm.data.worlds.web_pictures import CLASSES, WebPictures
from tinymm.experiments.clip_stage import pictures
from tinymm.experiments.lecture_08 import figures
from tinymm.experiments.lecture_08.data import PROMPTS
from tinymm.experiments.lecture_08.experiment import LearningFromText
from tinymm.experiments.lecture_08.systems import build
from tinymm.experiments.running import fit
from tinymm.models import clip
from tinymm.models.clip.cbow import mean_of_words
from tinymm.models.clip.modified_resnet import AttentionPool2d
from tinymm.models.clip.transformer import ResidualAttentionBlock
from tinymm.models.visual_ngrams import VisualNGrams
from tinymm.text.bpe import BytePairEncoding
from tinymm.text.ngram_dictionary import NGramDictionary

SCALE = os.environ.get("TINYMM_SCALE", "lecture")   # "smoke" when the tests execute this
rng = np.random.default_rng(0)


def same(ours, theirs, within=1e-9):
    """Assert that two results are the same numbers, and say how close they are."""
    gap = np.abs(ours.detach().numpy() - theirs.detach().numpy()).max()
    assert gap <= within, gap
    print(f"the largest difference is {gap:.1e}")


# %% [markdown]
# ## The idea in a drawing
#
# Each tower makes one vector of length 1 of whatever it reads. All pictures of a batch meet all its texts in an
# $n \times n$ matrix of cosines. The $n$ pairs on the diagonal belong together; training makes them large and the
# $n^2 - n$ others small.

# %%
page = plot.Diagram(10, 3.9)
rows = {"picture": (3.3, plot.COLORS[0], "I_e", ("(n, 3, 32, 32)", "(n, 65, 64)", "(n, 64)"),
                    ("n pictures", "patches,\nclass, places", "3 blocks,\nread at class",
                     "W_i,\nlength 1")),
        "text": (0.6, plot.COLORS[1], "T_e", ("(n, 16)", "(n, 16, 64)", "(n, 64)"),
                 ("n texts,\nbyte pairs", "words,\nplaces", "2 masked blocks,\nread at end",
                  "W_t,\nlength 1"))}
matrix = page.box(8.75, 1.95, "", width=1.8, height=1.8, color=plot.COLORS[2])
for y, color, name, shapes, texts in rows.values():
    boxes = [page.box(0.75 + 2.02 * i, y, text, 1.06, 0.62, color)
             for i, text in enumerate(texts)]
    for start, end, shape in zip(boxes, boxes[1:], shapes):
        page.arrow(start, end, shape)
    page.arrow(boxes[-1], matrix, color=color)
    page.axes.text(7.05, y + (-0.7 if y > 2 else 0.7), f"{name} (n, 64)", fontsize=9,
                   color=color, ha="right", va="center")
for i, j in np.ndindex(6, 6):
    page.axes.add_patch(Rectangle((7.97 + 0.26 * j, 2.47 - 0.26 * i), 0.22, 0.22,
                                  facecolor=plot.COLORS[2] if i == j else "#d1d5db"))
page.axes.text(8.75, 0.75, "logits (n, n):\na row a picture,\na column a text", fontsize=9,
               ha="center", va="center")
page.axes.text(2.3, 1.95, "training: softmaxes along rows and along columns want the diagonal\n"
               "zero-shot: the texts are the names of classes, a row is a picture",
               fontsize=9, va="center")
plot.picture(page.figure, "Two towers. Pictures pass patches, 3 blocks and a projection, texts "
             "words, 2 masked blocks and a projection; vectors of length 1 meet in a matrix, "
             "n by n, whose diagonal is marked.")

# %% [markdown]
# | symbol | shape | what it is |
# |---|---|---|
# | $I$, $T$ | $(n, 3, R, R)$, $(n, l)$ | a batch of pictures of $R \times R$ pixels and their texts of $l$ ids |
# | $x$ | $(n, L, D)$ | tokens of a picture or a text: $L$ vectors of $D$ numbers |
# | $q, k, v$ | $(n, h, L, D/h)$ | queries, keys and values of $h$ heads |
# | $M$ | $(L, L)$ | the mask: $-\infty$ where a text would look ahead, else 0 |
# | $I_f$, $T_f$ | $(n, d_i)$, $(n, d_t)$ | what the towers read |
# | $W_i$, $W_t$ | $(d_i, d_e)$, $(d_t, d_e)$ | linear maps into the common space |
# | $I_e$, $T_e$ | $(n, d_e)$ | the same there, each of length 1 |
# | $t$ | a number | the logarithm of the inverse temperature |
# | logits | $(n, n)$ | $e^t I_e T_e^\top$: a row a picture, a column a text |
# | $w_c$ | $(d_e,)$ | what the text tower makes of the name of class $c$ |
#
# ## A web of pictures and texts
#
# The paper's WIT has 400 million pairs from the internet. Ours has 16,000, drawn by a program, so that what is on
# a picture is known: sprites (some with a label, as goods in a shop have), real handwritten digits, people who do
# something, and signs. Nobody has sorted them into classes. Each picture has *one* text, in the words of whoever
# wrote it, and sometimes with half of the truth:

# %%
web = WebPictures("test", 8)
plot.picture(plot.caption_grid([p.image for p in web], [p.text for p in web], columns=4),
             "Eight pictures with their texts: sprites, digits, stick figures and signs.")

# %% [markdown]
# Three of these kinds also exist as datasets with classes, on which the model is tested: 36 pairs of colour and
# shape, ten digits (by hands that no training picture shows), and six actions. Six of the pairs are on no picture
# of the web:

# %%
print(", ".join(f"{colour} {shape}" for colour, shape in sorted(NOVEL)))

# %% [markdown]
# ## Texts as byte pairs
#
# A vocabulary of words has no id for a word it never saw. CLIP starts from the bytes, of which every text is made,
# and joins the pair of neighbours that is most frequent in the corpus, again and again. The end of a word is
# marked, so "star" alone and "star" in "stars" are different tokens.

# %%
def learn_merges(words, count):
    """words: word -> how often it is there. The first merges, each with its frequency."""
    symbols = {word: [*word[:-1], word[-1] + "</w>"] for word in words}
    merges = []
    for _ in range(count):
        pairs = Counter()
        for word, parts in symbols.items():
            for pair in zip(parts, parts[1:]):
                pairs[pair] += words[word]
        pair, frequency = pairs.most_common(1)[0]
        merges.append((pair, frequency))
        for word in words:
            symbols[word] = join(symbols[word], pair)
    return merges


def join(parts, pair):
    """Each place where the pair stands becomes one symbol."""
    joined = []
    for part in parts:
        if joined and (joined[-1], part) == pair:
            part = joined.pop() + part
        joined.append(part)
    return joined


def cut(word, merges):
    """A word as tokens: all merges in the order in which they were learned."""
    parts = [*word[:-1], word[-1] + "</w>"]
    for pair, _ in merges:
        parts = join(parts, pair)
    return parts


words = {"star": 9, "stars": 4, "start": 2, "art": 1}
merges = learn_merges(words, 5)
assert [pair for pair, _ in merges] == list(BytePairEncoding.train(words, 512 + 5).merges)
plot.table(["merge", "pair", "how often", *words, "a new word: tart"],
           [[i + 1, " + ".join(pair), frequency,
             *(" ".join(cut(word, merges[:i + 1])) for word in [*words, "tart"])]
            for i, (pair, frequency) in enumerate(merges)],
           "Five merges of a corpus with star 9 times, stars 4, start 2, art once")

# %% [markdown]
# The package learned its merges from the texts of *our* web, in the way of the published vocabulary of 49,408
# tokens. A text is the start token, its pieces, the end token, and then zeros. Frequent words are one token; a
# word that is not there falls into pieces, so every text has ids.

# %%
experiment = LearningFromText(scale=SCALE)
experiment.prepare()
material = experiment.material
tokenizer = material.tokenizer
print(tokenizer.tokenize(["a photo of a red circle"]))
plot.table(["word", "tokens"], [[word, " | ".join(tokenizer.decode([i]).strip() or "(a byte)"
                                                  for i in tokenizer.encode(word))]
                                for word in ("circle", "circles", "rectangle", "zebra")])

# %% [markdown]
# ## The Transformer block
#
# Both towers are Transformers, and differ in what goes in and where the result is read. Two small parts first: a
# linear map, and the layer normalisation of lecture 5. Parameters get the names of the published checkpoints, so
# that weights can be exchanged with them.
#
# $$\mathrm{Linear}(x) = x W^\top + b, \qquad
# \mathrm{LN}(x) = g \odot \frac{x - \mu}{\sqrt{\sigma^2 + \epsilon}} + b$$

# %%
def weight(*shape, std):
    """A parameter, drawn with this deviation."""
    return nn.Parameter((std * rng.standard_normal(shape)).astype(np.float32))


class Linear(nn.Module):
    def __init__(self, inputs, outputs, std):
        super().__init__()
        self.weight, self.bias = weight(outputs, inputs, std=std), weight(outputs, std=0)

    def forward(self, x):
        return x @ self.weight.T + self.bias                        # (..., outputs)


class LayerNorm(nn.Module):
    def __init__(self, D):
        super().__init__()
        self.weight, self.bias = nn.Parameter(np.ones(D, np.float32)), weight(D, std=0)

    def forward(self, x):
        centred = x - x.mean(-1, keepdim=True)                      # (..., D)
        variance = (centred ** 2).mean(-1, keepdim=True)            # (..., 1)
        return self.weight * centred / (variance + 1e-5).sqrt() + self.bias


# %% [markdown]
# **Attention.** Every token asks all tokens. $D$ is split among $h$ heads, which ask different things:
#
# $$[q; k; v] = W_{in}\, x + b_{in}, \qquad
# y = \mathrm{softmax}\!\left(\frac{q k^\top}{\sqrt{D/h}} + M\right) v, \qquad
# \mathrm{attn}(x) = W_{out}\,[y_1; \dots; y_h] + b_{out}$$

# %%
class Attention(nn.Module):
    def __init__(self, D, heads, std):
        super().__init__()
        self.heads = heads
        self.in_proj_weight = weight(3 * D, D, std=D**-0.5)         # W_q, W_k and W_v, stacked
        self.in_proj_bias = weight(3 * D, std=0)
        self.out_proj = Linear(D, D, std)

    def forward(self, x, mask):
        n, L, D = x.shape
        qkv = x @ self.in_proj_weight.T + self.in_proj_bias         # (n, L, 3D)
        qkv = qkv.reshape(n, L, 3, self.heads, D // self.heads)
        q, k, v = qkv.permute(2, 0, 3, 1, 4)                        # (n, h, L, D/h) each
        scores = q @ k.transpose(2, 3) / (D // self.heads)**0.5     # (n, h, L, L)
        y = (scores + mask).softmax(-1) @ v                         # (n, h, L, D/h)
        return self.out_proj(y.transpose(1, 2).reshape(n, L, D))    # (n, L, D)


# %% [markdown]
# **The block** normalises *before* each part and adds the result to what came in ("pre-LN"). Its second part
# treats every token alone. The activation is a quick stand-in for GELU:
#
# $$x \leftarrow x + \mathrm{attn}(\mathrm{LN}_1(x)), \qquad
# x \leftarrow x + W_2\, g(W_1 \mathrm{LN}_2(x) + b_1) + b_2, \qquad g(u) = u\, \sigma(1.702\, u)$$

# %%
def quick_gelu(u):
    return u * (1.702 * u).sigmoid()


class MLP(nn.Module):
    def __init__(self, D, std):
        super().__init__()
        self.c_fc, self.c_proj = Linear(D, 4 * D, (2 * D)**-0.5), Linear(4 * D, D, std)

    def forward(self, x):
        return self.c_proj(quick_gelu(self.c_fc(x)))


class Block(nn.Module):
    def __init__(self, D, heads, layers):
        super().__init__()
        std = (2 * layers * D)**-0.5              # smaller where 2 * layers branches add up
        self.attn, self.mlp = Attention(D, heads, std), MLP(D, std)
        self.ln_1, self.ln_2 = LayerNorm(D), LayerNorm(D)

    def forward(self, x, mask):
        x = x + self.attn(self.ln_1(x), mask)
        return x + self.mlp(self.ln_2(x))


class Transformer(nn.Module):
    def __init__(self, D, heads, layers):
        super().__init__()
        self.resblocks = nn.Sequential(*[Block(D, heads, layers) for _ in range(layers)])

    def forward(self, x, mask=0.0):
        for block in self.resblocks:
            x = block(x, mask)
        return x


# %% [markdown]
# The mask of a text of four tokens: $-\infty$ becomes a weight of 0, so token $i$ sees tokens $1 \dots i$ only.

# %%
def causal(L, dtype=np.float64):
    return Tensor(np.triu(np.full((L, L), -np.inf, dtype), 1))


print(causal(4).numpy())
x = Tensor(rng.standard_normal((2, 4, 12)))                         # n=2, L=4, D=12
block, theirs = Block(12, 3, 1).double(), ResidualAttentionBlock(12, 3, causal=True).double()
theirs.load_state_dict(block.state_dict())
same(block(x, causal(4)), theirs(x.transpose(0, 1)).transpose(0, 1))   # theirs is (L, n, D)

# %% [markdown]
# ## The picture tower
#
# A Vision Transformer cuts the picture into patches of $p \times p$ pixels, and makes a token of each by one
# linear map. In front stands a token that is learned, the "class token"; to all of them their learned places are
# added. CLIP normalises once before the first block. The result is read at the class token, which has looked at
# all patches:
#
# $$x_0 = e_{class}, \quad x_j = W_p\, \mathrm{patch}_j, \quad
# x \leftarrow \mathrm{Transformer}(\mathrm{LN}_{pre}(x + e_{pos})), \quad
# I_f = \mathrm{LN}_{post}(x_0)$$

# %%
class Patches(nn.Module):
    def __init__(self, p, D):
        super().__init__()
        self.weight = weight(D, 3, p, p, std=(3 * p * p)**-0.5)

    def forward(self, image):
        D, _, p, _ = self.weight.shape
        n, _, R, _ = image.shape
        x = image.reshape(n, 3, R // p, p, R // p, p).permute(0, 2, 4, 1, 3, 5)
        x = x.reshape(n, (R // p)**2, 3 * p * p)                    # each patch as one row
        return x @ self.weight.reshape(D, 3 * p * p).T              # (n, (R/p)^2, D)


class PictureTower(nn.Module):
    def __init__(self, R, p, D, heads, layers, d_e):
        super().__init__()
        self.conv1 = Patches(p, D)                # the published name: it is a convolution, too
        self.class_embedding = weight(D, std=D**-0.5)
        self.positional_embedding = weight(1 + (R // p)**2, D, std=D**-0.5)
        self.ln_pre, self.ln_post = LayerNorm(D), LayerNorm(D)
        self.transformer = Transformer(D, heads, layers)
        self.proj = weight(D, d_e, std=D**-0.5)                     # W_i

    def features(self, image):
        x = self.conv1(image)                                       # (n, L - 1, D)
        first = self.class_embedding.expand(len(x), 1, x.shape[2])  # (n, 1, D)
        x = F.cat([first, x], 1) + self.positional_embedding        # (n, L, D)
        x = self.transformer(self.ln_pre(x))
        return self.ln_post(x[:, 0])                                # I_f (n, D)

    def forward(self, image):
        return self.features(image) @ self.proj                     # I_f W_i (n, d_e)


# %% [markdown]
# ## The text tower
#
# Ids become vectors from a table; places are added; the blocks have the mask. The only place that has seen all of
# a text is its end, so the feature is read there (not at the last of the $l$ places, which is padding). The end
# token has the largest id of all, which is how the position is found:
#
# $$x_j = e_{T_j} + e_{pos, j}, \qquad
# T_f = \mathrm{LN}_{final}(\mathrm{Transformer}(x))_{end}, \qquad end = \arg\max_j T_j$$

# %%
class TextTower(nn.Module):
    def __init__(self, V, L, D, heads, layers, d_e):
        super().__init__()
        self.token_embedding = nn.Embedding(V, D)
        nn.init.normal_(self.token_embedding.weight, std=0.02)
        self.positional_embedding = weight(L, D, std=0.01)
        self.transformer = Transformer(D, heads, layers)
        self.ln_final = LayerNorm(D)
        self.text_projection = weight(D, d_e, std=D**-0.5)          # W_t

    def text_features(self, ids):
        x = self.token_embedding(ids) + self.positional_embedding   # (n, L, D)
        x = self.transformer(x, causal(ids.shape[1], x.dtype))
        end = Tensor(ids.numpy().argmax(1))                         # (n,)
        return self.ln_final(x[Tensor(np.arange(len(ids))), end])   # T_f (n, D)

    def encode_text(self, ids):
        return self.text_features(ids) @ self.text_projection       # T_f W_t (n, d_e)


# %% [markdown]
# ## Both together
#
# $$I_e = \frac{I_f W_i}{\lVert I_f W_i \rVert}, \qquad T_e = \frac{T_f W_t}{\lVert T_f W_t \rVert}, \qquad
# \text{logits} = e^t\, I_e T_e^\top$$

# %%
def l2_normalize(x):
    return x / (x ** 2).sum(1, keepdim=True).sqrt()                 # each row of length 1


class SmallCLIP(TextTower):
    """A text tower, a picture tower and a temperature."""

    def __init__(self, vocabulary):
        super().__init__(V=vocabulary, L=16, D=64, heads=2, layers=2, d_e=64)
        self.visual = PictureTower(R=32, p=4, D=64, heads=2, layers=3, d_e=64)
        self.logit_scale = nn.Parameter(np.float32(np.log(1 / 0.07)))   # t

    def encode_image(self, image):
        return self.visual(image)

    def forward(self, image, ids):
        I_e = l2_normalize(self.encode_image(image))                # (n, d_e)
        T_e = l2_normalize(self.encode_text(ids))                   # (n, d_e)
        return self.logit_scale.exp() * (I_e @ T_e.T)               # (n, n)


# %% [markdown]
# That is all of CLIP. The package's variant `vit` has these sizes. With the same weights it gives the same
# logits. (`pictures` divides bytes by 255, subtracts each colour's mean and divides by its deviation;
# `material.ids` is `tokenizer.tokenize`.)

# %%
model = SmallCLIP(len(tokenizer))
package = build("vit", len(tokenizer)).double()
package.load_state_dict(model.state_dict())
images, texts = material.pairs
some, ids = pictures(images[:5]).double(), Tensor(material.ids(texts[:5]))
same(model.double()(some, ids), package(some, ids)[0])

# %% [markdown]
# ## (1) Contrastive pre-training
#
# The slide's pseudo-code, line by line, as Tensor operations:

# %%
def cross_entropy_loss(logits, labels, axis):
    log_p = logits.log_softmax(axis)                # sums to 1 along the axis
    return -log_p[labels, labels].mean()            # the label of row or column i is i


def symmetric_loss(logits):
    labels = Tensor(np.arange(len(logits)))
    loss_i = cross_entropy_loss(logits, labels, axis=0)
    loss_t = cross_entropy_loss(logits, labels, axis=1)
    return (loss_i + loss_t)/2


n, d_i, d_t, d_e = 6, 8, 7, 4
I_f, T_f = Tensor(rng.standard_normal((n, d_i))), Tensor(rng.standard_normal((n, d_t)))
W_i, W_t = Tensor(rng.standard_normal((d_i, d_e))), Tensor(rng.standard_normal((d_t, d_e)))
t = Tensor(np.log(1 / 0.07))
I_e = l2_normalize(I_f @ W_i)
T_e = l2_normalize(T_f @ W_t)
logits = I_e @ T_e.T * t.exp()
same(symmetric_loss(logits), clip.contrastive_loss(I_f, T_f, W_i, W_t, t))

# %% [markdown]
# > **Corrections to the slide.**
# >
# > - **`loss_i` is the texts' loss.** The rows of `logits` are pictures. With `axis=0` the softmax runs over the
# >   pictures, *for each text*: the other way round than the names suggest. Their mean does not care.
# > - **"$t$ - learned temperature parameter"**: it is the logarithm of the *inverse* temperature. It starts at
# >   $\ln(1/0.07) = 2.66$, and $e^t$ is kept at 100 or less by setting $t$ back after a step. That is not on the
# >   slide.
# > - **"T[n, 1]"** is $T[n, l]$, $l$ the length of a text.
# > - **The lengths** are made 1 *after* the projection. Before it would be something else.
# > - **"ResNet", "CBOW"**: the ResNet is not the usual one, and no code for CBOW was published (see below).
#
# Counter-examples. First: text 0 fits all three pictures, and pictures 1 and 2 fit two texts each.

# %%
one_for_all = Tensor([[9.0, 0, 0], [9, 9, 0], [9, 0, 9]])           # rows are pictures
labels = Tensor(np.arange(3))
plot.table(["", "axis", "value", "who has to choose", "by hand"],
           [["loss_i", 0, cross_entropy_loss(one_for_all, labels, 0).item(),
             "text 0, among three pictures", f"ln 3 / 3 = {np.log(3) / 3:.3f}"],
            ["loss_t", 1, cross_entropy_loss(one_for_all, labels, 1).item(),
             "pictures 1 and 2, among two texts", f"2 ln 2 / 3 = {2 * np.log(2) / 3:.3f}"]])

# %%
lengths = ((l2_normalize(I_f) @ W_i) ** 2).sum(1).sqrt()
print("vectors of length 1, projected afterwards, have lengths", lengths.numpy().round(2))

bound = tinymm.tensor(5.0, requires_grad=True)              # as if a step had gone too far
with no_grad():
    bound.copy_(bound.clamp(max=np.log(100)))
bound.exp().backward()
print(f"e^t = {bound.exp().item():.2f} after setting t back; its gradient still flows: "
      f"{bound.grad.item():.1f}")

# %% [markdown]
# **Three values to know.** If all embeddings are the same, each of $n$ texts is as likely: $\ln n$. One pair alone
# has nothing to be told from: 0, with no gradient. And for pictures and texts that have nothing to do with each
# other the loss is *above* $\ln n$, since $e^t = 14$ spreads the logits: for independent normal logits of variance
# $s^2$ it is $\ln n + s^2/2$.

# %%
noise, n = rng.standard_normal((1000, 1000)), 1000
plot.table(["logits", "loss", "expected"],
           [["all the same, n = 64", symmetric_loss(Tensor(np.ones((64, 64)))).item(),
             np.log(64)],
            ["one pair", symmetric_loss(Tensor([[14.0]])).item() + 0.0, 0.0],
            *([f"independent, n = {n}, s = {s}", symmetric_loss(Tensor(s * noise)).item(),
               np.log(n) + s**2 / 2] for s in (0.5, 1.0, 1.5))])

# %% [markdown]
# ## Training
#
# The loop, once. AdamW as in the paper: matrices decay, while gains, biases and the temperature do not.

# %%
model = model.to(dtype="float32")
parameters = list(model.parameters())
optimiser = tinymm.optim.AdamW(
    [{"params": [p for p in parameters if p.ndim >= 2], "weight_decay": 0.2},
     {"params": [p for p in parameters if p.ndim < 2], "weight_decay": 0.0}],
    lr=1e-3, betas=(0.9, 0.98), eps=1e-6)
all_ids, order, history = material.ids(texts), np.random.default_rng(1), []
for step in range(250 if SCALE == "lecture" else 3):
    rows = order.integers(0, len(images), 64)                       # n = 64 pairs
    loss = symmetric_loss(model(pictures(images[rows]), Tensor(all_ids[rows])))
    optimiser.zero_grad()
    loss.backward()
    optimiser.step()
    with no_grad():
        model.logit_scale.copy_(model.logit_scale.clamp(max=np.log(100)))
    history.append(loss.item())
plot.picture(plot.loss_curves({"training": history}, ylabel="contrastive loss (nats)",
                              chance={"ln 64: nothing known": np.log(64)}),
             "The loss of the small model falls from above ln 64.")

# %% [markdown]
# ## (2) A classifier from the names of classes
#
# $$w_c = \frac{m_c}{\lVert m_c \rVert}, \qquad
# m_c = \frac{1}{P} \sum_{j=1}^{P} T_e(\text{prompt}_j \text{ with } c), \qquad
# \text{logits} = e^t\, I_e w_c^\top$$
#
# The text tower's outputs are the weights of a linear classifier without bias. With several prompts each
# output is made of length 1, then they are averaged *as vectors*, and the mean is made of length 1 again. So an
# ensemble of eighty costs no more than one prompt when pictures are classified. (It is not on the slide.)

# %%
def classifier(model, names, prompts):
    """The weights w (C, d_e) of C classes, from their names alone."""
    texts = [prompt.format(name) for name in names for prompt in prompts]
    with no_grad():
        T_e = l2_normalize(model.encode_text(Tensor(tokenizer.tokenize(texts))))
        T_e = T_e.reshape(len(names), len(prompts), -1)                         # (C, P, d_e)
        return l2_normalize(T_e.mean(1))


def accuracy(model, dataset, prompts):
    """The share of pictures whose largest logit is the right class's; e^t changes no rank."""
    w = classifier(model, dataset.names, prompts)
    with no_grad():
        I_e = l2_normalize(model.encode_image(pictures(dataset.images)))        # (n, d_e)
    return ((I_e @ w.T).numpy().argmax(1) == dataset.labels).mean()


prompts = PROMPTS["digits"]["ensemble"]
package = package.to(dtype="float32")
package.load_state_dict(model.state_dict())
same(classifier(model, CLASSES["digits"], prompts),
     clip.zero_shot_weights(package, tokenizer, CLASSES["digits"], prompts), within=1e-6)
tests = {name: parts["test"] for name, parts in material.labelled.items()}
plot.table(["dataset", "classes", "guessing, %", "the small model, %", "its prompts"],
           [[name, len(CLASSES[name]), f"{100 / len(CLASSES[name]):.1f}",
             f"{100 * accuracy(model, data, PROMPTS[name]['ensemble']):.1f}",
             ", ".join(PROMPTS[name]["ensemble"][:2]) + ", ..."]
            for name, data in tests.items()],
           f"Zero-shot, after {len(history)} steps")

# %% [markdown]
# No picture of these datasets was shown with its class. What longer training does comes now.
#
# ## The package's training
#
# The same loop in a `Trainer`, 1,500 steps, with the default picture tower, a ResNet (built below). Afterwards
# Visual N-Grams, the slide's other row, learns from the same pictures and texts.

# %%
def train(experiment):
    """What `python -m tinymm lecture 8` does, without its files: metrics and seconds."""
    tinymm.manual_seed(experiment.seed)
    experiment.trained, seconds = fit(experiment)
    experiment.measured = experiment.evaluate(experiment.trained)
    return experiment.measured.metrics, seconds


metrics, seconds = train(experiment)
trained = experiment.trained
print(f"{seconds:.0f} s; {metrics['parameters']:,} parameters")
plot.claims_table(claim.as_dict() for claim in experiment.claims(metrics))

# %% [markdown]
# (An idle machine with two cores takes about three minutes.) At smoke scale nothing is learned in a dozen steps and
# most claims fail. At the lecture's scale two claims hang by a few pictures:
#
# - **On each of the three datasets, as in the slide's table** failed in the run that is printed here. Six poses are
#   so easily told apart that both systems are right on 99.7 % of the actions, and a tie is not "better". On the seeds
#   1, 2 and 3 the claim held, by 4, 1 and 5 pictures of 720 ([the record](../docs/claims/lecture_08.md)).
# - **A linear probe on $I_f$ is no worse than zero-shot** holds here, and failed at each of those seeds by three
#   pictures of 720. The probe is fitted to 1,440 labelled pictures, the classifier from
#   text comes out of 16,000 pairs of the very same world. The paper's datasets are not drawn by the program that drew
#   the pairs: there a probe on CLIP's features is mostly ahead, by 10 to 25 points. (Its well-known "16 of 27"
#   compares zero-shot with a probe on the features of a supervised ResNet.)

# %%
plot.picture(figures.loss(trained.trainer),
             "The contrastive loss over the steps, with lines at ln 64 and at the first loss.")

# %% [markdown]
# It cannot end at 0: of 64 pictures some show the same thing, and their texts may as well be exchanged. Every
# picture with every text, as the training goes on:

# %%
plot.picture(figures.similarity(trained.snapshots, material.shown[1]),
             "Cosines of 16 texts and 16 pictures before, early in and after the training.")

# %% [markdown]
# The diagonal sharpens. What is bright beside it are kinds of pictures, and texts with half of the truth
# ("something red") that fit more than one. The inverse temperature goes its own way: it falls while the model knows
# too little to be sure of anything, then rises.

# %%
plot.picture(figures.temperature(trained.trainer),
             "The inverse temperature over the steps, beside its start at 14.3.")

# %% [markdown]
# ## (3) Zero-shot prediction
#
# Of each dataset two pictures that are right and, where there are any, two that are wrong:

# %%
plot.picture(figures.examples(trained.model, material),
             "Test pictures with the class that is said, and its probability; wrong in red.")

# %% [markdown]
# Look at the wrong ones. Pairs that no training picture shows are wrong more often than others, and the answer is a
# *near* pair, with one word right. At some of the wrong digits people hesitate, too.

# %%
plot.picture(figures.ways(metrics, material),
             "Accuracy of name alone, one prompt, ensemble and linear probe, with intervals.")

# %% [markdown]
# The bars are what a test of this size leaves open; where two overlap widely, do not read an order into them. One
# gap is beyond doubt: **a name alone** is seldom the whole of a text on the web, and it may mean several things
# ("seven" is a digit, or a word on a sign). The paper found the same: 1.3 points on ImageNet for "a photo of a
# ...", about five with an ensemble of eighty prompts. Here one prompt does nearly all of it, because our web has
# only eight ways to begin a text.
#
# The probe *is* shown labelled digits, and gets hardly further: so the features are the limit, not the text. That
# is what the slide's distinction is for: *task learning* (zero-shot) and *representation learning* (the probe).

# %%
plot.picture(figures.classifier(trained.model, tokenizer),
             "Cosines of the zero-shot weights of six shapes and six colours.")

# %% [markdown]
# What the text tower has made of names: its classifier's weights. Shapes are mostly nearer to other shapes than to
# colours.
#
# ## Visual N-Grams
#
# The slide's other row (Li et al. 2017) learned from pictures and texts, too. It has a dictionary of phrases, an
# embedding $e_w$ for each, and predicts which of them go with a picture $\phi$:
#
# $$p_{obs}(w|\phi) \propto \exp(-e_w^\top\phi), \qquad
# p(w_i|w_{i-n+1}^{i-1}) = \lambda\, p_{obs}(w_i|w_{i-n+1}^{i-1}) + (1-\lambda)\, p(w_i|w_{i-n+2}^{i-1})$$
#
# $p_{obs}$ of a word after others is the ratio of two phrases' $p_{obs}$, and 0 where the longer one is not in the
# dictionary. The second line is Jelinek-Mercer smoothing: it scores a phrase that is not in the dictionary by
# shorter ones that are.

# %%
def smoothed(word, history, p, lam=0.2):
    """p(word | history, picture); p has p_obs of each phrase of the dictionary."""
    if not history:
        return p[(word,)]
    longer = (*history, word)
    ratio = p[longer] / p[history] if longer in p and history in p else 0.0
    return lam * ratio + (1 - lam) * smoothed(word, history[1:], p, lam)


comments = [["the", "street", "market"], ["the", "market"], ["a", "street"]]
ngrams = VisualNGrams(5, NGramDictionary.build(comments, order=2), smoothing=0.2)
phi = Tensor(rng.standard_normal((1, 5)).astype(np.float32))
p_obs = (-(phi @ ngrams.e.T)).softmax(1)[0].detach().numpy()        # (|D|,), sums to 1
p = dict(zip(ngrams.dictionary.phrases, p_obs.astype(float)))
rows = []
for phrase in (("street", "market"), ("market", "street")):
    score = np.log(smoothed(phrase[0], (), p)) + np.log(smoothed(phrase[1], phrase[:1], p))
    theirs = ngrams.score(phi, [phrase])[0, 0]
    assert abs(score - theirs) < 1e-5
    rows.append([" ".join(phrase), "yes" if phrase in p else "no", score, theirs])
plot.table(["phrase", "in the dictionary", "ln p, here", "ln p, the package"], rows)

# %% [markdown]
# Order matters, as long as the dictionary has the phrase in one order.
#
# > **A caution.** All phrases share one softmax, so a "conditional" $p_{obs}(a\,b)/p_{obs}(a)$ may exceed 1, and
# > $-\sum \ln p$ has no lower bound: a model can make it as small as it likes by letting $p_{obs}(a)$ vanish.
# > Our baseline therefore *learns* by the naive sum over the comment's phrases, and is *asked* with smoothing.

# %%
rows, street = [], ngrams.dictionary[["street"]]
with no_grad():
    for _ in range(4):
        rows.append([ngrams.log_p_obs(phi)[0, street].item(),
                     ngrams.loss(phi, comments[:1]).item()])
        ngrams.e[street] += 4 * phi[0]                              # makes the word less likely
plot.table(["ln p_obs(street)", "loss of 'the street market'"], rows)

# %% [markdown]
# ### The slide's table, and ours

# %%
PAPER = {"Visual N-Grams": ("72.4", "11.5", "23.0"), "CLIP": ("98.4", "76.2", "58.5")}
ours = {"Visual N-Grams": metrics["visual n-grams"], "CLIP": metrics["zero-shot"]["ensemble"]}
plot.table(["zero-shot, %", "aYahoo", "ImageNet", "SUN", *(f"{c}, here" for c in CLASSES)],
           [[name, *PAPER[name], *(f"{100 * row[c]:.1f}" for c in CLASSES)]
            for name, row in ours.items()], "Left three: the slide. Right three: this run")

# %%
plot.picture(figures.table(metrics, material),
             "Visual N-Grams and CLIP on three datasets, on seen and on unseen pairs.")

# %% [markdown]
# **What carries over**: CLIP is far ahead on sprites and digits (of actions see above), and most of all on pairs of
# colour and shape that *neither* has seen together. "blue heart" is not in the dictionary. Smoothing gives it the
# product of its words, but discounted, so that "red heart" or "blue star", which are there, win. The last group shows
# that the knowledge is not what is missing: among the six unseen pairs only, which are discounted alike, the phrases
# do well. It is the score that does not compose; CLIP's text tower does.
#
# **What does not carry over** is the size of the gap. The paper's two systems differ in data (400 million pairs
# against 30 million), networks and years, as its authors say; ours differ only in what the texts are used for.
#
# ### OCR, actions, fine-grained classes
#
# The slide's list of tasks that nobody trained for. Signs teach reading; people who run and jump stand for action
# recognition; "fine-grained" are classes that differ in one word. Geo-localisation has no counterpart here.

# %%
reading, best = metrics["reading"], metrics["zero-shot"]["ensemble"]
tasks = [("OCR: words on signs", reading["words"], reading["accuracy"]),
         ("OCR: handwritten digits", 10, best["digits"]), ("actions", 6, best["actions"]),
         ("fine-grained: colour and shape", 36, best["sprites"])]
plot.table(["task", "classes", "guessing, %", "zero-shot, %"],
           [[task, k, f"{100 / k:.1f}", f"{100 * share:.1f}"] for task, k, share in tasks])

# %% [markdown]
# ## Where it fails: the typographic attack
#
# A model that has learned to read may take a word for the thing (Goh et al. 2021, *Multimodal Neurons in
# Artificial Neural Networks*: an apple with a note "iPod" on it became an iPod). The same sprites four times:

# %%
plot.picture(figures.attacked_pictures(material.attacked, experiment.measured.said),
             "Three sprites with nothing, a blank label, the right and a wrong word; answers.")

# %%
plot.picture(figures.attack_shares(metrics["attack"], material.attacked),
             "Accuracy under each attack, and how often the wrong word is the answer.")

# %% [markdown]
# A blank label already costs something, because it distracts; the attack is what the *wrong word* costs on top:
# over three other seeds 3 to 14 points, and the word is the answer in 10 to 15 % of the pictures, with a blank
# label in 4 to 10 %. It works, but it is no match for what happens to the published model. The world was made to
# make it possible: 30 % of the sprites of our web have a label, and a word on it is always true.
#
# ## The other towers
#
# **The ResNet** differs from the usual one in three places: a stem of three convolutions; a mean over $2 \times 2$
# before each convolution that halves the picture; and at the end no mean over the $H W$ places but *attention*,
# with their mean as the only query:
#
# $$x = [\bar x;\, x_1; \dots; x_{HW}] + e_{pos}, \qquad
# I_f = \mathrm{softmax}\!\left(\frac{(W_q x_0)(W_k x)^\top}{\sqrt{C/h}}\right) W_v x$$

# %%
def attention_pool(grid, pool):
    """grid (n, C, H, W) -> I_f (n, C); pool has the weights."""
    n, C, H, W = grid.shape
    x = grid.reshape(n, C, H * W).transpose(1, 2)                   # (n, HW, C)
    x = F.cat([x.mean(1, keepdim=True), x], 1) + pool.positional_embedding
    split = lambda y: y.reshape(n, -1, pool.num_heads, C // pool.num_heads).transpose(1, 2)
    q, k, v = split(pool.q_proj(x[:, :1])), split(pool.k_proj(x)), split(pool.v_proj(x))
    scores = q @ k.transpose(2, 3) / (C // pool.num_heads)**0.5     # (n, h, 1, 1 + HW)
    return (scores.softmax(-1) @ v).reshape(n, C)


pool, grid = AttentionPool2d(2, 8, 2, 3).double(), Tensor(rng.standard_normal((4, 8, 2, 2)))
same(attention_pool(grid, pool), pool.features(grid))

# %% [markdown]
# **CBOW**, the bag of words, stands in the pseudo-code and in a study of efficiency only. Our reading of it: the
# mean of the vectors of a text's words, $T_f = \mathrm{LN}(\frac{1}{m} \sum_j e_{T_j})$, without start and end. It
# cannot tell "market street" from "street market".

# %%
def bag_of_words(x, end):
    """x (n, L, D), end (n,) -> (n, D)."""
    return F.stack([row[1:stop].mean(0) for row, stop in zip(x, end)])


ids = tokenizer.tokenize(["street market", "market street"])
x = model.token_embedding(Tensor(ids))
bags = bag_of_words(x, ids.argmax(1))
same(bags, mean_of_words(x, ids.argmax(1)), within=1e-6)
print("the two bags differ by", np.abs((bags[0] - bags[1]).detach().numpy()).max().round(7))
e = l2_normalize(model.encode_text(Tensor(ids))).detach().numpy()
print("cosine of the two texts in the small model:", (e[0] @ e[1]).round(4))

# %% [markdown]
# Now all of them at length: with a bag of words, with the Vision Transformer that the cells above have built, and
# a control, where every picture has the text of some other:

# %%
def variant(name):
    other = LearningFromText(name, SCALE)
    other.material = material                     # the same pairs and tests
    return train(other)


found = {"resnet": (metrics, seconds), "cbow": variant("cbow")}

# %%
found["vit"] = variant("vit")

# %%
found["shuffled"] = variant("shuffled")
columns = (*CLASSES, "seen pairs", "unseen pairs")
plot.table(["zero-shot, %", *columns, "seconds"],
           [[name, *(f"{100 * of['zero-shot']['ensemble'][c]:.1f}" for c in columns),
             f"{seconds:.0f}"] for name, (of, seconds) in found.items()])

# %%
compared = LearningFromText.compare({name: of for name, (of, _) in found.items()})
plot.claims_table(claim.as_dict() for claim in compared)

# %% [markdown]
# - **"A Vision Transformer does as well"** fails, here and at two of three other seeds. That a thing is the same
#   thing elsewhere is born into a convolution; a Vision Transformer has to learn it from the pictures, and from
#   16,000 it learns that less well, digits worst of all, though it trains for twice as many rounds. In the paper,
#   with 400 million pairs, Vision Transformers need about a third of a ResNet's computation for the same result.
# - **A bag of words** does as well: in our texts the order of words says nothing, so there is less to learn. On pairs
#   that were never seen neither is reliably ahead, from seed to seed. (It is also misled more often by a wrong word.)
# - **Shuffled texts** leave the model at chance: what it knows, it has from the pairing alone.
#
# ## The published model
#
# `CLIP.from_pretrained(FOLDER)` reads the published weights, in Hugging Face's layout or OpenAI's, and
# `python -m tinymm zero-shot PICTURE --labels "a dog" "a cat" --model FOLDER` classifies your own pictures.
#
# ## Summary
#
# - Two towers, $n \times n$ cosines, cross-entropy along both axes: that is the whole method. Nothing is generated.
# - The loss starts near $\ln n + s^2/2$, not $\ln n$, and cannot reach 0 where texts fit several pictures. $t$ is
#   the logarithm of the inverse temperature, and is bounded after each step.
# - Names, put into prompts, are the weights of a classifier. Prompts are averaged as vectors of length 1.
# - Zero-shot says what the model knows of the task, a linear probe what its features hold.
# - It composes: pairs that it never saw are mostly found. It also reads, and so can be misled by words.
#
# ## Questions
#
# 1. With batches of 32,768 instead of 64, what is $\ln n$? What does a larger batch ask of the model that a smaller
#    one does not, and what if two of its texts are the same?
# 2. $e^t$ is bounded by 100. Which two logits can then differ most, and how small can the loss of one pair become
#    with $n = 64$?
# 3. Why are prompts averaged as vectors of length 1, and not as they come, or as probabilities?
#
# ## Things to try
#
# 1. Which texts does the model confuse? Sort `trained.snapshots.taken[-1]` by what is off the diagonal.
# 2. Write your own classes: `classifier(trained.model, ["something red", "something blue"], ["{}"])`. And what if
#    the prompt says that there is a label, "a photo of a {} with a label": does that undo the attack?
# 3. The exercise: `python -m tinymm exercise 08` writes your file, `python -m tinymm check 08 FILE` checks it.
