"""Mistakes planted in the solution of exercise 9: where, what they replace, and what the checker must say."""

# ruff: noqa: E501 - a table, a mistake a line
from __future__ import annotations

from tests.homework.mutant import mutant as m

SOFT, DSOFT = "gumbel_softmax_forward", "gumbel_softmax_backward"
NLL, DNLL = "logit_laplace_nll_forward", "logit_laplace_nll_backward"
MASKS = "dalle_masks"
LOSS, DLOSS = "weighted_loss_forward", "weighted_loss_backward"

SHIFT = "        a = a - a.max(axis=1, keepdims=True)\n"
Z, LOG_Q = "z = np.exp(log_softmax((logits + g) / tau))  ", "log_q = log_softmax(logits)  "
KL = "kl = (np.exp(log_q) * log_q).sum(axis=1).mean() + np.log(logits.shape[1])"
THROUGH_Z, THROUGH_KL = "z * (dz - (z * dz).sum(axis=1, keepdims=True)) / tau", "dkl * q * (log_q - (q * log_q).sum(axis=1, keepdims=True)) / tokens"
BOTH = "dlogits = through_z + through_kl"

HALVES, MAPPED, A = "mu, ln_b = decoded[:, :3], decoded[:, 3:]", "y = (1 - 2 * eps) * x + eps", "a = np.log(y) - np.log(1 - y) - mu"
FAR, TERMS = "far = np.abs(a) * np.exp(-ln_b)", "nll = (np.log(2) + ln_b + np.log(y * (1 - y)) + far).mean()"
DMU, DLN_B, DDECODED = "dmu = -np.sign(a) * np.exp(-ln_b)", "dln_b = 1 - far", "ddecoded = dnll * np.concatenate([dmu, dln_b], axis=1) / a.size"

OFFSETS = "[d * width + e for d in range(half + 1) for e in range(-half, half + 1)]"
KINDS, TRI, CUT = "(back <= width, back % width == 0, np.isin(back, offsets))", "mask = np.tri(text + n, dtype=int) ", "mask[text:, text:] *= image"
DONE = "row, column, conv = masks\n"

SHARES = "((1 / 8, text_logits, text[:, 1:]), (7 / 8, image_logits, image))"
WEIGHTS, SHIFTED = "weights = share * there / max(there.sum(), 1)", "shifted = logits - logits.max(axis=2, keepdims=True)"
LOG_P, ONE_HOT = "log_p = shifted - np.log(np.exp(shifted).sum(axis=2, keepdims=True))", "one_hot = tokens[:, :, None] == np.arange(logits.shape[2])"
ADDED, BACK = "loss = loss - (weights", "dloss * weights[:, :, None] * (np.exp(log_p) - one_hot)"

MUTANTS = [
    # Gumbel-softmax, forward
    m("softmax_overflows", SOFT, "exp overflows: subtract the largest logit of each token first\nlogits near 1000", (SHIFT, "")),
    m("log_of_q", SOFT, "not as the logarithm of a q that may be 0\nlogits near 1000", (KL, KL.replace("* log_q", "* np.log(np.exp(log_q))"))),
    m("no_noise", SOFT, "the noise g is missing", (Z, Z.replace("logits + g", "logits"))),
    m("noise_subtracted", SOFT, "the noise g is subtracted", (Z, Z.replace("logits + g", "logits - g"))),
    m("tau_for_the_noise_alone", SOFT, "g is divided by tau alone", (Z, Z.replace("(logits + g) / tau", "logits + g / tau")), (THROUGH_Z, THROUGH_Z.replace(" / tau", ""))),
    m("tau_not_for_the_noise", SOFT, "g is not divided by tau", (Z, Z.replace("(logits + g) / tau", "logits / tau + g"))),
    m("times_tau", SOFT, "multiplied by tau; a small tau makes z hard", (Z, Z.replace("/ tau", "* tau")), (THROUGH_Z, THROUGH_Z.replace("/ tau", "* tau"))),
    m("no_tau", SOFT, "tau is not used", (Z, Z.replace("(logits + g) / tau", "logits + g")), (THROUGH_Z, THROUGH_Z.replace(" / tau", ""))),
    m("noise_on_probabilities", {SOFT: "the noise is added to probabilities", DSOFT: ""}, "", (Z, Z.replace("(logits + g)", "(np.exp(log_softmax(logits)) + g)")), verdict=None),
    m("hard_codes", SOFT, "z is the one-hot arg-max", (Z, "z = 1.0 * (logits + g == (logits + g).max(axis=1, keepdims=True))  ")),
    m("over_the_last_axis", {SOFT: "z is the softmax along the last axis", DSOFT: ""}, "", (Z, "z = np.exp((logits + g) / tau)\n    z = z / z.sum(axis=-1, keepdims=True)  "), verdict=None),
    m("over_the_batch", {SOFT: "z is the softmax over the batch", DSOFT: ""}, "", (Z, "z = np.exp((logits + g) / tau)\n    z = z / z.sum(axis=0, keepdims=True)  "), verdict=None),
    m("kl_of_z", {SOFT: "the KL is that of z", DSOFT: ""}, "", (LOG_Q, "log_q = log_softmax((logits + g) / tau)  "), verdict=None),
    m("kl_with_noise", SOFT, "the KL is that of the logits with noise", (LOG_Q, "log_q = log_softmax(logits + g)  ")),
    m("kl_with_tau", {SOFT: "the KL is that of logits / tau", DSOFT: ""}, "", (LOG_Q, "log_q = log_softmax(logits / tau)  "), verdict=None),
    m("kl_weighed_by_z", SOFT, "the KL weighs ln q by z", (KL, KL.replace("np.exp(log_q) *", "z *"))),
    m("kl_turned_round", SOFT, "this is the KL the other way round", (KL, "kl = -log_q.mean() - np.log(logits.shape[1])")),
    m("no_ln_K", SOFT, "ln K is missing in the KL", (KL, KL.replace(" + np.log(logits.shape[1])", ""))),
    m("entropy", SOFT, "this is the entropy of q", (KL, "kl = -(np.exp(log_q) * log_q).sum(axis=1).mean()"), (THROUGH_KL, "-" + THROUGH_KL)),
    m("kl_below_0", SOFT, "the KL has the wrong sign", (KL, KL.replace("(np.exp(log_q) * log_q)", "-(np.exp(log_q) * log_q)").replace("+ np", "- np")), (THROUGH_KL, "-" + THROUGH_KL)),
    m("kl_summed", SOFT, "the KL is summed over all tokens", (KL, "kl = (np.exp(log_q) * log_q + np.log(logits.shape[1]) / logits.shape[1]).sum()"), (THROUGH_KL, THROUGH_KL.replace(" / tokens", ""))),
    m("batchmean", SOFT, "PyTorch's 'batchmean'", (KL, "kl = (np.exp(log_q) * log_q + np.log(logits.shape[1]) / logits.shape[1]).sum() / len(logits)"), (THROUGH_KL, THROUGH_KL.replace("/ tokens", "/ len(q)"))),
    m("mean_over_the_codes", SOFT, "the KL is averaged over the K codes, too", (KL, "kl = (np.exp(log_q) * (log_q + np.log(logits.shape[1]))).mean()"), (THROUGH_KL, THROUGH_KL.replace("/ tokens", "/ q.size"))),
    m("kl_of_each_token", {SOFT: "kl has shape (2, 3, 2) and should be a scalar", DSOFT: ""}, "", (KL, KL.replace(".mean()", "")), verdict=None),
    m("in_place", SOFT, "it writes into its argument logits, which the caller still needs\nmutant.py, line", (Z, "logits += g\n    logits -= g\n    " + Z)),
    # Gumbel-softmax, backward
    m("straight_through", DSOFT, "that is straight-through", (THROUGH_Z, "dz")),
    m("no_jacobian", DSOFT, "the Jacobian of the softmax is missing: dlogits", (THROUGH_Z, "dz / tau")),
    m("half_a_jacobian", DSOFT, "half of the Jacobian of the softmax is missing: dlogits", (THROUGH_Z, "z * dz / tau")),
    m("sum_over_a_picture", DSOFT, "the sum in the Jacobian of the softmax runs over all of a picture", (THROUGH_Z, "z * (dz - (z * dz).sum(axis=(1, 2, 3), keepdims=True)) / tau")),
    m("sum_over_the_last_axis", DSOFT, "the sum in the Jacobian of the softmax runs over the last axis", (THROUGH_Z, THROUGH_Z.replace("axis=1", "axis=-1"))),
    m("tau_forgotten_behind", DSOFT, "the division by tau is missing in the backward", (THROUGH_Z, THROUGH_Z.replace(" / tau", ""))),
    m("kl_forgotten_behind", DSOFT, "dkl is not used", (BOTH, "dlogits = through_z")),
    m("z_forgotten_behind", DSOFT, "dz is not used", (BOTH, "dlogits = through_kl")),
    m("kl_without_jacobian", DSOFT, "the Jacobian of the softmax is missing in the gradient of the KL", (THROUGH_KL, "dkl * (log_q + np.log(q.shape[1]) + 1) / tokens")),
    m("kl_with_half_a_jacobian", DSOFT, "you have q * (ln q + ln K + 1)", (THROUGH_KL, "dkl * q * (log_q + np.log(q.shape[1]) + 1) / tokens")),
    m("kl_q_ln_qK", DSOFT, "you have q * (ln q + ln K)", (THROUGH_KL, "dkl * q * (log_q + np.log(q.shape[1])) / tokens")),
    m("kl_summed_behind", DSOFT, "the gradient of the KL is divided by the number of tokens", (THROUGH_KL, THROUGH_KL.replace(" / tokens", ""))),
    m("kl_divided_by_tau_behind", DSOFT, "the gradient of the KL is divided by tau", (THROUGH_KL, THROUGH_KL + " / tau")),
    m("kl_sign_behind", DSOFT, "the gradient of the KL has the wrong sign", (BOTH, "dlogits = through_z - through_kl")),
    m("kl_by_z", DSOFT, "the gradient of the KL takes z in the place of q", ("    q = np.exp(log_q)\n", "    log_q, q = np.log(z), z\n")),
    m("dkl_ignored", DSOFT, "finite differences", (THROUGH_KL, THROUGH_KL.replace("dkl * ", ""))),
    # logit-Laplace, forward
    m("log_of_the_density", NLL, "the density is 0 there in floating point, and its logarithm lost\nb near e^-9", (TERMS, "nll = -np.log(np.exp(-far) / (2 * np.exp(ln_b) * y * (1 - y))).mean()")),
    m("log_of_a_density_with_epsilon", NLL, "an epsilon in it makes another number\nb near e^-9", (TERMS, "nll = -np.log(np.exp(-far) / (2 * np.exp(ln_b) * y * (1 - y)) + 1e-12).mean()")),
    m("not_mapped", NLL, "the pixels are used as they are", (MAPPED, "y = x")),
    m("clipped", NLL, "the pixels are clipped to [eps, 1 - eps]", (MAPPED, "y = np.clip(x, eps, 1 - eps)")),
    m("one_eps", NLL, "the eps is added without room for it", (MAPPED, "y = (1 - eps) * x + eps")),
    m("always_a_tenth", NLL, "eps is always 0.1\nblack and white pixels", (MAPPED, "y = 0.8 * x + 0.1")),
    m("channels_take_turns", {NLL: "mu and ln b take turns among the channels", DNLL: ""}, "", (HALVES, "mu, ln_b = decoded[:, ::2], decoded[:, 1::2]"), verdict=None),
    m("ln_b_first", {NLL: "mu and ln b are exchanged", DNLL: ""}, "", (HALVES, "ln_b, mu = decoded[:, :3], decoded[:, 3:]"), verdict=None),
    m("mu_near_y", NLL, "mu is compared with y", (A, "a = y - mu")),
    m("sigmoid_of_mu", {NLL: "sigmoid(mu) is compared with y", DNLL: "finite differences"}, "", (A, "a = y - 1 / (1 + np.exp(-mu))")),
    m("logit_upside_down", NLL, "the logit has the wrong sign", (A, "a = np.log(1 - y) - np.log(y) - mu")),
    m("squared", NLL, "is squared (that is a Gaussian)", (FAR, "far = a**2 * np.exp(-ln_b)"), (DMU, "dmu = -2 * a * np.exp(-ln_b)")),
    m("sign_kept", NLL, "logit(y) - mu keeps its sign", (FAR, "far = a * np.exp(-ln_b)"), (DMU, "dmu = -np.exp(-ln_b)")),
    m("times_b", NLL, "|a| is multiplied by b", (FAR, FAR.replace("-ln_b", "ln_b")), (DMU, DMU.replace("-ln_b", "ln_b")), (DLN_B, "dln_b = 1 + far")),
    m("divided_by_ln_b", {NLL: "|a| is divided by ln b", DNLL: ""}, "", (FAR, "far = np.abs(a) / ln_b"), verdict=None),
    m("ln_of_b_squared", {NLL: "|a| is divided by the square root of b", DNLL: "finite differences"}, "", (FAR, FAR.replace("-ln_b", "-ln_b / 2"))),
    m("not_divided_by_b", NLL, "|a| is not divided by b", (FAR, "far = np.abs(a)"), (DMU, "dmu = -np.sign(a)"), (DLN_B, "dln_b = np.ones_like(a)")),
    m("no_ln_b", NLL, "ln b is missing in -ln f", (TERMS, TERMS.replace("+ ln_b ", "")), (DLN_B, "dln_b = -far")),
    m("ln_b_subtracted", NLL, "ln b has the wrong sign", (TERMS, TERMS.replace("+ ln_b ", "- ln_b ")), (DLN_B, "dln_b = -1 - far")),
    m("b_for_ln_b", NLL, "b stands where ln b should", (TERMS, TERMS.replace("+ ln_b ", "+ np.exp(ln_b) ")), (DLN_B, "dln_b = np.exp(ln_b) - far")),
    m("no_2", NLL, "ln 2 is missing", (TERMS, TERMS.replace("np.log(2) + ", ""))),
    m("density_of_the_logit", NLL, "this is the density of logit(y)", (TERMS, TERMS.replace("np.log(y * (1 - y)) + ", ""))),
    m("density_upside_down", NLL, "ln y (1 - y) has the wrong sign", (TERMS, TERMS.replace("+ np.log(y", "- np.log(y"))),
    m("density_of_the_pixel", NLL, "x (1 - x) of the pixel stands where", (TERMS, TERMS.replace("y * (1 - y)", "x * (1 - x)"))),
    m("y_alone", NLL, "ln(1 - y) is missing", (TERMS, TERMS.replace("y * (1 - y)", "y"))),
    m("likelihood", NLL, "this is ln f, which is to be ascended", (TERMS, TERMS.replace("nll = (", "nll = -(")), (DDECODED, DDECODED.replace("dnll *", "-dnll *"))),
    m("summed", NLL, "summed over everything", (TERMS, TERMS.replace("mean", "sum")), (DDECODED, DDECODED.replace(" / a.size", ""))),
    m("mean_over_pictures", NLL, "summed over the values of a picture", (TERMS, TERMS.replace("mean()", "sum() / len(x)")), (DDECODED, DDECODED.replace("a.size", "len(a)"))),
    m("mean_over_pixels", NLL, "divided by the number of pixels", (TERMS, TERMS.replace("mean()", "sum(axis=1).mean()")), (DDECODED, DDECODED.replace("a.size", "a[:, 0].size"))),
    m("mean_over_decoded", NLL, "divided by the 6 N H W elements", (TERMS, TERMS.replace("mean()", "sum() / decoded.size")), (DDECODED, DDECODED.replace("a.size", "(2 * a.size)"))),
    m("nll_of_each_value", {NLL: "nll has shape (2, 3, 2, 3) and should be a scalar", DNLL: ""}, "", (TERMS, TERMS.replace(".mean()", "")), verdict=None),
    # logit-Laplace, backward
    m("dmu_sign", DNLL, "the gradient of mu has the wrong sign", (DMU, DMU.replace("-np", "np"))),
    m("dmu_without_sign", DNLL, "the sign of a is missing in the gradient of mu", (DMU, "dmu = -np.exp(-ln_b)")),
    m("dmu_of_a_square", DNLL, "the gradient of mu is that of a square", (DMU, "dmu = -a * np.exp(-ln_b)")),
    m("dmu_without_b", DNLL, "1 / b is missing in the gradient of mu", (DMU, "dmu = -np.sign(a)")),
    m("db", DNLL, "this is the gradient with respect to b", (DLN_B, "dln_b = (1 - far) * np.exp(-ln_b)")),
    m("dln_b_without_1", DNLL, "the gradient of ln b lacks the 1", (DLN_B, "dln_b = -far")),
    m("dln_b_of_1", DNLL, "the gradient of ln b lacks -|a| / b", (DLN_B, "dln_b = np.ones_like(far)")),
    m("dln_b_times_b", DNLL, "in the gradient of ln b |a| is multiplied by b", (DLN_B, "dln_b = 1 - np.abs(a) * np.exp(ln_b)")),
    m("dln_b_0", DNLL, "the gradient of ln b is 0", (DLN_B, "dln_b = 0 * far")),
    m("halves_exchanged_behind", DNLL, "the two halves of ddecoded are exchanged", (DDECODED, DDECODED.replace("dmu, dln_b", "dln_b, dmu"))),
    m("summed_behind", DNLL, "the gradient is divided by the number of values", (DDECODED, DDECODED.replace(" / a.size", ""))),
    m("mean_over_pixels_behind", DNLL, "the gradient is divided by the number of pixels", (DDECODED, DDECODED.replace("a.size", "a[:, 0].size"))),
    m("mean_over_decoded_behind", DNLL, "the gradient is divided by the 6 N H W elements", (DDECODED, DDECODED.replace("a.size", "(2 * a.size)"))),
    m("a_slope_at_the_corner", DNLL, "the gradient of mu is taken to be 0\ngrey pixels, decoded exactly", (DMU, "dmu = np.where(a < 0, 1, -1) * np.exp(-ln_b)")),
    m("sign_by_division", DNLL, "the gradient of mu is taken to be 0\ngrey pixels, decoded exactly", (DMU, "dmu = -a / np.abs(a) * np.exp(-ln_b)")),
    m("dmu_alone", DNLL, "ddecoded has shape (2, 3, 2, 3) and should be (N=2, 6=6, H=2, W=3)", (DDECODED, "ddecoded = dnll * dmu / a.size")),
    m("dnll_unused", DNLL, "the incoming gradient is ignored", (DDECODED, DDECODED.replace("dnll * ", ""))),
    # the masks
    m("transposed", MASKS, "the masks are transposed", (CUT, CUT + "\n        mask = mask.T")),
    m("zero_and_one_exchanged", MASKS, "0 and 1 are exchanged", (DONE, "row, column, conv = (1 - mask for mask in masks)\n")),
    m("no_text", MASKS, "the image does not see the text", (CUT, CUT + "\n        mask[text:, :text] = 0")),
    m("text_sees_the_image", MASKS, "the text sees the image", (CUT, CUT + "\n        mask[:text, text:] = 1")),
    m("text_sees_all_text", MASKS, "every text token sees the whole text", (CUT, CUT + "\n        mask[:text, :text] = 1")),
    m("nobody_sees_itself", MASKS, "no token sees itself", (TRI, "mask = np.tri(text + n, k=-1, dtype=int) ")),
    m("the_same_row", MASKS, "row: only the same row", (KINDS, KINDS.replace("back <= width", "np.arange(n)[:, None] // width == np.arange(n) // width"))),
    m("row_too_short", MASKS, "row: one token is missing at the far end", (KINDS, KINDS.replace("back <= width", "back < width"))),
    m("row_too_long", MASKS, "row: one token too many", (KINDS, KINDS.replace("back <= width", "back <= width + 1"))),
    m("two_rows", MASKS, "row: the whole row above is seen", (KINDS, KINDS.replace("back <= width", "np.arange(n)[:, None] // width - np.arange(n) // width <= 1"))),
    m("row_sees_all", MASKS, "row: all earlier tokens are seen", (KINDS, KINDS.replace("back <= width", "back <= n"))),
    m("column_below", MASKS, "column: the rows below are seen", (CUT, CUT + "\n        if len(masks) == 1:\n            mask[text:, text:] = image")),
    m("column_by_height", MASKS, "column: a column is stepped through by `height`", (KINDS, KINDS.replace("% width", "% height"))),
    m("whole_kernel_to_each_side", MASKS, "conv: the offsets go to `kernel`", ("half = height * width, kernel // 2", "half = height * width, kernel")),
    m("corner_of_the_kernel", MASKS, "conv: the token is at the lower right corner", (OFFSETS, "[d * width + e for d in range(kernel) for e in range(kernel)]")),
    m("nothing_to_the_left", MASKS, "conv: nothing to the left is seen", (OFFSETS, OFFSETS.replace("half + 1)]", "1)]"))),
    m("nothing_to_the_right", MASKS, "conv: nothing to the right is seen", (OFFSETS, OFFSETS.replace("range(-half, half + 1)", "range(half + 1)"))),
    m("conv_later_in_the_row", MASKS, "conv: later tokens of the same row", (CUT, CUT + "\n        if len(masks) == 2:\n            mask[text:, text:] = image")),
    m("conv_in_the_grid", MASKS, "conv: the kernel ends at the edges of the grid",
      (KINDS, KINDS.replace("np.isin(back, offsets)", "(abs(np.arange(n)[:, None] % width - np.arange(n) % width) <= half) & (np.arange(n)[:, None] // width - np.arange(n) // width <= half)"))),
    m("height_for_width", MASKS, "height and width are exchanged", ("    n, half = ", "    height, width = width, height\n    n, half = ")),
    m("offsets_that_meet_are_added", MASKS, "two offsets may be the same\na kernel as wide as the grid is", (KINDS, KINDS.replace("np.isin(back, offsets)", "sum(1 * (back == offset) for offset in offsets)"))),
    m("a_slice_from_the_end", MASKS, "without text the masks are those of the image alone\nno text", (CUT, CUT + "\n        mask[-n:, :-n] = 1\n        mask[:text or None, :text or None] = np.tri(text or text + n)")),
    m("of_booleans", MASKS, "row holds bool and should hold integers", (DONE, "row, column, conv = (mask > 0 for mask in masks)\n")),
    m("of_floats", MASKS, "row is float64 and should hold integers", ("np.tri(text + n, dtype=int)", "np.tri(text + n)")),
    # the weighted loss, forward
    m("weights_exchanged", LOSS, "the weights are exchanged", (SHARES, "((7 / 8, text_logits, text[:, 1:]), (1 / 8, image_logits, image))")),
    m("no_weights", LOSS, "the weights are missing", (SHARES, "((1, text_logits, text[:, 1:]), (1, image_logits, image))")),
    m("halves", LOSS, "both kinds weigh the same", (SHARES, "((1 / 2, text_logits, text[:, 1:]), (1 / 2, image_logits, image))")),
    m("pads_are_targets", LOSS, "pads are counted as targets", ("there = tokens >= 0 ", "tokens = tokens % logits.shape[2]\n        there = tokens >= 0 ")),
    m("pads_are_added", LOSS, "-ln p of pads is added", (WEIGHTS, "weights = share / max(there.sum(), 1) + 0 * there"), (ONE_HOT, ONE_HOT.replace("tokens[:, :, None]", "tokens[:, :, None] % logits.shape[2]"))),
    m("pads_are_token_0", LOSS, "as if they were token 0", ("there = tokens >= 0 ", "tokens = np.maximum(tokens, 0)\n        there = tokens >= 0 ")),
    m("pads_are_counted", LOSS, "the cross-entropy of the text is divided by B (T - 1)", (WEIGHTS, "weights = share * there / there.size")),
    m("each_caption_first", LOSS, "each caption is averaged first", (WEIGHTS, "weights = share * there / np.maximum(there.sum(axis=1, keepdims=True), 1) / len(there)")),
    m("what_goes_in", LOSS, "the text's logits are compared with text[:, :-1]", (SHARES, SHARES.replace("1:]", ":-1]"))),
    m("sum_of_each_caption", LOSS, "summed over the tokens; each cross-entropy", (WEIGHTS, "weights = share * there / len(there)")),
    m("sum", LOSS, "summed over all targets", (WEIGHTS, "weights = share * there")),
    m("log_likelihood", LOSS, "the sign is wrong", (ADDED, "loss = loss + (weights"), (BACK, "-" + BACK)),
    m("no_log", LOSS, "the log is missing", ("(log_p * one_hot).sum", "(np.exp(log_p) * one_hot).sum")),
    m("over_the_positions", {LOSS: "the softmax is over the positions", DLOSS: ""}, "", (SHIFTED, SHIFTED.replace("axis=2", "axis=1")), (LOG_P, LOG_P.replace("axis=2", "axis=1")), verdict=None),
    m("nothing_over_nothing", LOSS, "not 0 / 0\ncaptions of pads only", (WEIGHTS, "weights = share * there / there.sum()")),
    m("loss_overflows", LOSS, "exp overflows: subtract the largest logit\nlogits near 1000", (SHIFTED, "shifted = logits")),
    m("log_of_a_softmax", LOSS, "not as the log of a softmax that may be 0\nlogits near 1000", (LOG_P, "log_p = np.log(np.exp(shifted) / np.exp(shifted).sum(axis=2, keepdims=True))")),
    # the weighted loss, backward
    m("weights_forgotten_behind", DLOSS, "the weights are missing in the gradient", ("cache.append((weights, ", "cache.append((weights / share, ")),
    m("one_hot_forgotten", DLOSS, "the one_hot is missing", (BACK, BACK.replace("(np.exp(log_p) - one_hot)", "np.exp(log_p)"))),
    m("p_forgotten", DLOSS, "the p is missing", (BACK, BACK.replace("(np.exp(log_p) - one_hot)", "-1.0 * one_hot"))),
    m("sum_behind", DLOSS, "the gradients are divided by the number of targets", ("cache.append((weights, ", "cache.append((share * there, ")),
    m("pads_counted_behind", DLOSS, "the gradient of the text's logits is divided by B (T - 1)", ("cache.append((weights, ", "cache.append((share * there / there.size, ")),
    m("pads_are_targets_behind", DLOSS, "the gradient of the text's logits has pads for targets", ("cache.append((weights, log_p, one_hot))", "cache.append((share / tokens.size + 0 * weights, log_p, tokens[:, :, None] % logits.shape[2] == np.arange(logits.shape[2])))")),
    m("one_hot_at_pads", DLOSS, "one_hot is there at the pads, too", ("cache.append((weights, log_p, one_hot))", "cache.append((share / max(there.sum(), 1) + 0 * weights, log_p, tokens[:, :, None] % logits.shape[2] == np.arange(logits.shape[2])))")),
    m("p_at_pads", DLOSS, "p is left at the pads", ("cache.append((weights, ", "cache.append((share / max(there.sum(), 1) + 0 * weights, ")),
    m("kinds_exchanged", DLOSS, "", ("return dtext_logits, dimage_logits", "return dimage_logits, dtext_logits")),
]
