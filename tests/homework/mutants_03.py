"""Mistakes planted in the solution of exercise 3: where, what they replace, and what the checker must say."""

# ruff: noqa: E501 - a table, a mistake a line
from __future__ import annotations

from tests.homework.mutant import mutant as m

SCORE, DSCORE = "image_sentence_score_forward", "image_sentence_score_backward"
ALIGN = "align"
RANK, DRANK = "ranking_loss_forward", "ranking_loss_backward"
ENCODE, DENCODE = "bidirectional_encoder_forward", "bidirectional_encoder_backward"
DIFFERS = {DSCORE: "finite differences"}

PRODUCTS = '    scores = np.einsum("kmd,tld->kltm", v, s)\n'
HIDE = "scores = np.where(regions[:, None, None, :], scores, -np.inf)"
BEST, TOLD = "best = scores.argmax(axis=3)", "told = scores.max(axis=3)"
SUM = "S = (told * words.T).sum(axis=2)"
ARRIVES = "g = (dS[:, :, None] * words.T)[..., None]"
SCATTER = "np.add.at(dv, (image, best), g * s.swapaxes(0, 1)) "
DS = "ds = (g * v[image, best]).sum(axis=0).swapaxes(0, 1)"
CACHE = "cache = v, s, words, best"

TOP = "top = int(q.argmax()) "
STAYS, CAME = "stays = q + beta >= q[top]", "came[t] = np.where(stays, np.arange(M), top)"
COLUMN = "q = scores[t] + np.where(stays, q + beta, q[top])"
LAST, BACK, VALUE = "a[-1] = q.argmax()", "a[t - 1] = came[t, a[t]]", "    Q = q[a[-1]]\n"

BY_IMAGE, BY_SENTENCE = "np.maximum(S - right[:, None] + 1, 0) * others ", "np.maximum(S - right[None, :] + 1, 0) * others "
SUMS = "return by_image.sum(), by_sentence.sum(), cache"
RIGHT = "dS -= np.diag(row.sum(axis=1) + column.sum(axis=0))"
ACTIVE = "row, column = dsentences * by_image, dimages * by_sentence"

E_T = "e = np.maximum(x @ W_e.T + b_e, 0) * there "
H_F = "h_f[t] = np.maximum(e[t] + before @ W_f.T + b_f, 0) * there[t]"
H_B = "h_b[t] = np.maximum(e[t] + after @ W_b.T + b_b, 0) * there[t]"
AFTER, AGAINST = "after = h_b[t + 1] if t < T - 1 else start", "    for t in reversed(range(T)):\n        after"
S_T = "s = np.maximum((h_f + h_b) @ W_d.T + b_d, 0) * there"
DA_D, DA_E = "da_d = ds * (s > 0) ", "da_e = (da_f + da_b) * (e > 0)"
DA_F, DA_B = "da_f[t] = (dh[t] + later) * (h_f[t] > 0)", "da_b[t] = (dh[t] + earlier) * (h_b[t] > 0)"
LATER, EARLIER = "later = da_f[t + 1] @ W_f if t < T - 1 else 0", "earlier = da_b[t - 1] @ W_b if t > 0 else 0"
DW_F, DW_B = "product(da_f[1:], h_f[:-1])", "product(da_b[:-1], h_b[1:])"

MUTANTS = [
    # the score, forward
    m("mean_over_the_regions", SCORE, "the mean over the regions; each word takes its best region",
      (TOLD, "told = np.where(np.isfinite(scores), scores, 0).sum(axis=3) / regions.sum(axis=1)[:, None, None]")),
    m("mean_over_all_places", SCORE, "the mean over all places of regions", (SUM, "told = np.einsum('kmd,tld->klt', v, s) / v.shape[1]\n    " + SUM)),
    m("softmax", SCORE, "the regions are weighed by a softmax, as in attention",
      (TOLD, "p = np.exp(scores - scores.max(axis=3, keepdims=True))\n    told = (p / p.sum(axis=3, keepdims=True) * np.where(p > 0, scores, 0)).sum(axis=3)")),
    m("log_sum_exp", SCORE, "log sum exp in the place of the maximum", (TOLD, "told = np.log(np.exp(scores).sum(axis=3))")),
    m("sum_of_hinges", SCORE, "the sum over the regions of max(0, v_i . s_t), the score of an earlier paper", (TOLD, "told = np.maximum(scores, 0).sum(axis=3)")),
    m("cosine", {SCORE: "the cosine: v_i . s_t is the inner product, in which the lengths of both count", **DIFFERS}, "",
      (PRODUCTS, PRODUCTS + "    scores = scores / np.linalg.norm(v, axis=2)[:, None, None] / np.linalg.norm(s, axis=2).T[:, :, None]\n")),
    m("hidden_regions_scored_0", {SCORE: "regions that are not there are scored 0, and win where all others are negative", **DIFFERS}, "", (HIDE, HIDE.replace("-np.inf", "0"))),
    m("hidden_regions_multiplied", {SCORE: "give them -inf before the maximum", **DIFFERS}, "", (HIDE, "scores = scores * regions[:, None, None, :]")),
    m("hidden_regions_compete", SCORE, "regions that are not there take part in the maximum", (HIDE, "scores = scores + 0")),
    m("hidden_regions_minus_1e9", SCORE, "(in the case: scores near -1e10)\nlikely: a large negative number is not small enough", (HIDE, HIDE.replace("-np.inf", "-1e9"))),
    m("hidden_regions_less_1e9", SCORE, "(in the case: scores near -1e10)\nhas the score -inf", (HIDE, "scores = scores - 1e9 * ~regions[:, None, None, :]")),
    m("hidden_regions_nan", {SCORE: "are not finite", DSCORE: ""}, "", (HIDE, "scores = scores - np.inf * ~regions[:, None, None, :]"), verdict=None),
    m("pads_summed", SCORE, "words that are not there are counted", (SUM, "S = told.sum(axis=2)")),
    m("no_mask_at_all", SCORE, "neither mask is used", (HIDE, "scores = scores + 0"), (SUM, "S = told.sum(axis=2)"), (CACHE, "cache = v, s, np.ones_like(words), best")),
    m("cut_at_0", SCORE, "the maximum is cut at 0", (TOLD, "told = scores.max(axis=3, initial=0)")),
    m("one_region_for_all_words", SCORE, "one region for the whole sentence", (SUM, "S = (np.where(np.isfinite(scores), scores, -1e30) * words.T[:, :, None]).sum(axis=2).max(axis=2)")),
    m("regions_choose_words", SCORE, "maximum and sum are exchanged",
      (SUM, "S = np.where(regions[:, None], np.where(words.T[:, :, None], scores, -np.inf).max(axis=2), 0).sum(axis=2)")),
    m("mean_over_the_words", SCORE, "averaged over the words of the sentence", (SUM, SUM + " / words.sum(axis=0)")),
    m("best_word", SCORE, "only the best word counts", (SUM, "S = np.where(words.T, told, -np.inf).max(axis=2)")),
    m("transposed", {SCORE: "S has shape (2, 4) and should be (K=4, L=2)\nlikely: transposed", DSCORE: "it needs image_sentence_score_forward first"}, "",
      ("    return S, cache\n", "    return S.T, cache\n"), verdict=None),
    m("in_place", SCORE, "it writes into its argument v, which the caller still needs\nmutant.py, line", (PRODUCTS, "    v[~regions] = 0\n" + PRODUCTS)),
    # the score, backward
    m("to_all_regions", DSCORE, "the gradient of the maximum goes to all regions; it goes to the best one alone",
      (CACHE, "cache = v, s, words, np.isfinite(scores)"), (SCATTER, "dv = np.einsum('klto,tld,kltm->kmd', g, s, best)  # "), (DS, "ds = np.einsum('klto,kltm,kmd->tld', g, best, v)")),
    m("of_a_mean", DSCORE, "the gradient is that of a mean over the regions", (CACHE, "cache = v, s, words, np.isfinite(scores) / regions.sum(axis=1)[:, None, None, None]"),
      (SCATTER, "dv = np.einsum('klto,tld,kltm->kmd', g, s, best)  # "), (DS, "ds = np.einsum('klto,kltm,kmd->tld', g, best, v)")),
    m("of_a_softmax", DSCORE, "the gradient is spread by a softmax", (CACHE, "p = np.exp(scores - told[..., None])\n    cache = v, s, words, p / p.sum(axis=3, keepdims=True)"),
      (SCATTER, "dv = np.einsum('klto,tld,kltm->kmd', g, s, best)  # "), (DS, "ds = np.einsum('klto,kltm,kmd->tld', g, best, v)")),
    m("to_all_equal_ones", DSCORE, "(in the case: equal regions)\neach of several equal regions gets the whole gradient", (CACHE, "cache = v, s, words, scores == told[..., None]"),
      (SCATTER, "dv = np.einsum('klto,tld,kltm->kmd', g, s, best)  # "), (DS, "ds = np.einsum('klto,kltm,kmd->tld', g, best, v)")),
    m("shared_by_equal_ones", DSCORE, "(in the case: equal regions)\nthe gradient is shared by equal regions",
      (CACHE, "tied = scores == told[..., None]\n    cache = v, s, words, tied / tied.sum(axis=3, keepdims=True)"),
      (SCATTER, "dv = np.einsum('klto,tld,kltm->kmd', g, s, best)  # "), (DS, "ds = np.einsum('klto,kltm,kmd->tld', g, best, v)")),
    m("to_the_last_equal_one", DSCORE, "of equal regions that of the highest index gets the gradient", (BEST, "best = scores.shape[3] - 1 - scores[..., ::-1].argmax(axis=3)")),
    m("to_a_hidden_equal_one", DSCORE, "(in the case: equal regions)\nlikely: of several equal regions that are there", (BEST, "best = (np.einsum('kmd,tld->kltm', v, s) == scores.max(axis=3, keepdims=True)).argmax(axis=3)")),
    m("best_before_the_mask", DSCORE, "the gradient goes to the best of all places; it goes to the best region that is there", (PRODUCTS, PRODUCTS + "    unmasked = scores\n"),
      (BEST, "best = unmasked.argmax(axis=3)")),
    m("pads_send_a_gradient", DSCORE, "words that are not there send and get a gradient", (ARRIVES, "g = (dS[:, :, None] * np.ones_like(words).T)[..., None]")),
    m("pads_send_a_gradient_to_regions", DSCORE, "words that are not there send a gradient to regions", (SCATTER, "np.add.at(dv, (image, best), dS[:, :, None, None] * s.swapaxes(0, 1)) ")),
    m("pads_get_a_gradient", DSCORE, "words that are not there get a gradient", (DS, DS.replace("g * v", "dS[:, :, None, None] * v"))),
    m("added_in_one_statement", DSCORE, "a region that is the best for several words gets the sum of their gradients, and here only the last is kept", (SCATTER, "dv[image, best] += g * s.swapaxes(0, 1) ")),
    m("assigned", DSCORE, "here only the last is kept (`=` in place of `+=`?", (SCATTER, "dv[image, best] = g * s.swapaxes(0, 1) ")),
    m("assigned_in_the_order_of_the_steps", DSCORE, "here only that of the last step is kept", (SCATTER, "dv[image, best.swapaxes(1, 2)] = g.swapaxes(1, 2) * s ")),
    m("added_step_by_step", DSCORE, "only one of each step is: dv[image, best_t] += ...", (SCATTER, "for t in range(len(s)):\n        dv[image[:, 0], best[:, :, t]] += g[:, :, t] * s[t] ")),
    m("added_sentence_by_sentence", DSCORE, "only one of each sentence is", (SCATTER, "for n in range(s.shape[1]):\n        dv[image[:, 0], best[:, n]] += g[:, n] * s[:, n] ")),
    m("assigned_pair_by_pair", DSCORE, "and here only",
      (SCATTER, "for k, n, t in np.ndindex(best.shape):\n        if words[t, n]:\n            dv[k, best[k, n, t]] = g[k, n, t] * s[t, n] ")),
    m("added_pair_by_pair", DSCORE, "only one of each sentence is: dv[k, best] += ...",
      (SCATTER, "for k, n in np.ndindex(best.shape[:2]):\n        there = words[:, n]\n        dv[k, best[k, n][there]] += (g[k, n] * s[:, n])[there] ")),
    m("ds_of_the_last_image", DSCORE, "ds is that of the last image alone", (DS, "ds = (g * v[image, best])[-1].swapaxes(0, 1)")),
    m("dv_forgotten", DSCORE, "dv is missing where a word's best region is found", (SCATTER, "# ")),
    m("ds_transposed", DSCORE, "ds has shape (2, 6, 5) and should be (T=6, L=2, D=5)\nlikely: transposed", (DS, DS.replace(".swapaxes(0, 1)", ""))),
    m("gradients_swapped", DSCORE, "dv and ds are returned in each other's place", ("return dv, ds", "return ds, dv")),
    # the alignment
    m("minimised_in_one_step", ALIGN, "the sum is minimised, as the slide has it: that gives every word its worst region; the best", (TOP, "top = int(q.argmin()) "), (STAYS, STAYS.replace(">=", "<=")), (LAST, LAST.replace("argmax", "argmin"))),
    m("minimised", ALIGN, "the sum is minimised, as the slide has it: that gives every word its worst region, and neighbours that differ",
      (TOP, "step = q[:, None] + beta * np.eye(M)\n        top = 0  # "), (STAYS, "stays = False"), (CAME, "came[t] = step.argmin(axis=0)"), (COLUMN, "q = scores[t] + step.min(axis=0)"), (LAST, LAST.replace("argmax", "argmin"))),
    m("energy", ALIGN, "Q is the energy -Q", (VALUE, "    Q = -q[a[-1]]\n")),
    m("differing_neighbours_rewarded", ALIGN, "neighbours that differ are rewarded",
      (TOP, "top = 0\n        step = q[:, None] + beta * (1 - np.eye(M))  # "), (STAYS, "stays = False"), (CAME, "came[t] = step.argmax(axis=0)"), (COLUMN, "q = scores[t] + step.max(axis=0)")),
    m("potts", ALIGN, "neighbours that differ cost beta", (STAYS, "stays = q >= q[top] - beta"), (COLUMN, "q = scores[t] + np.where(stays, q, q[top] - beta)")),
    m("beta_for_every_word", ALIGN, "beta is counted for every word, the first included", ("q = scores[0] ", "q = scores[0] + beta ")),
    m("beta_for_every_word_in_a_run", ALIGN, "beta is counted for every word that has a neighbour of the same region",
      (VALUE, "    same = a[1:] == a[:-1]\n    runs = np.append(same, False) | np.append(False, same)\n    Q = scores[np.arange(N), a].sum() + beta * runs.sum()\n")),
    m("beta_for_all_pairs", ALIGN, "beta is counted N - 1 times, whether neighbours agree or not", (STAYS, "stays = q + beta >= q[top] + beta"), (COLUMN, "q = scores[t] + q[top] + beta")),
    m("Q_without_the_reward", ALIGN, "Q leaves the reward out", (VALUE, "    Q = scores[np.arange(N), a].sum()\n")),
    m("word_by_word", ALIGN, "each word takes its best region alone: beta is not used in the choice, only in Q",
      (VALUE, "    a = scores.argmax(axis=1)\n    Q = scores.max(axis=1).sum() + beta * (a[1:] == a[:-1]).sum()\n")),
    m("beta_forgotten", ALIGN, "beta is not used at all", ("    N, M = scores.shape\n", "    N, M = scores.shape\n    beta = 0\n")),
    m("greedy", ALIGN, "greedy: each word decides once for itself",
      (VALUE, "    a[0] = scores[0].argmax()\n    for t in range(1, N):\n        a[t] = (scores[t] + beta * (np.arange(M) == a[t - 1])).argmax()\n    Q = scores[np.arange(N), a].sum() + beta * (a[1:] == a[:-1]).sum()\n")),
    m("rewarded_after_the_choice", ALIGN, "greedy: each word decides once for itself", (STAYS, "stays = q >= q[top]")),
    m("last_word_for_itself", ALIGN, "the last word takes the region that is best for it alone", (LAST, "a[-1] = scores[-1].argmax()")),
    m("one_region", ALIGN, "one region for all words", (STAYS, "stays = np.ones(M, dtype=bool)")),
    m("not_followed_back", ALIGN, "a is not followed back", (CAME, "a[t - 1] = top"), ("a = np.zeros(N, dtype=int)", "pass"), ("    for t in range(N - 1, 0, -1):\n        a[t - 1] = came[t, a[t]]\n", ""),
      ("    came = np.zeros((N, M), dtype=int) ", "    a = np.zeros(N, dtype=int) ")),
    m("followed_back_one_row_off", ALIGN, "followed back one row off", (BACK, "a[t - 1] = came[t - 1, a[t]]")),
    m("followed_from_the_front", ALIGN, "a is the wrong way round", (VALUE, VALUE + "    a = a[::-1]\n")),


    m("moving_preferred", ALIGN, "(in the case: equal values)\nmoving wins; staying wins against moving", (STAYS, STAYS.replace(">=", ">"))),
    m("lowest_of_all_pairs", ALIGN, "(in the case: equal values)\nthe region of the word itself comes first",
      (TOP, "step = q[:, None] + beta * np.eye(M)\n        top = 0  # "), (STAYS, "stays = False"), (CAME, "came[t] = step.argmax(axis=0)"), (COLUMN, "q = scores[t] + step.max(axis=0)")),
    m("highest_of_equal_ones", ALIGN, "of equally good regions the highest is taken, the last word's and those before", (TOP, "top = M - 1 - int(q[::-1].argmax()) "), (LAST, "a[-1] = M - 1 - q[::-1].argmax()")),
    m("highest_for_the_last_word", ALIGN, "of equally good regions of the last word the highest is taken", (LAST, "a[-1] = M - 1 - q[::-1].argmax()")),
    m("highest_before", ALIGN, "of equally good regions to come from the highest is taken", (TOP, "top = M - 1 - int(q[::-1].argmax()) ")),
    m("from_the_end", ALIGN, "that of the lowest first word is taken", ("    N, M = scores.shape\n", "    N, M = scores.shape\n    scores = scores[::-1]\n"), (VALUE, VALUE + "    a = a[::-1]\n")),
    m("a_shortcut_for_beta_0", ALIGN, "(in the case: equal values, beta = 0)\nequal values are told apart with beta = 0, too",
      ("    N, M = scores.shape\n", "    N, M = scores.shape\n    if beta == 0:\n        return scores.argmax(axis=1), scores.max(axis=1).sum()\n")),
    m("one_hot_times_minus_infinity", ALIGN, "(in the case: regions that are not there)\nlikely: 0 * -inf and -inf - -inf are nan",
      (VALUE, "    Q = (scores * np.eye(M)[a]).sum() + beta * (a[1:] == a[:-1]).sum()\n")),
    m("a_maximum_from_minus_1e9", ALIGN, "(in the case: scores near -1e10)\nlikely: a running maximum begins at -inf",
      (LAST, "best = -1e9\n    for i in range(M):\n        if q[i] > best:\n            best, a[-1] = q[i], i")),
    m("a_as_floats", ALIGN, "a is float64 and should hold integers", (VALUE, VALUE + "    a = a.astype(float)\n")),
    m("Q_for_every_region", ALIGN, "Q has shape (4,) and should be a scalar", (VALUE, "    Q = q\n")),
    m("results_swapped", ALIGN, "a is a single number and should be a NumPy array, (N=6,)", ("return a, Q", "return float(Q), a")),
    m("table_in_the_argument", ALIGN, "it writes into its argument scores, which the caller still needs\nmutant.py, line",
      (COLUMN, "scores[t] += np.where(stays, q + beta, q[top])\n        q = scores[t]")),
    # the ranking loss, forward
    m("diagonal_kept", RANK, "the diagonal is kept: its terms max(0, S_kk - S_kk + 1) are all 1, which adds K to each side, 2K together", ("~np.eye(len(S), dtype=bool)", "np.ones(S.shape)")),
    m("sides_swapped", RANK, "the two sides are swapped", (SUMS, "return by_sentence.sum(), by_image.sum(), cache")),
    m("wrong_axis_for_the_images", {RANK: "both sides are taken along the rows", DRANK: "finite differences"}, "", (BY_SENTENCE, BY_IMAGE)),
    m("wrong_axis_for_the_sentences", {RANK: "both sides are taken along the columns", DRANK: "finite differences"}, "", (BY_IMAGE, BY_SENTENCE)),
    m("images_dropped", RANK, "one side is dropped: images is", (SUMS, "return by_image.sum(), 0.0, cache")),
    m("one_sum", RANK, "this is the sum of both sides", (SUMS, "loss = by_image.sum() + by_sentence.sum()\n    return loss, loss, cache")),
    m("no_margin", RANK, "the margin is missing", (BY_IMAGE, BY_IMAGE.replace(" + 1", "")), (BY_SENTENCE, BY_SENTENCE.replace(" + 1", ""))),
    m("turned_around", {RANK: "the sign is turned around", DRANK: "finite differences"}, "", (BY_IMAGE, BY_IMAGE.replace("S - right[:, None]", "right[:, None] - S")), (BY_SENTENCE, BY_SENTENCE.replace("S - right[None, :]", "right[None, :] - S"))),
    m("no_hinge", RANK, "the hinge is missing", (BY_IMAGE, "(S - right[:, None] + 1) * others "), (BY_SENTENCE, "(S - right[None, :] + 1) * others ")),
    m("mean_over_the_batch", RANK, "averaged over the batch", (SUMS, "return by_image.sum() / len(S), by_sentence.sum() / len(S), cache")),
    m("hardest", RANK, "only the hardest of the wrong ones counts", (SUMS, "return by_image.max(axis=1).sum(), by_sentence.max(axis=0).sum(), cache")),
    m("one_loss_for_each_image", {RANK: "sentences has shape (4,) and should be a scalar", DRANK: "it needs ranking_loss_forward first"}, "", (SUMS, "return by_image.sum(axis=1), by_sentence.sum(axis=0), cache"), verdict=None),
    # the ranking loss, backward
    m("no_gradient_for_the_right_ones", DRANK, "S_kk gets no gradient", (RIGHT, "# " + RIGHT)),
    m("no_derivative_of_the_hinge", DRANK, "the derivative of the hinge is missing", ("cache = by_image > 0, by_sentence > 0", "cache = others, others")),
    m("gradients_of_the_sides_swapped", DRANK, "the gradients of the two sides are swapped", (ACTIVE, "row, column = dimages * by_image, dsentences * by_sentence")),
    m("wrong_axis_for_S_kk", DRANK, "S_kk gets the violations of the wrong axis", (RIGHT, "dS -= np.diag(row.sum(axis=0) + column.sum(axis=1))")),
    m("S_kk_once", DRANK, "S_kk gets one -1 for each side", (RIGHT, "dS -= np.diag(dsentences * by_image.any(axis=1) + dimages * by_sentence.any(axis=0))")),
    m("images_without_gradient", DRANK, "the gradient of images is missing", (ACTIVE, "row, column = dsentences * by_image, 0 * by_sentence")),
    # the encoder, forward
    m("both_forward", {ENCODE: "both recurrences run forward", DENCODE: "finite differences"}, "", (AGAINST, "    for t in range(T):\n        after"), (AFTER, "after = h_b[t - 1] if t > 0 else start")),
    m("h_b_from_the_step_before", {ENCODE: "h^b has no memory: it comes from h^b_{t+1}, which must be there already", DENCODE: "finite differences"}, "", (AFTER, "after = h_b[t - 1] if t > 0 else start")),
    m("h_b_in_the_forward_loop", {ENCODE: "h^b has no memory", DENCODE: "finite differences"}, "", (AGAINST, "    for t in range(T):\n        after")),
    m("h_b_not_turned_round", {ENCODE: "h^b is added in the order in which it was computed", DENCODE: "finite differences"}, "", (S_T, S_T.replace("h_b)", "h_b[::-1])"))),

    m("averaged", ENCODE, "h^f and h^b are averaged", (S_T, S_T.replace("(h_f + h_b)", "(h_f + h_b) / 2"))),
    m("bias_at_the_pads", ENCODE, "the pads are not 0 on the way: after the bias they are f(b)", (E_T, E_T.replace(" * there", "")), (H_F, H_F.replace(" * there[t]", "")), (H_B, H_B.replace(" * there[t]", ""))),
    m("h_at_the_pads", ENCODE, "the pads are 0 in e and s alone", (H_F, H_F.replace(" * there[t]", "")), (H_B, H_B.replace(" * there[t]", ""))),
    m("s_at_the_pads", ENCODE, "s is not 0 where there is no word", (S_T, S_T.replace(" * there", ""))),
    m("no_relu_in_s", ENCODE, "f is missing in s", (S_T, "s = ((h_f + h_b) @ W_d.T + b_d) * there")),
    m("tanh", {ENCODE: "f is tanh in h", DENCODE: "finite differences"}, "", (H_F, "h_f[t] = np.tanh(e[t] + before @ W_f.T + b_f) * there[t]"), (H_B, "h_b[t] = np.tanh(e[t] + after @ W_b.T + b_b) * there[t]")),
    m("recurrent_matrices_transposed", {ENCODE: "the recurrent matrices are transposed", DENCODE: "finite differences"}, "", (H_F, H_F.replace("W_f.T", "W_f")), (H_B, H_B.replace("W_b.T", "W_b"))),
    m("b_e_forgotten", {ENCODE: "b_e is missing", DENCODE: "finite differences"}, "", (E_T, E_T.replace(" + b_e", ""))),
    # the encoder, backward
    m("no_slope_anywhere", DENCODE, "the derivative of the ReLU is missing everywhere", (DA_D, "da_d = ds "), (DA_F, "da_f[t] = dh[t] + later"), (DA_B, "da_b[t] = dh[t] + earlier"), (DA_E, "da_e = da_f + da_b")),
    m("no_slope_in_s", DENCODE, "the derivative of the ReLU is missing in s", (DA_D, "da_d = ds ")),
    m("no_slope_in_h", DENCODE, "the derivative of the ReLU is missing in h^f and h^b", (DA_F, "da_f[t] = dh[t] + later"), (DA_B, "da_b[t] = dh[t] + earlier")),
    m("not_through_time", DENCODE, "no gradient goes through time: h^f_t also gets what W_f sends back", (LATER, "later = 0"), (EARLIER, "earlier = 0")),
    m("the_loop_of_h_f_the_wrong_way", DENCODE, "no gradient goes through time in the forward direction", ("    for t in reversed(range(T)):                                                # against", "    for t in range(T):  # against")),
    m("back_by_the_transposed_matrix", DENCODE, "the way back through time multiplies by the transposed matrix", (LATER, LATER.replace("W_f", "W_f.T")), (EARLIER, EARLIER.replace("W_b", "W_b.T"))),
    m("dW_with_its_own_h", DENCODE, "dW_f and dW_b pair each step with its own h", (DW_F, "product(da_f, h_f)"), (DW_B, "product(da_b, h_b)")),
    m("dW_with_the_wrong_neighbour", DENCODE, "dW_f and dW_b pair each step with the wrong neighbour", (DW_F, "product(da_f[:-1], h_f[1:])"), (DW_B, "product(da_b[1:], h_b[:-1])")),
    m("dW_of_one_step", DENCODE, "dW_f and dW_b hold one step alone", (DW_F, "product(da_f[1:2], h_f[:1])"), (DW_B, "product(da_b[-2:-1], h_b[-1:])")),
    m("dW_averaged_over_time", DENCODE, "a constant factor: 1/4", (DW_F, DW_F + " / T"), (DW_B, DW_B + " / T")),
    m("e_from_h_f_alone", DENCODE, "e gets the gradient of h^f alone", (DA_E, "da_e = da_f * (e > 0)")),
    m("ds_in_place", DENCODE, "it writes into its argument ds, which the caller still needs\nmutant.py, line", (DA_D, "ds *= s > 0\n    da_d = ds ")),
]
