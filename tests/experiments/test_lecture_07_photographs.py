"""Lecture 7 on birds and flowers: small folders in the layouts of CUB-200-2011 and of Oxford's flowers."""

import numpy as np
import pytest

from tests.data.bird_folders import COLOURS, write_cub, write_oxford
from tests.data.torch7_files import write_torch7
from tinymm.data import read_cub, read_oxford102
from tinymm.experiments import running
from tinymm.experiments.lecture_07 import photographs
from tinymm.experiments.lecture_07.experiment import TextToImage
from tinymm.experiments.lecture_07.photographs import (FEW, SCALES, DescribedPhotographs, Photographs, other_classes, photo_setting)

WRITE = {"cub": write_cub, "oxford102": write_oxford}
READ = {"cub": read_cub, "oxford102": read_oxford102}


@pytest.fixture(scope="module")
def roots(tmp_path_factory):
    return {name: write(tmp_path_factory.mktemp(name), 5, 30, 2) for name, write in WRITE.items()}


def setting(root, data):
    return photo_setting(data, str(root), "cls", "smoke", 1, 0, "cpu")


def run(root, data, variant="cls"):
    """The lecture on a folder: its report, and the Experiment with what was trained."""
    lecture = TextToImage(variant, "smoke", epochs=1, data=data, root=root)
    lecture.prepare()
    return running.run(lecture, progress=False), lecture


@pytest.mark.parametrize("data", WRITE)
def test_parts(roots, data):
    study = setting(roots[data], data)
    parts, whole = study.parts, READ[data](roots[data], size=19)
    assert [len(part) for part in parts.values()] == [79, 11, 48]
    assert not set(parts["test"].classes) & (set(parts["train"].classes) | set(parts["validation"].classes))
    for part in parts.values():
        assert part.pixels.shape[1:] == (3, 19, 19) and part.images.shape[1:] == (3, 16, 16) and len(part.texts) == 10 * len(part)
        np.testing.assert_allclose(part.images[0], part.pixels[0, :, 1:17, 1:17] / 127.5 - 1, atol=1e-6)
        for n, label in enumerate(part.classes):
            colour = list(COLOURS)[label]
            assert all(colour in text for text in part.texts[10 * n:10 * n + 10])
            assert part.pixels[n, :, 9, 9].astype(int) == pytest.approx(COLOURS[colour], abs=45)
    every = np.concatenate([part.pixels for part in parts.values()])
    assert len(np.unique(every.reshape(len(every), -1), axis=0)) == 79 + 11 + 48 <= len(whole)   # no picture is in two parts


def test_birds_take_the_path(roots):
    report, lecture = run(roots["cub"], "cub")
    metrics, found, measured = report["metrics"], lecture.trained, lecture.measured
    assert report["claims"] == [] and metrics["phi"] == "trained" and metrics["pictures"] == {"train": 79, "validation": 11,
                                                                                              "test": 48}
    assert metrics["classes"] == {"train": 3, "validation": 3, "test": 2} and set(metrics["systems"]) == {"GAN-CLS", "GAN"}
    assert metrics["embedding"]["classes"] == 3 and metrics["embedding"]["unseen classes"] == 2
    for row in metrics["systems"].values():
        assert 0 <= row["AUC"]["seen"] <= 1 and 0 <= row["AUC"]["unseen"] <= 1 and len(row["curve"]) == 1
        assert row["first D loss"] == pytest.approx(2 * np.log(2), abs=.4)
    for drawn in measured.drawn.values():
        assert list(drawn) == ["GAN-CLS", "GAN"] and all(p.shape == (8, 3, 16, 16) and abs(p).max() <= 1 for p in drawn.values())
    assert report["pictures"] == ["interpolation.png", "seen.png", "unseen.png"]
    first, second = (system["G"].state_dict() for system in found.systems.values())
    assert any((first[key].numpy() != second[key].numpy()).any() for key in first)   # w is all that differs, and it does something


def test_published_embeddings_take_the_place_of_the_first_trainings(tmp_path):
    root = write_oxford(tmp_path, 5, 30, 2)
    for record in read_oxford102(root).records:
        folder = root / "flowers_icml" / f"class_{record.label + 1:05}"
        folder.mkdir(parents=True, exist_ok=True)
        write_torch7(folder / f"{record.path.stem}.t7", {"txt": np.full((10, 12), record.image_id, np.float32) / 150})
    report, lecture = run(root, "oxford102", "int_cls")
    assert report["metrics"]["phi"] == "published" and "embedding" not in report["metrics"] and lecture.trained.encoder is None
    assert set(lecture.trained.systems) == {"GAN-INT-CLS", "GAN-CLS"} and lecture.trained.phi["train"].shape == (79, 10, 12)


def test_batches():
    rng = np.random.default_rng(0)
    pixels, classes = rng.integers(0, 256, (6, 3, 19, 19), dtype=np.uint8), np.array([0, 0, 1, 1, 1, 2])
    phi = np.arange(60.0, dtype=np.float32).reshape(6, 10, 1)
    described, several = DescribedPhotographs(Photographs(pixels, classes, [], 16), phi), []
    for _ in range(200):
        rows = np.array([5, 0, 2, 1])
        x, h, wrong = described.batch(rows)
        assert x.shape == (4, 3, 16, 16) and h.shape == (4, 1) and (classes[rows[wrong]] != classes[rows]).all()
        assert (h[:, 0] // 10 == rows).all()   # of their own captions
        several.append((h[0, 0], wrong[0]))
    means, places = map(set, zip(*several))
    assert len(means) > 20 and min(means) < 52.5 and max(means) > 56.5 and places == {1, 2, 3}
    with pytest.raises(ValueError, match="all 3 pictures of the batch are of class 1; a wrong text needs another class"):
        other_classes(np.array([1, 1, 1]), rng)


def test_long_captions_are_cut():
    part = Photographs(np.zeros((1, 3, 19, 19), np.uint8), np.zeros(1, int), ["a" * 300] * 10, 16)
    assert part.characters.shape == (10, 201) and (part.characters == 1).all()


def no_lists(root):
    for file in root.glob("*/*classes.txt"):
        file.unlink() if file.parent.name == "birds" else None


ODD = {
    "nine captions": (lambda root: next((root / "birds" / "text_c10" / "001.Red_Bird").iterdir()).write_text("a\n" * 9),
                      "after line 9"),
    "no lists": (no_lists, "and 5 in both; it takes two or more, one or more and none: give trainvalclasses.txt"),
    "no test": (lambda root: (root / "birds" / "testclasses.txt").unlink(), "0 for the test"),
    "picture": (lambda root: [file.write_bytes(b"\xff\xd8\xff") for file in (root / "CUB_200_2011").glob("images/*/*")],
                "is not a whole, readable picture"),
    "few": (lambda root: [file.unlink() for file in (root / "CUB_200_2011").glob("images/*/*_00[12]*")],
            f"pictures for training; it takes at least {FEW}"),
    "pickles": (lambda root: (root / "birds" / "char-CNN-RNN-embeddings.pickle").write_bytes(b"cposix\nsystem\n(S'true'\ntR."),
                "is a pickle, which is not read; convert each part first"),
}


@pytest.mark.parametrize("name", ODD)
def test_odd_folders(tmp_path, name):
    spoil, message = ODD[name]
    spoil(write_cub(tmp_path, 5, 30, 2))
    with pytest.raises((ValueError, FileNotFoundError), match=message):
        setting(tmp_path, "cub")


def test_other_variants_are_refused():
    with pytest.raises(ValueError,
                       match=r"photographs are for the variants cls, int, int_cls \(--variant\); stackgan takes its own"):
        photo_setting("cub", ".", "stackgan", "smoke", None, 0, "cpu")


def test_the_scales():
    for scale in SCALES.values():
        assert scale.size == 4 * 2 ** len(scale.widths) and FEW >= scale.batch
        G, D = photographs.networks(0, scale)
        assert G.size == D.size == scale.size
