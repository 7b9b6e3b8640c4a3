"""Mistakes planted in the solution of exercise 4: where, what they replace, and what the checker must say."""

# ruff: noqa: E501 - a table, a mistake a line
from __future__ import annotations

from tests.homework.mutant import mutant as m

FORWARD, BACKWARD = "soft_attention_forward", "soft_attention_backward"
PENALTY, DPENALTY = "doubly_stochastic_forward", "doubly_stochastic_backward"
HARD, DHARD = "hard_attention_forward", "hard_attention_backward"
BASELINE = "moving_average_baseline"


SOFTMAX = ("    alpha = np.exp(e - e.max(axis=1, keepdims=True))\n    alpha = alpha / alpha.sum(axis=1, keepdims=True)\n")
DE = "de = alpha * (g - (alpha * g).sum(axis=1, keepdims=True))"
BONUS = "bonus = -alpha * (log_alpha + entropy[:, :, None])"

MUTANTS = [
    # soft attention, forward
    m("softmax_over_the_batch", FORWARD, "the softmax is taken over the batch (axis 0)",
      (SOFTMAX, "    alpha = np.exp(e - e.max(axis=0))\n    alpha = alpha / alpha.sum(axis=0)\n"),
      (DE, "de = alpha * (g - (alpha * g).sum(axis=0))")),
    m("softmax_over_everything", FORWARD, "batch and locations at once",
      (SOFTMAX, "    alpha = np.exp(e - e.max())\n    alpha = alpha / alpha.sum()\n"), (DE, "de = alpha * (g - (alpha * g).sum())")),
    m("mean_instead_of_sum", FORWARD, "z is divided by L",
      ("z = (alpha[:, :, None] * a).sum(axis=1)", "z = (alpha[:, :, None] * a).mean(axis=1)"),
      ("a, h, W_a, W_h, u, t, alpha = cache\n", "a, h, W_a, W_h, u, t, alpha = cache\n    dz = dz / a.shape[1]\n")),
    m("no_tanh", {FORWARD: "the tanh is missing", BACKWARD: "finite differences of your forward"}, "",
      ("t = np.tanh(a @ W_a.T + (h @ W_h.T)[:, None, :])", "t = a @ W_a.T + (h @ W_h.T)[:, None, :]")),
    m("overflow", FORWARD, "subtract the largest score", (SOFTMAX, "    alpha = np.exp(e)\n    alpha = alpha / alpha.sum(1, keepdims=True)\n")),
    m("float32", {FORWARD: "z is float32, though every input is float64", BACKWARD: "it needs soft_attention_forward first"}, "",
      ("t = np.tanh(a @ W_a.T", "a, h, W_a, W_h, u = (x.astype(np.float32) for x in (a, h, W_a, W_h, u))\n    t = np.tanh(a @ W_a.T"),
      verdict=None),
    m("keepdims", {FORWARD: "axis 1 of length 1 is one too many (keepdims?)", BACKWARD: "it needs soft_attention_forward first"}, "",
      ("z = (alpha[:, :, None] * a).sum(axis=1)", "z = (alpha[:, :, None] * a).sum(axis=1, keepdims=True)"), verdict=None),
    m("transposed_alpha", {FORWARD: "alpha has shape (5, 3) and should be (B=3, L=5)\nlikely: transposed", BACKWARD: "needs"}, "",
      ("return z, alpha, cache", "return z, alpha.T, cache"), verdict=None),
    m("writes_into_its_input", {FORWARD: "it writes into its argument a, which the caller still needs\nmutant.py, line"}, "",
      ("    t = np.tanh(a @ W_a.T", "    a -= 0.5\n    t = np.tanh(a @ W_a.T")),
    m("only_one_image", FORWARD, "(in the case: one image)",
      ("z = (alpha[:, :, None] * a).sum(axis=1)", "z = np.squeeze((alpha[:, :, None] * a).sum(axis=1))")),
    m("keeps_state", {FORWARD: "a second call with the same arguments gives another result", BACKWARD: "soft_attention_forward gives another result at each call"}, "",
      ("def soft_attention_forward", "calls = []\n\n\ndef soft_attention_forward"),
      ("e = t @ u ", "calls.append(1)\n    e = t @ u * len(calls)"), verdict=None),
    # soft attention, backward
    m("no_softmax_jacobian", BACKWARD, "the Jacobian of the softmax is missing", (DE, "de = g")),
    m("half_of_the_jacobian", BACKWARD, "half of the Jacobian of the softmax is missing", (DE, "de = alpha * g")),
    m("diagonal_of_the_jacobian", BACKWARD, "only the diagonal of the Jacobian", (DE, "de = alpha * (1 - alpha) * g")),
    m("no_tanh_derivative", BACKWARD, "the derivative of the tanh, 1 - tanh^2, is missing", (" * u * (1 - t * t)", " * u")),
    m("assigned_instead_of_added", BACKWARD, "only the way through the scores is there: z = sum_i alpha_i a_i also holds a itself, "
      "and both ways add up (`=` in place of `+=`?)", ("da += ds @ W_a", "da = ds @ W_a")),
    m("only_through_the_context", BACKWARD, "only the way through z is there", ("    da += ds @ W_a    ", "    #")),
    m("dalpha_ignored", BACKWARD, "dalpha is not used", ("g = dalpha + (a * dz", "g = (a * dz")),
    m("dz_not_to_alpha", BACKWARD, "dz does not reach alpha", ("g = dalpha + (a * dz[:, None, :]).sum(axis=2)", "g = dalpha")),
    m("sign_of_du", BACKWARD, "the sign is wrong", ("du = (t * de", "du = -(t * de")),
    m("twice_dh", BACKWARD, "a constant factor: 2 times", ("dh = ds @ W_h", "dh = 2 * ds @ W_h")),
    m("transposed_dW_a", BACKWARD, "dW_a has shape (4, 6) and should be (K=6, D=4)\nlikely: transposed", ('"blk,bld->kd"', '"blk,bld->dk"')),
    m("averaged_over_the_batch", BACKWARD, "a constant factor: 1/3", ("dW_h = ds.T @ h", "dW_h = ds.T @ h / len(h)")),
    m("dh_not_summed", BACKWARD, "axis 1 of length 5 is one too many: sum over it",
      ("    ds = ds.sum(axis=1)  ", "    dW_h = ds.sum(axis=1).T @ h #"), ("    dW_h = ds.T @ h\n", "")),
    m("wrong_number_of_gradients", BACKWARD, "it returns 4 values and should return the 5 values da, dh, dW_a, dW_h, du",
      ("return da, dh, dW_a, dW_h, du", "return da, dh, dW_a, dW_h")),
    m("gradients_in_the_wrong_order", BACKWARD, "dW_a and dW_h are returned in each other's place",
      ("return da, dh, dW_a, dW_h, du", "return da, dh, dW_h, dW_a, du")),
    m("writes_into_its_cotangent", BACKWARD, "it writes into its argument dalpha, which the caller still needs\nmutant.py, line",
      ("    g = dalpha + (a * dz[:, None, :]).sum(axis=2)", "    dalpha += (a * dz[:, None, :]).sum(axis=2)\n    g = dalpha")),
    m("spoils_a_result", BACKWARD, "it writes into the forward's result alpha, which the caller still needs\nmutant.py, line",
      ("    da = alpha[:, :, None] * dz", "    alpha *= 1.5\n    da = alpha[:, :, None] * dz")),
    m("spoils_a_weight", BACKWARD, "it writes into the forward's argument W_a, which the caller still needs\nmutant.py, line",
      ("    return da, dh, dW_a, dW_h, du", "    W_a -= 0.1 * dW_a\n    return da, dh, dW_a, dW_h, du")),
    m("spoils_its_cache", BACKWARD, "asked again, the backward gives another gradient (seen in da, dh, dW_a, dW_h, du)\nmutant.py, line",
      ("    return da, dh, dW_a, dW_h, du", "    t *= t\n    return da, dh, dW_a, dW_h, du")),
    m("float32_gradient", BACKWARD, "du is float32", ("du = (t * de[:, :, None]).sum(axis=(0, 1))", "du = (t * de[:, :, None]).sum(axis=(0, 1), dtype=np.float32)")),
    m("nan_gradient", BACKWARD, "elements are not finite", ("    return da, dh, dW_a, dW_h, du", "    du[1] = np.log(-1.0)\n    return da, dh, dW_a, dW_h, du")),
    m("raises", BACKWARD, "ValueError: matmul", ("dh = ds @ W_h", "dh = ds @ W_h.T"), verdict="error"),
    # the doubly stochastic penalty
    m("mask_forgotten", PENALTY, "the mask is not used: padded steps are part of no caption",
      ("words = mask[:, :, None].astype(alpha.dtype)", "words = np.ones_like(alpha)")),
    m("mask_turned_around", PENALTY, "the mask is turned around", ("words = mask[:, :, None].as", "words = (~mask[:, :, None]).as")),
    m("mean_over_locations", PENALTY, "averaged over the locations",
      ("(missing**2).sum(axis=1)", "(missing**2).mean(axis=1)")),
    m("summed_over_the_batch", {PENALTY: "summed over the batch", DPENALTY: "it needs doubly_stochastic_forward first"}, "",
      ("(missing**2).sum(axis=1)", "(missing**2).sum()"), verdict=None),
    m("lambda_forgotten", PENALTY, "lam is not used", ("penalty = lam * (", "penalty = ("), ("-2 * lam * missing", "-2 * missing")),
    m("sums_swapped", PENALTY, "squared before the sum",
      ("missing = tau - (alpha * words).sum(axis=1)          # (B, L)\n    penalty = lam * (missing**2).sum(axis=1)",
       "missing = tau - (alpha * words).sum(axis=1)\n    penalty = lam * ((tau - alpha) ** 2 * words).sum(axis=(1, 2))")),
    m("two_forgotten", DPENALTY, "a constant factor: 1/2", ("-2 * lam * missing", "-lam * missing")),
    m("sign_flipped", DPENALTY, "the sign is wrong", ("-2 * lam * missing", "2 * lam * missing")),
    m("mask_forgotten_behind", DPENALTY, "the mask is used forward only",
      ("dalpha = dcoverage[:, None, :] * words", "dalpha = np.repeat(dcoverage[:, None, :], words.shape[1], axis=1)")),
    m("cotangent_ignored", DPENALTY, "the incoming gradient is ignored", ("missing * dpenalty[:, None]", "missing")),
    m("not_broadcast_over_the_steps", DPENALTY, "dalpha has shape (3, 5) and should be (B=3, T=4, L=5)\nlikely: axis 1 (T) is missing",
      ("return dalpha", "return dcoverage")),
    # hard attention
    m("scores_overflow", HARD, "compute log alpha as e - max e - log sum exp(e - max e)", ("shifted = e - e.max(axis=2, keepdims=True)", "shifted = e")),
    m("log_of_a_softmax", HARD, "not as the log of a softmax that may be 0",
      ("log_alpha = shifted - np.log(np.exp(shifted).sum(axis=2, keepdims=True))", "log_alpha = np.log(np.exp(shifted) / np.exp(shifted).sum(axis=2, keepdims=True))")),
    m("loss_instead_of_objective", HARD, "the sign is turned around", ("    cache = alpha, log_alpha", "    J = -J\n    cache = alpha, log_alpha"),
      ("    N, T, L = alpha.shape\n", "    N, T, L = alpha.shape\n    dJ = -dJ\n")),
    m("sum_over_paths", HARD, "summed over the paths", ("* mask).sum(axis=1)).mean()", "* mask).sum(axis=1)).sum()"),
      ("de = dJ / N * (", "de = dJ * (")),
    m("no_baseline", HARD, "the baseline b is not used", ("reward = log_p - b ", "reward = log_p ")),
    m("baseline_added", HARD, "the baseline is added", ("reward = log_p - b ", "reward = log_p + b ")),
    m("lambda_r_forgotten", HARD, "lambda_r is not used", ("log_p + lambda_r * score", "log_p + score"), ("(lambda_r * score +", "(score +")),
    m("entropy_sign", {HARD: "the entropy has the wrong sign", DHARD: "finite differences"}, "",
      ("entropy = -(alpha * log_alpha)", "entropy = (alpha * log_alpha)")),
    m("no_mask_in_hard", HARD, "the mask is not used: padded steps are part of no path",
      ("(drawn * mask)", "drawn"), ("(entropy * mask)", "entropy"), (" * mask[:, :, None]\n    dlog_p", "\n    dlog_p")),
    m("no_mask_in_the_entropy", HARD, "the mask is missing in the sum of the entropies",
      ("(entropy * mask)", "entropy")),
    m("first_term_forgotten", HARD, "the first term, log_p itself, is missing", ("J = (log_p + lambda_r", "J = (lambda_r")),
    m("zero_log_zero", HARD, "log alpha as e - max e", ("log_alpha = shifted - np.log(np.exp(shifted).sum(axis=2, keepdims=True))",
      "log_alpha = np.log(np.exp(shifted) / np.exp(shifted).sum(axis=2, keepdims=True))")),
    m("reward_not_constant", DHARD, "the reward is not held constant",
      ("dlog_p = np.full(N, dJ / N)", "dlog_p = dJ / N * (1 + lambda_r * (np.take_along_axis(log_alpha, s[:, :, None], 2)[:, :, 0] * mask).sum(1))")),
    m("one_hot_alone", DHARD, "the - alpha is missing", ("* (one_hot - alpha)", "* one_hot")),
    m("entropy_for_alpha", DHARD, "the Jacobian of the softmax is missing; together they give", (BONUS, "bonus = -(log_alpha + 1)")),
    m("entropy_half", DHARD, "you have -alpha (log alpha + 1)", (BONUS, "bonus = -alpha * (log_alpha + 1)")),
    m("entropy_without_gradient", DHARD, "the entropy term is missing", (BONUS, "bonus = 0 * alpha")),
    m("padded_gradient", DHARD, "the mask is not used: padded steps are part of no path", (" * mask[:, :, None]\n    dlog_p", "\n    dlog_p")),
    m("mean_forgotten", DHARD, "summed over the paths", ("de = dJ / N * (", "de = dJ * (")),
    # the baseline
    m("updated_before_use", BASELINE, "the baseline is updated before it is used",
      ("        advantage[k] = rewards - baseline\n        baseline = 0.9 * baseline + 0.1 * rewards.mean()\n",
       "        baseline = 0.9 * baseline + 0.1 * rewards.mean()\n        advantage[k] = rewards - baseline\n")),
    m("weights_swapped", BASELINE, "0.9 and 0.1 are swapped", ("0.9 * baseline + 0.1 *", "0.1 * baseline + 0.9 *")),
    m("sum_over_the_mini_batch", BASELINE, "summed over the mini-batch", ("rewards.mean()", "rewards.sum()")),
    m("baseline_of_the_cost", BASELINE, "the advantage has the wrong sign", ("= rewards - baseline", "= baseline - rewards")),
    m("baseline_one_late", BASELINE, "b holds b_0 to b_{M-1}", ("        b[k] = baseline\n", ""),
      ("        advantage[k] =", "        b[k] = baseline\n        advantage[k] =")),
    m("centres_in_place", BASELINE, "it writes into its argument log_p", ("        advantage[k] = rewards - baseline\n", "        mean = rewards.mean()\n"
      "        rewards -= baseline\n        advantage[k] = rewards\n"), ("0.1 * rewards.mean()", "0.1 * mean")),
]
