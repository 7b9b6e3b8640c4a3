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
# # Exercise 7: Generative Adversarial Text to Image Synthesis
#
# The two losses on which the lecture turns, in plain NumPy, forward and backward by hand, and two extra parts:
#
# 1. **the discriminator's loss** of GAN-CLS, from logits, which must not overflow;
# 2. **the joint embedding's hinge**, which takes the place of the slide's 0-1 loss;
# 3. (extra) **conditioning augmentation** of StackGAN, and its KL divergence;
# 4. (extra) **transposed convolution**, by which a generator goes from one point to a picture.
#
# A forward returns its results and a `cache`, which is whatever its backward needs; a backward takes the gradient of a
# scalar with respect to each result, and returns its gradient with respect to each input, in the order given in its
# docstring. Everything is float64 here. Neither may write into what it is given. Loops are needed in part 4 only, over
# the places of the kernel. Write your code in the place of the lines `raise NotImplementedError(...)`.
#
# Check your work in this notebook by running the cells that say `check`, or in a terminal with
# `python -m tinymm check 07 YOUR_FILE.py`. A backward is compared with finite differences of your own forward, so the two
# are judged separately.

# %%
import numpy as np

from tinymm.homework import check

rng = np.random.default_rng(0)                                   # numbers to try things on:
s_r, s_w, s_f = rng.normal(size=(3, 4))                          # logits of four pairs of each kind

# %% [markdown]
# ## 1. The discriminator's loss (7 points)
#
# D is shown real pictures with right texts, real pictures with wrong texts, and generated pictures with right texts, and
# says $D = \sigma(s)$, the probability that a pair is real and right. Algorithm 1 has
# $$\mathcal{L}_D = \ln D(x, h) + w \ln\big(1 - D(x, \hat h)\big) + (1 - w) \ln\big(1 - D(\hat x, h)\big), \qquad w = \tfrac12,$$
# averaged over the batch. It is to be made *large*, while the slide's "$D \leftarrow D - \alpha\,\partial\mathcal{L}_D$"
# makes it small: that is a slip. The loss that is made small here is $-\mathcal{L}_D$. With $w = 0$ it is that of plain GAN.
#
# What comes in are the logits $s$. When D is sure, $\sigma(s)$ is 0 or 1 in floating point, and its logarithm
# $-\infty$: write each term as a function of $s$ itself that is finite for every $s$.

# %% nbgrader={"grade": false, "grade_id": "discriminator-loss", "locked": false, "schema_version": 3, "solution": true, "task": false}
def discriminator_loss_forward(real_right, real_wrong, fake_right, w):
    """The loss of the discriminator of GAN-CLS, -L_D.

        loss = mean -ln sigma(real_right) + w mean -ln(1 - sigma(real_wrong)) + (1 - w) mean -ln(1 - sigma(fake_right))

    Args:
        real_right: logits of real pictures with right texts, (N,).
        real_wrong: logits of real pictures with wrong texts, (N,).
        fake_right: logits of generated pictures with right texts, (M,).
        w: weight of the wrong texts, in [0, 1]; a number.

    Returns:
        loss: a scalar.
        cache: what the backward needs.

    In numbers, D knows nothing, s = 0: -ln 1/2 from each, with weights 1, 1/4 and 3/4; and it is sure and right: 0.

        >>> zero = np.zeros(2)
        >>> round(float(discriminator_loss_forward(zero, zero, zero, 0.25)[0]), 4)
        1.3863
        >>> float(discriminator_loss_forward(zero + 1000, zero - 1000, zero - 1000, 0.25)[0])
        0.0
    """
    # YOUR CODE HERE
    raise NotImplementedError("discriminator_loss_forward")


def discriminator_loss_backward(dloss, cache):
    """The gradient of the loss with respect to the logits.

    Args:
        dloss: a scalar.
        cache: from the forward.

    Returns:
        dreal_right (N,), dreal_wrong (N,), dfake_right (M,).
    """
    # YOUR CODE HERE
    raise NotImplementedError("discriminator_loss_backward")


# %%
check("07", only="discriminator_loss")

# %% [markdown]
# ## 2. The joint embedding's hinge (8 points)
#
# The texts' encoder $\varphi(t)$ is learned from pairs of a picture and a text, $B$ of them of $B$ different classes. With
# $\theta_i$ for picture $i$ (the slide's $\phi(v)$) and $\varphi_j$ for text $j$, $S_{ij} = \theta_i^\top \varphi_j$ says how well
# they fit. The slide's 0-1 loss counts the mistakes of two classifiers, and has no gradient. In its place stands
# $$\frac{1}{B^2} \sum_{i=1}^{B} \sum_{j \ne i} \big[1 + S_{ij} - S_{ii}\big]_+ + \big[1 + S_{ji} - S_{ii}\big]_+ ,$$
# where $[x]_+ = \max(0, x)$: the right text has to be better by 1 than every other text of the picture, and the right picture
# than every other picture of the text.

# %% nbgrader={"grade": false, "grade_id": "joint-embedding-loss", "locked": false, "schema_version": 3, "solution": true, "task": false}
def joint_embedding_loss_forward(theta, phi):
    """The symmetric hinge of a structured joint embedding.

        S = theta phi^T,   loss = 1/B^2 sum_i sum_{j != i} (max(0, 1 + S_ij - S_ii) + max(0, 1 + S_ji - S_ii))

    Args:
        theta: pictures, (B, d).
        phi: their texts, (B, d).

    Returns:
        loss: a scalar.
        cache: what the backward needs.

    In numbers, S = [[2, 1], [1.5, 1]]: picture 1 misses by .5 + 1 = 1.5, text 0 by .5, text 1 by 1, picture 0 by 0: 3 / 4.

        >>> loss, _ = joint_embedding_loss_forward(np.array([[2.0, 1.0], [1.5, 1.0]]), np.eye(2))
        >>> float(loss)
        0.75
    """
    # YOUR CODE HERE
    raise NotImplementedError("joint_embedding_loss_forward")


def joint_embedding_loss_backward(dloss, cache):
    """The gradient of the hinge.

    Args:
        dloss: a scalar.
        cache: from the forward.

    Returns:
        dtheta (B, d), dphi (B, d).
    """
    # YOUR CODE HERE
    raise NotImplementedError("joint_embedding_loss_backward")


# %%
check("07", only="joint_embedding_loss")

# %% [markdown]
# ## 3. Extra: conditioning augmentation (3 points)
#
# StackGAN does not give $\varphi(t)$ itself to the generator, but a draw from a Gaussian whose mean and deviation are functions
# of it, $\hat c = \mu + \sigma \odot \epsilon$ with $\epsilon \sim N(0, I)$; and it keeps that Gaussian near $N(0, I)$ by
# $$KL\big(N(\mu, \mathrm{diag}\,\sigma^2)\,\big\|\,N(0, I)\big) = \tfrac12 \sum_k \big(\mu_k^2 + \sigma_k^2 - \ln \sigma_k^2 - 1\big).$$
# What the network gives is $\ln \sigma$ here, as in the authors' first code (their second one takes it for $\ln \sigma^2$).

# %% nbgrader={"grade": false, "grade_id": "conditioning-augmentation", "locked": false, "schema_version": 3, "solution": true, "task": false}
def conditioning_augmentation_forward(mu, log_sigma, epsilon):
    """A condition that is drawn, and the divergence of its distribution from N(0, I).

        c = mu + sigma epsilon,   kl = mean over texts of 1/2 sum_k (mu_k^2 + sigma_k^2 - ln sigma_k^2 - 1)

    Args:
        mu: (N, g).
        log_sigma: ln sigma, (N, g).
        epsilon: noise, (N, g); a constant.

    Returns:
        c: (N, g).
        kl: a scalar.
        cache: what the backward needs.

    In numbers, one text, mu = 1 and sigma = 2: c = 1 + 2 * 0.5, kl = 1/2 (1 + 4 - ln 4 - 1).

        >>> c, kl, _ = conditioning_augmentation_forward(np.array([[1.0]]), np.log([[2.0]]), np.array([[0.5]]))
        >>> c.tolist(), round(float(kl), 4)
        ([[2.0]], 1.3069)
    """
    # YOUR CODE HERE
    raise NotImplementedError("conditioning_augmentation_forward")


def conditioning_augmentation_backward(dc, dkl, cache):
    """The gradient of condition and divergence.

    Args:
        dc: (N, g).
        dkl: a scalar.
        cache: from the forward.

    Returns:
        dmu (N, g), dlog_sigma (N, g).
    """
    # YOUR CODE HERE
    raise NotImplementedError("conditioning_augmentation_backward")


# %%
check("07", only="conditioning_augmentation")

# %% [markdown]
# ## 4. Extra: transposed convolution (5 points)
#
# A convolution with stride 2 halves a picture; its transpose doubles one. Every input pixel adds its multiple of the kernel
# to the output, `stride` pixels further for each step; then `padding` pixels are cut off at both ends of each axis:
# $$y_{n,o,\;i s + a - p,\;j s + b - p} \mathrel{+}= x_{n,c,i,j}\, w_{c,o,a,b} \quad \text{for all } c, i, j, a, b, \qquad
# \text{then } + b_o .$$
# The output has $(H - 1) s + k - 2 p$ rows.

# %% nbgrader={"grade": false, "grade_id": "conv-transpose", "locked": false, "schema_version": 3, "solution": true, "task": false}
def conv_transpose2d_forward(x, weight, bias, stride, padding):
    """Transposed convolution.

    Args:
        x: (N, C, H, W).
        weight: (C, O, k, k), in-channels first.
        bias: (O,).
        stride, padding: integers.

    Returns:
        y: (N, O, H', W'), H' = (H - 1) stride + k - 2 padding.
        cache: what the backward needs.

    In numbers, two pixels 1 and 10 in a row, a kernel of 2 x 2 with the stride 1: they meet in the middle, 2 * 1 + 1 * 10.

        >>> y, _ = conv_transpose2d_forward(np.array([[[[1.0, 10.0]]]]), np.array([[[[1.0, 2.0], [3.0, 4.0]]]]), np.zeros(1), 1, 0)
        >>> y[0, 0].tolist()
        [[1.0, 12.0, 20.0], [3.0, 34.0, 40.0]]
    """
    # YOUR CODE HERE
    raise NotImplementedError("conv_transpose2d_forward")


def conv_transpose2d_backward(dy, cache):
    """The gradient of a transposed convolution: for x, a convolution.

    Args:
        dy: (N, O, H', W').
        cache: from the forward.

    Returns:
        dx (N, C, H, W), dweight (C, O, k, k), dbias (O,).
    """
    # YOUR CODE HERE
    raise NotImplementedError("conv_transpose2d_backward")


# %%
check("07", only="conv_transpose2d")

# %% [markdown]
# ## Where this stands in the package
#
# `tinymm.models.discriminator_loss` and `generator_loss`, `tinymm.models.joint_embedding_loss`,
# `tinymm.models.ConditioningAugmentation`, and `tinymm.functional.conv_transpose2d`. The lecture:
# `lectures/07_text_to_image_gan.ipynb`.

# %%
report = check("07")
report
