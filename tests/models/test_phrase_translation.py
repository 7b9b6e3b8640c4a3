"""Phrase-based translation: its parts by hand and against NLTK, its search against enumeration, and learnt from pairs."""

import itertools
import math

import numpy as np
import pytest

from tinymm.data.worlds.kitchen import SIZES, Kitchen
from tinymm.metrics import bleu
from tinymm.models.label_slots import label_one_hots
from tinymm.models.phrase_translation import LONGEST, NOTHING, PhraseTranslation, consistent_phrases, ibm_model_1, word_links
from tinymm.models.trigram import END, START, Trigram

SMALL = (2, 3, 2)


def small_pairs(count=120, seed=0):
    """Labels (N, 3) and sentences without a word twice: "<verb> the <noun> <place>" or "<place> <noun> is <verb>"."""
    rng = np.random.default_rng(seed)
    labels = np.stack([rng.integers(0, size, count) for size in SMALL], 1)
    verb, noun, place = ("cuts", "eats"), ("fig", "pear", "plum"), ("at home", "on my road")
    said = [f"{verb[a]} the {noun[b]} {place[c]}" if flip else f"{place[c]} {noun[b]} is {verb[a]}"
            for (a, b, c), flip in zip(labels.tolist(), rng.random(count) < 0.5)]
    return labels, [sentence.split() for sentence in said]


@pytest.fixture(scope="module")
def small():
    return PhraseTranslation(SMALL, *small_pairs())


# ---------------------------------------------------------------------- the alignment

def test_one_round_of_model_1_by_hand():
    """(f, a b) and (f g, b), with NULL: a is shared by NULL and f, b by NULL and f, then by NULL, f and g."""
    t = ibm_model_1([(("f",), ("a", "b"), 1), (("f", "g"), ("b",), 1)], rounds=1)
    a, b = 1 / 2, 1 / 2 + 1 / 3
    assert t == pytest.approx({(None, "a"): a / (a + b), (None, "b"): b / (a + b), ("f", "a"): a / (a + b),
                               ("f", "b"): b / (a + b), ("g", "b"): 1.0})


def test_model_1_never_becomes_less_likely():
    """-log likelihood after each round, computed here; and a pair with count 3 is that pair three times."""
    labels, sentences = small_pairs(60)
    pairs = [(tuple(enumerate(row)), tuple(words), 1) for row, words in zip(labels.tolist(), sentences)]
    likelihood = [sum(math.log(sum(t[f, e] for f in (None, *source)) / (1 + len(source))) for source, target, _ in pairs
                      for e in target) for t in (ibm_model_1(pairs, rounds) for rounds in range(1, 8))]
    assert likelihood == sorted(likelihood) and likelihood[-1] > likelihood[0] + 10
    assert ibm_model_1([(*pairs[0][:2], 3), pairs[1]], 3) == pytest.approx(ibm_model_1([pairs[0]] * 3 + [pairs[1]], 3))


@pytest.mark.oracle
def test_model_1_is_nltks():
    """On sentences without a word twice, whose share NLTK 3.10 halves."""
    translate = pytest.importorskip("nltk.translate")
    labels, sentences = small_pairs(80)
    sources = [[f"{slot}={label}" for slot, label in enumerate(row)] for row in labels.tolist()]
    theirs = translate.IBMModel1([translate.AlignedSent(words, source) for words, source in zip(sentences, sources)], 6)
    ours = ibm_model_1([(source, words, 1) for source, words in zip(sources, sentences)], 6)
    for (f, e), probability in ours.items():
        assert theirs.translation_table[e][f] == pytest.approx(probability, abs=1e-12)


def test_links_leave_out_what_null_explains():
    t = {(None, "the"): 0.5, ("f", "the"): 0.1, ("g", "the"): 0.2, (None, "a"): 0.1, ("f", "a"): 0.3, ("g", "a"): 0.2}
    assert word_links(("f", "g"), ("the", "a", "the"), t) == {(0, 1)}


# ---------------------------------------------------------------------- phrases

def test_phrases_by_hand():
    """Links: label 0 with word 1, label 1 with words 3 and 5; words 0, 2, 4 have none."""
    words = tuple("abcdef")
    linked = {(0, 1), (1, 3), (1, 5)}
    assert set(consistent_phrases(linked, words, 0)) == {("b",), ("a", "b"), ("b", "c"), ("a", "b", "c")}
    assert set(consistent_phrases(linked, words, 1)) == {("d", "e", "f"), ("c", "d", "e", "f")}
    assert consistent_phrases(linked, words, 2) == []
    assert consistent_phrases({(0, 0), (0, 4), (1, 2)}, words, 0) == []   # another label's word stands between its own
    long = tuple("abcdefgh")
    assert max(map(len, consistent_phrases({(0, 0)}, long, 0))) == LONGEST
    assert consistent_phrases({(0, 0), (0, 7)}, long, 0) == []   # too long


@pytest.mark.oracle
def test_phrases_are_nltks():
    based = pytest.importorskip("nltk.translate.phrase_based")
    rng = np.random.default_rng(5)
    found = 0
    for _ in range(200):
        words = [f"w{j}" for j in range(rng.integers(3, 9))]
        linked = {(int(rng.integers(4)), j) for j in range(len(words)) if rng.random() < 0.6}
        theirs = based.phrase_extraction("0 1 2 3", " ".join(words), sorted(linked))
        for label in range(4):
            expected = {tuple(phrase.split()) for source, _, _, phrase in theirs if source == (label, label + 1)
                        and len(phrase.split()) <= LONGEST}
            ours = consistent_phrases(linked, words, label)
            assert set(ours) == expected and len(ours) == len(expected)
            found += len(ours)
    assert found > 500


def test_the_table_has_both_relative_frequencies(small):
    """Recounted: of each label's phrases in all sentences, and of each phrase among the labels."""
    labels, sentences = small_pairs()
    pairs = [(tuple(enumerate(row)), tuple(words)) for row, words in zip(labels.tolist(), sentences)]
    forward = ibm_model_1([(f, e, 1) for f, e in pairs])
    backward = ibm_model_1([(e, f, 1) for f, e in pairs])
    seen = []
    for f, e in pairs:
        linked = word_links(f, e, forward) | {(i, j) for j, i in word_links(e, f, backward)}
        seen += [(label, phrase) for i, label in enumerate(f) for phrase in consistent_phrases(linked, e, i)]
    for label, rows in small.table.items():
        assert [score for _, score in rows] == sorted((score for _, score in rows), reverse=True)
        for phrase, score in rows:
            both = seen.count((label, phrase))
            expected = both / sum(of == label for of, _ in seen) * both / sum(what == phrase for _, what in seen)
            assert score == pytest.approx(math.log(expected), abs=1e-12)


def test_phrases_of_the_small_language(small):
    first = {label: " ".join(rows[0][0]) for label, rows in small.table.items()}
    assert {label: text for label, text in first.items() if label[0] < 2} == {
        (0, 0): "cuts", (0, 1): "eats", (1, 0): "fig", (1, 1): "pear", (1, 2): "plum"}
    assert first[2, 0] == "at home" and {"on", "road"} <= set(first[2, 1].split())


# ---------------------------------------------------------------------- the trigram model

def test_the_trigram_model_by_hand():
    """"a b" and "a": after <start> <start> always a; after <start> a either b or the end; 3 words, of which a is 2 of 5."""
    model = Trigram([("a", "b"), ("a",)])
    assert model.words == {"a", "b", END}
    unigram = lambda count: (count + 3 / 4) / (5 + 3)
    assert model.probability("a", ()) == pytest.approx(unigram(2)) and model.probability("zebra", ()) == pytest.approx(unigram(0))
    bigram = (1 + 2 * unigram(1)) / (2 + 2)
    assert model.probability("b", ("a",)) == pytest.approx(bigram)
    assert model.probability("b", (START, "a")) == pytest.approx((1 + 2 * bigram) / 4)
    assert model.probability("b", ("zebra", "a")) == pytest.approx(bigram)   # a history never seen
    assert model.log_prob(("a", "b", END)) == pytest.approx(sum(math.log(p) for p in (
        model.probability("a", (START, START)), model.probability("b", (START, "a")), model.probability(END, ("a", "b")))))


def test_the_trigram_model_sums_to_1_with_one_word_unseen(small):
    words = [*small.trigram.words, "zebra"]
    for history in [(), ("the",), ("zebra",), (START, START), ("cuts", "the"), ("the", "zebra"), ("at", "home")]:
        assert sum(small.trigram.probability(word, history) for word in words) == pytest.approx(1, abs=1e-12)


# ---------------------------------------------------------------------- the search

def best_by_enumeration(model, p, bonus, language):
    """The highest score over labels, phrases and orders, by trying all."""
    parts = np.split(p, np.cumsum(model.sizes)[:-1])
    best = (-math.inf, None)
    for labels in itertools.product(*map(range, model.sizes)):
        prior = [part[label] for part, label in zip(parts, labels)]
        if min(prior) <= 0:
            continue
        for chosen in itertools.product(*(model.table[slot, label] for slot, label in enumerate(labels))):
            fixed = sum(map(math.log, prior)) + sum(score for _, score in chosen)
            for order in itertools.permutations(range(len(labels))):
                words = tuple(word for slot in order for word in chosen[slot][0])
                line, total = (START, START, *words, END), fixed + bonus * len(words)
                for i in range(2, len(line)):
                    total += language * math.log(model.trigram.probability(line[i], line[i - 2:i]))
                best = max(best, (total, (words, labels)))
    return best


def test_a_wide_search_finds_what_enumeration_finds():
    model = PhraseTranslation(SMALL, *small_pairs(), kept=3)
    rng = np.random.default_rng(3)
    for bonus, language in ((0.0, 1.0), (1.0, 0.4)):
        soft = np.concatenate([rng.dirichlet(np.ones(size)) for size in SMALL])
        for p in (label_one_hots(np.array([[1, 2, 0]]), SMALL)[0].astype(float), soft):
            found, = model.translate(p[None], bonus, language, beam=10_000, least=0.0)
            score, (words, labels) = best_by_enumeration(model, p, bonus, language)
            assert found.score == pytest.approx(score, abs=1e-9) and (found.words, found.labels) == (words, labels)


def test_given_labels_are_translated_and_others_are_paid_for(small):
    given, = small.translate(label_one_hots(np.array([[0, 1, 1]]), SMALL))
    assert given.labels == (0, 1, 1) and {"cuts", "pear", "road"} <= set(given.words)
    doubtful = np.array([[1, 0, 0, 1, 0, 0.3, 0.7]])
    other = np.array([[1, 0, 0, 1, 0, 0.9, 0.1]])
    likelier, less = small.translate(doubtful)[0], small.translate(other)[0]
    assert likelier.labels[2] == 1 and less.labels[2] == 0
    assert likelier.score == pytest.approx(given.score + math.log(0.7))   # the price of a label is -log p


def test_a_bonus_makes_sentences_longer():
    model = PhraseTranslation(SMALL, *small_pairs())
    p = label_one_hots(small_pairs()[0][:40], SMALL)
    lengths = [np.mean([len(t.words) for t in model.translate(p, bonus)]) for bonus in (-8.0, 0.0, 8.0)]
    assert lengths[0] <= lengths[1] <= lengths[2] and lengths[0] < lengths[2]


def test_a_label_never_seen_is_left_out_at_a_price():
    labels, sentences = small_pairs()
    kept = labels[:, 1] != 2
    model = PhraseTranslation(SMALL, labels[kept], [s for s, keep in zip(sentences, kept) if keep])
    found, = model.translate(label_one_hots(np.array([[0, 2, 0]]), SMALL))
    assert (1, 2) not in model.table and "plum" not in found.words and "cuts" in found.words and found.score < NOTHING


def test_the_kitchen_is_translated():
    """Learnt from true labels, and asked for true labels: BLEU-4 above 0.9 with three references; wrong labels, far below."""
    train, test = Kitchen("train", 400, seed=0), Kitchen("test", 60, seed=0)
    model = PhraseTranslation(SIZES, np.repeat(train.labels, 3, 0), [s for of in train.sentences for s in of])
    score = lambda labels: bleu([t.words for t in model.translate(label_one_hots(labels, SIZES), 2.0)], test.sentences).corpus[3]
    assert score(test.labels) > 0.9
    assert score(np.roll(test.labels, 1, 0)) < 0.7


@pytest.mark.parametrize("labels, sentences, message", [
    (np.zeros((0, 3), int), [], "there are 0 rows of labels and 0 sentences; give one sentence a row, and at least one"),
    (np.zeros((2, 3), int), [["a"]], "there are 2 rows of labels and 1 sentences"),
    (np.array([[0, 3, 0]]), [["a"]], r"y\[0, 1\]=3, but slot 1 has the labels 0 to 2")])
def test_pairs_that_do_not_fit_are_explained(labels, sentences, message):
    with pytest.raises(ValueError, match="PhraseTranslation: " + message):
        PhraseTranslation(SMALL, labels, sentences)


def test_probabilities_that_do_not_fit_are_explained(small):
    with pytest.raises(ValueError, match=r"PhraseTranslation.translate: in p\[0\] the probabilities of slot 2 sum to 0.8"):
        small.translate(np.array([[1, 0, 0, 1, 0, 0.4, 0.4]]))


def test_a_string_is_no_sentence():
    with pytest.raises(TypeError, match=r"PhraseTranslation: a sentence is a string.*give lists of tokens"):
        PhraseTranslation(SMALL, np.array([[0, 0, 0]]), ["a word"])


def test_nothing_kept_is_explained(small):
    with pytest.raises(ValueError, match="PhraseTranslation: kept=0 must be a positive integer"):
        PhraseTranslation(SMALL, np.array([[0, 0, 0]]), [["a"]], kept=0)
    one = label_one_hots(np.array([[0, 0, 0]]), SMALL)
    with pytest.raises(ValueError, match="PhraseTranslation.translate: beam=0 must be a positive integer"):
        small.translate(one, beam=0)
    with pytest.raises(ValueError, match="PhraseTranslation.translate: bonus=nan and language=1.0 must be finite"):
        small.translate(one, bonus=float("nan"))


def test_no_sentence_is_no_trigram_model():
    with pytest.raises(ValueError, match="Trigram: there are no sentences to count in"):
        Trigram([])
