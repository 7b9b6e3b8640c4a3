"""Solutions that are right but not as anyone would expect them: none is accused."""

import pytest

from tests.homework.sources import EXERCISES, changed, handed_in
from tinymm.homework import check

DE = "de = alpha * (g - (alpha * g).sum(axis=1, keepdims=True))"
DE_HEADS = "    de = alpha * (g - (alpha * g).sum(axis=3, keepdims=True)) / np.sqrt(d)\n"
ODD = {   # name -> (exercise, task, what is replaced)
    "the Jacobian of the softmax as a matrix": ("04", "soft_attention", [
        (DE, "J = alpha[:, :, None] * np.eye(alpha.shape[1]) - alpha[:, :, None] * alpha[:, None, :]\n"
             "    de = np.einsum('bij,bj->bi', J, g)")]),
    "the same for each head, by loops": ("08", "attention_pool", [
        (DE_HEADS, "    de = np.empty_like(g)\n    for b in range(B):\n        for m in range(heads):\n"
                   "            a = alpha[b, m, 0]\n"
                   "            de[b, m, 0] = (np.diag(a) - np.outer(a, a)) @ g[b, m, 0] / np.sqrt(d)\n")]),
    "scores less a sum of two logarithms": ("04", "soft_attention", [
        ("    alpha = np.exp(e - e.max(axis=1, keepdims=True))\n"
         "    alpha = alpha / alpha.sum(axis=1, keepdims=True)\n",
         "    alpha = np.exp(e - np.logaddexp.reduce(e, axis=1, keepdims=True))\n")]),
    "a loss as np.float64, by a trace": ("08", "clip_loss", [
        ("loss_i, loss_t = (-np.diag(lp).mean() for lp in log_p)", "loss_i, loss_t = (-np.trace(lp) / len(lp) for lp in log_p)")]),
    "a loss as an array of no axes": ("08", "clip_loss", [("    loss = (loss_i + loss_t) / 2\n",
                                                           "    loss = np.array((loss_i + loss_t) / 2)\n")]),
    "gates by logistic functions of two signs": ("02", "lstm_step", [
        ("gates = 0.5 * (1 + np.tanh(0.5 * a[:, :3 * H]))", "z = np.exp(-np.abs(a[:, :3 * H]))\n    "
         "gates = np.where(a[:, :3 * H] >= 0, 1 / (1 + z), z / (1 + z))")]),
    "results that are not contiguous": ("02", "lstm_step", [
        ("    dW_x = da.T @ x\n", "    dW_x = np.asfortranarray(da.T @ x)\n"),
        ("    dx = da @ W_x\n", "    dx = np.repeat(da @ W_x, 2, axis=1)[:, ::2]\n")]),
    "in place on arrays of its own": ("02", "caption_loss", [
        ("    dlogits = (np.exp(log_p) - one_hot) * (counts * dloss)[:, :, None]\n",
         "    dlogits = np.exp(log_p)\n    dlogits -= one_hot\n    dlogits *= (counts * dloss)[:, :, None]\n")]),
    "an embedding by one-hot products": ("02", "image_then_words", [
        ("    np.add.at(dW_e, words, dX[1:]) ", "    dW_e += np.einsum('tbk,tbd->kd', np.eye(shape[0])[words], dX[1:]) ")]),
    "regions chosen by a stable sort, a pair at a time, from a masked array": ("03", "image_sentence_score", [
        ("    best = scores.argmax(axis=3) ",
         "    hidden = np.ma.masked_invalid(scores)\n    best = np.zeros(scores.shape[:3], dtype=np.int8)\n"
         "    for k, l in np.ndindex(scores.shape[:2]):\n"
         "        best[k, l] = np.argsort(-scores[k, l], axis=1, kind='stable')[:, 0] "),
        ("    told = scores.max(axis=3) ", "    told = hidden.max(axis=3).filled(np.nan) "),
        ("    S = (told * words.T).sum(axis=2)\n",
         "    S = np.where(words.T, told, 0).sum(axis=2, dtype=np.longdouble).astype(float)\n")]),
    "the gradient of a maximum by one-hot products": ("03", "image_sentence_score", [
        ("    np.add.at(dv, (image, best), g * s.swapaxes(0, 1)) ",
         "    one_hot = np.arange(v.shape[1]) == best[..., None]\n    dv += np.einsum('klti,tld,kltm->kmd', g, s, one_hot) ")]),
    "all pairs of regions, followed back by the values of the table": ("03", "align", [
        ("    a[-1] = q.argmax()\n    for t in range(N - 1, 0, -1):\n        a[t - 1] = came[t, a[t]]\n    Q = q[a[-1]]\n",
         "    best = [scores[0]]\n    for row in scores[1:]:\n"
         "        best.append(np.array([row[i] + max(best[-1][j] + beta * (i == j) for j in range(M)) for i in range(M)]))\n"
         "    a = [int(np.flatnonzero(best[-1] == best[-1].max())[0])]\n    for column in best[-2::-1]:\n"
         "        stay = column[a[0]] + beta >= column.max()\n        a.insert(0, a[0] if stay else int(np.argmax(column)))\n"
         "    Q, a = float(best[-1].max()), np.array(a, dtype=np.uint8)\n")]),
    "the table in float128, the path in small integers": ("03", "align", [
        ("    q = scores[0] ", "    scores = scores.astype(np.longdouble)\n    q = scores[0] "),
        ("    Q = q[a[-1]]\n", "    a, Q = a.astype(np.int16), float(q[a[-1]])\n")]),
    "a hinge on a copy whose diagonal can never win": ("03", "ranking_loss", [
        ("np.maximum(S - right[:, None] + 1, 0) * others ", "np.maximum(np.where(others, S, -np.inf) - right[:, None] + 1, 0) ")]),
    "pads that are 0 only where it matters": ("03", "bidirectional_encoder", [
        ("np.maximum(x @ W_e.T + b_e, 0) * there ", "np.maximum(x @ W_e.T + b_e, 0) "),
        ("np.maximum(e[t] + before @ W_f.T + b_f, 0) * there[t]", "np.maximum(e[t] + before @ W_f.T + b_f, 0)")]),
    "the variance as NumPy has it": ("05", "layer_norm", [
        ("sigma = np.sqrt((centred**2).mean(axis=1, keepdims=True) + eps)", "sigma = np.sqrt(np.var(a, axis=1)[:, None] + eps)")]),
    "layer norm backward by sums": ("05", "layer_norm", [
        ("    da = (dn - by_mu - by_sigma) / sigma\n", "    H = dn.shape[1]\n    da = (H * dn - dn.sum(1, keepdims=True) "
                                                       "- n * (dn * n).sum(1, keepdims=True)) / (H * sigma)\n")]),
    "a helper, a class and a global": ("05", "layer_norm", [
        ("    centred = a - a.mean(axis=1, keepdims=True)                             # (B, H)\n",
         "    class Mean:\n        def __call__(self, a):\n            return a.mean(axis=1, keepdims=True)\n"
         "    centred = np.subtract(a, Mean()(a))\n")])}


@pytest.mark.parametrize("name", ODD)
def test_right_code_is_not_accused(name, tmp_path):
    number, task, changes = ODD[name]
    source = changed(*changes, source=EXERCISES[number].solution)
    report = check(number, handed_in(tmp_path, source), only=task)
    assert report, repr(report)
    assert not any(result.problems for result in report.results)
