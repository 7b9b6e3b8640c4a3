"""Mistakes planted in the solution of exercise 7: where, what they replace, and what the checker must say."""

# ruff: noqa: E501 - a table, a mistake a line
from __future__ import annotations

from tests.homework.mutant import mutant as m

LOSS, DLOSS = "discriminator_loss_forward", "discriminator_loss_backward"
HINGE, DHINGE = "joint_embedding_loss_forward", "joint_embedding_loss_backward"
DRAW, DDRAW = "conditioning_augmentation_forward", "conditioning_augmentation_backward"
UP, DUP = "conv_transpose2d_forward", "conv_transpose2d_backward"

STABLE = "return np.maximum(s, 0) + np.log1p(np.exp(-np.abs(s)))"
TEXTS, PICTURES = "np.maximum(0, 1 + S - right[:, None])", "np.maximum(0, 1 + S - right[None, :])"
KL = "kl = 0.5 * (mu**2 + sigma**2 - 2 * log_sigma - 1).sum(axis=1).mean()"
ADDED = "+= np.einsum(\"nchw,co->nohw\", x, weight[:, :, a, b])"
BACK = "dx += np.einsum(\"nohw,co->nchw\", window, weight[:, :, a, b])"

MUTANTS = [
    # the discriminator's loss
    m("overflow", LOSS, "-ln sigma(s) = ln(1 + e^-s) = max(-s, 0) + ln(1 + e^-|s|)", (STABLE, "return np.log1p(np.exp(s))")),
    m("log_of_a_sigmoid", LOSS, "sigma(s) is 0 or 1 there, and its logarithm lost", (STABLE, "return -np.log(1 - 1 / (1 + np.exp(-s)))")),
    m("the_slides_sign", {LOSS: "this is L_D of Algorithm 1, which is to be ascended", DLOSS: "finite differences"}, "",
      ("    cache = real_right, real_wrong", "    loss = -loss\n    cache = real_right, real_wrong")),
    m("wrong_pairs_are_real", LOSS, "the wrong pairs are taken for right ones", ("w * softplus(real_wrong)", "w * softplus(-real_wrong)"),
      ("dreal_wrong = dloss * w * sigma(real_wrong)", "dreal_wrong = -dloss * w * sigma(-real_wrong)")),
    m("no_weights", LOSS, "the weights are missing: w for the wrong pairs", ("w * softplus(real_wrong).mean() + (1 - w) * ", "softplus(real_wrong).mean() + "),
      ("dloss * w * sigma", "dloss * sigma"), ("dloss * (1 - w) * sigma", "dloss * sigma")),
    m("weights_exchanged", LOSS, "w and 1 - w are exchanged", ("w * softplus(real_wrong).mean() + (1 - w) *", "(1 - w) * softplus(real_wrong).mean() + w *"),
      ("dloss * w * sigma", "dloss * (1 - w) * sigma"), ("dloss * (1 - w) * sigma(fake", "dloss * w * sigma(fake")),
    m("sum_of_the_batch", LOSS, "summed over each batch; each term is a mean", ("softplus(-real_right).mean()", "softplus(-real_right).sum()"),
      ("softplus(real_wrong).mean()", "softplus(real_wrong).sum()"), ("softplus(fake_right).mean()", "softplus(fake_right).sum()"),
      (" / len(real_right)  ", "  "), (" / len(real_wrong)", ""), (" / len(fake_right)", "")),
    m("mean_forgotten_behind", DLOSS, "summed over each batch", (" / len(real_right)  ", "  "), (" / len(real_wrong)", ""), (" / len(fake_right)", "")),
    m("gradient_of_D", DLOSS, "this is the gradient with respect to D = sigma(s)", ("-dloss * sigma(-real_right)", "-dloss / sigma(real_right)"),
      ("w * sigma(real_wrong)", "w / sigma(-real_wrong)"), ("(1 - w) * sigma(fake_right)", "(1 - w) / sigma(-fake_right)")),
    m("sigma_for_sigma_minus_1", DLOSS, "and you have sigma(s)", ("-dloss * sigma(-real_right)", "dloss * sigma(real_right)")),
    m("sigmoid_overflows_behind", DLOSS, "max(-s, 0)", ("        e = np.exp(-np.abs(s))\n        return np.where(s >= 0, 1, e) / (1 + e)",
      "        return np.exp(s) / (1 + np.exp(s))")),
    # the joint embedding's hinge
    m("with_the_diagonal", {HINGE: "the sum runs over j = i, too, which adds 2 / B"}, "",
      ("    np.fill_diagonal(texts, 0)\n    np.fill_diagonal(pictures, 0)\n", ""), ("cache = theta, phi, texts > 0, pictures > 0",
      "there = ~np.eye(B, dtype=bool)\n    cache = theta, phi, (texts > 0) & there, (pictures > 0) & there")),
    m("texts_only", HINGE, "only texts compete for a picture", ("(texts.sum() + pictures.sum())", "texts.sum()"), ("texts > 0, pictures > 0", "texts > 0, 0 * pictures > 0")),
    m("hardest_only", {HINGE: "only the hardest rival of each is counted", DHINGE: "finite differences"}, "",
      ("(texts.sum() + pictures.sum())", "(texts.max(axis=1).sum() + pictures.max(axis=0).sum())")),
    m("not_over_B_squared", HINGE, "divided by B; it is B^2", ("pictures.sum()) / B**2", "pictures.sum()) / B"), ("dloss / len(dS)**2", "dloss / len(dS)")),
    m("signs_exchanged", {HINGE: "the signs in the hinge are exchanged", DHINGE: "finite differences"}, "",
      (TEXTS, "np.maximum(0, 1 - S + right[:, None])"), (PICTURES, "np.maximum(0, 1 - S + right[None, :])")),
    m("margin_forgotten", HINGE, "the margin is missing", (TEXTS, "np.maximum(0, S - right[:, None])"), (PICTURES, "np.maximum(0, S - right[None, :])")),
    m("no_hinge", HINGE, "the hinge is missing", (TEXTS, "1 + S - right[:, None]"), (PICTURES, "1 + S - right[None, :]"),
      ("texts > 0, pictures > 0", "~np.eye(B, dtype=bool), ~np.eye(B, dtype=bool)")),
    m("diagonal_of_dS_forgotten", DHINGE, "S_ii has no gradient", ("    dS[np.diag_indices(len(dS))] -= texts.sum(axis=1) + pictures.sum(axis=0)   # and -1 to the right pair\n", "")),
    m("one_direction_behind", DHINGE, "one direction only: texts that compete for a picture", ("texts.astype(float) + pictures", "texts.astype(float)"),
      ("-= texts.sum(axis=1) + pictures.sum(axis=0)", "-= texts.sum(axis=1)")),
    m("both_exchanged", DHINGE, "dtheta and dphi are returned in each other's place", ("return dS @ phi, dS.T @ theta", "return dS.T @ theta, dS @ phi")),
    # conditioning augmentation
    m("log_variance", {DRAW: "what is given is ln sigma, not ln sigma^2", DDRAW: "finite differences"}, "", ("sigma = np.exp(log_sigma)", "sigma = np.exp(log_sigma / 2)"), verdict=None),
    m("half_forgotten", DRAW, "the factor 1/2 of the KL is missing", ("kl = 0.5 * (mu", "kl = (mu"), ("dc + dkl * mu", "dc + 2 * dkl * mu"),
      ("dkl * (sigma**2 - 1)", "2 * dkl * (sigma**2 - 1)")),
    m("ln_sigma_once", {DRAW: "the KL takes ln sigma where ln sigma^2", DDRAW: "finite differences"}, "", ("- 2 * log_sigma - 1)", "- log_sigma - 1)"), verdict=None),
    m("kl_of_every_number", DRAW, "averaged over its numbers, too", (".sum(axis=1).mean()", ".mean()"), ("dkl * mu / len(mu)", "dkl * mu / mu.size"),
      ("dkl * (sigma**2 - 1) / len(mu)", "dkl * (sigma**2 - 1) / mu.size")),
    m("epsilon_behind", DDRAW, "epsilon is missing in the gradient", ("dc * sigma * epsilon", "dc * sigma")),
    m("exp_behind", DDRAW, "the derivative of exp is missing", ("dc * sigma * epsilon", "dc * epsilon")),
    m("kl_without_gradient", DDRAW, "dkl is not used", ("dc + dkl * mu / len(mu)", "dc"), (" + dkl * (sigma**2 - 1) / len(mu)", "")),
    # transposed convolution
    m("flipped", {UP: "the kernel is flipped", DUP: "finite differences"}, "", ("x, weight[:, :, a, b])\n    y =", "x, weight[:, :, k - 1 - a, k - 1 - b])\n    y =")),
    m("overwritten", {UP: "", DUP: "finite differences"}, "", (ADDED, ADDED[1:])),
    m("cut_at_one_end", {UP: "twice the padding is cut off at one end", DUP: "finite differences"}, "",
      ("whole[:, :, padding:whole.shape[2] - padding, padding:whole.shape[3] - padding]", "whole[:, :, 2 * padding:, 2 * padding:]")),
    m("bias_forgotten", UP, "the bias is missing", (" + bias[:, None, None]", ""), ("dweight, dy.sum(axis=(0, 2, 3))", "dweight, 0 * dy.sum(axis=(0, 2, 3))")),
    m("flipped_behind", DUP, "x has the gradient of a flipped kernel", (BACK, BACK.replace("a, b]", "k - 1 - a, k - 1 - b]"))),
    m("mean_of_the_bias", DUP, "the gradient of the bias is averaged", ("dweight, dy.sum(axis=(0, 2, 3))", "dweight, dy.mean(axis=(0, 2, 3))")),
]
