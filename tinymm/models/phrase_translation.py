"""Labels into sentences by phrases: statistical machine translation (Koehn, Och and Marcu 2003), as Rohrbach et al. (2013) used it.

A clip's labels, one a slot, are a sentence of S foreign words. From pairs of labels and sentences are learnt

1. the alignment: IBM's model 1 (Brown et al. 1993) in both directions, with a NULL for words that no label explains;
2. the phrase table: for each label the stretches of words that are linked to it and to no other label, with or without the
   words around that have no link; with both relative frequencies, p(phrase | label) and p(label | phrase);
3. a trigram model of the sentences.

The translation is the best, over all orders of the slots, all phrases, and all labels y_s that the input allows, of

    sum_s [log p(y_s) + log p(phrase_s | y_s) + log p(y_s | phrase_s)] + language * log p_trigram(sentence) + bonus * words

With a CRF's maximum p(y_s) is a one-hot, and the labels are given; with its marginals the translation chooses them, and pays
-log p(y_s). What the CRF has counted already, such as that an activity likes an object, the trigram model counts once more:
``language`` below 1 makes up for that. As usual, both weights are chosen on held-out sentences.
"""

from __future__ import annotations

import dataclasses
import math
from collections import Counter, defaultdict
from collections.abc import Hashable, Iterable, Sequence

import numpy as np

from ..autograd.integers import integer
from .label_slots import checked_labels, checked_probabilities, slot_offsets
from .trigram import END, START, Trigram

ROUNDS = 10          # of EM
LONGEST = 5          # words of a phrase
NOTHING = math.log(1e-4)   # the price of saying nothing of a label without phrases

Label = tuple[int, int]   # slot and value
Pairs = Counter[tuple[tuple[Label, ...], tuple[str, ...]]]   # labels and words -> how often


@dataclasses.dataclass(frozen=True)
class Translation:
    """A sentence and what it was made of.

    Attributes:
        words: tokens.
        labels: (S,), the label of each slot that was translated.
        score: what was maximised, in nats.
    """

    words: tuple[str, ...]
    labels: tuple[int, ...]
    score: float


def ibm_model_1(pairs: Iterable[tuple[Sequence[Hashable], Sequence[Hashable], float]], rounds: int = ROUNDS) -> dict[tuple, float]:
    """t(target word | source word) by EM from equal chances; a NULL, None, belongs to each source sentence.

    Args:
        pairs: (source, target, how often).
        rounds: of EM.
    """
    pairs = [((None, *source), target, count) for source, target, count in pairs]
    t: dict[tuple, float] = dict.fromkeys(((f, e) for source, target, _ in pairs for f in source for e in target), 1.0)
    for _ in range(rounds):
        found: dict[tuple, float] = defaultdict(float)
        totals: dict[Hashable, float] = defaultdict(float)
        for source, target, count in pairs:
            for e in target:
                share = count / sum(t[f, e] for f in source)
                for f in source:
                    found[f, e] += share * t[f, e]
                    totals[f] += share * t[f, e]
        t = {(f, e): n / totals[f] for (f, e), n in found.items()}
    return t


def word_links(source: Sequence[Hashable], target: Sequence[Hashable], t: dict[tuple, float]) -> set[tuple[int, int]]:
    """(place in source, place in target) of each target word whose likeliest source word is not NULL."""
    best = [max(range(-1, len(source)), key=lambda i: t[None if i < 0 else source[i], e]) for e in target]
    return {(i, j) for j, i in enumerate(best) if i >= 0}


def consistent_phrases(linked: set[tuple[int, int]], words: Sequence[str], label: int) -> list[tuple[str, ...]]:
    """The stretches of words that hold all links of a label and no other's, of at most ``LONGEST`` words."""
    own = [j for i, j in linked if i == label]
    others = {j for i, j in linked if i != label}
    if not own:
        return []
    first, last = min(own), max(own)
    found = []
    for start in range(first, -1, -1):
        for stop in range(last + 1, min(len(words), start + LONGEST) + 1):
            if not others & set(range(start, stop)):
                found.append(tuple(words[start:stop]))
    return found


class PhraseTranslation:
    """Learnt from pairs of labels and sentences.

    Args:
        sizes: values of each slot.
        labels: (N, S) integers.
        sentences: N lists of tokens, one a row of labels.
        kept: phrases of a label that are tried.

    Attributes:
        table: (slot, label) -> [(phrase, log p(phrase | label) + log p(label | phrase)), ...], best first.
        trigram: of the sentences.

    Raises:
        ValueError, TypeError: no pairs, as many labels as sentences are not there, labels that do not fit the slots; a sentence
            that is a string; no phrase kept.
    """

    def __init__(self, sizes: Sequence[int], labels, sentences: Sequence[Sequence[str]], kept: int = 8):
        rows = checked_labels("PhraseTranslation", labels, sizes)
        if not len(rows) or len(rows) != len(sentences):
            raise ValueError(f"PhraseTranslation: there are {len(rows)} rows of labels and {len(sentences)} sentences; give one "
                             "sentence a row, and at least one")
        if any(isinstance(words, str) for words in sentences):
            raise TypeError("PhraseTranslation: a sentence is a string, whose tokens would be letters; give lists of tokens, use "
                            ".split()")
        self.sizes, kept = tuple(sizes), integer("PhraseTranslation", "kept", kept, 1)
        pairs: Pairs = Counter((tuple(enumerate(row)), tuple(words)) for row, words in zip(rows.tolist(), sentences))
        self.trigram = Trigram(sentences)
        self.table = phrase_table(pairs, kept)

    def translate(self, p, bonus: float = 0.0, language: float = 1.0, beam: int = 5, least: float = 0.01) -> list[Translation]:
        """The best sentence for each clip.

        Args:
            p: (B, sum K_s) probabilities of labels, the slots side by side; one-hots where they are given.
            bonus: nats a word.
            language: weight of the trigram model.
            beam: hypotheses that are kept of each set of slots told.
            least: labels that are less probable are not tried, the likeliest of a slot excepted.

        Returns:
            B translations.

        Raises:
            ValueError: probabilities that do not fit the slots, are negative or do not sum to 1; no hypothesis kept; a weight
                that is not finite.
        """
        beam = integer("PhraseTranslation.translate", "beam", beam, 1)
        if not (math.isfinite(bonus) and math.isfinite(language)):
            raise ValueError(f"PhraseTranslation.translate: bonus={bonus} and language={language} must be finite")
        array = checked_probabilities("PhraseTranslation.translate", p, self.sizes)
        clips = [row.tobytes() for row in array]   # equal ones are translated once
        found, starts = {}, slot_offsets(self.sizes)[1:]
        for clip, row in dict(zip(clips, array)).items():
            choices = [self._choices(slot, part, least) for slot, part in enumerate(np.split(row, starts))]
            found[clip] = self._search(choices, bonus, language, beam)
        return [found[clip] for clip in clips]

    def _choices(self, slot: int, p: np.ndarray, least: float) -> list[tuple[float, int, tuple[str, ...]]]:
        """(score, label, phrase) of what may be said of a slot."""
        labels = np.flatnonzero((p > 0) & ((p >= least) | (p == p.max()))).tolist()
        return [(math.log(p[label]) + score, label, phrase) for label in labels
                for phrase, score in self.table.get((slot, label), [((), NOTHING)])]

    def _search(self, choices: list[list[tuple[float, int, tuple[str, ...]]]], bonus: float, language: float,
                beam: int) -> Translation:
        """The best order and choice; hypotheses that told the same slots and end in the same two words are one."""
        S = len(choices)
        live: list[dict[tuple[str, ...], tuple[float, tuple[str, ...], dict[int, int]]]] = [{} for _ in range(2**S)]
        live[0][START, START] = 0.0, (), {}
        for told in range(2**S - 1):   # a set of slots, one bit each; it comes before the sets that hold it
            for history, (score, words, labels) in sorted(live[told].items(), key=lambda item: -item[1][0])[:beam]:
                for slot in range(S):
                    if told >> slot & 1:
                        continue
                    ahead = live[told | 1 << slot]
                    for price, label, phrase in choices[slot]:
                        reached = score + price + language * self.trigram.log_prob(phrase, history) + bonus * len(phrase)
                        end = (*history, *phrase)[-2:]
                        if end not in ahead or reached > ahead[end][0]:
                            ahead[end] = reached, (*words, *phrase), {**labels, slot: label}
        score, words, labels = max(((score + language * self.trigram.log_prob((END,), history), words, labels)
                                    for history, (score, words, labels) in live[-1].items()), key=lambda found: found[0])
        return Translation(words, tuple(labels[slot] for slot in range(S)), score)


def phrase_table(pairs: Pairs, kept: int) -> dict[Label, list[tuple[tuple[str, ...], float]]]:
    """Label -> its ``kept`` best phrases, each with log p(phrase | label) + log p(label | phrase)."""
    forward = ibm_model_1([(labels, words, n) for (labels, words), n in pairs.items()])
    backward = ibm_model_1([(words, labels, n) for (labels, words), n in pairs.items()])
    counts: dict[Label, Counter[tuple[str, ...]]] = defaultdict(Counter)
    for (labels, words), n in pairs.items():
        linked = word_links(labels, words, forward) | {(i, j) for j, i in word_links(words, labels, backward)}
        for i, label in enumerate(labels):
            for phrase in consistent_phrases(linked, words, i):
                counts[label][phrase] += n
    of_phrase: Counter[tuple[str, ...]] = sum(counts.values(), Counter())
    table = {}
    for label, found in counts.items():
        total = found.total()
        scored = [(phrase, math.log(n / total) + math.log(n / of_phrase[phrase])) for phrase, n in found.items()]
        table[label] = sorted(scored, key=lambda item: (-item[1], item[0]))[:kept]
    return table
