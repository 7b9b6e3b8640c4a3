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
# # Exercise 2: Show and Tell
#
# Two functions on which the lecture's caption generator turns, in plain NumPy, forward and backward by hand, and two extra
# ones:
#
# 1. **one step of the LSTM**: the cell of the slide, to the letter;
# 2. **the loss of a caption**: which outputs count, and which do not;
# 3. (extra) **first the image, then the words**: the inputs, and a gradient that adds up over repeated words;
# 4. (extra) **one step of beam search**: which partial sentences go on, and which are done.
#
# A forward returns its results and a `cache`, which is whatever its backward needs; a backward takes the gradient of a
# scalar with respect to each result, and returns its gradient with respect to each input, in the order given in its
# docstring. Everything is float64 here, but for word ids and lengths, which are integers. Neither may write into what it
# is given. No loop over captions, steps or words is needed. Write your code in the place of the lines
# `raise NotImplementedError(...)`.
#
# Check your work in this notebook by running the cells that say `check`, or in a terminal with
# `python -m tinymm check 02 YOUR_FILE.py`. A backward is compared with finite differences of your own forward, so the two
# are judged separately.

# %%
import numpy as np

from tinymm.homework import check

rng = np.random.default_rng(0)                                        # numbers to try things on:
x, m, c = (rng.normal(size=(2, size)) for size in (4, 3, 3))          # B=2, D=4, H=3
W_x, W_m = rng.normal(size=(12, 4)), rng.normal(size=(12, 3))

# %% [markdown]
# ## 1. One step of the LSTM (10 points)
#
# $$i_t = \sigma(W_{ix} x_t + W_{im} m_{t-1}), \quad f_t = \sigma(W_{fx} x_t + W_{fm} m_{t-1}), \quad
# o_t = \sigma(W_{ox} x_t + W_{om} m_{t-1}),$$
# $$c_t = f_t \odot c_{t-1} + i_t \odot \tanh(W_{cx} x_t + W_{cm} m_{t-1}), \qquad m_t = o_t \odot c_t .$$
# This is the slide's cell as it is printed: the gates have **no biases**, and $m_t$ has **no tanh** (most LSTMs, and
# PyTorch's, give out $o_t \odot \tanh(c_t)$). The slide's $h(\cdot)$ is the hyperbolic tangent, and not the $h_t$ that
# stands for a state a few lines above it. The four matrices are kept as one, below each other in the slide's order
# $i, f, o, c$. The loss reaches $c_t$ by two ways, through $m_t$ and directly, from the next step.

# %% nbgrader={"grade": false, "grade_id": "lstm-step", "locked": false, "schema_version": 3, "solution": true, "task": false}
def lstm_step_forward(x, m, c, W_x, W_m):
    """One step of the slide's LSTM: no biases, no tanh on the output.

        i, f, o = sigma(W_ix x + W_im m), sigma(W_fx x + W_fm m), sigma(W_ox x + W_om m)
        c' = f * c + i * tanh(W_cx x + W_cm m),   m' = o * c'

    It must stay finite for numbers of any size.

    Args:
        x: the input, (B, D).
        m: the output of the step before, (B, H).
        c: the memory after the step before, (B, H).
        W_x: W_ix, W_fx, W_ox and W_cx below each other in this order, each (H, D), together (4H, D).
        W_m: W_im, W_fm, W_om and W_cm likewise, each (H, H), together (4H, H).

    Returns:
        m_next: m', (B, H).
        c_next: c', (B, H).
        cache: what the backward needs.

    In numbers, with W_x = 0 and all of W_m 1: sigma(log 3) = 3/4 and tanh(log 3) = 4/5, so c' = 3/4 + 3/4 * 4/5.

        >>> m_next, c_next, _ = lstm_step_forward(np.array([[5.0]]), np.log([[3.0]]), np.array([[1.0]]), np.zeros((4, 1)),
        ...                                       np.ones((4, 1)))
        >>> m_next.round(4).tolist(), c_next.round(4).tolist()
        ([[1.0125]], [[1.35]])
    """
    ### BEGIN SOLUTION
    H = m.shape[1]
    a = x @ W_x.T + m @ W_m.T                                   # (B, 4H)
    gates = 0.5 * (1 + np.tanh(0.5 * a[:, :3 * H]))             # sigma(a), which cannot overflow in this form
    i, f, o = gates[:, :H], gates[:, H:2 * H], gates[:, 2 * H:]
    g = np.tanh(a[:, 3 * H:])                                   # (B, H), the new part of the memory
    c_next = f * c + i * g
    m_next = o * c_next
    cache = x, m, c, W_x, W_m, i, f, o, g, c_next
    return m_next, c_next, cache
    ### END SOLUTION


def lstm_step_backward(dm_next, dc_next, cache):
    """The gradient of one step.

    Args:
        dm_next: gradient with respect to m', (B, H).
        dc_next: gradient with respect to the c' that was returned, (B, H); it does not contain the way through m'.
        cache: from the forward.

    Returns:
        dx (B, D), dm (B, H), dc (B, H), dW_x (4H, D), dW_m (4H, H).
    """
    ### BEGIN SOLUTION
    x, m, c, W_x, W_m, i, f, o, g, c_next = cache
    dmemory = dc_next + dm_next * o                             # (B, H), all that reaches c'
    di = dmemory * g * i * (1 - i)                              # each (B, H), before sigma or tanh
    df = dmemory * c * f * (1 - f)
    do = dm_next * c_next * o * (1 - o)
    dg = dmemory * i * (1 - g * g)
    da = np.concatenate([di, df, do, dg], axis=1)               # (B, 4H)
    dx = da @ W_x
    dm = da @ W_m
    dc = dmemory * f
    dW_x = da.T @ x
    dW_m = da.T @ m
    return dx, dm, dc, dW_x, dW_m
    ### END SOLUTION


# %%
check("02", only="lstm_step")

# %% [markdown]
# ## 2. The loss of a caption (10 points)
#
# A caption is $S_0, S_1, \dots, S_N$, where $S_0$ is the start word and $S_N$ the stop word. On the slide the sum in
# $\log p(S \mid I)$ begins at $t = 0$; but $S_0$ is always the start word, nothing has to be predicted, and the loss is
# $$-\sum_{t=1}^{N} \log p_t(S_t), \qquad p_t = \mathrm{softmax}(\text{logits}_t).$$
# The LSTM makes one step more than that. It is first shown the image, as $x_{-1}$, and then the words $x_0, x_1, \dots$;
# after $x_{t-1}$ it gives $p_t$. So the step of the image gives a $p_0$, and this output is **discarded**. Below it is
# `logits[0]`: what is in it must change neither the loss nor any gradient. Captions in a batch differ in length, and the
# steps after the end of a caption are not part of its sum.

# %% nbgrader={"grade": false, "grade_id": "caption-loss", "locked": false, "schema_version": 3, "solution": true, "task": false}
def caption_loss_forward(logits, S, lengths):
    """The loss of each caption.

        -sum over t = 1, ..., N of log p_t(S_t),   p_t = softmax(logits[t])

    It must stay finite for logits of any size.

    Args:
        logits: (T+1, B, K), time first; logits[t] are for S_t. logits[0] are the output of the step at which the image
            was shown, and are not used; neither are those after the end of a caption.
        S: the captions, integers (T+1, B); S[0] are start words. After the end of a caption it holds any words.
        lengths: N of each caption, its last word S_N included and S_0 not, integers (B,), from 1 to T.

    Returns:
        loss: (B,), one for each caption: a sum over its words, and no average over the batch.
        cache: what the backward needs.

    In numbers, with one word to predict: p_1 = (1/4, 3/4), and the loss is -log 3/4, whatever stands in logits[0].

        >>> loss, _ = caption_loss_forward(np.array([[[7.0, -7.0]], [[0.0, np.log(3)]]]), np.array([[0], [1]]), np.array([1]))
        >>> loss.round(4).tolist()
        [0.2877]
    """
    ### BEGIN SOLUTION
    shifted = logits - logits.max(axis=2, keepdims=True)
    log_p = shifted - np.log(np.exp(shifted).sum(axis=2, keepdims=True))         # (T+1, B, K)
    told = np.take_along_axis(log_p, S[:, :, None], axis=2)[:, :, 0]             # (T+1, B), log p_t(S_t)
    t = np.arange(len(S))[:, None]                                               # (T+1, 1)
    counts = (t >= 1) & (t <= lengths)                                           # (T+1, B)
    loss = -(told * counts).sum(axis=0)
    cache = log_p, S, counts
    return loss, cache
    ### END SOLUTION


def caption_loss_backward(dloss, cache):
    """The gradient of the losses.

    Args:
        dloss: (B,).
        cache: from the forward.

    Returns:
        dlogits: (T+1, B, K).
    """
    ### BEGIN SOLUTION
    log_p, S, counts = cache
    one_hot = np.arange(log_p.shape[2]) == S[:, :, None]                         # (T+1, B, K)
    dlogits = (np.exp(log_p) - one_hot) * (counts * dloss)[:, :, None]
    return dlogits
    ### END SOLUTION


# %%
check("02", only="caption_loss")

# %% [markdown]
# ## 3. Extra: first the image, then the words (2 points)
#
# The image is shown once, in the place of a word before the first (the slide leaves it out):
# $$x_{-1} = W_I\, f, \qquad x_t = W_e S_t, \quad t = 0, \dots, N-1,$$
# where $f$ are the features that a CNN found in the image. On the slide $S_t$ is a one-hot column, so that $W_e S_t$ is a
# column of $W_e$; as always in programs, no product is computed, and the vectors of the words are kept as the rows of a
# table. One row is used wherever its word occurs, in this caption and in others (the start word's in all of them), so its
# gradient is the **sum** of what arrives at all these places. The stop word is never an input: nothing comes after it.

# %% nbgrader={"grade": false, "grade_id": "image-then-words", "locked": false, "schema_version": 3, "solution": true, "task": false}
def image_then_words_forward(image, W_I, W_e, S):
    """The inputs of the LSTM: the image and then the words.

        X[0] = x_{-1} = W_I f,   X[t + 1] = x_t = the row S_t of W_e,   t = 0, ..., T-1

    Args:
        image: the features f of each image, (B, F).
        W_I: (D, F).
        W_e: the vectors of the K words, (K, D).
        S: the captions, integers (T+1, B), time first: S_0, ..., S_T. The last, S_T, is not an input.

    Returns:
        X: (T+1, B, D).
        cache: what the backward needs.

    In numbers, F = 1 and D = 2: the image, then the row S_0 = 1 of the table.

        >>> X, _ = image_then_words_forward(np.array([[2.0]]), np.array([[1.0], [3.0]]), np.array([[0.0, 1.0], [5.0, 6.0]]),
        ...                                 np.array([[1], [0]]))
        >>> X.tolist()
        [[[2.0, 6.0]], [[5.0, 6.0]]]
    """
    ### BEGIN SOLUTION
    words = S[:-1]                                              # (T, B)
    X = np.concatenate([(image @ W_I.T)[None], W_e[words]])     # (T+1, B, D)
    cache = image, W_I, W_e.shape, words
    return X, cache
    ### END SOLUTION


def image_then_words_backward(dX, cache):
    """The gradient of the inputs.

    Args:
        dX: (T+1, B, D).
        cache: from the forward.

    Returns:
        dimage (B, F), dW_I (D, F), dW_e (K, D).
    """
    ### BEGIN SOLUTION
    image, W_I, shape, words = cache
    dimage = dX[0] @ W_I
    dW_I = dX[0].T @ image
    dW_e = np.zeros(shape)
    np.add.at(dW_e, words, dX[1:])                              # dW_e[words] += dX[1:] would count a repeated word once
    return dimage, dW_I, dW_e
    ### END SOLUTION


# %%
check("02", only="image_then_words")

# %% [markdown]
# ## 4. Extra: one step of beam search (2 points)
#
# "Iteratively consider the set of the $k$ best sentences up to time $t$ as candidates to generate sentences of size
# $t + 1$, and keep only the resulting best $k$ of them." That leaves open what becomes of a sentence that ends. The rule
# here is that of the authors' program, and of `tinymm.decode.beam_search`:
#
# 1. Each hypothesis proposes its $k$ likeliest words, of which the end of the sentence may be one. A word of probability
#    0 is never proposed.
# 2. Proposals of the end are completed sentences. They leave the beam, and take no place in it.
# 3. Of all the other proposals together, the $k$ of highest log-probability go on.
#
# Equal ones are told apart so that the result is always the same: the lower number comes first. (A version of the
# authors' program takes `argsort(p)[:-k]` in step 1, which is everything but the $k$ likeliest words; it means `[-k:]`.)

# %% nbgrader={"grade": false, "grade_id": "beam-step", "locked": false, "schema_version": 3, "solution": true, "task": false}
def beam_step(log_prob, log_p, end, k):
    """One step of beam search, for one image.

    1. Each hypothesis proposes its k likeliest words (all words if there are fewer), but none with log_p = -inf. Of
       equally likely words those with the lower id are proposed.
    2. A proposal of ``end`` completes a sentence, which leaves the beam.
    3. Of all other proposals the k best (all if there are fewer) go on, with the log-probability
       log_prob[parent] + log_p[parent, word].

    Args:
        log_prob: the log-probabilities of the n live hypotheses, in any order, (n,).
        log_p: the log-probabilities of the next word after each of them, (n, K).
        end: the id of the word that ends a sentence.
        k: the beam size.

    Returns:
        live: the M <= k continuations that go on, integers (M, 2), in each row the parent (the number of the hypothesis
            that goes on, from 0) and the word. The best comes first; of equally good ones that of the lower parent, then
            that of the lower word. Without any it has the shape (0, 2).
        live_log_prob: their log-probabilities, (M,).
        ended: the parents of the E sentences that are completed, ascending, integers (E,).
        ended_log_prob: their log-probabilities, (E,).

    In numbers, one hypothesis and k = 2: the words 0 and 1 are proposed, and 0 is the end, so one goes on and one is done.

        >>> live, live_log_prob, ended, ended_log_prob = beam_step(np.array([-1.0]), np.log([[0.5, 0.3, 0.2]]), 0, 2)
        >>> live.tolist(), live_log_prob.round(4).tolist(), ended.tolist(), ended_log_prob.round(4).tolist()
        ([[0, 1]], [-2.204], [0], [-1.6931])
    """
    ### BEGIN SOLUTION
    words = np.argsort(-log_p, axis=1, kind="stable")[:, :k]                     # (n, k), equal ones by id
    total = log_prob[:, None] + np.take_along_axis(log_p, words, axis=1)
    parents = np.broadcast_to(np.arange(len(words))[:, None], words.shape)
    likely = total > -np.inf
    parents, words, total = parents[likely], words[likely], total[likely]        # (P,) each: all proposals
    ends = words == end
    ended, ended_log_prob = parents[ends], total[ends]
    pairs, total = np.stack([parents, words], axis=1)[~ends], total[~ends]       # (P', 2), (P',)
    order = np.lexsort((pairs[:, 1], pairs[:, 0], -total))                       # by the last key first
    live, live_log_prob = pairs[order[:k]], total[order[:k]]
    return live, live_log_prob, ended, ended_log_prob
    ### END SOLUTION


# %%
check("02", only="beam_step")

# %% [markdown]
# ## To think about
#
# 1. How large can |m'| and |c'| become in ten steps of the slide's cell, and how large with a tanh on the output? Which of
#    the two does a linear layer behind it, that makes logits, have to fear?
# 2. The loss is a sum over the words of a caption. Which captions does training with the mean over the words weigh more
#    than training with the sum, and what does beam search prefer that compares sums of log-probabilities?
#
# ## All together

# %% nbgrader={"grade": true, "grade_id": "all-together", "locked": true, "points": 20, "schema_version": 3, "solution": false, "task": false}
report = check("02")
print(report)
min(report.earned, report.possible)    # of 20: extra points make up for lost ones
