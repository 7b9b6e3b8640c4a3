"""Exercise 1: a step of the LSTM with cont, the windows of a clip; extra: the marginals of a star CRF, ranks, R@K and Medr."""

from __future__ import annotations

from functools import partial
from collections.abc import Callable
from typing import Any

import numpy as np

from ... import functional as F
from ...autograd import Tensor
from ...autograd.registry import Draw
from ..exercise import Case, Exercise, Mistake, Task, sloped, with_slope

# ---------------------------------------------------------------------- a step of the LSTM with cont


def lstm_step_with_cont(x, h, c, cont, W_x, W_h, b, cut_h: Callable = lambda h, cont: cont * h,
                        cut_c: Callable = lambda c, cont: cont * c, cut_x=lambda x, cont: x,
                        weigh=lambda h_cut, h, W_h: h_cut @ W_h.T, order="ifog", gate: Callable = F.sigmoid,
                        squash: Callable = F.tanh, keep=lambda f, c: f * c,
                        let_in=lambda i, g: i * g, show=lambda o, c_next, c: o * c_next.tanh(),
                        told=lambda h_next, c_next, cont: (h_next, c_next)):
    """h', c' of the slide's cell; x (B, D), h and c (B, H), cont (B,), W_x (4H, D), W_h (4H, H), b (4H,).

    The rest is for the variants: how h, c and x are cut; what W_h multiplies; the order of the four parts; what stands for
    sigma and tanh; how much of c is kept, let in and shown; what the caller sees.
    """
    cont = cont.unsqueeze(1)                                                # (B, 1)
    h_cut, c_cut = cut_h(h, cont), cut_c(c, cont)                           # (B, H) each
    part = dict(zip(order, F.chunk(cut_x(x, cont) @ W_x.T + weigh(h_cut, h, W_h) + b, 4, dim=1)))
    i, f, o, g = gate(part["i"]), gate(part["f"]), gate(part["o"]), squash(part["g"])
    c_next = keep(f, c_cut) + let_in(i, g)
    return told(show(o, c_next, c_cut), c_next, cont)


def _uncut(state, cont):
    return state


def _cut_forward_only(state, cont):
    """cont * state, whose backward forgets cont."""
    return with_slope(cont * state, state)


def _uncut_slope(h_cut, h, W_h):
    """dW_h is computed with the h that was handed in, not with cont h."""
    return with_slope(h_cut @ W_h.T, h_cut @ W_h.detach().T + h.detach() @ W_h.T)


def _averaged(x, h, c, cont, W_x, W_h, b):
    B = x.shape[0]
    return lstm_step_with_cont(x, h, c, cont, *(with_slope(p, p / B) for p in (W_x, W_h, b)))


def _bias_averaged(x, h, c, cont, W_x, W_h, b):
    return lstm_step_with_cont(x, h, c, cont, W_x, W_h, with_slope(b, b / x.shape[0]))


def _turned(state, cont):
    return (1 - cont) * state


def _new_memory(*args):
    """The gradient of f is computed with c' in the place of c~."""
    _, c_next = lstm_step_with_cont(*args)
    return lstm_step_with_cont(*args, keep=lambda f, c: with_slope(f * c, f * c_next.detach() + f.detach() * c))


def lstm_step_with_cont_cases(draw: Draw) -> list[Case]:
    def case(name, cont, D, H, size: Any = 1.0, **options):
        B = len(cont)
        return Case(name, {"x": draw.normal(B, D) * size, "h": draw.normal(B, H), "c": draw.normal(B, H),
                           "cont": np.array(cont, dtype=np.float64), "W_x": draw.normal(4 * H, D, scale=0.6),
                           "W_h": draw.normal(4 * H, H, scale=0.6), "b": draw.normal(4 * H)}, **options)

    return [case("", (1, 0, 1), 4, 2, differences=True),
            case("nothing is cut", (1, 1), 3, 4),
            case("every stream starts anew", (0, 0, 0), 3, 2),
            case("one stream, one unit", (1,), 2, 1),
            case("an x near 1000", (1, 0, 1), 3, 3, size=np.array([[1000.0], [1.0], [1.0]]),
                 hint="exp overflows: sigma(a) = 1 / (1 + exp(-a)) = (1 + tanh(a / 2)) / 2, and the last form never does; "
                 "exp(a) / (1 + exp(a)) is inf / inf")]


STEP = partial(partial, lstm_step_with_cont)

LSTM_STEP_WITH_CONT = Task(
    "lstm_step_with_cont", "lstm_step_with_cont_forward", "lstm_step_with_cont_backward", ("h_next", "c_next"),
    ("x", "h", "c", "W_x", "W_h", "b"),
    {"x": "B D", "h": "B H", "c": "B H", "cont": "B", "W_x": "4H D", "W_h": "4H H", "b": "4H", "h_next": "B H", "c_next": "B H"},
    lstm_step_with_cont, lstm_step_with_cont_cases, (
        Mistake("h is not cut: where cont is 0 the gates must not see the h of the sequence before, W_h (cont h)",
                STEP(cut_h=_uncut)),
        Mistake("c is not cut: where cont is 0 the memory of the sequence before must not go on, f * (cont c)", STEP(cut_c=_uncut)),
        Mistake("cont is not used: where it is 0, h and c belong to another sequence, and both are cut",
                STEP(cut_h=_uncut, cut_c=_uncut)),
        Mistake("cont is turned around: 0 says that a new sequence starts, and there h and c are cut; 1 says that it goes on",
                STEP(cut_h=_turned, cut_c=_turned)),
        Mistake("h' and c' are cut in the place of h and c: cont_t says that x_t begins a new sequence, so what came before is cut",
                STEP(cut_h=_uncut, cut_c=_uncut, told=lambda h_next, c_next, cont: (cont * h_next, cont * c_next))),
        Mistake("x is cut, too: where cont is 0, x is the first of the new sequence, and only h and c are cut",
                STEP(cut_x=lambda x, cont: cont * x)),
        Mistake("the gradient of h is not cut: h' sees cont h, so dh = cont W_h^T da, and 0 where a sequence starts",
                STEP(cut_h=_cut_forward_only)),
        Mistake("the gradient of c is not cut: c' sees cont c, so dc = cont f dc', and 0 where a sequence starts",
                STEP(cut_c=_cut_forward_only)),
        Mistake("the gradients of h and c are not cut: both have the factor cont, and are 0 where a sequence starts",
                STEP(cut_h=_cut_forward_only, cut_c=_cut_forward_only)),
        Mistake("dW_h is computed with h; W_h multiplies cont h, so a cut stream adds nothing to dW_h", STEP(weigh=_uncut_slope)),
        Mistake("the four parts are taken in PyTorch's order i, f, g, o; here they stand in the slide's, i, f, o, g",
                STEP(order="ifgo")),
        Mistake("the input gate and the forget gate are swapped: f keeps the old c, i lets the new part in", STEP(order="fiog")),
        Mistake("the input gate and the output gate are swapped: i lets the new part in, o shows the memory", STEP(order="ofig")),
        Mistake("the tanh of the output is missing: h' = sigma(o) tanh(c')", STEP(show=lambda o, c_next, c: o * c_next)),
        Mistake("the tanh of the new part is missing: c' = ... + sigma(i) tanh(g)", STEP(squash=lambda a: a)),
        Mistake("the new part goes through sigma; only the gates i, f and o do, g goes through tanh", STEP(squash=F.sigmoid)),
        Mistake("the gates go through tanh; they are sigma(...), between 0 and 1", STEP(gate=F.tanh)),
        Mistake("b is missing: W_x x + W_h h~ + b",
                lambda x, h, c, cont, W_x, W_h, b: lstm_step_with_cont(x, h, c, cont, W_x, W_h, 0 * b)),
        Mistake("the forget gate is missing: c' = sigma(f) c~ + ...", STEP(keep=lambda f, c: c)),
        Mistake("the input gate is missing: c' = ... + sigma(i) tanh(g)", STEP(let_in=lambda i, g: g)),
        Mistake("the output gate is missing: h' = sigma(o) tanh(c')", STEP(show=lambda o, c_next, c: c_next.tanh())),
        Mistake("h' shows the old memory: h' = sigma(o) tanh(c') has the new one", STEP(show=lambda o, c_next, c: o * c.tanh())),
        Mistake("h' and c' are returned the other way round", STEP(told=lambda h_next, c_next, cont: (c_next, h_next))),
        Mistake("dc_next is not used: c' is carried to the next step, and its gradient adds to the one through h'",
                STEP(told=lambda h_next, c_next, cont: (h_next, c_next.detach()))),
        Mistake("dh_next does not reach c': h' = sigma(o) tanh(c') gives dh' sigma(o) (1 - tanh(c')^2), which adds to dc_next",
                STEP(show=lambda o, c_next, c: o * c_next.detach().tanh())),
        Mistake("the derivative of the output's tanh, 1 - tanh(c')^2, is missing",
                STEP(show=lambda o, c_next, c: o * with_slope(c_next.tanh(), c_next))),
        Mistake("the square is missing in the derivative of the output's tanh, 1 - tanh(c')^2",
                STEP(show=lambda o, c_next, c: o * sloped(F.tanh, lambda t: 1 - t)(c_next))),
        Mistake("the derivative of the tanh of the new part, 1 - tanh(g)^2, is missing",
                STEP(squash=sloped(F.tanh, lambda t: 1.0))),
        Mistake("the derivative of sigma, s (1 - s), is missing in the gates", STEP(gate=sloped(F.sigmoid, lambda s: 1.0))),
        Mistake("dc lacks the factor sigma(f): c' = sigma(f) c~ + ...",
                STEP(keep=lambda f, c: with_slope(f * c, f * c.detach() + c))),
        Mistake("the gradient of f has the factor c'; c' = sigma(f) c~ + ... gives it the old, cut one", _new_memory),
        Mistake("dW_x, dW_h and db are averaged over the batch; all its streams use them, so their gradients add up", _averaged),
        Mistake("db is averaged over the batch; all its streams use b, so its gradients add up", _bias_averaged),
    ), points=(5, 7))


# ---------------------------------------------------------------------- the windows of a clip

def rule(frames: int, length: int, stride: int) -> list[int]:
    """The starts of the windows by the release's rule, one by one."""
    return [start if start + length < frames else frames - length for start in range(0, frames, stride)]


def _softmax(logits, axis=-1):
    e = np.exp(logits - logits.max(axis, keepdims=True))
    return e / e.sum(axis, keepdims=True)


def window_average(logits, frames, stride, starts: Callable = rule, say: Callable = _softmax,
                   gather: Callable = lambda p: p.mean((0, 1)), told: Callable = lambda p: p,
                   choose: Callable = lambda p, steps: p.argmax()):
    """starts (W,), p (C,), label; logits is (S, L, C).

    The rest is for the variants: the starts; what a step says; how windows and steps become one; what is told; the label.
    """
    rows = np.asarray(starts(frames, logits.shape[1], stride), dtype=np.int64)
    steps = say(np.array(logits._data)[rows])                               # (W, L, C)
    p = told(gather(steps))
    return Tensor(rows), Tensor(p), Tensor(np.asarray(choose(p, steps)))


def _inside(frames, length, stride):
    """Only windows that start at a multiple of the stride."""
    return list(range(0, frames - length + 1, stride))


def _once(frames, length, stride):
    return sorted(set(rule(frames, length, stride)))


def _apart(frames, length, stride):
    return rule(frames, length, length)


def _vote(p, steps):
    return np.bincount(steps.mean(1).argmax(1), minlength=len(p)).argmax()


def _vote_of_logits(p, steps):
    """Each window votes for the largest of its mean logits, which are those of its log-probabilities."""
    return _vote(p, np.log(np.maximum(steps, 1e-300)))


def window_average_cases(draw: Draw) -> list[Case]:
    def case(name, n, L, C, stride, size=2.0, **options):
        return Case(name, {"logits": draw.normal(n - L + 1, L, C) * size, "frames": n, "stride": stride}, **options)

    one = np.zeros((1, 3, 2))                      # one window, in which two steps say 0.8 of class 0, and one 0.001
    one[0, :, 0] = np.log([0.8, 0.8, 0.001])
    one[0, :, 1] = np.log([0.2, 0.2, 0.999])
    return [case("", 21, 8, 5, 4),
            case("16 frames to a window at stride 8, 60 frames", 60, 16, 4, 8, hint="here the starts are 0, 8, ..., 40, 44, 44"),
            case("24 frames: the last window twice", 24, 16, 3, 8, hint="here the starts are 0, 8, 8"),
            case("a clip as long as a window", 16, 16, 3, 8, hint="here the starts are 0, 0: 8 is below 16, too"),
            case("a stride larger than a window", 11, 3, 3, 5),
            Case("one step that is sure against two that are not", {"logits": one, "frames": 3, "stride": 3},
                 hint="probabilities are averaged, not logits"),
            case("logits near 1000", 9, 4, 3, 2, size=1000.0, hint="exp overflows: subtract the largest logit of a step first, "
                 "which changes no probability")]


WINDOW = partial(partial, window_average)

WINDOW_AVERAGE = Task(
    "window_average", "window_average", None, ("starts", "p", "label"), (),
    {"logits": "S L C", "starts": "W", "p": "C"}, window_average, window_average_cases, (
        Mistake("the label is what most windows vote for; it is the class with the largest P", WINDOW(choose=_vote)),
        Mistake("the label is what most windows vote for, each by its mean logits; it is the class with the largest P",
                WINDOW(choose=_vote_of_logits)),
        Mistake("the tail of the clip is lost: a start from which no whole window is left takes the last L frames",
                WINDOW(starts=_inside)),
        Mistake("the last window is taken once: each of 0, s, 2s, ... below n has a window, so the last one is repeated, and "
                "counts as often", WINDOW(starts=_once)),
        Mistake("the windows stand side by side, at a stride of L; they start every s frames, and overlap", WINDOW(starts=_apart)),
        Mistake("all windows of the clip are read, at a stride of 1",
                WINDOW(starts=lambda frames, length, stride: list(range(frames - length + 1)))),
        Mistake("logits are averaged in the place of probabilities: the softmax of each step comes first, then the mean",
                WINDOW(say=lambda a: a, told=_softmax)),
        Mistake("logits are averaged, and no softmax is taken: p is a mean of probabilities, and sums to 1",
                WINDOW(say=lambda a: a)),
        Mistake("the softmax is taken over the steps of a window; it is over the classes, the last axis",
                WINDOW(say=partial(_softmax, axis=1))),
        Mistake("only the last step of each window is used; P is the mean over all its steps",
                WINDOW(gather=lambda p: p[:, -1].mean(0))),
        Mistake("only the first window is used", WINDOW(gather=lambda p: p[0].mean(0))),
        Mistake("the probabilities are summed; P is their mean", WINDOW(gather=lambda p: p.sum((0, 1)))),
        Mistake("the probabilities are multiplied (their logarithms averaged); P is their mean",
                WINDOW(gather=lambda p: np.exp(np.log(np.maximum(p, 1e-300)).mean((0, 1))))),
    ), points=(8,))


# ---------------------------------------------------------------------- extra: the marginals of a star CRF

def star_crf_marginals(psi_0, psi, A, message: Callable = lambda branches: F.logsumexp(branches, dim=2),
                       join: Callable = lambda psi_0, m: psi_0 + m.sum(0), given: Callable = lambda branches: branches.softmax(2),
                       mix: Callable = lambda centre, given: (centre.unsqueeze(1) * given).sum(1),
                       branch: Callable = lambda psi, A: psi.unsqueeze(1) + A, told: Callable = lambda log_Z: log_Z):
    """log Z, p(y_0) (K,), p(y_s) (S, V); psi_0 is (K,), psi (S, V), A (S, K, V).

    The rest is for the variants: the messages; how they join the centre; an outer slot given the centre; how the centre
    weighs these; what a branch holds; and what the caller sees as log Z.
    """
    branches = branch(psi, A)                                               # (S, K, V)
    total = join(psi_0, message(branches))                                  # (K,)
    centre = total.softmax(0)
    return told(F.logsumexp(total, dim=0)), centre, mix(centre, given(branches))


def _twice(psi_0, psi, A):
    """An outer slot is weighed by a centre that heard its message already, without dividing by it."""
    branches = psi.unsqueeze(1) + A
    total = psi_0 + F.logsumexp(branches, dim=2).sum(0)
    outer = F.logsumexp(branches + total.unsqueeze(1), dim=1).softmax(1)
    return F.logsumexp(total, dim=0), total.softmax(0), outer


def _without_messages(psi_0, psi, A):
    """Each value of the centre weighs a branch by p(y_0 = a), and nobody divides by exp m_s(a)."""
    return star_crf_marginals(psi_0, psi, A, given=lambda branches: branches.clamp(max=500.0).exp())


def _maxima(psi_0, psi, A):
    """A maximum wherever a log sum exp belongs."""
    branches = psi.unsqueeze(1) + A
    m = branches.amax(2)
    total = psi_0 + m.sum(0)
    centre = (total - total.amax(0)).exp()
    return total.amax(0), centre, (centre.unsqueeze(1) * (branches - m.unsqueeze(2)).exp()).sum(1)


def star_crf_marginals_cases(draw: Draw) -> list[Case]:
    def case(name, S, K, V, size=1.0, **options):
        return Case(name, {"psi_0": draw.normal(K) * size, "psi": draw.normal(S, V) * size, "A": draw.normal(S, K, V) * size},
                    **options)

    return [case("", 3, 4, 3), case("one outer slot", 1, 3, 3), case("one value of the centre", 2, 1, 4),
            case("potentials near 1000", 2, 3, 3, size=1000.0, hint="exp overflows: log sum exp(a) = max + log sum exp(a - max)")]


STAR = partial(partial, star_crf_marginals)

STAR_CRF_MARGINALS = Task(
    "star_crf_marginals", "star_crf_marginals", None, ("log_Z", "centre", "outer"), (),
    {"psi_0": "K", "psi": "S V", "A": "S K V", "centre": "K", "outer": "S V"}, star_crf_marginals, star_crf_marginals_cases, (
        Mistake("the couplings are not used: each slot is the softmax of its own potentials",
                STAR(branch=lambda psi, A: psi.unsqueeze(1) + 0 * A)),
        Mistake("the messages do not reach the centre: p(y_0) is the softmax of psi_0 + sum_s m_s",
                STAR(join=lambda psi_0, m: psi_0 + 0 * m.sum(0))),
        Mistake("the messages are averaged over the slots; they add up", STAR(join=lambda psi_0, m: psi_0 + m.mean(0))),
        Mistake("psi_0 is missing at the centre: psi_0[a] + sum_s m_s(a)", STAR(join=lambda psi_0, m: 0 * psi_0 + m.sum(0))),
        Mistake("the messages are maxima: that is the most probable tuple's way; marginals need log sum exp",
                STAR(message=lambda branches: branches.amax(2))),
        Mistake("the messages leave psi_s out: m_s(a) = log sum_k exp(psi_s[k] + A_s[a, k])",
                lambda psi_0, psi, A: (*star_crf_marginals(psi_0, 0 * psi, A)[:2], star_crf_marginals(psi_0, psi, A)[2])),
        Mistake("the outer slots are averaged over the centre's values; p(y_0 = a) weighs them",
                STAR(mix=lambda centre, given: given.mean(1))),
        Mistake("the outer slots are those of the centre's most probable value alone; p(y_0 = a) weighs all values",
                STAR(mix=lambda centre, given: given[:, int(centre._data.argmax())])),
        Mistake("the message of an outer slot counts twice in its own marginal: divide the branch by exp m_s(a), which makes it "
                "p(y_s = k | y_0 = a)", _twice),
        Mistake("the branches are not divided by exp m_s(a): p(y_s = k | y_0 = a) = exp(psi_s[k] + A_s[a, k] - m_s(a)), which sums "
                "to 1", _without_messages),
        Mistake("every log sum exp is a maximum: that is the most probable tuple's way; marginals need the sum", _maxima),
        Mistake("log_Z is Z: its logarithm is missing", STAR(told=lambda log_Z: log_Z.clamp(max=500.0).exp())),
    ), points=(2,), extra=True)


# ---------------------------------------------------------------------- extra: ranks, R@K and Medr

def rank_metrics(scores, K, turn: Callable = lambda s: s, rank: Callable = lambda above, at: above + (at + 1) / 2,
                 found: Callable = lambda above, at, K: min(max((K - above) / at, 0.0), 1.0), middle: Callable = np.median,
                 unit=1.0):
    """ranks (N,), R@K, Medr, one query at a time; scores is (N, N).

    The rest is for the variants: what is done to the scores first; the rank; the chance to be among the first K; what stands
    for the median; and what R@K is multiplied by.
    """
    rows = turn(np.array(scores._data)).tolist()
    above = [sum(s > row[n] for s in row) for n, row in enumerate(rows)]
    at = [sum(s == row[n] for s in row) for n, row in enumerate(rows)]
    ranks = np.array([rank(a, t) for a, t in zip(above, at)], dtype=np.float64)
    recall = sum(found(a, t, K) for a, t in zip(above, at)) / len(rows)
    return Tensor(ranks), Tensor(np.array(unit * recall)), Tensor(np.array(float(middle(ranks))))


def _stable(scores, K):
    """Equal scores in the order of a stable sort: the earlier candidate is better."""
    rows = np.array(scores._data).tolist()
    ranks = np.array([1 + sum(s > row[n] for s in row) + sum(s == row[n] for s in row[:n]) for n, row in enumerate(rows)], float)
    return Tensor(ranks), Tensor(np.array((ranks <= K).mean())), Tensor(np.array(np.median(ranks)))


def _counted(scores, K):
    return rank_metrics(scores, K, unit=scores.shape[0])


def rank_metrics_cases(draw: Draw) -> list[Case]:
    def case(name, N, K, steps=None, **options):
        scores = draw.normal(N, N) if steps is None else draw.integers(0, steps, N, N) / 4
        return Case(name, {"scores": scores, "K": K}, **options)

    return [case("", 8, 2, steps=4), case("no two scores are equal", 7, 3),
            Case("a constant model", {"scores": np.full((6, 6), 0.3), "K": 2},
                 hint="all orders of equal scores count alike: R@K is K / N"),
            case("K is all", 4, 4, steps=2), case("an even number of queries", 6, 1), case("one query", 1, 1)]


RANK = partial(partial, rank_metrics)
FOR_IT = "ties count for the model: a candidate at the same score may stand before the right one; all orders count alike, so "\
         "rank = a + (t + 1) / 2, and P(among the first K) = (K - a) / t"

RANK_METRICS = Task(
    "rank_metrics", "rank_metrics", None, ("ranks", "recall", "medr"), (), {"scores": "N N", "ranks": "N"},
    rank_metrics, rank_metrics_cases, (
        Mistake("R@K counts the expected ranks up to K; it is the expected share, with P = (K - a) / t for tied scores",
                RANK(found=lambda above, at, K: above + (at + 1) / 2 <= K)),
        Mistake("medr is the mean of the ranks; it is their median", RANK(middle=np.mean)),
        Mistake("medr is rounded down; the median of an even number of ranks may lie between two",
                RANK(middle=lambda ranks: np.floor(np.median(ranks)))),
        Mistake("recall is a percentage; here it is a share, from 0 to 1", RANK(unit=100.0)),
        Mistake("recall is the number of queries that find the right one; it is their share, from 0 to 1", _counted),
        Mistake(FOR_IT, RANK(rank=lambda above, at: above + 1, found=lambda above, at, K: above < K)),
        Mistake("ties count against the model: all orders of equal scores count alike, so rank = a + (t + 1) / 2",
                RANK(rank=lambda above, at: above + at, found=lambda above, at, K: above + at <= K)),
        Mistake("equal scores are ranked in the order of the candidates, as a stable sort leaves them; all orders count alike",
                _stable),
        Mistake("the right candidate is not counted among the tied ones: t includes it, and rank = a + (t + 1) / 2",
                RANK(rank=lambda above, at: above + at / 2)),
        Mistake("ranks start at 0; the best is 1", RANK(rank=lambda above, at: above + (at - 1) / 2)),
        Mistake("the right one must come before place K; place K counts, too",
                RANK(found=lambda above, at, K: min(max((K - 1 - above) / at, 0.0), 1.0))),
        Mistake("candidates rank the queries (columns); the queries, rows, rank the candidates", RANK(turn=lambda s: s.T)),
        Mistake("the lowest score is ranked first; a high score fits well", RANK(turn=lambda s: -s)),
    ), points=(2,), extra=True)


EXERCISE = Exercise(1, "Long-term Recurrent Convolutional Networks",
                    (LSTM_STEP_WITH_CONT, WINDOW_AVERAGE, STAR_CRF_MARGINALS, RANK_METRICS))
