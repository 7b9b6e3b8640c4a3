"""Lecture 1 on photographs with captions: a small dataset in COCO's layout."""

import json

import numpy as np
import pytest

from tests.experiments.coco_folder import write_coco
from tinymm.cli import main
from tinymm.experiments.captioning.datasets import NAMES
from tinymm.experiments.captioning.parts import Part
from tinymm.experiments.lecture_01.experiment import LongTermRecurrentConvolutionalNetworks as Lecture
from tinymm.experiments.lecture_01.photographs import PhotoCaption, PhotoRetrieval, in_memory, said, told_words
from tinymm.experiments.lecture_01.study import study
from tinymm.text import Vocabulary

CAPTIONS = [[["a", "red", "cat"], ["a", "cat"]], [["a", "dog"]], [["a", "red", "dog", "red"]]]


def coco(folder):
    folder.mkdir()
    write_coco(folder, 24)
    return folder


def lecture(variant, root, out, data="coco"):
    return main(["lecture", "1", "--variant", variant, "--scale", "smoke", "--epochs", "1", "--data", data, "--root", str(root),
                 "--out", str(out)])


def test_captions_of_photographs(tmp_path, capsys):
    assert lecture("caption", coco(tmp_path / "coco"), tmp_path / "out") == 0, capsys.readouterr().err
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    bleu = report["metrics"]["bleu"]
    assert report["claims"] == [] and list(bleu) == ["1NN fc8", "1NN fc7", "LRCN-1u", "LRCN-2u", "LRCN-2f"]
    assert all(len(scores) == 4 and np.isfinite(scores).all() for scores in bleu.values())
    assert 0 <= report["metrics"]["encoder accuracy"] <= 1
    out = capsys.readouterr().out
    assert "coco: 18 of 18 pictures for train" in out and "coco: 3 of 3 pictures for test" in out


@pytest.mark.slow
def test_retrieval_of_photographs(tmp_path, capsys):
    assert lecture("retrieval", coco(tmp_path / "coco"), tmp_path / "out") == 0, capsys.readouterr().err
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    for rows in report["metrics"]["retrieval"].values():
        assert {"DeViSE", "m-RNN", "ConvNet", "LRCN-2f", "LRCN-2f raw"} <= set(rows) and not {"SDT-RNN", "DeFrag"} & set(rows)
    assert report["claims"] == [] and report["metrics"]["pictures"] == 3 and report["metrics"]["captions"] == 6


def test_every_dataset_of_captions_is_read_by_both_variants():
    assert Lecture.datasets == ("ucf101", *NAMES)
    assert all(study("caption", name) is PhotoCaption and study("retrieval", name) is PhotoRetrieval for name in NAMES)


def test_words_that_tell_pictures_apart():
    part = Part(CAPTIONS, lambda rows: None)
    vocabulary = Vocabulary.build(list(part.tokens()))
    words = told_words(part, vocabulary)
    assert words == ["red", "dog", "cat"]   # "a" is said of all; equal shares stay in the order of the words
    np.testing.assert_array_equal(said(part, ["red", "cat", "dog"]), [[1, 1, 0], [0, 0, 1], [1, 0, 1]])
    with pytest.raises(ValueError, match="the captions of all 2 training pictures have the same words"):
        told_words(Part([[["a", "dog"]], [["dog", "a"]]], lambda rows: None), vocabulary)


def test_pictures_are_read_once_and_keep_their_captions():
    pictures, asked = np.random.default_rng(0).integers(0, 256, (3, 3, 4, 4)), []

    def images(rows):
        asked.extend(rows)
        return pictures[rows].astype(np.float32) / 255

    part = in_memory(Part(CAPTIONS, images), [2, 0])
    assert asked == [2, 0] and list(part.captions) == [CAPTIONS[2], CAPTIONS[0]]
    np.testing.assert_allclose(part.images([1, 0]), pictures[[0, 2]] / 255, atol=1e-6)
    assert asked == [2, 0]


def test_captions_without_a_word_are_left_out(tmp_path, capsys):
    """As some photographers' are; scored without its end, an empty sentence would be certain with every picture."""
    root = coco(tmp_path / "coco")
    file = root / "annotations" / "captions_small.json"
    content = json.loads(file.read_text())
    for annotation in content["annotations"]:
        if annotation["id"] % 2 or annotation["image_id"] < 4:
            annotation["caption"] = " ."
    file.write_text(json.dumps(content))
    parts = PhotoRetrieval("retrieval", "smoke", 0, "cpu", {}, 1, "coco", str(root)).parts
    assert all(len(of) == 1 and of[0] for part in parts.values() for of in part.captions)
    assert sum(map(len, parts.values())) == 20
    for annotation in content["annotations"]:
        annotation["caption"] = "."
    file.write_text(json.dumps(content))
    assert lecture("caption", root, tmp_path / "out") == 2 and "has a caption with a word in it" in capsys.readouterr().err


def test_what_is_wrong_is_said(tmp_path, capsys):
    root = coco(tmp_path / "coco")
    assert lecture("activity", root, tmp_path / "out") == 2
    assert "the dataset 'coco' is for the variants caption, retrieval (--variant); the variant activity takes ucf101" in \
        capsys.readouterr().err
    (root / "images" / "3.jpg").write_bytes((root / "images" / "3.jpg").read_bytes()[:200])
    assert lecture("caption", root, tmp_path / "out") == 2
    err = capsys.readouterr().err
    assert "3.jpg is not a whole, readable picture" in err and len(err.splitlines()) == 1
    assert lecture("caption", tmp_path, tmp_path / "out") == 2 and "there is no captions_*.json" in capsys.readouterr().err
