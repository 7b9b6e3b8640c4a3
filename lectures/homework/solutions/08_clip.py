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
# # Exercise 8: CLIP
#
# Two functions on which the lecture turns, in plain NumPy, forward and backward by hand, and two extra ones:
#
# 1. **the loss**: the slide's pseudo-code, and its gradient, the temperature's included;
# 2. **the attention pool**: how CLIP's ResNet makes one vector of a grid;
# 3. (extra) **the zero-shot classifier**: text in the place of trained weights;
# 4. (extra) **byte-pair merges**: how a word becomes the symbols that the text tower knows.
#
# A forward returns its results and a `cache`, which is whatever its backward needs; a backward takes the gradient of a
# scalar with respect to each result, and returns its gradient with respect to each input, in the order given in its
# docstring. Everything is float64 here, except numbers of classes and symbols. No function may write into what it is
# given. No loop over pairs, images, heads or locations is needed, except in part 4. Write your code in the place of the
# lines `raise NotImplementedError(...)`.
#
# Check your work in this notebook by running the cells that say `check`, or in a terminal with
# `python -m tinymm check 08 YOUR_FILE.py`. A backward is compared with finite differences of your own forward, so the two
# are judged separately.

# %%
import numpy as np

from tinymm.homework import check

rng = np.random.default_rng(0)                                   # numbers to try things on:
I_f, T_f = rng.normal(size=(4, 5)), rng.normal(size=(4, 6))      # n=4, d_i=5, d_t=6
W_i, W_t, t = rng.normal(size=(5, 3)), rng.normal(size=(6, 3)), np.log(1 / 0.07)

# %% [markdown]
# ## 1. The loss (10 points)
#
# Of $n$ images and $n$ texts, image $j$ belongs to text $j$. The slide's pseudo-code:
#
# ```
# I_e = l2_normalize(np.dot(I_f, W_i), axis=1)
# T_e = l2_normalize(np.dot(T_f, W_t), axis=1)
# logits = np.dot(I_e, T_e.T) * np.exp(t)
# labels = np.arange(n)
# loss_i = cross_entropy_loss(logits, labels, axis=0)
# loss_t = cross_entropy_loss(logits, labels, axis=1)
# loss = (loss_i + loss_t)/2
# ```
#
# A cross-entropy is the mean over its $n$ rows or columns, and `axis` is the one along which the softmax sums to 1. The
# rows of the logits are images. So `loss_i`, with axis 0, has each text find its image, and one might well have called it
# the texts' loss; their mean does not care. $t$ is called the temperature; it is the logarithm of its inverse. In training
# $e^t$ is kept at 100 or less by setting $t$ back after a step of the optimiser: that is no part of the loss.

# %% nbgrader={"grade": false, "grade_id": "clip-loss", "locked": false, "schema_version": 3, "solution": true, "task": false}
def clip_loss_forward(I_f, T_f, W_i, W_t, t):
    """The symmetric contrastive loss.

        I_e = I_f W_i / |I_f W_i|,   T_e = T_f W_t / |T_f W_t|   (row by row),   logits = e^t I_e T_e^T
        loss = (CE(logits, axis 0) + CE(logits, axis 1)) / 2,   the right ones on the diagonal

    It must stay finite for logits of any size. No row has the length 0, so nothing is to be added to the lengths.

    Args:
        I_f: features of n images, (n, d_i).
        T_f: features of their texts, (n, d_t).
        W_i: (d_i, d_e).
        W_t: (d_t, d_e).
        t: a scalar.

    Returns:
        loss: a scalar.
        cache: what the backward needs.

    In numbers, two pairs that fit with cosine 1 and else 0, e^t = log 3: each softmax gives the right one 3/4.

        >>> one = np.eye(2)
        >>> loss, _ = clip_loss_forward(one, 5 * one, one, one, np.log(np.log(3)))
        >>> round(float(loss), 4)
        0.2877
    """
    ### BEGIN SOLUTION
    z_i, z_t = I_f @ W_i, T_f @ W_t                                              # (n, d_e)
    length_i = np.sqrt((z_i**2).sum(axis=1, keepdims=True))                      # (n, 1)
    length_t = np.sqrt((z_t**2).sum(axis=1, keepdims=True))
    I_e, T_e = z_i / length_i, z_t / length_t
    scale = np.exp(t)
    logits = I_e @ T_e.T * scale                                                 # (n, n)
    log_p = []
    for axis in (0, 1):
        shifted = logits - logits.max(axis=axis, keepdims=True)
        log_p.append(shifted - np.log(np.exp(shifted).sum(axis=axis, keepdims=True)))
    loss_i, loss_t = (-np.diag(lp).mean() for lp in log_p)
    loss = (loss_i + loss_t) / 2
    cache = I_f, T_f, W_i, W_t, I_e, T_e, length_i, length_t, scale, logits, log_p
    return loss, cache
    ### END SOLUTION


def clip_loss_backward(dloss, cache):
    """The gradient of the loss.

    Args:
        dloss: a scalar.
        cache: from the forward.

    Returns:
        dI_f (n, d_i), dT_f (n, d_t), dW_i (d_i, d_e), dW_t (d_t, d_e), dt (a scalar).
    """
    ### BEGIN SOLUTION
    I_f, T_f, W_i, W_t, I_e, T_e, length_i, length_t, scale, logits, log_p = cache
    n = len(logits)
    p_0, p_1 = np.exp(log_p[0]), np.exp(log_p[1])
    dlogits = dloss / (2 * n) * (p_0 + p_1 - 2 * np.eye(n))                      # (n, n)
    dt = (dlogits * logits).sum()
    dI_e = scale * dlogits @ T_e                                                 # (n, d_e)
    dT_e = scale * dlogits.T @ I_e
    dz_i = (dI_e - I_e * (I_e * dI_e).sum(axis=1, keepdims=True)) / length_i     # the Jacobian of z / |z|
    dz_t = (dT_e - T_e * (T_e * dT_e).sum(axis=1, keepdims=True)) / length_t
    return dz_i @ W_i.T, dz_t @ W_t.T, I_f.T @ dz_i, T_f.T @ dz_t, dt
    ### END SOLUTION


# %%
check("08", only="clip_loss")

# %% [markdown]
# ## 2. The attention pool (10 points)
#
# "ResNet" on the slide is not quite one: where a ResNet averages its last grid, CLIP's lets the average **ask**. The
# $L$ locations $x_1, \dots, x_L$ and before them their mean $\bar x$ are $L + 1$ tokens, each with a learned position,
# $$s_0 = \bar x + p_0, \qquad s_l = x_l + p_l .$$
# Only $s_0$ is a query, and all tokens are keys and values: $q = W_q s_0$, $k_l = W_k s_l$, $v_l = W_v s_l$. The $D$
# features of each are cut into `heads` blocks of $d = D / \text{heads}$; in each block, on its own,
# $$\alpha = \mathrm{softmax}_l\Big(\frac{q \cdot k_l}{\sqrt d}\Big), \qquad z = \sum_{l=0}^{L} \alpha_l v_l ,$$
# and the blocks of $z$ side by side are the feature of the image. (The published network also has biases here, and a last
# linear layer, which is the $W_i$ of part 1.) The tokens reach $z$ by more than one way, and so do the locations.

# %% nbgrader={"grade": false, "grade_id": "attention-pool", "locked": false, "schema_version": 3, "solution": true, "task": false}
def attention_pool_forward(x, positions, W_q, W_k, W_v, heads):
    """One vector of a grid of features.

        s = [mean of x; x] + positions,   q = W_q s_0,   k_l = W_k s_l,   v_l = W_v s_l
        in each head:   alpha = softmax(q . k_l / sqrt(d)) over the L+1 tokens,   z = sum_l alpha_l v_l

    Head h has the features h d, ..., (h + 1) d - 1 of q, k, v and z. The softmax must stay finite for scores of any size.

    Args:
        x: features of L locations, (B, L, D).
        positions: (L+1, D), the first is that of the mean.
        W_q, W_k, W_v: (D, D) each.
        heads: how many; D = heads * d.

    Returns:
        z: (B, D).
        cache: what the backward needs.

    In numbers, with W_q = 0: all three tokens, the mean 2 and the locations 1 and 3, get the weight 1/3.

        >>> one = np.ones((1, 1))
        >>> z, _ = attention_pool_forward(np.array([[[1.0], [3.0]]]), np.zeros((3, 1)), 0 * one, one, 5 * one, 1)
        >>> z.round(4).tolist()
        [[10.0]]
    """
    ### BEGIN SOLUTION
    B, L, D = x.shape
    d = D // heads
    s = np.concatenate([x.mean(axis=1, keepdims=True), x], axis=1) + positions   # (B, L+1, D)
    q = (s[:, :1] @ W_q.T).reshape(B, 1, heads, d).swapaxes(1, 2)                # (B, heads, 1, d)
    k = (s @ W_k.T).reshape(B, L + 1, heads, d).swapaxes(1, 2)                   # (B, heads, L+1, d)
    v = (s @ W_v.T).reshape(B, L + 1, heads, d).swapaxes(1, 2)
    e = q @ k.swapaxes(2, 3) / np.sqrt(d)                                        # (B, heads, 1, L+1)
    alpha = np.exp(e - e.max(axis=3, keepdims=True))
    alpha = alpha / alpha.sum(axis=3, keepdims=True)
    z = (alpha @ v).reshape(B, D)
    cache = s, q, k, v, alpha, W_q, W_k, W_v
    return z, cache
    ### END SOLUTION


def attention_pool_backward(dz, cache):
    """The gradient of the pool.

    Args:
        dz: (B, D).
        cache: from the forward.

    Returns:
        dx (B, L, D), dpositions (L+1, D), dW_q (D, D), dW_k (D, D), dW_v (D, D).
    """
    ### BEGIN SOLUTION
    s, q, k, v, alpha, W_q, W_k, W_v = cache
    B, heads, _, d = q.shape
    L, D = s.shape[1] - 1, s.shape[2]
    dz = dz.reshape(B, heads, 1, d)
    dv = alpha.swapaxes(2, 3) * dz                                               # (B, heads, L+1, d)
    g = dz @ v.swapaxes(2, 3)                                                    # (B, heads, 1, L+1), what reaches alpha
    de = alpha * (g - (alpha * g).sum(axis=3, keepdims=True)) / np.sqrt(d)
    dq, dk = de @ k, de.swapaxes(2, 3) * q
    dq, dk, dv = (y.swapaxes(1, 2).reshape(B, -1, D) for y in (dq, dk, dv))      # (B, 1 or L+1, D)
    ds = dk @ W_k + dv @ W_v                                                     # every token is asked, and answers
    ds[:, :1] += dq @ W_q                                                        # the first one also asks
    dW_q = np.einsum("bmi,bmj->ij", dq, s[:, :1])
    dW_k, dW_v = (np.einsum("bmi,bmj->ij", y, s) for y in (dk, dv))
    dpositions = ds.sum(axis=0)                                                  # the same for all images
    dx = ds[:, 1:] + ds[:, :1] / L                                               # directly, and through the mean
    return dx, dpositions, dW_q, dW_k, dW_v
    ### END SOLUTION


# %%
check("08", only="attention_pool")

# %% [markdown]
# ## 3. Extra: the zero-shot classifier (2 points)
#
# The slide's second panel, "create dataset classifier from label text": the text tower reads "a photo of a dog", and what
# it says are the weights of a linear classifier without bias. Several prompts for each class do better than one ("a
# drawing of a dog", "a dark photo of a dog"). They are joined in the space of the embeddings: each is made of length 1,
# then comes the mean, and the mean is made of length 1 again. However many there are, classifying an image then costs the
# same. The logits are $100 \cos$, as $e^t$ is at its bound when training ends.

# %% nbgrader={"grade": false, "grade_id": "zero-shot", "locked": false, "schema_version": 3, "solution": true, "task": false}
def zero_shot(prompts, images):
    """Classify images by what the text tower says of the classes' names.

        w_c = unit(mean over p of unit(prompts_cp)),   logits_nc = 100 cos(images_n, w_c),   unit(a) = a / |a|

    Args:
        prompts: embeddings of P prompts for each of C classes, of any length, (C, P, E).
        images: embeddings of N images, of any length, (N, E).

    Returns:
        weights: (C, E), each row of length 1.
        logits: (N, C).
        label: for each image the class of the largest logit, integers (N,), from 0.

    In numbers: the prompts (3, 0) and (0, 1) of class 0 count alike, so it has the weights (0.7071, 0.7071).

        >>> weights, logits, label = zero_shot(np.array([[[3.0, 0.0], [0.0, 1.0]], [[0.0, -2.0], [0.0, -1.0]]]),
        ...                                    np.array([[2.0, 0.0]]))
        >>> weights.round(4).tolist(), logits.round(2).tolist(), label.tolist()
        ([[0.7071, 0.7071], [0.0, -1.0]], [[70.71, 0.0]], [0])
    """
    ### BEGIN SOLUTION
    each = prompts / np.linalg.norm(prompts, axis=2, keepdims=True)              # (C, P, E)
    weights = each.mean(axis=1)                                                  # (C, E)
    weights = weights / np.linalg.norm(weights, axis=1, keepdims=True)
    I_e = images / np.linalg.norm(images, axis=1, keepdims=True)                 # (N, E)
    logits = 100 * I_e @ weights.T                                               # (N, C)
    label = logits.argmax(axis=1)
    return weights, logits, label
    ### END SOLUTION


# %%
check("08", only="zero_shot")

# %% [markdown]
# ## 4. Extra: byte-pair merges (2 points)
#
# The text tower knows no words but 49,408 symbols, of which 48,894 were learned by joining, again and again, the two
# neighbours that occurred together most often. The list of these merges in the order of learning is all that is needed to
# cut a new word: it begins as single bytes (of which the last is marked as the end of the word), and **the merge that was
# learned first** is done first, wherever in the word it stands, until none is possible.
#
# Symbols are numbers here. With the table
#
# | row | left | right | joined |
# |---|---|---|---|
# | 0 | 1 (`o`) | 2 (`w`) | 5 (`ow`) |
# | 1 | 2 (`w`) | 3 (`e`) | 6 (`we`) |
# | 2 | 0 (`l`) | 5 (`ow`) | 7 (`low`) |
#
# `lowest` = `[0, 1, 2, 3, 8, 9]` becomes `[0, 5, 3, 8, 9]`, then `[7, 3, 8, 9]`: `low e s t`. Row 1 was possible at first, and is
# not any more after row 0.

# %% nbgrader={"grade": false, "grade_id": "bpe-merge", "locked": false, "schema_version": 3, "solution": true, "task": false}
def bpe_merge(symbols, merges):
    """Cut one word into the symbols of a table of merges.

    As long as some two neighbours are a pair (left, right) of the table: take of all such pairs the one in the first row of
    the table, and replace it by the joined symbol wherever it stands in the word, from the left where places overlap.

    Args:
        symbols: the word as single bytes, each a number, integers (L,).
        merges: the table, integers (M, 3): left, right, joined. No pair is in it twice.

    Returns:
        ids: what the word becomes, an array of integers (L',), L' <= L.

    In numbers, the word and the table above:

        >>> bpe_merge(np.array([0, 1, 2, 3, 8, 9]), np.array([[1, 2, 5], [2, 3, 6], [0, 5, 7]])).tolist()
        [7, 3, 8, 9]
    """
    ### BEGIN SOLUTION
    word = symbols.tolist()
    rank = {(left, right): row for row, (left, right, _) in enumerate(merges.tolist())}
    while True:
        possible = [pair for pair in zip(word, word[1:]) if pair in rank]
        if not possible:
            break
        pair = min(possible, key=rank.get)
        joined = int(merges[rank[pair], 2])
        place, shorter = 0, []
        while place < len(word):
            if tuple(word[place:place + 2]) == pair:
                shorter.append(joined)
                place += 2
            else:
                shorter.append(word[place])
                place += 1
        word = shorter
    ids = np.array(word)
    return ids
    ### END SOLUTION


# %%
check("08", only="bpe_merge")

# %% [markdown]
# ## To think about
#
# 1. What is the loss, and what is its gradient with respect to $t$, when all cosines are equal? And when every image is
#    nearest to its own text: in which direction does $t$ go then, and what would stop it without the bound?
# 2. Swap two locations of the grid, but not their positions: does $z$ change? And if the positions are all 0?
#
# ## All together

# %% nbgrader={"grade": true, "grade_id": "all-together", "locked": true, "points": 20, "schema_version": 3, "solution": false, "task": false}
report = check("08")
print(report)
min(report.earned, report.possible)    # of 20: extra points make up for lost ones
