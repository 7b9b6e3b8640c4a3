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
# # Exercise 9: DALL-E
#
# Two functions on which the lecture turns, in plain NumPy, forward and backward by hand, and two extra ones:
#
# 1. **Gumbel-softmax and its KL**: how an encoder of codes learns by gradients, and what keeps all codes in use;
# 2. **the logit-Laplace likelihood**: a density for pixels, which end at 0 and at 1;
# 3. (extra) **the masks**: which tokens each token sees;
# 4. (extra) **the weighted loss**: text and image tokens in one sequence, the image worth seven times the text.
#
# A forward returns its results and a `cache`, which is whatever its backward needs; a backward takes the gradient of a
# scalar with respect to each result, and returns its gradient with respect to each input named in its docstring.
# Everything is float64 here, except sizes and tokens. No function may write into what it is given. No loop over pictures,
# codes, places or tokens is needed, except in part 3, where one may help. Write your code in the place of the lines
# `raise NotImplementedError(...)`.
#
# Check your work in this notebook by running the cells that say `check`, or in a terminal with
# `python -m tinymm check 09 YOUR_FILE.py`. A backward is compared with finite differences of your own forward, so the two
# are judged separately.

# %%
import numpy as np

from tinymm.homework import check

rng = np.random.default_rng(0)                                   # numbers to try things on:
logits, g = rng.normal(size=(2, 4, 3, 2)), rng.gumbel(size=(2, 4, 3, 2))     # N=2 pictures, K=4 codes, 3 x 2 tokens
x, decoded = rng.uniform(size=(2, 3, 2, 3)), rng.normal(size=(2, 6, 2, 3))   # N=2 pictures of 2 x 3 pixels

# %% [markdown]
# ## 1. Gumbel-softmax and its KL (10 points)
#
# The encoder $q_\phi$ gives each of $h \cdot w$ places of a picture $K$ logits $\ell$: a distribution
# $q = \operatorname{softmax}(\ell)$ over the codes. To draw a code, add noise to each logit and take the largest: with
# $g = -\ln(-\ln u)$, $u$ uniform (Gumbel noise), $\arg\max_k (\ell_k + g_k)$ has just the distribution $q$. An arg-max has
# no gradient. So in training a softmax stands in its place, made harder from update to update by a temperature $\tau$ that
# falls to $1/16$:
# $$z = \operatorname{softmax}\big((\ell + g) / \tau\big) .$$
# The decoder is given this soft $z$. The noise comes in as an argument here; it is a constant.
#
# The encoder pays for what it says with the divergence from the uniform distribution over the codes,
# $$\mathrm{KL}(q \,\|\, U) = \sum_k q_k \ln \frac{q_k}{1/K} = \ln K + \sum_k q_k \ln q_k ,$$
# between 0 and $\ln K$ nats a token. It is that of $q$, without noise and temperature.

# %% nbgrader={"grade": false, "grade_id": "gumbel-softmax", "locked": false, "schema_version": 3, "solution": true, "task": false}
def gumbel_softmax_forward(logits, g, tau):
    """Soft codes, drawn with the given noise, and the KL divergence of the codes from uniform ones.

        z = softmax((logits + g) / tau),   q = softmax(logits),   each over the K codes (axis 1)
        kl = mean over the N h w tokens of (ln K + sum_k q_k ln q_k)

    Both must be right for logits of any size, such as 1000 and -1000, where q_k may be 0 in floating point: there
    q_k ln q_k is 0.

    Args:
        logits: of the codes, (N, K, h, w).
        g: Gumbel noise, (N, K, h, w); a constant.
        tau: temperature, a number above 0.

    Returns:
        z: (N, K, h, w).
        kl: a scalar.
        cache: what the backward needs.

    In numbers, one token and two codes: q = (3/4, 1/4). Noise of ln 9 for the second makes the odds 3 : 9, and tau = 1/2
    squares them:

        >>> z, kl, _ = gumbel_softmax_forward(np.log([3.0, 1.0]).reshape(1, 2, 1, 1),
        ...                                   np.log([1.0, 9.0]).reshape(1, 2, 1, 1), 0.5)
        >>> z.ravel().round(4).tolist(), round(float(kl), 4)
        ([0.1, 0.9], 0.1308)
    """
    ### BEGIN SOLUTION
    def log_softmax(a):
        a = a - a.max(axis=1, keepdims=True)
        return a - np.log(np.exp(a).sum(axis=1, keepdims=True))

    z = np.exp(log_softmax((logits + g) / tau))                                  # (N, K, h, w)
    log_q = log_softmax(logits)                                                  # (N, K, h, w)
    kl = (np.exp(log_q) * log_q).sum(axis=1).mean() + np.log(logits.shape[1])
    return z, kl, (z, log_q, tau)
    ### END SOLUTION


def gumbel_softmax_backward(dz, dkl, cache):
    """The gradients of both, added.

    Args:
        dz: (N, K, h, w).
        dkl: a scalar.
        cache: from the forward.

    Returns:
        dlogits: (N, K, h, w).
    """
    ### BEGIN SOLUTION
    z, log_q, tau = cache
    through_z = z * (dz - (z * dz).sum(axis=1, keepdims=True)) / tau
    q = np.exp(log_q)
    tokens = q.size / q.shape[1]
    through_kl = dkl * q * (log_q - (q * log_q).sum(axis=1, keepdims=True)) / tokens
    dlogits = through_z + through_kl
    return dlogits
    ### END SOLUTION


# %%
check("09", only="gumbel_softmax")

# %% [markdown]
# ## 2. The logit-Laplace likelihood (10 points)
#
# What does the decoder $p_\theta$ say of a pixel's value? A Gaussian (that is what the squared error means) or a Laplace
# distribution gives probability to values below 0 and above 1. DALL-E takes a Laplace distribution for the **logit** of the
# value, $\ln \frac{y}{1 - y}$, which runs from $-\infty$ to $\infty$. As a density of $y$ itself, in $(0, 1)$, that is
# $$f(y \mid \mu, b) = \frac{1}{2 b\, y (1 - y)} \exp\Big( -\frac{|\operatorname{logit} y - \mu|}{b} \Big) ,$$
# where $y (1 - y)$ is the derivative of $y$ with respect to its logit. At 0 and 1 the logit is infinite, so a pixel
# $x \in [0, 1]$ is first mapped inside, $y = (1 - 2 \epsilon) x + \epsilon$, with $\epsilon = 0.1$ in the paper.
#
# The decoder has **six** channels: $\mu$ for red, green and blue, then $\ln b$ for each. The loss is $-\ln f$, averaged over
# all values. It may be **negative**: $f$ is a density, and above 1 where the decoder is sure and right.

# %% nbgrader={"grade": false, "grade_id": "logit-laplace-nll", "locked": false, "schema_version": 3, "solution": true, "task": false}
def logit_laplace_nll_forward(x, decoded, eps):
    """The negative logarithm of the logit-Laplace density of pictures, averaged over their values.

        y = (1 - 2 eps) x + eps,   a = ln(y / (1 - y)) - mu
        nll = mean over the 3 N H W values of (ln 2 + ln b + ln(y (1 - y)) + |a| / b)

    It must be right, too, where b is so small that the density itself is 0 in floating point.

    Args:
        x: pictures, (N, 3, H, W), in [0, 1]; a constant.
        decoded: (N, 6, H, W): mu in channels 0, 1, 2, and ln b in channels 3, 4, 5.
        eps: what is kept free at 0 and at 1, a number in (0, 1/2).

    Returns:
        nll: a scalar, which may be negative.
        cache: what the backward needs.

    In numbers, a grey pixel, x = 1/2 and y = 1/2, has the logit 0. Where mu = 0 and b = 1 the density is
    1 / (2 * 1/4) = 2, and the NLL -ln 2; where mu = 1 it is 1 more:

        >>> grey, decoded = np.full((1, 3, 1, 1), 0.5), np.zeros((1, 6, 1, 1))
        >>> round(float(logit_laplace_nll_forward(grey, decoded, 0.1)[0]), 4)
        -0.6931
        >>> decoded[:, :3] = 1
        >>> round(float(logit_laplace_nll_forward(grey, decoded, 0.1)[0]), 4)
        0.3069
    """
    ### BEGIN SOLUTION
    mu, ln_b = decoded[:, :3], decoded[:, 3:]                                    # (N, 3, H, W)
    y = (1 - 2 * eps) * x + eps
    a = np.log(y) - np.log(1 - y) - mu
    far = np.abs(a) * np.exp(-ln_b)
    nll = (np.log(2) + ln_b + np.log(y * (1 - y)) + far).mean()
    return nll, (a, ln_b, far)
    ### END SOLUTION


def logit_laplace_nll_backward(dnll, cache):
    """The gradient of the NLL; where a = 0 that of mu is 0.

    Args:
        dnll: a scalar.
        cache: from the forward.

    Returns:
        ddecoded: (N, 6, H, W).
    """
    ### BEGIN SOLUTION
    a, ln_b, far = cache
    dmu = -np.sign(a) * np.exp(-ln_b)
    dln_b = 1 - far
    ddecoded = dnll * np.concatenate([dmu, dln_b], axis=1) / a.size
    return ddecoded
    ### END SOLUTION


# %%
check("09", only="logit_laplace_nll")

# %% [markdown]
# ## 3. Extra: the masks (2 points)
#
# The transformer reads $T$ text tokens, then $n = h \cdot w$ image tokens, row after row. Attention is causal, each text
# token sees the text up to itself, and each image token sees the **whole text**. Of the image it sees only a part, which is
# another one in different layers; $i$ and $j$ count image tokens from 0, $w$ is the width, $k$ the kernel (odd):
#
# - **row**: itself and the $w$ tokens before it, so into the row above: $0 \le i - j \le w$;
# - **column**: itself and those above it in its column;
# - **conv**: what comes before the centre of a $k \times k$ kernel, and the centre: $i - j = d\, w + e \ge 0$ for some
#   $0 \le d \le \lfloor k/2 \rfloor$ and $|e| \le \lfloor k/2 \rfloor$. At an edge this goes on in the neighbouring row, as
#   `row` does.
#
# On a grid of $4 \times 4$, the image tokens see so many image tokens: row 1, 2, 3, 4, 5, 5, ...; column four times 1, four
# times 2, ...; conv with $k = 3$: 1, 2, 2, 3, 4, 5, 5, ...

# %% nbgrader={"grade": false, "grade_id": "dalle-masks", "locked": false, "schema_version": 3, "solution": true, "task": false}
def dalle_masks(text, height, width, kernel):
    """The three masks of DALL-E's transformer, for text tokens followed by an image's.

    Args:
        text: T, the number of text tokens, 0 or more.
        height, width: of the grid of image tokens; n = height * width.
        kernel: of the convolutional mask, an odd number.

    Returns:
        row, column, conv: integers (T + n, T + n), 1 where the token of that row may attend to the token of that column,
            and 0 elsewhere.

    In numbers, one text token and a grid of 2 x 2: the last image token sees the text in each, and of the image

        >>> for mask in dalle_masks(1, 2, 2, 3):
        ...     print(mask[-1].tolist())
        [1, 0, 1, 1, 1]
        [1, 0, 1, 0, 1]
        [1, 1, 1, 1, 1]
    """
    ### BEGIN SOLUTION
    n, half = height * width, kernel // 2
    back = np.arange(n)[:, None] - np.arange(n)                                  # (n, n): i - j
    offsets = [d * width + e for d in range(half + 1) for e in range(-half, half + 1)]
    masks = []
    for image in (back <= width, back % width == 0, np.isin(back, offsets)):
        mask = np.tri(text + n, dtype=int)                                       # nothing sees what comes later
        mask[text:, text:] *= image
        masks.append(mask)
    row, column, conv = masks
    return row, column, conv
    ### END SOLUTION


# %%
check("09", only="dalle_masks")

# %% [markdown]
# ## 4. Extra: the weighted loss (3 points)
#
# Text and image are one sequence, but each kind has a vocabulary of its own, and its own output layer. Position $t$ of the
# text predicts its token $t + 1$, the last one of the text the first of the image, and so on. The paper's loss is the
# cross-entropy of either kind, each averaged over its targets, and
# $$\mathcal L = \tfrac18 \mathcal L_\text{text} + \tfrac78 \mathcal L_\text{image} ,$$
# since it is the picture that counts. A caption shorter than $T$ is filled with **pads**, whose number is $-1$ here: pads
# are no targets, and not counted. Where a batch has no target in the text at all, $\mathcal L_\text{text}$ is 0.

# %% nbgrader={"grade": false, "grade_id": "weighted-loss", "locked": false, "schema_version": 3, "solution": true, "task": false}
def weighted_loss_forward(text_logits, image_logits, text, image):
    """1/8 of the text's cross-entropy and 7/8 of the image's, each the mean over its targets in the batch.

        loss = 1/8 mean(-ln p(text[:, t + 1])) + 7/8 mean(-ln p(image[:, i])),   p = softmax(logits) over the vocabulary

    It must be right for logits of any size, such as 1000 and -1000.

    Args:
        text_logits: (B, T-1, V_t); position t is about text[:, t + 1].
        image_logits: (B, n, V_i); position i is about image[:, i].
        text: tokens, integers (B, T), and -1 where there is a pad. The first token is given, and no target.
        image: tokens, integers (B, n).

    Returns:
        loss: a scalar.
        cache: what the backward needs.

    In numbers, where nothing is known the text costs ln V_t and the image ln V_i, ln 2 and ln 4 here, so the loss is
    (1 + 7 * 2) / 8 of ln 2:

        >>> loss, _ = weighted_loss_forward(np.zeros((1, 2, 2)), np.zeros((1, 3, 4)), np.array([[0, 1, -1]]),
        ...                                 np.array([[3, 0, 2]]))
        >>> round(float(loss / np.log(2)), 4)
        1.875
    """
    ### BEGIN SOLUTION
    loss, cache = 0.0, []
    for share, logits, tokens in ((1 / 8, text_logits, text[:, 1:]), (7 / 8, image_logits, image)):
        there = tokens >= 0                                                      # (B, n)
        weights = share * there / max(there.sum(), 1)
        one_hot = tokens[:, :, None] == np.arange(logits.shape[2])               # (B, n, V), all False at a pad
        shifted = logits - logits.max(axis=2, keepdims=True)
        log_p = shifted - np.log(np.exp(shifted).sum(axis=2, keepdims=True))
        loss = loss - (weights * (log_p * one_hot).sum(axis=2)).sum()
        cache.append((weights, log_p, one_hot))
    return loss, cache
    ### END SOLUTION


def weighted_loss_backward(dloss, cache):
    """The gradient of the loss.

    Args:
        dloss: a scalar.
        cache: from the forward.

    Returns:
        dtext_logits (B, T-1, V_t), dimage_logits (B, n, V_i).
    """
    ### BEGIN SOLUTION
    dtext_logits, dimage_logits = (dloss * weights[:, :, None] * (np.exp(log_p) - one_hot) for weights, log_p, one_hot in cache)
    return dtext_logits, dimage_logits
    ### END SOLUTION


# %%
check("09", only="weighted_loss")

# %% [markdown]
# ## To think about
#
# 1. What do $z$ and its gradient become as $\tau \to 0$, and as $\tau \to \infty$? Why is $\tau$ not $1/16$ from the first
#    update on?
# 2. Where all of a picture is one flat colour, what would the decoder like $b$ to be, and what does that do to the NLL? And
#    to the pull of the other pictures?
# 3. How many layers of `row`, `column` and `conv` does it take until the last image token can know of the first?
#
# Where the model stands as a whole, and is trained: `lectures/09_dalle.ipynb`.
#
# ## All together

# %% nbgrader={"grade": true, "grade_id": "all-together", "locked": true, "points": 20, "schema_version": 3, "solution": false, "task": false}
report = check("09")
print(report)
min(report.earned, report.possible)    # of 20: extra points make up for lost ones
