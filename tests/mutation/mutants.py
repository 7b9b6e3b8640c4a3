"""Broken backwards, each with the argument, the element and the mistake that the checker must name."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np

from tests.mutation.families import FAMILIES

F = FAMILIES


@dataclasses.dataclass(frozen=True)
class Mutant:
    """A backward with one mistake.

    Attributes:
        name: what was done to it.
        family: whose backward it replaces.
        argument: the arguments whose gradient it spoils.
        says: a part of the sentence that guesses the mistake; "" where the error has no pattern.
        verdict: what the checker must call it.
        index: the element that must be named; None where many are wrong.
        axis: (axis, indices): the element named must lie there.
        make: () -> the broken function; fresh for every check, as some mutants count their calls.
        float32: whether the check of the float32 gradient is needed to see it.
    """

    name: str
    family: str
    argument: tuple
    says: str
    verdict: str
    index: tuple | None
    axis: tuple | None
    make: Callable
    float32: bool


MUTANTS: list[Mutant] = []


def mutant(family, argument, says="", verdict="wrong", index=None, axis=None, forward=None, make=None, float32=False):
    """The decorated backward becomes a Mutant named after it."""
    def add(backward):
        MUTANTS.append(Mutant(backward.__name__, family, (argument,) if isinstance(argument, str) else argument, says,
                              verdict, index, axis, make or (lambda: F[family].function(backward, forward)), float32))
        return backward
    return add


def stateful(family, argument, **expected):
    """The decorated function takes nothing and makes (forward, backward) that share a memory."""
    def add(build):
        def make():
            forward, backward = build()
            return F[family].function(backward, forward)
        return mutant(family, argument, make=make, **expected)(build)
    return add


# ---------------------------------------------------------------------- factors and signs

@mutant("Square", "x", "zero everywhere")
def zero_gradient(self, g):
    return 0 * g


@mutant("Square", "x", "1/2 times")
def forgets_the_factor_two(self, g):
    return self.x * g


@mutant("Square", "x", "a constant factor: 2 times")
def factor_two_too_many(self, g):
    return 4 * self.x * g


@mutant("Square", "x", "the sign is wrong")
def wrong_sign(self, g):
    return -2 * self.x * g


@mutant("Square", "x", "a constant factor: 1.00001 times")
def wrong_in_the_fifth_digit(self, g):
    return 2 * self.x * g * (1 + 1e-5)


@mutant("Square", "x", "the incoming gradient is ignored")
def ignores_the_incoming_gradient(self, g):
    return 2 * self.x


@mutant("Square", "x", "a factor is missing: the input x")
def forgets_the_input(self, g):
    return 2 * g


@mutant("Square", "x")
def squares_the_incoming_gradient(self, g):
    return 2 * self.x * g * g


@mutant("Square", "x")
def absolute_incoming_gradient(self, g):
    return 2 * self.x * np.abs(g)


@mutant("Square", "x", "no gradient arrives")
def returns_none(self, g):
    return None


@mutant("Square", "x", "float32 for a float64")
def returns_float32(self, g):
    return (2 * self.x * g).astype(np.float32)


@mutant("Square", "x", "transposed")
def returns_the_transpose(self, g):
    return (2 * self.x * g).T


@mutant("Square", "x", "NaN", index=(2, 3))
def nan_at_one_element(self, g):
    dx = 2 * self.x * g
    dx[2, 3] = np.nan
    return dx


@mutant("Square", "x", "infinite", index=(0, 1))
def infinity_at_one_element(self, g):
    dx = 2 * self.x * g
    dx[0, 1] = np.inf
    return dx


@mutant("Square", "x", "raised IndexError", verdict="error")
def raises(self, g):
    return (2 * self.x * g)[9]


# ---------------------------------------------------------------------- one element, one slice

@mutant("LongSquare", "x", "one single element is wrong", index=(737,))
def one_wrong_element_in_a_thousand(self, g):
    dx = 2 * self.x * g
    dx[737] *= 1.01
    return dx


@mutant("LongSquare", "x", "it is zero", index=(0,))
def first_element_forgotten(self, g):
    dx = 2 * self.x * g
    dx[0] = 0
    return dx


@mutant("LongSquare", "x", "it is zero", index=(999,))
def last_element_forgotten(self, g):
    dx = 2 * self.x * g
    dx[-1] = 0
    return dx


@mutant("HugeSquare", "x", "one single element is wrong", index=(13_415,))
def one_wrong_element_in_twenty_thousand(self, g):
    dx = 2 * self.x * g
    dx[13_415] *= -1
    return dx


@mutant("HugeSquare", "x", "zero (slices are missing)", axis=(0, range(16_384, 20_000)))
def tail_beyond_a_block_forgotten(self, g):
    dx = 2 * self.x * g
    dx[16_384:] = 0
    return dx


@mutant("HugeSquare", "x", "1/2 times")
def wrong_only_for_large_arrays(self, g):
    return 2 * self.x * g if g.size < 10_000 else self.x * g


@mutant("Square", "x", "zero (one slice is missing)", axis=(0, [3]))
def last_row_missing(self, g):
    dx = 2 * self.x * g
    dx[3] = 0
    return dx


@mutant("Square", "x", "only indices 0, 4 of axis 1 are 3/2 times", axis=(1, [0, 4]))
def wrong_at_the_boundary(self, g):
    dx = 2 * self.x * g
    dx[:, [0, -1]] *= 1.5
    return dx


@mutant("Square", "x", "wrong sign", axis=(1, [2]))
def sign_of_one_column(self, g):
    dx = 2 * self.x * g
    dx[:, 2] *= -1
    return dx


@mutant("Square", "x", "off by one along axis 1")
def off_by_one_index(self, g):
    return np.roll(2 * self.x * g, 1, axis=1)


@mutant("Square", "x", "reversed along axis 0")
def upside_down(self, g):
    return (2 * self.x * g)[::-1]


@mutant("Square", "x", "depends on the index along axis 0")
def factor_per_row(self, g):
    return 2 * self.x * g * np.array([[1.0], [2.0], [3.0], [4.0]])


# ---------------------------------------------------------------------- state, noise, memory

@stateful("Square", "x", verdict="non-deterministic", says="right the first time only")
def correct_on_the_first_call_only():
    calls = []

    def backward(self, g):
        calls.append(1)
        return 2 * self.x * g if len(calls) == 1 else self.x * g
    return F["Square"].forward, backward


@stateful("Square", "x", verdict="non-deterministic")
def alternates():
    calls = []

    def backward(self, g):
        calls.append(1)
        return 2 * self.x * g * (len(calls) % 2)
    return F["Square"].forward, backward


@stateful("Square", "x", verdict="non-deterministic", says="random numbers")
def noise():
    rng = np.random.default_rng(0)
    return F["Square"].forward, lambda self, g: 2 * self.x * g * (1 + 1e-3 * rng.normal(size=g.shape))


@stateful("Square", "x", verdict="non-deterministic", says="values are kept on the class")
def kept_on_the_class():
    kept = {}

    def forward(self, x):
        kept["x"] = x
        return x * x
    return forward, lambda self, g: 2 * kept["x"] * g


@stateful("Square", "x", says="keeps values of an earlier call")
def stale_cache():
    kept = {}

    def forward(self, x):
        kept.setdefault("x", x.copy())
        return x * x
    return forward, lambda self, g: 2 * kept["x"] * g


@stateful("Square", "x", verdict="non-deterministic", says="another gradient")
def accumulates_over_calls():
    total = {}

    def backward(self, g):
        total["g"] = total.get("g", 0) + 2 * self.x * g
        return total["g"].copy()
    return F["Square"].forward, backward


@stateful("Square", "x", verdict="non-deterministic", says="forward passes")
def noise_in_the_forward():
    rng = np.random.default_rng(0)

    def forward(self, x):
        self.x = x
        return x * x + 1e-3 * rng.normal(size=x.shape)
    return forward, F["Square"].backward


def _doubles_its_input(self, x):
    self.x = x
    x *= 2
    return x * x / 4


@mutant("Square", "x", "the forward wrote into this input", verdict="input mutated", forward=_doubles_its_input)
def forward_writes_into_its_input(self, g):
    return self.x * g


@mutant("Square", "x", "the backward wrote into this input", verdict="input mutated")
def backward_writes_into_its_input(self, g):
    self.x *= 2
    return self.x * g


@mutant("Square", "x", "writes into the gradient", verdict="input mutated")
def backward_writes_into_the_incoming_gradient(self, g):
    g *= 2
    return self.x * g


def _hands_out_what_it_keeps(self, x):
    self.x, self.y = x, np.tanh(x)
    return self.y


@mutant("Tanh", "x", "writes into the output of the forward", verdict="input mutated", forward=_hands_out_what_it_keeps)
def backward_writes_into_the_output(self, g):
    self.y *= self.y
    return g * (1 - self.y)


@mutant("Square", "x", "not contiguous")
def reads_the_memory_of_a_view(self, g):
    raw = np.lib.stride_tricks.as_strided(g, g.shape, (g.shape[1] * g.itemsize, g.itemsize))
    return 2 * self.x * raw


@mutant("Square", "x", "in float32", float32=True)
def wrong_only_in_float32(self, g):
    return 2 * self.x * g * (1 + 1e-3 * (g.dtype == np.float32))


@mutant("Tanh", "x", "in float32", float32=True)
def cancels_in_float32(self, g):
    big = self.y.dtype.type(4096)
    return g * ((1 + big) - (self.y**2 + big))


# ---------------------------------------------------------------------- the chain rule

@mutant("Tanh", "x", "passed on as it is")
def tanh_without_its_derivative(self, g):
    return g.copy()


@mutant("Tanh", "x", "a factor 1 - y stands where 1 - y^2 should")
def tanh_forgets_the_square(self, g):
    return g * (1 - self.y)


@mutant("Tanh", "x")
def tanh_of_the_input_instead_of_the_output(self, g):
    return g * (1 - self.x**2)


@mutant("Tanh", "x", "a factor y (1 - y) stands where 1 - y^2 should")
def derivative_of_the_sigmoid(self, g):
    return g * self.y * (1 - self.y)


@mutant("Sigmoid", "x", "a factor is missing: 1 - y")
def sigmoid_forgets_one_minus_y(self, g):
    return g * self.y


@mutant("Sigmoid", "x", "a factor is missing: the output y")
def sigmoid_forgets_y(self, g):
    return g * (1 - self.y)


@mutant("Silu", "x")
def silu_through_one_path_only(self, g):
    return g * self.s


@mutant("Log", "x", "passed on as it is")
def log_without_its_derivative(self, g):
    return 1.0 * g


@mutant("Log", "x", "of the wrong sign")
def log_of_the_absolute_value(self, g):
    return g / np.abs(self.x)


@mutant("Log", "x")
def divides_by_x_plus_epsilon(self, g):
    return g / (self.x + 1e-5)


@mutant("Clamp", "x", "elements are zero that should not be")
def clamp_with_the_wrong_bound(self, g):
    return g * ((self.x > -0.42) & (self.x < 0))


@mutant("Clamp", "x")
def clamp_lets_everything_through(self, g):
    return 1.0 * g


@mutant("Multiply", ("a", "b"), "swapped")
def gradients_of_two_arguments_swapped(self, g):
    return g * self.a, g * self.b


@mutant("Multiply", "b", "this is the gradient of a")
def gradient_of_the_wrong_argument(self, g):
    return g * self.b, g * self.b


@mutant("Multiply", "a", "no gradient arrives")
def one_argument_forgotten(self, g):
    return None, g * self.a


@mutant("Multiply", ("a", "b"), "alone needs a gradient")
def needs_read_the_wrong_way_round(self, g):
    da = g * self.b if self.needs[1] else np.zeros_like(g)
    db = g * self.a if self.needs[0] else np.zeros_like(g)
    return da, db


# ---------------------------------------------------------------------- broadcasting and reductions

@mutant("AddRow", "b", "the sum over the broadcast axis 0 is missing")
def missing_unbroadcast(self, g):
    return g.copy(), g.copy()


@mutant("AddColumn", "b", "the sum over the broadcast axis 1 is missing")
def missing_unbroadcast_of_a_size_one_axis(self, g):
    return g.copy(), g.copy()


@mutant("AddRow", "b", "1/4 (the length of")
def mean_over_the_broadcast_axis(self, g):
    return g.copy(), g.mean(0)


@mutant("AddRow", "b")
def sum_over_the_wrong_axis(self, g):
    return g.copy(), g.sum(1)


@mutant("AddRow", "b", "only the contribution of index 0 of axis 0")
def first_row_only(self, g):
    return g.copy(), g[0].copy()


@mutant("AddRow", "b", "zero everywhere")
def bias_without_gradient(self, g):
    return g.copy(), 0 * g[0]


@mutant("Mean", "x", "a constant factor: 6")
def mean_without_one_over_n(self, g):
    return np.repeat(g[:, None], 6, axis=1)


@mutant("Mean", "x", "a constant factor: 3/2")
def mean_over_the_wrong_axis_length(self, g):
    return np.repeat(g[:, None] / 4, 6, axis=1)


@mutant("Variance", "x", "5/6")
def biased_instead_of_unbiased(self, g):
    return 2 * self.c * g[:, None] / 6


@mutant("Variance", "x", "1/2 times")
def variance_without_two(self, g):
    return self.c * g[:, None] / 5


def _keeps_x(self, x):
    self.raw = x
    return F["Variance"].forward(self, x)


@mutant("Variance", "x", "constant along axis 1", forward=_keeps_x)
def mean_not_subtracted(self, g):
    return 2 * self.raw * g[:, None] / 5


@mutant("Norm", "x", "depends on the index along axis 0")
def norm_not_divided(self, g):
    return g[:, None] * self.x


@mutant("Max", "x", verdict="wrong")
def gradient_to_the_element_before(self, g):
    return np.roll(F["Max"].backward(self, g), -1, axis=1)


@mutant("Max", "x", "zero (slices are missing)", axis=(0, [0, 1]))
def only_half_of_the_rows(self, g):
    dx = F["Max"].backward(self, g)
    dx[:2] = 0
    return dx


@mutant("CumulativeSum", "x")
def cumulative_sum_not_reversed(self, g):
    return g.cumsum(axis=1)


@mutant("CumulativeSum", "x", "zero (one slice is missing)", axis=(1, [0]))
def cumulative_sum_drops_the_first(self, g):
    dx = F["CumulativeSum"].backward(self, g).copy()
    dx[:, 0] = 0
    return dx


@mutant("Product", "x", "a factor too many: the input x")
def product_not_divided_by_the_element(self, g):
    return np.repeat((g * self.y)[:, None], 4, axis=1)


# ---------------------------------------------------------------------- matrices and shapes

@mutant("Matmul", "a")
def matmul_without_a_transpose(self, g):
    return g @ self.b, self.a.T @ g


@mutant("Matmul", "b", "transposed")
def matmul_gradient_transposed(self, g):
    return g @ self.b.T, g.T @ self.a


@mutant("Linear", "weight", "transposed")
def weight_gradient_of_the_wrong_shape(self, g):
    return g @ self.w, self.x.T @ g, g.sum(0)


@mutant("Linear", "weight", "1/5")
def weight_gradient_averaged_over_the_batch(self, g):
    return g @ self.w, g.T @ self.x / len(g), g.sum(0)


@mutant("Linear", "bias", "`=` in place of `+=`")
def bias_gradient_overwritten_in_a_loop(self, g):
    for row in g:
        db = row.copy()
    return g @ self.w, g.T @ self.x, db


@mutant("Linear", "weight", "the contribution of index 4 of axis 0 of the output is missing")
def weight_gradient_without_the_last_case(self, g):
    return g @ self.w, g[:-1].T @ self.x[:-1], g.sum(0)


@mutant("Linear", "x", "zero (one slice is missing)", axis=(0, [4]))
def input_gradient_without_the_last_case(self, g):
    dx = g @ self.w
    dx[-1] = 0
    return dx, g.T @ self.x, g.sum(0)


@mutant("SwapAxes", "x", "has shape (3, 2, 3), the argument (2, 3, 3): transposed")
def axes_moved_back_the_same_way(self, g):
    return g.transpose(1, 2, 0)


@mutant("SwapAxes", "x", "axes")
def last_two_axes_exchanged(self, g):
    return g.transpose(2, 1, 0)


@mutant("Concatenate", ("a", "b"), "swapped")
def halves_exchanged(self, g):
    return g[:, self.n:], g[:, :self.n]


@mutant("Concatenate", "b", "off by one along axis 1")
def split_one_too_early(self, g):
    return g[:, :self.n], g[:, self.n - 1:-1]


@mutant("Pad", "x", "off by one along axis 1")
def padding_cut_off_by_one(self, g):
    return g[:, 1:-2]


@mutant("Lookup", "table", "`=` in place of `+=`", axis=(0, [2]))
def lost_accumulation(self, g):
    dt = np.zeros(self.shape, g.dtype)
    dt[self.index] = g
    return dt, None


@mutant("Lookup", "table", "`=` in place of `+=`", axis=(0, [2]))
def lost_accumulation_in_plus_equals(self, g):
    dt = np.zeros(self.shape, g.dtype)
    dt[self.index] += g   # NumPy adds once for each distinct index
    return dt, None


@mutant("Lookup", "table", "off by one along axis 0")
def rows_off_by_one(self, g):
    return np.roll(F["Lookup"].backward(self, g)[0], 1, axis=0), None


@mutant("Lookup", "table", "zero (one slice is missing)", axis=(0, [0]))
def index_zero_taken_for_padding(self, g):
    dt = F["Lookup"].backward(self, g)[0]
    dt[0] = 0
    return dt, None


@mutant("Convolve", "x", "`=` in place of `+=`")
def convolution_overwrites_the_overlap(self, g):
    dx = np.zeros_like(self.x)
    for k in range(3):
        dx[:, k:k + g.shape[1]] = self.w[k] * g
    return dx, F["Convolve"].backward(self, g)[1]


@mutant("Convolve", "w", "reversed along axis 0")
def kernel_flipped(self, g):
    dx, dw = F["Convolve"].backward(self, g)
    return dx, dw[::-1]


@mutant("Convolve", "x", axis=(1, [0, 1]))
def left_boundary_forgotten(self, g):
    dx, dw = F["Convolve"].backward(self, g)
    dx[:, :2] = 0
    return dx, dw


@mutant("Convolve", "w", "only the contribution of index 0 of axis 0")
def kernel_gradient_of_the_first_case_only(self, g):
    return F["Convolve"].backward(self, g)[0], np.array([(g[:1] * self.x[:1, k:k + 6]).sum() for k in range(3)])


@mutant("AveragePool", "x", "a constant factor: 4")
def pooling_without_one_over_window(self, g):
    return 4 * F["AveragePool"].backward(self, g)


@mutant("AveragePool", "x", "`=` in place of `+=`", axis=(1, range(2, 6)))
def pooling_overwrites_overlapping_windows(self, g):
    dx = np.zeros(self.shape, g.dtype)
    for j in range(g.shape[1]):
        dx[:, 2 * j:2 * j + 4] = g[:, j:j + 1] / 4
    return dx


# ---------------------------------------------------------------------- layers

@mutant("Softmax", "x", "all ones")
def softmax_with_zero_backward(self, g):
    return 0 * g


@mutant("Softmax", "x", "proportional to the output along axis 1")
def softmax_diagonal_only(self, g):
    return self.y * g


@mutant("Softmax", "x", "a factor is missing: the output y")
def softmax_forgets_y(self, g):
    return g - (g * self.y).sum(axis=1, keepdims=True)


@mutant("Softmax", "x")
def softmax_over_the_wrong_axis(self, g):
    return self.y * (g - (g * self.y).sum(axis=0, keepdims=True))


@mutant("Softmax", "x", "sign")
def softmax_with_the_wrong_sign(self, g):
    return self.y * ((g * self.y).sum(axis=1, keepdims=True) - g)


@mutant("CrossEntropy", "x", "a constant factor: 6")
def loss_not_averaged(self, g):
    dx, _ = F["CrossEntropy"].backward(self, g)
    return dx * len(dx), None


@mutant("CrossEntropy", "x")
def one_hot_not_subtracted(self, g):
    return g * self.p / len(self.p), None


@mutant("CrossEntropy", "x", "incoming gradient is ignored")
def loss_weight_ignored(self, g):
    return F["CrossEntropy"].backward(self, np.ones_like(g))[0], None


@mutant("CrossEntropy", "x", "zero (one slice is missing)", axis=(0, [1]))
def one_case_ignored(self, g):
    dx, _ = F["CrossEntropy"].backward(self, g)
    dx[1] = 0
    return dx, None


@mutant("LayerNormalise", "x", "constant along axis 1")
def layer_norm_without_the_mean_term(self, g):
    dn = g * self.w
    return self.r * (dn - self.n * (dn * self.n).mean(1, keepdims=True)), (g * self.n).sum(0), g.sum(0)


@mutant("LayerNormalise", "x", "along axis 1")
def layer_norm_without_the_variance_term(self, g):
    dn = g * self.w
    return self.r * (dn - dn.mean(1, keepdims=True)), (g * self.n).sum(0), g.sum(0)


@mutant("LayerNormalise", "x")
def layer_norm_with_fixed_statistics(self, g):
    return self.r * g * self.w, (g * self.n).sum(0), g.sum(0)


@mutant("LayerNormalise", "x", "depends on the index along axis 0")
def layer_norm_forgets_eps(self, g):
    dx, dw, db = F["LayerNormalise"].backward(self, g)
    return dx / self.r / self.x.std(1, keepdims=True), dw, db


@mutant("LayerNormalise", "x")
def layer_norm_biased_and_unbiased(self, g):
    dn = g * self.w
    return self.r * (dn - dn.mean(1, keepdims=True) - self.n * (dn * self.n).sum(1, keepdims=True) / 5), \
        (g * self.n).sum(0), g.sum(0)


@mutant("LayerNormalise", "weight")
def weight_gradient_from_the_raw_input(self, g):
    dx, _, db = F["LayerNormalise"].backward(self, g)
    return dx, (g * self.x).sum(0), db


@mutant("LayerNormalise", "x")
def layer_norm_forgets_its_weight(self, g):
    w, self.w = self.w, np.ones_like(self.w)
    result = F["LayerNormalise"].backward(self, g)
    self.w = w
    return result


@mutant("LayerNormalise", ("weight", "bias"), "swapped")
def weight_and_bias_swapped(self, g):
    dx, dw, db = F["LayerNormalise"].backward(self, g)
    return dx, db, dw


@mutant("Gates", "z", "slices are missing", axis=(1, [2, 3]))
def forget_gate_without_gradient(self, dh, dc):
    dz, dc = F["Gates"].backward(self, dh, dc)
    dz[:, 2:4] = 0
    return dz, dc


@mutant("Gates", ("z", "c"))
def cell_state_path_forgotten(self, dh, dc):
    return F["Gates"].backward(self, dh, 0 * dc)


@mutant("Gates", ("z", "c"))
def output_path_forgotten(self, dh, dc):
    dz, dc_old = F["Gates"].backward(self, 0 * dh, dc)
    o, t = self.kept[3], self.kept[5]
    dz[:, 6:] = dh * t * o * (1 - o)
    return dz, dc_old


@mutant("Gates", "z", axis=(1, range(4, 6)))
def candidate_with_the_derivative_of_a_sigmoid(self, dh, dc):
    dz, dc_old = F["Gates"].backward(self, dh, dc)
    g = self.kept[2]
    dz[:, 4:6] *= g * (1 - g) / (1 - g * g)
    return dz, dc_old


@mutant("Attention", ("q", "k"), "sqrt(3)")
def attention_forgets_its_scale(self, g):
    dq, dk, dv = F["Attention"].backward(self, g)
    return dq * np.sqrt(3), dk * np.sqrt(3), dv


@mutant("Attention", ("q", "k"), "swapped")
def queries_and_keys_swapped(self, g):
    dq, dk, dv = F["Attention"].backward(self, g)
    return dk, dq, dv


@mutant("Attention", ("q", "k"))
def attention_through_the_softmax_unchanged(self, g):
    ds = self.p * (g @ self.v.transpose(0, 2, 1)) / np.sqrt(3)
    return ds @ self.k, ds.transpose(0, 2, 1) @ self.q, self.p.transpose(0, 2, 1) @ g


@mutant("Attention", ("q", "k", "v"), "only index 1 of axis 0", axis=(0, [1]))
def second_case_of_the_batch_forgotten(self, g):
    result = F["Attention"].backward(self, g)
    for part in result:
        part[1] = 0
    return result
