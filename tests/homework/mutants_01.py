"""Mistakes planted in the solution of exercise 1: where, what they replace, and what the checker must say."""

# ruff: noqa: E501 - a table, a mistake a line
from __future__ import annotations

from tests.homework.mutant import mutant as m

STEP, DSTEP = "lstm_step_with_cont_forward", "lstm_step_with_cont_backward"
WINDOW, STAR, RANK = "window_average", "star_crf_marginals", "rank_metrics"

CUT = "h_cut, c_cut = keep * h, keep * c "
SUM = "a = x @ W_x.T + h_cut @ W_h.T + b "
PARTS = "    i, f, o, g = np.split(a, 4, axis=1) "
MEMORY = "dmemory = dc_next + dh_next * o * (1 - t * t) "
STARTS = "starts = np.minimum(np.arange(0, frames, stride), frames - L)           # (W,)\n"
MEAN = "p = (e / e.sum(axis=2, keepdims=True)).mean(axis=(0, 1))"
RIGHT = "right = np.diagonal(scores)[:, None] "
RANKS = "ranks = above + (at + 1) / 2"
RECALL = "recall = np.clip((K - above) / at, 0, 1).mean()"
FD = "finite differences"

MUTANTS = [
    # the step, forward
    m("h_uncut", STEP, "h is not cut: where cont is 0 the gates must not see the h", (CUT, "h_cut, c_cut = h, keep * c ")),
    m("c_uncut", STEP, "c is not cut: where cont is 0 the memory", (CUT, "h_cut, c_cut = keep * h, c ")),
    m("cont_unused", STEP, "cont is not used", (CUT, "h_cut, c_cut = h, c ")),
    m("cont_unused_throughout", STEP, "cont is not used", ("    keep = cont[:, None] ", "    keep = np.ones_like(cont[:, None]) ")),
    m("cont_turned_around", STEP, "cont is turned around", ("    keep = cont[:, None] ", "    keep = 1 - cont[:, None] ")),
    m("results_cut", {STEP: "h' and c' are cut in the place of h and c", DSTEP: FD}, "", (CUT, "h_cut, c_cut = h, c "),
      ("return h_next, c_next, cache", "return keep * h_next, keep * c_next, cache")),
    m("x_cut", {STEP: "x is cut, too", DSTEP: FD}, "", (SUM, "a = keep * x @ W_x.T + h_cut @ W_h.T + b ")),
    m("order_of_pytorch", {STEP: "PyTorch's order i, f, g, o", DSTEP: FD}, "", (PARTS, PARTS.replace("i, f, o, g", "i, f, g, o"))),
    m("input_and_forget_swapped", {STEP: "the input gate and the forget gate are swapped", DSTEP: FD}, "", (PARTS, PARTS.replace("i, f, o, g", "f, i, o, g"))),
    m("input_and_output_swapped", {STEP: "the input gate and the output gate are swapped", DSTEP: FD}, "", (PARTS, PARTS.replace("i, f, o, g", "o, f, i, g"))),
    m("no_output_tanh", {STEP: "the tanh of the output is missing", DSTEP: FD}, "", ("t = np.tanh(c_next)", "t = c_next")),
    m("no_new_tanh", {STEP: "the tanh of the new part is missing", DSTEP: FD}, "", ("    g = np.tanh(g)\n", "")),
    m("sigma_for_the_new_part", {STEP: "the new part goes through sigma", DSTEP: FD}, "", ("    g = np.tanh(g)", "    g = 1 / (1 + np.exp(-g))")),
    m("tanh_for_the_gates", {STEP: "the gates go through tanh", DSTEP: FD}, "", ("(0.5 * (1 + np.tanh(0.5 * gate)) for gate", "(np.tanh(gate) for gate")),
    m("no_bias", {STEP: "b is missing", DSTEP: FD}, "", (SUM, "a = x @ W_x.T + h_cut @ W_h.T ")),
    m("no_forget_gate", {STEP: "the forget gate is missing", DSTEP: FD}, "", ("c_next = f * c_cut + i * g", "c_next = c_cut + i * g")),
    m("no_input_gate", {STEP: "the input gate is missing", DSTEP: FD}, "", ("c_next = f * c_cut + i * g", "c_next = f * c_cut + g")),
    m("no_output_gate", STEP, "the output gate is missing", ("h_next = o * t\n", "h_next = t.copy()\n")),
    m("old_memory_shown", {STEP: "h' shows the old memory", DSTEP: FD}, "", ("t = np.tanh(c_next)", "t = np.tanh(c_cut)")),
    m("results_swapped", STEP, "h' and c' are returned the other way round", ("return h_next, c_next, cache", "return c_next, h_next, cache")),
    m("sigma_overflows", STEP, "exp overflows", ("(0.5 * (1 + np.tanh(0.5 * gate)) for gate", "(np.exp(gate) / (1 + np.exp(gate)) for gate")),
    m("h_cut_in_place", STEP, "it writes into its argument h, which the caller still needs", (CUT, "h *= keep; h_cut, c_cut = h, keep * c ")),
    m("cont_not_a_column", {STEP: "could not be broadcast together", DSTEP: "it needs lstm_step_with_cont_forward first"}, "", ("    keep = cont[:, None] ", "    keep = cont "), verdict=None),
    # the step, backward
    m("dh_uncut", DSTEP, "the gradient of h is not cut", ("dh = keep * (da @ W_h)", "dh = da @ W_h")),
    m("dc_uncut", DSTEP, "the gradient of c is not cut", ("dc = keep * (dmemory * f)", "dc = dmemory * f")),
    m("both_uncut_behind", DSTEP, "the gradients of h and c are not cut", ("dh = keep * (da @ W_h)", "dh = da @ W_h"), ("dc = keep * (dmemory * f)", "dc = dmemory * f")),
    m("dW_h_of_the_uncut", DSTEP, "dW_h is computed with h", ("cache = x, h_cut, c_cut, keep,", "cache = x, h, c_cut, keep,")),
    m("dc_ignored", DSTEP, "dc_next is not used", (MEMORY, "dmemory = dh_next * o * (1 - t * t) ")),
    m("dh_not_to_the_memory", DSTEP, "dh_next does not reach c'", (MEMORY, "dmemory = dc_next ")),
    m("no_output_tanh_derivative", DSTEP, "the derivative of the output's tanh", (MEMORY, "dmemory = dc_next + dh_next * o ")),
    m("no_square_in_the_tanh_derivative", DSTEP, "the square is missing in the derivative of the output's tanh", (MEMORY, "dmemory = dc_next + dh_next * o * (1 - t) ")),
    m("no_tanh_derivative", DSTEP, "the derivative of the tanh of the new part", ("dg = dmemory * i * (1 - g * g)", "dg = dmemory * i")),
    m("no_sigma_derivative", DSTEP, "the derivative of sigma, s (1 - s), is missing", ("do = dh_next * t * o * (1 - o) ", "do = dh_next * t "),
      ("di = dmemory * g * i * (1 - i)", "di = dmemory * g"), ("df = dmemory * c_cut * f * (1 - f)", "df = dmemory * c_cut")),
    m("dc_without_the_forget_gate", DSTEP, "dc lacks the factor sigma(f)", ("dc = keep * (dmemory * f)", "dc = keep * dmemory")),
    m("forget_gate_sees_the_new_memory", DSTEP, "the gradient of f has the factor c'", ("cache = x, h_cut, c_cut, keep,", "cache = x, h_cut, c_next, keep,")),
    m("averaged_over_the_batch", DSTEP, "dW_x, dW_h and db are averaged over the batch", ("dW_x = da.T @ x\n", "dW_x = da.T @ x / len(x)\n"),
      ("dW_h = da.T @ h_cut\n", "dW_h = da.T @ h_cut / len(x)\n"), ("db = da.sum(axis=0)", "db = da.mean(axis=0)")),
    m("bias_averaged", DSTEP, "db is averaged over the batch", ("db = da.sum(axis=0)", "db = da.mean(axis=0)")),
    m("db_not_summed", DSTEP, "sum over it", ("db = da.sum(axis=0)", "db = da")),
    # the windows
    m("tail_lost", WINDOW, "the tail of the clip is lost", (STARTS, "starts = np.arange(0, frames - L + 1, stride)\n")),
    m("last_window_once", WINDOW, "the last window is taken once", (STARTS, "starts = np.unique(np.minimum(np.arange(0, frames, stride), frames - L))\n")),
    m("side_by_side", WINDOW, "the windows stand side by side", (STARTS, "starts = np.minimum(np.arange(0, frames, L), frames - L)\n")),
    m("every_window", WINDOW, "all windows of the clip are read", (STARTS, "starts = np.arange(frames - L + 1)\n")),
    m("past_the_end", WINDOW, "out of bounds", (STARTS, "starts = np.arange(0, frames, stride)\n"), verdict="error"),
    m("logits_averaged", WINDOW, "logits are averaged in the place of probabilities", (MEAN, "mean = read.mean(axis=(0, 1)); p = np.exp(mean - mean.max()); p = p / p.sum()")),
    m("no_softmax", WINDOW, "logits are averaged, and no softmax is taken", (MEAN, "p = read.mean(axis=(0, 1))")),
    m("softmax_over_the_steps", WINDOW, "the softmax is taken over the steps", (MEAN, "e = np.exp(read - read.max(axis=1, keepdims=True)); p = (e / e.sum(axis=1, keepdims=True)).mean(axis=(0, 1))")),
    m("last_step_only", WINDOW, "only the last step of each window", (MEAN, "p = (e / e.sum(axis=2, keepdims=True))[:, -1].mean(axis=0)")),
    m("first_window_only", WINDOW, "only the first window is used", (MEAN, "p = (e / e.sum(axis=2, keepdims=True))[0].mean(axis=0)")),
    m("summed", WINDOW, "the probabilities are summed", (MEAN, "p = (e / e.sum(axis=2, keepdims=True)).sum(axis=(0, 1))")),
    m("multiplied", WINDOW, "the probabilities are multiplied", (MEAN, "p = np.exp(np.log(np.maximum(e / e.sum(axis=2, keepdims=True), 1e-300)).mean(axis=(0, 1)))")),
    m("vote", WINDOW, "the label is what most windows vote for", ("label = p.argmax()", "label = np.bincount((e / e.sum(axis=2, keepdims=True)).mean(axis=1).argmax(axis=1)).argmax()")),
    m("vote_of_mean_logits", WINDOW, "each by its mean logits", ("label = p.argmax()", "label = np.bincount(read.mean(axis=1).argmax(axis=1)).argmax()")),
    m("window_overflows", WINDOW, "exp overflows", ("e = np.exp(read - read.max(axis=2, keepdims=True))", "e = np.exp(read)")),
    m("one_window_too_many", WINDOW, "here the starts are 0, 8, 8", (STARTS, "starts = np.minimum(np.arange(frames // stride + 1) * stride, frames - L)\n")),
    m("a_short_clip_read_once", WINDOW, "here the starts are 0, 0: 8 is below 16, too",
      (STARTS, "starts = np.minimum(np.arange(0, frames, stride), frames - L) if frames > L else np.zeros(1, dtype=int)\n")),
    m("label_of_the_mean_logits", WINDOW, "probabilities are averaged, not logits", ("label = p.argmax()", "label = read.mean(axis=(0, 1)).argmax()")),
    m("starts_of_floats", WINDOW, "should hold integers", ("return starts, p, label", "return starts * 1.0, p, label")),
    # the star
    m("no_couplings", STAR, "the couplings are not used", ("branches = psi[:, None, :] + A ", "branches = psi[:, None, :] + 0 * A ")),
    m("no_messages", STAR, "the messages do not reach the centre", ("total = psi_0 + messages.sum(axis=0) ", "total = psi_0.copy() ")),
    m("messages_averaged", STAR, "the messages are averaged over the slots", ("messages.sum(axis=0) ", "messages.mean(axis=0) ")),
    m("no_psi_0", STAR, "psi_0 is missing at the centre", ("total = psi_0 + messages.sum(axis=0) ", "total = messages.sum(axis=0) ")),
    m("max_messages", STAR, "the messages are maxima", ("total = psi_0 + messages.sum(axis=0) ", "total = psi_0 + branches.max(axis=2).sum(axis=0) ")),
    m("messages_without_psi", STAR, "the messages leave psi_s out", ("total = psi_0 + messages.sum(axis=0) ", "total = psi_0 + log_sum_exp(A).sum(axis=0) "),
      ('outer = np.einsum("k,skv->sv", centre, given)', 'right = psi_0 + messages.sum(axis=0)\n    outer = np.einsum("k,skv->sv", np.exp(right - log_sum_exp(right)), given)')),
    m("centre_not_weighed", STAR, "the outer slots are averaged over the centre's values", ('outer = np.einsum("k,skv->sv", centre, given)', "outer = given.mean(axis=1)")),
    m("best_centre_only", STAR, "the outer slots are those of the centre's most probable value", ('outer = np.einsum("k,skv->sv", centre, given)', "outer = given[:, centre.argmax()]")),
    m("message_twice", STAR, "the message of an outer slot counts twice", ('outer = np.einsum("k,skv->sv", centre, given)', "outer = np.exp(branches + total[:, None] - log_Z).sum(axis=1); outer = outer / outer.sum(axis=1, keepdims=True)")),
    m("not_divided_by_the_message", STAR, "the branches are not divided by exp m_s(a)", ('outer = np.einsum("k,skv->sv", centre, given)', 'outer = np.einsum("k,skv->sv", centre, np.exp(branches))')),
    m("every_sum_a_maximum", STAR, "every log sum exp is a maximum", ("top = a.max(axis=-1, keepdims=True)", "return a.max(axis=-1)")),
    m("Z_itself", STAR, "log_Z is Z", ("return log_Z, centre, outer", "return np.exp(log_Z), centre, outer")),
    m("star_overflows", STAR, "exp overflows", ("top = a.max(axis=-1, keepdims=True)", "top = np.zeros_like(a[..., :1])")),
    # ranks
    m("ties_for_the_model", RANK, "ties count for the model", (RANKS, "ranks = above + 1.0"), (RECALL, "recall = (above < K).mean()")),
    m("ties_against_the_model", RANK, "ties count against the model", (RANKS, "ranks = above + at * 1.0"), (RECALL, "recall = (above + at <= K).mean()")),
    m("stable_sort", RANK, "in the order of the candidates, as a stable sort leaves them",
      (RANKS, "ranks = 1.0 + np.array([np.flatnonzero(np.argsort(-row, kind='stable') == n)[0] for n, row in enumerate(scores)])"), (RECALL, "recall = (ranks <= K).mean()")),
    m("right_one_not_counted", RANK, "the right candidate is not counted among the tied ones", (RANKS, "ranks = above + at / 2")),
    m("scores_brought_to_0_and_1", RANK, "(in the case: a constant model)", (RIGHT, "scores = (scores - scores.min()) / (scores.max() - scores.min()); " + RIGHT)),
    m("recall_of_expected_ranks", RANK, "R@K counts the expected ranks up to K", (RECALL, "recall = (ranks <= K).mean()")),
    m("ranks_from_zero", RANK, "ranks start at 0", (RANKS, "ranks = above + (at - 1) / 2")),
    m("before_place_K", RANK, "the right one must come before place K", (RECALL, "recall = np.clip((K - 1 - above) / at, 0, 1).mean()")),
    m("columns", RANK, "candidates rank the queries", (RIGHT, "scores = scores.T; right = np.diagonal(scores)[:, None] ")),
    m("lowest_first", RANK, "the lowest score is ranked first", ("above = (scores > right)", "above = (scores < right)")),
    m("mean_rank", RANK, "medr is the mean of the ranks", ("medr = np.median(ranks)", "medr = ranks.mean()")),
    m("median_rounded_down", RANK, "medr is rounded down", ("medr = np.median(ranks)", "medr = np.floor(np.median(ranks))")),
    m("per_cent", RANK, "recall is a percentage", ("return ranks, recall, medr", "return ranks, 100 * recall, medr")),
    m("a_number_of_queries", RANK, "recall is the number of queries", ("return ranks, recall, medr", "return ranks, len(ranks) * recall, medr")),
]
