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
# # Lecture 4: Show, Attend and Tell
#
# Xu et al., *Show, Attend and Tell: Neural Image Caption Generation with Visual Attention*, ICML 2015. A captioner that
# looks at one place of the picture for each word it says, and learns where to look from captions alone. This notebook
# goes through the slides in their order: each equation stands beside the code that computes it, each misprint beside a
# counter-example, and at the end a model is trained three times, with soft attention, with hard attention, and with the
# doubly stochastic penalty.

# %%
# %matplotlib inline
import inspect
import itertools
import os

import numpy as np

import tinymm
import tinymm.functional as F
from tinymm import Tensor, no_grad, plot
from tinymm.data.worlds.digit_scenes import DigitScenes
from tinymm.experiments.lecture_04 import figures
from tinymm.experiments.lecture_04.experiment import ShowAttendAndTell
from tinymm.experiments.running import run
from tinymm.models import attention_objective as objective
from tinymm.models.caption_likelihood import caption_log_prob
from tinymm.models.conv_encoder import ConvEncoder
from tinymm.models.show_attend_and_tell import ShowAttendTell

SCALE = os.environ.get("TINYMM_SCALE", "lecture")   # "smoke" when the tests execute this notebook


def show(*functions):
    for function in functions:
        print(inspect.getsource(function))


# %% [markdown]
# ## The world
#
# Photographs say what is in them, but not *where* the word "giraffe" should make a model look. So the pictures here are
# composed: two or three digits of **real handwriting** (UCI, 1,797 originals; no original is in two parts of the split),
# with sizes and relations, and five true sentences about each. Which digit stands where is kept, for the examination; the
# model never sees it.

# %%
scenes = DigitScenes("test", 6)
plot.caption_grid([s.image for s in scenes.scenes], [" ".join(s.captions[0].words) for s in scenes.scenes], columns=6)

# %%
for caption in scenes[2].captions:
    print(" ".join(caption.words))

# %% [markdown]
# The sentences mention the digits in reading order. That matters: the slide's $\alpha_t$ is computed from $h_{t-1}$,
# which has *not yet seen* $y_{t-1}$. The attention can be on the right digit only if the words before tell which digit
# comes next.
#
# ## Encoder
#
# $a = \{a_1, \dots, a_L\}$, $a_i \in \mathbb{R}^D$. In the paper, VGG's last convolution gives $14 \times 14 \times 512$, so
# $L = 196$ and $D = 512$. Here three stages of convolution and pooling give a grid of $6 \times 6$, and each $a_i$ sees 22
# pixels of the picture, so that "looking at location $i$" means something definite.

# %%
encoder = ConvEncoder(1)
a = encoder(Tensor(scenes.images()))
print("a:", a.shape, " (B, L, D)")
print("receptive field:", encoder.receptive_field, "pixels, every", encoder.stride)
print("a_14 sees (top, left, bottom, right) =", encoder.field(14, 48, 48))
show(ConvEncoder.forward)

# %% [markdown]
# ## Attention
#
# $$e_t = f_{\text{att}}(a, h_{t-1}), \qquad \alpha_t = \text{softmax}(e_t)$$
#
# with the MLP $e_{ti} = u^\top\tanh(W_a a_i + b_a + W_h h_{t-1})$. The paper's code adds a constant $c$; a softmax does not
# see it.

# %%
show(ShowAttendTell.scores)

# %% [markdown]
# ## Stochastic (hard) attention
#
# The location $s_t$ is a random variable, $p(s_{t,i} = 1 \mid s_{<t}, a) = \alpha_{t,i}$, and the model reads
# $\hat z_t = \sum_i s_{t,i}\, a_i$: the vector at one place. (The slide's first $\hat z$ lacks its index $t$.)
#
# $\log p(y|a) = \log\sum_s p(s|a)\,p(y|s,a)$ has $L^C$ terms. Jensen's inequality moves the logarithm inside:
#
# $$\log p(y|a) \;\geq\; \sum_s p(s|a) \log p(y|s,a) = L_s .$$
#
# With $L = 3$ places and $C = 3$ words there are 27 paths, and everything can be enumerated.

# %%
tinymm.manual_seed(1)
L, C, K = 3, 3, 6
small = ShowAttendTell(features=4, vocabulary=K, embedding=5, hidden=6, attention=5, hard=True).double()
with no_grad():
    for p in small.parameters():
        p.mul_(3.0)   # far from uniform, so that the places differ
small_a = Tensor(np.random.default_rng(0).standard_normal((1, L, 4)))
y, targets = Tensor([[0], [4], [5]]), Tensor([[4], [5], [2]])
mask = Tensor(np.ones((C, 1), bool))
paths = np.array(list(itertools.product(range(L), repeat=C)))                          # (27, C)


def enumerate_paths(model=small):
    """log p(s|a) and log p(y|s,a) of all 27 paths, each as one row of a batch."""
    repeat = lambda t, n: Tensor(np.repeat(t.numpy(), n, axis=1))
    decoded = model(Tensor(np.repeat(small_a.numpy(), 27, 0)), repeat(y, 27), locations=paths.T)
    everywhere = Tensor(np.ones((C, 27), bool))
    return objective.path_log_prob(decoded, everywhere), caption_log_prob(decoded.logits, repeat(targets, 27))


log_ps, log_py = enumerate_paths()
bound = (log_ps.exp() * log_py).sum()
print(f"sum of p(s|a) = {log_ps.exp().sum().item():.12f}")
print(f"L_s = {bound.item():.4f}  <=  log p(y|a) = {F.logsumexp(log_ps + log_py, 0).item():.4f}")

# %% [markdown]
# Its gradient has two parts, because the parameters move both what is said at a place and where one looks:
#
# $$\frac{\partial L_s}{\partial W} = \sum_s p(s|a)\left[\frac{\partial \log p(y|s,a)}{\partial W}
# + \log p(y|s,a)\,\frac{\partial\log p(s|a)}{\partial W}\right].$$
#
# Added up over the 27 paths, and beside it a finite difference of the enumerated $L_s$ along a random direction:

# %%
parameters = list(small.parameters())
flat = lambda gradients: np.concatenate([g.numpy().ravel() for g in gradients])
p_s = log_ps.exp().detach()
exact = flat(tinymm.grad((p_s * (log_py + log_py.detach() * log_ps)).sum(), parameters))


def bound_at(shift):
    """L_s with the parameters moved by ``shift``."""
    with no_grad():
        for p, part in zip(parameters, np.split(shift, np.cumsum([p.numel() for p in parameters])[:-1])):
            p.add_(part.reshape(p.shape))
        log_ps, log_py = enumerate_paths()
        for p, part in zip(parameters, np.split(shift, np.cumsum([p.numel() for p in parameters])[:-1])):
            p.sub_(part.reshape(p.shape))
    return (log_ps.exp() * log_py).sum().item()


direction = np.random.default_rng(5).standard_normal(exact.size) * (exact != 0)   # not along E y_0, which is constant
numeric = (bound_at(1e-5 * direction) - bound_at(-1e-5 * direction)) / 2e-5
print(f"the sum of terms gives {exact @ direction:.8f}, the finite difference {numeric:.8f}")

# %% [markdown]
# Nobody enumerates $196^{20}$ paths. Monte Carlo takes $N$ sampled ones (on this slide $N$ is the number of samples; on the
# next, a sum over places runs to "$N$", which must be $L$). The estimate is unbiased and noisy; subtracting a **baseline**
# $b$ from the reward leaves the mean and lowers the variance. The full estimate has two more numbers:
#
# $$\frac{1}{N}\sum_n\left[\frac{\partial\log p(y|\tilde s^n,a)}{\partial W} + \lambda_r\,(\log p(y|\tilde s^n,a) - b)\,
# \frac{\partial\log p(\tilde s^n|a)}{\partial W} + \lambda_e\frac{\partial H[\tilde s^n]}{\partial W}\right]$$
#
# Careful: with $\lambda_r \neq 1$ or $\lambda_e \neq 0$ this is *not* an unbiased estimate of $\partial L_s$. The authors' code
# has $\lambda_r = 0.1$ and $\lambda_e = 0.002$.

# %%
show(objective.hard_objective, objective.MovingAverage)

# %%
N, samples = 500, {}
small.soft_share = 0.0   # no image sees the soft context: the estimate itself
for name, b in {"b = 0": 0.0, "b = mean of log p": float((p_s * log_py).sum())}.items():
    tinymm.manual_seed(2)
    rows = []
    for _ in range(N):
        decoded = small(small_a, y)
        loss, _ = objective.hard_objective(decoded, targets, mask, baseline=b)
        rows.append(-flat(tinymm.grad(loss, parameters)))
    samples[name] = np.array(rows)
for name, rows in samples.items():
    z = (rows.mean(0) - exact) / (rows.std(0, ddof=1) / np.sqrt(N) + 1e-12)
    print(f"{name:<20} total variance {rows.var(0).sum():8.2f};  mean over {N} samples within {np.abs(z).max():.1f} standard errors")

# %%
plot.bars({name: rows.var(0).sum() for name, rows in samples.items()}, ylabel="total variance of the gradient",
          title="Both have the right mean")

# %% [markdown]
# ## Deterministic (soft) attention
#
# $\mathbb{E}_{p(s_t|a)}[\hat z_t] = \sum_{i=1}^{L}\alpha_{t,i}\,a_i$: read the average over all places, weighted. Everything is
# differentiable, and no sampling is needed. The gate $\beta_t = \sigma(f_\beta(h_{t-1}))$ scales it: a *scalar*, as the slide
# says (a popular port has a vector).

# %%
show(ShowAttendTell.context)

# %% [markdown]
# What does averaging mean for the words? The softmax of the *expected logits* is the normalised **geometric mean** of the
# distributions that the places would give:

# %%
logits = Tensor(np.random.default_rng(3).standard_normal((L, K)))      # what each place would say
alpha = Tensor(np.array([0.5, 0.3, 0.2]))
of_mean = F.softmax((alpha[:, None] * logits).sum(0), -1).numpy()
geometric = np.prod(F.softmax(logits, -1).numpy() ** alpha.numpy()[:, None], axis=0)
print(np.abs(of_mean - geometric / geometric.sum()).max())

# %% [markdown]
# ## Decoder
#
# $$p(y_t \mid a, y_1^{t-1}) \propto \exp(L_o(E y_{t-1} + L_h h_t + L_z\hat z_t))$$
#
# and an LSTM whose gates see $E y_{t-1}$, $h_{t-1}$ and $\hat z_t$. The authors' code puts a $\tanh$ before $L_o$, which the
# slide leaves out; `output_tanh=False` is the slide's reading. $y_0$ is no word: $E y_0 = 0$.

# %%
show(ShowAttendTell.words, ShowAttendTell.initial_state)

# %% [markdown]
# ## Doubly stochastic attention
#
# $\sum_i \alpha_{t,i} = 1$ is how a softmax works. The penalty asks for the other sum as well:
#
# $$L_d = -\log p(y|a) + \lambda\sum_i\Big(\tau - \sum_{t=1}^{C}\alpha_{t,i}\Big)^2 .$$
#
# The slide's "$\tau \geq L/D$" compares a number of looks with places per feature, which has no meaning; the code has
# $\tau = 1$. All weights together sum to $C$, so equality is possible only for $\tau = C/L$, and the least penalty is
# $L(\tau - C/L)^2$. And more: expanding the square gives $L\tau^2 - 2\tau C + \sum_i(\sum_t\alpha_{t,i})^2$, so **$\tau$ does not
# change the gradient at all**. Of the penalty only "spread out" is left.

# %%
scores = Tensor(np.random.default_rng(4).standard_normal((5, 1, 8)), requires_grad=True)            # C = 5, L = 8
for tau in (0.0, 5 / 8, 1.0):
    penalty = objective.doubly_stochastic_penalty(scores.softmax(-1), Tensor(np.ones((5, 1), bool)), tau)
    (gradient,) = tinymm.grad(penalty.sum(), scores)
    print(f"tau = {tau:.3f}: penalty {penalty.item():6.3f} (least {8 * (tau - 5 / 8) ** 2:.3f}), "
          f"gradient of the first score {gradient.numpy()[0, 0, 0]:+.6f}")

# %% [markdown]
# ## Training with soft attention
#
# As in the paper, the encoder is trained first, to classify, and not changed afterwards: here it learns to tell which digit
# stands in a window, and whether it is large. Then the decoder learns from captions, for about a minute.

# %%
soft = ShowAttendAndTell("soft", SCALE)
soft.prepare()
report = run(soft, progress=False)
print(f"{report['seconds']:.0f} s; {report['metrics']['parameters']:,} parameters, {len(soft.material.vocabulary)} words")
for claim in report["claims"]:
    measured = float("nan") if claim["measured"] is None else claim["measured"]   # None: a quick look may have nothing to measure
    print(f"{claim['verdict']:<7} {claim['statement']}: {measured:.3f} ({claim['threshold']})")

# %%
figures.learning(soft.trained.trainer.history, len(soft.material.vocabulary))

# %% [markdown]
# A model that knows nothing pays $\ln K$ nats a word: that is where the curve starts. It cannot fall to 0, because nobody can
# know which of the five wordings comes next; with 10.8 words in the average sentence, its end included, that choice alone
# costs $\ln 5 / 10.8 \approx 0.15$ nats a word.

# %%
part, grid = soft.material.parts["test"], soft.measured.grid
figures.attention(part.images([0])[0], soft.measured.written[0], grid, part.scenes[0])

# %% [markdown]
# The orange is $\alpha_t$, enlarged and smoothed as in the paper's figures; the blue box is the digit that the word names,
# which the model was never told. How often is the largest weight on that digit?

# %%
figures.by_place(report["metrics"])

# %%
figures.gates(report["metrics"])

# %% [markdown]
# The gate is high at the words for digits, and also at the very first word, before anything was said. At words that grammar
# alone decides it is lower, but far from 0, and the sizes, which do depend on the picture, are among the low ones: a tendency,
# and no explanation of the model.

# %%
shown = 8
figures.plot.caption_grid(list(part.images(range(shown))), [" ".join(k.words) for k in soft.measured.written[:shown]],
                          correct=[figures.is_true(k.words, scene) for k, scene in zip(soft.measured.written, part.scenes[:shown])],
                          title="Sentences for scenes it has never seen (beam 5)")

# %% [markdown]
# ## Hard attention, and the penalty
#
# The same data and model, two other objectives.

# %%
hard = ShowAttendAndTell("hard", SCALE)
penalised = ShowAttendAndTell("doubly_stochastic", SCALE)
reports = {"soft": report}
for name, experiment in (("hard", hard), ("doubly_stochastic", penalised)):
    experiment.prepare()
    reports[name] = run(experiment, progress=False)
    print(f"{name}: {reports[name]['seconds']:.0f} s")

# %%
pair = {}
for name, experiment in (("soft", soft), ("hard", hard)):
    k = experiment.measured.written[1]
    pair[name] = (list(k.words), k.alpha, k.beta, figures.boxes_of(k, part.scenes[1]))
plot.attention_pair(part.images([1])[0], pair, grid)

# %%
plot.heatmap({"soft": soft.measured.coverage.reshape(grid), "with the penalty": penalised.measured.coverage.reshape(grid)},
             title="Mean attention of a whole sentence", colorbar="sum of α over the words")

# %%
entropy = {name: r["metrics"]["coverage entropy"] for name, r in reports.items()}
print("entropy of the coverage of a sentence, nats (even: ln 36 = 3.58):", {k: round(v, 2) for k, v in entropy.items()})
print("variance of the gradient of the hard estimate:", {k: f"{v:.3g}" for k, v in reports["hard"]["metrics"]["gradient variance"].items()})

# %% [markdown]
# ## The paper's table, in miniature
#
# BLEU (x 100) of the paper's Table 1 on COCO, and of these three models on held-out scenes:

# %%
PAPER = {"soft": (70.7, 49.2, 34.4, 24.3), "hard": (71.8, 50.4, 35.7, 25.0)}
print(f"{'':<22}{'BLEU-1':>8}{'BLEU-2':>8}{'BLEU-3':>8}{'BLEU-4':>8}   on the digit")
for name, r in reports.items():
    scores = r["metrics"]["captions"]["beam 5"]
    row = "".join(f"{100 * scores[f'BLEU-{n}']:8.1f}" for n in range(1, 5))
    print(f"{name:<22}{row}{100 * r['metrics']['attention']['given captions']['accuracy']:11.1f} %")
for name, row in PAPER.items():
    print(f"{name + ' (paper, COCO)':<22}" + "".join(f"{x:8.1f}" for x in row))
people = reports["soft"]["metrics"]["people"]
print(f"{'people here':<22}" + "".join(f"{100 * people[f'BLEU-{n}']:8.1f}" for n in range(1, 5)) + "    (each sentence against the other four)")

# %% [markdown]
# What carries over: attention is learned from captions alone, and it lands on what is being named. What does not: the paper's
# hard attention is slightly *better* than its soft one, and here it is worse; likely reasons are that relations between digits
# take more than one place to see, and that a minute is short for a gradient this noisy. The penalty with $\lambda = 1$ costs
# accuracy of the pointing: spreading the attention over all 36 places pulls it off the two or three digits. BLEU near 100 says
# that this world has few sentences; "people" score low, because the five wordings share few words.
#
# ## Things to try
#
# 1. Your own handwriting: photograph two digits, dark on light, and `python -m tinymm caption PICTURE --model runs/lecture_04`.
# 2. Train with `lambda_r = 1` (in `OBJECTIVES` of `tinymm/experiments/lecture_04/systems.py`), which is unbiased. What
#    happens, and why did the authors take 0.1?
# 3. The exercise: `lectures/homework/04_show_attend_and_tell.py`, checked by `python -m tinymm check 04 FILE`.
