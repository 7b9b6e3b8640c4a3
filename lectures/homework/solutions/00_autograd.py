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
# # Exercise 0: Automatic differentiation
#
# 1. **a Function of your own**: softmax with its backward, as the engine wants it, until `gradcheck` passes;
# 2. **a planted bug**: a backward that is wrong, what gradcheck says of it, which line it is, and the right gradient.
#
# Everything is float64 here. No function may write into what it is given, and no loop is needed. Write your code in the
# place of the lines `raise NotImplementedError(...)`.
#
# Check your work in this notebook by running the cells that say `check`, or in a terminal with
# `python -m tinymm check 00 YOUR_FILE.py`. A backward is compared with finite differences of your own forward, so the two
# are judged separately.

# %%
import numpy as np

import tinymm
from tinymm.homework import check

rng = np.random.default_rng(0)            # numbers to try things on

# %% [markdown]
# ## 1. A Function of your own (10 points)
#
# $$y_{bi} = \frac{e^{x_{bi}}}{\sum_j e^{x_{bj}}}, \qquad \frac{\partial y_i}{\partial x_j} = y_i\,(\delta_{ij} - y_j) .$$
# The engine gives `forward` arrays, and later gives `backward` the gradient $dL/dy$ of a scalar $L$. It never needs the
# Jacobian: `backward` returns its product with $dL/dy$, and what it needs for that, `forward` keeps on `self`.

# %% nbgrader={"grade": false, "grade_id": "softmax", "locked": false, "schema_version": 3, "solution": true, "task": false}
class Softmax(tinymm.Function):
    """Softmax along axis 1; it must stay finite for x of any size.

    In numbers: exp(0) and exp(log 3) have the sum 4. Of a gradient (1, 0) comes y * (g - 1/4) = (3/16, -3/16).

        >>> y, cache = softmax_forward(np.array([[0.0, np.log(3)]]))
        >>> y.round(4).tolist(), softmax_backward(np.array([[1.0, 0.0]]), cache).round(4).tolist()
        ([[0.25, 0.75]], [[0.1875, -0.1875]])
    """

    def forward(self, x):
        """y (B, K) of x (B, K); keep what backward needs as an attribute of self."""
        ### BEGIN SOLUTION
        e = np.exp(x - x.max(axis=1, keepdims=True))
        self.y = e / e.sum(axis=1, keepdims=True)
        return self.y
        ### END SOLUTION

    def backward(self, dy):
        """The gradient with respect to x, (B, K), from that with respect to y, (B, K)."""
        ### BEGIN SOLUTION
        return self.y * (dy - (self.y * dy).sum(axis=1, keepdims=True))
        ### END SOLUTION


# %% [markdown]
# An object of the class is the node of the graph, so the checker can ask it without an engine. (Leave these two as they are.)

# %%
def softmax_forward(x):
    node = Softmax()
    return node.forward(x), node


def softmax_backward(dy, node):
    return Softmax.backward(node, dy)


# %%
check("00", only="softmax")

# %%
# When both are written, take off the "# " and see the whole report; a wrong backward makes it raise:
# tinymm.gradcheck(Softmax, [tinymm.tensor(rng.normal(size=(3, 4)))])

# %% [markdown]
# ## 2. A planted bug (10 points)
#
# RMS normalisation divides each case by its root mean square, and has a gain:
# $$r_b = \sqrt{\tfrac1H \sum_i x_{bi}^2}, \qquad y_{bi} = g_i\, x_{bi} / r_b .$$
# One of the five numbered lines of this backward is wrong:

# %%
class RMSNorm(tinymm.Function):
    def forward(self, x, g):
        self.x, self.g = x, g
        return g * x / np.sqrt((x * x).mean(axis=1, keepdims=True))

    def backward(self, dy):
        r = np.sqrt((self.x * self.x).mean(axis=1, keepdims=True))     # line 1, (B, 1)
        n = self.x / r                                                 # line 2, (B, H)
        dg = (dy * n).sum(axis=0)                                      # line 3, (H,)
        dn = dy * self.g                                               # line 4, (B, H)
        dx = dn / r                                                    # line 5, (B, H)
        return dx, dg


numbers = np.random.default_rng(0)
found = tinymm.gradcheck(RMSNorm, [tinymm.tensor(numbers.normal(size=shape)) for shape in ((2, 3), (3,))], raise_exception=False)
found

# %% [markdown]
# The report says, among other things:
#
# ```
# argument  shape   checked     verdict  at      analytic      numeric       rel. error
# x         (2, 3)  6 elements  wrong    [0, 2]  1.3798785     -1.48601819   1.9e+00
# g         (3,)    3 elements  ok       [2]     -0.651898954  -0.651898954  5.2e-12
# ```
#
# "analytic" is what the backward says, "numeric" what finite differences of the forward give. They are far apart, so it is
# no matter of precision; and `g` is right, so look for what only `dx` needs. By which ways does $x_{bi}$ move $y_{bj}$?

# %% nbgrader={"grade": false, "grade_id": "planted-bug", "locked": false, "schema_version": 3, "solution": true, "task": false}
def explain_bug(dy, x, g):
    """Which line is wrong, and what dx should be.

    In numbers, H = 2, x = (1, 1), g = 1: y stays (1, 1) where both move alike, so of dy = (1, 1) comes dx = 0. Of dy = (1, 0)
    comes dx = (1/2, -1/2). The backward above gives dx = dy for both.

    Args:
        dy: gradient with respect to y, (B, H).
        x: (B, H).
        g: (H,).

    Returns:
        line: the number of the wrong line, an integer.
        dx: the right gradient with respect to x, (B, H).
    """
    ### BEGIN SOLUTION
    r = np.sqrt((x * x).mean(axis=1, keepdims=True))
    n = x / r
    dn = dy * g
    dx = (dn - n * (dn * n).mean(axis=1, keepdims=True)) / r           # the second term: through r
    return 5, dx
    ### END SOLUTION


# %%
check("00", only="planted_bug")

# %% [markdown]
# ## To think about
#
# 1. A bug stays hidden from a check whose loss is the plain sum of the outputs. Which wrong backwards of softmax pass it,
#    and why does gradcheck draw random gradients of the outputs?
# 2. For which dy is the backward of part 2 right as it stands? What does that say about trying it on one input by hand?
#
# ## All together

# %% nbgrader={"grade": true, "grade_id": "all-together", "locked": true, "points": 20, "schema_version": 3, "solution": false, "task": false}
report = check("00")
print(report)
min(report.earned, report.possible)    # of 20
