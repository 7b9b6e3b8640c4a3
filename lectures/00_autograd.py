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
# Everything in this course is trained by gradients, and every gradient comes from a graph like the ones below. This
# notebook shows how the graph is built, in which order it is walked back, how one operation is written four times, and
# how a gradient check finds a bug that many checks miss. It runs in under a minute.

# %%
# %matplotlib inline
import os

import numpy as np

import tinymm
import tinymm.functional as F
from tinymm import Tensor, draw, gradcheck
from tinymm.data.worlds.digits import split_digits
from tinymm.experiments.lecture_00 import evaluation, figures
from tinymm.experiments.lecture_00.experiment import reader_trainer
from tinymm.experiments.lecture_00.systems import SoftmaxWithoutBackward
from tinymm.ops.normalisation.layer_norm import LayerNorm

SCALE = os.environ.get("TINYMM_SCALE", "lecture")   # "smoke" when the tests execute this notebook

# %% [markdown]
# ## 1. Tensors and their graph
#
# A `Tensor` is an array and the node that made it. Operations on tensors that require a gradient leave a trail.

# %%
x = tinymm.tensor([[1.0, 2.0], [3.0, -1.0]])
W = tinymm.tensor([[0.5, -0.3], [0.1, 0.8]], requires_grad=True)
b = tinymm.tensor([0.1, -0.2], requires_grad=True)

loss = ((x @ W + b).tanh() ** 2).mean()
loss

# %%
draw(loss, names={"W": W, "b": b})

# %% [markdown]
# `backward` walks the trail from the loss to the leaves. Each node gets the gradient of the loss with respect to its
# result, and hands to each argument that gradient times its own derivative: the chain rule, one step a node.

# %%
loss.backward()
print("dL/dW =", W.grad)
print("dL/db =", b.grad)

# %% [markdown]
# By hand: with $a = xW + b$, $y = \tanh a$ and $L = \frac14\sum y^2$, we have
# $\partial L/\partial a = \frac12\, y\,(1 - y^2)$, $\partial L/\partial W = x^\top\,\partial L/\partial a$, and
# $\partial L/\partial b$ is the sum of the rows, because $b$ was broadcast over them.

# %%
y = np.tanh(x.numpy() @ W.detach().numpy() + b.detach().numpy())
da = y * (1 - y**2) / 2
np.testing.assert_allclose(W.grad.numpy(), x.numpy().T @ da, rtol=1e-5)
np.testing.assert_allclose(b.grad.numpy(), da.sum(0), rtol=1e-5)
print("equal to the derivation by hand")

# %% [markdown]
# Gradients of gradients come from the same rules, because each derivative is itself made of operations:

# %%
t = tinymm.tensor(1.5, requires_grad=True)
value, derivatives = t**4, []
for _ in range(4):
    (value,) = tinymm.grad(value, t, create_graph=True)
    derivatives.append(value.item())
print("t^4 at 1.5, differentiated 1 to 4 times:", derivatives, " = 4t³, 12t², 24t, 24")

# %% [markdown]
# ## 2. Why topological order
#
# The obvious backward pass is a recursion: give every parent its share, then do the same from there. It is right, and
# it is hopeless: a node is visited once **for each path** to it. After `n` times `y = y + y` there are $2^n$ paths.

# %%
def walk_every_path(node, g, visits):
    visits.append(node)
    for parent, share in zip(node.edges, node.pull(g) if node.edges else ()):
        if parent is not None:
            walk_every_path(parent, share, visits)


leaf = Tensor(np.ones(1), requires_grad=True)
y = leaf
for _ in range(3):
    y = y + y
visits = []
walk_every_path(y.grad_fn, np.ones(1), visits)
print(len(visits), "visits for", len(set(map(id, visits))), "nodes")

# %% [markdown]
# A node must wait until **all** gradients for it have arrived, and then be visited once: whoever used a result comes
# before the result. tinymm stamps each node with the time of its creation. A user is always younger than what it uses, so
# *the youngest node first* is such an order, and a heap gives it without sorting and without recursion.

# %%
figures.paths([evaluation.visits(n) for n in range(1, 13)])

# %% [markdown]
# ## 3. One operation on four rungs
#
# Layer normalisation, as the slide has it: $\mu = \frac1H\sum_i a_i$, $\sigma^2 = \frac1H\sum_i (a_i-\mu)^2$,
# $y = g\,\frac{a-\mu}{\sqrt{\sigma^2+\epsilon}} + b$. The file `tinymm/ops/normalisation/layer_norm.py` computes it four times:
#
# 1. the **definition**, one Tensor operation after another; its gradient comes for free, and is slow;
# 2. **NumPy**, with the gradient derived by hand: $\mathrm{d}a = \frac1\sigma\left(\hat g - \overline{\hat g} -
#    \hat a\;\overline{\hat g\,\hat a}\right)$ with $\hat g = g\,\mathrm{d}y$ and $\hat a$ the normalised input;
# 3. **Numba**, the same formulas as loops, which leave no temporaries and run on all cores;
# 4. **CUDA**, one block of threads a row.

# %%
import inspect

print(inspect.getsource(LayerNorm.definition))
print(inspect.getsource(LayerNorm.backward_numpy))

# %% [markdown]
# They must agree (in float64, to rounding), and the hand-written ones should be worth the trouble:

# %%
table = evaluation.compare_rungs(*((4096, 512) if SCALE == "lecture" else (256, 128)))
for rung, row in table.items():
    print(f"{rung:<12} {row['ms']:8.2f} ms   largest relative difference to the definition {row['error']:.1e}")

# %%
figures.rungs(table)

# %% [markdown]
# ## 4. A gradient check that can fail
#
# A finite difference $\frac{f(x+h)-f(x-h)}{2h}$ is off by the truncation $\propto h^2$ and by the rounding
# $\propto 1/h$. The sum is a U, whose bottom lies near the cube root of the rounding unit: in float64 ten digits are to
# be had, in float32 two or three. So a gradient check is made in float64.

# %%
figures.step_size()

# %% [markdown]
# Here is a softmax whose backward is plainly wrong: all zeros.

# %%
print(inspect.getsource(SoftmaxWithoutBackward))

# %% [markdown]
# The check of many a course differentiates `f(x).sum()`. But the outputs of a softmax sum to 1 **whatever x is**: the
# true gradient of that sum is zero, and the bug passes.

# %%
points = np.random.default_rng(0).standard_normal((2, 4))
print("the check of the sum says:", "right" if evaluation.blind_check(SoftmaxWithoutBackward.apply, points) else "wrong")

# %% [markdown]
# `gradcheck` weighs the outputs with random numbers, so nothing cancels. Its report names the argument and the element,
# shows both numbers, and guesses what happened.

# %%
gradcheck(SoftmaxWithoutBackward.apply, [Tensor(points)], raise_exception=False)

# %%
gradcheck(lambda x: F.softmax(x, dim=-1), [Tensor(points)])

# %% [markdown]
# ## 5. It learns
#
# With operations, modules and an optimiser there is enough to read handwriting: 1,797 real digits of 8 x 8 pixels, 1,200
# of them for training. A network that knows nothing pays $\ln 10 \approx 2.303$ nats an image; that is what the first loss
# should be near.

# %%
trainer = reader_trainer(epochs=20 if SCALE == "lecture" else 3, seed=0)
history, model = trainer.fit(), trainer.model
accuracy = evaluation.accuracy(model, *split_digits(0)["test"])
print(f"first loss {history['loss'][0]:.3f}, last {history['loss'][-1]:.4f}; accuracy on unseen digits {accuracy:.3f}")

# %%
model.summary(tinymm.zeros(1, 8, 8))

# %%
figures.learning(history)

# %%
figures.digits(model, *split_digits(0)["test"])

# %% [markdown]
# ## Three things to try
#
# 1. Change an array that the backward pass needs (`with tinymm.no_grad(): y.mul_(2)`) and call `backward`: what is said?
# 2. Write `class Cube(tinymm.Function)` with a forward and a backward, and break the backward in a way that `gradcheck`
#    does not notice. (If you find one, it is a bug: tell us.)
# 3. `TINYMM_KERNELS=numpy` runs everything without compiled kernels. Step through `layer_norm` with a debugger.
