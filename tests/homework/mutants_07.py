"""Mistakes planted in the solution of exercise 7: where, what they replace, and what the checker must say."""

# ruff: noqa: E501 - a table, a mistake a line
from __future__ import annotations

from tests.homework.mutant import mutant as m

LOSS, DLOSS = "discriminator_loss_forward", "discriminator_loss_backward"
HINGE, DHINGE = "joint_embedding_loss_forward", "joint_embedding_loss_backward"
DRAW, DDRAW = "conditioning_augmentation_forward", "conditioning_augmentation_backward"
UP, DUP = "conv_transpose2d_forward", "conv_transpose2d_backward"

SOFTPLUS = "return np.maximum(s, 0) + np.log1p(np.exp(-np.abs(s)))"
SIGMOID = "        small = np.exp(-np.abs(s))                                               # never above 1\n        return np.where(s >= 0, 1, small) / (1 + small)"
TERMS = "softplus(-real_right), softplus(real_wrong), softplus(fake_right)"
TOTAL = "of_right.mean() + w * of_wrong.mean() + (1 - w) * of_fake.mean()"
RIGHT, WRONG, FAKE = "-dloss * sigmoid(-real_right)", "dloss * w * sigmoid(real_wrong)", "dloss * (1 - w) * sigmoid(fake_right)"
MEANS = ((" / len(real_right)  ", "  "), (" / len(real_wrong)", ""), (" / len(fake_right)", ""))

TEXTS, PICTURES = "np.maximum(1 + S - right[:, None], 0)", "np.maximum(1 + S - right[None, :], 0)"
SUM, CACHE = "(texts.sum() + pictures.sum()) / len(S)**2", "(theta, phi, texts, pictures)"
COUNTS, PULL = "dS = missed_texts + missed_pictures\n", "np.diag(missed_texts.sum(axis=1) + missed_pictures.sum(axis=0))"
SHARE, BACK = "dloss * dS / len(dS)**2", "return dS @ phi, dS.T @ theta"

KL, DKL, DC = "0.5 * (mu**2 + sigma**2 - 2 * log_sigma - 1).sum(axis=1).mean()", "dkl * (sigma**2 - 1) / len(mu)", "dc * epsilon * sigma"

WRITE, READ = 'np.einsum("ncij,co->noij", x, weight[:, :, a, b])', 'np.einsum("noij,co->ncij", read, weight[:, :, a, b])'
CUT, PAD = "full[:, :, padding:full.shape[2] - padding, padding:full.shape[3] - padding]", "((0, 0), (0, 0), (padding, padding), (padding, padding))"
FULL = "full = np.zeros((N, O, (H - 1) * stride + k, (W - 1) * stride + k))"
PLACES = "full[:, :, a:a + (H - 1) * stride + 1:stride, b:b + (W - 1) * stride + 1:stride]\n"


MUTANTS = [
    # the discriminator's loss, forward
    m("log_of_a_sigmoid", LOSS, "sigma(s) is 0 or 1 there, and its logarithm is lost\nlogits of 200 and 900", (SOFTPLUS, "return -np.log(1 - 1 / (1 + np.exp(-s)))")),
    m("log_of_a_clipped_sigmoid", LOSS, "sigma(s) is 0 or 1 there, and its logarithm is lost\nlogits of 200 and 900", (SOFTPLUS, "return -np.log(np.maximum(1 - 1 / (1 + np.exp(-np.clip(s, -500, 500))), 1e-12))")),
    m("softplus_overflows", LOSS, "in which no power is above 1\nlogits of 200 and 900", (SOFTPLUS, "return np.log1p(np.exp(s))")),
    m("the_slides_sign", LOSS, "this is L_D of Algorithm 1, which is to be ascended", (TOTAL, "-(" + TOTAL + ")")),
    m("wrong_pairs_are_right", LOSS, "the wrong pairs are taken for right ones", (TERMS, TERMS.replace("softplus(real_wrong)", "softplus(-real_wrong)")), (WRONG, "-dloss * w * sigmoid(-real_wrong)")),
    m("generated_are_real", LOSS, "the generated pictures are taken for real ones", (TERMS, TERMS.replace("softplus(fake", "softplus(-fake")), (FAKE, "-dloss * (1 - w) * sigmoid(-fake_right)")),
    m("labels_exchanged", LOSS, "0 and 1 are exchanged", (TERMS, "softplus(real_right), softplus(-real_wrong), softplus(-fake_right)"),
      (RIGHT, "dloss * sigmoid(real_right)"), (WRONG, "-dloss * w * sigmoid(-real_wrong)"), (FAKE, "-dloss * (1 - w) * sigmoid(-fake_right)")),
    m("no_weights", LOSS, "the weights are missing: w for the wrong pairs", (TOTAL, "of_right.mean() + of_wrong.mean() + of_fake.mean()"), (WRONG, WRONG.replace("w * ", "")), (FAKE, FAKE.replace("(1 - w) * ", ""))),
    m("no_weight_of_the_generated", LOSS, "the generated pictures have no weight", (TOTAL, TOTAL.replace("(1 - w) * ", "")), (FAKE, FAKE.replace("(1 - w) * ", ""))),
    m("no_weight_of_the_wrong", LOSS, "the wrong pairs have no weight", (TOTAL, TOTAL.replace("w * of_wrong", "of_wrong")), (WRONG, WRONG.replace("w * ", ""))),
    m("weights_exchanged", LOSS, "w and 1 - w are exchanged", (TOTAL, "of_right.mean() + (1 - w) * of_wrong.mean() + w * of_fake.mean()"), (WRONG, WRONG.replace("w *", "(1 - w) *")), (FAKE, FAKE.replace("(1 - w)", "w"))),
    m("w_for_both", LOSS, "w weighs both", (TOTAL, TOTAL.replace("(1 - w)", "w")), (FAKE, FAKE.replace("(1 - w)", "w"))),
    m("always_a_half", LOSS, "the weights are both 1/2", (TOTAL, "of_right.mean() + (of_wrong.mean() + of_fake.mean()) / 2"), (WRONG, WRONG.replace("w *", "0.5 *")), (FAKE, FAKE.replace("(1 - w)", "0.5"))),
    m("wrong_pairs_left_out", LOSS, "the wrong pairs are left out", (TOTAL, TOTAL.replace("w * of_wrong.mean() + ", ""))),
    m("sum_of_the_batch", LOSS, "summed over each batch; each term is a mean", (TOTAL, TOTAL.replace("mean", "sum")), *MEANS),
    m("logarithm_missing", LOSS, "the logarithm is missing", (SOFTPLUS, "return -1 / (1 + np.exp(np.clip(s, -700, 700)))")),
    m("one_loss_for_each_pair", {LOSS: "should be a scalar", DLOSS: ""}, "", (TOTAL, "of_right + w * of_wrong + (1 - w) * of_fake.mean()"), verdict=None),
    # the discriminator's loss, backward
    m("sum_behind", DLOSS, "each gradient is divided by the number of its pairs", *MEANS),
    m("weights_forgotten_behind", DLOSS, "the weights are missing in the gradient", (WRONG, WRONG.replace("w * ", "")), (FAKE, FAKE.replace("(1 - w) * ", ""))),
    m("gradient_of_D", DLOSS, "this is the gradient with respect to D = sigma(s)", (RIGHT, "-dloss / sigmoid(real_right)"), (WRONG, "dloss * w / sigmoid(-real_wrong)"), (FAKE, "dloss * (1 - w) / sigmoid(-fake_right)")),
    m("gradient_of_the_sigmoid", DLOSS, "you have that of the sigmoid, sigma (1 - sigma)", (RIGHT, RIGHT + " * sigmoid(real_right)"), (WRONG, WRONG + " * sigmoid(-real_wrong)"), (FAKE, FAKE + " * sigmoid(-fake_right)")),
    m("one_not_subtracted", DLOSS, "and you have sigma(s)", (RIGHT, "dloss * sigmoid(real_right)")),
    m("generated_held", DLOSS, "the logits of the generated pictures have a gradient", (FAKE, "0 * sigmoid(fake_right)")),
    m("sigmoid_overflows", DLOSS, "sigma(s) itself is e^s / (1 + e^s) for s < 0\nlogits of 200 and 900", (SIGMOID, "        return np.exp(s) / (1 + np.exp(s))")),
    m("two_exchanged", DLOSS, "real_wrong", ("return dreal_right, dreal_wrong, dfake_right", "return dreal_wrong, dreal_right, dfake_right")),
    m("dloss_unused", DLOSS, "the incoming gradient is ignored", (RIGHT, RIGHT.replace("dloss * ", "")), (WRONG, WRONG.replace("dloss * ", "")), (FAKE, FAKE.replace("dloss * ", ""))),
    # the joint embedding's hinge, forward
    m("with_the_diagonal", HINGE, "the sum runs over j = i, too, which adds 2 / B", ("1 - np.eye(len(S))", "np.ones_like(S)")),
    m("texts_only", HINGE, "only texts compete for a picture", (SUM, "texts.sum() / len(S)**2"), (CACHE, "(theta, phi, texts, 0 * pictures)")),
    m("pictures_only", HINGE, "only pictures compete for a text", (SUM, "pictures.sum() / len(S)**2"), (CACHE, "(theta, phi, 0 * texts, pictures)")),
    m("hardest_only", HINGE, "only the hardest rival of each is counted", (SUM, "(texts.max(axis=1).sum() + pictures.max(axis=0).sum()) / len(S)**2")),
    m("not_divided", HINGE, "the sum is not divided by B^2", (SUM, "texts.sum() + pictures.sum()"), (SHARE, "dloss * dS")),
    m("divided_by_B", HINGE, "divided by B; it is B^2", (SUM, "(texts.sum() + pictures.sum()) / len(S)"), (SHARE, "dloss * dS / len(dS)")),
    m("divided_by_the_rivals", HINGE, "divided by B (B - 1)", (SUM, "(texts.sum() + pictures.sum()) / rivals.sum()"), (SHARE, "dloss * dS / (len(dS) * (len(dS) - 1))")),
    m("signs_exchanged", {HINGE: "the signs in the hinge are exchanged", DHINGE: "finite differences"}, "", (TEXTS, "np.maximum(1 - S + right[:, None], 0)"), (PICTURES, "np.maximum(1 - S + right[None, :], 0)")),
    m("margin_forgotten", HINGE, "the margin is missing", (TEXTS, TEXTS.replace("1 + ", "")), (PICTURES, PICTURES.replace("1 + ", ""))),
    m("margin_negative", HINGE, "the margin has the wrong sign", (TEXTS, TEXTS.replace("1 +", "-1 +")), (PICTURES, PICTURES.replace("1 +", "-1 +"))),
    m("no_hinge", HINGE, "the hinge is missing", (TEXTS, "(1 + S - right[:, None])"), (PICTURES, "(1 + S - right[None, :])"), (CACHE, "(theta, phi, rivals, rivals)")),
    m("squared", HINGE, "the hinge is squared", (TEXTS, TEXTS + "**2"), (PICTURES, PICTURES + "**2")),
    m("cosines", {HINGE: "S is of cosines", DHINGE: "finite differences"}, "", ("S = theta @ phi.T", "S = theta @ phi.T / np.linalg.norm(theta, axis=1)[:, None] / np.linalg.norm(phi, axis=1)")),
    m("counted", HINGE, "the 0-1 loss is counted", (SUM, "((texts > 0).sum() + (pictures > 0).sum()) / len(S)**2")),
    # the joint embedding's hinge, backward
    m("right_pair_forgotten", DHINGE, "S_ii has no gradient", (PULL, "0")),
    m("pulled_once", DHINGE, "S_ii gets one -1 for each direction", (PULL, "np.diag(1.0 * missed_texts.any(axis=1) + missed_pictures.any(axis=0))")),
    m("texts_only_behind", DHINGE, "one direction only: texts that compete", (COUNTS, "dS = missed_texts\n"), (PULL, "np.diag(missed_texts.sum(axis=1))")),
    m("pictures_only_behind", DHINGE, "one direction only: pictures that compete", (COUNTS, "dS = missed_pictures\n"), (PULL, "np.diag(missed_pictures.sum(axis=0))")),
    m("share_forgotten_behind", DHINGE, "the gradient is not divided by B^2", (SHARE, "dloss * dS")),
    m("dS_not_transposed", DHINGE, "dphi takes dS as it is", (BACK, BACK.replace("dS.T", "dS"))),
    m("pushed_at_the_corner", DHINGE, "at the corner of [a]_+, a = 0\nevery margin is just kept", (CACHE, "(theta, phi, (1 + S - right[:, None] >= 0) * rivals, (1 + S - right[None, :] >= 0) * rivals)")),
    # conditioning augmentation
    m("ln_of_the_variance", {DRAW: "what is given is ln sigma, not ln sigma^2", DDRAW: ""}, "", ("sigma = np.exp(log_sigma)", "sigma = np.exp(log_sigma / 2)"), verdict=None),
    m("sigma_itself", {DRAW: "what is given is ln sigma, not sigma", DDRAW: ""}, "", ("sigma = np.exp(log_sigma)", "sigma = log_sigma"), verdict=None),
    m("times_the_variance", DRAW, "epsilon is multiplied by the variance", ("c = mu + sigma * epsilon\n    kl", "c = mu + sigma**2 * epsilon\n    kl")),
    m("half_forgotten", DRAW, "the factor 1/2 of the KL is missing", (KL, KL.replace("0.5 * ", "")), ("dkl * mu / len(mu)", "2 * dkl * mu / len(mu)"), (DKL, "2 * " + DKL)),
    m("kl_below_0", DRAW, "the KL has the wrong sign", (KL, "-" + KL), ("dc + dkl * mu", "dc - dkl * mu"), ("+ " + DKL, "- " + DKL)),
    m("ln_sigma_once", DRAW, "the KL takes ln sigma where ln sigma^2", (KL, KL.replace("2 * log", "log"))),
    m("kl_without_minus_1", DRAW, "the KL lacks the -1", (KL, KL.replace(" - 1)", ")"))),
    m("kl_without_mu", DRAW, "the KL lacks mu^2", (KL, KL.replace("mu**2 + ", "")), ("dc + dkl * mu / len(mu)", "1.0 * dc")),
    m("kl_of_every_number", DRAW, "averaged over its numbers, too", (KL, KL.replace(".sum(axis=1)", "")), ("dkl * mu / len(mu)", "dkl * mu / mu.size"), (DKL, DKL.replace("len(mu)", "mu.size"))),
    m("kl_summed", DRAW, "the KL is summed over the texts", (KL, KL.replace(".sum(axis=1).mean()", ".sum()")), ("dkl * mu / len(mu)", "dkl * mu"), (DKL, DKL.replace(" / len(mu)", ""))),
    m("ln_of_sigma_squared", DRAW, "sigma^2 is 0 there, and its logarithm lost\nsigma = e^-400", (KL, KL.replace("2 * log_sigma", "np.log(sigma**2)"))),
    m("epsilon_forgotten_behind", DDRAW, "epsilon is missing in the gradient", (DC, "dc * sigma")),
    m("epsilon_twice_behind", DDRAW, "epsilon is there twice", (DC, DC + " * epsilon")),
    m("exp_forgotten_behind", DDRAW, "the derivative of exp is missing", (DC, "dc * epsilon")),
    m("kl_forgotten_behind", DDRAW, "dkl is not used", ("dc + dkl * mu / len(mu)", "1.0 * dc"), (" + " + DKL, "")),
    m("half_forgotten_behind", DDRAW, "the factor 1/2 of the KL is missing in its gradient", ("dc + dkl * mu", "dc + 2 * dkl * mu"), (DKL, "2 * " + DKL)),
    m("kl_below_0_behind", DDRAW, "the gradient of the KL has the wrong sign", ("dc + dkl * mu", "dc - dkl * mu"), ("+ " + DKL, "- " + DKL)),
    m("kl_summed_behind", DDRAW, "the gradient of the KL is divided by the number of texts", ("dkl * mu / len(mu)", "dkl * mu"), (DKL, DKL.replace(" / len(mu)", ""))),
    m("draw_forgotten_behind", DDRAW, "dc is not used", ("dc + dkl * mu", "dkl * mu"), (DC + " + ", "")),
    # the transposed convolution
    m("flipped", UP, "the kernel is flipped", (WRITE, WRITE.replace("a, b]", "k - 1 - a, k - 1 - b]"))),
    m("channels_exchanged", UP, "in- and out-channels of the weight are exchanged", (WRITE, WRITE.replace("co->", "oc->"))),
    m("rows_for_columns", UP, "the rows and columns of the kernel are exchanged", (WRITE, WRITE.replace("a, b]", "b, a]"))),
    m("no_stride", {UP: "the stride is not used", DUP: ""}, "", ("    (N, _, H, W), (_, O, k, _) = x.shape", "    stride = 1\n    (N, _, H, W), (_, O, k, _) = x.shape"), verdict=None),
    m("side_by_side", UP, "neighbouring inputs write 1 apart", (PLACES, "full[:, :, a:a + H, b:b + W]\n")),
    m("overwritten", UP, "where copies of the kernel overlap the last one stays", ("places += ", "places[...] = ")),
    m("not_cut", {UP: "the padding is not used", DUP: ""}, "", (CUT, "full"), verdict=None),
    m("cut_at_the_first_end", {UP: "the padding is cut off at the first end only", DUP: ""}, "", (CUT, "full[:, :, padding:, padding:]"), verdict=None),
    m("cut_at_the_last_end", {UP: "the padding is cut off at the last end only", DUP: ""}, "", (CUT, "full[:, :, :full.shape[2] - padding, :full.shape[3] - padding]"), verdict=None),
    m("cut_twice_at_the_first_end", UP, "twice the padding is cut off at one end", (CUT, "full[:, :, 2 * padding:, 2 * padding:]")),
    m("cut_twice_at_the_last_end", UP, "twice the padding is cut off at the last end", (CUT, "full[:, :, :full.shape[2] - 2 * padding, :full.shape[3] - 2 * padding]")),
    m("no_bias", UP, "the bias is missing", ("y = y + bias[:, None, None]", "y = y + 0")),
    m("flipped_behind", DUP, "dx takes a flipped kernel", (READ, READ.replace("a, b]", "k - 1 - a, k - 1 - b]"))),
    m("both_flipped_behind", DUP, "dx and dweight are those of a flipped kernel", (READ, READ.replace("a, b]", "k - 1 - a, k - 1 - b]")), ("dweight[:, :, a, b] =", "dweight[:, :, k - 1 - a, k - 1 - b] =")),
    m("last_place_behind", DUP, "dx holds the last place of the kernel alone", ("dx += np", "dx = np")),
    m("channels_exchanged_behind", DUP, "in the backward in- and out-channels", (READ, READ.replace("co->", "oc->"))),
    m("padded_at_one_end", DUP, "what was cut off is put back at one end", (PAD, "((0, 0), (0, 0), (2 * padding, 0), (2 * padding, 0))")),
    m("dbias_averaged", DUP, "dbias is averaged", ("dy.sum(axis=(0, 2, 3))", "dy.mean(axis=(0, 2, 3))")),
    m("dbias_of_each_place", DUP, "dbias has shape", ("dy.sum(axis=(0, 2, 3))", "dy.sum(axis=0)")),
]
