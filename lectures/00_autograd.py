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
# # Lecture 0: automatic differentiation, and how to trust it
#
# Every model of this course is trained by gradients, and nobody derives them by hand. This lecture
# builds the machine that does it, in some forty lines, and trains a network with it. Then it shows
# the package's machine, which is the same one grown up, and how a wrong gradient is found.
#
# **What you will learn**
#
# - what a computation's graph is, and how the chain rule walks it backwards, one node at a time;
# - why the *youngest node first* is the right order, and what goes wrong in another;
# - what broadcasting does to a gradient;
# - to write an operation of your own, forward and backward, and to check it so that a bug shows;
# - what the version counter of a tensor saves you from.
#
# **What you should know**: NumPy arrays and broadcasting, matrix products, partial derivatives and
# the chain rule.
#
# **Why anyone wanted this.** A loss is one number that depends on a million weights. Moving each
# weight a little and looking takes a million evaluations. Deriving formulas by hand takes days, and
# again days when the model changes. But the program that computes the loss is a chain of simple steps with known
# derivatives. Walked backwards *once*, it yields all million derivatives, for about the price of two
# more evaluations. That is backpropagation, written once and for all programs.

# %%
# %matplotlib inline
import itertools
import os

import numpy as np
from matplotlib.figure import Figure

import tinymm
import tinymm.functional as F
from tinymm import Tensor, draw, gradcheck, no_grad, plot
from tinymm.data.worlds.digits import split_digits
from tinymm.experiments.lecture_00 import evaluation, figures
from tinymm.experiments.lecture_00.experiment import reader_trainer

SCALE = os.environ.get("TINYMM_SCALE", "lecture")   # "smoke" when the tests execute this
rng = np.random.default_rng(0)

# %% [markdown]
# ## A computation is a graph
#
# $L = \sum \tanh(x W + b)$ for $N$ points of two coordinates and $H$ units. Blue: the program runs forward, each
# step makes an array. Orange: the gradient runs back, and **the gradient of an array has the array's shape**.

# %%
page = plot.Diagram(9.6, 2.9)
back = plot.COLORS[1]
x, W = page.box(0.6, 2.4, "x", 0.7), page.box(0.6, 0.9, "W", 0.7)
xW, b = page.box(2.8, 1.65, "x W", 0.9), page.box(4.9, 0.35, "b", 0.7, 0.5)
a, h = page.box(4.9, 1.65, "a = x W + b", 1.2), page.box(7.0, 1.65, "h = tanh a", 1.1)
L = page.box(8.9, 1.65, "L = sum of h", 1.1)
for start, end, shape, bend, side in ((x, xW, "(N, 2)", 0, 1), (W, xW, "(2, H)", -0.2, 1),
                                      (xW, a, "(N, H)", -0.25, 1), (b, a, "(H,)", -0.25, -1),
                                      (a, h, "(N, H)", -0.25, 1), (h, L, "(N, H)", -0.25, 1)):
    page.arrow(start, end, shape, bend=bend, side=side)
for start, end, name, side in ((L, h, "∂L/∂h", -1), (h, a, "∂L/∂a", -1), (a, xW, "∂L/∂(xW)", -1),
                               (a, b, "∂L/∂b", 1), (xW, W, "∂L/∂W", -1)):
    page.arrow(start, end, name, bend=-0.25, side=side, color=back)
plot.picture(page.figure,
             "The graph of L: x and W are multiplied, b is added, then tanh and sum. "
             "Gradients go back along the same edges, with the same shapes.")

# %% [markdown]
# | symbol | shape | what it is |
# |---|---|---|
# | $x$ | (N, 2) | points, given |
# | $y$ | (N, 1) | the side of each, $-1$ or $1$ |
# | $W_1$, $b_1$ | (2, H), (H,) | weights of the hidden layer |
# | $W_2$, $b_2$ | (H, 1), (1,) | weights of the output |
# | $s$ | (N, 1) | score of each point |
# | $L$ | () | the loss, one number |
# | $\bar v$ | that of $v$ | $\partial L / \partial v$, the gradient of any $v$ above |
#
# ## The engine
#
# A **node** is an array, the nodes it was computed from (its parents), and a function `pull` that turns its own
# gradient $\bar v$ into its parents' shares. The chain rule adds up the shares from all users $u$ of $v$:
#
# $$\bar L = 1, \qquad \bar v = \sum_{u \text{ uses } v} \bar u \, \frac{\partial u}{\partial v}.$$
#
# The sum says in which order to walk: $v$ may hand on its gradient only when **all** its users have been there. Every
# user is younger than what it uses. So: give each node the time of its birth, and always take the youngest that waits.

# %%
class Node:
    clock = itertools.count()

    def __init__(self, value, parents=(), pull=None):
        self.value = np.asarray(value, dtype=float)
        self.parents, self.pull = parents, pull       # own gradient -> the parents' shares
        self.grad, self.born = None, next(Node.clock)


def backward(loss, choose=max):
    """Fill grad of every node that the loss was computed from."""
    loss.grad = np.ones_like(loss.value)
    waiting = {loss}
    while waiting:
        node = choose(waiting, key=lambda v: v.born)  # the youngest: its users are all done
        waiting.remove(node)
        shares = node.pull(node.grad) if node.parents else ()
        for parent, share in zip(node.parents, shares):
            parent.grad = share if parent.grad is None else parent.grad + share
            waiting.add(parent)


# %% [markdown]
# ## Three operations
#
# | $u$ | $\bar a$ | $\bar b$ |
# |---|---|---|
# | $a + b$ | $\bar u$ | $\bar u$ |
# | $a \odot b$ | $\bar u \odot b$ | $\bar u \odot a$ |
# | $a\, b$ (matrices) | $\bar u\, b^\top$ | $a^\top \bar u$ |
#
# NumPy **broadcasts**: $b_1$ of shape (H,) is added to every row of (N, H). Each entry was used $N$ times, so its
# gradient is the sum over the $N$ rows. `unbroadcast` sums over the axes along which an array was repeated:

# %%
def unbroadcast(g, shape):
    """g, summed to the shape of the array that was broadcast."""
    g = g.sum(tuple(range(g.ndim - len(shape))))                  # axes that were put in front
    repeated = tuple(i for i, n in enumerate(shape) if n == 1)    # axes of length 1
    return g.sum(repeated, keepdims=True) if repeated else g


def node(v):
    return v if isinstance(v, Node) else Node(v)


def add(a, b):
    a, b = node(a), node(b)
    return Node(a.value + b.value, (a, b), lambda g: (
        unbroadcast(g, a.value.shape), unbroadcast(g, b.value.shape)))


def mul(a, b):
    a, b = node(a), node(b)
    return Node(a.value * b.value, (a, b), lambda g: (
        unbroadcast(g * b.value, a.value.shape), unbroadcast(g * a.value, b.value.shape)))


def matmul(a, b):
    return Node(a.value @ b.value, (a, b), lambda g: (g @ b.value.T, a.value.T @ g))


Node.__add__ = Node.__radd__ = add
Node.__mul__ = Node.__rmul__ = mul
Node.__matmul__ = matmul

# %% [markdown]
# That is all of the engine. Functions of one argument are a line each; these three will do for today
# ($\bar a = \bar u\,(1 - u^2)$, $\bar a = \bar u\,/(1 + e^{-a})$, and every entry of a sum gets $\bar u$):

# %%
def tanh(a):
    u = np.tanh(a.value)
    return Node(u, (a,), lambda g: (g * (1 - u ** 2),))


def softplus(a):
    """log(1 + e^a)."""
    return Node(np.logaddexp(0, a.value), (a,), lambda g: (g / (1 + np.exp(-a.value)),))


def total(a):
    return Node(a.value.sum(), (a,), lambda g: (g * np.ones_like(a.value),))


# %% [markdown]
# ## Is it right?
#
# Move one entry of an array by $\pm\epsilon$ and look at the loss: $\bar v_i \approx
# \frac{L(v_i + \epsilon) - L(v_i - \epsilon)}{2 \epsilon}$. This needs two evaluations an entry and
# knows nothing of the chain rule, which makes it a good judge.

# %%
def numeric(loss_of, array, eps=1e-6):
    """The gradient of loss_of() with respect to an array, by central differences."""
    slopes = np.zeros_like(array)
    for i in np.ndindex(array.shape):
        kept = array[i]
        array[i] = kept + eps
        above = loss_of().value
        array[i] = kept - eps
        below = loss_of().value
        array[i], slopes[i] = kept, (above - below) / (2 * eps)
    return slopes


v = [Node(rng.standard_normal(shape)) for shape in ((5, 2), (2, 3), (3,))]
loss_of = lambda: total(tanh(v[0] @ v[1] + v[2]) * v[2])          # b is used twice
backward(loss_of())
for name, leaf in zip("xWb", v):
    gap = np.abs(leaf.grad - numeric(loss_of, leaf.value)).max()
    assert gap < 1e-8
    print(f"{name} {leaf.grad.shape}: the engine and finite differences differ by {gap:.0e}")

# %% [markdown]
# ## Another order is wrong, or hopeless
#
# In $h = x + x$, $u = h + x$, $L = u \odot h$ the array $h$ has two users. With $x = 1$: $L = 3x \cdot 2x$,
# and $\bar x = 12 x = 12$. Taking the *oldest* node first lets $h$ hand on its gradient too early, and then once more:

# %%
for choose in (max, min):
    x = Node(1.0)
    h = x + x
    backward((h + x) * h, choose)
    print("youngest" if choose is max else "oldest  ", "first: dL/dx =", x.grad)

# %% [markdown]
# The other obvious way, a recursion that follows every *path* to the leaves, adds up correctly, but a node is
# visited once for each path. After $n$ times $y = y + y$ there are $2^n$ paths:

# %%
def visits(v):
    return 1 + sum(visits(parent) for parent in v.parents)


rows = []
for n in (1, 5, 10, 15):
    y = Node(1.0)
    for _ in range(n):
        y = y + y
    rows.append([n, n + 1, visits(y)])
plot.table(["n", "visits, youngest first", "visits, every path"], rows)

# %% [markdown]
# ## It learns
#
# Two moons: points of two half circles that no straight line separates. A network with one hidden layer scores
# each point, and the loss is small where the score has the sign of the point's side:
#
# $$s = \tanh(x W_1 + b_1)\, W_2 + b_2, \qquad L = \frac1N \sum_n \log\left(1 + e^{-y_n s_n}\right).$$

# %%
def moons(n):
    """Points (n, 2) and their sides (n, 1)."""
    side, angle = rng.choice([-1.0, 1.0], (n, 1)), rng.uniform(0, np.pi, (n, 1))
    x = side * np.hstack([np.cos(angle) - 0.5, np.sin(angle) - 0.25])
    return x + 0.15 * rng.standard_normal((n, 2)), side


def scores(p, x):
    return tanh(x @ p["W_1"] + p["b_1"]) @ p["W_2"] + p["b_2"]


def loss_of(p, x, y):
    return total(softplus(-1 * y * scores(p, x))) * (1 / len(y.value))


H = 16
p = {"W_1": Node(rng.standard_normal((2, H))), "b_1": Node(np.zeros(H)),
     "W_2": Node(rng.standard_normal((H, 1)) / np.sqrt(H)), "b_2": Node(np.zeros(1))}
start = {name: leaf.value.copy() for name, leaf in p.items()}     # for later
x, y = map(Node, moons(300))

STEPS, losses = 2000 if SCALE == "lecture" else 200, []
for step in range(STEPS):
    loss = loss_of(p, x, y)
    for leaf in p.values():
        leaf.grad = None                                          # or the old one is added to
    backward(loss)
    for leaf in p.values():
        leaf.value = leaf.value - leaf.grad                 # downhill, rate 1
    losses.append(float(loss.value))
print(f"the loss before: {losses[0]:.3f}, after: {losses[-1]:.3f}; ln 2 is {np.log(2):.3f}")

# %% [markdown]
# Beside it the same loop without a hidden layer, $s = x W + b$, which can only draw a straight line:

# %%
line = {"W": Node(np.zeros((2, 1))), "b": Node(np.zeros(1))}
line_scores = lambda x: x @ line["W"] + line["b"]
for step in range(STEPS):
    loss = total(softplus(-1 * y * line_scores(x))) * (1 / 300)
    line["W"].grad = line["b"].grad = None
    backward(loss)
    for leaf in line.values():
        leaf.value = leaf.value - leaf.grad

new_x, new_y = moons(300)
grid = np.stack(np.meshgrid(np.linspace(-2.2, 2.2, 120), np.linspace(-1.6, 1.6, 90)), -1)
figure = Figure(figsize=(9.6, 3.9), layout="constrained")
for axes, name, score in zip(figure.subplots(1, 2), ("a straight line", "one hidden layer"),
                             (line_scores, lambda x: scores(p, x))):
    field = score(Node(grid.reshape(-1, 2))).value.reshape(90, 120)
    right = np.mean(np.sign(score(Node(new_x)).value) == new_y)
    axes.contourf(grid[..., 0], grid[..., 1], np.sign(field), levels=[-2, 0, 2],
                  colors=[plot.COLORS[1], plot.COLORS[0]], alpha=0.2)
    for side, color, mark in ((-1, plot.COLORS[1], "s"), (1, plot.COLORS[0], "o")):
        axes.plot(*new_x[new_y[:, 0] == side].T, mark, color=color, markersize=3)
    axes.set_title(f"{name}: {right:.1%} of 300 new points right", fontsize=10)
    axes.set_aspect("equal")
plot.picture(figure, "Two moons. A straight line cuts through both; the network with a hidden "
             "layer bends its border between them.")

# %% [markdown]
# ## The package's Tensor does the same
#
# A `Tensor` is a node, too. The formulas read the same; `backward` is a method, and a leaf says that it wants a
# gradient. From the weights we began with, both engines must give the same gradients, and they do:

# %%
q = {name: Tensor(value, requires_grad=True) for name, value in start.items()}
x_, y_ = Tensor(x.value), Tensor(y.value)                         # (N, 2), (N, 1)
s = (x_ @ q["W_1"] + q["b_1"]).tanh() @ q["W_2"] + q["b_2"]       # (N, 1)
loss = F.softplus(-y_ * s).sum() / 300
drawn = draw(loss, names=q)
loss.backward()

p = {name: Node(value) for name, value in start.items()}
backward(loss_of(p, x, y))
for name in p:
    gap = np.abs(p[name].grad - q[name].grad.numpy()).max()
    assert gap < 1e-12
    print(f"{name} {p[name].grad.shape}: the largest difference is {gap:.0e}")

# %%
drawn

# %% [markdown]
# What the package adds: a heap in place of `max`, so that choosing is quick; arrays are forgotten as soon as the
# backward pass is done with them; about three hundred operations, many with compiled kernels; integers, GPUs. And
# derivatives are made of operations again, so they have derivatives, too:

# %%
t = tinymm.tensor(1.5, requires_grad=True)
value, found = t ** 4, []
for _ in range(4):
    (value,) = tinymm.grad(value, t, create_graph=True)
    found.append(value.item())
assert found == [4 * 1.5 ** 3, 12 * 1.5 ** 2, 24 * 1.5, 24]
print("t^4 at 1.5, differentiated one to four times:", found)

# %% [markdown]
# ## An operation of your own
#
# What is missing can be composed of Tensor operations, or written as a `Function`: `forward` on NumPy arrays, and
# `backward`, which gets $\bar u$ and returns one gradient for each argument. Like our `Node`, the object *is* the
# node, so what backward needs is kept on `self`. Numbers to shares of their sum, over the last axis:
#
# $$u_i = \frac{a_i}{A}, \quad A = \sum_j a_j, \qquad
# \frac{\partial u_j}{\partial a_i} = \frac{\mathbb{1}[i = j] - u_j}{A}, \qquad
# \bar a_i = \sum_j \bar u_j \frac{\partial u_j}{\partial a_i}
# = \frac{1}{A} \Big(\bar u_i - \sum_j \bar u_j u_j\Big).$$

# %%
class Shares(tinymm.Function):
    def forward(self, a):
        self.A = a.sum(-1, keepdims=True)                         # (..., 1)
        self.u = a / self.A
        return self.u

    def backward(self, g):
        return (g - (g * self.u).sum(-1, keepdims=True)) / self.A


points = Tensor(rng.uniform(0.5, 2, (2, 4)))
gradcheck(Shares.apply, [points])

# %% [markdown]
# ## A check that can fail
#
# Now a bug: a plain mean where the average weighted by $u$ belongs. Many a course checks gradients by
# differentiating `f(x).sum()`. But shares sum to 1 whatever $a$ is; the true gradient
# of that sum is zero, and the wrong backward gives zero, too:

# %%
class Planted(Shares):
    def backward(self, g):
        return (g - g.mean(-1, keepdims=True)) / self.A


says = evaluation.blind_check(Planted.apply, points.numpy())
print("the check of f(x).sum() says:", "right" if says else "wrong")

# %% [markdown]
# `gradcheck` weighs the outputs with random numbers, so that nothing cancels. Its report names the
# argument and the element, shows both numbers, and says what it could be ([the
# guide](../docs/gradcheck.md) reads six such reports line by line):

# %%
gradcheck(Planted.apply, [points], raise_exception=False)

# %% [markdown]
# How small should the step be? The truncation of the central difference falls like $h^2$, the rounding grows
# like $1/h$. Their sum is a U; near its bottom, at about the cube root of the rounding unit, ten digits are to be had
# in float64, and two or three in float32. So gradients are checked in float64.

# %%
plot.picture(figures.step_size(), "Error of a central difference over its step: with h squared "
             "it falls to 1e-11 near h = 1e-5, and rises again with rounding.")

# %% [markdown]
# ## What the version counter saves you from
#
# `tanh` keeps its result $u$ for backward. If somebody writes into that array before, the gradient is wrong. Our
# engine does not notice; the package counts the writes to each array, and refuses:

# %%
a = Node([0.5, -1.0])
u = tanh(a)
u.value *= 2                                             # in place
backward(total(u))
print("our engine says", a.grad, "but the derivative is", 2 * (1 - np.tanh(a.value) ** 2))

a = Tensor(np.array([0.5, -1.0]), requires_grad=True)
u = a.tanh()
with no_grad():
    u.mul_(2)
try:
    u.sum().backward()
except RuntimeError as error:
    print("the package:", error)

# %% [markdown]
# ## Why operations are fused
#
# Layer normalisation (lecture 5) is nine Tensor operations, or one `Function` with a derived backward, whose loops can be
# compiled. Same numbers, and the slowest is the one that was easiest to write. This is why the package has both: the
# composed *definition* is what the fast ones are tested against.

# %%
rungs = evaluation.compare_rungs(*((4096, 512) if SCALE == "lecture" else (64, 32)))
plot.table(["layer norm, forward and backward", "milliseconds", "difference to the definition"],
           [[name, row["ms"], row["error"]] for name, row in rungs.items()])

# %% [markdown]
# ## Real handwriting
#
# The same loop with the package's modules and its optimiser Adam: 1,797 digits of 8 x 8 pixels, 1,200 of them
# for training, the others unseen. Knowing nothing costs $\ln 10 \approx 2.303$ nats an image.

# %%
trainer = reader_trainer(epochs=20 if SCALE == "lecture" else 3, seed=0)
history, test = trainer.fit(), split_digits(0)["test"]
print(f"first loss {history['loss'][0]:.3f}, last {history['loss'][-1]:.4f}; "
      f"right on unseen digits: {evaluation.accuracy(trainer.model, *test):.1%}")
plot.picture(figures.digits(trainer.model, *test), "The sixteen test digits that the network "
             "doubts most, and what it reads; several are wrong.")

# %% [markdown]
# ## Summary
#
# - A computation leaves a graph. Backward walks it once; each node hands its gradient, times its own derivative, to its
#   parents, where shares add up.
# - The youngest node first: creation order is an order in which all users come before what they use.
# - What was broadcast forward is summed backward.
# - A new operation is a forward and a pull-back. Check it by finite differences, in float64, with random weights on the
#   outputs.
# - Arrays that backward needs must not change in between.
#
# ## Questions
#
# 1. `backward` gives the constant $x$ a gradient, too, which costs a matrix product. How would you leave it out?
# 2. For $f: \mathbb{R}^n \to \mathbb{R}^m$ one backward walk costs about as much as $f$. How many walks does the
#    whole Jacobian take? Why do we train losses with $m = 1$?
# 3. Calling `backward(loss)` twice on one graph of our engine gives wrong gradients. Which, and why?
#
# ## Things to try
#
# 1. Give `Node` an `exp` and a `log`, build $\log \sum_i e^{a_i}$ from them, and check it by `numeric`. When does it overflow?
# 2. Swap `g @ b.value.T` for `g.T @ b.value` in `matmul`. Which shapes let it pass unnoticed?
# 3. The exercise: `python -m tinymm exercise 00` writes it, `python -m tinymm check 00 FILE` checks it.
