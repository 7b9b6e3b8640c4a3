"""Caption metrics: the COCO evaluation's numbers, properties that follow from the definitions, and mistakes in the input."""

import itertools
import json
import os
import pathlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tinymm.metrics import DocumentFrequency, bleu, caption_scores, cider, cider_d, leave_one_out, ngrams, rouge_l
from tinymm.metrics.rouge import longest_common_subsequence

GOLDEN = json.loads((pathlib.Path(__file__).parents[1] / "golden" / "caption_scores.json").read_text())
METRICS = {"bleu": bleu, "rouge_l": rouge_l, "cider": cider, "cider_d": cider_d}

captions = st.lists(st.sampled_from("a dog cat red on the".split()), min_size=1, max_size=7)
corpora = st.lists(st.tuples(captions, st.lists(captions, min_size=1, max_size=4)), min_size=2, max_size=5).map(
    lambda images: tuple(map(list, zip(*images))))
quick = settings(deadline=None, max_examples=60)


def split(candidates, references):
    return [c.split() for c in candidates], [[r.split() for r in of_image] for of_image in references]


def assert_same(candidates, references, want, tolerance=1e-12):
    for name, metric in METRICS.items():
        for part, got in metric(*split(candidates, references))._asdict().items():
            np.testing.assert_allclose(got, want[name][part], rtol=tolerance, atol=tolerance, err_msg=f"{name} {part}")


@pytest.mark.parametrize("case", GOLDEN)
def test_numbers_of_the_coco_evaluation(case):
    assert_same(GOLDEN[case]["candidates"], GOLDEN[case]["references"], GOLDEN[case]["scores"])


def test_published_values_of_cider():
    """Of the authors' own scorers, for three images."""
    captions = split(GOLDEN["lecture 6"]["candidates"], GOLDEN["lecture 6"]["references"])
    assert cider(*captions).mean == pytest.approx(3.291865902849683, abs=1e-13)
    assert cider_d(*captions).mean == pytest.approx(3.178930513156699, abs=1e-13)
    np.testing.assert_allclose(cider_d(*captions).per_image, [6.582307742160209, 2.4108424607576837, 0.5436413365522065],
                               atol=1e-13)


def test_bleu_by_hand():
    """Papineni's example: seven times "the" matches twice. And a short candidate, whose closest reference decides."""
    score = bleu([["the"] * 7], [["the cat is on the mat".split(), "there is a cat on the mat".split()]], n=2)
    assert score.corpus[0] == pytest.approx(2 / 7) and score.corpus[1] < 1e-6
    score = bleu(["a dog".split()], [["a dog runs".split(), "a big dog runs in the park".split()]], n=1)
    assert score.corpus[0] == pytest.approx(np.exp(1 - 3 / 2))   # the closest has 3 words, not the 7 of the other
    score = bleu(["a b c".split()], [["a b".split(), "a b c d".split()]], n=1)
    assert score.corpus[0] == pytest.approx(1)   # of two equally close, the shorter one: no penalty
    two = bleu(["a dog".split(), "a cat sits here".split()], [["a dog".split()], ["the dog sits on it".split()]], n=1)
    assert two.corpus[0] == pytest.approx(3 / 6 * np.exp(1 - 7 / 6)) and two.sentences.shape == (2, 1)   # counts are added up first


def test_rouge_takes_precision_and_recall_apart():
    score = rouge_l(["a b c d".split()], [["a b c d e f g h".split(), "a b".split()]])
    assert score.mean == pytest.approx(1)   # precision 1 of the first reference, recall 1 of the second


def test_rouge_weights_recall():
    p, r = 1.0, 0.5
    assert rouge_l(["a b".split()], [["a x b y".split()]]).mean == pytest.approx((1 + 1.44) * p * r / (r + 1.44 * p))


def brute_force_cider(candidates, references, clip):
    """The paper's formula on dense vectors with one entry for every n-gram there is."""
    scores = np.zeros(len(candidates))
    for n in range(1, 5):
        def grams(tokens, n=n):
            return [tuple(tokens[i:i + n]) for i in range(len(tokens) - n + 1)]

        every = sorted({g for s in itertools.chain(candidates, *references) for g in grams(s)})
        df = np.array([max(1, sum(any(g in grams(r) for r in of_image) for of_image in references)) for g in every])

        def vector(tokens, every=every, df=df, grams=grams):
            return np.array([grams(tokens).count(g) for g in every]) * np.log(len(references) / df)

        for i, (candidate, of_image) in enumerate(zip(candidates, references)):
            c = vector(candidate)
            for reference in of_image:
                s = vector(reference)
                size = np.linalg.norm(c) * np.linalg.norm(s)
                top = np.minimum(c, s) @ s if clip else c @ s
                penalty = np.exp(-(len(candidate) - len(reference)) ** 2 / 72) if clip else 1
                scores[i] += 10 / 4 / len(of_image) * penalty * (top / size if size else 0)
    return scores


@quick
@given(corpora)
def test_cider_is_its_formula(corpus):
    for metric, clip in (cider, False), (cider_d, True):
        np.testing.assert_allclose(metric(*corpus).per_image, brute_force_cider(*corpus, clip), atol=1e-10)


@quick
@given(captions, captions)
def test_longest_common_subsequence_is_the_longest(a, b):
    def subsequences(tokens):
        return {tuple(t for t, keep in zip(tokens, kept) if keep) for kept in itertools.product([0, 1], repeat=len(tokens))}

    assert longest_common_subsequence(a, b) == max(map(len, subsequences(a) & subsequences(b)))


@quick
@given(corpora)
def test_the_order_of_references_and_images_does_not_matter(corpus):
    candidates, references = corpus
    want = caption_scores(candidates, references)
    assert caption_scores(candidates, [of_image[::-1] for of_image in references]) == pytest.approx(want, abs=1e-12)
    assert caption_scores(candidates[::-1], references[::-1]) == pytest.approx(want, abs=1e-12)


@quick
@given(corpora)
def test_scores_stay_in_their_range(corpus):
    scores = caption_scores(*corpus)
    assert list(scores) == ["BLEU-1", "BLEU-2", "BLEU-3", "BLEU-4", "ROUGE-L", "CIDEr", "CIDEr-D"]
    assert all(0 <= score <= (10 if "CIDEr" in name else 1) + 1e-9 for name, score in scores.items())
    assert all(d <= c + 1e-9 for d, c in zip(cider_d(*corpus).per_image, cider(*corpus).per_image))


@quick
@given(st.lists(captions, min_size=2, max_size=4, unique_by=tuple))
def test_a_perfect_candidate(sentences):
    sentences = [[*s, *f"only image {i} has".split()] for i, s in enumerate(sentences)]   # no n-gram length without weight
    scores = caption_scores(sentences, [[s] for s in sentences])
    assert all(scores[f"BLEU-{k}"] == pytest.approx(1, abs=1e-6) for k in range(1, 5)) and scores["ROUGE-L"] == pytest.approx(1)
    assert scores["CIDEr"] == pytest.approx(10) and scores["CIDEr-D"] == pytest.approx(10)


@quick
@given(corpora, captions)
def test_one_more_reference_never_hurts_rouge(corpus, extra):
    candidates, references = corpus
    more = rouge_l(candidates, [[*of_image, extra] for of_image in references]).per_image
    assert (more >= rouge_l(candidates, references).per_image - 1e-12).all()


def test_ids_serve_as_tokens():
    words, ids = [["a", "dog"], ["b"]], [[4, 5], [6]]
    assert caption_scores(words, [[w] for w in words]) == caption_scores(ids, [[w] for w in ids])


def test_repeating_a_word_fools_cider_less_in_d():
    references = [["a red circle".split()], ["a blue square".split()]]
    honest, stutter = [["red"], ["blue"]], [["red"] * 3, ["blue"] * 3]
    assert cider(stutter, references).mean == pytest.approx(cider(honest, references).mean)
    assert cider_d(stutter, references).mean < cider_d(honest, references).mean


def test_document_frequency_of_a_whole_corpus():
    candidates, references = split(GOLDEN["ten images"]["candidates"], GOLDEN["ten images"]["references"])
    frequency = DocumentFrequency.from_references(references)
    for metric in cider, cider_d:
        want = metric(candidates, references)
        for i in range(len(candidates)):   # an image by itself scores as it does in its corpus
            assert metric(candidates[i:i + 1], references[i:i + 1], frequency).mean == want.per_image[i]
        assert metric(candidates[:1], references[:1]).mean == 0   # and nothing without one: all its n-grams are everywhere
    assert frequency.weight(("dog",)) == np.log(10) - np.log(sum(any("dog" in r for r in image) for image in references))
    assert frequency.weight(("unheard",)) == np.log(10)
    assert "10 images" in repr(frequency) and f"{len(frequency.counts)} n-grams" in repr(frequency)
    assert DocumentFrequency.from_references(references, n=2).counts == {g: c for g, c in frequency.counts.items() if len(g) < 3}
    with pytest.raises(ValueError, match=r"\('a',\) occurs in 3 of 2 images"):
        DocumentFrequency({("a",): 3}, 2)
    with pytest.raises(ValueError, match="images=0"):
        DocumentFrequency({}, 0)


def test_ngrams():
    assert ngrams("a b a b".split(), 3) == {("a",): 2, ("b",): 2, ("a", "b"): 2, ("b", "a"): 1, ("a", "b", "a"): 1,
                                            ("b", "a", "b"): 1}
    assert ngrams([]) == {}


def test_leave_one_out_is_the_mean_over_references():
    references = split([], [["a dog runs here", "a dog sits", "the dog runs"], ["a cat", "one cat sits on a mat", "cat"]])[1]
    others = [[image[:i] + image[i + 1:] for image in references] for i in range(3)]
    want = [caption_scores([image[i] for image in references], others[i]) for i in range(3)]
    assert leave_one_out(references) == pytest.approx({key: np.mean([w[key] for w in want]) for key in want[0]})
    uneven = leave_one_out([references[0], references[1][:2]])   # the second image takes its first caption again
    assert uneven["ROUGE-L"] == pytest.approx(np.mean([rouge_l([references[0][i], references[1][i % 2]],
                                                               [others[i][0], [references[1][1 - i % 2]]]).mean for i in range(3)]))
    with pytest.raises(ValueError, match=r"leave_one_out: references\[1\] is a single caption"):
        leave_one_out([references[0], references[1][:1]])


GOOD = [["a", "dog"]], [[["a", "dog"], ["dogs"]]]


@pytest.mark.parametrize("metric", [bleu, rouge_l, cider, cider_d, caption_scores])
@pytest.mark.parametrize("candidates, references, error, message", [
    (["a dog"], GOOD[1], TypeError, r"candidates\[0\]='a dog' is a string; call tokenize first"),
    ("a dog", GOOD[1], TypeError, "not strings; call tokenize first"),
    ([[["a", "dog"]]], GOOD[1], TypeError, r"candidates\[0\]=\[\['a', 'dog'\]\] is no list of tokens; each image has one"),
    (GOOD[0], [["a dog"]], TypeError, r"references\[0\]\[0\]='a dog' is a string; call tokenize first"),
    (GOOD[0], ["a dog"], TypeError, r"references\[0\]='a dog' is a string; each image has a list"),
    (GOOD[0], [[["a"], 3]], TypeError, r"references\[0\]\[1\]=3 is no list"),
    (GOOD[0] * 2, GOOD[1], ValueError, "2 candidates but references of 1 images"),
    (GOOD[0], [[]], ValueError, r"references\[0\] is empty"),
    ([], [], ValueError, "no images"),
])
def test_mistakes_are_named(metric, candidates, references, error, message):
    with pytest.raises(error, match=f"{metric.__name__}: .*{message}"):
        metric(candidates, references)


def test_more_mistakes():
    with pytest.raises(ValueError, match="bleu: n=0"):
        bleu(*GOOD, n=0)
    with pytest.raises(ValueError, match="bleu: n=8589934592"):
        bleu(*GOOD, n=2**33)
    with pytest.raises(TypeError, match=r"leave_one_out: references\[0\]\[0\]='a dog'"):
        leave_one_out([["a dog", "dogs"]])
    with pytest.raises(TypeError, match="DocumentFrequency.from_references"):
        DocumentFrequency.from_references(["a dog"])


@pytest.mark.oracle
def test_random_captions_against_pycocoevalcap():
    from tests.golden.make_caption_scores import cases, coco_scores, random_captions

    for seed in range(100):
        captions = random_captions(seed, 1 + seed % 12, shortest=seed % 3)
        assert_same(*captions, coco_scores(*captions))
    for name, captions in cases().items():   # and the golden file is what the oracle gives now
        assert list(captions) == [GOLDEN[name]["candidates"], GOLDEN[name]["references"]]
        assert_same(*captions, GOLDEN[name]["scores"])


@pytest.mark.oracle
@pytest.mark.real
def test_real_captions_against_pycocoevalcap():
    from tests.golden.make_caption_scores import coco_scores
    from tinymm.text import tokenize

    root = os.environ.get("TINYMM_REAL_DATA")
    if not root:
        pytest.skip("TINYMM_REAL_DATA is not set")
    path = pathlib.Path(root) / "coco_val_subset" / "annotations" / "captions_val_subset.json"
    images: dict[int, list[str]] = {}
    for annotation in json.loads(path.read_text(encoding="utf-8"))["annotations"]:
        images.setdefault(annotation["image_id"], []).append(" ".join(tokenize(annotation["caption"])))
    references = list(images.values())
    assert len(references) == 28 and {len(of_image) for of_image in references} == {5}
    rounds = [([of_image[k] for of_image in references], [of_image[:k] + of_image[k + 1:] for of_image in references])
              for k in range(5)]
    wanted = [coco_scores(*captions) for captions in rounds]
    for captions, want in zip(rounds, wanted):
        assert_same(*captions, want)
    people = leave_one_out(split([], references)[1])
    assert people["BLEU-4"] == pytest.approx(np.mean([want["bleu"]["corpus"][3] for want in wanted]), abs=1e-12)
    assert people["CIDEr-D"] == pytest.approx(np.mean([want["cider_d"]["mean"] for want in wanted]), abs=1e-12)
