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
# # Exercise 4: Show, Attend and Tell
#
# Two functions on which the lecture turns (1 and 3), in plain NumPy, forward and backward by hand, and behind each an extra
# one:
#
# 1. **soft attention**: the expected context vector, and its gradient through the softmax;
# 2. (extra) **the doubly stochastic penalty**: look everywhere once, and do not count the padding;
# 3. **hard attention**: the estimate of a gradient that no chain rule gives, as the gradient of a surrogate;
# 4. (extra) **the moving-average baseline**: what makes that estimate usable.
#
# A forward returns its results and a `cache`, which is whatever its backward needs; a backward takes the gradient of a
# scalar with respect to each result, and returns its gradient with respect to each input, in the order given in its
# docstring. Everything is float64 here. Neither may write into what it is given. No loop over images, steps or
# locations is needed, except in part 4. Write your code in the place of the lines `raise NotImplementedError(...)`.
#
# Check your work in this notebook by running the cells that say `check`, or in a terminal with
# `python -m tinymm check 04 YOUR_FILE.py`. A backward is compared with finite differences of your own forward, so the two
# are judged separately.

# %%
import numpy as np

from tinymm.homework import check

rng = np.random.default_rng(0)                                   # numbers to try things on:
a, h = rng.normal(size=(2, 5, 3)), rng.normal(size=(2, 4))       # B=2, L=5, D=3, H=4

# %% [markdown]
# ## 1. Soft attention (10 points)
#
# The encoder gives $L$ annotation vectors $a_i \in \mathbb{R}^D$, one for each location of the image; the decoder is in
# the state $h_{t-1}$. The scores and the weights are
# $$e_i = u^\top \tanh(W_a a_i + W_h h_{t-1}), \qquad \alpha = \mathrm{softmax}(e),$$
# and the context is the mean of the annotation vectors under $\alpha$, $\hat z = \sum_{i=1}^{L} \alpha_i a_i$. (On the
# slide one of these sums runs to $N$; it runs over the $L$ locations.) The loss reaches $\alpha$ by two ways, through
# $\hat z$ and directly, through the penalty of part 2; and it reaches $a$ by two ways.

# %% nbgrader={"grade": false, "grade_id": "soft-attention", "locked": false, "schema_version": 3, "solution": true, "task": false}
def soft_attention_forward(a, h, W_a, W_h, u):
    """The context vector of soft attention.

        e_i = u . tanh(W_a a_i + W_h h),   alpha = softmax(e),   z = sum_i alpha_i a_i

    The softmax is over the L locations, and must stay finite for scores of any size.

    Args:
        a: annotation vectors, (B, L, D).
        h: the decoder's state, (B, H).
        W_a: (K, D).
        W_h: (K, H).
        u: (K,).

    Returns:
        z: (B, D).
        alpha: (B, L).
        cache: what the backward needs.

    In numbers, two locations 0 and 1, with u such that e = (0, log 3): alpha = (1/4, 3/4), and z is its mean of 0 and 1.

        >>> z, alpha, _ = soft_attention_forward(np.array([[[0.0], [1.0]]]), np.array([[5.0]]), np.array([[1.0]]),
        ...                                      np.array([[0.0]]), np.array([np.log(3) / np.tanh(1)]))
        >>> z.round(4).tolist(), alpha.round(4).tolist()
        ([[0.75]], [[0.25, 0.75]])
    """
    # YOUR CODE HERE
    raise NotImplementedError("soft_attention_forward")


def soft_attention_backward(dz, dalpha, cache):
    """The gradient of soft attention.

    Args:
        dz: gradient with respect to z, (B, D).
        dalpha: gradient with respect to the alpha that was returned, (B, L); it does not contain the way through z.
        cache: from the forward.

    Returns:
        da (B, L, D), dh (B, H), dW_a (K, D), dW_h (K, H), du (K,).
    """
    # YOUR CODE HERE
    raise NotImplementedError("soft_attention_backward")


# %%
check("04", only="soft_attention")

# %% [markdown]
# ## 2. Extra: the doubly stochastic penalty (2 points)
#
# The weights of one step sum to 1 over the locations. The penalty asks that those of one location sum to about $\tau$
# over the steps, so that the whole image is looked at:
# $$\lambda \sum_{i=1}^{L} \Big(\tau - \sum_{t=1}^{C} \alpha_{t,i}\Big)^2 .$$
# Captions in a batch differ in length; a step after the end of a caption is not part of the sum over $t$. (All
# $\alpha_{t,i}$ together sum to $C$, so the penalty can vanish only for $\tau = C/L$. The paper takes $\tau = 1$
# nevertheless.)

# %% nbgrader={"grade": false, "grade_id": "doubly-stochastic", "locked": false, "schema_version": 3, "solution": true, "task": false}
def doubly_stochastic_forward(alpha, mask, tau, lam):
    """The doubly stochastic penalty of each image.

        lam * sum_i (tau - sum_t alpha_ti)^2,   t over the words of the caption

    Args:
        alpha: attention weights, (B, T, L). At padded steps they can be anything.
        mask: booleans (B, T), True for a word, False for a padded step.
        tau: what the weights of each location shall sum to; a number.
        lam: the weight lambda of the penalty; a number.

    Returns:
        penalty: (B,), one for each image, not averaged over the batch.
        cache: what the backward needs.

    In numbers, two words and a padded step: the sums over t are 1.5 and 0.5, so 2 * ((-0.5)^2 + 0.5^2).

        >>> penalty, _ = doubly_stochastic_forward(np.array([[[1.0, 0.0], [0.5, 0.5], [9.0, 9.0]]]),
        ...                                        np.array([[True, True, False]]), 1.0, 2.0)
        >>> penalty.tolist()
        [1.0]
    """
    # YOUR CODE HERE
    raise NotImplementedError("doubly_stochastic_forward")


def doubly_stochastic_backward(dpenalty, cache):
    """The gradient of the penalty.

    Args:
        dpenalty: (B,).
        cache: from the forward.

    Returns:
        dalpha: (B, T, L).
    """
    # YOUR CODE HERE
    raise NotImplementedError("doubly_stochastic_backward")


# %%
check("04", only="doubly_stochastic")

# %% [markdown]
# ## 3. Hard attention (10 points)
#
# At each step one location is drawn, $s_t \sim \mathrm{Multinoulli}(\alpha_t)$, and only its vector is seen. The
# quantity to **maximise** is $L_s = \sum_s p(s \mid a) \log p(y \mid s, a)$. No gradient flows through a draw; from $N$
# sampled paths $\tilde s^n$ one estimates, with a baseline $b$ and an entropy bonus,
# $$\frac{\partial L_s}{\partial W} \approx \frac1N \sum_{n=1}^{N} \Big[ \frac{\partial \log p(y \mid \tilde s^n, a)}{\partial W}
# + \lambda_r \big(\log p(y \mid \tilde s^n, a) - b\big) \frac{\partial \log p(\tilde s^n \mid a)}{\partial W}
# + \lambda_e \frac{\partial H[\tilde s^n]}{\partial W} \Big].$$
# It is the gradient of the surrogate
# $$J = \frac1N \sum_{n=1}^{N} \Big[ \log p(y \mid \tilde s^n, a) + \lambda_r R_n \sum_t \log \alpha^n_{t, s_t}
# + \lambda_e \sum_t H(\alpha^n_t) \Big], \qquad R_n = \log p(y \mid \tilde s^n, a) - b,$$
# in which the **reward $R_n$ is a constant**: it weighs the score function, and no gradient flows through it. Both sums
# over $t$ run over the words of the caption. (As $\lambda_r \ne 1$ weighs one term only, the estimate is then not an
# unbiased one of $\partial L_s / \partial W$, and the slide keeps the sign of a quantity to maximise, where code that
# minimises a loss turns all three terms around.)

# %% nbgrader={"grade": false, "grade_id": "hard-attention", "locked": false, "schema_version": 3, "solution": true, "task": false}
def hard_attention_forward(e, s, mask, log_p, b, lambda_r, lambda_e):
    """The surrogate whose gradient is the estimate for hard attention; to be maximised.

        alpha_t = softmax(e_t),   R = log_p - b,   H(alpha_t) = -sum_i alpha_ti log alpha_ti
        J = mean over n of [log_p + lambda_r R sum_t log alpha_{t, s_t} + lambda_e sum_t H(alpha_t)]

    It must stay finite for scores of any size, also where an alpha_ti is rounded to 0.

    Args:
        e: scores of the locations along N sampled paths, (N, T, L).
        s: the locations that were drawn, integers (N, T).
        mask: booleans (N, T), True for a word, False for a padded step.
        log_p: log p(y | s, a) of each path, (N,).
        b: the baseline; a number.
        lambda_r, lambda_e: weights of the score-function term and of the entropy; numbers.

    Returns:
        J: a scalar.
        cache: what the backward needs.

    In numbers, one path of one step with alpha = (1/4, 3/4), of which the second is drawn: R = -2 + 3, J = -2 + log 3/4.

        >>> J, _ = hard_attention_forward(np.array([[[0.0, np.log(3)]]]), np.array([[1]]), np.array([[True]]),
        ...                               np.array([-2.0]), -3.0, 1.0, 0.0)
        >>> round(float(J), 4)
        -2.2877
    """
    # YOUR CODE HERE
    raise NotImplementedError("hard_attention_forward")


def hard_attention_backward(dJ, cache):
    """The gradient of the surrogate, with the reward R held constant.

    Args:
        dJ: a scalar; +1 to maximise.
        cache: from the forward.

    Returns:
        de: (N, T, L).
        dlog_p: (N,), by the first term alone.
    """
    # YOUR CODE HERE
    raise NotImplementedError("hard_attention_backward")


# %%
check("04", only="hard_attention")

# %% [markdown]
# ## 4. Extra: the moving-average baseline (2 points)
#
# After the $k$-th mini-batch, $b_k = 0.9\, b_{k-1} + 0.1 \log p(y \mid \tilde s_k, a)$, with the mean of $\log p$ over
# the mini-batch. The rewards of mini-batch $k$ are centred by the baseline **before** it has seen them: a baseline that
# depends on the very sample that it is subtracted from makes the estimate biased.

# %% nbgrader={"grade": false, "grade_id": "baseline", "locked": false, "schema_version": 3, "solution": true, "task": false}
def moving_average_baseline(log_p, b_0):
    """Centred rewards of a run of mini-batches.

        b_k = 0.9 b_{k-1} + 0.1 mean_n log_p_kn,   advantage_kn = log_p_kn - b_{k-1},   k = 1, ..., M

    Args:
        log_p: log p(y | s, a) of the N paths in each of M mini-batches, in the order of training, (M, N).
        b_0: the baseline at the start; a number.

    Returns:
        advantage: (M, N).
        b: b_1, ..., b_M, (M,).

    In numbers: b_1 = 0.9 * (-1) + 0.1 * (-5), and the second mini-batch is centred by it.

        >>> advantage, b = moving_average_baseline(np.array([[-4.0, -6.0], [-3.0, -3.0]]), -1.0)
        >>> advantage.round(4).tolist(), b.round(4).tolist()
        ([[-3.0, -5.0], [-1.6, -1.6]], [-1.4, -1.56])
    """
    # YOUR CODE HERE
    raise NotImplementedError("moving_average_baseline")


# %%
check("04", only="baseline")

# %% [markdown]
# ## To think about
#
# 1. Add the same number to all scores of an image: what changes in alpha and in z? What is therefore the sum of the
#    gradient of the scores over the locations, and how does it help the softmax to stay finite?
# 2. With one location ($L = 1$) nothing is left to learn about where to look. What do parts 1 and 3 give as the gradient of
#    the scores then, and what of $J$ still depends on them?
#
# ## All together

# %% nbgrader={"grade": true, "grade_id": "all-together", "locked": true, "points": 20, "schema_version": 3, "solution": false, "task": false}
report = check("04")
print(report)
min(report.earned, report.possible)    # of 20: extra points make up for lost ones
