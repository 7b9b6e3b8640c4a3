"""The variant that describes regions: what it is taught, what it measures, its claims, and `caption --boxes`."""

import json
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from tinymm import Tensor
from tinymm.backend.random import manual_seed
from tinymm.cli import main
from tinymm.data.worlds.region_scenes import RegionScenes, phrases
from tinymm.decode import Hypothesis
from tinymm.experiments.captioning.trained import BoxCaptioning, load_captioner
from tinymm.experiments.lecture_03 import generator
from tinymm.experiments.lecture_03.data import Setting, read, scene_parts
from tinymm.experiments.lecture_03.describer import RegionEncoder, build
from tinymm.experiments.lecture_03.experiment import DeepVisualSemanticAlignments
from tinymm.experiments.lecture_03.generator import BOUND, CHAIN, FULL, WORD
from tinymm.experiments.lecture_03.regions import Regions, crops, regions_of
from tinymm.experiments.lecture_03.snippets import Snippets, inferred, snippet_part, true, whole_part
from tinymm.models.conv_encoder import ConvEncoder
from tinymm.text import Vocabulary

SCENES = RegionScenes("train", 12).scenes


@pytest.fixture(scope="module")
def small():
    """A dozen scenes, read by an untaught CNN."""
    parts = scene_parts({"train": 12, "validation": 4, "test": 6}, 0)
    vocabulary = Vocabulary.build(parts["train"].captions)
    manual_seed(0)
    encoder = ConvEncoder(3)
    setting = Setting("generator", parts, vocabulary, epochs=1, steps=3, seed=0, device="cpu")
    return SimpleNamespace(setting=setting, parts=parts, vocabulary=vocabulary, encoder=encoder,
                           pairs=read(encoder, parts, vocabulary))


# ---------------------------------------------------------------------- what is taught

def test_snippets_are_the_chains_segments_and_single_words_go():
    words = ("a", "red", "star", "and", "a", "cross")
    scores = np.full((1, 8, 3), -np.inf)                                   # two padded words; box 2 is not there
    scores[0, :6, 0] = [2, 2, 2, 1, 0, 0]
    scores[0, :6, 1] = [0, 0, 0, 0, 2, 2]
    found = inferred(scores, [words], 0.0)
    assert found.words == [("a", "red", "star", "and"), ("a", "cross")] and found.box.tolist() == [0, 1] and found.dropped == 0
    scores[0, 3, :2] = 1, 1.2
    scores[0, 4, :2] = 1, 0.9
    assert inferred(scores, [words], 0.0).words == [("a", "red", "star")] and inferred(scores, [words], 0.0).dropped == 3
    joined = inferred(scores, [words], 10.0)
    assert joined.words == [words] and joined.box.tolist() == [0] and len(inferred(np.zeros((1, 1, 2)), [("a",)], 0.0)) == 0


def test_nothing_but_scores_and_sentences_decides_what_is_inferred():
    """The truth in the scenes is not asked: scores that know nothing give each sentence whole to box 0."""
    captions = [scene.caption for scene in SCENES]
    blind = inferred(np.zeros((len(SCENES), max(map(len, captions)), 8)), captions, 0.5)
    assert blind.words == captions and not blind.box.any()


def test_true_phrases():
    found = true(SCENES)
    assert len(found) == sum(len(scene.things) for scene in SCENES) and found.dropped == 0
    for k, i, words in zip(found.picture, found.box, found.words):
        thing = SCENES[k].things[SCENES[k].owner[i]]
        assert words in phrases(thing) and " ".join(words) in " ".join(SCENES[k].caption)


def test_the_describers_encoder_sees_what_the_alignment_reads(small):
    """Crop by crop the features of the arrays, from the buffers that the checkpoint keeps."""
    train = small.pairs["train"].regions
    encoder = RegionEncoder(small.encoder, *train.scaling).eval()
    snippets = true(small.parts["train"].scenes)
    part = snippet_part(small.parts["train"], snippets)
    seen = encoder(Tensor(part.images(range(len(snippets))))).numpy()
    np.testing.assert_allclose(seen, train.phi[snippets.picture, snippets.box], rtol=0, atol=1e-4)
    assert {"mean", "deviation"} <= set(encoder.state_dict())
    whole = whole_part(small.parts["train"])
    assert whole.captions == [[words] for words in small.parts["train"].captions]
    np.testing.assert_array_equal(whole.images([3, 1]), [small.parts["train"].images[k].astype(np.float32) / 255 for k in (3, 1)])
    assert encoder(Tensor(whole.images([0]))).shape == (1, encoder.features)
    raw = regions_of(small.encoder, small.parts["test"].images, small.parts["test"].boxes)
    known = regions_of(small.encoder, small.parts["train"].images, small.parts["train"].boxes)
    again = Regions(raw.phi, raw.inside).standard(known)
    np.testing.assert_array_equal(again.phi, small.pairs["test"].regions.phi)   # scaled by the training regions, not by its own


def test_a_describer_is_taught_and_its_encoder_is_not(small):
    train = small.pairs["train"]
    describer = build(RegionEncoder(small.encoder, *train.regions.scaling), len(small.vocabulary))
    before = {name: value.numpy().copy() for name, value in describer.state_dict().items()}
    part = whole_part(small.parts["train"])
    stage = generator.describer_stage(describer, part, describer.annotate(part), small.setting, config={"variant": "generator"})
    stage.fit()
    changed = {name for name, value in describer.state_dict().items() if (value.numpy() != before[name]).any()}
    assert changed and all(name.startswith("decoder.") for name in changed)
    assert len(stage.history["loss"]) == small.setting.steps


# ---------------------------------------------------------------------- what is measured

class Says:
    """A describer whose sentences are given."""

    def __init__(self, vocabulary, sentences):
        self.found = [[Hypothesis(tuple(vocabulary.encode(words)), 0.0, 0.0, True)] for words in sentences]

    def search(self, features, beam_size, length_penalty=0.0):
        assert len(features) == len(self.found)
        return self.found if beam_size > 1 else [[Hypothesis((), 0.0, 0.0, True)]] * len(self.found)


def test_measures_by_hand(small):
    scenes = small.parts["test"].scenes
    things = [scene.things[o] for scene in scenes for o in scene.owner if o >= 0]
    long, short = [phrases(thing)[3] for thing in things], [phrases(thing)[0] for thing in things]
    swapped = [("a", "circle" if thing.shape != "circle" else "star") for thing in things]
    nothing = Snippets.of([(0, 0, ("a", "b")), (0, 1, ("c",))])
    rows = {"long": long, "short": short, "swapped": swapped, "listed": [s + ("and",) + t for s, t in zip(short, swapped)]}
    trained = generator.Trained({row: Says(small.vocabulary, said) for row, said in rows.items()}, dict.fromkeys(rows, nothing),
                                small.pairs["test"])
    metrics = generator.evaluate(small.setting, trained).metrics
    assert metrics["bleu"]["long"] == pytest.approx([100] * 4, abs=0.1) and metrics["exact"]["long"] == 1
    assert metrics["bleu"]["short"][:2] == pytest.approx([100, 100], abs=0.1) and metrics["bleu"]["short"][3] < 1
    assert metrics["exact"]["short"] == 1 and metrics["words"]["short"] == 2 and metrics["words"]["long"] == 4
    assert metrics["bleu"]["swapped"][0] == pytest.approx(50, abs=0.1) and metrics["exact"]["swapped"] == 0
    assert [metrics["shape said"][row] for row in rows] == [1, 1, 0, 1]
    assert [metrics["one shape said"][row] for row in rows] == [1, 1, 0, 0]
    assert set(metrics["searches"]["greedy"]["words"].values()) == {0} and metrics["searches"]["beam"]["bleu"] == metrics["bleu"]
    assert metrics["taught"]["long"] == {"pairs": 1, "of one word, dropped": 1, "words": 2} and metrics["boxes"] == len(things)


def test_each_claim_can_fail():
    """One search, beta or rival beyond a threshold is enough."""
    fine = {"bleu": {FULL: [16, 10, 5, 2], WORD: [89, 86, 1, 0], CHAIN: [74, 68, 1, 0], BOUND: [98, 96, 90, 83]},
            "shape said": {FULL: 0.48, WORD: 0.999, CHAIN: 0.999, BOUND: 1.0}}
    verdicts = lambda bad: [c.verdict for c in generator.claims_of("generator", {"searches": {"beam": fine, "greedy": bad}})]
    assert verdicts(fine) == ["holds"] * 4
    for row in (WORD, CHAIN):
        for k in range(2):
            low = [fine["bleu"][FULL][j] + (19.9 if j == k else 50) for j in range(4)]
            assert verdicts({**fine, "bleu": {**fine["bleu"], row: low}})[k] == "failed"
        assert verdicts({**fine, "shape said": {**fine["shape said"], row: 0.94}}) == ["holds", "holds", "failed", "holds"]
    assert verdicts({**fine, "shape said": {**fine["shape said"], FULL: 0.71}}) == ["holds", "holds", "holds", "failed"]
    assert verdicts({**fine, "bleu": {**fine["bleu"], FULL: [54.1, 48.1, 0, 0]}})[:2] == ["failed", "failed"]


# ---------------------------------------------------------------------- boxes of a user's picture

def test_boxes_in_the_pictures_own_pixels(tmp_path):
    """A scene enlarged four times: boxes in its pixels are the scene's boxes, to a pixel, and one wide at least."""
    captioning = BoxCaptioning(None, None, DeepVisualSemanticAlignments,
                               {"channels": 3, "picture_size": [56, 56], "world": None})
    scene = SCENES[0]
    for name, size in (("own.png", (56, 56)), ("large.png", (224, 224)), ("wide.png", (448, 112))):
        Image.fromarray(scene.image.transpose(1, 2, 0)).resize(size, Image.Resampling.NEAREST).save(tmp_path / name)
        scale = np.array([size[0] / 56, size[1] / 56] * 2)
        (tmp_path / "b.json").write_text(json.dumps((scene.boxes[:, [1, 0, 3, 2]] * scale).tolist()))
        image, _ = captioning.read(tmp_path / name)
        found = captioning.boxes(tmp_path / "b.json", tmp_path / name, image)
        if name == "wide.png":
            assert image.shape == (3, 14, 56) and (found[:, [1, 3]] == scene.boxes[:, [1, 3]]).all() and found[:, 2].max() == 14
            continue
        assert (found == scene.boxes).all()
        np.testing.assert_allclose(image, scene.image / 255, rtol=0, atol=0.01)
        np.testing.assert_allclose(DeepVisualSemanticAlignments.crops(image, found), crops([scene.image], [scene.boxes]), atol=0.01)
    (tmp_path / "b.json").write_text("[[447.9, 111.9, 448, 112], [0, 0, 0.1, 0.1]]")
    thin = captioning.boxes(tmp_path / "b.json", tmp_path / "wide.png", image)
    assert thin.tolist() == [[13, 55, 14, 56], [0, 0, 1, 1]]


@pytest.mark.slow
def test_a_smoke_run_and_captions_of_its_boxes(tmp_path, monkeypatch, capsys):
    out = tmp_path / "out"
    assert main(["lecture", "3", "--variant", "generator", "--scale", "smoke", "--out", str(out)]) == 0
    report = json.loads((out / "report.json").read_text())
    metrics = report["metrics"]
    assert set(report["pictures"]) == {"captions.png", "bleu.png"} and all((out / name).exists() for name in report["pictures"])
    for name in ("bleu", "exact", "shape said", "words", "taught"):
        assert set(metrics[name]) == {FULL, WORD, CHAIN, BOUND} - {FULL if name == "taught" else ""}
    assert len(report["claims"]) == 4 and metrics["taught"][BOUND]["of one word, dropped"] == 0
    assert metrics["bleu"][BOUND][0] > metrics["bleu"][FULL][0] + 20       # so much is learnt in a minute
    monkeypatch.chdir(tmp_path)
    capsys.readouterr()
    scene = RegionScenes("test", 1)[0]
    Image.fromarray(scene.image.transpose(1, 2, 0)).save("scene.png")
    (tmp_path / "boxes.json").write_text(json.dumps(scene.boxes[:, [1, 0, 3, 2]].tolist()))
    assert main(["caption", "scene.png", "--model", str(out), "--boxes", "boxes.json", "--beam", "7"]) == 0
    printed, err = capsys.readouterr()
    lines = printed.splitlines()
    assert [line.split()[:2] for line in lines[:-1]] == [["box", str(i)] for i in range(len(scene.boxes))] and not err
    assert lines[-1] == "the boxes with their descriptions: scene_boxes.png" and (tmp_path / "scene_boxes.png").exists()
    captioning = load_captioner(out)                                       # it says what the run itself says of the box
    experiment = DeepVisualSemanticAlignments("generator", "smoke")
    encoder = captioning.captioner.encoder
    regions = regions_of(encoder.conv, [scene.image], [scene.boxes]).phi
    phi = (regions[0] - encoder.mean.numpy()) / encoder.deviation.numpy()
    wanted = [captioning.vocabulary.decode(best[0].tokens) for best in captioning.captioner.search(phi, 7)]
    assert [line.split()[3:] for line in lines[:-1]] == wanted and experiment.describes == "boxes"


@pytest.mark.slow
def test_stopped_between_its_describers_it_resumes_to_the_same(tmp_path):
    """The last describer must not depend on what the others left in memory: a fresh process has only the checkpoints."""
    def losses(folder, resume):
        manual_seed(0)
        experiment = DeepVisualSemanticAlignments("generator", "smoke", epochs=1)
        experiment.prepare()
        for stage in experiment.stages(folder, False):
            yield stage.fit(resume)["loss"]

    whole = list(losses(tmp_path / "whole", False))
    first = losses(tmp_path / "stopped", False)
    assert [next(first) for _ in range(4)] == whole[:4]                    # windows, alignment, full, captioner
    first.close()
    assert list(losses(tmp_path / "stopped", True)) == whole
