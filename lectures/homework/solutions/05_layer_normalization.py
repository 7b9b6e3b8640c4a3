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
# # Exercise 5: Layer Normalization
#
# Two functions on which the lecture turns, in plain NumPy, forward and backward by hand, and two extra ones:
#
# 1. **layer normalisation**: statistics of one training case over its units, and a gradient that goes through them;
# 2. **a step of the layer-normalised LSTM**: what is normalised, over which units, and what is carried;
# 3. (extra) **batch normalisation**: the other axis, and what stands for the batch at test time;
# 4. (extra) **the order violation** of the image-sentence ranking.
#
# A forward returns its results and a `cache`, which is whatever its backward needs; a backward takes the gradient of a
# scalar with respect to each result, and returns its gradient with respect to each input, in the order given in its
# docstring. Everything is float64 here. Neither may write into what it is given. No loop over cases or units is needed.
# Write your code in the place of the lines `raise NotImplementedError(...)`.
#
# Check your work in this notebook by running the cells that say `check`, or in a terminal with
# `python -m tinymm check 05 YOUR_FILE.py`. A backward is compared with finite differences of your own forward, so the two
# are judged separately.

# %%
import numpy as np

from tinymm.homework import check

rng = np.random.default_rng(0)                                              # numbers to try things on:
x, h, c = (rng.normal(size=(2, size)) for size in (4, 3, 3))                # B=2, D=4, H=3
W_x, W_h, g, b = rng.normal(size=(12, 4)), rng.normal(size=(12, 3)), np.ones(12), np.zeros(12)

# %% [markdown]
# ## 1. Layer normalisation (8 points)
#
# With the summed inputs $a \in \mathbb{R}^H$ of one training case to one layer,
# $$\mu = \frac1H \sum_{i=1}^H a_i, \qquad \sigma = \sqrt{\frac1H \sum_{i=1}^H (a_i - \mu)^2 + \epsilon}, \qquad
# n_i = \frac{a_i - \mu}{\sigma}, \qquad y_i = g_i\, n_i + b_i .$$
# (The slide writes $\mu_i$ inside the root, where there is one $\mu$ for all units, and no $\epsilon$.)
#
# **In numbers.** $a = (1, 2, 6)$: $\mu = 3$, the squares of $(-2, -1, 3)$ have the mean $14/3$, so with $\epsilon = 0$
# $\sigma = 2.160$ and $n = (-0.926, -0.463, 1.389)$.
#
# The gradient has **three terms**, because $a_i$ moves $n_i$ directly, and all of $n$ through $\mu$ and through $\sigma$.
# Two sums come out at 0, which is a test of your own: that of the gradient over the units, and (as $\epsilon \to 0$) that
# of the gradient times $a$.

# %% nbgrader={"grade": false, "grade_id": "layer-norm", "locked": false, "schema_version": 3, "solution": true, "task": false}
def layer_norm_forward(a, g, b, eps):
    """Layer normalisation of a batch.

        mu = 1/H sum_i a_i,   sigma = sqrt(1/H sum_i (a_i - mu)^2 + eps),   y_i = g_i (a_i - mu) / sigma + b_i

    Each case has its own mu and sigma. A constant input gives b.

    Args:
        a: summed inputs, (B, H).
        g: the gain, (H,).
        b: the bias, (H,).
        eps: a small number, inside the root.

    Returns:
        y: (B, H).
        cache: what the backward needs.
    """
    ### BEGIN SOLUTION
    centred = a - a.mean(axis=1, keepdims=True)                             # (B, H)
    sigma = np.sqrt((centred**2).mean(axis=1, keepdims=True) + eps)         # (B, 1)
    n = centred / sigma
    y = g * n + b
    cache = n, sigma, g
    return y, cache
    ### END SOLUTION


def layer_norm_backward(dy, cache):
    """The gradient of layer normalisation.

    Args:
        dy: (B, H).
        cache: from the forward.

    Returns:
        da (B, H), dg (H,), db (H,).
    """
    ### BEGIN SOLUTION
    n, sigma, g = cache
    dn = g * dy                                                             # (B, H)
    by_mu = dn.mean(axis=1, keepdims=True)                                  # (B, 1)
    by_sigma = n * (dn * n).mean(axis=1, keepdims=True)                     # (B, H)
    da = (dn - by_mu - by_sigma) / sigma
    dg = (dy * n).sum(axis=0)
    db = dy.sum(axis=0)
    return da, dg, db
    ### END SOLUTION


# %%
check("05", only="layer_norm")

# %% [markdown]
# ## 2. A step of the layer-normalised LSTM (12 points)
#
# The paper's cell (its equations 20 to 22), with the gain and the bias of each LN written out and the three biases of the
# gates as one:
# $$(f, i, o, g) = g_h \odot \mathrm{n}(W_h h_{t-1}) + g_x \odot \mathrm{n}(W_x x_t) + b,$$
# $$c_t = \sigma(f) \odot c_{t-1} + \sigma(i) \odot \tanh(g), \qquad
# h_t = \sigma(o) \odot \tanh\big(g_c \odot \mathrm{n}(c_t) + b_c\big).$$
# $\mathrm{n}(\cdot)$ is the normalisation of part 1 without gain and bias: over **all $4H$ units** of each product, and over
# the $H$ of the cell. The two products are normalised **apart**. What the next step gets is **$c_t$ itself**: the
# normalised cell is seen by the output alone.
#
# **In numbers.** $H = 2$ and $W_h h = (0, 0,\ 0, 0,\ 2, 2,\ 2, 2)$: over the 8 units $\mu = 1$ and $\sigma = 1$, so
# $\mathrm{n} = (-1, -1,\ -1, -1,\ 1, 1,\ 1, 1)$. Gate by gate every $\mathrm{n}$ would be 0: how the gates stand to each
# other would be lost.
#
# You may call the functions of part 1.

# %% nbgrader={"grade": false, "grade_id": "layer-norm-lstm-step", "locked": false, "schema_version": 3, "solution": true, "task": false}
def layer_norm_lstm_step_forward(x, h, c, W_x, W_h, g_x, g_h, b, g_c, b_c, eps):
    """One step of the layer-normalised LSTM.

        n(a) = (a - mu) / sigma as in layer_norm, sigma with eps inside the root
        f, i, o, g = the four parts of  g_h * n(W_h h) + g_x * n(W_x x) + b
        c' = sigma(f) * c + sigma(i) * tanh(g),   h' = sigma(o) * tanh(g_c * n(c') + b_c)

    Args:
        x: the input, (B, D).
        h: the output of the step before, (B, H).
        c: the memory after the step before, (B, H), not normalised.
        W_x: (4H, D), the rows of f, i, o and g below each other in this order.
        W_h: (4H, H), likewise.
        g_x, g_h: the gains of W_x x and of W_h h, (4H,).
        b: the bias, (4H,).
        g_c, b_c: gain and bias of the cell's normalisation, (H,).
        eps: of the three normalisations.

    Returns:
        h_next: h', (B, H).
        c_next: c', (B, H), not normalised.
        cache: what the backward needs.
    """
    ### BEGIN SOLUTION
    def normalise(a):
        centred = a - a.mean(axis=1, keepdims=True)
        rstd = 1 / np.sqrt((centred**2).mean(axis=1, keepdims=True) + eps)  # 1 / sigma, (B, 1)
        return centred * rstd, rstd

    of_x, of_h = normalise(x @ W_x.T), normalise(h @ W_h.T)                 # (B, 4H) and (B, 1) each
    a = g_h * of_h[0] + g_x * of_x[0] + b                                   # (B, 4H)
    f, i, o, g = np.split(a, 4, axis=1)                                     # (B, H) each
    f, i, o = (0.5 * (1 + np.tanh(0.5 * gate)) for gate in (f, i, o))       # sigma, which cannot overflow in this form
    g = np.tanh(g)
    c_next = f * c + i * g
    of_c = normalise(c_next)                                                # (B, H), (B, 1)
    t = np.tanh(g_c * of_c[0] + b_c)
    h_next = o * t
    cache = x, h, c, W_x, W_h, g_x, g_h, g_c, of_x, of_h, of_c, f, i, o, g, t
    return h_next, c_next, cache
    ### END SOLUTION


def layer_norm_lstm_step_backward(dh_next, dc_next, cache):
    """The gradient of one step.

    Args:
        dh_next: gradient with respect to h', (B, H).
        dc_next: gradient with respect to the c' that was returned, (B, H); it does not contain the way through h'.
        cache: from the forward.

    Returns:
        dx (B, D), dh (B, H), dc (B, H), dW_x (4H, D), dW_h (4H, H), dg_x (4H,), dg_h (4H,), db (4H,), dg_c (H,), db_c (H,).
    """
    ### BEGIN SOLUTION
    x, h, c, W_x, W_h, g_x, g_h, g_c, of_x, of_h, of_c, f, i, o, g, t = cache

    def through(dn, normalised):
        n, rstd = normalised
        return rstd * (dn - dn.mean(axis=1, keepdims=True) - n * (dn * n).mean(axis=1, keepdims=True))

    do = dh_next * t * o * (1 - o)                                          # (B, H), before sigma
    dr = dh_next * o * (1 - t * t)                                          # (B, H), before the output's tanh
    dg_c = (dr * of_c[0]).sum(axis=0)
    db_c = dr.sum(axis=0)
    dmemory = dc_next + through(g_c * dr, of_c)                             # (B, H), all that reaches c'
    df = dmemory * c * f * (1 - f)
    di = dmemory * g * i * (1 - i)
    dg = dmemory * i * (1 - g * g)
    dc = dmemory * f
    da = np.concatenate([df, di, do, dg], axis=1)                           # (B, 4H)
    db = da.sum(axis=0)
    dg_x = (da * of_x[0]).sum(axis=0)
    dg_h = (da * of_h[0]).sum(axis=0)
    dx_sum = through(g_x * da, of_x)                                        # (B, 4H), at W_x x
    dh_sum = through(g_h * da, of_h)                                        # (B, 4H), at W_h h
    dx = dx_sum @ W_x
    dh = dh_sum @ W_h
    dW_x = dx_sum.T @ x
    dW_h = dh_sum.T @ h
    return dx, dh, dc, dW_x, dW_h, dg_x, dg_h, db, dg_c, db_c
    ### END SOLUTION


# %%
check("05", only="layer_norm_lstm_step")

# %% [markdown]
# ## 3. Extra: batch normalisation (2 points)
#
# The same formula along the other axis: $\mu_i$ and $\sigma_i$ of unit $i$ over the $B$ cases of the mini-batch. The slide's
# expectation over $p(x)$ is not at hand; training takes that of the mini-batch, and keeps running averages for later:
# $$\bar\mu \leftarrow (1 - m)\,\bar\mu + m\,\mu, \qquad \bar v \leftarrow (1 - m)\,\bar v + m\,\tfrac{B}{B - 1}\,\sigma^2 .$$
# At test time $\bar\mu$ and $\bar v$ stand for $\mu$ and $\sigma^2$, and stay as they are. Note the two variances: $y$ is
# normalised with the one divided by $B$, the average keeps the unbiased one (which a batch of one case does not have).
#
# **In numbers.** One unit, the cases $(1, 2, 6)$: $\mu = 3$, $\sigma^2 = 14/3$; from $\bar v = 1$ with $m = 0.1$ comes
# $0.9 + 0.1 \cdot 7 = 1.6$.

# %% nbgrader={"grade": false, "grade_id": "batch-norm", "locked": false, "schema_version": 3, "solution": true, "task": false}
def batch_norm(a, g, b, running_mean, running_var, momentum, eps, training):
    """Batch normalisation, without its backward.

        y = g (a - mu) / sqrt(var + eps) + b

    Args:
        a: summed inputs, (B, H).
        g, b: gain and bias, (H,).
        running_mean, running_var: the averages before this call, (H,).
        momentum: m, the weight of the new statistics.
        eps: a small number, inside the root.
        training: True: normalise with the batch's statistics, and move the averages; False: use the averages.

    Returns:
        y: (B, H).
        new_mean, new_var: the averages after this call, (H,).
    """
    ### BEGIN SOLUTION
    if not training:
        return g * (a - running_mean) / np.sqrt(running_var + eps) + b, running_mean.copy(), running_var.copy()
    B = len(a)
    mu, var = a.mean(axis=0), a.var(axis=0)                                 # (H,), divided by B
    y = g * (a - mu) / np.sqrt(var + eps) + b
    new_mean = (1 - momentum) * running_mean + momentum * mu
    new_var = (1 - momentum) * running_var + momentum * var * B / (B - 1)
    return y, new_mean, new_var
    ### END SOLUTION


# %%
check("05", only="batch_norm")

# %% [markdown]
# ## 4. Extra: the order violation (2 points)
#
# In the image-sentence ranking a caption is more general than its image, and "more general" is an order of vectors without
# negative coordinates: $s \preceq im$ where $s_d \le im_d$ for all $d$. How much a pair violates it is
# $$E(s, im) = \lVert \max(0,\ s - im) \rVert^2 ,$$
# which is 0 just where the order holds.
#
# **In numbers.** $s = (1, 0, 2)$, $im = (0, 1, 2)$: only the first coordinate violates, $E = 1$. The other way round
# $\max(0, im - s) = (0, 1, 0)$, and $E$ is 1, too: $E$ is no distance, and not odd.

# %% nbgrader={"grade": false, "grade_id": "order-violation", "locked": false, "schema_version": 3, "solution": true, "task": false}
def order_violation_forward(s, im):
    """The violation of the order by every pair of a caption and an image.

        E_nm = sum_d max(0, s_nd - im_md)^2

    Args:
        s: captions, (N, D).
        im: images, (M, D).

    Returns:
        E: (N, M).
        cache: what the backward needs.
    """
    ### BEGIN SOLUTION
    excess = np.maximum(0, s[:, None, :] - im[None, :, :])                  # (N, M, D)
    E = (excess**2).sum(axis=2)
    cache = excess
    return E, cache
    ### END SOLUTION


def order_violation_backward(dE, cache):
    """The gradient of the order violation.

    Args:
        dE: (N, M).
        cache: from the forward.

    Returns:
        ds (N, D), dim (M, D).
    """
    ### BEGIN SOLUTION
    excess = cache
    d = 2 * excess * dE[:, :, None]                                         # (N, M, D): 0 where nothing is violated
    ds = d.sum(axis=1)
    dim = -d.sum(axis=0)
    return ds, dim
    ### END SOLUTION


# %%
check("05", only="order_violation")

# %% [markdown]
# ## To think about
#
# 1. Multiply one row of $W$ by 10 where $a = W x$: what happens to the $n$ of layer normalisation, and what to that of batch
#    normalisation? And if $W$ as a whole is multiplied?
# 2. Why do two units ($H = 2$) say next to nothing after layer normalisation, and what is left of their gradient?
#
# ## All together

# %% nbgrader={"grade": true, "grade_id": "all-together", "locked": true, "points": 20, "schema_version": 3, "solution": false, "task": false}
report = check("05")
print(report)
min(report.earned, report.possible)    # of 20: extra points make up for lost ones
