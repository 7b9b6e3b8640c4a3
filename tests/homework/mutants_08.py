"""Mistakes planted in the solution of exercise 8: where, what they replace, and what the checker must say."""

# ruff: noqa: E501 - a table, a mistake a line
from __future__ import annotations

from tests.homework.mutant import mutant as m

LOSS, DLOSS = "clip_loss_forward", "clip_loss_backward"
POOL, DPOOL = "attention_pool_forward", "attention_pool_backward"
ZERO, MERGE = "zero_shot", "bpe_merge"

LENGTHS = "    length_i = np.sqrt((z_i**2).sum(axis=1, keepdims=True))                      # (n, 1)\n    length_t = np.sqrt((z_t**2).sum(axis=1, keepdims=True))"
EMBEDDINGS = "I_e, T_e = z_i / length_i, z_t / length_t"
SOFTMAX = "        shifted = logits - logits.max(axis=axis, keepdims=True)\n        log_p.append(shifted - np.log(np.exp(shifted).sum(axis=axis, keepdims=True)))"
DLOGITS = "dlogits = dloss / (2 * n) * (p_0 + p_1 - 2 * np.eye(n))"
DZ_I = "dz_i = (dI_e - I_e * (I_e * dI_e).sum(axis=1, keepdims=True)) / length_i"
DZ_T = "dz_t = (dT_e - T_e * (T_e * dT_e).sum(axis=1, keepdims=True)) / length_t"

TOKENS = "s = np.concatenate([x.mean(axis=1, keepdims=True), x], axis=1) + positions"
QUERY = "q = (s[:, :1] @ W_q.T).reshape(B, 1, heads, d).swapaxes(1, 2)"
KEYS = "k = (s @ W_k.T).reshape(B, L + 1, heads, d).swapaxes(1, 2)"
VALUES = "v = (s @ W_v.T).reshape(B, L + 1, heads, d).swapaxes(1, 2)"
WEIGHTS = "    alpha = np.exp(e - e.max(axis=3, keepdims=True))\n    alpha = alpha / alpha.sum(axis=3, keepdims=True)\n"
DE = "de = alpha * (g - (alpha * g).sum(axis=3, keepdims=True)) / np.sqrt(d)"
DS = "ds = dk @ W_k + dv @ W_v "
DX = "dx = ds[:, 1:] + ds[:, :1] / L"

EACH = "each = prompts / np.linalg.norm(prompts, axis=2, keepdims=True)"
AGAIN = "    weights = weights / np.linalg.norm(weights, axis=1, keepdims=True)\n"
IMAGES = "I_e = images / np.linalg.norm(images, axis=1, keepdims=True)"
FIRST = "pair = min(possible, key=rank.get)"

MUTANTS = [
    # the loss, forward
    m("normalised_before_the_projection", {LOSS: "the features are normalised before the projection", DLOSS: "finite differences"}, "",
      (EMBEDDINGS, "I_e = I_f / np.linalg.norm(I_f, axis=1, keepdims=True) @ W_i\n    T_e = T_f / np.linalg.norm(T_f, axis=1, keepdims=True) @ W_t")),
    m("not_normalised", LOSS, "the embeddings are not normalised", (EMBEDDINGS, "I_e, T_e = z_i, z_t"), (DZ_I, "dz_i = dI_e"), (DZ_T, "dz_t = dT_e")),
    m("texts_not_normalised", LOSS, "the embeddings of the texts are not normalised", (EMBEDDINGS, "I_e, T_e = z_i / length_i, z_t"), (DZ_T, "dz_t = dT_e")),
    m("images_not_normalised_in_the_loss", LOSS, "the embeddings of the images are not normalised", (EMBEDDINGS, "I_e, T_e = z_i, z_t / length_t"), (DZ_I, "dz_i = dI_e")),
    m("normalised_over_the_batch", {LOSS: "the embeddings are normalised over the batch", DLOSS: "finite differences"}, "", (LENGTHS, LENGTHS.replace("axis=1", "axis=0"))),
    m("square_root_missing", {LOSS: "the embeddings are divided by their squared length", DLOSS: "finite differences"}, "", (LENGTHS, LENGTHS.replace("np.sqrt", ""))),
    m("times_t", {LOSS: "the cosines are multiplied by t; t is a logarithm", DLOSS: "dt is"}, "", ("scale = np.exp(t)", "scale = t + 0.0")),
    m("divided_by_the_scale", {LOSS: "the cosines are divided by e^t", DLOSS: "dt is"}, "", ("scale = np.exp(t)", "scale = np.exp(-t)")),
    m("no_scale", {LOSS: "e^t is missing", DLOSS: "dt is"}, "", ("scale = np.exp(t)", "scale = 1.0")),
    m("bounded", LOSS, "e^t is bounded by 100 here", ("scale = np.exp(t)", "scale = np.minimum(np.exp(t), 100.0)")),
    m("only_rows", LOSS, "only the cross-entropy along axis 1 is there (each image among the texts)", ("loss = (loss_i + loss_t) / 2", "loss = loss_t")),
    m("same_axis_twice", LOSS, "only the cross-entropy along axis 0 is there", ("for axis in (0, 1)", "for axis in (0, 0)")),
    m("one_softmax", {LOSS: "there is one softmax over all n^2 logits", DLOSS: "finite differences"}, "",
      (SOFTMAX, "        shifted = logits - logits.max()\n        log_p.append(shifted - np.log(np.exp(shifted).sum()))")),
    m("added", LOSS, "the two cross-entropies are added", ("loss = (loss_i + loss_t) / 2", "loss = loss_i + loss_t"), ("dloss / (2 * n)", "dloss / n")),
    m("summed_over_the_pairs", LOSS, "summed over the pairs", ("-np.diag(lp).mean()", "-np.diag(lp).sum()"), ("dloss / (2 * n)", "dloss / 2")),
    m("mean_of_the_matrix", LOSS, "divided by n^2", ("-np.diag(lp).mean()", "-(lp * np.eye(len(lp))).mean()"), ("dloss / (2 * n)", "dloss / (2 * n * n)")),
    m("sign", LOSS, "the sign is wrong: the loss is minus", ("-np.diag(lp).mean()", "np.diag(lp).mean()"), ("dloss / (2 * n)", "-dloss / (2 * n)")),
    m("no_log", LOSS, "the log is missing", ("-np.diag(lp).mean()", "-np.diag(np.exp(lp)).mean()")),
    m("one_loss_for_each_pair", {LOSS: "loss has shape (4,) and should be a scalar\nlikely: each pair has a loss of its own", DLOSS: "it needs clip_loss_forward first"}, "",
      ("-np.diag(lp).mean()", "-np.diag(lp)"), verdict=None),
    m("overflow", LOSS, "subtract the largest logit of each row (or column)", ("shifted = logits - logits.max(axis=axis, keepdims=True)", "shifted = logits")),
    m("log_of_a_softmax", LOSS, "not as the log of a softmax that may be 0",
      ("log_p.append(shifted - np.log(np.exp(shifted).sum(axis=axis, keepdims=True)))", "log_p.append(np.log(np.exp(shifted) / np.exp(shifted).sum(axis=axis, keepdims=True)))")),
    m("clips_t_in_place", LOSS, "it writes into its argument t, which the caller still needs\nmutant.py, line", ("    scale = np.exp(t)", "    t += 1e-9\n    scale = np.exp(t)")),
    m("axes_of_length_1_dropped", LOSS, "one pair has nothing to be told apart from", ("-np.diag(lp).mean()", "-np.diag(lp.squeeze()).mean()")),
    # the loss, backward
    m("columns_forgotten", DLOSS, "the gradient of the cross-entropy along axis 0 is missing", (DLOGITS, "dlogits = dloss / (2 * n) * (p_1 - np.eye(n))")),
    m("rows_forgotten", DLOSS, "the gradient of the cross-entropy along axis 1 is missing", (DLOGITS, "dlogits = dloss / (2 * n) * (p_0 - np.eye(n))")),
    m("rows_twice", DLOSS, "only the cross-entropy along axis 1 is there", (DLOGITS, "dlogits = dloss / n * (p_1 - np.eye(n))")),
    m("one_hot_once", DLOSS, "the one_hot is subtracted once", (DLOGITS, "dlogits = dloss / (2 * n) * (p_0 + p_1 - np.eye(n))")),
    m("one_hot_missing", DLOSS, "the one_hot is missing", (DLOGITS, "dlogits = dloss / (2 * n) * (p_0 + p_1)")),
    m("mean_forgotten", DLOSS, "summed over the pairs", (DLOGITS, DLOGITS.replace("(2 * n)", "2"))),
    m("half_forgotten", DLOSS, "the two cross-entropies are added", (DLOGITS, DLOGITS.replace("(2 * n)", "n"))),
    m("no_jacobian", DLOSS, "the Jacobian of the normalisation is missing", (DZ_I, "dz_i = dI_e"), (DZ_T, "dz_t = dT_e")),
    m("half_a_jacobian", DLOSS, "as if the length were a constant", (DZ_I, "dz_i = dI_e / length_i"), (DZ_T, "dz_t = dT_e / length_t")),
    m("half_a_jacobian_of_the_images", DLOSS, "as if the length were a constant", (DZ_I, "dz_i = dI_e / length_i")),
    m("length_forgotten", DLOSS, "the division by |z| is missing", (DZ_I, DZ_I.replace(" / length_i", "")), (DZ_T, DZ_T.replace(" / length_t", ""))),
    m("dt_of_the_scale", DLOSS, "dt is the gradient with respect to e^t", ("dt = (dlogits * logits).sum()", "dt = (dlogits * logits).sum() / scale")),
    m("dt_zero", DLOSS, "dt is 0, but t is learned, too", ("dt = (dlogits * logits).sum()", "dt = 0.0")),
    m("dt_not_summed", DLOSS, "dt has shape (4, 4) and should be a scalar", ("dt = (dlogits * logits).sum()", "dt = dlogits * logits")),
    m("scale_forgotten_behind", DLOSS, "the factor e^t is missing on the way from the logits to the embeddings",
      ("dI_e = scale * dlogits", "dI_e = dlogits"), ("dT_e = scale * dlogits.T", "dT_e = dlogits.T")),
    m("texts_like_images", DLOSS, "dT_e takes dlogits as it is", ("scale * dlogits.T @ I_e", "scale * dlogits @ I_e")),
    m("images_like_texts", DLOSS, "dI_e takes dlogits transposed", ("scale * dlogits @ T_e", "scale * dlogits.T @ T_e")),
    m("dW_transposed", DLOSS, "dW_i has shape (3, 5) and should be (d_i=5, d_e=3)\nlikely: transposed", ("I_f.T @ dz_i", "dz_i.T @ I_f")),
    m("dloss_ignored", DLOSS, "the incoming gradient is ignored", ("dloss / (2 * n)", "1 / (2 * n)")),
    # the attention pool, forward
    m("not_scaled", POOL, "the scores are not divided by sqrt(d)", ("@ k.swapaxes(2, 3) / np.sqrt(d)", "@ k.swapaxes(2, 3)"), (DE, DE.replace(" / np.sqrt(d)", ""))),
    m("scaled_by_all_features", POOL, "the scores are divided by sqrt(D)", ("@ k.swapaxes(2, 3) / np.sqrt(d)", "@ k.swapaxes(2, 3) / np.sqrt(D)"), (DE, DE.replace("sqrt(d)", "sqrt(D)"))),
    m("scaled_without_a_root", POOL, "the scores are divided by d; it is sqrt(d)", ("@ k.swapaxes(2, 3) / np.sqrt(d)", "@ k.swapaxes(2, 3) / d"), (DE, DE.replace("np.sqrt(d)", "d"))),
    m("weights_transposed", {POOL: "W_q, W_k and W_v are transposed", DPOOL: "finite differences"}, "",
      (QUERY, QUERY.replace(".T", "")), (KEYS, KEYS.replace(".T", "")), (VALUES, VALUES.replace(".T", ""))),
    m("mean_is_not_asked", {POOL: "the mean only asks", DPOOL: ""}, "",
      (KEYS, KEYS.replace("(s @", "(s[:, 1:] @").replace("L + 1", "L")), (VALUES, VALUES.replace("(s @", "(s[:, 1:] @").replace("L + 1", "L")), verdict=None),
    m("no_positions", {POOL: "the positions are not added", DPOOL: "dpositions"}, "", (TOKENS, TOKENS.replace(" + positions", ""))),
    m("mean_without_position", {POOL: "the mean has no position", DPOOL: "dpositions"}, "", (TOKENS, TOKENS.replace("x], axis=1) + positions", "x + positions[1:]], axis=1)"))),
    m("query_without_position", {POOL: "the query is the mean without its position", DPOOL: "dpositions"}, "", (QUERY, QUERY.replace("s[:, :1]", "x.mean(axis=1, keepdims=True)"))),
    m("positions_before_the_mean", {POOL: "the mean is taken after the positions were added", DPOOL: "dpositions"}, "",
      (TOKENS, TOKENS.replace("[x.mean", "[(x + positions[1:]).mean"))),
    m("mean_last", {POOL: "the first location asks", DPOOL: "finite differences"}, "", (TOKENS, TOKENS.replace("[x.mean(axis=1, keepdims=True), x]", "[x, x.mean(axis=1, keepdims=True)]"))),
    m("mean_last_and_asking", {POOL: "the mean comes last", DPOOL: "finite differences"}, "",
      (TOKENS, TOKENS.replace("[x.mean(axis=1, keepdims=True), x]", "[x, x.mean(axis=1, keepdims=True)]")), (QUERY, QUERY.replace("s[:, :1]", "s[:, -1:]"))),
    m("sum_for_the_mean", POOL, "the first token is the sum over the locations", (TOKENS, TOKENS.replace("x.mean", "x.sum")), (DX, DX.replace(" / L", ""))),
    m("every_token_asks", {POOL: "every token asks, and the answers are averaged", DPOOL: "operands could not be broadcast"}, "",
      (QUERY, QUERY.replace("s[:, :1]", "s").replace("(B, 1,", "(B, L + 1,")), ("z = (alpha @ v).reshape(B, D)", "z = (alpha @ v).mean(axis=2).reshape(B, D)"), verdict=None),
    m("one_head", POOL, "there is one head with all D features", ("    d = D // heads\n", "    heads, d = 1, D\n")),
    m("heads_cut_at_once", {POOL: "the heads are cut wrongly", DPOOL: "finite differences"}, "",
      (KEYS, "k = (s @ W_k.T).reshape(B, heads, L + 1, d)"), (VALUES, "v = (s @ W_v.T).reshape(B, heads, L + 1, d)")),
    m("heads_take_turns", {POOL: "the heads take turns with the features", DPOOL: "finite differences"}, "",
      (QUERY, "q = (s[:, :1] @ W_q.T).reshape(B, 1, d, heads).transpose(0, 3, 1, 2)"), (KEYS, "k = (s @ W_k.T).reshape(B, L + 1, d, heads).transpose(0, 3, 1, 2)"),
      (VALUES, "v = (s @ W_v.T).reshape(B, L + 1, d, heads).transpose(0, 3, 1, 2)"), ("z = (alpha @ v).reshape(B, D)", "z = (alpha @ v).transpose(0, 2, 3, 1).reshape(B, D)")),
    m("softmax_over_the_heads", {POOL: "the softmax is over the heads", DPOOL: "finite differences"}, "", (WEIGHTS, WEIGHTS.replace("axis=3", "axis=1"))),
    m("softmax_over_the_batch", {POOL: "the softmax is over the batch", DPOOL: "finite differences"}, "", (WEIGHTS, WEIGHTS.replace("axis=3", "axis=0"))),
    m("no_softmax", {POOL: "the softmax is missing", DPOOL: "finite differences"}, "", (WEIGHTS, "    alpha = e\n")),
    m("keys_for_values", {POOL: "W_k and W_v are swapped", DPOOL: "finite differences"}, "",
      (KEYS, KEYS.replace("W_k", "W_v")), (VALUES, VALUES.replace("W_v", "W_k"))),
    m("scores_overflow", POOL, "subtract the largest score of each image and head", ("np.exp(e - e.max(axis=3, keepdims=True))", "np.exp(e)")),
    m("axis_left_over", {POOL: "z has shape (3, 1, 6) and should be (B=3, D=6)\nlikely: axis 1 of length 1 is one too many", DPOOL: "it needs attention_pool_forward first"}, "",
      ("z = (alpha @ v).reshape(B, D)", "z = (alpha @ v).reshape(B, 1, D)"), verdict=None),
    # the attention pool, backward
    m("no_softmax_jacobian", DPOOL, "the Jacobian of the softmax is missing", (DE, "de = g / np.sqrt(d)")),
    m("half_a_softmax_jacobian", DPOOL, "half of the Jacobian of the softmax is missing", (DE, "de = alpha * g / np.sqrt(d)")),
    m("scale_forgotten", DPOOL, "the division by sqrt(d) is missing in the backward", (DE, DE.replace(" / np.sqrt(d)", ""))),
    m("mean_forgotten_behind", DPOOL, "the way through the mean is missing", (DX, "dx = ds[:, 1:]")),
    m("mean_not_divided", DPOOL, "the gradient of the mean is handed to each location whole", (DX, "dx = ds[:, 1:] + ds[:, :1]")),
    m("query_forgotten", DPOOL, "the way through the query is missing", ("    ds[:, :1] += dq @ W_q ", "    # ")),
    m("query_alone", DPOOL, "the first token gets the gradient of the query alone", ("ds[:, :1] += dq @ W_q", "ds[:, :1] = dq @ W_q")),
    m("keys_forgotten", DPOOL, "the way through the keys is missing", (DS, "ds = dv @ W_v ")),
    m("values_forgotten", DPOOL, "the way through the answers W_v s is missing", (DS, "ds = dk @ W_k ")),
    m("positions_for_each_image", DPOOL, "dpositions has shape (3, 5, 6) and should be (L+1=5, D=6)\nlikely: axis 0 of length 3 is one too many: sum over it",
      ("dpositions = ds.sum(axis=0)", "dpositions = ds")),
    m("positions_averaged", DPOOL, "dpositions is averaged over the images", ("dpositions = ds.sum(axis=0)", "dpositions = ds.mean(axis=0)")),
    m("dW_q_transposed", DPOOL, "transposed", ('dW_q = np.einsum("bmi,bmj->ij", dq, s[:, :1])', 'dW_q = np.einsum("bmi,bmj->ji", dq, s[:, :1])')),
    # the zero-shot classifier
    m("prompts_not_normalised", ZERO, "the prompts are averaged as they are", (EACH, "each = prompts")),
    m("mean_not_normalised", ZERO, "the mean is not normalised", (AGAIN, "")),
    m("nothing_normalised", ZERO, "nothing is normalised", (EACH, "each = prompts"), (AGAIN, "")),
    m("along_the_prompts", ZERO, "the prompts are normalised along the wrong axis", (EACH, EACH.replace("axis=2", "axis=1"))),
    m("mean_over_the_classes", ZERO, "likely: averaged over the classes (axis 0)", ("each.mean(axis=1)", "each.mean(axis=0)")),
    m("first_prompt", ZERO, "only the first prompt of each class", ("each.mean(axis=1)", "each[:, 0]")),
    m("images_not_normalised", ZERO, "the embeddings of the images are not normalised", (IMAGES, "I_e = images")),
    m("mean_normalised_over_the_classes", ZERO, "the mean is normalised over the classes", (AGAIN, AGAIN.replace("axis=1", "axis=0"))),
    m("images_normalised_over_the_batch", ZERO, "the images are normalised over the batch", (IMAGES, IMAGES.replace("axis=1", "axis=0"))),
    m("no_hundred", ZERO, "the logits are the cosines", ("100 * I_e", "I_e")),
    m("probabilities", ZERO, "the logits went through a softmax", ("    label = ", "    logits = np.exp(logits)\n    logits /= logits.sum(axis=1, keepdims=True)\n    label = ")),
    m("logits_transposed", ZERO, "logits has shape (4, 7) and should be (N=7, C=4)\nlikely: transposed", ("return weights, logits, label", "return weights, logits.T, label")),
    m("least_likely", ZERO, "label is the least likely class", ("logits.argmax(axis=1)", "logits.argmin(axis=1)")),
    m("image_of_each_class", ZERO, "label holds the likeliest image of each class", ("logits.argmax(axis=1)", "logits.argmax(axis=0)")),
    m("counted_from_one", ZERO, "label[0] is 4 and should be 3 (7 of 7 elements are off)\nlikely: label counts from 1", ("logits.argmax(axis=1)", "logits.argmax(axis=1) + 1")),
    m("label_of_zeros", ZERO, "elements are off)\nlikely: label is zero everywhere", ("logits.argmax(axis=1)", "np.zeros(len(logits), dtype=int)")),
    m("label_doubled", ZERO, "label[0] is 6 and should be 3 (7 of 7 elements are off)", ("logits.argmax(axis=1)", "2 * logits.argmax(axis=1)")),
    m("label_of_floats", ZERO, "label is float64 and should hold integers\nlikely: np.zeros and np.empty make float64", ("logits.argmax(axis=1)", "logits.argmax(axis=1) * 1.0")),
    m("label_of_booleans", ZERO, "label holds bool and should hold integers", ("logits.argmax(axis=1)", "logits.argmax(axis=1) > 0")),
    m("normalised_in_place", ZERO, "it writes into its argument images, which the caller still needs\nmutant.py, line",
      (IMAGES, "images /= np.linalg.norm(images, axis=1, keepdims=True)\n    I_e = images")),
    # byte-pair merges
    m("leftmost_pair", MERGE, "the leftmost pair is merged that is in the table", (FIRST, "pair = possible[0]")),
    m("highest_rank", MERGE, "the pair of the highest rank is merged first", (FIRST, FIRST.replace("min", "max"))),
    m("one_merge", MERGE, "one merge is done, and no more", ("        word = shorter\n", "        word = shorter\n        break\n")),
    m("once_each", MERGE, "only the first place of each pair is merged",
      (FIRST, FIRST + "\n        row = rank.pop(pair)"), ("merges[rank[pair], 2]", "merges[row, 2]"),
      ("== pair:", "== pair and joined not in shorter:")),
    m("from_the_right", MERGE, "where the places of a pair overlap they are taken from the right",
      (FIRST, FIRST + "\n        word = word[::-1]"), ("== pair:", "== pair[::-1]:"), ("word = shorter", "word = shorter[::-1]")),
    m("either_order", MERGE, "the order within a pair is not looked at", ("== pair:", "in (pair, pair[::-1]):")),
    m("rank_for_the_symbol", MERGE, "a pair is replaced by its rank", ("joined = int(merges[rank[pair], 2])", "joined = rank[pair]")),
    m("longest_first", MERGE, "always the longest symbol that fits is taken",
      ("    ids = np.array(word)", "    whole = {(n,): n for n in symbols.tolist()}\n    for left, right, joined in merges.tolist():\n        parts = {n: letters for letters, n in whole.items()}\n"
       "        whole[parts.get(left, (left,)) + parts.get(right, (right,))] = joined\n    rest, word = tuple(symbols.tolist()), []\n    while rest:\n"
       "        n = max(n for n in range(1, len(rest) + 1) if rest[:n] in whole)\n        word.append(whole[rest[:n]])\n        rest = rest[n:]\n    ids = np.array(word)")),
    m("nothing_merged", MERGE, "nothing is merged", ("ids = np.array(word)", "ids = symbols")),
    m("a_list", MERGE, "it returns 5 values and should return ids", ("ids = np.array(word)", "ids = word")),
    m("floats", MERGE, "ids is float64 and should hold integers", ("ids = np.array(word)", "ids = np.array(word, dtype=float)")),
    m("table_must_not_be_empty", MERGE, "ValueError: an empty table\n(called with symbols [4], merges [0, 3])",
      ("    while True:\n", "    if not rank:\n        raise ValueError('an empty table')\n    while True:\n")),
]
