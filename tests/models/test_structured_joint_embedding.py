"""Structured joint embedding: value and gradient by double loops, the roles exchanged, both classifiers, and odd batches."""

import numpy as np
import pytest

from tinymm import Tensor, gradcheck, tensor
from tinymm.models import class_means, class_scores, classify_images, classify_texts, joint_embedding_loss, zero_one_loss

RNG = np.random.default_rng(0)
THETA, PHI = RNG.standard_normal((6, 3)), RNG.standard_normal((6, 3))


def double_loop(theta: np.ndarray, phi: np.ndarray):
    """The loss, and its gradients by theta and phi, pair by pair as in the published code: first by texts, then by pictures."""
    B = len(theta)
    loss, of_theta, of_phi = 0.0, np.zeros_like(theta), np.zeros_like(phi)
    for rows, columns, of_rows, of_columns in ((theta, phi, of_theta, of_phi), (phi, theta, of_phi, of_theta)):
        for i in range(B):
            for j in range(B):
                violation = 1 + rows[i] @ columns[j] - rows[i] @ columns[i]
                if j != i and violation > 0:
                    loss += violation / B ** 2
                    of_rows[i] += (columns[j] - columns[i]) / B ** 2
                    of_columns[j] += rows[i] / B ** 2
                    of_columns[i] -= rows[i] / B ** 2
    return loss, of_theta, of_phi


def test_value_and_gradient_are_those_of_the_double_loop():
    theta, phi = tensor(THETA, requires_grad=True), tensor(PHI, requires_grad=True)
    loss = joint_embedding_loss(theta @ phi.T)
    loss.backward()
    wanted, of_theta, of_phi = double_loop(THETA, PHI)
    assert loss.item() == pytest.approx(wanted, rel=1e-12) and wanted > 0.5
    np.testing.assert_allclose(theta.grad.numpy(), of_theta, rtol=1e-11, atol=1e-14)
    np.testing.assert_allclose(phi.grad.numpy(), of_phi, rtol=1e-11, atol=1e-14)
    report = gradcheck(joint_embedding_loss, [tensor(THETA @ PHI.T, requires_grad=True)])
    assert report.ok, str(report)


def test_pictures_and_texts_may_exchange_their_roles():
    S = THETA @ PHI.T
    assert joint_embedding_loss(Tensor(S)).item() == pytest.approx(joint_embedding_loss(Tensor(S.T)).item(), rel=1e-13)
    one_way = np.maximum(0, 1 + S - np.diag(S)[:, None])[~np.eye(6, dtype=bool)].sum() / 36
    assert abs(joint_embedding_loss(Tensor(S)).item() - 2 * one_way) > 0.01      # it is not twice one of the terms


def test_alike_scores_cost_the_margins_and_far_ones_nothing():
    assert joint_embedding_loss(Tensor(np.zeros((40, 40)))).item() == pytest.approx(2 * 39 / 40)
    assert joint_embedding_loss(Tensor(1.0 * np.eye(5)), np.arange(5)).item() == 0


@pytest.mark.parametrize("S, labels, message", [
    (np.zeros((3, 4)), None, r"S has shape \(3, 4\); it must be \(B, B\)"),
    (np.zeros(3), None, r"\(3,\); it must be \(B, B\)"),
    (np.zeros((1, 1)), None, "no wrong pair"),
    (np.zeros((0, 0)), None, "no wrong pair"),
    (np.zeros((3, 3)), [7, 7, 7], "3 pairs of 1 class, class 7 3 times.*draw B different classes"),
    (np.zeros((3, 3)), [1, 2, 1], "3 pairs of 2 classes, class 1 2 times"),
    (np.zeros((3, 3)), [1, 2], r"labels \(2,\); they must be \(B,\)")])
def test_batches_that_are_refused(S, labels, message):
    with pytest.raises(ValueError, match=f"joint_embedding_loss: .*{message}"):
        joint_embedding_loss(Tensor(S), labels)


def test_the_classifiers_are_the_slides_expectations():
    """f_v and f_t term by term: the mean of the scores, class by class, not the score of one sample."""
    texts, of_text = RNG.standard_normal((12, 3)), np.repeat(np.arange(4), 3)
    images, of_image = RNG.standard_normal((8, 3)), np.tile(np.arange(4), 2)
    means = class_means(Tensor(texts), of_text, 4)
    wanted = [[np.mean([v @ t for t, y in zip(texts, of_text) if y == c]) for c in range(4)] for v in images]
    np.testing.assert_allclose(class_scores(images, means), wanted, rtol=1e-12)
    f_v = classify_images(Tensor(images), means)
    assert f_v.tolist() == np.argmax(wanted, 1).tolist()
    back = [[np.mean([v @ t for v, y in zip(images, of_image) if y == c]) for c in range(4)] for t in images]
    f_t = classify_texts(images, class_means(images, of_image, 4))
    assert f_t.tolist() == np.argmax(back, 1).tolist()
    mistakes = sum(float(a != y) + float(b != y) for a, b, y in zip(f_v, f_t, of_image)) / 8
    assert zero_one_loss(of_image, f_v, f_t) == pytest.approx(mistakes, rel=1e-12) and 0 < mistakes < 2


def test_classes_that_do_not_fit():
    with pytest.raises(ValueError, match="class 1 has no vector"):
        class_means(PHI, [0, 0, 2, 2, 0, 2], 3)
    with pytest.raises(ValueError, match="labels run from 0 to 3; with 3 classes they are 0 to 2"):
        class_means(PHI, [0, 1, 2, 3, 0, 0], 3)
    with pytest.raises(ValueError, match=r"\(N, d\) and \(N,\)"):
        class_means(PHI, [0, 1], 2)
    with pytest.raises(ValueError, match=r"\(N, d\) and \(C, d\)"):
        classify_images(THETA, PHI[:, :2])
