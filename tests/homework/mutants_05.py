"""Mistakes planted in the solution of exercise 5: where, what they replace, and what the checker must say."""

# ruff: noqa: E501 - a table, a mistake a line
from __future__ import annotations

from tests.homework.mutant import mutant as m

LN, DLN = "layer_norm_forward", "layer_norm_backward"
STEP, DSTEP = "layer_norm_lstm_step_forward", "layer_norm_lstm_step_backward"
BN = "batch_norm"
E, DE = "order_violation_forward", "order_violation_backward"

CENTRED = "    centred = a - a.mean(axis=1, keepdims=True)                             # (B, H)\n"
SIGMA = "sigma = np.sqrt((centred**2).mean(axis=1, keepdims=True) + eps)         # (B, 1)"
DA = "da = (dn - by_mu - by_sigma) / sigma"
RSTD = "rstd = 1 / np.sqrt((centred**2).mean(axis=1, keepdims=True) + eps)  # 1 / sigma, (B, 1)"
OF_BOTH = "of_x, of_h = normalise(x @ W_x.T), normalise(h @ W_h.T)                 # (B, 4H) and (B, 1) each\n"
GATES = "a = g_h * of_h[0] + g_x * of_x[0] + b "
PARTS = "f, i, o, g = np.split(a, 4, axis=1) "
THROUGH = "return rstd * (dn - dn.mean(axis=1, keepdims=True) - n * (dn * n).mean(axis=1, keepdims=True))"
MEMORY = "dmemory = dc_next + through(g_c * dr, of_c) "
BY_GATE = ("    def per_gate(a):\n        n = np.concatenate([normalise(part)[0] for part in np.split(a, 4, axis=1)], axis=1)\n"
           "        return n, normalise(a)[1]\n\n    of_x, of_h = per_gate(x @ W_x.T), per_gate(h @ W_h.T)\n")
FD = "finite differences"

MUTANTS = [
    # layer normalisation, forward
    m("over_the_batch", {LN: "the statistics are taken over the batch (axis 0), as in batch normalisation", DLN: FD}, "",
      (CENTRED, "    centred = a - a.mean(axis=0, keepdims=True)\n"), (SIGMA, SIGMA.replace("axis=1", "axis=0"))),
    m("over_everything", {LN: "over batch and units at once", DLN: FD}, "",
      (CENTRED, "    centred = a - a.mean()\n"), (SIGMA, "sigma = np.sqrt((centred**2).mean() + eps)")),
    m("eps_outside", {LN: "eps stands outside the root", DLN: FD}, "", (SIGMA, "sigma = np.sqrt((centred**2).mean(axis=1, keepdims=True)) + eps")),
    m("unbiased", {LN: "divided by the number of units less one", DLN: FD}, "", (SIGMA, "sigma = np.sqrt((centred**2).sum(axis=1, keepdims=True) / max(a.shape[1] - 1, 1) + eps)")),
    m("unbiased_by_numpy", {LN: "divided by the number of units less one", DLN: FD}, "", (SIGMA, "sigma = np.sqrt(a.var(axis=1, ddof=1, keepdims=True) + eps)")),
    m("numpys_std_plus_eps", {LN: "the unbiased deviation with eps outside the root", DLN: FD}, "", (SIGMA, "sigma = a.std(axis=1, ddof=min(1, a.shape[1] - 1), keepdims=True) + eps")),
    m("no_eps", LN, "eps is not used", (SIGMA, "sigma = np.sqrt((centred**2).mean(axis=1, keepdims=True))")),
    m("divided_by_the_variance", {LN: "divided by the variance; sigma is its root", DLN: FD}, "", (SIGMA, "sigma = (centred**2).mean(axis=1, keepdims=True) + eps")),
    m("mu_not_subtracted", {LN: "mu is not subtracted", DLN: FD}, "", (CENTRED, "    centred = a\n")),
    m("sigma_around_zero", {LN: "sigma is taken around 0", DLN: FD}, "", (SIGMA, "sigma = np.sqrt((a**2).mean(axis=1, keepdims=True) + eps)")),
    m("variance_as_a_difference", LN, "subtract mu first, then square", (SIGMA, "sigma = np.sqrt((a**2).mean(axis=1, keepdims=True) - a.mean(axis=1, keepdims=True)**2 + eps)")),
    m("divided_by_the_bare_deviation", LN, "sigma^2 = 0 here, so y = b", (SIGMA, "std = a.std(axis=1, keepdims=True); sigma = std * np.sqrt(1 + eps / std**2)")),
    m("no_gain", LN, "g is not used", ("y = g * n + b", "y = n + b")),
    m("no_bias", LN, "b is not used", ("y = g * n + b", "y = g * n")),
    m("gain_times_bias", LN, "g multiplies b, too", ("y = g * n + b", "y = g * (n + b)")),
    m("in_place", LN, "it writes into its argument a, which the caller still needs\nmutant.py, line", (CENTRED, "    a -= a.mean(axis=1, keepdims=True)\n    centred = a\n")),
    m("no_keepdims", {LN: "could not be broadcast together", DLN: "it needs layer_norm_forward first"}, "", (CENTRED, "    centred = a - a.mean(axis=1)\n"), verdict=None),
    # layer normalisation, backward
    m("statistics_held", DLN, "the statistics are held constant in the backward", (DA, "da = dn / sigma")),
    m("sigma_held", DLN, "sigma is held constant in the backward", (DA, "da = (dn - by_mu) / sigma")),
    m("mu_held", DLN, "mu is held constant in the backward", (DA, "da = (dn - by_sigma) / sigma")),
    m("sums_for_means", DLN, "sums over the units in the place of the two means",
      ("by_mu = dn.mean(axis=1", "by_mu = dn.sum(axis=1"), ("by_sigma = n * (dn * n).mean(axis=1", "by_sigma = n * (dn * n).sum(axis=1")),
    m("gain_forgotten_behind", DLN, "da lacks the gain", ("dn = g * dy ", "dn = dy ")),
    m("dg_of_a", DLN, "dg lacks the division by sigma", ("dg = (dy * n).sum(axis=0)", "dg = (dy * n * sigma).sum(axis=0)")),
    m("averaged_over_the_batch", DLN, "dg and db are averaged over the batch",
      ("dg = (dy * n).sum(axis=0)", "dg = (dy * n).mean(axis=0)"), ("db = dy.sum(axis=0)", "db = dy.mean(axis=0)")),
    m("dg_not_summed", DLN, "sum over it", ("dg = (dy * n).sum(axis=0)", "dg = dy * n")),
    m("means_over_the_batch", DLN, "the two means of the backward are taken over the batch",
      ("by_mu = dn.mean(axis=1", "by_mu = dn.mean(axis=0"), ("by_sigma = n * (dn * n).mean(axis=1", "by_sigma = n * (dn * n).mean(axis=0")),
    m("not_divided_by_sigma", DLN, "da lacks the division by sigma", (DA, "da = dn - by_mu - by_sigma")),
    m("divided_by_sigma_squared", DLN, "da is divided by sigma^2", (DA, DA + "**2")),
    m("gain_twice", DLN, "da has the gain twice", ("dn = g * dy ", "dn = g * g * dy ")),
    m("sign_of_the_third_term", DLN, "da[", (DA, "da = (dn - by_mu + by_sigma) / sigma")),
    # the LSTM, forward
    m("normalised_cell_carried", STEP, "the normalised cell is carried: LN(c') is for the output alone",
      ("return h_next, c_next, cache", "return h_next, g_c * of_c[0] + b_c, cache")),
    m("bare_cell_carried", STEP, "the normalised cell is carried (without gain and bias)", ("return h_next, c_next, cache", "return h_next, of_c[0], cache")),
    m("norm_of_the_sum_of_gained_products", {STEP: "the sum g_h W_h h + g_x W_x x is normalised", DSTEP: FD}, "",
      (OF_BOTH, "of_x = of_h = normalise(g_x * (x @ W_x.T) + g_h * (h @ W_h.T))\n"), (GATES, "a = of_h[0] + b ")),
    m("per_gate", {STEP: "the statistics are taken gate by gate", DSTEP: FD}, "", ("    " + OF_BOTH, BY_GATE)),
    m("bare_deviation_in_the_step", STEP, "LN of a vector of zeros is 0 / sqrt(0 + eps) = 0",
      (RSTD, "std = a.std(axis=1, keepdims=True); rstd = 1 / (std * np.sqrt(1 + eps / std**2))")),
    m("norm_of_the_sum", {STEP: "the sum W_h h + W_x x is normalised (with the gain g_h)", DSTEP: FD}, "",
      (OF_BOTH, "of_x = of_h = normalise(x @ W_x.T + h @ W_h.T)\n"), (GATES, "a = g_h * of_h[0] + b ")),
    m("norm_of_the_sum_with_the_other_gain", {STEP: "the sum W_h h + W_x x is normalised (with the gain g_x)", DSTEP: FD}, "",
      (OF_BOTH, "of_x = of_h = normalise(x @ W_x.T + h @ W_h.T)\n"), (GATES, "a = g_x * of_h[0] + b ")),
    m("norm_of_the_sum_with_both_gains", {STEP: "the sum W_h h + W_x x is normalised (with both gains)", DSTEP: FD}, "",
      (OF_BOTH, "of_x = of_h = normalise(x @ W_x.T + h @ W_h.T)\n")),
    m("lstm_over_the_batch", {STEP: "the statistics are taken over the batch (axis 0)", DSTEP: FD}, "",
      ("        centred = a - a.mean(axis=1, keepdims=True)\n", "        centred = a - a.mean(axis=0, keepdims=True)\n"),
      (RSTD, RSTD.replace("axis=1", "axis=0"))),
    m("lstm_eps_outside", {STEP: "eps stands outside the root", DSTEP: FD}, "", (RSTD, "rstd = 1 / (np.sqrt((centred**2).mean(axis=1, keepdims=True)) + eps)")),
    m("lstm_unbiased", {STEP: "divided by the number of units less one", DSTEP: FD}, "", (RSTD, "rstd = 1 / np.sqrt(a.var(axis=1, ddof=1, keepdims=True) + eps)")),
    m("lstm_std_plus_eps", {STEP: "the unbiased deviation with eps outside the root", DSTEP: FD}, "", (RSTD, "rstd = 1 / (a.std(axis=1, ddof=1, keepdims=True) + eps)")),
    m("lstm_no_eps", STEP, "eps is not used", (RSTD, "rstd = 1 / np.sqrt((centred**2).mean(axis=1, keepdims=True))")),
    m("gains_swapped", {STEP: "the gains g_h and g_x are swapped", DSTEP: FD}, "", (GATES, "a = g_x * of_h[0] + g_h * of_x[0] + b ")),
    m("only_the_recurrent_product", {STEP: "only W_h h is normalised", DSTEP: FD}, "", (GATES, "a = g_h * of_h[0] + g_x * (x @ W_x.T) + b ")),
    m("only_the_input_product", {STEP: "only W_x x is normalised", DSTEP: FD}, "", (GATES, "a = g_h * (h @ W_h.T) + g_x * of_x[0] + b ")),
    m("bias_twice", {STEP: "b is added twice", DSTEP: FD}, "", (GATES, "a = g_h * of_h[0] + b + g_x * of_x[0] + b ")),
    m("bias_in_both_and_outside", {STEP: "b is added three times", DSTEP: FD}, "", (GATES, "a = g_h * of_h[0] + b + g_x * of_x[0] + b + b ")),
    m("cell_not_normalised", {STEP: "the cell is not normalised inside the output's tanh", DSTEP: FD}, "", ("t = np.tanh(g_c * of_c[0] + b_c)", "t = np.tanh(g_c * c_next + b_c)")),
    m("old_cell_normalised", {STEP: "the old cell is normalised in the output", DSTEP: FD}, "", ("of_c = normalise(c_next)", "of_c = normalise(c)")),
    m("no_output_tanh", {STEP: "the output's tanh is missing", DSTEP: FD}, "", ("t = np.tanh(g_c * of_c[0] + b_c)", "t = g_c * of_c[0] + b_c")),
    m("order_of_the_code", {STEP: "the order i, f, o, g of the authors' code", DSTEP: FD}, "", (PARTS, PARTS.replace("f, i, o, g", "i, f, o, g"))),
    m("order_of_pytorch", {STEP: "PyTorch's order i, f, g, o", DSTEP: FD}, "", (PARTS, PARTS.replace("f, i, o, g", "i, f, g, o"))),
    m("sigma_for_the_new_part", {STEP: "the new part goes through sigma", DSTEP: FD}, "", ("    g = np.tanh(g)", "    g = 1 / (1 + np.exp(-g))")),
    m("no_forget_gate", {STEP: "the forget gate is missing", DSTEP: FD}, "", ("c_next = f * c + i * g", "c_next = c + i * g")),
    m("results_swapped", STEP, "h' and c' are returned the other way round", ("return h_next, c_next, cache", "return c_next, h_next, cache")),
    # the LSTM, backward
    m("dc_ignored", DSTEP, "dc_next is not used", (MEMORY, "dmemory = through(g_c * dr, of_c) ")),
    m("dh_not_to_the_cell", DSTEP, "dh_next does not reach c'", (MEMORY, "dmemory = dc_next ")),
    m("all_statistics_held", DSTEP, "the statistics are held constant in the backward: mu and sigma depend", (THROUGH, "return rstd * dn")),
    m("sigma_held_everywhere", DSTEP, "sigma is held constant in the backward", (THROUGH, "return rstd * (dn - dn.mean(axis=1, keepdims=True))")),
    m("mu_held_everywhere", DSTEP, "mu is held constant in the backward", (THROUGH, "return rstd * (dn - n * (dn * n).mean(axis=1, keepdims=True))")),
    m("lstm_means_over_the_batch", DSTEP, "the two means of the backward are taken over the batch", (THROUGH, THROUGH.replace("axis=1", "axis=0"))),
    m("lstm_not_divided_by_sigma", DSTEP, "da lacks the division by sigma", (THROUGH, THROUGH.replace("rstd * ", ""))),
    m("cells_statistics_held", DSTEP, "the statistics of the cell are held constant", (MEMORY, "dmemory = dc_next + g_c * dr * of_c[1] ")),
    m("products_statistics_held", DSTEP, "the statistics of W_h h and W_x x are held constant",
      ("dx_sum = through(g_x * da, of_x) ", "dx_sum = g_x * da * of_x[1] "), ("dh_sum = through(g_h * da, of_h) ", "dh_sum = g_h * da * of_h[1] ")),
    m("dc_without_the_forget_gate", DSTEP, "dc lacks the factor sigma(f)", ("dc = dmemory * f\n", "dc = dmemory.copy()\n")),
    m("no_sigma_derivative", DSTEP, "the derivative of sigma, s (1 - s), is missing", ("do = dh_next * t * o * (1 - o) ", "do = dh_next * t "),
      ("df = dmemory * c * f * (1 - f)", "df = dmemory * c"), ("di = dmemory * g * i * (1 - i)", "di = dmemory * g")),
    m("no_tanh_derivative", DSTEP, "the derivative of the tanh of the new part", ("dg = dmemory * i * (1 - g * g)", "dg = dmemory * i")),
    m("no_output_tanh_derivative", DSTEP, "the derivative of the output's tanh", ("dr = dh_next * o * (1 - t * t) ", "dr = dh_next * o ")),
    # batch normalisation
    m("unbiased_in_y", BN, "y is normalised with the unbiased variance", ("np.sqrt(var + eps) + b\n", "np.sqrt(a.var(axis=0, ddof=1) + eps) + b\n")),
    m("biased_average", BN, "running_var takes the variance divided by B", ("momentum * var * B / (B - 1)", "momentum * var")),
    m("variances_swapped", BN, "the two variances are swapped", ("np.sqrt(var + eps) + b\n", "np.sqrt(a.var(axis=0, ddof=1) + eps) + b\n"),
      ("momentum * var * B / (B - 1)", "momentum * var")),
    m("momentum_of_the_old", BN, "momentum is the weight of the old average", ("    B = len(a)\n", "    B, momentum = len(a), 1 - momentum\n")),
    m("batch_statistics_at_test", BN, "the statistics of the batch are used at test time", ("return g * (a - running_mean) / np.sqrt(running_var + eps) + b,", "return g * (a - a.mean(0)) / np.sqrt(a.var(0) + eps) + b,")),
    m("unbiased_before_it_is_asked_for", BN, "the running averages need no batch", ("    if not training:\n", "    unbiased = len(a) / (len(a) - 1)\n    if not training:\n")),
    m("averages_in_training", BN, "the running averages are used in training", ("y = g * (a - mu) / np.sqrt(var + eps) + b", "y = g * (a - running_mean) / np.sqrt(running_var + eps) + b")),
    m("bn_eps_outside", BN, "eps stands outside the root", ("np.sqrt(var + eps) + b\n", "(np.sqrt(var) + eps) + b\n"), ("np.sqrt(running_var + eps)", "(np.sqrt(running_var) + eps)")),
    m("averages_in_place", BN, "it writes into its argument running_mean", ("    new_mean = (1 - momentum) * running_mean + momentum * mu", "    running_mean *= 1 - momentum\n    running_mean += momentum * mu\n    new_mean = running_mean.copy()")),
    # the order violation
    m("order_turned_around", {E: "the order is turned around", DE: FD}, "", ("np.maximum(0, s[:, None, :] - im[None, :, :])", "np.maximum(0, im[None, :, :] - s[:, None, :])")),
    m("no_max", E, "the max(0, ...) is missing", ("np.maximum(0, s[:, None, :] - im[None, :, :])", "(s[:, None, :] - im[None, :, :])")),
    m("no_square", E, "the square is missing", ("E = (excess**2).sum(axis=2)", "E = excess.sum(axis=2)")),
    m("the_norm", E, "E is the norm; it is its square", ("E = (excess**2).sum(axis=2)", "E = np.sqrt((excess**2).sum(axis=2))")),
    m("mean_over_coordinates", E, "averaged over the coordinates", ("E = (excess**2).sum(axis=2)", "E = (excess**2).mean(axis=2)")),
    m("no_derivative_of_the_max", DE, "the derivative of the max is missing", ("cache = excess", "cache = s[:, None, :] - im[None, :, :]")),
    m("two_forgotten", DE, "the factor 2 of the square is missing", ("d = 2 * excess", "d = excess")),
    m("sign_of_the_image", DE, "the sign is wrong", ("dim = -d.sum(axis=0)", "dim = d.sum(axis=0)")),
]
