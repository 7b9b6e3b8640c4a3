"""Exercise 5: layer normalisation, a step of the layer-normalised LSTM; extra: batch normalisation, the order violation."""

from __future__ import annotations

from functools import partial
from collections.abc import Callable

from ... import functional as F
from ...autograd.registry import Draw
from ..exercise import Case, Exercise, Mistake, Task, sloped, with_slope

OVER_BATCH = "the statistics are taken over the batch (axis 0), as in batch normalisation; "
EPS_OUTSIDE = "eps stands outside the root: here sigma = sqrt(variance + eps), not sqrt(variance) + eps"
UNBIASED = "the variance is divided by the number of units less one; the slide's divides by their number"
BOTH = "sigma is the unbiased deviation with eps outside the root, x.std(ddof=1) + eps; it is sqrt(variance + eps), the variance " \
       "divided by the number of units"
NO_EPS = "eps is not used: sigma = sqrt(variance + eps)"
HELD = "the statistics are held constant in the backward: mu and sigma depend on what is normalised, and dn gives " \
       "(dn - mean(dn) - n mean(dn n)) / sigma"
SIGMA_HELD = "sigma is held constant in the backward: it moves with a, which gives the term - n mean(dn n)"
MU_HELD = "mu is held constant in the backward: it moves with a, which gives the term - mean(dn)"
MEANS_OVER_BATCH = "the two means of the backward are taken over the batch (axis 0); they are over the units (axis 1)"
UNDIVIDED = "da lacks the division by sigma: (dn - mean(dn) - n mean(dn n)) / sigma"
DIVIDED_TWICE = "da is divided by sigma^2: (dn - mean(dn) - n mean(dn n)) / sigma"

# ---------------------------------------------------------------------- layer normalisation


def normed(a, eps, over: int | tuple[int, ...] = 1, variance=lambda squares, over: squares.mean(over, keepdim=True),
           root=lambda v, eps: F.sqrt(v + eps), mu=lambda m: m, sigma=lambda s: s):
    """(a - mu) / sigma; a is (B, H).

    The rest is for the variants: the axes of the statistics; how the squares are averaged; where eps stands; what the
    backward sees of mu and of sigma.
    """
    mean = a.mean(over, keepdim=True)
    return (a - mu(mean)) / sigma(root(variance((a - mean) ** 2, over), eps))


def _held(statistic):
    return statistic.detach()


def _unbiased(squares, over):
    return squares.sum(over, keepdim=True) / max(squares.shape[over] - 1, 1)


def _times_sigma(power):
    """The gradient has a factor sigma^power too many."""
    def variant(a, eps):
        n, variance = normed(a, eps), ((a - a.mean(1, keepdim=True)) ** 2).mean(1, keepdim=True)
        return with_slope(n, n * (variance + eps).detach() ** (power / 2))
    return variant


def _means_over_batch(a, eps):
    """The gradient has means over the batch in the place of those over the units."""
    n = normed(a, eps)
    alone, along = CONSTANT(a, eps), n.detach()
    return with_slope(n, alone - alone.mean(0, keepdim=True) - along * (along * alone).mean(0, keepdim=True))


def _gain_twice(a, g, b, eps):
    n = normed(a, eps)
    return with_slope(g * n + b, g.detach() ** 2 * n + g * n.detach() + b)


OUTSIDE = partial(normed, root=lambda v, eps: F.sqrt(v) + eps)
UNBIASED_OUTSIDE = partial(normed, variance=_unbiased, root=lambda v, eps: F.sqrt(v) + eps)
CONSTANT = partial(normed, mu=_held, sigma=_held)


def layer_norm(a, g, b, eps, norm: Callable = normed):
    """g (a - mu) / sigma + b over the units; ``norm`` is for the variants."""
    return g * norm(a, eps) + b


def _uncentred(a, eps):
    return a / F.sqrt((a * a).mean(1, keepdim=True) + eps)


def _around_zero(a, eps):
    return (a - a.mean(1, keepdim=True)) / F.sqrt((a * a).mean(1, keepdim=True) + eps)


def _sums(a, eps):
    """The gradient has sums over the units in the place of both means."""
    n, H = normed(a, eps), a.shape[1]
    alone = CONSTANT(a, eps)                 # dn / sigma, the first of the three terms
    return with_slope(n, H * n - (H - 1) * alone)


def _without_gain(a, g, b, eps):
    n = normed(a, eps)
    return with_slope(g * n + b, n + g * n.detach() + b)


def _gain_sees(what: Callable):
    """dg is the sum of dy * what(a) in the place of dy * n."""
    def variant(a, g, b, eps):
        n = normed(a, eps)
        return with_slope(g * n + b, g.detach() * n + g * what(a).detach() + b)
    return variant


def _averaged(a, g, b, eps):
    n = normed(a, eps)
    return with_slope(g * n + b, g.detach() * n + (g * n.detach() + b) / a.shape[0])


def layer_norm_cases(draw: Draw) -> list[Case]:
    def case(name, B, H, offset=0.0, spread=1.0, eps=1e-3, **options):
        return Case(name, {"a": draw.normal(B, H) * spread + offset, "g": draw.normal(H), "b": draw.normal(H), "eps": eps},
                    **options)

    return [case("", 3, 5, differences=True),
            case("one training case", 1, 4, offset=2.0),
            case("a constant input", 2, 4, offset=1.5, spread=0.0, hint="sigma^2 = 0 here, so y = b; eps inside the root, "
                 "sqrt(0 + eps), keeps the gradient finite"),
            case("one unit", 3, 1),
            case("a mean of 100,000", 1, 5, offset=1e5, hint="mean(a^2) - mu^2 loses the digits that count: subtract mu first, "
                 "then square")]


LAYER_NORM = Task(
    "layer_norm", "layer_norm_forward", "layer_norm_backward", ("y",), ("a", "g", "b"),
    {"a": "B H", "g": "H", "b": "H", "y": "B H"}, layer_norm, layer_norm_cases, (
        Mistake(OVER_BATCH + "each training case has its own mu and sigma, over its H units (axis 1)",
                partial(layer_norm, norm=partial(normed, over=0))),
        Mistake("the statistics are taken over batch and units at once; each training case has its own",
                partial(layer_norm, norm=partial(normed, over=(0, 1)))),
        Mistake(EPS_OUTSIDE, partial(layer_norm, norm=OUTSIDE)),
        Mistake(UNBIASED, partial(layer_norm, norm=partial(normed, variance=_unbiased))),
        Mistake(BOTH, partial(layer_norm, norm=UNBIASED_OUTSIDE)),
        Mistake(NO_EPS, partial(layer_norm, norm=partial(normed, root=lambda v, eps: F.sqrt(v)))),
        Mistake("divided by the variance; sigma is its root",
                partial(layer_norm, norm=partial(normed, root=lambda v, eps: v + eps))),
        Mistake("mu is not subtracted", partial(layer_norm, norm=_uncentred)),
        Mistake("sigma is taken around 0: its squares are those of a - mu", partial(layer_norm, norm=_around_zero)),
        Mistake("g is not used: y = g n + b", lambda a, g, b, eps: layer_norm(a, 1.0, b, eps) + 0 * g),
        Mistake("b is not used: y = g n + b", lambda a, g, b, eps: layer_norm(a, g, 0 * b, eps)),
        Mistake("g multiplies b, too: y = g n + b", lambda a, g, b, eps: g * (normed(a, eps) + b)),
        Mistake(HELD, partial(layer_norm, norm=CONSTANT)),
        Mistake(SIGMA_HELD, partial(layer_norm, norm=partial(normed, sigma=_held))),
        Mistake(MU_HELD, partial(layer_norm, norm=partial(normed, mu=_held))),
        Mistake(MEANS_OVER_BATCH, partial(layer_norm, norm=_means_over_batch)),
        Mistake(UNDIVIDED, partial(layer_norm, norm=_times_sigma(1))),
        Mistake(DIVIDED_TWICE, partial(layer_norm, norm=_times_sigma(-1))),
        Mistake("da has the gain twice: dn = g dy has it already", _gain_twice),
        Mistake("sums over the units in the place of the two means: (dn - mean(dn) - n mean(dn n)) / sigma",
                partial(layer_norm, norm=_sums)),
        Mistake("da lacks the gain: dn = g dy goes through the normalisation, not dy", _without_gain),
        Mistake("dg is the sum of dy a; it is the sum of dy n, with n = (a - mu) / sigma", _gain_sees(lambda a: a)),
        Mistake("dg lacks the division by sigma: it is the sum of dy n, with n = (a - mu) / sigma",
                _gain_sees(lambda a: a - a.mean(1, keepdim=True))),
        Mistake("dg and db are averaged over the batch; g and b serve every case, so their gradients add up", _averaged),
    ), points=(3, 5))


# ---------------------------------------------------------------------- a step of the layer-normalised LSTM

def _two(of_h, of_x, g_h, g_x, norm):
    return g_h * norm(of_h) + g_x * norm(of_x)


def layer_norm_lstm_step(x, h, c, W_x, W_h, g_x, g_h, b, g_c, b_c, eps, norm: Callable = normed, sums: Callable = _two,
                         order="fiog", gate: Callable = F.sigmoid, squash: Callable = F.tanh, keep=lambda f, c: f * c,
                         let_in=lambda i, g: i * g, read=lambda new, old, norm: norm(new), show=lambda o, n: o * n.tanh(),
                         carry=lambda new, normalised: new):
    """h', c' of the paper's cell; x (B, D), h and c (B, H), W_x (4H, D), W_h (4H, H), g_x, g_h, b (4H,), g_c, b_c (H,).

    The rest is for the variants: the normalisation; how the two products join; the order of the four parts; what stands
    for sigma and tanh; how much of c is kept and let in; what of the cell is normalised, shown and carried.
    """
    def n(a):
        return norm(a, eps)

    part = dict(zip(order, F.chunk(sums(h @ W_h.T, x @ W_x.T, g_h, g_x, n) + b, 4, dim=1)))     # each (B, H)
    f, i, o, g = gate(part["f"]), gate(part["i"]), gate(part["o"]), squash(part["g"])
    c_next = keep(f, c) + let_in(i, g)
    normalised = g_c * read(c_next, c, n) + b_c
    return show(o, normalised), carry(c_next, normalised)


def _by_gate(of_h, of_x, g_h, g_x, norm):
    return g_h * _of_gates(of_h, norm) + g_x * _of_gates(of_x, norm)


def _of_gates(a, norm):
    return F.cat([norm(part) for part in F.chunk(a, 4, dim=1)], dim=1)


def _b_times(many):
    def variant(x, h, c, W_x, W_h, g_x, g_h, b, g_c, b_c, eps):
        return layer_norm_lstm_step(x, h, c, W_x, W_h, g_x, g_h, many * b, g_c, b_c, eps)
    return variant


def _bare_cell_carried(x, h, c, *rest):
    h_next, c_next = layer_norm_lstm_step(x, h, c, *rest)
    return h_next, normed(c_next, rest[-1])


def _cell_held(x, h, c, *rest):
    """mu and sigma of the cell are constants of the backward, those of the products are not."""
    return layer_norm_lstm_step(x, h, c, *rest, read=lambda new, old, norm: CONSTANT(new, rest[-1]))


def _products_held(x, h, c, *rest):
    eps = rest[-1]
    return layer_norm_lstm_step(x, h, c, *rest, sums=lambda of_h, of_x, g_h, g_x, norm:
                                _two(of_h, of_x, g_h, g_x, lambda a: CONSTANT(a, eps)))


def layer_norm_lstm_step_cases(draw: Draw) -> list[Case]:
    def case(name, B, D, H, state=1.0, eps=1e-3, **options):
        return Case(name, {"x": draw.normal(B, D), "h": draw.normal(B, H) * state, "c": draw.normal(B, H) * state,
                           "W_x": draw.normal(4 * H, D), "W_h": draw.normal(4 * H, H), "g_x": draw.normal(4 * H),
                           "g_h": draw.normal(4 * H), "b": draw.normal(4 * H), "g_c": draw.normal(H), "b_c": draw.normal(H),
                           "eps": eps}, **options)

    return [case("", 3, 4, 3, differences=True),
            case("one sequence", 1, 3, 4),
            case("the first step, h = c = 0", 2, 3, 4, state=0.0, hint="LN of a vector of zeros is 0 / sqrt(0 + eps) = 0: eps "
                 "inside the root keeps it and its gradient finite")]


LAYER_NORM_LSTM_STEP = Task(
    "layer_norm_lstm_step", "layer_norm_lstm_step_forward", "layer_norm_lstm_step_backward", ("h_next", "c_next"),
    ("x", "h", "c", "W_x", "W_h", "g_x", "g_h", "b", "g_c", "b_c"),
    {"x": "B D", "h": "B H", "c": "B H", "W_x": "4H D", "W_h": "4H H", "g_x": "4H", "g_h": "4H", "b": "4H", "g_c": "H", "b_c": "H",
     "h_next": "B H", "c_next": "B H"}, layer_norm_lstm_step, layer_norm_lstm_step_cases, (
        Mistake("the normalised cell is carried: LN(c') is for the output alone, and the next step gets c' as it is",
                partial(layer_norm_lstm_step, carry=lambda new, normalised: normalised)),
        Mistake("the normalised cell is carried (without gain and bias); the next step gets c' as it is", _bare_cell_carried),
        Mistake("the statistics are taken gate by gate; they are those of all 4H units of W_h h, and of all 4H of W_x x",
                partial(layer_norm_lstm_step, sums=_by_gate)),
        Mistake("the sum W_h h + W_x x is normalised (with the gain g_h); each of the two has a normalisation of its own",
                partial(layer_norm_lstm_step, sums=lambda of_h, of_x, g_h, g_x, norm: g_h * norm(of_h + of_x) + 0 * g_x)),
        Mistake("the sum W_h h + W_x x is normalised (with the gain g_x); each of the two has a normalisation of its own",
                partial(layer_norm_lstm_step, sums=lambda of_h, of_x, g_h, g_x, norm: g_x * norm(of_h + of_x) + 0 * g_h)),
        Mistake("the sum W_h h + W_x x is normalised (with both gains); each of the two has a normalisation of its own",
                partial(layer_norm_lstm_step, sums=lambda of_h, of_x, g_h, g_x, norm: (g_x + g_h) * norm(of_h + of_x))),
        Mistake("the sum g_h W_h h + g_x W_x x is normalised; each product has a normalisation of its own, and its gain after it",
                partial(layer_norm_lstm_step, sums=lambda of_h, of_x, g_h, g_x, norm: norm(g_h * of_h + g_x * of_x))),
        Mistake(OVER_BATCH + "each case has its own, over its units (axis 1)",
                partial(layer_norm_lstm_step, norm=partial(normed, over=0))),
        Mistake(EPS_OUTSIDE, partial(layer_norm_lstm_step, norm=OUTSIDE)),
        Mistake(UNBIASED, partial(layer_norm_lstm_step, norm=partial(normed, variance=_unbiased))),
        Mistake(BOTH, partial(layer_norm_lstm_step, norm=UNBIASED_OUTSIDE)),
        Mistake(NO_EPS, partial(layer_norm_lstm_step, norm=partial(normed, root=lambda v, eps: F.sqrt(v)))),
        Mistake("the gains g_h and g_x are swapped: g_h is that of W_h h",
                partial(layer_norm_lstm_step, sums=lambda of_h, of_x, g_h, g_x, norm: _two(of_h, of_x, g_x, g_h, norm))),
        Mistake("only W_h h is normalised; W_x x is, too",
                partial(layer_norm_lstm_step, sums=lambda of_h, of_x, g_h, g_x, norm: g_h * norm(of_h) + g_x * of_x)),
        Mistake("only W_x x is normalised; W_h h is, too",
                partial(layer_norm_lstm_step, sums=lambda of_h, of_x, g_h, g_x, norm: g_h * of_h + g_x * norm(of_x))),
        Mistake("b is added twice: it stands outside both normalisations, once", _b_times(2)),
        Mistake("b is added three times: it stands outside both normalisations, once", _b_times(3)),
        Mistake("the cell is not normalised inside the output's tanh: h' = sigma(o) tanh(LN(c'))",
                partial(layer_norm_lstm_step, read=lambda new, old, norm: new)),
        Mistake("the old cell is normalised in the output: h' = sigma(o) tanh(LN(c')) has the new one",
                partial(layer_norm_lstm_step, read=lambda new, old, norm: norm(old))),
        Mistake("the output's tanh is missing: h' = sigma(o) tanh(LN(c'))", partial(layer_norm_lstm_step, show=lambda o, n: o * n)),
        Mistake("the four parts are taken in the order i, f, o, g of the authors' code; here they stand in the paper's, f, i, o, g",
                partial(layer_norm_lstm_step, order="ifog")),
        Mistake("the four parts are taken in PyTorch's order i, f, g, o; here they stand in the paper's, f, i, o, g",
                partial(layer_norm_lstm_step, order="ifgo")),
        Mistake("the new part goes through sigma; it goes through tanh", partial(layer_norm_lstm_step, squash=F.sigmoid)),
        Mistake("the forget gate is missing: c' = sigma(f) c + ...", partial(layer_norm_lstm_step, keep=lambda f, c: c)),
        Mistake("the input gate is missing: c' = ... + sigma(i) tanh(g)", partial(layer_norm_lstm_step, let_in=lambda i, g: g)),
        Mistake("h' and c' are returned the other way round", lambda *args: layer_norm_lstm_step(*args)[::-1]),
        Mistake("dc_next is not used: c' is returned, too, and its gradient adds to the one through h'",
                partial(layer_norm_lstm_step, carry=lambda new, normalised: new.detach())),
        Mistake("dh_next does not reach c': h' = sigma(o) tanh(LN(c')), which adds to dc_next",
                partial(layer_norm_lstm_step, read=lambda new, old, norm: norm(new).detach())),
        Mistake(HELD, partial(layer_norm_lstm_step, norm=CONSTANT)),
        Mistake(SIGMA_HELD, partial(layer_norm_lstm_step, norm=partial(normed, sigma=_held))),
        Mistake(MU_HELD, partial(layer_norm_lstm_step, norm=partial(normed, mu=_held))),
        Mistake(MEANS_OVER_BATCH, partial(layer_norm_lstm_step, norm=_means_over_batch)),
        Mistake(UNDIVIDED, partial(layer_norm_lstm_step, norm=_times_sigma(1))),
        Mistake(DIVIDED_TWICE, partial(layer_norm_lstm_step, norm=_times_sigma(-1))),
        Mistake("the statistics of the cell are held constant in the backward; mu and sigma of LN(c') move with c'", _cell_held),
        Mistake("the statistics of W_h h and W_x x are held constant in the backward; mu and sigma move with them", _products_held),
        Mistake("dc lacks the factor sigma(f): c' = sigma(f) c + ...",
                partial(layer_norm_lstm_step, keep=lambda f, c: with_slope(f * c, f * c.detach() + c))),
        Mistake("the derivative of sigma, s (1 - s), is missing in the gates",
                partial(layer_norm_lstm_step, gate=sloped(F.sigmoid, lambda s: 1.0))),
        Mistake("the derivative of the tanh of the new part, 1 - tanh^2, is missing",
                partial(layer_norm_lstm_step, squash=sloped(F.tanh, lambda t: 1.0))),
        Mistake("the derivative of the output's tanh, 1 - tanh^2, is missing",
                partial(layer_norm_lstm_step, show=lambda o, n: o * with_slope(n.tanh(), n))),
    ), points=(5, 7))


# ---------------------------------------------------------------------- extra: batch normalisation

def batch_norm(a, g, b, running_mean, running_var, momentum, eps, training, over=0, keep=lambda momentum: momentum,
               in_y=0, in_running=1, own=lambda training: training, root=lambda v, eps: F.sqrt(v + eps),
               moved=lambda training: training):
    """y, running_mean', running_var'; a is (B, H).

    The rest is for the variants: the axis of the statistics, the weight of the new ones, by how much less than the number
    of cases the squares are divided, when the batch's statistics are used, where eps stands, when the running ones move.
    """
    mu = a.mean(over, keepdim=True)
    squares = ((a - mu) ** 2).sum(over, keepdim=True)
    cases, share = a.shape[over], keep(momentum)
    var = squares / max(cases - in_y, 1)
    used = (mu, var) if own(training) else (running_mean, running_var)
    y = g * (a - used[0]) / root(used[1], eps) + b
    if not moved(training):
        return y, running_mean, running_var
    new = squares / max(cases - in_running, 1)
    return y, (1 - share) * running_mean + share * mu.mean(0), (1 - share) * running_var + share * new.mean(0)


def batch_norm_cases(draw: Draw) -> list[Case]:
    def case(name, B, H, training, **options):
        return Case(name, {"a": draw.normal(B, H) * 2 + 1, "g": draw.normal(H), "b": draw.normal(H), "running_mean": draw.normal(H),
                           "running_var": draw.uniform(H, low=0.5, high=2.0), "momentum": 0.1, "eps": 1e-3,
                           "training": training}, **options)

    return [case("", 4, 4, True), case("a large batch", 7, 3, True),
            case("at test time", 4, 3, False, hint="after training the running averages stand for the statistics, and stay"),
            case("at test time, one case", 1, 3, False, hint="the running averages need no batch")]


BATCH_NORM = Task(
    "batch_norm", "batch_norm", None, ("y", "new_mean", "new_var"), (),
    {"a": "B H", "g": "H", "b": "H", "running_mean": "H", "running_var": "H", "y": "B H", "new_mean": "H", "new_var": "H"},
    batch_norm, batch_norm_cases, (
        Mistake("y is normalised with the unbiased variance; that one is for running_var only, y has the one divided by B",
                partial(batch_norm, in_y=1)),
        Mistake("running_var takes the variance divided by B; it keeps the unbiased estimate, divided by B - 1",
                partial(batch_norm, in_running=0)),
        Mistake("the two variances are swapped: y has the one divided by B, running_var the one divided by B - 1",
                partial(batch_norm, in_y=1, in_running=0)),
        Mistake("momentum is the weight of the old average; here it is that of the new statistics",
                partial(batch_norm, keep=lambda momentum: 1 - momentum)),
        Mistake("the statistics of the batch are used at test time, too; there the running averages are",
                partial(batch_norm, own=lambda training: True)),
        Mistake("the running averages are used in training, too; there the statistics of the batch are",
                partial(batch_norm, own=lambda training: False)),
        Mistake("the running averages move at test time, too", partial(batch_norm, moved=lambda training: True)),
        Mistake("the running averages do not move", partial(batch_norm, moved=lambda training: False)),
        Mistake(EPS_OUTSIDE, partial(batch_norm, root=lambda v, eps: F.sqrt(v) + eps)),
        Mistake("eps is not used", partial(batch_norm, root=lambda v, eps: F.sqrt(v))),
    ), points=(2,), extra=True)


# ---------------------------------------------------------------------- extra: the order violation

def order_violation(s, im, positive: Callable = F.relu, square=lambda v: v * v, total=lambda v: v.sum(2),
                    difference=lambda s, im: s.unsqueeze(1) - im.unsqueeze(0)):
    """E_nm = ||max(0, s_n - im_m)||^2; s is (N, D), im (M, D); the rest is for the variants."""
    return total(square(positive(difference(s, im))))


def order_violation_cases(draw: Draw) -> list[Case]:
    def case(name, N, M, D, **options):
        return Case(name, {"s": draw.uniform(N, D, low=0.0), "im": draw.uniform(M, D, low=0.0)}, **options)

    return [case("", 4, 4, 5, differences=True), case("more captions than images", 3, 2, 4), case("one axis", 2, 3, 1)]


ORDER_VIOLATION = Task(
    "order_violation", "order_violation_forward", "order_violation_backward", ("E",), ("s", "im"),
    {"s": "N D", "im": "M D", "E": "N M"}, order_violation, order_violation_cases, (
        Mistake("the order is turned around: a caption is more general than its image, so E punishes max(0, s - im)",
                partial(order_violation, difference=lambda s, im: im.unsqueeze(0) - s.unsqueeze(1))),
        Mistake("the derivative of the max is missing: where s <= im the gradient is 0",
                partial(order_violation, square=lambda v: v, positive=lambda v: with_slope(F.relu(v) ** 2, v * v))),
        Mistake("the max(0, ...) is missing: where s <= im nothing is violated", partial(order_violation, positive=lambda v: v)),
        Mistake("the max(0, ...) comes after the sum; it is of each coordinate",
                lambda s, im: F.relu((s.unsqueeze(1) - im.unsqueeze(0)).sum(2)) ** 2),
        Mistake("the square is missing", partial(order_violation, square=lambda v: v)),
        Mistake("E is the norm; it is its square",
                partial(order_violation, total=lambda v: F.sqrt(v.sum(2) + 1e-300))),
        Mistake("averaged over the coordinates; E is a sum", partial(order_violation, total=lambda v: v.mean(2))),
        Mistake("the factor 2 of the square is missing",
                partial(order_violation, square=lambda v: with_slope(v * v, v * v.detach()))),
    ), points=(1, 1), extra=True)


EXERCISE = Exercise(5, "Layer Normalization", (LAYER_NORM, LAYER_NORM_LSTM_STEP, BATCH_NORM, ORDER_VIOLATION))
