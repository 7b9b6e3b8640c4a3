"""Lecture 5 on published data: small files in the formats of the releases, a training of a few steps on each."""

import json
import struct

import numpy as np
import pytest
import scipy.io

from tests.data.test_cnn_dailymail import CHEN, QUESTION
from tests.data.test_iam_ondb import FORM, form
from tests.data.test_mnist import release
from tests.experiments.coco_folder import write_coco
from tests.train.small_training import interrupt
from tinymm.autograd import no_grad
from tinymm.backend.random import manual_seed
from tinymm.cli import main
from tinymm.experiments.lecture_05.comparison import PUBLISHED, TASKS, task
from tinymm.experiments.lecture_05.experiment import DATASETS, PLAN, LayerNormalization
from tinymm.experiments.running import fit

VARIANT = {name: variant for name, (variant, _) in DATASETS.items()}
RNG = np.random.default_rng(0)


def news(root):
    for folder, count in (("training", 6), ("validation", 3), ("test", 3)):
        (root / folder).mkdir()
        for i in range(count):
            (root / folder / f"{i}.question").write_text(QUESTION.replace("the ball", f"the ball {i}"), encoding="utf-8")


def chen(root):
    for name, count in (("train", 6), ("dev", 3), ("test", 3)):
        (root / f"{name}.txt").write_text(CHEN * count, encoding="utf-8")


def books(root):
    for name in ("books_large_p1", "books_large_p2"):
        lines = (f"he saw {'very ' * (i % 3)}tall tree number {i} , and left ." for i in range(60))
        (root / f"{name}.txt").write_text("\n".join(lines))


def amat(root):
    for part, count in (("train", 20), ("valid", 6), ("test", 6)):
        rows = RNG.integers(0, 2, (count, 784))
        (root / f"binarized_mnist_{part}.amat").write_text("".join(" ".join(map(str, row)) + "\n" for row in rows))


def matlab(root):
    for part, count in (("train", 20), ("valid", 6), ("test", 6)):
        scipy.io.savemat(root / f"binarized_mnist_{part}.mat", {"X": RNG.integers(0, 2, (count, 784)).astype(np.uint8)})


def mnist(root):
    for part, count in (("train", 40), ("t10k", 10)):
        pixels = RNG.integers(0, 256, (count, 28, 28)).astype(np.uint8)
        release(root, part, struct.pack(">4I", 2051, count, 28, 28) + pixels.tobytes(),
                struct.pack(">2I", 2049, count) + (np.arange(count) % 10).astype(np.uint8).tobytes(), packed=True)


def whiteboard(root):
    for i, name in enumerate(("a01-000u", "a01-001w", "b02-003", "b02-004z")):
        form(root, name, original=FORM.replace("10178", str(10000 + i)))


WRITE = {"cnn": news, "dailymail": chen, "sentences": books, "binarized_mnist": amat, "mnist": mnist, "iam_ondb": whiteboard,
         "coco": write_coco}


@pytest.mark.parametrize("name, write", [*WRITE.items(), ("binarized_mnist", matlab)])
def test_a_training_on_each(name, write, tmp_path, capsys):
    (tmp_path / "data").mkdir()
    write(tmp_path / "data")
    out = tmp_path / "out"
    argv = ["lecture", "5", "--variant", VARIANT[name], "--scale", "smoke", "--epochs", "1", "--data", name, "--root",
            str(tmp_path / "data"), "--out", str(out)]
    assert main(argv) == 0, capsys.readouterr().err
    report = json.loads((out / "report.json").read_text())
    assert report["claims"] == [] and "invariances" not in report["metrics"] and report["data"] == name
    assert list(report["metrics"]["tasks"]) == [*DATASETS[name][1]]
    for one in report["metrics"]["tasks"].values():
        assert (one["threshold"] is None) == (name != "binarized_mnist")
        for system in one["systems"].values():
            assert np.isfinite(system["curve"]).all() and np.isfinite(system["loss"]).all()
            assert np.isfinite(system["test"][one["measure"]])
    assert "for train" in capsys.readouterr().out and (out / "steps.png").is_file()


def test_every_task_has_a_dataset_and_every_dataset_a_variant():
    assert {name for _, names in DATASETS.values() for name in names} == set(PUBLISHED) == set(TASKS)
    assert set(VARIANT.values()) == set(PLAN) and all(set(names) <= set(PLAN[v]) for v, names in DATASETS.values())


@pytest.mark.parametrize("name, variant, told", [
    ("sentences", "default", "is for the variant stories (--variant stories); the variant default takes coco, "),
    ("cnn", "letters", "is for the variant default (--variant default); the variant letters takes iam_ondb"),
    ("mnist", "pictures", "the variant pictures takes binarized_mnist")])
def test_a_dataset_of_another_variant(name, variant, told, tmp_path, capsys):
    assert main(["lecture", "5", "--variant", variant, "--data", name, "--root", str(tmp_path), "--out", str(tmp_path / "o")]) == 2
    assert told in capsys.readouterr().err


@pytest.mark.parametrize("name, told", [
    ("cnn", "holds no training with .question files"), ("sentences", "holds no .txt file"),
    ("binarized_mnist", "holds neither binarized_mnist_train.amat nor"), ("mnist", "holds no train-images-idx3-ubyte"),
    ("iam_ondb", "holds no folder lineStrokes"), ("coco", "there is no captions_*.json"),
    ("sick", "does not read the dataset 'sick'")])
def test_the_wrong_folder(name, told, tmp_path, capsys):
    argv = ["lecture", "5", "--variant", VARIANT.get(name, "default"), "--data", name, "--root", str(tmp_path)]
    assert main([*argv, "--out", str(tmp_path / "o")]) == 2
    err = capsys.readouterr().err
    assert told in err and len(err.splitlines()) == 1


@pytest.mark.parametrize("name, file, keep, told", [
    ("cnn", "training/3.question", 200, "3.question"), ("dailymail", "dev.txt", 150, "dev.txt"),
    ("binarized_mnist", "binarized_mnist_valid.amat", 2000, "binarized_mnist_valid.amat line 2: "),
    ("mnist", "train-images-idx3-ubyte.gz", 500, "ends in the middle of its gzip data"),
    ("iam_ondb", "lineStrokes/a01/a01-000/a01-000u-01.xml", 450, "a01-000u-01.xml line ")])
def test_a_truncated_file_is_named(name, file, keep, told, tmp_path, capsys):
    WRITE[name](tmp_path)
    whole = (tmp_path / file).read_bytes()
    assert keep < len(whole)
    (tmp_path / file).write_bytes(whole[:keep])
    argv = ["lecture", "5", "--variant", VARIANT[name], "--data", name, "--root", str(tmp_path)]
    assert main([*argv, "--out", str(tmp_path / "o")]) == 2
    err = capsys.readouterr().err
    assert told in err and len(err.splitlines()) == 1
    assert not list((tmp_path / "o").glob("checkpoints/*"))


def test_too_little_data_is_said(tmp_path, capsys):
    (tmp_path / "a.txt").write_text("one\ntwo\nthree\nfour\n")
    argv = ["lecture", "5", "--variant", "stories", "--data", "sentences", "--root", str(tmp_path), "--out", str(tmp_path / "o")]
    assert main(argv) == 2 and "sentences: nothing is left for validation; it takes more data" in capsys.readouterr().err
    (tmp_path / "a.txt").write_text("word " * 40 + "\n" + "\n".join(["word " * 40] * 99))
    assert main(argv) == 2 and "for train no three sentences of 1 to 30 words stand in a row" in capsys.readouterr().err


def test_a_run_on_published_data_can_be_resumed(tmp_path):
    """In the second system; the names that are drawn for each batch go on, too."""
    (tmp_path / "data").mkdir()
    news(tmp_path / "data")

    def run(folder, resume=False, stop=False):
        manual_seed(0)
        experiment = LayerNormalization(scale="smoke", epochs=1, data="cnn", root=tmp_path / "data")
        experiment.prepare()
        if not stop:
            return fit(experiment, folder, resume)[0].compared["reader"].trainers
        for stage in experiment.stages(folder, False):
            if stage.folder.name == "reader_layer":
                interrupt(stage, 3)
            stage.fit(resume)

    whole = run(tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "broken", stop=True)
    again = run(tmp_path / "broken", resume=True)
    for norm in ("none", "layer"):
        assert again[norm].history["loss"] == whole[norm].history["loss"]
        assert again[norm].history["nats"] == whole[norm].history["nats"]


def test_no_sentence_no_writer_and_no_digit_is_in_two_parts(tmp_path):
    for name in ("sentences", "iam_ondb"):
        (tmp_path / name).mkdir()
        WRITE[name](tmp_path / name)
    (tmp_path / "sentences" / "books_large_p2.txt").unlink()
    stories = task("skip_thoughts", "smoke", 0, "sentences", str(tmp_path / "sentences"))
    numbers = {part: {word for of in held._ids for ids in of for word in stories.vocabulary.decode(ids) if word.isdigit()}
               for part, held in stories.held.items()}
    assert len(numbers["train"]) > 40 and not numbers["train"] & (numbers["test"] | numbers["validation"])
    lines = task("handwriting", "smoke", 0, "iam_ondb", str(tmp_path / "iam_ondb")).parts
    assert {part: len(of) for part, of in lines.items()} == {"train": 6, "validation": 3, "test": 3}


def test_entities_keep_their_part_when_names_change(tmp_path):
    news(tmp_path)
    reader = task("reader", "smoke", 0, "cnn", str(tmp_path))
    assert reader.entities == 3
    manual_seed(0)
    seen = set()
    for _ in range(20):
        batch = reader.train.batch([0])
        words = reader.vocabulary.decode(batch["story"].numpy()[0])
        answer = f"@entity{int(batch['answer'].numpy()[0])}"
        assert words[1] == answer == words[9] and words.count(answer) == 3   # "( @entity1 ) ... gave @entity1 ..."
        asked = reader.vocabulary.decode(batch["query"].numpy()[0])
        assert asked[0] == words[7] and asked[2] == "@placeholder"
        seen.add((answer, asked[0]))
    assert len(seen) > 3
    assert reader.held["test"].frequent == 1.0   # the answer is what these stories name most


def test_measuring_in_chunks_changes_nothing(tmp_path, monkeypatch):
    from tinymm.experiments.lecture_05.published import skip_thoughts
    books(tmp_path)
    stories = task("skip_thoughts", "smoke", 0, "sentences", str(tmp_path))
    manual_seed(0)
    model = stories.model("layer")
    with no_grad():
        whole = stories.measured(model, "train")
        monkeypatch.setattr(skip_thoughts, "AT_ONCE", 7)
        parts = stories.measured(model, "train")
    assert parts == pytest.approx(whole, rel=1e-5)
    assert whole["previous"] == pytest.approx(np.log(len(stories.vocabulary)), abs=0.3)   # untrained


def test_resume_does_not_write_over_a_run_of_another_variant(tmp_path, capsys):
    report = {"lecture": 5, "variant": "letters", "tinymm": "0", "metrics": {}, "claims": [], "seconds": 1.0}
    (tmp_path / "report.json").write_text(json.dumps(report))
    assert main(["lecture", "5", "--variant", "stories", "--scale", "smoke", "--resume", "--out", str(tmp_path)]) == 2
    assert "holds a run with other options (variant is 'letters' there" in capsys.readouterr().err
    assert json.loads((tmp_path / "report.json").read_text()) == report
