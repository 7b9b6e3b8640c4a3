"""Lecture 0 at smoke scale: its claims, its report, its pictures."""

import json
import math

import numpy as np
import pytest

from tinymm.cli import main
from tinymm.data.worlds.digits import load_digits, split_digits
from tinymm.experiments.lecture_00.systems import Reader


def test_the_command_writes_a_report_and_pictures(tmp_path, capsys):
    assert main(["lecture", "0", "--scale", "smoke", "--out", str(tmp_path)]) == 0
    report = json.loads((tmp_path / "report.json").read_text())
    assert {"lecture", "scale", "seed", "seconds", "metrics", "claims"} <= set(report)
    assert [c["statement"] for c in report["claims"] if c["verdict"] != "holds"] == []
    assert {p.name for p in tmp_path.iterdir()} == {"report.json", "graph.svg", "rungs.png", "step_size.png", "learning.png",
                                                    "digits.png", "paths.png", "checkpoints"}
    for picture in tmp_path.glob("*.png"):
        assert picture.read_bytes()[:4] == b"\x89PNG"
    assert "holds" in capsys.readouterr().out


def test_one_batch_can_be_learned_by_heart():
    import tinymm
    import tinymm.functional as F
    from tinymm import Tensor, optim

    tinymm.manual_seed(0)
    images, labels = (a[:32] for a in load_digits())
    model = Reader()
    optimiser = optim.Adam(model.parameters(), lr=1e-2)
    losses = []
    for _ in range(100):
        optimiser.zero_grad()
        loss = F.cross_entropy(model(Tensor(images)), Tensor(labels))
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert abs(losses[0] - math.log(10)) < 0.5 and losses[-1] < 0.01


def test_gradcheck_of_the_whole_model():
    import tinymm.functional as F
    from tinymm import Tensor, gradcheck

    images, labels = (a[:4] for a in load_digits())
    model = Reader(hidden=6)
    report = gradcheck(lambda: F.cross_entropy(model(Tensor(images.astype(np.float64))), Tensor(labels)), parameters=model)
    assert report.ok


def test_the_digits_are_the_published_ones():
    images, labels = load_digits()
    assert images.shape == (1797, 8, 8) and images.max() == 1.0
    assert np.bincount(labels).tolist() == [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]   # scikit-learn's description
    parts = split_digits(3)
    assert [len(y) for _, y in parts.values()] == [1200, 297, 300]
    flat = [x.tobytes() for images, _ in parts.values() for x in images]
    assert len(set(flat)) == len({x.tobytes() for x in images})
    with pytest.raises(ValueError, match="add up to 30"):
        split_digits(sizes=(10, 10, 10))


@pytest.mark.oracle
def test_the_digits_equal_scikit_learns():
    datasets = pytest.importorskip("sklearn.datasets")
    images, labels = load_digits()
    np.testing.assert_array_equal(images * 16, datasets.load_digits().images)
    np.testing.assert_array_equal(labels, datasets.load_digits().target)


def test_wrong_arguments_are_explained(capsys):
    with pytest.raises(SystemExit):
        main(["lecture", "99"])
    assert "invalid choice: 99" in capsys.readouterr().err
    assert main(["lecture", "0", "--epochs", "0"]) == 2
    assert "epochs=0 must be a positive integer" in capsys.readouterr().err
