"""Lecture 1 on UCF-101's files: small ones in the layout of the releases."""

import json

import numpy as np
import pytest

from tests.data.clip_folders import write_flow, write_pictures
from tests.data.test_ucf101 import release
from tests.train.small_training import interrupt
from tinymm.backend.random import manual_seed
from tinymm.cli import main
from tinymm.data import read_ucf101
from tinymm.data.flow_pictures import flow_of, flow_pictures
from tinymm.experiments.lecture_01 import ucf101
from tinymm.experiments.lecture_01.activity import COLUMNS, FC6, FC7, SINGLE
from tinymm.experiments.lecture_01.clip_networks import as_input
from tinymm.experiments.lecture_01.experiment import LongTermRecurrentConvolutionalNetworks as Lecture
from tinymm.experiments.lecture_01.ucf101 import UCF101, from_all_classes, mirror
from tinymm.experiments.running import fit

CLASSES = ("ApplyEyeMakeup", "ApplyLipstick", "HandstandPushups")
SIZE = (18, 24)


def name_of(label, group):
    return f"v_{CLASSES[label]}_g{group:02}_c01"


def write_ucf101(root, lengths=(17, 20), groups=(1, 8, 9)):
    """Videos of grey frames, brighter from class to class, with flow to the right; group 1 is the test's."""
    lines = {"train": [], "test": []}
    for label, class_name in enumerate(CLASSES):
        for group in groups:
            name, frames = name_of(label, group), lengths[group % 2]
            rng = np.random.default_rng(10 * label + group)
            pictures = (60 * label + rng.integers(0, 50, (frames, 3, *SIZE))).astype(np.uint8)
            write_pictures(root / "frames" / name, pictures)
            u = np.full((frames - 1, *SIZE), 2.0 * label - 1)
            write_flow(root / "flow_images" / name, flow_pictures(u, 0 * u))
            lines["test" if group == 1 else "train"].append(f"{class_name}/{name}.avi" + f" {label + 1}" * (group != 1))
    release(root / "ucfTrainTestlist", lines["train"], lines["test"], [f"{i} {name}" for i, name in enumerate(CLASSES, 1)])
    return root


@pytest.fixture
def root(tmp_path):
    return write_ucf101(tmp_path / "ucf101")


def lecture(root, out, *more):
    return main(["lecture", "1", "--scale", "smoke", "--epochs", "1", "--data", "ucf101", "--root", str(root), "--out", str(out),
                 *more])


def test_a_training_on_it(root, tmp_path, capsys):
    assert lecture(root, tmp_path / "out") == 0, capsys.readouterr().err
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    metrics = report["metrics"]
    assert report["claims"] == [] and report["data"] == "ucf101" and report["pictures"] == ["table.png"]
    assert list(metrics["table"]) == [SINGLE, FC6, FC7] and list(metrics["table"][FC6]) == list(COLUMNS)
    assert metrics["videos"] == [{"train": 6, "test": 3}] and metrics["classes"] == 3 and "order" not in metrics
    assert np.shape(metrics["confusion"]["Flow"]) == (3, 3) and all(np.isfinite(list(metrics["last loss"].values())))
    assert "ucf101, split 1: 6 of 6 videos for train" in capsys.readouterr().out
    argv = ["lecture", "1", "--variant", "caption", "--scale", "smoke", "--out", str(tmp_path / "out"), "--resume"]
    assert main(argv) == 2   # its stages have other names, and would find no checkpoint
    assert "holds a run with other options (variant is 'activity' there and 'caption' here, " in capsys.readouterr().err
    assert json.loads((tmp_path / "out" / "report.json").read_text()) == report


@pytest.mark.slow
def test_over_three_splits(root, tmp_path):
    lists = root / "ucfTrainTestlist"
    for split in (2, 3):
        for part in ("train", "test"):
            (lists / f"{part}list{split:02}.txt").write_bytes((lists / f"{part}list01.txt").read_bytes())
    assert lecture(root, tmp_path / "out", "--variant", "activity_splits") == 0
    metrics = json.loads((tmp_path / "out" / "report.json").read_text())["metrics"]
    assert list(metrics["table"]) == [f"{row} (all splits)" for row in (SINGLE, FC6)] and len(metrics["videos"]) == 3


def study(root):
    return UCF101("activity", "smoke", 0, "cpu", {}, 1, "ucf101", str(root))


def test_a_training_window_is_a_stretch_of_its_video_or_that_in_a_mirror(root):
    videos = study(root).splits[0]["train"]
    manual_seed(3)
    whole = {row: [as_input("RGB", c) for c in (clip, clip[..., ::-1])] for row in range(6)
             for clip in (videos.clips.window(row, 0, length=int(videos.counts["RGB"][row])),)}
    seen = set()
    for _ in range(20):
        for row, window in enumerate(videos.reader("RGB", 16)(np.arange(6))):
            found = [(turned, start) for turned, clip in enumerate(whole[row]) for start in range(len(clip) - 15)
                     if np.array_equal(clip[start:start + 16], window)]
            assert len(found) == 1
            seen |= {(videos.counts["RGB"][row], *found[0])}
    assert seen == {(n, turned, start) for n in (17, 20) for turned in (0, 1) for start in range(n - 15)}


def test_flow_in_a_mirror_goes_the_other_way():
    u, v = np.random.default_rng(0).uniform(-6, 6, (2, 4, *SIZE))
    found = flow_of(mirror("Flow", flow_pictures(u, v)))
    np.testing.assert_allclose(found, (-u[..., ::-1], v[..., ::-1]), rtol=0, atol=1 / 32 + 1e-6)


def test_labels_stay_with_their_videos(root):
    """A class is 60 grey levels brighter than the one before, and its flow 2 pixels faster."""
    for part in study(root).splits[0].values():
        for i, label in enumerate(part.labels):
            assert abs(part.clips.window(i, 0).mean() - 60 * label - 24.5) < 5
            assert abs(flow_of(part.clips.window(i, 0, "Flow"))[0].mean() - (2 * label - 1)) < 0.2


def test_a_bounded_choice_has_all_classes_alike(tmp_path):
    release(tmp_path, [f"{name}/v_{name}_g{g:02}_c01.avi {i}" for i, name in enumerate(CLASSES, 1) for g in range(1, 4 * i)])
    videos = read_ucf101(tmp_path)                                                             # 3, 7 and 11 of the classes
    count = lambda most: np.bincount([v.label for v in from_all_classes(videos, most, np.random.default_rng(0))]).tolist()
    assert count(6) == [2, 2, 2] and count(15) == [3, 6, 6] and count(100) == [3, 7, 11]
    one, other = ({v.name for v in from_all_classes(videos, 6, np.random.default_rng(seed))} for seed in (0, 1))
    assert one != other


def test_a_resumed_training_ends_with_the_same_losses(root, tmp_path):
    def train(folder, resume=False, stop=False):
        manual_seed(0)
        experiment = Lecture(scale="smoke", epochs=1, data="ucf101", root=root)
        experiment.prepare()
        if not stop:
            return fit(experiment, folder, resume)[0].trainers
        for stage in experiment.stages(folder, False):
            if stage.folder.name == f"RGB, {SINGLE}":
                interrupt(stage, 1)
            stage.fit(resume)

    whole = train(tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):
        train(tmp_path / "broken", stop=True)
    again = train(tmp_path / "broken", resume=True)
    losses = lambda trainers: {name: trainer.history["loss"] for name, trainer in trainers.items()}
    assert losses(again) == losses(whole) and len(whole) == 6


def damage_lists(root):
    file = root / "ucfTrainTestlist" / "trainlist01.txt"
    file.write_bytes(file.read_bytes().replace(b" 3\r\n", b" 4\r\n", 1))


def damage_class(root):
    file = root / "ucfTrainTestlist" / "trainlist01.txt"
    file.write_bytes(b"".join(line for line in file.read_bytes().splitlines(True) if b"Lipstick" not in line))


def unlink(pattern):
    return lambda root: [path.unlink() for path in list(root.glob(pattern))]


@pytest.mark.parametrize("harm, told", [
    (damage_lists, "trainlist01.txt line 5: the label is '4'; expected a number from 1 to 3"),
    (damage_class, "testlist01.txt line 2: class ApplyLipstick has no training video; expected videos of each class in both lists"),
    (unlink("ucfTrainTestlist/classInd.txt"), "testlist01.txt line 1: no label"),
    (unlink("ucfTrainTestlist/t*.txt"), "holds neither trainlist01.txt nor LRCN's"),
    (unlink("frames/v_ApplyLipstick_g08_c01/*.0005.jpg"), "so that 1 of the numbers are missing"),
    (unlink("frames/v_ApplyLipstick_g08_c01/*.001[0-9].jpg"), "trainlist01.txt line 3: v_ApplyLipstick_g08_c01 has 9 pictures in"),
    (unlink("frames/v_ApplyLipstick_g08_c01/*.0017.jpg"), "flow_image_v_ApplyLipstick_g08_c01.0017.jpg has no frame 17 in"),
    (unlink("flow_images/v_HandstandPushups_g01_c01/*"), "v_HandstandPushups_g01_c01 has no picture"),
    (lambda root: (root / "flow_images").rename(root / "flow"), "flow_images does not exist; expected a folder for each video")])
def test_what_is_wrong_is_said_before_any_training(root, tmp_path, capsys, harm, told):
    harm(root)
    assert lecture(root, tmp_path / "out") == 2
    err = capsys.readouterr().err
    assert told in err and len(err.splitlines()) == 1, err
    assert not (tmp_path / "out" / "checkpoints").exists()


def test_a_variant_that_does_not_read_it(root, tmp_path, capsys):
    assert lecture(root, tmp_path / "out", "--variant", "video") == 2
    err = capsys.readouterr().err
    assert "the dataset 'ucf101' is for the variants activity, activity_splits (--variant)" in err
    assert "the variant video takes its own world only" in err


def test_the_lecture_reads_enough_of_all_classes():
    """8 training videos and 3 test videos of each of 101 classes."""
    assert ucf101.SCALES["lecture"].videos == dict(train=8 * 101, test=3 * 101)
