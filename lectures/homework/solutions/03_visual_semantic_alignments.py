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
# # Exercise 3: Deep Visual-Semantic Alignments
#
# Two tasks on which the lecture turns, in plain NumPy, with every backward by hand, and two extra ones:
#
# 1. **the score of an image and a sentence**: every word looks for its best region;
# 2. **the alignment of a sentence**: the best assignment of words to regions, by dynamic programming;
# 3. (extra) **the ranking loss**: pairs that belong together win against all others, in both directions;
# 4. (extra) **the bidirectional encoder**: words that know their sentence, and a backward through time in two directions.
#
# A forward returns its results and a `cache`, which is whatever its backward needs; a backward takes the gradient of a
# scalar with respect to each result, and returns its gradient with respect to each input, in the order given in its
# docstring. Everything is float64 here, but for masks, which are booleans, and regions chosen, which are integers. Neither
# may write into what it is given. A loop over the words is fine wherever it helps, and so is one over pairs. Write your
# code in the place of the lines `raise NotImplementedError(...)`.
#
# Images differ in their number of regions, and sentences in their number of words. In a batch all get the same number of
# places, and a mask says which of them hold something. At the other places stand **any** numbers, and nothing may depend on
# them.
#
# Check your work in this notebook by running the cells that say `check`, or in a terminal with
# `python -m tinymm check 03 YOUR_FILE.py`. A backward is compared with finite differences of your own forward, so the two
# are judged separately.

# %%
import numpy as np

from tinymm.homework import check

rng = np.random.default_rng(0)                                        # numbers to try things on:
v, s = rng.normal(size=(3, 4, 5)), rng.normal(size=(6, 2, 5))         # K=3 images, M=4; T=6 words, L=2 sentences; D=5
regions = np.array([[1, 1, 1, 1], [1, 1, 0, 1], [0, 1, 0, 0]], dtype=bool)
words = np.arange(6)[:, None] < [6, 4]                                # the second sentence has four words

# %% [markdown]
# ## 1. The score of an image and a sentence (12 points)
#
# $$S_{kl} = \sum_{t \in g_l} \max_{i \in g_k} v_i^\top s_t .$$
# $g_k$ are the regions of image $k$ and $g_l$ the words of sentence $l$. Every word finds the region that fits it best, and
# these scores are summed. They are inner products and no cosines, so the length of $s_t$ says how much the word matters: a
# word that tells images apart can become long, and *a* or *the* short.
#
# Three things need care. Scores may all be **negative**, so a region that is not there must not be scored 0, and no number
# is small enough for it but $-\infty$ (chosen by `np.where`, say: a product `0 * -np.inf` is nan). The gradient of a
# maximum goes to the **one** place where it is attained, and of several equal ones to that of the lowest index. And a
# region may be the best for **many** words, of this sentence and of others: its gradient is a sum.

# %% nbgrader={"grade": false, "grade_id": "image-sentence-score", "locked": false, "schema_version": 3, "solution": true, "task": false}
def image_sentence_score_forward(v, s, regions, words):
    """How well each image and each sentence fit together.

        S_kl = sum over the words t of sentence l of max over the regions i of image k of v_i . s_t

    Args:
        v: M places for the regions of each of K images, (K, M, D).
        s: T places for the words of each of L sentences, (T, L, D), time first.
        regions: which regions are there, booleans (K, M), at least one in each image, not always the first ones.
        words: which words are there, booleans (T, L), at least one in each sentence.

    Returns:
        S: every image with every sentence, (K, L).
        cache: what the backward needs.

    In numbers, D = 1: regions -2 and -3 and words 1 and 2. Both words take the region -2, and the score is -2 - 4. With a
    third region, which is not there, it is the same.

        >>> s, words = np.array([[[1.0]], [[2.0]]]), np.array([[True], [True]])
        >>> S, _ = image_sentence_score_forward(np.array([[[-2.0], [-3.0]]]), s, np.array([[True, True]]), words)
        >>> S.tolist()
        [[-6.0]]
        >>> v, regions = np.array([[[-2.0], [-3.0], [0.0]]]), np.array([[True, True, False]])
        >>> image_sentence_score_forward(v, s, regions, words)[0].tolist()
        [[-6.0]]
    """
    ### BEGIN SOLUTION
    scores = np.einsum("kmd,tld->kltm", v, s)
    scores = np.where(regions[:, None, None, :], scores, -np.inf)               # (K, L, T, M)
    best = scores.argmax(axis=3)                                                # (K, L, T), the first of equal ones
    told = scores.max(axis=3)                                                   # (K, L, T)
    S = (told * words.T).sum(axis=2)
    cache = v, s, words, best
    return S, cache
    ### END SOLUTION


def image_sentence_score_backward(dS, cache):
    """The gradient of the scores: of each word to its best region alone, of several equal ones to that of the lowest index.

    Args:
        dS: (K, L).
        cache: from the forward.

    Returns:
        dv (K, M, D), ds (T, L, D).
    """
    ### BEGIN SOLUTION
    v, s, words, best = cache
    g = (dS[:, :, None] * words.T)[..., None]                                   # (K, L, T, 1), what arrives at v_i . s_t
    image = np.arange(len(v))[:, None, None]                                    # (K, 1, 1)
    dv = np.zeros(v.shape)
    np.add.at(dv, (image, best), g * s.swapaxes(0, 1))                          # += would count a repeated region once
    ds = (g * v[image, best]).sum(axis=0).swapaxes(0, 1)                        # (T, L, D)
    return dv, ds
    ### END SOLUTION


# %%
check("03", only="image_sentence_score")

# %% [markdown]
# ## 2. The alignment of a sentence (8 points)
#
# Once it is trained, the model says for each word of a sentence which region it is about: $a_t = \arg\max_i v_i^\top s_t$.
# Word by word that is restless, so neighbours that agree get a reward $\beta \ge 0$. The best assignment is that of
# highest
# $$Q(a) = \sum_{t=1}^{N} v_{a_t}^\top s_t + \beta \sum_{t=1}^{N-1} \mathbf 1[a_t = a_{t+1}] .$$
# The slide has this sum as an energy $E$ and **minimises** it, which would give every word its worst region and reward
# neighbours that differ. What is meant is the maximum of $Q$ (or the minimum of $-Q$).
#
# There are $M^N$ assignments, but a table is enough. Let $q_t(i)$ be the best that the first $t$ words can reach if word
# $t$ takes region $i$. It comes either from the same region, with the reward, or from the best of all:
# $$q_1(i) = v_i^\top s_1, \qquad q_t(i) = v_i^\top s_t + \max\bigl(q_{t-1}(i) + \beta,\ \max_j q_{t-1}(j)\bigr).$$
# The last word takes the best region of the last column, and from there the choices are followed back to the first word.
# One maximum serves a whole column, so this takes $O(NM)$ steps (a table of all pairs, $O(NM^2)$, is as right).
#
# **Equal ones** are told apart as follows, so that the result is always the same. The last word takes the lowest region
# among the best of its column. Going back, word $t - 1$ takes the region of word $t$ if that is as good as anything
# (staying wins against moving), and otherwise the lowest among the best of column $t - 1$.

# %% nbgrader={"grade": false, "grade_id": "align", "locked": false, "schema_version": 3, "solution": true, "task": false}
def align(scores, beta):
    """The assignment of words to regions of highest Q, of one sentence and its image.

        Q(a) = sum over t of scores[t, a_t] + beta * (the number of t with a_t = a_{t+1})

    Of several best ones: a_N is the lowest region possible; then, for t = N, ..., 2, a_{t-1} = a_t where that is
    possible, and otherwise the lowest region that is.

    Args:
        scores: v_i . s_t of the N words and M regions, (N, M). A region that is not there has -inf in its column; at least
            one is there.
        beta: the reward for each pair of neighbours with the same region, at least 0.

    Returns:
        a: the region of each word, from 0, integers (N,).
        Q: its value, a number.

    In numbers, three words and two regions. Word by word the best are 0, 1, 0, together 3 + 1 + 3; with beta = 2 the second
    word stays with its neighbours, 3 + 0 + 3 and twice the reward.

        >>> scores = np.array([[3.0, 0.0], [0.0, 1.0], [3.0, 0.0]])
        >>> a, Q = align(scores, 0.0)
        >>> a.tolist(), float(Q)
        ([0, 1, 0], 7.0)
        >>> a, Q = align(scores, 2.0)
        >>> a.tolist(), float(Q)
        ([0, 0, 0], 10.0)
    """
    ### BEGIN SOLUTION
    N, M = scores.shape
    came = np.zeros((N, M), dtype=int)                                          # the region before, where word t takes i
    q = scores[0]                                                               # (M,), one column of the table
    for t in range(1, N):
        top = int(q.argmax())                                                   # the first of equal ones
        stays = q + beta >= q[top]
        came[t] = np.where(stays, np.arange(M), top)
        q = scores[t] + np.where(stays, q + beta, q[top])
    a = np.zeros(N, dtype=int)
    a[-1] = q.argmax()
    for t in range(N - 1, 0, -1):
        a[t - 1] = came[t, a[t]]
    Q = q[a[-1]]
    return a, Q
    ### END SOLUTION


# %%
check("03", only="align")

# %% [markdown]
# ## 3. Extra: the ranking loss (2 points)
#
# Image $k$ and sentence $k$ belong together. Their score shall be higher, by a margin of 1, than that of the image with
# any other sentence, and than that of the sentence with any other image:
# $$C = \sum_k \Bigl[\ \underbrace{\sum_{l \ne k} \max(0,\ S_{kl} - S_{kk} + 1)}_{\text{ranks sentences, for image } k}
# \ +\ \underbrace{\sum_{l \ne k} \max(0,\ S_{lk} - S_{kk} + 1)}_{\text{ranks images, for sentence } k}\ \Bigr].$$
# The slide sums over all $l$. The terms $l = k$ are all 1, $2K$ together, whatever the model does: they are left out here.
# The slide also calls the first sum "rank images" and the second "rank sentences"; but the first keeps the image and
# varies the sentence. So that it matters which is which, the two are returned apart.

# %% nbgrader={"grade": false, "grade_id": "ranking-loss", "locked": false, "schema_version": 3, "solution": true, "task": false}
def ranking_loss_forward(S):
    """The two sides of the ranking loss, with margin 1 and without the diagonal.

        sentences = sum over k, l != k of max(0, S_kl - S_kk + 1)
        images    = sum over k, l != k of max(0, S_lk - S_kk + 1)

    Args:
        S: the scores of images (rows) and sentences (columns), those that belong together on the diagonal, (K, K).

    Returns:
        sentences: of each image the other sentences, summed over all images: a number.
        images: of each sentence the other images, summed over all sentences: a number.
        cache: what the backward needs.

    In numbers: for image 0 the other sentence has 2.5 - 2 + 1 = 1.5, for image 1 it has 0.5 - 3 + 1 < 0; for sentence 0 the
    other image has 0.5 - 2 + 1 < 0, for sentence 1 it has 2.5 - 3 + 1 = 0.5.

        >>> sentences, images, _ = ranking_loss_forward(np.array([[2.0, 2.5], [0.5, 3.0]]))
        >>> float(sentences), float(images)
        (1.5, 0.5)
    """
    ### BEGIN SOLUTION
    right, others = S.diagonal(), ~np.eye(len(S), dtype=bool)
    by_image = np.maximum(S - right[:, None] + 1, 0) * others                   # (K, K), in row k less S_kk
    by_sentence = np.maximum(S - right[None, :] + 1, 0) * others                # (K, K), in column k less S_kk
    cache = by_image > 0, by_sentence > 0
    return by_image.sum(), by_sentence.sum(), cache
    ### END SOLUTION


def ranking_loss_backward(dsentences, dimages, cache):
    """The gradient of both sides.

    Args:
        dsentences, dimages: gradients with respect to the two sums, numbers.
        cache: from the forward.

    Returns:
        dS: (K, K).
    """
    ### BEGIN SOLUTION
    by_image, by_sentence = cache
    row, column = dsentences * by_image, dimages * by_sentence                  # (K, K), where something is violated
    dS = row + column
    dS -= np.diag(row.sum(axis=1) + column.sum(axis=0))                         # every violation wants S_kk higher
    return dS
    ### END SOLUTION


# %%
check("03", only="ranking_loss")

# %% [markdown]
# ## 4. Extra: the bidirectional encoder (3 points)
#
# The slides do not say where $s_t$ comes from. In the paper it is a recurrent network that reads the sentence in both
# directions, so that *small* in "a small red circle" can know what is small:
# $$e_t = f(W_e x_t + b_e), \quad h^f_t = f(e_t + W_f h^f_{t-1} + b_f), \quad h^b_t = f(e_t + W_b h^b_{t+1} + b_b), \quad
# s_t = f(W_d (h^f_t + h^b_t) + b_d),$$
# where $f$ is the ReLU, and both directions begin with $h = 0$. A sentence that is shorter than the batch is padded at its
# **end**, and there the backward direction would begin: a pad has a bias, so it would not leave $h^b$ at 0. At the pads
# $e$, $h^f$, $h^b$ and $s$ are 0.

# %% nbgrader={"grade": false, "grade_id": "bidirectional-encoder", "locked": false, "schema_version": 3, "solution": true, "task": false}
def bidirectional_encoder_forward(x, words, W_e, b_e, W_f, b_f, W_b, b_b, W_d, b_d):
    """The vectors of words that know their sentence; f is the ReLU.

        e_t = f(W_e x_t + b_e),   h^f_t = f(e_t + W_f h^f_{t-1} + b_f),   h^b_t = f(e_t + W_b h^b_{t+1} + b_b),
        s_t = f(W_d (h^f_t + h^b_t) + b_d)

    Before the first word and after the last h is 0. All four are 0 where there is no word.

    Args:
        x: the vectors of the words, (T, L, X), time first; anything where there is no word.
        words: which words are there, booleans (T, L), those of each sentence first and at least one.
        W_e: (D, X).
        W_f, W_b, W_d: (D, D) each.
        b_e, b_f, b_b, b_d: (D,) each.

    Returns:
        s: (T, L, D).
        cache: what the backward needs.

    In numbers, X = D = 1, W_f = 1, W_b = 2, W_e = W_d = 1 and no biases: the words 1 and 10 have h^f = 1, 11 and
    h^b = 21, 10, and their sums are s.

        >>> x, words, one, none = np.array([[[1.0]], [[10.0]]]), np.array([[True], [True]]), np.ones((1, 1)), np.zeros(1)
        >>> s, _ = bidirectional_encoder_forward(x, words, one, none, one, none, 2 * one, none, one, none)
        >>> s.tolist()
        [[[22.0]], [[21.0]]]
    """
    ### BEGIN SOLUTION
    T, L, _ = x.shape
    there = words[:, :, None]                                                   # (T, L, 1)
    e = np.maximum(x @ W_e.T + b_e, 0) * there                                  # (T, L, D)
    h_f, h_b, start = np.zeros_like(e), np.zeros_like(e), np.zeros(e.shape[1:])
    for t in range(T):
        before = h_f[t - 1] if t > 0 else start                                 # (L, D)
        h_f[t] = np.maximum(e[t] + before @ W_f.T + b_f, 0) * there[t]
    for t in reversed(range(T)):
        after = h_b[t + 1] if t < T - 1 else start
        h_b[t] = np.maximum(e[t] + after @ W_b.T + b_b, 0) * there[t]
    s = np.maximum((h_f + h_b) @ W_d.T + b_d, 0) * there
    cache = x, e, h_f, h_b, s, W_e, W_f, W_b, W_d
    return s, cache
    ### END SOLUTION


def bidirectional_encoder_backward(ds, cache):
    """The gradient of the encoder, through time in both directions.

    Args:
        ds: (T, L, D).
        cache: from the forward.

    Returns:
        dx (T, L, X), dW_e (D, X), db_e (D,), dW_f (D, D), db_f (D,), dW_b (D, D), db_b (D,), dW_d (D, D), db_d (D,).
    """
    ### BEGIN SOLUTION
    x, e, h_f, h_b, s, W_e, W_f, W_b, W_d = cache

    def product(da, h):                                                         # (T, L, D), (T, L, H) -> (D, H)
        return np.einsum("tld,tlh->dh", da, h)

    da_d = ds * (s > 0)                                                         # s > 0 is False at the pads, too
    dh = da_d @ W_d                                                             # (T, L, D), of h^f and of h^b
    da_f, da_b, T = np.zeros_like(dh), np.zeros_like(dh), len(dh)
    for t in reversed(range(T)):                                                # against the way of the forward
        later = da_f[t + 1] @ W_f if t < T - 1 else 0
        da_f[t] = (dh[t] + later) * (h_f[t] > 0)
    for t in range(T):
        earlier = da_b[t - 1] @ W_b if t > 0 else 0
        da_b[t] = (dh[t] + earlier) * (h_b[t] > 0)
    da_e = (da_f + da_b) * (e > 0)
    dx = da_e @ W_e
    dW_e, db_e = product(da_e, x), da_e.sum(axis=(0, 1))
    dW_f, db_f = product(da_f[1:], h_f[:-1]), da_f.sum(axis=(0, 1))
    dW_b, db_b = product(da_b[:-1], h_b[1:]), da_b.sum(axis=(0, 1))
    dW_d, db_d = product(da_d, h_f + h_b), da_d.sum(axis=(0, 1))
    return dx, dW_e, db_e, dW_f, db_f, dW_b, db_b, dW_d, db_d
    ### END SOLUTION


# %%
check("03", only="bidirectional_encoder")

# %% [markdown]
# ## To think about
#
# 1. Every word is scored by the region that fits it best. What would `a` and `and` have to be like so that a long sentence
#    is not preferred for its length alone, and which part of the model lets them become so?
# 2. A batch holds the same picture twice, each time with another of its captions. What does the ranking loss ask of these
#    four scores, and can it be had?
# 3. How large must $\beta$ be at least so that a sentence is certainly given one region? And which region is that?
#
# Where the model stands as a whole, and is trained: `lectures/03_visual_semantic_alignments.ipynb`.
#
# ## All together

# %% nbgrader={"grade": true, "grade_id": "all-together", "locked": true, "points": 20, "schema_version": 3, "solution": false, "task": false}
report = check("03")
print(report)
min(report.earned, report.possible)    # of 20: extra points make up for lost ones
