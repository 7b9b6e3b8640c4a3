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
# # Exercise 1: Long-term Recurrent Convolutional Networks
#
# Two functions on which the lecture turns, in plain NumPy, and two extra ones:
#
# 1. **a step of the LSTM with cont**, forward and backward by hand: where a sequence starts, nothing of the one before;
# 2. **the windows of a clip**, and the mean of what the network says in them;
# 3. (extra) **the marginals of a star CRF**;
# 4. (extra) **ranks, R@K and Medr**, where scores may be equal.
#
# The forward of part 1 returns its results and a `cache`, which is whatever its backward needs; the backward takes the
# gradient of a scalar with respect to each result, and returns its gradient with respect to each input, in the order given
# in its docstring. Everything is float64 here. No function may write into what it is given. No loop over cases or units is
# needed. Write your code in the place of the lines `raise NotImplementedError(...)`.
#
# Check your work in this notebook by running the cells that say `check`, or in a terminal with
# `python -m tinymm check 01 YOUR_FILE.py`. A backward is compared with finite differences of your own forward, so the two
# are judged separately.

# %%
import numpy as np

from tinymm.homework import check

rng = np.random.default_rng(0)                                              # numbers to try things on:
x, h, c = (rng.normal(size=(2, size)) for size in (4, 3, 3))                # B=2, D=4, H=3
W_x, W_h, b, cont = rng.normal(size=(12, 4)), rng.normal(size=(12, 3)), np.zeros(12), np.array([1.0, 0.0])

# %% [markdown]
# ## 1. A step of the LSTM with cont (12 points)
#
# Clips and sentences of different lengths stand behind each other in the streams of a batch, and
# $\mathrm{cont}_t \in \{0, 1\}$ is 0 where a stream begins a new one. There **both** ways from the past are cut,
# $\tilde h = \mathrm{cont}_t\, h_{t-1}$ and $\tilde c = \mathrm{cont}_t\, c_{t-1}$:
# $$(i, f, o, g) = W_x x_t + W_h \tilde h + b,$$
# $$c_t = \sigma(f) \odot \tilde c + \sigma(i) \odot \tanh(g), \qquad h_t = \sigma(o) \odot \tanh(c_t).$$
# The rows of the matrices stand in the order of the slide and of the authors' Caffe, $i, f, o, g$ (PyTorch's is
# $i, f, g, o$). There is no gradient across the cut, and a weight is used by every stream of the batch.
#
# **In numbers.** $H = 1$, $W_x = 0$, $W_h = (1, 1, 1, 1)^\top$, $b = 0$, $h = 2$, $c = 1$. With cont 1 the gates are
# $\sigma(2) = 0.881$, so $c_t = 0.881 + 0.881 \cdot 0.964 = 1.730$ and $h_t = 0.827$. With cont 0 the gates are 0.5,
# $c_t = 0$ and $h_t = 0$. With the memory cut and $h$ left, it would be $c_t = 0.849$ and $h_t = 0.608$: the new clip
# begins with what the old one ended with.

# %% nbgrader={"grade": false, "grade_id": "lstm-step-with-cont", "locked": false, "schema_version": 3, "solution": true, "task": false}
def lstm_step_with_cont_forward(x, h, c, cont, W_x, W_h, b):
    """One step of the LSTM, cut off from the step before where cont is 0.

        h~ = cont h,   c~ = cont c
        i, f, o, g = the four parts of  W_x x + W_h h~ + b
        c' = sigma(f) * c~ + sigma(i) * tanh(g),   h' = sigma(o) * tanh(c')

    Args:
        x: the input, (B, D).
        h: the output of the step before, (B, H).
        c: the memory after the step before, (B, H).
        cont: (B,), 0.0 where x is the first of a new sequence, else 1.0.
        W_x: (4H, D), the rows of i, f, o and g below each other in this order.
        W_h: (4H, H), likewise.
        b: the bias, (4H,), likewise.

    Returns:
        h_next: h', (B, H).
        c_next: c', (B, H).
        cache: what the backward needs.
    """
    # YOUR CODE HERE
    raise NotImplementedError("lstm_step_with_cont_forward")


def lstm_step_with_cont_backward(dh_next, dc_next, cache):
    """The gradient of one step.

    Args:
        dh_next: gradient with respect to h', (B, H).
        dc_next: gradient with respect to the c' that was returned, (B, H); it does not contain the way through h'.
        cache: from the forward.

    Returns:
        dx (B, D), dh (B, H), dc (B, H), dW_x (4H, D), dW_h (4H, H), db (4H,).
    """
    # YOUR CODE HERE
    raise NotImplementedError("lstm_step_with_cont_backward")


# %%
check("01", only="lstm_step_with_cont")

# %% [markdown]
# ## 2. The windows of a clip (8 points)
#
# LRCN reads $L = 16$ frames. A longer clip of $n$ frames is read in windows, and the authors' program has a rule of its own
# for where they start: for **each** of $0, s, 2s, \dots$ below $n$ (the stride is $s = 8$) take the window that starts
# there, if it ends before the clip does, and **else the last $L$ frames**. So no frame is lost, and the last window is
# there more than once, and counts so.
#
# In each window the network says $P(y_t)$ at each of its steps. The clip's $P$ is the mean of these **probabilities** over
# all steps of all windows, and its label the largest of $P$.
#
# **In numbers.** $L = 4$, $s = 2$: $n = 8$ has the starts 0, 2, 4, 4, and $n = 9$ has 0, 2, 4, 5, 5. One window with three
# steps that say 0.8, 0.8, 0.001 of a class: the mean is 0.534, and the class wins over one other. The mean of the logits
# is $-1.378$, which is a probability of 0.20: one step that is sure outweighs two that are not.

# %% nbgrader={"grade": false, "grade_id": "window-average", "locked": false, "schema_version": 3, "solution": true, "task": false}
def window_average(logits, frames, stride):
    """Which windows of a clip are read, and what they say together.

        starts: for each of 0, s, 2s, ... below n: that one, if start + L < n, else n - L
        P = mean over the windows and their steps of softmax(logits)

    Args:
        logits: (S, L, C) with S = n - L + 1: logits[start, t] is what the network says at step t of the window of L frames
            that starts at frame ``start``, whichever of the windows are used.
        frames: n, of the clip, at least L.
        stride: s.

    Returns:
        starts: (W,) integers.
        p: P, (C,).
        label: the class with the largest P, an integer.
    """
    # YOUR CODE HERE
    raise NotImplementedError("window_average")


# %%
check("01", only="window_average")

# %% [markdown]
# ## 3. Extra: the marginals of a star CRF (2 points)
#
# Before the sentence, a CRF says what is in the video: an activity in the centre, and an object, a tool, a place, each of
# them coupled with the activity alone:
# $$F(y) = \psi_0[y_0] + \sum_s \big(\psi_s[y_s] + A_s[y_0, y_s]\big), \qquad p(y) = e^{F(y)} / Z .$$
# Given $y_0$ the others are independent. So each sends the centre one message, and nothing needs to be enumerated:
# $$m_s(a) = \log \sum_k e^{\psi_s[k] + A_s[a, k]}, \quad \log Z = \log \sum_a e^{\psi_0[a] + \sum_s m_s(a)}, \quad
# p(y_0 = a) = \frac{e^{\psi_0[a] + \sum_s m_s(a)}}{Z},$$
# $$p(y_s = k) = \sum_a p(y_0 = a)\, e^{\psi_s[k] + A_s[a, k] - m_s(a)} .$$
#
# **In numbers.** One outer slot, two values each, $\psi_0 = 0$, $e^{\psi_1} = (1, 2)$, $e^{A_1}$ with the rows $(3, 1)$ and
# $(1, 1)$. The four tuples weigh $(3, 2)$ and $(1, 2)$: $Z = 8$, $p(y_0) = (5/8, 3/8)$, $p(y_1) = (1/2, 1/2)$. The most
# probable tuple is $(0, 0)$; that $y_1$ is quite open only the marginals tell.

# %% nbgrader={"grade": false, "grade_id": "star-crf-marginals", "locked": false, "schema_version": 3, "solution": true, "task": false}
def star_crf_marginals(psi_0, psi, A):
    """The partition function and the marginals of a star CRF.

    Args:
        psi_0: potentials of the centre, (K,).
        psi: potentials of the outer slots, (S, V).
        A: couplings of the centre with each outer slot, (S, K, V).

    Returns:
        log_Z: log Z, a number.
        centre: p(y_0 = a), (K,).
        outer: p(y_s = k), (S, V).
    """
    # YOUR CODE HERE
    raise NotImplementedError("star_crf_marginals")


# %%
check("01", only="star_crf_marginals")

# %% [markdown]
# ## 4. Extra: ranks, R@K and Medr (2 points)
#
# $N$ queries rank $N$ candidates by their scores, the highest first; candidate $n$ is what query $n$ looks for. The rank is
# the place at which it is found, 1 at best; R@K is the share of queries that find it among the first $K$, and Medr the
# median of the ranks. (The slide speaks of a number; its table has percentages.)
#
# **Equal scores have no order.** A model that gives everything one score would have R@1 = 1 if ties counted for it. Let
# every order of them count alike: with $a$ candidates above and $t$ at the score of the right one (itself included)
# $$\mathrm{rank} = a + \frac{t + 1}{2}, \qquad P(\text{among the first } K) = \frac{K - a}{t}
# \text{, but at least 0 and at most 1.}$$
# Then the constant model has R@K $= K / N$, which is what guessing has.
#
# **In numbers.** The scores $(0.9, 0.5, 0.5)$, looked for is the second: $a = 1$, $t = 2$, the rank is 2.5, and it is among
# the first two with the probability 1/2.

# %% nbgrader={"grade": false, "grade_id": "rank-metrics", "locked": false, "schema_version": 3, "solution": true, "task": false}
def rank_metrics(scores, K):
    """Ranks, R@K and the median rank, expected over the orders of equal scores.

    Args:
        scores: (N, N), of each query (row) and each candidate (column); the diagonal has the right pairs.
        K: at least 1.

    Returns:
        ranks: (N,), from 1 to N, with halves where scores are equal.
        recall: R@K, from 0 to 1.
        medr: the median of the ranks.
    """
    # YOUR CODE HERE
    raise NotImplementedError("rank_metrics")


# %%
check("01", only="rank_metrics")

# %% [markdown]
# ## To think about
#
# 1. The authors' program cuts the memory through the forget gate ($f = 0$ where cont is 0) and $h$ by a product. Which
#    gradients of part 1 change if the memory is cut this way, and which do not?
# 2. How often does the rule of part 2 take the last window for $L = 16$ and $s = 8$, and why is that the same for every $n$?
#    How often for $s = 4$? Which frames of a clip of 24 count most, and how often would each count without the repetition?
#
# ## All together

# %% nbgrader={"grade": true, "grade_id": "all-together", "locked": true, "points": 20, "schema_version": 3, "solution": false, "task": false}
report = check("01")
print(report)
min(report.earned, report.possible)    # of 20: extra points make up for lost ones
