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
# Two functions on which the lecture turns, in plain NumPy, forward and backward by hand, and two extra ones:
#
# 1. **the discriminator's loss**: real or not, and does the text fit, from logits of any size;
# 2. **the joint embedding's hinge**: what makes a vector of a text that knows the picture;
# 3. (extra) **conditioning augmentation**: a text becomes a Gaussian, and what that costs;
# 4. (extra) **the transposed convolution**: how a generator grows a picture.
#
# A forward returns its results and a `cache`, which is whatever its backward needs; a backward takes the gradient of a
# scalar with respect to each result, and returns its gradient with respect to each input, in the order given in its
# docstring. Everything is float64 here, except `stride` and `padding`. No function may write into what it is given. No
# loop over the batch, channels or places is needed; part 4 has one over the places of the kernel. Write your code in the
# place of the lines `raise NotImplementedError(...)`.
#
# Check your work in this notebook by running the cells that say `check`, or in a terminal with
# `python -m tinymm check 07 YOUR_FILE.py`. A backward is compared with finite differences of your own forward, so the two
# are judged separately.

# %%
import numpy as np

from tinymm.homework import check

rng = np.random.default_rng(0)                                   # numbers to try things on:
real_right, real_wrong, fake_right = rng.normal(size=(3, 4))     # N=4 logits of each kind
theta, phi = rng.normal(size=(2, 5, 3))                          # B=5 pictures and texts, d=3

# %% [markdown]
# ## 1. The discriminator's loss (10 points)
#
# The discriminator sees a picture and a text, and gives a **logit** $s$; $D = \sigma(s)$ is its probability that the
# picture is real and the text belongs to it. GAN-CLS shows it three kinds of pairs: real pictures with their own texts,
# real pictures with texts of something else, and generated pictures with the texts that they were generated from:
# $$\mathcal L = -\operatorname{mean} \ln D(x, h) - w \operatorname{mean} \ln(1 - D(x, \hat h))
#   - (1 - w) \operatorname{mean} \ln(1 - D(\hat x, h)) .$$
# The slide's Algorithm 1 has $w = 1/2$ and calls $-\mathcal L$ by this name; that is to be maximised, this is to be
# minimised. With $w = 0$ it is the plain conditional GAN.
#
# When D is sure, $\sigma(s)$ is 0 or 1 in floating point, and the logarithm of $1 - \sigma(s)$ is lost. So it is never
# computed: $-\ln \sigma(s) = \ln(1 + e^{-s})$, written such that no power can overflow.

# %% nbgrader={"grade": false, "grade_id": "discriminator-loss", "locked": false, "schema_version": 3, "solution": true, "task": false}
def discriminator_loss_forward(real_right, real_wrong, fake_right, w):
    """GAN-CLS's loss of the discriminator, from logits.

        loss = mean(-ln sigma(real_right)) + w mean(-ln(1 - sigma(real_wrong))) + (1 - w) mean(-ln(1 - sigma(fake_right)))

    It must stay finite and right for logits of any size, such as 200 and -200.

    Args:
        real_right: logits of real pictures with their own texts, (N,).
        real_wrong: logits of real pictures with wrong texts, (N,).
        fake_right: logits of generated pictures with the texts they were generated from, (M,).
        w: weight of the wrong pairs, a number from 0 to 1.

    Returns:
        loss: a scalar.
        cache: what the backward needs.

    In numbers, where D is undecided each logarithm is ln 2, and where D is wrong by 200 each is 200:

        >>> one = np.ones(1)
        >>> [round(float(discriminator_loss_forward(-s * one, s * one, s * one, 0.5)[0]), 4) for s in (0, 200)]
        [1.3863, 400.0]
    """
    ### BEGIN SOLUTION
    def softplus(s):                                                             # ln(1 + e^s)
        return np.maximum(s, 0) + np.log1p(np.exp(-np.abs(s)))

    of_right, of_wrong, of_fake = softplus(-real_right), softplus(real_wrong), softplus(fake_right)
    loss = of_right.mean() + w * of_wrong.mean() + (1 - w) * of_fake.mean()
    return loss, (real_right, real_wrong, fake_right, w)
    ### END SOLUTION


def discriminator_loss_backward(dloss, cache):
    """The gradient of the loss.

    Args:
        dloss: a scalar.
        cache: from the forward.

    Returns:
        dreal_right (N,), dreal_wrong (N,), dfake_right (M,).
    """
    ### BEGIN SOLUTION
    real_right, real_wrong, fake_right, w = cache

    def sigmoid(s):
        small = np.exp(-np.abs(s))                                               # never above 1
        return np.where(s >= 0, 1, small) / (1 + small)

    dreal_right = -dloss * sigmoid(-real_right) / len(real_right)                # -(1 - sigma(s))
    dreal_wrong = dloss * w * sigmoid(real_wrong) / len(real_wrong)
    dfake_right = dloss * (1 - w) * sigmoid(fake_right) / len(fake_right)
    return dreal_right, dreal_wrong, dfake_right
    ### END SOLUTION


# %%
check("07", only="discriminator_loss")

# %% [markdown]
# ## 2. The joint embedding's hinge (10 points)
#
# Where does the generator's text vector come from? A network for pictures, $\theta$, and one for texts, $\varphi$, are
# trained such that a picture's vector has its largest product with the vector of its own text, and the other way round.
# That is a 0-1 loss, which has no gradient, so a hinge takes its place: in a batch of $B$ pairs of $B$ different classes,
# with $S_{ij} = \theta_i \cdot \varphi_j$,
# $$\mathcal L = \frac{1}{B^2} \sum_i \sum_{j \ne i} \Big( [1 + S_{ij} - S_{ii}]_+ + [1 + S_{ji} - S_{ii}]_+ \Big),
#   \qquad [a]_+ = \max(0, a) .$$
# In the first term the texts $j$ compete for picture $i$, in the second the pictures $j$ for text $i$. Each rival within
# the margin counts, not the hardest one alone.

# %% nbgrader={"grade": false, "grade_id": "joint-embedding-loss", "locked": false, "schema_version": 3, "solution": true, "task": false}
def joint_embedding_loss_forward(theta, phi):
    """The symmetric hinge of the structured joint embedding.

        S_ij = theta_i . phi_j,   loss = sum_i sum_{j != i} (max(0, 1 + S_ij - S_ii) + max(0, 1 + S_ji - S_ii)) / B^2

    Args:
        theta: the pictures' vectors, (B, d).
        phi: those of their texts, (B, d).

    Returns:
        loss: a scalar.
        cache: what the backward needs.

    In numbers, where S has 0 and 3 on the diagonal, 1 and 0 beside it: text 1 beats text 0 for picture 0 by 1, which is 2
    short of the margin; picture 1 ties with picture 0 for text 0, which is 1 short; the other two keep it. 3 / 4:

        >>> loss, _ = joint_embedding_loss_forward(np.array([[0.0, 1.0], [0.0, 3.0]]), np.array([[1.0, 0.0], [0.0, 1.0]]))
        >>> float(loss)
        0.75
    """
    ### BEGIN SOLUTION
    S = theta @ phi.T                                                            # (B, B)
    right, rivals = np.diag(S), 1 - np.eye(len(S))
    texts = np.maximum(1 + S - right[:, None], 0) * rivals                       # for picture i, text j
    pictures = np.maximum(1 + S - right[None, :], 0) * rivals                    # picture j, for text i
    loss = (texts.sum() + pictures.sum()) / len(S)**2
    return loss, (theta, phi, texts, pictures)
    ### END SOLUTION


def joint_embedding_loss_backward(dloss, cache):
    """The gradient of the hinge; it is 0 where [a]_+ has its corner.

    Args:
        dloss: a scalar.
        cache: from the forward.

    Returns:
        dtheta (B, d), dphi (B, d).
    """
    ### BEGIN SOLUTION
    theta, phi, texts, pictures = cache
    missed_texts, missed_pictures = (texts > 0) * 1.0, (pictures > 0) * 1.0
    dS = missed_texts + missed_pictures
    dS = dS - np.diag(missed_texts.sum(axis=1) + missed_pictures.sum(axis=0))    # each of them has -S_ii in it
    dS = dloss * dS / len(dS)**2
    return dS @ phi, dS.T @ theta
    ### END SOLUTION


# %%
check("07", only="joint_embedding_loss")

# %% [markdown]
# ## 3. Extra: conditioning augmentation (2 points)
#
# There are few texts, and between their vectors the generator knows nothing. StackGAN replaces each vector by a Gaussian
# whose mean $\mu$ and logarithm of the standard deviation are computed from it, and draws:
# $$\hat c = \mu + \sigma \odot \epsilon, \qquad \epsilon \sim N(0, I) .$$
# That the Gaussians stay near $N(0, I)$, and overlap, is asked for by
# $$\mathrm{KL}(N(\mu, \mathrm{diag}\,\sigma^2) \,\|\, N(0, I))
#   = \tfrac12 \sum_g \big( \mu_g^2 + \sigma_g^2 - 2 \ln \sigma_g - 1 \big),$$
# averaged over the texts. Of the two published programs one predicts $\ln \sigma$, the other $\ln \sigma^2$. Here it is
# $\ln \sigma$.

# %% nbgrader={"grade": false, "grade_id": "conditioning-augmentation", "locked": false, "schema_version": 3, "solution": true, "task": false}
def conditioning_augmentation_forward(mu, log_sigma, epsilon):
    """A draw for each text, and the KL divergence from N(0, I).

        sigma = exp(log_sigma),   c = mu + sigma * epsilon
        kl = mean over the texts of 1/2 sum_g (mu_g^2 + sigma_g^2 - 2 log_sigma_g - 1)

    Args:
        mu: (N, g).
        log_sigma: the logarithm of the standard deviation, (N, g).
        epsilon: drawn from N(0, I), (N, g); a constant.

    Returns:
        c: (N, g).
        kl: a scalar.
        cache: what the backward needs.

    In numbers, with the mean 1 and the deviation 1, kl = mu^2 / 2:

        >>> c, kl, _ = conditioning_augmentation_forward(np.ones((1, 1)), np.zeros((1, 1)), np.array([[-2.0]]))
        >>> c.tolist(), float(kl)
        ([[-1.0]], 0.5)
    """
    ### BEGIN SOLUTION
    sigma = np.exp(log_sigma)
    c = mu + sigma * epsilon
    kl = 0.5 * (mu**2 + sigma**2 - 2 * log_sigma - 1).sum(axis=1).mean()
    return c, kl, (mu, sigma, epsilon)
    ### END SOLUTION


def conditioning_augmentation_backward(dc, dkl, cache):
    """The gradients of both, added.

    Args:
        dc: (N, g).
        dkl: a scalar.
        cache: from the forward.

    Returns:
        dmu (N, g), dlog_sigma (N, g).
    """
    ### BEGIN SOLUTION
    mu, sigma, epsilon = cache
    dmu = dc + dkl * mu / len(mu)
    dlog_sigma = dc * epsilon * sigma + dkl * (sigma**2 - 1) / len(mu)
    return dmu, dlog_sigma
    ### END SOLUTION


# %%
check("07", only="conditioning_augmentation")

# %% [markdown]
# ## 4. Extra: the transposed convolution (3 points)
#
# A generator begins with $4 \times 4$ places and doubles them until there is a picture. Each place of the input writes a
# copy of the kernel, times its value, into the output; neighbours write `stride` apart, and where copies overlap they add
# up:
# $$y_{n o, i s + a, j s + b} \mathrel{+}= \sum_c x_{n c i j} W_{c o a b}, \qquad \text{for all } i, j, a, b,$$
# then the bias is added, and `padding` rows and columns are **cut off** at every side:
# $H' = (H - 1) s - 2 p + k$. It is the backward pass of a convolution, which has $p$ zeros where this cuts, and in whose
# weight the channels stand the other way round.

# %% nbgrader={"grade": false, "grade_id": "conv-transpose2d", "locked": false, "schema_version": 3, "solution": true, "task": false}
def conv_transpose2d_forward(x, weight, bias, stride, padding):
    """The transposed convolution, as PyTorch's conv_transpose2d.

        full[n, o, i stride + a, j stride + b] += sum_c x[n, c, i, j] weight[c, o, a, b],   y = full + bias, less the padding

    Args:
        x: (N, C, H, W).
        weight: (C, O, k, k), the channels of the input first.
        bias: (O,).
        stride: how far apart neighbours write, an integer.
        padding: how much is cut off at each side, an integer.

    Returns:
        y: (N, O, (H - 1) stride - 2 padding + k, (W - 1) stride - 2 padding + k).
        cache: what the backward needs.

    In numbers, one row of two places, 1 and 10, two apart, each writing 1 2 3 (in the middle row of three, the others are 0
    and are cut off, and so are the first and the last column):

        >>> W = np.array([[0, 0, 0], [1, 2, 3], [0, 0, 0]])[None, None]
        >>> y, _ = conv_transpose2d_forward(np.array([[[[1.0, 10.0]]]]), W, np.zeros(1), 2, 1)
        >>> y.tolist()
        [[[[2.0, 13.0, 20.0]]]]
    """
    ### BEGIN SOLUTION
    (N, _, H, W), (_, O, k, _) = x.shape, weight.shape
    full = np.zeros((N, O, (H - 1) * stride + k, (W - 1) * stride + k))
    for a, b in np.ndindex(k, k):                                                # the places that are written with W_ab
        places = full[:, :, a:a + (H - 1) * stride + 1:stride, b:b + (W - 1) * stride + 1:stride]
        places += np.einsum("ncij,co->noij", x, weight[:, :, a, b])
    y = full[:, :, padding:full.shape[2] - padding, padding:full.shape[3] - padding]
    y = y + bias[:, None, None]
    return y, (x, weight, stride, padding)
    ### END SOLUTION


def conv_transpose2d_backward(dy, cache):
    """The gradient of the transposed convolution.

    Args:
        dy: (N, O, H', W').
        cache: from the forward.

    Returns:
        dx (N, C, H, W), dweight (C, O, k, k), dbias (O,).
    """
    ### BEGIN SOLUTION
    x, weight, stride, padding = cache
    H, W, k = *x.shape[2:], weight.shape[2]
    dfull = np.pad(dy, ((0, 0), (0, 0), (padding, padding), (padding, padding)))     # what was cut off has no gradient
    dx, dweight = np.zeros(x.shape), np.zeros(weight.shape)
    for a, b in np.ndindex(k, k):
        read = dfull[:, :, a:a + (H - 1) * stride + 1:stride, b:b + (W - 1) * stride + 1:stride]    # (N, O, H, W)
        dx += np.einsum("noij,co->ncij", read, weight[:, :, a, b])
        dweight[:, :, a, b] = np.einsum("ncij,noij->co", x, read)
    dbias = dy.sum(axis=(0, 2, 3))
    return dx, dweight, dbias
    ### END SOLUTION


# %%
check("07", only="conv_transpose2d")

# %% [markdown]
# ## To think about
#
# 1. What is the discriminator's first loss, when all its logits are near 0? Does $w$ matter to that? And which of its three
#    terms can a discriminator make small that never looks at the text?
# 2. The hinge compares $S_{ij}$ with $S_{ii}$ only. What can be added to all $\varphi_j$ without changing the first of its
#    two terms, and what does the second say to that?
# 3. With kernel 3 and stride 2, how many copies of the kernel overlap at each place of the output, and with kernel 4? Which
#    of the two makes a chessboard?
#
# Where the model stands as a whole, and is trained: `lectures/07_text_to_image_gan.ipynb`.
#
# ## All together

# %% nbgrader={"grade": true, "grade_id": "all-together", "locked": true, "points": 20, "schema_version": 3, "solution": false, "task": false}
report = check("07")
print(report)
min(report.earned, report.possible)    # of 20: extra points make up for lost ones
