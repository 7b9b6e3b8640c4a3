"""Mistakes planted in the solution of exercise 2: where, what they replace, and what the checker must say."""

# ruff: noqa: E501 - a table, a mistake a line
from __future__ import annotations

from tests.homework.mutant import mutant as m

STEP, DSTEP = "lstm_step_forward", "lstm_step_backward"
LOSS, DLOSS = "caption_loss_forward", "caption_loss_backward"
INPUTS, DINPUTS = "image_then_words_forward", "image_then_words_backward"
BEAM = "beam_step"

SIGMA = "gates = 0.5 * (1 + np.tanh(0.5 * a[:, :3 * H]))"
PARTS = "i, f, o = gates[:, :H], gates[:, H:2 * H], gates[:, 2 * H:]"
COUNTS = "counts = (t >= 1) & (t <= lengths) "
SCATTER = "np.add.at(dW_e, words, dX[1:]) "
GRADIENT = "(np.exp(log_p) - one_hot) * (counts"
WORDS = 'words = np.argsort(-log_p, axis=1, kind="stable")[:, :k]'
TOTAL = "total = log_prob[:, None] + np.take_along_axis(log_p, words, axis=1)"
ENDS = "    ends = words == end\n"
ENDED = "ended, ended_log_prob = parents[ends], total[ends]"
PAIRS = "pairs, total = np.stack([parents, words], axis=1)[~ends], total[~ends]"
ORDER = "order = np.lexsort((pairs[:, 1], pairs[:, 0], -total))"
LIVE = "live, live_log_prob = pairs[order[:k]], total[order[:k]]"
RETURN = "    return live, live_log_prob, ended, ended_log_prob"

MUTANTS = [
    # the LSTM, forward
    m("tanh_on_the_output", STEP, "there is a tanh on the output: here m' = o * c', as on the slide",
      ("m_next = o * c_next", "m_next = o * np.tanh(c_next)")),
    m("tanh_on_the_output_both_ways", STEP, "there is a tanh on the output", ("m_next = o * c_next", "m_next = o * np.tanh(c_next)"),
      ("dmemory = dc_next + dm_next * o ", "dmemory = dc_next + dm_next * o * (1 - np.tanh(c_next) ** 2) "),
      ("do = dm_next * c_next * o", "do = dm_next * np.tanh(c_next) * o")),
    m("pytorchs_order", {STEP: "the four parts are taken in PyTorch's order i, f, c, o", DSTEP: "finite differences"}, "",
      (SIGMA, "sigma = lambda a: 0.5 * (1 + np.tanh(0.5 * a))"), (PARTS, "i, f, o = sigma(a[:, :H]), sigma(a[:, H:2 * H]), sigma(a[:, 3 * H:])"),
      ("g = np.tanh(a[:, 3 * H:])", "g = np.tanh(a[:, 2 * H:3 * H])")),
    m("forget_and_input_swapped", {STEP: "the input gate and the forget gate are swapped", DSTEP: "finite differences"}, "",
      (PARTS, PARTS.replace("i, f, o", "f, i, o"))),
    m("sigma_for_the_new_part", {STEP: "the new part of the memory goes through sigma", DSTEP: "finite differences"}, "",
      ("g = np.tanh(a[:, 3 * H:])", "g = 1 / (1 + np.exp(-a[:, 3 * H:]))")),
    m("no_tanh_in_the_new_part", {STEP: "the tanh of the new part is missing", DSTEP: "finite differences"}, "",
      ("g = np.tanh(a[:, 3 * H:])", "g = a[:, 3 * H:]")),
    m("gates_through_tanh", {STEP: "the gates go through tanh", DSTEP: "finite differences"}, "", (SIGMA, "gates = np.tanh(a[:, :3 * H])")),
    m("no_sigma", {STEP: "the sigma of the gates is missing", DSTEP: "finite differences"}, "", (SIGMA, "gates = a[:, :3 * H]")),
    m("forget_bias", {STEP: "a 1 is added in the forget gate"}, "",
      ("a = x @ W_x.T + m @ W_m.T ", "a = x @ W_x.T + m @ W_m.T + np.repeat([0, 1, 0, 0], H) ")),
    m("no_recurrence", {STEP: "W_m m is missing", DSTEP: "finite differences"}, "", ("a = x @ W_x.T + m @ W_m.T ", "a = x @ W_x.T ")),
    m("memory_in_the_gates", {STEP: "W_m multiplies c; it multiplies m", DSTEP: "finite differences"}, "", ("m @ W_m.T ", "c @ W_m.T ")),
    m("forget_gate_missing", {STEP: "the forget gate is missing", DSTEP: "finite differences"}, "", ("c_next = f * c + i * g", "c_next = c + i * g")),
    m("input_gate_missing", {STEP: "the input gate is missing", DSTEP: "finite differences"}, "", ("c_next = f * c + i * g", "c_next = f * c + g")),
    m("output_gate_missing", STEP, "the output gate is missing", ("m_next = o * c_next", "m_next = c_next.copy()")),
    m("output_of_the_old_memory", STEP, "m' is computed from the old c", ("m_next = o * c_next", "m_next = o * c")),
    m("results_swapped", STEP, "m' and c' are returned the other way round",
      ("return m_next, c_next, cache", "return c_next, m_next, cache")),
    m("sigma_overflows", STEP, "sigma(a) = 1 / (1 + exp(-a)) = (1 + tanh(a / 2)) / 2", (SIGMA, "gates = np.exp(a[:, :3 * H]) / (1 + np.exp(a[:, :3 * H]))")),
    m("memory_in_place", STEP, "it writes into its argument c, which the caller still needs\nmutant.py, line",
      ("    c_next = f * c + i * g", "    old = c.copy()\n    c *= f\n    c += i * g\n    c_next, c = c.copy(), old")),
    m("weights_transposed", {STEP: "ValueError: matmul", DSTEP: "it needs lstm_step_forward first"}, "", ("a = x @ W_x.T + ", "a = x @ W_x + "), verdict=None),
    # the LSTM, backward
    m("dc_ignored", DSTEP, "dc_next is not used", ("dmemory = dc_next + dm_next * o ", "dmemory = dm_next * o ")),
    m("dm_not_to_the_memory", DSTEP, "dm_next does not reach c'", ("dmemory = dc_next + dm_next * o ", "dmemory = dc_next ")),
    m("derivative_of_a_tanh_that_is_not_there", DSTEP, "the factor 1 - tanh(c')^2 of an LSTM with a tanh on its output",
      ("dmemory = dc_next + dm_next * o ", "dmemory = dc_next + dm_next * o * (1 - np.tanh(c_next) ** 2) ")),
    m("o_missing_behind", DSTEP, "the output gate is missing on the way from m' to c'", ("dmemory = dc_next + dm_next * o ", "dmemory = dc_next + dm_next ")),
    m("no_sigma_derivative", DSTEP, "the derivative of sigma, s (1 - s), is missing",
      ("di = dmemory * g * i * (1 - i)", "di = dmemory * g"), ("df = dmemory * c * f * (1 - f)", "df = dmemory * c"),
      ("do = dm_next * c_next * o * (1 - o)", "do = dm_next * c_next")),
    m("tanh_derivative_for_the_gates", DSTEP, "the derivative of tanh is used for the gates",
      ("di = dmemory * g * i * (1 - i)", "di = dmemory * g * (1 - i * i)"), ("df = dmemory * c * f * (1 - f)", "df = dmemory * c * (1 - f * f)"),
      ("do = dm_next * c_next * o * (1 - o)", "do = dm_next * c_next * (1 - o * o)")),
    m("no_tanh_derivative", DSTEP, "the derivative of the tanh, 1 - tanh^2, is missing in the new part", ("dg = dmemory * i * (1 - g * g)", "dg = dmemory * i")),
    m("sigma_derivative_for_the_new_part", DSTEP, "the derivative of sigma is used for the new part", ("i * (1 - g * g)", "i * g * (1 - g)")),
    m("f_missing_in_dc", DSTEP, "dc lacks the factor f", ("dc = dmemory * f\n", "dc = dmemory\n")),
    m("new_memory_for_df", DSTEP, "the gradient of f has the factor c'", ("df = dmemory * c * f", "df = dmemory * c_next * f")),
    m("old_memory_for_do", DSTEP, "the gradient of o has the factor c;", ("do = dm_next * c_next * o", "do = dm_next * c * o")),
    m("i_missing_in_dg", DSTEP, "the gradient of the new part lacks the factor i", ("dg = dmemory * i * (1", "dg = dmemory * (1")),
    m("g_missing_in_di", DSTEP, "the gradient of i lacks the factor tanh(...)", ("di = dmemory * g * i", "di = dmemory * i")),
    m("dc_for_do", DSTEP, "finite differences of your forward", ("do = dm_next * c_next * o", "do = dmemory * c_next * o")),
    m("order_of_the_gradients", DSTEP, "finite differences of your forward", ("np.concatenate([di, df, do, dg], axis=1)", "np.concatenate([di, df, dg, do], axis=1)")),
    m("dW_x_transposed", DSTEP, "dW_x has shape (4, 8) and should be (4H=8, D=4)\nlikely: transposed", ("dW_x = da.T @ x", "dW_x = x.T @ da")),
    m("dW_m_averaged", DSTEP, "a constant factor: 1/3", ("dW_m = da.T @ m", "dW_m = da.T @ m / len(m)")),
    m("dm_forgotten", DSTEP, "it returns 4 values and should return the 5 values dx, dm, dc, dW_x, dW_m", ("return dx, dm, dc, dW_x, dW_m", "return dx, dc, dW_x, dW_m")),
    # the loss, forward
    m("image_step_counted", LOSS, "the step at which the image was shown is counted: its output (index 0) predicts nothing",
      ("    loss = -(told * counts).sum(axis=0)", "    loss = -(told * (t <= lengths)).sum(axis=0)")),
    m("image_step_counted_both_ways", LOSS, "the sum begins at t = 1", (COUNTS, "counts = t <= lengths ")),
    m("pads_counted", LOSS, "the padded steps are counted: the sum ends at t = N", (COUNTS, "counts = (t >= 1) & (lengths > 0) ")),
    m("everything_counted", LOSS, "every step is counted", (COUNTS, "counts = np.ones(S.shape) ")),
    m("stop_word_left_out", LOSS, "the last word S_N, the stop word, is left out", (COUNTS, "counts = (t >= 1) & (t < lengths) ")),
    m("zero_to_n_minus_one", LOSS, "the sum is over t = 1..N, not 0..N-1", (COUNTS, "counts = t < lengths ")),
    m("one_pad_counted", LOSS, "one padded step is counted", (COUNTS, "counts = (t >= 1) & (t <= lengths + 1) ")),
    m("outputs_one_late", LOSS, "S_t is judged by the output of step t - 1",
      ("told = np.take_along_axis(log_p, ", "told = np.take_along_axis(log_p[np.maximum(np.arange(len(S)) - 1, 0)], ")),
    m("words_one_late", LOSS, "the output of step t is judged by S_{t-1}, the word that went in",
      ("    shifted = logits - ", "    S = np.concatenate([S[:1], S[:-1]])\n    shifted = logits - ")),
    m("likelihood_instead_of_loss", LOSS, "the sign is wrong: the loss is minus", ("loss = -(told", "loss = (told")),
    m("mean_over_the_words", LOSS, "averaged over the words of the caption",
      ("loss = -(told * counts).sum(axis=0)", "loss = -(told * counts).sum(axis=0) / lengths")),
    m("mean_over_all_steps", LOSS, "averaged over all steps, padded ones included",
      ("loss = -(told * counts).sum(axis=0)", "loss = -(told * counts).mean(axis=0)")),
    m("mean_over_the_batch", {LOSS: "averaged over the batch; each caption has its own loss", DLOSS: "it needs caption_loss_forward first"}, "",
      ("(told * counts).sum(axis=0)", "(told * counts).sum(axis=0).mean()"), verdict=None),
    m("no_log", LOSS, "the log is missing", ("loss = -(told *", "loss = -(np.exp(told) *")),
    m("no_softmax", LOSS, "the softmax is missing", ("np.take_along_axis(log_p, S", "np.take_along_axis(logits, S")),
    m("base_two", LOSS, "the log is to base 2", ("loss = -(told * counts)", "loss = -(told / np.log(2) * counts)")),
    m("softmax_over_the_batch", {LOSS: "the softmax is over the batch (axis 1)", DLOSS: "finite differences"}, "",
      ("np.exp(shifted).sum(axis=2, keepdims=True)", "np.exp(shifted).sum(axis=1, keepdims=True)"), ("logits.max(axis=2, ", "logits.max(axis=1, ")),
    m("log_of_a_softmax", LOSS, "compute log p as l - max l - log sum exp(l - max l)",
      ("log_p = shifted - np.log(np.exp(shifted).sum(axis=2, keepdims=True)) ", "log_p = np.log(np.exp(shifted) / np.exp(shifted).sum(axis=2, keepdims=True)) ")),
    # the loss, backward
    m("gradient_at_the_image_step", DLOSS, "the gradient of the step at which the image was shown (index 0) must be 0",
      ("cache = log_p, S, counts", "cache = log_p, S, t <= lengths")),
    m("gradient_at_the_pads", DLOSS, "the gradient of the padded steps must be 0", ("cache = log_p, S, counts", "cache = log_p, S, np.broadcast_to(t >= 1, S.shape)")),
    m("gradient_everywhere", DLOSS, "the gradient must be 0 where nothing is counted", ("(counts * dloss)[:, :, None]", "dloss[:, None]")),
    m("p_at_every_step", DLOSS, "p is left at the steps that are not counted",
      (GRADIENT + " * dloss)[:, :, None]", "(np.exp(log_p) - one_hot * counts[:, :, None]) * dloss[:, None]")),
    m("one_hot_missing", DLOSS, "the one_hot is missing", (GRADIENT, "np.exp(log_p) * (counts")),
    m("p_missing", DLOSS, "the p is missing", (GRADIENT, "(0 - one_hot) * (counts")),
    m("gradient_for_p", DLOSS, "the gradient is the one with respect to p", (GRADIENT, "(0 - one_hot) / np.exp(log_p) * (counts")),
    m("sign_of_the_gradient", DLOSS, "the sign is wrong", (GRADIENT, "(one_hot - np.exp(log_p)) * (counts")),
    m("dloss_ignored", DLOSS, "the incoming gradient is ignored", ("(counts * dloss)", "(counts * 1.0)")),
    # the image and the words, forward
    m("stop_word_as_an_input", {INPUTS: "the last word S_T is an input, too", DINPUTS: "needs image_then_words_forward first"}, "",
      ("words = S[:-1] ", "words = S "), verdict=None),
    m("start_word_left_out", INPUTS, "the first word S_0 is left out and the last is not", ("words = S[:-1] ", "words = S[1:] ")),
    m("image_last", INPUTS, "the image comes last",
      ("np.concatenate([(image @ W_I.T)[None], W_e[words]])", "np.concatenate([W_e[words], (image @ W_I.T)[None]])")),
    m("image_at_every_step", INPUTS, "the image is added to every word", ("W_e[words]])", "W_e[words] + image @ W_I.T])")),
    m("no_image", {INPUTS: "the words have no image before them", DINPUTS: "needs image_then_words_forward first"}, "",
      ("np.concatenate([(image @ W_I.T)[None], W_e[words]])", "W_e[words]"), verdict=None),
    m("image_through_relu", INPUTS, "the image goes through a ReLU", ("(image @ W_I.T)[None]", "np.maximum(image @ W_I.T, 0)[None]")),
    m("batch_first", {INPUTS: "X has shape (3, 4, 5) and should be (T+1=4, B=3, D=5)\nlikely: transposed", DINPUTS: "needs image_then_words_forward first"}, "",
      ("return X, cache", "return X.swapaxes(0, 1), cache"), verdict=None),
    # the image and the words, backward
    m("assigned", DINPUTS, "only the last is kept (`=` in place of `+=`?", (SCATTER, "dW_e[words] = dX[1:]  # ")),
    m("added_in_one_statement", DINPUTS, "a word that occurs several times gets the sum of its gradients", (SCATTER, "dW_e[words] += dX[1:]  # ")),
    m("assigned_caption_by_caption", DINPUTS, "only the one of the last caption and step is kept", (SCATTER, "dW_e[words.T] = dX[1:].swapaxes(0, 1)  # ")),
    m("added_step_by_step", DINPUTS, "only one within each step is: dW_e[S[t]] += ... counts a word once that occurs in several captions, as the start does",
      (SCATTER, "for t in range(len(words)):\n        dW_e[words[t]] += dX[t + 1]  # ")),
    m("added_caption_by_caption", DINPUTS, "only one within each caption is", (SCATTER, "for b in range(words.shape[1]):\n        dW_e[words[:, b]] += dX[1:, b]  # ")),
    m("words_one_step_off", DINPUTS, "the gradients of the words are one step off", (SCATTER, "np.add.at(dW_e, words, dX[:-1])  # ")),
    m("image_gets_everything", DINPUTS, "the image gets the gradients of all steps", ("dimage = dX[0] @ W_I", "dimage = dX.sum(axis=0) @ W_I"),
      ("dW_I = dX[0].T @ image", "dW_I = dX.sum(axis=0).T @ image")),
    m("rows_of_the_batch_alone", DINPUTS, "dW_e has shape (9, 5) and should be (K=7, D=5)", ("return dimage, dW_I, dW_e", "return dimage, dW_I, dX[1:].reshape(-1, dX.shape[2])")),
    m("dW_I_transposed", DINPUTS, "dW_I has shape (4, 5) and should be (D=5, F=4)\nlikely: transposed", ("dW_I = dX[0].T @ image", "dW_I = image.T @ dX[0]")),
    # beam search
    m("top_k_dropped", BEAM, "each hypothesis proposes all words but its k likeliest, as argsort(p)[:-k] gives them", (WORDS, "words = np.argsort(log_p, axis=1)[:, :-k][:, ::-1]")),
    m("parent_forgotten", BEAM, "the log-probability of the parent is missing", (TOTAL, TOTAL.replace("log_prob[:, None] + ", ""))),
    m("multiplied", BEAM, "log-probabilities are multiplied; they add up", (TOTAL, TOTAL.replace(" + ", " * "))),
    m("probabilities", BEAM, "live_log_prob holds probabilities", (LIVE, LIVE + "\n    live_log_prob = np.exp(live_log_prob)")),
    m("ends_take_places", BEAM, "completed sentences take places in the beam",
      (ENDS, "    best = np.sort(np.argsort(-total, kind='stable')[:k])\n    parents, words, total = parents[best], words[best], total[best]\n" + ENDS)),
    m("ended_ones_go_on", BEAM, "completed sentences go on as well", (PAIRS, PAIRS.replace("[~ends]", ""))),
    m("all_complete", BEAM, "every hypothesis completes a sentence", (ENDED, "ended, ended_log_prob = np.arange(len(log_p)), log_prob + log_p[:, end]")),
    m("end_apart", BEAM, "`end` is kept apart from the other words",
      (WORDS, "without = log_p.copy()\n    without[:, end] = -np.inf\n    words = np.argsort(-without, axis=1, kind='stable')[:, :k]"),
      (ENDED, "ended, ended_log_prob = np.arange(len(log_p)), log_prob + log_p[:, end]")),
    m("end_not_counted", BEAM, "`end` is not counted among the k likeliest words",
      (WORDS, "words = np.argsort(-log_p, axis=1, kind='stable')[:, :k]\n    ending = (words == end).any(axis=1)\n    without = log_p.copy()\n    without[:, end] = -np.inf\n"
       "    words = np.argsort(-without, axis=1, kind='stable')[:, :k]\n    words = np.concatenate([words, np.full((len(words), 1), end)], axis=1)"),
      (ENDS, "    counts = (words != end) | ending[parents]\n    parents, words, total = parents[counts], words[counts], total[counts]\n" + ENDS)),
    m("none_completed", BEAM, "no sentence is completed", (ENDED, ENDED + "\n    ended, ended_log_prob = ended[:0], ended_log_prob[:0]")),
    m("not_cut_to_k", BEAM, "every hypothesis keeps all its proposals", (LIVE, LIVE.replace("[:k]", ""))),
    m("one_word_a_hypothesis", BEAM, "each hypothesis goes on with its likeliest word", (WORDS, WORDS.replace(":k]", ":1]"))),
    m("worst_first", BEAM, "live is sorted the wrong way", (LIVE, LIVE + "\n    live, live_log_prob = live[::-1], live_log_prob[::-1]")),
    m("worst_go_on", BEAM, "the k worst proposals go on", (ORDER, ORDER.replace("-total", "total"))),
    m("in_the_order_of_parents", BEAM, "live is in the order of the parents", (LIVE, LIVE.replace("order[:k]", "np.sort(order[:k])")), (WORDS, WORDS.replace("words = ", "words = np.sort(").replace(":k]", ":k], axis=1)"))),
    m("columns_swapped", BEAM, "the columns of live are swapped", (LIVE, LIVE + "\n    live = live[:, ::-1]")),
    m("words_that_end", BEAM, "ended holds the words, which are all `end`", (ENDED, ENDED.replace("parents[ends]", "words[ends]"))),
    m("divided_by_k", BEAM, "the parent is wrong: in an array of all (n, K) continuations", (LIVE, LIVE + "\n    live[:, 0] = (live[:, 0] * log_p.shape[1] + live[:, 1]) // k")),
    m("ties_reversed", BEAM, "as argsort(x)[::-1] has it: the lower number comes first, both times",
      (WORDS, "words = np.argsort(log_p, axis=1, kind='stable')[:, ::-1][:, :k]"), (ORDER, "order = np.lexsort((-pairs[:, 1], -pairs[:, 0], -total))")),
    m("ties_reversed_among_the_proposals", BEAM, "of equally likely words a hypothesis proposes those of higher id",
      (WORDS, "words = np.argsort(log_p, axis=1, kind='stable')[:, ::-1][:, :k]")),
    m("ties_reversed_among_the_continuations", BEAM, "of equally good continuations the later ones come first", (ORDER, "order = np.lexsort((-pairs[:, 1], -pairs[:, 0], -total))")),
    m("ties_by_word", BEAM, "equally good continuations are in the order of their words", (ORDER, "order = np.lexsort((pairs[:, 0], pairs[:, 1], -total))")),
    m("impossible_words", BEAM, "(in the case: words of probability 0)\nlikely: a word whose log-probability is -inf is never proposed",
      ("    likely = total > -np.inf\n", "    likely = total == total\n")),
    m("columns_lost", BEAM, "an empty live has no columns", (RETURN, "    live = np.array(live.tolist(), dtype=int)\n" + RETURN)),
    m("ids_as_floats", BEAM, "live is float64 and should hold integers", (RETURN, "    live = live.astype(float)\n" + RETURN)),
    m("lists", BEAM, "live is of type list and should be a NumPy array, (M=3, columns=2)", (RETURN, RETURN.replace("return live,", "return live.tolist(),"))),
    m("in_place", BEAM, "it writes into its argument log_p, which the caller still needs\nmutant.py, line",
      ("    " + WORDS, "    log_p += log_prob[:, None]\n    " + WORDS), (TOTAL, "total = np.take_along_axis(log_p, words, axis=1)")),
]
